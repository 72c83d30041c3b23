/*
 * The lower tail is summed from its greatest term downwards, or, where that is beyond the mode, the
 * upper tail is, and taken from 1: so the terms only fall, and the sum ends when they no longer
 * count. The first term comes from logarithms of factorials, the others each from the one before.
 *
 * The test: given that both windows hold n together, those of this window are binomial with the
 * share of its length (Przyborowski and Wilenski 1940).
 */
#include "binomial.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>

static double term(uint64_t k, uint64_t n, double p)
{
    double a = (double)k, b = (double)n;
    return exp(lgamma(b + 1) - lgamma(a + 1) - lgamma(b - a + 1) + a * log(p) +
               (b - a) * log1p(-p));
}

double binomial_at_most(uint64_t k, uint64_t n, double p)
{
    assert(p > 0 && p < 1);
    const double least = 1e-18; /* of the sum: less does not show in a double */
    const double odds = p / (1 - p);
    if (k >= n) return 1;
    bool lower = (double)k <= ((double)n + 1) * p - 1;
    uint64_t i = lower ? k : k + 1;
    double one = term(i, n, p), sum = 0;
    while (one > sum * least) {
        sum += one;
        if (i == (lower ? 0 : n)) break;
        one *= lower ? (double)i / (double)(n - i + 1) / odds
                     : (double)(n - i) / (double)(i + 1) * odds;
        i = lower ? i - 1 : i + 1;
    }
    return lower ? sum : 1 - sum;
}

double binomial_fallen(uint64_t count, double now, uint64_t count_before, double before)
{
    if (count + count_before == 0 || now <= 0 || before <= 0) return 1;
    return binomial_at_most(count, count + count_before, now / (now + before));
}

struct share_interval binomial_wilson(uint64_t k, uint64_t n)
{
    const double z = 1.959963984540054; /* 97.5 % of the normal distribution lie below */
    if (n == 0) return (struct share_interval){0, 1};
    double m = (double)n, share = (double)k / m, z2 = z * z / m;
    double middle = share + z2 / 2, half = z * sqrt(share * (1 - share) / m + z2 / (4 * m));
    struct share_interval i = {(middle - half) / (1 + z2), (middle + half) / (1 + z2)};
    if (k == 0) i.low = 0;
    if (k == n) i.high = 1;
    return i;
}
