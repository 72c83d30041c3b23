/*
 * rebuild_lane.h - one producer over all its segments, wherever they lie: its records in order,
 * and what is missing between them. Knows files, not Redis. One thread.
 */
#ifndef SENTIER_REBUILD_LANE_H
#define SENTIER_REBUILD_LANE_H

#include "journal_read.h"

struct rebuild_segment {
    uint64_t first_seq;
    int dir_fd;     /* of its archive, borrowed; -1: it is in none */
    int fd;         /* of a journal's file, held since it was listed: it may be deleted. -1: none */
    uint64_t bytes; /* of the segment, unpacked */
    uint64_t done;  /* so many of them have been read and nothing in them was left */
    int64_t created_ms;
    bool opened;
};

/* Which records cannot be read here, and until when such were received. Per partition. */
struct coverage {
    int64_t until_ms; /* nothing that was received later is missing; 0: nothing is */
    uint64_t holes;
};

struct rebuild_lane {
    unsigned char producer[PRODUCER_BYTES];
    unsigned partitions;
    struct rebuild_segment *seg; /* in order of first_seq */
    size_t segs, cap, at;
    struct segment_reader *reader;
    struct record held; /* read, but not its turn yet */
    bool holding, import;
    bool left;          /* a record of segment `at` has not been taken */
    int64_t key_ms;     /* the record held was not received before this */
    uint64_t read_to;   /* greatest seq ever read */
    uint64_t weight;    /* of all records, each once */
    int64_t hole_ms;    /* segments before others are missing, until then; 0: none */
    int64_t damaged_ms; /* something inside a segment could not be read, until then; 0: nothing */
    int64_t last_day;   /* UTC day on which Redis took something of it last; 0: never expires */
    /* per partition: */
    uint64_t *seen;   /* what Redis has of it */
    uint64_t *folded; /* what of that has been folded */
    uint64_t *got;    /* what has been taken for the next generation */
    uint64_t *had;    /* what has been read */
    uint64_t *need;   /* what must have been read in the end */
};

struct rebuild_lane *rebuild_lane_new(const unsigned char *producer, unsigned partitions);
void rebuild_lane_free(struct rebuild_lane *l); /* NULL is fine */

/* A file of it. fd >= 0: of a journal, taken; else it is in the archive dir_fd. False: errno. */
bool rebuild_lane_add(struct rebuild_lane *l, const struct rebuild_segment *found);

/* Reading begins where something is left. False: nothing is, or nothing can be read. */
bool rebuild_lane_begin(struct rebuild_lane *l);

enum rebuild_result {
    REBUILD_RECORD, /* l->held, l->key_ms */
    REBUILD_END,
    REBUILD_FAILED, /* errno; EDOM: a segment of a data set with other partitions */
};
/* The next record into l->held, unless one is held. Holes are noted in c[partition]. */
enum rebuild_result rebuild_lane_next(struct rebuild_lane *l, struct coverage *c);
/* The held one has been dealt with. taken false: it is to be read again in the next pass. */
void rebuild_lane_pass(struct rebuild_lane *l, bool taken);
/* Whether the held record stands in an archived segment: one that Redis has had. */
bool rebuild_lane_archived(const struct rebuild_lane *l);

#endif
