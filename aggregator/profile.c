/*
 * Sessions settle when nothing can change them any more (visitor.h), the oldest first, so figures
 * here are plain sums in the order of time, and what happened "since" something needs no memory of
 * when: the page was opened, so what was counted since then begins anew. A reader who wants all
 * adds the recent sessions in the same way: they are the newest.
 *
 * Days, weeks and years that have left their window are cleared when the newest moves on. Of too
 * many pages those never opened go first: what was opened says more of a person than what was not.
 */
#include "profile.h"

#include <assert.h>
#include <stdlib.h>

#include "interest.h"

void profile_fini(struct profile *p)
{
    for (uint32_t i = 0; i < p->parts_n; i++) {
        profile_fini(p->parts[i].settled);
        free(p->parts[i].settled);
    }
    free(p->parts);
    free(p->nobody);
    free(p->marks);
    free(p->pages);
    visitor_fini(&p->recent);
    *p = (struct profile){0};
}

void profile_forget(struct profile *p)
{
    struct visitor recent = p->recent;
    p->recent = (struct visitor){0};
    profile_fini(p);
    p->recent = recent;
}

/* Pages. */

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

static struct profile_page *find_page(const struct profile *p, uint64_t page)
{
    uint32_t i = place(p, page);
    return i < p->pages_n && p->pages[i].page == page ? &p->pages[i] : NULL;
}

const struct profile_page *profile_page(const struct profile *p, uint64_t page)
{
    return find_page(p, page);
}

/* Which of two pages goes first: never opened, and longest unseen; then the longest unopened. */
static bool goes_before(const struct profile_page *a, const struct profile_page *b)
{
    if (a->last_day != b->last_day) return a->last_day < b->last_day; /* 0: never opened */
    return a->last_day == 0 && a->last_seen_day < b->last_seen_day;
}

/* Makes room for a page, opened or not. False: it is itself the first to go. */
static bool give_up_page(struct profile *p, bool opened)
{
    uint32_t first = 0;
    for (uint32_t i = 1; i < p->pages_n; i++) {
        if (goes_before(&p->pages[i], &p->pages[first])) first = i;
    }
    p->approximate = true;
    if (!opened && p->pages[first].last_day > 0) return false;
    p->pages_n--;
    memmove(p->pages + first, p->pages + first + 1, (p->pages_n - first) * sizeof *p->pages);
    return true;
}

/* *out: the page, NULL when it was given up. False: no memory. */
static bool page_for(struct profile *p, uint64_t page, bool opened, struct profile_page **out)
{
    if ((*out = find_page(p, page)) != NULL) return true;
    if (p->pages_n == PROFILE_PAGES_MAX && !give_up_page(p, opened)) return true;
    if (p->pages_n == p->pages_cap) {
        uint32_t cap = p->pages_cap < 4 ? 4 : p->pages_cap * 2;
        struct profile_page *pages = realloc(p->pages, cap * sizeof *pages);
        if (pages == NULL) return false;
        p->pages = pages;
        p->pages_cap = cap;
    }
    uint32_t i = place(p, page);
    memmove(p->pages + i + 1, p->pages + i, (p->pages_n - i) * sizeof *p->pages);
    p->pages[i] = (struct profile_page){.page = page};
    p->pages_n++;
    *out = &p->pages[i];
    return true;
}

/* The days and weeks up to this one are empty so far; what used their slots has left the window. */
void profile_reach(struct profile *p, uint32_t day)
{
    uint32_t week = week_of(p->newest_day), weeks = week_of(day) - week;
    for (uint32_t d = 1; d <= PROFILE_DAYS && d <= day - p->newest_day; d++)
        p->day_sessions[(p->newest_day + d) % PROFILE_DAYS] = 0;
    for (uint32_t w = 1; w <= PROFILE_WEEKS && w <= weeks; w++) {
        for (uint32_t i = 0; i < p->pages_n; i++)
            p->pages[i].weeks[(week + w) % PROFILE_WEEKS] = (struct profile_week){0};
    }
    p->newest_day = day;
}

void profile_reach_year(struct profile *p, uint32_t year)
{
    if (year <= p->newest_year) return;
    for (uint32_t i = 0; i < p->pages_n; i++) {
        int64_t *interest = p->pages[i].interest;
        interest[1] = year == p->newest_year + 1 ? interest[0] : 0;
        interest[0] = 0;
    }
    p->newest_year = year;
}

