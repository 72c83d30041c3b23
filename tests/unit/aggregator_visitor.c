/* Fold state: order, freezing, encoding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "guard.h"
#include "sitestate.h"
#include "visitor.h"

#define T0 INT64_C(1728000000000)

static void insert(struct visitor *v, int64_t at, uint64_t id, uint64_t page, const char *source)
{
    struct pageview p = {.at_ms = T0 + at,
                         .id = id,
                         .page = page,
                         .day = (uint32_t)((T0 + at) / DAY_MS),
                         .numbers = {id != 0},
                         .country = {'F', 'R'},
                         .channel = 3,
                         .depth = 50};
    if (*source != '\0') {
        p.source = strdup(source);
        p.source_n = (uint32_t)strlen(source);
    }
    assert_non_null(visitor_insert(v, &p));
    if (p.at_ms > v->newest_ms) v->newest_ms = p.at_ms;
}

static void wait_for(struct visitor *v, uint64_t id, uint32_t number, const char *text)
{
    struct waiting w = {.id = id,
                        .number = number,
                        .kind = HIT_OUTBOUND,
                        .at_ms = T0,
                        .engaged_ms = 5,
                        .engaged_at_ms = T0,
                        .interaction_at_ms = T0,
                        .text_n = (uint32_t)strlen(text)};
    w.text = strdup(text);
    assert_true(visitor_wait(v, visitor_waiting_at(v, id, number), &w));
}

static struct visitor full(void)
{
    struct visitor v = {0};
    insert(&v, 5000, 9, 100, "news.example");
    insert(&v, 1000, 7, 200, "");
    insert(&v, 5000, 8, 300, "");
    insert(&v, 3000, 0, 100, "a");
    insert(&v, 3000, 0, 50, "b");
    v.views[0].engaged_ms = 700;
    v.views[0].engaged_at_ms = v.views[0].at_ms + 900;
    v.views[4].interaction_at_ms = v.views[4].at_ms - 3;
    v.views[4].numbers[3] = UINT64_MAX;
    for (uint64_t i = 0; i < 20; i++) {
        assert_true(visitor_see(&v, &v.views[2], i * 7));
        assert_true(visitor_see(&v, &v.views[3], i * 5)); /* some again */
    }
    wait_for(&v, 77, 200, "other.example/x");
    wait_for(&v, 77, 3, "");
    wait_for(&v, 11, 9, "y");
    assert_true(visitor_freeze(&v, 1));
    v.approximate = true;
    return v;
}

static void test_order(void **state)
{
    (void)state;
    struct visitor v = full();
    static const uint64_t pages[] = {50, 100, 300, 100}; /* the first, page 200, is frozen */
    assert_int_equal(v.views_n, 4);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(v.views[i].page, pages[i]);
    assert_int_equal(visitor_frozen_day_of(&v, 200), T0 / DAY_MS);
    assert_int_equal(visitor_frozen_day_of(&v, 100), 0);
    assert_int_equal(v.frozen_day, T0 / DAY_MS);
    assert_int_equal(v.waiting[0].id, 11);
    assert_int_equal(v.waiting[1].number, 3);
    assert_int_equal(v.waiting_bytes, 16);
    visitor_fini(&v);
}

static void test_find(void **state)
{
    (void)state;
    struct visitor v = {0};
    insert(&v, 0, 9, 100, "");
    assert_non_null(visitor_find(&v, 9, T0 + REGISTER_OPEN_MS));
    assert_non_null(visitor_find(&v, 9, T0 - REGISTER_OPEN_MS));
    assert_null(visitor_find(&v, 9, T0 + REGISTER_OPEN_MS + 1));
    assert_null(visitor_find(&v, 9, T0 - REGISTER_OPEN_MS - 1));
    assert_null(visitor_find(&v, 8, T0));
    visitor_fini(&v);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct visitor v = full(), back = {0};
    struct buf a = {0}, b = {0};
    assert_true(visitor_encode(&v, &a));
    struct guard g = guard_copy(buf_str(&a));
    assert_true(visitor_decode(g.s, &back));
    assert_true(visitor_encode(&back, &b));
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.p, b.p, a.n);
    assert_int_equal(back.views[0].source_n, 1);
    assert_memory_equal(back.waiting[2].text, "other.example/x", 15);
    assert_int_equal(back.seen_n, v.seen_n);
    for (uint32_t i = 0; i < v.views_n; i++) {
        assert_int_equal(back.views[i].seen_n, v.views[i].seen_n);
        assert_memory_equal(back.views[i].numbers, v.views[i].numbers, sizeof v.views[i].numbers);
        for (uint32_t j = 0; j < v.views[i].seen_n; j++)
            assert_int_equal(back.views[i].seen[j], v.views[i].seen[j]);
    }
    visitor_fini(&back);
    guard_free(&g);

    /* Every shorter piece is refused, and leaves nothing behind. */
    for (size_t n = 0; n < a.n; n++) {
        g = guard_copy((struct str){a.p, n});
        assert_false(visitor_decode(g.s, &back));
        assert_null(back.views);
        guard_free(&g);
    }
    buf_add_char(&a, 'x');
    assert_false(visitor_decode(buf_str(&a), &back));
    buf_fini(&a);
    buf_fini(&b);
    visitor_fini(&v);
}

