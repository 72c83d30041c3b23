/*
 * profile.h - what is kept of a consented visitor: totals over its whole life (the recent pageviews
 * included), what it did with each page, and its fold state. The value in {pN}:profiles:SITE:BBB:
 *
 *   02, flags (1: approximate), first_ms, sessions, days, views, engaged_ms, newest_day,
 *   recent days: count, then by falling day: newest_day - day, sessions (zigzag)
 *   marks: count, then by rising key: key (minus the one before), sessions (zigzag)
 *   pages: count, then by rising id: page (8 bytes), parts (enum in profile.c), views, engaged_ms,
 *       newest_day - last_day, last_day - first_day,
 *       [tried: sessions (zigzag)] [used: sessions (zigzag)]
 *       [interest: sum of the newest year (zigzag)] [of the year before (zigzag)]
 *       [weeks: one byte, bit i for the week i weeks before that of newest_day;
 *        then for each bit from the lowest: tried, used, opened (zigzag)]
 *   the fold state as in visitor.h, to the end                      (numbers are varints)
 *
 * Zeros are left out wherever something can be absent. Counts of sessions have a sign, though only
 * a page that was given up (PROFILE_PAGES_MAX) and came again can fall below zero: it lacks what
 * was counted before. So every figure is a plain sum, and the order of its parts never matters.
 */
#ifndef SENTIER_PROFILE_H
#define SENTIER_PROFILE_H

#include "visit.h"

enum {
    PROFILE_PAGES_MAX = 512,
    PROFILE_YEARS = 2, /* that of the newest hit, UTC, and the one before */
    PROFILE_WEEKS = 8, /* that of newest_day and those before it */
    PROFILE_DAYS = 56, /* likewise */
    PROFILE_MARKS_MAX = 256 + 256 + 26 * 26 + 1, /* no more exist */
};

/* Monday to Sunday, by the site's local dates; week 0 holds 1970-01-01. */
static inline uint32_t week_of(uint32_t day)
{
    return (day + 3) / 7;
}
static inline uint32_t week_monday(uint32_t week) /* > 0 */
{
    return week * 7 - 3;
}

/* Sessions of a week. */
struct profile_week {
    int32_t tried, used;
    int32_t opened; /* pageviews */
};

struct profile_page {
    uint64_t page;
    uint32_t views;
    uint32_t first_day, last_day; /* opened */
    uint64_t engaged_ms;
    int32_t tried;                            /* sessions in which it was opened, but not used */
    int32_t used;                             /* sessions in which it was used */
    struct profile_week weeks[PROFILE_WEEKS]; /* by week % PROFILE_WEEKS */
    int64_t interest[PROFILE_YEARS];          /* of newest_year, and before; sums of interest.h */
};

/* By what sessions came: kind of mark, and its value. */
enum mark_kind { MARK_DEVICE, MARK_CHANNEL, MARK_COUNTRY, MARK_KINDS };
struct profile_mark {
    uint32_t key; /* kind << 16 | value */
    int32_t sessions;
};

struct profile {
    bool approximate; /* a bound was crossed: pages are missing */
    int64_t first_ms; /* earliest pageview; 0: none yet. Last seen = recent.newest_ms */
    uint64_t sessions;
    uint64_t days; /* with a pageview */
    uint64_t views;
    uint64_t engaged_ms;
    uint32_t newest_year;               /* UTC; of recent.newest_ms */
    uint32_t newest_day;                /* of its pageviews */
    int32_t day_sessions[PROFILE_DAYS]; /* by day % PROFILE_DAYS */
    struct profile_mark *marks;         /* by rising key; some with no session left */
    uint32_t marks_n, marks_cap;
    struct profile_page *pages; /* by rising id */
    uint32_t pages_n, pages_cap;
    struct visitor recent;
};

/* All zero is an empty profile. */
void profile_fini(struct profile *p); /* leaves it empty */
bool profile_encode(const struct profile *p, struct buf *out);
bool profile_decode(struct str in,
                    struct profile *p); /* into an empty one; false: damaged, and empty */

const struct profile_page *profile_page(const struct profile *p, uint64_t page); /* NULL: never */

/* Sessions on the dates from..newest_day; from > newest_day - PROFILE_DAYS, or all are counted. */
uint64_t profile_sessions_since(const struct profile *p, uint32_t from);
uint32_t profile_last_session(const struct profile *p); /* its day; 0: there is none */

/* What a person is on a date, by its sessions (README.md). */
enum person_class { CLASS_NEW, CLASS_LOYAL, CLASS_RETURNING, CLASS_FADING, CLASS_LOST };
enum person_class profile_class(const struct profile *p, uint32_t today);
const char *class_name(enum person_class c);

/* How far the person came with a page it opened. */
enum rung { RUNG_TRIED = 3, RUNG_USED = 4, RUNG_RETURNED = 5 };
enum rung profile_rung(const struct profile_page *page);
const char *rung_name(enum rung r);
bool profile_ignores(const struct profile_page *page); /* tried and left, with enough evidence */

/* Interest in a page at a moment that is not before any of its visits, in thousandths. */
int64_t profile_interest(const struct profile *p, const struct profile_page *page, int64_t now_ms);

/* For the fold. False: no memory. */
void profile_clock(struct profile *p); /* recent.newest_ms has moved on */
bool profile_view(struct profile *p, uint64_t page, uint32_t day, int64_t at_ms);
void profile_engaged(struct profile *p, uint64_t page, uint32_t grown_ms);
/* Would profile_view give up another page, or bring back one that may have been given up? */
bool profile_crowded(const struct profile *p, uint64_t page);
bool profile_visits(struct profile *p, const struct visits *before, const struct visits *now);

#endif
