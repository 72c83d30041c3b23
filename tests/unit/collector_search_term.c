/* search_term.c: URL -> what was searched for on the site. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "guard.h"
#include "search_term.h"

static char *params[] = {"q", "s", NULL};
static const struct site shop = {.name = "shop", .search_params = params};
static const struct site plain = {.name = "plain"};

static const struct {
    const char *query, *want;
} cases[] = {
    {"", ""},
    {"q=", ""},
    {"p=shoes", ""},
    {"Q=shoes", ""},
    {"q=shoes", "shoes"},
    {"utm_source=x&q=Red+Shoes&page=2", "red shoes"},
    {"s=boots", "boots"},
    {"s=boots&q=shoes", "shoes"}, /* the site's order, not the URL's */
    {"s=boots&q=+", "boots"},
    {"q=a&q=b", "a"},
    {"q=%20Red%09%0a++SHOES%20", "red shoes"},
    {"q=%C2%A0a%E3%80%80b%E2%80%83c%00d", "a b c d"}, /* blanks of other scripts; NUL */
    {"q=%C3%84PFEL+%D0%A1%D0%90%D0%9F%D0%9E%D0%93%D0%98+%CE%A3",
     "\xc3\xa4pfel \xd1\x81\xd0\xb0\xd0\xbf\xd0\xbe\xd0\xb3\xd0\xb8 \xcf\x83"},
    {"q=\xe9\x9d\xb4%F0%9F%91%9F", "\xe9\x9d\xb4\xf0\x9f\x91\x9f"},
    {"q=%FFcaf%C3", "\xef\xbf\xbd"
                    "caf\xef\xbf\xbd"},
    {"q=100%", "100%"},
    {"q=Me@Mail.Example", "(email)"},
    {"q=1234567890", "(number)"},
    {"q=DEADBEEFDEADBEEF0", "(token)"},
};

static void test_cases(void **state)
{
    static struct search_room room;
    locale_t letters = search_letters();
    (void)state;
    assert_true(letters != (locale_t)0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct guard g = guard_copy(str_of(cases[i].query));
        struct url url = {.query = g.s};
        struct str term = search_term(&url, &shop, letters, &room);
        if (!str_eq(term, str_of(cases[i].want)))
            fail_msg("%s: %.*s", cases[i].query, STR_ARG(term));
        assert_int_equal(search_term(&url, &plain, letters, &room).n, 0);
        guard_free(&g);
    }
    static const struct site routes = {
        .name = "routes", .search_params = params, .hash_routing = true};
    struct url route = {.query = STR("s=boots"), .fragment = STR("/find?q=Red")};
    assert_true(str_eq(search_term(&route, &routes, letters, &room), STR("red")));
    assert_true(str_eq(search_term(&route, &shop, letters, &room), STR("boots")));
    route.fragment = STR("q=Red"); /* an anchor */
    assert_true(str_eq(search_term(&route, &routes, letters, &room), STR("boots")));
    struct url url = {.query = STR("q=%C3%84A")}; /* where the C library knows ASCII alone */
    assert_true(str_eq(search_term(&url, &shop, (locale_t)0, &room), STR("\xc3\x84"
                                                                         "a")));
    freelocale(letters);
}

/* Whole characters, and never more than fit. */
static void test_long(void **state)
{
    static struct search_room room;
    static char query[URL_TEXT_MAX_BYTES + 1];
    locale_t letters = search_letters();
    (void)state;
    for (size_t piece = 2; piece < 80; piece++) {
        size_t n = (size_t)snprintf(query, sizeof query, "q=");
        while (n + 10 < sizeof query) /* U+023A: two bytes that become three */
            n += (size_t)snprintf(query + n, sizeof query - n, n % piece == 0 ? "+" : "%s",
                                  "\xc8\xba");
        struct guard g = guard_copy((struct str){query, n});
        struct url url = {.query = g.s};
        struct str term = search_term(&url, &shop, letters, &room);
        assert_true(term.n > HIT_NAME_MAX_BYTES - 5 && term.n <= HIT_NAME_MAX_BYTES);
        for (size_t i = 0; i < term.n;) {
            assert_true(term.p[i] == ' ' || str_starts(str_from(term, i), STR("\xe2\xb1\xa5")));
            i += term.p[i] == ' ' ? 1 : 3;
        }
        guard_free(&g);
    }
    freelocale(letters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_long)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
