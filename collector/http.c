/*
 * The way of a request costs one recv, a share of epoll_wait and a share of one send, and no
 * allocation. All connections of a worker read into one buffer; only what is left of an unfinished
 * request is kept by its connection, so an idle one holds no buffer at all. Replies of a turn stand
 * one behind the other in one buffer too; what a socket does not take at once is kept likewise,
 * and until it is gone nothing more is read from that client: so output is bounded.
 *
 * A connection is in one list, that of its phase. A phase has one time-out, so a list is in order
 * of expiry and looking at its head is enough: no timers. Time is that of the last http_tick.
 *
 * Fair: a turn takes a bounded number of requests from a connection; the rest of what it sent
 * waits (READY) for the next turn. After a refusal, and wherever unread bytes are thrown away, the
 * connection lingers: half closed, drained up to a bound, so that the reply is not lost to a reset.
 */
#include "http.h"

#include <assert.h>
#include <errno.h>
#include <event2/event_struct.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "http_reply.h"
#include "log.h"

enum {
    READ_BYTES = 64 * 1024,     /* at most, of one recv */
    KEPT_READ_BYTES = 4 * 1024, /* likewise behind an unfinished request of unknown length */
    ACCEPTS_PER_TURN = 64,
    REQUESTS_PER_TURN = 32,               /* of one connection */
    CONN_OUT_MAX_BYTES = 64 * 1024,       /* no further request of it in this turn */
    TURN_OUT_MAX_BYTES = 4 * 1024 * 1024, /* no further request of anyone */
    ORIGIN_MAX_BYTES = 512,               /* of one that a refusal repeats */
    LINGER_MAX_BYTES = 256 * 1024,
    LINGER_MS = 2000,
    SPARE_BUFFERS = 64,
    SPARE_MAX_BYTES = 128 * 1024,
};

enum phase {
    IDLE,      /* between requests */
    HEAD,      /* a head has begun */
    BODY,      /* its body is awaited */
    READY,     /* whole requests may be waiting in memory */
    WRITING,   /* the socket is full; nothing is read */
    LINGERING, /* half closed */
    PHASES
};

struct conn {
    struct event ev;
    struct http *http;
    struct conn *prev, *next; /* in the list of its phase, the oldest first */
    struct conn *next_staged;
    int64_t since_ms;
    int fd;
    enum phase phase;
    bool staged;  /* has replies in this turn */
    bool more;    /* `in` may hold whole requests */
    bool closing; /* once its replies are out */
    bool linger;
    bool broken;           /* a reply could not be made: no memory */
    size_t out_at, out_n;  /* its replies of this turn, in http->out */
    size_t first, replies; /* and in http->replies */
    size_t sent;           /* of `out` */
    size_t lingered;       /* bytes drained */
    struct buf in, out;    /* empty for most */
    struct http_incoming req;
    union {
        struct sockaddr sa;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
    } peer;
};

struct list {
    struct conn *first, *last;
};

/* One reply of the turn; its bytes follow those of the reply before. */
struct staged {
    size_t n;
    bool needs_store;
    size_t otherwise_at, otherwise_n; /* in http->otherwise */
};

struct http {
    struct event_base *base;
    struct http_limits limits;
    struct http_metrics metrics;
    http_handler *handler;
    void *arg;

    struct event listener;
    int listen_fd;
    bool listening; /* the event is added; not while descriptors are short */
    bool draining;
    int64_t now_ms;
    unsigned open;
    struct list lists[PHASES];

    struct conn *staged, *last_staged;
    struct buf out, otherwise;
    struct buf mixed;   /* bytes that are put together and sent at once */
    struct buf replies; /* struct staged */
    uint64_t requests;

    struct http_desk desk;
    struct buf spare[SPARE_BUFFERS];
    unsigned spares;
    char scratch[READ_BYTES];
};

