/* Whose pageviews are, how parts settle and survive, and what two visitors of one customer make. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guard.h"
#include "share.h"
#include "sitestate.h"

enum { ANNA = 100, BERTA = 200, DAY = 20000, MINUTE = 60 * 1000 };
#define AT(minute) ((int64_t)DAY * DAY_MS + (int64_t)(minute)*MINUTE)

static struct sums sums, scratch;

static void view(struct profile *p, int minute, uint64_t page, uint64_t owner)
{
    struct pageview v = {.at_ms = AT(minute),
                         .id = (uint64_t)minute + 1,
                         .page = page,
                         .day = (uint32_t)(AT(minute) / DAY_MS),
                         .owner = owner};
    if (v.at_ms > p->recent.newest_ms) p->recent.newest_ms = v.at_ms;
    profile_clock(p);
    if (owner > CUSTOMER_TORN) visitor_link(&p->recent, v.at_ms, owner);
    assert_non_null(visitor_insert(&p->recent, &v));
}

static void settle(struct profile *p, uint32_t n)
{
    sums_make(&sums, &p->recent, n);
    assert_true(share_freeze(p, &sums, n, &scratch));
}

static void encoded_alike(struct profile *p)
{
    struct buf first = {0}, again = {0};
    struct profile back = {0};
    assert_true(profile_encode(p, &first));
    struct guard g = guard_copy(buf_str(&first));
    assert_true(profile_decode(g.s, &back));
    assert_true(profile_encode(&back, &again));
    assert_true(str_eq(buf_str(&first), buf_str(&again)));
    for (size_t n = 0; n < g.s.n; n++) { /* cut, it is none */
        struct guard cut = guard_copy(str_upto(g.s, n));
        struct profile none = {0};
        assert_false(profile_decode(cut.s, &none));
        guard_free(&cut);
    }
    profile_fini(&back);
    guard_free(&g);
    buf_fini(&first);
    buf_fini(&again);
}

/* What belongs to the customer of all this; the same whether it is settled or not. */
static struct profile share(const struct profile *p, uint64_t customer)
{
    struct buf bytes = {0};
    struct profile own = {0};
    assert_true(profile_encode(p, &bytes));
    assert_true(profile_decode(buf_str(&bytes), &own));
    assert_true(share_take(&own, customer));
    buf_fini(&bytes);
    return own;
}

static void holds(const struct profile *p, uint64_t customer, uint64_t sessions,
                  const uint64_t *pages, uint32_t n)
{
    struct profile own = share(p, customer);
    assert_int_equal(own.sessions, sessions);
    assert_int_equal(own.views, n);
    assert_int_equal(own.pages_n, n);
    for (uint32_t i = 0; i < n; i++)
        assert_non_null(profile_page(&own, pages[i]));
    profile_fini(&own);
}

/* Unsigned, anna, berta, both, unsigned; anna again after half an hour of others. */
static void story(struct profile *p)
{
    view(p, 0, 1, CUSTOMER_NONE);
    view(p, 5, 2, ANNA);
    view(p, 10, 3, BERTA);
    view(p, 15, 4, CUSTOMER_TORN);
    view(p, 25, 5, CUSTOMER_NONE);
    view(p, 40, 6, ANNA);
}

static const uint64_t of_anna[] = {1, 2, 6}, of_berta[] = {3};

static void everybody_has_its_own(void **state)
{
    (void)state;
    for (uint32_t settled = 0; settled <= 6; settled += 6) {
        struct profile p = {0};
        story(&p);
        if (settled > 0) settle(&p, settled);
        holds(&p, ANNA, 2, of_anna, 3);
        holds(&p, BERTA, 1, of_berta, 1);
        holds(&p, CUSTOMER_NONE, 0, NULL, 0);
        holds(&p, 300, 0, NULL, 0);
        struct profile berta = share(&p, BERTA);
        assert_int_equal(berta.recent.newest_ms, AT(10)); /* not when anna was there */
        profile_fini(&berta);
        encoded_alike(&p);
        /* Gaps of later days know every page, whoever was there. */
        for (uint64_t page = 1; page <= 6 && settled > 0; page++)
            assert_int_equal(visitor_frozen_day_of(&p.recent, page), DAY);
        profile_fini(&p);
    }
}

static void nobody_signed(void **state)
{
    static const uint64_t pages[] = {1, 2};
    struct profile p = {0};
    (void)state;
    view(&p, 0, 1, CUSTOMER_NONE);
    settle(&p, 1);
    view(&p, 40, 2, CUSTOMER_NONE);
    holds(&p, CUSTOMER_NONE, 2, pages, 2);
    holds(&p, ANNA, 0, NULL, 0);
    view(&p, 80, 3, ANNA); /* and then all of it is anna's */
    static const uint64_t all[] = {1, 2, 3};
    holds(&p, CUSTOMER_NONE, 0, NULL, 0);
    holds(&p, ANNA, 3, all, 3);
    encoded_alike(&p);
    profile_fini(&p);
}

/* As many links as a pageview holds, on two that a customer signed: each page is one of its own. */
static void links_in_view(void **state)
{
    struct profile p = {0};
    (void)state;
    for (int i = 0; i < 2; i++) {
        view(&p, i, (uint64_t)i + 1, ANNA);
        for (uint64_t link = 0; link < VIEW_SEEN_MAX; link++)
            assert_true(visitor_see(&p.recent, &p.recent.views[i],
                                    1000 + link + (uint64_t)i * VIEW_SEEN_MAX));
    }
    struct profile anna = share(&p, ANNA);
    assert_int_equal(anna.pages_n, 2 + 2 * VIEW_SEEN_MAX);
    profile_fini(&anna);
    settle(&p, 2);
    assert_int_equal(p.pages_n, 2 + 2 * VIEW_SEEN_MAX);
    encoded_alike(&p);
    profile_fini(&p);
}

