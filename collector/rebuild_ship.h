/* rebuild_ship.h - records -> the streams of the next generation, by append.lua, waiting for it. */
#ifndef SENTIER_REBUILD_SHIP_H
#define SENTIER_REBUILD_SHIP_H

#include "rebuild_lane.h"
#include "redis_now.h"

struct rebuild_ship;

/* Called while it waits. False: give up. */
typedef bool rebuild_wait_fn(void *arg);

/* birth: of the next generation's partitions, known to this run alone. NULL: no memory. */
struct rebuild_ship *rebuild_ship_new(struct redis_now *redis, unsigned partitions,
                                      const char *birth, rebuild_wait_fn *wait, void *arg);
void rebuild_ship_free(struct rebuild_ship *s); /* NULL is fine */

/* The lane's held record, whose turn it is. Sends when there is enough. -1 with a message, or
 * without one when waiting was given up. */
int rebuild_ship_add(struct rebuild_ship *s, struct rebuild_lane *l, struct buf *err);
int rebuild_ship_flush(struct rebuild_ship *s, struct buf *err);

#endif
