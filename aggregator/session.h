/*
 * session.h - what a visitor's recent pageviews add to rows beyond themselves: sessions, active
 * days, pages of a day, visits to pages. Made anew before and after a visitor's hits; the fold adds
 * the difference.
 */
#ifndef SENTIER_SESSION_H
#define SENTIER_SESSION_H

#include "visitor.h"

/* By whom a session or day is counted: marks of its first pageview. */
struct marks {
    const char *source; /* borrowed from the pageview */
    uint16_t source_n;
    char country[2];
    uint8_t channel, device, browser, os;
};

struct session {
    struct marks marks;
    uint64_t entry_page, exit_page;
    uint32_t day; /* of its first pageview */
    bool bounce;
};

/* Pageviews of one session on one date. */
struct part {
    struct marks marks; /* the session's */
    uint64_t engaged_ms;
    uint32_t day;
    uint32_t views;
};

struct active_day {
    struct marks marks; /* of the day's first pageview, with its session's channel */
    uint32_t day;
    uint32_t gap; /* days since the active day before; 0: none within GAP_MAX */
};

struct page_day {
    uint64_t page;
    uint32_t day;
    uint32_t gap; /* 0: none within PAGE_GAP_MAX */
};

enum { USED_ENGAGED_MS = 10 * 1000 }; /* so long is use; so is an interaction */

enum visit_flag {
    VISIT_INTERACTION = 1,
    VISIT_GOAL = 2,
    VISIT_SEEN = 4, /* a trial: a link to the page was in view before it was opened, if it was */
};

/* A page in one session. A visit to it when it was opened: all its pageviews there. */
struct page_visit {
    uint64_t page;
    int64_t at_ms;       /* of the first pageview; never opened: of the first that showed a link */
    uint32_t day;        /* the session's */
    uint32_t opened;     /* pageviews; 0: only seen */
    uint32_t engaged_ms; /* of all */
    uint32_t depth;      /* the greatest */
    uint32_t flags;      /* enum visit_flag: of any */
};

static inline bool visit_used(const struct page_visit *v)
{
    return v->flags & VISIT_INTERACTION || v->engaged_ms >= USED_ENGAGED_MS;
}

/* A session in which one page was opened right after another: once, however often. */
struct page_step {
    uint64_t from, to;
    uint32_t day; /* the session's */
};

enum { VISITS_MAX = RECENT_MAX + SEEN_MAX, VISIT_SLOTS = 16384 };

struct sums {
    int64_t alive_ms; /* the newest sign of life, of pageviews of humans and not of logs; 0: none */
    uint32_t sessions_n, parts_n, days_n, pages_n, visits_n, steps_n;
    struct session sessions[RECENT_MAX];
    uint32_t starts[RECENT_MAX]; /* per session, the index of its first pageview */
    struct part parts[RECENT_MAX];
    struct active_day days[RECENT_MAX];
    struct page_day pages[RECENT_MAX];
    struct page_step steps[RECENT_MAX];
    struct page_visit visits[VISITS_MAX];
    uint32_t visits_from[RECENT_MAX]; /* per session, the index of its first visit */
    /* The newest visit to each page, by page: index + 1, open addressing. */
    uint16_t slots[VISIT_SLOTS];
    uint32_t slot_mask;
};

/* How many of the first n items of two lists have the same bytes. */
static inline uint32_t sums_common(const void *a, uint32_t an, const void *b, uint32_t bn,
                                   size_t size)
{
    uint32_t i = 0;
    while (i < an && i < bn &&
           memcmp((const char *)a + i * size, (const char *)b + i * size, size) == 0)
        i++;
    return i;
}
#define SUMS_COMMON(a, b, list)                                                                    \
    sums_common((a)->list, (a)->list##_n, (b)->list, (b)->list##_n, sizeof(a)->list[0])

/* Pageview `border` begins a session whatever stands before it; 0: no border. Bytes of equal things
 * are equal. The sums borrow from v until it changes. */
void sums_make(struct sums *s, const struct visitor *v, uint32_t border);

/* How many of the oldest pageviews no hit can change any more, now that v->newest_ms is reached. */
bool sums_may_settle(const struct visitor *v); /* false: surely none */
uint32_t sums_settled(const struct sums *s, const struct visitor *v);
/* How many to give up early, because the visitor has too many. */
uint32_t sums_surplus(const struct sums *s, const struct visitor *v);

#endif
