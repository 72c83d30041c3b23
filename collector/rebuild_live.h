/* rebuild_live.h - what the live generation holds: looked at, and held still. */
#ifndef SENTIER_REBUILD_LIVE_H
#define SENTIER_REBUILD_LIVE_H

#include "keys.h"
#include "rebuild_files.h"
#include "redis_now.h"

enum { LIVE_ID_BYTES = 33, LIVE_OFFSET_BYTES = 42, LIVE_TOKEN_BYTES = 33 };

struct live_partition {
    bool born;                  /* it has a birth: somebody ships into it */
    char commit[LIVE_ID_BYTES]; /* "": none */
    char offset[LIVE_OFFSET_BYTES];
    uint64_t folded; /* weight */
    bool fenced;
};

struct live {
    struct redis_now *redis;
    unsigned partitions;
    char token[LIVE_TOKEN_BYTES]; /* of this run: of the lock, the leases, the next generation */
    struct live_partition *of;
    int64_t renewed_ms;
};

int live_init(struct live *l, struct redis_now *redis, unsigned partitions); /* -1: no memory */
void live_fini(struct live *l);

/* One command; NULL with a message: no answer, or an error. The caller frees the reply. */
redisReply *live_ask(struct live *l, struct buf *err, int argc, const struct str *argv);

/* One rebuild at a time. 0; -1 with a message. */
int live_lock(struct live *l, struct buf *err);
/* Call at least every second or so: the lock, and the leases if they are held, are renewed when it
 * is time. -1 with a message: another one has them now; nothing more may be changed. */
int live_renew(struct live *l, struct buf *err);
void live_unlock(struct live *l); /* gives the leases back, too */

/* Takes every lease: no aggregator commits into the live generation until live_unlock. */
int live_fence(struct live *l, struct buf *err);

/* Per partition its commit; per producer and partition what has been seen and what of it has been
 * folded, into the lanes; producers without a file get an empty lane. After rebuild_files_scan:
 * what an archive holds, Redis has had by then. */
int live_look(struct live *l, struct rebuild_files *files, struct buf *err);

/* Calls fn for each key of partitions in either generation. Its -1 ends it. */
typedef int live_key_fn(void *arg, const struct key_parts *key, struct str whole);
int live_scan(struct live *l, struct buf *err, const char *pattern, live_key_fn *fn, void *arg);
/* Removes all of the next generation. */
int live_drop_next(struct live *l, struct buf *err);

#endif
