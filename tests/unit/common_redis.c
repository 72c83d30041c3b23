/* The link against a real redis-server: it comes up by itself whatever happened, and every command
 * that was accepted ends exactly once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "address.h"
#include "clock.h"
#include "redis.h"
#include "redis_server.h"

enum { PATIENCE_MS = 30000, COMMANDS = 500 };

struct command {
    unsigned calls;
    bool lost; /* it ended with NULL */
    char text[64];
};

struct world {
    struct redis_server server;
    struct event_base *base;
    struct event *beat; /* lets the loop come round to look at a condition */
    struct redis_link *link;
    unsigned ups, downs;
    struct command commands[COMMANDS];
};

static void on_beat(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
}

static void on_state(bool up, void *arg)
{
    struct world *w = arg;
    assert_int_equal(up, redis_link_up(w->link));
    if (up) {
        w->ups++;
    } else {
        w->downs++;
    }
}

static void on_reply(const redisReply *reply, void *arg)
{
    struct command *c = arg;
    c->calls++;
    c->lost = reply == NULL;
    if (reply != NULL && reply->str != NULL) snprintf(c->text, sizeof c->text, "%s", reply->str);
    if (reply != NULL && reply->type == REDIS_REPLY_INTEGER) {
        snprintf(c->text, sizeof c->text, "%lld", reply->integer);
    }
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    redis_server_new(&w->server);
    w->base = event_base_new();
    w->beat = event_new(w->base, -1, EV_PERSIST, on_beat, NULL);
    event_add(w->beat, &(struct timeval){0, 5000});
    w->link = redis_link_new(w->base, &w->server.conf, on_state, w);
    *state = w;
    return w->link == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    redis_link_free(w->link);
    event_free(w->beat);
    event_base_free(w->base);
    redis_server_free(&w->server);
    free(w);
    return 0;
}

#define RUN_UNTIL(w, condition)                                                                    \
    do {                                                                                           \
        int64_t until_ = clock_mono_ms() + PATIENCE_MS;                                            \
        while (!(condition)) {                                                                     \
            assert_true(clock_mono_ms() < until_);                                                 \
            event_base_loop((w)->base, EVLOOP_ONCE);                                               \
        }                                                                                          \
    } while (0)

static int ask(struct world *w, struct command *c, const char *word, const char *argument)
{
    struct str argv[] = {str_of(word), str_of(argument)};
    *c = (struct command){0};
    return redis_send(w->link, on_reply, c, 2, argv);
}

static bool all_ended(const struct world *w, int n)
{
    for (int i = 0; i < n; i++) {
        if (w->commands[i].calls == 0) return false;
    }
    return true;
}

static void check_once(const struct world *w, int n)
{
    for (int i = 0; i < n; i++)
        assert_int_equal(w->commands[i].calls, 1);
}

static void comes_back_after_each_kill(void **state)
{
    struct world *w = *state;
    unsigned lost = 0;
    for (unsigned round = 1; round <= 4; round++) {
        RUN_UNTIL(w, redis_link_up(w->link));
        assert_int_equal(w->ups, round);
        for (int i = 0; i < COMMANDS; i++)
            assert_int_equal(ask(w, &w->commands[i], "ECHO", "hello"), 0);
        if (round == 1) RUN_UNTIL(w, all_ended(w, COMMANDS)); /* else it dies in the middle */
        redis_server_kill(&w->server);
        RUN_UNTIL(w, !redis_link_up(w->link));
        assert_int_equal(w->downs, round);
        check_once(w, COMMANDS);
        for (int i = 0; i < COMMANDS; i++) {
            lost += w->commands[i].lost;
            assert_string_equal(w->commands[i].text, w->commands[i].lost ? "" : "hello");
        }
        assert_int_equal(ask(w, &w->commands[0], "ECHO", "nobody"), -1);
        redis_server_start(&w->server);
        assert_int_equal(w->commands[0].calls, 0);
    }
    assert_true(lost > 0);
    RUN_UNTIL(w, redis_link_up(w->link));
}

