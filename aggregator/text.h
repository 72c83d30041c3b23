/* text.h - strings that others chose, made fit for a terminal or a document. Pure. */
#ifndef SENTIER_TEXT_H
#define SENTIER_TEXT_H

#include <stdint.h>

#include "buf.h"
#include "str.h"

/* The first character of s (not empty) and how many bytes it takes; a byte that begins no
 * character of UTF-8 is U+FFFD and takes one. */
size_t text_next(struct str s, uint32_t *character);

/* Copies s as valid UTF-8. */
bool text_add_utf8(struct buf *out, struct str s);
/* The same, and characters that steer a terminal (controls, direction marks) become U+FFFD. */
bool text_add_clean(struct buf *out, struct str s);
/* Clean, and in at most `columns` columns: what is too long loses its middle to an ellipsis. */
bool text_add_short(struct buf *out, struct str s, unsigned columns);

unsigned text_columns(struct str clean); /* of a terminal */

/* What stands for a page that Redis has no name of: "(page ID)". */
enum { TEXT_PAGE_BYTES = 32 };
struct str text_unnamed_page(uint64_t id, char room[TEXT_PAGE_BYTES]);

bool text_add_count(struct buf *out, int64_t n);                   /* 1,234,567 */
bool text_add_score(struct buf *out, int64_t thousandths);         /* 1,234.57; not below 0 */
bool text_add_duration(struct buf *out, int64_t ms);               /* 1h 02m, 3m 10s, 12s */
bool text_add_share(struct buf *out, int64_t part, int64_t whole); /* 12.3%; "-" of nothing */

#endif
