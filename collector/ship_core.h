/*
 * ship_core.h - what the files of the shipper share. All of it belongs to the thread of the event
 * base, but the atomics.
 */
#ifndef SENTIER_SHIP_CORE_H
#define SENTIER_SHIP_CORE_H

#include "append.h"
#include "lanes.h"
#include "redis.h"
#include "ship_batch.h"
#include "shipper.h"

enum {
    PAUSE_MIN_MS = 100,
    PAUSE_MAX_MS = 1000,
    FULL_PER_PAUSE = 16,                   /* of PAUSE_MIN_MS */
    READ_AHEAD_BYTES = 64 * 1024 * 1024,   /* in all batches */
    FULL_MAX_BYTES = READ_AHEAD_BYTES / 2, /* the rest is for partitions that move */
};

enum partition_state {
    PARTITION_ASKED, /* whether it is the one we knew */
    PARTITION_READY,
    PARTITION_FULL,
    PARTITION_GAP,
    PARTITION_BIRTH,
};

struct partition {
    struct shipper *shipper;
    unsigned number;
    enum partition_state state;
    struct batch batches[2];
    struct batch *open, *flight;
    bool outstanding;    /* a call is on its way */
    bool behind;         /* some lane has passed over records */
    bool accept;         /* holes are to be skipped in this session */
    uint64_t generation; /* as the session found it */
    int pause_ms;
    int64_t retry_ms, sent_ms; /* monotonic */
};

enum figure {
    F_RECEIVED,
    F_SHIPPED,
    F_SEGMENTS,
    F_SEGMENT_BYTES,
    F_BATCHES,
    F_RETRIES,
    F_GAPS,
    F_DAMAGED,
    F_FORCED_OUT,
    F_SKIPPED,
    F_LAG_MS,
    F_UP,
    F_FULL,
    F_GAP_PARTITIONS,
    F_BIRTH_PARTITIONS,
    FIGURES
};

struct shipper {
    struct shipper_opts opts;
    struct event_base *base;
    int dir_fd, lock_fd, wake_fd;
    struct event *on_wake, *timer;
    struct redis_link *link;
    struct lanes lanes;
    struct partition *partition;
    bool sole; /* holds the lock; else it only looks */
    bool cursor_changed;
    struct part_pool pool;
    bool session;         /* Redis has agreed on the data set and is asked for the rest */
    int64_t session_ms;   /* when to begin one; 0: not before the link is up again */
    unsigned outstanding; /* calls on their way */
    unsigned full;        /* partitions whose stream is */
    int64_t rewind_ms;    /* the next one not before */
    size_t queued_bytes;
    size_t turn; /* lane that reads first */
    bool read_any, more, blocked, scan_now;
    int64_t pumped_ms, scan_ms, publish_ms;
    int64_t drain_until_ms; /* 0: not draining */
    int drain_scans;        /* since draining began */
    unsigned prune_next;    /* partition */
    int64_t pruned_day;     /* when all of them last were */
    uint64_t batches, retries, gaps;
    _Atomic(struct archive *) archive; /* that of the lanes, for other threads */
    _Atomic bool awake, accept_asked;
    _Atomic int64_t drain_asked_ms; /* -1: no */
    _Atomic uint64_t figure[FIGURES];
};

/* The next turn comes in ms from now. */
void shipper_kick(struct shipper *s, int64_t ms);

/* ship_send.c */
void ship_send_ready(struct partition *p, int64_t now_mono_ms); /* if it may send, and has what */
void ship_send_again(struct partition *p, int64_t now_mono_ms); /* the flight; empty: only asks */
void ship_send_drop(struct partition *p); /* its batches are read again later */

/* ship_session.c */
void ship_session_begin(struct shipper *s); /* as soon as Redis agrees on the data set */
void ship_session_end(struct shipper *s, int64_t pause_ms); /* -1: until the link is up again */
void ship_session_ask(struct shipper *s);                   /* what Redis has of new lanes */
void ship_session_accept(struct shipper *s);                /* the operator gave the word */
void ship_session_end_accepting(struct shipper *s);

/* ship_read.c */
void ship_read_lanes(struct shipper *s);
void ship_read_behind(struct shipper *s, int64_t now_mono_ms);

/* ship_prune.c */
void ship_prune_step(struct shipper *s);

/* ship_stats.c */
void ship_stats_publish(struct shipper *s);

#endif
