/* Slots of keys, the key of a command, CLUSTER SLOTS as it comes and as it must not come, MOVED and
 * ASK. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "guard.h"
#include "slots.h"

static const struct redis_seed asked = {"10.0.0.9", 7000};

static void a_key_has_its_slot(void **state)
{
    static const struct {
        const char *key;
        unsigned slot; /* as CLUSTER KEYSLOT of Redis 7.0 says */
    } cases[] = {
        {"123456789", 0x31c3},
        {"", 0},
        {"a", 15495},
        {"foo", 12182},
        {"bar", 5061},
        {"{user1000}.following", 3443},
        {"user1000", 3443},
        {"foo{}{bar}", 8363}, /* nothing in the first braces: the whole key */
        {"foo{{bar}}zap", 4015},
        {"{bar", 4015},
        {"foo{bar}{zap}", 5061},
        {"}a{bar}", 5061},
        {"{", 4092},
        {"}", 12090},
        {"a{b", 13340},
        {"\xff\x80\xfe", 6698},
        {"{p0}:stream", 15882},
        {"{p63}:seen", 12555},
        {"p63", 12555},
        {"sentier:dataset", 12270},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct guard g = guard_copy(str_of(cases[i].key));
        assert_int_equal(slot_of(g.s), cases[i].slot);
        guard_free(&g);
    }
}

static void a_command_has_its_key(void **state)
{
    static const struct {
        const char *words[8];
        const char *key; /* "": none */
    } cases[] = {
        {{"GET", "a"}, "a"},
        {{"HMGET", "{p1}:meta", "shipped", "bytes"}, "{p1}:meta"},
        {{"PUBLISH", "news", "text"}, "news"},
        {{"EVAL", "return 1", "2", "a", "b", "c"}, "a"},
        {{"evalsha", "0123", "1", "a"}, "a"},
        {{"EVAL", "return 1", "0", "a"}, ""},
        {{"EVAL", "return 1", "0"}, ""},
        {{"EVAL", "return 1"}, ""},
        {{"XREAD", "COUNT", "4", "STREAMS", "{p1}:stream", "0-0"}, "{p1}:stream"},
        {{"xread", "streams", "s", "0"}, "s"},
        {{"XREAD", "COUNT", "4", "STREAMS"}, ""},
        {{"XREAD"}, ""},
        {{"PING"}, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str argv[8];
        int argc = 0;
        while (argc < 8 && cases[i].words[argc] != NULL) {
            argv[argc] = str_of(cases[i].words[argc]);
            argc++;
        }
        struct str key = slot_key(argc, argv);
        assert_int_equal(key.n, strlen(cases[i].key));
        if (key.n > 0) assert_memory_equal(key.p, cases[i].key, key.n);
    }
}

static redisReply *reply_of(const char *text)
{
    void *reply = NULL;
    redisReader *reader = redisReaderCreate();
    assert_int_equal(redisReaderFeed(reader, text, strlen(text)), REDIS_OK);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_non_null(reply);
    redisReaderFree(reader);
    return reply;
}

#define HOST "$9\r\n127.0.0.1\r\n"
#define NODE "*2\r\n" HOST ":7001\r\n"

static void a_map_is_read_or_left_as_it_was(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        unsigned nodes, missing;
        const char *host; /* of the first node */
        int port;
    } cases[] = {
        {"*1\r\n*3\r\n:0\r\n:16383\r\n" NODE, true, 1, 0, "127.0.0.1", 7001},
        /* with ids, metadata and a replica */
        {"*1\r\n*4\r\n:0\r\n:5460\r\n*4\r\n" HOST ":7001\r\n$2\r\nab\r\n*0\r\n*4\r\n" HOST
         ":7002\r\n$2\r\ncd\r\n*0\r\n",
         true, 1, SLOTS - 5461, "127.0.0.1", 7001},
        /* the same node twice, another one, one slot each */
        {"*3\r\n*3\r\n:0\r\n:0\r\n" NODE "*3\r\n:2\r\n:2\r\n" NODE
         "*3\r\n:7\r\n:7\r\n*2\r\n$3\r\n::1\r\n:7001\r\n",
         true, 2, SLOTS - 3, "127.0.0.1", 7001},
        /* no address of its own: that of the one that was asked */
        {"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$-1\r\n:7003\r\n", true, 1, 0, "10.0.0.9", 7003},
        {"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$0\r\n\r\n:7003\r\n", true, 1, 0, "10.0.0.9", 7003},
        {"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$1\r\n?\r\n:7003\r\n", true, 1, 0, "10.0.0.9", 7003},
        {"*0\r\n", true, 0, SLOTS, NULL, 0},
        /* what is no map */
        {"-ERR This instance has cluster support disabled\r\n", false, 0, 0, NULL, 0},
        {"$-1\r\n", false, 0, 0, NULL, 0},
        {"*1\r\n:5\r\n", false, 0, 0, NULL, 0},
        {"*1\r\n*2\r\n:0\r\n:16383\r\n", false, 0, 0, NULL, 0},
        {"*1\r\n*3\r\n:0\r\n:16384\r\n" NODE, false, 0, 0, NULL, 0},
        {"*1\r\n*3\r\n:-1\r\n:5\r\n" NODE, false, 0, 0, NULL, 0},
        {"*1\r\n*3\r\n$1\r\n0\r\n:5\r\n" NODE, false, 0, 0, NULL, 0},
        {"*1\r\n*3\r\n:0\r\n:16383\r\n*1\r\n" HOST, false, 0, 0, NULL, 0},
        {"*1\r\n*3\r\n:0\r\n:16383\r\n" HOST, false, 0, 0, NULL, 0},
        {"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n" HOST HOST, false, 0, 0, NULL, 0},
        {"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n" HOST ":0\r\n", false, 0, 0, NULL, 0},
        {"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n" HOST ":65536\r\n", false, 0, 0, NULL, 0},
        /* right but for the second range */
        {"*2\r\n*3\r\n:0\r\n:8000\r\n" NODE "*3\r\n:8001\r\n:16383\r\n*0\r\n", false, 0, 0, NULL,
         0},
    };
    struct slot_map *m = calloc(1, sizeof *m), *before = calloc(1, sizeof *m);
    (void)state;
    m->missing = before->missing = SLOTS;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        redisReply *r = reply_of(cases[i].text);
        *before = *m;
        assert_int_equal(slots_read(m, r, &asked), cases[i].ok);
        freeReplyObject(r);
        if (!cases[i].ok) {
            assert_memory_equal(m, before, sizeof *m);
            continue;
        }
        assert_int_equal(m->nodes, cases[i].nodes);
        assert_int_equal(m->missing, cases[i].missing);
        unsigned missing = 0;
        for (unsigned s = 0; s < SLOTS; s++)
            missing += m->of[s] == SLOT_NODE_NONE;
        assert_int_equal(missing, m->missing);
        if (m->nodes == 0) continue;
        assert_string_equal(m->node[m->of[0]].host, cases[i].host);
        assert_int_equal(m->node[m->of[0]].port, cases[i].port);
    }
    assert_false(slots_read(m, NULL, &asked));
    free(m);
    free(before);
}

