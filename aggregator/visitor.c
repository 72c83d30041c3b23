/*
 * A visitor's recent pageviews lie in one array in the order of time; there are rarely more than a
 * dozen, so places are found from the end. Everything that decides the order is part of the hits,
 * never of their arrival: pageviews without id are ordered by all they contain, so equal ones are
 * interchangeable, and the same hits always end as the same bytes.
 *
 * The decoder trusts nothing: counts are bounded before memory is taken, and what is out of order
 * or out of range is refused, so that the fold can rely on order.
 */
#include "visitor.h"

#include <assert.h>
#include <stdlib.h>

#include "bytes.h"
#include "row.h"
#include "sitestate.h"

enum {
    VISITOR_VERSION = 1,
    PV_KEPT = PV_BOT | PV_NOT_FOUND | PV_GOAL, /* the other flags say what follows */
};

void visitor_fini(struct visitor *v)
{
    for (uint32_t i = 0; i < v->views_n; i++)
        free(v->views[i].source);
    for (uint32_t i = 0; i < v->waiting_n; i++)
        free(v->waiting[i].text);
    free(v->views);
    free(v->waiting);
    free(v->frozen);
    *v = (struct visitor){0};
}

int64_t pageview_last_ms(const struct pageview *p)
{
    int64_t last = p->at_ms;
    if (p->engaged_ms > 0 && p->engaged_at_ms > last) last = p->engaged_at_ms;
    if (p->interaction_at_ms > last) last = p->interaction_at_ms;
    return last;
}

/* Encoding. */

static void encode_view(const struct pageview *p, int64_t before_ms, struct buf *out)
{
    uint32_t flags = p->flags & PV_KEPT;
    if (p->id != 0) flags |= PV_ID;
    if (p->source_n > 0) flags |= PV_SOURCE;
    if (p->engaged_ms > 0) flags |= PV_ENGAGED;
    if (p->interaction_at_ms != 0) flags |= PV_INTERACTION;
    buf_add_varint(out, flags);
    assert(p->at_ms >= before_ms);
    buf_add_varint(out, (uint64_t)(p->at_ms - before_ms));
    buf_add_le64(out, p->page);
    buf_add_varint(out, p->day);
    char marks[7] = {(char)p->channel, (char)p->device, (char)p->browser, (char)p->os,
                     p->country[0],    p->country[1],   (char)p->depth};
    buf_add(out, (struct str){marks, sizeof marks});
    if (flags & PV_ID) {
        buf_add_le64(out, p->id);
        for (int i = 0; i < 4; i++)
            buf_add_varint(out, p->numbers[i]);
    }
    if (flags & PV_SOURCE) {
        buf_add_varint(out, p->source_n);
        buf_add(out, (struct str){p->source, p->source_n});
    }
    if (flags & PV_ENGAGED) {
        buf_add_varint(out, p->engaged_ms);
        buf_add_varint(out, zigzag(p->engaged_at_ms - p->at_ms));
    }
    if (flags & PV_INTERACTION) buf_add_varint(out, zigzag(p->interaction_at_ms - p->at_ms));
}

static void encode_waiting(const struct waiting *w, struct buf *out)
{
    buf_add_le64(out, w->id);
    buf_add_varint(out, w->number);
    buf_add_varint(out, w->kind);
    buf_add_varint(out, (uint64_t)w->at_ms);
    buf_add_varint(out, w->engaged_ms);
    buf_add_varint(out, (uint64_t)w->engaged_at_ms);
    buf_add_varint(out, (uint64_t)w->interaction_at_ms);
    buf_add_varint(out, w->depth);
    buf_add_varint(out, w->text_n);
    buf_add(out, (struct str){w->text, w->text_n});
}

