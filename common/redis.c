/*
 * A link to Redis that heals: it makes a node, and when that dies it makes another one after a
 * growing pause. One server is its own address; behind sentinels each attempt begins with the
 * question where the master is now; a cluster is redis_cluster.c, to which everything is handed on.
 */
#include "redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

#include "clock.h"
#include "log.h"
#include "redis_cluster.h"
#include "redis_node.h"
#include "redis_sentinel.h"

struct redis_link {
    struct event_base *base;
    const struct redis_conf *conf;
    struct redis_place place;
    redis_state_fn *on_state;
    void *arg;
    struct redis_cluster *cluster; /* REDIS_CLUSTER; else: */
    struct redis_sentinel *sentinel;
    struct redis_node *node; /* NULL: none, and none on its way */
    struct event *timer;     /* the next attempt */
    bool up;
    int pause_ms;
    int64_t up_ms; /* since when */
};

/* --- one server ----------------------------------------------------------------------------- */

static void went_down(struct redis_link *l, const char *why)
{
    bool was_up = l->up;
    if (was_up && clock_mono_ms() - l->up_ms >= REDIS_PAUSE_MAX_MS) l->pause_ms = 0;
    int ms = redis_pause_next(&l->pause_ms);
    struct timeval tv = {ms / 1000, ms % 1000 * 1000};
    l->up = false;
    log_warn("redis.down", "address=%s err=%s retry_ms=%d", l->conf->redis, why, ms);
    event_add(l->timer, &tv);
    if (was_up) l->on_state(false, l->arg);
}

static void on_node(struct redis_node *n, const char *why, void *arg)
{
    struct redis_link *l = arg;
    if (why != NULL) {
        l->node = NULL;
        went_down(l, why);
        redis_node_free(n);
        return;
    }
    l->up = true;
    l->up_ms = clock_mono_ms();
    log_info("redis.up", "address=%s", l->conf->redis);
    l->on_state(true, l->arg);
}

static void connect_to(struct redis_link *l, const struct redis_seed *tcp)
{
    struct redis_node_opts opts = {.base = l->base,
                                   .path = l->place.kind == REDIS_UNIX ? l->place.path : NULL,
                                   .tcp = tcp,
                                   .user = l->conf->user,
                                   .password_file = l->conf->password_file,
                                   .master = l->place.kind == REDIS_SENTINEL};
    l->node = redis_node_new(&opts, on_node, l);
    if (l->node == NULL) went_down(l, "out of memory");
}

static void on_master(const struct redis_seed *master, const char *why, void *arg)
{
    struct redis_link *l = arg;
    if (master == NULL) {
        went_down(l, why);
        return;
    }
    log_info("redis.master", "address=%s:%d", master->host, master->port);
    connect_to(l, master);
}

static void attempt(struct redis_link *l)
{
    if (l->place.kind == REDIS_SENTINEL) {
        redis_sentinel_ask(l->sentinel);
    } else {
        connect_to(l, &l->place.seed[0]);
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    attempt(arg);
}

/* --- the link ------------------------------------------------------------------------------- */

/* False: out of memory. What is no address stays down for good. */
static bool begin(struct redis_link *l)
{
    struct buf err = {0};
    if (!redis_place_parse(l->conf->redis, &l->place, &err)) {
        log_error("redis.address", "%.*s", STR_ARG(buf_str(&err)));
        buf_fini(&err);
        return true;
    }
    if (l->place.kind == REDIS_CLUSTER) {
        l->cluster = redis_cluster_new(l->base, l->conf, &l->place, l->on_state, l->arg);
        return l->cluster != NULL;
    }
    if (l->place.kind == REDIS_SENTINEL) {
        l->sentinel = redis_sentinel_new(l->base, l->conf, &l->place, on_master, l);
        if (l->sentinel == NULL) return false;
    }
    attempt(l);
    return true;
}

struct redis_link *redis_link_new(struct event_base *base, const struct redis_conf *conf,
                                  redis_state_fn *on_state, void *arg)
{
    struct redis_link *l = calloc(1, sizeof *l);
    if (l == NULL) return NULL;
    *l = (struct redis_link){.base = base, .conf = conf, .on_state = on_state, .arg = arg};
    l->timer = evtimer_new(base, on_timer, l);
    if (l->timer != NULL && begin(l)) return l;
    redis_link_free(l);
    return NULL;
}

void redis_link_free(struct redis_link *l)
{
    if (l == NULL) return;
    l->up = false;
    redis_cluster_free(l->cluster);
    redis_sentinel_free(l->sentinel);
    redis_node_free(l->node);
    if (l->timer != NULL) event_free(l->timer);
    free(l);
}

bool redis_link_up(const struct redis_link *l)
{
    return l->cluster != NULL ? redis_cluster_up(l->cluster) : l->up;
}

bool redis_link_is_cluster(const struct redis_link *l)
{
    return l->place.kind == REDIS_CLUSTER;
}

/* --- commands ------------------------------------------------------------------------------- */

int redis_send(struct redis_link *l, redis_reply_fn *fn, void *arg, int argc,
               const struct str *argv)
{
    if (l->cluster != NULL) return redis_cluster_send(l->cluster, fn, arg, argc, argv);
    return l->up ? redis_node_send(l->node, fn, arg, argc, argv) : -1;
}

void redis_script_init(struct redis_script *s, const char *body)
{
    s->body = body;
}

int redis_eval(struct redis_link *l, const struct redis_script *s, redis_reply_fn *fn, void *arg,
               int argc, const struct str *argv)
{
    int sent = -1;
    if (!redis_link_up(l)) return -1;
    struct str *all = malloc(((size_t)argc + 2) * sizeof *all);
    if (all == NULL) return -1;
    memcpy(all + 2, argv, (size_t)argc * sizeof *argv);
    if (l->cluster != NULL) {
        sent = redis_cluster_eval(l->cluster, s, fn, arg, argc + 2, all);
    } else {
        redis_node_script(l->node, s, all);
        sent = redis_node_send(l->node, fn, arg, argc + 2, all);
    }
    free(all);
    return sent;
}

int redis_subscribe(struct redis_link *l, redis_reply_fn *fn, void *arg, struct str channel)
{
    if (l->cluster != NULL) return redis_cluster_subscribe(l->cluster, fn, arg, channel);
    return l->up ? redis_node_subscribe(l->node, fn, arg, channel) : -1;
}

bool redis_retryable(const redisReply *reply)
{
    static const char *const codes[] = {"NOSCRIPT",   "TRYAGAIN", "LOADING", "READONLY",
                                        "OOM",        "BUSY",     "MISCONF", "MASTERDOWN",
                                        "NOREPLICAS", "MOVED",    "ASK",     "CLUSTERDOWN"};
    if (reply == NULL) return true;
    if (reply->type != REDIS_REPLY_ERROR) return false;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (strncmp(reply->str, codes[i], strlen(codes[i])) == 0) return true;
    }
    return false;
}
