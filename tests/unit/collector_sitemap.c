/* Sitemaps: a public suite's files and our own rows give the entries they should however the bytes
 * are cut; each bound holds exactly; hostile files are refused within them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <zlib.h>

#include "buf.h"
#include "guard.h"
#include "sitemap.h"
#include "sitemap_suite.h"

enum { FLOOD_MEMORY_MAX = 64 << 20 };

/* ---- what came out, as text ---- */

static void on_entry(void *arg, const struct sitemap_entry *e)
{
    struct buf *out = arg;
    if (e->bad != NULL)
        buf_printf(out, "bad: %s (%.*s)", e->bad, STR_ARG(str_upto(e->url, 40)));
    else
        buf_printf(out, "%.*s", STR_ARG(e->url));
    if (e->modified_ms != SITEMAP_NO_DATE) buf_printf(out, " m%lld", (long long)e->modified_ms);
    if (e->published_ms != SITEMAP_NO_DATE) buf_printf(out, " p%lld", (long long)e->published_ms);
    if (e->bad_date != NULL) buf_printf(out, " no %s", e->bad_date);
    if (e->language.n > 0) buf_printf(out, " [%.*s]", STR_ARG(e->language));
    if (e->title.n > 0) buf_printf(out, " \"%.*s\"", STR_ARG(e->title));
    buf_add_char(out, '\n');
}

/* step: bytes of a piece, each right before an unreadable page; 0: all at once. */
static void read_text(struct str text, size_t step, struct buf *out)
{
    struct sitemap *s = sitemap_new(on_entry, out);
    struct guard g = guard_copy(text);
    bool ok = true;
    assert_non_null(s);
    if (step == 0 || step > text.n) step = text.n;
    for (size_t at = 0; at < text.n && ok; at += step) {
        struct guard piece = guard_copy(str_upto(str_from(g.s, at), step));
        ok = sitemap_feed(s, piece.s);
        guard_free(&piece);
    }
    if (ok) ok = sitemap_end(s);
    assert_int_equal(ok, sitemap_error(s).n == 0);
    if (!ok) {
        buf_printf(out, "refused: %.*s\n", STR_ARG(sitemap_error(s)));
        assert_false(sitemap_feed(s, STR("<x/>")));
        assert_false(sitemap_end(s));
    }
    guard_free(&g);
    sitemap_free(s);
}

static void assert_reads(struct str text, const char *want, const char *name)
{
    static const size_t steps[] = {0, 1, 2, 7, 61};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct buf got = {0};
        read_text(text, steps[i], &got);
        buf_add_char(&got, '\0');
        if (strcmp(got.p, want) != 0)
            fail_msg("%s in pieces of %zu gives\n%s\nnot\n%s", name, steps[i], got.p, want);
        buf_fini(&got);
    }
}

#define NS          "xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\""
#define URLS(inner) "<?xml version=\"1.0\" encoding=\"UTF-8\"?><urlset " NS ">" inner "</urlset>"
#define RSS(inner)  "<rss version=\"2.0\"><channel>" inner "</channel></rss>"
#define ATOM(inner) "<feed xmlns=\"http://www.w3.org/2005/Atom\">" inner "</feed>"

