/*
 * sitemap.h - a sitemap in any of its forms, as a stream: XML (urlset, sitemapindex, RSS 0.9 to
 * 2.0, Atom) or a list of URLs, each plain or gzip. Bytes go in, entries come out. No I/O.
 */
#ifndef SENTIER_SITEMAP_H
#define SENTIER_SITEMAP_H

#include <stdint.h>

#include "sitemap_date.h"
#include "str.h"

enum {
    SITEMAP_ENTRIES_MAX = 50 * 1000,         /* of one file, as the protocol has it */
    SITEMAP_MAX_BYTES = 50 * 1024 * 1024,    /* likewise; as given and also when unpacked */
    SITEMAP_URL_MAX_BYTES = 2048,            /* likewise */
    SITEMAP_DEPTH_MAX = 100,                 /* elements within elements */
    SITEMAP_TAG_MAX_BYTES = 64 * 1024,       /* a tag, comment or declaration */
    SITEMAP_TITLE_MAX_BYTES = 512,           /* the rest is cut off */
    SITEMAP_LANGUAGE_MAX_BYTES = 35,         /* RFC 5646 */
    SITEMAP_XML_MAX_BYTES = 8 * 1024 * 1024, /* memory of the XML parser */
};

enum sitemap_kind {
    SITEMAP_UNKNOWN,
    SITEMAP_URLSET,
    SITEMAP_INDEX, /* its entries are sitemaps, not pages */
    SITEMAP_LIST,
    SITEMAP_RSS,
    SITEMAP_ATOM,
};

/* Borrowed; valid within the callback. Texts are UTF-8 without control characters. */
struct sitemap_entry {
    uint64_t number; /* 1.. within its file */
    enum sitemap_kind kind;
    const char *bad;      /* why the URL cannot be read; NULL: it can. Others are as good as ever */
    const char *bad_date; /* name of a date that is none; NULL: fine */
    struct str url;       /* as given, entities resolved; at most SITEMAP_URL_MAX_BYTES */
    struct str title;     /* of news, RSS, Atom; "" not given */
    struct str language;  /* likewise; "en", "de-CH" */
    int64_t modified_ms, published_ms; /* SITEMAP_NO_DATE: not given */
};

typedef void sitemap_on_entry(void *arg, const struct sitemap_entry *entry);

struct sitemap;

struct sitemap *sitemap_new(sitemap_on_entry *on_entry, void *arg); /* NULL: no memory */
void sitemap_free(struct sitemap *s);                               /* NULL is fine */

/* Pieces of any size. False: refused, sitemap_error() says why and nothing more is read; what came
 * out before is right; how much that is depends on the pieces, for expat waits for more. */
bool sitemap_feed(struct sitemap *s, struct str bytes);
bool sitemap_end(struct sitemap *s); /* there is no more */

struct str sitemap_error(const struct sitemap *s); /* one line; "" none */
enum sitemap_kind sitemap_kind(const struct sitemap *s);
uint64_t sitemap_entries(const struct sitemap *s);

const char *sitemap_kind_name(enum sitemap_kind kind); /* "urlset" */

#endif
