/*
 * Lift, worked out by hand from its definition:
 *
 *   lift = ((score + 5 s) / (all + 5)) / s,  s = the site's score of the topic / of all topics
 *
 * Each row says the calculation; fractions are exact. Powers of (1 - r) as well.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "lift.h"

static void near(double got, double want)
{
    if (fabs(got - want) > 1e-12 * fabs(want)) fail_msg("%.17g, not %.17g", got, want);
}

static void lifts(void **state)
{
    static const struct {
        int64_t score, all, site_score, site_all; /* thousandths */
        double want;
    } cases[] = {
        /* nobody knows this person: s = 1/4; ((0 + 5/4) / 5) / (1/4) = 1 */
        {0, 0, 250, 1000, 1},
        /* one visit of weight 1, all of it on the topic, s = 1/4:
         * ((1 + 5/4) / 6) / (1/4) = (9/4 / 6) * 4 = 3/2 */
        {1000, 1000, 250, 1000, 1.5},
        /* as the site: s = 1/2, half of 20: ((10 + 5/2) / 25) / (1/2) = 1 */
        {10000, 20000, 3000, 6000, 1},
        /* much, s = 1/10: ((45 + 1/2) / 50) * 10 = 9.1 */
        {45000, 45000, 700, 7000, 9.1},
        /* never, s = 1/2: ((0 + 5/2) / 25) * 2 = 1/5 */
        {0, 20000, 50, 100, 0.2},
        /* never, of little: s = 1/2: ((0 + 5/2) / 5.5) * 2 = 10/11 */
        {0, 500, 50, 100, 10.0 / 11},
        /* the site is this topic: s = 1, share = (7 + 5) / (7 + 5) */
        {7000, 7000, 9000, 9000, 1},
        /* nothing to compare with */
        {7000, 7000, 0, 9000, 0},
        {7000, 7000, 0, 0, 0},
        /* rare, s = 1/1000, one visit of weight 2 of 30: ((2 + 5/1000) / 35) * 1000 = 401/7 */
        {2000, 30000, 1000, 1000000, 401.0 / 7},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct interest_mix person = {cases[i].score, cases[i].all};
        struct interest_mix site = {cases[i].site_score, cases[i].site_all};
        near(lift_of(person, site), cases[i].want);
    }
}

static void confidences(void **state)
{
    (void)state;
    assert_int_equal(lift_confidence(0), CONFIDENCE_LOW);
    assert_int_equal(lift_confidence(2), CONFIDENCE_LOW);
    assert_int_equal(lift_confidence(3), CONFIDENCE_FAIR);
    assert_int_equal(lift_confidence(7), CONFIDENCE_FAIR);
    assert_int_equal(lift_confidence(8), CONFIDENCE_HIGH);
    assert_string_equal(lift_confidence_name(CONFIDENCE_LOW), "low");
    assert_string_equal(lift_confidence_name(CONFIDENCE_HIGH), "high");
}

static void chances(void **state)
{
    (void)state;
    near(lift_chance(0.5, 3), 0.125); /* 1/2 * 1/2 * 1/2 */
    near(lift_chance(0.2, 2), 0.64);  /* 4/5 * 4/5 */
    near(lift_chance(0.3, 5), 0.16807);
    near(lift_chance(0, 9), 1);
    near(lift_chance(0.9, 0), 1);
    assert_true(lift_chance(1, 3) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lifts), cmocka_unit_test(confidences),
                                       cmocka_unit_test(chances)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
