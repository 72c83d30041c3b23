/*
 * Tails of the binomial distribution against sums of exact fractions:
 *   python3 -c 'from fractions import Fraction as F; from math import comb; k, n, p = 12, 40, F(1,
 * 2) print(float(sum(comb(n, i) * p**i * (1 - p)**(n - i) for i in range(k + 1))))' Wilson's
 * interval against the same formula with 40 decimal digits (python3 decimal), and against the
 * values that R. G. Newcombe printed (Statistics in Medicine 17, 1998, table I, method 3).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "binomial.h"

static void near(double got, double want, double relative)
{
    if (fabs(got - want) <= relative * fabs(want)) return;
    fail_msg("%.17g, not %.17g", got, want);
}

static void tails_are_exact(void **state)
{
    (void)state;
    static const struct {
        uint64_t k, n;
        double p, want;
    } cases[] = {
        {0, 5, 0.5, 0.03125},
        {1, 6, 0.5, 0.109375},
        {3, 20, 0.5, 0.0012884140014648438},
        {12, 40, 0.5, 0.008294501687487355},
        {2, 12, 0.5, 0.019287109375},
        {3, 17, 0.25, 0.35301809501834214},
        {15, 17, 0.25, 0.9999999969732016},
        {40, 200, 0.8, 4.245963641669082e-74},
        {150, 200, 0.8, 0.0493533323818181},
        {430, 1000, 0.5, 5.354868832479756e-06},
        {990, 1000, 0.99, 0.5426994078251092},
        {1000, 3000, 0.5, 5.0450743139706706e-76},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        near(binomial_at_most(cases[i].k, cases[i].n, cases[i].p), cases[i].want, 1e-10);
    assert_true(binomial_at_most(7, 7, 0.3) == 1);
}

static void both_ways_of_summing_agree(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 60; n++) {
        for (uint64_t k = 0; k < n; k++) {
            double at_most = binomial_at_most(k, n, 0.3);
            double at_least = binomial_at_most(n - k - 1, n, 0.7); /* failures */
            near(at_most + at_least, 1, 1e-12);
        }
    }
    /* Many millions take no longer than their standard deviation. */
    near(binomial_at_most(500 * 1000 * 1000, 1000 * 1000 * 1000, 0.5), 0.5, 1e-4);
}

/* SciPy 1.10.1: scipy.stats.binomtest(k, n, p, alternative='less').pvalue, and
 * binomtest(k, n, p).proportion_ci(0.95, 'wilson'). */
static const struct {
    uint64_t k, n;
    double p, at_most, low, high;
} scipy[] = {
    {1, 1, 0.25, 1, 0.20654931437723745, 1},
    {0, 1, 0.90322580645161288, 0.096774193548387122, 0, 0.79345068562276255},
    {1, 1, 0.5, 1, 0.20654931437723745, 1},
    {1, 2, 0.25, 0.9375, 0.094531205734230739, 0.90546879426576932},
    {0, 2, 0.25, 0.5625, 0, 0.65761977249334691},
    {0, 2, 0.25, 0.5625, 0, 0.65761977249334691},
    {2, 7, 0.25, 0.75640869140625, 0.082218924004056726, 0.64106554816738071},
    {5, 7, 0.90000000000000002, 0.14969439999999992, 0.35893445183261929, 0.91778107599594316},
    {5, 7, 0.90000000000000002, 0.14969439999999992, 0.35893445183261929, 0.91778107599594316},
    {1, 19, 0.5, 3.814697265625e-05, 0.0093519940623003756, 0.24638731166898786},
    {9, 19, 0.29999999999999999, 0.9674466431186991, 0.27329805161179566, 0.68292190754886839},
    {18, 19, 0.25, 0.99999999999636202, 0.75361268833101225, 0.99064800593769975},
    {6, 50, 0.25, 0.01939087216039271, 0.056176001509322726, 0.23804817383202986},
    {23, 50, 0.25, 0.99963375977902613, 0.32969652192224352, 0.59601128600842523},
    {48, 50, 0.90000000000000002, 0.96621414030756814, 0.86539909312492969, 0.98896111567238021},
    {13, 120, 0.25, 8.5418853259691948e-05, 0.064411411541734409, 0.17655360215291666},
    {59, 120, 0.5, 0.46365751054494198, 0.4038757172769723, 0.5799746021633394},
    {110, 120, 0.25, 1, 0.85337767835934342, 0.95410634962507035},
    {32, 333, 0.25, 8.3237349391861289e-13, 0.06889326568738649, 0.13251145170759182},
    {165, 333, 0.25, 1, 0.44215342651652423, 0.54894030639122648},
    {310, 333, 0.25, 1, 0.8984948992830516, 0.9535379858754659},
    {499, 1000, 0.25, 1, 0.46807348875072402, 0.529934164766247},
    {929, 1000, 0.29999999999999999, 1, 0.91138633656984513, 0.94333030464954848},
    {2048, 4096, 0.29999999999999999, 1, 0.48469495665340023, 0.51530504334659977},
    {3808, 4096, 0.25, 1, 0.92144837268180269, 0.93712141235874291},
    {10000, 20000, 0.25, 1, 0.49307114626895931, 0.50692885373104069},
    {18602, 20000, 0.90000000000000002, 1, 0.92648302385883996, 0.93355178672569883},
};

static void scipy_agrees(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof scipy / sizeof *scipy; i++) {
        struct share_interval got = binomial_wilson(scipy[i].k, scipy[i].n);
        near(binomial_at_most(scipy[i].k, scipy[i].n, scipy[i].p), scipy[i].at_most, 1e-10);
        assert_true(fabs(got.low - scipy[i].low) <= 1e-14);
        assert_true(fabs(got.high - scipy[i].high) <= 1e-14);
    }
}

static void windows_may_differ_in_length(void **state)
{
    (void)state;
    near(binomial_fallen(2, 28, 10, 28), 0.019287109375, 1e-10);
    near(binomial_fallen(3, 7, 14, 21), 0.35301809501834214, 1e-10);
    near(binomial_fallen(40, 28, 160, 7), 4.245963641669082e-74, 1e-10);
    assert_true(binomial_fallen(0, 28, 0, 28) == 1);
    assert_true(binomial_fallen(5, 28, 5, 0) == 1);
    assert_true(binomial_fallen(10, 28, 0, 28) == 1);
}

static void wilson_is_as_published(void **state)
{
    (void)state;
    static const struct {
        uint64_t k, n;
        double low, high, tolerance;
    } cases[] = {
        {81, 263, 0.2553, 0.3662, 5e-5}, /* as printed, to four digits */
        {15, 148, 0.0624, 0.1605, 5e-5},
        {0, 20, 0, 0.1611, 5e-5},
        {1, 29, 0.0061, 0.1718, 5e-5},
        {1, 10, 0.017876213095072906, 0.4041500267952385, 1e-14},
        {10, 10, 0.7224672001371107, 1, 1e-14},
        {500, 1000, 0.4690696003681042, 0.5309303996318958, 1e-14},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct share_interval got = binomial_wilson(cases[i].k, cases[i].n);
        assert_true(fabs(got.low - cases[i].low) <= cases[i].tolerance);
        assert_true(fabs(got.high - cases[i].high) <= cases[i].tolerance);
    }
    assert_true(binomial_wilson(0, 0).low == 0 && binomial_wilson(0, 0).high == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tails_are_exact),        cmocka_unit_test(both_ways_of_summing_agree),
        cmocka_unit_test(scipy_agrees),           cmocka_unit_test(windows_may_differ_in_length),
        cmocka_unit_test(wilson_is_as_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
