/*
 * Four steps, each ending with fields that must be known before the next: the states of the sites
 * -> the states of the visitors -> the rows that the deltas touch -> all changes. Values are
 * unpacked when their step begins and packed when it ends, so that the store holds only bytes.
 *
 * A stored value that cannot be read (damaged, or from a newer version) stops the batch: going on
 * would overwrite it. A record of the stream that cannot be read is counted and passed.
 */
#include "batch.h"

#include <assert.h>
#include <stdlib.h>

#include "bytes.h"
#include "fold.h"
#include "forgetting.h"
#include "intake.h"
#include "listing.h"
#include "log.h"
#include "naming.h"
#include "packing.h"
#include "telling.h"

struct batch_site {
    struct sitestate state;
    struct store_entry *entry;
    struct store_entry *forgotten;          /* the newest moment of {pN}:forgotten:SITE */
    uint32_t was_first, was_last, was_kept; /* before this batch */
    bool listed;                            /* its catalogue changes */
};

struct batch_hit {
    struct hit hit;
    uint32_t weight;
    struct batch_site *site;
};

union batch_state {
    struct visitor daily;
    struct profile profile;
};

struct batch {
    struct store *store;
    struct retention keep;
    struct fold *fold;
    struct store_batch use;
    unsigned partition;
    unsigned step;
    struct buf records; /* of all entries: the hits' strings point into it */
    struct buf packed;  /* scratch */
    struct batch_hit *hits;
    size_t hits_n, hits_cap;
    struct batch_site **sites;
    size_t sites_n, sites_cap;
    struct batch_site *last_site;
    struct listings listings;
    struct namings namings;
    struct store_entry **entries; /* of the visitors, then of the rows, in their order */
    struct tellings told;
    struct store_entry **marks; /* of the visitors: when they were forgotten; NULL: not asked */
    union batch_state *states;
    size_t states_n;
    struct row *rows;
    size_t rows_n;
    struct packing packing; /* the rows of packed days; they have no entries of their own */
    struct key *closed;
    size_t closed_n;
    struct batch_figures figures;
    uint64_t entry_weight; /* of the records of the entry being read */
    bool failed;
};

struct batch *batch_new(struct store *store, const struct retention *keep)
{
    struct batch *b = calloc(1, sizeof *b);
    if (b == NULL) return NULL;
    b->store = store;
    b->keep = *keep;
    b->fold = fold_new();
    if (b->fold != NULL) fold_keep(b->fold, keep->persons_ms);
    buf_init(&b->records, 0);
    buf_init(&b->packed, 0);
    if (b->fold != NULL) return b;
    batch_free(b);
    return NULL;
}

void batch_free(struct batch *b)
{
    if (b == NULL) return;
    batch_end(b, false);
    fold_free(b->fold);
    buf_fini(&b->records);
    buf_fini(&b->packed);
    listings_fini(&b->listings);
    namings_fini(&b->namings);
    free(b->hits);
    free(b->sites);
    free(b);
}

static void free_states(struct batch *b)
{
    for (size_t i = 0; i < b->states_n; i++) {
        if (fold_at(b->fold, i)->consented) {
            profile_fini(&b->states[i].profile);
        } else {
            visitor_fini(&b->states[i].daily);
        }
    }
    free(b->states);
    b->states = NULL;
    b->states_n = 0;
}

static void free_rows(struct batch *b)
{
    for (size_t i = 0; i < b->rows_n; i++)
        row_fini(&b->rows[i]);
    free(b->rows);
    b->rows = NULL;
    b->rows_n = 0;
}

void batch_end(struct batch *b, bool committed)
{
    if (committed) {
        for (size_t i = 0; i < b->closed_n; i++) {
            store_drop_hash(b->store, key_str(&b->closed[i]));
        }
    }
    store_done(b->store, &b->use, committed);
    packing_fini(&b->packing, b->store);
    free_states(b);
    free_rows(b);
    if (b->fold != NULL) fold_clear(b->fold);
    for (size_t i = 0; i < b->sites_n; i++)
        free(b->sites[i]);
    listings_clear(&b->listings);
    namings_clear(&b->namings);
    b->sites_n = b->hits_n = 0;
    b->last_site = NULL;
    free(b->entries);
    tellings_fini(&b->told);
    free(b->marks);
    free(b->closed);
    b->told = (struct tellings){.store = NULL};
    b->entries = b->marks = NULL;
    b->closed = NULL;
    b->closed_n = 0;
}

