/*
 * Heads and chunked bodies. Each input is parsed in one piece, byte by byte, and cut in two at
 * every place, each time at the end of a readable page and at another address: the outcome must
 * not depend on it. Then the requests of two public suites; where we judge otherwise than they do,
 * a row says why.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "guard.h"
#include "http_request.h"
#include "http_vectors.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const struct http_limits limits = {
    .head_max_bytes = 16 * 1024,
    .body_max_bytes = 64 * 1024,
    .headers_max = 64,
};

struct outcome {
    unsigned requests;
    enum end end;
    int status;      /* of BAD */
    char seen[2048]; /* METHOD path?query body; of each request */
};

static void note(struct outcome *o, const struct http_request *req)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "OPTIONS", "OTHER"};
    size_t n = strlen(o->seen);
    snprintf(o->seen + n, sizeof o->seen - n, "%s %.*s%s%.*s %.*s;", names[req->method],
             STR_ARG(req->path), req->query.n > 0 ? "?" : "", STR_ARG(req->query),
             STR_ARG(req->body));
    o->requests++;
}

/* What is left of the stream after the whole requests in it. */
static struct str take_whole(struct http_incoming *r, struct http_desk *desk, struct str in,
                             struct outcome *o)
{
    o->end = CLEAN;
    while (in.n > 0) {
        struct http_request req;
        size_t used = 0;
        enum http_incoming_result got = http_incoming_take(r, &limits, (char *)in.p, &in.n, &used);
        if (got == HTTP_INCOMING_REFUSED) {
            o->end = BAD;
            o->status = http_refused(r->why)->status;
            return in;
        }
        if (got == HTTP_INCOMING_MORE) {
            o->end = r->head_n > 0 || http_head_begun(&r->head) ? PARTIAL : CLEAN;
            return in;
        }
        assert_true(http_incoming_read(r, &limits, in.p, desk, &req));
        note(o, &req);
        in = str_from(in, used);
        if (!r->head.keep_alive) {
            o->end = CLOSED;
            return in;
        }
        http_incoming_init(r);
    }
    return in;
}

/* The stream arrives with a cut after `first` bytes and after each further `piece`. */
static struct outcome arrive(struct str all, size_t first, size_t piece)
{
    struct outcome o = {.end = CLEAN};
    struct http_incoming r;
    struct http_desk desk;
    char *rest = malloc(all.n + 1);
    size_t rest_n = 0, at = 0;
    http_incoming_init(&r);
    assert_true(http_desk_init(&desk, &limits));
    for (size_t n = first; at < all.n && o.end != BAD && o.end != CLOSED; at += n, n = piece) {
        if (n > all.n - at) n = all.n - at;
        memcpy(rest + rest_n, all.p + at, n);
        struct guard g = guard_copy((struct str){rest, rest_n + n});
        struct str left = take_whole(&r, &desk, g.s, &o);
        rest_n = left.n;
        if (left.n > 0) memcpy(rest, left.p, left.n);
        guard_free(&g);
    }
    http_desk_fini(&desk);
    free(rest);
    return o;
}

static void assert_same(const struct outcome *a, const struct outcome *b)
{
    assert_int_equal(a->requests, b->requests);
    assert_int_equal(a->end, b->end);
    assert_int_equal(a->status, b->status);
    assert_string_equal(a->seen, b->seen);
}

static struct outcome arrive_in_every_way(struct str all)
{
    struct outcome whole = arrive(all, all.n, 1), bytewise = arrive(all, 1, 1);
    assert_same(&whole, &bytewise);
    for (size_t cut = 1; cut < all.n; cut++) {
        struct outcome cut_in_two = arrive(all, cut, all.n);
        assert_same(&whole, &cut_in_two);
    }
    return whole;
}

#define HOST "Host: h\r\n"
#define H11  " HTTP/1.1\r\n" HOST

