/*
 * naming.h - the customers that the hits of a batch were signed for -> their records in
 * {pN}:customers:SITE. No I/O.
 */
#ifndef SENTIER_NAMING_H
#define SENTIER_NAMING_H

#include "fold.h"
#include "pack.h"
#include "store.h"

struct naming {
    const struct fold_named *named;
    struct store_entry *record;
};

/* All zero is empty. */
struct namings {
    struct naming *all;
    size_t n, cap;
};

/* What the store must know of it. *named lives until namings_clear. False: out of memory. */
bool namings_need(struct namings *l, struct store *store, struct store_batch *use,
                  unsigned partition, const struct fold_named *named);

/* All of them, in their order, into the store. PACK_DAMAGED: *damaged says which value. */
enum pack_result namings_apply(struct namings *l, struct store *store,
                               const struct store_entry **damaged);

void namings_clear(struct namings *l); /* keeps the memory */
void namings_fini(struct namings *l);

#endif