bool batch_begin(struct batch *b, unsigned partition, size_t bytes, struct str dataset)
{
    assert(b->use.n == 0 && b->hits_n == 0);
    b->partition = b->packing.partition = partition;
    b->step = 0;
    b->failed = false;
    b->figures = (struct batch_figures){0};
    fold_set_dataset(b->fold, dataset);
    buf_clear(&b->records);
    b->records.failed = false;
    return buf_reserve(&b->records, bytes + 1) != NULL;
}

/* Doubles *array when n of them fill it. */
static bool grow(void *array, size_t n, size_t *cap, size_t size)
{
    if (n < *cap) return true;
    void **at = array;
    size_t more = *cap == 0 ? 64 : *cap * 2;
    void *grown = realloc(*at, more * size);
    if (grown == NULL) return false;
    *at = grown;
    *cap = more;
    return true;
}

/* What stands in a key must be what [site NAME] allows, whoever wrote the stream. */
static bool site_name_ok(struct str s)
{
    if (s.n == 0 || s.n > HIT_SITE_MAX_BYTES) return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '.' && c != '_' && c != '-')
            return false;
    }
    return true;
}

static struct batch_site *need_site(struct batch *b, struct str name)
{
    if (b->last_site != NULL && str_eq(str_of(b->last_site->state.name), name)) {
        return b->last_site;
    }
    for (size_t i = 0; i < b->sites_n; i++) {
        if (str_eq(str_of(b->sites[i]->state.name), name)) return b->last_site = b->sites[i];
    }
    if (!grow(&b->sites, b->sites_n, &b->sites_cap, sizeof b->sites[0])) return NULL;
    struct batch_site *site = calloc(1, sizeof *site);
    if (site == NULL) return NULL;
    struct key key = key_sites(b->partition);
    sitestate_init(&site->state, name);
    site->entry = store_use(b->store, &b->use, b->partition, key_str(&key), name);
    site->forgotten = forgetting_newest(b->store, &b->use, b->partition, name);
    if (site->entry == NULL || site->forgotten == NULL) {
        free(site);
        return NULL;
    }
    return b->last_site = b->sites[b->sites_n++] = site;
}

static void take_record(void *arg, uint64_t seq, uint32_t weight, const struct hit *hit)
{
    struct batch *b = arg;
    (void)seq;
    b->entry_weight += weight;
    if (hit == NULL || !site_name_ok(hit->site)) {
        b->figures.damaged++;
        fold_unreadable(b->fold, weight);
        return;
    }
    struct batch_site *site = need_site(b, hit->site);
    if (site == NULL || !grow(&b->hits, b->hits_n, &b->hits_cap, sizeof b->hits[0])) {
        b->failed = true;
        return;
    }
    b->hits[b->hits_n++] = (struct batch_hit){*hit, weight, site};
    b->figures.hits++;
}

bool batch_add(struct batch *b, uint64_t weight, struct str records)
{
    assert(b->step == 0 && b->records.n + records.n <= b->records.cap); /* hits point into it */
    struct str copy = {b->records.p + b->records.n, records.n};
    buf_add(&b->records, records);
    b->entry_weight = 0;
    int framed = intake_entry(copy, take_record, b);
    if (framed < 0 || b->entry_weight != weight) b->figures.damaged++;
    if (b->entry_weight < weight) fold_unreadable(b->fold, weight - b->entry_weight);
    b->figures.weight += weight;
    b->figures.bytes += records.n;
    return !b->failed;
}

/* For values that Redis holds and that cannot be read. The key names no person. */
static enum batch_result damaged(const struct store_entry *e)
{
    log_error("batch.damaged", "key=%.*s the stored value cannot be read", STR_ARG(e->hash->key));
    return BATCH_DAMAGED;
}

