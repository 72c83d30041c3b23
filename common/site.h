/* site.h - the sites of sentier.conf: an immutable snapshot, shared by all threads. */
#ifndef SENTIER_SITE_H
#define SENTIER_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "str.h"
#include "zone.h"

enum { SITES_MAX = 65536, SITE_ORIGINS_MAX = 64, SITE_PARAMS_MAX = 64 };

struct site {
    char *name;      /* [a-z0-9._-], at most HIT_SITE_MAX_BYTES */
    char **origins;  /* "https://shop.example"; a * for any subdomain; NULL-terminated */
    char *time_zone; /* IANA name */
    const struct zone *zone;
    char *sitemap;        /* URL or file; "" none */
    char **keep_params;   /* query parameters that are part of a page; NULL-terminated */
    char **search_params; /* query parameters that hold what was searched for, likewise */
    char **topics;        /* rules of topic_rule.h; NULL-terminated */
    bool hash_routing;    /* the fragment is part of a page */
    bool cookie;          /* ids of visitors who consent also live in a cookie of the collector */
    char *secret;         /* signs customer ids; "" none */
    char *secret_before;  /* did so before it: its signatures stand until they end; "" none */
    int64_t spread;       /* partitions this site is spread over */
};

struct sites;

const struct site *sites_find(const struct sites *s, struct str name); /* NULL: unknown */
/* NULL: unknown; err says which ones there are. */
const struct site *sites_need(const struct sites *s, const char *name, struct buf *err);
size_t sites_count(const struct sites *s);
const struct site *sites_at(const struct sites *s, size_t i); /* in order of name */

/* origin is an Origin header: scheme://host[:port]. A site without origins allows every one. */
bool site_allows(const struct site *s, struct str origin);
bool sites_allow(const struct sites *s, struct str origin); /* any of them does */

/* Lists of strings as above; NULL stays NULL, and is what a copy is without memory. */
char **site_copy_list(char *const *list);
void site_free_list(char **list); /* NULL is fine */

void sites_free(struct sites *s); /* NULL is fine */

/* For conf.c, while a file is read: an entry for a new name. NULL: no valid name, there already, or
 * too many. Its strings belong to the snapshot. */
struct sites *sites_new(void);
struct site *sites_add(struct sites *s, struct str name);
struct site *sites_edit(struct sites *s, struct str name); /* one that was added; NULL: none */
/* The zone of that name, made once however many sites have it. NULL: no memory. */
const struct zone *sites_zone(struct sites *s, const char *name);
void sites_seal(struct sites *s); /* sorts; look-ups work from here on */

#endif
