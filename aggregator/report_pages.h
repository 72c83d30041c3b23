/* report_pages.h - what reports share that show pages: reading the list, heads, names, notes. */
#ifndef SENTIER_REPORT_PAGES_H
#define SENTIER_REPORT_PAGES_H

#include "page_list.h"
#include "report.h"
#include "text.h"

/* The pages of the days that were asked for, with their verdicts; a catalogue is enough. 0, or
 * REPORT_FAILED after saying why; page_list_fini either way. */
int report_read_pages(struct report *r, struct report_days *days, struct page_window *window,
                      struct page_list *out);

/* The host of all pages, when they share one: then the head names it, and no row. */
struct report_host {
    struct str host;
    bool differs;
};
void report_host_take(struct report_host *h, struct str page); /* empty: it has no name */
struct str report_host(const struct report_host *h);           /* empty: there is no such */

/* "verdicts of shop (shop.example), 2026-01-01 to 2026-01-28 (28 days, UTC)" */
void report_head(struct report *r, const char *what, struct str host,
                 const struct report_days *days);
void report_before(struct report *r,
                   const struct page_list *l); /* ", against the 28 days before" */
void report_left_out(struct report *r, const struct page_list *l); /* notes, if need be */

/* The page's name behind the host, or "(page ID)" in room. */
struct str report_page(const struct page_line *line, struct str host, char room[TEXT_PAGE_BYTES]);

/* A probability: for people "0.012" or "<0.001", for programs three digits. */
enum { REPORT_CHANCE_BYTES = 16 };
void report_chance(const struct report *r, double chance, char out[REPORT_CHANCE_BYTES]);

#endif
