/*
 * telling.h - what pages told of their links and of themselves in a batch -> fields of
 * {pN}:links:SITE and {pN}:about:SITE, and names of pages. No I/O.
 */
#ifndef SENTIER_TELLING_H
#define SENTIER_TELLING_H

#include "fold.h"
#include "pack.h"
#include "store.h"

/* Zero it, and set the first three. */
struct tellings {
    struct store *store;
    struct store_batch *use;
    unsigned partition;
    struct store_entry **entries;      /* of fold_told: two each, the page's and the site's count */
    struct buf packed;                 /* scratch */
    uint64_t approximated;             /* bounds that were crossed */
    const struct store_entry *damaged; /* the value that cannot be read */
};

/* What the store must know of them. False: out of memory. */
bool tellings_need(struct tellings *t, const struct fold *f);

/* All of them, in their order, into the store. */
enum pack_result tellings_apply(struct tellings *t, const struct fold *f);

void tellings_fini(struct tellings *t);

#endif