static const struct {
    const char *in;
    enum end end;
    int status;
    const char *seen;
} streams[] = {
    {"GET /a?b" H11 "\r\n", CLEAN, 0, "GET /a?b ;"},
    {"HEAD /" H11 "\r\nOPTIONS *" H11 "\r\nBREW /" H11 "\r\n", CLEAN, 0,
     "HEAD / ;OPTIONS * ;OTHER / ;"},
    {"get /" H11 "\r\n", CLEAN, 0, "OTHER / ;"}, /* methods have a case */
    {"POST /b" H11 "Content-Length: 3\r\n\r\nabcGET /" H11 "\r\n", CLEAN, 0, "POST /b abc;GET / ;"},
    {"POST /b" H11 "content-length:003 \r\n\r\nab", PARTIAL, 0, ""},
    {"POST /b" H11 "Content-Length: 0\r\n\r\n", CLEAN, 0, "POST /b ;"},

    /* the end of a connection */
    {"GET /" H11 "Connection: close\r\n\r\nGET /" H11 "\r\n", CLOSED, 0, "GET / ;"},
    {"GET /" H11 "Connection: x, CLOSE\r\n\r\n", CLOSED, 0, "GET / ;"},
    {"GET /" H11 "Connection: close\r\nConnection: keep-alive\r\n\r\n", CLOSED, 0, "GET / ;"},
    {"GET /" H11 "Connection: closed\r\n\r\n", CLEAN, 0, "GET / ;"},
    {"GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n", CLOSED, 0, "GET / ;"},
    {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", CLEAN, 0, "GET / ;"},
    {"GET /" H11 "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n", CLEAN, 0, "GET / ;"},
    {"CONNECT h:443" H11 "\r\nbytes", CLOSED, 0, "OTHER / ;"},

    /* targets */
    {"GET http://h/p?q" H11 "\r\n", CLEAN, 0, "GET /p?q ;"},
    {"GET HTTPS://u:p@h:1?q" H11 "\r\n", CLEAN, 0, "GET /?q ;"},
    {"GET http://h" H11 "\r\n", CLEAN, 0, "GET / ;"},
    {"GET http:///p" H11 "\r\n", BAD, 400, ""},
    {"GET ftp://h/p" H11 "\r\n", BAD, 400, ""},
    {"GET p" H11 "\r\n", BAD, 400, ""},
    {"GET /a?b?c#d" H11 "\r\n", CLEAN, 0, "GET /a?b?c ;"},
    {"GET #d" H11 "\r\n", BAD, 400, ""},
    {"GET /\xc3\xa9" H11 "\r\n", BAD, 400, ""},
    {"GET /12345678\x7f" H11 "\r\n", BAD, 400, ""},
    {"GET /123456\x1f" H11 "\r\n", BAD, 400, ""},
    {"GET /\t" H11 "\r\n", BAD, 400, ""},

    /* the request line */
    {"GET  /" H11 "\r\n", BAD, 400, ""},
    {"GET / " H11 "\r\n", BAD, 400, ""},
    {" GET /" H11 "\r\n", BAD, 400, ""},
    {"GET\t/" H11 "\r\n", BAD, 400, ""},
    {"G(T /" H11 "\r\n", BAD, 400, ""},
    {"GET /\r\n\r\n", BAD, 400, ""}, /* HTTP/0.9 */
    {"GET / HTTP/1.1 \r\n" HOST "\r\n", BAD, 400, ""},
    {"GET / HTTP/1.1\n" HOST "\r\n", BAD, 400, ""},
    {"GET / http/1.1\r\n" HOST "\r\n", BAD, 400, ""},
    {"GET / HTTP/11\r\n" HOST "\r\n", BAD, 400, ""},
    {"GET / HTTP/1.10\r\n" HOST "\r\n", BAD, 400, ""},
    {"GET / HTTP/1.2\r\n", BAD, 505, ""},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BAD, 505, ""},
    {"GET / HTTP/0.9\r\n", BAD, 505, ""},
    {"aaaaaaaabbbbbbbbccccccccdddddddd /" H11 "\r\n", CLEAN, 0, "OTHER / ;"},
    {"aaaaaaaabbbbbbbbccccccccdddddddde /" H11 "\r\n", BAD, 400, ""},

    /* empty lines before a request, and only there */
    {"\r\n\r\nGET /" H11 "\r\n\r\n", CLEAN, 0, "GET / ;"},
    {"\r\n", CLEAN, 0, ""},
    {"\r", PARTIAL, 0, ""},
    {"\nGET /" H11 "\r\n", BAD, 400, ""},
    {"\r\rGET /" H11 "\r\n", BAD, 400, ""},
    {"GET / HTTP/1.1\r\n\r\n" HOST "\r\n", BAD, 400, ""},

    /* headers */
    {"GET / HTTP/1.1\r\n\r\n", BAD, 400, ""}, /* no Host */
    {"GET /" H11 HOST "\r\n", BAD, 400, ""},
    {"GET / HTTP/1.0\r\n" HOST HOST "\r\n", BAD, 400, ""},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", CLEAN, 0, "GET / ;"},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", BAD, 400, ""},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", BAD, 400, ""},
    {"GET / HTTP/1.1\r\nHOST: [::1]:80\r\n\r\n", CLEAN, 0, "GET / ;"},
    {"GET /" H11 "A : b\r\n\r\n", BAD, 400, ""},
    {"GET /" H11 " A: b\r\n\r\n", BAD, 400, ""},
    {"GET /" H11 "A: b\r\n c\r\n\r\n", BAD, 400, ""},
    {"GET /" H11 "A: b\nC: d\r\n\r\n", BAD, 400, ""},
    {"GET /" H11 "A: b\rC: d\r\n\r\n", BAD, 400, ""},
    {"GET /" H11 "A: b\r\n\n", BAD, 400, ""},
    {"GET /" H11 "A: b\r\n\rX", BAD, 400, ""},
    {"GET /" H11 "A\r\n\r\n", BAD, 400, ""},
    {"GET /" H11 ": b\r\n\r\n", BAD, 400, ""},
    {"GET /" H11 "A(: b\r\n\r\n", BAD, 400, ""},
    {"GET /" H11 "A: 1234567\x01\r\n\r\n", BAD, 400, ""},
    {"GET /" H11 "A: 1234\x7f\r\n\r\n", BAD, 400, ""},
    {"GET /" H11 "A:\r\nB: \t \r\nC: \xe9\xff 12345678\t12345678\r\n\r\n", CLEAN, 0, "GET / ;"},

    /* where a body ends */
    {"POST /" H11 "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", BAD, 400, ""},
    {"POST /" H11 "Content-Length: 1, 1\r\n\r\na", BAD, 400, ""},
    {"POST /" H11 "Content-Length: +1\r\n\r\na", BAD, 400, ""},
    {"POST /" H11 "Content-Length: -1\r\n\r\na", BAD, 400, ""},
    {"POST /" H11 "Content-Length: 0x1\r\n\r\na", BAD, 400, ""},
    {"POST /" H11 "Content-Length:\r\n\r\n", BAD, 400, ""},
    {"POST /" H11 "Content-Length: 18446744073709551617\r\n\r\na", BAD, 400, ""},
    {"POST /" H11 "Content-Length: 9223372036854775807\r\n\r\n", BAD, 400, ""},
    {"POST /" H11 "Content-Length: 65537\r\n\r\n", BAD, 413, ""},
    {"POST /" H11 "Content-Length: 65536\r\n\r\n", PARTIAL, 0, ""},
    {"POST /" H11 "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", BAD, 400, ""},
    {"POST /" H11 "Transfer-Encoding: gzip, chunked\r\n\r\n", BAD, 400, ""},
    {"POST /" H11 "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", BAD, 400, ""},
    {"POST /" H11 "Transfer-Encoding: identity\r\n\r\n", BAD, 400, ""},
    {"POST /" H11 "Transfer-Encoding:\r\n\r\n", BAD, 400, ""},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD, 400, ""},
    {"POST /" H11 "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\na", CLEAN, 0, "POST / a;"},
    {"POST /" H11 "Expect: tea\r\n\r\n", BAD, 417, ""},
};