static void count_refusal(struct http *h, enum http_refusal why)
{
    metrics_add(h->metrics.slot, h->metrics.refused, why, 1);
}

/* Phases */

static void list_remove(struct conn *c)
{
    struct list *l = &c->http->lists[c->phase];
    *(c->prev == NULL ? &l->first : &c->prev->next) = c->next;
    *(c->next == NULL ? &l->last : &c->next->prev) = c->prev;
}

static void list_append(struct conn *c)
{
    struct list *l = &c->http->lists[c->phase];
    c->prev = l->last;
    c->next = NULL;
    *(l->last == NULL ? &l->first : &l->last->next) = c;
    l->last = c;
}

/* anew: the phase's clock starts again even when the phase stays. */
static void set_phase(struct conn *c, enum phase phase, bool anew)
{
    int64_t now = c->http->now_ms;
    if (c->phase == phase && (!anew || c->since_ms == now)) return;
    list_remove(c);
    c->phase = phase;
    c->since_ms = now;
    list_append(c);
}

static enum phase reading_phase(const struct conn *c)
{
    if (c->in.n == 0) return IDLE;
    return c->more ? READY : c->req.head_n > 0 ? BODY : HEAD;
}

/* Buffers: taken from a stack of spare ones, so that unfinished requests do not allocate either. */

static bool keep(struct http *h, struct buf *b, struct str s)
{
    if (b->cap == 0 && h->spares > 0) *b = h->spare[--h->spares];
    return buf_add(b, s);
}

static void release(struct http *h, struct buf *b)
{
    buf_clear(b);
    if (b->cap == 0) return;
    if (b->cap > SPARE_MAX_BYTES || h->spares == SPARE_BUFFERS) {
        buf_fini(b);
        return;
    }
    h->spare[h->spares++] = *b;
    *b = (struct buf){0};
}

/* Begin and end of a connection */

static void conn_close(struct conn *c)
{
    struct http *h = c->http;
    assert(!c->staged);
    event_del(&c->ev);
    close(c->fd);
    list_remove(c);
    release(h, &c->in);
    release(h, &c->out);
    free(c);
    h->open--;
    metrics_add(h->metrics.slot, h->metrics.connections, 0, -1);
}

static void on_event(evutil_socket_t fd, short what, void *arg);

/* Waits for the one thing that c can go on with. False: c is closed. */
static bool watch(struct conn *c, short what)
{
    event_del(&c->ev);
    event_assign(&c->ev, c->http->base, c->fd, what | EV_PERSIST, on_event, c);
    if (event_add(&c->ev, NULL) == 0) return true;
    conn_close(c);
    return false;
}

static void finish(struct conn *c)
{
    if (!c->linger || c->broken || shutdown(c->fd, SHUT_WR) < 0) {
        conn_close(c);
        return;
    }
    release(c->http, &c->in);
    set_phase(c, LINGERING, true);
}

static void linger(struct conn *c)
{
    ssize_t n = recv(c->fd, c->http->scratch, READ_BYTES, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n > 0) c->lingered += (size_t)n;
    if (n <= 0 || c->lingered > LINGER_MAX_BYTES) conn_close(c);
}

/* Writing */

static void after_sent(struct conn *c)
{
    if (c->closing || c->broken || (c->http->draining && c->phase == IDLE)) finish(c);
}

