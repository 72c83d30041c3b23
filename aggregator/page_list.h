/*
 * page_list.h - each page that sitemaps have named or that has rows in a window, with its figures,
 * those of the window before, and its verdict. Blocking.
 */
#ifndef SENTIER_PAGE_LIST_H
#define SENTIER_PAGE_LIST_H

#include "catalogue.h"
#include "judge.h"
#include "range_read.h"

enum { PAGE_ID_BYTES = 8 };

struct page_line {
    char id[PAGE_ID_BYTES];
    char *page;                    /* NULL: its name is not known */
    const struct row *row;         /* of the window; empty rather than NULL */
    struct catalogue_page listing; /* last_ms 0: no sitemap ever named it */
    struct page_evidence evidence;
    enum page_verdict verdict; /* never PAGE_NONE */
    double chance;             /* judge_chance */
};

struct page_list {
    struct page_line *lines; /* by verdict, then views, then name */
    size_t n;
    uint64_t verdicts[PAGE_VERDICTS];
    uint64_t other_views;            /* of pages beyond the limit of rows: they have no verdict */
    struct catalogue_head head;      /* pages 0: no sitemap was stored */
    uint32_t before_from, before_to; /* 0, 0: nothing is known of a time before */

    /* inside */
    struct range *now, *before;
    struct buf listings;
    struct row none;
};

struct page_window {
    uint32_t from, to;
    uint32_t first;   /* the site's first day; 0: it has none */
    double last_part; /* how much of the last day has passed, 0..1 */
};

struct page_window page_window_of(const struct range_extent *extent, const struct zone *zone,
                                  uint32_t from, uint32_t to, int64_t now_ms);

/* 0, or -1 with why in err. page_list_fini either way. */
int page_list_read(const struct range_source *s, const struct page_window *w, struct page_list *out,
                   struct buf *err);
void page_list_fini(struct page_list *l);

#endif
