/*
 * trail.h - one visitor's hits -> its fold state, its profile, and what rows gain or lose by it.
 * Pure. Used by the fold alone:
 *
 *   trail_begin; trail_hit for each hit in the order of the stream; trail_end
 *
 * False is always: no memory.
 */
#ifndef SENTIER_TRAIL_H
#define SENTIER_TRAIL_H

#include "count.h"
#include "profile.h"

struct trail {
    struct count count;
    struct visitor *v;
    struct profile *profile;   /* NULL: a daily visitor */
    struct sums *before, *now; /* memory lent by the caller; they change places */
    uint64_t approximated;     /* bounds crossed */
};

void trail_begin(struct trail *t);
/* customer: who signed it, after trail_sign. *verdict: V_COUNTED on entry; V_DUPLICATE when its
 * number was seen before. */
bool trail_hit(struct trail *t, const struct hit *h, uint64_t customer, enum verdict *verdict);
/* A customer signed a hit of that time, whatever else it says. */
void trail_sign(struct trail *t, int64_t at_ms, uint64_t customer);
bool trail_forget(struct trail *t); /* its day closed: what it added stays, its state goes */
/* Its person asked for it: likewise, with the profile; but what is of later stays. */
bool trail_erase(struct trail *t, int64_t until_ms);
bool trail_end(struct trail *t);
bool trail_empty(const struct trail *t); /* after trail_end: nothing is left to be kept */

/* A hit as a pageview without registers; and its target, name, or list. */
struct pageview trail_pageview(const struct hit *h);
struct str trail_text(const struct hit *h);
struct str trail_properties(const struct hit *h);

#endif
