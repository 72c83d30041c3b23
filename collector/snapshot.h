/* snapshot.h - the sites as one reading of the configuration gave them, shared by threads; freed
 * when the last one has moved on. */
#ifndef SENTIER_SNAPSHOT_H
#define SENTIER_SNAPSHOT_H

#include <stdatomic.h>
#include <stdlib.h>

#include "site.h"

struct snapshot {
    _Atomic int holders;
    struct sites *sites;
};

/* Takes sites, also on failure (NULL). The caller is the first holder. */
static inline struct snapshot *snapshot_take(struct sites *sites)
{
    struct snapshot *s = malloc(sizeof *s);
    if (s == NULL) {
        sites_free(sites);
        return NULL;
    }
    atomic_init(&s->holders, 1);
    s->sites = sites;
    return s;
}

static inline struct snapshot *snapshot_hold(struct snapshot *s)
{
    atomic_fetch_add(&s->holders, 1);
    return s;
}

static inline void snapshot_drop(struct snapshot *s)
{
    if (s == NULL || atomic_fetch_sub(&s->holders, 1) != 1) return;
    sites_free(s->sites);
    free(s);
}

#endif
