/*
 * Sentinels in turn, as the Sentinel client guidelines ask for: each has TURN_MS to connect and to
 * answer; one that does not, or does not know the master, makes room for the next. The one that
 * answered last is asked first the next time. What it says is only a hint: the link asks the server
 * itself for its role.
 *
 * Sentinels also publish +switch-master. It is not listened to: at a failover the sentinels cut the
 * connections of the old master themselves as soon as they reach it, and until then its writes end
 * in READONLY or in silence, which both lead here.
 */
#include "redis_sentinel.h"

#include <stdio.h>
#include <stdlib.h>

#include "log.h"
#include "redis_node.h"

enum { TURN_MS = 1000 };

struct redis_sentinel {
    struct event_base *base;
    const struct redis_conf *conf;
    const struct redis_place *place;
    redis_sentinel_fn *fn;
    void *arg;
    struct redis_node *node; /* of the sentinel whose turn it is; NULL: nothing is asked */
    struct event *timer;     /* its turn is over */
    unsigned turn, left;     /* index of it; how many are left after it */
    char why[160];
};

static void next(struct redis_sentinel *s);

static void answer(struct redis_sentinel *s, const struct redis_seed *master)
{
    event_del(s->timer);
    redis_node_free(s->node);
    s->node = NULL;
    s->fn(master, s->why, s->arg);
}

static void fail(struct redis_sentinel *s, const char *why)
{
    const struct redis_seed *at = &s->place->seed[s->turn];
    snprintf(s->why, sizeof s->why, "%s", why);
    log_warn("redis.sentinel", "address=%s:%d master=%s err=%s", at->host, at->port,
             s->place->master, why);
    s->turn = (s->turn + 1) % s->place->seeds;
    if (s->left == 0) {
        answer(s, NULL);
        return;
    }
    s->left--;
    next(s);
}

/* Host and port, both as text. */
static bool read_master(const redisReply *r, struct redis_seed *out)
{
    if (r->type != REDIS_REPLY_ARRAY || r->elements != 2) return false;
    const redisReply *host = r->element[0], *port = r->element[1];
    if (host->type != REDIS_REPLY_STRING || port->type != REDIS_REPLY_STRING) return false;
    if (host->len == 0 || host->len >= sizeof out->host) return false;
    snprintf(out->host, sizeof out->host, "%s", host->str);
    out->port = atoi(port->str);
    return out->port > 0 && out->port <= 65535;
}

static void on_master(const redisReply *r, void *arg)
{
    struct redis_sentinel *s = arg;
    struct redis_seed master;
    if (r == NULL) return; /* its node dies, or has been freed */
    if (read_master(r, &master)) {
        s->why[0] = '\0';
        answer(s, &master);
    } else {
        fail(s, r->type == REDIS_REPLY_ERROR ? r->str : "it knows no master of that name");
    }
}

static void on_node(struct redis_node *n, const char *why, void *arg)
{
    struct redis_sentinel *s = arg;
    struct str argv[] = {STR("SENTINEL"), STR("get-master-addr-by-name"), str_of(s->place->master)};
    if (why == NULL && redis_node_send(n, on_master, s, 3, argv) == 0) return;
    fail(s, why != NULL ? why : "out of memory");
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    fail(arg, "no answer in time");
}

static void next(struct redis_sentinel *s)
{
    struct redis_node_opts opts = {.base = s->base,
                                   .tcp = &s->place->seed[s->turn],
                                   .user = s->conf->sentinel_user,
                                   .password_file = s->conf->sentinel_password_file};
    struct timeval tv = {TURN_MS / 1000, TURN_MS % 1000 * 1000};
    redis_node_free(s->node);
    s->node = redis_node_new(&opts, on_node, s);
    event_add(s->timer, &tv); /* without memory for a node, too, this goes on */
}

void redis_sentinel_ask(struct redis_sentinel *s)
{
    s->left = s->place->seeds - 1;
    next(s);
}

struct redis_sentinel *redis_sentinel_new(struct event_base *base, const struct redis_conf *conf,
                                          const struct redis_place *place, redis_sentinel_fn *fn,
                                          void *arg)
{
    struct redis_sentinel *s = calloc(1, sizeof *s);
    if (s == NULL) return NULL;
    *s = (struct redis_sentinel){.base = base, .conf = conf, .place = place, .fn = fn, .arg = arg};
    s->timer = evtimer_new(base, on_timer, s);
    if (s->timer != NULL) return s;
    free(s);
    return NULL;
}

void redis_sentinel_free(struct redis_sentinel *s)
{
    if (s == NULL) return;
    redis_node_free(s->node);
    event_free(s->timer);
    free(s);
}
