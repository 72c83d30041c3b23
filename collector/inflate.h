/* inflate.h - gzip bodies, every member of them, with a bound on what comes out. One thread. */
#ifndef SENTIER_INFLATE_H
#define SENTIER_INFLATE_H

#include "buf.h"
#include "str.h"

struct inflater; /* zlib's state, used again for each body */

struct inflater *inflater_new(void);    /* NULL: no memory */
void inflater_free(struct inflater *f); /* NULL is fine */

bool inflate_is_gzip(struct str in); /* by its first bytes, 1f 8b */

enum inflate_result {
    INFLATE_OK,
    INFLATE_BAD,      /* damaged, cut off, or followed by something that is not gzip */
    INFLATE_TOO_LONG, /* more than max_bytes would come out */
};

/* Puts what is in `in` into *out, in place of what was there. */
enum inflate_result inflate_gzip(struct inflater *f, struct str in, size_t max_bytes,
                                 struct buf *out);

#endif