static const struct {
    const char *text, *want;
} rows[] = {
    /* XML */
    {URLS(""), ""},
    {"<urlset/>", ""},
    {URLS("<url><loc>http://h/</loc></url>"), "http://h/\n"},
    {"\n\t <?xml version=\"1.0\"?><urlset><url><loc>http://h/</loc></url></urlset>", "http://h/\n"},
    {"\xef\xbb\xbf<urlset><url><loc>http://h/</loc></url></urlset>\n\n", "http://h/\n"},
    {"<UrlSet><URL><Loc>http://h/</Loc></URL></UrlSet>", "http://h/\n"},
    {URLS("<url><loc>\n http://h/a \r\n</loc></url>"), "http://h/a\n"},
    {URLS("<url><loc>http://h/?a=1&amp;b=2&#38;c=&#x33;</loc></url>"), "http://h/?a=1&b=2&c=3\n"},
    {URLS("<url><loc>http://h/<![CDATA[?a=1&b]]>&lt;</loc></url>"), "http://h/?a=1&b<\n"},
    {URLS("<url><loc>http://h/a<!-- b -->c<?d e?>f</loc></url>"), "http://h/acf\n"},
    {URLS("<url><loc><url><![CDATA[http://h/a]]></url></loc></url>"), "http://h/a\n"},
    {URLS("<url>http://h/bare</url>"), "http://h/bare\n"},
    {URLS("<url>x<loc>http://h/a</loc>y</url>"), "http://h/a\n"},
    {URLS("<url><loc>http://h/a</loc><loc>http://h/b</loc></url>"), "http://h/a\n"},
    {URLS("<url><loc/><loc>http://h/b</loc></url>"), "http://h/b\n"},
    /* names count, not what their prefixes stand for */
    {URLS("<url><i:loc>http://h/i</i:loc><loc>http://h/a</loc></url>"), "http://h/a\n"},
    {URLS("<url><i:loc>http://h/i</i:loc></url>"), "bad: it has no URL ()\n"},
    {"<s:urlset><s:url><s:loc>http://h/a</s:loc></s:url></s:urlset>", "http://h/a\n"},
    {"<s:urlset><url><loc>http://h/a</loc></url></s:urlset>", "http://h/a\n"},
    {URLS("<url><x><loc>http://h/deep</loc></x><loc>http://h/a</loc></url>"), "http://h/a\n"},
    {URLS("<x><url><loc>http://h/a</loc></url></x>"), ""},
    {URLS("<url><loc>http://h/a</loc><lastmod>2004-12-23T18:00:15+00:00</lastmod></url>"),
     "http://h/a m1103824815000\n"},
    {URLS("<url><lastmod> \n2005-01-01\n</lastmod><loc>http://h/a</loc></url>"),
     "http://h/a m1104537600000\n"},
    {URLS("<url><loc>http://h/a</loc><lastmod/></url>"), "http://h/a\n"},
    {URLS("<url><loc>http://h/a</loc><lastmod>soon</lastmod></url>"), "http://h/a no lastmod\n"},
    {URLS("<url><loc>http://h/a</loc><n:news><n:publication><n:name>N</n:name><n:language>de-CH"
          "</n:language></n:publication><n:publication_date>2008-12-23</n:publication_date>"
          "<n:title>A,\n B &amp; C</n:title></n:news></url><url><loc>http://h/b</loc></url>"),
     "http://h/a p1229990400000 [de-CH] \"A, B & C\"\nhttp://h/b\n"},
    {URLS("<url><loc>http://h/a</loc><news><publication><language>d&lt;e</language></publication>"
          "<title> </title></news></url>"),
     "http://h/a\n"},
    {URLS("<url><loc>http://h/a</loc><news><title>a&#x9b;31m&#9;b</title></news></url>"),
     "http://h/a \"a 31m b\"\n"},
    /* one bad URL harms nobody */
    {URLS("<url><loc>http://h/a</loc></url><url/><url><loc> </loc></url><url><loc>a&#x85;b</loc>"
          "</url><url><loc>http://h/b</loc></url>"),
     "http://h/a\nbad: it has no URL ()\nbad: it has no URL ()\nbad: its URL holds control "
     "characters or is not UTF-8 (a b)\nhttp://h/b\n"},
    /* index */
    {"<sitemapindex><sitemap><loc>http://h/1.xml</loc><lastmod>2005-01-01</lastmod></sitemap>"
     "<sitemap> http://h/2.xml </sitemap><sitemap/></sitemapindex>",
     "http://h/1.xml m1104537600000\nhttp://h/2.xml\nbad: it has no URL ()\n"},
    /* RSS */
    {RSS("<title>T</title><link>http://h/</link><language>fr</language><item><title>A</title><link>"
         "http://h/a</link><pubDate>Thu, 05 Jan 2017 13:34:51 +0100</pubDate></item>"),
     "http://h/a p1483619691000 [fr] \"A\"\n"},
    {RSS("<item><guid "
         "isPermaLink=\"false\">http://h/g</guid></item><item><guid>7bd2</guid></item>"),
     "http://h/g\nbad: it has no URL ()\n"},
    {RSS("<item><guid>http://h/g</guid><link>http://h/l</link></item>"), "http://h/l\n"},
    {RSS("<item><a:link href=\"x\"/><m:title>M</m:title><link>http://h/l</link><dc:date>2017-01-05"
         "</dc:date><dc:language>en</dc:language></item>"),
     "http://h/l p1483574400000 [en]\n"},
    {RSS("<item><link>http://h/l</link><media><link>http://h/m</link></media></item>"),
     "http://h/l\n"},
    {"<rdf:RDF xmlns=\"http://purl.org/rss/1.0/\"><channel><link>http://h/c</link></channel><image>"
     "<link>http://h/i</link></image><item "
     "rdf:about=\"x\"><link>http://h/a</link></item></rdf:RDF>",
     "http://h/a\n"},
    /* Atom */
    {ATOM("<link href=\"http://h/\"/><entry xml:lang=\"es\"><title>A</title><link rel=\"self\" "
          "href=\"http://h/s\"/><link rel='alternate' href='http://h/a?b&amp;c'/><link "
          "href='http://h/2'/><published>2003-12-13T18:30:02Z</published><updated>"
          "2003-12-13T18:30:03Z</updated><content><link href='http://h/no'/></content></entry>"),
     "http://h/a?b&c m1071340203000 p1071340202000 [es] \"A\"\n"},
    {"<feed xml:lang=\"en\"><entry><link href=\"http://h/a\"/></entry></feed>",
     "http://h/a [en]\n"},
    /* lists */
    {"http://h/a", "http://h/a\n"},
    {"HTTP://h/a\r\n\r\n  https://h/b \t\n\rhttp://h/c\n", "HTTP://h/a\nhttps://h/b\nhttp://h/c\n"},
    {"\xef\xbb\xbf\n http://h/a\n", "http://h/a\n"},
    {"http://h/a\nhttp://h/\xff\nnot a URL\n",
     "http://h/a\nbad: its URL holds control characters or is not UTF-8 (http://h/)\nnot a URL\n"},
    /* nothing of ours */
    {"", "refused: the file is empty\n"},
    {" \n", "refused: the file is empty\n"},
    {"\xef\xbb\xbf", "refused: the file is empty\n"},
    {"this is a bogus sitemap", "refused: neither XML nor a list of URLs\n"},
    {"%PDF-1.7", "refused: neither XML nor a list of URLs\n"},
    {"ht", "refused: neither XML nor a list of URLs\n"},
    {"<!DOCTYPE html>\n<html><br>", "refused: an HTML page, not a sitemap\n"},
    {"<html><br>", "refused: an HTML page, not a sitemap\n"},
    {"<svg/>", "refused: its first element is <svg>, which is no sitemap\n"},
    {"<", "refused: line 1: is not XML: unclosed token\n"},
    {URLS("<url><loc>http://h/1</loc></url><url><loc>http://h/2</lo"),
     "http://h/1\nrefused: line 1: is not XML: not well-formed (invalid token)\n"},
    {"<urlset><url><loc>http://h/1</loc></url><url><loc>http://h/2",
     "http://h/1\nrefused: line 1: is not XML: no element found\n"},
    {"<urlset><url><loc>http://h/1</loc></url></url></urlset>",
     "http://h/1\nrefused: line 1: is not XML: mismatched tag\n"},
    {"<urlset/>x", "refused: line 1: is not XML: junk after document element\n"},
    {"<urlset><url><loc>http://h/\xff</loc></url></urlset>",
     "refused: line 1: is not XML: not well-formed (invalid token)\n"},
    {"<?xml version=\"1.0\" encoding=\"windows-1252\"?><urlset/>",
     "refused: its encoding is not known: a sitemap is UTF-8\n"},
    {"<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><urlset><url><loc>http://h/\xe9</loc></url>"
     "</urlset>",
     "http://h/\xc3\xa9\n"},
    {URLS("<url><loc>http://h/&nbsp;</loc></url>"),
     "refused: line 1: is not XML: undefined entity\n"},
    /* declarations are refused unread; a document type alone is only a name */
    {"<!DOCTYPE rss PUBLIC \"-//N//DTD RSS 0.91//EN\" \"http://127.0.0.1:1/rss.dtd\"><rss><channel>"
     "<item><link>http://h/a&nbsp;</link></item></channel></rss>",
     "http://h/a\n"},
    {"<!DOCTYPE urlset [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]><urlset><url><loc>&b;</loc></url>"
     "</urlset>",
     "refused: its document type declares something (entities?), which no sitemap needs; it was "
     "not read\n"},
    {"<!DOCTYPE urlset [<!ENTITY x SYSTEM "
     "\"file:///etc/passwd\">]><urlset><url><loc>&x;</loc></url>"
     "</urlset>",
     "refused: its document type declares something (entities?), which no sitemap needs; it was "
     "not read\n"},
};

