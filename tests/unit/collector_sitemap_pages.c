/* Entries -> pages: one fate each, the page's name is that of its hits; and what is remembered of
 * servers between two runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sitemap_pages.h"
#include "sitemap_state.h"

static char *origins[] = {"https://shop.example", "https://*.shop.example", NULL};
static char *params[] = {"id", NULL};
static const struct site shop = {.name = "shop", .origins = origins};
static const struct site keeps = {.name = "shop", .origins = origins, .keep_params = params};
static const struct site anywhere = {.name = "any"};

static const struct {
    const struct site *site;
    const char *home, *url;
    enum sitemap_fate fate;
    const char *page;
} rows[] = {
    {&shop, "", "https://shop.example/a/?id=1", SITEMAP_PAGE, "shop.example/a"},
    {&keeps, "", "https://shop.example/a/?id=1", SITEMAP_PAGE, "shop.example/a?id=1"},
    {&shop, "", "http://shop.example/a", SITEMAP_PAGE, "shop.example/a"},
    {&shop, "", "HTTPS://WWW.Shop.Example/index.html", SITEMAP_PAGE, "www.shop.example/"},
    {&shop, "", "https://shop.example/u/me@shop.example", SITEMAP_PAGE, "shop.example/u/(email)"},
    {&shop, "other.example", "https://other.example/a", SITEMAP_OTHER_SITE, NULL},
    {&shop, "", "https://shop.example:8443/a", SITEMAP_OTHER_SITE, NULL},
    {&shop, "", "https://shop.example.evil.example/a", SITEMAP_OTHER_SITE, NULL},
    {&shop, "", "/a", SITEMAP_MALFORMED, NULL},
    {&shop, "", "ftp://shop.example/a", SITEMAP_MALFORMED, NULL},
    {&shop, "", "https://shop.example:99999/", SITEMAP_MALFORMED, NULL},
    {&shop, "", "not a URL", SITEMAP_MALFORMED, NULL},
    {&anywhere, "", "http://h/a", SITEMAP_PAGE, "h/a"},
    {&anywhere, "h:81", "http://h:81/a", SITEMAP_PAGE, "h:81/a"},
    {&anywhere, "h:81", "http://h/a", SITEMAP_OTHER_SITE, NULL},
};

static enum sitemap_fate add(struct sitemap_pages *p, const char *url, const char *home,
                             struct page *page)
{
    struct sitemap_entry e = {.url = str_of(url)};
    return sitemap_pages_add(p, &e, str_of(home), page);
}

static void judges_rows(void **state)
{
    struct page page;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sitemap_pages *p = sitemap_pages_new(rows[i].site);
        if (add(p, rows[i].url, rows[i].home, &page) != rows[i].fate) fail_msg("%s", rows[i].url);
        if (rows[i].page != NULL && !str_eq(page_str(&page), str_of(rows[i].page)))
            fail_msg("%s is %.*s", rows[i].url, STR_ARG(page_str(&page)));
        assert_int_equal(sitemap_pages_count(p, rows[i].fate)->n, 1);
        assert_int_equal(sitemap_pages_entries(p), 1);
        sitemap_pages_free(p);
    }
}

static void accounts_for_every_entry(void **state)
{
    struct sitemap_pages *p = sitemap_pages_new(&shop);
    struct page page;
    uint64_t sum = 0;
    (void)state;
    assert_int_equal(add(p, "https://shop.example/a", "", &page), SITEMAP_PAGE);
    assert_int_equal(add(p, "http://shop.example/a/?utm_source=x", "", &page), SITEMAP_SAME_PAGE);
    assert_int_equal(add(p, "https://shop.example/a/", "", &page), SITEMAP_SAME_PAGE);
    assert_int_equal(add(p, "https://x.example/1", "", &page), SITEMAP_OTHER_SITE);
    struct sitemap_entry bad = {.url = STR("x"), .bad = "it is bad", .bad_date = "lastmod"};
    assert_int_equal(sitemap_pages_add(p, &bad, STR(""), &page), SITEMAP_MALFORMED);
    for (int i = 0; i < SITEMAP_FATES; i++)
        sum += sitemap_pages_count(p, i)->n;
    assert_int_equal(sum, sitemap_pages_entries(p));
    const struct sitemap_example *same = sitemap_pages_count(p, SITEMAP_SAME_PAGE);
    assert_int_equal(same->n, 2);
    assert_true(str_eq(buf_str(&same->url), STR("http://shop.example/a/?utm_source=x")));
    assert_string_equal(sitemap_pages_count(p, SITEMAP_MALFORMED)->why, "it is bad");
    assert_int_equal(sitemap_pages_bad_dates(p)->n, 1);
    sitemap_pages_free(p);
}

static void knows_a_million_pages(void **state)
{
    struct sitemap_pages *p = sitemap_pages_new(&shop);
    struct page page;
    char url[64];
    (void)state;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < SITEMAP_PAGES_MAX; i++) {
            snprintf(url, sizeof url, "https://shop.example/p%d", i);
            enum sitemap_fate fate = add(p, url, "", &page);
            assert_int_equal(fate, round == 0 ? SITEMAP_PAGE : SITEMAP_SAME_PAGE);
        }
    }
    assert_int_equal(add(p, "https://shop.example/one-more", "", &page), SITEMAP_OVER_LIMIT);
    assert_int_equal(add(p, "https://shop.example/p7", "", &page), SITEMAP_SAME_PAGE);
    sitemap_pages_free(p);
}

/* ---- a public suite of odd URLs ---- */

