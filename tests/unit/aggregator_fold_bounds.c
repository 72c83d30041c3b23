/*
 * More of everything than is kept: pageviews, pages, links seen, hits that wait, days that are
 * open. What a bound does is flagged or counted, and is the same wherever batches end. Hits that no
 * collector writes are refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fold_hits.h"

static struct hit simple(uint64_t visitor, int64_t at, uint64_t id, enum visitor_kind kind)
{
    return (struct hit){.kind = HIT_PAGEVIEW,
                        .site = STR("shop"),
                        .at_ms = T0 + at,
                        .day = (uint32_t)(DAY0 + at / DAY_MS),
                        .visitor = visitor,
                        .visitor_kind = kind,
                        .pageview = id,
                        .page = STR("shop.example/a")};
}

static void test_too_many_pageviews(void **state)
{
    (void)state;
    static struct hit hits[1000];
    for (size_t i = 0; i < 1000; i++)
        hits[i] = simple(1, (int64_t)i * 1000, i + 1, i % 2 ? VISITOR_CONSENTED : VISITOR_DAILY);
    struct buf first = {0};
    static const size_t batches[] = {1000, 1, 37};
    for (size_t b = 0; b < 3; b++) {
        struct world *w = world_new();
        for (size_t i = 0; i < 1000; i += batches[b])
            world_batch(w, hits + i, i + batches[b] < 1000 ? batches[b] : 1000 - i);
        assert_true(w->approximated > 0);
        assert_int_equal(world_total(w, DAY0, COL_VIEWS), 1000);
        assert_int_equal(world_total(w, DAY0, COL_DAILY_VISITORS), 1);
        assert_int_equal(world_total(w, DAY0, COL_GAP_NONE), 1);
        /* one session each; at each bound a lone session is split */
        assert_int_equal(world_total(w, DAY0, COL_SESSIONS), 2 + (int64_t)w->approximated);
        assert_same(w, &first);
        world_free(w);
    }
    buf_fini(&first);
}

/* More pages than a profile names. All are opened within two days, so that young ones go too, are
 * used after they went, and come again: the same bytes whatever the batches. */
static void test_too_many_pages(void **state)
{
    (void)state;
    enum { HITS = 1100, MANY = 600 };
    static char names[MANY][24];
    static struct hit hits[HITS];
    struct random r = {77};
    for (int i = 0; i < MANY; i++)
        snprintf(names[i], sizeof names[i], "shop.example/%d", i);
    for (uint64_t i = 0; i < HITS; i++) {
        uint64_t step = i < 550 || draw(&r, 3) != 0 ? i : i - draw(&r, 200);
        int64_t at = (int64_t)i * MINUTE / 2 + (int64_t)(i / 30) * 31 * MINUTE;
        hits[i] = simple(1, at, i + 1, VISITOR_CONSENTED);
        if (i > 600 && draw(&r, 4) == 0) { /* of a pageview before */
            hits[i].kind = HIT_PULSE;
            hits[i].pageview = hits[i - 40].pageview;
            hits[i].number = 1 + (uint32_t)draw(&r, 9);
            hits[i].engaged_ms = 15000;
        }
        hits[i].page = str_of(names[step % MANY]);
    }
    /* What came of young pages that went is soon gone with them, so it is looked at often. */
    struct world *single = world_new();
    for (size_t i = 0; i < HITS; i++) {
        world_batch(single, hits + i, 1);
        if (i < 600 || i % 20 != 0) continue;
        struct world *whole = world_new();
        struct buf first = {0};
        world_batch(whole, hits, i + 1);
        assert_true(whole->approximated > 0);
        assert_same(single, &first);
        assert_same(whole, &first);
        buf_fini(&first);
        world_free(whole);
    }
    world_free(single);
}

