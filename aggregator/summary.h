/*
 * summary.h - a range of rows -> the summary document of README.md. Pure, but for page names,
 * which the caller has put into the rows (range_read_pages).
 */
#ifndef SENTIER_SUMMARY_H
#define SENTIER_SUMMARY_H

#include <jansson.h>

#include "live.h"
#include "range.h"
#include "verdict.h"

enum { SUMMARY_VERSION = 1, SUMMARY_LATE_AFTER_H = 72, SUMMARY_SESSION_GAP_MIN = 30 };

struct summary_opts {
    const char *range;     /* "28d", or "" for a range by dates */
    const char *time_zone; /* of the site's days */
    int64_t made_ms;       /* everything folded up to then is in it */
    uint32_t late_after_h;
    size_t limit;            /* rows of a list; 0: all */
    struct str event;        /* whose properties are told; empty: all */
    const struct live *live; /* NULL: not in this document */
};

/* The document; NULL: out of memory. */
json_t *summary_document(const struct range *r, const struct summary_opts *opts);

/* What a row is called: a page, "Direct", "FR", "(other)". Borrowed from the row or static, or
 * written into room. */
enum { SUMMARY_LABEL_BYTES = 32 };
struct str summary_label(const struct range_row *row, char room[SUMMARY_LABEL_BYTES]);

/* Names in the journal are UTF-8; imported ones may not be: made so. NULL: out of memory. */
json_t *summary_text(struct str s);

/* Four digits of a share are enough, and as short in JSON; null where there is no whole. */
json_t *summary_share(int64_t part, int64_t whole);

/* The rows of top as an array of items; top is finished. NULL: out of memory. */
typedef json_t *summary_item(const struct range *r, const struct range_row *row, const void *arg);
json_t *summary_rows(const struct range *r, struct range_top *top, summary_item *item,
                     const void *arg);

/* The rows of the pages that a document with that limit names; one may stand twice. False: out of
 * memory. */
bool summary_pages(const struct range *r, size_t limit, struct range_top *out);

/* One line of the ledger of the range; and all of them. */
int64_t summary_ledger(const struct range *r, enum ledger_line line);
int64_t summary_received(const struct range *r);

#endif
