/* Each doubt and its verdict, in the order of the recipe; and what a taken hit holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "about.h"
#include "beacon.h"
#include "customer.h"
#include "guard.h"
#include "keys.h"
#include "lists.h"
#include "salt.h"
#include "visitor.h"

#define CHROME                                                                                     \
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "            \
    "Chrome/126.0.0.0 Safari/537.36"

enum { PARTITIONS = 64 };
/* 2026-03-10 00:30 in Paris, 2026-03-09 23:30 UTC */
static const int64_t now_ms = INT64_C(1773099000000);
enum { DAY_UTC = 20521, DAY_PARIS = 20522 };

static struct lists lists;
static struct salts *salts;
static struct sites *sites;
static struct ingest *ingest;

static char **list_of(const char *a, const char *b)
{
    char **list = calloc(3, sizeof *list);

    list[0] = strdup(a);
    list[1] = b == NULL ? NULL : strdup(b);
    return list;
}

static int set_up(void **state)
{
    (void)state;
    lists = (struct lists){.agents = agents_load()};
    salts = salts_new(NULL, now_ms);
    sites = sites_new();
    struct site *shop = sites_add(sites, STR("shop"));
    shop->origins = list_of("https://shop.example", "https://www.shop.example:8443");
    shop->zone = sites_zone(sites, "Europe/Paris");
    shop->keep_params = list_of("id", NULL);
    shop->search_params = list_of("q", "s");
    shop->spread = 4;
    shop->secret = strdup("today");
    shop->secret_before = strdup("yesterday");
    struct site *open = sites_add(sites, STR("open"));
    open->zone = sites_zone(sites, "UTC");
    open->spread = 1;
    struct site *kept = sites_add(sites, STR("kept"));
    kept->zone = sites_zone(sites, "UTC");
    kept->spread = 1;
    kept->cookie = true;
    sites_seal(sites);
    ingest = ingest_new(&lists, salts);
    ingest_set_sites(ingest, sites);
    return lists.agents == NULL || salts == NULL || ingest == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    ingest_free(ingest);
    sites_free(sites);
    salts_free(salts);
    agents_free(lists.agents);
    return 0;
}

static struct visit a_visit(void)
{
    struct visit v = {
        .origin = STR("https://shop.example"),
        .agent = STR(CHROME),
        .accept_language = STR("fr"),
        .address = {[10] = 0xff, 0xff, 203, 0, 113, 7},
        .from_beacon = true,
        .now_ms = now_ms,
    };
    return v;
}

/* Borrowed strings of *hit live in ingest and in these. */
static char scratch[64 * 1024];
static const char *field;
static unsigned partition;

static enum verdict take(const char *query, const struct visit *visit, struct hit *hit)
{
    struct fields f;
    struct guard in = guard_copy(str_of(query));
    static struct guard last;
    if (last.map != NULL) guard_free(&last);
    last = in;

    enum verdict v = beacon_line(in.s, scratch, sizeof scratch, &f, &field);
    if (v != V_COUNTED) return v;
    return ingest_hit(ingest, visit, &f, PARTITIONS, hit, &partition, &field);
}

#define PAGE "&u=https://shop.example/a"