static void test_streams(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(streams); i++) {
        struct outcome o = arrive_in_every_way(str_of(streams[i].in));
        if (o.end != streams[i].end || o.status != streams[i].status ||
            strcmp(o.seen, streams[i].seen) != 0)
            fail_msg("%s\n-> end %d status %d %s", streams[i].in, o.end, o.status, o.seen);
    }
}

#define CHUNKED "POST /" H11 "Transfer-Encoding: Chunked\r\n\r\n"

static const struct {
    const char *body;
    enum end end;
    int status;
    const char *seen;
} chunked[] = {
    {"0\r\n\r\n", CLEAN, 0, "POST / ;"},
    {"3\r\nabc\r\n0\r\n\r\n", CLEAN, 0, "POST / abc;"},
    {"1\r\na\r\n00A\r\n0123456789\r\n000\r\n\r\nGET /" H11 "\r\n", CLEAN, 0,
     "POST / a0123456789;GET / ;"},
    {"3;a;b=c;d=\"\\\"; \\\\\"\r\nabc\r\n0;x\r\n\r\n", CLEAN, 0, "POST / abc;"},
    {"1\r\na\r\n0\r\nA: b\r\nContent-Length: 7\r\n\r\nGET /" H11 "\r\n", CLEAN, 0,
     "POST / a;GET / ;"},
    {"3\r\nabc\r\n0\r\n", PARTIAL, 0, ""},
    {"3\r\nab", PARTIAL, 0, ""},
    {"\r\n", BAD, 400, ""},
    {"g\r\n", BAD, 400, ""},
    {"-1\r\n", BAD, 400, ""},
    {"0x1\r\na\r\n", BAD, 400, ""},
    {" 1\r\na\r\n", BAD, 400, ""},
    {"1 \r\na\r\n", BAD, 400, ""},
    {"1\na\r\n", BAD, 400, ""},
    {"1\r\rna\r\n", BAD, 400, ""},
    {"1\r\nab\r\n", BAD, 400, ""},
    {"1\r\na\n", BAD, 400, ""},
    {"1\r\na\rb", BAD, 400, ""},
    {"1;\r\na\r\n", BAD, 400, ""},
    {"1;a=\r\na\r\n", BAD, 400, ""},
    {"1; a\r\na\r\n", BAD, 400, ""},
    {"1;a=\"b\r\na\r\n", BAD, 400, ""},
    {"1;a=\"b\"c\r\na\r\n", BAD, 400, ""},
    {"1;a=b=c\r\na\r\n", BAD, 400, ""},
    {"0\r\n A: b\r\n\r\n", BAD, 400, ""},
    {"0\r\nA : b\r\n\r\n", BAD, 400, ""},
    {"0\r\nA: b\n\r\n", BAD, 400, ""},
    {"0\r\n\n", BAD, 400, ""},
    {"10000\r\n", PARTIAL, 0, ""},
    {"10001\r\n", BAD, 413, ""},
    {"1\r\na\r\n10000\r\n", BAD, 413, ""},
    {"fffffffffffffff\r\n", BAD, 413, ""},
    {"0000000000000001\r\n", BAD, 400, ""}, /* 16 digits */
};

