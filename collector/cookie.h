/* cookie.h - the id of a visitor, as a cookie of the collector's own host keeps it. Pure. */
#ifndef SENTIER_COOKIE_H
#define SENTIER_COOKIE_H

#include <stdint.h>

#include "buf.h"
#include "str.h"

/* What a hit does to the cookie of its site. */
enum cookie_change { COOKIE_STAYS, COOKIE_SET, COOKIE_GONE };

/* As a request brings it. */
struct cookie {
    bool brought;
    uint64_t id;       /* 0: it cannot be read, or has grown too old */
    int64_t created_s; /* when the id was made, unix seconds */
};

enum { COOKIE_MAX_AGE_S = 395 * 24 * 60 * 60 };

/* How the answer sets it. */
struct cookie_scope {
    int64_t now_s;
    struct str path;
    bool cross_site; /* the page is of another site than the collector */
    bool insecure;   /* the browser talks http, as a trusted proxy says */
};

/* header: Cookie, as it came. */
struct cookie cookie_of(struct str header, struct str site, int64_t now_s);

/* Adds a line Set-Cookie; id 0 deletes it. */
void cookie_add(struct buf *headers, struct str site, struct cookie cookie,
                const struct cookie_scope *scope);

#endif
