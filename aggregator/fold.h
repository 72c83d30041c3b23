/*
 * fold.h - a batch of one partition's hits -> changed visitors, profiles and site states, row
 * deltas, ledger. Pure and deterministic: no clock, no I/O. One batch is:
 *
 *   fold_clear(f);
 *   for each record in the order of the stream:
 *       fold_add(f, site, hit, weight);   site: the caller's loaded struct sitestate, changed
 *       fold_unreadable(f, weight);       for records that are no hit
 *   for each i < fold_count(f): v = fold_at(f, i); load v->state.daily or v->state.profile, and
 *       what is stored of its being forgotten
 *   fold_run(f);
 *   fold_deltas(f) as in delta.h
 *   for each fold_closed: DEL {pN}:visitors:SITE:DAY first
 *   for each i < fold_count(f): write the state, unless v->gone
 *   for each fold_told: into the site's links or pages (links.h)
 *   for each fold_named: into the record of the customer (customer.h)
 *   write every sitestate that was given to fold_add
 *
 * Hits are copied, their strings are not: those bytes, and the site states, must live until
 * fold_clear. After a failure (memory) nothing of the batch may be committed and every state that
 * was given to it must be loaded again. Memory is reused from batch to batch.
 */
#ifndef SENTIER_FOLD_H
#define SENTIER_FOLD_H

#include "delta.h"
#include "profile.h"

struct fold;

/* One visitor of the batch. The key of its state is (site, day, id) or (site, id). */
struct fold_visitor {
    struct sitestate *site;
    uint64_t id;
    uint32_t day;   /* of a daily visitor */
    bool consented; /* profile, else daily */
    union {         /* set by the caller before fold_run; all zero inside when there is none yet */
        struct visitor *daily;
        struct profile *profile;
    } state;
    bool gone;  /* by fold_run: its day was closed, or nothing is left; do not write the state */
    bool known; /* by a first-party id, so that it can be forgotten */
    /* Nothing up to this moment is folded. The caller gives what is stored, fold_run what is to be;
     * 0: it was not forgotten. Asked for when known and site->forgotten_ms != 0. */
    int64_t forgotten_ms;
    /* the fold's own: its hits */
    uint32_t first_hit, last_hit, hash;
};

/* What a human's browser told of a page: its links, or what it says of itself. It belongs to the
 * site, not to a visitor, and telling it twice changes nothing. Strings borrowed from the hit. */
struct fold_told {
    struct sitestate *site;
    enum hit_kind kind; /* HIT_LINKS or HIT_META */
    int64_t at_ms;
    struct str page, list;
    uint32_t day;
    bool more;
};

/* Hits that the site signed as a customer's. Naming the same twice changes nothing. */
struct fold_named {
    struct sitestate *site;
    uint64_t customer, visitor;
    struct str id; /* borrowed from the hit */
    bool counts;   /* by fold_run: not all of its hits were to be forgotten; when it forgets: all */
    bool forgets;  /* not named, but forgotten: the visitor leaves the record */
    bool anew;     /* by fold_run: its first customer is another one, or new */
};

struct fold_closed {
    struct sitestate *site;
    uint32_t day;
};

struct fold *fold_new(void); /* NULL: no memory */
void fold_free(struct fold *f);
void fold_clear(struct fold *f);
void fold_set_dataset(struct fold *f, struct str id); /* copied; customers have their keys by it */
void fold_keep(struct fold *f, int64_t persons_ms);   /* as of retention */

bool fold_add(struct fold *f, struct sitestate *site, const struct hit *hit, uint32_t weight);
void fold_unreadable(struct fold *f, uint64_t weight);
void fold_forgotten(struct fold_visitor *v, int64_t stored_ms); /* what the store has of it */

size_t fold_count(const struct fold *f);
struct fold_visitor *fold_at(struct fold *f, size_t i);

bool fold_run(struct fold *f); /* false: no memory */
struct deltas *fold_deltas(struct fold *f);
size_t fold_closed_count(const struct fold *f);
struct fold_closed fold_closed_at(const struct fold *f, size_t i);
size_t fold_told_count(const struct fold *f);
const struct fold_told *fold_told_at(const struct fold *f, size_t i);
size_t fold_named_count(const struct fold *f);
const struct fold_named *fold_named_at(const struct fold *f, size_t i);
uint64_t fold_approximated(const struct fold *f); /* bounds crossed in this batch, for /metrics */

#endif
