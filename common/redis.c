/*
 * A link to Redis that heals: it connects, and when the connection dies it tries again after a
 * growing pause. hiredis has no time-out for a server that accepts and then says nothing, so a
 * watchdog drops the connection when an answer is overdue; the pending commands then end with NULL,
 * and their owners ask again. hiredis frees its context itself after a failed connect or a
 * disconnect: here the pointer is only dropped.
 */
#include "redis.h"

#include <assert.h>
#include <hiredis/adapters/libevent.h>
#include <hiredis/async.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

#include "address.h"
#include "clock.h"
#include "log.h"

enum {
    PAUSE_MIN_MS = 20,
    PAUSE_MAX_MS = 1000,
    OVERDUE_MS = 5000, /* no answer at all for this long: the connection is dead */
    WATCH_MS = 500,
    CONNECT_MS = 3000,
    SCRIPTS_MAX = 8,
    SECRET_MAX = 512,
};

struct known_script {
    const struct redis_script *script;
    char sha[41]; /* "" until the server has named it on this connection */
};

struct call {
    redis_reply_fn *fn;
    void *arg;
};

struct redis_link {
    struct event_base *base;
    const struct redis_conf *conf;
    redis_state_fn *on_state;
    void *arg;
    redisAsyncContext *context; /* NULL: not connected, not connecting */
    bool up;
    int pause_ms;
    int64_t up_ms;       /* since when */
    struct event *timer; /* next attempt while down, watchdog while up */
    unsigned pending;
    int64_t heard_ms; /* of the last answer, or of the first command after silence */
    struct known_script scripts[SCRIPTS_MAX];
    unsigned n_scripts;
    struct call subscriber;
};

static void link_connect(struct redis_link *l);

static void set_timer(struct redis_link *l, int ms)
{
    struct timeval tv = {ms / 1000, ms % 1000 * 1000};
    event_add(l->timer, &tv);
}

static void went_down(struct redis_link *l, const char *why)
{
    bool was_up = l->up;
    /* One that is refused again and again is no reason to knock without a pause. */
    if (was_up && clock_mono_ms() - l->up_ms >= PAUSE_MAX_MS) l->pause_ms = PAUSE_MIN_MS;
    l->context = NULL;
    l->up = false;
    l->pending = 0;
    l->n_scripts = 0;
    log_warn("redis.down", "address=%s err=%s retry_ms=%d", l->conf->redis, why, l->pause_ms);
    set_timer(l, l->pause_ms);
    l->pause_ms = l->pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : l->pause_ms * 2;
    if (was_up) l->on_state(false, l->arg);
}

static void on_disconnect(const redisAsyncContext *c, int status)
{
    struct redis_link *l = c->data;
    if (l == NULL) return; /* the link is being freed */
    went_down(l, status == REDIS_OK ? "closed" : c->errstr);
}

static void go_up(struct redis_link *l)
{
    l->up = true;
    l->up_ms = l->heard_ms = clock_mono_ms();
    log_info("redis.up", "address=%s", l->conf->redis);
    l->on_state(true, l->arg);
}

static void on_auth(redisAsyncContext *c, void *reply, void *arg)
{
    const redisReply *r = reply;
    struct redis_link *l = c->data;
    (void)arg;
    if (l == NULL || r == NULL) return;
    if (r->type != REDIS_REPLY_ERROR) {
        go_up(l);
        return;
    }
    log_error("redis.auth", "err=%s", r->str);
    redisAsyncFree(c); /* after this callback; on_disconnect follows */
}

/* False: the file cannot be read. No password file: an empty password. */
static bool read_password(const struct redis_conf *conf, char out[SECRET_MAX])
{
    out[0] = '\0';
    if (conf->password_file == NULL || conf->password_file[0] == '\0') return true;
    FILE *f = fopen(conf->password_file, "re");
    if (f == NULL) return false;
    if (fgets(out, SECRET_MAX, f) == NULL) out[0] = '\0';
    fclose(f);
    out[strcspn(out, "\r\n")] = '\0';
    return true;
}

/* The link is up when the password was taken, or none is needed. */
static void authenticate(struct redis_link *l)
{
    char password[SECRET_MAX];
    if (!read_password(l->conf, password)) {
        log_error("redis.auth", "cannot read password_file=%s", l->conf->password_file);
        return; /* the watchdog ends this attempt */
    }
    if (password[0] == '\0') {
        go_up(l);
    } else if (l->conf->user != NULL && l->conf->user[0] != '\0') {
        redisAsyncCommand(l->context, on_auth, NULL, "AUTH %s %s", l->conf->user, password);
    } else {
        redisAsyncCommand(l->context, on_auth, NULL, "AUTH %s", password);
    }
    sodium_memzero(password, sizeof password);
}

