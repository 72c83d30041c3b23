/* Lines as servers, proxies, scanners and crashes leave them; each is read with an unreadable page
 * behind it and a scratch buffer of just its own length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "guard.h"
#include "logline.h"

#define TIME   "[17/May/2015:10:05:03 +0000] "
#define REST   "\"GET /a HTTP/1.1\" 200 512"
#define COMMON "1.2.3.4 - - " TIME REST
#define TAIL   " \"http://r.example/\" \"Agent/1\""
#define AT     1431857103

static const struct {
    const char *line;
    const char *host, *address;
    int64_t at_s;
    const char *method, *target;
    uint32_t status;
    const char *referrer, *agent; /* NULL: the common format */
} good[] = {
    {COMMON, "", "1.2.3.4", AT, "GET", "/a", 200, NULL, NULL},
    {COMMON TAIL, "", "1.2.3.4", AT, "GET", "/a", 200, "http://r.example/", "Agent/1"},
    {COMMON " \"-\" \"-\"", "", "1.2.3.4", AT, "GET", "/a", 200, "", ""},
    {COMMON " \"\" \"\"", "", "1.2.3.4", AT, "GET", "/a", 200, "", ""},
    {COMMON TAIL " 0.004 \"cut", "", "1.2.3.4", AT, "GET", "/a", 200, "http://r.example/",
     "Agent/1"},
    {COMMON " 0.004 id=7", "", "1.2.3.4", AT, "GET", "/a", 200, NULL, NULL},
    /* virtual host first: Apache's %v:%p, nginx's $host */
    {"shop.example:443 " COMMON TAIL, "shop.example", "1.2.3.4", AT, "GET", "/a", 200,
     "http://r.example/", "Agent/1"},
    {"shop.example " COMMON, "shop.example", "1.2.3.4", AT, "GET", "/a", 200, NULL, NULL},
    {"[2001:db8::1]:80 " COMMON, "[2001:db8::1]", "1.2.3.4", AT, "GET", "/a", 200, NULL, NULL},
    {"shop.example:80 1.2.3.4 - Jo van Dam " TIME REST, "shop.example", "1.2.3.4", AT, "GET", "/a",
     200, NULL, NULL},
    /* who */
    {"2001:db8::1 - - " TIME REST, "", "2001:db8::1", AT, "GET", "/a", 200, NULL, NULL},
    {"crawl-66.example.com - - " TIME REST, "", "crawl-66.example.com", AT, "GET", "/a", 200, NULL,
     NULL},
    {"1.2.3.4 - jo " TIME REST, "", "1.2.3.4", AT, "GET", "/a", 200, NULL, NULL},
    {"1.2.3.4 - Jo van Dam " TIME REST, "", "1.2.3.4", AT, "GET", "/a", 200, NULL, NULL},
    {"1.2.3.4 - [jo [ " TIME REST, "", "1.2.3.4", AT, "GET", "/a", 200, NULL, NULL},
    {"1.2.3.4 - \"\" " TIME REST, "", "1.2.3.4", AT, "GET", "/a", 200, NULL, NULL},
    {"1.2.3.4 ident jo " TIME REST, "", "1.2.3.4", AT, "GET", "/a", 200, NULL, NULL},
    /* when */
    {"1.2.3.4 - - [17/May/2015:12:35:03 +0230] " REST, "", "1.2.3.4", AT, "GET", "/a", 200, NULL,
     NULL},
    {"1.2.3.4 - - [17/May/2015:02:05:03 -0800] " REST, "", "1.2.3.4", AT, "GET", "/a", 200, NULL,
     NULL},
    {"1.2.3.4 - - [30/Jun/2012:23:59:60 +0000] " REST, "", "1.2.3.4", 1341100799, "GET", "/a", 200,
     NULL, NULL},
    {"1.2.3.4 - - [29/Feb/2016:00:00:00 +0000] " REST, "", "1.2.3.4", 1456704000, "GET", "/a", 200,
     NULL, NULL},
    /* escapes */
    {COMMON " \"http://r.example/?q=\\\"x\\\"\" \"A\\\\B\\x22\\x0a\\t\\xC3\\xa9\\xZ\"", "",
     "1.2.3.4", AT, "GET", "/a", 200, "http://r.example/?q=\"x\"", "A\\B\"\n\t\xc3\xa9xZ"},
    {"1.2.3.4 - - " TIME "\"GET /\\\"q\\\" HTTP/1.1\" 404 0", "", "1.2.3.4", AT, "GET", "/\"q\"",
     404, NULL, NULL},
    {"1.2.3.4 - - " TIME "\"GET /a\"b HTTP/1.0\" 404 -", "", "1.2.3.4", AT, "GET", "/a\"b", 404,
     NULL, NULL},
    /* requests */
    {"1.2.3.4 - - " TIME "\"HEAD / HTTP/2.0\" 200 0", "", "1.2.3.4", AT, "HEAD", "/", 200, NULL,
     NULL},
    {"1.2.3.4 - - " TIME "\"GET /with a blank HTTP/1.1\" 200 1", "", "1.2.3.4", AT, "GET",
     "/with a blank", 200, NULL, NULL},
    {"1.2.3.4 - - " TIME "\"GET http://x.example/ HTTP/1.1\" 200 1", "", "1.2.3.4", AT, "GET",
     "http://x.example/", 200, NULL, NULL},
    {"1.2.3.4 - - " TIME "\"GET /old\" 200 1", "", "1.2.3.4", AT, "GET", "/old", 200, NULL, NULL},
    {"1.2.3.4 - - " TIME "\"-\" 408 -", "", "1.2.3.4", AT, "", "", 408, NULL, NULL},
    {"1.2.3.4 - - " TIME "\"\" 400 0" TAIL, "", "1.2.3.4", AT, "", "", 400, "http://r.example/",
     "Agent/1"},
    {"1.2.3.4 - - " TIME "\"\\x16\\x03\\x01\\x00\\xEE\" 400 226", "", "1.2.3.4", AT, "", "", 400,
     NULL, NULL},
    {"1.2.3.4 - - " TIME "\"GET\" 400 0", "", "1.2.3.4", AT, "", "", 400, NULL, NULL},
    {"1.2.3.4 - - " TIME "\"SSH-2.0-Go /x\" 400 0", "", "1.2.3.4", AT, "", "", 400, NULL, NULL},
    /* statuses */
    {"1.2.3.4 - - " TIME "\"GET /a HTTP/1.1\" 000 0", "", "1.2.3.4", AT, "GET", "/a", 0, NULL,
     NULL},
    {"1.2.3.4 - - " TIME "\"GET /a HTTP/1.1\" - -", "", "1.2.3.4", AT, "GET", "/a", 0, NULL, NULL},
};

