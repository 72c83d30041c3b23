/*
 * http_request.h - bytes that arrive -> whole requests, or why they are refused. No I/O.
 */
#ifndef SENTIER_HTTP_REQUEST_H
#define SENTIER_HTTP_REQUEST_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "buf.h"
#include "http_parse.h"
#include "inflate.h"

struct http_limits {
    int64_t head_max_bytes;   /* 16 KiB */
    int64_t body_max_bytes;   /* 64 KiB, after inflation too */
    int64_t headers_max;      /* 64 */
    int64_t connections_max;  /* per worker */
    int64_t head_timeout_ms;  /* from the first byte of a request to the end of its head */
    int64_t body_timeout_ms;  /* from there to the end of its body */
    int64_t idle_timeout_ms;  /* between requests */
    int64_t write_timeout_ms; /* without the client taking a byte of its replies */
};

/* Why a request, or a connection, never reached the handler. */
enum http_refusal {
    HTTP_REFUSED_SYNTAX,     /* 400 */
    HTTP_REFUSED_SLOW,       /* 408 */
    HTTP_REFUSED_BODY,       /* 413 */
    HTTP_REFUSED_TARGET,     /* 414 */
    HTTP_REFUSED_ENCODING,   /* 415, and the connection goes on */
    HTTP_REFUSED_EXPECT,     /* 417 */
    HTTP_REFUSED_HEAD,       /* 431 */
    HTTP_REFUSED_VERSION,    /* 505 */
    HTTP_REFUSED_GZIP,       /* 400, and the connection goes on */
    HTTP_REFUSED_CONNECTION, /* 503: connections_max */
    HTTP_REFUSALS
};

struct http_refused {
    const char *name; /* "syntax"; in metrics */
    int status;
    bool closes;
    const char *text; /* for people */
};
const struct http_refused *http_refused(enum http_refusal why);
const char *http_refusal_name(unsigned why); /* a metric's label_name */

/* All strings are borrowed for the call. Absent headers are empty. */
struct http_request {
    enum http_method method;
    struct str path, query; /* as sent, without '?' */
    struct str body;        /* de-chunked and inflated */
    struct str host, origin, referer, user_agent, content_type, accept_encoding, accept_language;
    struct str if_none_match, cookie, dnt, gpc, fetch_site; /* Sec-Fetch-Site */
    struct str forwarded_for;   /* X-Forwarded-For; all of them, joined by ", " */
    struct str forwarded_proto; /* X-Forwarded-Proto */
    struct str want_method, want_headers, want_private; /* Access-Control-Request-* */
    struct sockaddr_storage peer;
};

/* A request on its way. In memory it is [head][body, without chunk lines][not yet looked at]. */
struct http_incoming {
    struct http_head head;
    struct http_chunks chunks;
    uint32_t head_n;    /* 0: the head is not complete */
    uint32_t body_n;    /* of a chunked body, so far */
    bool asks_continue; /* its client waits for a 100 before it sends the body */
    enum http_refusal why;
};

void http_incoming_init(struct http_incoming *r);

enum http_incoming_result { HTTP_INCOMING_MORE, HTTP_INCOMING_WHOLE, HTTP_INCOMING_REFUSED };

/*
 * p: the request from its first byte on, *n bytes have arrived (and what may follow it); each time
 * at least as much as was left before. WHOLE: *used bytes are this request. MORE: *n has shrunk by
 * the chunk lines that were taken out. REFUSED: r->why; what follows cannot be read any more.
 */
enum http_incoming_result http_incoming_take(struct http_incoming *r, const struct http_limits *l,
                                             char *p, size_t *n, size_t *used);

/* Memory that requests share while they are handled. */
struct http_desk {
    struct inflater *inflater;
    struct buf inflated;
    char *joined; /* head_max_bytes */
};
bool http_desk_init(struct http_desk *d, const struct http_limits *l); /* false: no memory */
void http_desk_fini(struct http_desk *d);

/* Of a WHOLE request at p; all but the peer. False: its body cannot be decoded, see r->why. */
bool http_incoming_read(struct http_incoming *r, const struct http_limits *l, const char *p,
                        struct http_desk *d, struct http_request *req);

#endif