static void on_connect(const redisAsyncContext *c, int status)
{
    struct redis_link *l = c->data;
    if (l == NULL) return;
    if (status != REDIS_OK) {
        went_down(l, c->errstr);
        return;
    }
    l->heard_ms = clock_mono_ms();
    set_timer(l, WATCH_MS);
    authenticate(l);
}

static const char *unix_path(const char *address)
{
    if (strncmp(address, "unix:", 5) == 0) return address + 5;
    return address[0] == '/' ? address : NULL;
}

static bool names_tcp(const char *address, char host[ADDRESS_HOST_BYTES], int *port)
{
    return address_split(address, host, port) && host[0] != '\0' && *port > 0;
}

static redisAsyncContext *open_context(const char *address)
{
    char host[ADDRESS_HOST_BYTES];
    int port;
    const char *path = unix_path(address);
    if (path != NULL) return redisAsyncConnectUnix(path);
    return names_tcp(address, host, &port) ? redisAsyncConnect(host, port) : NULL;
}

static void link_connect(struct redis_link *l)
{
    redisAsyncContext *c = open_context(l->conf->redis);
    if (c == NULL || c->err) {
        went_down(l, c == NULL ? "not an address" : c->errstr);
        if (c != NULL) redisAsyncFree(c);
        return;
    }
    l->context = c;
    c->data = l;
    redisLibeventAttach(c, l->base);
    redisAsyncSetConnectCallback(c, on_connect);
    redisAsyncSetDisconnectCallback(c, on_disconnect);
    l->heard_ms = clock_mono_ms();
    set_timer(l, WATCH_MS);
}

static void drop(struct redis_link *l, const char *why)
{
    redisAsyncContext *c = l->context;
    c->data = NULL;    /* on_disconnect must not act: it is done here */
    redisAsyncFree(c); /* pending callbacks run with NULL */
    went_down(l, why);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct redis_link *l = arg;
    (void)fd, (void)what;
    if (l->context == NULL) {
        link_connect(l);
        return;
    }
    int64_t silent_ms = clock_mono_ms() - l->heard_ms;
    if (!l->up && silent_ms > CONNECT_MS) {
        drop(l, "not let in");
    } else if (l->pending > 0 && silent_ms > OVERDUE_MS) {
        drop(l, "an answer is overdue");
    } else {
        set_timer(l, WATCH_MS);
    }
}

struct redis_link *redis_link_new(struct event_base *base, const struct redis_conf *conf,
                                  redis_state_fn *on_state, void *arg)
{
    struct redis_link *l = calloc(1, sizeof *l);
    if (l == NULL) return NULL;
    *l = (struct redis_link){
        .base = base, .conf = conf, .on_state = on_state, .arg = arg, .pause_ms = PAUSE_MIN_MS};
    l->timer = evtimer_new(base, on_timer, l);
    if (l->timer == NULL) {
        free(l);
        return NULL;
    }
    link_connect(l);
    return l;
}

void redis_link_free(struct redis_link *l)
{
    if (l == NULL) return;
    if (l->context != NULL) {
        l->context->data = NULL;
        redisAsyncFree(l->context);
    }
    event_free(l->timer);
    free(l);
}

bool redis_link_up(const struct redis_link *l)
{
    return l->up;
}

static void forget_scripts_on(struct redis_link *l, const redisReply *r)
{
    if (r != NULL && r->type == REDIS_REPLY_ERROR && strncmp(r->str, "NOSCRIPT", 8) == 0) {
        l->n_scripts = 0;
    }
}

static void on_reply(redisAsyncContext *c, void *reply, void *arg)
{
    struct redis_link *l = c->data;
    struct call call = *(struct call *)arg;
    free(arg);
    if (l != NULL && reply != NULL) {
        l->heard_ms = clock_mono_ms();
        if (l->pending > 0) l->pending--;
        forget_scripts_on(l, reply);
    }
    call.fn(reply, call.arg);
}

static int send_argv(struct redis_link *l, redis_reply_fn *fn, void *arg, int argc,
                     const char **argv, const size_t *lens)
{
    struct call *call = malloc(sizeof *call);
    if (call == NULL) return -1;
    *call = (struct call){fn, arg};
    if (redisAsyncCommandArgv(l->context, on_reply, call, argc, argv, lens) != REDIS_OK) {
        free(call);
        return -1;
    }
    if (l->pending++ == 0) l->heard_ms = clock_mono_ms();
    return 0;
}

int redis_send(struct redis_link *l, redis_reply_fn *fn, void *arg, int argc,
               const struct str *argv)
{
    if (!l->up || argc < 1) return -1;
    const char **pointers = malloc((size_t)argc * sizeof *pointers);
    size_t *lens = malloc((size_t)argc * sizeof *lens);
    int sent = -1;
    if (pointers != NULL && lens != NULL) {
        for (int i = 0; i < argc; i++) {
            pointers[i] = argv[i].n == 0 ? "" : argv[i].p;
            lens[i] = argv[i].n;
        }
        sent = send_argv(l, fn, arg, argc, pointers, lens);
    }
    free(pointers);
    free(lens);
    return sent;
}

