/* A forgotten visitor leaves no profile and no state, in whatever order its hits and the word that
 * it is to be forgotten arrive, and wherever batches end; what rows counted stays; others stay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fold_hits.h"

enum { ANNA = 0xa11a, BEN = 0xbe11, CARA = 0xca4a, DAN = 0xda0 };

static struct hit view_of(uint64_t visitor, int64_t at_ms)
{
    return (struct hit){.kind = HIT_PAGEVIEW,
                        .site = STR("shop"),
                        .at_ms = T0 + at_ms,
                        .day = DAY0,
                        .visitor = visitor,
                        .visitor_kind = VISITOR_CONSENTED,
                        .pageview = visitor + (uint64_t)at_ms + 1,
                        .page = STR("shop.example/a")};
}

static struct hit forget_of(uint64_t visitor, int64_t at_ms)
{
    return (struct hit){.kind = HIT_FORGET,
                        .site = STR("shop"),
                        .at_ms = T0 + at_ms,
                        .visitor = visitor,
                        .visitor_kind = visitor == 0 ? VISITOR_NONE : VISITOR_CONSENTED};
}

static void fold(struct world *w, struct hit h)
{
    world_batch(w, &h, 1);
}

static bool has_profile(struct world *w, uint64_t visitor)
{
    char name[64];
    snprintf(name, sizeof name, "profile shop %016llx", (unsigned long long)visitor);
    return world_values(w, str_of(name)) == 1;
}

static void the_profile_goes_and_what_was_counted_stays(void **state)
{
    (void)state;
    struct world *w = world_new();
    fold(w, view_of(ANNA, 0));
    fold(w, view_of(BEN, 0));
    fold(w, view_of(ANNA, MINUTE));
    assert_true(has_profile(w, ANNA));
    fold(w, forget_of(ANNA, 2 * MINUTE));
    assert_false(has_profile(w, ANNA));
    assert_true(has_profile(w, BEN));
    assert_int_equal(world_total(w, DAY0, COL_VIEWS), 3);
    assert_int_equal(world_total(w, DAY0, COL_SESSIONS), 2);
    assert_int_equal(world_total(w, DAY0, COL_GAP_NONE), 2);
    assert_int_equal(w->ledger[V_COUNTED], 3);
    assert_int_equal(w->ledger[V_FORGOTTEN], 1);
    world_free(w);
}

static void what_comes_late_of_it_is_not_folded(void **state)
{
    (void)state;
    struct world *w = world_new();
    fold(w, view_of(ANNA, 0));
    fold(w, forget_of(ANNA, 2 * MINUTE));
    fold(w, view_of(ANNA, MINUTE));
    fold(w, view_of(ANNA, 2 * MINUTE));
    struct hit click = view_of(ANNA, MINUTE); /* needs no visitor to be counted, but has one */
    click.kind = HIT_EVENT;
    click.pageview = 0;
    click.name = STR("signup");
    fold(w, click);
    assert_false(has_profile(w, ANNA));
    assert_int_equal(world_total(w, DAY0, COL_VIEWS), 1);
    assert_int_equal(world_total(w, DAY0, COL_EVENTS), 0);
    assert_int_equal(w->ledger[V_FORGOTTEN], 1 + 3);
    assert_int_equal(world_count(w, "shop", DAY0, STR("L"), COL_VERDICT + V_FORGOTTEN), 3);

    fold(w, view_of(ANNA, 2 * MINUTE + 1)); /* whoever comes again begins anew */
    assert_true(has_profile(w, ANNA));
    fold(w, view_of(BEN, MINUTE));
    click.visitor = BEN;
    fold(w, click);
    assert_int_equal(world_total(w, DAY0, COL_EVENTS), 1);
    assert_int_equal(world_total(w, DAY0, COL_VIEWS), 3);
    world_free(w);
}

static void orders_go_too(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct hit bought = view_of(ANNA, 0);
    bought.kind = HIT_PURCHASE;
    bought.pageview = 0;
    bought.list = STR("EUR\005order--A");
    fold(w, bought);
    assert_true(has_profile(w, ANNA));
    fold(w, forget_of(ANNA, 2 * MINUTE));
    assert_false(has_profile(w, ANNA));
    bought.at_ms += 3 * MINUTE; /* nobody knows that this one counted before */
    fold(w, bought);
    fold(w, bought);
    assert_true(has_profile(w, ANNA));
    fold(w, forget_of(ANNA, 2 * MINUTE)); /* what came later stays */
    assert_true(has_profile(w, ANNA));
    fold(w, bought);
    assert_int_equal(world_total(w, DAY0, COL_PURCHASES), 2);
    world_free(w);
}

