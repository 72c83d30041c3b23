/* URL -> page: our own rows, masks, and the URL standard's cases with each way we differ named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "guard.h"
#include "mask.h"
#include "page.h"
#include "query.h"

static char *params[] = {"id", "q", "a b", NULL};
static const struct site plain = {.name = "s"};
static const struct site keeps = {.name = "s", .keep_params = params};
static const struct site routes = {.name = "s", .keep_params = params, .hash_routing = true};

static const struct {
    const struct site *site;
    const char *url;
    const char *page; /* NULL: V_BAD_PAGE */
} rows[] = {
    /* host */
    {&plain, "https://shop.example", "shop.example/"},
    {&plain, "HTTPS://Shop.EXAMPLE/", "shop.example/"},
    {&plain, "https://www.shop.example/a", "www.shop.example/a"},
    {&plain, "http://h:80/a", "h/a"},
    {&plain, "https://h:443/a", "h/a"},
    {&plain, "https://h:80/a", "h:80/a"},
    {&plain, "http://h:/a", "h/a"},
    {&plain, "http://h:08080/a", "h:8080/a"},
    {&plain, "http://me:secret@h/a", "h/a"},
    {&plain, "http://me@evil@h/a", "h/a"},
    {&plain, "http:\\\\h\\a\\b", "h/a/b"},
    {&plain, "http:h/a", "h/a"},
    {&plain, "http://%68/a", "h/a"},
    {&plain, "http://[2001:DB8:0:0:1:0:0:1]:8080/", "[2001:db8::1:0:0:1]:8080/"},
    {&plain, "http://[::ffff:1.2.3.4]/", "[::ffff:102:304]/"},
    {&plain, "http://0x7f.1/", "127.0.0.1/"},
    {&plain, "http://m\xc3\xbcller.example/", "xn--mller-kva.example/"},
    {&plain, "http://M%C3%9CLLER.example:8080/a", "xn--mller-kva.example:8080/a"},
    {&plain, "http://\xe2\x98\x95.example/", "\xe2\x98\x95.example/"},
    {&plain, "http://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.1/", "127.0.0.1/"},
    {&plain, "http://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.256.1.1/", NULL},
    {&plain,
     "http://a\xef\xbc\x8f"
     "b/",
     NULL},
    {&plain, "http://\xc2\xad/", NULL},
    {&plain, "http://xn--mller-kva.example/", "xn--mller-kva.example/"},
    {&plain, "http:///", NULL},
    {&plain, "http://", NULL},
    {&plain, "http://:80/", NULL},
    {&plain, "http://h:65536/", NULL},
    {&plain, "http://h:8a/", NULL},
    {&plain, "http://a b/", NULL},
    {&plain, "http://a%2/", NULL},
    {&plain, "http://1.2.3.4.5/", NULL},
    {&plain, "http://09.1/", NULL},
    {&plain, "http://[::1", NULL},
    {&plain, "http://[::1]x/", NULL},
    {&plain, "http://a\xff/", NULL},
    {&plain, "ftp://h/a", NULL},
    {&plain, "javascript:alert(1)", NULL},
    {&plain, "mailto:me@h.example", NULL},
    {&plain, "/a/b", NULL},
    {&plain, "//h/a", NULL},
    {&plain, "", NULL},
    {&plain, "http://h/a\nb", NULL},
    /* path */
    {&plain, "http://h/a/", "h/a"},
    {&plain, "http://h/a//", "h/a"},
    {&plain, "http://h//a", "h//a"},
    {&plain, "http://h//", "h/"},
    {&plain, "http://h/a/./b/../c", "h/a/c"},
    {&plain, "http://h/../../a", "h/a"},
    {&plain, "http://h/a/%2e%2E/b", "h/b"},
    {&plain, "http://h/a/.%2e", "h/"},
    {&plain, "http://h/a/...", "h/a/..."},
    {&plain, "http://h/index.html", "h/"},
    {&plain, "http://h/a/index.php", "h/a"},
    {&plain, "http://h/a/Default.aspx?x=1#y", "h/a"},
    {&plain, "http://h/a/index.html/", "h/a"},
    {&plain, "http://h/a/index.php/b", "h/a/index.php/b"},
    {&plain, "http://h/reindex.html", "h/reindex.html"},
    {&plain, "http://h/caf%C3%A9", "h/caf\xc3\xa9"},
    {&plain, "http://h/caf\xc3\xa9", "h/caf\xc3\xa9"},
    {&plain, "http://h/%7Euser", "h/~user"},
    {&plain, "http://h/a%20b", "h/a%20b"},
    {&plain, "http://h/a b", "h/a%20b"},
    {&plain, "http://h/%2541", "h/%2541"},
    {&plain, "http://h/100%", "h/100%25"},
    {&plain, "http://h/%%36%31", "h/%2561"},
    {&plain, "http://h/a%2fb%5cc%3fd%23e", "h/a%2Fb%5Cc%3Fd%23e"},
    {&plain, "http://h/%0a%00%7f%c2%9b", "h/%0A%00%7F%C2%9B"},
    {&plain, "http://h/%ff%C3", "h/%FF%C3"},
    /* query, fragment */
    {&plain, "http://h/a?id=1#b", "h/a"},
    {&keeps, "http://h?id=1", "h/?id=1"},
    {&keeps, "http://h/a?utm_source=x&q=b&id=7&z=1#f", "h/a?id=7&q=b"},
    {&keeps, "http://h/a?id=2&q=x&id=1", "h/a?id=2&id=1&q=x"},
    {&keeps, "http://h/a?q=a+b%26c%3Dd%2B&a+b=1", "h/a?a%20b=1&q=a%20b%26c%3Dd%2B"},
    {&keeps, "http://h/a?q=%ff%zz", "h/a?q=%FF%25zz"},
    {&keeps, "http://h/a?q", "h/a?q="},
    {&keeps, "http://h/a?ID=1", "h/a"},
    {&keeps, "http://h/a?q=me%40mail.example", "h/a?q=(email)"},
    {&keeps, "http://h/a#/b", "h/a"},
    {&routes, "http://h/a#/b/", "h/a#/b"},
    {&routes, "http://h/#!/b?token=1", "h/#!/b"},
    {&routes, "http://h/a?id=1#/b/../c%20d", "h/a?id=1#/c%20d"},
    {&routes, "http://h/a#/", "h/a"},
    {&routes, "http://h/a#section", "h/a"},
    {&routes, "http://h/a#access_token=xyz", "h/a"},
    {&routes, "http://h/#/user/me@mail.example", "h/#/user/(email)"},
};