#define SUITE                                                                                      \
    SOURCE_DIR "/../shared/suites/sitemap-robots-crawler-commons/src/test/resources/normalizer/"

static char *odd_params[] = {"a", "b", "m", "q", "referer", "x[y]", NULL};
static const struct site odd = {.name = "odd", .keep_params = odd_params};

/* Where an odd URL and what the suite makes of it are not one page, and why. */
static const struct {
    const char *begins, *why;
} deviations[] = {
    {"http://foo.com/\x1a", "control characters are refused, not escaped"},
    {"http://foo.com/\x01", "likewise"},
    {"http://foo.com//aa", "an empty segment is one: browsers send it, servers may mean it"},
    {"http://foo.com/aa//", "likewise"},
    {"http://foo.com/aa/bb//", "likewise"},
    {"http://foo.com////aa", "likewise"},
    {"https://www.example.org./", "browsers send the final dot of a host"},
    {"foo.com/", "a sitemap has whole URLs"},
    {"http:////", "no host"},
    {"file:", "only http and https are pages"},
    {"ftp:", "likewise"},
};

static enum sitemap_fate name_of(const char *url, struct page *page)
{
    struct sitemap_pages *p = sitemap_pages_new(&odd);
    struct sitemap_entry e = {.url = str_of(url)};
    enum sitemap_fate fate = sitemap_pages_add(p, &e, STR(""), page);
    sitemap_pages_free(p);
    return fate;
}

static bool is_deviation(const char *url)
{
    for (size_t i = 0; i < sizeof deviations / sizeof deviations[0]; i++) {
        if (strncmp(url, deviations[i].begins, strlen(deviations[i].begins)) == 0) return true;
    }
    return false;
}

/* A field of the suite's CSV: a quote is written twice within quotes. */
static char *unquoted(char *field)
{
    char *out = field, *p = field;
    size_t n = strlen(field);
    if (n < 2 || field[0] != '"' || field[n - 1] != '"') return field;
    for (p++; p < field + n - 1; p++) {
        *out++ = *p;
        if (p[0] == '"' && p[1] == '"') p++;
    }
    *out = '\0';
    return field;
}

/* Two names of one thing must be one page, by the rules that its hits go through. */
static void names_odd_urls_alike(void **state)
{
    char line[1024];
    size_t n = 0;
    FILE *f = fopen(SUITE "weirdToNormalizedUrls.csv", "r");
    (void)state;
    if (f == NULL) {
        print_message("# skipped: %s is not there\n", SUITE);
        return;
    }
    while (fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *comma = strrchr(line, ',');
        if (line[0] == '#' || comma == NULL) continue;
        *comma = '\0';
        char *want = comma + 1 + strspn(comma + 1, " "), *url = unquoted(line);
        struct page a, b;
        bool same = name_of(url, &a) == SITEMAP_PAGE && name_of(want, &b) == SITEMAP_PAGE &&
                    str_eq(page_str(&a), page_str(&b));
        if (same == is_deviation(url)) fail_msg("%s is%s %s", url, same ? "" : " not", want);
        n++;
    }
    fclose(f);
    assert_true(n > 100);
}

