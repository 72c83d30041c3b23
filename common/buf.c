/*
 * A buffer doubles until its bound. Once an addition does not fit, the buffer is marked failed and
 * refuses all further additions, so a builder may add a hundred pieces and ask once at the end.
 */
#include "buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "bytes.h"

enum { FIRST_BYTES = 256 };

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_fini(struct buf *b)
{
    free(b->p);
    *b = (struct buf){.max = b->max};
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->failed = false;
}

char *buf_reserve(struct buf *b, size_t n)
{
    if (b->failed || n > SIZE_MAX / 2 - b->n || (b->max != 0 && b->n + n > b->max)) goto fail;
    if (b->n + n > b->cap) {
        size_t cap = b->cap == 0 ? FIRST_BYTES : b->cap;
        while (cap < b->n + n)
            cap *= 2;
        if (b->max != 0 && cap > b->max) cap = b->max;
        char *p = realloc(b->p, cap);
        if (p == NULL) goto fail;
        b->p = p;
        b->cap = cap;
    }
    return b->p + b->n;
fail:
    b->failed = true;
    return NULL;
}

bool buf_add(struct buf *b, struct str s)
{
    if (s.n == 0) return !b->failed;
    char *at = buf_reserve(b, s.n);
    if (at == NULL) return false;
    memcpy(at, s.p, s.n);
    b->n += s.n;
    return true;
}

bool buf_add_char(struct buf *b, char c)
{
    return buf_add(b, (struct str){&c, 1});
}

bool buf_add_varint(struct buf *b, uint64_t v)
{
    unsigned char bytes[VARINT_MAX_BYTES];
    return buf_add(b, (struct str){(char *)bytes, (size_t)(put_varint(bytes, v) - bytes)});
}

bool buf_add_le64(struct buf *b, uint64_t v)
{
    char bytes[8];
    store_le64(bytes, v);
    return buf_add(b, (struct str){bytes, sizeof bytes});
}

bool buf_add_le32(struct buf *b, uint32_t v)
{
    char bytes[4];
    store_le32(bytes, v);
    return buf_add(b, (struct str){bytes, sizeof bytes});
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *at = n < 0 ? NULL : buf_reserve(b, (size_t)n + 1); /* + the NUL that vsnprintf writes */
    if (at == NULL) {
        b->failed = true;
        return false;
    }
    va_start(ap, fmt);
    vsnprintf(at, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->n += (size_t)n;
    return true;
}
