/*
 * What a stream of hits becomes: a row per rule, each played as one batch and as a batch per hit. A
 * rule tells its hits in the order of the stream, then the columns that the totals of days must
 * show, and what the ledger says of the hits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fold_hits.h"
#include "hash.h"

struct step {
    int64_t at; /* ms after T0 */
    enum hit_kind kind;
    uint64_t visitor, pageview;
    uint32_t number, engaged; /* of a purchase: which one */
    char page;
    char who; /* 'c' consented, 'd' daily, 'b' bot, 'i' imported */
};

struct rule {
    const char *name;
    struct step steps[8];
    struct {
        uint32_t day, column;
        int64_t value;
    } want[8];
    int64_t counted, duplicate, late;
};

/* As the collector packs them. */
#define LINKS_TWO STR("\x01\x0eshop.example/b\x0eshop.example/c")

#define PV HIT_PAGEVIEW
#define PU HIT_PULSE
static const struct rule rules[] = {
    {"one pageview is a session and bounces",
     {{0, PV, 1, 10, 0, 0, 'a', 'c'}},
     {{0, COL_VIEWS, 1},
      {0, COL_SESSIONS, 1},
      {0, COL_BOUNCES, 1},
      {0, COL_GAP_NONE, 1},
      {0, COL_LIVE, 1}},
     1,
     0,
     0},
    {"two pageviews do not bounce",
     {{0, PV, 1, 10, 0, 0, 'a', 'c'}, {MINUTE, PV, 1, 11, 0, 0, 'b', 'c'}},
     {{0, COL_VIEWS, 2}, {0, COL_SESSIONS, 1}, {0, COL_BOUNCES, 0}},
     2,
     0,
     0},
    {"9.999 s engaged still bounce",
     {{0, PV, 1, 10, 0, 0, 'a', 'c'}, {MINUTE, PU, 1, 10, 1, 9999, 'a', 'c'}},
     {{0, COL_BOUNCES, 1}, {0, COL_ENGAGED_MS, 9999}},
     2,
     0,
     0},
    {"10 s engaged do not",
     {{0, PV, 1, 10, 0, 0, 'a', 'c'}, {MINUTE, PU, 1, 10, 1, 10000, 'a', 'c'}},
     {{0, COL_BOUNCES, 0}, {0, COL_ENGAGED_MS, 10000}},
     2,
     0,
     0},
    {"a click does not bounce",
     {{0, PV, 1, 10, 0, 0, 'a', 'c'}, {MINUTE, HIT_OUTBOUND, 1, 10, 1, 0, 'a', 'c'}},
     {{0, COL_BOUNCES, 0}, {0, COL_OUTBOUND, 1}},
     2,
     0,
     0},
    {"30 minutes of silence are one session",
     {{0, PV, 1, 10, 0, 0, 'a', 'c'}, {30 * MINUTE, PV, 1, 11, 0, 0, 'b', 'c'}},
     {{0, COL_SESSIONS, 1}},
     2,
     0,
     0},
    {"a millisecond more is two",
     {{0, PV, 1, 10, 0, 0, 'a', 'c'}, {30 * MINUTE + 1, PV, 1, 11, 0, 0, 'b', 'c'}},
     {{0, COL_SESSIONS, 2}, {0, COL_BOUNCES, 2}},
     2,
     0,
     0},
    {"engaged time that grew extends a session",
     {{0, PV, 1, 10, 0, 0, 'a', 'c'},
      {20 * MINUTE, PU, 1, 10, 1, 500, 'a', 'c'},
      {50 * MINUTE, PV, 1, 11, 0, 0, 'b', 'c'}},
     {{0, COL_SESSIONS, 1}},
     3,
     0,
     0},
    {"engaged time that did not grow does not",
     {{0, PV, 1, 10, 0, 0, 'a', 'c'},
      {5 * MINUTE, PU, 1, 10, 1, 500, 'a', 'c'},
      {20 * MINUTE, PU, 1, 10, 2, 500, 'a', 'c'},
      {36 * MINUTE, PV, 1, 11, 0, 0, 'b', 'c'}},
     {{0, COL_SESSIONS, 2}},
     4,
     0,
     0},
    {"a late pageview joins two sessions",
     {{0, PV, 1, 10, 0, 0, 'a', 'c'},
      {50 * MINUTE, PV, 1, 11, 0, 0, 'b', 'c'},
      {25 * MINUTE, PV, 1, 12, 0, 0, 'c', 'c'}},
     {{0, COL_SESSIONS, 1}, {0, COL_BOUNCES, 0}, {0, COL_VIEWS, 3}},
     3,
     0,
     0},
    {"a session ends after 24 h",
     {{0, PV, 1, 10, 0, 0, 'a', 'c'},
      {HOUR * 24 - 1, PU, 1, 10, 1, 500, 'a', 'c'},
      {HOUR * 24, PV, 1, 11, 0, 0, 'b', 'c'}},
     {{0, COL_SESSIONS, 1}, {1, COL_SESSIONS, 1}},
     3,
     0,
     0},
    {"a number seen before is a duplicate",
     {{0, PV, 1, 10, 0, 0, 'a', 'c'},
      {MINUTE, HIT_EVENT, 1, 10, 1, 0, 'a', 'c'},
      {MINUTE, HIT_EVENT, 1, 10, 1, 0, 'a', 'c'},
      {0, PV, 1, 10, 0, 0, 'a', 'c'}},
     {{0, COL_VIEWS, 1}, {0, COL_EVENTS, 1}, {0, COL_LIVE, 2}},
     2,
     2,
     0},
    {"links seen count once a number, and are no interaction",
     {{0, PV, 1, 10, 0, 0, 'a', 'c'},
      {MINUTE, HIT_SEEN, 1, 10, 1, 0, 'a', 'c'},
      {MINUTE, HIT_SEEN, 1, 10, 1, 0, 'a', 'c'},
      {MINUTE, HIT_SEEN, 1, 10, 2, 0, 'a', 'c'}},
     {{0, COL_EXPOSURES, 4}, {0, COL_LINKS_LEFT_OUT, 2}, {0, COL_BOUNCES, 1}, {0, COL_SEEN, 2}},
     3,
     1,
     0},
    {"a link seen before its page is a trial, once a session",
     {{0, PV, 1, 10, 0, 0, 'a', 'd'},
      {MINUTE, HIT_SEEN, 1, 10, 1, 0, 'a', 'd'}, /* of b and c */
      {2 * MINUTE, PV, 1, 11, 0, 0, 'b', 'd'},
      {3 * MINUTE, HIT_SEEN, 1, 11, 1, 0, 'b', 'd'},
      {HOUR, PV, 1, 12, 0, 0, 'b', 'd'},
      {HOUR, HIT_SEEN, 1, 12, 1, 0, 'b', 'd'}}, /* b itself, and c once more */
     {{0, COL_SEEN, 3}, {0, COL_SEEN_OPENED, 1}, {0, COL_SESSIONS, 2}},
     6,
     0,
     0},
    {"a pageview that came late takes a trial away",
     {{0, PV, 1, 10, 0, 0, 'a', 'c'},
      {MINUTE, HIT_SEEN, 1, 10, 1, 0, 'a', 'c'},
      {-MINUTE, PV, 1, 11, 0, 0, 'b', 'c'}},
     {{0, COL_SEEN, 1}, {0, COL_SEEN_OPENED, 0}},
     3,
     0,
     0},
    {"an order counts once, on the day of its earliest purchase",
     {{DAY_MS, PV, 1, 11, 0, 0, 'b', 'c'},
      {DAY_MS, HIT_PURCHASE, 1, 11, 1, ORDER_A, 'b', 'c'},
      {0, PV, 1, 10, 0, 0, 'a', 'c'},
      {1000, HIT_PURCHASE, 1, 10, 1, ORDER_A, 'a', 'c'},
      {1000, HIT_PURCHASE, 1, 10, 1, ORDER_A, 'a', 'c'},
      {2000, HIT_PURCHASE, 1, 10, 2, ORDER_B, 'a', 'c'},
      {DAY_MS, HIT_PURCHASE, 1, 10, 3, 0, 'a', 'c'},
      {DAY_MS, HIT_PURCHASE, 1, 10, 4, ORDER_B, 'a', 'c'}},
     {{0, COL_PURCHASES, 3}, {1, COL_PURCHASES, 0}},
     7,
     1,
     0},
    {"an order is known without pageviews, and on the same browser alone",
     {{MINUTE, HIT_PURCHASE, 1, 0, 0, ORDER_A, 'b', 'd'},
      {0, HIT_PURCHASE, 1, 0, 0, ORDER_A, 'a', 'd'},
      {2 * MINUTE, HIT_PURCHASE, 1, 0, 0, ORDER_A, 'a', 'd'},
      {0, HIT_PURCHASE, 2, 0, 0, ORDER_A, 'a', 'd'},
      {0, HIT_PURCHASE, 3, 0, 0, ORDER_A, 'a', 'b'},
      {0, HIT_PURCHASE, 4, 0, 0, 0, 'a', 'd'},
      {0, HIT_PURCHASE, 4, 0, 0, 0, 'a', 'd'}},
     {{0, COL_PURCHASES, 4}, {0, COL_SESSIONS, 0}},
     7,
     0,
     0},
    {"a click on a link, a control and a purchase are interactions",
     {{0, PV, 1, 10, 0, 0, 'a', 'c'},
      {0, PV, 2, 11, 0, 0, 'a', 'd'},
      {0, PV, 3, 12, 0, 0, 'a', 'c'},
      {MINUTE, HIT_CLICK, 1, 10, 1, 0, 'a', 'c'},
      {MINUTE, HIT_CONTROL, 2, 11, 1, 0, 'a', 'd'},
      {MINUTE, HIT_PURCHASE, 3, 12, 1, 0, 'a', 'c'}},
     {{0, COL_CLICKS, 1},
      {0, COL_CONTROLS, 1},
      {0, COL_PURCHASES, 1},
      {0, COL_SESSIONS, 3},
      {0, COL_BOUNCES, 0}},
     6,
     0,
     0},
    {"what waits for its pageview keeps its list, and that it is a goal",
     {{MINUTE, HIT_SEEN, 1, 10, 1, 0, 'a', 'd'},
      {MINUTE, HIT_EVENT, 1, 10, 2, 0, 'a', 'd'},
      {MINUTE, HIT_PURCHASE, 1, 10, 3, 0, 'a', 'd'},
      {0, PV, 1, 10, 0, 0, 'a', 'd'}},
     {{0, COL_EXPOSURES, 2}, {0, COL_GOALS, 1}, {0, COL_EVENTS, 1}, {0, COL_PURCHASES, 1}},
     4,
     0,
     0},
    {"evidence of bots is in the ledger alone",
     {{0, PV, 1, 10, 0, 0, 'a', 'b'},
      {MINUTE, HIT_SEEN, 1, 10, 1, 0, 'a', 'b'},
      {MINUTE, HIT_CLICK, 1, 10, 2, 0, 'a', 'b'},
      {MINUTE, HIT_PURCHASE, 1, 0, 0, 0, 'a', 'b'}},
     {{0, COL_EXPOSURES, 0}, {0, COL_CLICKS, 0}, {0, COL_PURCHASES, 0}, {0, COL_LIVE, 4}},
     4,
     0,
     0},
    {"also while its pageview has not come",
     {{MINUTE, HIT_EVENT, 1, 10, 1, 0, 'a', 'c'}, {MINUTE, HIT_EVENT, 1, 10, 1, 0, 'a', 'c'}},
     {{0, COL_VIEWS, 0}, {0, COL_EVENTS, 0}, {0, COL_LIVE, 1}, {0, COL_SESSIONS, 0}},
     1,
     1,
     0},
    {"a click before its pageview counts when that comes",
     {{MINUTE, HIT_EVENT, 1, 10, 1, 0, 'a', 'd'},
      {MINUTE, PU, 1, 10, 2, 700, 'a', 'd'},
      {0, PV, 1, 10, 0, 0, 'a', 'd'}},
     {{0, COL_VIEWS, 1}, {0, COL_EVENTS, 1}, {0, COL_ENGAGED_MS, 700}, {0, COL_BOUNCES, 0}},
     3,
     0,
     0},
    {"engaged time is a maximum",
     {{0, PV, 1, 10, 0, 0, 'a', 'c'},
      {3 * MINUTE, PU, 1, 10, 3, 900, 'a', 'c'},
      {2 * MINUTE, PU, 1, 10, 2, 600, 'a', 'c'}},
     {{0, COL_ENGAGED_MS, 900}},
     3,
     0,
     0},
    {"and at most 30 minutes",
     {{0, PV, 1, 10, 0, 0, 'a', 'c'}, {3 * MINUTE, PU, 1, 10, 1, 1800001, 'a', 'c'}},
     {{0, COL_ENGAGED_MS, 1800000}},
     2,
     0,
     0},
    {"a hit over 24 h from its pageview counts for the ledger alone",
     {{0, PV, 1, 10, 0, 0, 'a', 'c'}, {24 * HOUR + 1, PU, 1, 10, 1, 900, 'a', 'c'}},
     {{0, COL_ENGAGED_MS, 0}},
     2,
     0,
     0},
    {"without id each hit is a pageview of its own",
     {{0, PV, 1, 0, 0, 0, 'a', 'd'}, {0, PV, 1, 0, 0, 0, 'a', 'd'}},
     {{0, COL_VIEWS, 2}, {0, COL_SESSIONS, 1}, {0, COL_DAILY_VISITORS, 1}},
     2,
     0,
     0},
    {"72 h back is in time",
     {{72 * HOUR, PV, 1, 10, 0, 0, 'a', 'c'}, {0, PV, 2, 11, 0, 0, 'a', 'c'}},
     {{0, COL_VIEWS, 1}, {3, COL_VIEWS, 1}},
     2,
     0,
     0},
    {"a millisecond more is late",
     {{72 * HOUR + 1, PV, 1, 10, 0, 0, 'a', 'c'}, {0, PV, 2, 11, 0, 0, 'a', 'c'}},
     {{0, COL_VIEWS, 0}, {3, COL_VIEWS, 1}},
     1,
     0,
     1},
    {"imported hits are never late and move no clock",
     {{90 * HOUR, PV, 1, 0, 0, 0, 'a', 'i'},
      {0, PV, 2, 11, 0, 0, 'a', 'c'},
      {1, PV, 3, 0, 0, 0, 'a', 'i'}},
     {{0, COL_VIEWS, 2}, {0, COL_IMPORTED, 1}, {0, COL_LIVE, 1}, {3, COL_IMPORTED, 1}},
     3,
     0,
     0},
    {"bots are views apart and nothing else",
     {{0, PV, 1, 0, 0, 0, 'a', 'b'},
      {1, PV, 1, 10, 0, 0, 'a', 'b'},
      {1, PV, 1, 10, 0, 0, 'a', 'b'}},
     {{0, COL_BOT_VIEWS, 2},
      {0, COL_VIEWS, 0},
      {0, COL_SESSIONS, 0},
      {0, COL_DAILY_VISITORS, 0},
      {0, COL_GAP_NONE, 0}},
     2,
     1,
     0},
    {"the gap to the active day before",
     {{0, PV, 1, 10, 0, 0, 'a', 'c'}, {72 * HOUR, PV, 1, 11, 0, 0, 'a', 'c'}},
     {{0, COL_GAP_NONE, 1}, {3, COL_GAP_NONE, 0}, {3, COL_GAP_NONE + 3, 1}},
     2,
     0,
     0},
    {"corrected by a day that comes between",
     {{0, PV, 1, 10, 0, 0, 'a', 'c'},
      {72 * HOUR, PV, 1, 11, 0, 0, 'a', 'c'},
      {24 * HOUR, PV, 1, 12, 0, 0, 'b', 'c'}},
     {{3, COL_GAP_NONE + 3, 0}, {1, COL_GAP_NONE + 1, 1}, {3, COL_GAP_NONE + 2, 1}},
     3,
     0,
     0},
    {"remembered after the pageview is frozen",
     {{0, PV, 1, 10, 0, 0, 'a', 'c'},
      {20 * 24 * HOUR, PV, 1, 11, 0, 0, 'b', 'c'},
      {21 * 24 * HOUR, PV, 1, 12, 0, 0, 'b', 'c'}},
     {{0, COL_GAP_NONE, 1}, {20, COL_GAP_NONE + 20, 1}, {21, COL_GAP_NONE + 1, 1}},
     3,
     0,
     0},
    {"400 days at most",
     {{0, PV, 1, 10, 0, 0, 'a', 'c'},
      {400 * 24 * (int64_t)HOUR, PV, 1, 11, 0, 0, 'b', 'c'},
      {801 * 24 * (int64_t)HOUR, PV, 1, 12, 0, 0, 'b', 'c'}},
     {{400, COL_GAP_NONE + 400, 1}, {801, COL_GAP_NONE, 1}},
     3,
     0,
     0},
};