static const struct {
    const char *query;
    enum verdict want;
    const char *field;
} verdicts[] = {
    {"s=shop" PAGE, V_COUNTED, NULL},
    {"u=https://shop.example/a", V_BAD_QUERY, "s"},
    {"s=nobody" PAGE, V_UNKNOWN_SITE, "s"},
    {"s=Shop" PAGE, V_UNKNOWN_SITE, "s"},
    {"s=shop%00" PAGE, V_UNKNOWN_SITE, "s"},
    {"s=shop" PAGE "&o=1&k=xx&n=x", V_OPTED_OUT, NULL}, /* nothing else of it is looked at */
    {"s=shop" PAGE "&o=0", V_COUNTED, NULL},
    {"s=shop" PAGE "&o=yes", V_BAD_NUMBER, "o"},
    {"s=shop" PAGE "&k=xx", V_BAD_KIND, "k"},
    {"s=shop" PAGE "&k=tally", V_BAD_KIND, "k"},
    {"s=shop" PAGE "&k=pulse", V_COUNTED, NULL},
    {"s=shop" PAGE "&p=abc!", V_BAD_NUMBER, "p"},
    {"s=shop" PAGE "&p=zzzzzzzzzzzzz", V_BAD_NUMBER, "p"}, /* over 64 bits */
    {"s=shop" PAGE "&n=255", V_COUNTED, NULL},
    {"s=shop" PAGE "&n=256", V_TOO_MANY, "n"},
    {"s=shop" PAGE "&n=-1", V_BAD_NUMBER, "n"},
    {"s=shop" PAGE "&n=+1", V_BAD_NUMBER, "n"},
    {"s=shop" PAGE "&n=1.0", V_BAD_NUMBER, "n"},
    {"s=shop" PAGE "&n=9999999999999999999", V_BAD_NUMBER, "n"},
    {"s=shop" PAGE "&e=99999999999", V_COUNTED, NULL},
    {"s=shop" PAGE "&e=x", V_BAD_NUMBER, "e"},
    {"s=shop" PAGE "&d=100", V_COUNTED, NULL},
    {"s=shop" PAGE "&d=101", V_COUNTED, NULL},
    {"s=shop" PAGE "&d=-1", V_BAD_NUMBER, "d"},
    {"s=shop" PAGE "&x=404", V_COUNTED, NULL},
    {"s=shop" PAGE "&x=99", V_BAD_NUMBER, "x"},
    {"s=shop" PAGE "&x=600", V_BAD_NUMBER, "x"},
    {"s=shop" PAGE "&w=2", V_BAD_NUMBER, "w"},
    {"s=shop" PAGE "&w=true&o=false", V_COUNTED, NULL},
    {"s=shop" PAGE "&o=true", V_OPTED_OUT, NULL},
    {"s=shop" PAGE "&c=True", V_BAD_NUMBER, "c"},
    {"s=shop" PAGE "&c=yes", V_BAD_NUMBER, "c"},
    {"s=shop" PAGE "&a=259200000", V_COUNTED, NULL},
    {"s=shop" PAGE "&a=259200001", V_BAD_NUMBER, "a"},
    {"s=shop" PAGE "&a=-1", V_COUNTED, NULL},
    {"s=shop" PAGE "&a=-", V_BAD_NUMBER, "a"},
    {"s=shop" PAGE "&a=-x", V_BAD_NUMBER, "a"},
    {"s=shop" PAGE "&a=10&b=9", V_COUNTED, NULL},
    {"s=shop" PAGE "&a=10&b=-9", V_COUNTED, NULL},
    {"s=shop" PAGE "&a=10&b=--9", V_BAD_NUMBER, "b"},
    {"s=shop" PAGE "&h=12", V_COUNTED, NULL},
    {"s=shop" PAGE "&h=many", V_BAD_NUMBER, "h"},
    {"s=shop" PAGE "&a=10&b=10", V_COUNTED, NULL},
    {"s=shop" PAGE "&b=259200001", V_BAD_NUMBER, "b"},
    {"s=shop" PAGE "&A=x&B=-", V_COUNTED, NULL}, /* without a clock they say nothing */
    {"s=shop" PAGE "&r=%ff", V_BAD_UTF8, "r"},
    {"s=shop&u=https://shop.example/%0a", V_BAD_UTF8, "u"},
    {"s=shop&u=https://shop.example/%00", V_BAD_UTF8, "u"},
    {"s=shop&u=https://shop.example/%250a", V_COUNTED, NULL}, /* an escape in the URL itself */
    {"s=shop" PAGE "&k=ev&m=%c3", V_BAD_UTF8, "m"},
    {"s=shop", V_BAD_PAGE, "u"},
    {"s=shop&u=/a", V_BAD_PAGE, "u"},
    {"s=shop&u=about:blank", V_BAD_PAGE, "u"},
    {"s=shop" PAGE "&k=ol", V_BAD_QUERY, "t"},
    {"s=shop" PAGE "&k=ol&t=mailto:me@mail.example", V_BAD_PAGE, "t"},
    {"s=shop" PAGE "&k=dl&t=https://shop.example/f.pdf", V_COUNTED, NULL},
    {"s=shop" PAGE "&k=ev", V_BAD_QUERY, "m"},
    {"s=shop" PAGE "&k=ev&m=buy", V_COUNTED, NULL},
    {"s=shop" PAGE "&k=ev&m=buy&g=1", V_COUNTED, NULL},
    {"s=shop" PAGE "&k=ev&m=buy&g=2", V_BAD_NUMBER, "g"},
    {"s=shop" PAGE "&k=sn", V_BAD_QUERY, "l"},
    {"s=shop" PAGE "&k=sn&l=/b", V_COUNTED, NULL},
    {"s=shop" PAGE "&k=seen&l=mailto:me@mail.example", V_COUNTED, NULL}, /* left out */
    {"s=shop" PAGE "&k=sn&l=/b%00", V_BAD_UTF8, "l"},
    {"s=shop" PAGE "&k=ck", V_BAD_QUERY, "t"},
    {"s=shop" PAGE "&k=ck&t=/b", V_COUNTED, NULL},
    {"s=shop" PAGE "&k=ck&t=b", V_BAD_PAGE, "t"},
    {"s=shop" PAGE "&k=ck&t=https://", V_BAD_PAGE, "t"},
    {"s=shop" PAGE "&k=ck&t=1:2", V_BAD_PAGE, "t"},
    {"s=shop" PAGE "&k=ck&t=an-invented-scheme-of-33-bytes-xyz:", V_BAD_PAGE, "t"},
    {"s=shop" PAGE "&k=ck&t=mailto:%00", V_BAD_UTF8, "t"},
    {"s=shop" PAGE "&k=ct&m=%00", V_BAD_UTF8, "m"},
    {"s=shop" PAGE "&k=ct&m=menu", V_COUNTED, NULL},
    {"s=shop" PAGE "&k=pc&V=100&C=EUR", V_COUNTED, NULL},
    {"s=shop" PAGE "&k=pc&V=100", V_BAD_QUERY, "C"},
    {"s=shop" PAGE "&k=pc&V=100&C=eur", V_BAD_QUERY, "C"},
    {"s=shop" PAGE "&k=pc&V=1.50&C=EUR", V_BAD_NUMBER, "V"},
    {"s=shop" PAGE "&k=pc&C=EUR", V_BAD_NUMBER, "V"},
    {"s=shop" PAGE "&k=pc&V=100000000000&C=EUR", V_COUNTED, NULL},
    {"s=shop" PAGE "&k=pc&V=100000000001&C=EUR", V_BAD_NUMBER, "V"},
    {"s=shop" PAGE "&k=links&l=/b", V_COUNTED, NULL},
    {"s=shop" PAGE "&k=ln", V_COUNTED, NULL}, /* a page without links */
    {"s=shop" PAGE "&k=ln&z=2", V_BAD_NUMBER, "z"},
    {"s=shop" PAGE "&k=mt&T=Shoes&D=2026-01-31&y=run&y=40:sport", V_COUNTED, NULL},
    {"s=shop" PAGE "&k=meta&D=2026-01-31T10:00Z", V_COUNTED, NULL},
    {"s=shop" PAGE "&k=mt&D=2026-01-31x", V_BAD_NUMBER, "D"},
    {"s=shop" PAGE "&k=mt&D=soon", V_BAD_NUMBER, "D"},
    {"s=shop" PAGE "&k=mt&y=0:a", V_BAD_NUMBER, "y"},
    {"s=shop" PAGE "&k=mt&y=101:a", V_BAD_NUMBER, "y"},
    {"s=shop" PAGE "&k=mt&T=%00", V_BAD_UTF8, "T"},
    {"s=shop" PAGE "&k=mt&L=%01", V_BAD_UTF8, "L"},
    {"s=shop" PAGE "&k=pu&E=7", V_COUNTED, NULL},
    {"s=shop" PAGE "&k=pu&E=100000", V_COUNTED, NULL},
    {"s=shop" PAGE "&k=pu&E=-1", V_BAD_NUMBER, "E"},
    {"s=shop" PAGE "&k=ev&m=lcp&q=2", V_BAD_NUMBER, "q"},
    {"s=shop" PAGE "&c=1&v=abc123", V_COUNTED, NULL},
    {"s=shop" PAGE "&c=1&v=!", V_BAD_NUMBER, "v"},
    {"s=shop" PAGE "&c=1&v=0", V_BAD_NUMBER, "v"},
    {"s=shop" PAGE "&c=0&v=!", V_COUNTED, NULL}, /* without consent it is not looked at */
    {"s=shop" PAGE "&c=1&v=abc.1700000000000", V_COUNTED, NULL},
    {"s=shop" PAGE "&c=1&v=abc-.1700000000000", V_COUNTED, NULL},
    {"s=shop" PAGE "&c=1&v=.1700000000000", V_BAD_NUMBER, "v"},
    {"s=shop" PAGE "&c=1&v=-", V_BAD_NUMBER, "v"},
    {"s=shop" PAGE "&c=1&v=0-", V_BAD_NUMBER, "v"},
    {"s=shop" PAGE "&c=1&v=zzzzzzzzzzzzz.1", V_BAD_NUMBER, "v"},
    {"s=shop" PAGE "&c=1", V_COUNTED, NULL},
    {"s=shop" PAGE "&k=ev&m=purchase?value=1%26currency=EUR", V_COUNTED, NULL},
    {"s=shop" PAGE "&k=ev&m=purchase?value=1", V_BAD_QUERY, "currency"},
    {"s=shop" PAGE "&k=ev&m=purchase?value=x%26currency=EUR", V_BAD_NUMBER, "value"},
};

static void test_verdicts(void **state)
{
    struct visit visit = a_visit();

    (void)state;
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        struct hit hit;
        enum verdict v = take(verdicts[i].query, &visit, &hit);
        bool same_field = (field == NULL) == (verdicts[i].field == NULL) &&
                          (field == NULL || strcmp(field, verdicts[i].field) == 0);
        if (v != verdicts[i].want || !same_field)
            print_error("%s: %s %s\n", verdicts[i].query, verdict_name(v), field);
        assert_int_equal(v, verdicts[i].want);
        assert_true(same_field);
        bool known = v != V_UNKNOWN_SITE && (field == NULL || strcmp(field, "s") != 0);
        assert_true(str_eq(hit.site, known ? STR("shop") : STR("")));
    }
}

