/*
 * listing.h - the catalogue records of a batch -> fields of {pN}:catalogue:SITE and names of pages.
 * They are no hits: no clock, row or visitor of the site knows of them, only the ledger does. No
 * I/O.
 */
#ifndef SENTIER_LISTING_H
#define SENTIER_LISTING_H

#include "catalogue.h"
#include "delta.h"
#include "pack.h"
#include "store.h"

struct listing {
    const struct hit *hit;
    uint32_t weight;
    struct str site;
    struct store_entry *head, *page; /* page NULL: the end of a run */
};

/* All zero is empty. */
struct listings {
    struct listing *all;
    size_t n, cap;
};

static inline bool is_listing(const struct hit *h)
{
    return h->kind == HIT_CATALOGUE || h->kind == HIT_CATALOGUE_END;
}

/* What the store must know of it. hit and site live until listings_clear. False: out of memory. */
bool listings_need(struct listings *l, struct store *store, struct store_batch *use,
                   unsigned partition, struct str site, const struct hit *hit, uint32_t weight);

/* All of them, in their order, into the store and the ledger. PACK_DAMAGED: *damaged says which
 * value. */
enum pack_result listings_apply(struct listings *l, struct store *store, struct store_batch *use,
                                struct deltas *ledger, const struct store_entry **damaged);

void listings_clear(struct listings *l); /* keeps the memory */
void listings_fini(struct listings *l);

#endif
