/*
 * The set keeps the links that stand first by (last day falling, page rising). Whatever is kept out
 * has as many better ones before it, and their days only rise: so what is left does not depend on
 * the order in which links were told.
 */
#include "links.h"

#include <assert.h>

#include "bytes.h"
#include "sitestate.h"

enum { LINKS_VERSION = 1, PARTIAL = 1 };

/* a stands before b. */
static bool before(struct link a, struct link b)
{
    return a.day != b.day ? a.day > b.day : a.page < b.page;
}

static uint32_t place_of(const struct links *l, uint64_t page)
{
    uint32_t low = 0, high = l->n;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (l->at[middle].page < page)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint32_t last_of(const struct links *l)
{
    uint32_t last = 0;
    for (uint32_t i = 1; i < l->n; i++) {
        if (before(l->at[last], l->at[i])) last = i;
    }
    return last;
}

void links_told(struct links *l, uint32_t day, bool more)
{
    if (day > l->told_day) l->told_day = day;
    if (more) l->partial = true;
}

bool links_add(struct links *l, uint64_t page, uint32_t day)
{
    struct link link = {page, day};
    uint32_t i = place_of(l, page);
    if (i < l->n && l->at[i].page == page) {
        if (day > l->at[i].day) l->at[i].day = day;
        return false;
    }
    if (l->n == LINKS_PAGE_MAX) {
        uint32_t last = last_of(l);
        l->partial = true;
        if (before(l->at[last], link)) return false;
        memmove(&l->at[last], &l->at[last + 1], (l->n - last - 1) * sizeof l->at[0]);
        l->n--;
        i = place_of(l, page);
    }
    memmove(&l->at[i + 1], &l->at[i], (l->n - i) * sizeof l->at[0]);
    l->at[i] = link;
    l->n++;
    return true;
}

bool links_encode(const struct links *l, struct buf *out)
{
    buf_add_char(out, LINKS_VERSION);
    buf_add_varint(out, l->partial ? PARTIAL : 0);
    buf_add_varint(out, l->told_day);
    buf_add_varint(out, l->n);
    for (uint32_t i = 0; i < l->n; i++) {
        assert(l->at[i].day <= l->told_day);
        buf_add_le64(out, l->at[i].page);
        buf_add_varint(out, l->told_day - l->at[i].day);
    }
    return !out->failed;
}

static bool begin(struct reader *r, bool *flag)
{
    struct str version = get_bytes(r, 1);
    uint64_t flags = get_varint(r);
    *flag = flags == PARTIAL;
    return !r->bad && version.p[0] == LINKS_VERSION && flags <= PARTIAL;
}

bool links_decode(struct str in, struct links *out)
{
    struct reader r = reader_of(in);
    if (!begin(&r, &out->partial)) return false;
    uint64_t told = get_varint(&r), n = get_varint(&r);
    if (told > HIT_DAY_MAX || n > LINKS_PAGE_MAX) return false;
    out->told_day = (uint32_t)told;
    for (out->n = 0; out->n < n && !r.bad; out->n++) {
        uint64_t page = get_le64(&r), ago = get_varint(&r);
        bool rises = out->n == 0 || page > out->at[out->n - 1].page;
        if (!rises || ago > told) return false;
        out->at[out->n] = (struct link){page, (uint32_t)(told - ago)};
    }
    return !r.bad && reader_done(&r);
}

bool told_about_encode(const struct told_about *t, struct buf *out)
{
    buf_add_char(out, LINKS_VERSION);
    buf_add_varint(out, (uint64_t)t->at_ms);
    return buf_add(out, t->list);
}

bool told_about_decode(struct str in, struct told_about *out)
{
    struct reader r = reader_of(in);
    struct str version = get_bytes(&r, 1);
    uint64_t at_ms = get_varint(&r);
    if (r.bad || version.p[0] != LINKS_VERSION || at_ms > HIT_AT_MAX_MS) return false;
    *out = (struct told_about){(int64_t)at_ms, str_from(in, in.n - reader_left(&r))};
    return true;
}

bool told_about_later(const struct told_about *a, const struct told_about *b)
{
    if (a->at_ms != b->at_ms) return a->at_ms > b->at_ms;
    size_t n = a->list.n < b->list.n ? a->list.n : b->list.n;
    int order = n == 0 ? 0 : memcmp(a->list.p, b->list.p, n);
    return order != 0 ? order > 0 : a->list.n > b->list.n;
}

bool links_count_encode(const struct links_count *c, struct buf *out)
{
    buf_add_char(out, LINKS_VERSION);
    buf_add_varint(out, c->full ? PARTIAL : 0);
    return buf_add_varint(out, c->n);
}

bool links_count_decode(struct str in, struct links_count *out)
{
    struct reader r = reader_of(in);
    if (!begin(&r, &out->full)) return false;
    uint64_t n = get_varint(&r);
    out->n = (uint32_t)n;
    return !r.bad && reader_done(&r) && n <= LINKS_PAGES_MAX;
}

bool links_count_take(struct links_count *c)
{
    if (c->n < LINKS_PAGES_MAX) {
        c->n++;
        return true;
    }
    c->full = true;
    return false;
}
