/*
 * page.h - URL -> page: the one name under which a page, a link's target, a sitemap entry and a log
 * line are counted. Pure; no allocation while the host is ASCII.
 */
#ifndef SENTIER_PAGE_H
#define SENTIER_PAGE_H

#include "hit.h"
#include "site.h"
#include "str.h"
#include "url.h"
#include "verdict.h"

struct page {
    size_t n;
    char text[HIT_PAGE_MAX_BYTES];
};

static inline struct str page_str(const struct page *p)
{
    return (struct str){p->text, p->n};
}

/* V_COUNTED: *out is the page. V_TOO_LONG: it does not fit. rules: the site whose kept parameters
 * and hash routing apply; NULL: none (links that leave the site). */
enum verdict page_write(const struct url *url, const struct site *rules, struct page *out);

/* Likewise from text. V_BAD_PAGE: not an absolute http(s) URL. */
enum verdict page_of(struct str url, const struct site *rules, struct page *out);

#endif
