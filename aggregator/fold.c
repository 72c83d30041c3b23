/*
 * Two passes over a batch. The first goes hit by hit in the order of the stream: it moves the
 * clocks of the sites, decides what is late, counts what needs no visitor (tallies, nameless bots,
 * clicks without a pageview), and lines up the rest by visitor. The second takes one visitor after
 * the other, so that each state is loaded, taken apart and put together once per batch.
 *
 * Nothing depends on where a batch ends: days close at the hit that makes them due (hits before
 * and after it see different fold states), and too many pageviews are frozen at the hit that brings
 * one too many.
 */
#include "fold.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "count.h"
#include "customer.h"
#include "dataset.h"
#include "hash.h"
#include "trail.h"

enum { NO_HIT = UINT32_MAX, TABLE_MIN = 512 };

/* A hit in its visitor's queue. */
struct queued {
    struct hit hit;
    uint32_t next;
    uint32_t weight;
    uint32_t closings; /* of its day in this batch, before it came */
    bool counted;      /* without its visitor, who is only told who signed it */
    uint64_t customer;
    size_t named; /* with a customer: the place in fold's named */
};

struct closing {
    struct fold_closed day;
    uint32_t times;
};

/* A visitor that was forgotten in this batch. */
struct forgetting {
    const struct sitestate *site;
    uint64_t id;
    int64_t at_ms;
};

struct fold {
    struct deltas *deltas;
    struct queued *hits;
    size_t hits_n, hits_cap;
    struct fold_visitor *visitors;
    size_t visitors_n, visitors_cap;
    uint32_t *table; /* visitors by key: index + 1, open addressing */
    size_t table_size;
    struct closing *closed;
    size_t closed_n, closed_cap;
    struct fold_told *told;
    size_t told_n, told_cap;
    struct forgetting *forgets;
    size_t forgets_n, forgets_cap;
    struct fold_named *named;
    size_t named_n, named_cap;
    struct dataset_id dataset;
    int64_t persons_ms; /* outlives fold_clear */
    uint64_t approximated;
    bool failed;
    struct sums sums[2]; /* of the visitor being folded */
};

struct fold *fold_new(void)
{
    struct fold *f = calloc(1, sizeof *f);
    if (f == NULL) return NULL;
    f->table_size = TABLE_MIN;
    f->table = calloc(f->table_size, sizeof *f->table);
    f->deltas = deltas_new();
    if (f->table != NULL && f->deltas != NULL) return f;
    fold_free(f);
    return NULL;
}

void fold_free(struct fold *f)
{
    if (f == NULL) return;
    deltas_free(f->deltas);
    free(f->hits);
    free(f->visitors);
    free(f->table);
    free(f->closed);
    free(f->told);
    free(f->forgets);
    free(f->named);
    free(f);
}

void fold_clear(struct fold *f)
{
    deltas_clear(f->deltas);
    memset(f->table, 0, f->table_size * sizeof *f->table);
    f->hits_n = f->visitors_n = f->closed_n = f->told_n = f->forgets_n = f->named_n = 0;
    f->approximated = 0;
    f->failed = false;
}

void fold_keep(struct fold *f, int64_t persons_ms)
{
    f->persons_ms = persons_ms;
}

struct deltas *fold_deltas(struct fold *f)
{
    return f->deltas;
}

size_t fold_count(const struct fold *f)
{
    return f->visitors_n;
}

struct fold_visitor *fold_at(struct fold *f, size_t i)
{
    assert(i < f->visitors_n);
    return &f->visitors[i];
}

size_t fold_closed_count(const struct fold *f)
{
    return f->closed_n;
}

struct fold_closed fold_closed_at(const struct fold *f, size_t i)
{
    assert(i < f->closed_n);
    return f->closed[i].day;
}

size_t fold_told_count(const struct fold *f)
{
    return f->told_n;
}

const struct fold_told *fold_told_at(const struct fold *f, size_t i)
{
    assert(i < f->told_n);
    return &f->told[i];
}

size_t fold_named_count(const struct fold *f)
{
    return f->named_n;
}

const struct fold_named *fold_named_at(const struct fold *f, size_t i)
{
    assert(i < f->named_n);
    return &f->named[i];
}

void fold_set_dataset(struct fold *f, struct str id)
{
    snprintf(f->dataset.text, sizeof f->dataset.text, "%.*s", STR_ARG(id));
}

uint64_t fold_approximated(const struct fold *f)
{
    return f->approximated;
}

