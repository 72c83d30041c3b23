/* robots.txt: its sitemap lines, in our rows and in each file of a public suite. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>

#include "guard.h"
#include "robots.h"

#define SUITE                                                                                      \
    SOURCE_DIR                                                                                     \
    "/../shared/suites/sitemap-robots-crawler-commons/src/test/resources/robots"
#define AMAZON "http://www.amazon.com/sitemap"

static void on_sitemap(void *arg, struct str url)
{
    buf_add(arg, url);
    buf_add_char(arg, '\n');
}

static void assert_names(struct str text, const char *want, const char *name)
{
    struct guard g = guard_copy(text);
    struct buf got = {0};
    assert_true(robots_sitemaps(g.s, on_sitemap, &got));
    buf_add_char(&got, '\0');
    if (strcmp(got.p, want) != 0) fail_msg("%s gives\n%s\nnot\n%s", name, got.p, want);
    buf_fini(&got);
    guard_free(&g);
}

static const struct {
    const char *text, *want;
} rows[] = {
    {"", ""},
    {"Sitemap: https://h/a.xml", "https://h/a.xml\n"},
    {"User-agent: *\r\nSITEMAP\t:/a\rsitemap:/b\n\nsitemap:\n", "/a\n/b\n"},
    {"sitemap: /a #b\n#sitemap: /c\nsitemap: /d#e\n", "/a\n/d#e\n"},
    {"sitemaps: /a\nnositemap: /a\nsitemap /a\n", ""},
    {"\xef\xbb\xbfSitemap: /a\n", "/a\n"},
};

static void reads_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_names(str_of(rows[i].text), rows[i].want, rows[i].text);
    assert_names((struct str){"\xff\xfes\0i\0t\0e\0m\0a\0p\0:\0/\0\xe9\0a\0\n", 24}, "/?a\n",
                 "UTF-16LE");
}

/* Files that are not named here have no sitemap line. The suite gives each line once; here the
 * reader of the sitemaps does. */
static const struct {
    const char *file, *want;
} suite[] = {
    {"extension-robots.txt", "/sitemap.xml\n"},
    {"format-errors-robots.txt", "/sitemap.xml\n"},
    {"relative-sitemap-robots.txt", "/sitemap.xml\n"},
    {"robots-with-utf8-bom.txt", "http://www.newsweek.com/sitemap_index.xml\n"},
    {"robots-with-utf16le-bom.txt", "http://www.newsweek.com/sitemap_index.xml\n"},
    {"robots-with-utf16be-bom.txt", "http://www.newsweek.com/sitemap_index.xml\n"},
    {"sitemap-robots-dedup.txt",
     "http://example.org/sitemap.xml\nhttp://example.org/sitemap.xml\n"},
    {"sitemap-robots.txt", "http://domain.com/sitemap.xml\n"
                           "http://domain.com/dir/MixedCased-sitemap.xml\n"},
    {"wildcards.txt",
     AMAZON "-manual-index.xml\n" AMAZON "_vendor_videos_us.xml\n" AMAZON "_vod_index.xml\n" AMAZON
            "s.f3053414d236e84.SitemapIndex_0.xml.gz\n" AMAZON
            "s.1946f6b8171de60.SitemapIndex_0.xml.gz\n" AMAZON
            "s.bbb7d657c7e29fa.SitemapIndex_0.xml.gz\n" AMAZON
            "s.11aafed315ee654.SitemapIndex_0.xml.gz\n" AMAZON
            "s.c21f969b5f03d33.SitemapIndex_0.xml.gz\n"},
    {"www.flot.com-robots.txt", "http://flot.com/sitemap_index.xml\n"},
};

static const char *wanted(const char *file)
{
    for (size_t i = 0; i < sizeof suite / sizeof suite[0]; i++) {
        if (strcmp(suite[i].file, file) == 0) return suite[i].want;
    }
    return "";
}

static void reads_the_suite(void **state)
{
    DIR *dir = opendir(SUITE);
    size_t n = 0;
    (void)state;
    if (dir == NULL) {
        print_message("# skipped: %s is not there\n", SUITE);
        return;
    }
    for (struct dirent *d; (d = readdir(dir)) != NULL;) {
        static char text[64 * 1024];
        char path[1024];
        if (d->d_type == DT_DIR) continue;
        snprintf(path, sizeof path, "%s/%s", SUITE, d->d_name);
        FILE *f = fopen(path, "rb");
        assert_non_null(f);
        size_t got = fread(text, 1, sizeof text, f);
        fclose(f);
        assert_names((struct str){text, got}, wanted(d->d_name), d->d_name);
        n++;
    }
    closedir(dir);
    assert_true(n >= sizeof suite / sizeof suite[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_rows),
                                       cmocka_unit_test(reads_the_suite)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
