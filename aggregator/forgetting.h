/* forgetting.h - {pN}:forgotten:SITE in the store: the moments up to which nothing of a visitor is
 * folded, under its mark (forgotten.h), and the newest of them. */
#ifndef SENTIER_FORGETTING_H
#define SENTIER_FORGETTING_H

#include "keys.h"
#include "sitestate.h"
#include "store.h"

/* Entries in use by the batch; NULL: out of memory. */
struct store_entry *forgetting_newest(struct store *s, struct store_batch *b, unsigned partition,
                                      struct str site);
struct store_entry *forgetting_of(struct store *s, struct store_batch *b, unsigned partition,
                                  struct str site, uint64_t visitor);

bool forgetting_read(const struct store_entry *e, int64_t *at_ms); /* 0: none. False: damaged */
bool forgetting_set(struct store *s, struct store_entry *e, int64_t at_ms); /* false: no memory */

/* Whatever could still come of who was forgotten last would be late: nobody needs the marks. */
bool forgetting_over(const struct sitestate *site);
/* The newest moment; when all is over, all that the batch has of the hash is emptied, and the hash
 * is to go. False: out of memory. */
bool forgetting_pack(struct store *s, struct store_batch *b, struct store_entry *newest,
                     const struct sitestate *site);

#endif