static void freeing_ends_what_is_on_its_way(void **state)
{
    struct world *w = *state;
    RUN_UNTIL(w, redis_link_up(w->link));
    for (int i = 0; i < COMMANDS; i++)
        assert_int_equal(ask(w, &w->commands[i], "ECHO", "hello"), 0);
    redis_link_free(w->link);
    w->link = NULL;
    check_once(w, COMMANDS);
    assert_true(w->commands[COMMANDS - 1].lost);
    assert_int_equal(w->downs, 0);
}

/* A server that is there and says nothing. */
static void silence_is_a_dead_link(void **state)
{
    struct world *w = *state;
    RUN_UNTIL(w, redis_link_up(w->link));
    kill(w->server.pid, SIGSTOP);
    for (int i = 0; i < 10; i++)
        assert_int_equal(ask(w, &w->commands[i], "INCR", "n"), 0);
    int64_t begun = clock_mono_ms();
    RUN_UNTIL(w, !redis_link_up(w->link));
    assert_true(clock_mono_ms() - begun >= 5000);
    check_once(w, 10);
    assert_true(w->commands[0].lost && w->commands[9].lost);
    kill(w->server.pid, SIGCONT);
    RUN_UNTIL(w, redis_link_up(w->link));
    /* Unknown means unknown: the commands did arrive. */
    RUN_UNTIL(w, redis_server_number(&w->server, "GET n") == 10);
    assert_int_equal(ask(w, &w->commands[0], "INCR", "n"), 0);
    RUN_UNTIL(w, all_ended(w, 1));
    assert_string_equal(w->commands[0].text, "11");
}

static void eval(struct world *w, const struct redis_script *script, struct command *c)
{
    struct str argv[] = {STR("0"), STR("word")};
    *c = (struct command){0};
    assert_int_equal(redis_eval(w->link, script, on_reply, c, 2, argv), 0);
}

static long long evals(struct world *w, const char *command)
{
    long long calls = 0;
    redisReply *r = redisCommand(w->server.redis, "INFO commandstats");
    char key[64];
    snprintf(key, sizeof key, "cmdstat_%s:calls=", command);
    const char *at = strstr(r->str, key);
    if (at != NULL) calls = atoll(at + strlen(key));
    freeReplyObject(r);
    return calls;
}

static void a_script_is_named_by_its_hash(void **state)
{
    struct world *w = *state;
    struct redis_script one, two;
    redis_script_init(&one, "return 'one ' .. ARGV[1]");
    redis_script_init(&two, "return 'two ' .. ARGV[1]");
    RUN_UNTIL(w, redis_link_up(w->link));
    for (int i = 0; i < 6; i++) {
        eval(w, i % 2 == 0 ? &one : &two, &w->commands[0]);
        RUN_UNTIL(w, w->commands[0].calls == 1);
        assert_string_equal(w->commands[0].text, i % 2 == 0 ? "one word" : "two word");
    }
    assert_int_equal(evals(w, "eval"), 2);
    assert_int_equal(evals(w, "evalsha"), 4);
    /* The server forgets: one answer says so, the next use heals it. */
    freeReplyObject(redisCommand(w->server.redis, "SCRIPT FLUSH"));
    eval(w, &one, &w->commands[0]);
    RUN_UNTIL(w, w->commands[0].calls == 1);
    assert_memory_equal(w->commands[0].text, "NOSCRIPT", 8);
    for (int i = 0; i < 2; i++) {
        eval(w, &one, &w->commands[0]);
        RUN_UNTIL(w, w->commands[0].calls == 1);
        assert_string_equal(w->commands[0].text, "one word");
    }
}

