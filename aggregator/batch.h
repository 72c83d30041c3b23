/*
 * batch.h - one batch of a partition: stream entries -> changed fields in the store. No I/O: it
 * says what must be loaded, and goes on when that is known. One batch is:
 *
 *   batch_begin; batch_add for each entry
 *   while batch_step says BATCH_LOAD: load the entries of batch_use that are not known
 *   BATCH_READY: commit the dirty entries of batch_use, and what else it tells
 *   batch_end
 */
#ifndef SENTIER_BATCH_H
#define SENTIER_BATCH_H

#include <stdint.h>

#include "keys.h"
#include "sitestate.h"
#include "store.h"
#include "verdict.h"

struct batch;

/* NULL: out of memory. Reused for many batches. */
struct batch *batch_new(struct store *store, const struct retention *keep);
void batch_free(struct batch *b); /* NULL is fine */

/* bytes: at least the records of all entries that will be added; dataset: its id. False: out of
 * memory. */
bool batch_begin(struct batch *b, unsigned partition, size_t bytes, struct str dataset);
/* Records and weight of one entry, copied. What cannot be read of it is counted as such, so that
 * the ledger gets the whole weight. False: out of memory. */
bool batch_add(struct batch *b, uint64_t weight, struct str records);

enum batch_result {
    BATCH_LOAD,
    BATCH_READY,
    BATCH_DAMAGED, /* a stored value cannot be read; said in the log */
    BATCH_MEMORY,
};
enum batch_result batch_step(struct batch *b);

struct store_batch *batch_use(struct batch *b);
/* After BATCH_READY: */
const uint64_t *batch_ledger(const struct batch *b);              /* weight by verdict */
const struct key *batch_closed(const struct batch *b, size_t *n); /* keys that go */
/* fn for each site's day whose rows changed, and for the newest one when the catalogue did. */
void batch_days(const struct batch *b, void (*fn)(void *arg, struct str site, uint32_t day),
                void *arg);

struct batch_figures {
    uint64_t hits;         /* records that were read */
    uint64_t damaged;      /* records, or rests of entries, that were not */
    uint64_t weight;       /* of the entries */
    uint64_t bytes;        /* of their records */
    uint64_t approximated; /* bounds that were crossed */
};
const struct batch_figures *batch_figures(const struct batch *b);

/* Also ends a batch that was given up. */
void batch_end(struct batch *b, bool committed);

#endif
