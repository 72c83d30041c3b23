/*
 * shipper.h - journals -> Redis streams, on its own thread or on a command's loop. Knows nothing of
 * HTTP. What each answer of append.lua means to it is said in shipper.c.
 */
#ifndef SENTIER_SHIPPER_H
#define SENTIER_SHIPPER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "archive.h"
#include "conf.h"
#include "journal.h"

enum { SHIP_BATCH_HITS = 1024, SHIP_WRITERS_MAX = 256 };

struct shipper_opts {
    const char *dir; /* of the journals */
    const struct redis_conf *redis;
    int64_t linger_ms;     /* at most one batch per partition in this time, unless it is full */
    int64_t keep_age_ms;   /* shipped segments are kept this long */
    int64_t reserve_bytes; /* below this much free disk, shipped segments go earlier; counted. More
                            * than the journals' own reserve, so that they need not refuse first */
    int64_t stream_max_bytes; /* per partition; 0: none */
    unsigned partitions;
    struct archive_opts archive; /* dir NULL or empty: none */
};

struct shipper;

/* NULL: errno. One shipper at a time ships a directory, the one with DIR/ship.lock; another one
 * only reads the figures, asks for the lock now and then, and goes on from there. */
struct shipper *shipper_new(struct event_base *base, const struct shipper_opts *opts);
void shipper_free(struct shipper *s); /* saves the cursor; NULL is fine */

/* Before the loop starts: where a live writer of this process is. The mark is held; it names the
 * producer, also when that changes. */
void shipper_add_writer(struct shipper *s, struct journal_mark *mark);

/* A writer has committed. Any thread; costs an atomic exchange unless the shipper sleeps. */
void shipper_wake(struct shipper *s);

/* Ship everything there is, then stop the loop; at most wait_ms, and at once where another shipper
 * has the lock. Any thread; the writers have committed their last. */
void shipper_drain(struct shipper *s, int64_t wait_ms);

/* Figures, readable from any thread. Weights are hits as the ledger counts them. */
struct shipper_stats {
    uint64_t received; /* weight in all journals, including segments that have been deleted */
    uint64_t shipped;  /* weight acknowledged by Redis */
    uint64_t pending;  /* received - shipped */
    uint64_t segments, segment_bytes;
    uint64_t batches, retries, gaps, damaged_bytes;
    uint64_t forced_out; /* segments deleted before keep_age, for want of disk */
    uint64_t skipped;    /* records given up by shipper_accept_gaps, at most; kept in the cursor */
    struct archive_stats archive;
    int64_t lag_ms; /* age of the oldest record not shipped, at most; 0: none */
    bool redis_up;
    bool full;                 /* a stream holds its limit: disk is the buffer */
    unsigned gap_partitions;   /* waiting for an explicit skip: what Redis forgot is not on disk */
    unsigned birth_partitions; /* waiting: Redis is empty or another one */
};
void shipper_stats(const struct shipper *s, struct shipper_stats *out);

/* Operator's word: hits that Redis forgot and the disk no longer holds are given up, counted in
 * `skipped`; an emptied or other Redis is taken for the new one, and gets all that the disk still
 * holds. Any thread. */
void shipper_accept_gaps(struct shipper *s);

#endif
