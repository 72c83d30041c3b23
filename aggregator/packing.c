/*
 * Whether a day is packed follows from the site's newest date alone (sitestate_open_from), so it
 * does not matter where batches end or in which order hits came: a hit of a packed day unpacks it,
 * adds, and packs it again in the same commit. Hits of browsers are never that old; imports are.
 *
 * A hash and a packed value of one day add up. Both are there only when somebody put them there,
 * such as a rebuild that keeps old days; the next hit of that day makes one out of them.
 */
#include "packing.h"

#include <stdlib.h>

void packing_fini(struct packing *p, struct store *store)
{
    for (size_t i = 0; i < p->n; i++) {
        struct key loose = packing_gone(p, &p->days[i]);
        /* Hashes that were read whole are worth no memory, and would say too little later. */
        store_drop_hash(store, key_str(&loose));
        bundle_fini(&p->days[i].bundle);
    }
    free(p->days);
    *p = (struct packing){.partition = p->partition};
}

bool packing_need(struct packing *p, const struct sitestate *site, uint32_t day)
{
    const struct packed_day *last = p->n == 0 ? NULL : &p->days[p->n - 1];
    if (last != NULL && last->site == site && last->day == day) return true;
    if (p->n == p->cap) {
        size_t cap = p->cap == 0 ? 16 : 2 * p->cap;
        struct packed_day *grown = realloc(p->days, cap * sizeof *grown);
        if (grown == NULL) return false;
        p->days = grown;
        p->cap = cap;
    }
    p->days[p->n++] = (struct packed_day){.site = site, .day = day};
    return true;
}

bool packing_need_closed(struct packing *p, const struct sitestate *site, uint32_t first,
                         uint32_t last)
{
    uint32_t from = sitestate_open_from(last), to = sitestate_open_from(site->last_day);
    for (uint32_t day = from > first ? from : first; day < to && day <= last; day++) {
        if (!packing_need(p, site, day)) return false;
    }
    return true;
}

static int by_place(const void *a, const void *b)
{
    const struct packed_day *x = a, *y = b;
    int order = x->site == y->site ? 0 : strcmp(x->site->name, y->site->name);
    return order != 0 ? order : (x->day > y->day) - (x->day < y->day);
}

static void sort(struct packing *p)
{
    size_t kept = 0;
    if (p->n > 0) qsort(p->days, p->n, sizeof p->days[0], by_place);
    for (size_t i = 0; i < p->n; i++) {
        if (kept == 0 || by_place(&p->days[kept - 1], &p->days[i]) != 0)
            p->days[kept++] = p->days[i];
    }
    p->n = kept;
}

struct key packing_gone(const struct packing *p, const struct packed_day *d)
{
    return key_day(p->partition, str_of(d->site->name), d->day);
}

bool packing_use(struct packing *p, struct store *store, struct store_batch *use)
{
    sort(p);
    for (size_t i = 0; i < p->n; i++) {
        struct packed_day *d = &p->days[i];
        struct day_field field;
        struct key month = key_month(p->partition, str_of(d->site->name), d->day, &field);
        struct key loose = packing_gone(p, d);
        d->packed = store_use(store, use, p->partition, key_str(&month), str_of(field.text));
        d->loose = store_use(store, use, p->partition, key_str(&loose), STORE_WHOLE);
        if (d->packed == NULL || d->loose == NULL) return false;
    }
    return true;
}

enum pack_result packing_load(struct packing *p, const struct store_entry **bad)
{
    for (size_t i = 0; i < p->n; i++) {
        struct packed_day *d = &p->days[i];
        enum pack_result result = bundle_load(&d->bundle, d->packed->value, d->loose->value);
        *bad = d->packed;
        if (result != PACK_OK) return result;
    }
    return PACK_OK;
}

struct packed_day *packing_find(struct packing *p, const struct sitestate *site, uint32_t day)
{
    struct packed_day key = {.site = site, .day = day};
    return p->n == 0 ? NULL : bsearch(&key, p->days, p->n, sizeof key, by_place);
}

bool packing_write(struct packing *p, struct store *store, struct packed_day *d,
                   const struct bundle_row *changed, size_t n, bool *gone)
{
    struct buf value = {0};
    (void)p;
    *gone = d->loose->value.n > 0;
    if (!*gone && n == 0) return true;
    bool ok = bundle_write(&d->bundle, changed, n, &value) &&
              store_set(store, d->packed, buf_str(&value));
    buf_fini(&value);
    return ok;
}