static void expect(struct str is, const char *want)
{
    if (!str_eq(is, str_of(want))) {
        fail_msg("is \"%.*s\", should be \"%s\"", STR_ARG(is), want);
    }
}

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct guard in = guard_copy(str_of(good[i].line));
        struct guard room = guard_copy(str_of(good[i].line));
        struct logline l;
        if (!logline_parse(in.s, (char *)room.s.p, &l)) fail_msg("refused: %s", good[i].line);
        expect(l.host, good[i].host);
        expect(l.address, good[i].address);
        assert_int_equal(l.at_ms, good[i].at_s * 1000);
        expect(l.method, good[i].method);
        expect(l.target, good[i].target);
        assert_int_equal(l.status, good[i].status);
        assert_int_equal(l.combined, good[i].agent != NULL);
        expect(l.referrer, good[i].agent == NULL ? "" : good[i].referrer);
        expect(l.agent, good[i].agent == NULL ? "" : good[i].agent);
        guard_free(&in);
        guard_free(&room);
    }
}

static const char *const bad[] = {
    "",
    " ",
    "\"",
    "hello",
    "2026-11-22T10:00:00Z GET /a 200",
    "# comment",
    "1.2.3.4 - - ",
    "1.2.3.4 - " TIME REST,
    "1.2.3.4  - - " TIME REST,
    /* cut inside a quoted field */
    "1.2.3.4 - - " TIME "\"GET /a HTT",
    COMMON " \"http://r.exam",
    COMMON " \"http://r.example/\" \"Agent",
    COMMON " \"http://r.example/\" \"Agent\\",
    COMMON " \"http://r.example/\"",
    "1.2.3.4 - - " TIME "\"GET /a HTTP/1.1\"",
    "1.2.3.4 - - " TIME "\"GET /a HTTP/1.1\" 20",
    "1.2.3.4 - - " TIME "\"GET /a HTTP/1.1\" 200",
    "1.2.3.4 - - " TIME "\"GET /a HTTP/1.1\" 200 \"r\" \"a\"",
    "1.2.3.4 - - " TIME "\"GET /a HTTP/1.1\" 2000 1",
    "1.2.3.4 - - " TIME "\"GET /a HTTP/1.1\" 2x0 1",
    /* times that cannot be */
    "1.2.3.4 - - [17/May/2015:10:05:03] " REST,
    "1.2.3.4 - - [17/May/2015:24:05:03 +0000] " REST,
    "1.2.3.4 - - [17/May/2015:10:60:03 +0000] " REST,
    "1.2.3.4 - - [17/May/2015:10:05:61 +0000] " REST,
    "1.2.3.4 - - [17/May/2015:10:05:03 +1500] " REST,
    "1.2.3.4 - - [17/May/2015:10:05:03 00000] " REST,
    "1.2.3.4 - - [17/Mai/2015:10:05:03 +0000] " REST,
    "1.2.3.4 - - [00/May/2015:10:05:03 +0000] " REST,
    "1.2.3.4 - - [31/Apr/2015:10:05:03 +0000] " REST,
    "1.2.3.4 - - [29/Feb/2015:10:05:03 +0000] " REST,
    "1.2.3.4 - - [01/Jan/1970:00:00:00 +0000] " REST,
    "1.2.3.4 - - [-7/May/2015:10:05:03 +0000] " REST,
    /* a client's words are no time */
    "1.2.3.4 - - [xx] \"GET /" TIME "\"GET /a HTTP/1.1\" 200 1",
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct guard in = guard_copy(str_of(bad[i]));
        struct guard room = guard_copy(str_of(bad[i]));
        struct logline l;
        if (logline_parse(in.s, (char *)room.s.p, &l)) fail_msg("taken: %s", bad[i]);
        guard_free(&in);
        guard_free(&room);
    }
}

