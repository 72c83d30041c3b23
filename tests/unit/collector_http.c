/*
 * The real connections over loopback, in one thread: a test is client and worker in turn, so each
 * step is taken when it is wanted. Time is what http_tick is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <zlib.h>

#include "buf.h"
#include "clock.h"
#include "http.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

enum { BIG_BYTES = 60 * 1000, BODY_MAX = 8 * 1024, WAIT_MS = 20 * 1000 };
enum { M_REQUESTS, M_REFUSED, M_ACCEPTED, M_CONNECTIONS };

static const struct metric_def defs[] = {
    {"requests_total", "counter", "handled", NULL, 1, NULL},
    {"refused_total", "counter", "refused", "why", HTTP_REFUSALS, http_refusal_name},
    {"accepted_total", "counter", "accepted", NULL, 1, NULL},
    {"connections", "gauge", "open", NULL, 1, NULL},
};

struct world {
    struct event_base *base;
    struct metrics *metrics;
    struct http *http;
    struct http_limits limits;
    int port;
    int64_t now_ms;
    bool stored; /* what the journal says this turn */
    unsigned handled;
    struct buf last; /* all fields of the last request */
    char big[BIG_BYTES];
    struct buf body; /* of the reply being made */
};

static void note_fields(struct world *w, const struct http_request *r)
{
    const struct str fields[] = {r->host,
                                 r->origin,
                                 r->referer,
                                 r->user_agent,
                                 r->content_type,
                                 r->accept_encoding,
                                 r->accept_language,
                                 r->if_none_match,
                                 r->forwarded_for,
                                 r->cookie,
                                 r->dnt,
                                 r->gpc,
                                 r->want_method,
                                 r->want_headers};
    buf_clear(&w->last);
    for (size_t i = 0; i < COUNT(fields); i++)
        buf_printf(&w->last, "%.*s|", STR_ARG(fields[i]));
}

/* Answers with what was asked. /store: 503 when it was not stored. /big: many bytes. */
static void handle(void *arg, const struct http_request *r, struct http_reply *out)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "OPTIONS", "OTHER"};
    struct world *w = arg;
    w->handled++;
    note_fields(w, r);
    assert_int_equal(r->peer.ss_family, AF_INET);
    buf_clear(&w->body);
    buf_printf(&w->body, "%s %.*s %.*s %.*s\n", names[r->method], STR_ARG(r->path),
               STR_ARG(r->query), STR_ARG(r->body));
    out->status = 200;
    out->headers = STR("A: b\r\n");
    out->body = buf_str(&w->body);
    if (str_eq(r->path, STR("/big"))) out->body = (struct str){w->big, sizeof w->big};
    if (str_eq(r->path, STR("/204"))) out->status = 204;
    if (str_eq(r->path, STR("/store"))) {
        out->needs_store = true;
        out->otherwise_status = 503;
        out->otherwise_headers = STR("Retry-After: 1\r\n");
        out->otherwise_body = STR("lost\n");
    }
}

static int listen_on_loopback(int *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct event_config *config = event_config_new();
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    w->base = event_base_new_with_config(config);
    event_config_free(config);
    w->limits = (struct http_limits){.head_max_bytes = 4096,
                                     .body_max_bytes = BODY_MAX,
                                     .headers_max = 32,
                                     .connections_max = 8,
                                     .head_timeout_ms = 1000,
                                     .body_timeout_ms = 3000,
                                     .idle_timeout_ms = 10000,
                                     .write_timeout_ms = 5000};
    w->metrics = metrics_new(defs, COUNT(defs));
    struct http_metrics metrics = {metrics_slot_new(w->metrics), M_REQUESTS, M_REFUSED, M_ACCEPTED,
                                   M_CONNECTIONS};
    w->http = http_new(w->base, &w->limits, &metrics, handle, w);
    w->stored = true;
    w->now_ms = clock_mono_ms();
    memset(w->big, 'B', sizeof w->big);
    http_listen(w->http, listen_on_loopback(&w->port));
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    http_free(w->http);
    metrics_free(w->metrics);
    event_base_free(w->base);
    buf_fini(&w->last);
    buf_fini(&w->body);
    free(w);
    return 0;
}

