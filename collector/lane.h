/*
 * lane.h - one producer's road to Redis: its segments on disk, where reading stands, and per
 * partition how far it came. Knows files, not Redis. Belongs to the shipper's thread.
 */
#ifndef SENTIER_LANE_H
#define SENTIER_LANE_H

#include <sys/stat.h>
#include <sys/types.h>

#include "journal_read.h"

struct segment {
    uint64_t first_seq;
    ino_t inode;
    uint64_t size;
    int64_t mtime_ms;
    uint64_t weight_before;
    uint64_t weight;  /* of its records; what the next segment's head says until it has been read */
    uint64_t damaged; /* bytes */
    uint32_t flags;
    bool listed;   /* in the last scan of the directory */
    bool opened;   /* its head has been read */
    bool counted;  /* weight is what was read from the first record to the last */
    bool shipped;  /* all of it is in Redis, which has said so in this session */
    bool dated;    /* mtime is when it was found shipped; nothing of it was sent since */
    bool broken;   /* another's file under this name: kept for a person to look at */
    bool headless; /* its head is damaged: what that says is guessed from the others */
};

/* A producer in a partition. What lies between acked and queued is in batches. */
struct slot {
    uint64_t queued;        /* everything up to this seq needs no more reading */
    uint64_t sent;          /* last seq put into a batch: `prev` of the next part */
    uint64_t acked;         /* Redis has everything up to this */
    uint64_t behind_to;     /* last seq that was passed over */
    uint64_t behind_weight; /* of what was passed over */
    uint64_t behind_from;   /* the first one stands at this offset ... */
    uint64_t behind_in;     /* ... of the segment with this first_seq; 0: not known */
    uint64_t fetch_to;      /* as behind_to, of what a rewind is fetching now; 0: it is not */
    uint64_t fetch_weight;
    struct part *open; /* in the partition's open batch */
    bool behind;       /* records were passed over; a rewind will fetch them */
};

/* Where reading stood when a rewind took it back. */
struct front {
    bool set;
    size_t at;
    struct segment_reader *reader;
    bool fresh, gap_seen, gap_rescanned, holding;
    uint64_t last_seq, passed;
    struct record held;
};

enum lane_state {
    LANE_NEW,     /* what Redis has seen of it is not known */
    LANE_ASKING,  /* ... and has been asked for */
    LANE_READING, /* slots are valid */
    LANE_DONE,    /* closed and wholly in Redis; no slots */
};

struct lane {
    unsigned char producer[PRODUCER_BYTES];
    int dir_fd;
    unsigned partitions;
    enum lane_state state;
    struct segment *seg; /* in order of first_seq */
    size_t segs, cap;
    bool import;
    bool known, changed; /* listed before; by the scan that is under way */
    bool settled;        /* the directory cannot be hiding an older segment */
    bool was_live;       /* in the scan before */
    bool live;           /* a writer of this process; point says where it is */
    struct journal_point point;
    struct slot *slots;
    size_t at; /* segment being read, or to be read next */
    struct segment_reader *reader;
    bool fresh;                   /* the next segment opened is the first after a start or rewind */
    bool gap_seen, gap_rescanned; /* the next segment does not follow; is one not listed yet? */
    uint64_t last_seq;            /* of the record read last */
    uint64_t passed;              /* weight read in segment `at` */
    uint64_t skip_to;          /* an offset in segment `at`: nobody needs what stands before it */
    bool skipped;              /* the reader has not read the segment from its start */
    uint64_t queued_weight;    /* in batches */
    unsigned parts;            /* in batches */
    unsigned behind, fetching; /* slots that are */
    uint64_t behind_weight;    /* of both */
    struct front front;
    uint64_t shipped_hint; /* weight in Redis when it was known last */
    struct record held;    /* read, but its partition is busy */
    bool holding;
    int64_t caught_up_ms;     /* when reading last was at the end (wall clock) */
    unsigned asked, answered; /* questions for `seen` */
    bool ask_failed;
    void *owner; /* the shipper, for the answers */
};

struct lane *lane_new(int dir_fd, const unsigned char *producer, unsigned partitions);
void lane_free(struct lane *l); /* NULL is fine */

/* A file of this producer as the directory lists it. True: it is new, or changed although closed.
 */
bool lane_list(struct lane *l, uint64_t first_seq, const struct stat *st);
/* Where the writer is; NULL: the producer has no live writer. */
void lane_point(struct lane *l, const struct journal_point *point);
/* Forgets segments that were not listed. Returns the weight that thereby leaves the directory. */
int64_t lane_prune(struct lane *l);
/* Reads heads (and whole files where no other says it) for the weights. After listing. */
void lane_weigh(struct lane *l);
/* The writer is gone: no mark says any more what the last segment weighs. */
void lane_weigh_end(struct lane *l);

/* slots[].queued is what Redis has seen: sets where reading begins. */
void lane_start(struct lane *l);
/* Ends reading; back to LANE_NEW. No part may be left in a batch. */
void lane_stop(struct lane *l);
/* Fetches what was passed over of a slot that is behind. As soon as no slot is fetching any more,
 * reading goes on where it was before. */
void lane_rewind(struct lane *l, unsigned partition);
/* The record is in a batch. */
void lane_sent(struct lane *l, const struct record *r);
/* The record was passed over. */
void lane_fall_behind(struct lane *l, const struct record *r);

/* What was queued after `prev`, with this weight, is not on its way any more. */
void lane_take_back(struct lane *l, unsigned partition, uint64_t prev, uint64_t weight);

enum lane_result {
    LANE_RECORD,
    LANE_OPENED, /* the first segment after a start or rewind: look at lane_hole */
    LANE_WAIT,   /* for the writer, or for the next scan of the directory */
    LANE_RESCAN, /* likewise, and scan at once */
    LANE_END,    /* closed, all read */
};
enum lane_result lane_next(struct lane *l, struct record *out);

/* After LANE_OPENED: the seq up to which the partition's records should have been read before, but
 * are no longer on disk; 0: none. */
uint64_t lane_hole(const struct lane *l, unsigned partition);

bool lane_closed(const struct lane *l, size_t i); /* segment i does not grow */
/* Sets segment.shipped from the slots, and the mtime of a file that now is. True: one now is. */
bool lane_mark_shipped(struct lane *l);
void lane_done(struct lane *l);              /* after LANE_END, with nothing on its way or behind */
uint64_t lane_total(const struct lane *l);   /* weight of the segments on disk */
uint64_t lane_before(const struct lane *l);  /* weight of this producer before those */
uint64_t lane_pending(const struct lane *l); /* weight on disk that Redis does not have */

#endif