static enum batch_result result_of(enum pack_result result, const struct store_entry *bad)
{
    if (result == PACK_OK) return BATCH_READY;
    return result == PACK_DAMAGED ? damaged(bad) : BATCH_MEMORY;
}

/* The key of a site's date; neighbours in a batch mostly share it, and formatting it costs more
 * than finding what it names. Zero it to begin. */
struct day_key {
    const struct sitestate *site;
    uint32_t day;
    struct key key;
};

static struct str day_key(const struct batch *b, struct day_key *last, const struct sitestate *site,
                          uint32_t day, struct key (*make)(unsigned, struct str, uint32_t))
{
    if (last->site != site || last->day != day) {
        *last = (struct day_key){site, day, make(b->partition, str_of(site->name), day)};
    }
    return key_str(&last->key);
}

/* Where the rows lie that are no month's and not packed. */
static struct key key_rows(unsigned partition, struct str site, uint32_t day)
{
    if (day == DELTA_LIVE) return key_live(partition, site);
    return day == DELTA_MIX ? key_mix(partition, site) : key_day(partition, site, day);
}

static struct store_entry *use_state(struct batch *b, const struct fold_visitor *v,
                                     struct day_key *last)
{
    char id[8];
    store_le64(id, v->id);
    struct str field = {id, sizeof id};
    if (v->consented) {
        struct key key = key_profiles(b->partition, str_of(v->site->name), key_bucket(v->id));
        return store_use(b->store, &b->use, b->partition, key_str(&key), field);
    }
    struct str key = day_key(b, last, v->site, v->day, key_visitors);
    return store_use(b->store, &b->use, b->partition, key, field);
}

static bool need_listing(struct batch *b, const struct batch_hit *h)
{
    if (h->hit.at_ms <= 0 || h->hit.at_ms > HIT_AT_MAX_MS ||
        (h->hit.kind == HIT_CATALOGUE && h->hit.page.n == 0)) {
        fold_unreadable(b->fold, h->weight);
        return true;
    }
    h->site->listed = true;
    return listings_need(&b->listings, b->store, &b->use, b->partition, str_of(h->site->state.name),
                         &h->hit, h->weight);
}

static bool need_marks(struct batch *b)
{
    b->marks = calloc(fold_count(b->fold) + 1, sizeof b->marks[0]);
    if (b->marks == NULL) return false;
    for (size_t i = 0; i < fold_count(b->fold); i++) {
        const struct fold_visitor *v = fold_at(b->fold, i);
        if (!v->known || v->site->forgotten_ms == 0) continue;
        b->marks[i] = forgetting_of(b->store, &b->use, b->partition, str_of(v->site->name), v->id);
        if (b->marks[i] == NULL) return false;
    }
    return true;
}

static enum batch_result need_states(struct batch *b)
{
    for (size_t i = 0; i < b->sites_n; i++) {
        struct batch_site *site = b->sites[i];
        const struct store_entry *e = site->entry;
        if (e->value.n > 0 && !sitestate_decode(e->value, &site->state)) return damaged(e);
        if (!forgetting_read(site->forgotten, &site->state.forgotten_ms))
            return damaged(site->forgotten);
        site->was_first = site->state.first_day;
        site->was_last = site->state.last_day;
        site->was_kept = site->state.kept_day;
    }
    for (size_t i = 0; i < b->hits_n; i++) {
        struct batch_hit *h = &b->hits[i];
        bool added = is_listing(&h->hit) ? need_listing(b, h)
                                         : fold_add(b->fold, &h->site->state, &h->hit, h->weight);
        if (!added) return BATCH_MEMORY;
    }
    for (size_t i = 0; i < b->sites_n; i++)
        sitestate_retain(&b->sites[i]->state, &b->keep);
    b->entries = calloc(fold_count(b->fold) + 1, sizeof b->entries[0]);
    if (b->entries == NULL) return BATCH_MEMORY;
    struct day_key last = {0};
    for (size_t i = 0; i < fold_count(b->fold); i++) {
        b->entries[i] = use_state(b, fold_at(b->fold, i), &last);
        if (b->entries[i] == NULL) return BATCH_MEMORY;
    }
    for (size_t i = 0; i < fold_named_count(b->fold); i++) {
        if (!namings_need(&b->namings, b->store, &b->use, b->partition, fold_named_at(b->fold, i)))
            return BATCH_MEMORY;
    }
    return need_marks(b) ? BATCH_LOAD : BATCH_MEMORY;
}

