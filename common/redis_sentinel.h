/*
 * redis_sentinel.h - asks the sentinels which server is the master. One question at a time, one
 * sentinel after the other, never blocking.
 */
#ifndef SENTIER_REDIS_SENTINEL_H
#define SENTIER_REDIS_SENTINEL_H

#include <event2/event.h>

#include "conf.h"
#include "redis_place.h"

struct redis_sentinel;

/* The answer; NULL: no sentinel could tell, why says what the last one did. */
typedef void redis_sentinel_fn(const struct redis_seed *master, const char *why, void *arg);

/* place and conf must stay. */
struct redis_sentinel *redis_sentinel_new(struct event_base *base, const struct redis_conf *conf,
                                          const struct redis_place *place, redis_sentinel_fn *fn,
                                          void *arg);
void redis_sentinel_free(struct redis_sentinel *s); /* fn does not run any more; NULL is fine */

/* fn runs once, later. A question under way is given up. */
void redis_sentinel_ask(struct redis_sentinel *s);

#endif
