/*
 * journal.h - append-only log of accepted hits, a directory of segments. One writer thread per
 * journal; any number of readers through journal_read.h. The format is in README.md.
 */
#ifndef SENTIER_JOURNAL_H
#define SENTIER_JOURNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "str.h"

enum {
    PRODUCER_BYTES = 16,
    SEGMENT_HEAD_BYTES = 64,
    RECORD_HEAD_BYTES = 32,
    RECORD_MAX_BYTES = 64 * 1024, /* payload; more is damage */
    JOURNAL_STAGED_MAX_BYTES = 8 * 1024 * 1024,
    JOURNAL_FLAG_IMPORT = 1,
};

struct journal_opts {
    const char *dir;       /* must exist */
    int64_t segment_bytes; /* a new segment follows when one holds this much */
    int64_t reserve_bytes; /* appending fails while the file system has less than this free */
    int64_t sync_ms; /* on the disk at most this long after a write; 0: before commit returns */
    unsigned partitions;
    const unsigned char *producer; /* NULL: random (always, but for imports) */
    uint32_t flags;                /* JOURNAL_FLAG_IMPORT */
};

/* Where a live writer is; read it with journal_mark_read, from any thread. It outlives its journal
 * as long as someone holds it. */
struct journal_mark {
    _Atomic unsigned holders;
    _Atomic uint64_t version; /* odd while the segment named below changes */
    _Atomic uint64_t producer[2];
    _Atomic uint64_t first_seq;
    _Atomic uint64_t committed; /* bytes of that segment that may be read */
    _Atomic uint64_t weight;    /* committed by this producer */
};

struct journal_point {
    unsigned char producer[PRODUCER_BYTES]; /* all zero: nothing written yet, or closed */
    uint64_t first_seq, committed, weight;
};
struct journal_mark *journal_mark_hold(struct journal_mark *mark);
void journal_mark_release(struct journal_mark *mark); /* NULL is fine */
void journal_mark_read(const struct journal_mark *mark, struct journal_point *out);

struct journal;

/* The first segment is made by the first commit. An import renames its finished segments into the
 * shippers' directory in rising order of their names. */
/* Makes `data` and data/journal where they are missing, so that a power loss does not take them
 * away again; the latter's path is in out. -1: errno says why. */
int journal_make_dir(const char *data, char *out, size_t size);

struct journal *journal_open(const struct journal_opts *opts); /* NULL: errno says why */
void journal_close(struct journal *j);                         /* syncs; NULL is fine */

/* Stages one record in memory; nothing is stored before journal_commit. seq 0: the next one; an
 * import gives its own, rising. False: staged memory is full, commit first. */
bool journal_stage(struct journal *j, unsigned partition, uint32_t weight, uint64_t seq,
                   struct str payload);
bool journal_staged(const struct journal *j); /* anything to commit? */

/* Writes all that is staged with one write. 0: it is with the kernel (and on the disk when
 * sync_ms is 0). -1: nothing of it was stored; the staged records are forgotten and their
 * sequence numbers used again by others. */
int journal_commit(struct journal *j, int64_t now_mono_ms);

/* Call now and then, at least every sync_ms: leaves a segment that could not be synced even when
 * nothing is committed. Syncing itself needs no call; a thread of the journal does it. */
void journal_tick(struct journal *j);

/* Between two commits: what there is of this journal does not grow any more, and what comes next is
 * of a new producer. Not for imports. */
void journal_leave(struct journal *j);

bool journal_healthy(const struct journal *j); /* the last commit stored */
/* Changes when a write could not be undone or synced: no sequence number is used twice. With a
 * producer of its own (imports) the journal then refuses everything. */
const unsigned char *journal_producer(const struct journal *j);
struct journal_mark *journal_mark(const struct journal *j);
uint64_t journal_weight(const struct journal *j); /* committed by this producer */

#endif
