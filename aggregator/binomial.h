/* binomial.h - the statistics behind verdicts: what chance alone would do. Pure. */
#ifndef SENTIER_BINOMIAL_H
#define SENTIER_BINOMIAL_H

#include <stdint.h>

/* P(X <= k) of n trials that succeed with probability p, 0 < p < 1. Exact but for rounding. */
double binomial_at_most(uint64_t k, uint64_t n, double p);

/* Two Poisson counts in windows of lengths `now` and `before` (any unit, > 0): the one-sided p
 * value of the conditional test that the rate has not fallen. 1 when there is nothing to compare.
 */
double binomial_fallen(uint64_t count, double now, uint64_t count_before, double before);

/* Wilson's 95 % interval of a share of k in n; 0..1 of nothing. */
struct share_interval {
    double low, high;
};
struct share_interval binomial_wilson(uint64_t k, uint64_t n);

#endif
