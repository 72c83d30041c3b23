/*
 * One connection. hiredis has no time-out for a server that accepts and then says nothing, so a
 * watchdog drops the connection when an answer is overdue; the pending commands then end with NULL,
 * and their owners ask again. hiredis frees its context itself after a failed connect or a
 * disconnect: here the pointer is only dropped.
 *
 * On the way up: AUTH where there is a password, then PING, since the kernel of a host accepts
 * connections for a server that stands still; or ROLE where only a master will do, for who is sent
 * to a master by a sentinel may be sent to one that was it a moment ago. A node that has lost
 * that office says READONLY to writes, but would answer reads for ever: it is left at once.
 */
#include "redis_node.h"

#include <assert.h>
#include <hiredis/adapters/libevent.h>
#include <hiredis/async.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "log.h"
#include "redis_secret.h"

enum {
    OVERDUE_MS = 5000, /* no answer at all for this long: the connection is dead */
    WATCH_MS = 500,
    CONNECT_MS = 3000, /* until it is up */
    SCRIPTS_MAX = 8,
};

struct known_script {
    const struct redis_script *script;
    char sha[41]; /* "" until the server has named it on this connection */
};

struct call {
    redis_reply_fn *fn;
    void *arg;
};

struct redis_node {
    struct redis_node_opts opts;
    struct redis_seed at;
    redis_node_fn *fn;
    void *arg;
    redisAsyncContext *context; /* NULL: dead, or never born */
    bool up;
    char why[128]; /* it dies, where hiredis cannot know it */
    struct event *timer;
    unsigned pending;
    int64_t heard_ms; /* of the last answer, or of the first command after silence */
    struct known_script scripts[SCRIPTS_MAX];
    unsigned n_scripts;
    struct call subscriber;
};

static void set_timer(struct redis_node *n, int ms)
{
    struct timeval tv = {ms / 1000, ms % 1000 * 1000};
    event_add(n->timer, &tv);
}

/* --- dying ---------------------------------------------------------------------------------- */

/* The last thing that touches the node. */
static void die(struct redis_node *n, const char *why)
{
    if (n->context != NULL) n->context->data = NULL;
    n->context = NULL;
    n->up = false;
    n->pending = 0;
    event_del(n->timer);
    n->fn(n, n->why[0] != '\0' ? n->why : why, n->arg);
}

static void on_disconnect(const redisAsyncContext *c, int status)
{
    struct redis_node *n = c->data;
    if (n == NULL) return; /* the node has been freed */
    die(n, status == REDIS_OK ? "closed" : c->errstr);
}

/* In a reply's callback: on_disconnect follows, when that has returned and the others have run. */
static void leave(struct redis_node *n, const char *what, const char *why)
{
    snprintf(n->why, sizeof n->why, "%s%s", what, why);
    redisAsyncFree(n->context);
}

/* --- coming up ------------------------------------------------------------------------------ */

static void go_up(struct redis_node *n)
{
    n->up = true;
    n->heard_ms = clock_mono_ms();
    n->fn(n, NULL, n->arg);
}

static void on_role(redisAsyncContext *c, void *reply, void *arg)
{
    const redisReply *r = reply;
    struct redis_node *n = c->data;
    (void)arg;
    if (n == NULL || r == NULL) return;
    bool told = r->type == REDIS_REPLY_ARRAY && r->elements > 0 &&
                r->element[0]->type == REDIS_REPLY_STRING;
    if (told && str_eq(reply_str(r->element[0]), STR("master"))) {
        go_up(n);
    } else {
        leave(n, "not a master: ", r->type == REDIS_REPLY_ERROR ? r->str : "its ROLE is another");
    }
}

static void on_ping(redisAsyncContext *c, void *reply, void *arg)
{
    const redisReply *r = reply;
    struct redis_node *n = c->data;
    (void)arg;
    if (n == NULL || r == NULL) return;
    if (r->type != REDIS_REPLY_ERROR) {
        go_up(n);
    } else {
        leave(n, "", r->str); /* LOADING, say */
    }
}

static void let_in(struct redis_node *n)
{
    if (n->opts.master) {
        redisAsyncCommand(n->context, on_role, NULL, "ROLE");
    } else {
        redisAsyncCommand(n->context, on_ping, NULL, "PING");
    }
}

static void on_auth(redisAsyncContext *c, void *reply, void *arg)
{
    const redisReply *r = reply;
    struct redis_node *n = c->data;
    (void)arg;
    if (n == NULL || r == NULL) return;
    if (r->type != REDIS_REPLY_ERROR) {
        let_in(n);
        return;
    }
    log_error("redis.auth", "err=%s", r->str);
    leave(n, "AUTH: ", r->str);
}

