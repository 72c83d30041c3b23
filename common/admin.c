/*
 * evhttp is slow and lenient, which does not matter here: the port is for operators, on loopback by
 * default, and answers a few small pages made on the spot. Bodies and heads are bounded all the
 * same.
 */
#include "admin.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "address.h"
#include "log.h"

enum { ADMIN_HEAD_MAX = 8192, ADMIN_BODY_MAX = 4096, ADMIN_PAGE_MAX = 16 * 1024 * 1024 };

struct admin {
    struct evhttp *http;
    struct evhttp_bound_socket *socket;
    const struct admin_page *pages;
    void *arg;
};

static const struct admin_page *find_page(const struct admin *a, const char *path)
{
    for (const struct admin_page *p = a->pages; p->path != NULL; p++) {
        if (strcmp(p->path, path) == 0) return p;
    }
    return NULL;
}

static bool method_fits(const struct admin_page *page, enum evhttp_cmd_type method)
{
    return page->post ? method == EVHTTP_REQ_POST
                      : method == EVHTTP_REQ_GET || method == EVHTTP_REQ_HEAD;
}

static void on_request(struct evhttp_request *req, void *arg)
{
    struct admin *a = arg;
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(req));
    const struct admin_page *page = find_page(a, path == NULL ? "" : path);
    struct evkeyvalq *headers = evhttp_request_get_output_headers(req);
    if (page == NULL) {
        evhttp_send_error(req, HTTP_NOTFOUND, NULL);
        return;
    }
    if (!method_fits(page, evhttp_request_get_command(req))) {
        evhttp_add_header(headers, "Allow", page->post ? "POST" : "GET, HEAD");
        evhttp_send_error(req, HTTP_BADMETHOD, NULL);
        return;
    }
    struct buf body;
    buf_init(&body, ADMIN_PAGE_MAX);
    int status = page->make(a->arg, &body);
    struct evbuffer *out = evbuffer_new();
    if (out != NULL) {
        evbuffer_add(out, body.p, body.n);
        evhttp_add_header(headers, "Content-Type", page->content_type);
        evhttp_add_header(headers, "Cache-Control", "no-store");
        evhttp_send_reply(req, status, NULL, out);
        evbuffer_free(out);
    }
    buf_fini(&body);
}

struct admin *admin_new(struct event_base *base, const char *address,
                        const struct admin_page *pages, void *arg)
{
    char host[ADDRESS_HOST_BYTES];
    int port;
    struct admin *a = calloc(1, sizeof *a);
    if (a == NULL) return NULL;
    a->pages = pages;
    a->arg = arg;
    bool named = address_split(address, host, &port);
    if (!named || (a->http = evhttp_new(base)) == NULL) goto fail;
    evhttp_set_max_headers_size(a->http, ADMIN_HEAD_MAX);
    evhttp_set_max_body_size(a->http, ADMIN_BODY_MAX);
    evhttp_set_timeout(a->http, 10);
    evhttp_set_gencb(a->http, on_request, a);
    a->socket = evhttp_bind_socket_with_handle(a->http, host[0] == '\0' ? "0.0.0.0" : host,
                                               (ev_uint16_t)port);
    if (a->socket == NULL) goto fail;
    return a;
fail:
    log_error("admin.listen", "address=%s err=%s", address,
              named ? strerror(errno) : "must be HOST:PORT");
    admin_free(a);
    return NULL;
}

void admin_free(struct admin *a)
{
    if (a == NULL) return;
    if (a->http != NULL) evhttp_free(a->http);
    free(a);
}

int admin_port(const struct admin *a)
{
    struct sockaddr_storage ss;
    socklen_t n = sizeof ss;
    if (getsockname(evhttp_bound_socket_get_fd(a->socket), (struct sockaddr *)&ss, &n) < 0)
        return -1;
    return ntohs(ss.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&ss)->sin6_port
                                          : ((struct sockaddr_in *)&ss)->sin_port);
}