static void reads_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_reads(str_of(rows[i].text), rows[i].want, rows[i].text);
}

/* UTF-16, which the suite has only for robots.txt. */
static void reads_utf16(void **state)
{
    static const char ascii[] = "<urlset><url><loc>http://h/a</loc></url></urlset>";
    char little[2 * sizeof ascii], big[2 * sizeof ascii];
    (void)state;
    memcpy(little, "\xff\xfe", 2);
    memcpy(big, "\xfe\xff", 2);
    for (size_t i = 0; i + 1 < sizeof ascii; i++) {
        little[2 + 2 * i] = big[3 + 2 * i] = ascii[i];
        little[3 + 2 * i] = big[2 + 2 * i] = '\0';
    }
    assert_reads((struct str){little, sizeof little}, "http://h/a\n", "UTF-16LE");
    assert_reads((struct str){big, sizeof big}, "http://h/a\n", "UTF-16BE");
    assert_reads((struct str){big + 2, sizeof big - 2}, "http://h/a\n", "UTF-16BE without mark");
}

/* ---- the suite ---- */

static bool read_whole(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) return false;
    for (size_t got = 1; got > 0; out->n += got) {
        char *at = buf_reserve(out, 65536);
        assert_non_null(at);
        got = fread(at, 1, 65536, f);
    }
    fclose(f);
    return true;
}