static void expect_same_again(const struct page *p, const struct site *site, bool https)
{
    struct page again;
    char url[sizeof again.text + 8];
    int n = snprintf(url, sizeof url, "%s://%.*s", https ? "https" : "http", STR_ARG(page_str(p)));

    assert_int_equal(page_of((struct str){url, (size_t)n}, site, &again), V_COUNTED);
    assert_true(str_eq(page_str(&again), page_str(p)));
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct guard in = guard_copy(str_of(rows[i].url));
        struct page page;
        enum verdict v = page_of(in.s, rows[i].site, &page);

        if (rows[i].page == NULL) {
            if (v != V_BAD_PAGE) print_error("%s\n", rows[i].url);
            assert_int_equal(v, V_BAD_PAGE);
        } else {
            bool same = v == V_COUNTED && str_eq(page_str(&page), str_of(rows[i].page));
            if (!same) print_error("%s -> %.*s\n", rows[i].url, STR_ARG(page_str(&page)));
            assert_true(same);
            expect_same_again(&page, rows[i].site, str_ieq(str_upto(in.s, 6), STR("https:")));
        }
        guard_free(&in);
    }
}

static void test_limits(void **state)
{
    char url[4 * HIT_PAGE_MAX_BYTES];
    struct page page;

    (void)state;
    memset(url, 'a', sizeof url);
    memcpy(url, "http://h/", 9);
    size_t fits = HIT_PAGE_MAX_BYTES + 7; /* the scheme and its slashes are no part of a page */
    assert_int_equal(page_of((struct str){url, fits}, NULL, &page), V_COUNTED);
    assert_int_equal(page.n, HIT_PAGE_MAX_BYTES);
    assert_int_equal(page_of((struct str){url, fits + 1}, NULL, &page), V_TOO_LONG);
    assert_int_equal(page_of((struct str){url, sizeof url}, NULL, &page), V_TOO_LONG);
    for (size_t i = 9; i + 1 < sizeof url; i += 2)
        memcpy(url + i, "/%", 2); /* each '%' takes three bytes */
    assert_int_equal(page_of((struct str){url, 2000}, NULL, &page), V_TOO_LONG);
    url[8] = '?';
    memcpy(url + 9, "id=", 3);
    memset(url + 12, 'x', sizeof url - 12);
    assert_int_equal(page_of((struct str){url, sizeof url}, &keeps, &page), V_TOO_LONG);
    assert_int_equal(page_of((struct str){url, sizeof url}, &plain, &page), V_COUNTED);
    memset(url + 7, 'h', 300);
    assert_int_equal(page_of((struct str){url, 400}, NULL, &page), V_BAD_PAGE);
}

