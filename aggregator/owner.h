/*
 * owner.h - keeps the summaries, or the other documents, of the sites whose home partition this
 * process folds: its own thread, its own blocking Redis link. A site's first change is published at
 * once, then at most every summary_ms, and never so often that it takes more than a tenth of a
 * core.
 *
 * Every call below may come from any thread; none of them waits for Redis but owner_free.
 */
#ifndef SENTIER_OWNER_H
#define SENTIER_OWNER_H

#include <stdbool.h>
#include <stdint.h>

#include "conf.h"
#include "site.h"
#include "str.h"

enum {
    OWNER_SUMMARY_MS = 250,
    OWNER_SUMMARY_ROWS = 1000,            /* of each list of a summary */
    OWNER_CACHE_BYTES = 64 * 1024 * 1024, /* packed rows of days that rarely change */
    OWNER_DRAIN_MS = 3000,                /* owner_free publishes what is left, this long */
    OWNER_SHARE = 10,                     /* pauses are this many times the work */
};

struct document;

struct owner_opts {
    const struct redis_conf *redis; /* must live as long as the owner */
    unsigned partitions;            /* of the data set */
    int64_t summary_ms;             /* 0: OWNER_SUMMARY_MS */
    int64_t cache_bytes;            /* 0: OWNER_CACHE_BYTES */
    uint32_t late_after_h;          /* printed in the summaries */
    int64_t persons_kept_ms;        /* 0: for good */
    /* Instead of the summaries these (documents.h): a second owner keeps them. */
    const struct document *documents;
};

struct owner;

/* The thread runs from here on. NULL: errno says why. */
struct owner *owner_new(const struct owner_opts *opts);
/* Publishes the changes it knows of, for at most OWNER_DRAIN_MS, and ends. NULL is fine. */
void owner_free(struct owner *o);

/* Copies what it needs. Summaries of sites that are no longer there stay as they are.
 * -1: out of memory, the sites known before stay. Not from two threads at once. */
int owner_set_sites(struct owner *o, const struct sites *sites);

/* This process has, or no longer has, the lease of a partition. */
void owner_set_home(struct owner *o, unsigned partition, bool held);

/* A commit changed rows of that local date. Sites owned elsewhere are fine: nothing happens. */
void owner_mark_dirty(struct owner *o, struct str site, uint32_t day);

struct owner_stats {
    uint64_t refreshes; /* of a site: its three summaries, or its documents */
    uint64_t errors;    /* refreshes that failed and are tried again */
    uint64_t took_ms;   /* the last refresh */
    uint64_t dirty;     /* sites that wait for one */
    uint64_t cached_bytes;
    uint64_t answers; /* profiles that were asked for (answers.h); only with documents */
    bool redis_up;
};
void owner_stats(const struct owner *o, struct owner_stats *out);

#endif