/* Every file of the folder has an expectation. */
static void check_listed(const char *folder)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", SUITE, folder);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *d; (d = readdir(dir)) != NULL;) {
        bool listed = d->d_type == DT_DIR;
        snprintf(path, sizeof path, "%s/%s", folder, d->d_name);
        for (size_t i = 0; i < sizeof suite / sizeof suite[0]; i++)
            listed |= strcmp(suite[i].file, path) == 0;
        if (!listed) fail_msg("%s has no expectation", path);
    }
    closedir(dir);
}

static size_t lines(const char *text)
{
    size_t n = 0;
    for (; *text != '\0'; text++)
        n += *text == '\n';
    return n;
}

/* Of the long one: how many there are, and the last. */
static void check_long(struct str text, const char *last, size_t n)
{
    struct buf got = {0};
    read_text(text, 61, &got);
    buf_add_char(&got, '\0');
    assert_int_equal(lines(got.p), n);
    assert_true(str_ends(str_upto(buf_str(&got), got.n - 1), str_of(last)));
    assert_null(strstr(got.p, "bad"));
    assert_null(strstr(got.p, "refused"));
    buf_fini(&got);
}

static void reads_the_suite(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof suite / sizeof suite[0]; i++) {
        char path[1024];
        struct buf text = {0};
        snprintf(path, sizeof path, "%s/%s", SUITE, suite[i].file);
        if (!read_whole(path, &text)) {
            print_message("# skipped: %s is not there\n", SUITE);
            return;
        }
        if (suite[i].entries > 0)
            check_long(buf_str(&text), suite[i].want, suite[i].entries);
        else
            assert_reads(buf_str(&text), suite[i].want, suite[i].file);
        buf_fini(&text);
    }
    check_listed("sitemaps");
    check_listed("sitemaps/extension");
    check_listed("rss");
}

/* ---- bounds ---- */

static void count(void *arg, const struct sitemap_entry *e)
{
    size_t *n = arg;
    *n += e->bad == NULL;
}

/* before, then `unit` as often as it is taken (at most `times`), then after; the reason of the
 * refusal, or "", into why. */