static const struct {
    const char *text, *masked; /* NULL: stays */
} masks[] = {
    {"me@mail.example", "(email)"},
    {"mailto:me@mail.example", "(email)"},
    {"me%40mail.example", "(email)"},
    {"x@y.zz", "(email)"},
    {"j\xc3\xbcrgen@m\xc3\xbcller.example", "(email)"},
    {"u=me.you+tag@mail.example;x", "(email)"},
    {"@scope", NULL},
    {"logo@2x", NULL},
    {"logo@2.5x", NULL},
    {"me at mail.example", NULL},
    {"550e8400-e29b-41d4-a716-446655440000", "(token)"},
    {"order-550E8400-E29B-41D4-A716-446655440000.pdf", "(token)"},
    {"9e107d9d372bb6826bd81d3542a419d6", "(token)"},
    {"da39a3ee5e6b4b0d", "(token)"},
    {"da39a3ee5e6b4b", NULL},
    {"deadbeefdeadbeef", NULL}, /* words of a to f */
    {"8WqTvP2sYx0KmZr7bNd4", "(token)"},
    {"k3j9x0q2m8v7b1n5c4z6", "(token)"},
    {"sk_live_4eC39HqLyjWDarjtT1zdp7dc", "(token)"},
    {"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0",
     "(token)"},
    {"iPhone15ProMax256GBTitaniumBlue", NULL},
    {"WindowsServer2022DatacenterEdition", NULL},
    {"getElementsByClassNameOrSomething", NULL},
    {"how-to-write-a-resume-in-2024", NULL},
    {"2024-01-15", NULL},
    {"20240115", NULL},
    {"123456789", NULL},
    {"1234567890", "(number)"},
    {"+49 (151) 123-45678", "(number)"},
    {"iphone-12-4006381333931.html", "iphone-12-(number).html"},
    {"1234567890-1234567890", "(number)"},
    {"a1234567890-b1234567890", "a(number)-b(number)"},
    {"a-2024-b-15-c-1999", NULL},
    {"(number)", NULL},
    {"", NULL},
};

static void test_masks(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
        struct guard in = guard_copy(str_of(masks[i].text));
        char out[256], again[256];
        size_t n = 0, m;
        bool masked = mask_text(in.s, out, &n);
        bool right = masked == (masks[i].masked != NULL) &&
                     (!masked || str_eq((struct str){out, n}, str_of(masks[i].masked)));

        if (!right) print_error("%s -> %.*s\n", masks[i].text, (int)n, out);
        assert_true(right);
        if (masked) {
            assert_true(n <= in.s.n + MASK_GROWTH_BYTES);
            assert_false(mask_text((struct str){out, n}, again, &m));
        }
        guard_free(&in);
    }
}

/*
 * The URL standard's cases. Ways in which we differ, each with its reason; a case that differs in
 * no such way is an error: idna     a host that is not ASCII, or claims to be punycode: needs
 * tables that only browsers have, and browsers have applied them before they send a URL control
 * tab, newline, NUL...: a hit that holds one is refused before, so they are not removed masked the
 * path holds what we mask
 */
enum { SAME, IDNA, CONTROL, MASKED, DIFFERS, CLASSES };
static const char *const class_names[] = {"same", "idna", "control", "masked", "DIFFERS"};

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f) return true;
    }
    return false;
}

