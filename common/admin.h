/* admin.h - the small HTTP server of operators (evhttp): /metrics, /stats and a program's own
 * pages. Loopback by default; never on the way of a hit. */
#ifndef SENTIER_ADMIN_H
#define SENTIER_ADMIN_H

#include <event2/event.h>

#include "buf.h"

struct admin;

struct admin_page {
    const char *path; /* "/metrics" */
    const char *content_type;
    bool post;                               /* POST only; else GET and HEAD only */
    int (*make)(void *arg, struct buf *out); /* fills out; returns the HTTP status */
};

/* pages ends with path == NULL. address "127.0.0.1:9090" (port 0: any free one). NULL: said in
 * the log why. */
struct admin *admin_new(struct event_base *base, const char *address,
                        const struct admin_page *pages, void *arg);
void admin_free(struct admin *a);
int admin_port(const struct admin *a);

#endif