static size_t flood(const char *before, struct str unit, size_t times, const char *after, char *why,
                    uint64_t *fed)
{
    size_t n = 0;
    struct sitemap *s = sitemap_new(count, &n);
    struct buf block = {0};
    size_t per_block = unit.n >= 65536 ? 1 : 65536 / unit.n;
    for (size_t i = 0; i < per_block; i++)
        assert_true(buf_add(&block, unit));
    bool ok = sitemap_feed(s, str_of(before));
    *fed = 0;
    while (ok && times > 0) {
        size_t now = times < per_block ? times : per_block;
        ok = sitemap_feed(s, str_upto(buf_str(&block), now * unit.n));
        *fed += now * unit.n;
        times -= now;
    }
    if (ok && sitemap_feed(s, str_of(after))) sitemap_end(s);
    snprintf(why, 256, "%.*s", STR_ARG(sitemap_error(s)));
    buf_fini(&block);
    sitemap_free(s);
    return n;
}

static void holds_the_number_of_entries(void **state)
{
    static const struct {
        const char *before, *unit, *after;
    } forms[] = {
        {"<urlset>", "<url><loc>http://h/a</loc></url>", "</urlset>"},
        {"<sitemapindex>", "<sitemap><loc>http://h/a</loc></sitemap>", "</sitemapindex>"},
        {"<rss><channel>", "<item><link>http://h/a</link></item>", "</channel></rss>"},
        {"<feed>", "<entry><link href='http://h/a'/></entry>", "</feed>"},
        {"http://h/a\n", "http://h/a\n", ""},
    };
    char why[256];
    uint64_t fed;
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct str unit = str_of(forms[i].unit);
        size_t list = i == 4;
        size_t n = flood(forms[i].before, unit, 50000 - list, forms[i].after, why, &fed);
        assert_string_equal(why, "");
        assert_int_equal(n, 50000);
        n = flood(forms[i].before, unit, 50001 - list, forms[i].after, why, &fed);
        assert_int_equal(n, 50000);
        assert_non_null(strstr(why, "more than 50000 entries in one file"));
    }
}

/* The lengths of a URL, a title and a path of elements, to the byte. */
static void holds_lengths(void **state)
{
    char text[8192], url[4096], want[4096];
    (void)state;
    memset(url, 'a', sizeof url);
    memcpy(url, "http://h/", 9);
    snprintf(text, sizeof text, "<urlset><url><loc> %.2048s \n</loc></url></urlset>", url);
    snprintf(want, sizeof want, "%.2048s\n", url);
    assert_reads(str_of(text), want, "a URL of 2048 bytes");
    snprintf(want, sizeof want, "bad: its URL is longer than 2048 bytes (%.40s)\nhttp://h/b\n",
             url);
    snprintf(text, sizeof text, "%.2049s\nhttp://h/b\n", url);
    assert_reads(str_of(text), want, "a URL of 2049 bytes");
    snprintf(text, sizeof text,
             "<urlset><url><loc>%.2049s</loc></url><url><loc>http://h/b</loc></url></urlset>", url);
    assert_reads(str_of(text), want, "a URL of 2049 bytes");
    /* a title is cut, never within a character */
    snprintf(text, sizeof text,
             "<rss><item><link>http://h/a</link><title>%.511s\xc3\xa9%.99s</title></item></rss>",
             url, url);
    snprintf(want, sizeof want, "http://h/a \"%.511s\"\n", url);
    assert_reads(str_of(text), want, "a title of more than 512 bytes");
}

static void holds_the_depth(void **state)
{
    char why[256];
    uint64_t fed;
    (void)state;
    struct buf closing = {0};
    for (int i = 0; i < SITEMAP_DEPTH_MAX - 2; i++)
        buf_printf(&closing, "</x>");
    buf_printf(&closing, "</url></urlset>");
    buf_add_char(&closing, '\0');
    flood("<urlset><url>", STR("<x>"), SITEMAP_DEPTH_MAX - 2, closing.p, why, &fed);
    assert_string_equal(why, "");
    flood("<urlset><url>", STR("<x>"), SITEMAP_DEPTH_MAX - 1, "", why, &fed);
    assert_string_equal(why, "elements nested more than 100 deep");
    flood("<urlset><url><loc>", STR("<x>"), 1 << 30, "", why, &fed);
    assert_string_equal(why, "elements nested more than 100 deep");
    assert_true(fed <= 65536);
    buf_fini(&closing);
}

