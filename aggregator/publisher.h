/*
 * publisher.h - one site's summaries in Redis, and the days it has read for them. Used by an
 * owner's thread only.
 */
#ifndef SENTIER_PUBLISHER_H
#define SENTIER_PUBLISHER_H

#include <stdatomic.h>

#include "hit.h"
#include "live.h"

enum { PUBLISH_DAYS = 28, PUBLISH_RANGES = 3, PUBLISH_DOCUMENTS = 8 };

/* Shared by all publishers of a thread. */
struct publish_env {
    struct redis_now *redis; /* NULL: not connected yet */
    unsigned partitions;
    int64_t persons_kept_ms; /* as of range_source */
    uint32_t late_after_h;
    size_t cache_max; /* bytes of packed rows; beyond it days are read again each time */
    size_t cached;
    const struct document *documents; /* documents.h; NULL: the summaries are published */
    const atomic_bool *stopping;      /* the thread is to end */
    int64_t rested_ms;                /* of a refresh: pauses that documents made */
};

struct cached_day;

/* Days of a range that rarely change, merged. */
struct merged {
    uint32_t from, to; /* 0, 0: none */
    struct buf rows;
};

struct publisher {
    char name[HIT_SITE_MAX_BYTES + 1];
    const struct zone *zone; /* these belong to the owner's snapshot */
    const char *time_zone;
    char **topics; /* rules; NULL: none */
    unsigned spread;
    struct cached_day *days; /* PUBLISH_DAYS, a ring by date; NULL: nothing was read yet */
    struct merged merged[PUBLISH_RANGES];
    size_t bytes;     /* of both */
    struct live live; /* as read last */
    int64_t turn_ms;  /* then time alone makes other documents; 0: nothing published yet */
    int64_t published_ms;
    bool check;                           /* a partition that others fold has changed: see what */
    uint32_t made_day[PUBLISH_DOCUMENTS]; /* of each document, the day of the newest hit then */
};

struct range_source publisher_source(const struct publisher *p, const struct publish_env *env);

void publisher_touch(struct publisher *p, uint32_t day, struct publish_env *env);
void publisher_forget(struct publisher *p, struct publish_env *env); /* all days; frees them */
void publisher_moved(struct publisher *p); /* a copy of it owns the days now */

/* Reads what is not cached and writes the summaries. 0 (also when the site has no data), or -1 with
 * why in err: nothing is lost, it can be tried again. */
int publisher_publish(struct publisher *p, struct publish_env *env, struct buf *err);

#endif
