/*
 * partition.h - folds the streams of the partitions that this process holds: read -> load -> fold
 * -> commit, all on one link and one thread.
 */
#ifndef SENTIER_PARTITION_H
#define SENTIER_PARTITION_H

#include <event2/event.h>
#include <stdint.h>

#include "commit.h"
#include "dataset.h"
#include "redis.h"
#include "sitestate.h"
#include "store.h"

struct partition_opts {
    unsigned partitions; /* of the data set */
    int64_t poll_ms;     /* how often streams at rest are looked at */
    int64_t batch_hits;  /* a batch ends with the entry that reaches this */
    size_t cache_bytes;
    struct retention keep; /* of rows */
};

struct partition_fns {
    void (*committed)(void *arg, struct str site, uint32_t day); /* rows of that day changed */
    void (*refused)(void *arg, unsigned partition); /* another one's lease; may drop it at once */
};

struct partitions;

struct partitions *partitions_new(struct event_base *base, struct redis_link *link,
                                  const struct partition_opts *opts,
                                  const struct partition_fns *fns, void *arg);
void partitions_free(struct partitions *all); /* free the link first. NULL is fine */

/* The lease is ours, by this token; or no longer. Commits under way may still succeed. */
void partitions_take(struct partitions *all, unsigned partition, const char *token);
void partitions_drop(struct partitions *all, unsigned partition);

/* The link is up again. What Redis holds may be older than what was known of it (a standby took
 * over): partitions at rest ask where to go on; those at work find out by their commit. None
 * goes on before it is said which data set that is: keys of customers depend on it. */
void partitions_link_up(struct partitions *all);
void partitions_set_dataset(struct partitions *all, const struct dataset_id *id);

/* No more reading; done runs once, when no commit is under way. */
void partitions_stop(struct partitions *all, void (*done)(void *arg), void *arg);

struct partition_stats {
    unsigned held, reading; /* reading: of the held ones, how many know their offset */
    uint64_t shipped, folded, stream_bytes; /* over the partitions held; folded as committed */
    uint64_t verdicts[VERDICTS];            /* likewise */
    int64_t lag_ms; /* nothing that is known and not committed has waited longer; 0: none waits */
    uint64_t cache_bytes;
    /* of this process, since its start: */
    uint64_t commits, hits, retries, damaged, approximated, loads;
    uint64_t refused_lease, refused_changed, refused_error, stalled;
};
void partitions_stats(const struct partitions *all, struct partition_stats *out);

#endif