void profile_clock(struct profile *p)
{
    for (uint32_t i = 0; i < p->parts_n; i++) {
        p->parts[i].settled->recent.newest_ms = p->recent.newest_ms;
        profile_clock(p->parts[i].settled);
    }
    profile_reach_year(p, interest_year(p->recent.newest_ms));
}

/* A session's parts. */

static bool add_view(struct profile *p, const struct pageview *v)
{
    struct profile_page *page;
    if (p->views == 0 || v->at_ms < p->first_ms) p->first_ms = v->at_ms;
    if (v->day > p->newest_day) {
        profile_reach(p, v->day);
        p->days++;
    }
    p->views++;
    p->engaged_ms += v->engaged_ms;
    if (!page_for(p, v->page, true, &page)) return false;
    page->views++;
    page->engaged_ms += v->engaged_ms;
    if (v->day > page->last_day) page->last_day = v->day;
    if (v->day < page->first_day || page->first_day == 0) page->first_day = v->day;
    return true;
}

static void add_interest(const struct profile *p, struct profile_page *page,
                         const struct page_visit *v)
{
    uint32_t year = interest_year(v->at_ms);
    uint32_t weight = interest_weight(v->engaged_ms, v->depth, v->flags & VISIT_INTERACTION,
                                      v->flags & VISIT_GOAL);
    if (year == p->newest_year) page->interest[0] += interest_amount(weight, v->at_ms);
    if (year + 1 == p->newest_year) page->interest[1] += interest_amount(weight, v->at_ms);
}

static void pass_by(struct profile_page *page, uint32_t day)
{
    if (page->passed == 0 || day > page->last_seen_day) page->passed_days++;
    if (page->passed == 0) page->passed_from = day;
    page->passed++;
}

static bool add_visit(struct profile *p, const struct page_visit *v)
{
    struct profile_page *page = find_page(p, v->page);
    if (page == NULL && v->opened == 0 && !page_for(p, v->page, false, &page)) return false;
    if (page == NULL) return true; /* given up */
    uint32_t seen = v->flags & VISIT_SEEN ? 1 : 0;
    uint32_t used = v->opened > 0 && visit_used(v), tried = v->opened > 0 && !used;
    if (v->opened > 0) {
        page->passed = page->passed_days = page->passed_from = 0;
        add_interest(p, page, v);
    } else {
        pass_by(page, v->day);
    }
    if (seen && v->day > page->last_seen_day) page->last_seen_day = v->day;
    page->seen += seen;
    page->tried += tried;
    page->used += used;
    uint32_t week = week_of(v->day), newest = week_of(p->newest_day);
    if (week > newest || newest - week >= PROFILE_WEEKS) return true;
    struct profile_week *w = &page->weeks[week % PROFILE_WEEKS];
    w->seen += seen;
    w->tried += tried;
    w->used += used;
    w->opened += v->opened;
    return true;
}

static bool add_mark(struct profile *p, enum mark_kind kind, uint32_t value)
{
    uint32_t key = (uint32_t)kind << 16 | value, i = 0;
    while (i < p->marks_n && p->marks[i].key < key)
        i++;
    if (i == p->marks_n || p->marks[i].key != key) {
        if (p->marks_n == p->marks_cap) {
            uint32_t cap = p->marks_cap < 4 ? 4 : p->marks_cap * 2;
            struct profile_mark *marks = realloc(p->marks, cap * sizeof *marks);
            if (marks == NULL) return false;
            p->marks = marks;
            p->marks_cap = cap;
        }
        memmove(p->marks + i + 1, p->marks + i, (p->marks_n - i) * sizeof *p->marks);
        p->marks[i] = (struct profile_mark){key, 0};
        p->marks_n++;
    }
    p->marks[i].sessions++;
    return true;
}

static bool is_letter(char c)
{
    return c >= 'A' && c <= 'Z';
}

static uint32_t country_of(const struct marks *m)
{
    if (!is_letter(m->country[0]) || !is_letter(m->country[1])) return 0;
    return (uint32_t)m->country[0] << 8 | (uint32_t)m->country[1];
}

/* Session i of the sums of v; its pageviews stand before `end`. Pageviews come first: they
 * move the windows on, and say when a page was opened. */