static void a_bots_state_goes_too(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct hit bot = view_of(ANNA, 0);
    bot.bot = STR("Crawler");
    fold(w, bot);
    assert_int_equal(world_values(w, STR("daily shop")), 1);
    fold(w, forget_of(ANNA, 2 * MINUTE));
    assert_int_equal(world_values(w, STR("daily shop")), 0);
    bot.at_ms += MINUTE;
    bot.pageview++;
    fold(w, bot);
    assert_int_equal(world_values(w, STR("daily shop")), 0);
    assert_int_equal(w->ledger[V_FORGOTTEN], 2);
    world_free(w);
}

static void without_a_visitor_it_says_nothing(void **state)
{
    (void)state;
    struct world *w = world_new();
    fold(w, view_of(ANNA, 0));
    fold(w, forget_of(0, MINUTE));
    fold(w, forget_of(BEN, MINUTE)); /* of whom nothing is known */
    assert_true(has_profile(w, ANNA));
    assert_false(has_profile(w, BEN));
    assert_int_equal(w->ledger[V_FORGOTTEN], 2);
    assert_int_equal(w->sites[0].watermark_ms, T0); /* its time is no visitor's */
    world_free(w);
}

/* Whether the last batch added the visitor to the customer's record, or took it out; in its order.
 */
static bool in_record(struct world *w, bool before)
{
    for (size_t i = 0; i < fold_named_count(w->fold); i++) {
        const struct fold_named *n = fold_named_at(w->fold, i);
        if (n->counts) before = !n->forgets;
    }
    return before;
}

static void its_customer_keeps_it_by_what_was_signed_later(void **state)
{
    (void)state;
    static const struct {
        int64_t first_ms, second_ms; /* of what is signed, before the word and after it */
        bool kept;
    } rows[] = {{0, -1, false},        {2 * MINUTE, -1, false},        {2 * MINUTE + 1, -1, true},
                {0, MINUTE, false},    {0, 2 * MINUTE, false},         {0, 2 * MINUTE + 1, true},
                {3 * MINUTE, 0, true}, {3 * MINUTE, 4 * MINUTE, true}, {-1, MINUTE, false},
                {-1, 3 * MINUTE, true}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int together = 0; together < 2; together++) {
            struct world *w = world_new();
            struct hit hits[3];
            size_t n = 0;
            bool in = false;
            if (rows[i].first_ms >= 0) hits[n++] = view_of(ANNA, rows[i].first_ms);
            hits[n++] = forget_of(ANNA, 2 * MINUTE);
            if (rows[i].second_ms >= 0) hits[n++] = view_of(ANNA, rows[i].second_ms);
            for (size_t k = 0; k < n; k++)
                hits[k].customer = STR("anna-4711");
            for (size_t k = 0; k < n; k += together ? n : 1) {
                world_batch(w, hits + k, together ? n : 1);
                in = in_record(w, in);
            }
            assert_int_equal(in, rows[i].kept);
            assert_int_equal(has_profile(w, ANNA), rows[i].kept);
            world_free(w);
        }
    }
}

/* The profiles that are left, as bytes. */
static void put_profile(struct world *w, struct str key, struct str value, void *arg)
{
    (void)w;
    buf_add(arg, key);
    buf_add(arg, value);
}

