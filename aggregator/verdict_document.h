/*
 * verdict_document.h - pages and their verdicts as the document of README.md, for Redis and for the
 * command line.
 */
#ifndef SENTIER_VERDICT_DOCUMENT_H
#define SENTIER_VERDICT_DOCUMENT_H

#include "documents.h"
#include "page_list.h"

enum { VERDICT_VERSION = 1 };

struct verdict_view {
    struct str site;
    const char *range; /* "28d"; "" for a range by dates */
    const struct page_window *window;
    const struct zone *zone;
    const char *time_zone;
    int64_t made_ms;
    enum page_verdict only; /* PAGE_NONE: all */
    size_t limit;           /* pages; 0: all */
    size_t limit_each;      /* pages of each verdict; 0: all */
};

json_t *verdict_document(const struct verdict_view *v, const struct page_list *l);

json_t *verdict_days(uint32_t from, uint32_t to); /* {"from", "to"}; null: to is 0 */

document_fn verdict_document_of_site; /* of the last 28 days */

#endif
