/* append.h - calling append.lua: a batch, or an empty one to ask whether Redis is the one we knew.
 */
#ifndef SENTIER_APPEND_H
#define SENTIER_APPEND_H

#include "births.h"
#include "redis.h"
#include "ship_batch.h"

enum append_result { APPEND_OK, APPEND_FULL, APPEND_GAP, APPEND_BIRTH, APPEND_ERROR };

struct append_answer {
    enum append_result result;
    char birth[BIRTH_TEXT_BYTES]; /* of the partition; "" when it has none */
    unsigned part;                /* GAP: whose, from 0 */
    uint64_t seen;                /* GAP: all that Redis has of it */
    uint64_t generation;          /* OK of an empty batch: rebuilt so many times */
};

void append_init(void);        /* once, before the first call */
const char *append_body(void); /* append.lua itself */

/* 0: fn will run. birth "": none known. stream_max 0: no limit. */
int append_send(struct redis_link *link, redis_reply_fn *fn, void *arg, unsigned partition,
                const char *birth, int64_t stream_max, struct batch *b);

/* reply is not NULL. What is no answer of the script is an error. */
void append_parse(const redisReply *reply, unsigned parts, struct append_answer *out);

#endif