static enum batch_result unpack_states(struct batch *b)
{
    size_t n = fold_count(b->fold);
    b->states = calloc(n + 1, sizeof b->states[0]);
    if (b->states == NULL) return BATCH_MEMORY;
    b->states_n = n;
    for (size_t i = 0; i < n; i++) {
        struct fold_visitor *v = fold_at(b->fold, i);
        union batch_state *state = &b->states[i];
        struct str value = b->entries[i]->value;
        int64_t forgotten_ms = 0;
        if (b->marks[i] != NULL && !forgetting_read(b->marks[i], &forgotten_ms))
            return damaged(b->marks[i]);
        fold_forgotten(v, forgotten_ms);
        if (v->consented) {
            v->state.profile = &state->profile;
            if (value.n > 0 && !profile_decode(value, &state->profile))
                return damaged(b->entries[i]);
        } else {
            v->state.daily = &state->daily;
            if (value.n > 0 && !visitor_decode(value, &state->daily)) return damaged(b->entries[i]);
        }
    }
    return BATCH_READY;
}

static bool pack_states(struct batch *b)
{
    for (size_t i = 0; i < b->states_n; i++) {
        const struct fold_visitor *v = fold_at(b->fold, i);
        buf_clear(&b->packed);
        bool ok = v->gone || (v->consented ? profile_encode(v->state.profile, &b->packed)
                                           : visitor_encode(v->state.daily, &b->packed));
        if (!ok || !store_set(b->store, b->entries[i], buf_str(&b->packed))) return false;
        if (b->marks[i] != NULL && !forgetting_set(b->store, b->marks[i], v->forgotten_ms))
            return false;
    }
    return true;
}

static bool pack_forgotten(struct batch *b)
{
    for (size_t i = 0; i < b->sites_n; i++) {
        const struct batch_site *site = b->sites[i];
        if (!forgetting_pack(b->store, &b->use, site->forgotten, &site->state)) return false;
        if (forgetting_over(&site->state))
            b->closed[b->closed_n++] = key_forgotten(b->partition, str_of(site->state.name));
    }
    return true;
}

static bool list_closed(struct batch *b)
{
    size_t n = fold_closed_count(b->fold);
    b->closed = calloc(n + b->packing.n * MONTH_HASHES + b->sites_n + 1, sizeof b->closed[0]);
    if (b->closed == NULL) return false;
    for (size_t i = 0; i < n; i++) {
        struct fold_closed c = fold_closed_at(b->fold, i);
        b->closed[i] = key_visitors(b->partition, str_of(c.site->name), c.day);
    }
    b->closed_n = n;
    return true;
}

static bool is_packed(const struct delta *row)
{
    if (row->day >= DELTA_LIVE) return false;
    return row->day >= DELTA_MONTH || row->day < sitestate_open_from(row->site->last_day);
}

static bool need_packed(struct batch *b)
{
    const struct deltas *d = fold_deltas(b->fold);
    for (size_t i = 0; i < deltas_count(d); i++) {
        const struct delta *row = deltas_at(d, i);
        if (is_packed(row) && !packing_need(&b->packing, row->site, row->day)) return false;
    }
    for (size_t i = 0; i < b->sites_n; i++) {
        const struct batch_site *s = b->sites[i];
        if (!packing_need_closed(&b->packing, &s->state, s->was_first, s->was_last) ||
            !packing_need_months(&b->packing, &s->state, s->was_first, s->was_last, s->was_kept))
            return false;
    }
    return packing_use(&b->packing, b->store, &b->use);
}

