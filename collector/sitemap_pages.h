/*
 * sitemap_pages.h - entries of sitemaps -> pages of a site, each once, by the normaliser that hits
 * go through. Every entry has one fate, and all are counted. No I/O.
 */
#ifndef SENTIER_SITEMAP_PAGES_H
#define SENTIER_SITEMAP_PAGES_H

#include "buf.h"
#include "page.h"
#include "sitemap.h"

enum { SITEMAP_PAGES_MAX = 1000 * 1000 /* of a site */ };

enum sitemap_fate {
    SITEMAP_PAGE,       /* a page that was not there yet */
    SITEMAP_SAME_PAGE,  /* another URL of one that was */
    SITEMAP_OTHER_SITE, /* its host is not among the site's origins */
    SITEMAP_MALFORMED,  /* no URL, or none that can be read */
    SITEMAP_OVER_LIMIT, /* more pages than SITEMAP_PAGES_MAX */
    SITEMAP_FATES
};

const char *sitemap_fate_name(enum sitemap_fate fate); /* "other_site": in JSON */
const char *sitemap_fate_text(enum sitemap_fate fate); /* "other site": for people */

struct sitemap_example {
    uint64_t n;
    struct buf url;  /* of the first one */
    const char *why; /* of malformed ones; NULL: its fate says it */
};

struct sitemap_pages; /* what has been seen */

/* site is borrowed. NULL: no memory. */
struct sitemap_pages *sitemap_pages_new(const struct site *site);
void sitemap_pages_free(struct sitemap_pages *p); /* NULL is fine */

/* home: host (with its port) of the sitemap, which a site without origins is bound to; "": none,
 * every host will do. *page is set for SITEMAP_PAGE alone. */
enum sitemap_fate sitemap_pages_add(struct sitemap_pages *p, const struct sitemap_entry *entry,
                                    struct str home, struct page *page);

const struct sitemap_example *sitemap_pages_count(const struct sitemap_pages *p,
                                                  enum sitemap_fate fate);
/* Dates that are none; their entries are as good as others. */
const struct sitemap_example *sitemap_pages_bad_dates(const struct sitemap_pages *p);
uint64_t sitemap_pages_entries(const struct sitemap_pages *p); /* = the sum of all fates */

/* Is it a host of the site, by http or https? */
bool sitemap_on_site(const struct site *site, struct str home, const struct url *url);

#endif
