/* Weights, their growth over a year, and what a sum is worth: against floating point. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "clock.h"
#include "interest.h"

#define DAY_MS  INT64_C(86400000)
#define HALF_MS (30.0 * 86400000)

static void near_to(double got, double want, double tolerance)
{
    if (fabs(got - want) > tolerance) fail_msg("%.9f is not about %.9f", got, want);
}

static void test_weight(void **state)
{
    (void)state;
    assert_int_equal(interest_weight(0, 0, false, false), 0);
    assert_int_equal(interest_weight(10000, 74, false, false), INTEREST_WEIGHT_ONE);
    assert_int_equal(interest_weight(0, 75, false, false), INTEREST_WEIGHT_ONE / 2);
    assert_int_equal(interest_weight(0, 0, true, false), INTEREST_WEIGHT_ONE);
    assert_int_equal(interest_weight(70000, 100, true, false), INTEREST_WEIGHT_ONE * 9 / 2);
    assert_int_equal(interest_weight(70000, 100, true, true), INTEREST_WEIGHT_ONE * 15 / 2);
    for (uint32_t ms = 0; ms <= 1800000; ms += 977)
        near_to(interest_weight(ms, 0, false, false) / 65536.0, log2(1 + ms / 10000.0), 4e-5);
}

static void test_year(void **state)
{
    (void)state;
    int64_t new_year = (int64_t)date_to_day(2025, 1, 1) * DAY_MS;
    assert_int_equal(interest_year(new_year), 2025);
    assert_int_equal(interest_year(new_year - 1), 2024);
    assert_int_equal(interest_year(0), 1970);
}

/* Any moment of a leap year: within one part in 20,000, and never below what came before. */
static void test_growth(void **state)
{
    (void)state;
    int64_t begin = (int64_t)date_to_day(2024, 1, 1) * DAY_MS, before = 0;
    assert_int_equal(interest_amount(INTEREST_WEIGHT_ONE, begin), INTEREST_SUM_ONE);
    assert_int_equal(interest_amount(INTEREST_WEIGHT_ONE, begin + 30 * DAY_MS),
                     2 * INTEREST_SUM_ONE);
    for (int64_t ms = 0; ms < 366 * DAY_MS; ms += 12345678) {
        int64_t got = interest_amount(3 * INTEREST_WEIGHT_ONE, begin + ms);
        double want = 3 * exp2((double)ms / HALF_MS) * INTEREST_SUM_ONE;
        near_to((double)got, want, 0.5 + want / 20000);
        assert_true(got >= before);
        before = got;
    }
    uint32_t most_weight = interest_weight(256 * 1800000u, 100, true, true);
    int64_t most = interest_amount(most_weight, begin + 366 * DAY_MS - 1);
    assert_true(most > 0 && most < INT64_C(1) << 30);
}

/* A visit of weight w is worth w then, half of it 30 days later, whatever the year. */
static void test_decay(void **state)
{
    (void)state;
    static const int64_t ages[] = {0, 1, 15, 30, 60, 200, 365, 700};
    int64_t begin = (int64_t)date_to_day(2023, 1, 1) * DAY_MS;
    for (int64_t at = begin; at < begin + 365 * DAY_MS; at += 17 * DAY_MS + 12345) {
        int64_t sum = interest_amount(5 * INTEREST_WEIGHT_ONE, at);
        for (size_t i = 0; i < sizeof ages / sizeof *ages; i++) {
            double want = 5 * exp2(-(double)ages[i] / 30);
            int64_t got = interest_score(sum, 2023, at + ages[i] * DAY_MS);
            near_to((double)got / INTEREST_SCORE_ONE, want, 0.001 + want / 10000);
        }
    }
    assert_int_equal(interest_score(0, 2023, begin), 0);
    assert_int_equal(interest_score(-5, 2023, begin), 0);
    assert_int_equal(interest_score(INT64_C(1) << 60, 2023, begin + 9000 * DAY_MS), 0);
    assert_int_equal(interest_score(INTEREST_SUM_ONE, 2023, begin - 1), INTEREST_SCORE_ONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weight),
        cmocka_unit_test(test_year),
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_decay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