static enum batch_result need_rows(struct batch *b)
{
    enum batch_result unpacked = unpack_states(b);
    if (unpacked != BATCH_READY) return unpacked;
    struct deltas *d = fold_deltas(b->fold);
    if (!fold_run(b->fold) || !deltas_finish(d)) return BATCH_MEMORY;
    if (!pack_states(b) || !need_packed(b) || !list_closed(b) || !pack_forgotten(b))
        return BATCH_MEMORY;
    free_states(b);

    free(b->entries);
    b->entries = calloc(deltas_count(d) + 1, sizeof b->entries[0]);
    if (b->entries == NULL) return BATCH_MEMORY;
    struct day_key last = {0};
    for (size_t i = 0; i < deltas_count(d); i++) {
        const struct delta *row = deltas_at(d, i);
        if (is_packed(row)) continue;
        struct str key = day_key(b, &last, row->site, row->day, key_rows);
        b->entries[i] = store_use(b->store, &b->use, b->partition, key, row->name);
        if (b->entries[i] == NULL) return BATCH_MEMORY;
    }
    b->told = (struct tellings){.store = b->store, .use = &b->use, .partition = b->partition};
    return tellings_need(&b->told, b->fold) ? BATCH_LOAD : BATCH_MEMORY;
}

/* The row's day when it is packed, else NULL. */
static struct packed_day *packed_day(struct batch *b, const struct delta *row)
{
    return is_packed(row) ? packing_find(&b->packing, row->site, row->day) : NULL;
}

/* PACK_DAMAGED: *bad says which. */
static enum pack_result unpack_rows(struct batch *b, const struct store_entry **bad)
{
    struct deltas *d = fold_deltas(b->fold);
    enum pack_result packed = packing_load(&b->packing, bad);
    if (packed != PACK_OK) return packed;
    b->rows = calloc(deltas_count(d) + 1, sizeof b->rows[0]);
    if (b->rows == NULL) return PACK_MEMORY;
    b->rows_n = deltas_count(d);
    for (size_t i = 0; i < b->rows_n; i++) {
        struct delta *row = deltas_at(d, i);
        const struct packed_day *day = packed_day(b, row);
        *bad = day == NULL ? b->entries[i] : day->packed;
        struct str value = day == NULL ? (*bad)->value : bundle_find(&day->bundle, row->name);
        if (value.n > 0 && !row_decode(value, &b->rows[i])) return PACK_DAMAGED;
        row->target = &b->rows[i];
    }
    return PACK_OK;
}

static bool pack_rows(struct batch *b)
{
    struct deltas *d = fold_deltas(b->fold);
    const struct sitestate *site = NULL;
    struct key pages = {0};
    for (size_t i = 0; i < b->rows_n; i++) {
        const struct delta *row = deltas_at(d, i);
        if (row->site != site) {
            site = row->site;
            pages = key_pages(b->partition, str_of(site->name));
        }
        if (row->page.n > 0 && !row->dropped &&
            !store_tell(b->store, &b->use, b->partition, key_str(&pages), str_from(row->name, 1),
                        row->page))
            return false;
        if (!row->changed || b->entries[i] == NULL) continue;
        buf_clear(&b->packed);
        if (!row_empty(row->target) && !row_encode(row->target, &b->packed)) return false;
        if (!store_set(b->store, b->entries[i], buf_str(&b->packed))) return false;
    }
    return true;
}

/* The deltas of a packed day, where *at stands or behind rows that are not packed: days and deltas
 * have the same order. */
static size_t deltas_of(struct batch *b, const struct packed_day *day, size_t *at)
{
    struct deltas *d = fold_deltas(b->fold);
    while (*at < b->rows_n && !is_packed(deltas_at(d, *at)))
        (*at)++;
    size_t from = *at;
    while (*at < b->rows_n && packed_day(b, deltas_at(d, *at)) == day)
        (*at)++;
    return from;
}