/* Any bit changed: refused, or read as a visitor that the encoder accepts. */
static void test_damage(void **state)
{
    (void)state;
    struct visitor v = full();
    struct buf a = {0}, b = {0};
    assert_true(visitor_encode(&v, &a));
    for (size_t i = 0; i < a.n; i++) {
        for (int bit = 0; bit < 8; bit++) {
            a.p[i] ^= (char)(1 << bit);
            struct guard g = guard_copy(buf_str(&a));
            struct visitor back = {0};
            if (visitor_decode(g.s, &back)) {
                buf_clear(&b);
                assert_true(visitor_encode(&back, &b));
                visitor_fini(&back);
            }
            guard_free(&g);
            a.p[i] ^= (char)(1 << bit);
        }
    }
    buf_fini(&a);
    buf_fini(&b);
    visitor_fini(&v);
}

static void test_seen_is_bounded(void **state)
{
    (void)state;
    struct visitor v = {0};
    uint64_t most = VIEW_SEEN_MAX * 3 - 1;
    insert(&v, 0, 1, 100, "");
    for (uint64_t i = 0; i < VIEW_SEEN_MAX * 3; i++) { /* every page, in another order */
        assert_true(visitor_see(&v, &v.views[0], i * 5 % (most + 1)));
        assert_true(visitor_see(&v, &v.views[0], i * 5 % (most + 1)));
        assert_int_equal(v.approximate, i >= VIEW_SEEN_MAX);
    }
    assert_int_equal(v.views[0].seen_n, VIEW_SEEN_MAX);
    for (uint32_t i = 0; i < VIEW_SEEN_MAX; i++)
        assert_int_equal(v.views[0].seen[i], i);
    for (int64_t view = 1; view < 80; view++) {
        insert(&v, view, (uint64_t)view + 1, 100, "");
        for (uint64_t i = 0; i < VIEW_SEEN_MAX; i++)
            assert_true(visitor_see(&v, &v.views[view], i));
        assert_true(v.seen_n <= SEEN_MAX);
    }
    assert_int_equal(v.seen_n, SEEN_MAX);
    visitor_drop(&v, 2);
    assert_int_equal(v.seen_n, SEEN_MAX - 2 * VIEW_SEEN_MAX);
    visitor_fini(&v);
}

static void test_frozen_pages_are_bounded(void **state)
{
    (void)state;
    struct visitor v = {0};
    for (uint64_t i = 0; i < FROZEN_PAGES_MAX + 10; i++) {
        insert(&v, (int64_t)i, i + 1, i + 1, "");
        assert_true(visitor_freeze(&v, 1));
    }
    assert_int_equal(v.frozen_n, FROZEN_PAGES_MAX);
    assert_true(v.approximate);
    /* a page seen over 28 days before is as good as never seen */
    insert(&v, 29 * (int64_t)DAY_MS, 1, 5, "");
    assert_true(visitor_freeze(&v, 1));
    assert_int_equal(v.frozen_n, 1);
    visitor_fini(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),           cmocka_unit_test(test_find),
        cmocka_unit_test(test_round_trip),      cmocka_unit_test(test_damage),
        cmocka_unit_test(test_seen_is_bounded), cmocka_unit_test(test_frozen_pages_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