/* %s: a token for anna under the secret of the row. */
static const struct {
    const char *query, *secret;
    bool in_url;
    enum verdict want;
    const char *field;
    enum identity identity;
} identities[] = {
    {"s=shop&k=id&c=1&v=abc&i=anna&j=%s", "today", false, V_COUNTED, NULL, IDENTITY_SIGNED},
    {"s=shop&k=id&c=1&v=abc&i=anna&j=%s", "yesterday", false, V_COUNTED, NULL, IDENTITY_SIGNED},
    {"s=shop&k=identify&c=1&v=abc&customer=anna&signature=%s", "today", false, V_COUNTED, NULL,
     IDENTITY_SIGNED},
    {"s=shop&k=id&c=1&v=abc&i=anna&j=%s", "another", false, V_BAD_SIGNATURE, "j",
     IDENTITY_BAD_SIGNATURE},
    {"s=shop&k=id&c=1&v=abc&i=bert&j=%s", "today", false, V_BAD_SIGNATURE, "j",
     IDENTITY_BAD_SIGNATURE},
    {"s=shop&k=id&c=1&v=abc&i=anna", "", false, V_BAD_SIGNATURE, "j", IDENTITY_BAD_SIGNATURE},
    {"s=shop&k=id&c=1&v=abc&i=anna%%0a&j=%s", "today", false, V_BAD_SIGNATURE, "j",
     IDENTITY_BAD_SIGNATURE},
    {"s=open&k=id&c=1&v=abc&i=anna&j=%s", "", false, V_BAD_SIGNATURE, "j", IDENTITY_BAD_SIGNATURE},
    {"s=shop&k=id&v=abc&i=anna&j=%s", "today", false, V_NO_CONSENT, "c", IDENTITY_NO_CONSENT},
    {"s=shop&k=id&c=1&i=anna&j=%s", "today", false, V_NO_CONSENT, "v", IDENTITY_NO_CONSENT},
    {"s=shop&k=id&c=1&v=abc", "", false, V_BAD_QUERY, "i", IDENTITY_NONE},
    {"s=shop&k=id&c=1&v=abc&i=anna&j=%s", "today", true, V_BAD_QUERY, "i", IDENTITY_NONE},
    {"s=shop" PAGE "&c=1&v=abc&i=anna&j=%s", "today", false, V_COUNTED, NULL, IDENTITY_SIGNED},
    {"s=shop" PAGE "&c=1&v=abc&i=anna&j=%s", "another", false, V_COUNTED, NULL,
     IDENTITY_BAD_SIGNATURE},
    {"s=shop" PAGE "&c=1&v=abc&i=anna", "", false, V_COUNTED, NULL, IDENTITY_BAD_SIGNATURE},
    {"s=shop" PAGE "&c=1&v=abc&j=%s", "today", false, V_COUNTED, NULL, IDENTITY_BAD_SIGNATURE},
    {"s=shop" PAGE "&v=abc&i=anna&j=%s", "today", false, V_COUNTED, NULL, IDENTITY_NO_CONSENT},
    {"s=shop" PAGE "&c=1&v=abc&i=anna&j=%s", "today", true, V_BAD_QUERY, "i", IDENTITY_NONE},
    {"s=shop" PAGE "&c=1&v=abc", "", true, V_COUNTED, NULL, IDENTITY_NONE},
    {"s=shop" PAGE "&o=1&c=1&v=abc&i=anna&j=%s", "today", false, V_OPTED_OUT, NULL, IDENTITY_NONE},
};

static void test_identities(void **state)
{
    struct visit visit = a_visit();

    (void)state;
    for (size_t i = 0; i < sizeof identities / sizeof identities[0]; i++) {
        char token[CUSTOMER_TOKEN_BYTES] = "", query[512];
        struct hit hit;
        if (identities[i].secret[0] != '\0')
            customer_sign(str_of(identities[i].secret), STR("shop"), STR("anna"), now_ms / 1000 + 1,
                          token);
        snprintf(query, sizeof query, identities[i].query, token);
        visit.in_url = identities[i].in_url;
        enum verdict v = take(query, &visit, &hit);
        bool same_field = (field == NULL) == (identities[i].field == NULL) &&
                          (field == NULL || strcmp(field, identities[i].field) == 0);
        if (v != identities[i].want || !same_field)
            print_error("%s: %s %s\n", query, verdict_name(v), field);
        assert_int_equal(v, identities[i].want);
        assert_true(same_field);
        assert_int_equal(ingest_identity(ingest), identities[i].identity);
        bool known = identities[i].identity == IDENTITY_SIGNED;
        assert_true(str_eq(hit.customer, known ? STR("anna") : STR("")));
    }
}

static void test_identify_tells_nothing_else(void **state)
{
    struct visit visit = a_visit();
    char token[CUSTOMER_TOKEN_BYTES], query[512];
    struct hit hit;

    (void)state;
    customer_sign(STR("today"), STR("shop"), STR("anna"), now_ms / 1000 + 1, token);
    snprintf(query, sizeof query,
             "s=shop" PAGE "&k=id&c=1&v=abc&p=x&n=3&e=9000&d=50&t=/b&m=x&g=1&i=anna&j=%s", token);
    assert_int_equal(take(query, &visit, &hit), V_COUNTED);
    assert_int_equal(hit.kind, HIT_IDENTIFY);
    assert_true(hit.pageview != 0 && hit.number == 3 && hit.visitor != 0);
    assert_true(hit.page.n == 0 && hit.target.n == 0 && hit.name.n == 0);
    assert_true(hit.engaged_ms == 0 && hit.depth == 0 && hit.flags == 0);
    visit.now_ms += 1000; /* the token has ended */
    assert_int_equal(take(query, &visit, &hit), V_BAD_SIGNATURE);
}

static void test_lengths(void **state)
{
    static const struct {
        const char *before;
        size_t fits;
    } fields[] = {{"s=shop&u=https://shop.example/a?", 8192 - 23},
                  {"s=shop" PAGE "&r=", 8192},
                  {"s=shop" PAGE "&k=ol&t=http://x?", 8192 - 9},
                  {"s=shop" PAGE "&k=ev&m=", HIT_NAME_MAX_BYTES},
                  {"s=shop" PAGE "&k=sn&l=http://x?", 8192 - 9}};
    struct visit visit = a_visit();
    struct hit hit;

    (void)state;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        char query[16 * 1024];
        size_t n = strlen(fields[i].before);
        memcpy(query, fields[i].before, n);
        memset(query + n, 'x', fields[i].fits);
        query[n + fields[i].fits] = '\0';
        assert_int_equal(take(query, &visit, &hit), V_COUNTED);
        memcpy(query + n + fields[i].fits, "x", 2);
        assert_int_equal(take(query, &visit, &hit), V_TOO_LONG);
    }
}