static void test_chunked(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(chunked); i++) {
        char in[512];
        snprintf(in, sizeof in, CHUNKED "%s", chunked[i].body);
        struct outcome o = arrive_in_every_way(str_of(in));
        if (o.end != chunked[i].end || o.status != chunked[i].status ||
            strcmp(o.seen, chunked[i].seen) != 0)
            fail_msg("%s\n-> end %d status %d %s", chunked[i].body, o.end, o.status, o.seen);
    }
}

/* A stream of `n` times the byte c between two texts. */
static struct outcome arrive_padded(const char *before, char c, size_t n, const char *after)
{
    size_t b = strlen(before), a = strlen(after);
    char *all = malloc(b + n + a);
    memcpy(all, before, b);
    memset(all + b, c, n);
    memcpy(all + b + n, after, a);
    struct outcome whole = arrive((struct str){all, b + n + a}, b + n + a, 1);
    struct outcome pieces = arrive((struct str){all, b + n + a}, 1, 7);
    free(all);
    assert_same(&whole, &pieces);
    return whole;
}

static void test_limits(void **state)
{
    (void)state;
    const size_t head = (size_t)limits.head_max_bytes;
    const size_t line = strlen("GET /" H11 "\r\n"), field = strlen("GET /" H11 "A: \r\n\r\n");

    assert_int_equal(arrive_padded("GET /", 'a', head - line, H11 "\r\n").end, CLEAN);
    assert_int_equal(arrive_padded("GET /", 'a', head - line + 1, H11 "\r\n").status, 431);
    assert_int_equal(arrive_padded("GET /", 'a', head, H11 "\r\n").status, 414);
    assert_int_equal(arrive_padded("GET /", 'a', head - 5, "").end, PARTIAL);
    assert_int_equal(arrive_padded("GET /" H11 "A: ", 'a', head - field, "\r\n\r\n").end, CLEAN);
    assert_int_equal(arrive_padded("GET /" H11 "A: ", 'a', head - field + 1, "\r\n\r\n").status,
                     431);
    assert_int_equal(arrive_padded("GET /" H11 "A", 'a', head, ": b\r\n\r\n").status, 431);
    /* empty lines before it are no part of a head */
    assert_int_equal(arrive_padded("\r\n\r\nGET /", 'a', head - line, H11 "\r\n").end, CLEAN);

    assert_int_equal(
        arrive_padded(CHUNKED "1;", 'a', HTTP_CHUNK_EXTRA_MAX_BYTES - 1, "\r\na\r\n0\r\n\r\n").end,
        BAD); /* name, CR and the rest of the lines: over by a few */
    assert_int_equal(
        arrive_padded(CHUNKED "1;", 'a', HTTP_CHUNK_EXTRA_MAX_BYTES - 8, "\r\na\r\n0\r\n\r\n").end,
        CLEAN);
    assert_int_equal(arrive_padded(CHUNKED "0\r\nA: ", 'a', HTTP_CHUNK_EXTRA_MAX_BYTES, "").status,
                     431);
}

