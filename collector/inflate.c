/*
 * A gzip file may be several members one after the other, and its content is all of them: whoever
 * stops at the first one loses hits without a word. So members are inflated until the input ends;
 * anything behind one that is not another one is damage, zero padding too.
 *
 * Output grows by pieces up to its bound, so a bomb costs no more than the bound. A piece of one
 * byte beyond the bound tells "exactly full" from "too long".
 */
#include "inflate.h"

#include <stdlib.h>
#include <zlib.h>

enum { PIECE_BYTES = 16 * 1024, GZIP_WINDOW_BITS = 15 + 16 /* gzip only, no zlib header */ };

struct inflater {
    z_stream z;
};

struct inflater *inflater_new(void)
{
    struct inflater *f = calloc(1, sizeof *f);
    if (f == NULL) return NULL;
    if (inflateInit2(&f->z, GZIP_WINDOW_BITS) != Z_OK) {
        free(f);
        return NULL;
    }
    return f;
}

void inflater_free(struct inflater *f)
{
    if (f == NULL) return;
    inflateEnd(&f->z);
    free(f);
}

bool inflate_is_gzip(struct str in)
{
    return str_starts(in, STR("\x1f\x8b"));
}

static enum inflate_result inflate_member(z_stream *z, size_t max_bytes, struct buf *out)
{
    int rc = Z_OK;
    while (rc != Z_STREAM_END) {
        size_t room = max_bytes - out->n < PIECE_BYTES ? max_bytes - out->n + 1 : PIECE_BYTES;
        char *at = buf_reserve(out, room);
        if (at == NULL) return INFLATE_TOO_LONG;
        z->next_out = (unsigned char *)at;
        z->avail_out = (unsigned)room;
        rc = inflate(z, Z_NO_FLUSH);
        if (rc != Z_OK && rc != Z_STREAM_END) return INFLATE_BAD; /* Z_BUF_ERROR: cut off */
        out->n += room - z->avail_out;
        if (out->n > max_bytes) return INFLATE_TOO_LONG;
    }
    return INFLATE_OK;
}

enum inflate_result inflate_gzip(struct inflater *f, struct str in, size_t max_bytes,
                                 struct buf *out)
{
    buf_clear(out);
    f->z.next_in = (unsigned char *)in.p; /* zlib does not write there */
    f->z.avail_in = (unsigned)in.n;
    do {
        if (inflateReset(&f->z) != Z_OK) return INFLATE_BAD;
        enum inflate_result r = inflate_member(&f->z, max_bytes, out);
        if (r != INFLATE_OK) return r;
    } while (f->z.avail_in > 0);
    return INFLATE_OK;
}