static ssize_t send_some(struct conn *c, struct str bytes)
{
    ssize_t n = send(c->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    return n;
}

static void send_now(struct conn *c, struct str bytes)
{
    ssize_t n = bytes.n == 0 ? 0 : send_some(c, bytes);
    if (n < 0) {
        conn_close(c);
        return;
    }
    if ((size_t)n == bytes.n) {
        after_sent(c);
        return;
    }
    c->sent = 0;
    if (!keep(c->http, &c->out, str_from(bytes, (size_t)n))) {
        conn_close(c);
        return;
    }
    if (watch(c, EV_WRITE)) set_phase(c, WRITING, true);
}

static void write_more(struct conn *c)
{
    ssize_t n = send_some(c, str_from(buf_str(&c->out), c->sent));
    if (n < 0) {
        conn_close(c);
        return;
    }
    c->sent += (size_t)n;
    set_phase(c, WRITING, n > 0);
    if (c->sent < c->out.n) return;

    release(c->http, &c->out);
    if (!watch(c, EV_READ)) return;
    set_phase(c, reading_phase(c), true);
    if (c->phase == READY) event_active(&c->ev, EV_READ, 0);
    after_sent(c);
}

/* Staging */

static bool stage(struct conn *c, struct staged reply)
{
    struct http *h = c->http;
    if (!c->staged) {
        c->staged = true;
        c->next_staged = NULL;
        *(h->staged == NULL ? &h->staged : &h->last_staged->next_staged) = c;
        h->last_staged = c;
        c->out_at = h->out.n - reply.n;
        c->out_n = 0;
        c->first = h->replies.n / sizeof reply;
        c->replies = 0;
    }
    c->out_n += reply.n;
    c->replies++;
    return buf_add(&h->replies, (struct str){(const char *)&reply, sizeof reply});
}

static unsigned reply_how(const struct conn *c)
{
    unsigned how = c->req.head.method == HTTP_HEAD ? HTTP_REPLY_NO_BODY : 0;
    if (c->closing) return how | HTTP_REPLY_CLOSE;
    return c->req.head.minor ? how : how | HTTP_REPLY_KEEP_ALIVE;
}

static void stage_reply(struct conn *c, const struct http_reply *r)
{
    struct http *h = c->http;
    struct staged s = {
        .n = h->out.n, .needs_store = r->needs_store, .otherwise_at = h->otherwise.n};
    unsigned how = reply_how(c);
    bool ok = http_reply_format(&h->out, r->status, r->headers, r->body, how);
    if (r->needs_store)
        ok = http_reply_format(&h->otherwise, r->otherwise_status, r->otherwise_headers,
                               r->otherwise_body, how) &&
             ok;
    s.n = h->out.n - s.n;
    s.otherwise_n = h->otherwise.n - s.otherwise_at;
    if (!stage(c, s) || !ok) c->broken = true;
}

#define REFUSAL_TYPE "Content-Type: text/plain\r\nCache-Control: no-store\r\n"

static struct http_reply refusal_reply(enum http_refusal why)
{
    return (struct http_reply){.status = http_refused(why)->status,
                               .headers = STR(REFUSAL_TYPE),
                               .body = str_of(http_refused(why)->text)};
}

/* Scripts of any page may read this much of the request at p: what cannot be read looks like a
 * network that failed, and they would send the same again. */
static void refuse(struct conn *c, enum http_refusal why, const char *p)
{
    struct http_reply r = refusal_reply(why);
    struct str origin = http_head_str(p, c->req.head.header[HTTP_ORIGIN]);
    char headers[ORIGIN_MAX_BYTES + 256];
    if (origin.n > 0 && origin.n <= ORIGIN_MAX_BYTES) {
        int n = snprintf(headers, sizeof headers,
                         REFUSAL_TYPE "Access-Control-Allow-Origin: %.*s\r\n"
                                      "Access-Control-Allow-Credentials: true\r\n"
                                      "Vary: Origin\r\n",
                         STR_ARG(origin));
        r.headers = (struct str){headers, (size_t)n};
    }
    if (http_refused(why)->closes) c->closing = c->linger = true;
    count_refusal(c->http, why);
    stage_reply(c, &r);
}

static void stage_continue(struct conn *c)
{
    struct str line = STR("HTTP/1.1 100 Continue\r\n\r\n");
    bool ok = buf_add(&c->http->out, line);
    c->req.asks_continue = false;
    if (!stage(c, (struct staged){.n = ok ? line.n : 0}) || !ok) c->broken = true;
}

/* Requests */

static void answer(struct conn *c, const char *p)
{
    struct http *h = c->http;
    struct http_request req;
    struct http_reply reply = {0};

    c->closing = !c->req.head.keep_alive || h->draining;
    c->linger = h->draining;
    if (!http_incoming_read(&c->req, &h->limits, p, &h->desk, &req)) {
        refuse(c, c->req.why, p);
        return;
    }
    memcpy(&req.peer, &c->peer, sizeof c->peer);
    h->requests++;
    h->handler(h->arg, &req, &reply);
    stage_reply(c, &reply);
}

/* Answers the request at p and returns its bytes. 0: incomplete, or refused for good (closing).
 * *n shrinks when chunk lines were taken out. */
static size_t take_request(struct conn *c, char *p, size_t *n)
{
    size_t used = 0;
    switch (http_incoming_take(&c->req, &c->http->limits, p, n, &used)) {
    case HTTP_INCOMING_MORE:
        if (c->req.asks_continue) stage_continue(c);
        return 0;
    case HTTP_INCOMING_REFUSED: refuse(c, c->req.why, p); return 0;
    case HTTP_INCOMING_WHOLE: break;
    }
    answer(c, p);
    http_incoming_init(&c->req);
    return used;
}

/* p..n: from the first byte of a request on; in c->in, or in the shared buffer. */
static void keep_rest(struct conn *c, const char *p, size_t n)
{
    if (c->closing) {
        c->linger = c->linger || n > 0;
        n = 0;
    }
    if (c->req.head_n == 0 && !http_head_begun(&c->req.head) && !c->more) {
        http_incoming_init(&c->req); /* nothing but empty lines */
        n = 0;
    }
    if (n == 0) {
        release(c->http, &c->in);
    } else if (c->in.n > 0) {
        memmove(c->in.p, p, n);
        c->in.n = n;
    } else if (!keep(c->http, &c->in, (struct str){p, n})) {
        c->broken = true;
    }
}

static void take_requests(struct conn *c, char *p, size_t n)
{
    struct http *h = c->http;
    size_t used = 0, out_before = h->out.n;
    unsigned taken = 0;
    c->more = false;
    while (used < n && !c->closing && !c->broken) {
        if (taken == REQUESTS_PER_TURN || h->out.n - out_before > CONN_OUT_MAX_BYTES) {
            c->more = true;
            break;
        }
        size_t left = n - used;
        size_t bytes = take_request(c, p + used, &left);
        n = used + left;
        if (bytes == 0) break;
        used += bytes;
        taken++;
    }
    keep_rest(c, p + used, n - used);
    set_phase(c, reading_phase(c), taken > 0);
    if (c->broken && !c->staged) conn_close(c);
}

/* Room to read behind an unfinished request: for the rest of a body whose length is known. */
static size_t kept_room(const struct conn *c)
{
    size_t whole = c->req.head_n + (size_t)c->req.head.content_length;
    if (c->req.head_n == 0 || whole <= c->in.n + KEPT_READ_BYTES) return KEPT_READ_BYTES;
    return whole - c->in.n < READ_BYTES ? whole - c->in.n : READ_BYTES;
}

static void read_requests(struct conn *c)
{
    bool kept = c->in.n > 0;
    size_t room = kept ? kept_room(c) : READ_BYTES;
    char *at = kept ? buf_reserve(&c->in, room) : c->http->scratch;
    ssize_t n = at == NULL ? 0 : recv(c->fd, at, room, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        conn_close(c); /* whatever was asked before has been answered: see on_event */
        return;
    }
    if (!kept) {
        take_requests(c, at, (size_t)n);
        return;
    }
    c->in.n += (size_t)n;
    take_requests(c, c->in.p, c->in.n);
}

/* Once per turn: a connection with replies in this turn waits for the next one, its socket and
 * http_send_staged wake it again. */
static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;
    (void)fd;
    (void)what;
    if (c->staged) return;
    switch (c->phase) {
    case WRITING: write_more(c); return;
    case LINGERING: linger(c); return;
    default: break;
    }
    if (c->http->out.n > TURN_OUT_MAX_BYTES) return;
    if (c->phase == READY)
        take_requests(c, c->in.p, c->in.n);
    else
        read_requests(c);
}

