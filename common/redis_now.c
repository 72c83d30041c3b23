/*
 * Every command is kept as it goes over the wire, with the slot of its key, until its answer is
 * one to hand out: so it can be sent again, to another node, without its caller. It is sent again
 * only after an answer that says that it did not run (MOVED, ASK, TRYAGAIN, CLUSTERDOWN, READONLY),
 * or when it was not sent at all. When the connection dies under it, nobody knows whether it ran,
 * and that is what the caller is told.
 * A connection that the server closed while nothing was asked (a restart, its idle time-out) is
 * noticed before the next command is written to it.
 */
#include "redis_now.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "clock.h"
#include "redis_place.h"
#include "redis_secret.h"
#include "slots.h"

enum {
    CONNECT_S = 3,
    ANSWER_S = 5,
    WAIT_MS = 2000, /* for another master, or for a slot on its way */
    PAUSE_MIN_MS = 10,
    PAUSE_MAX_MS = 200,
    LINKS_MAX = SLOT_NODES_MAX + REDIS_SEEDS_MAX,
    NO_SLOT = -1,
};

struct link {
    struct redis_seed at; /* host "": the unix socket, or unused */
    redisContext *context;
    unsigned pending; /* commands of the queue that are not answered yet */
};

struct command {
    char *wire;
    size_t n;
    int slot;
    struct link *link; /* that it was sent to; NULL: nowhere */
    redisReply *reply;
};

struct redis_now {
    const struct redis_conf *conf;
    struct redis_place place;
    struct link links[LINKS_MAX]; /* the first n; other kinds than a cluster have one */
    unsigned n;
    struct slot_map *map, *heard; /* of a cluster; what one node says of it */
    bool stale;                   /* the map, or the master, is to be asked for */
    unsigned sentinel;            /* that answered last */
    struct redis_seed *nodes;
    struct command *queue; /* pushed: [first, end) */
    size_t first, end, cap;
    size_t collected; /* [first, collected) have their answers */
    int64_t until_ms; /* patience of the call that is running */
    unsigned pause_ms;
    bool refused; /* by a password: waiting does not help */
    bool up;
    char error[256];
};