/* The changed ones of these deltas; their values stand in b->packed. */
static struct bundle_row *changed_rows(struct batch *b, size_t from, size_t i, size_t *n)
{
    struct deltas *d = fold_deltas(b->fold);
    struct bundle_row *rows = calloc(i - from + 1, sizeof *rows);
    size_t *ends = calloc(i - from + 1, sizeof *ends);
    bool ok = rows != NULL && ends != NULL;
    *n = 0;
    buf_clear(&b->packed);
    for (size_t k = from; ok && k < i; k++) {
        const struct delta *row = deltas_at(d, k);
        if (!row->changed) continue;
        ok = row_empty(row->target) || row_encode(row->target, &b->packed);
        ends[*n] = b->packed.n;
        rows[(*n)++].name = row->name;
    }
    for (size_t k = 0; ok && k < *n; k++) { /* only now does b->packed not move any more */
        size_t begin = k == 0 ? 0 : ends[k - 1];
        rows[k].value = (struct str){b->packed.p + begin, ends[k] - begin};
    }
    free(ends);
    if (ok) return rows;
    free(rows);
    return NULL;
}

static bool pack_days(struct batch *b)
{
    for (size_t i = 0, at = 0; i < b->packing.n; i++) {
        struct packed_day *day = &b->packing.days[i];
        size_t n, from = deltas_of(b, day, &at);
        struct bundle_row *changed = changed_rows(b, from, at, &n);
        if (changed == NULL) return false;
        bool ok = packing_write(b->store, day, changed, n);
        free(changed);
        if (!ok) return false;
        b->closed_n += packing_gone(&b->packing, day, b->closed + b->closed_n);
    }
    return true;
}

static bool pack_sites(struct batch *b)
{
    for (size_t i = 0; i < b->sites_n; i++) {
        buf_clear(&b->packed);
        if (!sitestate_encode(&b->sites[i]->state, &b->packed)) return false;
        if (!store_set(b->store, b->sites[i]->entry, buf_str(&b->packed))) return false;
    }
    return true;
}

static enum batch_result change_all(struct batch *b)
{
    struct deltas *d = fold_deltas(b->fold);
    const struct store_entry *bad = NULL;
    enum pack_result result = unpack_rows(b, &bad);
    if (result != PACK_OK) return result_of(result, bad);
    if (!deltas_apply(d) || !pack_rows(b) || !pack_days(b) || !pack_sites(b)) return BATCH_MEMORY;
    result = tellings_apply(&b->told, b->fold);
    bad = b->told.damaged;
    b->figures.approximated = fold_approximated(b->fold) + b->told.approximated;
    if (result == PACK_OK) result = namings_apply(&b->namings, b->store, &bad);
    if (result == PACK_OK) result = listings_apply(&b->listings, b->store, &b->use, d, &bad);
    return result_of(result, bad);
}

static enum batch_result need_sites(struct batch *b)
{
    return b->failed ? BATCH_MEMORY : BATCH_LOAD; /* batch_add has listed them */
}

enum batch_result batch_step(struct batch *b)
{
    static enum batch_result (*const steps[])(struct batch *) = {need_sites, need_states, need_rows,
                                                                 change_all};
    assert(b->step < sizeof steps / sizeof steps[0]);
    return steps[b->step++](b);
}

struct store_batch *batch_use(struct batch *b)
{
    return &b->use;
}

const uint64_t *batch_ledger(const struct batch *b)
{
    return deltas_ledger(fold_deltas(b->fold));
}

const struct key *batch_closed(const struct batch *b, size_t *n)
{
    *n = b->closed_n;
    return b->closed;
}

void batch_days(const struct batch *b, void (*fn)(void *arg, struct str site, uint32_t day),
                void *arg)
{
    struct deltas *d = fold_deltas(b->fold);
    const struct delta *before = NULL;
    for (size_t i = 0; i < b->sites_n; i++) {
        const struct sitestate *s = &b->sites[i]->state;
        if (b->sites[i]->listed) fn(arg, str_of(s->name), s->last_day);
    }
    for (size_t i = 0; i < b->rows_n; i++) {
        const struct delta *row = deltas_at(d, i);
        if (!row->changed || row->day >= DELTA_MONTH) continue;
        if (before == NULL || before->site != row->site || before->day != row->day) {
            fn(arg, str_of(row->site->name), row->day);
        }
        before = row;
    }
}

const struct batch_figures *batch_figures(const struct batch *b)
{
    return &b->figures;
}
