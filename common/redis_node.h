/*
 * redis_node.h - one connection to one Redis server: connects, lets itself in, carries commands,
 * and dies once. Who wants another one makes a new node. Single thread, the one of the base.
 */
#ifndef SENTIER_REDIS_NODE_H
#define SENTIER_REDIS_NODE_H

#include <event2/event.h>

#include "redis.h"
#include "redis_place.h"

struct redis_node;

/* why NULL: it is up. Else it has died or could not come up: all its commands have ended, and it is
 * to be freed, if you like in here. Never runs within redis_node_new or redis_node_free. */
typedef void redis_node_fn(struct redis_node *n, const char *why, void *arg);

struct redis_node_opts {
    struct event_base *base;
    const char *path;             /* of a unix socket; NULL: */
    const struct redis_seed *tcp; /* copied */
    const char *user, *password_file;
    bool master; /* must be one and stay one: asks for its ROLE, dies with the first READONLY */
};

struct redis_node *redis_node_new(const struct redis_node_opts *opts, redis_node_fn *fn, void *arg);
void redis_node_free(struct redis_node *n); /* pending callbacks run with NULL; NULL is fine */

bool redis_node_up(const struct redis_node *n);
unsigned redis_node_pending(const struct redis_node *n); /* commands without an answer */
const struct redis_seed *redis_node_at(const struct redis_node *n);

/* 0: sent, fn will run exactly once. -1: not up; fn never runs. */
int redis_node_send(struct redis_node *n, redis_reply_fn *fn, void *arg, int argc,
                    const struct str *argv);
/* The same with a command as redis_format makes it, which stays the caller's. asking: after ASKING,
 * with nothing between them. */
int redis_node_send_text(struct redis_node *n, redis_reply_fn *fn, void *arg, struct str text,
                         bool asking);
int redis_node_subscribe(struct redis_node *n, redis_reply_fn *fn, void *arg, struct str channel);

/* The first two words of a call of the script there: EVAL and the body, or EVALSHA and the name
 * that the server gave it. Valid until the next command. */
void redis_node_script(struct redis_node *n, const struct redis_script *s, struct str words[2]);

/* The command as it goes over the wire; free it with redisFreeCommand. p NULL: out of memory. */
struct str redis_format(int argc, const struct str *argv);

/* The pause before the next attempt: it doubles, and is short again after a time of being up. One
 * that is refused again and again is no reason to knock without a pause. */
enum { REDIS_PAUSE_MIN_MS = 20, REDIS_PAUSE_MAX_MS = 1000 };
static inline int redis_pause_next(int *pause_ms)
{
    int ms = *pause_ms < REDIS_PAUSE_MIN_MS ? REDIS_PAUSE_MIN_MS : *pause_ms;
    *pause_ms = 2 * ms > REDIS_PAUSE_MAX_MS ? REDIS_PAUSE_MAX_MS : 2 * ms;
    return ms;
}

#endif