static struct hit hit_of(const struct step *s)
{
    static const char pages[] = "shop.example/a\0shop.example/b\0shop.example/c";
    return (struct hit){
        .kind = s->kind,
        .site = STR("shop"),
        .at_ms = T0 + s->at,
        .day = (uint32_t)(DAY0 + s->at / DAY_MS),
        .visitor = s->visitor,
        .visitor_kind = s->who == 'c' ? VISITOR_CONSENTED : VISITOR_DAILY,
        .pageview = s->pageview,
        .number = s->number,
        .page = {pages + (s->page - 'a') * 15, 14},
        .bot = s->who == 'b' ? STR("Spider") : STR(""),
        .engaged_ms = s->kind == HIT_PURCHASE ? 0 : s->engaged,
        .name = s->kind == HIT_EVENT || s->kind == HIT_CONTROL ? STR("signup") : STR(""),
        .target = s->kind == HIT_OUTBOUND ? STR("other.example/")
                  : s->kind == HIT_CLICK  ? STR("shop.example/b")
                                          : STR(""),
        .list = s->kind == HIT_SEEN || s->kind == HIT_LINKS ? LINKS_TWO
                : s->kind == HIT_PURCHASE                   ? purchases[s->engaged]
                                                            : STR(""),
        .flags = (s->who == 'i' ? HIT_IMPORTED : 0) |
                 (s->kind == HIT_EVENT ? HIT_GOAL | HIT_INTERACTION : 0),
    };
}

