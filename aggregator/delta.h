/*
 * delta.h - what a batch adds to which row: (site, day, row name) -> columns. Filled by the fold,
 * then applied to the loaded rows:
 *
 *   deltas_finish(d);       drops what cancelled out, adds the rows that limits need, sorts
 *   for each delta: delta->target = its row, loaded; an empty row when there is no such field
 *   deltas_apply(d);
 *   for each delta with changed: write target, or HDEL the field when row_empty(target)
 *   for each delta with page.n > 0 and not dropped: name the page delta->name[1..8]
 *
 * The memory is reused by deltas_clear(). One thread.
 */
#ifndef SENTIER_DELTA_H
#define SENTIER_DELTA_H

#include "row.h"
#include "sitestate.h"
#include "verdict.h"

/* Instead of a date: the month of this number (clock.h), for dates that have no rows of their own.
 */
#define DELTA_MONTH 0x80000000u
/* Rows that belong to no day. Live: T has pageviews, V has visitors by their newest sign of life;
 * columns are minutes since 1970, the newest LIVE_MINUTES of the site's live hits. */
#define DELTA_LIVE 0xc0000000u
/* Rows of pages; columns are years: the interest of persons, as sums of interest.h. */
#define DELTA_MIX 0xc0000001u
enum { LIVE_MINUTES = 30, LIVE_MINUTE_MS = 60 * 1000 };

struct delta {
    struct sitestate *site;
    uint32_t day;       /* or DELTA_MONTH + month */
    struct str name;    /* row name as in README.md; lives until deltas_clear */
    struct str page;    /* rows of pages: the page, when a hit of this batch named it; borrowed from
                           the hit, or a copy (deltas_copy) */
    struct row add;     /* what the batch adds */
    struct row *target; /* the caller's, set between finish and apply */
    bool aged;          /* its site's clock moved: old columns go, though nothing may be added */
    bool changed;       /* by apply: target is to be written */
    bool dropped;       /* by apply: went to the (other) row instead */
    uint32_t hash;
};

struct deltas;

struct deltas *deltas_new(void); /* NULL: no memory */
void deltas_free(struct deltas *d);
void deltas_clear(struct deltas *d);

/* The delta of a row, made when there is none; NULL: no memory (and deltas_failed from then on).
 * The pointer is good until deltas_clear. */
struct delta *deltas_row(struct deltas *d, struct sitestate *site, uint32_t day, struct str name);
/* A copy that lives until deltas_clear; empty: no memory (and deltas_failed). */
struct str deltas_copy(struct deltas *d, struct str s);
/* The newest minute of the site's live hits is another one. */
void deltas_minute(struct deltas *d, struct sitestate *site);
void deltas_add(struct deltas *d, struct delta *row, uint32_t column,
                int64_t amount); /* row NULL: nothing */

/* The partition's ledger: weight per verdict. */
void deltas_verdict(struct deltas *d, enum verdict v, uint64_t weight);
const uint64_t *deltas_ledger(const struct deltas *d); /* VERDICTS numbers */

bool deltas_finish(
    struct deltas *d); /* false: memory ran out somewhere; the batch cannot be used */
size_t deltas_count(const struct deltas *d);
struct delta *deltas_at(const struct deltas *d, size_t i); /* after finish: by (site, day, name) */
bool deltas_apply(struct deltas *d);                       /* false: out of memory */
bool deltas_failed(const struct deltas *d);

#endif