static void *fail(struct redis_now *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void *fail(struct redis_now *r, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(r->error, sizeof r->error, format, ap);
    va_end(ap);
    r->up = false;
    return NULL;
}

/* ---- patience: each public call has its own ---- */

static void begin(struct redis_now *r)
{
    r->until_ms = clock_mono_ms() + WAIT_MS;
    r->pause_ms = 0;
    r->refused = false;
}

/* False: long enough. The first time nothing is waited for: most redirections are settled then. */
static bool try_again(struct redis_now *r)
{
    if (r->refused || clock_mono_ms() >= r->until_ms) return false;
    nanosleep(&(struct timespec){0, r->pause_ms * 1000000L}, NULL);
    r->pause_ms = r->pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : r->pause_ms * 2;
    if (r->pause_ms == 0) r->pause_ms = PAUSE_MIN_MS;
    return true;
}

/* ---- one connection ---- */

static void describe(const struct redis_now *r, const struct redis_seed *at, char out[300])
{
    if (at->host[0] == '\0')
        snprintf(out, 300, "unix:%s", r->place.path);
    else
        snprintf(out, 300, strchr(at->host, ':') == NULL ? "%s:%d" : "[%s]:%d", at->host, at->port);
}

static bool let_in(struct redis_now *r, redisContext *c, const char *user, const char *file)
{
    char password[REDIS_SECRET_BYTES];
    if (!redis_secret_read(file, password)) {
        fail(r, "cannot read password_file %s", file);
        r->refused = true;
        return false;
    }
    if (password[0] == '\0') return true;
    bool named = user != NULL && user[0] != '\0';
    redisReply *reply = named ? redisCommand(c, "AUTH %s %s", user, password)
                              : redisCommand(c, "AUTH %s", password);
    sodium_memzero(password, sizeof password);
    bool ok = reply != NULL && reply->type != REDIS_REPLY_ERROR;
    if (!ok) {
        fail(r, "Redis refuses the password: %s", reply == NULL ? c->errstr : reply->str);
        r->refused = reply != NULL;
    }
    if (reply != NULL) freeReplyObject(reply);
    return ok;
}

static redisContext *dial(struct redis_now *r, const struct redis_seed *at, bool sentinel)
{
    const struct redis_conf *conf = r->conf;
    struct timeval connect = {CONNECT_S, 0}, answer = {ANSWER_S, 0};
    redisContext *c = at->host[0] == '\0' ? redisConnectUnixWithTimeout(r->place.path, connect)
                                          : redisConnectWithTimeout(at->host, at->port, connect);
    if (c == NULL || c->err != 0) {
        char where[300];
        describe(r, at, where);
        fail(r, "cannot reach %s at %s: %s", sentinel ? "the sentinel" : "Redis", where,
             c == NULL ? "out of memory" : c->errstr);
    } else {
        redisSetTimeout(c, answer);
        if (let_in(r, c, sentinel ? conf->sentinel_user : conf->user,
                   sentinel ? conf->sentinel_password_file : conf->password_file))
            return c;
    }
    if (c != NULL) redisFree(c);
    return NULL;
}

static void hang_up(struct link *l)
{
    if (l->context != NULL) redisFree(l->context);
    l->context = NULL;
    l->pending = 0;
}

/* Bytes that nobody asked for are a dead connection too: what comes next would be misread. */
static bool alive(struct link *l)
{
    char byte;
    if (l->context == NULL) return false;
    if (l->pending > 0) return true;
    if (l->context->err == 0 && recv(l->context->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
        (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return true;
    hang_up(l);
    return false;
}

static bool same(const struct redis_seed *a, const struct redis_seed *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

static bool in_map(const struct redis_now *r, const struct redis_seed *at)
{
    for (unsigned i = 0; r->map != NULL && i < r->map->nodes; i++) {
        if (same(&r->map->node[i], at)) return true;
    }
    return false;
}

/* The place for a connection to `at`: its own, a new one, or that of a node that left the cluster.
 * The map names fewer nodes than there are places, so there is always one. */
static struct link *place_of(struct redis_now *r, const struct redis_seed *at)
{
    struct link *spare = NULL;
    for (unsigned i = 0; i < r->n; i++) {
        struct link *l = &r->links[i];
        if (same(&l->at, at)) return l;
        if (l->pending == 0 && !in_map(r, &l->at)) spare = l;
    }
    if (r->n < LINKS_MAX) spare = &r->links[r->n++];
    if (spare == NULL) return fail(r, "too many nodes at once");
    hang_up(spare);
    spare->at = *at;
    return spare;
}

static struct link *link_to(struct redis_now *r, const struct redis_seed *at)
{
    struct link *l = place_of(r, at);
    if (l == NULL || alive(l)) return l;
    l->context = dial(r, at, false);
    return l->context == NULL ? NULL : l;
}

static redisReply *receive(struct redis_now *r, struct link *l)
{
    void *reply = NULL;
    if (l->context == NULL) return NULL; /* it died under an earlier one */
    if (redisGetReply(l->context, &reply) == REDIS_OK && reply != NULL) {
        r->up = true;
        return reply;
    }
    bool late = l->context->err == REDIS_ERR_IO && (errno == EAGAIN || errno == EWOULDBLOCK);
    char where[300];
    describe(r, &l->at, where);
    fail(r, "Redis at %s does not answer: %s", where,
         late ? "nothing came for 5 seconds" : l->context->errstr);
    hang_up(l);
    r->stale = true;
    return NULL;
}

/* ---- sentinels: which is the master ---- */

static bool read_address(const redisReply *reply, struct redis_seed *out)
{
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) return false;
    const redisReply *host = reply->element[0], *port = reply->element[1];
    if (host->type != REDIS_REPLY_STRING || port->type != REDIS_REPLY_STRING) return false;
    out->port = atoi(port->str);
    int n = snprintf(out->host, sizeof out->host, "%s", host->str);
    return n > 0 && n < (int)sizeof out->host && out->port > 0 && out->port <= 65535;
}

static bool ask_sentinel(struct redis_now *r, const struct redis_seed *at, struct redis_seed *out)
{
    redisContext *c = dial(r, at, true);
    if (c == NULL) return false;
    redisReply *reply = redisCommand(c, "SENTINEL GET-MASTER-ADDR-BY-NAME %s", r->place.master);
    bool ok = read_address(reply, out);
    if (!ok)
        fail(r, "the sentinel %s:%d knows no master '%s'%s%s", at->host, at->port, r->place.master,
             reply != NULL && reply->type == REDIS_REPLY_ERROR ? ": " : "",
             reply != NULL && reply->type == REDIS_REPLY_ERROR ? reply->str : "");
    if (reply != NULL) freeReplyObject(reply);
    redisFree(c);
    return ok;
}

/* A sentinel may name the old master for some seconds; the server itself knows better. */
static bool is_master(struct redis_now *r, redisContext *c)
{
    redisReply *reply = redisCommand(c, "ROLE");
    bool ok = reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 &&
              reply->element[0]->str != NULL && strcmp(reply->element[0]->str, "master") == 0;
    if (!ok)
        fail(r, "the master '%s' is not one: %s", r->place.master,
             reply != NULL && reply->type == REDIS_REPLY_ERROR ? reply->str : "it follows another");
    if (reply != NULL) freeReplyObject(reply);
    return ok;
}

static struct link *master(struct redis_now *r)
{
    struct link *l = &r->links[0];
    r->n = 1;
    if (!r->stale && alive(l)) return l;
    hang_up(l);
    for (unsigned i = 0; i < r->place.seeds; i++) {
        unsigned at = (r->sentinel + i) % r->place.seeds;
        if (!ask_sentinel(r, &r->place.seed[at], &l->at)) continue;
        l->context = dial(r, &l->at, false);
        if (l->context != NULL && is_master(r, l->context)) {
            r->sentinel = at;
            r->stale = false;
            return l;
        }
        hang_up(l);
    }
    return NULL;
}

/* ---- a cluster: which node has a slot ---- */

/* By a connection of its own: the others may have answers under way. */
static bool ask_map(struct redis_now *r, const struct redis_seed *at)
{
    redisContext *c = dial(r, at, false);
    if (c == NULL) return false;
    redisReply *reply = redisCommand(c, "CLUSTER SLOTS");
    bool ok = reply != NULL && slots_read(r->heard, reply, at);
    if (!ok)
        fail(r, "%s:%d is no node of a cluster: %s", at->host, at->port,
             reply == NULL                      ? c->errstr
             : reply->type == REDIS_REPLY_ERROR ? reply->str
                                                : "no answer to CLUSTER SLOTS");
    if (reply != NULL) freeReplyObject(reply);
    redisFree(c);
    return ok;
}

/* Keeps what `at` says if it is better than the best so far. True: it names a node for each slot.
 */
static bool improve_map(struct redis_now *r, const struct redis_seed *at, unsigned *missing)
{
    if (!ask_map(r, at)) return false;
    if (r->heard->missing == SLOTS) fail(r, "%s:%d is in no cluster yet", at->host, at->port);
    if (r->heard->missing >= *missing) return false;
    struct slot_map *before = r->map;
    r->map = r->heard;
    r->heard = before;
    *missing = r->map->missing;
    return *missing == 0;
}

/* Nodes that still talk to us are asked first: another may let us wait for its time-out. One that
 * was taken out of the cluster talks too, but knows few slots or none: then the next is asked. */
static bool read_map(struct redis_now *r)
{
    unsigned missing = SLOTS;
    bool whole = false;
    for (unsigned i = 0; !whole && i < r->n; i++) {
        if (r->links[i].context != NULL) whole = improve_map(r, &r->links[i].at, &missing);
    }
    for (unsigned i = 0; !whole && i < r->map->nodes; i++)
        whole = improve_map(r, &r->map->node[i], &missing);
    for (unsigned i = 0; !whole && i < r->place.seeds; i++) {
        if (!in_map(r, &r->place.seed[i])) whole = improve_map(r, &r->place.seed[i], &missing);
    }
    if (missing < SLOTS) r->stale = false;
    return missing < SLOTS;
}

/* A slot that has no node is asked for at any: its answer says what is wrong with the cluster. */
static struct link *node_of(struct redis_now *r, int slot)
{
    if (r->stale && !read_map(r)) return NULL;
    unsigned i = slot == NO_SLOT ? SLOT_NODE_NONE : r->map->of[slot];
    struct link *l = NULL;
    if (i != SLOT_NODE_NONE) {
        l = link_to(r, &r->map->node[i]);
    } else {
        for (i = 0; l == NULL && i < r->map->nodes; i++)
            l = link_to(r, &r->map->node[i]);
    }
    if (l == NULL) r->stale = true;
    return l;
}

/* ---- commands ---- */

static struct link *route(struct redis_now *r, int slot)
{
    switch (r->place.kind) {
    case REDIS_UNIX:
    case REDIS_TCP: return link_to(r, &r->place.seed[0]);
    case REDIS_SENTINEL:
    case REDIS_CLUSTER: break;
    }
    do {
        struct link *l = r->place.kind == REDIS_CLUSTER ? node_of(r, slot) : master(r);
        if (l != NULL) return l;
    } while (try_again(r));
    return NULL;
}

/* A command that finds no memory leaves its context with an error, and receive() tells of it. */
static redisReply *exchange(struct redis_now *r, struct command *c, struct link *l, bool asking)
{
    c->link = l;
    if (l == NULL) return NULL;
    if (asking) redisAppendCommand(l->context, "ASKING");
    redisAppendFormattedCommand(l->context, c->wire, c->n);
    if (asking) {
        redisReply *ok = receive(r, l);
        if (ok != NULL) freeReplyObject(ok);
    }
    return receive(r, l);
}

static bool says(const redisReply *reply, const char *code)
{
    return strncmp(reply->str, code, strlen(code)) == 0;
}

/* Whether this error means that the command is to be sent again, and where. */
static bool is_elsewhere(struct redis_now *r, const struct command *c, struct redirect *to)
{
    const redisReply *reply = c->reply;
    *to = (struct redirect){.kind = REDIRECT_NONE};
    if (r->place.kind == REDIS_SENTINEL && (says(reply, "READONLY") || says(reply, "MASTERDOWN"))) {
        r->stale = true;
        return true;
    }
    if (r->place.kind != REDIS_CLUSTER) return false;
    *to = redirect_parse(reply, &c->link->at);
    if (to->kind == REDIRECT_MOVED && !slots_moved(r->map, to)) r->stale = true;
    if (says(reply, "CLUSTERDOWN")) r->stale = true;
    return to->kind != REDIRECT_NONE || says(reply, "CLUSTERDOWN") || says(reply, "TRYAGAIN");
}

/* Follows what the answers say, until one is for the caller. */
static void follow(struct redis_now *r, struct command *c)
{
    struct redirect to;
    while (c->reply != NULL && c->reply->type == REDIS_REPLY_ERROR && is_elsewhere(r, c, &to) &&
           try_again(r)) {
        bool ask = to.kind == REDIRECT_ASK;
        freeReplyObject(c->reply);
        c->reply = exchange(r, c, ask ? link_to(r, &to.to) : route(r, c->slot), ask);
    }
}

static bool format(struct redis_now *r, struct command *c, int argc, const struct str *argv)
{
    const char **p = malloc((size_t)argc * sizeof *p);
    size_t *n = malloc((size_t)argc * sizeof *n);
    int wire = -1;
    *c = (struct command){.slot = NO_SLOT};
    for (int i = 0; p != NULL && n != NULL && i < argc; i++) {
        p[i] = argv[i].n == 0 ? "" : argv[i].p;
        n[i] = argv[i].n;
    }
    if (p != NULL && n != NULL) wire = (int)redisFormatCommandArgv(&c->wire, argc, p, n);
    free(p);
    free(n);
    if (wire < 0) {
        fail(r, "out of memory");
        return false;
    }
    c->n = (size_t)wire;
    struct str key = r->place.kind == REDIS_CLUSTER ? slot_key(argc, argv) : (struct str){NULL, 0};
    if (key.n > 0) c->slot = (int)slot_of(key);
    return true;
}

/* ---- many at once ---- */

/* The first that cannot be sent has used up the patience; no other is tried then. */
static void send_all(struct redis_now *r)
{
    for (size_t i = r->collected; i < r->end; i++) {
        struct command *c = &r->queue[i];
        c->link = route(r, c->slot);
        if (c->link == NULL) break;
        redisAppendFormattedCommand(c->link->context, c->wire, c->n); /* as in exchange() */
        c->link->pending++;
    }
    for (unsigned i = 0; i < r->n; i++) { /* so that the nodes work at the same time */
        int done = 0;
        while (r->links[i].pending > 0 && !done &&
               redisBufferWrite(r->links[i].context, &done) == REDIS_OK) {
        }
    }
}

/* All answers are taken before the first command is sent again: an answer must not be taken for
 * that of another. Each has its own patience, until one has used it up. */
static void collect(struct redis_now *r)
{
    if (r->collected == r->end) return;
    begin(r);
    send_all(r);
    for (size_t i = r->collected; i < r->end; i++) {
        struct command *c = &r->queue[i];
        if (c->link == NULL) continue;
        c->reply = receive(r, c->link);
        if (c->link->pending > 0) c->link->pending--;
    }
    begin(r);
    for (; r->collected < r->end; r->collected++) {
        if (clock_mono_ms() < r->until_ms) begin(r);
        follow(r, &r->queue[r->collected]);
    }
}

int redis_now_push(struct redis_now *r, int argc, const struct str *argv)
{
    if (r->first == r->end) r->first = r->end = r->collected = 0;
    if (r->end == r->cap) {
        size_t cap = r->cap == 0 ? 64 : r->cap * 2;
        struct command *queue = realloc(r->queue, cap * sizeof *queue);
        if (queue == NULL) {
            fail(r, "out of memory");
            return -1;
        }
        r->queue = queue;
        r->cap = cap;
    }
    if (!format(r, &r->queue[r->end], argc, argv)) return -1;
    r->end++;
    return 0;
}

redisReply *redis_now_pull(struct redis_now *r)
{
    assert(r->first < r->end); /* pulls as many as were pushed */
    if (r->collected == r->first) collect(r);
    struct command *c = &r->queue[r->first++];
    free(c->wire);
    return c->reply;
}

/* ---- one at a time ---- */

static redisReply *run(struct redis_now *r, const struct redis_seed *at, int argc,
                       const struct str *argv)
{
    struct command c;
    collect(r);
    begin(r);
    if (!format(r, &c, argc, argv)) return NULL;
    c.reply = exchange(r, &c, at != NULL ? link_to(r, at) : route(r, c.slot), false);
    if (at == NULL) follow(r, &c);
    free(c.wire);
    return c.reply;
}

redisReply *redis_now(struct redis_now *r, int argc, const struct str *argv)
{
    return run(r, NULL, argc, argv);
}

unsigned redis_now_nodes(struct redis_now *r)
{
    if (r->place.kind != REDIS_CLUSTER) return 1;
    collect(r);
    begin(r);
    do {
        r->stale = true;
        if (!read_map(r)) continue;
        memcpy(r->nodes, r->map->node, r->map->nodes * sizeof *r->nodes);
        return r->map->nodes;
    } while (try_again(r));
    return 0;
}

redisReply *redis_now_on(struct redis_now *r, unsigned node, int argc, const struct str *argv)
{
    return run(r, r->place.kind == REDIS_CLUSTER ? &r->nodes[node] : NULL, argc, argv);
}

const char *redis_now_error(const struct redis_now *r)
{
    return r->error;
}

bool redis_now_up(const struct redis_now *r)
{
    return r->up;
}

/* ---- life ---- */

struct redis_now *redis_now_open(const struct redis_conf *conf, struct buf *err)
{
    struct redis_now *r = calloc(1, sizeof *r);
    if (r == NULL) goto fail;
    r->conf = conf;
    r->stale = true;
    if (!redis_place_parse(conf->redis, &r->place, err)) goto fail;
    if (r->place.kind == REDIS_CLUSTER) {
        r->map = calloc(1, sizeof *r->map);
        r->heard = calloc(1, sizeof *r->heard);
        r->nodes = calloc(SLOT_NODES_MAX, sizeof *r->nodes);
        if (r->map == NULL || r->heard == NULL || r->nodes == NULL) goto fail;
    }
    begin(r);
    r->up = route(r, NO_SLOT) != NULL;
    if (r->up) return r;
    buf_printf(err, "%s", r->error);
fail:
    if (err->n == 0) buf_printf(err, "out of memory");
    redis_now_close(r);
    return NULL;
}

void redis_now_close(struct redis_now *r)
{
    if (r == NULL) return;
    for (unsigned i = 0; i < r->n; i++)
        hang_up(&r->links[i]);
    for (size_t i = r->first; i < r->end; i++) {
        free(r->queue[i].wire);
        if (r->queue[i].reply != NULL) freeReplyObject(r->queue[i].reply);
    }
    free(r->queue);
    free(r->map);
    free(r->heard);
    free(r->nodes);
    free(r);
}