static void check_rule(const struct rule *r, bool one_batch)
{
    struct hit hits[8];
    size_t n = 0;
    for (; n < 8 && r->steps[n].kind != 0; n++) {
        hits[n] = hit_of(&r->steps[n]);
        /* the day is the one on which the pageview began */
        if (hits[n].kind != HIT_PAGEVIEW) hits[n].day = DAY0;
    }
    struct world *w = world_new();
    for (size_t i = 0; i < n; i += one_batch ? n : 1)
        world_batch(w, hits + i, one_batch ? n : 1);
    for (size_t i = 0; i < 8 && r->want[i].column != 0; i++) {
        int64_t got = world_total(w, DAY0 + r->want[i].day, r->want[i].column);
        if (got != r->want[i].value)
            fail_msg("%s: day %u column %u is %lld", r->name, r->want[i].day, r->want[i].column,
                     (long long)got);
    }
    if ((int64_t)w->ledger[V_COUNTED] != r->counted ||
        (int64_t)w->ledger[V_DUPLICATE] != r->duplicate || (int64_t)w->ledger[V_LATE] != r->late)
        fail_msg("%s: ledger %llu %llu %llu", r->name, (unsigned long long)w->ledger[V_COUNTED],
                 (unsigned long long)w->ledger[V_DUPLICATE], (unsigned long long)w->ledger[V_LATE]);
    world_free(w);
}

