/*
 * visit.h - what a person's recent pageviews add to its profile beyond themselves: sessions and
 * by whom, what was done with each page in each session, and how much that weighs. Made
 * anew before and after a visitor's hits, like the sums of session.h; the profile takes the
 * difference. No struct here has bytes between its fields, so equal things have equal bytes.
 */
#ifndef SENTIER_VISIT_H
#define SENTIER_VISIT_H

#include "session.h"

/* A session, by its first pageview. */
struct stay {
    uint32_t day;
    uint32_t channel, device;
    uint32_t country; /* two letters, the first one high; 0: unknown */
};

/* A page in a session. */
struct visit {
    uint64_t page;
    uint32_t day;    /* of the session */
    uint32_t opened; /* pageviews */
    uint64_t used;   /* 1; 0: tried and left */
};

/* How much a visit says of interest. */
struct weight {
    uint64_t page;
    uint64_t year;  /* UTC */
    int64_t amount; /* of interest.h */
};

struct visits {
    uint32_t stays_n, pages_n, weights_n;
    struct stay stays[RECENT_MAX];
    struct visit pages[RECENT_MAX];
    struct weight weights[RECENT_MAX];
};

void visits_make(struct visits *x, const struct sums *s);

#endif