static void turn(struct world *w)
{
    event_base_loop(w->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    http_send_staged(w->http, w->stored);
}

static void pass(struct world *w, int64_t ms)
{
    w->now_ms += ms;
    http_tick(w->http, w->now_ms);
}

static int64_t refused(const struct world *w, enum http_refusal why)
{
    return metrics_get(w->metrics, M_REFUSED, why);
}

/* Turns until the condition holds. */
#define TURN_UNTIL(w, condition)                                                                   \
    do {                                                                                           \
        int64_t until_ = clock_mono_ms() + WAIT_MS;                                                \
        while (!(condition)) {                                                                     \
            assert_true(clock_mono_ms() < until_);                                                 \
            turn(w);                                                                               \
        }                                                                                          \
    } while (0)

static int dial(struct world *w)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)w->port),
                            .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int64_t before = metrics_get(w->metrics, M_ACCEPTED, 0) + refused(w, HTTP_REFUSED_CONNECTION);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    TURN_UNTIL(w, metrics_get(w->metrics, M_ACCEPTED, 0) + refused(w, HTTP_REFUSED_CONNECTION) >
                      before);
    return fd;
}

/* Sends while the worker reads. */
static void say(struct world *w, int fd, struct str bytes)
{
    while (bytes.n > 0) {
        ssize_t n = send(fd, bytes.p, bytes.n, MSG_DONTWAIT | MSG_NOSIGNAL);
        assert_true(n > 0 || errno == EAGAIN);
        if (n > 0) bytes = str_from(bytes, (size_t)n);
        turn(w);
    }
}

/* The worker has read all that was said. */
static void settle(struct world *w, int fd)
{
    int unread = 1;
    TURN_UNTIL(w, ioctl(fd, SIOCOUTQ, &unread) == 0 && unread == 0);
    turn(w);
    turn(w);
}

/* What has arrived, until `want` bytes are there or the connection has ended: true. */
static bool hear(struct world *w, int fd, struct buf *heard, size_t want)
{
    int64_t until = clock_mono_ms() + WAIT_MS;
    while (heard->n < want) {
        char *at = buf_reserve(heard, 64 * 1024);
        ssize_t n = recv(fd, at, 64 * 1024, MSG_DONTWAIT);
        if (n == 0) return true;
        assert_true(n > 0 || errno == EAGAIN); /* never a reset */
        if (n > 0) heard->n += (size_t)n;
        assert_true(clock_mono_ms() < until);
        turn(w);
    }
    return false;
}

static void assert_heard(struct world *w, int fd, const char *want, bool end)
{
    struct buf heard;
    buf_init(&heard, 0);
    hear(w, fd, &heard, strlen(want));
    if (!str_eq(buf_str(&heard), str_of(want)))
        fail_msg("heard:\n%.*s\nwanted:\n%s", STR_ARG(buf_str(&heard)), want);
    assert_int_equal(hear(w, fd, &heard, heard.n + end), end);
    assert_int_equal(heard.n, strlen(want));
    buf_fini(&heard);
}

#define HOST      "Host: h\r\n"
#define H11       " HTTP/1.1\r\n" HOST
#define GET(path) "GET " path H11 "\r\n"
#define OK(n)     "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: " #n "\r\n"
#define CLOSE     "Connection: close\r\n"
#define STAY      "Connection: keep-alive\r\n"
#define REFUSED(line, n)                                                                           \
    "HTTP/1.1 " line "\r\nContent-Type: text/plain\r\nCache-Control: no-store\r\n"                 \
    "Content-Length: " #n "\r\n"
#define REFUSED_400                                                                                \
    REFUSED("400 Bad Request", 38) CLOSE "\r\nnot an HTTP/1.1 request by the letter\n"
#define REFUSED_413 REFUSED("413 Content Too Large", 21) CLOSE "\r\nthe body is too long\n"
#define REFUSED_408 REFUSED("408 Request Timeout", 26) CLOSE "\r\nthe request took too long\n"