static void test_origins(void **state)
{
    static const struct {
        const char *site, *origin, *referer;
        enum verdict want;
    } rows[] = {
        {"shop", "https://shop.example", "", V_COUNTED},
        {"shop", "https://www.shop.example:8443", "", V_COUNTED},
        {"shop", "http://shop.example", "", V_BAD_ORIGIN},
        {"shop", "https://evil.example", "https://shop.example/", V_BAD_ORIGIN},
        {"shop", "null", "", V_COUNTED},
        {"shop", "null", "https://shop.example/", V_COUNTED},
        {"shop", "null", "https://evil.example/", V_BAD_ORIGIN},
        {"shop", "Null", "", V_BAD_ORIGIN},
        {"shop", "", "https://shop.example/a?b", V_COUNTED},
        {"shop", "", "https://shop.example:443/a", V_COUNTED},
        {"shop", "", "https://www.shop.example:8443/a", V_COUNTED},
        {"shop", "", "https://evil.example/", V_BAD_ORIGIN},
        {"shop", "", "https://shop.example@evil.example/", V_BAD_ORIGIN},
        {"shop", "", "", V_COUNTED},
        {"shop", "", "rubbish", V_COUNTED},
        {"open", "https://evil.example", "", V_COUNTED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct visit visit = a_visit();
        struct hit hit;
        char query[64];
        visit.origin = str_of(rows[i].origin);
        visit.referer = str_of(rows[i].referer);
        snprintf(query, sizeof query, "s=%s&u=https://shop.example/a", rows[i].site);
        assert_int_equal(take(query, &visit, &hit), rows[i].want);
        visit.opted_out = true;
        assert_int_equal(take(query, &visit, &hit),
                         rows[i].want == V_COUNTED ? V_OPTED_OUT : rows[i].want);
    }
}

static void test_whole_hit(void **state)
{
    struct visit visit = a_visit();
    struct hit hit;

    (void)state;
    assert_int_equal(
        take("s=shop&u=https%3A%2F%2Fshop.example%2FA%2F%3Fid%3D7%26utm_source%3Dnews%26"
             "utm_medium%3Demail%26utm_campaign%3Dmay%23x&r=https://t.co/y&p=1z&n=3&"
             "a=1000&b=2000&e=5000&d=40&x=404",
             &visit, &hit),
        V_COUNTED);
    assert_int_equal(hit.kind, HIT_PAGEVIEW);
    assert_true(str_eq(hit.page, STR("shop.example/A?id=7")));
    assert_int_equal(hit.at_ms, now_ms - 1000);
    assert_int_equal(hit.pageview, 71);
    assert_int_equal(hit.number, 3);
    assert_int_equal(hit.engaged_ms, 5000);
    assert_int_equal(hit.depth, 40);
    assert_int_equal(hit.status, 404);
    assert_int_equal(hit.channel, CHANNEL_EMAIL);
    assert_true(str_eq(hit.source, STR("news")) && str_eq(hit.campaign, STR("may")));
    assert_int_equal(hit.device, DEVICE_DESKTOP);
    assert_int_equal(hit.browser, BROWSER_CHROME);
    assert_int_equal(hit.os, OS_WINDOWS);
    assert_int_equal(hit.bot.n, 0);
    assert_int_equal(hit.flags, 0);
    assert_int_equal(partition, key_partition(hit.site, hit.visitor, 4, PARTITIONS));

    assert_int_equal(take("s=shop" PAGE "&k=pu&r=https://t.co/y&e=99999999", &visit, &hit),
                     V_COUNTED);
    assert_int_equal(hit.channel, CHANNEL_UNKNOWN); /* only a pageview arrives from somewhere */
    assert_int_equal(hit.source.n, 0);
    assert_int_equal(hit.engaged_ms, ENGAGED_MAX_MS);
    assert_int_equal(hit.flags, 0);
}

static void test_clicks(void **state)
{
    struct visit visit = a_visit();
    struct hit hit;

    (void)state;
    assert_int_equal(take("s=shop" PAGE "&k=ol&t=https://Other.example/x/%3Fid=1", &visit, &hit),
                     V_COUNTED);
    assert_true(str_eq(hit.target, STR("other.example/x"))); /* the site's rules are not for it */
    assert_int_equal(hit.flags, HIT_INTERACTION);
    assert_int_equal(take("s=shop" PAGE "&k=dl&t=https://shop.example/f.pdf%3Fid=1", &visit, &hit),
                     V_COUNTED);
    assert_true(str_eq(hit.target, STR("shop.example/f.pdf?id=1")));
    assert_int_equal(take("s=shop" PAGE "&k=ev&m=mail+me@mail.example", &visit, &hit), V_COUNTED);
    assert_true(str_eq(hit.name, STR("(email)")));
    assert_int_equal(hit.flags, HIT_INTERACTION);
    assert_int_equal(hit.target.n, 0);
    assert_int_equal(take("s=shop" PAGE "&k=ev&m=lcp&q=1&g=1&E=1001", &visit, &hit), V_COUNTED);
    assert_int_equal(hit.flags, HIT_GOAL); /* no interaction */
    assert_int_equal(hit.errors, ERRORS_MAX);
    assert_int_equal(take("s=shop" PAGE "&k=ct&m=menu&q=1", &visit, &hit), V_COUNTED);
    assert_int_equal(hit.flags, HIT_INTERACTION); /* a click is one */
}

/* The tracker tells where a link leads; what kind of click that is, is found here. */
static void test_kinds_of_clicks(void **state)
{
    static const struct {
        const char *query;
        enum hit_kind kind;
        const char *target, *name;
    } rows[] = {
        {"&k=ck&t=https://shop.example/b/%23x", HIT_CLICK, "shop.example/b", ""},
        {"&k=ck&t=http://shop.example:8080/b", HIT_CLICK, "shop.example:8080/b", ""},
        {"&k=ck&t=https://www.shop.example:8443/b%3Fid=1%26x=2", HIT_CLICK,
         "www.shop.example:8443/b?id=1", ""},
        {"&k=ck&t=//shop.example/b", HIT_CLICK, "shop.example/b", ""},
        {"&k=ck&t=/b.html", HIT_CLICK, "shop.example/b.html", ""},
        {"&k=ck&t=/zip", HIT_CLICK, "shop.example/zip", ""},
        {"&k=ck&t=/a.zip/b", HIT_CLICK, "shop.example/a.zip/b", ""},
        {"&k=ck&t=/x%3Ff=a.zip", HIT_CLICK, "shop.example/x", ""},
        {"&k=ck&t=HTTPS://Other.example/x/%3Fid=1", HIT_OUTBOUND, "other.example/x", ""},
        {"&k=ck&t=//other.example/x", HIT_OUTBOUND, "other.example/x", ""},
        {"&k=ck&t=https://www.shop.example/", HIT_OUTBOUND, "www.shop.example/", ""},
        {"&k=ck&t=/f/Price%2520list.PDF%3Fid=1%26x=2", HIT_DOWNLOAD,
         "shop.example/f/Price%20list.PDF?id=1", ""},
        {"&k=ck&t=https://other.example/a.7z", HIT_DOWNLOAD, "other.example/a.7z", ""},
        {"&k=ck&t=https://other.example/a.zst", HIT_DOWNLOAD, "other.example/a.zst", ""},
        {"&k=ck&t=https://other.example/a.torrent%23x", HIT_DOWNLOAD, "other.example/a.torrent",
         ""},
        {"&k=ck&t=https://other.example.zip", HIT_OUTBOUND, "other.example.zip/", ""},
        {"&k=ck&t=MailTo:me@mail.example", HIT_CONTROL, "", "mailto"},
        {"&k=ck&t=tel:%2B33123456789", HIT_CONTROL, "", "tel"},
        {"&k=ck&t=javascript:void(0)", HIT_CONTROL, "", "javascript"},
        {"&k=ck&t=blob:https://shop.example/1", HIT_CONTROL, "", "blob"},
        {"&k=dl&t=blob:https://shop.example/1", HIT_CONTROL, "", "download"},
        {"&k=dl&t=data:text/csv,a", HIT_CONTROL, "", "download"},
        {"&k=dl&t=/export", HIT_DOWNLOAD, "shop.example/export", ""},
        {"&k=ol&t=https://other.example/a.zip", HIT_OUTBOUND, "other.example/a.zip", ""},
    };
    struct visit visit = a_visit();

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct hit hit;
        char query[256];
        snprintf(query, sizeof query, "s=shop" PAGE "%s", rows[i].query);
        if (take(query, &visit, &hit) != V_COUNTED || hit.kind != rows[i].kind ||
            !str_eq(hit.target, str_of(rows[i].target)) || !str_eq(hit.name, str_of(rows[i].name)))
            fail_msg("%s: %s %.*s %.*s", query, hit_kind_name(hit.kind), STR_ARG(hit.target),
                     STR_ARG(hit.name));
        assert_int_equal(hit.flags, HIT_INTERACTION);
    }
}

static void test_what_browsers_get_wrong(void **state)
{
    static const struct {
        const char *query;
        int64_t age_ms;
        uint32_t depth, dropped, number;
    } rows[] = {
        {"", 0, 0, 0, 0},
        {"&a=-5000&b=-1&d=250&h=3", 0, 100, 3, 0}, /* the clock was set back */
        {"&a=5000&b=400&n=7", 5000, 0, 0, 7},
        {"&h=99999999", 0, 0, 1000000, 0},
        {"&h=0", 0, 0, 0, 0},
    };
    struct visit visit = a_visit();

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct hit hit;
        char query[256];
        snprintf(query, sizeof query, "s=shop" PAGE "%s", rows[i].query);
        assert_int_equal(take(query, &visit, &hit), V_COUNTED);
        assert_int_equal(hit.at_ms, now_ms - rows[i].age_ms);
        assert_int_equal(hit.depth, rows[i].depth);
        assert_int_equal(hit.number, rows[i].number);
        assert_int_equal(ingest_dropped(ingest), rows[i].dropped);
    }
    struct hit hit;
    assert_int_equal(take("s=shop" PAGE "&k=ev&m=x&g=true&c=true&v=1z&w=true", &visit, &hit),
                     V_COUNTED);
    assert_int_equal(hit.flags, HIT_INTERACTION | HIT_GOAL);
    assert_int_equal(hit.visitor_kind, VISITOR_CONSENTED);
    assert_true(str_eq(hit.bot, STR("webdriver")));
}

/* What was searched for is told by pageviews alone. */
static void test_searches(void **state)
{
    struct visit visit = a_visit();
    struct hit hit;

    (void)state;
    assert_int_equal(take("s=shop&u=https://shop.example/find%3Fq=Red%2BShoes", &visit, &hit),
                     V_COUNTED);
    assert_true(str_eq(hit.name, STR("red shoes")));
    assert_true(str_eq(hit.page, STR("shop.example/find")));
    assert_int_equal(take("s=shop&k=pu&u=https://shop.example/find%3Fq=Red", &visit, &hit),
                     V_COUNTED);
    assert_int_equal(hit.name.n, 0);
    assert_int_equal(take("s=open&u=https://shop.example/find%3Fq=Red", &visit, &hit), V_COUNTED);
    assert_int_equal(hit.name.n, 0);
}

