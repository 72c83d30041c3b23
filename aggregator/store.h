/*
 * store.h - bounded cache of fields of Redis hashes (profiles, fold states, rows, site states, page
 * names), packed as in Redis: loaded, changed, committed, dropped. One thread.
 *
 * An entry that a batch uses stays until the batch is done; the rest goes, longest unused first,
 * when the bound is crossed. Only entries of a batch can be dirty.
 */
#ifndef SENTIER_STORE_H
#define SENTIER_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "str.h"

struct store;

/* A Redis hash; lives as long as an entry of it does. */
struct store_hash {
    struct str key;
    unsigned partition;
};

/* The name of no field: the entry is the whole hash, as plain rows (common/pack.h). Such an entry
 * is loaded and never set, and what it says is not kept in step with other entries of the hash. */
#define STORE_WHOLE STR("")

/* Look, don't keep longer than the batch. */
struct store_entry {
    struct store_hash *hash;
    struct str field;
    struct str value; /* empty: there is no such field */
    bool known;       /* false: Redis is to be asked first */
    bool dirty;       /* differs from what Redis is known to hold */
};

/* What one batch uses, each entry once. Zero it to begin. */
struct store_batch {
    struct store_entry **entries;
    size_t n, cap;
};

struct store *store_new(size_t max_bytes);
void store_free(struct store *s); /* NULL is fine; batches must be done */

/* The entry, now in use by this batch (a partition has one batch at a time). NULL: out of memory.
 */
struct store_entry *store_use(struct store *s, struct store_batch *b, unsigned partition,
                              struct str key, struct str field);

/* Both copy the value; empty: none. False: out of memory, nothing changed. */
bool store_loaded(struct store *s, struct store_entry *e, struct str value);
bool store_set(struct store *s, struct store_entry *e, struct str value);

/* A value that mostly is there: it is written when this process does not know that. */
bool store_tell(struct store *s, struct store_batch *b, unsigned partition, struct str key,
                struct str field, struct str value);

/* Entries of the batch in order of their hash, so that each hash is one run. */
void store_group(struct store_batch *b);

/* The batch ends. committed: its changes are in Redis; else what it changed is forgotten. */
void store_done(struct store *s, struct store_batch *b, bool committed);

void store_drop(struct store *s, unsigned partition);  /* what no batch uses of it */
void store_drop_hash(struct store *s, struct str key); /* likewise of one hash */

size_t store_bytes(const struct store *s);

#endif
