/*
 * A command goes to the node that holds the slot of its key, by a map that any node can tell
 * (CLUSTER SLOTS). The map may be old: then the node answers MOVED, which corrects one slot at once
 * and has the whole map read anew soon, or, while a slot is on its way, ASK, which holds for this
 * one command alone: a node that is only receiving a slot would take a key that has not arrived yet
 * for one that does not exist. In both cases the very same command goes on to the node that was
 * named; for that its text is kept until the true reply. After REDIRECTIONS of them, or when the
 * node named is not connected yet, the caller gets the answer itself, which is retryable.
 *
 * The link is up when every slot has a node and all those nodes are connected. When one dies, or
 * the map names one that is not connected, all of it is down until that is so again: a new
 * connection may lead to a server that has forgotten something, and "up" is when callers look. What
 * is under way on the other nodes still gets its true reply. As every NULL reply comes from a node
 * that dies, one is always followed by "down" and later by "up".
 *
 * Any node that is connected tells the map; while the link is down, the nodes of the configuration
 * are tried as well. A node without slots is left when it is idle. The map is also read now and
 * then without a sign: who sends nothing would never hear that a failover has taken its last
 * commands back, for a server that is no master any more keeps its connections.
 */
#include "redis_cluster.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "log.h"
#include "redis_node.h"
#include "slots.h"

enum {
    MEMBERS_MAX = SLOT_NODES_MAX + 2 * REDIS_SEEDS_MAX,
    REDIRECTIONS = 5, /* of one command */
    SOON_MS = 100,    /* the map is read anew, after a sign that it is old */
    AGAIN_MS = 5000,  /* without one */
    IDLE_MS = 5000,   /* a node that got a redirected command stays so long, also without slots */
};

struct member {
    struct redis_cluster *all;
    struct redis_node *node;
    bool up;
    bool mapped; /* the map has it */
    int64_t redirected_ms;
};

/* A command until its true reply. */
struct kept {
    struct redis_cluster *all;
    struct member *at; /* sent there; lives as long as an answer can come */
    redis_reply_fn *fn;
    void *arg;
    struct str text;
    unsigned redirected;
};

struct redis_cluster {
    struct event_base *base;
    const struct redis_conf *conf;
    const struct redis_place *place;
    redis_state_fn *on_state;
    void *arg;
    struct event *timer; /* the map is to be read */
    int64_t due_ms;
    bool retrying; /* it runs after a pause */
    int pause_ms;
    int64_t up_ms; /* since when */
    bool up, ending;
    bool known;           /* the map is: read, and no node of it has died since */
    struct member *asked; /* for the map; NULL: nobody is */
    struct member *ear;   /* carries the subscription, so nothing else */
    struct member *member[MEMBERS_MAX];
    unsigned members, turn;
    struct member *holder[SLOT_NODES_MAX]; /* of map.node[i]; NULL: not connected */
    struct slot_map map;
};

static void ask(struct redis_cluster *c, struct member *m);
static void settle(struct redis_cluster *c, const char *why);

/* --- when ----------------------------------------------------------------------------------- */

static void soon(struct redis_cluster *c, int ms)
{
    struct timeval tv = {ms / 1000, ms % 1000 * 1000};
    int64_t due_ms = clock_mono_ms() + ms;
    if (event_pending(c->timer, EV_TIMEOUT, NULL) && c->due_ms <= due_ms) return;
    c->due_ms = due_ms;
    event_add(c->timer, &tv);
}

/* One pause, however many reasons there are. */
static void retry(struct redis_cluster *c)
{
    if (!c->retrying) soon(c, redis_pause_next(&c->pause_ms));
    c->retrying = true;
}

/* --- members -------------------------------------------------------------------------------- */

static void leave(struct member *m)
{
    struct redis_cluster *c = m->all;
    unsigned at = 0;
    while (c->member[at] != m)
        at++;
    c->member[at] = c->member[--c->members];
    for (unsigned i = 0; i < c->map.nodes; i++) {
        if (c->holder[i] == m) c->holder[i] = NULL;
    }
    if (c->ear == m) c->ear = NULL;
    if (c->asked == m) c->asked = NULL;
    redis_node_free(m->node);
    free(m);
}

static void go_down(struct redis_cluster *c, const char *why)
{
    if (!c->up) return;
    c->up = false;
    if (clock_mono_ms() - c->up_ms >= REDIS_PAUSE_MAX_MS) c->pause_ms = 0;
    log_warn("redis.down", "address=%s err=%s", c->conf->redis, why);
    if (c->ear != NULL) { /* it cannot tell the map; its owner subscribes anew */
        leave(c->ear);
        c->known = false;
        retry(c);
    }
    c->on_state(false, c->arg);
}

