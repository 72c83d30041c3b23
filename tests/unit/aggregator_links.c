/* The links of a page: any order leaves the same bytes, also past the bound; damage is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guard.h"
#include "links.h"

enum { DAY = 20000, TOLD = 4000 };

struct told {
    uint64_t page;
    uint32_t day;
};

static uint64_t draw(uint64_t *s, uint64_t below)
{
    uint64_t z = *s += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (z ^ z >> 31) % below;
}

/* Through its bytes after each, as the aggregator does. */
static void tell(const struct told *all, size_t n, struct buf *bytes)
{
    for (size_t i = 0; i < n; i++) {
        struct links l = {0};
        struct guard g = guard_copy(buf_str(bytes));
        if (bytes->n > 0) assert_true(links_decode(g.s, &l));
        guard_free(&g);
        links_told(&l, all[i].day, false);
        links_add(&l, all[i].page, all[i].day);
        buf_clear(bytes);
        assert_true(links_encode(&l, bytes));
    }
}

static void any_order_leaves_the_same(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        static struct told all[TOLD];
        uint64_t s = seed, pages = seed % 2 ? 200 : 700; /* within the bound, and past it */
        struct buf first = {0}, second = {0};
        for (size_t i = 0; i < TOLD; i++)
            all[i] = (struct told){1 + draw(&s, pages) * 0x0101010101010101u,
                                   DAY + (uint32_t)draw(&s, 9)};
        tell(all, TOLD, &first);
        for (size_t i = TOLD - 1; i > 0; i--) {
            size_t j = draw(&s, i + 1);
            struct told swap = all[i];
            all[i] = all[j];
            all[j] = swap;
        }
        tell(all, TOLD, &second);
        assert_true(str_eq(buf_str(&first), buf_str(&second)));
        struct links l = {0};
        assert_true(links_decode(buf_str(&first), &l));
        assert_int_equal(l.n, pages < LINKS_PAGE_MAX ? pages : LINKS_PAGE_MAX);
        assert_int_equal(l.partial, pages > LINKS_PAGE_MAX);
        assert_int_equal(l.told_day, DAY + 8);
        buf_fini(&first);
        buf_fini(&second);
    }
}

static void what_is_new_is_said_once(void **state)
{
    (void)state;
    struct links l = {0};
    links_told(&l, DAY, false);
    assert_true(links_add(&l, 7, DAY));
    assert_false(links_add(&l, 7, DAY + 1));
    assert_int_equal(l.at[0].day, DAY + 1);
    assert_false(links_add(&l, 7, DAY));
    assert_int_equal(l.at[0].day, DAY + 1);
    assert_true(links_add(&l, 3, DAY));
    assert_int_equal(l.at[0].page, 3);
    links_told(&l, DAY - 1, true);
    assert_int_equal(l.told_day, DAY);
    assert_true(l.partial);
}

static void damage_is_refused(void **state)
{
    static const struct {
        struct str in;
        bool ok;
    } cases[] = {
        {{"\1\0\5\0", 4}, true},
        {{"\1\1\5\1\1\0\0\0\0\0\0\0\0", 13}, true},
        {{"", 0}, false},
        {{"\2\0\5\0", 4}, false},
        {{"\1\2\5\0", 4}, false},                                      /* a flag */
        {{"\1\0\5\1\1\0\0\0\0\0\0\0", 12}, false},                     /* cut off */
        {{"\1\0\5\1\1\0\0\0\0\0\0\0\6", 13}, false},                   /* before day 0 */
        {{"\1\0\5\0\0", 5}, false},                                    /* a rest */
        {{"\1\0\5\2\2\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0", 22}, false}, /* order */
        {{"\1\0\5\x81\2", 5}, false},                                  /* 257 links */
        {{"\1\0\xff\xff\xff\xff\xf\0", 8}, false},                     /* the day */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct guard g = guard_copy(cases[i].in);
        struct links l = {0};
        assert_int_equal(links_decode(g.s, &l), cases[i].ok);
        guard_free(&g);
    }
}

static void the_latest_that_a_page_said_stays(void **state)
{
    static const struct told_about all[] = {
        {5, {"a", 1}}, {5, {"ab", 2}}, {5, {"b", 1}}, {6, {"", 0}}, {7, {"a", 1}}};
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        struct told_about again;
        struct buf bytes = {0};
        for (size_t k = 0; k < 5; k++)
            assert_int_equal(told_about_later(&all[i], &all[k]), i > k);
        assert_true(told_about_encode(&all[i], &bytes));
        struct guard g = guard_copy(buf_str(&bytes));
        assert_true(told_about_decode(g.s, &again));
        assert_true(again.at_ms == all[i].at_ms && str_eq(again.list, all[i].list));
        assert_false(told_about_decode(str_upto(g.s, 1), &again));
        guard_free(&g);
        buf_fini(&bytes);
    }
    struct told_about none;
    assert_false(told_about_decode(STR(""), &none));
    assert_false(told_about_decode(STR("\2\5a"), &none));
}

static void pages_of_a_site_have_a_bound(void **state)
{
    struct links_count c = {0}, again = {0};
    struct buf bytes = {0};
    (void)state;
    for (int i = 0; i < LINKS_PAGES_MAX; i++)
        assert_true(links_count_take(&c));
    assert_false(c.full);
    assert_false(links_count_take(&c));
    assert_true(links_count_encode(&c, &bytes));
    struct guard g = guard_copy(buf_str(&bytes));
    assert_true(links_count_decode(g.s, &again));
    assert_true(again.full && again.n == LINKS_PAGES_MAX);
    assert_false(links_count_decode(str_upto(g.s, g.s.n - 1), &again));
    guard_free(&g);
    buf_fini(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_leaves_the_same),
        cmocka_unit_test(what_is_new_is_said_once),
        cmocka_unit_test(damage_is_refused),
        cmocka_unit_test(the_latest_that_a_page_said_stays),
        cmocka_unit_test(pages_of_a_site_have_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
