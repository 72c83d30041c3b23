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

#include "clock.h"
#include "delta.h"
#include "month.h"

static bool is_month(const struct packed_day *d)
{
    return d->day >= DELTA_MONTH;
}

/* The hash of a month's packed days (i = 0), or of its i-th date. */
static struct key month_hash(const struct packing *p, const struct packed_day *d, unsigned i)
{
    struct day_field field;
    uint32_t first = month_to_day(d->day - DELTA_MONTH);
    if (i == 0) return key_month(p->partition, str_of(d->site->name), first, &field);
    return key_day(p->partition, str_of(d->site->name), first + i - 1);
}

static unsigned hashes_of(const struct packed_day *d)
{
    uint32_t month = d->day - DELTA_MONTH;
    return 1 + month_to_day(month + 1) - month_to_day(month);
}

static struct key day_hash(const struct packing *p, const struct packed_day *d)
{
    return key_day(p->partition, str_of(d->site->name), d->day);
}

/* Hashes that were read whole are worth no memory, and would say too little later. */
static void forget(struct packing *p, struct packed_day *d, struct store *store)
{
    unsigned n = !is_month(d) ? 1 : d->month == TAKES_DAYS ? hashes_of(d) : 0;
    for (unsigned i = 0; i < n; i++) {
        struct key key = is_month(d) ? month_hash(p, d, i) : day_hash(p, d);
        store_drop_hash(store, key_str(&key));
    }
    bundle_fini(&d->bundle);
    buf_fini(&d->rows);
}

void packing_fini(struct packing *p, struct store *store)
{
    for (size_t i = 0; i < p->n; i++)
        forget(p, &p->days[i], store);
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
    if (from < site->kept_day) from = site->kept_day;
    for (uint32_t day = from > first ? from : first; day < to && day <= last; day++) {
        if (!packing_need(p, site, day)) return false;
    }
    return true;
}

bool packing_need_months(struct packing *p, const struct sitestate *site, uint32_t first,
                         uint32_t last, uint32_t kept)
{
    if (last == 0 || site->kept_day == 0) return true;
    uint32_t to = day_to_month(site->kept_day), goes_to = day_to_month(site->first_day);
    for (uint32_t m = day_to_month(first); m < to && m <= day_to_month(last); m++) {
        bool goes = m < goes_to, had_days = month_to_day(m) >= kept;
        if (!goes && !had_days) continue;
        if (!packing_need(p, site, DELTA_MONTH + m)) return false;
        p->days[p->n - 1].month = goes ? GOES : TAKES_DAYS;
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
        else if (p->days[i].month != TAKES_NOTHING)
            p->days[kept - 1].month = p->days[i].month;
    }
    p->n = kept;
}

static bool use_month(struct packing *p, struct packed_day *d, struct store *store,
                      struct store_batch *use)
{
    struct key months = key_months(p->partition, str_of(d->site->name));
    struct month_field field = key_month_field(d->day - DELTA_MONTH);
    d->packed = store_use(store, use, p->partition, key_str(&months), str_of(field.text));
    if (d->packed == NULL) return false;
    for (unsigned i = 0; d->month == TAKES_DAYS && i < hashes_of(d); i++) {
        struct key key = month_hash(p, d, i);
        d->hashes[i] = store_use(store, use, p->partition, key_str(&key), STORE_WHOLE);
        if (d->hashes[i] == NULL) return false;
    }
    return true;
}

static bool use_day(struct packing *p, struct packed_day *d, struct store *store,
                    struct store_batch *use)
{
    struct day_field field;
    struct key month = key_month(p->partition, str_of(d->site->name), d->day, &field);
    struct key loose = day_hash(p, d);
    d->packed = store_use(store, use, p->partition, key_str(&month), str_of(field.text));
    d->loose = store_use(store, use, p->partition, key_str(&loose), STORE_WHOLE);
    return d->packed != NULL && d->loose != NULL;
}

