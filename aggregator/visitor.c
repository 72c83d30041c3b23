/*
 * A visitor's recent pageviews lie in one array in the order of time; there are rarely more than a
 * dozen, so places are found from the end. Everything that decides the order is part of the hits,
 * never of their arrival: pageviews without id are ordered by all they contain, so equal ones are
 * interchangeable, and the same hits always end as the same bytes.
 */
#include "visitor.h"

#include <assert.h>
#include <stdlib.h>

#include "customer.h"
#include "row.h"

static void free_view(struct pageview *p)
{
    free(p->source);
    free(p->seen);
}

void visitor_fini(struct visitor *v)
{
    for (uint32_t i = 0; i < v->views_n; i++)
        free_view(&v->views[i]);
    for (uint32_t i = 0; i < v->waiting_n; i++)
        free(v->waiting[i].text);
    free(v->views);
    free(v->waiting);
    free(v->frozen);
    orders_fini(&v->orders);
    *v = (struct visitor){0};
}

int64_t pageview_last_ms(const struct pageview *p)
{
    int64_t last = p->at_ms;
    if (p->engaged_ms > 0 && p->engaged_at_ms > last) last = p->engaged_at_ms;
    if (p->interaction_at_ms > last) last = p->interaction_at_ms;
    return last;
}

/* Pageviews. */

#define BY(field)                                                                                  \
    if (a->field != b->field) return a->field < b->field ? -1 : 1

int pageview_order(const struct pageview *a, const struct pageview *b)
{
    BY(at_ms);
    BY(id);
    if (a->id != 0) return 0; /* an id has one pageview at a time */
    BY(page);
    BY(owner);
    BY(day);
    BY(flags);
    BY(channel);
    BY(device);
    BY(browser);
    BY(os);
    BY(engaged_ms);
    BY(interaction_at_ms);
    BY(depth);
    BY(errors);
    int c = memcmp(a->country, b->country, sizeof a->country);
    if (c != 0) return c;
    BY(source_n);
    return a->source_n == 0 ? 0 : memcmp(a->source, b->source, a->source_n);
}
#undef BY

struct pageview *visitor_find(const struct visitor *v, uint64_t id, int64_t at_ms)
{
    for (uint32_t i = 0; i < v->views_n; i++) {
        struct pageview *p = &v->views[i];
        if (p->id == id && at_ms - p->at_ms <= REGISTER_OPEN_MS &&
            p->at_ms - at_ms <= REGISTER_OPEN_MS)
            return p;
    }
    return NULL;
}

/* Makes room for one more. */
static void *grown(void *items, uint32_t n, uint32_t *cap, size_t size)
{
    if (n < *cap) return items;
    uint32_t want = *cap < 4 ? 4 : *cap * 2;
    void *p = realloc(items, want * size);
    if (p != NULL) *cap = want;
    return p;
}

struct pageview *visitor_insert(struct visitor *v, struct pageview *p)
{
    assert(v->views_n < RECENT_MAX);
    struct pageview *views = grown(v->views, v->views_n, &v->views_cap, sizeof *views);
    if (views == NULL) {
        free_view(p);
        return NULL;
    }
    v->views = views;
    uint32_t i = v->views_n;
    while (i > 0 && pageview_order(&views[i - 1], p) > 0)
        i--;
    memmove(views + i + 1, views + i, (v->views_n - i) * sizeof *views);
    views[i] = *p;
    v->views_n++;
    return &views[i];
}

struct pageview *visitor_move(struct visitor *v, struct pageview *p, int64_t at_ms)
{
    assert(at_ms <= p->at_ms);
    struct pageview moved = *p;
    moved.at_ms = at_ms;
    while (p > v->views && pageview_order(p - 1, &moved) > 0) {
        *p = p[-1];
        p--;
    }
    *p = moved;
    return p;
}

void visitor_link(struct visitor *v, int64_t at_ms, uint64_t customer)
{
    bool first = v->link == CUSTOMER_NONE || at_ms < v->link_ms ||
                 (at_ms == v->link_ms && customer < v->link);
    if (!first) return;
    v->link_ms = at_ms;
    v->link = customer;
}

bool visitor_has(const struct visitor *v, uint64_t customer)
{
    bool has = v->link == customer;
    for (uint32_t i = 0; i < v->views_n && !has; i++)
        has = v->views[i].owner == customer;
    for (uint32_t i = 0; i < v->waiting_n && !has; i++)
        has = v->waiting[i].owner == customer;
    return has;
}

/* Of too many on a pageview those of the smallest ids stay: so their order does not matter. */
bool visitor_see(struct visitor *v, struct pageview *p, uint64_t page)
{
    uint32_t i = p->seen_n;
    while (i > 0 && p->seen[i - 1] > page)
        i--;
    if (i > 0 && p->seen[i - 1] == page) return true;
    bool full = p->seen_n == VIEW_SEEN_MAX;
    if (full || v->seen_n == SEEN_MAX) {
        v->approximate = true;
        if (!full || i == p->seen_n) return true;
    }
    if (!full && p->seen_n % SEEN_STEP == 0) {
        uint64_t *seen = realloc(p->seen, (p->seen_n + SEEN_STEP) * sizeof *seen);
        if (seen == NULL) return false;
        p->seen = seen;
    }
    uint32_t kept = full ? p->seen_n - 1 : p->seen_n;
    memmove(p->seen + i + 1, p->seen + i, (kept - i) * sizeof *p->seen);
    p->seen[i] = page;
    p->seen_n = kept + 1;
    v->seen_n += !full;
    return true;
}

/* Frozen pages. */