/* Moments of the browser's clock, whatever that says. */
static void test_moments(void **state)
{
    static const int64_t clocks[] = {1, 1000000000000,
                                     999999999999999}; /* what it says at sending */
    enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE };
    static const struct {
        int64_t ago_ms, begun_ago_ms; /* 0: not told */
        const char *more;
        enum verdict want;
        int64_t age_ms, begun_ms; /* for the day: at most 72 h */
    } rows[] = {
        {MINUTE, 0, "", V_COUNTED, MINUTE, MINUTE},
        {MINUTE, HOUR, "", V_COUNTED, MINUTE, HOUR},
        {HOUR, MINUTE, "", V_COUNTED, HOUR, HOUR},
        {-HOUR, -HOUR, "", V_COUNTED, 0, 0}, /* set back since */
        {-HOUR, HOUR, "", V_COUNTED, 0, HOUR},
        {MINUTE, HOUR, "&a=7&b=8", V_COUNTED, MINUTE, HOUR},
        {0, HOUR, "&a=7", V_COUNTED, 7, HOUR},
        {72 * HOUR, 0, "", V_COUNTED, 72 * HOUR, 72 * HOUR},
        {72 * HOUR + 1, 0, "", V_LATE, 0, 0},
        {INT64_C(900) * 24 * HOUR, 0, "", V_LATE, 0, 0},
        {MINUTE, 100 * HOUR, "", V_COUNTED, MINUTE, 72 * HOUR}, /* a tab that stayed open */
        {MINUTE, INT64_C(900) * 24 * HOUR, "", V_COUNTED, MINUTE, 72 * HOUR},
    };
    struct visit visit = a_visit();
    struct hit hit;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t c = 0; c < sizeof clocks / sizeof *clocks; c++) {
            int64_t at = clocks[c] - rows[i].ago_ms, began = clocks[c] - rows[i].begun_ago_ms;
            char query[256];
            if (at < 0 || began < 0 || at > clocks[2] || began > clocks[2]) continue;
            int n = snprintf(query, sizeof query, "s=shop" PAGE "%s", rows[i].more);
            if (rows[i].ago_ms != 0)
                n += snprintf(query + n, sizeof query - (size_t)n, "&A=%lld", (long long)at);
            if (rows[i].begun_ago_ms != 0)
                snprintf(query + n, sizeof query - (size_t)n, "&began=%lld", (long long)began);
            visit.sent_ms = clocks[c];
            enum verdict v = take(query, &visit, &hit);
            if (v != rows[i].want) fail_msg("%s: %s %s", query, verdict_name(v), field);
            if (v == V_LATE) assert_string_equal(field, "A");
            if (v != V_COUNTED) continue;
            assert_int_equal(hit.at_ms, now_ms - rows[i].age_ms);
            assert_int_equal(
                hit.day, zone_day(sites_find(sites, STR("shop"))->zone, now_ms - rows[i].begun_ms));
            assert_true(hit.visitor != 0);
        }
    }
    static const char *const garbage[] = {"A=x", "A=-1", "A=1.5", "A=1e12", "A=9999999999999999",
                                          "B=x", "B=-1"};
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        char query[128];
        snprintf(query, sizeof query, "s=shop" PAGE "&%s", garbage[i]);
        assert_int_equal(take(query, &visit, &hit), V_BAD_NUMBER);
        assert_true(field[0] == garbage[i][0]);
    }
    visit.sent_ms = 0;
    assert_int_equal(take("s=shop" PAGE "&a=5&b=6&A=1&B=1", &visit, &hit), V_COUNTED);
    assert_int_equal(hit.at_ms, now_ms - 5);
}

/* "left out:page page" */
static const char *links_of(const struct hit *hit)
{
    static char text[HIT_LIST_MAX_BYTES + 16];
    struct hit_links links = hit_links_open(hit->list);
    struct str page;
    int n = snprintf(text, sizeof text, "%u:", (unsigned)links.left_out);
    while (hit_links_next(&links, &page))
        n += snprintf(text + n, sizeof text - (size_t)n, "%.*s ", STR_ARG(page));
    links = hit_links_open(hit->list);
    while (hit_controls_next(&links, &page))
        n += snprintf(text + n, sizeof text - (size_t)n, "*%.*s ", STR_ARG(page));
    return text;
}

static void test_links(void **state)
{
    static const struct {
        const char *links, *want;
    } cases[] = {
        {"&l=/b&l=/c/index.html&l=https://shop.example/b/%23top",
         "0:shop.example/b shop.example/c "},
        {"&l=https://www.shop.example:8443/x&l=https://other.example/y&l=//other.example/z&l=b",
         "3:www.shop.example:8443/x "}, /* an origin of the site; two others; no URL */
        {"&l=/b%3Fid=7%26utm_source=x&l=/b%3Fid=8", "0:shop.example/b?id=7 shop.example/b?id=8 "},
        {"&l=/u/me@mail.example", "0:shop.example/u/(email) "},
        {"&l=javascript:void(0)", "1:"},
        {"&l=*menu&l=/b&l=*Sign+up&l=*menu", "0:shop.example/b *menu *Sign up "},
        {"&l=*me@mail.example&l=*", "0:*(email) "},
        {"&l=/b%0A/c%0Ahttps://other.example/%0A%0A/b&l=/d",
         "2:shop.example/b shop.example/c shop.example/d "}, /* nothing is no URL either */
    };
    struct visit visit = a_visit();
    struct hit hit;
    char query[32 * 1024];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(query, sizeof query, "s=shop" PAGE "&k=sn%s", cases[i].links);
        assert_int_equal(take(query, &visit, &hit), V_COUNTED);
        assert_string_equal(links_of(&hit), cases[i].want);
        assert_int_equal(hit.flags, 0); /* to see is not to act */
    }
    assert_int_equal(take("s=shop" PAGE "&k=ln&l=*menu&l=/b&l=mailto:x", &visit, &hit), V_COUNTED);
    assert_string_equal(links_of(&hit), "1:shop.example/b "); /* no link, and none left out */
    snprintf(query, sizeof query, "s=shop" PAGE "&k=sn&l=*%0*d-", HIT_NAME_MAX_BYTES, 0);
    assert_int_equal(take(query, &visit, &hit), V_TOO_LONG);
    assert_string_equal(field, "l");
    assert_int_equal(take("s=shop" PAGE "&k=sn&l=*%01", &visit, &hit), V_BAD_UTF8);
}

/* The first ones that fit; of a page's links it is said that there are more. */
static void test_too_many_links(void **state)
{
    static const struct {
        const char *kind;
        uint32_t more;
    } rows[] = {{"sn", 0}, {"ln", HIT_MORE}};
    struct visit visit = a_visit();
    struct hit hit;
    struct str page;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char query[32 * 1024], last[64];
        sprintf(query, "s=shop" PAGE "&k=%s", rows[i].kind);
        for (int n = 0; n < HIT_LINKS_MAX; n++)
            sprintf(query + strlen(query), "%s/%d", n == 0 ? "&l=" : "%0A", n);
        assert_int_equal(take(query, &visit, &hit), V_COUNTED);
        assert_int_equal(hit.flags, 0);
        strcat(query, "%0A/x&l=/y");
        assert_int_equal(take(query, &visit, &hit), V_COUNTED);
        assert_int_equal(hit.flags, rows[i].more);
        snprintf(last, sizeof last, "/%d ", HIT_LINKS_MAX - 1);
        assert_non_null(strstr(links_of(&hit), last));
        assert_null(strstr(links_of(&hit), "/x"));

        sprintf(query, "s=shop" PAGE "&k=%s", rows[i].kind);
        for (int n = 0; n < 5; n++) /* five pages of 1,900 bytes are over the limit of the list */
            sprintf(query + strlen(query), "&l=/%d/%01900d", n, 0);
        assert_int_equal(take(query, &visit, &hit), V_COUNTED); /* masked: (number) */
        assert_int_equal(hit.flags, 0);
        for (char *p = query; (p = strstr(p, "00")) != NULL;)
            memcpy(p, "-.", 2);
        strcat(query, "&l=/short");
        assert_int_equal(take(query, &visit, &hit), V_COUNTED);
        assert_int_equal(hit.flags, rows[i].more);
        struct hit_links links = hit_links_open(hit.list);
        for (int n = 0; n < 4; n++) {
            assert_true(hit_links_next(&links, &page));
            assert_true(page.n > 1900 && page.p[strlen("shop.example/")] == '0' + n);
        }
        assert_true(hit_links_next(&links, &page)); /* there is still room for a short one */
        assert_true(str_eq(page, STR("shop.example/short")));
        assert_false(hit_links_next(&links, &page));
    }
}

