/*
 * share.h - a consented visitor's pageviews, shared out among the customers who signed in there. A
 * pageview that one customer signed is that customer's; what two signed, and what nobody signed
 * after the first signature, is nobody's; what nobody signed up to then belongs to the first
 * customer, or to the visitor itself as long as there is none. So two who use one browser never
 * mix. Rows know nothing of this: they count visitors. Pure.
 */
#ifndef SENTIER_SHARE_H
#define SENTIER_SHARE_H

#include "customer.h"
#include "profile.h"

/* Whose: SHARE_FIRST (the profile itself), SHARE_NOBODY, or the key of another customer. */
enum { SHARE_FIRST = CUSTOMER_NONE, SHARE_NOBODY = CUSTOMER_TORN };
uint64_t share_of(const struct visitor *v, const struct pageview *p);

/* For the fold. The oldest n recent pageviews settle; s: sums of p->recent with this border;
 * scratch is used. False: no memory. */
bool share_freeze(struct profile *p, const struct sums *s, uint32_t n, struct sums *scratch);
bool share_mirror(struct profile *p); /* what is settled, to recent.frozen; on decoding */

/* *p becomes all that belongs to this customer on this visitor, the recent pageviews included;
 * CUSTOMER_NONE: to the visitor, nothing once a customer has signed. False: no memory. */
bool share_take(struct profile *p, uint64_t customer);

#endif