static void no_order_and_no_border_matters(void **state)
{
    (void)state;
    enum { HITS = 24, ROUNDS = 400 };
    struct hit hits[HITS];
    struct buf first = {0}, now = {0};
    uint64_t random = 7;
    for (int i = 0; i < HITS - 1; i++)
        hits[i] = view_of(i % 3 == 0 ? BEN : ANNA, (i % 12) * 10 * 1000);
    for (int i = 0; i < HITS - 1; i++)
        hits[i].pageview += (uint64_t)i / 12 * 1000000;
    for (int i = HITS - 5; i < HITS - 1; i++) { /* of later: they stay */
        hits[i].visitor = i % 2 ? CARA : DAN;
        hits[i].at_ms = T0 + 6 * MINUTE + i;
    }
    hits[0].visitor = CARA;
    hits[1].visitor = DAN;
    hits[HITS - 6] = forget_of(CARA, 5 * MINUTE);
    hits[HITS - 7] = forget_of(DAN, 4 * MINUTE);
    hits[HITS - 1] = forget_of(ANNA, 5 * MINUTE);
    for (int round = 0; round < ROUNDS; round++) {
        struct world *w = world_new();
        for (int i = HITS - 1; i > 0; i--) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            int k = (int)((random >> 33) % (unsigned)(i + 1));
            struct hit h = hits[i];
            hits[i] = hits[k];
            hits[k] = h;
        }
        for (int i = 0, n; i < HITS; i += n) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            n = 1 + (int)((random >> 33) % 8);
            if (n > HITS - i) n = HITS - i;
            world_batch(w, hits + i, (size_t)n);
        }
        assert_false(has_profile(w, ANNA));
        assert_true(has_profile(w, BEN) && has_profile(w, CARA) && has_profile(w, DAN));
        uint64_t sum = w->ledger[V_COUNTED] + w->ledger[V_FORGOTTEN];
        assert_int_equal(sum, HITS);
        buf_clear(&now);
        world_each(w, STR("profile"), put_profile, &now);
        if (round == 0) buf_add(&first, buf_str(&now));
        assert_int_equal(now.n, first.n);
        assert_memory_equal(now.p, first.p, first.n);
        world_free(w);
    }
    buf_fini(&first);
    buf_fini(&now);
}

static uint64_t views(struct world *w, uint64_t visitor)
{
    struct profile p = {0};
    struct buf key = {0};
    buf_printf(&key, "profile shop %016llx", (unsigned long long)visitor);
    bool read = profile_decode(world_get(w, &key), &p) && profile_whole(&p);
    assert_true(read);
    uint64_t n = p.views;
    profile_fini(&p);
    buf_fini(&key);
    return n;
}

/* By its own hits, whatever batches they come in; rows keep what they counted. */
static void who_was_away_too_long_begins_anew(void **state)
{
    (void)state;
    const int64_t kept = 100 * (int64_t)DAY_MS;
    for (int together = 0; together < 2; together++) {
        struct world *w = world_new();
        fold_keep(w->fold, kept);
        struct hit hits[] = {view_of(ANNA, 0), view_of(BEN, 0), view_of(ANNA, kept),
                             view_of(BEN, kept + 1), view_of(BEN, kept + MINUTE)};
        for (int i = 2; i < 5; i++)
            hits[i].day += 100;
        if (together) world_batch(w, hits, 5);
        for (int i = 0; i < 5 && !together; i++)
            fold(w, hits[i]);
        assert_int_equal(views(w, ANNA), 2);
        assert_int_equal(views(w, BEN), 2);
        assert_int_equal(world_total(w, DAY0, COL_VIEWS), 2);
        assert_int_equal(world_total(w, DAY0 + 100, COL_VIEWS), 3);
        assert_int_equal(world_total(w, DAY0 + 100, COL_GAP_NONE), 1);
        world_free(w);
    }
}

static void a_mark_is_of_one_visitor_of_one_site(void **state)
{
    (void)state;
    assert_int_not_equal(forgotten_mark(STR("shop"), ANNA), forgotten_mark(STR("shop"), BEN));
    assert_int_not_equal(forgotten_mark(STR("shop"), ANNA), forgotten_mark(STR("blog"), ANNA));
    /* Computed with another program: the first 8 bytes of SHA-256, little-endian. */
    assert_int_equal(forgotten_mark(STR("shop"), ANNA), UINT64_C(0xec9776d9d0b3a9ca));
    struct buf out = {0};
    int64_t at_ms;
    assert_true(forgotten_encode(T0, &out));
    assert_true(forgotten_decode(buf_str(&out), &at_ms));
    assert_int_equal(at_ms, T0);
    for (size_t n = 0; n < out.n; n++)
        assert_false(forgotten_decode(str_upto(buf_str(&out), n), &at_ms));
    buf_add_char(&out, 0);
    assert_false(forgotten_decode(buf_str(&out), &at_ms));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_profile_goes_and_what_was_counted_stays),
        cmocka_unit_test(what_comes_late_of_it_is_not_folded),
        cmocka_unit_test(orders_go_too),
        cmocka_unit_test(a_bots_state_goes_too),
        cmocka_unit_test(without_a_visitor_it_says_nothing),
        cmocka_unit_test(its_customer_keeps_it_by_what_was_signed_later),
        cmocka_unit_test(no_order_and_no_border_matters),
        cmocka_unit_test(who_was_away_too_long_begins_anew),
        cmocka_unit_test(a_mark_is_of_one_visitor_of_one_site),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