/* What goes out when the turn's hits were not stored. */
static struct str otherwise(const struct conn *c)
{
    struct http *h = c->http;
    const struct staged *s = (const struct staged *)(const void *)h->replies.p + c->first;
    const char *p = h->out.p + c->out_at;
    buf_clear(&h->mixed);
    for (size_t i = 0; i < c->replies; p += s[i].n, i++) {
        struct str bytes = {p, s[i].n};
        if (s[i].needs_store)
            bytes = (struct str){h->otherwise.p + s[i].otherwise_at, s[i].otherwise_n};
        buf_add(&h->mixed, bytes);
    }
    return buf_str(&h->mixed);
}

void http_send_staged(struct http *h, bool stored)
{
    for (struct conn *c = h->staged, *next; c != NULL; c = next) {
        next = c->next_staged;
        c->staged = false;
        struct str bytes = {h->out.p + c->out_at, c->out_n};
        if (!stored) bytes = otherwise(c);
        if (c->broken || h->mixed.failed)
            conn_close(c);
        else
            send_now(c, bytes);
    }
    h->staged = h->last_staged = NULL;
    buf_clear(&h->out);
    buf_clear(&h->otherwise);
    buf_clear(&h->mixed);
    buf_clear(&h->replies);
    if (h->requests > 0) metrics_add(h->metrics.slot, h->metrics.requests, 0, (int64_t)h->requests);
    h->requests = 0;
    for (struct conn *c = h->lists[READY].first; c != NULL; c = c->next)
        event_active(&c->ev, EV_READ, 0);
}

