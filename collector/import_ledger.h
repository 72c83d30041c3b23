/*
 * import_ledger.h - what Redis knows of imports: which files came before, what of a file has been
 * taken, whether its days hold other hits. Blocking; for the command line.
 */
#ifndef SENTIER_IMPORT_LEDGER_H
#define SENTIER_IMPORT_LEDGER_H

#include "buf.h"
#include "import_file.h"
#include "redis_now.h"
#include "site.h"
#include "sitestate.h"

/* One import as `sentier:imports:SITE` keeps it. */
struct import_record {
    unsigned char producer[PRODUCER_BYTES];
    uint64_t head_bytes;    /* of the head that made the producer */
    uint64_t lines;         /* that Redis had when it last ran to the end; 0: it never did */
    int64_t from_ms, to_ms; /* of its hits; 0: it has none */
};

/* 0 and *out is the record of this file (of an earlier, shorter state of it too), or a new one with
 * lines 0. -1: err. */
int import_find(struct redis_now *redis, const struct site *site, const struct import_file *file,
                struct import_record *out, struct buf *err);
int import_save(struct redis_now *redis, const struct site *site,
                const struct import_record *record, struct buf *err);

/* seen[p] = the last line of the producer that partition p has taken. */
int import_seen(struct redis_now *redis, const unsigned char *producer, unsigned partitions,
                uint64_t *seen, struct buf *err);

/* Whether hits of this time may be added: 0, or -1 and err says which other import overlaps with
 * it, or which of its days hold live hits. */
int import_check_overlap(struct redis_now *redis, const struct site *site, unsigned partitions,
                         const struct import_record *record, struct buf *err);

/* *first = the first day of which rows are kept once the site has hits of `newest`, counted from
 * its newest day of all. 0, or -1: err. */
int import_kept(struct redis_now *redis, const struct site *site, unsigned partitions,
                const struct retention *keep, uint32_t newest, uint32_t *first, struct buf *err);

#endif