static void test_about(void **state)
{
    struct visit visit = a_visit();
    struct hit hit;
    struct about a;

    (void)state;
    assert_int_equal(take("s=shop" PAGE "&k=mt&T=Shoes+by+me@mail.example&S=Sport&L=en-GB&"
                          "D=2026-01-31&t=/shoes/%23top&y=run&y=40:sport:all&y=x:y&y=",
                          &visit, &hit),
                     V_COUNTED);
    assert_int_equal(hit.flags, 0); /* no interaction */
    assert_int_equal(hit.target.n, 0);
    assert_true(about_unpack(hit.list, &a));
    assert_true(str_eq(a.title, STR("(email)")));
    assert_true(str_eq(a.section, STR("Sport")) && str_eq(a.language, STR("en-GB")));
    assert_true(str_eq(a.canonical, STR("shop.example/shoes")));
    assert_int_equal(a.published, 20484);
    assert_int_equal(a.topics_n, 3);
    assert_true(str_eq(a.topics[0].text, STR("run")) && a.topics[0].weight == 100);
    assert_true(str_eq(a.topics[1].text, STR("sport:all")) && a.topics[1].weight == 40);
    assert_true(str_eq(a.topics[2].text, STR("x:y")) && a.topics[2].weight == 100);
    for (size_t n = 0; n < hit.list.n;
         n++) { /* cut anywhere it is none, and nothing is read past it */
        struct guard cut = guard_copy(str_upto(hit.list, n));
        assert_false(about_unpack(cut.s, &a));
        guard_free(&cut);
    }
    assert_int_equal(take("s=shop" PAGE "&k=mt&t=https://other.example/", &visit, &hit), V_COUNTED);
    assert_true(about_unpack(hit.list, &a) && a.canonical.n == 0 && a.topics_n == 0);
    assert_int_equal(take("s=shop" PAGE "&k=mt&y=run,+40:boots+,,&y=x", &visit, &hit), V_COUNTED);
    assert_true(about_unpack(hit.list, &a));
    assert_int_equal(a.topics_n, 3);
    assert_true(str_eq(a.topics[0].text, STR("run")) && a.topics[0].weight == 100);
    assert_true(str_eq(a.topics[1].text, STR("boots")) && a.topics[1].weight == 40);
    assert_true(str_eq(a.topics[2].text, STR("x")));
}

/* What a page says of itself is cut, not refused. */
static void test_long_about(void **state)
{
    struct visit visit = a_visit();
    struct hit hit;
    struct about a;
    char query[4096];

    (void)state;
    /* the last character that fits is whole; what is masked is masked before it is cut */
    snprintf(
        query, sizeof query, "s=shop" PAGE "&k=mt&T=%0*d%s&S=%0*d%s&L=%s",
        ABOUT_TITLE_MAX_BYTES - 1, 7, "\xc3\xa9\xc3\xa9", 9, 7,
        "-a-b-c-d-e-f-g-h-i-j-k-l-m-n-o-p-q-r-s-t-u-v-w-x-y-z-a-b-c-d-e-f-g-h-i-j-k-l-m-n-o-p-q-r"
        "-s-t-u-v-w-x-y-z-john.doe@mail.example",
        "zh-Hant-this-is-no-language-any-more-x");
    assert_int_equal(take(query, &visit, &hit), V_COUNTED);
    assert_true(about_unpack(hit.list, &a));
    assert_true(str_eq(a.title, STR("(number)\xc3\xa9\xc3\xa9")));
    assert_true(str_eq(a.language, STR("zh-Hant-this-is-no-language-any-mor")));
    assert_int_equal(a.section.n, 7);
    assert_true(str_eq(a.section, STR("(email)")));
    memset(query, 0, sizeof query);
    size_t n = (size_t)snprintf(query, sizeof query, "s=shop" PAGE "&k=mt&T=");
    for (int i = 0; i < ABOUT_TITLE_MAX_BYTES; i++)
        n += (size_t)snprintf(query + n, sizeof query - n, i == 0 ? "a" : "\xc3\xa9");
    assert_int_equal(take(query, &visit, &hit), V_COUNTED);
    assert_true(about_unpack(hit.list, &a));
    assert_int_equal(a.title.n, ABOUT_TITLE_MAX_BYTES - 1);
    assert_int_equal(take("s=shop" PAGE
                          "&k=mt&y=&y=+40:+run+&y=%09b&y=3&y=4&y=5&y=6&y=7&y=8&y=9&y=a&y=b"
                          "&y=c&y=d&y=e&y=f&y=g&y=h&y=i",
                          &visit, &hit),
                     V_COUNTED);
    assert_true(about_unpack(hit.list, &a));
    assert_int_equal(a.topics_n, ABOUT_TOPICS_MAX);
    assert_true(str_eq(a.topics[0].text, STR("run")) && a.topics[0].weight == 40);
    assert_true(str_eq(a.topics[1].text, STR("b")));
    assert_true(str_eq(a.topics[15].text, STR("g")));
}

static void test_goals_and_purchases(void **state)
{
    struct visit visit = a_visit();
    struct hit hit;
    struct str currency;
    int64_t minor;

    (void)state;
    assert_int_equal(take("s=shop" PAGE "&k=ev&m=signup&g=1", &visit, &hit), V_COUNTED);
    assert_int_equal(hit.flags, HIT_INTERACTION | HIT_GOAL);
    assert_int_equal(take("s=shop" PAGE "&k=ln&l=/b&z=1", &visit, &hit), V_COUNTED);
    assert_int_equal(hit.flags, HIT_MORE);
    assert_string_equal(links_of(&hit), "0:shop.example/b ");
    assert_int_equal(take("s=shop" PAGE "&k=pu&g=1&z=1", &visit, &hit), V_COUNTED);
    assert_int_equal(hit.flags, 0);
    assert_int_equal(take("s=shop" PAGE "&k=purchase&value=1234&currency=EUR", &visit, &hit),
                     V_COUNTED);
    assert_true(hit_money(hit.list, &currency, &minor));
    assert_true(str_eq(currency, STR("EUR")));
    assert_int_equal(minor, 1234);
    assert_int_equal(hit_order(hit.list), 0);
    assert_int_equal(take("s=shop" PAGE "&k=pc&V=0&C=EUR&O=2026-0815", &visit, &hit), V_COUNTED);
    assert_true(hit_order(hit.list) != 0);
    assert_int_equal(hit_order(hit.list), hit_order_hash(STR("2026-0815")));
    assert_int_equal(hit.flags, HIT_INTERACTION);
    assert_int_equal(take("s=shop" PAGE "&k=click&t=/b/%23x", &visit, &hit), V_COUNTED);
    assert_true(str_eq(hit.target, STR("shop.example/b")));
    assert_int_equal(take("s=shop" PAGE "&k=control&m=me@mail.example", &visit, &hit), V_COUNTED);
    assert_true(str_eq(hit.name, STR("(email)")));
    assert_int_equal(take("s=shop" PAGE "&k=ct", &visit, &hit), V_COUNTED);
    assert_true(str_eq(hit.name, STR("(unnamed)")));
}

