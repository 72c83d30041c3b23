/* import.h - one access log -> a producer's journal segments, ready to be shipped. Knows files and
 * the journal, not Redis. */
#ifndef SENTIER_IMPORT_H
#define SENTIER_IMPORT_H

#include "import_file.h"
#include "ingest.h"
#include "logline.h"
#include "visitor.h"

enum { IMPORT_EXAMPLES = 5, IMPORT_REASONS = 8, IMPORT_MONTHS = 200 * 12 };

struct import_opts {
    const struct site *site;
    struct ingest *ingest;
    const unsigned char *key; /* IMPORT_KEY_BYTES */
    const char *host;         /* of lines that name none */
    const char *journal_dir;
    int64_t segment_bytes, reserve_bytes;
    unsigned partitions;
    const unsigned char *producer; /* one process at a time */
    uint64_t complete;             /* Redis has all lines up to this one */
    const uint64_t *seen;          /* and per partition all up to this one */
    int64_t latest_ms; /* a line of a later time is unreadable: it would age everything else */
    void (*progress)(void *arg, uint64_t lines, double share); /* now and then */
    void *arg;
};

struct import_count {
    const char *reason;
    uint64_t n;
};

/* What was found. Every line is exactly one of taken, refused, left out, unreadable. */
struct import_result {
    uint64_t lines, taken, bots, broken, refused, left_out, unreadable;
    uint64_t staged;                    /* records that Redis did not have yet */
    int64_t from_ms, to_ms;             /* of the hits among them; 0: there are none */
    uint64_t months[IMPORT_MONTHS];     /* hits among them by local month, from January 1970 on */
    uint64_t examples[IMPORT_EXAMPLES]; /* line numbers of the first unreadable ones */
    struct import_count left[IMPORT_REASONS];
    uint64_t *last; /* per partition: the last staged line; freed by import_result_fini */
    bool cut;       /* the last line was left for the next import */
};
void import_result_fini(struct import_result *r);
/* How many of those hits belong to months before that of this day. */
uint64_t import_older(const struct import_result *r, uint32_t day);

/* What an earlier run of this import has left in the journal directory, shipped or not: per
 * partition the last line. False: nothing. */
bool import_journalled(const struct import_opts *o, uint64_t *last);
/* Reads the file to its end into a staging directory. 0; -1: *err says why, nothing was kept. */
int import_read(const struct import_opts *o, struct import_file *file, struct import_result *out,
                struct buf *err);
/* Moves the staged segments to where shippers look. */
int import_publish(const struct import_opts *o, struct buf *err);
void import_discard(const struct import_opts *o); /* or forgets them */

#endif
