/*
 * bundle.h - the rows of one packed day (common/pack.h) while a batch changes some of them. Pure.
 *
 *   bundle_load(b, packed, loose);   both may be empty
 *   bundle_find(b, name);            what is to be added to
 *   bundle_write(b, changed, n, out)
 */
#ifndef SENTIER_BUNDLE_H
#define SENTIER_BUNDLE_H

#include "pack.h"

struct bundle_row {
    struct str name, value;
};

/* All zero: nothing loaded. */
struct bundle {
    struct buf plain, sums;
    struct bundle_row *rows; /* in rising order; they point into plain, sums and loose */
    size_t n;
};

/* packed: a packed value; loose: plain rows in any order, to live as long as the bundle. What is in
 * both is added up. */
enum pack_result bundle_load(struct bundle *b, struct str packed, struct str loose);
void bundle_fini(struct bundle *b);

struct str bundle_find(const struct bundle *b, struct str name); /* empty: there is no such row */

/* All rows, packed, with `changed` (in rising order) instead of those that were loaded; an empty
 * value: the row goes. Without any row, *out stays empty. False: no memory. */
bool bundle_write(const struct bundle *b, const struct bundle_row *changed, size_t n,
                  struct buf *out);

#endif
