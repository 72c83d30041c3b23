/*
 * profile.h - what is kept of a consented visitor: totals over its whole life (the recent pageviews
 * included) and its fold state. The value in {pN}:profiles:SITE:BBB:
 *
 *   01, flags (1: approximate), first_ms, sessions, days, views, engaged_ms,
 *   pages: count, then by rising id: page (8 bytes), views, engaged_ms, last_day
 *   the fold state as in visitor.h, to the end                      (numbers are varints)
 */
#ifndef SENTIER_PROFILE_H
#define SENTIER_PROFILE_H

#include "visitor.h"

enum { PROFILE_PAGES_MAX = 512 };

struct profile_page {
    uint64_t page;
    uint32_t views;
    uint32_t last_day;
    uint64_t engaged_ms;
};

struct profile {
    bool approximate; /* a bound was crossed: pages are missing */
    int64_t first_ms; /* earliest pageview; 0: none yet. Last seen = recent.newest_ms */
    uint64_t sessions;
    uint64_t days; /* with a pageview */
    uint64_t views;
    uint64_t engaged_ms;
    struct profile_page *pages; /* by rising id */
    uint32_t pages_n, pages_cap;
    struct visitor recent;
};

/* All zero is an empty profile. */
void profile_fini(struct profile *p); /* leaves it empty */
bool profile_encode(const struct profile *p, struct buf *out);
bool profile_decode(struct str in,
                    struct profile *p); /* into an empty one; false: damaged, and empty */

const struct profile_page *profile_page(const struct profile *p, uint64_t page); /* NULL: never */

/* For the fold. False: no memory. */
bool profile_view(struct profile *p, uint64_t page, uint32_t day, int64_t at_ms);
void profile_engaged(struct profile *p, uint64_t page, uint32_t grown_ms);

#endif
