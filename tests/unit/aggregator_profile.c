/* Profiles: totals, the bound on pages, encoding. */
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

static void test_round_trip(void **state)
{
    (void)state;
    struct profile p = {.sessions = 3, .days = 2}, back = {0};
    struct buf a = {0}, b = {0};
    for (uint64_t i = 0; i < 5; i++)
        profile_view(&p, (i + 1) << 60, 20000, 1728000000000);
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
        cmocka_unit_test(test_totals),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
