/*
 * gunzip.h - a stream that may be gzip: told by its first two bytes, plain bytes pass through,
 * every member of gzip comes out as one stream. Memory is that of zlib and one piece. One thread.
 */
#ifndef SENTIER_GUNZIP_H
#define SENTIER_GUNZIP_H

#include "str.h"

enum gunzip_result {
    GUNZIP_OK,
    GUNZIP_BAD,     /* damaged, cut off, or followed by something that is neither gzip nor zeros */
    GUNZIP_STOPPED, /* the sink said so */
};

typedef bool gunzip_sink(void *arg, struct str bytes); /* false: no more, please */

struct gunzip;

struct gunzip *gunzip_new(gunzip_sink *sink, void *arg); /* NULL: no memory */
void gunzip_free(struct gunzip *g);                      /* NULL is fine */

/* After an answer other than OK only gunzip_free may follow. */
enum gunzip_result gunzip_feed(struct gunzip *g, struct str bytes);
enum gunzip_result gunzip_end(struct gunzip *g);

#endif
