/*
 * A gzip stream may be several members one after the other, and its content is all of them. Zeros
 * behind the last one are padding, as gzip itself sees it; anything else there is damage.
 *
 * What comes out has no bound here: the sink counts and stops. It is given pieces of a fixed size,
 * so a bomb costs no memory and no more time than the sink allows.
 */
#include "gunzip.h"

#include <stdlib.h>
#include <zlib.h>

enum {
    PIECE_BYTES = 16 * 1024,
    IN_BYTES = 1 << 30,         /* of one call of zlib, which counts with 32 bits */
    GZIP_WINDOW_BITS = 15 + 16, /* gzip only, no zlib header */
};

struct gunzip {
    gunzip_sink *sink;
    void *arg;
    enum { SNIFFING, PLAIN, MEMBER, BETWEEN, PADDING } state;
    char head[2];
    size_t head_n;
    z_stream z;
    char piece[PIECE_BYTES];
};

struct gunzip *gunzip_new(gunzip_sink *sink, void *arg)
{
    struct gunzip *g = calloc(1, sizeof *g);
    if (g == NULL) return NULL;
    if (inflateInit2(&g->z, GZIP_WINDOW_BITS) != Z_OK) {
        free(g);
        return NULL;
    }
    g->sink = sink;
    g->arg = arg;
    return g;
}

void gunzip_free(struct gunzip *g)
{
    if (g == NULL) return;
    inflateEnd(&g->z);
    free(g);
}

static enum gunzip_result pass(struct gunzip *g, struct str bytes)
{
    return bytes.n == 0 || g->sink(g->arg, bytes) ? GUNZIP_OK : GUNZIP_STOPPED;
}

/* Inflates *in up to the end of the member, or of *in. */
static enum gunzip_result take_member(struct gunzip *g, struct str *in)
{
    enum gunzip_result result = GUNZIP_OK;
    int rc = Z_OK;
    size_t n = in->n < IN_BYTES ? in->n : IN_BYTES;
    g->z.next_in = (unsigned char *)in->p; /* zlib does not write there */
    g->z.avail_in = (unsigned)n;
    do {
        g->z.next_out = (unsigned char *)g->piece;
        g->z.avail_out = PIECE_BYTES;
        rc = inflate(&g->z, Z_NO_FLUSH);
        if (rc == Z_BUF_ERROR) break; /* it wants more input */
        /* What came before the damage goes out however the input was cut. */
        result = pass(g, (struct str){g->piece, PIECE_BYTES - g->z.avail_out});
        if (rc != Z_OK && rc != Z_STREAM_END) return GUNZIP_BAD;
    } while (result == GUNZIP_OK && rc != Z_STREAM_END);
    if (rc == Z_STREAM_END) g->state = BETWEEN;
    *in = str_from(*in, n - g->z.avail_in);
    return result;
}

static enum gunzip_result take_gzip(struct gunzip *g, struct str in)
{
    enum gunzip_result result = GUNZIP_OK;
    while (in.n > 0 && result == GUNZIP_OK) {
        if (g->state == BETWEEN) {
            g->state = in.p[0] == '\0' ? PADDING : MEMBER;
            if (inflateReset(&g->z) != Z_OK) return GUNZIP_BAD;
        }
        if (g->state == PADDING) {
            if (in.p[0] != '\0') return GUNZIP_BAD;
            in = str_from(in, 1);
            continue;
        }
        result = take_member(g, &in);
    }
    return result;
}

static enum gunzip_result take(struct gunzip *g, struct str in)
{
    return g->state == PLAIN ? pass(g, in) : take_gzip(g, in);
}

/* The two bytes that were held back go on their way. */
static enum gunzip_result decide(struct gunzip *g)
{
    struct str head = {g->head, g->head_n};
    g->state = str_eq(head, STR("\x1f\x8b")) ? MEMBER : PLAIN;
    return take(g, head);
}

enum gunzip_result gunzip_feed(struct gunzip *g, struct str bytes)
{
    while (g->state == SNIFFING && bytes.n > 0) {
        g->head[g->head_n++] = bytes.p[0];
        bytes = str_from(bytes, 1);
        if (g->head_n < sizeof g->head) continue;
        enum gunzip_result result = decide(g);
        if (result != GUNZIP_OK) return result;
    }
    return bytes.n == 0 ? GUNZIP_OK : take(g, bytes);
}

enum gunzip_result gunzip_end(struct gunzip *g)
{
    if (g->state == SNIFFING) return decide(g);
    return g->state == MEMBER ? GUNZIP_BAD : GUNZIP_OK;
}