static void authenticate(struct redis_node *n)
{
    char password[REDIS_SECRET_BYTES];
    const char *user = n->opts.user;
    if (!redis_secret_read(n->opts.password_file, password)) {
        log_error("redis.auth", "cannot read password_file=%s", n->opts.password_file);
        return; /* the watchdog ends this attempt */
    }
    if (password[0] == '\0') {
        let_in(n);
    } else if (user != NULL && user[0] != '\0') {
        redisAsyncCommand(n->context, on_auth, NULL, "AUTH %s %s", user, password);
    } else {
        redisAsyncCommand(n->context, on_auth, NULL, "AUTH %s", password);
    }
    sodium_memzero(password, sizeof password);
}

static void on_connect(const redisAsyncContext *c, int status)
{
    struct redis_node *n = c->data;
    if (n == NULL) return;
    if (status != REDIS_OK) {
        die(n, c->errstr);
        return;
    }
    n->heard_ms = clock_mono_ms();
    authenticate(n);
}

/* Dead from the start: its owner hears of it when the loop comes round. */
static void start(struct redis_node *n)
{
    redisAsyncContext *c = n->opts.path != NULL ? redisAsyncConnectUnix(n->opts.path)
                                                : redisAsyncConnect(n->at.host, n->at.port);
    if (c == NULL || c->err) {
        snprintf(n->why, sizeof n->why, "%s", c == NULL ? "out of memory" : c->errstr);
        if (c != NULL) redisAsyncFree(c);
        set_timer(n, 0);
        return;
    }
    n->context = c;
    c->data = n;
    redisLibeventAttach(c, n->opts.base);
    redisAsyncSetConnectCallback(c, on_connect);
    redisAsyncSetDisconnectCallback(c, on_disconnect);
    n->heard_ms = clock_mono_ms();
    set_timer(n, WATCH_MS);
}

/* --- watching ------------------------------------------------------------------------------- */

static void drop(struct redis_node *n, const char *why)
{
    redisAsyncContext *c = n->context;
    c->data = NULL;    /* on_disconnect must not act: it is done here */
    n->context = NULL; /* what the pending ones now send is refused */
    redisAsyncFree(c); /* pending callbacks run with NULL */
    die(n, why);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct redis_node *n = arg;
    (void)fd, (void)what;
    int64_t silent_ms = clock_mono_ms() - n->heard_ms;
    if (n->context == NULL) {
        die(n, n->why);
    } else if (!n->up && silent_ms > CONNECT_MS) {
        drop(n, "not let in");
    } else if (n->pending > 0 && silent_ms > OVERDUE_MS) {
        drop(n, "an answer is overdue");
    } else {
        set_timer(n, WATCH_MS);
    }
}

struct redis_node *redis_node_new(const struct redis_node_opts *opts, redis_node_fn *fn, void *arg)
{
    struct redis_node *n = calloc(1, sizeof *n);
    if (n == NULL) return NULL;
    *n = (struct redis_node){.opts = *opts, .fn = fn, .arg = arg};
    if (opts->tcp != NULL) n->at = *opts->tcp;
    n->opts.tcp = &n->at;
    n->timer = evtimer_new(opts->base, on_timer, n);
    if (n->timer == NULL) {
        free(n);
        return NULL;
    }
    start(n);
    return n;
}

void redis_node_free(struct redis_node *n)
{
    if (n == NULL) return;
    redisAsyncContext *c = n->context;
    n->context = NULL;
    n->up = false;
    if (c != NULL) {
        c->data = NULL;
        redisAsyncFree(c);
    }
    event_free(n->timer);
    free(n);
}

bool redis_node_up(const struct redis_node *n)
{
    return n->up;
}

unsigned redis_node_pending(const struct redis_node *n)
{
    return n->pending;
}

const struct redis_seed *redis_node_at(const struct redis_node *n)
{
    return &n->at;
}

/* --- commands ------------------------------------------------------------------------------- */

static bool is_error(const redisReply *r, const char *code)
{
    return r->type == REDIS_REPLY_ERROR && strncmp(r->str, code, strlen(code)) == 0;
}

static void on_reply(redisAsyncContext *c, void *reply, void *arg)
{
    struct redis_node *n = c->data;
    struct call call = *(struct call *)arg;
    bool deposed = false;
    free(arg);
    if (n != NULL && reply != NULL) {
        n->heard_ms = clock_mono_ms();
        if (n->pending > 0) n->pending--;
        if (is_error(reply, "NOSCRIPT")) n->n_scripts = 0;
        deposed = n->opts.master && is_error(reply, "READONLY");
    }
    call.fn(reply, call.arg);
    n = c->data; /* the callback may have freed it */
    if (deposed && n != NULL) leave(n, "", "no longer the master");
}

