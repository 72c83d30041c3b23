/* redis_loop.h - a real Redis, and an event loop that comes round often enough to look at a
 * condition: one of each for all tests of a file, whose WAIT_MS says how long to wait. */
#ifndef SENTIER_TEST_REDIS_LOOP_H
#define SENTIER_TEST_REDIS_LOOP_H

#include <event2/event.h>
#include <sodium.h>

#include "clock.h"
#include "redis_server.h"

static struct redis_server server;
static struct event_base *base;
static struct event *beat; /* UNTIL looks at least this often */

#define UNTIL(condition)                                                                           \
    for (int64_t until_ = clock_mono_ms() + WAIT_MS; !(condition);) {                              \
        assert_true(clock_mono_ms() < until_);                                                     \
        event_base_loop(base, EVLOOP_ONCE);                                                        \
    }

static inline void redis_loop_on_beat(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
}

/* Before all tests of the group, and after them. */
static inline int redis_loop_new(void **state)
{
    (void)state;
    if (sodium_init() < 0) return -1;
    signal(SIGPIPE, SIG_IGN);
    base = event_base_new();
    beat = event_new(base, -1, EV_PERSIST, redis_loop_on_beat, NULL);
    event_add(beat, &(struct timeval){0, 10 * 1000});
    redis_server_new(&server);
    return 0;
}

static inline int redis_loop_free(void **state)
{
    (void)state;
    redis_server_free(&server);
    event_free(beat);
    event_base_free(base);
    return 0;
}

#endif
