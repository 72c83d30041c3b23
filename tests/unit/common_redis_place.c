/* Where Redis is, in its four forms; what is none of them is named, with what would be right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "redis_place.h"

#define LONG_60 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define FOUR    "h:1,h:1,h:1,h:1"

static void places(void **state)
{
    static const struct {
        const char *text;
        enum redis_kind kind;
        const char *name; /* path or master */
        unsigned seeds;
        const char *host; /* of the last */
        int port;
    } cases[] = {
        {"unix:/run/redis.sock", REDIS_UNIX, "/run/redis.sock", 0, NULL, 0},
        {"/run/redis.sock", REDIS_UNIX, "/run/redis.sock", 0, NULL, 0},
        {" unix:/a b,c@d:1 ", REDIS_UNIX, "/a b,c@d:1", 0, NULL, 0},
        {"localhost:6379", REDIS_TCP, NULL, 1, "localhost", 6379},
        {"127.0.0.1:1", REDIS_TCP, NULL, 1, "127.0.0.1", 1},
        {"[::1]:65535", REDIS_TCP, NULL, 1, "::1", 65535},
        {"sentinel://main@s:26379", REDIS_SENTINEL, "main", 1, "s", 26379},
        {"sentinel://a.b-c:2@s:1,t:2, [fe80::1]:3", REDIS_SENTINEL, "a.b-c:2", 3, "fe80::1", 3},
        {"sentinel://" LONG_60 "123@s:1", REDIS_SENTINEL, LONG_60 "123", 1, "s", 1},
        {"cluster://h:7000", REDIS_CLUSTER, NULL, 1, "h", 7000},
        {"cluster://h:7000 , i:7001", REDIS_CLUSTER, NULL, 2, "i", 7001},
        {"cluster://" FOUR "," FOUR "," FOUR ",h:1,h:1,h:1,last:2", REDIS_CLUSTER, NULL, 16, "last",
         2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct redis_place p;
        struct buf err = {0};
        if (!redis_place_parse(cases[i].text, &p, &err))
            fail_msg("%s: %.*s", cases[i].text, STR_ARG(buf_str(&err)));
        assert_int_equal(err.n, 0);
        assert_int_equal(p.kind, cases[i].kind);
        assert_int_equal(p.seeds, cases[i].seeds);
        assert_string_equal(p.path, p.kind == REDIS_UNIX ? cases[i].name : "");
        assert_string_equal(p.master, p.kind == REDIS_SENTINEL ? cases[i].name : "");
        if (p.seeds == 0) continue;
        assert_string_equal(p.seed[p.seeds - 1].host, cases[i].host);
        assert_int_equal(p.seed[p.seeds - 1].port, cases[i].port);
    }
}

static void refused(void **state)
{
    static const struct {
        const char *text, *names, *right;
    } cases[] = {
        {"", "address ''", "cluster://host:port"},
        {"host", "address 'host'", "unix:/path, host:port"},
        {":6379", "address ':6379'", "sentinel://name@host:port"},
        {"host:", "'host:'", "host:port"},
        {"host:0", "'host:0'", "host:port"},
        {"host:65536", "'host:65536'", "host:port"},
        {"host:63 79", "'host:63 79'", "host:port"},
        {"my host:6379", "'my host:6379'", "host:port"},
        {"::1:6379", "'::1:6379'", "host:port"},
        {"a:1,b:2", "'a:1,b:2'", "cluster://host:port"},
        {"redis://host:6379", "'redis://host:6379'", "unix:/path, host:port, sentinel://"},
        {"rediss:6379/0", "'rediss:6379/0'", "unix:/path"},
        {"user@host:6379", "'user@host:6379'", "unix:/path"},
        {"CLUSTER://h:1", "'CLUSTER://h:1'", "cluster://host:port"},
        {"unix:", "path of a socket ''", "absolute, as unix:/run/redis.sock"},
        {"unix:redis.sock", "'redis.sock'", "absolute"},
        {"/" LONG_60 LONG_60, "/aaaaa", "shorter than 108 bytes"},
        {"cluster://", "address ''", "host:port, or [IPv6]:port"},
        {"cluster://a:1,", "address ''", "host:port, or [IPv6]:port"},
        {"cluster://a:1,b", "address 'b'", "port 1 to 65535"},
        {"cluster://a:1;b:2", "'a:1;b:2'", "port 1 to 65535"},
        {"cluster://name@a:1", "'name@a:1'", "host:port"},
        {"cluster://a:1/0", "'a:1/0'", "host:port"},
        {"cluster://" FOUR "," FOUR "," FOUR "," FOUR ",h:1", "'h:1'", "at most 16"},
        {"sentinel://host:26379", "sentinel:// 'host:26379'", "name@host:port"},
        {"sentinel://@host:26379", "'@host:26379'", "the name that the sentinels give"},
        {"sentinel://main@", "address ''", "host:port"},
        {"sentinel://main@a:1,b:x", "address 'b:x'", "host:port"},
        {"sentinel://" LONG_60 "1234@h:1", LONG_60 "1234", "at most 63 bytes"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct redis_place p;
        struct buf err = {0};
        if (redis_place_parse(cases[i].text, &p, &err)) fail_msg("'%s' was taken", cases[i].text);
        buf_add_char(&err, '\0');
        if (strstr(err.p, cases[i].names) == NULL || strstr(err.p, cases[i].right) == NULL)
            fail_msg("'%s' said '%s'", cases[i].text, err.p);
        buf_fini(&err);
    }
}

/* A host of any length is refused, never cut. */
static void a_host_is_not_cut(void **state)
{
    char text[400];
    struct redis_place p;
    (void)state;
    for (size_t n = 250; n < 390; n++) {
        struct buf err = {0};
        memset(text, 'a', n);
        strcpy(text + n, ":1");
        assert_int_equal(redis_place_parse(text, &p, &err), n < ADDRESS_HOST_BYTES);
        if (n < ADDRESS_HOST_BYTES) assert_int_equal(strlen(p.seed[0].host), n);
        buf_fini(&err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places),
        cmocka_unit_test(refused),
        cmocka_unit_test(a_host_is_not_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
