/*
 * redis_now.h - Redis for who can wait: command lines, and threads of their own. One handle,
 * whatever kind of Redis the configuration names: it finds the master or the node of each key,
 * follows MOVED and ASK, waits a bounded time on TRYAGAIN and CLUSTERDOWN, and connects anew at the
 * next command after a connection has died. Not for several threads at once.
 */
#ifndef SENTIER_REDIS_NOW_H
#define SENTIER_REDIS_NOW_H

#include <hiredis/hiredis.h>

#include "buf.h"
#include "conf.h"
#include "str.h"

struct redis_now;

/* The words of a command, for the two arguments that it takes: redis_now(r, ARGV(STR("GET"), key)).
 */
#define ARGV(...)                                                                                  \
    (int)(sizeof((const struct str[]){__VA_ARGS__}) / sizeof(struct str)), (const struct str[])    \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

/* NULL with a message in err: not an address, not reachable, not let in. `conf` must stay. */
struct redis_now *redis_now_open(const struct redis_conf *conf, struct buf *err);
void redis_now_close(struct redis_now *r); /* NULL is fine */

/* The reply (the caller frees it), also an error reply; NULL: no answer, redis_now_error says why
 * and whether the command ran is unknown. */
redisReply *redis_now(struct redis_now *r, int argc, const struct str *argv);
const char *redis_now_error(const struct redis_now *r);
bool redis_now_up(const struct redis_now *r); /* the last command was answered, if by an error */

/* Many commands at once: pushed ones are answered by as many pulls, in the same order. They are
 * sent by the first pull, to all nodes at the same time, and all answers are held meanwhile. Those
 * for different nodes may run in any order, and one that is redirected runs after the others. */
int redis_now_push(struct redis_now *r, int argc, const struct str *argv); /* -1: out of memory */
redisReply *redis_now_pull(struct redis_now *r);                           /* as redis_now */

/* For SCAN and the like: the masters, and a command to one of them, by index; an index means the
 * same node until the next redis_now_nodes. 0: a cluster that does not answer. */
unsigned redis_now_nodes(struct redis_now *r);
redisReply *redis_now_on(struct redis_now *r, unsigned node, int argc, const struct str *argv);

#endif