/* What the process held at most so far. */
static size_t most_memory(void)
{
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return (size_t)usage.ru_maxrss * 1024;
}

/* A GB each, if it were taken. */
static void refuses_floods(void **state)
{
    static const struct {
        const char *name, *before, *unit, *why;
        uint64_t fed_max;
    } floods[] = {
        {"white space before all", "", "  \n\t", "more than 50 MB", 51 << 20},
        {"white space in the root", "<urlset>", "\n", "more than 50 MB", 51 << 20},
        {"white space in a URL", "<urlset><url><loc>", " ", "more than 50 MB", 51 << 20},
        {"white space behind a URL", "<urlset><url><loc>http://h/", "\n", "more than 50 MB",
         51 << 20},
        {"white space in a list", "http://h/a\n", "\r\n", "more than 50 MB", 51 << 20},
        {"text in a URL", "<urlset><url><loc>", "a", "more than 50 MB", 51 << 20},
        {"text nobody asked for", "<urlset><x>", "&#x20;", "more than 50 MB", 51 << 20},
        {"a line", "http", "a", "more than 50 MB", 51 << 20},
        {"white space in a tag", "<urlset ", " ", "a tag, comment or declaration of more than",
         256 << 10},
        {"a name", "<", "a", "a tag, comment or declaration of more than", 256 << 10},
        {"an attribute", "<urlset a='", "a", "a tag, comment or declaration of more than",
         256 << 10},
        {"a comment", "<urlset><!--", " ", "a tag, comment or declaration of more than", 256 << 10},
        {"an instruction", "<?xml version='1.0'?><?a ", "b",
         "a tag, comment or declaration of more than", 256 << 10},
        {"a document type", "<!DOCTYPE a SYSTEM '", "b", "a tag, comment or declaration of more",
         256 << 10},
        {"characters nobody asked for", "<urlset>", "\xc2\x80\xf4\x8f\xbf\xbf", "more than 50 MB",
         51 << 20},
    };
    (void)state;
    size_t before = most_memory();
    for (size_t i = 0; i < sizeof floods / sizeof floods[0]; i++) {
        char why[256];
        uint64_t fed;
        struct str unit = str_of(floods[i].unit);
        flood(floods[i].before, unit, ((size_t)1 << 30) / unit.n, "", why, &fed);
        if (strstr(why, floods[i].why) == NULL || fed > floods[i].fed_max)
            fail_msg("%s: fed %llu, then \"%s\"", floods[i].name, (unsigned long long)fed, why);
        size_t grown = most_memory() - before;
        if (grown > FLOOD_MEMORY_MAX) fail_msg("%s: %zu bytes of memory", floods[i].name, grown);
    }
    print_message("memory grew by %zu bytes at most\n", most_memory() - before);
}

/* expat remembers each name: 50 MB of different ones must not become a GB. */
static void bounds_the_parsers_memory(void **state)
{
    size_t n = 0;
    struct sitemap *s = sitemap_new(count, &n);
    char tags[64 * 1024];
    bool ok = sitemap_feed(s, STR("<urlset>"));
    (void)state;
    for (unsigned i = 0; ok && i < 10 * 1000 * 1000;) {
        size_t at = 0;
        while (at + 32 < sizeof tags)
            at += (size_t)snprintf(tags + at, sizeof tags - at, "<%c%x/>", 'g', i++);
        ok = sitemap_feed(s, (struct str){tags, at});
    }
    assert_false(ok);
    assert_non_null(memmem(sitemap_error(s).p, sitemap_error(s).n, "memory", 6));
    sitemap_free(s);
}

/* ---- gzip ---- */

/* Adds a member of gzip to out. */
static void pack(struct str text, struct buf *out)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t room = deflateBound(&z, text.n);
    z.next_in = (unsigned char *)text.p;
    z.avail_in = (unsigned)text.n;
    z.next_out = (unsigned char *)buf_reserve(out, room);
    z.avail_out = (unsigned)room;
    assert_non_null(z.next_out);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->n += room - z.avail_out;
    deflateEnd(&z);
}

