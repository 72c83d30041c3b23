/* judge.h - the verdict of one page in one window, from figures of humans alone. Pure. */
#ifndef SENTIER_JUDGE_H
#define SENTIER_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

/* The first that applies, in this order; so each page has one. */
enum page_verdict {
    PAGE_BROKEN,    /* a human was told 404 */
    PAGE_ORPHAN,    /* visited, not listed, although all that sitemaps name is known */
    PAGE_FADING,    /* visits per day under half of before, by more than chance */
    PAGE_USED,      /* in at least one visit */
    PAGE_UNPROVEN,  /* visited, but no visit shows use */
    PAGE_UNVISITED, /* listed, seen by no human */
    PAGE_VERDICTS,
    PAGE_NONE = PAGE_VERDICTS /* neither listed nor visited: no page of the report */
};

/* A visit is a session with a pageview of the page. */
struct page_evidence {
    bool catalogue_whole; /* some run read all sitemaps */
    bool listed;
    uint64_t views, not_found, visits, used, visits_before;
    double window, window_before; /* lengths in any unit; before 0: there is none */
};

double judge_chance(const struct page_evidence *e); /* p value: that visits have not fallen */
enum page_verdict judge_page(const struct page_evidence *e);

const char *page_verdict_name(enum page_verdict v);                /* "used" */
bool page_verdict_parse(const char *text, enum page_verdict *out); /* false: no such */

#endif
