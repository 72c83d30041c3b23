/*
 * owned.h - the sites of one reading of the configuration, as an owner keeps them: each with its
 * publisher and its place in a queue. Copied whole, so that the configuration may be read anew at
 * any time.
 */
#ifndef SENTIER_OWNED_H
#define SENTIER_OWNED_H

#include <sys/queue.h>

#include "publisher.h"
#include "site.h"

enum queue_name { NOT_QUEUED, FRESH, STALE };

struct owned {
    struct publisher publisher;
    unsigned home;
    uint32_t lease; /* of its home, as this site has seen it */
    bool held;
    enum queue_name queued;
    int64_t due_ms; /* not before */
    TAILQ_ENTRY(owned) link;
};
TAILQ_HEAD(queue, owned);

/* In order of name; and their zones. */
struct snapshot {
    struct owned *sites;
    size_t n;
    struct named_zone {
        char *name;
        struct zone *zone;
    } * zones;
    size_t n_zones;
};

/* NULL: out of memory. */
struct snapshot *snapshot_new(const struct sites *sites, unsigned partitions);
void snapshot_free(struct snapshot *s); /* NULL is fine */

struct owned *snapshot_find(const struct snapshot *s, struct str name); /* NULL: it has none; s may
                                                                           be NULL */

#endif