static void reads_gzip(void **state)
{
    static const char damaged[] = "refused: the gzip data is damaged or ends too early\n";
    const struct str a = STR("http://h/a\nhttp://h"), b = STR("/b\n");
    struct buf one = {0}, all = {0}, twice = {0}, thrice = {0};
    (void)state;
    pack(a, &one);
    assert_reads(buf_str(&one), "http://h/a\nhttp://h\n", "one member");
    buf_add(&all, buf_str(&one));
    pack(STR(""), &all);
    pack(b, &all);
    assert_reads(buf_str(&all), "http://h/a\nhttp://h/b\n", "three members");
    pack(buf_str(&all), &twice);
    assert_reads(buf_str(&twice), "http://h/a\nhttp://h/b\n", "packed twice");
    pack(buf_str(&twice), &thrice);
    assert_reads(buf_str(&thrice), "refused: neither XML nor a list of URLs\n", "packed thrice");
    for (size_t cut = 2; cut < one.n; cut++) { /* a URL that was cut off does not come out */
        struct buf got = {0};
        read_text(str_upto(buf_str(&one), cut), 0, &got);
        assert_true(str_ends(buf_str(&got), str_of(damaged)));
        assert_null(memmem(got.p, got.n, "http://h\n", 9));
        buf_fini(&got);
    }
    buf_add(&all, STR("\0\0\0"));
    assert_reads(buf_str(&all), "http://h/a\nhttp://h/b\n", "padded");
    buf_add(&all, STR("x"));
    assert_reads(buf_str(&all),
                 "http://h/a\nhttp://h/b\nrefused: the gzip data is damaged or ends too early\n",
                 "garbage behind the padding");
    one.p[one.n - 5] ^= 1;
    assert_reads(buf_str(&one), "http://h/a\nrefused: the gzip data is damaged or ends too early\n",
                 "a wrong check sum");
    assert_reads(STR("\x1f\x8b"), damaged, "a head alone");
    assert_reads(STR("\x1f"), "refused: neither XML nor a list of URLs\n", "half a mark");
    buf_fini(&one);
    buf_fini(&all);
    buf_fini(&twice);
    buf_fini(&thrice);
}

static void refuses_gzip_bombs(void **state)
{
    struct buf block = {0}, packed = {0}, bomb = {0};
    char why[256];
    uint64_t fed;
    (void)state;
    while (block.n < 16 << 20)
        buf_add(&block, STR("                                                                "));
    pack(buf_str(&block), &packed);
    /* members of 16 MB of blanks: a GB of them is 1 MB of gzip */
    flood("", buf_str(&packed), 64, "", why, &fed);
    assert_string_equal(why, "more than 50 MB when unpacked");
    assert_true(fed <= 6 * packed.n);
    for (int i = 0; i < 64; i++)
        buf_add(&bomb, buf_str(&packed));
    buf_clear(&block);
    pack(buf_str(&bomb), &block);
    flood("", buf_str(&block), 1, "", why, &fed);
    assert_string_equal(why, "more than 50 MB when unpacked");
    /* members that give nothing end too */
    buf_clear(&packed);
    pack(STR(""), &packed);
    flood("", buf_str(&packed), (60 << 20) / packed.n, "", why, &fed);
    assert_string_equal(why, "more than 50 MB");
    buf_fini(&block);
    buf_fini(&packed);
    buf_fini(&bomb);
}

static void holds_the_size(void **state)
{
    char why[256];
    uint64_t fed;
    (void)state;
    /* <urlset></urlset> and blanks */
    flood("<urlset>", STR(" "), SITEMAP_MAX_BYTES - 17, "</urlset>", why, &fed);
    assert_string_equal(why, "");
    flood("<urlset>", STR(" "), SITEMAP_MAX_BYTES - 16, "</urlset>", why, &fed);
    assert_string_equal(why, "more than 50 MB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_rows),
        cmocka_unit_test(reads_utf16),
        cmocka_unit_test(reads_the_suite),
        cmocka_unit_test(holds_the_number_of_entries),
        cmocka_unit_test(holds_lengths),
        cmocka_unit_test(holds_the_depth),
        cmocka_unit_test(holds_the_size),
        cmocka_unit_test(refuses_floods),
        cmocka_unit_test(bounds_the_parsers_memory),
        cmocka_unit_test(reads_gzip),
        cmocka_unit_test(refuses_gzip_bombs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
