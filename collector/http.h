/*
 * http.h - connections of one worker: reads, limits, time-outs, and replies that are staged while
 * a turn runs and sent after the journal said yes or no. One thread.
 *
 * A turn: event_base_loop(base, EVLOOP_ONCE); commit; http_send_staged(h, committed).
 */
#ifndef SENTIER_HTTP_H
#define SENTIER_HTTP_H

#include <event2/event.h>

#include "http_request.h"
#include "metrics.h"

/* Where this worker counts: its slot, and the rows of the program's metric table. */
struct http_metrics {
    struct metrics_slot *slot;
    unsigned requests;    /* counter: handed to the handler */
    unsigned refused;     /* counter with HTTP_REFUSALS labels */
    unsigned accepted;    /* counter: connections */
    unsigned connections; /* gauge: open now */
};

/* A reply; the strings are copied. The HTTP layer adds Content-Length and Connection; Date is left
 * out (RFC 9110 lets a server without a clock it trusts; it costs bytes in every answer). */
struct http_reply {
    int status;
    struct str headers; /* "Name: value\r\n..." */
    struct str body;    /* not sent for HEAD, 204, 304 */
    bool needs_store;   /* when the turn's commit fails, `otherwise` goes out instead */
    int otherwise_status;
    struct str otherwise_headers, otherwise_body;
};

typedef void http_handler(void *arg, const struct http_request *req, struct http_reply *out);

struct http; /* one worker's connections */

/* NULL: no memory. limits and metrics are copied. */
struct http *http_new(struct event_base *base, const struct http_limits *limits,
                      const struct http_metrics *metrics, http_handler *handler, void *arg);
void http_free(struct http *h); /* closes everything; NULL is fine */

void http_listen(struct http *h, int fd); /* a bound, listening, non-blocking socket; taken */
void http_stop_listening(struct http *h);
/* Sends everything staged in this turn. stored: the turn's hits are in the journal. */
void http_send_staged(struct http *h, bool stored);
/* Time-outs; call about once a second. They are as coarse as these calls. */
void http_tick(struct http *h, int64_t now_mono_ms);
unsigned http_connections(const struct http *h);
/* Answers with Connection: close from now on, closes idle connections. */
void http_drain(struct http *h);

#endif
