/*
 * Values are kept packed, as Redis holds them: one kind of entry serves everything, a byte of cache
 * is a byte of data, and unpacking costs less than the commit that follows it.
 *
 * Two tables with chains: hashes by key, entries by hash and field, both under a random key since
 * field names come from outside. Entries hang on their hash (to drop it as a whole) and, while no
 * batch uses them, on the list from longest unused to latest used. Absent fields are entries too:
 * knowing that a visitor is new saves asking again.
 */
#include "store.h"

#include <assert.h>
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"

struct node {
    struct node *next;
    uint64_t hash;
};

struct table {
    struct node **slots;
    size_t n_slots; /* a power of two */
    size_t n;
};

struct link {
    struct link *prev, *next; /* a ring; alone: points at itself */
};

struct hash {
    struct node node;
    struct store_hash seen; /* what users see */
    struct link entries;
    struct link all;
    char key[];
};

struct entry {
    struct node node;
    struct store_entry seen;
    struct link of_hash;
    struct link unused; /* in the list of unused ones, or alone while a batch uses it */
    bool used;
    char field[];
};

struct store {
    struct table hashes, entries;
    struct hash *last_hash; /* asked for last: a batch asks for many fields of one */
    struct link all_hashes;
    struct link unused; /* next: the longest unused */
    size_t bytes, max_bytes;
    unsigned char secret[crypto_shorthash_KEYBYTES];
};

enum { SLOTS_MIN = 1024 };

#define OUTER(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

static void ring_init(struct link *l)
{
    l->prev = l->next = l;
}

static void ring_add_last(struct link *ring, struct link *l)
{
    l->prev = ring->prev;
    l->next = ring;
    ring->prev->next = l;
    ring->prev = l;
}

static void ring_remove(struct link *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    ring_init(l);
}

static bool table_init(struct table *t)
{
    t->slots = calloc(SLOTS_MIN, sizeof t->slots[0]);
    t->n_slots = SLOTS_MIN;
    return t->slots != NULL;
}

static void table_grow(struct table *t)
{
    struct node **slots = calloc(t->n_slots * 2, sizeof slots[0]);
    if (slots == NULL) return; /* longer chains, nothing worse */
    for (size_t i = 0; i < t->n_slots; i++) {
        for (struct node *n = t->slots[i], *next; n != NULL; n = next) {
            struct node **slot = &slots[n->hash & (t->n_slots * 2 - 1)];
            next = n->next;
            n->next = *slot;
            *slot = n;
        }
    }
    free(t->slots);
    t->slots = slots;
    t->n_slots *= 2;
}

static void table_add(struct table *t, struct node *n)
{
    if (t->n >= t->n_slots) table_grow(t);
    struct node **slot = &t->slots[n->hash & (t->n_slots - 1)];
    n->next = *slot;
    *slot = n;
    t->n++;
}

static void table_remove(struct table *t, struct node *n)
{
    struct node **at = &t->slots[n->hash & (t->n_slots - 1)];
    while (*at != n)
        at = &(*at)->next;
    *at = n->next;
    t->n--;
}

static struct node *table_first(const struct table *t, uint64_t hash)
{
    return t->slots[hash & (t->n_slots - 1)];
}

static uint64_t secret_hash(const struct store *s, struct str bytes)
{
    unsigned char out[crypto_shorthash_BYTES];
    crypto_shorthash(out, (const unsigned char *)bytes.p, bytes.n, s->secret);
    return load_le64(out);
}

struct store *store_new(size_t max_bytes)
{
    struct store *s = calloc(1, sizeof *s);
    if (s == NULL) return NULL;
    s->max_bytes = max_bytes;
    ring_init(&s->all_hashes);
    ring_init(&s->unused);
    randombytes_buf(s->secret, sizeof s->secret);
    if (table_init(&s->hashes) && table_init(&s->entries)) return s;
    store_free(s);
    return NULL;
}

