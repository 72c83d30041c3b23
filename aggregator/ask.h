/* ask.h - one blocking question to Redis, for command lines and the owner's thread. */
#ifndef SENTIER_ASK_H
#define SENTIER_ASK_H

#include "redis_now.h"

/* ask(redis, err, ARGV(STR("GET"), key)). The answer is the caller's (freeReplyObject). NULL: no
 * answer, or an error; why is added to err. */
redisReply *ask(struct redis_now *redis, struct buf *err, int argc, const struct str *argv);

/* Many at once: as many pulls as pushes that said 0, also after one has failed; err NULL: not told.
 */
int ask_push(struct redis_now *redis, struct buf *err, int argc, const struct str *argv);
redisReply *ask_pull(struct redis_now *redis, struct buf *err);

/* Element i of an array answer when it is a string; else empty. */
struct str ask_text(const redisReply *array, size_t i);
/* The same read as a decimal number; 0 when it is none. */
int64_t ask_number(const redisReply *array, size_t i);

#endif
