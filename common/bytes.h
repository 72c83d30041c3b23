/*
 * bytes.h - numbers as bytes, the same on every machine: little-endian fixed widths, LEB128
 * varints (7 bits a byte, low bits first), and a bounded reader that remembers its first failure.
 */
#ifndef SENTIER_BYTES_H
#define SENTIER_BYTES_H

#include <stdint.h>
#include <string.h>

#include "str.h"

enum { VARINT_MAX_BYTES = 10 };

static inline void store_le16(void *p, uint16_t v)
{
    unsigned char *b = p;
    b[0] = (unsigned char)v;
    b[1] = (unsigned char)(v >> 8);
}

static inline void store_le32(void *p, uint32_t v)
{
    store_le16(p, (uint16_t)v);
    store_le16((unsigned char *)p + 2, (uint16_t)(v >> 16));
}

static inline void store_le64(void *p, uint64_t v)
{
    store_le32(p, (uint32_t)v);
    store_le32((unsigned char *)p + 4, (uint32_t)(v >> 32));
}

static inline uint16_t load_le16(const void *p)
{
    const unsigned char *b = p;
    return (uint16_t)(b[0] | b[1] << 8);
}

static inline uint32_t load_le32(const void *p)
{
    return load_le16(p) | (uint32_t)load_le16((const unsigned char *)p + 2) << 16;
}

static inline uint64_t load_le64(const void *p)
{
    return load_le32(p) | (uint64_t)load_le32((const unsigned char *)p + 4) << 32;
}

/* Writes at most VARINT_MAX_BYTES; returns the byte after. */
static inline unsigned char *put_varint(unsigned char *p, uint64_t v)
{
    while (v >= 0x80) {
        *p++ = (unsigned char)(v | 0x80);
        v >>= 7;
    }
    *p++ = (unsigned char)v;
    return p;
}

/* Small magnitudes of either sign become small unsigned numbers. */
static inline uint64_t zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v < 0 ? -1 : 0);
}

static inline int64_t unzigzag(uint64_t v)
{
    return (int64_t)((v >> 1) ^ (0 - (v & 1)));
}

/* Reads from left to right. After a failure every get returns 0 and `bad` stays set. */
struct reader {
    const unsigned char *p, *end;
    bool bad;
};

static inline struct reader reader_of(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    return (struct reader){p, p == NULL ? p : p + s.n, false};
}

static inline bool reader_done(const struct reader *r)
{
    return r->bad || r->p == r->end;
}

static inline size_t reader_left(const struct reader *r)
{
    return r->bad ? 0 : (size_t)(r->end - r->p);
}

static inline uint64_t get_varint(struct reader *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; !r->bad && shift < 64 && r->p < r->end; shift += 7) {
        unsigned char b = *r->p++;
        if (shift == 63 && b > 1) break; /* more than 64 bits */
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) return v;
    }
    r->bad = true;
    return 0;
}

/* The number when it is at most max; else the reader turns bad. */
static inline uint64_t get_upto(struct reader *r, uint64_t max)
{
    uint64_t v = get_varint(r);
    if (v <= max) return v;
    r->bad = true;
    return 0;
}

static inline int64_t get_zigzag(struct reader *r)
{
    return unzigzag(get_varint(r));
}

/* The next n bytes, borrowed. */
static inline struct str get_bytes(struct reader *r, uint64_t n)
{
    if (r->bad || n > (uint64_t)(r->end - r->p)) {
        r->bad = true;
        return (struct str){NULL, 0};
    }
    struct str s = {(const char *)r->p, (size_t)n};
    r->p += n;
    return s;
}

static inline uint64_t get_le64(struct reader *r)
{
    struct str s = get_bytes(r, 8);
    return s.n == 8 ? load_le64(s.p) : 0;
}

static inline uint32_t get_le32(struct reader *r)
{
    struct str s = get_bytes(r, 4);
    return s.n == 4 ? load_le32(s.p) : 0;
}

#endif
