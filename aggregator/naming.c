/*
 * A record names the customer and the visitors that are its own, so that a reader who has the key,
 * or the id, finds all that belongs to it. Nearly every hit tells what is known already. But where
 * a visitor begins anew the record is written even if it seems to be there: it may have been seen
 * before a sweep took the visitor out.
 */
#include "naming.h"

#include <stdlib.h>

#include "bytes.h"
#include "customer.h"
#include "keys.h"

bool namings_need(struct namings *l, struct store *store, struct store_batch *use,
                  unsigned partition, const struct fold_named *named)
{
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 64 : 2 * l->cap;
        struct naming *grown = realloc(l->all, cap * sizeof *grown);
        if (grown == NULL) return false;
        l->all = grown;
        l->cap = cap;
    }
    char field[8];
    store_le64(field, named->customer);
    struct key key = key_customers(partition, str_of(named->site->name));
    struct store_entry *record =
        store_use(store, use, partition, key_str(&key), (struct str){field, sizeof field});
    if (record == NULL) return false;
    l->all[l->n++] = (struct naming){named, record};
    return true;
}

static enum pack_result apply(const struct naming *one, struct store *store, struct buf *packed)
{
    struct customer c = {.id = one->named->id};
    struct str value = one->record->value;
    if (!one->named->counts) return PACK_OK;
    if (value.n > 0 && !customer_decode(value, &c)) return PACK_DAMAGED;
    bool changed = one->named->forgets ? customer_remove(&c, one->named->visitor)
                                       : customer_add(&c, one->named->visitor);
    if (!changed && !one->named->anew) return PACK_OK;
    buf_clear(packed);
    return (c.visitors_n == 0 || customer_encode(&c, packed)) &&
                   store_set(store, one->record, buf_str(packed))
               ? PACK_OK
               : PACK_MEMORY;
}

enum pack_result namings_apply(struct namings *l, struct store *store,
                               const struct store_entry **damaged)
{
    enum pack_result result = PACK_OK;
    struct buf packed = {0};
    for (size_t i = 0; i < l->n && result == PACK_OK; i++) {
        *damaged = l->all[i].record;
        result = apply(&l->all[i], store, &packed);
    }
    buf_fini(&packed);
    return result;
}

void namings_clear(struct namings *l)
{
    l->n = 0;
}

void namings_fini(struct namings *l)
{
    free(l->all);
    *l = (struct namings){0};
}