/* Room for one more of items; false and failed: no memory. */
static bool room(struct fold *f, void **items, size_t n, size_t *cap, size_t size)
{
    if (n < *cap) return true;
    size_t want = *cap == 0 ? 64 : *cap * 2;
    void *p = realloc(*items, want * size);
    if (p == NULL) {
        f->failed = true;
        return false;
    }
    *items = p;
    *cap = want;
    return true;
}
#define ROOM(f, list)                                                                              \
    room((f), (void **)&(f)->list, (f)->list##_n, &(f)->list##_cap, sizeof *(f)->list)

/* Visitors of the batch. */

static uint32_t key_hash(const struct sitestate *site, uint64_t id, uint32_t day, bool consented)
{
    const uint64_t mix = 0x9e3779b97f4a7c15u;
    uint64_t h = (id ^ (uint64_t)(uintptr_t)site) * mix;
    h = (h ^ h >> 32 ^ (uint64_t)day << 1 ^ consented) * mix;
    return (uint32_t)(h >> 32);
}

static uint32_t *find_slot(struct fold *f, const struct fold_visitor *key)
{
    size_t i = key->hash & (f->table_size - 1);
    for (;; i = (i + 1) & (f->table_size - 1)) {
        if (f->table[i] == 0) return &f->table[i];
        const struct fold_visitor *v = &f->visitors[f->table[i] - 1];
        if (v->hash == key->hash && v->id == key->id && v->site == key->site &&
            v->day == key->day && v->consented == key->consented)
            return &f->table[i];
    }
}

static bool grow_table(struct fold *f)
{
    uint32_t *table = calloc(f->table_size * 2, sizeof *table);
    if (table == NULL) {
        f->failed = true;
        return false;
    }
    free(f->table);
    f->table = table;
    f->table_size *= 2;
    for (size_t i = 0; i < f->visitors_n; i++)
        *find_slot(f, &f->visitors[i]) = (uint32_t)i + 1;
    return true;
}

/* When it was forgotten earlier in this batch. */
static int64_t forgotten_before(const struct fold *f, const struct sitestate *site, uint64_t id)
{
    int64_t at_ms = 0;
    for (size_t i = 0; i < f->forgets_n; i++) {
        const struct forgetting *g = &f->forgets[i];
        if (g->site == site && g->id == id && g->at_ms > at_ms) at_ms = g->at_ms;
    }
    return at_ms;
}

/* day 0: its profile. */
static struct fold_visitor *visitor_at(struct fold *f, struct sitestate *site, uint64_t id,
                                       uint32_t day, bool known)
{
    bool consented = day == 0;
    struct fold_visitor key = {
        .site = site,
        .id = id,
        .day = day,
        .consented = consented,
        .known = known,
        .first_hit = NO_HIT,
        .last_hit = NO_HIT,
        .hash = key_hash(site, id, day, consented),
    };
    if ((f->visitors_n + 1) * 2 > f->table_size && !grow_table(f)) return NULL;
    uint32_t *slot = find_slot(f, &key);
    if (*slot == 0) {
        if (!ROOM(f, visitors)) return NULL;
        if (known) key.forgotten_ms = forgotten_before(f, site, id);
        f->visitors[f->visitors_n++] = key;
        *slot = (uint32_t)f->visitors_n;
    }
    return &f->visitors[*slot - 1];
}

static struct fold_visitor *visitor_of(struct fold *f, struct sitestate *site, const struct hit *h)
{
    bool known = h->visitor_kind == VISITOR_CONSENTED;
    return visitor_at(f, site, h->visitor, known && h->bot.n == 0 ? 0 : h->day, known);
}

/* Days that closed in this batch. */

static struct closing *closing_of(struct fold *f, const struct sitestate *site, uint32_t day)
{
    for (size_t i = 0; i < f->closed_n; i++) {
        if (f->closed[i].day.site == site && f->closed[i].day.day == day) return &f->closed[i];
    }
    return NULL;
}

static uint32_t closings(struct fold *f, const struct sitestate *site, uint32_t day)
{
    const struct closing *c = closing_of(f, site, day);
    return c == NULL ? 0 : c->times;
}

static bool close_days(struct fold *f, struct sitestate *site)
{
    uint32_t day;
    while (sitestate_close(site, &day)) {
        struct closing *c = closing_of(f, site, day);
        if (c == NULL) {
            if (!ROOM(f, closed)) return false;
            c = &f->closed[f->closed_n++];
            *c = (struct closing){.day = {site, day}};
        }
        c->times++;
    }
    return true;
}

/* First pass. */

static bool enqueue(struct fold *f, struct fold_visitor *v, const struct queued *q)
{
    if (v == NULL || !ROOM(f, hits)) return false;
    uint32_t i = (uint32_t)f->hits_n++;
    f->hits[i] = *q;
    f->hits[i].next = NO_HIT;
    if (!v->consented) f->hits[i].closings = closings(f, v->site, v->day);
    if (v->first_hit == NO_HIT)
        v->first_hit = i;
    else
        f->hits[v->last_hit].next = i;
    v->last_hit = i;
    return true;
}

static bool queue(struct fold *f, struct sitestate *site, const struct queued *q)
{
    struct fold_visitor *v = visitor_of(f, site, &q->hit);
    if (v != NULL && !v->consented) sitestate_touch(site, v->day, q->hit.flags & HIT_IMPORTED);
    return enqueue(f, v, q);
}

/* The customer whose word it is loses the visitor. */
static bool name_forgotten(struct fold *f, struct sitestate *site, struct queued *q)
{
    const struct hit *h = &q->hit;
    if (h->customer.n == 0) return true;
    if (!ROOM(f, named)) return false;
    q->customer = customer_key(str_of(f->dataset.text), str_of(site->name), h->customer);
    q->named = f->named_n;
    f->named[f->named_n++] = (struct fold_named){
        .site = site,
        .customer = q->customer,
        .visitor = h->visitor,
        .id = h->customer,
        .forgets = true,
    };
    return true;
}

/* A visitor is forgotten: its profile, and what it has as a bot on each open day. No clock moves.
 */
static bool queue_forget(struct fold *f, struct sitestate *site, const struct hit *h)
{
    struct queued q = {.hit = *h};
    deltas_verdict(f->deltas, V_FORGOTTEN, 1);
    if (h->visitor == 0) return true;
    if (h->at_ms > site->forgotten_ms) site->forgotten_ms = h->at_ms;
    if (!name_forgotten(f, site, &q)) return false;
    if (!enqueue(f, visitor_at(f, site, h->visitor, 0, true), &q)) return false;
    for (uint32_t i = 0; i < site->open_n; i++) {
        if (!enqueue(f, visitor_at(f, site, h->visitor, site->open[i].day, true), &q)) return false;
    }
    if (!ROOM(f, forgets)) return false;
    f->forgets[f->forgets_n++] = (struct forgetting){site, h->visitor, h->at_ms};
    return true;
}

/* Hits that need no visitor. False: this one does. */
static bool count_plain(struct fold *f, struct sitestate *site, const struct hit *h,
                        uint32_t weight)
{
    struct count c = {f->deltas, site};
    if (h->kind == HIT_TALLY) {
        count_verdict(&c, h, h->verdict, weight);
        return true;
    }
    bool bot = h->bot.n > 0, order = h->kind == HIT_PURCHASE && hit_order(h->list) != 0;
    if (h->pageview != 0 || ((h->kind == HIT_PAGEVIEW || order) && !bot)) return false;
    count_verdict(&c, h, V_COUNTED, weight);
    if (h->kind == HIT_PAGEVIEW) {
        struct pageview p = trail_pageview(h);
        count_view(&c, &p, h);
    } else if (!bot) {
        struct click click = {.day = h->day,
                              .page_id = hash64(h->page),
                              .kind = h->kind,
                              .goal = h->flags & HIT_GOAL,
                              .text = trail_text(h),
                              .properties = trail_properties(h),
                              .page = h->page};
        count_click(&c, &click);
    }
    return true;
}

void fold_unreadable(struct fold *f, uint64_t weight)
{
    deltas_verdict(f->deltas, V_UNREADABLE, weight);
}

/* What no collector sends: no calendar knows it, or no register can hold it. */
static bool damaged(const struct hit *h)
{
    if (h->at_ms < 0 || h->at_ms > HIT_AT_MAX_MS || h->day > HIT_DAY_MAX) return true;
    if (h->kind == HIT_TALLY) return h->verdict >= VERDICTS;
    if (h->kind == HIT_FORGET) return h->at_ms == 0;
    return h->day == 0 || h->number >= PAGEVIEW_MAX_HITS;
}

static bool note_told(struct fold *f, struct sitestate *site, const struct hit *h)
{
    if ((h->kind != HIT_LINKS && h->kind != HIT_META) || h->bot.n > 0 || h->page.n == 0)
        return true;
    if (!ROOM(f, told)) return false;
    f->told[f->told_n++] =
        (struct fold_told){site, h->kind, h->at_ms, h->page, h->list, h->day, h->flags & HIT_MORE};
    return true;
}

/* Most hits of a customer follow upon one another: a key that was just made is not made again. */
static bool note_named(struct fold *f, struct sitestate *site, struct queued *q)
{
    const struct hit *h = &q->hit;
    if (h->customer.n == 0 || h->visitor_kind != VISITOR_CONSENTED || h->bot.n > 0) return true;
    const struct fold_named *last = f->named_n == 0 ? NULL : &f->named[f->named_n - 1];
    bool again =
        last != NULL && !last->forgets && last->site == site && str_eq(last->id, h->customer);
    q->customer = again ? last->customer
                        : customer_key(str_of(f->dataset.text), str_of(site->name), h->customer);
    if (!again || last->visitor != h->visitor) {
        if (!ROOM(f, named)) return false;
        f->named[f->named_n++] = (struct fold_named){
            .site = site, .customer = q->customer, .visitor = h->visitor, .id = h->customer};
    }
    q->named = f->named_n - 1;
    return true;
}

bool fold_add(struct fold *f, struct sitestate *site, const struct hit *h, uint32_t weight)
{
    if (f->failed) return false;
    if (damaged(h)) {
        fold_unreadable(f, weight);
        return true;
    }
    if (h->kind == HIT_FORGET) return queue_forget(f, site, h);
    int64_t minute = site->watermark_ms / LIVE_MINUTE_MS;
    bool in_time = sitestate_hit(site, h);
    if (site->watermark_ms / LIVE_MINUTE_MS > minute) deltas_minute(f->deltas, site);
    if (!in_time) {
        count_verdict(&(struct count){f->deltas, site}, h, V_LATE, weight);
    } else {
        struct queued q = {.hit = *h, .weight = weight};
        /* While somebody is to be forgotten, it must be known whose hit it is, at least. */
        bool asked = site->forgotten_ms != 0 && h->visitor_kind == VISITOR_CONSENTED;
        if (!note_told(f, site, h) || !note_named(f, site, &q)) return false;
        if (!asked) q.counted = count_plain(f, site, h, weight);
        if ((!q.counted || q.customer != CUSTOMER_NONE) && !queue(f, site, &q)) return false;
    }
    return close_days(f, site);
}

/* Second pass: one visitor. */

void fold_forgotten(struct fold_visitor *v, int64_t stored_ms)
{
    if (stored_ms > v->forgotten_ms) v->forgotten_ms = stored_ms;
}

/* A customer who signed in again, later than that, keeps the visitor. */
static bool forget(struct fold *f, struct trail *t, struct fold_visitor *g, const struct queued *q)
{
    int64_t at_ms = q->hit.at_ms;
    if (at_ms > g->forgotten_ms) g->forgotten_ms = at_ms;
    if (!trail_erase(t, at_ms)) return false;
    if (g->consented && q->customer != CUSTOMER_NONE)
        f->named[q->named].counts = !visitor_has(t->v, q->customer);
    return true;
}

/* Who was not seen for so long begins anew, whether or not the sweep has been here. */
static bool is_back(const struct fold *f, const struct trail *t, const struct hit *h)
{
    int64_t last_ms = t->v->newest_ms;
    return t->profile != NULL && f->persons_ms > 0 && last_ms > 0 &&
           h->at_ms - last_ms > f->persons_ms;
}

static bool run_hit(struct fold *f, struct fold_visitor *g, struct trail *t, const struct queued *q)
{
    enum verdict verdict = V_COUNTED;
    if (q->hit.kind == HIT_FORGET) return forget(f, t, g, q);
    bool forgotten = g->known && q->hit.at_ms <= g->forgotten_ms;
    if (q->customer != CUSTOMER_NONE && !forgotten) {
        if (is_back(f, t, &q->hit) && !trail_erase(t, t->v->newest_ms)) return false;
        f->named[q->named].counts = true;
        if (t->v->link != q->customer) f->named[q->named].anew = true;
        trail_sign(t, q->hit.at_ms, q->customer);
    }
    if (q->counted) return true;
    if (forgotten)
        verdict = V_FORGOTTEN;
    else if (count_plain(f, g->site, &q->hit, q->weight))
        return true;
    else if (is_back(f, t, &q->hit) && !trail_erase(t, t->v->newest_ms))
        return false;
    else if (!trail_hit(t, &q->hit, q->customer, &verdict))
        return false;
    count_verdict(&t->count, &q->hit, verdict, q->weight);
    return true;
}

static bool run(struct fold *f, struct fold_visitor *g)
{
    struct trail t = {
        .count = {f->deltas, g->site},
        .v = g->consented ? &g->state.profile->recent : g->state.daily,
        .profile = g->consented ? g->state.profile : NULL,
        .before = &f->sums[0],
        .now = &f->sums[1],
    };
    uint32_t closings_before = 0;
    trail_begin(&t);
    for (uint32_t i = g->first_hit; i != NO_HIT; i = f->hits[i].next) {
        const struct queued *q = &f->hits[i];
        if (q->closings != closings_before && !trail_forget(&t)) return false;
        closings_before = q->closings;
        if (!run_hit(f, g, &t, q)) return false;
    }
    g->gone = !g->consented && closings(f, g->site, g->day) != closings_before;
    if (!trail_end(&t)) return false;
    if (g->known && g->site->forgotten_ms != 0 && trail_empty(&t)) g->gone = true;
    f->approximated += t.approximated;
    return true;
}

bool fold_run(struct fold *f)
{
    for (size_t i = 0; i < f->visitors_n && !f->failed; i++) {
        if (!run(f, &f->visitors[i])) f->failed = true;
    }
    return !f->failed && !deltas_failed(f->deltas);
}
