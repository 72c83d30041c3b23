/*
 * catalogue.h - what sitemaps have said of a site, as {pN}:catalogue:SITE of its home partition
 * keeps it: a field per page, and one for the whole. Registers that only rise, so records may come
 * twice and in any order. Pure.
 *
 * A page is listed while its last record is not older than the last run that named all pages. So a
 * page that a run does not name any more needs no record of its own.
 *
 *   field page id (8 bytes): 01, first_ms, last_ms - first_ms, modified, length, title
 *   field "#":               01, complete_ms, named, pages, over               (numbers: varints)
 */
#ifndef SENTIER_CATALOGUE_H
#define SENTIER_CATALOGUE_H

#include <stdint.h>

#include "buf.h"
#include "hit.h"

enum { CATALOGUE_PAGES_MAX = 200 * 1000 /* of a site, with those that are unlisted */ };

#define CATALOGUE_HEAD_FIELD STR("#")

struct catalogue_page {
    int64_t first_ms, last_ms; /* runs that named it; 0, 0: none did */
    uint32_t modified;         /* as the last of them says; 0: it does not */
    struct str title;          /* likewise; borrowed from the value or the hit */
};

struct catalogue_head {
    int64_t complete_ms; /* the last run that named all pages; 0: there was none */
    uint64_t named;      /* by that run */
    uint64_t pages;      /* that have a field */
    uint64_t over;       /* records of pages that got none */
};

bool catalogue_page_encode(const struct catalogue_page *p, struct buf *out);
bool catalogue_page_decode(struct str in, struct catalogue_page *p); /* false: damaged */
bool catalogue_head_encode(const struct catalogue_head *h, struct buf *out);
bool catalogue_head_decode(struct str in, struct catalogue_head *h);

void catalogue_page_take(struct catalogue_page *p, const struct hit *h); /* HIT_CATALOGUE */
void catalogue_head_take(struct catalogue_head *c, const struct hit *h); /* HIT_CATALOGUE_END */

bool catalogue_listed(const struct catalogue_page *p, const struct catalogue_head *h);

#endif
