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
    struct active_day *d = &s->days[s->days_n++];
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
    struct page_day *d = &s->pages[s->pages_n++];
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
    if (++s->mark == 0) { /* has gone round */
        memset(s->slot_marks, 0, sizeof s->slot_marks);
        s->mark = 1;
    }
    struct session *now = &s->sessions[s->sessions_n++];
    now->marks = marks_of(p);
    now->entry_page = p->page;
    now->day = p->day;
    now->bounce = p->interaction_at_ms == 0 && p->engaged_ms < BOUNCE_ENGAGED_MS;
}

static void add_part(struct sums *s, const struct pageview *p, bool starts)
{
    struct part *part = s->parts_n == 0 ? NULL : &s->parts[s->parts_n - 1];
    if (starts || part->day != p->day) {
        part = &s->parts[s->parts_n++];
        part->marks = s->sessions[s->sessions_n - 1].marks;
        part->day = p->day;
    }
    part->views++;
    part->engaged_ms += p->engaged_ms;
}

/* The session's visit to the page; *known: it is there already. */
static struct page_visit *visit_to(struct sums *s, uint64_t page, int64_t at_ms, bool *known)
{
    uint32_t slot = (uint32_t)page & (VISIT_SLOTS - 1); /* ids are hashes */
    for (; s->slot_marks[slot] == s->mark; slot = (slot + 1) & (VISIT_SLOTS - 1)) {
        struct page_visit *visit = &s->visits[s->slots[slot]];
        if (visit->page != page) continue;
        *known = true;
        return visit;
    }
    assert(s->visits_n < VISITS_MAX);
    s->slot_marks[slot] = s->mark;
    s->slots[slot] = (uint16_t)s->visits_n;
    struct page_visit *visit = &s->visits[s->visits_n++];
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
    struct page_step *step = &s->steps[s->steps_n++];
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

/* Only what the last use filled; so that bytes between fields are zero too. */
static void clear(struct sums *s)
{
    memset(s->sessions, 0, s->sessions_n * sizeof *s->sessions);
    memset(s->parts, 0, s->parts_n * sizeof *s->parts);
    memset(s->days, 0, s->days_n * sizeof *s->days);
    memset(s->pages, 0, s->pages_n * sizeof *s->pages);
    memset(s->visits, 0, s->visits_n * sizeof *s->visits);
    memset(s->steps, 0, s->steps_n * sizeof *s->steps);
    s->sessions_n = s->parts_n = s->days_n = s->pages_n = s->visits_n = s->steps_n = 0;
    s->alive_ms = 0;
}

void sums_make(struct sums *s, const struct visitor *v, uint32_t border)
{
    assert(v->views_n <= RECENT_MAX);
    clear(s);
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

uint32_t sums_settled(const struct sums *s, const struct visitor *v)
{
    int64_t border_ms = v->newest_ms - LATE_AFTER_MS - REGISTER_OPEN_MS - SESSION_GAP_MS;
    uint32_t old = 0;
    while (old < v->views_n && v->views[old].at_ms < border_ms)
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
