/*
 * profile.h - what is kept of a consented visitor: what its settled sessions add up to over its
 * whole life and with each page, and its recent pageviews, which are raw. profile_whole() adds the
 * recent ones for who reads; all that is below is then of everything. The value in
 * {pN}:profiles:SITE:BBB:
 *
 *   03, flags (1: pages are missing, 2: the recent ones are approximate, 4: something is settled,
 *   8: somebody signed), newest_ms, and when something is settled:
 *       newest_day (day of newest_ms in UTC minus it, zigzag), first_ms (newest_ms minus it),
 *       sessions, days, views, engaged_ms,
 *       recent days: count, then by falling day: (days between it and the one before it here, the
 *           first: and newest_day) * 2 (+ 1: sessions follow, else one)
 *       marks: count, then by rising key: key (minus the one before), sessions
 *       pages: count, then by rising id: page (8 bytes), parts (enum in profile_codec.c), counts,
 *           [opened: engaged_ms, newest_day - last_day] [seen: newest_day - last_seen_day]
 *           [interest: sum of the newest year]
 *           [weeks: one byte, bit i for the week i weeks before that of newest_day; then, unless
 *           it is one with all that there is, for each bit from the lowest its counts]
 *           [last_day - first_day] [passed; if not 1: passed_days, last_seen_day - passed_from]
 *           [interest: of the year before]
 *       counts: one byte: seen, tried, used in 2 bits each (3: the rest follows, as a number),
 *           bit 6: the pageviews follow, else they are tried + used
 *   when somebody signed: newest_ms - link_ms, link (8 bytes), last (0: none; else
 *       newest_ms - last_ms + 1),
 *       nobody's pages: count, then by rising id: page (8 bytes), day
 *       parts: count, then by rising owner: owner (8 bytes), flags (1: pages are missing),
 *           last, all that is written when something is settled
 *   the recent pageviews as in visitor.h, to the end                  (numbers are varints)
 */
#ifndef SENTIER_PROFILE_H
#define SENTIER_PROFILE_H

#include "session.h"

enum {
    PROFILE_PAGES_MAX = 512,
    PROFILE_YEARS = 2, /* that of the newest hit, UTC, and the one before */
    PROFILE_WEEKS = 8, /* that of newest_day and those before it */
    PROFILE_DAYS = 56, /* likewise */
    PROFILE_PARTS_MAX = 8,
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
    uint32_t seen, tried, used;
    uint32_t opened; /* pageviews */
};

struct profile_page {
    uint64_t page;
    uint64_t engaged_ms;
    uint32_t views;
    uint32_t first_day, last_day; /* opened; 0: never */
    uint32_t seen;  /* sessions in which a link to it was in view before it was opened */
    uint32_t tried; /* sessions in which it was opened, but not used */
    uint32_t used;  /* sessions in which it was used */
    /* Since it was last opened: sessions in which it was in view, on how many days, from which. */
    uint32_t passed, passed_days, passed_from;
    uint32_t last_seen_day;                   /* of `seen` */
    struct profile_week weeks[PROFILE_WEEKS]; /* by week % PROFILE_WEEKS */
    int64_t interest[PROFILE_YEARS];          /* of newest_year, and before; sums of interest.h */
};

/* By what sessions came: kind of mark, and its value. */
enum mark_kind { MARK_DEVICE, MARK_CHANNEL, MARK_COUNTRY, MARK_KINDS };
struct profile_mark {
    uint32_t key; /* kind << 16 | value */
    uint32_t sessions;
};

/* What settled of another customer than the first one: a profile without recent pageviews. */
struct profile_part {
    uint64_t owner;
    struct profile *settled; /* owned */
};

struct profile {
    bool approximate; /* a bound was crossed: pages are missing */
    int64_t first_ms; /* earliest pageview; 0: none yet. Last seen = recent.newest_ms */
    uint64_t sessions;
    uint64_t days; /* with a pageview */
    uint64_t views;
    uint64_t engaged_ms;
    uint32_t newest_year;                /* UTC; of recent.newest_ms */
    uint32_t newest_day;                 /* of its pageviews */
    uint32_t day_sessions[PROFILE_DAYS]; /* by day % PROFILE_DAYS */
    struct profile_mark *marks;          /* by rising key */
    uint32_t marks_n, marks_cap;
    struct profile_page *pages; /* by rising id */
    uint32_t pages_n, pages_cap;
    struct visitor recent;
    /* Once somebody has signed (share.h): */
    int64_t last_ms;            /* of what settled and was signed; 0: nothing */
    struct profile_part *parts; /* by rising owner */
    struct frozen_page *nobody; /* pages of no customer, by rising id; and their last day */
    uint32_t nobody_n, parts_n;
};

/* All zero is an empty profile. */
void profile_fini(struct profile *p); /* leaves it empty */
bool profile_encode(const struct profile *p, struct buf *out);
bool profile_decode(struct str in,
                    struct profile *p); /* into an empty one; false: damaged, and empty */

/* Adds the recent pageviews, whoever signed them; once, and it can no more be encoded. False: no
 * memory. share_take and people.h give what is one person's. */
bool profile_whole(struct profile *p);
/* Adds another visitor's whole profile (profile_merge.c). False: no memory. */
bool profile_merge(struct profile *into, const struct profile *from);

const struct profile_page *profile_page(const struct profile *p, uint64_t page); /* NULL: never */

/* Sessions on the dates from..newest_day; from > newest_day - PROFILE_DAYS, or all are counted. */
uint64_t profile_sessions_since(const struct profile *p, uint32_t from);
uint32_t profile_last_session(const struct profile *p); /* its day; 0: there is none */

/* What a person is on a date, by its sessions (README.md). */
enum person_class { CLASS_NEW, CLASS_LOYAL, CLASS_RETURNING, CLASS_FADING, CLASS_LOST };
enum person_class profile_class(const struct profile *p, uint32_t today);
const char *class_name(enum person_class c);

/* How far the person came with a page. */
enum rung { RUNG_SEEN = 2, RUNG_TRIED = 3, RUNG_USED = 4, RUNG_RETURNED = 5 };
enum rung profile_rung(const struct profile_page *page);
const char *rung_name(enum rung r);

/* Never used, and enough evidence: seen and not opened since, or opened and left. */
enum ignored_why { NOT_IGNORED, IGNORED_PASSED_BY, IGNORED_LEFT };
enum ignored_why profile_ignores(const struct profile_page *page);

/* Interest in a page at a moment that is not before any of its visits, in thousandths. */
int64_t profile_interest(const struct profile *p, const struct profile_page *page, int64_t now_ms);

/* For the fold. False: no memory. */
void profile_clock(struct profile *p); /* recent.newest_ms has moved on */
/* The sessions before pageview n of v; s: its sums, with this border. */
bool profile_add(struct profile *p, const struct visitor *v, const struct sums *s, uint32_t n);
/* Its windows move on: to that day, and to that year when it is a later one. */
void profile_reach(struct profile *p, uint32_t day);
void profile_reach_year(struct profile *p, uint32_t year);
void profile_forget(struct profile *p); /* all but the fold state */

/* The place in day_sessions of the day, in weeks of the week, `age` before the newest. */
static inline uint32_t profile_day_slot(const struct profile *p, uint32_t age)
{
    return (p->newest_day + PROFILE_DAYS - age) % PROFILE_DAYS;
}
static inline uint32_t profile_week_slot(const struct profile *p, uint32_t age)
{
    return (week_of(p->newest_day) + PROFILE_WEEKS - age) % PROFILE_WEEKS;
}

#endif
