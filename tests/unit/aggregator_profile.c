/* Profiles: totals, windows, classes, the bound on pages, encoding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guard.h"
#include "profile.h"

static void test_totals(void **state)
{
    (void)state;
    struct profile p = {0};
    assert_true(profile_view(&p, 30, 100, 5000));
    assert_true(profile_view(&p, 10, 101, 4000));
    assert_true(profile_view(&p, 30, 99, 6000));
    profile_engaged(&p, 30, 700);
    profile_engaged(&p, 77, 1); /* a page that was dropped: in the total only */
    assert_int_equal(p.first_ms, 4000);
    assert_int_equal(p.views, 3);
    assert_int_equal(p.engaged_ms, 701);
    assert_int_equal(profile_page(&p, 30)->views, 2);
    assert_int_equal(profile_page(&p, 30)->last_day, 100);
    assert_int_equal(profile_page(&p, 30)->engaged_ms, 700);
    assert_null(profile_page(&p, 31));
    profile_fini(&p);
}

static void test_bound(void **state)
{
    (void)state;
    struct profile p = {0};
    for (uint32_t i = 0; i < PROFILE_PAGES_MAX; i++)
        assert_true(profile_view(&p, i * 3 % 1021, 1000 + i, 1));
    assert_false(p.approximate);
    assert_true(profile_view(&p, 5000, 5000, 1));
    assert_true(p.approximate);
    assert_int_equal(p.pages_n, PROFILE_PAGES_MAX);
    assert_null(profile_page(&p, 0)); /* the one seen longest ago */
    assert_non_null(profile_page(&p, 3));
    assert_non_null(profile_page(&p, 5000));
    assert_int_equal(p.views, PROFILE_PAGES_MAX + 1);
    profile_fini(&p);
}

/* Adds sessions of one page each: day, sessions. */
static void stay(struct profile *p, uint64_t page, uint32_t day, uint64_t used)
{
    static const struct visits none;
    static struct visits now;
    now.stays_n = now.pages_n = 1;
    now.stays[0] = (struct stay){.day = day, .channel = 2, .device = 1, .country = 'F' << 8 | 'R'};
    now.pages[0] = (struct visit){.page = page, .day = day, .opened = 2, .used = used};
    assert_true(profile_view(p, page, day, 1));
    assert_true(profile_visits(p, &none, &now));
    p->sessions++;
}

/* A session that grew: what it was goes, what it is stays. */
static void test_difference(void **state)
{
    (void)state;
    static struct visits before, now;
    struct profile p = {0};
    before.stays_n = before.pages_n = now.stays_n = now.pages_n = 1;
    before.stays[0] = now.stays[0] = (struct stay){.day = 1000, .device = 3};
    before.pages[0] = (struct visit){.page = 7, .day = 1000, .opened = 1};
    now.pages[0] = (struct visit){.page = 7, .day = 1000, .opened = 2, .used = 1};
    profile_view(&p, 7, 1000, 1);
    stay(&p, 7, 1000, 0);
    assert_int_equal(profile_rung(profile_page(&p, 7)), RUNG_TRIED);
    assert_true(profile_visits(&p, &before, &now));
    const struct profile_page *page = profile_page(&p, 7);
    assert_int_equal(page->tried, 0);
    assert_int_equal(page->used, 1);
    assert_int_equal(page->weeks[week_of(1000) % PROFILE_WEEKS].opened, 3);
    assert_int_equal(profile_rung(page), RUNG_USED);
    assert_int_equal(profile_sessions_since(&p, 1000), 1);
    profile_fini(&p);
}

/* What has left the window stays out, however it comes. */
static void test_windows(void **state)
{
    (void)state;
    struct profile p = {0};
    const uint32_t monday = week_monday(2800);
    assert_int_equal(week_of(monday), 2800);
    assert_int_equal(week_of(monday - 1), 2799);
    assert_int_equal(week_of(4), 1); /* 1970-01-05 was a Monday */
    stay(&p, 7, monday, 1);
    stay(&p, 7, monday + 6, 1);
    stay(&p, 7, monday + 55, 1);
    assert_int_equal(profile_sessions_since(&p, monday), 3);
    assert_int_equal(profile_page(&p, 7)->weeks[2800 % PROFILE_WEEKS].used, 2);
    stay(&p, 7, monday + 56, 1); /* a new week, a new day: the first ones go */
    stay(&p, 7, monday, 1);      /* came too late for both windows */
    assert_int_equal(profile_sessions_since(&p, monday + 1), 3);
    assert_int_equal(p.day_sessions[monday % PROFILE_DAYS], 1); /* the slot of monday + 56 */
    assert_int_equal(profile_page(&p, 7)->weeks[2800 % PROFILE_WEEKS].used, 1);
    assert_int_equal(profile_page(&p, 7)->used, 5);
    assert_int_equal(profile_last_session(&p), monday + 56);
    stay(&p, 8, monday + 5000, 0);
    assert_int_equal(profile_sessions_since(&p, 0), 1);
    profile_fini(&p);
}

