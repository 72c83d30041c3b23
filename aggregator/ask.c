/*
 * The three ways in which a command can fail made one: nobody answered, Redis answered with an
 * error, or memory ran out. What went wrong is told once, in err.
 */
#include "ask.h"

#include <stdlib.h>

static redisReply *checked(struct redis_now *redis, redisReply *reply, struct buf *err)
{
    if (reply != NULL && reply->type != REDIS_REPLY_ERROR) return reply;
    if (reply == NULL && err != NULL) buf_printf(err, "%s", redis_now_error(redis));
    if (reply != NULL && err != NULL) buf_printf(err, "Redis refuses: %s", reply->str);
    if (reply != NULL) freeReplyObject(reply);
    return NULL;
}

redisReply *ask(struct redis_now *redis, struct buf *err, int argc, const struct str *argv)
{
    return checked(redis, redis_now(redis, argc, argv), err);
}

int ask_push(struct redis_now *redis, struct buf *err, int argc, const struct str *argv)
{
    if (redis_now_push(redis, argc, argv) == 0) return 0;
    buf_printf(err, "%s", redis_now_error(redis));
    return -1;
}

redisReply *ask_pull(struct redis_now *redis, struct buf *err)
{
    return checked(redis, redis_now_pull(redis), err);
}

struct str ask_text(const redisReply *array, size_t i)
{
    if (array == NULL || array->type != REDIS_REPLY_ARRAY || i >= array->elements)
        return (struct str){NULL, 0};
    const redisReply *r = array->element[i];
    if (r->type != REDIS_REPLY_STRING) return (struct str){NULL, 0};
    return (struct str){r->str, r->len};
}

int64_t ask_number(const redisReply *array, size_t i)
{
    struct str s = ask_text(array, i);
    return s.n == 0 ? 0 : strtoll(s.p, NULL, 10); /* hiredis ends strings with a NUL */
}