static void write_password(const char *file, const char *text)
{
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void is_up_only_with_the_right_password(void **state)
{
    struct world *w = *state;
    char file[128];
    struct command c;
    snprintf(file, sizeof file, "%s/password", w->server.dir);
    redis_link_free(w->link);
    w->ups = w->downs = 0;
    freeReplyObject(redisCommand(w->server.redis, "CONFIG SET requirepass secret"));
    freeReplyObject(redisCommand(w->server.redis, "AUTH secret"));
    freeReplyObject(redisCommand(w->server.redis, "CONFIG RESETSTAT"));
    struct redis_conf conf = w->server.conf;
    conf.password_file = file;
    write_password(file, "wrong\n");
    w->link = redis_link_new(w->base, &conf, on_state, w);
    RUN_UNTIL(w, evals(w, "auth") >= 6);
    assert_int_equal(w->ups + w->downs, 0);
    assert_int_equal(ask(w, &c, "ECHO", "hello"), -1);
    write_password(file, "secret\r\nand a remark\n");
    RUN_UNTIL(w, redis_link_up(w->link));
    assert_int_equal(ask(w, &c, "ECHO", "hello"), 0);
    RUN_UNTIL(w, c.calls == 1);
    assert_string_equal(c.text, "hello");
    redis_link_free(w->link);
    w->link = NULL;
}

static void on_push(const redisReply *r, void *arg)
{
    struct command *c = arg;
    assert_non_null(r);
    assert_int_equal(r->type, REDIS_REPLY_ARRAY);
    assert_int_equal(r->elements, 3);
    c->calls++;
    snprintf(c->text, sizeof c->text, "%s",
             r->element[2]->type == REDIS_REPLY_STRING ? r->element[2]->str : r->element[0]->str);
}

static void a_subscription_is_told_each_message(void **state)
{
    struct world *w = *state;
    for (int round = 0; round < 2; round++) {
        struct command *c = &w->commands[round];
        RUN_UNTIL(w, redis_link_up(w->link));
        assert_int_equal(redis_subscribe(w->link, on_push, c, STR("news")), 0);
        RUN_UNTIL(w, c->calls == 1);
        assert_string_equal(c->text, "subscribe");
        assert_int_equal(redis_server_number(&w->server, "PUBLISH news hello"), 1);
        RUN_UNTIL(w, c->calls == 2);
        assert_string_equal(c->text, "hello");
        redis_server_kill(&w->server);
        RUN_UNTIL(w, !redis_link_up(w->link));
        assert_int_equal(redis_subscribe(w->link, on_push, c, STR("news")), -1);
        redis_server_start(&w->server);
    }
    RUN_UNTIL(w, redis_link_up(w->link));
    assert_int_equal(w->commands[0].calls, 2); /* a new connection is not subscribed */
}

/* Let in, but not to this: the server closes nothing, hiredis does. Not without a pause. */
static void a_refused_subscription_does_not_spin(void **state)
{
    struct world *w = *state;
    freeReplyObject(redisCommand(w->server.redis, "ACL SETUSER default -subscribe"));
    RUN_UNTIL(w, redis_link_up(w->link));
    int64_t begun = clock_mono_ms();
    while (w->downs < 6) {
        RUN_UNTIL(w, redis_link_up(w->link));
        redis_subscribe(w->link, on_push, &w->commands[0], STR("news"));
        RUN_UNTIL(w, !redis_link_up(w->link));
    }
    assert_true(clock_mono_ms() - begun >=
                500); /* 20 + 40 + 80 + 160 + 320, less what timers round */
    freeReplyObject(redisCommand(w->server.redis, "ACL SETUSER default +subscribe"));
}

/* Finds a free port, and a server that has it; both are gone with the test. */
static void tcp_addresses_work_like_unix_ones(void **state)
{
    struct world *w = *state;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof a;
    char address[64];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    close(fd);
    redis_link_free(w->link);
    w->ups = w->downs = 0;
    snprintf(address, sizeof address, "127.0.0.1:%d", ntohs(a.sin_port));
    struct redis_conf conf = {.redis = address, .user = "", .password_file = ""};
    w->link = redis_link_new(w->base, &conf, on_state, w);
    freeReplyObject(redisCommand(w->server.redis, "CONFIG SET port %d", ntohs(a.sin_port)));
    RUN_UNTIL(w, redis_link_up(w->link));
    redis_link_free(w->link);
    w->link = NULL;
}

static void what_is_no_address_stays_down(void **state)
{
    static const char *const bad[] = {"",         ":6379",    "host",
                                      "host:",    "host:0",   "host:65536",
                                      "host:12x", "::1:6379", "unix:/nowhere/redis.sock"};
    struct world *w = *state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct redis_conf conf = {
            .redis = (char *)(uintptr_t)bad[i], .user = "", .password_file = ""};
        struct redis_link *l = redis_link_new(w->base, &conf, on_state, w);
        assert_false(redis_link_up(l));
        redis_link_free(l);
    }
}