/* Is a piece of the host beyond ASCII, once its escapes are decoded, or does it begin with xn--? */
static bool needs_idna(struct str url)
{
    struct str host = str_from(url, 5);
    while (host.n > 0 && (host.p[0] == '/' || host.p[0] == '\\' || host.p[0] == ':'))
        host = str_from(host, 1);
    for (size_t i = 0; i < host.n && host.p[i] != '/' && host.p[i] != '?'; i++) {
        if ((unsigned char)host.p[i] >= 0x80) return true;
        if (str_ieq(str_upto(str_from(host, i), 4), STR("xn--"))) return true;
        bool escape = host.p[i] == '%' && host.n - i > 2 && query_hex(host.p[i + 2]) >= 0;
        if (escape && query_hex(host.p[i + 1]) >= 8) return true;
    }
    return false;
}

static size_t decode(struct str s, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        bool escape = s.p[i] == '%' && s.n - i > 2 && query_hex(s.p[i + 1]) >= 0 &&
                      query_hex(s.p[i + 2]) >= 0;
        out[n++] = escape ? (char)(query_hex(s.p[i + 1]) << 4 | query_hex(s.p[i + 2])) : s.p[i];
        if (escape) i += 2;
    }
    return n;
}

/* Same host as `host`, and the same path as `pathname` but for escapes and trailing slashes? */
static bool agrees(const struct page *page, struct str host, struct str pathname)
{
    char ours[HIT_PAGE_MAX_BYTES], theirs[HIT_PAGE_MAX_BYTES];
    struct str p = page_str(page);

    if (pathname.n > sizeof theirs || !str_starts(p, host)) return false;
    p = str_from(p, host.n);
    while (pathname.n > 1 && pathname.p[pathname.n - 1] == '/')
        pathname.n--;
    size_t n = decode(p, ours), m = decode(pathname, theirs);
    return str_eq((struct str){ours, n}, (struct str){theirs, m});
}

static int classify(const json_t *c, struct str in)
{
    const json_t *host = json_object_get(c, "host"), *path = json_object_get(c, "pathname");
    struct page page;
    bool ours = page_of(in, NULL, &page) == V_COUNTED;
    bool theirs = !json_is_true(json_object_get(c, "failure"));

    if (ours == theirs &&
        (!ours || agrees(&page, (struct str){json_string_value(host), json_string_length(host)},
                         (struct str){json_string_value(path), json_string_length(path)})))
        return SAME;
    if (has_control(in)) return CONTROL;
    if (needs_idna(in)) return IDNA;
    if (ours && memmem(page.text, page.n, "(", 1) != NULL) return MASKED;
    return DIFFERS;
}

/* Is it an absolute http(s) URL? "http:x" is a relative one when its base has the same scheme. */
static bool is_ours(const json_t *c, struct str in)
{
    const json_t *base = json_object_get(c, "base");
    while (in.n > 0 && (unsigned char)in.p[0] <= 0x20)
        in = str_from(in, 1);
    if (!str_ieq(str_upto(in, 5), STR("http:")) && !str_ieq(str_upto(in, 6), STR("https:")))
        return false;
    struct str rest = str_from(in, str_find(in, ':') + 1);
    return base == NULL || json_is_null(base) ||
           (rest.n > 1 && (rest.p[0] == '/' || rest.p[0] == '\\') &&
            (rest.p[1] == '/' || rest.p[1] == '\\'));
}

static void test_url_standard(void **state)
{
    const char *file = SOURCE_DIR "/../shared/suites/url-wpt/tests/wpt/urltestdata.json";
    unsigned seen[CLASSES] = {0};

    (void)state;
    if (access(file, R_OK) != 0) {
        print_message("skipped: no url-wpt suite\n");
        return;
    }
    json_t *cases = json_load_file(file, JSON_ALLOW_NUL, NULL);
    assert_non_null(cases);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i), *text = json_object_get(c, "input");
        struct str in = {json_string_value(text), json_string_length(text)};
        if (text == NULL || !is_ours(c, in)) continue;
        int class = classify(c, in);
        seen[class]++;
        if (class == DIFFERS) print_error("differs: %s\n", in.p);
    }
    for (int i = 0; i < CLASSES; i++)
        print_message("%-8s %u\n", class_names[i], seen[i]);
    assert_int_equal(seen[DIFFERS], 0);
    assert_true(seen[SAME] >= 300);
    json_decref(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_masks),
        cmocka_unit_test(test_url_standard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