static const struct {
    const char *said, *heard;
    bool end;
} talks[] = {
    {GET("/a?b"), OK(10) "\r\nGET /a b \n", false},
    {GET("/1") GET("/2"), OK(9) "\r\nGET /1  \n" OK(9) "\r\nGET /2  \n", false},
    {"HEAD /a" H11 "\r\n" GET("/2"), OK(10) "\r\n" OK(9) "\r\nGET /2  \n", false},
    {GET("/204"), "HTTP/1.1 204 No Content\r\nA: b\r\n\r\n", false},
    {"POST /b" H11 "Content-Length: 3\r\n\r\nabc" GET("/2"),
     OK(13) "\r\nPOST /b  abc\n" OK(9) "\r\nGET /2  \n", false},
    {"POST /b" H11
     "Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nT: t\r\n\r\n" GET("/2"),
     OK(13) "\r\nPOST /b  abc\n" OK(9) "\r\nGET /2  \n", false},
    {"\r\n" GET("/1") "\r\n\r\n", OK(9) "\r\nGET /1  \n", false},

    /* who closes, and who says so */
    {"GET /1" H11 CLOSE "\r\n" GET("/2"), OK(9) CLOSE "\r\nGET /1  \n", true},
    {"GET /1 HTTP/1.0\r\n\r\n", OK(9) CLOSE "\r\nGET /1  \n", true},
    {"GET /1 HTTP/1.0\r\n" STAY "\r\nGET /2 HTTP/1.0\r\n\r\n",
     OK(9) STAY "\r\nGET /1  \n" OK(9) CLOSE "\r\nGET /2  \n", true},
    {"GET /1" H11 "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n", OK(9) "\r\nGET /1  \n", false},

    /* refusals come in their turn and are the last word */
    {GET("/1") "GET /\n" GET("/2"), OK(9) "\r\nGET /1  \n" REFUSED_400, true},
    {"GET / HTTP/1.1\r\n\r\n", REFUSED_400, true},
    {"GET / HTTP/2.0\r\n\r\n",
     REFUSED("505 HTTP Version Not Supported", 22) CLOSE "\r\nonly HTTP/1.1 and 1.0\n", true},
    {"POST /b" H11 "Content-Length: 8193\r\n\r\n", REFUSED_413, true},
    {"POST /b" H11 "Expect: 100-continue\r\nContent-Length: 8193\r\n\r\n", REFUSED_413, true},
    {"POST /b" H11 "Transfer-Encoding: chunked\r\n\r\n2001\r\n", REFUSED_413, true},
    {"POST /b" H11 "Expect: wonders\r\n\r\n",
     REFUSED("417 Expectation Failed", 34) CLOSE "\r\nonly 100-continue can be expected\n", true},

    /* 100 */
    {GET("/1") "POST /b" H11 "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n",
     OK(9) "\r\nGET /1  \nHTTP/1.1 100 Continue\r\n\r\n", false},
    {"POST /b" H11 "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
     OK(13) "\r\nPOST /b  abc\n", false},
    {"POST /b HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n" STAY "\r\nabc",
     OK(13) STAY "\r\nPOST /b  abc\n", false},

    /* codings */
    {"POST /b" H11 "Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc" GET("/2"),
     REFUSED("400 Bad Request",
             36) "\r\nthe body is not gzip, or is damaged\n" OK(9) "\r\nGET /2  \n",
     false},
    {"POST /b" H11 "Content-Encoding: br\r\nContent-Length: 3\r\n\r\nabc",
     REFUSED("415 Unsupported Media Type", 24) "\r\nonly gzip is understood\n", false},
    {"POST /b" H11 "Content-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc",
     OK(13) "\r\nPOST /b  abc\n", false},
    {"POST /b" H11 "Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", OK(10) "\r\nPOST /b  \n",
     false},
    {"POST /b" H11 "Content-Length: 4\r\n\r\n\x1f\x8b\x08x",
     REFUSED("400 Bad Request", 36) "\r\nthe body is not gzip, or is damaged\n", false},
};

static void test_talks(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < COUNT(talks); i++) {
        int fd = dial(w);
        say(w, fd, str_of(talks[i].said));
        assert_heard(w, fd, talks[i].heard, talks[i].end);
        close(fd);
        TURN_UNTIL(w, http_connections(w->http) == 0);
    }
}

