/* redis_link_world.h - a link on a loop of its own, and commands that note what became of them. */
#ifndef SENTIER_TEST_REDIS_LINK_WORLD_H
#define SENTIER_TEST_REDIS_LINK_WORLD_H

#include <event2/event.h>

#include "clock.h"
#include "redis.h"

enum { WORLD_PATIENCE_MS = 60000, WORLD_COMMANDS = 600 };

struct command {
    unsigned calls;
    bool lost;  /* it ended with NULL */
    bool again; /* retryable */
    char text[64];
};

struct world {
    struct event_base *base;
    struct event *beat; /* lets the loop come round to look at a condition */
    struct redis_conf conf;
    struct redis_link *link;
    unsigned ups, downs;
    struct command commands[WORLD_COMMANDS];
};

#define RUN_UNTIL(w, condition)                                                                    \
    do {                                                                                           \
        int64_t until_ = clock_mono_ms() + WORLD_PATIENCE_MS;                                      \
        while (!(condition)) {                                                                     \
            assert_true(clock_mono_ms() < until_);                                                 \
            event_base_loop((w)->base, EVLOOP_ONCE);                                               \
        }                                                                                          \
    } while (0)

static inline void world_on_beat(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
}

static inline void world_on_state(bool up, void *arg)
{
    struct world *w = arg;
    assert_int_equal(up, redis_link_up(w->link));
    assert_int_equal(w->ups, w->downs + (up ? 0 : 1)); /* they take turns */
    if (up) {
        w->ups++;
    } else {
        w->downs++;
    }
}

static inline void world_open(struct world *w, const char *address)
{
    *w = (struct world){.conf = {.redis = (char *)(uintptr_t)address}};
    w->base = event_base_new();
    w->beat = event_new(w->base, -1, EV_PERSIST, world_on_beat, NULL);
    event_add(w->beat, &(struct timeval){0, 5000});
    w->link = redis_link_new(w->base, &w->conf, world_on_state, w);
    assert_non_null(w->link);
}

static inline void world_up(struct world *w)
{
    RUN_UNTIL(w, redis_link_up(w->link));
}

static inline void world_close(struct world *w)
{
    redis_link_free(w->link);
    event_free(w->beat);
    event_base_free(w->base);
}

static inline void world_on_reply(const redisReply *reply, void *arg)
{
    struct command *c = arg;
    c->calls++;
    c->lost = reply == NULL;
    c->again = redis_retryable(reply);
    if (reply == NULL) return;
    if (reply->type == REDIS_REPLY_INTEGER) {
        snprintf(c->text, sizeof c->text, "%lld", reply->integer);
    } else {
        snprintf(c->text, sizeof c->text, "%s",
                 reply->type == REDIS_REPLY_NIL ? "nil"
                 : reply->str == NULL           ? "array"
                                                : reply->str);
    }
}

/* As many of the words as are not NULL. */
static inline int world_send(struct world *w, struct command *c, const char *a, const char *b,
                             const char *d)
{
    struct str argv[] = {str_of(a), str_of(b), str_of(d)};
    *c = (struct command){0};
    return redis_send(w->link, world_on_reply, c, b == NULL ? 1 : d == NULL ? 2 : 3, argv);
}

/* The answer's text; "" when it was lost. */
static inline const char *world_say(struct world *w, const char *a, const char *b, const char *d)
{
    struct command *c = &w->commands[WORLD_COMMANDS - 1];
    assert_int_equal(world_send(w, c, a, b, d), 0);
    RUN_UNTIL(w, c->calls > 0);
    assert_int_equal(c->calls, 1);
    return c->text;
}

/* The same, again and again while the answer is "not now". */
static inline const char *world_insist(struct world *w, const char *a, const char *b, const char *d)
{
    struct command *c = &w->commands[WORLD_COMMANDS - 1];
    int64_t until = clock_mono_ms() + WORLD_PATIENCE_MS;
    do {
        assert_true(clock_mono_ms() < until);
        world_up(w);
        if (world_send(w, c, a, b, d) < 0) continue;
        RUN_UNTIL(w, c->calls > 0);
        assert_int_equal(c->calls, 1);
    } while (c->calls == 0 || c->again);
    return c->text;
}

static inline unsigned world_ended(const struct world *w, int n)
{
    unsigned ended = 0;
    for (int i = 0; i < n; i++) {
        assert_true(w->commands[i].calls <= 1);
        ended += w->commands[i].calls;
    }
    return ended;
}

#endif
