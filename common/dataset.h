/* dataset.h - what is fixed when a data set is born: its id and its number of partitions. */
#ifndef SENTIER_DATASET_H
#define SENTIER_DATASET_H

#include "buf.h"
#include "redis.h"
#include "redis_now.h"

enum { DATASET_FORMAT = 1, DATASET_ID_BYTES = 32 }; /* hex digits */

struct dataset_id {
    char text[DATASET_ID_BYTES + 1];
};

/* Redis and the configuration agree on the data set, which is born here if Redis holds none. 0; -1
 * with a message: they do not, or, with errno EAGAIN, Redis gave no answer. */
int dataset_agree(struct redis_now *redis, unsigned partitions, struct buf *err);

/* The same over a link, without waiting: 0, then dataset_heard says what fn's reply means; -1: the
 * link is down. */
enum dataset_word { DATASET_AGREED, DATASET_ANOTHER, DATASET_NOT_NOW };
int dataset_ask(struct redis_link *l, unsigned partitions, redis_reply_fn *fn, void *arg);
/* reply not NULL. id: its id, when they agree; NULL: nobody asks. */
enum dataset_word dataset_heard(const redisReply *reply, unsigned partitions,
                                struct dataset_id *id);
int dataset_partitions(const redisReply *reply); /* what Redis said; 0: no number */

/* The same for a collector's directory, which must know it while Redis is away. */
int dataset_agree_dir(const char *dir, unsigned partitions, struct buf *err);

#endif
