/*
 * What two visitors of one customer did, as one profile. Sums add up; the windows of days, weeks
 * and years end with the later one. Two things cannot be exact: a day on which both came counts
 * once only within the window of dates; and a page seen on one of them and opened on the other:
 * sightings count as passed by only when they begin after the last day on which the other opened
 * it.
 */
#include "profile.h"

#include <stdlib.h>

static uint32_t earlier(uint32_t a, uint32_t b) /* 0: never */
{
    if (a == 0 || b == 0) return a + b;
    return a < b ? a : b;
}

static uint32_t later(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static void merge_passed(struct profile_page *into, const struct profile_page *from)
{
    bool ours = into->passed > 0 && into->passed_from > from->last_day;
    bool theirs = from->passed > 0 && from->passed_from > into->last_day;
    if (!ours) into->passed = into->passed_days = into->passed_from = 0;
    if (!theirs) return;
    bool apart = from->passed_from > into->last_seen_day || into->passed_from > from->last_seen_day;
    into->passed += from->passed;
    into->passed_days = apart || !ours ? into->passed_days + from->passed_days
                                       : later(into->passed_days, from->passed_days);
    into->passed_from = earlier(into->passed_from, from->passed_from);
}

/* a: whose page `into` is; both windows of a end where they shall. */
static void merge_page(const struct profile *a, struct profile_page *into, const struct profile *b,
                       const struct profile_page *from)
{
    merge_passed(into, from);
    into->engaged_ms += from->engaged_ms;
    into->views += from->views;
    into->first_day = earlier(into->first_day, from->first_day);
    into->last_day = later(into->last_day, from->last_day);
    into->last_seen_day = later(into->last_seen_day, from->last_seen_day);
    into->seen += from->seen;
    into->tried += from->tried;
    into->used += from->used;
    uint32_t newest = week_of(a->newest_day);
    for (uint32_t age = 0; age < PROFILE_WEEKS; age++) {
        uint32_t week = week_of(b->newest_day) - age;
        if (age > week_of(b->newest_day) || newest - week >= PROFILE_WEEKS) break;
        const struct profile_week *w = &from->weeks[week % PROFILE_WEEKS];
        struct profile_week *sum = &into->weeks[week % PROFILE_WEEKS];
        sum->seen += w->seen;
        sum->tried += w->tried;
        sum->used += w->used;
        sum->opened += w->opened;
    }
    for (uint32_t i = 0; i < PROFILE_YEARS; i++) {
        uint32_t age = a->newest_year - (b->newest_year - i);
        if (age < PROFILE_YEARS) into->interest[age] += from->interest[i];
    }
}

static bool merge_pages(struct profile *into, const struct profile *from)
{
    uint32_t room = into->pages_n + from->pages_n, n = 0;
    if (room == 0) return true;
    struct profile_page *pages = calloc(room, sizeof *pages);
    if (pages == NULL) return false;
    for (uint32_t i = 0, j = 0; i < into->pages_n || j < from->pages_n; n++) {
        bool ours =
            i < into->pages_n && (j == from->pages_n || into->pages[i].page <= from->pages[j].page);
        bool theirs = j < from->pages_n && (!ours || into->pages[i].page == from->pages[j].page);
        if (ours)
            pages[n] = into->pages[i++];
        else
            pages[n].page = from->pages[j].page;
        if (theirs) merge_page(into, &pages[n], from, &from->pages[j++]);
    }
    free(into->pages);
    into->pages = pages;
    into->pages_n = n;
    into->pages_cap = room;
    return true;
}

static bool merge_marks(struct profile *into, const struct profile *from)
{
    uint32_t room = into->marks_n + from->marks_n, n = 0;
    if (room == 0) return true;
    struct profile_mark *marks = calloc(room, sizeof *marks);
    if (marks == NULL) return false;
    for (uint32_t i = 0, j = 0; i < into->marks_n || j < from->marks_n; n++) {
        bool ours =
            i < into->marks_n && (j == from->marks_n || into->marks[i].key <= from->marks[j].key);
        bool theirs = j < from->marks_n && (!ours || into->marks[i].key == from->marks[j].key);
        if (ours) marks[n] = into->marks[i++];
        if (!theirs) continue;
        marks[n].key = from->marks[j].key;
        marks[n].sessions += from->marks[j++].sessions;
    }
    free(into->marks);
    into->marks = marks;
    into->marks_n = into->marks_cap = n;
    return true;
}

static void merge_days(struct profile *into, const struct profile *from)
{
    into->days += from->days;
    for (uint32_t age = 0; age < PROFILE_DAYS && age <= from->newest_day; age++) {
        uint32_t day = from->newest_day - age, sessions = from->day_sessions[day % PROFILE_DAYS];
        if (into->newest_day - day >= PROFILE_DAYS) break;
        if (sessions > 0 && into->day_sessions[day % PROFILE_DAYS] > 0) into->days--;
        into->day_sessions[day % PROFILE_DAYS] += sessions;
    }
}

bool profile_merge(struct profile *into, const struct profile *from)
{
    if (from->recent.newest_ms > into->recent.newest_ms)
        into->recent.newest_ms = from->recent.newest_ms;
    into->approximate |= from->approximate;
    into->recent.approximate |= from->recent.approximate;
    if (from->views == 0) return true;
    if (into->views == 0 || from->first_ms < into->first_ms) into->first_ms = from->first_ms;
    if (from->newest_day > into->newest_day) profile_reach(into, from->newest_day);
    profile_reach_year(into, from->newest_year);
    into->sessions += from->sessions;
    into->views += from->views;
    into->engaged_ms += from->engaged_ms;
    merge_days(into, from);
    return merge_marks(into, from) && merge_pages(into, from);
}
