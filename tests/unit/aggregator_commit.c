/* commit.lua in a real Redis: everything or nothing, once, and only for who is entitled to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <event2/event.h>
#include <sodium.h>

#include "commit.h"
#include "redis_server.h"

#define TOKEN  "0123456789abcdef0123456789abcdef"
#define OTHER  "ffffffffffffffffffffffffffffffff"
#define FIRST  "11111111111111111111111111111111"
#define SECOND "22222222222222222222222222222222"

static struct redis_server server;
static struct event_base *base;
static struct redis_link *link_;
static struct store *store;

static void on_link(bool up, void *arg)
{
    (void)up, (void)arg;
}

static void fresh_redis(void)
{
    redis_server_number(&server, "FLUSHALL");
    redis_server_number(&server, "SET {p3}:lease %s", TOKEN " me");
    for (int i = 1; i <= 5; i++)
        redis_server_number(&server, "XADD {p3}:stream %d-1 b x", i);
    redis_server_number(&server, "HSET {p3}:meta shipped 50 bytes 500");
}

static int begin(void **state)
{
    (void)state;
    fresh_redis();
    store = store_new(1 << 24);
    return 0;
}

static int end(void **state)
{
    (void)state;
    store_free(store);
    return 0;
}

static void set(struct store_batch *b, const char *key, const char *field, const char *value)
{
    struct store_entry *e = store_use(store, b, 3, str_of(key), str_of(field));
    assert_true(store_set(store, e, str_of(value)));
}

struct wait {
    enum commit_answer answer;
    bool done;
};

static void on_answer(const redisReply *reply, void *arg)
{
    struct wait *w = arg;
    w->answer = commit_answer(reply);
    w->done = true;
}

static enum commit_answer send_it(const struct commit *c)
{
    struct wait w = {0};
    while (!redis_link_up(link_))
        event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(commit_send(link_, c, on_answer, &w), 0);
    while (!w.done)
        event_base_loop(base, EVLOOP_ONCE);
    return w.answer;
}

static struct commit_plan plan_of(const struct commit_state *from, const struct commit_state *to,
                                  struct store_batch *b)
{
    return (struct commit_plan){
        .partition = 3, .token = TOKEN, .from = from, .to = to, .bytes = 200, .batch = b};
}

static const struct commit_state none,
    first = {
        .offset = "2-1", .id = FIRST, .folded = 30, .verdicts = {[V_COUNTED] = 20, [V_LATE] = 10}};

static enum commit_answer commit_as(const char *token, const struct commit_state *from,
                                    const struct commit_state *to, struct store_batch *b)
{
    struct commit_plan plan = plan_of(from, to, b);
    plan.token = token;
    struct commit *c = commit_new(&plan);
    enum commit_answer answer = send_it(c);
    commit_free(c);
    return answer;
}

static void writes_everything_once(void **state)
{
    (void)state;
    struct store_batch b = {0};
    struct key closed = key_visitors(3, STR("shop"), 20000);
    redis_server_number(&server, "HSET {p3}:old gone 1 stays 1");
    redis_server_number(&server, "HSET %s visitor 1", closed.p);
    set(&b, "{p3}:new", "a", "1");
    set(&b, "{p3}:new", "b", "2");
    set(&b, "{p3}:old", "gone", "");
    set(&b, closed.p, "later", "written after its key went");
    store_loaded(store, store_use(store, &b, 3, STR("{p3}:clean"), STR("f")), STR("x"));

    struct commit_plan plan = plan_of(&none, &first, &b);
    plan.closed = &closed;
    plan.n_closed = 1;
    struct commit *c = commit_new(&plan);
    assert_int_equal(send_it(c), COMMIT_OK);
    assert_int_equal(send_it(c), COMMIT_OK); /* the answer was lost: sent again */
    commit_free(c);
    store_done(store, &b, true);

    assert_int_equal(redis_server_number(&server, "HGET {p3}:new a"), 1);
    assert_int_equal(redis_server_number(&server, "HGET {p3}:new b"), 2);
    assert_int_equal(redis_server_number(&server, "HEXISTS {p3}:old gone"), 0);
    assert_int_equal(redis_server_number(&server, "HEXISTS {p3}:old stays"), 1);
    assert_int_equal(redis_server_number(&server, "HLEN %s", closed.p), 1);
    assert_int_equal(redis_server_number(&server, "EXISTS {p3}:clean"), 0);
    assert_int_equal(redis_server_number(&server, "XLEN {p3}:stream"), 3);
    assert_int_equal(redis_server_number(&server, "HGET {p3}:meta bytes"), 300);
    assert_int_equal(redis_server_number(&server, "HGET {p3}:meta shipped"), 50);

    struct commit_state back;
    redisReply *r = redisCommand(server.redis, "HGETALL {p3}:commit");
    assert_true(commit_state_read(r, &back));
    freeReplyObject(r);
    assert_memory_equal(&back, &first, sizeof back);
}

