/* fold_world.h - a partition in memory: what Redis holds for the aggregator, as key -> bytes. Each
 * batch decodes what it needs and encodes what it changed, as the real one does. */
#ifndef SENTIER_TEST_FOLD_WORLD_H
#define SENTIER_TEST_FOLD_WORLD_H

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "bytes.h"
#include "fold.h"
#include "forgotten.h"

enum { WORLD_BUCKETS = 1 << 14, WORLD_SITES = 4 };

struct entry {
    struct entry *next;
    struct buf key, value;
};

struct world {
    struct entry *buckets[WORLD_BUCKETS];
    struct fold *fold;
    struct sitestate sites[WORLD_SITES];
    unsigned sites_n;
    uint64_t ledger[VERDICTS];
    uint64_t approximated;
};

static inline struct entry **world_slot(struct world *w, struct str key)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < key.n; i++)
        h = (h ^ (unsigned char)key.p[i]) * 1099511628211u;
    struct entry **e = &w->buckets[h % WORLD_BUCKETS];
    while (*e != NULL && !str_eq(buf_str(&(*e)->key), key))
        e = &(*e)->next;
    return e;
}

static inline struct str world_get(struct world *w, const struct buf *key)
{
    struct entry *e = *world_slot(w, buf_str(key));
    return e == NULL ? (struct str){NULL, 0} : buf_str(&e->value);
}

/* The buffer to encode into; empty. */
static inline struct buf *world_put(struct world *w, const struct buf *key)
{
    struct entry **slot = world_slot(w, buf_str(key));
    if (*slot == NULL) {
        *slot = calloc(1, sizeof **slot);
        assert(*slot != NULL);
        buf_add(&(*slot)->key, buf_str(key));
    }
    buf_clear(&(*slot)->value);
    return &(*slot)->value;
}

static inline void world_delete(struct world *w, const struct buf *key)
{
    struct entry **slot = world_slot(w, buf_str(key)), *e = *slot;
    if (e == NULL) return;
    *slot = e->next;
    buf_fini(&e->key);
    buf_fini(&e->value);
    free(e);
}

/* Calls fn for each value whose key starts with prefix. */
typedef void world_fn(struct world *w, struct str key, struct str value, void *arg);
static inline void world_each(struct world *w, struct str prefix, world_fn *fn, void *arg)
{
    for (unsigned b = 0; b < WORLD_BUCKETS; b++) {
        for (struct entry *e = w->buckets[b], *next; e != NULL; e = next) {
            next = e->next;
            if (str_starts(buf_str(&e->key), prefix))
                fn(w, buf_str(&e->key), buf_str(&e->value), arg);
        }
    }
}

static inline void count_entry(struct world *w, struct str key, struct str value, void *arg)
{
    (void)w, (void)key, (void)value;
    ++*(size_t *)arg;
}

/* How many keys start with prefix. */
static inline size_t world_values(struct world *w, struct str prefix)
{
    size_t n = 0;
    world_each(w, prefix, count_entry, &n);
    return n;
}

static inline struct world *world_new(void)
{
    struct world *w = calloc(1, sizeof *w);
    assert(w != NULL);
    w->fold = fold_new();
    assert(w->fold != NULL);
    return w;
}

static inline void world_free(struct world *w)
{
    for (unsigned b = 0; b < WORLD_BUCKETS; b++) {
        for (struct entry *e = w->buckets[b], *next; e != NULL; e = next) {
            next = e->next;
            buf_fini(&e->key);
            buf_fini(&e->value);
            free(e);
        }
    }
    fold_free(w->fold);
    free(w);
}

static inline struct sitestate *world_site(struct world *w, struct str name)
{
    for (unsigned i = 0; i < w->sites_n; i++) {
        if (str_eq(str_of(w->sites[i].name), name)) return &w->sites[i];
    }
    assert(w->sites_n < WORLD_SITES);
    sitestate_init(&w->sites[w->sites_n], name);
    return &w->sites[w->sites_n++];
}

