/*
 * site_pages.h - what a site knows of its pages besides one day's figures: their names, topics and
 * links, the interest of all its persons in them, and how often links are followed. Read as a
 * whole. Blocking.
 */
#ifndef SENTIER_SITE_PAGES_H
#define SENTIER_SITE_PAGES_H

#include "lift.h"
#include "link_graph.h"
#include "topics.h"

enum { SITE_PAGES_DAYS = 56 }; /* figures are those of so many days up to the site's newest one */

struct site_page {
    uint64_t id;
    struct str name;       /* host and path */
    struct str about;      /* what it said of itself last, packed as in about.h; empty: nothing */
    struct link_run links; /* that lead to it */
    enum link_kind kind;
    uint32_t topics_at, topics_n; /* see site_page_topics */
    bool listed;                  /* by the last run that read all sitemaps */
    int64_t interest;             /* of all persons, at now_ms, in thousandths */
    uint64_t views, not_found, visits, used, trials, opened;
};

/* Of all links of a kind: trials, and those after which the page was opened in the same session. */
struct link_rate {
    uint64_t trials, opened;
};

struct site_pages {
    struct site_page *all; /* by id */
    size_t n;
    int64_t now_ms; /* the site's newest hit; 0: all are imported */
    uint32_t today; /* its date, on which windows end */
    struct link_graph graph;
    struct link_rate rates[LINK_KINDS];
    struct topics *topics;
    struct interest_mix *mix; /* of the site, per topic; topics_count of them */

    /* inside */
    struct buf names, abouts, listings;
    struct page_topic *tags; /* of one page after the other */
    size_t tags_n, tags_cap;
};

struct site_view {
    struct range_source source;
    const struct zone *zone;
    const char *time_zone; /* of zone */
    char *const *rules;    /* of topics; NULL: none */
};

/* 0, or -1 with why in err; site_pages_fini either way. What is borrowed is the struct's. */
int site_pages_read(const struct site_view *v, struct site_pages *out, struct buf *err);
void site_pages_fini(struct site_pages *p); /* an all-zero one is fine */

/* The last step of it: topics of all pages, and what they are worth to the site. Pure; false: no
 * memory. */
bool site_pages_tag(struct site_pages *p, char *const *rules);

struct site_page *site_pages_find(const struct site_pages *p, uint64_t id); /* NULL: unknown */
/* topics_n of them. */
const struct page_topic *site_page_topics(const struct site_pages *p, const struct site_page *page);

struct str site_page_title(const struct site_page *page); /* empty: it has told none */

/* Share of trials that led to an opening; false: there were none. */
bool site_pages_rate(const struct site_pages *p, enum link_kind kind, double *rate);

#endif