/* Listening */

static void refuse_connection(struct http *h, int fd)
{
    struct http_reply r = refusal_reply(HTTP_REFUSED_CONNECTION);
    struct buf bytes;
    buf_init(&bytes, 0);
    count_refusal(h, HTTP_REFUSED_CONNECTION);
    if (http_reply_format(&bytes, r.status, r.headers, r.body, HTTP_REPLY_CLOSE))
        (void)!send(fd, bytes.p, bytes.n, MSG_NOSIGNAL); /* a courtesy; nothing to do if it fails */
    buf_fini(&bytes);
    close(fd);
}

static void open_conn(struct http *h, int fd, const struct sockaddr_storage *peer)
{
    struct conn *c = calloc(1, sizeof *c);
    if (c == NULL) {
        close(fd);
        return;
    }
    c->http = h;
    c->fd = fd;
    c->since_ms = h->now_ms;
    memcpy(&c->peer, peer, sizeof c->peer);
    http_incoming_init(&c->req);
    event_assign(&c->ev, h->base, fd, EV_READ | EV_PERSIST, on_event, c);
    list_append(c);
    h->open++;
    metrics_add(h->metrics.slot, h->metrics.accepted, 0, 1);
    metrics_add(h->metrics.slot, h->metrics.connections, 0, 1);
    if (event_add(&c->ev, NULL) < 0) conn_close(c);
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    struct http *h = arg;
    (void)what;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t n = sizeof peer;
        int conn = accept4(fd, (struct sockaddr *)&peer, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (conn >= 0 && h->open >= h->limits.connections_max)
            refuse_connection(h, conn);
        else if (conn >= 0)
            open_conn(h, conn, &peer);
        else if (errno == EAGAIN)
            return;
        else if (errno != ECONNABORTED && errno != EINTR) {
            log_warn("http.accept", "err=%s", strerror(errno));
            event_del(&h->listener); /* out of descriptors or memory: again with the next tick */
            h->listening = false;
            return;
        }
    }
}

