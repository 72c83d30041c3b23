/* buf.h - a growing byte buffer with a bound. One owner, no threads. */
#ifndef SENTIER_BUF_H
#define SENTIER_BUF_H

#include <stdint.h>

#include "str.h"

struct buf {
    char *p;
    size_t n, cap;
    size_t max;  /* 0: no bound but memory */
    bool failed; /* the bound or memory was hit; contents are a prefix of what was asked for */
};

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);
void buf_clear(struct buf *b); /* keeps the memory */

/* Room for n more bytes at b->p + b->n; NULL (and failed) when that crosses the bound. */
char *buf_reserve(struct buf *b, size_t n);
bool buf_add(struct buf *b, struct str s);
bool buf_add_char(struct buf *b, char c);
bool buf_add_varint(struct buf *b, uint64_t v);
bool buf_add_le64(struct buf *b, uint64_t v);
bool buf_add_le32(struct buf *b, uint32_t v);
bool buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static inline struct str buf_str(const struct buf *b)
{
    return (struct str){b->p, b->n};
}

#endif
