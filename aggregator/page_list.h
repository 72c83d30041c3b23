/*
 * page_list.h - each page that sitemaps have named, that a link leads to, or that has rows in a
 * window, with its figures, those of the window before, and its verdict. Pure but for
 * page_list_read.
 */
#ifndef SENTIER_PAGE_LIST_H
#define SENTIER_PAGE_LIST_H

#include "catalogue.h"
#include "judge.h"
#include "link_graph.h"
#include "range_read.h"

enum { PAGE_ID_BYTES = 8 };

struct page_line {
    char id[PAGE_ID_BYTES];
    char *page;                    /* NULL: its name is not known */
    const struct row *row;         /* of the window; empty rather than NULL */
    struct catalogue_page listing; /* last_ms 0: no sitemap ever named it */
    uint64_t linked_from;          /* pages that link to it, as far as they told */
    enum link_kind kind;           /* of the links to it */
    struct page_evidence evidence;
    enum page_verdict verdict; /* PAGE_NONE: only visited before */
    double chance;             /* judge_chance */
};

/* How often pages of a kind are opened once a link to them was seen. */
struct page_usual {
    uint64_t pages; /* with trials */
    double rate;    /* their median; below 0: too few */
};

struct page_list {
    struct page_line *lines; /* by verdict, then views, then name */
    size_t n;
    uint64_t verdicts[PAGE_VERDICTS];
    struct page_usual usual[LINK_KINDS];
    uint64_t silent;                 /* pages that were viewed and never told their links */
    uint64_t other_views;            /* of pages beyond the limit of rows: they have no verdict */
    struct catalogue_head head;      /* pages 0: no sitemap was stored */
    uint32_t before_from, before_to; /* 0, 0: nothing is known of a time before */
    double now_days, before_days;    /* that count */
    bool whole;                      /* no date is left out by the retention */

    /* what it is made of, and owns */
    struct range *now, *before; /* before NULL: there is none */
    struct buf listings;        /* the fields of the catalogue, plain as in pack.h */
    struct link_graph links;

    struct row none; /* inside */
};

struct page_window {
    uint32_t from, to;
    uint32_t first;   /* the site's first day; 0: it has none */
    double last_part; /* how much of the last day has passed, 0..1 */
};

/* Today counts as far as it has passed, for a site with visitors. */
struct page_window page_window_of(const struct range_extent *extent, const struct zone *zone,
                                  uint32_t from, uint32_t to, int64_t now_ms);

/* The lines, without names and in no order, from what it is made of. 0, or -1 with why in err. */
int page_list_judge(struct page_list *l, const struct page_window *w, struct buf *err);
void page_list_sort(struct page_list *l);

struct str page_line_name(const struct page_line *line);  /* empty: it is not known */
const char *page_line_kind(const struct page_line *line); /* NULL: no link to it is known */

/* All of it. 0, or -1 with why in err. page_list_fini either way. */
int page_list_read(const struct range_source *s, const struct page_window *w, struct page_list *out,
                   struct buf *err);
void page_list_fini(struct page_list *l);

#endif
