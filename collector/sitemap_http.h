/* sitemap_http.h - GET for sitemaps, over libcurl: http and https alone, bounded in every way. */
#ifndef SENTIER_SITEMAP_HTTP_H
#define SENTIER_SITEMAP_HTTP_H

#include "buf.h"
#include "site.h"

enum { SITEMAP_REDIRECTS_MAX = 5, SITEMAP_CONNECT_MS = 10 * 1000 };

struct sitemap_http;

struct sitemap_http *sitemap_http_new(const struct site *site, int64_t timeout_ms); /* or NULL */
void sitemap_http_free(struct sitemap_http *h); /* NULL is fine */

struct sitemap_get {
    const char *url;
    const char *etag, *modified; /* of an earlier answer; "" none */
    /* The body of a 200, as it comes: gzip stays gzip. False: stop, and why holds the reason. */
    bool (*on_body)(void *arg, struct str bytes);
    void *arg;
    /* out */
    long status;                       /* 0: no answer */
    struct buf why;                    /* on false */
    struct buf new_etag, new_modified; /* NUL-terminated; empty: the server names none */
};

void sitemap_get_fini(struct sitemap_get *get);

/* True: 200 and all of its body, or 304. A redirect is followed within the site, and on the host
 * that was asked. */
bool sitemap_http_get(struct sitemap_http *h, struct sitemap_get *get);

bool sitemap_is_web(const char *text); /* begins with http:// or https:// */

/* reference as base would mean it, NUL-terminated; "" when it is no URL. False: no memory. */
bool sitemap_resolve(const char *base, struct str reference, struct buf *out);

#endif