static void refuses_who_is_not_entitled(void **state)
{
    (void)state;
    static const struct commit_state second = {.offset = "4-1", .id = SECOND, .folded = 40};
    static const struct commit_state behind = {.offset = "1-1", .id = FIRST};
    static const struct commit_state other_id = {.offset = "2-1", .id = OTHER};
    static const struct {
        const char *token;
        const struct commit_state *from;
        enum commit_answer want;
    } cases[] = {
        {OTHER, &first, COMMIT_LEASE},    {TOKEN, &none, COMMIT_CHANGED},
        {TOKEN, &behind, COMMIT_CHANGED}, {TOKEN, &other_id, COMMIT_CHANGED},
        {TOKEN, &first, COMMIT_OK},
    };
    struct store_batch b = {0};
    assert_int_equal(commit_as(TOKEN, &none, &first, &b), COMMIT_OK);
    set(&b, "{p3}:new", "a", "1");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(commit_as(cases[i].token, cases[i].from, &second, &b), cases[i].want);
        bool written = cases[i].want == COMMIT_OK;
        assert_int_equal(redis_server_number(&server, "EXISTS {p3}:new"), written);
        assert_int_equal(redis_server_number(&server, "XLEN {p3}:stream"), written ? 1 : 3);
        assert_int_equal(redis_server_number(&server, "HGET {p3}:commit folded"),
                         written ? 40 : 30);
    }
    redis_server_number(&server, "DEL {p3}:lease");
    assert_int_equal(commit_as(TOKEN, &second, &first, &b), COMMIT_LEASE);
    store_done(store, &b, true);
}

static void a_wrong_type_anywhere_writes_nothing(void **state)
{
    (void)state;
    static const char *const keys[] = {"{p3}:last", "{p3}:stream", "{p3}:meta"};
    struct store_batch b = {0};
    for (int i = 0; i < 50; i++) {
        char key[32];
        snprintf(key, sizeof key, "{p3}:h%d", i);
        set(&b, key, "f", "1");
    }
    set(&b, "{p3}:last", "f", "1");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        fresh_redis();
        redis_server_number(&server, "DEL %s", keys[i]);
        redis_server_number(&server, "SET %s string", keys[i]);
        assert_int_equal(commit_as(TOKEN, &none, &first, &b), COMMIT_REFUSED);
        assert_int_equal(redis_server_number(&server, "EXISTS {p3}:h0 {p3}:commit"), 0);
    }
    store_done(store, &b, false);
}

static void takes_thousands_of_fields(void **state)
{
    (void)state;
    enum { FIELDS = 20000 };
    struct store_batch b = {0};
    char field[16];
    for (int i = 0; i < FIELDS; i++) {
        snprintf(field, sizeof field, "%d", i);
        set(&b, "{p3}:big", field, field);
    }
    assert_int_equal(commit_as(TOKEN, &none, &first, &b), COMMIT_OK);
    store_done(store, &b, true);
    assert_int_equal(redis_server_number(&server, "HLEN {p3}:big"), FIELDS);
    assert_int_equal(redis_server_number(&server, "HGET {p3}:big 19999"), 19999);
    for (int i = 1; i < FIELDS; i++) {
        snprintf(field, sizeof field, "%d", i);
        set(&b, "{p3}:big", field, "");
    }
    static const struct commit_state second = {.offset = "3-1", .id = SECOND};
    assert_int_equal(commit_as(TOKEN, &first, &second, &b), COMMIT_OK);
    store_done(store, &b, true);
    assert_int_equal(redis_server_number(&server, "HLEN {p3}:big"), 1);
}

static void the_gauge_never_falls_below_zero(void **state)
{
    (void)state;
    struct store_batch b = {0};
    redis_server_number(&server, "HSET {p3}:meta bytes 10");
    assert_int_equal(commit_as(TOKEN, &none, &first, &b), COMMIT_OK);
    assert_int_equal(redis_server_number(&server, "HGET {p3}:meta bytes"), 0);
    store_done(store, &b, true);
}

