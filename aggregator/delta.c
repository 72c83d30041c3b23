/*
 * A hash map of small rows. Its entries, their names and their cells stay allocated from batch to
 * batch, so a busy aggregator stops allocating. Names are copied into an arena of chunks that never
 * move.
 *
 * Limits on rows are kept when the deltas meet the stored rows: total rows count the rows made per
 * kind. A row that is missing is made while its kind has room, else its delta goes to the kind's
 * (other) row. A missing row with a negative amount was sent to (other) before, so it goes there
 * again; a row that is empty again is given back to the limit.
 */
#include "delta.h"

#include <assert.h>
#include <stdlib.h>

#include "bytes.h"
#include "clock.h"
#include "month.h"

enum { ARENA_CHUNK_BYTES = 64 * 1024, TABLE_MIN = 1024 };

struct chunk {
    struct chunk *next;
    size_t used;
    char bytes[ARENA_CHUNK_BYTES];
};
_Static_assert((int)ROW_NAME_MAX_BYTES <= (int)ARENA_CHUNK_BYTES, "a name fits into a chunk");

struct deltas {
    struct delta **rows; /* the first n are in use; after finish in order */
    size_t n, made, cap;
    struct delta **table; /* open addressing, a power of two */
    size_t table_size;
    struct chunk *chunks, *chunk;
    uint64_t ledger[VERDICTS];
    bool failed;
};

struct deltas *deltas_new(void)
{
    struct deltas *d = calloc(1, sizeof *d);
    if (d == NULL) return NULL;
    d->table_size = TABLE_MIN;
    d->table = calloc(d->table_size, sizeof(struct delta *));
    if (d->table == NULL) {
        free(d);
        return NULL;
    }
    return d;
}

void deltas_free(struct deltas *d)
{
    if (d == NULL) return;
    for (size_t i = 0; i < d->made; i++) {
        row_fini(&d->rows[i]->add);
        free(d->rows[i]);
    }
    while (d->chunks != NULL) {
        struct chunk *c = d->chunks;
        d->chunks = c->next;
        free(c);
    }
    free(d->rows);
    free(d->table);
    free(d);
}

void deltas_clear(struct deltas *d)
{
    d->n = 0;
    memset(d->table, 0, d->table_size * sizeof *d->table);
    for (struct chunk *c = d->chunks; c != NULL; c = c->next)
        c->used = 0;
    d->chunk = d->chunks;
    memset(d->ledger, 0, sizeof d->ledger);
    d->failed = false;
}

static char *arena_copy(struct deltas *d, struct str s)
{
    while (d->chunk == NULL || d->chunk->used + s.n > ARENA_CHUNK_BYTES) {
        struct chunk *next = d->chunk == NULL ? d->chunks : d->chunk->next;
        if (next == NULL) {
            next = malloc(sizeof *next);
            if (next == NULL) return NULL;
            next->next = NULL;
            next->used = 0;
            if (d->chunk == NULL)
                d->chunks = next;
            else
                d->chunk->next = next;
        }
        d->chunk = next;
    }
    char *p = d->chunk->bytes + d->chunk->used;
    memcpy(p, s.p, s.n);
    d->chunk->used += s.n;
    return p;
}

static uint32_t hash_of(const struct sitestate *site, uint32_t day, struct str name)
{
    const uint64_t mix = 0x9e3779b97f4a7c15u;
    uint64_t h = ((uint64_t)(uintptr_t)site ^ (uint64_t)day << 40 ^ name.n) * mix;
    while (name.n >= 8) {
        h = (h ^ load_le64(name.p)) * mix;
        h ^= h >> 32;
        name = str_from(name, 8);
    }
    uint64_t rest = 0;
    for (size_t i = 0; i < name.n; i++)
        rest = rest << 8 | (unsigned char)name.p[i];
    h = (h ^ rest) * mix;
    return (uint32_t)(h >> 32);
}

static struct delta **slot_of(struct deltas *d, const struct sitestate *site, uint32_t day,
                              struct str name, uint32_t hash)
{
    size_t i = hash & (d->table_size - 1);
    for (;; i = (i + 1) & (d->table_size - 1)) {
        struct delta *row = d->table[i];
        if (row == NULL) return &d->table[i];
        if (row->hash == hash && row->site == site && row->day == day && str_eq(row->name, name))
            return &d->table[i];
    }
}