static void too_many_customers(void **state)
{
    struct profile p = {0};
    (void)state;
    view(&p, 0, 1, ANNA);
    for (int i = 0; i <= PROFILE_PARTS_MAX; i++)
        view(&p, 1 + i, 2, 500 - (uint64_t)i);
    settle(&p, p.recent.views_n);
    assert_int_equal(p.parts_n, PROFILE_PARTS_MAX);
    assert_true(p.approximate);
    static const uint64_t page[] = {2};
    holds(&p, 500, 0, NULL, 0); /* seen longest ago */
    holds(&p, 499, 1, page, 1);
    profile_fini(&p);
}

/* One visitor's whole profile: pages opened on these days after DAY, each used once. */
static struct profile visitor_of(const int *days, const uint64_t *pages, unsigned n)
{
    struct profile p = {0};
    for (unsigned i = 0; i < n; i++)
        view(&p, days[i] * 24 * 60 + (int)i, pages[i], CUSTOMER_NONE);
    assert_true(profile_whole(&p));
    return p;
}

static void two_browsers_make_one_customer(void **state)
{
    struct profile a = visitor_of((int[]){0, 3}, (uint64_t[]){1, 2}, 2);
    struct profile b = visitor_of((int[]){3, 70}, (uint64_t[]){2, 3}, 2);
    (void)state;
    for (int turn = 0; turn < 2; turn++) {
        struct profile sum = {0};
        assert_true(profile_merge(&sum, turn ? &b : &a) && profile_merge(&sum, turn ? &a : &b));
        assert_int_equal(sum.sessions, 4);
        assert_int_equal(sum.views, 4);
        assert_int_equal(sum.newest_day, DAY + 70);
        assert_int_equal(sum.first_ms, a.first_ms);
        assert_int_equal(sum.recent.newest_ms, b.recent.newest_ms);
        assert_int_equal(sum.pages_n, 3);
        const struct profile_page *page = profile_page(&sum, 2);
        assert_true(page->views == 2 && page->tried == 2 && page->first_day == DAY + 3);
        assert_int_equal(profile_sessions_since(&sum, DAY + 60), 1); /* others left the window */
        assert_true(sum.marks_n == a.marks_n && sum.marks[0].sessions == 4);
        profile_fini(&sum);
    }
    profile_fini(&a);
    profile_fini(&b);
}

static void a_day_on_both_counts_once(void **state)
{
    struct profile a = visitor_of((int[]){0, 1}, (uint64_t[]){1, 1}, 2);
    struct profile b = visitor_of((int[]){1, 2}, (uint64_t[]){1, 1}, 2);
    (void)state;
    assert_true(profile_merge(&a, &b));
    assert_int_equal(a.days, 3);
    assert_int_equal(a.sessions, 4);
    profile_fini(&a);
    profile_fini(&b);
}

static const struct {
    struct profile_page a, b;
    uint32_t passed, days;
} passed[] = {
    {{.passed = 2, .passed_days = 2, .passed_from = 10, .last_seen_day = 11}, {.page = 1}, 2, 2},
    /* opened there before it was seen here; and after */
    {{.passed = 2, .passed_days = 2, .passed_from = 10, .last_seen_day = 11},
     {.views = 1, .first_day = 9, .last_day = 9},
     2,
     2},
    {{.passed = 2, .passed_days = 2, .passed_from = 10, .last_seen_day = 11},
     {.views = 1, .first_day = 10, .last_day = 10},
     0,
     0},
    /* on other days, and perhaps on the same */
    {{.passed = 2, .passed_days = 2, .passed_from = 10, .last_seen_day = 11},
     {.passed = 3, .passed_days = 1, .passed_from = 12, .last_seen_day = 12},
     5,
     3},
    {{.passed = 2, .passed_days = 2, .passed_from = 10, .last_seen_day = 11},
     {.passed = 3, .passed_days = 1, .passed_from = 11, .last_seen_day = 11},
     5,
     2},
};

static void passed_by_on_all_of_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * (sizeof passed / sizeof *passed); i++) {
        struct profile_page pages[] = {passed[i / 2].a, passed[i / 2].b};
        pages[0].page = pages[1].page = 1;
        struct profile a = {.views = 1, .newest_day = DAY, .pages = &pages[i % 2], .pages_n = 1};
        struct profile b = {.views = 1, .newest_day = DAY, .pages = &pages[!(i % 2)], .pages_n = 1};
        struct profile sum = {0};
        assert_true(profile_merge(&sum, &a) && profile_merge(&sum, &b));
        assert_int_equal(sum.pages[0].passed, passed[i / 2].passed);
        assert_int_equal(sum.pages[0].passed_days, passed[i / 2].days);
        profile_fini(&sum);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_has_its_own),
        cmocka_unit_test(nobody_signed),
        cmocka_unit_test(links_in_view),
        cmocka_unit_test(too_many_customers),
        cmocka_unit_test(two_browsers_make_one_customer),
        cmocka_unit_test(a_day_on_both_counts_once),
        cmocka_unit_test(passed_by_on_all_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
