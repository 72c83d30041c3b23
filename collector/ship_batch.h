/* ship_batch.h - what goes to one partition in one call of append.lua: a part per producer. */
#ifndef SENTIER_SHIP_BATCH_H
#define SENTIER_SHIP_BATCH_H

#include "buf.h"
#include "lane.h"
#include "shipper.h"

enum {
    BATCH_PARTS_MAX = 64,
    BATCH_MAX_BYTES = 1024 * 1024, /* of records, unless a single one is larger */
    PARTS_SPARE_MAX = 128,         /* kept for reuse */
    SPARE_MAX_BYTES = 512 * 1024,  /* of one of them */
    NUMBER_TEXT_BYTES = 21,
};

struct part {
    struct lane *lane;
    uint64_t prev, last, weight;
    struct buf records;
    char prev_text[NUMBER_TEXT_BYTES], last_text[NUMBER_TEXT_BYTES];
    char weight_text[NUMBER_TEXT_BYTES];
};

struct batch {
    struct part *part[BATCH_PARTS_MAX];
    unsigned parts, hits;
    size_t bytes;
    int64_t opened_ms; /* wall clock, of its first record */
};

/* Parts that are not in use, with their memory. */
struct part_pool {
    struct part *spare[PARTS_SPARE_MAX];
    unsigned n;
};
void part_pool_fini(struct part_pool *pool);

bool batch_full(const struct batch *b);

/* Adds a record that follows all others of its lane. False: no memory, nothing changed. */
bool batch_add(struct batch *b, struct part_pool *pool, struct lane *lane, const struct record *r);

/* No more is added: the slots forget their open part. */
void batch_close(struct batch *b, unsigned partition);

/* Redis has it: the slots move on. Empties the batch. */
void batch_acked(struct batch *b, struct part_pool *pool, unsigned partition);

/* Takes all of it back: its records are fallen behind, to be read again. Empties the batch. */
void batch_drop(struct batch *b, struct part_pool *pool, unsigned partition);

enum { PART_ARGS = 6 };
/* Fills PART_ARGS strings per part, borrowed from the batch. Returns how many. */
int batch_args(struct batch *b, struct str *out);

#endif
