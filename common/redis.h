/*
 * redis.h - a Redis link on a libevent loop: connects, stays connected (back-off up to 1 s),
 * pipelines. One server, the master that sentinels name, or all masters of a cluster: callers see
 * no difference but this: in a cluster, commands on keys of different slots are answered in any
 * order, and one command has keys of one slot only. Wraps hiredis' async API; single thread, the
 * one of the base.
 */
#ifndef SENTIER_REDIS_H
#define SENTIER_REDIS_H

#include <event2/event.h>
#include <hiredis/hiredis.h>

#include "buf.h"
#include "conf.h"
#include "str.h"

struct redis_link;

/* reply NULL: the connection died before an answer; whether the command ran is unknown; on_state
 * says down, and later up. Runs exactly once per accepted command; in a cluster also, with the true
 * reply of a node that is well, while the link is down. The reply is borrowed for the call. */
typedef void redis_reply_fn(const redisReply *reply, void *arg);
typedef void redis_state_fn(bool up, void *arg);

/* on_state: up, when Redis has let us in; down. Neither it nor a reply may free the link. */
struct redis_link *redis_link_new(struct event_base *base, const struct redis_conf *conf,
                                  redis_state_fn *on_state, void *arg);
void redis_link_free(struct redis_link *l); /* pending callbacks run with NULL; NULL is fine */
bool redis_link_up(const struct redis_link *l);
bool redis_link_is_cluster(const struct redis_link *l);

/* 0: sent, fn will run. -1: the link is down; fn never runs. */
int redis_send(struct redis_link *l, redis_reply_fn *fn, void *arg, int argc,
               const struct str *argv);

/* fn runs for every reply of the subscription (array: "subscribe" or "message", channel, payload)
 * while this connection lives, never with NULL: subscribe anew when the link is up
 * again. One channel per link, and the link carries nothing else. -1: the link is down. */
int redis_subscribe(struct redis_link *l, redis_reply_fn *fn, void *arg, struct str channel);

/* A Lua script. The first use on a connection sends its body, later ones its SHA1, as the server
 * named it. One that the server forgot, or a node that was sent it by another one never knew,
 * answers NOSCRIPT (retryable); the next use sends the body again. */
struct redis_script {
    const char *body;
};
void redis_script_init(struct redis_script *s, const char *body);
/* argv = numkeys, keys, args as EVAL takes them after the script. */
int redis_eval(struct redis_link *l, const struct redis_script *s, redis_reply_fn *fn, void *arg,
               int argc, const struct str *argv);

/* True for answers that mean "not now", by their first word: NOSCRIPT, TRYAGAIN, LOADING, READONLY,
 * OOM, BUSY, MISCONF, MASTERDOWN, NOREPLICAS, MOVED, ASK, CLUSTERDOWN; and for NULL. */
bool redis_retryable(const redisReply *reply);

static inline struct str reply_str(const redisReply *r)
{
    return (struct str){r->str, r->len};
}

#endif
