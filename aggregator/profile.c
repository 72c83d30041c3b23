/*
 * Totals move hit by hit and by difference, so they always stand for everything folded, the recent
 * pageviews included, and a reader needs no second look at the fold state.
 */
#include "profile.h"

#include <assert.h>
#include <stdlib.h>

#include "bytes.h"
#include "sitestate.h"

enum { PROFILE_VERSION = 1 };

void profile_fini(struct profile *p)
{
    free(p->pages);
    visitor_fini(&p->recent);
    *p = (struct profile){0};
}

bool profile_encode(const struct profile *p, struct buf *out)
{
    buf_add_char(out, PROFILE_VERSION);
    buf_add_varint(out, p->approximate);
    buf_add_varint(out, (uint64_t)p->first_ms);
    buf_add_varint(out, p->sessions);
    buf_add_varint(out, p->days);
    buf_add_varint(out, p->views);
    buf_add_varint(out, p->engaged_ms);
    buf_add_varint(out, p->pages_n);
    for (uint32_t i = 0; i < p->pages_n; i++) {
        assert(i == 0 || p->pages[i - 1].page < p->pages[i].page);
        buf_add_le64(out, p->pages[i].page);
        buf_add_varint(out, p->pages[i].views);
        buf_add_varint(out, p->pages[i].engaged_ms);
        buf_add_varint(out, p->pages[i].last_day);
    }
    return visitor_encode(&p->recent, out);
}

static uint64_t get_upto(struct reader *r, uint64_t max)
{
    uint64_t v = get_varint(r);
    if (v <= max) return v;
    r->bad = true;
    return 0;
}

static bool decode_pages(struct reader *r, struct profile *p)
{
    uint32_t n = (uint32_t)get_upto(r, PROFILE_PAGES_MAX);
    if (r->bad || n == 0) return !r->bad;
    if ((p->pages = calloc(n, sizeof *p->pages)) == NULL) return false;
    p->pages_cap = n;
    while (p->pages_n < n) {
        struct profile_page *page = &p->pages[p->pages_n];
        page->page = get_le64(r);
        page->views = (uint32_t)get_upto(r, UINT32_MAX);
        page->engaged_ms = get_varint(r);
        page->last_day = (uint32_t)get_upto(r, HIT_DAY_MAX);
        if (r->bad || (p->pages_n > 0 && page[-1].page >= page->page)) return false;
        p->pages_n++;
    }
    return true;
}

bool profile_decode(struct str in, struct profile *p)
{
    if (in.n == 0 || in.p[0] != PROFILE_VERSION) return false;
    struct reader r = reader_of(str_from(in, 1));
    p->approximate = get_upto(&r, 1) != 0;
    p->first_ms = (int64_t)get_upto(&r, HIT_AT_MAX_MS);
    p->sessions = get_varint(&r);
    p->days = get_varint(&r);
    p->views = get_varint(&r);
    p->engaged_ms = get_varint(&r);
    if (decode_pages(&r, p) &&
        visitor_decode((struct str){(const char *)r.p, reader_left(&r)}, &p->recent))
        return true;
    profile_fini(p);
    return false;
}

static uint32_t place(const struct profile *p, uint64_t page)
{
    uint32_t low = 0, high = p->pages_n;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (p->pages[mid].page < page)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

const struct profile_page *profile_page(const struct profile *p, uint64_t page)
{
    uint32_t i = place(p, page);
    return i < p->pages_n && p->pages[i].page == page ? &p->pages[i] : NULL;
}

static void forget_oldest_page(struct profile *p)
{
    uint32_t oldest = 0;
    for (uint32_t i = 1; i < p->pages_n; i++) {
        if (p->pages[i].last_day < p->pages[oldest].last_day) oldest = i;
    }
    p->pages_n--;
    memmove(p->pages + oldest, p->pages + oldest + 1, (p->pages_n - oldest) * sizeof *p->pages);
    p->approximate = true;
}

static bool insert_page(struct profile *p, uint64_t page, uint32_t day)
{
    if (p->pages_n == PROFILE_PAGES_MAX) forget_oldest_page(p);
    if (p->pages_n == p->pages_cap) {
        uint32_t cap = p->pages_cap < 4 ? 4 : p->pages_cap * 2;
        struct profile_page *pages = realloc(p->pages, cap * sizeof *pages);
        if (pages == NULL) return false;
        p->pages = pages;
        p->pages_cap = cap;
    }
    uint32_t i = place(p, page);
    memmove(p->pages + i + 1, p->pages + i, (p->pages_n - i) * sizeof *p->pages);
    p->pages[i] = (struct profile_page){.page = page, .last_day = day};
    p->pages_n++;
    return true;
}

bool profile_view(struct profile *p, uint64_t page, uint32_t day, int64_t at_ms)
{
    if (p->views == 0 || at_ms < p->first_ms) p->first_ms = at_ms;
    p->views++;
    uint32_t i = place(p, page);
    if (i == p->pages_n || p->pages[i].page != page) {
        if (!insert_page(p, page, day)) return false;
        i = place(p, page);
    }
    if (p->pages[i].views < UINT32_MAX) p->pages[i].views++;
    if (day > p->pages[i].last_day) p->pages[i].last_day = day;
    return true;
}

void profile_engaged(struct profile *p, uint64_t page, uint32_t grown_ms)
{
    p->engaged_ms += grown_ms;
    uint32_t i = place(p, page);
    if (i < p->pages_n && p->pages[i].page == page) p->pages[i].engaged_ms += grown_ms;
}