static void test_byte_by_byte(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < COUNT(talks); i++) {
        if (strstr(talks[i].said, "100-continue") != NULL) continue; /* its answer depends on it */
        int fd = dial(w);
        for (const char *p = talks[i].said; *p != '\0'; p++) {
            if (send(fd, p, 1, MSG_NOSIGNAL) != 1) break; /* refused before it was all said */
            turn(w);
        }
        assert_heard(w, fd, talks[i].heard, talks[i].end);
        close(fd);
        TURN_UNTIL(w, http_connections(w->http) == 0);
    }
}

static void test_continue(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    say(w, fd, STR("POST /b" H11 "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"));
    assert_heard(w, fd, "HTTP/1.1 100 Continue\r\n\r\n", false);
    say(w, fd, STR("a"));
    say(w, fd, STR("bc"));
    assert_heard(w, fd, OK(13) "\r\nPOST /b  abc\n", false);
    close(fd);
}

static void test_fields(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    say(w, fd,
        STR("GET http://u@real:1/ HTTP/1.1\r\nHost: other\r\nOrigin: o\r\nReferer: r\r\n"
            "User-Agent: ua\r\nContent-Type: ct\r\nAccept-Encoding: ae\r\nAccept-Language: al\r\n"
            "If-None-Match: inm\r\nX-Forwarded-For: 1.1.1.1\r\nCookie: c\r\nDNT: 1\r\n"
            "Sec-GPC: 1\r\nAccess-Control-Request-Method: m\r\n"
            "Access-Control-Request-Headers: hs\r\nX-Forwarded-For: 2.2.2.2\r\n\r\n"));
    TURN_UNTIL(w, w->handled == 1);
    assert_true(
        str_eq(buf_str(&w->last), STR("real:1|o|r|ua|ct|ae|al|inm|1.1.1.1, 2.2.2.2|c|1|1|m|hs|")));
    say(w, fd, STR(GET("/")));
    TURN_UNTIL(w, w->handled == 2); /* nothing of the first is left */
    assert_true(str_eq(buf_str(&w->last), STR("h||||||||||||||")));
    close(fd);
}

static void test_not_stored(void **state)
{
    struct world *w = *state;
    int a = dial(w), b = dial(w);
    w->stored = false;
    say(w, a, STR(GET("/1") GET("/store") "HEAD /store" H11 "\r\n" GET("/2")));
    say(w, b, STR(GET("/store")));
    assert_heard(w, a,
                 OK(9) "\r\nGET /1  \n"
                       "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
                       "Content-Length: 5\r\n\r\nlost\n"
                       "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
                       "Content-Length: 5\r\n\r\n" OK(9) "\r\nGET /2  \n",
                 false);
    assert_heard(w, b,
                 "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
                 "Content-Length: 5\r\n\r\nlost\n",
                 false);
    w->stored = true;
    say(w, a, STR(GET("/store")));
    assert_heard(w, a, OK(13) "\r\nGET /store  \n", false);
    close(a);
    close(b);
}

