/*
 * Whose a pageview is follows from the visitor's recent pageviews and its link alone, whatever
 * order the hits came in; when pageviews settle nothing can change it any more, and they go into
 * the profile of their owner. The sessions of an owner are the visitor's, less what is not its own;
 * where that leaves more than 30 minutes, they part. Each of the visitor's sessions is looked at by
 * itself, so that it does not matter how many settle at a time.
 *
 * What is nobody's settles as a list of pages with their last day, which the gaps of later days
 * need.
 */
#include "share.h"

#include <assert.h>
#include <stdlib.h>

#include "interest.h"
#include "row.h"

uint64_t share_of(const struct visitor *v, const struct pageview *p)
{
    if (p->owner == CUSTOMER_TORN) return SHARE_NOBODY;
    if (p->owner != CUSTOMER_NONE) return p->owner == v->link ? SHARE_FIRST : p->owner;
    return v->link == CUSTOMER_NONE || p->at_ms <= v->link_ms ? SHARE_FIRST : SHARE_NOBODY;
}

static bool counts(const struct pageview *p)
{
    return !(p->flags & PV_BOT);
}

/* Parts. */

static void drop_part(struct profile *p, uint32_t i)
{
    profile_fini(p->parts[i].settled);
    free(p->parts[i].settled);
    p->parts_n--;
    memmove(p->parts + i, p->parts + i + 1, (p->parts_n - i) * sizeof *p->parts);
}

static uint32_t part_place(const struct profile *p, uint64_t owner)
{
    uint32_t i = 0;
    while (i < p->parts_n && p->parts[i].owner < owner)
        i++;
    return i;
}

/* The one longest unused goes. */
static void drop_oldest_part(struct profile *p)
{
    uint32_t oldest = 0;
    for (uint32_t i = 1; i < p->parts_n; i++) {
        if (p->parts[i].settled->last_ms < p->parts[oldest].settled->last_ms) oldest = i;
    }
    drop_part(p, oldest);
    p->approximate = true;
}

/* NULL: no memory. */
static struct profile *part_of(struct profile *p, uint64_t owner)
{
    if (owner == SHARE_FIRST) return p;
    uint32_t i = part_place(p, owner);
    if (i < p->parts_n && p->parts[i].owner == owner) return p->parts[i].settled;
    if (p->parts_n == PROFILE_PARTS_MAX) drop_oldest_part(p);
    i = part_place(p, owner);
    struct profile_part *parts = realloc(p->parts, (p->parts_n + 1) * sizeof *parts);
    if (parts == NULL) return NULL;
    p->parts = parts;
    struct profile *part = calloc(1, sizeof *part);
    if (part == NULL) return NULL;
    part->recent.newest_ms = p->recent.newest_ms;
    part->newest_year = p->newest_year;
    memmove(parts + i + 1, parts + i, (p->parts_n - i) * sizeof *parts);
    parts[i] = (struct profile_part){owner, part};
    p->parts_n++;
    return part;
}

/* Sessions. */

/* The pageviews from..end that are this owner's, borrowed, into mine; how many. */
static uint32_t pick(const struct visitor *v, uint32_t from, uint32_t end, uint64_t owner,
                     struct pageview *mine)
{
    uint32_t n = 0;
    for (uint32_t i = from; i < end; i++) {
        if (counts(&v->views[i]) && share_of(v, &v->views[i]) == owner) mine[n++] = v->views[i];
    }
    return n;
}

/* Adds the owner's pageviews of one of the visitor's sessions. */
static bool add_owned(struct profile *part, const struct visitor *v, uint32_t from, uint32_t end,
                      uint64_t owner, struct sums *scratch)
{
    struct pageview mine[RECENT_MAX];
    struct visitor some = {.views = mine, .newest_ms = v->newest_ms};
    some.views_n = pick(v, from, end, owner, mine);
    if (some.views_n == 0) return true;
    for (uint32_t i = 0; i < some.views_n; i++) {
        some.seen_n += mine[i].seen_n;
        /* What nobody signed may have settled before anybody was known to sign. */
        int64_t last_ms = mine[i].owner == CUSTOMER_NONE ? 0 : pageview_last_ms(&mine[i]);
        if (last_ms > part->last_ms) part->last_ms = last_ms;
    }
    sums_make(scratch, &some, 0);
    return profile_add(part, &some, scratch, some.views_n);
}

/* Nobody signed, as for nearly all visitors: everything is its own. */
static bool plain(const struct visitor *v)
{
    return v->link == CUSTOMER_NONE;
}

static uint32_t session_end(const struct sums *s, uint32_t i, uint32_t n)
{
    return i + 1 < s->sessions_n && s->starts[i + 1] < n ? s->starts[i + 1] : n;
}

/* Nobody's pages. */

static bool note_page(struct profile *p, uint64_t page, uint32_t day)
{
    uint32_t i = 0;
    while (i < p->nobody_n && p->nobody[i].page < page)
        i++;
    if (i < p->nobody_n && p->nobody[i].page == page) {
        if (day > p->nobody[i].day) p->nobody[i].day = day;
        return true;
    }
    struct frozen_page *pages = realloc(p->nobody, (p->nobody_n + 1) * sizeof *pages);
    if (pages == NULL) return false;
    p->nobody = pages;
    memmove(pages + i + 1, pages + i, (p->nobody_n - i) * sizeof *pages);
    pages[i] = (struct frozen_page){page, day};
    p->nobody_n++;
    return true;
}

