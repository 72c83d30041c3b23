/* Local dates: zones with and without daylight saving, on both switch days, and the calendar. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "keys.h"
#include "zone.h"

enum { HOUR_S = 3600 };

static int64_t utc(int y, int mo, int d, int h, int mi)
{
    return (((int64_t)date_to_day(y, mo, d) * 24 + h) * 60 + mi) * 60000;
}

static void offsets(void **state)
{
    /* Expected values: tzdata's own rules for these dates. */
    const struct {
        const char *zone;
        int64_t at;
        int offset_s;
    } cases[] = {
        {"UTC", utc(2026, 7, 1, 0, 0), 0},
        {"Europe/Paris", utc(2026, 3, 29, 0, 59), 1 * HOUR_S},
        {"Europe/Paris", utc(2026, 3, 29, 1, 0), 2 * HOUR_S},
        {"Europe/Paris", utc(2026, 10, 25, 0, 59), 2 * HOUR_S},
        {"Europe/Paris", utc(2026, 10, 25, 1, 0), 1 * HOUR_S},
        {"America/New_York", utc(2026, 3, 8, 6, 59), -5 * HOUR_S},
        {"America/New_York", utc(2026, 3, 8, 7, 0), -4 * HOUR_S},
        {"Australia/Lord_Howe", utc(2026, 1, 1, 0, 0), 11 * HOUR_S},
        {"Australia/Lord_Howe", utc(2026, 7, 1, 0, 0), 10 * HOUR_S + HOUR_S / 2},
        {"Asia/Kathmandu", utc(2026, 1, 1, 0, 0), 5 * HOUR_S + 45 * 60},
        {"Pacific/Kiritimati", utc(2026, 1, 1, 0, 0), 14 * HOUR_S},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zone *z = zone_new(cases[i].zone);
        assert_non_null(z);
        if (zone_offset_s(z, cases[i].at) != cases[i].offset_s) fail_msg("case %zu", i);
        zone_free(z);
    }
    assert_null(zone_new("Mars/Base"));
    assert_null(zone_new("../../etc/passwd"));
    assert_null(zone_new(""));
}

static void days_begin_at_midnight(void **state)
{
    static const char *const zones[] = {"UTC", "Europe/Paris", "America/Santiago", "Pacific/Apia",
                                        "Asia/Kolkata"};
    (void)state;
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
        struct zone *z = zone_new(zones[i]);
        assert_non_null(z);
        for (uint32_t day = date_to_day(2010, 1, 1); day < date_to_day(2027, 1, 1); day++) {
            int64_t start = zone_midnight_ms(z, day);
            /* Apia skipped 2011-12-30 altogether: that date begins where the next one does. */
            assert_true(zone_day(z, start) >= day);
            assert_true(zone_day(z, start - 1000) < day);
        }
        zone_free(z);
    }
}

static void calendar_is_the_c_librarys(void **state)
{
    (void)state;
    for (uint32_t day = 0; day < 60000; day += 7) {
        time_t t = (time_t)day * 86400;
        struct tm tm;
        int y, m, d;
        gmtime_r(&t, &tm);
        day_to_date(day, &y, &m, &d);
        assert_true(y == tm.tm_year + 1900 && m == tm.tm_mon + 1 && d == tm.tm_mday);
        assert_int_equal(date_to_day(y, m, d), day);
    }
}

static void dates_as_text(void **state)
{
    static const char *const wrong[] = {"",         "2026-1-1",    "2026-02-30", "2026-13-01",
                                        "20260101", "2026-01-01x", "x026-01-01", "1969-12-31"};
    uint32_t day;
    char text[DATE_TEXT_BYTES];
    (void)state;
    assert_int_equal(date_parse("2024-02-29", &day), 0);
    date_format(day, text);
    assert_string_equal(text, "2024-02-29");
    assert_int_equal(day_to_yyyymmdd(day), 20240229);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(date_parse(wrong[i], &day), -1);
    }
}

static void ids_as_text(void **state)
{
    static const uint64_t ids[] = {0, 1, 35, 36, UINT64_MAX, 0x0123456789abcdef};
    static const char *const wrong[] = {"",   "A", "-1", "3w5e11264sgsg", "10000000000000",
                                        " 1", "1 "};
    uint64_t id;
    (void)state;
    /* Digits behind a point, as a random number has them, may begin with many zeros. */
    assert_true(id_parse(STR("00000000000000"), &id) && id == 0);
    assert_true(id_parse(STR("00003w5e11264sgsf"), &id) && id == UINT64_MAX);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        char text[ID_TEXT_BYTES];
        uint64_t back;
        id_format(ids[i], text);
        assert_true(id_parse(str_of(text), &back) && back == ids[i]);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint64_t back;
        if (id_parse(str_of(wrong[i]), &back)) fail_msg("read '%s'", wrong[i]);
    }
}

static void partitions_are_stable(void **state)
{
    (void)state;
    /* Stored data depends on these numbers: they must never change. */
    unsigned home = key_home(STR("shop"), 64);
    assert_int_equal(key_partition(STR("shop"), 12345, 1, 64), home);
    unsigned seen[64] = {0};
    for (uint64_t v = 0; v < 4096; v++)
        seen[key_partition(STR("shop"), v, 8, 64)]++;
    unsigned used = 0;
    for (unsigned i = 0; i < 64; i++)
        used += seen[i] > 0;
    assert_int_equal(used, 8);
    for (unsigned i = 0; i < 8; i++)
        assert_true(seen[(home + i) % 64] > 300);
    struct key k = key_day(3, STR("shop"), date_to_day(2026, 1, 31));
    assert_true(str_eq(key_str(&k), STR("{p3}:day:shop:20260131")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets),       cmocka_unit_test(days_begin_at_midnight),
        cmocka_unit_test(dates_as_text), cmocka_unit_test(calendar_is_the_c_librarys),
        cmocka_unit_test(ids_as_text),   cmocka_unit_test(partitions_are_stable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