static inline void visitor_key(struct buf *key, const struct fold_visitor *v)
{
    buf_clear(key);
    if (v->consented)
        buf_printf(key, "profile %s %016llx", v->site->name, (unsigned long long)v->id);
    else
        buf_printf(key, "daily %s %u %016llx", v->site->name, v->day, (unsigned long long)v->id);
}

/* visitor 0: the newest moment of the site. */
static inline void forgotten_key(struct buf *key, const char *site, uint64_t visitor)
{
    buf_clear(key);
    buf_printf(key, "forgotten %s %016llx", site,
               visitor == 0 ? 0 : (unsigned long long)forgotten_mark(str_of(site), visitor));
}

static inline int64_t world_moment(struct world *w, struct buf *key)
{
    int64_t at_ms = 0;
    struct str bytes = world_get(w, key);
    bool read = bytes.n == 0 || forgotten_decode(bytes, &at_ms);
    assert(read);
    (void)read;
    return at_ms;
}

static inline void row_key(struct buf *key, const char *site, uint32_t day, struct str name)
{
    buf_clear(key);
    buf_printf(key, "row %s %u ", site, day);
    buf_add(key, name);
}

static inline void delete_entry(struct world *w, struct str key, struct str value, void *arg)
{
    (void)value, (void)arg;
    struct buf copy = {0};
    buf_add(&copy, key);
    world_delete(w, &copy);
    buf_fini(&copy);
}

static inline void world_load(struct world *w, struct buf *key)
{
    for (size_t i = 0; i < fold_count(w->fold); i++) {
        struct fold_visitor *v = fold_at(w->fold, i);
        if (v->known && v->site->forgotten_ms != 0) {
            forgotten_key(key, v->site->name, v->id);
            fold_forgotten(v, world_moment(w, key));
        }
        visitor_key(key, v);
        struct str bytes = world_get(w, key);
        void *state = calloc(1, v->consented ? sizeof(struct profile) : sizeof(struct visitor));
        assert(state != NULL);
        bool read = true;
        if (v->consented) {
            v->state.profile = state;
            if (bytes.n > 0) read = profile_decode(bytes, state);
        } else {
            v->state.daily = state;
            if (bytes.n > 0) read = visitor_decode(bytes, state);
        }
        assert(read);
        (void)read;
    }
}

static inline void world_store(struct world *w, struct buf *key)
{
    for (size_t i = 0; i < fold_closed_count(w->fold); i++) {
        struct fold_closed c = fold_closed_at(w->fold, i);
        buf_clear(key);
        buf_printf(key, "daily %s %u ", c.site->name, c.day);
        world_each(w, buf_str(key), delete_entry, NULL);
    }
    for (size_t i = 0; i < fold_count(w->fold); i++) {
        struct fold_visitor *v = fold_at(w->fold, i);
        if (v->forgotten_ms != 0) {
            forgotten_key(key, v->site->name, v->id);
            forgotten_encode(v->forgotten_ms, world_put(w, key));
        }
        visitor_key(key, v);
        if (v->gone) world_delete(w, key);
        if (v->consented) {
            if (!v->gone) profile_encode(v->state.profile, world_put(w, key));
            profile_fini(v->state.profile);
            free(v->state.profile);
        } else {
            if (!v->gone) visitor_encode(v->state.daily, world_put(w, key));
            visitor_fini(v->state.daily);
            free(v->state.daily);
        }
    }
}

static inline void world_rows(struct world *w, struct buf *key)
{
    struct deltas *d = fold_deltas(w->fold);
    bool ok = deltas_finish(d);
    assert(ok);
    size_t n = deltas_count(d);
    struct row *rows = calloc(n + 1, sizeof *rows);
    assert(rows != NULL);
    for (size_t i = 0; i < n; i++) {
        struct delta *x = deltas_at(d, i);
        row_key(key, x->site->name, x->day, x->name);
        struct str bytes = world_get(w, key);
        if (bytes.n > 0) ok = row_decode(bytes, &rows[i]);
        assert(ok);
        x->target = &rows[i];
    }
    ok = deltas_apply(d);
    assert(ok);
    for (size_t i = 0; i < n; i++) {
        const struct delta *x = deltas_at(d, i);
        row_key(key, x->site->name, x->day, x->name);
        if (x->changed && row_empty(x->target))
            world_delete(w, key);
        else if (x->changed)
            row_encode(x->target, world_put(w, key));
        row_fini(x->target);
    }
    free(rows);
    for (int v = 0; v < VERDICTS; v++)
        w->ledger[v] += deltas_ledger(d)[v];
}