/* No reply leaves before the turn's end. */
static void test_store_then_reply(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    char c;
    assert_int_equal(send(fd, GET("/store"), strlen(GET("/store")), 0), strlen(GET("/store")));
    int64_t until = clock_mono_ms() + WAIT_MS;
    while (w->handled == 0) {
        assert_true(clock_mono_ms() < until);
        event_base_loop(w->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    }
    assert_int_equal(send(fd, GET("/2"), strlen(GET("/2")), 0), strlen(GET("/2")));
    event_base_loop(w->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    assert_int_equal(w->handled, 1); /* its next request waits for the next turn */
    assert_int_equal(recv(fd, &c, 1, MSG_DONTWAIT), -1);
    http_send_staged(w->http, true);
    assert_heard(w, fd, OK(13) "\r\nGET /store  \n" OK(9) "\r\nGET /2  \n", false);
    close(fd);
}

static void test_pipeline_is_fair(void **state)
{
    struct world *w = *state;
    enum { N = 500 };
    struct buf said, want, heard;
    buf_init(&said, 0);
    buf_init(&want, 0);
    buf_init(&heard, 0);
    int a = dial(w), b = dial(w);
    for (int i = 0; i < N; i++) {
        buf_printf(&said, GET("/%d"), 1000 + i);
        buf_printf(&want, OK(12) "\r\nGET /%d  \n", 1000 + i);
    }
    assert_int_equal(send(a, said.p, said.n, 0), said.n);
    TURN_UNTIL(w, w->handled > 0);
    unsigned first = w->handled;
    assert_true(first < 100);
    assert_int_equal(send(b, GET("/b"), strlen(GET("/b")), 0), strlen(GET("/b")));
    hear(w, b, &heard, 1); /* b is answered before all of a is */
    assert_true(w->handled < N);
    buf_clear(&heard);
    hear(w, a, &heard, want.n);
    assert_true(str_eq(buf_str(&heard), buf_str(&want)));
    assert_int_equal(w->handled, N + 1);
    assert_int_equal(metrics_get(w->metrics, M_REQUESTS, 0), N + 1);
    close(a);
    close(b);
    buf_fini(&said);
    buf_fini(&want);
    buf_fini(&heard);
}

/* Sends requests for big replies, reads none of them, until the worker stops reading. */
static unsigned stuff(struct world *w, int fd)
{
    unsigned handled = 0, same = 0;
    while (same < 50) {
        if (send(fd, GET("/big"), strlen(GET("/big")), MSG_DONTWAIT) < 0) break;
        turn(w);
        same = w->handled == handled ? same + 1 : 0;
        handled = w->handled;
    }
    return handled;
}

static void test_slow_reader(void **state)
{
    struct world *w = *state;
    struct buf heard;
    buf_init(&heard, 0);
    int fd = dial(w), small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    unsigned handled = stuff(w, fd);
    assert_true(handled < 500); /* or our memory would grow with what it asks */
    pass(w, 4999);
    assert_int_equal(http_connections(w->http), 1);
    hear(w, fd, &heard, (size_t)(handled + 1) * BIG_BYTES); /* goes on when it reads again */
    assert_true(w->handled > handled);
    pass(w, 4999);
    assert_int_equal(http_connections(w->http), 1);
    stuff(w, fd);
    pass(w, 5000);
    assert_int_equal(http_connections(w->http), 0);
    close(fd);
    buf_fini(&heard);
}

static void test_half_close(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    assert_int_equal(send(fd, GET("/1") GET("/2"), strlen(GET("/1") GET("/2")), 0),
                     strlen(GET("/1") GET("/2")));
    shutdown(fd, SHUT_WR);
    assert_heard(w, fd, OK(9) "\r\nGET /1  \n" OK(9) "\r\nGET /2  \n", true);
    close(fd);
    fd = dial(w);
    say(w, fd, STR("GET /1"));
    shutdown(fd, SHUT_WR);
    assert_heard(w, fd, "", true);
    close(fd);
    assert_int_equal(http_connections(w->http), 0);
}

static void test_time_outs(void **state)
{
    static const struct {
        const char *said;
        int64_t alive_ms, over_ms;
        const char *heard;
    } rows[] = {
        {"", 9999, 10000, ""},
        {"\r\n", 9999, 10000, ""},
        {"G", 999, 1000, REFUSED_408},
        {"GET /" H11, 999, 1000, REFUSED_408},
        {"POST /" H11 "Content-Length: 2\r\n\r\na", 2999, 3000, REFUSED_408},
        {"POST /" H11 "Transfer-Encoding: chunked\r\n\r\n2\r\na", 2999, 3000, REFUSED_408},
    };
    struct world *w = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        pass(w, 1);
        int fd = dial(w);
        say(w, fd, str_of(rows[i].said));
        settle(w, fd);
        pass(w, rows[i].alive_ms);
        assert_heard(w, fd, "", false);
        assert_int_equal(http_connections(w->http), 1);
        pass(w, rows[i].over_ms - rows[i].alive_ms);
        assert_heard(w, fd, rows[i].heard, true);
        close(fd);
        TURN_UNTIL(w, http_connections(w->http) == 0);
    }
    assert_int_equal(refused(w, HTTP_REFUSED_SLOW), 4);
}

/* Drops of bytes do not buy time; a request does. */
static void test_dripping(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    say(w, fd, STR(GET("/1")));
    assert_heard(w, fd, OK(9) "\r\nGET /1  \n", false);
    pass(w, 9000);
    say(w, fd, STR(GET("/1")));
    assert_heard(w, fd, OK(9) "\r\nGET /1  \n", false);
    pass(w, 9000);
    say(w, fd, STR("GE"));
    settle(w, fd);
    pass(w, 600);
    say(w, fd, STR("T /"));
    settle(w, fd);
    pass(w, 600);
    assert_heard(w, fd, REFUSED_408, true);
    close(fd);
}

static void test_linger(void **state)
{
    struct world *w = *state;
    static char more[100 * 1000];
    int fd = dial(w);
    say(w, fd, STR("POST /b" H11 "Content-Length: 100000\r\n\r\n"));
    say(w, fd, (struct str){more, sizeof more}); /* read and thrown away: no reset */
    assert_heard(w, fd, REFUSED_413, true);
    assert_int_equal(http_connections(w->http), 1);
    close(fd);
    TURN_UNTIL(w, http_connections(w->http) == 0);

    fd = dial(w); /* one that never closes */
    say(w, fd, STR("\n"));
    assert_heard(w, fd, REFUSED_400, true);
    assert_int_equal(http_connections(w->http), 1);
    pass(w, 2000);
    assert_int_equal(http_connections(w->http), 0);
    close(fd);

    fd = dial(w); /* one that never stops */
    say(w, fd, STR("\n"));
    TURN_UNTIL(w, send(fd, more, sizeof more, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN);
    assert_int_equal(http_connections(w->http), 0);
    close(fd);
}

static void test_connections_max(void **state)
{
    struct world *w = *state;
    int fd[9];
    for (int i = 0; i < 8; i++)
        fd[i] = dial(w);
    assert_int_equal(http_connections(w->http), 8);
    assert_int_equal(metrics_get(w->metrics, M_CONNECTIONS, 0), 8);
    fd[8] = dial(w);
    assert_heard(w, fd[8],
                 REFUSED("503 Service Unavailable", 21) CLOSE "\r\ntoo many connections\n", true);
    assert_int_equal(refused(w, HTTP_REFUSED_CONNECTION), 1);
    close(fd[0]);
    TURN_UNTIL(w, http_connections(w->http) == 7);
    fd[0] = dial(w);
    say(w, fd[0], STR(GET("/1")));
    assert_heard(w, fd[0], OK(9) "\r\nGET /1  \n", false);
    for (int i = 0; i < 9; i++)
        close(fd[i]);
    TURN_UNTIL(w, metrics_get(w->metrics, M_CONNECTIONS, 0) == 0);
    assert_int_equal(metrics_get(w->metrics, M_ACCEPTED, 0), 9);
}

static size_t zip(struct str plain, char *out, size_t room)
{
    z_stream z = {.next_in = (unsigned char *)plain.p,
                  .avail_in = (unsigned)plain.n,
                  .next_out = (unsigned char *)out,
                  .avail_out = (unsigned)room};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

static void test_gzip(void **state)
{
    static const struct {
        const char *headers;
        size_t a, b; /* bytes in the two members */
        enum http_refusal why;
    } rows[] = {
        {"", 100, 200, HTTP_REFUSALS},
        {"Content-Encoding: gzip\r\n", 100, 200, HTTP_REFUSALS},
        {"Content-Encoding: identity\r\n", 100, 200, HTTP_REFUSALS},
        {"", BODY_MAX, 0, HTTP_REFUSALS},
        {"", BODY_MAX, 1, HTTP_REFUSED_BODY},
        {"", 16 * BODY_MAX, 0, HTTP_REFUSED_BODY},
    };
    struct world *w = *state;
    static char plain[16 * BODY_MAX], zipped[2 * BODY_MAX], said[4 * BODY_MAX];
    memset(plain, 'z', sizeof plain);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf heard;
        unsigned handled = w->handled;
        int64_t refusals = refused(w, HTTP_REFUSED_BODY);
        buf_init(&heard, 0);
        size_t n = zip((struct str){plain, rows[i].a}, zipped, BODY_MAX);
        n += zip((struct str){plain, rows[i].b}, zipped + n, BODY_MAX);
        int head = sprintf(said, "POST /b" H11 "%sContent-Length: %zu\r\n\r\n", rows[i].headers, n);
        memcpy(said + head, zipped, n);
        int fd = dial(w);
        say(w, fd, (struct str){said, (size_t)head + n});
        bool taken = rows[i].why == HTTP_REFUSALS;
        size_t whole = rows[i].a + rows[i].b;
        hear(w, fd, &heard, taken ? whole : 100);
        assert_int_equal(w->handled - handled, taken ? 1 : 0);
        assert_int_equal(refused(w, HTTP_REFUSED_BODY) - refusals, taken ? 0 : 1);
        if (taken) assert_int_equal(w->body.n, strlen("POST /b  \n") + whole);
        close(fd);
        buf_fini(&heard);
    }
}

/* A mixed stream, cut anywhere, pipelined: always the same replies. */
static void test_any_cut(void **state)
{
    static const char said[] = GET("/1") "POST /b" H11 "Content-Length: 5\r\n\r\nhello"
                                         "POST /c" H11 "Transfer-Encoding: chunked\r\n\r\n"
                                         "3\r\nabc\r\n10;x\r\n0123456789abcdef\r\n0\r\n\r\n\r\n"
                                         "HEAD /d" H11 "\r\n" GET("/store");
    static const char want[] = OK(9) "\r\nGET /1  \n" OK(15) "\r\nPOST /b  hello\n" OK(
        29) "\r\nPOST /c  abc0123456789abcdef\n" OK(10) "\r\n" OK(13) "\r\nGET /store  \n";
    struct world *w = *state;
    for (size_t cut = 1; cut < sizeof said - 1; cut++) {
        int fd = dial(w);
        say(w, fd, (struct str){said, cut});
        turn(w);
        say(w, fd, (struct str){said + cut, sizeof said - 1 - cut});
        assert_heard(w, fd, want, false);
        close(fd);
        TURN_UNTIL(w, http_connections(w->http) == 0);
    }
}

static void test_reset(void **state)
{
    struct world *w = *state;
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    int idle = dial(w), asking = dial(w), stuffed = dial(w);
    say(w, asking, STR("POST /" H11 "Content-Length: 9\r\n\r\n"));
    stuff(w, stuffed);
    int fds[] = {idle, asking, stuffed};
    for (size_t i = 0; i < COUNT(fds); i++) {
        setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        close(fds[i]);
    }
    TURN_UNTIL(w, http_connections(w->http) == 0);
}

static void test_drain(void **state)
{
    struct world *w = *state;
    int idle = dial(w), half = dial(w);
    say(w, half, STR("GET /1" H11));
    settle(w, half);
    http_drain(w->http);
    assert_heard(w, idle, "", true);
    say(w, half, STR("\r\n" GET("/2")));
    assert_heard(w, half, OK(9) CLOSE "\r\nGET /1  \n", true);
    close(idle);
    close(half);
    TURN_UNTIL(w, http_connections(w->http) == 0);
    http_stop_listening(w->http);
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)w->port),
                            .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), -1);
    close(fd);
}