static struct call *call_new(struct redis_node *n, redis_reply_fn *fn, void *arg)
{
    struct call *call = n->up && n->context != NULL ? malloc(sizeof *call) : NULL;
    if (call != NULL) *call = (struct call){fn, arg};
    return call;
}

static int sent(struct redis_node *n, struct call *call, int status)
{
    if (status != REDIS_OK) {
        free(call);
        return -1;
    }
    if (n->pending++ == 0) n->heard_ms = clock_mono_ms();
    return 0;
}

/* argv as hiredis takes it. False: out of memory; what there is is to be freed all the same. */
static bool spread(int argc, const struct str *argv, const char ***pointers, size_t **lens)
{
    *pointers = malloc((size_t)argc * sizeof **pointers);
    *lens = malloc((size_t)argc * sizeof **lens);
    if (*pointers == NULL || *lens == NULL) return false;
    for (int i = 0; i < argc; i++) {
        (*pointers)[i] = argv[i].n == 0 ? "" : argv[i].p;
        (*lens)[i] = argv[i].n;
    }
    return true;
}

int redis_node_send(struct redis_node *n, redis_reply_fn *fn, void *arg, int argc,
                    const struct str *argv)
{
    const char **pointers;
    size_t *lens;
    int result = -1;
    struct call *call = argc < 1 ? NULL : call_new(n, fn, arg);
    if (call == NULL) return -1;
    if (spread(argc, argv, &pointers, &lens)) {
        result =
            sent(n, call, redisAsyncCommandArgv(n->context, on_reply, call, argc, pointers, lens));
    } else {
        free(call);
    }
    free(pointers);
    free(lens);
    return result;
}

int redis_node_send_text(struct redis_node *n, redis_reply_fn *fn, void *arg, struct str text,
                         bool asking)
{
    struct call *call = call_new(n, fn, arg);
    if (call == NULL) return -1;
    if (asking && redisAsyncCommand(n->context, NULL, NULL, "ASKING") != REDIS_OK) {
        free(call);
        return -1;
    }
    return sent(n, call, redisAsyncFormattedCommand(n->context, on_reply, call, text.p, text.n));
}

struct str redis_format(int argc, const struct str *argv)
{
    const char **pointers;
    size_t *lens;
    char *text = NULL;
    int n = -1;
    if (spread(argc, argv, &pointers, &lens))
        n = redisFormatCommandArgv(&text, argc, pointers, lens);
    free(pointers);
    free(lens);
    return n < 0 ? (struct str){NULL, 0} : (struct str){text, (size_t)n};
}

static void on_push(redisAsyncContext *c, void *reply, void *arg)
{
    struct redis_node *n = c->data;
    (void)arg;
    if (n != NULL && reply != NULL) n->subscriber.fn(reply, n->subscriber.arg);
}

int redis_node_subscribe(struct redis_node *n, redis_reply_fn *fn, void *arg, struct str channel)
{
    if (!n->up || n->context == NULL) return -1;
    n->subscriber = (struct call){fn, arg};
    int status = redisAsyncCommand(n->context, on_push, NULL, "SUBSCRIBE %b", channel.p, channel.n);
    return status == REDIS_OK ? 0 : -1;
}

/* --- scripts -------------------------------------------------------------------------------- */

static void on_loaded(redisAsyncContext *c, void *reply, void *arg)
{
    struct redis_node *n = c->data;
    const redisReply *r = reply;
    if (n == NULL || r == NULL || r->type != REDIS_REPLY_STRING || r->len != 40) return;
    for (unsigned i = 0; i < n->n_scripts; i++) {
        if (n->scripts[i].script == arg) memcpy(n->scripts[i].sha, r->str, 41);
    }
}

/* The server's name for the script; "" while it has not told it on this connection. */
static const char *sha_of(struct redis_node *n, const struct redis_script *s)
{
    for (unsigned i = 0; i < n->n_scripts; i++) {
        if (n->scripts[i].script == s) return n->scripts[i].sha;
    }
    assert(n->n_scripts < SCRIPTS_MAX);
    n->scripts[n->n_scripts++] = (struct known_script){.script = s};
    redisAsyncCommand(n->context, on_loaded, (void *)(uintptr_t)s, "SCRIPT LOAD %s", s->body);
    return "";
}

void redis_node_script(struct redis_node *n, const struct redis_script *s, struct str words[2])
{
    const char *sha = n->context == NULL ? "" : sha_of(n, s);
    words[0] = sha[0] == '\0' ? STR("EVAL") : STR("EVALSHA");
    words[1] = str_of(sha[0] == '\0' ? s->body : sha);
}