static void refuses_what_is_no_host(void **state)
{
    static const char *const urls[] = {"https://example%2Xcom/", "https://abc%FEdef.org/"};
    struct page page;
    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) /* the suite's invalidUrls.csv */
        assert_int_equal(name_of(urls[i], &page), SITEMAP_MALFORMED);
}

/* ---- state ---- */

static char path[] = "/tmp/sentier-state-XXXXXX";

static void write_text(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void save(const struct site *site, const char *url, const struct sitemap_memo *memo)
{
    struct buf err = {0};
    struct sitemap_state *s = sitemap_state_open(path, site);
    sitemap_state_put(s, url, memo);
    assert_int_equal(sitemap_state_save(s, &err), 0);
    sitemap_state_close(s);
}

static bool finds(const struct site *site, const char *url)
{
    struct sitemap_memo memo;
    struct sitemap_state *s = sitemap_state_open(path, site);
    bool found = sitemap_state_find(s, url, &memo);
    sitemap_state_close(s);
    return found;
}

static void remembers_servers(void **state)
{
    json_t *children = json_pack("[s, s]", "https://shop.example/1.xml", "https://shop.example/2");
    struct sitemap_memo memo;
    struct buf err = {0};
    (void)state;
    write_text("");
    assert_false(finds(&shop, "u"));
    save(&shop, "u", &(struct sitemap_memo){"\"e\xc3\xa9\"", "Thu", children});
    struct sitemap_state *s = sitemap_state_open(path, &shop);
    assert_true(sitemap_state_find(s, "u", &memo));
    assert_string_equal(memo.etag, "\"e\xc3\xa9\"");
    assert_string_equal(memo.modified, "Thu");
    assert_true(json_equal((json_t *)memo.children, children));
    assert_false(sitemap_state_find(s, "v", &memo));
    sitemap_state_close(s); /* without saving: nothing has changed */
    assert_true(finds(&shop, "u"));
    assert_false(finds(&keeps, "u")); /* other rules, other pages */
    assert_false(finds(&anywhere, "u"));
    save(&shop, "v", &(struct sitemap_memo){"", "", NULL});
    assert_false(finds(&shop, "u")); /* it was not among the sitemaps of this run */
    assert_false(finds(&shop, "v")); /* nothing to ask by */
    save(&shop, "u", &(struct sitemap_memo){"e", "", NULL});
    s = sitemap_state_open(path, &shop);
    sitemap_state_keep(s, "u");
    sitemap_state_keep(s, "never seen");
    assert_int_equal(sitemap_state_save(s, &err), 0);
    sitemap_state_close(s);
    assert_true(finds(&shop, "u"));
    json_decref(children);
}

static void survives_damage(void **state)
{
    static const char *const texts[] = {
        "{", "[]", "null", "{\"version\":1}", "{\"version\":1,\"rules\":7,\"files\":[]}", "\xff"};
    struct buf err = {0};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        write_text(texts[i]);
        assert_false(finds(&shop, "u"));
    }
    save(&shop, "u", &(struct sitemap_memo){"e", "", NULL});
    assert_true(finds(&shop, "u"));
    struct sitemap_state *s = sitemap_state_open("/nowhere/at/all", &shop);
    assert_non_null(s);
    assert_int_equal(sitemap_state_save(s, &err), -1);
    assert_non_null(memmem(err.p, err.n, "No such file", 12));
    sitemap_state_close(s);
    buf_fini(&err);
}

static int begin(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    if (fd >= 0) close(fd);
    return fd < 0 || sodium_init() < 0 ? -1 : 0;
}

static int end(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_odd_urls_alike),  cmocka_unit_test(refuses_what_is_no_host),
        cmocka_unit_test(judges_rows),           cmocka_unit_test(accounts_for_every_entry),
        cmocka_unit_test(knows_a_million_pages), cmocka_unit_test(remembers_servers),
        cmocka_unit_test(survives_damage),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