static void addresses_are_split(void **state)
{
    static const struct {
        const char *text, *host; /* NULL: refused */
        int port;
    } cases[] = {
        {"host:80", "host", 80},
        {":80", "", 80},
        {"[::1]:65535", "::1", 65535},
        {"127.0.0.1:0", "127.0.0.1", 0},
        {"::1:80", NULL, 0},
        {"host:65536", NULL, 0},
        {"host:-1", NULL, 0},
        {"host: 1", NULL, 0},
        {"host:", NULL, 0},
        {"host", NULL, 0},
        {"", NULL, 0},
        {"[::1]", NULL, 0},
        {"host:123456", NULL, 0},
        {"host:1x", NULL, 0},
    };
    char host[ADDRESS_HOST_BYTES], longest[ADDRESS_HOST_BYTES + 8];
    int port;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(address_split(cases[i].text, host, &port), cases[i].host != NULL);
        if (cases[i].host == NULL) continue;
        assert_string_equal(host, cases[i].host);
        assert_int_equal(port, cases[i].port);
    }
    memset(longest, 'a', sizeof longest);
    memcpy(longest + ADDRESS_HOST_BYTES - 1, ":80", 4);
    assert_true(address_split(longest, host, &port));
    assert_int_equal(strlen(host), ADDRESS_HOST_BYTES - 1);
    memcpy(longest + ADDRESS_HOST_BYTES - 1, "a:80", 5);
    assert_false(address_split(longest, host, &port));
}

static void not_now_is_told_from_never(void **state)
{
    static const struct {
        int type;
        const char *text;
        bool again;
    } cases[] = {
        {REDIS_REPLY_ERROR, "NOSCRIPT No matching script", true},
        {REDIS_REPLY_ERROR, "LOADING Redis is loading", true},
        {REDIS_REPLY_ERROR, "READONLY You can't write", true},
        {REDIS_REPLY_ERROR, "OOM command not allowed", true},
        {REDIS_REPLY_ERROR, "TRYAGAIN Multiple keys", true},
        {REDIS_REPLY_ERROR, "MISCONF Errors writing", true},
        {REDIS_REPLY_ERROR, "WRONGTYPE Operation", false},
        {REDIS_REPLY_ERROR, "ERR unknown command", false},
        {REDIS_REPLY_STRING, "LOADING", false},
    };
    (void)state;
    assert_true(redis_retryable(NULL));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        redisReply r = {.type = cases[i].type, .str = (char *)(uintptr_t)cases[i].text};
        assert_int_equal(redis_retryable(&r), cases[i].again);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(comes_back_after_each_kill),
        TEST(freeing_ends_what_is_on_its_way),
        TEST(silence_is_a_dead_link),
        TEST(a_script_is_named_by_its_hash),
        TEST(is_up_only_with_the_right_password),
        TEST(a_subscription_is_told_each_message),
        TEST(a_refused_subscription_does_not_spin),
        TEST(tcp_addresses_work_like_unix_ones),
        TEST(what_is_no_address_stays_down),
        cmocka_unit_test(addresses_are_split),
        cmocka_unit_test(not_now_is_told_from_never),
    };
    signal(SIGPIPE, SIG_IGN); /* hiredis writes to a Redis that was killed */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
