/* load.h - asks Redis for what a batch uses and the store does not know. */
#ifndef SENTIER_LOAD_H
#define SENTIER_LOAD_H

#include <stdint.h>

#include "redis.h"
#include "store.h"

/* Runs once per question. ok: its answer is in the store. */
typedef void load_fn(bool ok, void *arg);

/* One HMGET per hash; *asked: how many, so often runs fn. The batch must stay until then. False:
 * not everything could be asked for. *fields grows by the fields asked for. */
bool load_unknown(struct redis_link *link, struct store *store, struct store_batch *batch,
                  load_fn *fn, void *arg, unsigned *asked, uint64_t *fields);

#endif