/* More links seen than are kept: flagged; and what has settled makes room, wherever batches end. */
static void test_too_many_seen(void **state)
{
    (void)state;
    enum { VIEWS = 150, HITS = 2 * VIEWS };
    static struct hit hits[HITS];
    static struct buf seen[VIEWS];
    for (uint64_t i = 0; i < VIEWS; i++) { /* ten a day; then all in one hour */
        int64_t at = i < 80 ? (int64_t)i * DAY_MS / 10 : 8 * (int64_t)DAY_MS + (int64_t)i * 20000;
        hits[2 * i] = simple(1, at, i + 1, VISITOR_CONSENTED);
        hits[2 * i + 1] = hits[2 * i];
        hits[2 * i + 1].kind = HIT_SEEN;
        hits[2 * i + 1].number = 1;
        buf_add_varint(&seen[i], 0);
        for (uint64_t j = 0; j < VIEW_SEEN_MAX; j++)
            buf_printf(&seen[i], "%cshop.example/%03u%c", 17, (unsigned)(i % 5), (char)('0' + j));
        hits[2 * i + 1].list = buf_str(&seen[i]);
    }
    static const size_t batches[] = {HITS, 1, 23};
    struct buf first = {0};
    for (size_t b = 0; b < 3; b++) {
        struct world *w = world_new();
        for (size_t i = 0; i < HITS; i += batches[b]) {
            world_batch(w, hits + i, i + batches[b] < HITS ? batches[b] : HITS - i);
            if (i < 160 && i + batches[b] <= 160) assert_int_equal(w->approximated, 0);
        }
        assert_true(w->approximated > 0);
        assert_same(w, &first);
        world_free(w);
    }
    buf_fini(&first);
    for (size_t i = 0; i < VIEWS; i++)
        buf_fini(&seen[i]);
}

static void test_too_many_waiting(void **state)
{
    (void)state;
    struct world *w = world_new();
    for (uint64_t i = 0; i < 400; i++) {
        struct hit h = simple(1, 1000, i + 1, VISITOR_CONSENTED);
        h.kind = HIT_PULSE;
        world_batch(w, &h, 1);
    }
    assert_int_equal(w->ledger[V_COUNTED], 400);
    assert_int_equal(w->approximated, 400 - WAITING_MAX);
    world_free(w);
}

static void test_live_days_close(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct hit day0 = simple(1, 0, 10, VISITOR_DAILY);
    struct hit day5 = simple(2, 6 * (int64_t)DAY_MS - 1, 11, VISITOR_DAILY);
    struct hit day6 = simple(3, 6 * (int64_t)DAY_MS, 12, VISITOR_DAILY);
    world_batch(w, &day0, 1);
    world_batch(w, &day5, 1);
    assert_int_equal(world_values(w, STR("daily ")), 2);
    world_batch(w, &day6, 1);
    assert_int_equal(world_values(w, STR("daily ")), 2);           /* that of day 0 is gone */
    assert_int_equal(world_total(w, DAY0, COL_DAILY_VISITORS), 1); /* what it added stays */
    world_free(w);
}

/* More than 64 dates at once: the one used longest ago closes, at the same hit whatever the
 * batches. */
static void test_too_many_open_days(void **state)
{
    (void)state;
    static struct hit hits[140];
    for (size_t i = 0; i < 140; i++) {
        hits[i] = simple(7, (int64_t)(i % 70) * DAY_MS, 0, VISITOR_DAILY);
        hits[i].flags = HIT_IMPORTED;
    }
    struct world *one = world_new(), *many = world_new();
    struct buf first = {0};
    world_batch(one, hits, 140);
    for (size_t i = 0; i < 140; i++)
        world_batch(many, hits + i, 1);
    assert_int_equal(world_values(one, STR("daily ")), OPEN_DAYS_MAX);
    assert_int_equal(world_total(one, DAY0, COL_VIEWS), 2);
    assert_int_equal(world_total(one, DAY0, COL_DAILY_VISITORS), 2); /* forgotten in between */
    assert_same(one, &first);
    assert_same(many, &first);
    buf_fini(&first);
    world_free(one);
    world_free(many);
}

static void test_damage(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct hit hits[4];
    for (int i = 0; i < 4; i++)
        hits[i] = simple(1, 0, 1, VISITOR_DAILY);
    hits[0].at_ms = INT64_MAX;
    hits[1].at_ms = -1;
    hits[2].day = UINT32_MAX;
    hits[3].number = 256;
    world_batch(w, hits, 4);
    assert_int_equal(w->ledger[V_UNREADABLE], 4);
    assert_int_equal(w->sites[0].hits, 0);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_too_many_pageviews), cmocka_unit_test(test_too_many_pages),
        cmocka_unit_test(test_too_many_waiting),   cmocka_unit_test(test_live_days_close),
        cmocka_unit_test(test_too_many_open_days), cmocka_unit_test(test_damage),
        cmocka_unit_test(test_too_many_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