/* Told as an event, as other tools have it, it is the same purchase. */
static void test_purchase_events(void **state)
{
    struct visit visit = a_visit();
    struct hit hit;
    struct str currency;
    int64_t minor;

    (void)state;
    assert_int_equal(take("s=shop" PAGE "&k=ev&g=1&q=1&e=5000&"
                          "m=purchase?value=49.9%26currency=EUR%26order=1234567890123456%26x=y",
                          &visit, &hit),
                     V_COUNTED);
    assert_int_equal(hit.kind, HIT_PURCHASE);
    assert_int_equal(hit.flags, HIT_INTERACTION);
    assert_int_equal(hit.engaged_ms, 5000);
    assert_int_equal(hit.name.n, 0);
    assert_true(hit_money(hit.list, &currency, &minor));
    assert_true(str_eq(currency, STR("EUR")) && minor == 4990);
    uint64_t order = hit_order(hit.list);
    assert_int_equal(order, hit_order_hash(STR("1234567890123456")));
    assert_int_equal(take("s=shop" PAGE "&k=ev&m=purchase?value=49.9%26currency=EUR%26"
                          "order=1234567890123457",
                          &visit, &hit),
                     V_COUNTED);
    assert_true(hit_order(hit.list) != order && hit_order(hit.list) != 0);
    assert_int_equal(take("s=shop" PAGE "&k=pc&V=4990&C=EUR&O=1234567890123456", &visit, &hit),
                     V_COUNTED);
    assert_int_equal(hit_order(hit.list), order);
}

static void test_pixel_without_url(void **state)
{
    struct visit visit = a_visit();
    struct hit hit;

    (void)state;
    visit.origin = STR("");
    visit.referer = STR("https://shop.example/b/?me@mail.example");
    visit.from_beacon = false;
    assert_int_equal(take("s=shop", &visit, &hit), V_COUNTED);
    assert_true(str_eq(hit.page, STR("shop.example/b")));
    assert_int_equal(hit.pageview, 0);
    assert_int_equal(hit.channel, CHANNEL_DIRECT);
}

static void test_visitors_and_days(void **state)
{
    struct visit visit = a_visit();
    struct hit hit;
    const unsigned char *salt = salts_get(salts, DAY_PARIS);
    uint64_t today = visitor_daily(salt, STR("shop"), visit.address, visit.agent);

    (void)state;
    assert_int_equal(take("s=shop" PAGE, &visit, &hit), V_COUNTED);
    assert_int_equal(hit.day, DAY_PARIS);
    assert_int_equal(hit.visitor_kind, VISITOR_DAILY);
    assert_true(hit.visitor == today);
    assert_int_equal(take("s=open" PAGE, &visit, &hit), V_COUNTED);
    assert_int_equal(hit.day, DAY_UTC);
    assert_true(hit.visitor != today);

    /* Begun before midnight, clicked after it: still the visitor of the day it began. */
    assert_int_equal(take("s=shop" PAGE "&a=1000&b=1860000&k=ev&m=x", &visit, &hit), V_COUNTED);
    assert_int_equal(hit.day, DAY_PARIS - 1);
    assert_int_equal(hit.at_ms, now_ms - 1000);
    salt = salts_get(salts, DAY_PARIS - 1);
    assert_true(hit.visitor == visitor_daily(salt, STR("shop"), visit.address, visit.agent));

    /* That day's salt is gone: today's stands in. */
    assert_null(salts_get(salts, DAY_PARIS - 3));
    assert_int_equal(take("s=shop" PAGE "&a=259200000", &visit, &hit), V_COUNTED);
    assert_int_equal(hit.day, DAY_PARIS - 3);
    assert_true(hit.visitor == today);

    assert_int_equal(take("s=shop" PAGE "&c=1&v=1z", &visit, &hit), V_COUNTED);
    assert_int_equal(hit.visitor_kind, VISITOR_CONSENTED);
    assert_int_equal(hit.visitor, 71);
    assert_int_equal(take("s=shop" PAGE "&v=1z", &visit, &hit), V_COUNTED);
    assert_int_equal(hit.visitor_kind, VISITOR_DAILY);

    visit.now_ms += INT64_C(10) * 24 * 60 * 60 * 1000; /* a clock that jumped: no salt at all */
    assert_int_equal(take("s=shop" PAGE "&p=1z", &visit, &hit), V_COUNTED);
    assert_int_equal(hit.visitor_kind, VISITOR_DAILY);
    assert_true(hit.visitor != 0 && hit.visitor != 71);
}

static enum cookie_change cookie_change(void)
{
    int64_t created_s;
    return ingest_cookie(ingest, &created_s);
}

/* The cookie's id is who it is, but of a pageview that is older than the id. */
static void test_visitors_with_cookies(void **state)
{
    static const struct {
        const char *query, *cookie; /* %lld: an hour ago */
        uint64_t visitor;           /* 0: of the day */
        enum cookie_change change;
    } rows[] = {
        {"&c=1&v=1z", "", 71, COOKIE_SET},
        {"&c=1&v=1z", "sentier-kept=20.%lld", 72, COOKIE_STAYS},
        {"&c=1&v=1z&k=pu&b=3599000", "sentier-kept=20.%lld", 72, COOKIE_STAYS},
        {"&c=1&v=1z&k=pu&b=3601000", "sentier-kept=20.%lld", 71, COOKIE_STAYS},
        {"&c=1&v=1z.1773000000000", "sentier-kept=20.%lld", 72, COOKIE_STAYS},
        {"&c=1&v=1z.1773000000000", "", 71, COOKIE_SET},
        {"&c=1&v=1z-", "sentier-kept=20.%lld", 71, COOKIE_SET}, /* made on purpose */
        {"&c=1&v=1z-.1773000000000", "sentier-kept=20.%lld", 71, COOKIE_SET},
        {"&c=1&v=1z.1773000000000-", "sentier-kept=20.%lld", 72, COOKIE_STAYS},
        {"&c=1&v=1z-", "sentier-kept=1z.%lld", 71, COOKIE_STAYS},
        {"&c=1&v=1z-&k=pu&b=3601000", "sentier-kept=20.%lld", 71, COOKIE_STAYS},
        {"&c=1&v=1z", "sentier-shop=20.%lld", 71, COOKIE_SET},
        {"&c=1&v=1z", "sentier-kept=0.%lld", 71, COOKIE_SET},
        {"&c=1", "sentier-kept=20.%lld", 0, COOKIE_STAYS},
        {"&v=1z", "sentier-kept=20.%lld", 0, COOKIE_GONE},
        {"&c=0", "", 0, COOKIE_STAYS},
    };
    struct visit visit = a_visit();

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hit hit;
        char query[128], cookie[64];
        snprintf(query, sizeof query, "s=kept" PAGE "%s", rows[i].query);
        snprintf(cookie, sizeof cookie, rows[i].cookie, (long long)now_ms / 1000 - 3600);
        visit.cookie = str_of(cookie);
        assert_int_equal(take(query, &visit, &hit), V_COUNTED);
        assert_int_equal(hit.visitor_kind,
                         rows[i].visitor == 0 ? VISITOR_DAILY : VISITOR_CONSENTED);
        if (rows[i].visitor != 0) assert_int_equal(hit.visitor, rows[i].visitor);
        assert_int_equal(cookie_change(), rows[i].change);
    }
    struct hit hit;
    visit.sent_ms = now_ms; /* begun 100 h ago, before there was this cookie */
    char query[128], cookie[64];
    snprintf(query, sizeof query, "s=kept" PAGE "&c=1&v=1z&k=pu&B=%lld",
             (long long)now_ms - 360000000);
    snprintf(cookie, sizeof cookie, "sentier-kept=20.%lld", (long long)now_ms / 1000 - 300000);
    visit.cookie = str_of(cookie);
    assert_int_equal(take(query, &visit, &hit), V_COUNTED);
    assert_true(hit.visitor == 71 && cookie_change() == COOKIE_STAYS);
    visit.cookie = STR("sentier-shop=20.1; sentier-kept=20.1");
    assert_int_equal(take("s=shop" PAGE "&c=1&v=1z", &visit, &hit), V_COUNTED);
    assert_true(hit.visitor == 71 && cookie_change() == COOKIE_STAYS);
    visit.opted_out = true;
    assert_int_equal(take("s=kept" PAGE "&c=1&v=1z", &visit, &hit), V_OPTED_OUT);
    assert_int_equal(cookie_change(), COOKIE_GONE);
    assert_int_equal(take("s=shop" PAGE "&c=1&v=1z", &visit, &hit), V_OPTED_OUT);
    assert_int_equal(cookie_change(), COOKIE_STAYS);
}

