/* Profiles: totals, windows, classes, the bound on pages, encoding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guard.h"
#include "share.h"
#include "sitestate.h"

static struct sums sums, scratch;

#define AT_OF(day) ((int64_t)(day)*DAY_MS)

/* A session that opens a page (0: a page of no interest here) and shows a link to another (0: to
 * none) before it does, settled at once. */
struct stay {
    uint64_t page, seen;
    uint32_t day, engaged_ms;
};

static struct pageview *view(struct profile *p, uint64_t page, int64_t at_ms, uint32_t day)
{
    struct pageview v = {
        .at_ms = at_ms, .id = 1, .page = page, .day = day, .channel = 2, .device = 1};
    memcpy(v.country, "FR", 2);
    if (at_ms > p->recent.newest_ms) p->recent.newest_ms = at_ms;
    profile_clock(p);
    return visitor_insert(&p->recent, &v);
}

static void settle(struct profile *p)
{
    sums_make(&sums, &p->recent, 0);
    assert_true(share_freeze(p, &sums, p->recent.views_n, &scratch));
}

static void stay(struct profile *p, struct stay s)
{
    enum { ELSEWHERE = 999999 };
    struct pageview *v = view(p, ELSEWHERE, AT_OF(s.day), s.day);
    if (s.seen != 0) assert_true(visitor_see(&p->recent, v, s.seen));
    if (s.page != 0) v = view(p, s.page, AT_OF(s.day) + 1000, s.day);
    v->engaged_ms = s.engaged_ms;
    settle(p);
}

static void test_totals(void **state)
{
    (void)state;
    struct profile p = {0};
    view(&p, 30, 4000, 100)->engaged_ms = 700;
    view(&p, 10, 5000, 101);
    settle(&p);
    view(&p, 30, 6000 + DAY_MS, 99); /* the zone of the site was changed */
    assert_int_equal(p.views, 2);
    assert_int_equal(p.sessions, 1);
    assert_true(profile_whole(&p));
    assert_int_equal(p.sessions, 2);
    assert_int_equal(p.days, 2);
    assert_int_equal(p.first_ms, 4000);
    assert_int_equal(p.views, 3);
    assert_int_equal(p.engaged_ms, 700);
    assert_int_equal(profile_page(&p, 30)->views, 2);
    assert_int_equal(profile_page(&p, 30)->first_day, 99);
    assert_int_equal(profile_page(&p, 30)->last_day, 100);
    assert_int_equal(profile_page(&p, 30)->engaged_ms, 700);
    assert_null(profile_page(&p, 31));
    profile_fini(&p);
}

static void test_bound(void **state)
{
    (void)state;
    struct profile p = {0};
    for (uint32_t i = 0; i < PROFILE_PAGES_MAX - 2; i++) {
        view(&p, i * 3 % 1021, AT_OF(1000 + i), 1000 + i);
        settle(&p);
    }
    stay(&p, (struct stay){.seen = 2000, .day = 3000}); /* with the page elsewhere two more */
    assert_false(p.approximate);
    stay(&p, (struct stay){.page = 2001, .day = 3001});
    assert_true(p.approximate);
    assert_null(profile_page(&p, 2000)); /* never opened: gone first */
    assert_non_null(profile_page(&p, 0));
    stay(&p, (struct stay){.seen = 2002, .day = 3002});
    assert_null(profile_page(&p, 2002)); /* all others were opened */
    stay(&p, (struct stay){.page = 2003, .day = 3003});
    assert_null(profile_page(&p, 0)); /* opened longest ago */
    assert_non_null(profile_page(&p, 3));
    assert_non_null(profile_page(&p, 2003));
    assert_int_equal(p.pages_n, PROFILE_PAGES_MAX);
    profile_fini(&p);
}

/* What has left the window is gone. */
static void test_windows(void **state)
{
    (void)state;
    struct profile p = {0};
    const uint32_t monday = week_monday(2800), slot = 2800 % PROFILE_WEEKS;
    assert_int_equal(week_of(monday), 2800);
    assert_int_equal(week_of(monday - 1), 2799);
    assert_int_equal(week_of(4), 1); /* 1970-01-05 was a Monday */
    stay(&p, (struct stay){.page = 7, .seen = 7, .day = monday, .engaged_ms = USED_ENGAGED_MS});
    stay(&p, (struct stay){.page = 7, .day = monday + 6});
    stay(&p, (struct stay){.page = 7, .day = monday + 55});
    assert_int_equal(profile_sessions_since(&p, monday), 3);
    assert_int_equal(profile_page(&p, 7)->weeks[slot].used, 1);
    assert_int_equal(profile_page(&p, 7)->weeks[slot].tried, 1);
    assert_int_equal(profile_page(&p, 7)->weeks[slot].seen, 1);
    assert_int_equal(profile_page(&p, 7)->weeks[slot].opened, 2);
    stay(&p, (struct stay){.page = 7, .day = monday + 56}); /* a new week, a new day */
    assert_int_equal(profile_sessions_since(&p, monday + 1), 3);
    assert_int_equal(p.day_sessions[monday % PROFILE_DAYS], 1); /* the slot of monday + 56 */
    assert_int_equal(profile_page(&p, 7)->weeks[slot].used, 0);
    assert_int_equal(profile_page(&p, 7)->used, 1);
    assert_int_equal(profile_page(&p, 7)->tried, 3);
    assert_int_equal(profile_last_session(&p), monday + 56);
    stay(&p, (struct stay){.page = 8, .day = monday + 5000});
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
            stay(&p, (struct stay){.page = 7, .day = today + 1 - cases[i].days[j]});
        if (profile_class(&p, today) != cases[i].want)
            fail_msg("case %zu: %s", i, class_name(profile_class(&p, today)));
        profile_fini(&p);
    }
}