/* As visitor_freeze does: those that no gap can reach any more, and of too many the oldest. */
static void forget_pages(struct profile *p)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < p->nobody_n; i++) {
        if (p->recent.frozen_day <= p->nobody[i].day + PAGE_GAP_MAX)
            p->nobody[kept++] = p->nobody[i];
    }
    p->nobody_n = kept;
    while (p->nobody_n > FROZEN_PAGES_MAX) {
        uint32_t oldest = 0;
        for (uint32_t i = 1; i < p->nobody_n; i++) {
            if (p->nobody[i].day < p->nobody[oldest].day) oldest = i;
        }
        p->nobody_n--;
        memmove(p->nobody + oldest, p->nobody + oldest + 1,
                (p->nobody_n - oldest) * sizeof *p->nobody);
        p->recent.approximate = true;
    }
}

/* Freezing. */

static bool freeze_session(struct profile *p, uint32_t from, uint32_t end, struct sums *scratch)
{
    const struct visitor *v = &p->recent;
    for (uint32_t i = from; i < end; i++) {
        const struct pageview *view = &v->views[i];
        if (!counts(view)) continue;
        uint64_t owner = share_of(v, view);
        if (owner == SHARE_NOBODY) {
            if (!note_page(p, view->page, view->day)) return false;
            continue;
        }
        bool first = true; /* of this owner in the session: it stands for all of them */
        for (uint32_t j = from; j < i && first; j++)
            first = !counts(&v->views[j]) || share_of(v, &v->views[j]) != owner;
        if (!first) continue;
        struct profile *part = part_of(p, owner);
        if (part == NULL || !add_owned(part, v, from, end, owner, scratch)) return false;
        if (part->approximate) p->approximate = true;
    }
    return true;
}

bool share_freeze(struct profile *p, const struct sums *s, uint32_t n, struct sums *scratch)
{
    struct visitor *v = &p->recent;
    if (plain(v)) {
        if (!profile_add(p, v, s, n)) return false;
    } else {
        for (uint32_t i = 0; i < s->sessions_n && s->starts[i] < n; i++) {
            if (!freeze_session(p, s->starts[i], session_end(s, i, n), scratch)) return false;
        }
    }
    visitor_drop(v, n);
    return share_mirror(p);
}

static int by_page(const void *a, const void *b)
{
    const struct frozen_page *x = a, *y = b;
    if (x->page != y->page) return x->page < y->page ? -1 : 1;
    return (x->day < y->day) - (x->day > y->day); /* the later day first */
}

static void list_pages(const struct profile *p, struct frozen_page *all, uint32_t *n)
{
    for (uint32_t i = 0; i < p->pages_n; i++) {
        if (p->pages[i].last_day > 0)
            all[(*n)++] = (struct frozen_page){p->pages[i].page, p->pages[i].last_day};
    }
}

bool share_mirror(struct profile *p)
{
    struct visitor *v = &p->recent;
    uint32_t room = p->pages_n + p->nobody_n, n = 0;
    v->frozen_day = p->newest_day;
    for (uint32_t i = 0; i < p->parts_n; i++) {
        const struct profile *part = p->parts[i].settled;
        if (part->newest_day > v->frozen_day) v->frozen_day = part->newest_day;
        room += part->pages_n;
    }
    for (uint32_t i = 0; i < p->nobody_n; i++) {
        if (p->nobody[i].day > v->frozen_day) v->frozen_day = p->nobody[i].day;
    }
    forget_pages(p);
    v->frozen_n = 0;
    if (room == 0) return true;
    struct frozen_page *all = malloc(room * sizeof *all);
    if (all == NULL) return false;
    list_pages(p, all, &n);
    bool sorted = p->parts_n == 0 && p->nobody_n == 0;
    for (uint32_t i = 0; i < p->parts_n; i++)
        list_pages(p->parts[i].settled, all, &n);
    for (uint32_t i = 0; i < p->nobody_n; i++)
        all[n++] = p->nobody[i];
    if (!sorted) qsort(all, n, sizeof *all, by_page);
    bool ok = true;
    for (uint32_t i = 0; ok && i < n; i++) {
        if (i == 0 || all[i].page != all[i - 1].page)
            ok = visitor_add_frozen(v, all[i].page, all[i].day);
    }
    free(all);
    return ok;
}

/* Reading. */

/* *p becomes what settled of this part of it; the recent pageviews and the link stay. */
static void become(struct profile *p, uint64_t owner)
{
    struct profile whole = *p, part = {.newest_year = p->newest_year};
    uint32_t i = part_place(p, owner);
    if (i < p->parts_n && p->parts[i].owner == owner) {
        part = *p->parts[i].settled;
        *p->parts[i].settled = (struct profile){0};
    }
    *p = part;
    p->recent = whole.recent;
    whole.recent = (struct visitor){0};
    profile_fini(&whole);
}

bool share_take(struct profile *p, uint64_t customer)
{
    struct visitor *v = &p->recent;
    uint64_t owner = customer != CUSTOMER_NONE && customer == v->link ? SHARE_FIRST : customer;
    if (owner == SHARE_FIRST && plain(v)) return profile_whole(p);
    if (owner == SHARE_FIRST && customer == CUSTOMER_NONE) owner = SHARE_NOBODY;
    if (owner != SHARE_FIRST) become(p, owner);
    if (owner == SHARE_FIRST && p->last_ms < v->link_ms) p->last_ms = v->link_ms;
    if (owner == SHARE_NOBODY) return true;
    struct sums *s = calloc(2, sizeof *s);
    if (s == NULL) return false;
    sums_make(s, v, 0);
    bool ok = true;
    for (uint32_t i = 0; ok && i < s->sessions_n; i++)
        ok = add_owned(p, v, s->starts[i], session_end(s, i, v->views_n), owner, s + 1);
    free(s);
    v->newest_ms = p->last_ms; /* the visitor's is another one's, perhaps */
    return ok;
}