static bool grow_table(struct deltas *d)
{
    size_t size = d->table_size * 2;
    struct delta **table = calloc(size, sizeof(struct delta *));
    if (table == NULL) return false;
    for (size_t i = 0; i < d->n; i++) {
        size_t j = d->rows[i]->hash & (size - 1);
        while (table[j] != NULL)
            j = (j + 1) & (size - 1);
        table[j] = d->rows[i];
    }
    free(d->table);
    d->table = table;
    d->table_size = size;
    return true;
}

/* The next unused entry, its row empty. */
static struct delta *take_row(struct deltas *d)
{
    if (d->n == d->made) {
        if (d->made == d->cap) {
            size_t cap = d->cap == 0 ? 256 : d->cap * 2;
            struct delta **rows = realloc(d->rows, cap * sizeof(struct delta *));
            if (rows == NULL) return NULL;
            d->rows = rows;
            d->cap = cap;
        }
        if ((d->rows[d->made] = calloc(1, sizeof(struct delta))) == NULL) return NULL;
        d->made++;
    }
    struct delta *row = d->rows[d->n];
    struct row cells = row->add;
    row_clear(&cells);
    *row = (struct delta){.add = cells};
    return row;
}

struct delta *deltas_row(struct deltas *d, struct sitestate *site, uint32_t day, struct str name)
{
    assert(name.n >= 1);
    name = str_upto(name, ROW_NAME_MAX_BYTES);
    uint32_t hash = hash_of(site, day, name);
    struct delta **slot = slot_of(d, site, day, name, hash);
    if (*slot != NULL) return *slot;

    if ((d->n + 1) * 2 > d->table_size) {
        if (!grow_table(d)) goto failed;
        slot = slot_of(d, site, day, name, hash);
    }
    struct delta *row = take_row(d);
    if (row == NULL) goto failed;
    row->name.p = arena_copy(d, name);
    if (row->name.p == NULL) goto failed;
    row->name.n = name.n;
    row->site = site;
    row->day = day;
    row->hash = hash;
    *slot = row;
    d->n++;
    return row;
failed:
    d->failed = true;
    return NULL;
}

struct str deltas_copy(struct deltas *d, struct str s)
{
    const char *copy = s.n == 0 || s.n > ARENA_CHUNK_BYTES ? NULL : arena_copy(d, s);
    if (copy == NULL && s.n > 0) d->failed = true;
    return (struct str){copy, copy == NULL ? 0 : s.n};
}

void deltas_add(struct deltas *d, struct delta *row, uint32_t column, int64_t amount)
{
    if (row != NULL && !row_add(&row->add, column, amount)) d->failed = true;
}

void deltas_minute(struct deltas *d, struct sitestate *site)
{
    struct delta *views = deltas_row(d, site, DELTA_LIVE, STR("T"));
    struct delta *visitors = deltas_row(d, site, DELTA_LIVE, STR("V"));
    if (views != NULL) views->aged = true;
    if (visitors != NULL) visitors->aged = true;
}

void deltas_verdict(struct deltas *d, enum verdict v, uint64_t weight)
{
    assert(v < VERDICTS);
    d->ledger[v] += weight;
}

const uint64_t *deltas_ledger(const struct deltas *d)
{
    return d->ledger;
}

/* The column of the total row that counts rows of this kind; 0: the kind has no limit. */
static uint32_t limit_column(char kind, int64_t *max)
{
    static const char kinds[] = ROW_LIMITED_KINDS;
    const char *at = kind == '\0' ? NULL : strchr(kinds, kind);
    *max = kind == 'p' ? ROWS_PAGE_MAX : ROWS_FREE_MAX;
    return at == NULL ? 0 : column_of_limit((size_t)(at - kinds));
}

/* Rows whose sums cancelled out go. The entries stay in the pool, behind those in use. */
static void drop_empty(struct deltas *d)
{
    size_t kept = 0;
    for (size_t i = 0; i < d->n; i++) {
        struct delta *row = d->rows[i];
        if (row_empty(&row->add) && !row->aged) continue;
        d->rows[i] = d->rows[kept];
        d->rows[kept++] = row;
    }
    d->n = kept;
    memset(d->table, 0, d->table_size * sizeof *d->table);
    for (size_t i = 0; i < d->n; i++) {
        struct delta *row = d->rows[i];
        *slot_of(d, row->site, row->day, row->name, row->hash) = row;
    }
}