/* Ids end 13 months after they were made, by whatever clock the browser has. */
static void test_ages_of_ids(void **state)
{
    static const int64_t day = INT64_C(86400000);
    const struct {
        int64_t made_ms, sent_ms, age_s; /* age -1: no cookie */
    } rows[] = {
        {now_ms - 5000, 0, 5},
        {now_ms - 300 * day, 0, 300 * 86400},
        {now_ms - 395 * day + 1000, 0, 395 * 86400 - 1},
        {now_ms - 395 * day, 0, -1},
        {now_ms + day, 0, 0},                   /* a clock that is ahead */
        {now_ms + day, now_ms + day + 7000, 7}, /* and says so */
        {1000, 9000, 0},                        /* no moment in ms */
        {now_ms - day, now_ms - 400 * day, 0},  /* set back since then */
        {now_ms, now_ms + 396 * day, -1},
        {0, 0, 0},
    };
    struct visit visit = a_visit();
    struct hit hit;
    int64_t created_s;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char query[128];
        snprintf(query, sizeof query, "s=kept" PAGE "&c=1&v=1z%s.%lld", i % 2 == 0 ? "" : "-",
                 (long long)rows[i].made_ms);
        visit.sent_ms = rows[i].sent_ms;
        assert_int_equal(take(query, &visit, &hit), V_COUNTED);
        assert_int_equal(hit.visitor, 71);
        enum cookie_change change = ingest_cookie(ingest, &created_s);
        assert_int_equal(change, rows[i].age_s < 0 ? COOKIE_STAYS : COOKIE_SET);
        if (rows[i].age_s >= 0) assert_int_equal(created_s, now_ms / 1000 - rows[i].age_s);
    }
    visit.sent_ms = 0;
    assert_int_equal(take("s=kept" PAGE "&c=1&v=1z.soon", &visit, &hit), V_COUNTED);
    assert_int_equal(ingest_cookie(ingest, &created_s), COOKIE_SET);
    assert_int_equal(created_s, now_ms / 1000);
}

static void test_bots(void **state)
{
    static const struct {
        const char *query, *agent, *language;
        bool beacon;
        const char *bot; /* NULL: any rule */
    } rows[] = {
        {"s=shop" PAGE, CHROME, "fr", true, ""},
        {"s=shop" PAGE, CHROME, "", true, ""},
        {"s=shop" PAGE "&w=0", CHROME, "fr", true, ""},
        {"s=shop" PAGE "&w=1", CHROME, "fr", true, "webdriver"},
        {"s=shop" PAGE, "", "", true, "no-signals"},
        {"s=shop" PAGE "&w=1", "", "", true, "no-signals"},
        {"s=shop" PAGE, "", "", false, "no-agent"},
        {"s=shop" PAGE, "", "fr", true, "no-agent"},
        {"s=shop" PAGE, "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
         "", true, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct visit visit = a_visit();
        struct hit hit;
        visit.agent = str_of(rows[i].agent);
        visit.accept_language = str_of(rows[i].language);
        visit.from_beacon = rows[i].beacon;
        assert_int_equal(take(rows[i].query, &visit, &hit), V_COUNTED); /* counted, with the rule */
        if (rows[i].bot == NULL)
            assert_true(hit.bot.n > 0);
        else
            assert_true(str_eq(hit.bot, str_of(rows[i].bot)));
    }
}

static void test_log_lines(void **state)
{
    static const struct {
        const char *host, *target, *page;
        enum verdict want;
        const char *term;
    } rows[] = {
        {"shop.example", "/find?s=Red%20Shoes", "shop.example/find", V_COUNTED, "red shoes"},
        {"shop.example", "/a/?id=1&x=2", "shop.example/a?id=1", V_COUNTED, ""},
        {"Shop.example:80", "/", "shop.example/", V_COUNTED, ""},
        {"shop.example:443", "/index.html", "shop.example/", V_COUNTED, ""},
        {"shop.example", "//x/y", "shop.example//x/y", V_COUNTED, ""},
        {"shop.example", "/%ff\xff", "shop.example/%FF%FF", V_COUNTED, ""},
        {"shop.example", "http://shop.example/a", "shop.example/a", V_COUNTED, ""},
        {"shop.example", "*", "", V_NOT_A_PAGE, ""},
        {"shop.example", "shop.example:443", "", V_NOT_A_PAGE, ""},
        {"", "/a", "", V_BAD_PAGE, ""},
        {"a b", "/", "", V_BAD_PAGE, ""},
    };
    static const unsigned char key[IMPORT_KEY_BYTES] = "import";

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hit hit;
        struct log_hit l = {
            .site = sites_find(sites, STR("shop")),
            .host = str_of(rows[i].host),
            .target = str_of(rows[i].target),
            .referrer = STR("https://www.bing.com/"),
            .agent = STR(CHROME),
            .address_text = STR("host.example"),
            .at_ms = now_ms,
            .status = 404,
            .import_key = key,
        };
        assert_int_equal(ingest_log_hit(ingest, &l, PARTITIONS, &hit, &partition), rows[i].want);
        assert_true(str_eq(hit.page, str_of(rows[i].page)));
        assert_true(str_eq(hit.site, STR("shop")));
        if (rows[i].want != V_COUNTED) continue;
        assert_int_equal(hit.flags, HIT_IMPORTED);
        assert_true(str_eq(hit.name, str_of(rows[i].term)));
        assert_int_equal(hit.day, DAY_PARIS);
        assert_int_equal(hit.status, 404);
        assert_int_equal(hit.channel, CHANNEL_ORGANIC_SEARCH);
        assert_true(hit.visitor ==
                    visitor_import(key, STR("shop"), DAY_PARIS, l.address_text, l.agent));
    }
}

static double ns_each(const char *query, struct visit *visit, unsigned rounds)
{
    struct timespec a, b;
    struct fields f;
    struct hit hit;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
    for (unsigned i = 0; i < rounds; i++) {
        assert_int_equal(beacon_line(str_of(query), scratch, sizeof scratch, &f, &field),
                         V_COUNTED);
        assert_int_equal(ingest_hit(ingest, visit, &f, PARTITIONS, &hit, &partition, &field),
                         V_COUNTED);
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
    return ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / rounds;
}

static void test_speed(void **state)
{
    struct visit visit = a_visit();

    (void)state;
    print_message("pixel   %.0f ns\n", ns_each("s=shop&u=https%3A%2F%2Fshop.example%2Fshoes%2Fred-"
                                               "sneaker.html&p=3w5e11264sgsf&n=0",
                                               &visit, 20000));
    print_message("arrival %.0f ns\n",
                  ns_each("s=shop&u=https%3A%2F%2Fshop.example%2Fshoes%2F%3Futm_campaign%3Dmay&r="
                          "https%3A%2F%2Fwww.google.com%2F&p=3w5e11264sgsf&n=0&c=1&v=1z",
                          &visit, 20000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_identities),
        cmocka_unit_test(test_identify_tells_nothing_else),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_origins),
        cmocka_unit_test(test_whole_hit),
        cmocka_unit_test(test_clicks),
        cmocka_unit_test(test_kinds_of_clicks),
        cmocka_unit_test(test_what_browsers_get_wrong),
        cmocka_unit_test(test_moments),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_searches),
        cmocka_unit_test(test_too_many_links),
        cmocka_unit_test(test_about),
        cmocka_unit_test(test_long_about),
        cmocka_unit_test(test_goals_and_purchases),
        cmocka_unit_test(test_purchase_events),
        cmocka_unit_test(test_pixel_without_url),
        cmocka_unit_test(test_visitors_and_days),
        cmocka_unit_test(test_visitors_with_cookies),
        cmocka_unit_test(test_ages_of_ids),
        cmocka_unit_test(test_bots),
        cmocka_unit_test(test_log_lines),
        cmocka_unit_test(test_speed),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