static bool add_session(struct profile *p, const struct visitor *from, const struct sums *s,
                        uint32_t i, uint32_t end)
{
    const struct session *session = &s->sessions[i];
    for (uint32_t j = s->starts[i]; j < end; j++) {
        const struct pageview *v = &from->views[j];
        if (!(v->flags & PV_BOT) && !add_view(p, v)) return false;
    }
    uint32_t visits_end = i + 1 < s->sessions_n ? s->visits_from[i + 1] : s->visits_n;
    for (uint32_t j = s->visits_from[i]; j < visits_end; j++) {
        if (!add_visit(p, &s->visits[j])) return false;
    }
    p->sessions++;
    if (session->day <= p->newest_day && p->newest_day - session->day < PROFILE_DAYS)
        p->day_sessions[session->day % PROFILE_DAYS]++;
    return add_mark(p, MARK_DEVICE, session->marks.device) &&
           add_mark(p, MARK_CHANNEL, session->marks.channel) &&
           add_mark(p, MARK_COUNTRY, country_of(&session->marks));
}

bool profile_add(struct profile *p, const struct visitor *v, const struct sums *s, uint32_t n)
{
    for (uint32_t i = 0; i < s->sessions_n && s->starts[i] < n; i++) {
        uint32_t end = i + 1 < s->sessions_n && s->starts[i + 1] < n ? s->starts[i + 1] : n;
        if (!add_session(p, v, s, i, end)) return false;
    }
    return true;
}

bool profile_whole(struct profile *p)
{
    if (p->recent.views_n == 0) return true;
    struct sums *s = malloc(sizeof *s);
    if (s == NULL) return false;
    sums_make(s, &p->recent, 0);
    bool ok = profile_add(p, &p->recent, s, p->recent.views_n);
    free(s);
    return ok;
}

/* Reading. */

uint64_t profile_sessions_since(const struct profile *p, uint32_t from)
{
    uint64_t sessions = 0;
    for (uint32_t age = 0; age < PROFILE_DAYS && age <= p->newest_day; age++) {
        if (p->newest_day - age >= from) sessions += p->day_sessions[profile_day_slot(p, age)];
    }
    return sessions;
}

uint32_t profile_last_session(const struct profile *p)
{
    for (uint32_t age = 0; age < PROFILE_DAYS && age <= p->newest_day; age++) {
        if (p->day_sessions[profile_day_slot(p, age)] > 0) return p->newest_day - age;
    }
    return 0;
}

/* Silence is looked at first: whoever has not come for 28 days is not loyal, however it was. */
enum person_class profile_class(const struct profile *p, uint32_t today)
{
    enum { MONTH = 28, TWO_MONTHS = 56 };
    uint32_t last = profile_last_session(p);
    uint32_t silent = today > last ? today - last : 0;
    if (p->sessions == 0) return CLASS_NEW; /* all that came waits for its pageview */
    if (silent >= TWO_MONTHS) return CLASS_LOST;
    if (silent >= MONTH) return p->sessions >= 2 ? CLASS_FADING : CLASS_LOST;
    uint64_t month = profile_sessions_since(p, today < MONTH ? 0 : today - MONTH + 1);
    uint64_t two_months =
        profile_sessions_since(p, today < TWO_MONTHS ? 0 : today - TWO_MONTHS + 1);
    if (month >= 4 || two_months >= 8) return CLASS_LOYAL;
    if (p->sessions < 3 && month == p->sessions) return CLASS_NEW;
    return CLASS_RETURNING;
}

int64_t profile_interest(const struct profile *p, const struct profile_page *page, int64_t now_ms)
{
    return interest_score(page->interest[0], p->newest_year, now_ms) +
           interest_score(page->interest[1], p->newest_year - 1, now_ms);
}

const char *class_name(enum person_class c)
{
    static const char *const names[] = {"new", "loyal", "returning", "fading", "lost"};
    return names[c];
}

enum rung profile_rung(const struct profile_page *page)
{
    if (page->used > 0) return page->used >= 2 ? RUNG_RETURNED : RUNG_USED;
    return page->tried > 0 ? RUNG_TRIED : RUNG_SEEN;
}

const char *rung_name(enum rung r)
{
    static const char *const names[] = {
        [RUNG_SEEN] = "seen",
        [RUNG_TRIED] = "tried",
        [RUNG_USED] = "used",
        [RUNG_RETURNED] = "returned",
    };
    return names[r];
}

enum ignored_why profile_ignores(const struct profile_page *page)
{
    enum { LEFT_ENOUGH = 2, PASSED_ENOUGH = 3, PASSED_DAYS_ENOUGH = 2 };
    if (page->used > 0) return NOT_IGNORED;
    if (page->tried >= LEFT_ENOUGH) return IGNORED_LEFT;
    bool passed = page->passed >= PASSED_ENOUGH && page->passed_days >= PASSED_DAYS_ENOUGH;
    return passed ? IGNORED_PASSED_BY : NOT_IGNORED;
}
