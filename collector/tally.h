/* tally.h - refused hits: counted per second, site and verdict, and journaled as tally records, so
 * that the ledger survives this process. One per worker. */
#ifndef SENTIER_TALLY_H
#define SENTIER_TALLY_H

#include <stdint.h>

#include "journal.h"
#include "site.h"
#include "verdict.h"

/* The site of refused hits that named none that exists; no [site] can have this name. */
#define TALLY_NO_SITE "-"

struct tally;

struct tally *tally_new(unsigned partitions);
void tally_free(struct tally *t); /* NULL is fine */

/* site NULL: it was not known. */
void tally_add(struct tally *t, const struct site *site, enum verdict v, int64_t now_ms);

/* Stages what was counted in seconds before now_ms's (or all of it) as records. */
void tally_stage(struct tally *t, struct journal *j, int64_t now_ms, bool all);
/* The commit that the staged records went into stored them, or did not: then they stay. */
void tally_stored(struct tally *t, bool stored);

#endif