/* What a batch tells the link graph: humans' links, also repeated, but none that is late. */
static void test_links(void **state)
{
    static const struct step steps[] = {{0, HIT_LINKS, 1, 10, 1, 0, 'a', 'd'},
                                        {0, HIT_LINKS, 1, 10, 1, 0, 'a', 'd'},
                                        {0, HIT_LINKS, 2, 0, 0, 0, 'b', 'c'},
                                        {0, HIT_LINKS, 3, 11, 1, 0, 'c', 'b'},
                                        {100 * (int64_t)HOUR, PV, 4, 12, 0, 0, 'a', 'c'},
                                        {0, HIT_LINKS, 5, 13, 1, 0, 'c', 'c'}};
    (void)state;
    struct world *w = world_new();
    struct sitestate *site = world_site(w, STR("shop"));
    struct hit hits[6];
    fold_clear(w->fold);
    for (size_t i = 0; i < 6; i++) {
        hits[i] = hit_of(&steps[i]);
        assert_true(fold_add(w->fold, site, &hits[i], 1));
    }
    assert_int_equal(fold_told_count(w->fold), 3);
    for (size_t i = 0; i < 3; i++) {
        const struct fold_told *l = fold_told_at(w->fold, i);
        assert_true(l->site == site && l->day == DAY0 && !l->more);
        assert_true(str_eq(l->page, i < 2 ? STR("shop.example/a") : STR("shop.example/b")));
        assert_true(str_eq(l->list, LINKS_TWO));
    }
    fold_clear(w->fold);
    assert_int_equal(fold_told_count(w->fold), 0);
    world_free(w);
}

