/*
 * live.h - what goes on at a site: pageviews per minute, and visitors by the minute in which they
 * were seen last, of the last 30 minutes. Blocking.
 */
#ifndef SENTIER_LIVE_H
#define SENTIER_LIVE_H

#include <jansson.h>

#include "delta.h"
#include "range_read.h"

struct live {
    int64_t minute;                  /* the last one, since 1970; it may still go on */
    int64_t views[LIVE_MINUTES];     /* the last one first */
    int64_t last_seen[LIVE_MINUTES]; /* visitors; so a sum from 0 on is who was there since */
};

/* The minutes that end with now's. 0, or -1 with why in err. */
int live_read(const struct range_source *s, int64_t now_ms, struct live *out, struct buf *err);

bool live_any(const struct live *l);
int64_t live_visitors(const struct live *l, unsigned minutes);
int64_t live_views(const struct live *l, unsigned minutes);

json_t *live_json(const struct live *l); /* NULL: out of memory */

#endif