static void test_classes(void **state)
{
    (void)state;
    static const struct {
        uint32_t days[9]; /* of sessions, before today + 1; 0: no more */
        enum person_class want;
    } cases[] = {
        {{1}, CLASS_NEW},
        {{28, 1}, CLASS_NEW},
        {{29, 1}, CLASS_RETURNING}, /* first seen longer ago */
        {{3, 2, 1}, CLASS_RETURNING},
        {{28, 3, 2, 1}, CLASS_LOYAL},
        {{29, 3, 2, 1}, CLASS_RETURNING},
        {{56, 50, 49, 48, 47, 46, 45, 28}, CLASS_LOYAL},
        {{57, 50, 49, 48, 47, 46, 45, 28}, CLASS_RETURNING},
        {{300, 28}, CLASS_RETURNING},
        {{300, 29}, CLASS_FADING},
        {{56, 50, 49, 48, 47, 46, 45, 29}, CLASS_FADING}, /* loyal no more */
        {{29}, CLASS_LOST},
        {{300, 56}, CLASS_FADING},
        {{300, 57}, CLASS_LOST},
        {{0}, CLASS_NEW},
    };
    const uint32_t today = 20000;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct profile p = {0};
        for (size_t j = 0; cases[i].days[j] != 0; j++)
            stay(&p, 7, today + 1 - cases[i].days[j], 0);
        if (profile_class(&p, today) != cases[i].want)
            fail_msg("case %zu: %s", i, class_name(profile_class(&p, today)));
        profile_fini(&p);
    }
}

static void test_ladder(void **state)
{
    (void)state;
    struct profile p = {0};
    stay(&p, 7, 1000, 0);
    assert_false(profile_ignores(profile_page(&p, 7)));
    stay(&p, 7, 1001, 0);
    assert_true(profile_ignores(profile_page(&p, 7)));
    assert_int_equal(profile_rung(profile_page(&p, 7)), RUNG_TRIED);
    stay(&p, 7, 1002, 1);
    assert_false(profile_ignores(profile_page(&p, 7)));
    assert_int_equal(profile_rung(profile_page(&p, 7)), RUNG_USED);
    stay(&p, 7, 1002, 1);
    assert_string_equal(rung_name(profile_rung(profile_page(&p, 7))), "returned");
    profile_fini(&p);
}

static void test_other_version(void **state)
{
    (void)state;
    struct profile p = {0};
    struct buf a = {0};
    assert_true(profile_encode(&p, &a));
    assert_int_equal(a.p[0], 2);
    for (int version = 0; version < 256; version++) {
        a.p[0] = (char)version;
        assert_int_equal(profile_decode(buf_str(&a), &p), version == 2);
        profile_fini(&p);
    }
    buf_fini(&a);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct profile p = {.sessions = 3, .days = 2}, back = {0};
    struct buf a = {0}, b = {0};
    for (uint64_t i = 0; i < 5; i++)
        profile_view(&p, (i + 1) << 60, 20000, 1728000000000);
    for (uint32_t i = 0; i < 20; i++)
        stay(&p, (i % 6 + 1) << 20, 19930 + i * 4, i % 3 == 0);
    struct pageview v = {.at_ms = 1728000000000, .id = 5, .page = 1, .day = 20000};
    assert_non_null(visitor_insert(&p.recent, &v));
    assert_true(profile_encode(&p, &a));
    struct guard g = guard_copy(buf_str(&a));
    assert_true(profile_decode(g.s, &back));
    assert_true(profile_encode(&back, &b));
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.p, b.p, a.n);
    profile_fini(&back);
    guard_free(&g);
    for (size_t n = 0; n < a.n; n++) {
        g = guard_copy((struct str){a.p, n});
        assert_false(profile_decode(g.s, &back));
        assert_null(back.pages);
        guard_free(&g);
    }
    buf_fini(&a);
    buf_fini(&b);
    profile_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_totals),        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_difference),    cmocka_unit_test(test_windows),
        cmocka_unit_test(test_classes),       cmocka_unit_test(test_ladder),
        cmocka_unit_test(test_other_version), cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
