/*
 * One pass over the pageviews in the order of time. A session ends with 30 minutes of silence after
 * the latest moment known of any of its pageviews, or 24 h after its first pageview. Bots have
 * neither sessions nor days.
 *
 * Pageviews may go (be frozen) when every hit that could change their sessions would be late for
 * any site clock: hits count for a pageview up to 24 h after it, and a session reaches 30 minutes
 * further. Measuring from the visitor's own newest hit, which no site clock is behind of, makes the
 * frozen part a function of the visitor's hits alone, whatever order they came in.
 */
#include "session.h"

#include <assert.h>

#include "row.h"
#include "sitestate.h"

enum { BOUNCE_ENGAGED_MS = 10 * 1000 };

static struct marks marks_of(const struct pageview *p)
{
    return (struct marks){.source = p->source,
                          .source_n = (uint16_t)p->source_n,
                          .country = {p->country[0], p->country[1]},
                          .channel = p->channel,
                          .device = p->device,
                          .browser = p->browser,
                          .os = p->os};
}

/* One more of a list. Bytes between fields are zero, so that equal things have equal bytes. */
#define NEXT(s, list)                                                                              \
    (memset(&(s)->list[(s)->list##_n], 0, sizeof(s)->list[0]), &(s)->list[(s)->list##_n++])

static uint32_t gap_of(uint32_t day, uint32_t before, uint32_t max)
{
    return before == 0 || day - before > max ? 0 : day - before;
}

static void add_day(struct sums *s, const struct visitor *v, const struct pageview *p)
{
    if (p->day <= v->frozen_day) return;
    for (uint32_t i = s->days_n; i-- > 0;) {
        if (s->days[i].day == p->day) return;
    }
    struct active_day *d = NEXT(s, days);
    d->marks = marks_of(p);
    d->marks.channel = s->sessions[s->sessions_n - 1].marks.channel;
    d->day = p->day;
}

static void add_page(struct sums *s, const struct visitor *v, const struct pageview *p)
{
    for (uint32_t i = s->pages_n; i-- > 0;) {
        if (s->pages[i].page == p->page && s->pages[i].day == p->day) return;
    }
    if (p->day <= visitor_frozen_day_of(v, p->page)) return;
    struct page_day *d = NEXT(s, pages);
    d->page = p->page;
    d->day = p->day;
}

static void set_gaps(struct sums *s, const struct visitor *v)
{
    for (uint32_t i = 0; i < s->days_n; i++) {
        uint32_t day = s->days[i].day, before = v->frozen_day;
        for (uint32_t j = 0; j < s->days_n; j++) {
            if (s->days[j].day < day && s->days[j].day > before) before = s->days[j].day;
        }
        s->days[i].gap = gap_of(day, before, GAP_MAX);
    }
    bool one_day = true; /* by far the most: nothing to look for among the others */
    for (uint32_t i = 1; i < s->pages_n; i++)
        one_day &= s->pages[i].day == s->pages[0].day;
    for (uint32_t i = 0; i < s->pages_n; i++) {
        struct page_day *d = &s->pages[i];
        uint32_t before = visitor_frozen_day_of(v, d->page);
        for (uint32_t j = 0; j < s->pages_n && !one_day; j++) {
            const struct page_day *e = &s->pages[j];
            if (e->page == d->page && e->day < d->day && e->day > before) before = e->day;
        }
        d->gap = gap_of(d->day, before, PAGE_GAP_MAX);
    }
}

static void start_session(struct sums *s, const struct pageview *p, uint32_t i)
{
    s->starts[s->sessions_n] = i;
    s->visits_from[s->sessions_n] = s->visits_n;
    struct session *now = NEXT(s, sessions);
    now->marks = marks_of(p);
    now->entry_page = p->page;
    now->day = p->day;
    now->bounce = p->interaction_at_ms == 0 && p->engaged_ms < BOUNCE_ENGAGED_MS;
}

static void add_part(struct sums *s, const struct pageview *p, bool starts)
{
    struct part *part = s->parts_n == 0 ? NULL : &s->parts[s->parts_n - 1];
    if (starts || part->day != p->day) {
        part = NEXT(s, parts);
        part->marks = s->sessions[s->sessions_n - 1].marks;
        part->day = p->day;
    }
    part->views++;
    part->engaged_ms += p->engaged_ms;
}

/* The session's visit to the page; *known: it is there already. */
static struct page_visit *visit_to(struct sums *s, uint64_t page, int64_t at_ms, bool *known)
{
    uint32_t slot = (uint32_t)page & s->slot_mask; /* ids are hashes */
    uint32_t first = s->visits_from[s->sessions_n - 1];
    for (; s->slots[slot] != 0; slot = (slot + 1) & s->slot_mask) {
        struct page_visit *visit = &s->visits[s->slots[slot] - 1];
        if (visit->page != page) continue;
        *known = s->slots[slot] > first;
        if (*known) return visit;
        break; /* that of a session before: its slot is this one's now */
    }
    assert(s->visits_n < VISITS_MAX);
    s->slots[slot] = (uint16_t)(s->visits_n + 1);
    struct page_visit *visit = NEXT(s, visits);
    visit->page = page;
    visit->at_ms = at_ms;
    visit->day = s->sessions[s->sessions_n - 1].day;
    *known = false;
    return visit;
}

static void add_visit(struct sums *s, const struct pageview *p)
{
    bool known;
    struct page_visit *visit = visit_to(s, p->page, p->at_ms, &known);
    if (visit->opened++ == 0) visit->at_ms = p->at_ms;
    visit->engaged_ms += p->engaged_ms;
    if (p->depth > visit->depth) visit->depth = p->depth;
    if (p->interaction_at_ms > 0) visit->flags |= VISIT_INTERACTION;
    if (p->flags & PV_GOAL) visit->flags |= VISIT_GOAL;
}

/* first: the session's first step. */
static void add_step(struct sums *s, uint64_t from, uint64_t to, uint32_t first)
{
    if (from == to) return; /* loaded again */
    for (uint32_t i = first; i < s->steps_n; i++) {
        if (s->steps[i].from == from && s->steps[i].to == to) return;
    }
    struct page_step *step = NEXT(s, steps);
    step->from = from;
    step->to = to;
    step->day = s->sessions[s->sessions_n - 1].day;
}

/* Links in view on a pageview. Who is on a page, or was, has no need of a link to it. */
static void add_seen(struct sums *s, const struct pageview *p)
{
    for (uint32_t i = 0; i < p->seen_n; i++) {
        bool known;
        struct page_visit *visit = visit_to(s, p->seen[i], p->at_ms, &known);
        if (!known) visit->flags |= VISIT_SEEN;
    }
}

/* Slots for twice as many visits as there can be. */
static void clear(struct sums *s, const struct visitor *v)
{
    uint32_t slots = 64;
    while (slots < 2 * (v->views_n + v->seen_n))
        slots *= 2;
    assert(slots <= VISIT_SLOTS);
    memset(s->slots, 0, slots * sizeof *s->slots);
    s->slot_mask = slots - 1;
    s->sessions_n = s->parts_n = s->days_n = s->pages_n = s->visits_n = s->steps_n = 0;
    s->alive_ms = 0;
}

void sums_make(struct sums *s, const struct visitor *v, uint32_t border)
{
    assert(v->views_n <= RECENT_MAX);
    clear(s, v);
    int64_t first_ms = 0, last_ms = 0;
    uint32_t steps_from = 0;
    for (uint32_t i = 0; i < v->views_n; i++) {
        const struct pageview *p = &v->views[i];
        if (p->flags & PV_BOT) continue;
        bool starts = s->sessions_n == 0 || p->at_ms - last_ms > SESSION_GAP_MS ||
                      p->at_ms - first_ms >= SESSION_MAX_MS ||
                      (s->starts[s->sessions_n - 1] < border && i >= border);
        int64_t p_last_ms = pageview_last_ms(p);
        if (p_last_ms > s->alive_ms && !(p->flags & PV_IMPORTED)) s->alive_ms = p_last_ms;
        if (starts) {
            start_session(s, p, i);
            steps_from = s->steps_n;
            first_ms = p->at_ms;
            last_ms = p_last_ms;
        } else {
            s->sessions[s->sessions_n - 1].bounce = false;
            add_step(s, s->sessions[s->sessions_n - 1].exit_page, p->page, steps_from);
            if (p_last_ms > last_ms) last_ms = p_last_ms;
        }
        s->sessions[s->sessions_n - 1].exit_page = p->page;
        add_part(s, p, starts);
        add_day(s, v, p);
        add_page(s, v, p);
        add_visit(s, p);
        add_seen(s, p);
    }
    set_gaps(s, v);
}

static bool is_old(const struct visitor *v, uint32_t i)
{
    return v->views[i].at_ms < v->newest_ms - LATE_AFTER_MS - REGISTER_OPEN_MS - SESSION_GAP_MS;
}

bool sums_may_settle(const struct visitor *v)
{
    return v->views_n > 0 && is_old(v, 0);
}

uint32_t sums_settled(const struct sums *s, const struct visitor *v)
{
    uint32_t old = 0;
    while (old < v->views_n && is_old(v, old))
        old++;
    if (old == v->views_n) return old;
    /* The session in which the border lies stays whole. */
    uint32_t whole = v->views_n;
    for (uint32_t i = s->sessions_n; i-- > 0;) {
        uint32_t end = i + 1 < s->sessions_n ? s->starts[i + 1] : v->views_n;
        if (s->starts[i] < old && end > old) whole = s->starts[i];
    }
    return whole < old ? whole : old;
}

uint32_t sums_surplus(const struct sums *s, const struct visitor *v)
{
    uint32_t want = v->views_n > RECENT_KEEP ? v->views_n - RECENT_KEEP : 1;
    uint32_t below = 0;
    for (uint32_t i = 0; i < s->sessions_n; i++) {
        if (s->starts[i] >= want) return s->starts[i];
        below = s->starts[i];
    }
    return below > 0 ? below : want;
}
