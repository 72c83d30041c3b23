/* Whose address it is: one row per X-Forwarded-For, and the texts that are addresses or networks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdio.h>

#include "client.h"
#include "guard.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static char *trusted[] = {"127.0.0.0/8", "10.1.0.0/20", "192.0.2.7", "::1", "fd00:5::/33", NULL};

static struct sockaddr_storage peer_of(const char *text)
{
    struct sockaddr_storage peer = {.ss_family = AF_INET};
    if (inet_pton(AF_INET, text, &((struct sockaddr_in *)&peer)->sin_addr) == 1) return peer;
    peer.ss_family = AF_INET6;
    assert_int_equal(inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&peer)->sin6_addr), 1);
    return peer;
}

static const struct {
    const char *peer, *forwarded_for, *want;
} hops[] = {
    /* nobody is believed but our own proxies */
    {"203.0.113.9", "", "203.0.113.9"},
    {"203.0.113.9", "198.51.100.1", "203.0.113.9"},
    {"2001:db8::9", "198.51.100.1", "2001:db8::9"},
    {"127.0.0.1", "", "127.0.0.1"},
    {"127.0.0.1", "198.51.100.1", "198.51.100.1"},
    {"::1", "2001:db8::1", "2001:db8::1"},
    {"::ffff:127.0.0.1", "198.51.100.1", "198.51.100.1"}, /* a socket for both families */

    /* the right-most hop that is no proxy, whatever stands before it */
    {"127.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"},
    {"127.0.0.1", "6.6.6.6, 198.51.100.1, 10.1.15.255", "198.51.100.1"},
    {"127.0.0.1", "198.51.100.1, 10.1.16.0", "10.1.16.0"}, /* just outside the network */
    {"127.0.0.1", "198.51.100.1,192.0.2.7", "198.51.100.1"},
    {"127.0.0.1", "198.51.100.1,192.0.2.8", "192.0.2.8"},
    {"127.0.0.1", "2001:db8::1, fd00:5:7fff::1", "2001:db8::1"},
    {"127.0.0.1", "2001:db8::1, fd00:5:8000::1", "fd00:5:8000::1"},
    {"127.0.0.1", "10.1.0.1, 10.1.0.2", "10.1.0.1"}, /* all ours: the first of them */
    {"127.0.0.1", "\t198.51.100.1 \t", "198.51.100.1"},

    /* ports */
    {"127.0.0.1", "198.51.100.1:4711", "198.51.100.1"},
    {"127.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"},
    {"127.0.0.1", "[2001:db8::1]", "2001:db8::1"},

    /* a hop that is no address ends the walk at the last one that was */
    {"127.0.0.1", "unknown", "127.0.0.1"},
    {"127.0.0.1", "198.51.100.1, unknown", "127.0.0.1"},
    {"127.0.0.1", "198.51.100.1, _hidden, 10.1.0.1", "10.1.0.1"},
    {"127.0.0.1", "198.51.100.1,,10.1.0.1", "10.1.0.1"},
    {"127.0.0.1", ",", "127.0.0.1"},
    {"127.0.0.1", "198.51.100.1.5", "127.0.0.1"},
    {"127.0.0.1", "198.51.100.256", "127.0.0.1"},
    {"127.0.0.1", "[2001:db8::1", "2001:db8::1"},
    {"127.0.0.1", "0000:0000:0000:0000:0000:0000:0000:0000:0000:0001", "127.0.0.1"},
};

static void test_hops(void **state)
{
    const char *bad;
    struct proxies *p = proxies_new(trusted, &bad);
    (void)state;
    assert_non_null(p);
    for (size_t i = 0; i < COUNT(hops); i++) {
        unsigned char want[ADDRESS_BYTES], got[ADDRESS_BYTES];
        struct sockaddr_storage peer = peer_of(hops[i].peer);
        struct guard g = guard_copy(str_of(hops[i].forwarded_for));
        assert_true(address_parse(str_of(hops[i].want), want));
        client_address(p, &peer, g.s, got);
        guard_free(&g);
        if (memcmp(want, got, sizeof want) != 0)
            fail_msg("%s, %s: not %s", hops[i].peer, hops[i].forwarded_for, hops[i].want);
    }
    proxies_free(p);
}

/* However long the header, no more hops are walked than the bound. */
static void test_bound(void **state)
{
    char text[(FORWARDED_HOPS_MAX + 1) * 16] = "198.51.100.1";
    unsigned char want[ADDRESS_BYTES], got[ADDRESS_BYTES];
    struct sockaddr_storage peer = peer_of("127.0.0.1");
    const char *bad;
    struct proxies *p = proxies_new(trusted, &bad);
    (void)state;
    for (int i = 1; i < FORWARDED_HOPS_MAX; i++)
        strcat(text, ",10.1.0.1");
    assert_true(address_parse(STR("198.51.100.1"), want));
    client_address(p, &peer, str_of(text), got);
    assert_memory_equal(want, got, sizeof want);
    strcat(text, ",10.1.0.1");
    assert_true(address_parse(STR("10.1.0.1"), want));
    client_address(p, &peer, str_of(text), got);
    assert_memory_equal(want, got, sizeof want);
    proxies_free(p);
}

static void test_no_proxies(void **state)
{
    unsigned char want[ADDRESS_BYTES], got[ADDRESS_BYTES];
    struct sockaddr_storage peer = peer_of("127.0.0.1"), unix_peer = {.ss_family = AF_UNIX};
    const char *bad;
    struct proxies *p = proxies_new(NULL, &bad);
    (void)state;
    assert_true(address_parse(STR("127.0.0.1"), want));
    client_address(p, &peer, STR("198.51.100.1"), got);
    assert_memory_equal(want, got, sizeof want);
    client_address(p, &unix_peer, STR(""), got);
    assert_true(address_parse(STR("::"), want));
    assert_memory_equal(want, got, sizeof want);
    proxies_free(p);
}

static const struct {
    const char *network;
    bool ok;
} networks[] = {
    {"127.0.0.1", true},    {"127.0.0.0/8", true},    {"0.0.0.0/0", true},
    {"10.0.0.0/32", true},  {"::/0", true},           {"fd00::/8", true},
    {"::1/128", true},      {"10.0.0.0/33", false},   {"fd00::/129", false},
    {"10.0.0.0/", false},   {"10.0.0.0/x", false},    {"10.0.0.0/8x", false},
    {"10.0.0.0/-1", false}, {"10.0.0/8", false},      {"", false},
    {"/8", false},          {"proxy.example", false}, {"10.0.0.0/ 8", false},
    {"10.0.0.0/+8", false},
};

static void test_networks(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(networks); i++) {
        char *list[] = {"::1", (char *)networks[i].network, NULL};
        const char *bad;
        struct proxies *p = proxies_new(list, &bad);
        if ((p != NULL) != networks[i].ok) fail_msg("%s", networks[i].network);
        assert_ptr_equal(bad, networks[i].ok ? NULL : networks[i].network);
        proxies_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hops),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_no_proxies),
        cmocka_unit_test(test_networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