static size_t entry_bytes(const struct entry *e)
{
    return sizeof *e + e->seen.field.n + e->seen.value.n;
}

static void forget_hash(struct store *s, struct hash *h)
{
    s->bytes -= sizeof *h + h->seen.key.n;
    if (s->last_hash == h) s->last_hash = NULL;
    ring_remove(&h->all);
    table_remove(&s->hashes, &h->node);
    free(h);
}

static void forget(struct store *s, struct entry *e)
{
    struct hash *h = OUTER(e->seen.hash, struct hash, seen);
    assert(!e->used);
    s->bytes -= entry_bytes(e);
    ring_remove(&e->unused);
    ring_remove(&e->of_hash);
    table_remove(&s->entries, &e->node);
    free((char *)e->seen.value.p);
    free(e);
    if (h->entries.next == &h->entries) forget_hash(s, h);
}

static void evict(struct store *s)
{
    while (s->bytes > s->max_bytes && s->unused.next != &s->unused) {
        forget(s, OUTER(s->unused.next, struct entry, unused));
    }
}

void store_free(struct store *s)
{
    if (s == NULL) return;
    while (s->unused.next != &s->unused)
        forget(s, OUTER(s->unused.next, struct entry, unused));
    assert(s->entries.n == 0); /* a batch that is not done */
    free(s->entries.slots);
    free(s->hashes.slots);
    free(s);
}

static struct hash *find_hash(const struct store *s, struct str key, uint64_t hash)
{
    for (struct node *n = table_first(&s->hashes, hash); n != NULL; n = n->next) {
        struct hash *h = OUTER(n, struct hash, node);
        if (n->hash == hash && str_eq(h->seen.key, key)) return h;
    }
    return NULL;
}

static struct hash *need_hash(struct store *s, unsigned partition, struct str key)
{
    if (s->last_hash != NULL && str_eq(s->last_hash->seen.key, key)) return s->last_hash;
    uint64_t hash = secret_hash(s, key);
    struct hash *h = find_hash(s, key, hash);
    if (h != NULL) return s->last_hash = h;
    h = calloc(1, sizeof *h + key.n);
    if (h == NULL) return NULL;
    memcpy(h->key, key.p, key.n);
    h->seen = (struct store_hash){{h->key, key.n}, partition};
    h->node.hash = hash;
    ring_init(&h->entries);
    ring_add_last(&s->all_hashes, &h->all);
    table_add(&s->hashes, &h->node);
    s->bytes += sizeof *h + key.n;
    return s->last_hash = h;
}

static struct entry *need_entry(struct store *s, struct hash *h, struct str field)
{
    uint64_t hash = secret_hash(s, field) ^ h->node.hash * 0x9e3779b97f4a7c15u;
    for (struct node *n = table_first(&s->entries, hash); n != NULL; n = n->next) {
        struct entry *e = OUTER(n, struct entry, node);
        if (n->hash == hash && e->seen.hash == &h->seen && str_eq(e->seen.field, field)) return e;
    }
    struct entry *e = calloc(1, sizeof *e + field.n);
    if (e == NULL) return NULL;
    memcpy(e->field, field.p, field.n);
    e->seen.hash = &h->seen;
    e->seen.field = (struct str){e->field, field.n};
    e->node.hash = hash;
    ring_init(&e->unused);
    ring_add_last(&h->entries, &e->of_hash);
    table_add(&s->entries, &e->node);
    s->bytes += entry_bytes(e);
    return e;
}

static bool batch_add(struct store_batch *b, struct entry *e)
{
    if (b->n == b->cap) {
        size_t cap = b->cap == 0 ? 64 : b->cap * 2;
        struct store_entry **grown = realloc(b->entries, cap * sizeof grown[0]);
        if (grown == NULL) return false;
        b->entries = grown;
        b->cap = cap;
    }
    b->entries[b->n++] = &e->seen;
    e->used = true;
    ring_remove(&e->unused);
    return true;
}