/* Rung and verdict after each of the sessions. */
static void test_ladder(void **state)
{
    (void)state;
    enum { USE = USED_ENGAGED_MS };
    static const struct {
        struct stay stay;
        enum rung rung;
        enum ignored_why why;
        uint32_t passed, passed_days;
    } rows[] = {
        {{.seen = 7, .day = 1000}, RUNG_SEEN, NOT_IGNORED, 1, 1},
        {{.seen = 7, .day = 1000}, RUNG_SEEN, NOT_IGNORED, 2, 1},
        {{.seen = 7, .day = 1000}, RUNG_SEEN, NOT_IGNORED, 3, 1}, /* all on one day */
        {{.page = 8, .day = 1001}, RUNG_SEEN, NOT_IGNORED, 3, 1},
        {{.seen = 7, .day = 1002}, RUNG_SEEN, IGNORED_PASSED_BY, 4, 2},
        {{.seen = 7, .page = 7, .day = 1003}, RUNG_TRIED, NOT_IGNORED, 0, 0},
        {{.seen = 7, .day = 1003}, RUNG_TRIED, NOT_IGNORED, 1, 1}, /* the day counts anew */
        {{.seen = 7, .day = 1004}, RUNG_TRIED, NOT_IGNORED, 2, 2},
        {{.seen = 7, .day = 1004}, RUNG_TRIED, IGNORED_PASSED_BY, 3, 2},
        {{.page = 7, .day = 1005, .engaged_ms = USE - 1}, RUNG_TRIED, IGNORED_LEFT, 0, 0},
        {{.page = 7, .day = 1006, .engaged_ms = USE}, RUNG_USED, NOT_IGNORED, 0, 0},
        {{.page = 7, .day = 1006}, RUNG_USED, NOT_IGNORED, 0, 0},
        {{.page = 7, .day = 1006, .engaged_ms = USE}, RUNG_RETURNED, NOT_IGNORED, 0, 0},
    };
    struct profile p = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        stay(&p, rows[i].stay);
        const struct profile_page *page = profile_page(&p, 7);
        if (profile_rung(page) != rows[i].rung || profile_ignores(page) != rows[i].why ||
            page->passed != rows[i].passed || page->passed_days != rows[i].passed_days)
            fail_msg("row %zu: %s, %d, passed %u on %u", i, rung_name(profile_rung(page)),
                     profile_ignores(page), page->passed, page->passed_days);
    }
    assert_int_equal(profile_page(&p, 7)->seen, 8);
    assert_int_equal(profile_page(&p, 7)->last_seen_day, 1004);
    assert_int_equal(profile_page(&p, 7)->tried, 3);
    profile_fini(&p);
}

static void test_other_version(void **state)
{
    (void)state;
    struct profile p = {0};
    struct buf a = {0};
    assert_true(profile_encode(&p, &a));
    assert_int_equal(a.p[0], 3);
    for (int version = 0; version < 256; version++) {
        a.p[0] = (char)version;
        assert_int_equal(profile_decode(buf_str(&a), &p), version == 3);
        profile_fini(&p);
    }
    buf_fini(&a);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct profile p = {0}, back = {0};
    struct buf a = {0}, b = {0};
    for (uint32_t i = 0; i < 40; i++)
        stay(&p, (struct stay){.page = (i % 6 + 1) << 20,
                               .seen = (i % 7 + 1) << 20,
                               .day = 19650 + i * 3 + i / 20 * 200, /* two years */
                               .engaged_ms = i % 3 * 6000});
    for (uint32_t i = 0; i < 5; i++) /* a busy week */
        stay(&p, (struct stay){.page = 1 << 20, .seen = 2 << 20, .day = 19970 + i / 5});
    view(&p, 1, AT_OF(20000), 20000);
    p.approximate = true;
    assert_true(profile_encode(&p, &a));
    struct guard g = guard_copy(buf_str(&a));
    assert_true(profile_decode(g.s, &back));
    assert_true(profile_encode(&back, &b));
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.p, b.p, a.n);
    assert_true(back.approximate && !back.recent.approximate);
    assert_int_equal(back.pages_n, p.pages_n);
    assert_memory_equal(back.pages, p.pages, p.pages_n * sizeof *p.pages);
    assert_memory_equal(back.day_sessions, p.day_sessions, sizeof p.day_sessions);
    assert_memory_equal(back.marks, p.marks, p.marks_n * sizeof *p.marks);
    assert_int_equal(back.recent.frozen_n, p.recent.frozen_n);
    assert_memory_equal(back.recent.frozen, p.recent.frozen,
                        p.recent.frozen_n * sizeof *p.recent.frozen);
    assert_int_equal(back.recent.frozen_day, p.newest_day);
    assert_true(back.sessions == p.sessions && back.days == p.days && back.views == p.views &&
                back.engaged_ms == p.engaged_ms && back.first_ms == p.first_ms &&
                back.newest_day == p.newest_day && back.newest_year == p.newest_year);
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
        cmocka_unit_test(test_totals),     cmocka_unit_test(test_bound),
        cmocka_unit_test(test_windows),    cmocka_unit_test(test_classes),
        cmocka_unit_test(test_ladder),     cmocka_unit_test(test_other_version),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