/* Wherever a combined line is cut, it is a shorter line with the same facts, or none. */
static void test_cut_anywhere(void **state)
{
    (void)state;
    struct str whole = STR("shop.example:80 1.2.3.4 - Jo \\x41 " TIME REST TAIL);
    for (size_t n = 0; n < whole.n; n++) {
        struct guard in = guard_copy(str_upto(whole, n));
        struct guard room = guard_copy(str_upto(whole, n));
        struct logline l;
        if (logline_parse(in.s, (char *)room.s.p, &l)) {
            assert_int_equal(l.at_ms, (int64_t)AT * 1000);
            expect(l.target, "/a");
            assert_false(l.combined);
        }
        guard_free(&in);
        guard_free(&room);
    }
}

static void test_length(void **state)
{
    (void)state;
    static char line[LOGLINE_MAX_BYTES + 1], scratch[LOGLINE_MAX_BYTES + 1];
    struct str begin = STR("1.2.3.4 - - " TIME "\"GET /"), end = STR(" HTTP/1.1\" 200 1");
    struct logline l;
    memset(line, 'a', sizeof line);
    memcpy(line, begin.p, begin.n);
    memcpy(line + LOGLINE_MAX_BYTES - end.n, end.p, end.n);
    assert_true(logline_parse((struct str){line, LOGLINE_MAX_BYTES}, scratch, &l));
    line[LOGLINE_MAX_BYTES - 1] = '1';
    line[LOGLINE_MAX_BYTES] = '1';
    assert_false(logline_parse((struct str){line, LOGLINE_MAX_BYTES + 1}, scratch, &l));
}

static void test_nul_bytes(void **state)
{
    (void)state;
    char scratch[64];
    struct logline l;
    char zeros[64] = {0};
    assert_false(logline_parse((struct str){zeros, sizeof zeros}, scratch, &l));
}

static const struct {
    const char *method, *target;
    uint32_t status;
    const char *why; /* NULL: a page */
} requests[] = {
    {"GET", "/", 200, NULL},
    {"GET", "/", 304, NULL},
    {"GET", "/a/b.html?x=1.png", 200, NULL},
    {"GET", "/v1.2/notes", 200, NULL},
    {"GET", "/a.php", 404, NULL},
    {"GET", "/gone", 410, NULL},
    {"GET", "/feedback", 200, NULL},
    {"GET", "/search?q=rss", 200, NULL},
    {"GET", "/x?format=print", 200, NULL},
    {"", "", 400, "no HTTP request"},
    {"HEAD", "/", 200, "not a GET"},
    {"POST", "/", 200, "not a GET"},
    {"GET", "/logo.PNG", 200, "an asset or a file"},
    {"GET", "/logo.png?v=2", 200, "an asset or a file"},
    {"GET", "/logo.png", 404, "an asset or a file"},
    {"GET", "/favicon.ico", 200, "an asset or a file"},
    {"GET", "/robots.txt", 200, "an asset or a file"},
    {"GET", "/sitemap.xml.gz", 200, "an asset or a file"},
    {"GET", "/site.webmanifest", 200, "an asset or a file"},
    {"GET", "/.well-known/security", 200, "an asset or a file"},
    {"GET", "/index.rss", 200, "an asset or a file"},
    {"GET", "/blog/feed", 200, "a feed"},
    {"GET", "/blog/feed/", 304, "a feed"},
    {"GET", "/?feed=rss2", 200, "a feed"},
    {"GET", "/tags/x?a=1&flav=atom", 200, "a feed"},
    {"GET", "/a", 206, "no page was shown (status)"},
    {"GET", "/a", 301, "no page was shown (status)"},
    {"GET", "/a", 403, "no page was shown (status)"},
    {"GET", "/a", 500, "no page was shown (status)"},
    {"GET", "/a", 0, "no page was shown (status)"},
};

static void test_left_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        struct guard target = guard_copy(str_of(requests[i].target));
        struct logline l = {
            .method = str_of(requests[i].method), .target = target.s, .status = requests[i].status};
        const char *why = logline_left_out(&l);
        if ((why == NULL) != (requests[i].why == NULL)) fail_msg("%s: %s", requests[i].target, why);
        if (why != NULL) assert_string_equal(why, requests[i].why);
        guard_free(&target);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),         cmocka_unit_test(test_bad),
        cmocka_unit_test(test_cut_anywhere), cmocka_unit_test(test_length),
        cmocka_unit_test(test_nul_bytes),    cmocka_unit_test(test_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