static void too_many_nodes_are_no_map(void **state)
{
    static char text[64 * (SLOT_NODES_MAX + 2)];
    struct slot_map *m = calloc(1, sizeof *m);
    (void)state;
    for (int n = SLOT_NODES_MAX; n <= SLOT_NODES_MAX + 1; n++) {
        int at = sprintf(text, "*%d\r\n", n);
        for (int i = 0; i < n; i++)
            at += sprintf(text + at, "*3\r\n:%d\r\n:%d\r\n*2\r\n" HOST ":%d\r\n", i, i, 1 + i);
        redisReply *r = reply_of(text);
        assert_int_equal(slots_read(m, r, &asked), n == SLOT_NODES_MAX);
        freeReplyObject(r);
    }
    assert_int_equal(m->nodes, SLOT_NODES_MAX);
    struct redirect to = {REDIRECT_MOVED, 5, {"127.0.0.1", 3}};
    assert_true(slots_moved(m, &to)); /* a node that is known */
    assert_int_equal(m->of[5], 2);
    to.to.port = 60000;
    assert_false(slots_moved(m, &to));
    assert_int_equal(m->of[5], 2);
    free(m);
}

static void redirections_are_read(void **state)
{
    static const struct {
        const char *text;
        enum redirect_kind kind;
        unsigned slot;
        const char *host;
        int port;
    } cases[] = {
        {"-MOVED 3999 127.0.0.1:6381\r\n", REDIRECT_MOVED, 3999, "127.0.0.1", 6381},
        {"-ASK 0 redis-2.example:6381\r\n", REDIRECT_ASK, 0, "redis-2.example", 6381},
        {"-MOVED 16383 ::1:6381\r\n", REDIRECT_MOVED, 16383, "::1", 6381},
        {"-MOVED 1 :6381\r\n", REDIRECT_MOVED, 1, "10.0.0.9", 6381},
        {"-MOVED 1 ?:6381\r\n", REDIRECT_MOVED, 1, "10.0.0.9", 6381},
        {"-MOVED 16384 127.0.0.1:6381\r\n", REDIRECT_NONE, 0, "", 0},
        {"-MOVED -1 127.0.0.1:6381\r\n", REDIRECT_NONE, 0, "", 0},
        {"-MOVED x 127.0.0.1:6381\r\n", REDIRECT_NONE, 0, "", 0},
        {"-MOVED 1 127.0.0.1\r\n", REDIRECT_NONE, 0, "", 0},
        {"-MOVED 1 127.0.0.1:\r\n", REDIRECT_NONE, 0, "", 0},
        {"-MOVED 1 127.0.0.1:99999\r\n", REDIRECT_NONE, 0, "", 0},
        {"-MOVED 1\r\n", REDIRECT_NONE, 0, "", 0},
        {"-MOVED\r\n", REDIRECT_NONE, 0, "", 0},
        {"-ASKING 1 127.0.0.1:6381\r\n", REDIRECT_NONE, 0, "", 0},
        {"-TRYAGAIN Multiple keys request during rehashing of slot\r\n", REDIRECT_NONE, 0, "", 0},
        {"+MOVED 3999 127.0.0.1:6381\r\n", REDIRECT_NONE, 0, "", 0},
        {"$26\r\nMOVED 3999 127.0.0.1:6381x\r\n", REDIRECT_NONE, 0, "", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        redisReply *r = reply_of(cases[i].text);
        struct redirect to = redirect_parse(r, &asked);
        freeReplyObject(r);
        assert_int_equal(to.kind, cases[i].kind);
        if (to.kind == REDIRECT_NONE) continue;
        assert_int_equal(to.slot, cases[i].slot);
        assert_string_equal(to.to.host, cases[i].host);
        assert_int_equal(to.to.port, cases[i].port);
    }
    assert_int_equal(redirect_parse(NULL, &asked).kind, REDIRECT_NONE);
}

static void a_host_that_does_not_fit_is_none(void **state)
{
    char text[ADDRESS_HOST_BYTES + 32];
    (void)state;
    for (size_t n = ADDRESS_HOST_BYTES - 1; n <= ADDRESS_HOST_BYTES; n++) {
        memcpy(text, "-MOVED 1 ", 9);
        memset(text + 9, 'h', n);
        strcpy(text + 9 + n, ":1\r\n");
        redisReply *r = reply_of(text);
        assert_int_equal(redirect_parse(r, &asked).kind,
                         n < ADDRESS_HOST_BYTES ? REDIRECT_MOVED : REDIRECT_NONE);
        freeReplyObject(r);
    }
}

static void a_moved_slot_is_noted(void **state)
{
    struct slot_map *m = calloc(1, sizeof *m);
    redisReply *r = reply_of("*1\r\n*3\r\n:0\r\n:9\r\n" NODE);
    (void)state;
    assert_true(slots_read(m, r, &asked));
    freeReplyObject(r);
    struct redirect to = {REDIRECT_MOVED, 9, {"127.0.0.1", 7002}};
    assert_true(slots_moved(m, &to));
    assert_int_equal(m->nodes, 2);
    assert_int_equal(m->of[9], 1);
    assert_int_equal(m->of[8], 0);
    assert_int_equal(m->missing, SLOTS - 10);
    to.slot = 10; /* one that nobody had */
    assert_true(slots_moved(m, &to));
    assert_int_equal(m->nodes, 2);
    assert_int_equal(m->missing, SLOTS - 11);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_has_its_slot),
        cmocka_unit_test(a_command_has_its_key),
        cmocka_unit_test(a_map_is_read_or_left_as_it_was),
        cmocka_unit_test(too_many_nodes_are_no_map),
        cmocka_unit_test(redirections_are_read),
        cmocka_unit_test(a_host_that_does_not_fit_is_none),
        cmocka_unit_test(a_moved_slot_is_noted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
