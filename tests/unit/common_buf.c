/* Buffers with bounds, and the calendar. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "bytes.h"
#include "clock.h"

static void grows_without_losing_a_byte(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 0);
    for (int i = 0; i < 5000; i++)
        assert_true(buf_printf(&b, "%d,", i));
    const char *at = b.p;
    for (int i = 0; i < 5000; i++, at++) {
        char *end;
        assert_int_equal(strtol(at, &end, 10), i);
        at = end;
    }
    assert_ptr_equal(at, b.p + b.n);
    char *memory = b.p;
    buf_clear(&b);
    assert_true(buf_add_char(&b, 'x'));
    assert_ptr_equal(b.p, memory);
    buf_fini(&b);
    assert_null(b.p);
}

static void a_bound_is_kept_and_remembered(void **state)
{
    struct buf b;
    (void)state;
    for (size_t max = 1; max < 600; max += 37) {
        buf_init(&b, max);
        size_t n = 0;
        while (buf_add(&b, STR("abc")))
            n += 3;
        assert_int_equal(n, max / 3 * 3);
        assert_int_equal(b.n, n);
        assert_true(b.cap <= max);
        assert_true(b.failed);
        assert_false(buf_add(&b, STR(""))); /* what is missing stays missing */
        assert_false(buf_add_char(&b, 'x'));
        assert_false(buf_printf(&b, "x"));
        assert_int_equal(b.n, n);
        buf_clear(&b);
        assert_true(buf_add_char(&b, 'x'));
        buf_fini(&b);
    }
}

static void sizes_do_not_wrap_around(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 0);
    assert_true(buf_add(&b, STR("abc")));
    assert_null(buf_reserve(&b, SIZE_MAX));
    buf_clear(&b);
    assert_true(buf_add(&b, STR("abc")));
    assert_null(buf_reserve(&b, SIZE_MAX - 2));
    assert_true(b.failed);
    buf_fini(&b);
}

static void numbers_are_little_endian(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 0);
    assert_true(buf_add_le32(&b, 0x01020304));
    assert_true(buf_add_le64(&b, 0x0102030405060708));
    assert_true(buf_add_varint(&b, 300));
    assert_true(buf_add_varint(&b, UINT64_MAX));
    static const unsigned char want[] = {4,    3,    2,    1,    8,    7,    6,    5,
                                         4,    3,    2,    1,    0xac, 2,    0xff, 0xff,
                                         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1};
    assert_int_equal(b.n, sizeof want);
    assert_memory_equal(b.p, want, sizeof want);
    buf_fini(&b);
}

static void days_and_dates_are_the_same(void **state)
{
    uint32_t day = 0;
    int y, m, d;
    char text[DATE_TEXT_BYTES];
    (void)state;
    /* Each day of four centuries follows the one before. */
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    for (int year = 1970; year < 2370; year++) {
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        for (int month = 1; month <= 12; month++) {
            for (int mday = 1; mday <= days[month - 1] + (month == 2 && leap); mday++, day++) {
                assert_int_equal(date_to_day(year, month, mday), day);
                day_to_date(day, &y, &m, &d);
                assert_true(y == year && m == month && d == mday);
            }
        }
    }
    assert_int_equal(day_to_yyyymmdd(20780), 20261123);
    date_format(20780, text);
    assert_string_equal(text, "2026-11-23");
}

static void only_dates_are_dates(void **state)
{
    static const struct {
        const char *text;
        long day; /* -1: none */
    } cases[] = {
        {"1970-01-01", 0},   {"2026-11-23", 20780}, {"2024-02-29", 19782}, {"2023-02-29", -1},
        {"2026-04-31", -1},  {"2026-13-01", -1},    {"2026-00-10", -1},    {"2026-01-00", -1},
        {"1969-12-31", -1},  {"2026-1-01", -1},     {"2026-01-1", -1},     {"2026-01-011", -1},
        {" 2026-01-01", -1}, {"2026-01-01 ", -1},   {"2026/01/01", -1},    {"", -1},
        {"2026- 1-01", -1},  {"+026-01-01", -1},    {"2026-01-+1", -1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t day = 0;
        assert_int_equal(date_parse(cases[i].text, &day), cases[i].day < 0 ? -1 : 0);
        if (cases[i].day >= 0) assert_int_equal(day, cases[i].day);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_without_losing_a_byte),
        cmocka_unit_test(a_bound_is_kept_and_remembered),
        cmocka_unit_test(sizes_do_not_wrap_around),
        cmocka_unit_test(numbers_are_little_endian),
        cmocka_unit_test(days_and_dates_are_the_same),
        cmocka_unit_test(only_dates_are_dates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
