/*
 * Blocking hiredis, with the three ways in which a command can fail made one: the connection died,
 * Redis answered with an error, or memory ran out. What went wrong is told once, in err.
 */
#include "ask.h"

#include <stdarg.h>
#include <stdlib.h>

static redisReply *checked(redisContext *redis, redisReply *reply, struct buf *err)
{
    if (reply == NULL) {
        buf_printf(err, "Redis does not answer: %s", redis->errstr);
        return NULL;
    }
    if (reply->type != REDIS_REPLY_ERROR) return reply;
    buf_printf(err, "Redis refuses: %s", reply->str);
    freeReplyObject(reply);
    return NULL;
}

redisReply *ask(redisContext *redis, struct buf *err, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    redisReply *reply = redisvCommand(redis, format, ap);
    va_end(ap);
    return checked(redis, reply, err);
}

redisReply *ask_argv(redisContext *redis, struct buf *err, int argc, const struct str *argv)
{
    const char **p = malloc((size_t)argc * sizeof *p);
    size_t *n = malloc((size_t)argc * sizeof *n);
    redisReply *reply = NULL;
    if (p == NULL || n == NULL) {
        buf_printf(err, "out of memory");
    } else {
        for (int i = 0; i < argc; i++) {
            p[i] = argv[i].n == 0 ? "" : argv[i].p;
            n[i] = argv[i].n;
        }
        reply = checked(redis, redisCommandArgv(redis, argc, p, n), err);
    }
    free(p);
    free(n);
    return reply;
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