/* A record is sure to name the visitor when a batch before has named it, as its first customer. */
static void test_named_anew(void **state)
{
    static const struct step steps[] = {{0, PV, 1, 10, 0, 0, 'a', 'c'},
                                        {1, PV, 1, 11, 0, 0, 'b', 'c'},
                                        {2, PV, 1, 12, 0, 0, 'c', 'c'}};
    static const struct {
        const char *customer;
        bool anew;
    } want[] = {{"anna", true}, {"anna", false}, {"berta", true}};
    struct world *w = world_new();
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct hit hit = hit_of(&steps[i]);
        hit.customer = str_of(want[i].customer);
        world_batch(w, &hit, 1);
        assert_int_equal(fold_named_count(w->fold), 1);
        assert_true(fold_named_at(w->fold, 0)->counts);
        assert_int_equal(fold_named_at(w->fold, 0)->anew, want[i].anew);
    }
    world_free(w);
}

/* Whose rows they are: of the page that the link leads to, of the currency, of the control. */
static void test_evidence_rows(void **state)
{
    static const struct step steps[] = {
        {0, PV, 1, 10, 0, 0, 'a', 'c'},           {1, HIT_SEEN, 1, 10, 1, 0, 'a', 'c'},
        {2, HIT_CLICK, 1, 10, 2, 0, 'a', 'c'},    {3, HIT_CONTROL, 1, 10, 3, 0, 'a', 'c'},
        {4, HIT_PURCHASE, 1, 10, 4, 0, 'a', 'c'}, {5, HIT_EVENT, 1, 10, 5, 0, 'a', 'c'}};
    static const struct {
        const char *page, *row;
        uint32_t column;
        int64_t value;
    } want[] = {
        {"shop.example/b", NULL, COL_EXPOSURES, 1}, {"shop.example/b", NULL, COL_CLICKS, 1},
        {"shop.example/c", NULL, COL_EXPOSURES, 1}, {"shop.example/c", NULL, COL_CLICKS, 0},
        {"shop.example/a", NULL, COL_EXPOSURES, 0}, {"shop.example/a", NULL, COL_CONTROLS, 1},
        {"shop.example/a", NULL, COL_PURCHASES, 1}, {"shop.example/a", NULL, COL_GOALS, 1},
        {NULL, "ksignup", COL_CONTROLS, 1},         {NULL, "mEUR", COL_REVENUE, 1234},
        {NULL, "mEUR", COL_PURCHASES, 1},           {NULL, "esignup", COL_GOALS, 1}};
    (void)state;
    struct world *w = world_new();
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        world_batch(w, (struct hit[]){hit_of(&steps[i])}, 1);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        char name[9] = {'p'};
        struct str row = str_of(want[i].row);
        if (want[i].page != NULL) {
            store_le64(name + 1, hash64(str_of(want[i].page)));
            row = (struct str){name, sizeof name};
        }
        assert_int_equal(world_count(w, "shop", DAY0, row, want[i].column), want[i].value);
    }
    world_free(w);
}

static void test_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        check_rule(&rules[i], true);
        check_rule(&rules[i], false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_evidence_rows),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_named_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
