/*
 * sitemap_state.h - what servers said about the sitemaps that were read, so that one that has not
 * changed is not sent again. A file of JSON; it is a cache: a missing or damaged one costs a full
 * reading and nothing else.
 */
#ifndef SENTIER_SITEMAP_STATE_H
#define SENTIER_SITEMAP_STATE_H

#include <jansson.h>

#include "buf.h"
#include "site.h"

struct sitemap_state;

/* What was kept for another site, or for other rules of what a page is, does not count: pages would
 * come out differently. NULL: no memory. */
struct sitemap_state *sitemap_state_open(const char *path, const struct site *site);
void sitemap_state_close(struct sitemap_state *s); /* NULL is fine; forgets what was not saved */

/* Texts are "" when unknown; borrowed until close. */
struct sitemap_memo {
    const char *etag, *modified; /* as the server sent them */
    const json_t *children;      /* array of URLs when it is an index; NULL: it is none */
};

bool sitemap_state_find(const struct sitemap_state *s, const char *url, struct sitemap_memo *out);

/* It was read to its end, or has not changed. children is copied. */
void sitemap_state_put(struct sitemap_state *s, const char *url, const struct sitemap_memo *memo);
/* It could not be read this time: what is known of it stays. */
void sitemap_state_keep(struct sitemap_state *s, const char *url);

void sitemap_state_forget(struct sitemap_state *s); /* as if all were unknown */

/* Once what was read is safe. Only what was put or kept since the opening is saved. 0, or -1 with
 * a message. */
int sitemap_state_save(struct sitemap_state *s, struct buf *err);

#endif
