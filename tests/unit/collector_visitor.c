/* Ids: what they depend on, that parts cannot be confused, and values that must never change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>
#include <time.h>

#include "visitor.h"

static const unsigned char salt[32] = "0123456789abcdef0123456789abcde";
static const unsigned char other_salt[32] = "0123456789abcdef0123456789abcdF";

struct who {
    const unsigned char *salt;
    const char *site;
    unsigned char address[16];
    const char *agent;
};

#define V4(a, b, c, d)                                                                             \
    {                                                                                              \
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d                                       \
    }

/* All different from each other. */
static const struct who people[] = {
    {salt, "shop", V4(1, 2, 3, 4), "Firefox"},
    {other_salt, "shop", V4(1, 2, 3, 4), "Firefox"},
    {salt, "blog", V4(1, 2, 3, 4), "Firefox"},
    {salt, "shop", V4(1, 2, 3, 5), "Firefox"},
    {salt, "shop", {0x20, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4}, "Firefox"},
    {salt, "shop", V4(1, 2, 3, 4), "firefox"},
    {salt, "shop", V4(1, 2, 3, 4), ""},
    {salt, "", V4(1, 2, 3, 4), "shopFirefox"},
    {salt, "shopF", V4(1, 2, 3, 4), "irefox"},
};
enum { PEOPLE = sizeof people / sizeof *people };

static uint64_t daily(const struct who *w)
{
    return visitor_daily(w->salt, str_of(w->site), w->address, str_of(w->agent));
}

static void daily_tells_people_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < PEOPLE; i++) {
        assert_true(daily(&people[i]) != 0);
        assert_true(daily(&people[i]) == daily(&people[i]));
        for (size_t j = 0; j < i; j++)
            assert_true(daily(&people[i]) != daily(&people[j]));
    }
}

static const struct {
    const char *site;
    uint32_t day;
    const char *address, *agent;
} lines[] = {
    {"shop", 20000, "1.2.3.4", "Firefox"}, {"shop", 20001, "1.2.3.4", "Firefox"},
    {"blog", 20000, "1.2.3.4", "Firefox"}, {"shop", 20000, "1.2.3.5", "Firefox"},
    {"shop", 20000, "1.2.3.4", "firefox"}, {"shop", 20000, "1.2.3.4F", "irefox"},
    {"shop", 20000, "", "1.2.3.4Firefox"}, {"shop", 20000, "1.2.3.4Firefox", ""},
};
enum { LINES = sizeof lines / sizeof *lines };

static uint64_t imported(const unsigned char *key, size_t i)
{
    return visitor_import(key, str_of(lines[i].site), lines[i].day, str_of(lines[i].address),
                          str_of(lines[i].agent));
}

static void import_tells_people_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < LINES; i++) {
        assert_true(imported(salt, i) != 0);
        assert_true(imported(salt, i) != imported(other_salt, i));
        for (size_t j = 0; j < i; j++)
            assert_true(imported(salt, i) != imported(salt, j));
    }
}

/* A second import, years later, must find the same visitors: the layout is stored, so to speak. */
static void import_is_stable(void **state)
{
    (void)state;
    static const unsigned char layout[] = "\4\0\0\0\0\0\0\0shop"
                                          "\4\0\0\0\0\0\0\0\x20\x4e\0\0"
                                          "\7\0\0\0\0\0\0\0"
                                          "1.2.3.4"
                                          "\7\0\0\0\0\0\0\0"
                                          "Firefox";
    unsigned char mac[32];
    uint64_t want = 0;
    crypto_auth_hmacsha256(mac, layout, sizeof layout - 1, salt);
    for (int i = 7; i >= 0; i--)
        want = want << 8 | mac[i];
    assert_true(imported(salt, 0) == want);
}

static double us_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void what_it_costs(void **state)
{
    (void)state;
    enum { N = 50000 };
    struct str agent = STR("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, "
                           "like Gecko) Chrome/139.0.0.0 Safari/537.36");
    unsigned char address[16] = V4(0, 0, 0, 0);
    uint64_t seen = 0;
    double begin = us_now();
    for (unsigned i = 0; i < N; i++) {
        memcpy(address + 12, &i, sizeof i);
        seen ^= visitor_daily(salt, STR("shop"), address, agent);
    }
    double daily_us = (us_now() - begin) / N;
    begin = us_now();
    for (unsigned i = 0; i < N; i++) {
        seen ^= visitor_import(salt, STR("shop"), i, STR("192.0.2.17"), agent);
    }
    print_message("us: daily %.2f, import %.2f\n", daily_us, (us_now() - begin) / N);
    assert_true(seen != 0);
}

static int set_up(void **state)
{
    (void)state;
    return sodium_init() < 0 ? -1 : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(daily_tells_people_apart),
        cmocka_unit_test(import_tells_people_apart),
        cmocka_unit_test(import_is_stable),
        cmocka_unit_test(what_it_costs),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