static void test_header_count(void **state)
{
    (void)state;
    char in[1024] = "GET /" H11;
    for (int i = 1; i < limits.headers_max; i++)
        strcat(in, "A: b\r\n");
    size_t full = strlen(in);
    strcat(in, "\r\n");
    assert_int_equal(arrive_in_every_way(str_of(in)).end, CLEAN);
    strcpy(in + full, "A: b\r\n\r\n");
    assert_int_equal(arrive_in_every_way(str_of(in)).status, 431);
}

static void test_header_names(void **state)
{
    (void)state;
    for (enum http_header id = 0; id < HTTP_HEADERS; id++) {
        struct http_head h;
        char in[256];
        struct str name = http_header_name(id);
        const char *value = id == HTTP_CONTENT_LENGTH      ? "7"
                            : id == HTTP_TRANSFER_ENCODING ? "chunked"
                            : id == HTTP_EXPECT            ? "100-continue"
                                                           : "value";
        int n = snprintf(in, sizeof in, "GET / HTTP/1.1\r\n%s%.*s: \t%s \r\n\r\n",
                         id == HTTP_HOST ? "" : HOST, STR_ARG(name), value);
        http_head_init(&h);
        assert_int_equal(http_head_parse(&h, str_of(in), 1024, 8), n);
        assert_true(str_eq(http_head_str(in, h.header[id]), str_of(value)));
        assert_int_equal(h.repeats[id], 1);
    }
}

static void test_repeated_header(void **state)
{
    (void)state;
    const char *in = "GET / HTTP/1.1\r\nX-Forwarded-For: 1.1.1.1\r\n" HOST "x-forwarded-for: \r\n"
                     "X-Forwarded-For:2.2.2.2, 3.3.3.3\r\nX-Forwarded-Fox: no\r\n\r\n";
    struct http_incoming r;
    struct http_desk desk;
    struct http_request req;
    size_t n = strlen(in), used = 0;
    char *copy = strdup(in);
    http_incoming_init(&r);
    assert_true(http_desk_init(&desk, &limits));
    assert_int_equal(http_incoming_take(&r, &limits, copy, &n, &used), HTTP_INCOMING_WHOLE);
    assert_int_equal(used, n);
    assert_true(http_incoming_read(&r, &limits, copy, &desk, &req));
    assert_true(str_eq(req.forwarded_for, STR("1.1.1.1, , 2.2.2.2, 3.3.3.3")));
    http_desk_fini(&desk);
    free(copy);
}

/* ../shared/suites, when it is there. */

static bool read_file(const char *path, char **out, size_t *n)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) return false;
    *out = malloc(256 * 1024);
    *n = fread(*out, 1, 256 * 1024 - 1, f);
    (*out)[*n] = '\0';
    fclose(f);
    return true;
}

/* The suites' requests mostly have no Host, which HTTP/1.1 demands: it is put in. */
static struct str with_host(struct str in, char **own)
{
    static const char line[] = " HTTP/1.1\r\n";
    char *out = *own = malloc(in.n * 2 + 64), *p = out;
    bool has = false;
    for (size_t i = 0; i + 5 < in.n; i++)
        has |= str_ieq((struct str){in.p + i, 5}, STR("host:"));
    while (in.n > 0) {
        size_t n = !has && str_starts(in, str_of(line)) ? strlen(line) : 1;
        memcpy(p, in.p, n);
        p += n;
        in = str_from(in, n);
        if (n > 1) p = mempcpy(p, HOST, strlen(HOST));
    }
    return (struct str){out, (size_t)(p - out)};
}