void http_listen(struct http *h, int fd)
{
    assert(h->listen_fd < 0);
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on,
               sizeof on); /* inherited; a unix socket has none */
    h->listen_fd = fd;
    event_assign(&h->listener, h->base, fd, EV_READ | EV_PERSIST, on_accept, h);
    h->listening = event_add(&h->listener, NULL) == 0;
}

void http_stop_listening(struct http *h)
{
    if (h->listen_fd < 0) return;
    event_del(&h->listener);
    close(h->listen_fd);
    h->listen_fd = -1;
}

/* Time */

/* The oldest of a phase, when its time is over. */
static struct conn *expired(const struct http *h, enum phase phase, int64_t timeout_ms)
{
    struct conn *c = h->lists[phase].first;
    return c != NULL && !c->staged && h->now_ms - c->since_ms >= timeout_ms ? c : NULL;
}

static void close_expired(struct http *h, enum phase phase, int64_t timeout_ms)
{
    struct conn *c;
    while ((c = expired(h, phase, timeout_ms)) != NULL)
        conn_close(c);
}

/* Sent at once: nothing else is on its way to this client. */
static void refuse_expired(struct http *h, enum phase phase, int64_t timeout_ms)
{
    struct http_reply r = refusal_reply(HTTP_REFUSED_SLOW);
    struct conn *c;
    while ((c = expired(h, phase, timeout_ms)) != NULL) {
        buf_clear(&h->mixed);
        count_refusal(h, HTTP_REFUSED_SLOW);
        c->closing = c->linger = true;
        if (http_reply_format(&h->mixed, r.status, r.headers, r.body, reply_how(c)))
            send_now(c, buf_str(&h->mixed));
        else
            conn_close(c);
    }
}

void http_tick(struct http *h, int64_t now_mono_ms)
{
    h->now_ms = now_mono_ms;
    close_expired(h, IDLE, h->limits.idle_timeout_ms);
    close_expired(h, WRITING, h->limits.write_timeout_ms);
    close_expired(h, LINGERING, LINGER_MS);
    refuse_expired(h, HEAD, h->limits.head_timeout_ms);
    refuse_expired(h, BODY, h->limits.body_timeout_ms);
    if (h->listen_fd >= 0 && !h->listening) h->listening = event_add(&h->listener, NULL) == 0;
}

unsigned http_connections(const struct http *h)
{
    return h->open;
}

void http_drain(struct http *h)
{
    h->draining = true;
    for (struct conn *c = h->lists[IDLE].first, *next; c != NULL; c = next) {
        next = c->next;
        if (!c->staged) conn_close(c);
    }
}

/* Begin and end */

struct http *http_new(struct event_base *base, const struct http_limits *limits,
                      const struct http_metrics *metrics, http_handler *handler, void *arg)
{
    struct http *h = calloc(1, sizeof *h);
    if (h == NULL) return NULL;
    h->base = base;
    h->limits = *limits;
    h->metrics = *metrics;
    h->handler = handler;
    h->arg = arg;
    h->listen_fd = -1;
    h->now_ms = clock_mono_ms();
    if (http_desk_init(&h->desk, limits)) return h;
    http_free(h);
    return NULL;
}

void http_free(struct http *h)
{
    if (h == NULL) return;
    http_stop_listening(h);
    for (enum phase phase = 0; phase < PHASES; phase++) {
        while (h->lists[phase].first != NULL) {
            h->lists[phase].first->staged = false;
            conn_close(h->lists[phase].first);
        }
    }
    while (h->spares > 0)
        buf_fini(&h->spare[--h->spares]);
    http_desk_fini(&h->desk);
    buf_fini(&h->out);
    buf_fini(&h->otherwise);
    buf_fini(&h->mixed);
    buf_fini(&h->replies);
    free(h);
}