bool visitor_encode(const struct visitor *v, struct buf *out)
{
    buf_add_char(out, VISITOR_VERSION);
    buf_add_varint(out, v->approximate);
    buf_add_varint(out, (uint64_t)v->newest_ms);
    buf_add_varint(out, v->frozen_day);
    buf_add_varint(out, v->frozen_n);
    for (uint32_t i = 0; i < v->frozen_n; i++) {
        buf_add_le64(out, v->frozen[i].page);
        buf_add_varint(out, v->frozen[i].day);
    }
    buf_add_varint(out, v->views_n);
    for (uint32_t i = 0; i < v->views_n; i++) {
        assert(i == 0 || pageview_order(&v->views[i - 1], &v->views[i]) <= 0);
        encode_view(&v->views[i], i == 0 ? 0 : v->views[i - 1].at_ms, out);
    }
    buf_add_varint(out, v->waiting_n);
    for (uint32_t i = 0; i < v->waiting_n; i++)
        encode_waiting(&v->waiting[i], out);
    return !out->failed;
}

/* Decoding. A number over its limit turns the reader bad. */

static int64_t get_time(struct reader *r)
{
    return (int64_t)get_upto(r, HIT_AT_MAX_MS);
}

static int64_t get_time_near(struct reader *r, int64_t at_ms)
{
    int64_t off = get_zigzag(r);
    if (off >= -at_ms && off <= HIT_AT_MAX_MS - at_ms) return at_ms + off;
    r->bad = true;
    return 0;
}

/* A copy of the next n bytes; NULL for none, and for too few. */
static char *get_text(struct reader *r, uint32_t n)
{
    struct str s = get_bytes(r, n);
    if (s.n == 0) return NULL;
    char *copy = malloc(s.n);
    if (copy == NULL)
        r->bad = true;
    else
        memcpy(copy, s.p, s.n);
    return copy;
}

static void decode_view(struct reader *r, int64_t before_ms, struct pageview *p)
{
    uint32_t flags = (uint32_t)get_upto(r, 127);
    *p = (struct pageview){.flags = flags & PV_KEPT};
    p->at_ms = before_ms + (int64_t)get_upto(r, (uint64_t)(HIT_AT_MAX_MS - before_ms));
    p->page = get_le64(r);
    p->day = (uint32_t)get_upto(r, HIT_DAY_MAX);
    struct str marks = get_bytes(r, 7);
    if (marks.n == 7) {
        p->channel = (uint8_t)marks.p[0];
        p->device = (uint8_t)marks.p[1];
        p->browser = (uint8_t)marks.p[2];
        p->os = (uint8_t)marks.p[3];
        memcpy(p->country, marks.p + 4, 2);
        p->depth = (uint8_t)marks.p[6];
    }
    if (flags & PV_ID) {
        if ((p->id = get_le64(r)) == 0) r->bad = true;
        for (int i = 0; i < 4; i++)
            p->numbers[i] = get_varint(r);
    }
    if (flags & PV_SOURCE) {
        uint32_t n = (uint32_t)get_upto(r, HIT_NAME_MAX_BYTES);
        p->source = get_text(r, n);
        if (p->source == NULL) r->bad = true;
        p->source_n = p->source == NULL ? 0 : n;
    }
    if (flags & PV_ENGAGED) {
        p->engaged_ms = (uint32_t)get_upto(r, ENGAGED_MAX_MS);
        p->engaged_at_ms = get_time_near(r, p->at_ms);
        if (p->engaged_ms == 0) r->bad = true;
    }
    if (flags & PV_INTERACTION) {
        p->interaction_at_ms = get_time_near(r, p->at_ms);
        if (p->interaction_at_ms == 0) r->bad = true;
    }
}

static void decode_waiting(struct reader *r, struct waiting *w)
{
    *w = (struct waiting){.id = get_le64(r)};
    if (w->id == 0) r->bad = true;
    w->number = (uint32_t)get_upto(r, PAGEVIEW_MAX_HITS - 1);
    w->kind = (uint32_t)get_upto(r, (HIT_KINDS - 1) | WAITING_GOAL);
    w->at_ms = get_time(r);
    w->engaged_ms = (uint32_t)get_upto(r, ENGAGED_MAX_MS);
    w->engaged_at_ms = get_time(r);
    w->interaction_at_ms = get_time(r);
    w->depth = (uint32_t)get_upto(r, DEPTH_MAX);
    uint32_t n = (uint32_t)get_upto(r, HIT_LIST_MAX_BYTES);
    w->text = get_text(r, n);
    w->text_n = w->text == NULL ? 0 : n;
}

