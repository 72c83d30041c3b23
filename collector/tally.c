/*
 * A flood of bad hits must not flood the journal: a thousand refusals of one kind in one second are
 * one record. Counts live in a small table; when it is full the oldest second is staged early.
 */
#include "tally.h"

#include <assert.h>
#include <stdlib.h>

#include "hit.h"
#include "keys.h"

enum { TALLY_ROWS = 128, SECOND_MS = 1000 };

struct row {
    char site[HIT_SITE_MAX_BYTES + 1];
    uint32_t day;
    enum verdict verdict;
    int64_t second;
    uint32_t n, staged; /* staged: how many of n the running commit holds */
};

struct tally {
    unsigned partitions;
    struct row rows[TALLY_ROWS];
    unsigned n;
    struct buf encoded;
};

struct tally *tally_new(unsigned partitions)
{
    struct tally *t = calloc(1, sizeof *t);
    if (t == NULL) return NULL;
    t->partitions = partitions;
    buf_init(&t->encoded, HIT_MAX_BYTES);
    return t;
}

void tally_free(struct tally *t)
{
    if (t == NULL) return;
    buf_fini(&t->encoded);
    free(t);
}

static struct row *find(struct tally *t, const char *site, enum verdict v, int64_t second)
{
    for (unsigned i = 0; i < t->n; i++) {
        struct row *r = &t->rows[i];
        if (r->verdict == v && r->second == second && strcmp(r->site, site) == 0) return r;
    }
    return NULL;
}

/* In a full table the last row of the same verdict takes it, whatever its second: the ledger stays
 * exact, the second does not. Only without such a row does a foreign site's row lend its name. */
static struct row *any_row(struct tally *t, enum verdict v)
{
    for (unsigned i = t->n; i > 0; i--) {
        if (t->rows[i - 1].verdict == v) return &t->rows[i - 1];
    }
    return NULL;
}

void tally_add(struct tally *t, const struct site *site, enum verdict v, int64_t now_ms)
{
    assert(v > V_COUNTED && v < VERDICTS);
    const char *name = site == NULL ? TALLY_NO_SITE : site->name;
    int64_t second = now_ms / SECOND_MS;
    struct row *r = find(t, name, v, second);
    if (r == NULL && t->n >= TALLY_ROWS - VERDICTS) r = any_row(t, v);
    if (r == NULL) {
        assert(t->n < TALLY_ROWS); /* the last VERDICTS rows are one per verdict */
        r = &t->rows[t->n++];
        *r = (struct row){.verdict = v, .second = second};
        memcpy(r->site, name, strlen(name) + 1);
        r->day = site == NULL ? (uint32_t)(second / 86400) : zone_day(site->zone, now_ms);
    }
    r->n++;
}

static bool stage(struct tally *t, struct journal *j, struct row *r)
{
    struct hit h = {.kind = HIT_TALLY,
                    .site = str_of(r->site),
                    .at_ms = r->second * SECOND_MS,
                    .day = r->day,
                    .verdict = r->verdict,
                    .n = r->n};
    unsigned partition = key_partition(h.site, 0, 1, t->partitions);
    buf_clear(&t->encoded);
    return hit_encode(&h, &t->encoded) &&
           journal_stage(j, partition, r->n, 0, buf_str(&t->encoded));
}

void tally_stage(struct tally *t, struct journal *j, int64_t now_ms, bool all)
{
    for (unsigned i = 0; i < t->n; i++) {
        struct row *r = &t->rows[i];
        bool over = r->second != now_ms / SECOND_MS; /* or the clock was set back */
        bool due = all || over || t->n >= TALLY_ROWS / 2;
        if (due && r->staged == 0 && stage(t, j, r)) r->staged = r->n;
    }
}

void tally_stored(struct tally *t, bool stored)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < t->n; i++) {
        struct row r = t->rows[i];
        if (stored) r.n -= r.staged;
        r.staged = 0;
        if (r.n > 0) t->rows[kept++] = r;
    }
    t->n = kept;
}
