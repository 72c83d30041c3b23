/*
 * sweep.h - takes expired profiles (expiry.h) out of Redis: one bucket after another of the
 * partitions held, a little each time, beside the fold and on its link. One thread.
 */
#ifndef SENTIER_SWEEP_H
#define SENTIER_SWEEP_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "redis.h"

struct sweep;

struct sweep_opts {
    unsigned partitions; /* of the data set */
    int64_t kept_ms;     /* without a hit, by event time */
    bool rows_outlive;   /* rows are kept for longer: a site's first date tells its age */
};

struct sweep *sweep_new(struct event_base *base, struct redis_link *link,
                        const struct sweep_opts *opts); /* NULL: no memory */
void sweep_free(struct sweep *s);                       /* free the link first. NULL is fine */

void sweep_take(struct sweep *s, unsigned partition, const char *token);
void sweep_drop(struct sweep *s, unsigned partition);

uint64_t sweep_expired(const struct sweep *s); /* profiles taken out since the start */

#endif
