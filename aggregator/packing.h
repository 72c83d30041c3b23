/*
 * packing.h - the packed days and months that a batch touches: those that hits still change, and
 * those that its hits have closed. A closed day's rows leave their hash and become one value; when
 * a whole month is older than what is kept per day, its days become one value; and old months go.
 *
 *   packing_need() for each day;  packing_use();  all entries loaded
 *   packing_load();  packing_find() and bundle_find() for each row
 *   packing_write() once for each day
 */
#ifndef SENTIER_PACKING_H
#define SENTIER_PACKING_H

#include "bundle.h"
#include "keys.h"
#include "sitestate.h"
#include "store.h"

enum { MONTH_HASHES = 1 + 31 };

struct packed_day {
    const struct sitestate *site;
    uint32_t day;               /* or DELTA_MONTH + month */
    struct store_entry *packed; /* its value in the hash of the month, or of the months */
    struct store_entry *loose;  /* its own hash, whole: until it is packed */
    struct bundle bundle;
    enum {
        TAKES_NOTHING,
        TAKES_DAYS,
        GOES
    } month;                                  /* of a month: its days become part of it, or it
                                                 goes with all that is left of its days */
    struct store_entry *hashes[MONTH_HASHES]; /* TAKES_DAYS: of its days, whole: that of the
                                                 packed ones, then one for each date */
    struct buf rows;                          /* what they add up to */
};

/* All zero: none. */
struct packing {
    unsigned partition;
    struct packed_day *days; /* in order of site and date after packing_use */
    size_t n, cap;
};

void packing_fini(struct packing *p, struct store *store); /* after store_done */

bool packing_need(struct packing *p, const struct sitestate *site, uint32_t day);

/* The days that were open when the site's dates ended with `last`, and are closed now. */
bool packing_need_closed(struct packing *p, const struct sitestate *site, uint32_t first,
                         uint32_t last);

/* The same for months, when the site had these dates, and days were kept from `kept` on. */
bool packing_need_months(struct packing *p, const struct sitestate *site, uint32_t first,
                         uint32_t last, uint32_t kept);

bool packing_use(struct packing *p, struct store *store, struct store_batch *use); /* no memory */

/* PACK_DAMAGED: *bad says which. */
enum pack_result packing_load(struct packing *p, const struct store_entry **bad);
struct packed_day *packing_find(struct packing *p, const struct sitestate *site, uint32_t day);

/* `changed` as for bundle_write. */
bool packing_write(struct store *store, struct packed_day *d, const struct bundle_row *changed,
                   size_t n);

/* Keys that go, before anything is written; at most MONTH_HASHES. */
size_t packing_gone(const struct packing *p, const struct packed_day *d, struct key *gone);

#endif