struct store_entry *store_use(struct store *s, struct store_batch *b, unsigned partition,
                              struct str key, struct str field)
{
    struct hash *h = need_hash(s, partition, key);
    if (h == NULL) return NULL;
    struct entry *e = need_entry(s, h, field);
    if (e != NULL && (e->used || batch_add(b, e))) return &e->seen;
    if (e == NULL && h->entries.next == &h->entries) forget_hash(s, h);
    if (e != NULL && e->unused.next == &e->unused) ring_add_last(&s->unused, &e->unused);
    return NULL;
}

static bool replace(struct store *s, struct store_entry *seen, struct str value)
{
    char *copy = (char *)seen->value.p;
    if (value.n != seen->value.n) { /* most rows keep their length */
        copy = value.n > 0 ? malloc(value.n) : NULL;
        if (value.n > 0 && copy == NULL) return false;
        free((char *)seen->value.p);
    }
    if (value.n > 0) memcpy(copy, value.p, value.n);
    s->bytes += value.n;
    s->bytes -= seen->value.n;
    seen->value = (struct str){copy, value.n};
    seen->known = true;
    return true;
}

bool store_loaded(struct store *s, struct store_entry *e, struct str value)
{
    assert(!e->known && !e->dirty);
    bool ok = replace(s, e, value);
    evict(s);
    return ok;
}

bool store_set(struct store *s, struct store_entry *e, struct str value)
{
    assert(OUTER(e, struct entry, seen)->used);
    if (!replace(s, e, value)) return false;
    e->dirty = true;
    evict(s);
    return true;
}

static bool grouped(const struct store_batch *b)
{
    for (size_t i = 1; i < b->n; i++) {
        if ((uintptr_t)b->entries[i - 1]->hash > (uintptr_t)b->entries[i]->hash) return false;
    }
    return true;
}

static int by_hash(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t)(*(struct store_entry *const *)a)->hash;
    uintptr_t y = (uintptr_t)(*(struct store_entry *const *)b)->hash;
    return x < y ? -1 : x > y;
}

bool store_tell(struct store *s, struct store_batch *b, unsigned partition, struct str key,
                struct str field, struct str value)
{
    struct store_entry *e = store_use(s, b, partition, key, field);
    if (e == NULL) return false;
    if (e->known && str_eq(e->value, value)) return true;
    return store_set(s, e, value);
}

void store_group(struct store_batch *b)
{
    if (!grouped(b)) qsort(b->entries, b->n, sizeof b->entries[0], by_hash);
}

void store_done(struct store *s, struct store_batch *b, bool committed)
{
    for (size_t i = 0; i < b->n; i++) {
        struct entry *e = OUTER(b->entries[i], struct entry, seen);
        bool stale = !e->seen.known || (e->seen.dirty && !committed);
        e->used = false;
        e->seen.dirty = false;
        ring_add_last(&s->unused, &e->unused);
        if (stale) forget(s, e);
    }
    free(b->entries);
    *b = (struct store_batch){0};
    evict(s);
}

static void drop(struct store *s, struct hash *h)
{
    for (struct link *l = h->entries.next, *next; l != &h->entries; l = next) {
        struct entry *e = OUTER(l, struct entry, of_hash);
        bool last = l->next == &h->entries; /* the hash goes with its last entry */
        next = l->next;
        if (!e->used) forget(s, e);
        if (last) return;
    }
}

void store_drop(struct store *s, unsigned partition)
{
    for (struct link *l = s->all_hashes.next, *next; l != &s->all_hashes; l = next) {
        struct hash *h = OUTER(l, struct hash, all);
        next = l->next;
        if (h->seen.partition == partition) drop(s, h);
    }
}

void store_drop_hash(struct store *s, struct str key)
{
    struct hash *h = find_hash(s, key, secret_hash(s, key));
    if (h != NULL) drop(s, h);
}

size_t store_bytes(const struct store *s)
{
    return s->bytes;
}