/* What the batch was read from is gone: its hits come again, as other entries. */
static void refuses_what_redis_forgot(void **state)
{
    (void)state;
    struct store_batch b = {0};
    redis_server_number(&server, "XDEL {p3}:stream 2-1");
    set(&b, "{p3}:new", "a", "1");
    assert_int_equal(commit_as(TOKEN, &none, &first, &b), COMMIT_CHANGED);
    assert_int_equal(redis_server_number(&server, "EXISTS {p3}:new {p3}:commit"), 0);
    store_done(store, &b, false);
}

/* A Redis that cannot write now has written nothing, and says yes to the same commit later. */
static void not_now_means_again(void **state)
{
    (void)state;
    static const struct {
        const char *now[4], *later[4];
    } cases[] = {
        {{"CONFIG", "SET", "maxmemory", "1"}, {"CONFIG", "SET", "maxmemory", "0"}},
        {{"REPLICAOF", "127.0.0.1", "1"}, {"REPLICAOF", "NO", "ONE"}},
        {{"SCRIPT", "FLUSH"}, {"PING"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct store_batch b = {0};
        fresh_redis();
        set(&b, "{p3}:new", "a", "1");
        struct commit_plan plan = plan_of(&none, &first, &b);
        struct commit *c = commit_new(&plan);
        int n = 0;
        while (n < 4 && cases[i].now[n] != NULL)
            n++;
        freeReplyObject(redisCommandArgv(server.redis, n, (const char **)cases[i].now, NULL));
        enum commit_answer answer = send_it(c);
        assert_true(answer == COMMIT_AGAIN || (i == 2 && answer == COMMIT_OK));
        if (answer == COMMIT_AGAIN) {
            assert_int_equal(redis_server_number(&server, "EXISTS {p3}:new {p3}:commit"), 0);
        }
        for (n = 0; n < 4 && cases[i].later[n] != NULL;)
            n++;
        freeReplyObject(redisCommandArgv(server.redis, n, (const char **)cases[i].later, NULL));
        assert_int_equal(send_it(c), COMMIT_OK);
        assert_int_equal(redis_server_number(&server, "HGET {p3}:new a"), 1);
        commit_free(c);
        store_done(store, &b, true);
    }
}

static void reads_only_what_is_a_commit(void **state)
{
    (void)state;
    static const struct {
        const char *field, *value;
        bool want;
    } cases[] = {
        {"folded", "12", true},   {"folded", "", false},
        {"folded", "-1", false},  {"folded", "99999999999999999999999", false},
        {"folded", "x", false},   {"v:1", "x", false},
        {"v:9999", "1", true},    {"unknown", "x", true},
        {"id", OTHER "0", false}, {"offset", OTHER "0123456789", false},
    };
    struct commit_state out;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        redis_server_number(&server, "DEL {p3}:commit");
        redis_server_number(&server, "HSET {p3}:commit %s %s", cases[i].field, cases[i].value);
        redisReply *r = redisCommand(server.redis, "HGETALL {p3}:commit");
        assert_int_equal(commit_state_read(r, &out), cases[i].want);
        freeReplyObject(r);
    }
    assert_false(commit_state_read(NULL, &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writes_everything_once, begin, end),
        cmocka_unit_test_setup_teardown(refuses_who_is_not_entitled, begin, end),
        cmocka_unit_test_setup_teardown(takes_thousands_of_fields, begin, end),
        cmocka_unit_test_setup_teardown(the_gauge_never_falls_below_zero, begin, end),
        cmocka_unit_test_setup_teardown(refuses_what_redis_forgot, begin, end),
        cmocka_unit_test_setup_teardown(not_now_means_again, begin, end),
        cmocka_unit_test_setup_teardown(a_wrong_type_anywhere_writes_nothing, begin, end),
        cmocka_unit_test_setup_teardown(reads_only_what_is_a_commit, begin, end),
    };
    if (sodium_init() < 0) return 1;
    signal(SIGPIPE, SIG_IGN);
    base = event_base_new();
    redis_server_new(&server);
    link_ = redis_link_new(base, &server.conf, on_link, NULL);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    redis_link_free(link_);
    redis_server_free(&server);
    event_base_free(base);
    return failed;
}
