/*
 * A stream of requests, in one piece and cut: the first byte of the input says into pieces of how
 * many bytes. Both must give the same requests and the same end, every string must lie within the
 * bytes that were used, and no field may hold a byte that could end a line somewhere else.
 */
#include <assert.h>
#include <stdlib.h>

#include "hash.h"
#include "http_request.h"

static const struct http_limits limits = {
    .head_max_bytes = 1024, .body_max_bytes = 2048, .headers_max = 16};

struct outcome {
    unsigned requests;
    int end; /* 0: wants more; else the status of a refusal, or 1: closed */
    uint64_t digest;
};

static void check(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        assert(s.p[i] != '\r' && s.p[i] != '\n' && s.p[i] != '\0');
}

static void add(struct outcome *o, struct str s)
{
    o->digest = hash64_of_u64(o->digest ^ hash64(s));
}

static void look(struct outcome *o, struct http_incoming *r, struct http_desk *desk, const char *p,
                 size_t used)
{
    struct http_request q;
    assert(used >= r->head_n);
    bool readable = http_incoming_read(r, &limits, p, desk, &q);
    const struct str fields[] = {
        q.path,          q.query,         q.host,         q.origin,
        q.referer,       q.user_agent,    q.content_type, q.accept_encoding,
        q.if_none_match, q.forwarded_for, q.cookie,       q.accept_language,
        q.dnt,           q.gpc,           q.want_method,  q.want_headers,
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        check(fields[i]);
        add(o, fields[i]);
    }
    assert(q.path.n > 0 && (q.path.p[0] == '/' || str_eq(q.path, STR("*"))));
    if (readable) {
        assert((int64_t)q.body.n <= limits.body_max_bytes);
        add(o, q.body);
    }
    o->requests++;
}

static struct outcome run(struct str in, size_t piece)
{
    struct outcome o = {0};
    struct http_incoming r;
    struct http_desk desk;
    char *rest = malloc(in.n + 1);
    size_t n = 0;
    http_incoming_init(&r);
    if (!http_desk_init(&desk, &limits)) abort();
    while (in.n > 0 && o.end == 0) {
        struct str next = str_upto(in, piece);
        in = str_from(in, next.n);
        memcpy(rest + n, next.p, next.n);
        n += next.n;
        for (size_t used = 0; n > 0 && o.end == 0; n -= used) {
            char *exact = malloc(n); /* the sanitizer guards its end */
            memcpy(exact, rest, n);
            enum http_incoming_result got = http_incoming_take(&r, &limits, exact, &n, &used);
            if (got == HTTP_INCOMING_WHOLE) look(&o, &r, &desk, exact, used);
            memcpy(rest, exact, n);
            free(exact);
            if (got == HTTP_INCOMING_REFUSED) o.end = http_refused(r.why)->status;
            if (got != HTTP_INCOMING_WHOLE) break;
            assert(used > 0 && used <= n);
            if (!r.head.keep_alive) o.end = 1;
            memmove(rest, rest + used, n - used);
            http_incoming_init(&r);
        }
    }
    http_desk_fini(&desk);
    free(rest);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    struct str in = {(const char *)data + 1, size - 1};
    struct outcome whole = run(in, in.n), cut = run(in, data[0] % 64 + 1);
    assert(whole.requests == cut.requests && whole.end == cut.end && whole.digest == cut.digest);
    return 0;
}