static void on_node(struct redis_node *n, const char *why, void *arg)
{
    struct member *m = arg;
    struct redis_cluster *c = m->all;
    if (why == NULL) {
        m->up = true;
        if (!c->known || (!c->up && !m->mapped)) ask(c, m);
        settle(c, "");
        return;
    }
    char text[128];
    bool missed = m->up || m->mapped;
    snprintf(text, sizeof text, "%s", why);
    log_warn("redis.node", "address=%s:%d err=%s", redis_node_at(n)->host, redis_node_at(n)->port,
             why);
    leave(m);
    if (missed) c->known = false;
    if (missed) go_down(c, text);
    if (!c->up) retry(c);
}

static struct member *find(struct redis_cluster *c, const struct redis_seed *at)
{
    for (unsigned i = 0; i < c->members; i++) {
        const struct redis_seed *s = redis_node_at(c->member[i]->node);
        if (s->port == at->port && strcmp(s->host, at->host) == 0) return c->member[i];
    }
    return NULL;
}

/* There already, or on its way from now on. NULL: out of memory, or too many. */
static struct member *enlist(struct redis_cluster *c, const struct redis_seed *at)
{
    struct redis_node_opts opts = {
        .base = c->base, .tcp = at, .user = c->conf->user, .password_file = c->conf->password_file};
    struct member *m = find(c, at);
    if (m != NULL || c->members == MEMBERS_MAX) return m;
    m = calloc(1, sizeof *m);
    if (m == NULL) return NULL;
    m->all = c;
    m->node = redis_node_new(&opts, on_node, m);
    if (m->node == NULL) {
        free(m);
        return NULL;
    }
    c->member[c->members++] = m;
    return m;
}

static void leave_idle(struct redis_cluster *c)
{
    int64_t now = clock_mono_ms();
    for (unsigned i = c->members; i-- > 0;) {
        struct member *m = c->member[i];
        if (m->mapped || m == c->ear) continue;
        bool used = m->redirected_ms > 0 && now - m->redirected_ms < IDLE_MS;
        if (used || redis_node_pending(m->node) > 0)
            soon(c, IDLE_MS / 2);
        else
            leave(m);
    }
}

/* --- the map -------------------------------------------------------------------------------- */

static void on_map(const redisReply *reply, void *arg)
{
    struct redis_cluster *c = arg;
    struct member *m = c->asked;
    c->asked = NULL;
    if (c->ending) return;
    if (reply == NULL || m == NULL || !slots_read(&c->map, reply, redis_node_at(m->node))) {
        if (reply != NULL)
            log_warn("redis.slots", "err=%s",
                     reply->type == REDIS_REPLY_ERROR ? reply->str : "not a map");
        retry(c);
        return;
    }
    c->known = true;
    for (unsigned i = 0; i < c->members; i++)
        c->member[i]->mapped = false;
    for (unsigned i = 0; i < c->map.nodes; i++) {
        c->holder[i] = enlist(c, &c->map.node[i]);
        if (c->holder[i] != NULL) c->holder[i]->mapped = true;
    }
    leave_idle(c);
    if (c->map.missing > 0) retry(c);
    soon(c, AGAIN_MS);
    settle(c, "the map has changed");
}

static struct member *any(struct redis_cluster *c)
{
    for (unsigned i = 0; i < c->members; i++) {
        struct member *m = c->member[c->turn++ % c->members];
        if (m->up && m != c->ear) return m;
    }
    return NULL;
}

/* m NULL: whoever is there. */
static void ask(struct redis_cluster *c, struct member *m)
{
    static const struct str argv[] = {{"CLUSTER", 7}, {"SLOTS", 5}};
    unsigned on_the_way = c->members;
    if (c->asked != NULL) return;
    if (m == NULL) m = any(c);
    if (m != NULL && redis_node_send(m->node, on_map, c, 2, argv) == 0) {
        c->asked = m;
        return;
    }
    for (unsigned i = 0; i < c->map.nodes; i++)
        on_the_way += enlist(c, &c->map.node[i]) != NULL;
    if (on_the_way == 0) retry(c); /* else what becomes of them decides */
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct redis_cluster *c = arg;
    (void)fd, (void)what;
    c->retrying = false;
    for (unsigned i = 0; !c->up && i < c->place->seeds; i++)
        enlist(c, &c->place->seed[i]);
    ask(c, NULL);
}

/* Up or down, as the map and the connections have it now. */
static void settle(struct redis_cluster *c, const char *why)
{
    bool whole = c->known && c->map.missing == 0;
    for (unsigned i = 0; i < c->map.nodes; i++)
        whole = whole && c->holder[i] != NULL && c->holder[i]->up;
    if (!whole && c->up) go_down(c, why);
    if (!whole || c->up) return;
    c->up = true;
    c->up_ms = clock_mono_ms();
    log_info("redis.up", "address=%s masters=%u", c->conf->redis, c->map.nodes);
    c->on_state(true, c->arg);
}

/* --- commands ------------------------------------------------------------------------------- */

static void finish(struct kept *k, const redisReply *reply)
{
    redis_reply_fn *fn = k->fn;
    void *arg = k->arg;
    redisFreeCommand((char *)(uintptr_t)k->text.p);
    free(k);
    fn(reply, arg);
}

