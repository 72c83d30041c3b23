/*
 * links.h - where the links of one page lead: the value of a page in {pN}:links:SITE. A set that
 * only ever learns, so hits in any order and any number of times leave the same bytes. Pure.
 *
 * Encoding (numbers are varints, ids 8 bytes little-endian):
 *
 *   01, flags (1: not all links are here), last day on which the page told its links,
 *   links: count, then by rising id: page (8 bytes), that day minus the last day of this link
 *
 * The field "n" of the same hash, and of {pN}:about:SITE, counts its pages: 01, flags (1: some had
 * no room), count.
 */
#ifndef SENTIER_LINKS_H
#define SENTIER_LINKS_H

#include <stdint.h>

#include "buf.h"

enum {
    LINKS_PAGE_MAX = 256,    /* of a page; those that were there last stay */
    LINKS_PAGES_MAX = 20000, /* of a site, in one partition; the first ones stay */
};
#define LINKS_COUNT_FIELD STR("n")

struct link {
    uint64_t page;
    uint32_t day; /* last one on which it was there */
};

struct links { /* all zero is empty */
    bool partial;
    uint32_t told_day;
    uint32_t n;
    struct link at[LINKS_PAGE_MAX]; /* by rising page */
};

bool links_decode(struct str in, struct links *out); /* false: damaged */
bool links_encode(const struct links *l, struct buf *out);

void links_told(struct links *l, uint32_t day, bool more);
bool links_add(struct links *l, uint64_t page, uint32_t day); /* true: it is new, and has room */

/* What a page said of itself last (common/about.h): 01, at_ms, then the list as it was told. */
struct told_about {
    int64_t at_ms;
    struct str list; /* borrowed */
};
bool told_about_decode(struct str in, struct told_about *out);
bool told_about_encode(const struct told_about *t, struct buf *out);
/* Of two of one moment one is chosen all the same. */
bool told_about_later(const struct told_about *a, const struct told_about *b);

struct links_count {
    bool full;
    uint32_t n;
};
bool links_count_decode(struct str in, struct links_count *out);
bool links_count_encode(const struct links_count *c, struct buf *out);
bool links_count_take(struct links_count *c); /* false: there is no room for one more page */

#endif