static int by_place(const void *a, const void *b)
{
    const struct delta *x = *(struct delta *const *)a, *y = *(struct delta *const *)b;
    int c = x->site == y->site ? 0 : strcmp(x->site->name, y->site->name);
    if (c != 0) return c;
    if (x->day != y->day) return x->day < y->day ? -1 : 1;
    size_t n = x->name.n < y->name.n ? x->name.n : y->name.n;
    c = memcmp(x->name.p, y->name.p, n);
    if (c != 0) return c;
    return (x->name.n > y->name.n) - (x->name.n < y->name.n);
}

/* What belongs to dates that are kept per month goes there, or nowhere when the month is gone. */
static bool retain(struct deltas *d)
{
    bool any = false;
    for (size_t i = 0, n = d->n; i < n && !d->failed; i++) {
        struct delta *row = d->rows[i], *to = NULL;
        if (row->day >= row->site->kept_day) continue;
        any = true;
        if (row->day >= row->site->first_day) {
            uint32_t month = DELTA_MONTH + day_to_month(row->day);
            to = deltas_row(d, row->site, month, row->name);
            if (to == NULL || !month_add(&to->add, &row->add, row->day)) return false;
            if (row->page.n > 0) to->page = row->page;
        }
        row_clear(&row->add);
    }
    if (any) drop_empty(d);
    return true;
}

bool deltas_finish(struct deltas *d)
{
    drop_empty(d);
    if (!retain(d)) d->failed = true;
    for (size_t i = 0, n = d->n; i < n && !d->failed; i++) {
        struct delta *row = d->rows[i];
        int64_t max;
        if (limit_column(row->name.p[0], &max) == 0) continue;
        deltas_row(d, row->site, row->day, STR("T"));
        deltas_row(d, row->site, row->day, str_upto(row->name, 1));
    }
    if (d->n > 0) qsort(d->rows, d->n, sizeof(struct delta *), by_place);
    return !d->failed;
}

size_t deltas_count(const struct deltas *d)
{
    return d->n;
}

struct delta *deltas_at(const struct deltas *d, size_t i)
{
    assert(i < d->n);
    return d->rows[i];
}

static bool has_negative(const struct row *r)
{
    for (uint32_t i = 0; i < r->n; i++) {
        if (r->cells[i].value < 0) return true;
    }
    return false;
}

static bool merge(struct delta *into, const struct row *add)
{
    into->changed = true;
    return row_merge(into->target, add);
}

/* `total` and `other` are the rows of the same day that the limit needs. */
static bool apply_limited(struct delta *row, struct delta *total, struct delta *other)
{
    int64_t max;
    uint32_t column = limit_column(row->name.p[0], &max);
    bool missing = row_empty(row->target);
    if (missing && (has_negative(&row->add) || row_get(total->target, column) >= max)) {
        row->dropped = true;
        return merge(other, &row->add);
    }
    if (!merge(row, &row->add)) return false;
    int made = missing - row_empty(row->target);
    if (made == 0) return true;
    total->changed = true;
    return row_add(total->target, column, made);
}

/* Whatever was written when, the same columns stay: those of the clock that the site has now. */
static bool apply_live(struct delta *row)
{
    int64_t newest = row->site->watermark_ms / LIVE_MINUTE_MS;
    if (!merge(row, &row->add)) return false;
    if (newest >= LIVE_MINUTES) row_drop_below(row->target, (uint32_t)newest + 1 - LIVE_MINUTES);
    return true;
}

bool deltas_apply(struct deltas *d)
{
    struct delta *total = NULL, *other = NULL;
    for (size_t i = 0; i < d->n && !d->failed; i++) {
        struct delta *row = d->rows[i];
        int64_t max;
        assert(row->target != NULL);
        if (row->day == DELTA_LIVE) {
            if (!apply_live(row)) d->failed = true;
            continue;
        }
        if (row->name.n == 1 && row->name.p[0] == 'T') total = row;
        bool limited = limit_column(row->name.p[0], &max) != 0;
        if (limited && row->name.n == 1) other = row;
        if (row_empty(&row->add)) continue;
        bool plain = !limited || row->name.n == 1;
        if (!(plain ? merge(row, &row->add) : apply_limited(row, total, other))) d->failed = true;
    }
    return !d->failed;
}

bool deltas_failed(const struct deltas *d)
{
    return d->failed;
}