static void on_kept(const redisReply *reply, void *arg);

static bool send_on(struct kept *k, struct member *m, bool asking)
{
    if (m == NULL || !m->up || k->redirected++ == REDIRECTIONS) return false;
    if (redis_node_send_text(m->node, on_kept, k, k->text, asking) < 0) return false;
    k->at = m;
    return true;
}

static void redirect(struct kept *k, const struct redirect *to, const redisReply *reply)
{
    struct redis_cluster *c = k->all;
    struct member *m = enlist(c, &to->to);
    if (m != NULL) m->redirected_ms = clock_mono_ms();
    if (to->kind == REDIRECT_MOVED && slots_moved(&c->map, to)) {
        c->holder[c->map.of[to->slot]] = m;
        if (m != NULL) m->mapped = true;
    }
    if (!send_on(k, m, to->kind == REDIRECT_ASK)) finish(k, reply);
    if (to->kind != REDIRECT_MOVED) return;
    soon(c, SOON_MS);
    settle(c, "a slot has moved to a node that is not connected");
}

static void on_kept(const redisReply *reply, void *arg)
{
    struct kept *k = arg;
    struct redis_cluster *c = k->all;
    if (reply == NULL || reply->type != REDIS_REPLY_ERROR) {
        finish(k, reply);
        return;
    }
    struct redirect to = redirect_parse(reply, redis_node_at(k->at->node));
    if (to.kind != REDIRECT_NONE) {
        redirect(k, &to, reply);
        return;
    }
    if (strncmp(reply->str, "CLUSTERDOWN", 11) == 0) soon(c, SOON_MS);
    finish(k, reply);
}

/* NULL: none, and "down" has been said or is about to be. */
static struct member *holder_of(struct redis_cluster *c, struct str key)
{
    if (!c->up) return NULL;
    if (key.n == 0) return any(c);
    unsigned node = c->map.of[slot_of(key)];
    struct member *m = node == SLOT_NODE_NONE ? NULL : c->holder[node];
    return m != NULL && m->up ? m : NULL;
}

static int keep_and_send(struct member *m, redis_reply_fn *fn, void *arg, int argc,
                         const struct str *argv)
{
    struct kept *k = malloc(sizeof *k);
    if (k == NULL) return -1;
    *k = (struct kept){
        .all = m->all, .at = m, .fn = fn, .arg = arg, .text = redis_format(argc, argv)};
    if (k->text.p != NULL && redis_node_send_text(m->node, on_kept, k, k->text, false) == 0)
        return 0;
    redisFreeCommand((char *)(uintptr_t)k->text.p);
    free(k);
    return -1;
}

int redis_cluster_send(struct redis_cluster *c, redis_reply_fn *fn, void *arg, int argc,
                       const struct str *argv)
{
    struct member *m = holder_of(c, slot_key(argc, argv));
    return m == NULL ? -1 : keep_and_send(m, fn, arg, argc, argv);
}

int redis_cluster_eval(struct redis_cluster *c, const struct redis_script *s, redis_reply_fn *fn,
                       void *arg, int argc, struct str *argv)
{
    argv[0] = STR("EVAL"); /* until the node is known */
    argv[1] = str_of(s->body);
    struct member *m = holder_of(c, slot_key(argc, argv));
    if (m == NULL) return -1;
    redis_node_script(m->node, s, argv);
    return keep_and_send(m, fn, arg, argc, argv);
}

/* Nodes pass what is published on to each other, so any will do. */
int redis_cluster_subscribe(struct redis_cluster *c, redis_reply_fn *fn, void *arg,
                            struct str channel)
{
    if (!c->up) return -1;
    if (c->ear == NULL) {
        c->turn = randombytes_uniform(c->members);
        c->ear = any(c);
        assert(c->ear != NULL); /* the link is up */
    }
    return redis_node_subscribe(c->ear->node, fn, arg, channel);
}

/* --- the whole ------------------------------------------------------------------------------ */

struct redis_cluster *redis_cluster_new(struct event_base *base, const struct redis_conf *conf,
                                        const struct redis_place *place, redis_state_fn *on_state,
                                        void *arg)
{
    struct redis_cluster *c = calloc(1, sizeof *c);
    if (c == NULL) return NULL;
    c->base = base;
    c->conf = conf;
    c->place = place;
    c->on_state = on_state;
    c->arg = arg;
    c->map.missing = SLOTS;
    memset(c->map.of, 0xff, sizeof c->map.of); /* SLOT_NODE_NONE */
    c->timer = evtimer_new(base, on_timer, c);
    if (c->timer == NULL) {
        free(c);
        return NULL;
    }
    soon(c, 0);
    return c;
}

void redis_cluster_free(struct redis_cluster *c)
{
    if (c == NULL) return;
    c->up = false;
    c->ending = true;
    while (c->members > 0)
        leave(c->member[0]);
    event_free(c->timer);
    free(c);
}

bool redis_cluster_up(const struct redis_cluster *c)
{
    return c->up;
}
