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
#include <stdlib.h>

#include "count.h"
#include "hash.h"
#include "session.h"

enum { NO_HIT = UINT32_MAX, TABLE_MIN = 512 };

/* A hit in its visitor's queue. */
struct queued {
    struct hit hit;
    uint32_t next;
    uint32_t weight;
    uint32_t closings; /* of its day in this batch, before it came */
};

struct closing {
    struct fold_closed day;
    uint32_t times;
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
    uint64_t approximated;
    bool failed;
    struct sums sums[2];
    struct sums *before, *now; /* these two; of the visitor being folded */
};

struct fold *fold_new(void)
{
    struct fold *f = calloc(1, sizeof *f);
    if (f == NULL) return NULL;
    f->table_size = TABLE_MIN;
    f->table = calloc(f->table_size, sizeof *f->table);
    f->deltas = deltas_new();
    f->before = &f->sums[0];
    f->now = &f->sums[1];
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
    free(f);
}

void fold_clear(struct fold *f)
{
    deltas_clear(f->deltas);
    memset(f->table, 0, f->table_size * sizeof *f->table);
    f->hits_n = f->visitors_n = f->closed_n = 0;
    f->approximated = 0;
    f->failed = false;
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

static struct fold_visitor *visitor_of(struct fold *f, struct sitestate *site, const struct hit *h)
{
    bool consented = h->visitor_kind == VISITOR_CONSENTED && h->bot.n == 0;
    uint32_t day = consented ? 0 : h->day;
    struct fold_visitor key = {
        .site = site,
        .id = h->visitor,
        .day = day,
        .consented = consented,
        .first_hit = NO_HIT,
        .last_hit = NO_HIT,
        .hash = key_hash(site, h->visitor, day, consented),
    };
    if ((f->visitors_n + 1) * 2 > f->table_size && !grow_table(f)) return NULL;
    uint32_t *slot = find_slot(f, &key);
    if (*slot == 0) {
        if (!ROOM(f, visitors)) return NULL;
        f->visitors[f->visitors_n++] = key;
        *slot = (uint32_t)f->visitors_n;
    }
    return &f->visitors[*slot - 1];
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

static bool queue(struct fold *f, struct sitestate *site, const struct hit *h, uint32_t weight)
{
    struct fold_visitor *v = visitor_of(f, site, h);
    if (v == NULL || !ROOM(f, hits)) return false;
    uint32_t i = (uint32_t)f->hits_n++;
    f->hits[i] = (struct queued){.hit = *h, .next = NO_HIT, .weight = weight};
    if (!v->consented) {
        sitestate_touch(site, v->day, h->flags & HIT_IMPORTED);
        f->hits[i].closings = closings(f, site, v->day);
    }
    if (v->first_hit == NO_HIT)
        v->first_hit = i;
    else
        f->hits[v->last_hit].next = i;
    v->last_hit = i;
    return true;
}

static struct pageview pageview_of(const struct hit *h)
{
    uint32_t flags = (h->bot.n > 0 ? PV_BOT : 0) | (h->status == 404 ? PV_NOT_FOUND : 0);
    return (struct pageview){
        .at_ms = h->at_ms,
        .id = h->pageview,
        .page = hash64(h->page),
        .day = h->day,
        .flags = (uint8_t)flags,
        .channel = (uint8_t)h->channel,
        .device = (uint8_t)h->device,
        .browser = (uint8_t)h->browser,
        .os = (uint8_t)h->os,
        .country = {h->country[0], h->country[1]},
    };
}

static struct str text_of(const struct hit *h)
{
    return h->kind == HIT_EVENT ? h->name : h->target;
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
    bool bot = h->bot.n > 0;
    if (h->pageview != 0 || (h->kind == HIT_PAGEVIEW && !bot)) return false;
    count_verdict(&c, h, V_COUNTED, weight);
    if (h->kind == HIT_PAGEVIEW) {
        struct pageview p = pageview_of(h);
        count_view(&c, &p, h->page, h->bot);
    } else if (!bot) {
        struct click click = {h->day, hash64(h->page), h->kind, text_of(h), h->page};
        count_click(&c, &click);
    }
    return true;
}

void fold_unreadable(struct fold *f, uint32_t weight)
{
    deltas_verdict(f->deltas, V_UNREADABLE, weight);
}

/* What no collector sends: no calendar knows it, or no register can hold it. */
static bool damaged(const struct hit *h)
{
    if (h->at_ms < 0 || h->at_ms > HIT_AT_MAX_MS || h->day > HIT_DAY_MAX) return true;
    if (h->kind == HIT_TALLY) return h->verdict >= VERDICTS;
    return h->day == 0 || h->number >= PAGEVIEW_MAX_HITS;
}

bool fold_add(struct fold *f, struct sitestate *site, const struct hit *h, uint32_t weight)
{
    if (f->failed) return false;
    if (damaged(h)) {
        fold_unreadable(f, weight);
        return true;
    }
    if (!sitestate_hit(site, h)) {
        count_verdict(&(struct count){f->deltas, site}, h, V_LATE, weight);
    } else if (!count_plain(f, site, h, weight)) {
        if (!queue(f, site, h, weight)) return false;
    }
    return close_days(f, site);
}

/* Second pass: one visitor. */

struct folding {
    struct fold *f;
    struct count count;
    struct visitor *v;
    struct profile *profile; /* NULL: a daily visitor */
};

/* Adds what the visitor's sessions and days changed by, with a border before pageview `frozen`;
 * then freezes what stands before it. */
static bool settle(struct folding *o, uint32_t frozen)
{
    struct sums *before = o->f->before, *now = o->f->now;
    sums_make(now, o->v, frozen);
    count_sums(&o->count, before, now, o->profile != NULL);
    if (o->profile != NULL) {
        o->profile->sessions += (uint64_t)now->sessions_n - before->sessions_n;
        o->profile->days += (uint64_t)now->days_n - before->days_n;
    }
    o->f->before = now;
    o->f->now = before;
    if (frozen == 0) return true;
    if (!visitor_freeze(o->v, frozen)) return false;
    sums_make(o->f->before, o->v, 0);
    return true;
}

/* What no hit can change any more goes. */
static bool prune(struct folding *o)
{
    struct visitor *v = o->v;
    if (!settle(o, 0)) return false;
    uint32_t settled = sums_settled(o->f->before, v);
    if (settled > 0 && !settle(o, settled)) return false;
    int64_t border_ms = v->newest_ms - LATE_AFTER_MS - REGISTER_OPEN_MS;
    for (uint32_t i = v->waiting_n; i-- > 0;) {
        if (v->waiting[i].at_ms < border_ms) visitor_unwait(v, i);
    }
    return true;
}

static void approximate(struct folding *o)
{
    o->v->approximate = true;
    o->f->approximated++;
}

static bool make_room(struct folding *o)
{
    if (o->v->views_n < RECENT_MAX) return true;
    if (!prune(o)) return false;
    if (o->v->views_n < RECENT_MAX) return true;
    approximate(o);
    return settle(o, sums_surplus(o->f->before, o->v));
}

/* A hit, or one that waited, as its pageview's registers see it. */
struct signal {
    enum hit_kind kind;
    uint32_t number;
    int64_t at_ms, engaged_at_ms, interaction_at_ms; /* the latter 0: none */
    uint32_t engaged_ms, depth;
    struct str text;
};

static struct signal signal_of(const struct hit *h)
{
    bool acts = h->flags & HIT_INTERACTION || h->kind == HIT_OUTBOUND || h->kind == HIT_DOWNLOAD ||
                h->kind == HIT_EVENT;
    uint32_t engaged = h->engaged_ms < ENGAGED_MAX_MS ? h->engaged_ms : ENGAGED_MAX_MS;
    return (struct signal){
        .kind = h->kind,
        .number = h->number,
        .at_ms = h->at_ms,
        .engaged_at_ms = engaged > 0 ? h->at_ms : 0,
        .interaction_at_ms = acts ? h->at_ms : 0,
        .engaged_ms = engaged,
        .depth = h->depth < DEPTH_MAX ? h->depth : DEPTH_MAX,
        .text = text_of(h),
    };
}

/* Greatest value, and the earliest time of it. Returns by how much it grew. */
static uint32_t raise_engaged(uint32_t *ms, int64_t *at_ms, const struct signal *s)
{
    if (s->engaged_ms == 0 || s->engaged_ms < *ms) return 0;
    if (s->engaged_ms > *ms || s->engaged_at_ms < *at_ms) *at_ms = s->engaged_at_ms;
    uint32_t grown = s->engaged_ms - *ms;
    *ms = s->engaged_ms;
    return grown;
}

static bool number_seen(const struct pageview *p, uint32_t number)
{
    return p->numbers[number / 64] >> (number % 64) & 1;
}

/* Raises registers; a click counts once per number. Repeating a signal changes nothing. */
static void apply_signal(struct folding *o, struct pageview *p, const struct signal *s)
{
    uint32_t grown = raise_engaged(&p->engaged_ms, &p->engaged_at_ms, s);
    if (s->interaction_at_ms > p->interaction_at_ms) p->interaction_at_ms = s->interaction_at_ms;
    if (s->depth > p->depth) p->depth = (uint8_t)s->depth;
    bool seen = number_seen(p, s->number);
    p->numbers[s->number / 64] |= UINT64_C(1) << (s->number % 64);
    if (p->flags & PV_BOT) return;
    if (grown > 0) {
        count_engaged(&o->count, p, grown);
        if (o->profile != NULL) profile_engaged(o->profile, p->page, grown);
    }
    if (seen) return;
    struct click click = {p->day, p->page, s->kind, s->text, {NULL, 0}};
    count_click(&o->count, &click);
}

/* Waiting hits. */

/* The same number came twice: keep what both would have left in the registers. */
static void join_waiting(struct waiting *w, const struct signal *s)
{
    raise_engaged(&w->engaged_ms, &w->engaged_at_ms, s);
    if (s->interaction_at_ms > w->interaction_at_ms) w->interaction_at_ms = s->interaction_at_ms;
    if (s->depth > w->depth) w->depth = s->depth;
    if (s->at_ms < w->at_ms) w->at_ms = s->at_ms;
}

static bool waiting_full(const struct visitor *v, const struct signal *s)
{
    return v->waiting_n >= WAITING_MAX || v->waiting_bytes + s->text.n > WAITING_MAX_BYTES;
}

/* The hit waits for its pageview; *verdict says whether its number is new. */
static bool wait_for_view(struct folding *o, uint64_t id, struct signal *s, enum verdict *verdict)
{
    struct visitor *v = o->v;
    uint32_t i = visitor_waiting_at(v, id, s->number);
    if (i < v->waiting_n && v->waiting[i].id == id && v->waiting[i].number == s->number) {
        *verdict = V_DUPLICATE;
        join_waiting(&v->waiting[i], s);
        return true;
    }
    s->text = str_upto(s->text, HIT_TARGET_MAX_BYTES);
    if (waiting_full(v, s)) {
        if (!prune(o)) return false;
        if (waiting_full(v, s)) {
            approximate(o);
            return true;
        }
        i = visitor_waiting_at(v, id, s->number);
    }
    struct waiting w = {
        .id = id,
        .number = s->number,
        .kind = s->kind,
        .at_ms = s->at_ms,
        .engaged_at_ms = s->engaged_at_ms,
        .interaction_at_ms = s->interaction_at_ms,
        .engaged_ms = s->engaged_ms,
        .depth = s->depth,
        .text_n = (uint32_t)s->text.n,
    };
    if (s->text.n > 0) {
        if ((w.text = malloc(s->text.n)) == NULL) return false;
        memcpy(w.text, s->text.p, s->text.n);
    }
    return visitor_wait(v, i, &w);
}

static void apply_waiting(struct folding *o, struct pageview *p)
{
    struct visitor *v = o->v;
    uint32_t i = visitor_waiting_at(v, p->id, 0);
    while (i < v->waiting_n && v->waiting[i].id == p->id) {
        const struct waiting *w = &v->waiting[i];
        if (w->at_ms - p->at_ms > REGISTER_OPEN_MS || p->at_ms - w->at_ms > REGISTER_OPEN_MS) {
            i++;
            continue;
        }
        struct signal s = {
            .kind = (enum hit_kind)w->kind,
            .number = w->number,
            .at_ms = w->at_ms,
            .engaged_at_ms = w->engaged_at_ms,
            .interaction_at_ms = w->interaction_at_ms,
            .engaged_ms = w->engaged_ms,
            .depth = w->depth,
            .text = {w->text, w->text_n},
        };
        apply_signal(o, p, &s);
        visitor_unwait(v, i);
    }
}

/* Pageviews. */

static bool waits(const struct visitor *v, uint64_t id, uint32_t number)
{
    uint32_t i = visitor_waiting_at(v, id, number);
    return i < v->waiting_n && v->waiting[i].id == id && v->waiting[i].number == number;
}

static bool begin_view(struct folding *o, const struct hit *h, const struct signal *s,
                       enum verdict *verdict)
{
    if (!make_room(o)) return false;
    struct pageview p = pageview_of(h);
    /* Its own registers stand before it is put into its place: they are part of the order. */
    uint32_t grown = raise_engaged(&p.engaged_ms, &p.engaged_at_ms, s);
    p.interaction_at_ms = s->interaction_at_ms;
    p.depth = (uint8_t)s->depth;
    struct str source = str_upto(h->source, HIT_NAME_MAX_BYTES);
    if (source.n > 0) {
        if ((p.source = malloc(source.n)) == NULL) return false;
        memcpy(p.source, source.p, source.n);
        p.source_n = (uint32_t)source.n;
    }
    if (p.id != 0) {
        p.numbers[s->number / 64] |= UINT64_C(1) << (s->number % 64);
        if (waits(o->v, p.id, s->number)) *verdict = V_DUPLICATE;
    }
    struct pageview *at = visitor_insert(o->v, &p);
    if (at == NULL) return false;
    count_view(&o->count, at, h->page, h->bot);
    if (o->profile != NULL && !profile_view(o->profile, at->page, at->day, at->at_ms)) return false;
    if (grown > 0 && !(at->flags & PV_BOT)) {
        count_engaged(&o->count, at, grown);
        if (o->profile != NULL) profile_engaged(o->profile, at->page, grown);
    }
    if (at->id != 0) apply_waiting(o, at);
    return true;
}

/* A pageview hit that came again, perhaps through another collector: the earlier one counts. */
static struct pageview *move_earlier(struct folding *o, struct pageview *p, const struct hit *h)
{
    if (h->at_ms >= p->at_ms || h->day != p->day || hash64(h->page) != p->page) return p;
    p = visitor_move(o->v, p, h->at_ms);
    if (o->profile != NULL && h->at_ms < o->profile->first_ms) o->profile->first_ms = h->at_ms;
    return p;
}

static bool fold_hit(struct folding *o, const struct hit *h, enum verdict *verdict)
{
    struct signal s = signal_of(h);
    if (h->at_ms > o->v->newest_ms) o->v->newest_ms = h->at_ms;
    if (h->pageview == 0) return begin_view(o, h, &s, verdict);

    struct pageview *p = visitor_find(o->v, h->pageview, h->at_ms);
    if (p != NULL) {
        if (number_seen(p, s.number)) *verdict = V_DUPLICATE;
        if (h->kind == HIT_PAGEVIEW) p = move_earlier(o, p, h);
        apply_signal(o, p, &s);
        return true;
    }
    if (h->kind == HIT_PAGEVIEW) return begin_view(o, h, &s, verdict);
    return wait_for_view(o, h->pageview, &s, verdict);
}

static bool run(struct fold *f, struct fold_visitor *g)
{
    struct folding o = {
        .f = f,
        .count = {f->deltas, g->site},
        .v = g->consented ? &g->state.profile->recent : g->state.daily,
        .profile = g->consented ? g->state.profile : NULL,
    };
    uint32_t closings_before = 0;
    sums_make(f->before, o.v, 0);
    for (uint32_t i = g->first_hit; i != NO_HIT; i = f->hits[i].next) {
        const struct queued *q = &f->hits[i];
        if (q->closings != closings_before) { /* its day closed: what it added stays */
            if (!settle(&o, 0)) return false;
            visitor_fini(o.v);
            sums_make(f->before, o.v, 0);
            closings_before = q->closings;
        }
        enum verdict verdict = V_COUNTED;
        if (!fold_hit(&o, &q->hit, &verdict)) return false;
        count_verdict(&o.count, &q->hit, verdict, q->weight);
    }
    g->gone = !g->consented && closings(f, g->site, g->day) != closings_before;
    return prune(&o);
}

bool fold_run(struct fold *f)
{
    for (size_t i = 0; i < f->visitors_n && !f->failed; i++) {
        if (!run(f, &f->visitors[i])) f->failed = true;
    }
    return !f->failed && !deltas_failed(f->deltas);
}
