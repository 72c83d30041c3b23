/* Sums as people write them, in currencies with 0, 2, 3 and 4 digits behind the point. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guard.h"
#include "money.h"

static const struct {
    const char *text, *currency;
    int64_t minor; /* -1: no sum */
} sums[] = {
    {"49.90", "EUR", 4990},
    {"49.9", "EUR", 4990},
    {"49", "EUR", 4900},
    {"49.", "EUR", 4900},
    {"0", "EUR", 0},
    {"007.10", "EUR", 710},
    {"49", "JPY", 49},
    {"49.4999", "JPY", 49},
    {"49.5", "JPY", 50},
    {"49.5", "ISK", 50},
    {"49.5", "XPF", 50},
    {"1.2345", "KWD", 1235},
    {"1.2", "TND", 1200},
    {"1", "BHD", 1000},
    {"1.23456", "CLF", 12346},
    {"1", "UYW", 10000},
    {"1", "UYU", 100},
    {"1", "ABC", 100}, /* nobody's */
    {"1", "PCL", 100}, /* within BIFCLP */
    {"1.004999", "EUR", 100},
    {"1.005", "EUR", 101}, /* 1.00499999999999989 as a floating number */
    {"0.995", "EUR", 100},
    {"1000000000", "EUR", INT64_C(100000000000)},
    {"1000000000.004", "EUR", INT64_C(100000000000)},
    {"1000000000.005", "EUR", -1},
    {"1000000000.01", "EUR", -1},
    {"100000000000", "JPY", INT64_C(100000000000)},
    {"100000000001", "JPY", -1},
    {"100000000000", "KWD", -1},
    {"99999999999999999999999999999999", "EUR", -1},
    {"0.00000000000000000000000000000000000000000001", "EUR", 0},
    {"", "EUR", -1},
    {".", "EUR", -1},
    {".50", "EUR", -1},
    {"free", "EUR", -1},
    {"-1", "EUR", -1},
    {"+1", "EUR", -1},
    {"1e3", "EUR", -1},
    {"1,50", "EUR", -1},
    {"1.000.000", "EUR", -1},
    {"1.2x", "EUR", -1},
    {"1.234x", "EUR", -1},
    {" 1", "EUR", -1},
    {"1 EUR", "EUR", -1},
    {"12.3", "JPY", 12},
    {"12.x", "JPY", -1},
};

static void test_sums(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++) {
        struct guard in = guard_copy(str_of(sums[i].text));
        int64_t minor;
        bool ok = money_parse(in.s, str_of(sums[i].currency), &minor);
        if (ok != (sums[i].minor >= 0) || (ok && minor != sums[i].minor))
            fail_msg("%s %s: %d %lld", sums[i].text, sums[i].currency, ok, (long long)minor);
        guard_free(&in);
    }
}

static void test_currencies(void **state)
{
    static const char *const none[] = {"", "EU", "EURO", "eur", "E R", "\xc3\xa9R", "E1R"};

    (void)state;
    assert_true(money_is_currency(STR("EUR")) && money_is_currency(STR("ZZZ")));
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_false(money_is_currency(str_of(none[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sums),
                                       cmocka_unit_test(test_currencies)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
