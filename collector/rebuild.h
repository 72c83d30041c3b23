/*
 * rebuild.h - folds all that archives and journals hold into a next generation, beside the live
 * one, and swaps them. How, and what is refused: rebuild.c. Blocking; one thread.
 */
#ifndef SENTIER_REBUILD_H
#define SENTIER_REBUILD_H

#include "rebuild_swap.h"

enum rebuild_phase { REBUILD_LISTS, REBUILD_READS, REBUILD_FOLDS, REBUILD_FENCED, REBUILD_SWAPS };

struct rebuild_progress {
    enum rebuild_phase phase;
    uint64_t records, hits; /* taken so far: hits as the ledger counts them */
    uint64_t folded;        /* of those hits */
    int64_t at_ms;          /* of the record taken last; 0: none */
};

struct rebuild_hooks {
    /* An aggregator of the next generation begins, and ends. -1 with a message. */
    int (*start_fold)(void *arg, struct buf *err);
    void (*stop_fold)(void *arg);
    /* Called all the time. False: give up, for a reason that the message says if there is one. */
    bool (*tick)(void *arg, const struct rebuild_progress *now, struct buf *err);
    void *arg;
};

struct rebuild_opts {
    const struct redis_conf *redis;
    const struct sites *sites;
    bool incomplete; /* swap also what is not whole, keeping what only the live generation knows */
    struct rebuild_hooks hooks;
};

/* What is missing, as far as it can be said. */
enum { REBUILD_MISSING_MAX = 20, REBUILD_MISSING_BYTES = 160 };
struct rebuild_missing {
    unsigned partitions;  /* that miss something */
    int64_t until_ms;     /* nothing that was received later is missing */
    uint64_t counted;     /* hits of the live generation that are in no file */
    uint64_t lost;        /* hits that collectors received and no file holds, at least */
    int64_t forgotten_ms; /* an archive has deleted what it had from before this moment; 0: no */
    char line[REBUILD_MISSING_MAX][REBUILD_MISSING_BYTES];
    unsigned lines, more; /* shown, and not shown */
};

struct rebuild_account {
    struct rebuild_progress done;
    uint64_t segments, packed, producers;
    unsigned passes;
    struct rebuild_missing missing;
    struct swap_account swap;
};

enum rebuild_end {
    REBUILD_DONE,
    REBUILD_INCOMPLETE, /* account->missing says what; nothing has changed */
    REBUILD_ERROR,      /* the message says why; the live generation is as it was, or whole */
};

/* files: with its directories, not scanned yet. */
enum rebuild_end rebuild_run(const struct rebuild_opts *o, struct rebuild_files *files,
                             struct rebuild_account *out, struct buf *err);

#endif
