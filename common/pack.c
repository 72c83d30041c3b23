/*
 * A row of a day in a hash of its own costs Redis about 80 bytes besides its content; days that are
 * over change no more, so their rows go into one value. Names are mostly hashes, which no
 * compression makes smaller; what zlib finds are the counters, of which most are alike.
 *
 * Level and window are fixed and the rows are in order: the same rows have the same bytes. What is
 * read is checked wholly before any of it is used.
 */
#include "pack.h"

#include <zlib.h>

enum { PACK_VERSION = 1 };

bool pack_add(struct buf *rows, struct str name, struct str value)
{
    return buf_add_varint(rows, name.n) && buf_add(rows, name) && buf_add_varint(rows, value.n) &&
           buf_add(rows, value);
}

bool pack_next(struct reader *in, struct str *name, struct str *value)
{
    if (reader_done(in)) return false;
    *name = get_bytes(in, get_varint(in));
    *value = get_bytes(in, get_varint(in));
    return !in->bad;
}

bool pack_write(struct str rows, struct buf *out)
{
    uLongf n = compressBound(rows.n);
    if (!buf_add_char(out, PACK_VERSION) || !buf_add_varint(out, rows.n)) return false;
    char *to = buf_reserve(out, n);
    if (to == NULL) return false;
    if (compress2((Bytef *)to, &n, (const Bytef *)rows.p, rows.n, 6) != Z_OK) return false;
    out->n += n;
    return true;
}

/* Names rise and nothing is empty: what pack_write was given. */
static bool in_order(struct str rows)
{
    struct reader in = reader_of(rows);
    struct str name, value, before = {NULL, 0};
    while (pack_next(&in, &name, &value)) {
        if (value.n == 0 || str_order(before, name) >= 0) return false;
        before = name;
    }
    return !in.bad;
}

enum pack_result pack_read(struct str in, struct buf *rows)
{
    struct reader r = reader_of(in);
    struct str version = get_bytes(&r, 1);
    uint64_t n = get_varint(&r);
    if (r.bad || version.p[0] != PACK_VERSION || n == 0 || n > PACK_MAX_BYTES) return PACK_DAMAGED;
    struct str packed = get_bytes(&r, reader_left(&r));
    if (n / 1032 > packed.n) return PACK_DAMAGED; /* more than zlib can hold: reserve nothing */
    char *to = buf_reserve(rows, n);
    if (to == NULL) return PACK_MEMORY;
    uLongf got = n;
    uLong used = packed.n;
    int result = uncompress2((Bytef *)to, &got, (const Bytef *)packed.p, &used);
    if (result == Z_MEM_ERROR) return PACK_MEMORY;
    if (result != Z_OK || got != n || used != packed.n) return PACK_DAMAGED;
    if (!in_order((struct str){to, n})) return PACK_DAMAGED;
    rows->n += n;
    return PACK_OK;
}
