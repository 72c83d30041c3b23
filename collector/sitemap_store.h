/*
 * sitemap_store.h - pages that sitemaps name -> the journal, as records of the site's catalogue.
 * All of a run or nothing; one run of a site at a time. Blocking.
 */
#ifndef SENTIER_SITEMAP_STORE_H
#define SENTIER_SITEMAP_STORE_H

#include "options.h"
#include "page.h"
#include "redis_now.h"
#include "sitemap.h"

struct sitemap_store;

/* Makes DATA/sitemap, agrees on the data set. conf, redis_conf, site are borrowed. NULL: *err. */
struct sitemap_store *sitemap_store_open(const struct collector_conf *conf,
                                         const struct redis_conf *redis_conf,
                                         const struct site *site, struct buf *err);
void sitemap_store_close(struct sitemap_store *s); /* NULL is fine; forgets what is staged */

const char *sitemap_store_state(const struct sitemap_store *s); /* DATA/sitemap/SITE.json */

/* Staged only; a failure is told by sitemap_store_finish. */
void sitemap_store_page(struct sitemap_store *s, const struct page *page,
                        const struct sitemap_entry *entry);
uint64_t sitemap_store_pages(const struct sitemap_store *s);
void sitemap_store_restart(struct sitemap_store *s); /* nothing is staged */

/* Into the journal, and waits until Redis has it. whole: these are all pages of the site; what was
 * listed before and is not among them no longer is. 0; -1: *err, and nothing was stored unless it
 * says so. */
int sitemap_store_finish(struct sitemap_store *s, bool whole, struct buf *err);

#endif
