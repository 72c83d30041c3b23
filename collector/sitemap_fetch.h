/*
 * sitemap_fetch.h - sitemaps of a site, from files, standard input and the web: reads them, follows
 * their children, and gives each page of the site once. Blocking; one thread.
 */
#ifndef SENTIER_SITEMAP_FETCH_H
#define SENTIER_SITEMAP_FETCH_H

#include "sitemap_pages.h"
#include "sitemap_state.h"

enum {
    SITEMAP_FILES_MAX = 1000, /* of one run; with 1,000 pages each that is SITEMAP_PAGES_MAX */
};

enum sitemap_outcome {
    SITEMAP_READ,      /* to its end */
    SITEMAP_UNCHANGED, /* since the state was saved; its entries were not sent again */
    SITEMAP_FAILED,    /* why says it; what came out before is right, but not all there is */
    SITEMAP_LEFT_OUT,  /* not a sitemap of this site; SITEMAP_FILES_MAX of them are told */
    SITEMAP_OUTCOMES
};

/* A file when it has been read; borrowed. */
struct sitemap_file {
    const char *where;    /* path, "standard input", or URL */
    const char *found_in; /* the index, robots.txt or site that named it; NULL: the caller */
    enum sitemap_outcome outcome;
    enum sitemap_kind kind;
    uint64_t entries;
    const char *why; /* of a file that was read: what of it was not; NULL: nothing */
};

struct sitemap_fetch_opts {
    const struct site *site;
    struct sitemap_state *state; /* NULL: everything is read */
    bool no_children;            /* an index is only counted */
    int64_t timeout_ms;          /* of one transfer; each redirect is one of its own */
    /* Each page of the site, once; both borrowed. */
    void (*on_page)(void *arg, const struct page *page, const struct sitemap_entry *entry);
    void (*on_file)(void *arg, const struct sitemap_file *file);
    void *arg;
};

struct sitemap_fetch;

/* curl_global_init and sodium_init are the caller's. NULL: no memory. */
struct sitemap_fetch *sitemap_fetch_new(const struct sitemap_fetch_opts *opts);
void sitemap_fetch_free(struct sitemap_fetch *f); /* NULL is fine */

/*
 * source: a path, "-", a URL of http or https, or the bare origin of a site (https://shop.example),
 * whose robots.txt is asked, else /sitemap.xml is read. Everything is told by on_file. A sitemap is
 * read once in a life of f. False: something could not be read, so pages may be missing.
 */
bool sitemap_fetch_read(struct sitemap_fetch *f, const char *source);

const struct sitemap_pages *sitemap_fetch_pages(const struct sitemap_fetch *f); /* the account */

#endif
