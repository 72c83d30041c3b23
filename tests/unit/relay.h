/*
 * relay.h - stands between a program and a real server on a unix socket, and cuts the line at a
 * chosen moment: before a command has reached the server, or after the server has answered it.
 * Each cut happens once.
 */
#ifndef SENTIER_TEST_RELAY_H
#define SENTIER_TEST_RELAY_H

#include <assert.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

struct relay {
    struct event_base *base;
    struct evconnlistener *listener;
    struct sockaddr_un server, here;
    char address[128];
    const char *lose_command; /* a command that holds this text never arrives */
    const char *lose_answer;  /* an answer that holds this text likewise */
    unsigned lost;
    struct relay_line *lines;
};

struct relay_line {
    struct relay *relay;
    struct bufferevent *client, *server;
    struct relay_line *next;
};

static inline void relay_cut(struct relay_line *line)
{
    struct relay_line **at = &line->relay->lines;
    while (*at != line)
        at = &(*at)->next;
    *at = line->next;
    bufferevent_free(line->client);
    bufferevent_free(line->server);
    free(line);
}

static inline int relay_holds(struct evbuffer *in, const char **text)
{
    if (*text == NULL) return 0;
    struct evbuffer_ptr at = evbuffer_search(in, *text, strlen(*text), NULL);
    if (at.pos < 0) return 0;
    *text = NULL;
    return 1;
}

static inline void relay_command(struct bufferevent *from, void *arg)
{
    struct relay_line *line = arg;
    struct evbuffer *in = bufferevent_get_input(from);
    if (relay_holds(in, &line->relay->lose_command)) {
        line->relay->lost++;
        relay_cut(line);
        return;
    }
    evbuffer_add_buffer(bufferevent_get_output(line->server), in);
}

static inline void relay_answer(struct bufferevent *from, void *arg)
{
    struct relay_line *line = arg;
    struct evbuffer *in = bufferevent_get_input(from);
    if (relay_holds(in, &line->relay->lose_answer)) {
        line->relay->lost++;
        relay_cut(line);
        return;
    }
    evbuffer_add_buffer(bufferevent_get_output(line->client), in);
}

static inline void relay_event(struct bufferevent *b, short what, void *arg)
{
    (void)b;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) relay_cut(arg);
}

static inline void relay_accept(struct evconnlistener *listener, evutil_socket_t fd,
                                struct sockaddr *peer, int n, void *arg)
{
    struct relay *r = arg;
    struct relay_line *line = calloc(1, sizeof *line);
    (void)listener, (void)peer, (void)n;
    assert(line != NULL);
    line->relay = r;
    line->client = bufferevent_socket_new(r->base, fd, BEV_OPT_CLOSE_ON_FREE);
    line->server = bufferevent_socket_new(r->base, -1, BEV_OPT_CLOSE_ON_FREE);
    line->next = r->lines;
    r->lines = line;
    bufferevent_setcb(line->client, relay_command, NULL, relay_event, line);
    bufferevent_setcb(line->server, relay_answer, NULL, relay_event, line);
    bufferevent_enable(line->client, EV_READ | EV_WRITE);
    bufferevent_enable(line->server, EV_READ | EV_WRITE);
    bufferevent_socket_connect(line->server, (struct sockaddr *)&r->server, sizeof r->server);
}

static inline struct relay *relay_new(struct event_base *loop, const char *server_socket)
{
    struct relay *r = calloc(1, sizeof *r);
    assert(r != NULL);
    r->base = loop;
    r->server.sun_family = r->here.sun_family = AF_UNIX;
    snprintf(r->server.sun_path, sizeof r->server.sun_path, "%s", server_socket);
    snprintf(r->here.sun_path, sizeof r->here.sun_path, "%.90s.relay", server_socket);
    snprintf(r->address, sizeof r->address, "unix:%s", r->here.sun_path);
    r->listener = evconnlistener_new_bind(loop, relay_accept, r, LEV_OPT_CLOSE_ON_FREE, 16,
                                          (struct sockaddr *)&r->here, sizeof r->here);
    assert(r->listener != NULL);
    return r;
}

static inline void relay_free(struct relay *r)
{
    while (r->lines != NULL)
        relay_cut(r->lines);
    evconnlistener_free(r->listener);
    unlink(r->here.sun_path);
    free(r);
}

#endif
