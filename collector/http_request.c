/*
 * A request becomes whole where its bytes lie: chunk lines are taken out in place, and the strings
 * of the finished request point into the same memory. Only what cannot stay as it came is made
 * elsewhere, on the desk of the worker: inflated bodies, and a header that stands there repeatedly.
 *
 * A body is gzip when it begins like one, whatever the headers say: sendBeacon cannot set any.
 */
#include "http_request.h"

#include <assert.h>
#include <stdlib.h>

static const struct http_refused refusals[HTTP_REFUSALS] = {
    [HTTP_REFUSED_SYNTAX] = {"syntax", 400, true, "not an HTTP/1.1 request by the letter\n"},
    [HTTP_REFUSED_SLOW] = {"slow", 408, true, "the request took too long\n"},
    [HTTP_REFUSED_BODY] = {"body", 413, true, "the body is too long\n"},
    [HTTP_REFUSED_TARGET] = {"target", 414, true, "the target is too long\n"},
    [HTTP_REFUSED_ENCODING] = {"encoding", 415, false, "only gzip is understood\n"},
    [HTTP_REFUSED_EXPECT] = {"expect", 417, true, "only 100-continue can be expected\n"},
    [HTTP_REFUSED_HEAD] = {"head", 431, true, "the headers are too long or too many\n"},
    [HTTP_REFUSED_VERSION] = {"version", 505, true, "only HTTP/1.1 and 1.0\n"},
    [HTTP_REFUSED_GZIP] = {"gzip", 400, false, "the body is not gzip, or is damaged\n"},
    [HTTP_REFUSED_CONNECTION] = {"connection", 503, true, "too many connections\n"},
};

const struct http_refused *http_refused(enum http_refusal why)
{
    assert(why < HTTP_REFUSALS);
    return &refusals[why];
}

const char *http_refusal_name(unsigned why)
{
    return http_refused(why)->name;
}

static enum http_refusal refusal_of(int status)
{
    unsigned why = 0;
    while (refusals[why].status != status) {
        why++;
        assert(why < HTTP_REFUSALS); /* the parser answers nothing else */
    }
    return why;
}

static enum http_incoming_result refuse(struct http_incoming *r, enum http_refusal why)
{
    r->why = why;
    return HTTP_INCOMING_REFUSED;
}

void http_incoming_init(struct http_incoming *r)
{
    r->head_n = 0;
    r->asks_continue = false;
    http_head_init(&r->head);
}

static enum http_incoming_result take_head(struct http_incoming *r, const struct http_limits *l,
                                           struct str in)
{
    long n = http_head_parse(&r->head, in, (uint32_t)l->head_max_bytes, (uint32_t)l->headers_max);
    if (n == HTTP_BAD) return refuse(r, refusal_of(r->head.status));
    if (n == HTTP_PARTIAL) return HTTP_INCOMING_MORE;
    if (r->head.content_length > l->body_max_bytes) return refuse(r, HTTP_REFUSED_BODY);
    r->head_n = (uint32_t)n;
    r->body_n = 0;
    if (r->head.chunked) http_chunks_init(&r->chunks, (uint64_t)l->body_max_bytes);
    bool has_body = r->head.chunked || r->head.content_length > 0;
    r->asks_continue = r->head.expect_continue && has_body && in.n == r->head_n;
    return HTTP_INCOMING_WHOLE;
}

/* Moves the data of the chunks together behind the head. */
static enum http_incoming_result take_chunks(struct http_incoming *r, char *p, size_t *n,
                                             size_t *used)
{
    size_t raw = r->head_n + r->body_n;
    struct str in = {p + raw, *n - raw}, data;
    for (;;) {
        switch (http_chunks_next(&r->chunks, &in, &data)) {
        case HTTP_CHUNKS_DATA:
            memmove(p + r->head_n + r->body_n, data.p, data.n);
            r->body_n += (uint32_t)data.n;
            break;
        case HTTP_CHUNKS_END: *used = (size_t)(in.p - p); return HTTP_INCOMING_WHOLE;
        case HTTP_CHUNKS_PARTIAL: *n = r->head_n + r->body_n; return HTTP_INCOMING_MORE;
        case HTTP_CHUNKS_BAD: return refuse(r, refusal_of(r->chunks.status));
        }
    }
}