static const struct deviation *deviation_of(const struct deviation *list, size_t n,
                                            const char *file)
{
    for (size_t i = 0; i < n; i++) {
        if (strncmp(list[i].number, file, strlen(list[i].number)) == 0) return &list[i];
    }
    return NULL;
}

/* One line of an index.tsv, cut into its columns. */
static size_t cut_columns(char *line, char *column[], size_t max)
{
    size_t n = 0;
    while (n < max && line != NULL)
        column[n++] = strsep(&line, "\t\n");
    return n;
}

static bool as_llhttp_says(char *const column[], const struct outcome *o)
{
    const char *outcome = column[4], *code = column[5];
    unsigned messages = (unsigned)atoi(column[8]);
    if (strcmp(outcome, "error") == 0 && strcmp(code, "5") == 0) /* bytes behind a last request */
        return o->end == CLOSED && o->requests == messages;
    if (strcmp(outcome, "error") == 0) return o->end == BAD;
    if (strcmp(outcome, "complete") == 0) return o->end != BAD && o->requests == messages;
    if (strcmp(outcome, "upgrade/pause") == 0) return o->requests >= messages; /* never upgraded */
    return o->end == PARTIAL && o->requests == messages;
}

static bool as_picohttpparser_says(char *const column[], const struct outcome *o)
{
    if (strcmp(column[1], "accept") == 0) return o->end != BAD && o->requests == 1;
    if (strcmp(column[1], "reject") == 0) return o->end == BAD;
    return o->end == PARTIAL && o->requests == 0;
}

struct suite {
    const char *name;
    bool (*agrees)(char *const column[], const struct outcome *o);
    const struct deviation *deviations;
    size_t n, vectors;
};

static const struct suite suites[] = {
    {"http-llhttp", as_llhttp_says, llhttp_deviations, COUNT(llhttp_deviations), 166},
    {"http-picohttpparser", as_picohttpparser_says, pico_deviations, COUNT(pico_deviations), 34},
};

static unsigned check_vector(const struct suite *s, char *const column[])
{
    char path[512], *raw, *own;
    size_t n;
    snprintf(path, sizeof path, SOURCE_DIR "/../shared/suites/%s/vectors/%s", s->name, column[0]);
    assert_true(read_file(path, &raw, &n));
    struct str whole = with_host((struct str){raw, n}, &own);
    struct outcome o = arrive_in_every_way(whole);
    if (whole.n > n && o.requests > 0 && strstr(raw, " HTTP/1.0\r\n") == NULL)
        assert_int_equal(arrive((struct str){raw, n}, n, 1).status, 400); /* without the Host */
    free(raw);
    free(own);

    const struct deviation *d = deviation_of(s->deviations, s->n, column[0]);
    bool agrees = s->agrees(column, &o);
    bool as_said =
        d != NULL && o.requests == d->requests && o.end == d->end && o.status == d->status;
    if (d == NULL ? agrees : as_said && !agrees) return 0;
    print_error("%s/%s: requests %u end %d status %d\n", s->name, column[0], o.requests, o.end,
                o.status);
    return 1;
}

static void test_suites(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(suites); i++) {
        char path[512], *index, *column[9] = {0};
        size_t n, vectors = 0;
        unsigned wrong = 0;
        snprintf(path, sizeof path, SOURCE_DIR "/../shared/suites/%s/index.tsv", suites[i].name);
        if (!read_file(path, &index, &n)) {
            print_message("skipped: no suite %s\n", suites[i].name);
            continue;
        }
        char *rest = index;
        strsep(&rest, "\n"); /* the names of the columns */
        for (char *line; (line = strsep(&rest, "\n")) != NULL && *line != '\0'; vectors++) {
            cut_columns(line, column, COUNT(column));
            wrong += check_vector(&suites[i], column);
        }
        free(index);
        assert_int_equal(vectors, suites[i].vectors);
        assert_int_equal(wrong, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams),      cmocka_unit_test(test_chunked),
        cmocka_unit_test(test_limits),       cmocka_unit_test(test_header_count),
        cmocka_unit_test(test_header_names), cmocka_unit_test(test_repeated_header),
        cmocka_unit_test(test_suites),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