static void on_push(redisAsyncContext *c, void *reply, void *arg)
{
    struct redis_link *l = c->data;
    (void)arg;
    if (l != NULL && reply != NULL) l->subscriber.fn(reply, l->subscriber.arg);
}

int redis_subscribe(struct redis_link *l, redis_reply_fn *fn, void *arg, struct str channel)
{
    if (!l->up) return -1;
    l->subscriber = (struct call){fn, arg};
    return redisAsyncCommand(l->context, on_push, NULL, "SUBSCRIBE %b", channel.p, channel.n) ==
                   REDIS_OK
               ? 0
               : -1;
}

void redis_script_init(struct redis_script *s, const char *body)
{
    s->body = body;
}

static void on_loaded(redisAsyncContext *c, void *reply, void *arg)
{
    struct redis_link *l = c->data;
    const redisReply *r = reply;
    if (l == NULL || r == NULL || r->type != REDIS_REPLY_STRING || r->len != 40) return;
    for (unsigned i = 0; i < l->n_scripts; i++) {
        if (l->scripts[i].script == arg) memcpy(l->scripts[i].sha, r->str, 41);
    }
}

/* The server's name for the script; "" while it has not told it on this connection. */
static const char *sha_of(struct redis_link *l, const struct redis_script *s)
{
    for (unsigned i = 0; i < l->n_scripts; i++) {
        if (l->scripts[i].script == s) return l->scripts[i].sha;
    }
    assert(l->n_scripts < SCRIPTS_MAX);
    l->scripts[l->n_scripts++] = (struct known_script){.script = s};
    redisAsyncCommand(l->context, on_loaded, (void *)(uintptr_t)s, "SCRIPT LOAD %s", s->body);
    return "";
}

int redis_eval(struct redis_link *l, const struct redis_script *s, redis_reply_fn *fn, void *arg,
               int argc, const struct str *argv)
{
    if (!l->up) return -1;
    const char *sha = sha_of(l, s);
    struct str *all = malloc(((size_t)argc + 2) * sizeof *all);
    if (all == NULL) return -1;
    all[0] = sha[0] == '\0' ? STR("EVAL") : STR("EVALSHA");
    all[1] = str_of(sha[0] == '\0' ? s->body : sha);
    memcpy(all + 2, argv, (size_t)argc * sizeof *argv);
    int sent = redis_send(l, fn, arg, argc + 2, all);
    free(all);
    return sent;
}

bool redis_retryable(const redisReply *reply)
{
    static const char *const codes[] = {"NOSCRIPT", "TRYAGAIN", "LOADING", "READONLY",
                                        "OOM",      "BUSY",     "MISCONF", "MASTERDOWN"};
    if (reply == NULL) return true;
    if (reply->type != REDIS_REPLY_ERROR) return false;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (strncmp(reply->str, codes[i], strlen(codes[i])) == 0) return true;
    }
    return false;
}

static redisContext *connect_now(const char *address)
{
    struct timeval wait = {CONNECT_MS / 1000, 0};
    char host[ADDRESS_HOST_BYTES];
    int port;
    const char *path = unix_path(address);
    if (path != NULL) return redisConnectUnixWithTimeout(path, wait);
    return names_tcp(address, host, &port) ? redisConnectWithTimeout(host, port, wait) : NULL;
}

static bool authenticate_now(redisContext *c, const struct redis_conf *conf, struct buf *err)
{
    char password[SECRET_MAX];
    if (!read_password(conf, password)) {
        buf_printf(err, "cannot read password_file %s", conf->password_file);
        return false;
    }
    if (password[0] == '\0') return true;
    bool user = conf->user != NULL && conf->user[0] != '\0';
    redisReply *r = user ? redisCommand(c, "AUTH %s %s", conf->user, password)
                         : redisCommand(c, "AUTH %s", password);
    sodium_memzero(password, sizeof password);
    bool ok = r != NULL && r->type != REDIS_REPLY_ERROR;
    if (!ok) buf_printf(err, "Redis refuses the password: %s", r == NULL ? c->errstr : r->str);
    if (r != NULL) freeReplyObject(r);
    return ok;
}

redisContext *redis_connect_now(const struct redis_conf *conf, struct buf *err)
{
    redisContext *c = connect_now(conf->redis);
    if (c == NULL || c->err) {
        buf_printf(err, "cannot reach Redis at %s: %s", conf->redis,
                   c == NULL ? "not an address (unix:/path or host:port)" : c->errstr);
        if (c != NULL) redisFree(c);
        return NULL;
    }
    struct timeval overdue = {OVERDUE_MS / 1000, 0};
    redisSetTimeout(c, overdue);
    if (!authenticate_now(c, conf, err)) {
        redisFree(c);
        return NULL;
    }
    return c;
}
