/*
 * Registers only rise, so a hit that comes twice, late or before its pageview leaves the same state
 * as one in its place. What hits add at once (views, clicks, engaged time) is counted at once; what
 * they change together (sessions, days) is counted as a difference by settle(), which must run
 * before anything is frozen or forgotten.
 */
#include "trail.h"

#include <assert.h>
#include <stdlib.h>

#include "customer.h"
#include "hash.h"
#include "share.h"
#include "sitestate.h"

struct pageview trail_pageview(const struct hit *h)
{
    uint32_t flags = (h->bot.n > 0 ? PV_BOT : 0) | (h->status == 404 ? PV_NOT_FOUND : 0) |
                     (h->flags & HIT_IMPORTED ? PV_IMPORTED : 0);
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

struct str trail_text(const struct hit *h)
{
    switch (h->kind) {
    case HIT_EVENT:
    case HIT_CONTROL: return h->name;
    case HIT_LINKS:
    case HIT_SEEN:
    case HIT_PURCHASE: return h->list;
    default: return h->target;
    }
}

struct str trail_properties(const struct hit *h)
{
    return h->kind == HIT_EVENT ? h->list : (struct str){NULL, 0};
}

void trail_begin(struct trail *t)
{
    sums_make(t->before, t->v, 0);
}

static bool freeze(struct trail *t, const struct sums *s, uint32_t n)
{
    if (t->profile == NULL) return visitor_freeze(t->v, n);
    bool before = t->profile->approximate;
    if (!share_freeze(t->profile, s, n, t->now)) return false;
    t->approximated += t->profile->approximate && !before;
    return true;
}

/* Adds what the visitor's sessions and days changed by, with a border before pageview `frozen`;
 * then freezes what stands before it. */
static bool settle(struct trail *t, uint32_t frozen)
{
    struct sums *before = t->before, *now = t->now;
    sums_make(now, t->v, frozen);
    count_sums(&t->count, before, now, t->profile != NULL);
    t->before = now;
    t->now = before; /* free for use */
    if (frozen == 0) return true;
    if (!freeze(t, now, frozen)) return false;
    trail_begin(t);
    return true;
}

/* What no hit can change any more goes. */
static bool prune(struct trail *t)
{
    struct visitor *v = t->v;
    if (!settle(t, 0)) return false;
    uint32_t settled = sums_settled(t->before, v);
    if (settled > 0 && !settle(t, settled)) return false;
    int64_t border_ms = v->newest_ms - LATE_AFTER_MS - REGISTER_OPEN_MS;
    for (uint32_t i = v->waiting_n; i-- > 0;) {
        if (v->waiting[i].at_ms < border_ms) visitor_unwait(v, i);
    }
    return true;
}

static void approximate(struct trail *t)
{
    t->v->approximate = true;
    t->approximated++;
}

static bool make_room(struct trail *t)
{
    if (t->v->views_n < RECENT_MAX) return true;
    if (!prune(t)) return false;
    if (t->v->views_n < RECENT_MAX) return true;
    approximate(t);
    return settle(t, sums_surplus(t->before, t->v));
}

/* For links seen on one more pageview. What has settled goes first, so that where a batch ended
 * does not decide whether there is room. */
static bool make_room_to_see(struct trail *t)
{
    if (t->v->seen_n <= SEEN_MAX - VIEW_SEEN_MAX || !sums_may_settle(t->v)) return true;
    return prune(t);
}

/* A hit, or one that waited, as its pageview's registers see it. */
struct signal {
    enum hit_kind kind;
    uint32_t number;
    int64_t at_ms, engaged_at_ms, interaction_at_ms; /* the latter 0: none */
    uint32_t engaged_ms, depth, errors;
    uint64_t owner;
    bool goal;
    struct str text;
    struct str properties; /* of an event */
};

/* An event says itself whether it is an interaction. */
static bool acts_by_kind(enum hit_kind k)
{
    return k == HIT_OUTBOUND || k == HIT_DOWNLOAD || k == HIT_CLICK || k == HIT_PURCHASE ||
           k == HIT_CONTROL;
}

static struct signal signal_of(const struct hit *h, uint64_t customer)
{
    bool acts = h->flags & HIT_INTERACTION || acts_by_kind(h->kind);
    uint32_t engaged = h->engaged_ms < ENGAGED_MAX_MS ? h->engaged_ms : ENGAGED_MAX_MS;
    return (struct signal){
        .kind = h->kind,
        .number = h->number,
        .at_ms = h->at_ms,
        .engaged_at_ms = engaged > 0 ? h->at_ms : 0,
        .interaction_at_ms = acts ? h->at_ms : 0,
        .engaged_ms = engaged,
        .depth = h->depth < DEPTH_MAX ? h->depth : DEPTH_MAX,
        .errors = h->errors < ERRORS_MAX ? h->errors : ERRORS_MAX,
        .owner = customer,
        .goal = h->flags & HIT_GOAL,
        .text = trail_text(h),
        .properties = trail_properties(h),
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

/* Returns by how much it grew. */
static uint32_t raise_errors(struct pageview *p, const struct signal *s)
{
    uint32_t grown = s->errors > p->errors ? s->errors - p->errors : 0;
    p->errors = (uint16_t)(p->errors + grown);
    return grown;
}

static bool number_seen(const struct pageview *p, uint32_t number)
{
    return p->numbers[number / 64] >> (number % 64) & 1;
}

static bool reaches_goal(const struct signal *s)
{
    struct str currency;
    int64_t minor;
    return (s->kind == HIT_EVENT && s->goal) ||
           (s->kind == HIT_PURCHASE && hit_money(s->text, &currency, &minor));
}

static bool see_links(struct trail *t, struct pageview *p, const struct signal *s)
{
    struct hit_links links = hit_links_open(s->text);
    bool before = t->v->approximate;
    struct str page;
    while (hit_links_next(&links, &page)) {
        if (!visitor_see(t->v, p, hash64(page))) return false;
    }
    t->approximated += t->v->approximate && !before;
    return true;
}

/* A purchase of an order: the earliest one counts, even when its number was seen before. */
static bool buy(struct trail *t, const struct click *click, uint64_t pageview,
                const struct signal *s)
{
    struct order was,
        told = {
            .id = hit_order(s->text), .at_ms = s->at_ms, .pageview = pageview, .number = s->number};
    bool crossed = false;
    if (!bought_of(click, &told.what)) return true;
    enum order_fate fate = orders_take(&t->v->orders, &told, &was, &crossed);
    if (fate == ORDER_EARLIER) count_bought(&t->count, &was.what, STR(""), -1);
    if (fate == ORDER_EARLIER || fate == ORDER_NEW)
        count_bought(&t->count, &told.what, click->page, 1);
    if (crossed) approximate(t);
    return fate != ORDER_MEMORY;
}

static bool is_order(const struct signal *s)
{
    return s->kind == HIT_PURCHASE && hit_order(s->text) != 0;
}

/* Raises registers; a click counts once per number. Repeating a signal changes nothing. */
static bool apply_signal(struct trail *t, struct pageview *p, const struct signal *s)
{
    uint32_t grown = raise_engaged(&p->engaged_ms, &p->engaged_at_ms, s);
    uint32_t errors = raise_errors(p, s);
    if (s->interaction_at_ms > p->interaction_at_ms) p->interaction_at_ms = s->interaction_at_ms;
    if (s->depth > p->depth) p->depth = (uint8_t)s->depth;
    p->owner = customer_join(p->owner, s->owner);
    bool seen = number_seen(p, s->number);
    p->numbers[s->number / 64] |= UINT64_C(1) << (s->number % 64);
    if (p->flags & PV_BOT) return true;
    if (grown > 0) count_engaged(&t->count, p, grown);
    if (errors > 0) count_errors(&t->count, p, errors);
    struct click click = {p->day, p->page, s->kind, s->goal, s->text, s->properties, {NULL, 0}};
    if (is_order(s) && !buy(t, &click, p->id, s)) return false;
    if (seen) return true;
    if (reaches_goal(s)) p->flags |= PV_GOAL;
    if (!is_order(s)) count_click(&t->count, &click);
    return s->kind != HIT_SEEN || see_links(t, p, s);
}

/* Waiting hits. */

/* The same number came twice: keep what both would have left in the registers. */
static void join_waiting(struct waiting *w, const struct signal *s)
{
    raise_engaged(&w->engaged_ms, &w->engaged_at_ms, s);
    if (s->interaction_at_ms > w->interaction_at_ms) w->interaction_at_ms = s->interaction_at_ms;
    if (s->depth > w->depth) w->depth = s->depth;
    if (s->errors > w->errors) w->errors = s->errors;
    w->owner = customer_join(w->owner, s->owner);
    if (s->at_ms < w->at_ms) w->at_ms = s->at_ms;
}

/* What waits is one text: properties stand behind the name, and a border. */
static size_t waiting_bytes(const struct signal *s)
{
    return s->text.n + (s->properties.n > 0 ? 1 + s->properties.n : 0);
}

static bool waiting_full(const struct visitor *v, const struct signal *s)
{
    return v->waiting_n >= WAITING_MAX || v->waiting_bytes + waiting_bytes(s) > WAITING_MAX_BYTES;
}

static bool keep_text(struct waiting *w, const struct signal *s)
{
    w->text_n = (uint32_t)waiting_bytes(s);
    if (w->text_n == 0) return true;
    if ((w->text = malloc(w->text_n)) == NULL) return false;
    if (s->text.n > 0) memcpy(w->text, s->text.p, s->text.n);
    if (s->properties.n == 0) return true;
    w->text[s->text.n] = ROW_NAME_BORDER;
    memcpy(w->text + s->text.n + 1, s->properties.p, s->properties.n);
    return true;
}

/* The hit waits for its pageview; *verdict says whether its number is new. */
static bool wait_for_view(struct trail *t, uint64_t id, struct signal *s, enum verdict *verdict)
{
    struct visitor *v = t->v;
    uint32_t i = visitor_waiting_at(v, id, s->number);
    if (i < v->waiting_n && v->waiting[i].id == id && v->waiting[i].number == s->number) {
        *verdict = V_DUPLICATE;
        join_waiting(&v->waiting[i], s);
        return true;
    }
    s->text = str_upto(s->text, HIT_LIST_MAX_BYTES);
    if (waiting_bytes(s) > HIT_LIST_MAX_BYTES) s->properties.n = 0;
    if (waiting_full(v, s)) {
        if (!prune(t)) return false;
        if (waiting_full(v, s)) {
            approximate(t);
            return true;
        }
        i = visitor_waiting_at(v, id, s->number);
    }
    struct waiting w = {
        .id = id,
        .owner = s->owner,
        .number = s->number,
        .kind = s->kind | (s->goal ? WAITING_GOAL : 0),
        .at_ms = s->at_ms,
        .engaged_at_ms = s->engaged_at_ms,
        .interaction_at_ms = s->interaction_at_ms,
        .engaged_ms = s->engaged_ms,
        .depth = s->depth,
        .errors = s->errors,
    };
    return keep_text(&w, s) && visitor_wait(v, i, &w);
}

/* The name, and the properties behind it. */
static void part_text(struct signal *s)
{
    size_t border = str_find(s->text, ROW_NAME_BORDER);
    s->properties = str_from(s->text, border + 1);
    s->text = str_upto(s->text, border);
}

static bool apply_waiting(struct trail *t, struct pageview *p)
{
    struct visitor *v = t->v;
    uint32_t i = visitor_waiting_at(v, p->id, 0);
    while (i < v->waiting_n && v->waiting[i].id == p->id) {
        const struct waiting *w = &v->waiting[i];
        if (w->at_ms - p->at_ms > REGISTER_OPEN_MS || p->at_ms - w->at_ms > REGISTER_OPEN_MS) {
            i++;
            continue;
        }
        struct signal s = {
            .owner = w->owner,
            .kind = (enum hit_kind)(w->kind & ~(uint32_t)WAITING_GOAL),
            .goal = w->kind & WAITING_GOAL,
            .number = w->number,
            .at_ms = w->at_ms,
            .engaged_at_ms = w->engaged_at_ms,
            .interaction_at_ms = w->interaction_at_ms,
            .engaged_ms = w->engaged_ms,
            .depth = w->depth,
            .errors = w->errors,
            .text = {w->text, w->text_n},
        };
        if (s.kind == HIT_EVENT) part_text(&s);
        if (!apply_signal(t, p, &s)) return false;
        visitor_unwait(v, i);
    }
    return true;
}

/* Pageviews. */

static bool waits(const struct visitor *v, uint64_t id, uint32_t number)
{
    uint32_t i = visitor_waiting_at(v, id, number);
    return i < v->waiting_n && v->waiting[i].id == id && v->waiting[i].number == number;
}

static bool begin_view(struct trail *t, const struct hit *h, const struct signal *s,
                       enum verdict *verdict)
{
    if (!make_room(t)) return false;
    struct pageview p = trail_pageview(h);
    p.owner = s->owner;
    /* Its own registers stand before it is put into its place: they are part of the order. */
    uint32_t grown = raise_engaged(&p.engaged_ms, &p.engaged_at_ms, s);
    p.interaction_at_ms = s->interaction_at_ms;
    p.depth = (uint8_t)s->depth;
    p.errors = (uint16_t)s->errors;
    struct str source = str_upto(h->source, HIT_NAME_MAX_BYTES);
    if (source.n > 0) {
        if ((p.source = malloc(source.n)) == NULL) return false;
        memcpy(p.source, source.p, source.n);
        p.source_n = (uint32_t)source.n;
    }
    if (p.id != 0) {
        p.numbers[s->number / 64] |= UINT64_C(1) << (s->number % 64);
        if (waits(t->v, p.id, s->number)) *verdict = V_DUPLICATE;
    }
    struct pageview *at = visitor_insert(t->v, &p);
    if (at == NULL) return false;
    count_view(&t->count, at, h);
    if (grown > 0 && !(at->flags & PV_BOT)) count_engaged(&t->count, at, grown);
    if (at->errors > 0 && !(at->flags & PV_BOT)) count_errors(&t->count, at, at->errors);
    return at->id == 0 || apply_waiting(t, at);
}

/* A pageview hit that came again, perhaps through another collector: the earlier one counts. */
static struct pageview *move_earlier(struct trail *t, struct pageview *p, const struct hit *h)
{
    if (h->at_ms >= p->at_ms || h->day != p->day || hash64(h->page) != p->page) return p;
    count_live(&t->count, p, -1);
    p = visitor_move(t->v, p, h->at_ms);
    count_live(&t->count, p, +1);
    return p;
}

/* Of hits without a pageview only orders come here. */
static bool buy_alone(struct trail *t, const struct hit *h, const struct signal *s)
{
    struct click click = {.day = h->day,
                          .page_id = hash64(h->page),
                          .kind = h->kind,
                          .text = s->text,
                          .page = h->page};
    assert(is_order(s));
    return buy(t, &click, 0, s);
}

static void move_clock(struct trail *t, int64_t at_ms)
{
    if (at_ms <= t->v->newest_ms) return;
    t->v->newest_ms = at_ms;
    if (t->profile != NULL) profile_clock(t->profile);
}

void trail_sign(struct trail *t, int64_t at_ms, uint64_t customer)
{
    move_clock(t, at_ms);
    visitor_link(t->v, at_ms, customer);
}

bool trail_hit(struct trail *t, const struct hit *h, uint64_t customer, enum verdict *verdict)
{
    struct signal s = signal_of(h, customer);
    move_clock(t, h->at_ms);
    if (!make_room_to_see(t)) return false;
    if (h->pageview == 0)
        return h->kind == HIT_PAGEVIEW ? begin_view(t, h, &s, verdict) : buy_alone(t, h, &s);

    struct pageview *p = visitor_find(t->v, h->pageview, h->at_ms);
    if (p != NULL) {
        if (number_seen(p, s.number)) *verdict = V_DUPLICATE;
        if (h->kind == HIT_PAGEVIEW) p = move_earlier(t, p, h);
        return apply_signal(t, p, &s);
    }
    if (h->kind == HIT_PAGEVIEW) return begin_view(t, h, &s, verdict);
    return wait_for_view(t, h->pageview, &s, verdict);
}

bool trail_forget(struct trail *t)
{
    if (!settle(t, 0)) return false;
    visitor_fini(t->v);
    sums_make(t->before, t->v, 0);
    return true;
}

bool trail_erase(struct trail *t, int64_t until_ms)
{
    if (!settle(t, 0)) return false;
    if (t->profile != NULL) profile_forget(t->profile);
    visitor_forget(t->v, until_ms);
    if (t->profile != NULL) profile_clock(t->profile);
    trail_begin(t);
    return true;
}

bool trail_end(struct trail *t)
{
    return prune(t);
}

bool trail_empty(const struct trail *t)
{
    const struct visitor *v = t->v;
    return v->views_n + v->waiting_n + v->frozen_n + v->orders.n == 0 && v->link == CUSTOMER_NONE &&
           (t->profile == NULL || t->profile->views == 0);
}