/* Freed with connections in every phase, one of them with a reply staged. */
static void test_freed_midway(void **state)
{
    struct world *w = *state;
    int idle = dial(w), half = dial(w), stuffed = dial(w), lingering = dial(w), staged = dial(w);
    say(w, half, STR("GET /1" H11));
    stuff(w, stuffed);
    say(w, lingering, STR("\n"));
    assert_heard(w, lingering, REFUSED_400, true);
    unsigned handled = w->handled;
    assert_int_equal(send(staged, GET("/"), strlen(GET("/")), 0), strlen(GET("/")));
    int64_t until = clock_mono_ms() + WAIT_MS;
    while (w->handled == handled) {
        assert_true(clock_mono_ms() < until);
        event_base_loop(w->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    }
    http_free(w->http);
    w->http = NULL;
    assert_int_equal(metrics_get(w->metrics, M_CONNECTIONS, 0), 0);
    int fds[] = {idle, half, stuffed, lingering, staged};
    for (size_t i = 0; i < COUNT(fds); i++)
        close(fds[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_talks),       TEST(test_byte_by_byte),
        TEST(test_continue),    TEST(test_fields),
        TEST(test_not_stored),  TEST(test_store_then_reply),
        TEST(test_any_cut),     TEST(test_pipeline_is_fair),
        TEST(test_slow_reader), TEST(test_half_close),
        TEST(test_time_outs),   TEST(test_dripping),
        TEST(test_linger),      TEST(test_connections_max),
        TEST(test_gzip),        TEST(test_reset),
        TEST(test_drain),       TEST(test_freed_midway),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