static uint32_t frozen_place(const struct visitor *v, uint64_t page)
{
    uint32_t low = 0, high = v->frozen_n;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (v->frozen[mid].page < page)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

uint32_t visitor_frozen_day_of(const struct visitor *v, uint64_t page)
{
    uint32_t i = frozen_place(v, page);
    return i < v->frozen_n && v->frozen[i].page == page ? v->frozen[i].day : 0;
}

static bool freeze_page(struct visitor *v, uint64_t page, uint32_t day)
{
    uint32_t i = frozen_place(v, page);
    if (i < v->frozen_n && v->frozen[i].page == page) {
        if (day > v->frozen[i].day) v->frozen[i].day = day;
        return true;
    }
    struct frozen_page *frozen = grown(v->frozen, v->frozen_n, &v->frozen_cap, sizeof *frozen);
    if (frozen == NULL) return false;
    v->frozen = frozen;
    memmove(frozen + i + 1, frozen + i, (v->frozen_n - i) * sizeof *frozen);
    frozen[i] = (struct frozen_page){page, day};
    v->frozen_n++;
    return true;
}

bool visitor_add_frozen(struct visitor *v, uint64_t page, uint32_t day)
{
    struct frozen_page *frozen = grown(v->frozen, v->frozen_n, &v->frozen_cap, sizeof *frozen);
    if (frozen == NULL) return false;
    v->frozen = frozen;
    v->frozen[v->frozen_n++] = (struct frozen_page){page, day};
    return true;
}

/* Pages whose gap to any coming day is over the limit say no more than absent ones. */
static void forget_pages(struct visitor *v, uint32_t gap_max)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < v->frozen_n; i++) {
        if (v->frozen_day - v->frozen[i].day <= gap_max) v->frozen[kept++] = v->frozen[i];
    }
    v->frozen_n = kept;
}

static void forget_oldest_page(struct visitor *v)
{
    uint32_t oldest = 0;
    for (uint32_t i = 1; i < v->frozen_n; i++) {
        if (v->frozen[i].day < v->frozen[oldest].day) oldest = i;
    }
    v->frozen_n--;
    memmove(v->frozen + oldest, v->frozen + oldest + 1, (v->frozen_n - oldest) * sizeof *v->frozen);
    v->approximate = true;
}

bool visitor_freeze(struct visitor *v, uint32_t n)
{
    assert(n <= v->views_n);
    for (uint32_t i = 0; i < n; i++) {
        const struct pageview *p = &v->views[i];
        if (p->flags & PV_BOT) continue;
        if (p->day > v->frozen_day) v->frozen_day = p->day;
        if (!freeze_page(v, p->page, p->day)) return false;
    }
    forget_pages(v, PAGE_GAP_MAX);
    while (v->frozen_n > FROZEN_PAGES_MAX)
        forget_oldest_page(v);
    visitor_drop(v, n);
    return true;
}

void visitor_drop(struct visitor *v, uint32_t n)
{
    assert(n <= v->views_n);
    for (uint32_t i = 0; i < n; i++) {
        v->seen_n -= v->views[i].seen_n;
        free_view(&v->views[i]);
    }
    v->views_n -= n;
    memmove(v->views, v->views + n, v->views_n * sizeof *v->views);
}

/* Waiting hits. */

/* By what is left. */
static void link_again(struct visitor *v)
{
    v->link = CUSTOMER_NONE;
    v->link_ms = 0;
    for (uint32_t i = 0; i < v->views_n; i++) {
        if (v->views[i].owner > CUSTOMER_TORN)
            visitor_link(v, v->views[i].at_ms, v->views[i].owner);
    }
    for (uint32_t i = 0; i < v->waiting_n; i++) {
        if (v->waiting[i].owner > CUSTOMER_TORN)
            visitor_link(v, v->waiting[i].at_ms, v->waiting[i].owner);
    }
}

void visitor_forget(struct visitor *v, int64_t until_ms)
{
    uint32_t n = 0;
    while (n < v->views_n && v->views[n].at_ms <= until_ms)
        n++;
    if (n > 0) visitor_drop(v, n);
    for (uint32_t i = v->waiting_n; i-- > 0;) {
        if (v->waiting[i].at_ms <= until_ms) visitor_unwait(v, i);
    }
    orders_forget(&v->orders, until_ms);
    v->frozen_n = v->frozen_day = 0;
    v->approximate = false;
    if (v->link_ms <= until_ms) link_again(v);
    if (v->views_n + v->waiting_n + v->orders.n == 0 && v->link == CUSTOMER_NONE) v->newest_ms = 0;
}

int waiting_order(const struct waiting *w, uint64_t id, uint32_t number)
{
    if (w->id != id) return w->id < id ? -1 : 1;
    return (w->number > number) - (w->number < number);
}

uint32_t visitor_waiting_at(const struct visitor *v, uint64_t id, uint32_t number)
{
    uint32_t i = 0;
    while (i < v->waiting_n && waiting_order(&v->waiting[i], id, number) < 0)
        i++;
    return i;
}

bool visitor_wait(struct visitor *v, uint32_t i, struct waiting *w)
{
    struct waiting *waiting = grown(v->waiting, v->waiting_n, &v->waiting_cap, sizeof *waiting);
    if (waiting == NULL) {
        free(w->text);
        return false;
    }
    v->waiting = waiting;
    memmove(waiting + i + 1, waiting + i, (v->waiting_n - i) * sizeof *waiting);
    waiting[i] = *w;
    v->waiting_n++;
    v->waiting_bytes += w->text_n;
    return true;
}

void visitor_unwait(struct visitor *v, uint32_t i)
{
    v->waiting_bytes -= v->waiting[i].text_n;
    free(v->waiting[i].text);
    v->waiting_n--;
    memmove(v->waiting + i, v->waiting + i + 1, (v->waiting_n - i) * sizeof *v->waiting);
}