enum http_incoming_result http_incoming_take(struct http_incoming *r, const struct http_limits *l,
                                             char *p, size_t *n, size_t *used)
{
    if (r->head_n == 0) {
        enum http_incoming_result got = take_head(r, l, (struct str){p, *n});
        if (got != HTTP_INCOMING_WHOLE) return got;
    }
    if (r->head.chunked) return take_chunks(r, p, n, used);
    *used = r->head_n + (size_t)r->head.content_length;
    return *n < *used ? HTTP_INCOMING_MORE : HTTP_INCOMING_WHOLE;
}

bool http_desk_init(struct http_desk *d, const struct http_limits *l)
{
    *d =
        (struct http_desk){.inflater = inflater_new(), .joined = malloc((size_t)l->head_max_bytes)};
    return d->inflater != NULL && d->joined != NULL;
}

void http_desk_fini(struct http_desk *d)
{
    inflater_free(d->inflater);
    buf_fini(&d->inflated);
    free(d->joined);
    *d = (struct http_desk){0};
}

static bool decode_body(struct http_incoming *r, const struct http_limits *l, struct str coding,
                        struct http_desk *d, struct str *body)
{
    if (body->n == 0) return true;
    if (!inflate_is_gzip(*body)) {
        bool gzip = str_ieq(coding, STR("gzip")) || str_ieq(coding, STR("x-gzip"));
        r->why = gzip ? HTTP_REFUSED_GZIP : HTTP_REFUSED_ENCODING;
        return coding.n == 0 || str_ieq(coding, STR("identity"));
    }
    enum inflate_result got =
        inflate_gzip(d->inflater, *body, (size_t)l->body_max_bytes, &d->inflated);
    r->why = got == INFLATE_BAD ? HTTP_REFUSED_GZIP : HTTP_REFUSED_BODY;
    *body = buf_str(&d->inflated);
    return got == INFLATE_OK;
}

static void read_head(const struct http_head *head, const char *p, struct http_request *req)
{
#define HEADER(id) http_head_str(p, head->header[id])
    *req = (struct http_request){
        .method = head->method,
        .path = head->path.n == 0 ? STR("/") : http_head_str(p, head->path),
        .query = http_head_str(p, head->query),
        .host = head->authority.n > 0 ? http_head_str(p, head->authority) : HEADER(HTTP_HOST),
        .origin = HEADER(HTTP_ORIGIN),
        .referer = HEADER(HTTP_REFERER),
        .user_agent = HEADER(HTTP_USER_AGENT),
        .content_type = HEADER(HTTP_CONTENT_TYPE),
        .accept_encoding = HEADER(HTTP_ACCEPT_ENCODING),
        .accept_language = HEADER(HTTP_ACCEPT_LANGUAGE),
        .if_none_match = HEADER(HTTP_IF_NONE_MATCH),
        .cookie = HEADER(HTTP_COOKIE),
        .dnt = HEADER(HTTP_DNT),
        .gpc = HEADER(HTTP_SEC_GPC),
        .fetch_site = HEADER(HTTP_SEC_FETCH_SITE),
        .forwarded_for = HEADER(HTTP_X_FORWARDED_FOR),
        .forwarded_proto = HEADER(HTTP_X_FORWARDED_PROTO),
        .want_method = HEADER(HTTP_WANT_METHOD),
        .want_headers = HEADER(HTTP_WANT_HEADERS),
        .want_private = HEADER(HTTP_WANT_PRIVATE),
    };
#undef HEADER
}

bool http_incoming_read(struct http_incoming *r, const struct http_limits *l, const char *p,
                        struct http_desk *d, struct http_request *req)
{
    const struct http_head *head = &r->head;
    read_head(head, p, req);
    if (head->repeats[HTTP_X_FORWARDED_FOR] > 1)
        req->forwarded_for =
            http_head_join((struct str){p, r->head_n}, HTTP_X_FORWARDED_FOR, d->joined);

    struct str coding = http_head_str(p, head->header[HTTP_CONTENT_ENCODING]);
    if (head->repeats[HTTP_CONTENT_ENCODING] > 1) coding = STR("several");
    req->body.p = p + r->head_n;
    req->body.n = head->chunked ? r->body_n : (size_t)head->content_length;
    return decode_body(r, l, coding, d, &req->body);
}
