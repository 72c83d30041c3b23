/* judge.h - the verdict of one page in one window, from figures of humans alone. Pure. */
#ifndef SENTIER_JUDGE_H
#define SENTIER_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first that applies, in this order; so each page has one. */
enum page_verdict {
    PAGE_BROKEN,       /* a human was told 404 */
    PAGE_ORPHAN,       /* visited, not listed, although all that sitemaps name is known */
    PAGE_IGNORED,      /* its links are seen and opened far less than those of its kind */
    PAGE_FADING,       /* visits per day under half of before, by more than chance */
    PAGE_USED,         /* in at least one visit */
    PAGE_UNDISCOVERED, /* known, not visited, and no visited page led to it */
    PAGE_UNPROVEN,     /* visited, but no visit shows use */
    PAGE_UNVISITED,    /* known, not visited */
    PAGE_VERDICTS,
    PAGE_NONE = PAGE_VERDICTS /* neither known nor visited: no page of the report */
};

enum { USUAL_PAGES_MIN = 5 }; /* a median of fewer rates says nothing */

/* A visit is a session with a pageview of the page; a trial one in which a link to it was in view
 * before it was opened, if it was. */
struct page_evidence {
    bool catalogue_whole; /* some run read all sitemaps */
    bool listed;          /* by a sitemap */
    bool linked;          /* from a page, as far as pages told */
    bool graph_known;     /* pages told their links in the window */
    bool offered;         /* a page that links to it was viewed, or a link to it seen */
    uint64_t views, not_found, visits, used, visits_before;
    uint64_t seen, opened;        /* trials, and those in which it was opened then */
    double usual;                 /* median of opened / seen of pages of its kind; below 0: none */
    double window, window_before; /* lengths in any unit; before 0: there is none */
};

double judge_chance(const struct page_evidence *e); /* p value: that visits have not fallen */
enum page_verdict judge_page(const struct page_evidence *e);

/* The usual rate among these, which get sorted; -1 where there are too few. */
double judge_usual(double *rates, size_t n);

const char *page_verdict_name(enum page_verdict v);                /* "used" */
bool page_verdict_parse(const char *text, enum page_verdict *out); /* false: no such */

/* Visits per day now against before: both ways, and more than chance or not. */
enum change { CHANGE_FELL, CHANGE_ROSE, CHANGE_NONE, CHANGES };
struct page_change {
    enum change change;
    double chance;           /* p value, both sides: that the rate has not changed */
    double ratio, low, high; /* now / before, and its 95 % interval; infinite where before is 0 */
    bool can_tell;           /* so many visits could show a change, if there were one */
};
struct page_change judge_change(const struct page_evidence *e);
const char *change_name(enum change c); /* "fell" */

#endif