static inline void world_batch(struct world *w, const struct hit *hits, size_t n)
{
    struct buf key = {0};
    fold_clear(w->fold);
    bool ok = true;
    for (unsigned i = 0; i < w->sites_n; i++) {
        forgotten_key(&key, w->sites[i].name, 0);
        w->sites[i].forgotten_ms = world_moment(w, &key);
    }
    for (size_t i = 0; i < n; i++)
        ok = ok && fold_add(w->fold, world_site(w, hits[i].site), &hits[i], hit_weight(&hits[i]));
    assert(ok);
    world_load(w, &key);
    ok = fold_run(w->fold);
    assert(ok);
    world_rows(w, &key);
    world_store(w, &key);
    for (unsigned i = 0; i < w->sites_n; i++) {
        forgotten_key(&key, w->sites[i].name, 0);
        if (w->sites[i].forgotten_ms == 0) continue;
        forgotten_encode(w->sites[i].forgotten_ms, world_put(w, &key));
    }
    for (unsigned i = 0; i < w->sites_n; i++) { /* through its bytes, as a restart would */
        buf_clear(&key);
        ok = sitestate_encode(&w->sites[i], &key) && sitestate_decode(buf_str(&key), &w->sites[i]);
        assert(ok);
    }
    w->approximated += fold_approximated(w->fold);
    buf_fini(&key);
}

/* One column of one row. */
static inline int64_t world_count(struct world *w, const char *site, uint32_t day, struct str name,
                                  uint32_t column)
{
    struct buf key = {0};
    struct row r = {0};
    row_key(&key, site, day, name);
    struct str bytes = world_get(w, &key);
    bool ok = bytes.n == 0 || row_decode(bytes, &r);
    assert(ok);
    (void)ok;
    int64_t value = row_get(&r, column);
    row_fini(&r);
    buf_fini(&key);
    return value;
}

static inline int64_t world_total(struct world *w, uint32_t day, uint32_t column)
{
    return world_count(w, "shop", day, STR("T"), column);
}

/* All keys and values in order of key: two worlds are the same iff these bytes are. */
static inline int by_key(const void *a, const void *b)
{
    const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;
    size_t n = x->key.n < y->key.n ? x->key.n : y->key.n;
    int c = memcmp(x->key.p, y->key.p, n);
    return c != 0 ? c : (x->key.n > y->key.n) - (x->key.n < y->key.n);
}

static inline int by_site(const void *a, const void *b)
{
    return strcmp(((const struct sitestate *)a)->name, ((const struct sitestate *)b)->name);
}

static inline void world_dump(struct world *w, struct buf *out)
{
    size_t n = 0;
    struct entry **all = malloc(1000000 * sizeof(struct entry *));
    assert(all != NULL);
    for (unsigned b = 0; b < WORLD_BUCKETS; b++) {
        for (struct entry *e = w->buckets[b]; e != NULL; e = e->next)
            all[n++] = e;
    }
    qsort(all, n, sizeof(struct entry *), by_key);
    for (size_t i = 0; i < n; i++) {
        buf_add_varint(out, all[i]->key.n);
        buf_add(out, buf_str(&all[i]->key));
        buf_add_varint(out, all[i]->value.n);
        buf_add(out, buf_str(&all[i]->value));
    }
    qsort(w->sites, w->sites_n, sizeof w->sites[0], by_site);
    for (unsigned i = 0; i < w->sites_n; i++)
        buf_printf(out, "%s %lld %lld %u %u\n", w->sites[i].name,
                   (long long)w->sites[i].watermark_ms, (long long)w->sites[i].imported_ms,
                   w->sites[i].first_day, w->sites[i].last_day);
    for (int v = 0; v < VERDICTS; v++)
        buf_add_varint(out, w->ledger[v]);
    free(all);
}

#endif