static int waiting_order(const struct waiting *w, uint64_t id, uint32_t number)
{
    if (w->id != id) return w->id < id ? -1 : 1;
    return (w->number > number) - (w->number < number);
}

static bool decode_frozen(struct reader *r, struct visitor *v)
{
    uint32_t n = (uint32_t)get_upto(r, FROZEN_PAGES_MAX);
    if (r->bad || n == 0) return !r->bad;
    if ((v->frozen = calloc(n, sizeof *v->frozen)) == NULL) return false;
    v->frozen_cap = n;
    while (v->frozen_n < n) {
        struct frozen_page *p = &v->frozen[v->frozen_n];
        p->page = get_le64(r);
        p->day = (uint32_t)get_upto(r, HIT_DAY_MAX);
        if (r->bad || (v->frozen_n > 0 && p[-1].page >= p->page)) return false;
        v->frozen_n++;
    }
    return true;
}

static bool decode_views(struct reader *r, struct visitor *v)
{
    uint32_t n = (uint32_t)get_upto(r, RECENT_MAX);
    if (r->bad || n == 0) return !r->bad;
    if ((v->views = calloc(n, sizeof *v->views)) == NULL) return false;
    v->views_cap = n;
    while (v->views_n < n) {
        struct pageview *p = &v->views[v->views_n];
        decode_view(r, v->views_n == 0 ? 0 : p[-1].at_ms, p);
        v->views_n++; /* before the check: its source must be freed too */
        if (r->bad || (v->views_n > 1 && pageview_order(p - 1, p) > 0)) return false;
    }
    return true;
}

static bool decode_all_waiting(struct reader *r, struct visitor *v)
{
    uint32_t n = (uint32_t)get_upto(r, WAITING_MAX);
    if (r->bad || n == 0) return !r->bad;
    if ((v->waiting = calloc(n, sizeof *v->waiting)) == NULL) return false;
    v->waiting_cap = n;
    while (v->waiting_n < n) {
        struct waiting *w = &v->waiting[v->waiting_n];
        decode_waiting(r, w);
        v->waiting_n++;
        v->waiting_bytes += w->text_n;
        if (r->bad || v->waiting_bytes > WAITING_MAX_BYTES) return false;
        if (v->waiting_n > 1 && waiting_order(w - 1, w->id, w->number) >= 0) return false;
    }
    return true;
}

bool visitor_decode(struct str in, struct visitor *v)
{
    assert(v->views == NULL && v->waiting == NULL && v->frozen == NULL);
    if (in.n == 0 || in.p[0] != VISITOR_VERSION) return false;
    struct reader r = reader_of(str_from(in, 1));
    v->approximate = get_upto(&r, 1) != 0;
    v->newest_ms = get_time(&r);
    v->frozen_day = (uint32_t)get_upto(&r, HIT_DAY_MAX);
    if (decode_frozen(&r, v) && decode_views(&r, v) && decode_all_waiting(&r, v) && !r.bad &&
        reader_done(&r))
        return true;
    visitor_fini(v);
    return false;
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
    BY(day);
    BY(flags);
    BY(channel);
    BY(device);
    BY(browser);
    BY(os);
    BY(engaged_ms);
    BY(interaction_at_ms);
    BY(depth);
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
        free(p->source);
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
    for (uint32_t i = 0; i < n; i++)
        free(v->views[i].source);
    v->views_n -= n;
    memmove(v->views, v->views + n, v->views_n * sizeof *v->views);
    return true;
}

/* Waiting hits. */

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