bool packing_use(struct packing *p, struct store *store, struct store_batch *use)
{
    sort(p);
    for (size_t i = 0; i < p->n; i++) {
        struct packed_day *d = &p->days[i];
        if (!(is_month(d) ? use_month : use_day)(p, d, store, use)) return false;
    }
    return true;
}

/* The packed days of a month, one after another: date and bytes (both u32), plain rows. */
static enum pack_result unpack_days(struct str packed, struct buf *plain)
{
    struct reader in = reader_of(packed);
    struct str day, value;
    while (pack_next(&in, &day, &value)) {
        unsigned date =
            day.n == 2 ? (unsigned)(day.p[0] - '0') * 10 + (unsigned)(day.p[1] - '0') : 0;
        if (date < 1 || date > 31) return PACK_DAMAGED;
        size_t from = plain->n;
        if (!buf_add_le32(plain, date) || !buf_add_le32(plain, 0)) return PACK_MEMORY;
        enum pack_result result = pack_read(value, plain);
        if (result != PACK_OK) return result;
        store_le32(plain->p + from + 4, (uint32_t)(plain->n - from - 8));
    }
    return PACK_OK;
}

static enum pack_result take_days(struct packed_day *d)
{
    uint32_t first = month_to_day(d->day - DELTA_MONTH);
    struct month_rows rows = {.n = 0};
    struct buf plain = {0};
    enum pack_result result = unpack_days(d->hashes[0]->value, &plain);
    for (size_t at = 0; result == PACK_OK && at < plain.n;) {
        uint32_t date = load_le32(plain.p + at), n = load_le32(plain.p + at + 4);
        if (!month_take(&rows, first + date - 1, (struct str){plain.p + at + 8, n}))
            result = PACK_MEMORY;
        at += 8 + n;
    }
    for (unsigned i = 1; result == PACK_OK && i < hashes_of(d); i++) {
        if (!month_take(&rows, first + i - 1, d->hashes[i]->value)) result = PACK_MEMORY;
    }
    if (result == PACK_OK) result = month_write(&rows, &d->rows);
    month_fini(&rows);
    buf_fini(&plain);
    return result;
}

static struct str loose_rows(const struct packed_day *d)
{
    return is_month(d) ? buf_str(&d->rows) : d->loose->value;
}

enum pack_result packing_load(struct packing *p, const struct store_entry **bad)
{
    for (size_t i = 0; i < p->n; i++) {
        struct packed_day *d = &p->days[i];
        enum pack_result result = PACK_OK;
        *bad = d->packed;
        if (d->month == GOES) continue;
        if (d->month == TAKES_DAYS) {
            *bad = d->hashes[0];
            result = take_days(d);
        }
        if (result == PACK_OK) result = bundle_load(&d->bundle, d->packed->value, loose_rows(d));
        if (result != PACK_OK) return result;
    }
    return PACK_OK;
}

struct packed_day *packing_find(struct packing *p, const struct sitestate *site, uint32_t day)
{
    struct packed_day key = {.site = site, .day = day};
    return p->n == 0 ? NULL : bsearch(&key, p->days, p->n, sizeof key, by_place);
}

bool packing_write(struct store *store, struct packed_day *d, const struct bundle_row *changed,
                   size_t n)
{
    struct buf value = {0};
    if (d->month == GOES)
        return d->packed->value.n == 0 || store_set(store, d->packed, buf_str(&value));
    if (loose_rows(d).n == 0 && n == 0) return true;
    bool ok = bundle_write(&d->bundle, changed, n, &value) &&
              store_set(store, d->packed, buf_str(&value));
    buf_fini(&value);
    return ok;
}

size_t packing_gone(const struct packing *p, const struct packed_day *d, struct key *gone)
{
    size_t n = 0;
    if (!is_month(d)) {
        if (d->loose->value.n > 0) gone[n++] = day_hash(p, d);
        return n;
    }
    for (unsigned i = 0; d->month != TAKES_NOTHING && i < hashes_of(d); i++) {
        if (d->month == GOES || d->hashes[i]->value.n > 0) gone[n++] = month_hash(p, d, i);
    }
    return n;
}
