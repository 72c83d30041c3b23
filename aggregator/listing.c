/*
 * A field is unpacked, raised and packed again for each record: a page has one in a run, and runs
 * are rare. Pages beyond the limit are not kept; the verdict of their record says so, and the
 * catalogue counts them.
 */
#include "listing.h"

#include <stdlib.h>

#include "bytes.h"
#include "hash.h"
#include "keys.h"

bool listings_need(struct listings *l, struct store *store, struct store_batch *use,
                   unsigned partition, struct str site, const struct hit *hit, uint32_t weight)
{
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 64 : 2 * l->cap;
        struct listing *grown = realloc(l->all, cap * sizeof *grown);
        if (grown == NULL) return false;
        l->all = grown;
        l->cap = cap;
    }
    struct key key = key_catalogue(partition, site);
    struct listing *one = &l->all[l->n];
    *one = (struct listing){.hit = hit, .weight = weight, .site = site};
    one->head = store_use(store, use, partition, key_str(&key), CATALOGUE_HEAD_FIELD);
    if (one->head == NULL) return false;
    if (hit->kind == HIT_CATALOGUE) {
        char id[8];
        store_le64(id, hash64(hit->page));
        one->page = store_use(store, use, partition, key_str(&key), (struct str){id, sizeof id});
        if (one->page == NULL) return false;
    }
    l->n++;
    return true;
}

static bool name_page(const struct listing *one, struct store *store, struct store_batch *use)
{
    unsigned partition = one->head->hash->partition;
    struct key key = key_pages(partition, one->site);
    return store_tell(store, use, partition, key_str(&key), one->page->field, one->hit->page);
}

static bool set_head(const struct listing *one, struct store *store,
                     const struct catalogue_head *head, struct buf *packed)
{
    buf_clear(packed);
    return catalogue_head_encode(head, packed) && store_set(store, one->head, buf_str(packed));
}

static bool set_page(const struct listing *one, struct store *store, struct store_batch *use,
                     struct catalogue_page *page, struct buf *packed)
{
    buf_clear(packed);
    catalogue_page_take(page, one->hit);
    return catalogue_page_encode(page, packed) && store_set(store, one->page, buf_str(packed)) &&
           name_page(one, store, use);
}

static enum pack_result apply(const struct listing *one, struct store *store,
                              struct store_batch *use, struct deltas *ledger, struct buf *packed,
                              const struct store_entry **damaged)
{
    struct catalogue_head head = {.complete_ms = 0};
    struct catalogue_page page = {.first_ms = 0};
    bool is_new = one->page != NULL && one->page->value.n == 0;
    *damaged = one->head;
    if (one->head->value.n > 0 && !catalogue_head_decode(one->head->value, &head))
        return PACK_DAMAGED;
    if (one->page == NULL) {
        catalogue_head_take(&head, one->hit);
    } else if (is_new && head.pages >= CATALOGUE_PAGES_MAX) {
        head.over++;
        deltas_verdict(ledger, V_TOO_MANY, one->weight);
        return set_head(one, store, &head, packed) ? PACK_OK : PACK_MEMORY;
    } else {
        *damaged = one->page;
        if (!is_new && !catalogue_page_decode(one->page->value, &page)) return PACK_DAMAGED;
        if (!set_page(one, store, use, &page, packed)) return PACK_MEMORY;
        head.pages += is_new;
    }
    deltas_verdict(ledger, V_CATALOGUE, one->weight);
    return set_head(one, store, &head, packed) ? PACK_OK : PACK_MEMORY;
}

enum pack_result listings_apply(struct listings *l, struct store *store, struct store_batch *use,
                                struct deltas *ledger, const struct store_entry **damaged)
{
    enum pack_result result = PACK_OK;
    struct buf packed;
    buf_init(&packed, 0);
    for (size_t i = 0; i < l->n && result == PACK_OK; i++)
        result = apply(&l->all[i], store, use, ledger, &packed, damaged);
    buf_fini(&packed);
    return result;
}

void listings_clear(struct listings *l)
{
    l->n = 0;
}

void listings_fini(struct listings *l)
{
    free(l->all);
    *l = (struct listings){0};
}
