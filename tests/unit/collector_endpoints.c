/*
 * A request in, a reply out, with a real ingest and a real journal: who may read the answer (CORS),
 * what a refusal says, which encoding and which tag are served, which methods a path knows, and
 * what becomes of it all when the journal cannot store.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include "assets.h"
#include "clock.h"
#include "endpoints.h"
#include "guard.h"
#include "lists.h"
#include "negotiate.h"
#include "salt.h"
#include "stats.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define SHOP     "https://shop.example"
#define EXPOSED  "Access-Control-Expose-Headers: Retry-After, X-Sentier-Refused\r\n"
#define VIEW     "s=shop&u=https%3A%2F%2Fshop.example%2Fa"
#define CHROME                                                                                     \
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "            \
    "Chrome/126.0.0.0 Safari/537.36"

enum { PARTITIONS = 4 };

static struct {
    char dir[64];
    struct collector_conf conf;
    struct lists lists;
    struct salts *salts;
    struct sites *sites;
    struct proxies *proxies;
    struct metrics *metrics;
    struct ingest *ingest;
    struct tally *tally;
    struct journal *journal;
    struct endpoints *endpoints;
} w;

/* Sites with cookies: one more than a reply sets. */
static const char *const keeping[] = {"k", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8"};

static void open_endpoints(int64_t reserve_bytes)
{
    w.journal = journal_open(&(struct journal_opts){.dir = w.dir,
                                                    .segment_bytes = 1 << 20,
                                                    .reserve_bytes = reserve_bytes,
                                                    .partitions = PARTITIONS});
    w.metrics = metrics_new(collector_metrics, METRICS);
    w.tally = tally_new(PARTITIONS);
    w.endpoints = endpoints_new(&(struct endpoints_opts){.conf = &w.conf,
                                                         .proxies = w.proxies,
                                                         .ingest = w.ingest,
                                                         .tally = w.tally,
                                                         .journal = w.journal,
                                                         .metrics = metrics_slot_new(w.metrics),
                                                         .partitions = PARTITIONS});
    assert_non_null(w.journal);
    assert_non_null(w.endpoints);
    endpoints_set_sites(w.endpoints, w.sites);
}

static void close_endpoints(void)
{
    endpoints_free(w.endpoints);
    journal_close(w.journal);
    tally_free(w.tally);
    metrics_free(w.metrics);
}

static int set_up(void **state)
{
    const char *bad;
    (void)state;
    strcpy(w.dir, "/tmp/sentier-endpoints-XXXXXX");
    assert_non_null(mkdtemp(w.dir));
    w.conf = (struct collector_conf){
        .pixel_path = "/p.gif",
        .beacon_path = "/b",
        .script_path = "/s.js",
        .script_max_age_s = 3600,
        .beacon_max_hits = 4,
        .http = {.head_max_bytes = 16 * 1024, .body_max_bytes = 64 * 1024},
    };
    w.lists = (struct lists){.agents = agents_load()};
    w.salts = salts_new(NULL, clock_ms());
    w.sites = sites_new();
    struct site *shop = sites_add(w.sites, STR("shop"));
    shop->origins = calloc(2, sizeof *shop->origins);
    shop->origins[0] = strdup(SHOP);
    shop->zone = sites_zone(w.sites, "UTC");
    shop->spread = 1;
    for (size_t i = 0; i < COUNT(keeping); i++) {
        struct site *one = sites_add(w.sites, str_of(keeping[i]));
        one->origins = calloc(2, sizeof *one->origins);
        one->origins[0] = strdup("https://k.example");
        one->zone = sites_zone(w.sites, "UTC");
        one->spread = 1;
        one->cookie = true;
    }
    sites_seal(w.sites);
    w.proxies = proxies_new(NULL, &bad);
    w.ingest = ingest_new(&w.lists, w.salts);
    ingest_set_sites(w.ingest, w.sites);
    open_endpoints(0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close_endpoints();
    ingest_free(w.ingest);
    proxies_free(w.proxies);
    sites_free(w.sites);
    salts_free(w.salts);
    agents_free(w.lists.agents);
    DIR *d = opendir(w.dir);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (e->d_name[0] != '.') unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
    return rmdir(w.dir);
}

static struct http_request request(enum http_method method, const char *path, const char *query)
{
    struct http_request r = {.method = method,
                             .path = str_of(path),
                             .query = str_of(query),
                             .user_agent = STR(CHROME),
                             .accept_language = STR("en"),
                             .peer = {.ss_family = AF_INET}};
    ((struct sockaddr_in *)&r.peer)->sin_addr.s_addr = htonl(0xc6336401);
    return r;
}

static struct http_request beacon(const char *origin, const char *body)
{
    struct http_request r = request(HTTP_POST, "/b", "");
    r.origin = str_of(origin);
    r.body = str_of(body);
    return r;
}

static struct http_reply ask(const struct http_request *req)
{
    struct http_reply out = {0};
    endpoints_handle(w.endpoints, req, &out);
    return out;
}

static bool commit(void)
{
    bool stored = journal_commit(w.journal, 0) == 0;
    endpoints_stored(w.endpoints, stored);
    return stored;
}

static bool has(struct str headers, const char *line)
{
    return headers.n > 0 && memmem(headers.p, headers.n, line, strlen(line)) != NULL;
}

static void assert_well_formed(struct str headers)
{
    while (headers.n > 0) {
        size_t end = str_find(headers, '\r');
        assert_true(end > 3 && headers.p[end + 1] == '\n');
        assert_true(str_find(headers, ':') < end);
        headers = str_from(headers, end + 2);
    }
}

static json_t *json_of(const struct http_reply *r)
{
    json_t *root = json_loadb(r->body.p, r->body.n, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    assert_true(has(r->headers, "Content-Type: application/json\r\n"));
    return root;
}

static int64_t number(json_t *o, const char *key)
{
    assert_true(json_is_integer(json_object_get(o, key)));
    return json_integer_value(json_object_get(o, key));
}

static const struct {
    const char *path;
    enum http_method method;
    int status;
    const char *allow;
} methods[] = {
    {"/p.gif", HTTP_HEAD, 400, NULL}, /* it is read like GET: here without a hit */
    {"/p.gif", HTTP_POST, 405, "Allow: GET, HEAD, OPTIONS\r\n"},
    {"/p.gif", HTTP_OTHER, 405, "Allow: GET, HEAD, OPTIONS\r\n"},
    {"/p.gif", HTTP_OPTIONS, 204, NULL},
    {"/b", HTTP_GET, 400, NULL}, /* a pixel, too: what scripts do where they may not fetch */
    {"/b", HTTP_HEAD, 400, NULL},
    {"/b", HTTP_OTHER, 405, "Allow: GET, HEAD, POST, OPTIONS\r\n"},
    {"/b", HTTP_OPTIONS, 204, NULL},
    {"/s.js", HTTP_GET, 200, NULL},
    {"/s.js", HTTP_HEAD, 200, NULL},
    {"/s.js", HTTP_POST, 405, "Allow: GET, HEAD\r\n"},
    {"/s.js", HTTP_OPTIONS, 405, "Allow: GET, HEAD\r\n"},
    {"/vitals.js", HTTP_GET, 200, NULL},
    {"/gzip.js", HTTP_HEAD, 200, NULL},
    {"/gzip.js", HTTP_POST, 405, "Allow: GET, HEAD\r\n"},
    {"/gzip.j", HTTP_GET, 404, NULL},
    {"/x/gzip.js", HTTP_GET, 404, NULL},
    {"/healthz", HTTP_GET, 200, NULL},
    {"/healthz", HTTP_OTHER, 405, "Allow: GET, HEAD\r\n"},
    {"/", HTTP_GET, 404, NULL},
    {"/p.gif/", HTTP_GET, 404, NULL},
    {"/P.GIF", HTTP_GET, 404, NULL},
    {"/p.gi", HTTP_GET, 404, NULL},
    {"", HTTP_OTHER, 404, NULL},
    {"/demo/", HTTP_GET, 404, NULL}, /* not switched on */
};

static void test_methods(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(methods); i++) {
        struct http_request req = request(methods[i].method, methods[i].path, "");
        struct http_reply r = ask(&req);
        if (r.status != methods[i].status)
            fail_msg("%d %s: %d", methods[i].method, methods[i].path, r.status);
        if (methods[i].allow != NULL) assert_true(has(r.headers, methods[i].allow));
        assert_false(r.needs_store);
        assert_well_formed(r.headers);
    }
    assert_false(journal_staged(w.journal));
}

/* They lie beside the tracker, wherever that is. */
static void test_modules(void **state)
{
    (void)state;
    w.conf.script_path = "/static/t.js";
    close_endpoints();
    open_endpoints(0);
    struct http_request req = request(HTTP_GET, "/static/vitals.js", "");
    struct http_reply r = ask(&req);
    assert_int_equal(r.status, 200);
    assert_int_equal(r.body.n, asset_module(STR("vitals.js"))->plain.n);
    assert_true(has(r.headers, "Access-Control-Allow-Origin: *\r\n"));
    assert_well_formed(r.headers);
    for (size_t i = 0; i < 4; i++) {
        static const char *const paths[] = {"/vitals.js", "/static/", "/static/s.js", "/static"};
        req.path = str_of(paths[i]);
        assert_int_equal(ask(&req).status, 404);
    }
}

static void test_demo(void **state)
{
    (void)state;
    w.conf.demo = true;
    close_endpoints();
    open_endpoints(0);
    struct http_request req = request(HTTP_GET, "/demo", "");
    struct http_reply r = ask(&req);
    assert_int_equal(r.status, 301);
    assert_true(has(r.headers, "Location: /demo/\r\n"));
    req.path = STR("/demo/");
    r = ask(&req);
    assert_int_equal(r.status, 200);
    assert_true(has(r.headers, "Content-Type: text/html"));
    req.path = STR("/demo/../s.js");
    assert_int_equal(ask(&req).status, 404);
}

static void test_pixel(void **state)
{
    (void)state;
    struct http_request req = request(HTTP_GET, "/p.gif", VIEW);
    struct http_reply r = ask(&req);
    assert_int_equal(r.status, 200);
    assert_int_equal(r.body.n, 43);
    assert_memory_equal(r.body.p, "GIF89a", 6);
    assert_true(has(r.headers, "Content-Type: image/gif\r\n"));
    assert_true(has(r.headers, "Cache-Control: no-store\r\n"));
    assert_true(r.needs_store);
    assert_int_equal(r.otherwise_status, 503);
    assert_int_equal(r.otherwise_body.n, 43);
    assert_true(has(r.otherwise_headers, "Retry-After: 1\r\n"));
    assert_true(commit());
    assert_int_equal(metrics_get(w.metrics, M_HITS, V_COUNTED), 1);

    static const struct {
        const char *query, *says;
        enum verdict verdict;
    } refused[] = {
        {VIEW "&n=x", "X-Sentier-Refused: bad_number n\r\n", V_BAD_NUMBER},
        {VIEW "&k=zz", "X-Sentier-Refused: bad_kind k\r\n", V_BAD_KIND},
        {"s=nobody&u=https%3A%2F%2Fa%2F", "X-Sentier-Refused: unknown_site s\r\n", V_UNKNOWN_SITE},
        {"", "X-Sentier-Refused: bad_query\r\n", V_BAD_QUERY},
    };
    for (size_t i = 0; i < COUNT(refused); i++) {
        req = request(HTTP_GET, "/p.gif", refused[i].query);
        r = ask(&req);
        assert_int_equal(r.status, 400);
        assert_int_equal(r.body.n, 43); /* a page shows no broken image */
        if (!has(r.headers, refused[i].says))
            fail_msg("%s: %.*s", refused[i].query, STR_ARG(r.headers));
        assert_false(r.needs_store);
        assert_int_equal(metrics_get(w.metrics, M_HITS, refused[i].verdict), 1);
        assert_well_formed(r.headers);
    }
}

static void test_opted_out_looks_like_taken(void **state)
{
    (void)state;
    struct http_request taken = request(HTTP_GET, "/p.gif", VIEW), gpc = taken, dnt = taken;
    gpc.gpc = dnt.dnt = STR("1");
    struct http_reply want = ask(&taken), r = ask(&gpc);
    assert_int_equal(r.status, want.status);
    assert_true(str_eq(r.headers, want.headers));
    assert_true(str_eq(r.body, want.body));
    assert_int_equal(ask(&dnt).status, 200);
    struct http_request own = request(HTTP_GET, "/p.gif", VIEW "&o=1");
    assert_int_equal(ask(&own).status, 200);
    struct http_request pile = beacon(SHOP, VIEW "&o=1\n" VIEW);
    pile.dnt = STR("1");
    assert_int_equal(ask(&pile).status, 204);
    assert_int_equal(metrics_get(w.metrics, M_HITS, V_OPTED_OUT), 5);
    assert_true(commit());
    assert_int_equal(metrics_get(w.metrics, M_HITS, V_COUNTED), 1);
}

static void test_customers(void **state)
{
    (void)state;
    struct http_request pixel = request(HTTP_GET, "/p.gif", VIEW "&c=1&v=abc&i=anna&j=1.00");
    struct http_reply r = ask(&pixel);
    assert_int_equal(r.status, 400);
    assert_true(has(r.headers, "X-Sentier-Refused: bad_query i\r\n"));
    struct http_request in_url = request(HTTP_POST, "/b", VIEW "&c=1&v=abc&i=anna&j=1.00");
    assert_int_equal(ask(&in_url).status, 400);
    assert_int_equal(metrics_get(w.metrics, M_HITS, V_BAD_QUERY), 2);
    struct http_request body = beacon(SHOP, VIEW "&c=1&v=abc&i=anna&j=1.00\n" VIEW
                                                 "&i=anna&j=1.00\ns=shop&k=id&i=anna&j=1.00");
    r = ask(&body);
    assert_int_equal(r.status, 200); /* the first two count, but not as anna's */
    assert_true(has(r.body, "{\"taken\":2,\"refused_count\":1,"));
    assert_true(has(r.body, "{\"line\":3,\"why\":\"no_consent\",\"field\":\"c\","));
    assert_int_equal(metrics_get(w.metrics, M_IDENTITIES, IDENTITY_BAD_SIGNATURE), 1);
    assert_int_equal(metrics_get(w.metrics, M_IDENTITIES, IDENTITY_NO_CONSENT), 2);
    assert_int_equal(metrics_get(w.metrics, M_IDENTITIES, IDENTITY_SIGNED), 0);
}

/* Counted when the hit that says so is stored: a browser repeats the others. */
static void test_dropped_by_browsers(void **state)
{
    (void)state;
    struct http_request told = beacon(SHOP, VIEW "&h=5\n" VIEW "\n" VIEW "&h=2&n=x");
    assert_int_equal(ask(&told).status, 200);
    assert_int_equal(metrics_get(w.metrics, M_DROPPED, 0), 0);
    assert_true(commit());
    assert_int_equal(metrics_get(w.metrics, M_DROPPED, 0), 5);
    struct http_request json =
        beacon(SHOP, "{\"site\":\"shop\",\"url\":\"" SHOP "/\",\"dropped\":4}");
    assert_int_equal(ask(&json).status, 204);
    endpoints_stored(w.endpoints, false);
    assert_int_equal(ask(&json).status, 204);
    assert_true(commit());
    assert_int_equal(metrics_get(w.metrics, M_DROPPED, 0), 9);
}

/* ?N= says what the browser's clock was; what is no number says nothing. */
static void test_the_browsers_clock(void **state)
{
    (void)state;
    static const struct {
        const char *query, *body;
        int status; /* 400: the moment was looked at, and is late */
    } rows[] = {
        {"N=1000000000000", VIEW "&A=999999999999", 204},
        {"N=1000000000000", VIEW "&A=9", 400},
        {"N=1000000000000", "{\"site\":\"shop\",\"url\":\"" SHOP "/\",\"moment\":9}", 400},
        {"N=1000000000000&x=1", VIEW "&A=9", 400},
        {"x=1&N=1000000000000", VIEW "&A=9", 400},
        {"N=999999999999999", VIEW "&A=9", 400},
        {"N=9999999999999999", VIEW "&A=9", 204},
        {"N=", VIEW "&A=9", 204},
        {"N", VIEW "&A=9", 204},
        {"N=0", VIEW "&A=9", 204},
        {"N=-1000000000000", VIEW "&A=9", 204},
        {"N=1000000000000x", VIEW "&A=9", 204},
        {"N=1e12", VIEW "&A=9", 204},
        {"xN=1000000000000", VIEW "&A=9", 204},
        {"", VIEW "&A=9", 204},
        {VIEW "&A=9&N=1000000000000", "", 204}, /* of a body alone */
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct http_request req = beacon(SHOP, rows[i].body);
        struct guard g = guard_copy(str_of(rows[i].query));
        req.query = g.s;
        struct http_reply r = ask(&req);
        guard_free(&g);
        if (r.status != rows[i].status) fail_msg("%s: %d", rows[i].query, r.status);
        if (r.status == 400)
            assert_true(has(r.body, "{\"line\":1,\"why\":\"late\",\"field\":\"A\","));
    }
    assert_int_equal(metrics_get(w.metrics, M_HITS, V_LATE), 5);
    struct http_request pixel = request(HTTP_GET, "/p.gif", VIEW "&A=9&N=1000000000000");
    assert_int_equal(ask(&pixel).status, 200);
    assert_true(commit());
}

#define K       "s=k&u=https://k.example/"
#define MINE    "; Max-Age=34128000; Path=/; HttpOnly; SameSite=Lax; Secure\r\n"
#define GONE    "Set-Cookie: sentier-k=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax; Secure\r\n"
#define YOUNG   "%lld"
#define SET_ABC "Set-Cookie: sentier-k=abc." YOUNG MINE

/* %lld: now. What is answered to a body, given the cookies that it came with. */
static const struct {
    const char *cookies, *body, *set; /* NULL: nothing */
} cookies[] = {
    {"", K "&c=1&v=abc", SET_ABC},
    {"", K "&v=abc", NULL}, /* no consent */
    {"", K "&c=1", NULL},
    {"", K "&c=1&v=abc&n=x", NULL}, /* refused */
    {"", VIEW "&c=1&v=abc", NULL},  /* the site keeps none */
    {"", K "&o=1", NULL},
    {"sentier-k=abc.1", K "&c=1&v=abc", SET_ABC}, /* of 1970: too old, though it is the same */
    {"sentier-k=xyz.1", K "&c=1&v=abc", SET_ABC},
    {"sentier-k=xyz.99999999999", K "&c=1&v=abc", SET_ABC}, /* of the future */
    {"sentier-k=xyz.999999999999", K "&c=1&v=abc", SET_ABC},
    {"sentier-k=x!.%lld", K "&c=1&v=abc", SET_ABC},
    {"sentier-k=xyz", K "&c=1&v=abc", SET_ABC},
    {"sentier-k=xyz.", K "&c=1&v=abc", SET_ABC},
    {"sentier-k=xyz.%lld", K "&c=1&v=abc", NULL}, /* kept, and not prolonged */
    {"a=b; sentier-k=xyz.%lld; c", K "&c=1&v=abc", NULL},
    {"sentier-k1=xyz.%lld", K "&c=1&v=abc", SET_ABC}, /* another site's */
    {"sentier-k=xyz.%lld", K "&c=1&v=abc-", SET_ABC},
    {"sentier-k=abc.%lld", K "&c=1&v=abc-", NULL},
    {"sentier-k=xyz.%lld", K "&c=1&v=abc-&a=60000", NULL}, /* begun before there was this id */
    {"sentier-k=xyz.%lld", K "&c=1&v=abc&b=60000", NULL},
    {"sentier-k=xyz.%lld", K, GONE},
    {"sentier-k=xyz.%lld", K "&c=0", GONE},
    {"sentier-k=xyz.%lld", K "&o=1", GONE},
    {"sentier-k=", K "&o=1", GONE},
    {"sentier-k=xyz.%lld", K "&n=x", NULL},
    {"sentier-k=xyz.%lld", K "&c=1", NULL}, /* says nothing of who it is */
    {"sentier-k=xyz.%lld", VIEW "&o=1", NULL},
    {"sentier-k=xyz.%lld", K "\n" K "&c=1&v=abc-", SET_ABC}, /* the last one counts */
    {"sentier-k=xyz.%lld", K "&c=1&v=abc-\n" K "&o=1", GONE},
    {"sentier-kx=xyz.%lld; entier-k=xyz.%lld", K "&o=1", NULL},
};

static void test_cookies(void **state)
{
    (void)state;
    long long now_s = clock_ms() / 1000;
    for (size_t i = 0; i < COUNT(cookies); i++) {
        char brought[256], set[256] = "";
        snprintf(brought, sizeof brought, cookies[i].cookies, now_s, now_s);
        struct guard g = guard_copy(str_of(brought));
        struct http_request req = beacon("https://k.example", cookies[i].body);
        req.cookie = g.s;
        struct http_reply r = ask(&req);
        guard_free(&g);
        bool any = false;
        for (long long s = now_s; cookies[i].set != NULL && !any && s < now_s + 60; s++) {
            snprintf(set, sizeof set, cookies[i].set, s);
            any = has(r.headers, set);
        }
        if (any != (cookies[i].set != NULL) || has(r.headers, "Set-Cookie") != any)
            fail_msg("%s %s: %.*s", brought, cookies[i].body, STR_ARG(r.headers));
        assert_false(has(r.otherwise_headers, "Set-Cookie"));
        assert_well_formed(r.headers);
    }
}

/* Where the page is, and what a trusted proxy says of the way to us. */
static void test_cookies_and_their_scope(void **state)
{
    (void)state;
    static const struct {
        const char *fetch_site, *proto, *peer, *ends;
    } rows[] = {
        {"", "", "127.0.0.1", "; Path=/x/; HttpOnly; SameSite=Lax; Secure\r\n"},
        {"same-origin", "https", "127.0.0.1", "; Path=/x/; HttpOnly; SameSite=Lax; Secure\r\n"},
        {"same-site", "http", "127.0.0.1", "; Path=/x/; HttpOnly; SameSite=Lax\r\n"},
        {"same-site", "http", "127.0.0.2", "; Path=/x/; HttpOnly; SameSite=Lax; Secure\r\n"},
        {"cross-site", "https", "127.0.0.1",
         "; Path=/x/; HttpOnly; SameSite=None; Secure; Partitioned\r\n"},
        {"cross-site", "http", "127.0.0.1",
         "; Path=/x/; HttpOnly; SameSite=None; Secure; Partitioned\r\n"},
    };
    const char *bad;
    char *trusted[] = {"127.0.0.1", NULL};
    proxies_free(w.proxies);
    w.proxies = proxies_new(trusted, &bad);
    w.conf.beacon_path = "/x/b";
    close_endpoints();
    open_endpoints(0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (int gone = 0; gone <= 1; gone++) {
            struct http_request req = beacon("https://k.example", gone ? K "&o=1" : K "&c=1&v=abc");
            req.path = STR("/x/b");
            req.cookie = gone ? STR("sentier-k=x.1") : STR("");
            req.fetch_site = str_of(rows[i].fetch_site);
            req.forwarded_proto = str_of(rows[i].proto);
            inet_pton(AF_INET, rows[i].peer, &((struct sockaddr_in *)&req.peer)->sin_addr);
            struct http_reply r = ask(&req);
            if (!has(r.headers, rows[i].ends)) fail_msg("%zu: %.*s", i, STR_ARG(r.headers));
            assert_int_equal(has(r.headers, "; Max-Age=0;"), gone);
        }
    }
}

/* A pixel may stand beside the tracker and say nothing of consent. */
static void test_cookies_of_pixels(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        bool set, gone;
    } rows[] = {
        {K, false, false},
        {K "&c=0", false, true},
        {K "&o=1", false, true},
        {K "&c=1&v=abc-", true, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char brought[64];
        snprintf(brought, sizeof brought, "sentier-k=xyz.%lld", (long long)clock_ms() / 1000);
        struct http_request req = request(HTTP_GET, "/p.gif", rows[i].query);
        req.cookie = str_of(brought);
        struct http_reply r = ask(&req);
        assert_int_equal(r.status, 200);
        assert_int_equal(has(r.headers, "Set-Cookie: sentier-k=abc."), rows[i].set);
        assert_int_equal(has(r.headers, GONE), rows[i].gone);
    }
}

/* What is left of the id's 13 months. */
static void test_cookies_and_their_ages(void **state)
{
    (void)state;
    char body[256], brought[128];
    long long now_s = clock_ms() / 1000, made_s = now_s - 1000000;
    snprintf(body, sizeof body, K "&c=1&v=abc.%lld000", made_s);
    struct http_request req = beacon("https://k.example", body);
    struct http_reply r = ask(&req);
    bool any = false;
    for (int later_s = 0; !any && later_s < 60; later_s++) { /* than now_s was */
        snprintf(brought, sizeof brought, "Set-Cookie: sentier-k=abc.%lld; Max-Age=%d; ", made_s,
                 33128000 - later_s);
        any = has(r.headers, brought);
    }
    if (!any) fail_msg("%.*s", STR_ARG(r.headers));
    snprintf(body, sizeof body, K "&c=1&v=abc-.%lld000", now_s - 396 * 86400);
    req = beacon("https://k.example", body);
    r = ask(&req);
    assert_int_equal(r.status, 204);
    assert_false(has(r.headers, "Set-Cookie"));
}

static void test_cookies_of_many_sites(void **state)
{
    (void)state;
    char body[2048] = "";
    w.conf.beacon_max_hits = 64;
    for (size_t i = 0; i < COUNT(keeping); i++)
        sprintf(body + strlen(body), "s=%s&u=https://k.example&c=1&v=%zu\n", keeping[i], i + 1);
    struct http_request req = beacon("https://k.example", body);
    struct http_reply r = ask(&req);
    assert_int_equal(r.status, 204);
    for (size_t i = 0; i < COUNT(keeping); i++) {
        char set[64];
        snprintf(set, sizeof set, "Set-Cookie: sentier-%s=%zu.", keeping[i], i + 1);
        assert_int_equal(has(r.headers, set),
                         i + 1 < COUNT(keeping)); /* the last one has to wait */
    }
}

static const struct {
    const char *origin, *body;
    int status;
} cors[] = {
    {SHOP, VIEW, 204},
    {"", VIEW, 204},
    {"https://evil.example", VIEW, 400},
    {"null", VIEW, 204}, /* a page that says nothing of itself is no other page */
    {"null", VIEW "&n=x", 400},
    {"nullx", VIEW, 400},
    {"http://shop.example", VIEW, 400},
    {SHOP, VIEW "&n=x", 400}, /* the page may read why */
    {SHOP, "nonsense", 400},
    {"https://evil.example", "nonsense", 400},
};

static void test_cors(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cors); i++) {
        struct http_request req = beacon(cors[i].origin, cors[i].body);
        struct guard g = guard_copy(req.origin);
        char line[128];
        req.origin = g.s;
        struct http_reply r = ask(&req);
        snprintf(line, sizeof line, "Access-Control-Allow-Origin: %s\r\n", cors[i].origin);
        if (r.status != cors[i].status) fail_msg("%s: %d", cors[i].origin, r.status);
        assert_int_equal(has(r.headers, line), req.origin.n > 0);
        assert_int_equal(has(r.headers, "Access-Control-Allow-Credentials: true\r\n"),
                         req.origin.n > 0);
        assert_int_equal(has(r.headers, "Vary: Origin\r\n"), req.origin.n > 0);
        assert_true(has(r.headers, "Cross-Origin-Resource-Policy: cross-origin\r\n"));
        assert_false(has(r.headers, "*"));
        if (r.needs_store) assert_int_equal(has(r.otherwise_headers, line), req.origin.n > 0);
        assert_well_formed(r.headers);
        guard_free(&g);
    }
}

/* A pixel that is fetched can be read, and what it says. */
static void test_cors_of_pixels(void **state)
{
    (void)state;
    static const char *const paths[] = {"/p.gif", "/b"};
    for (size_t i = 0; i < COUNT(paths); i++) {
        struct http_request req = request(HTTP_GET, paths[i], VIEW);
        req.origin = STR(SHOP);
        struct http_reply r = ask(&req);
        assert_int_equal(r.status, 200);
        assert_true(has(r.headers, "Access-Control-Allow-Origin: " SHOP "\r\n"));
        assert_true(has(r.otherwise_headers, "Access-Control-Allow-Origin: " SHOP "\r\n"));
        assert_true(has(r.otherwise_headers, EXPOSED));
        req.query = STR(VIEW "&n=x");
        r = ask(&req);
        assert_int_equal(r.status, 400);
        assert_true(has(r.headers, "X-Sentier-Refused: bad_number n\r\n"));
        assert_true(has(r.headers, EXPOSED));
        req.origin = STR("https://evil.example");
        r = ask(&req);
        assert_true(has(r.headers, "X-Sentier-Refused: bad_origin\r\n"));
        assert_true(has(r.headers, "Access-Control-Allow-Origin: https://evil.example\r\n"));
        assert_well_formed(r.headers);
    }
}

static void test_preflight(void **state)
{
    (void)state;
    static const struct {
        const char *origin, *private;
        bool allowed, private_allowed;
    } rows[] = {
        {SHOP, "", true, false},
        {SHOP, "true", true, true},
        {"null", "", true, false},
        {"https://evil.example", "true", false, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct http_request req = request(HTTP_OPTIONS, "/b", "");
        char line[128];
        bool allowed = rows[i].allowed;
        req.origin = str_of(rows[i].origin);
        req.want_headers = STR("content-type");
        req.want_private = str_of(rows[i].private);
        struct http_reply r = ask(&req);
        assert_int_equal(r.status, 204);
        snprintf(line, sizeof line, "Access-Control-Allow-Origin: %s\r\n", rows[i].origin);
        assert_int_equal(has(r.headers, line), allowed);
        assert_int_equal(has(r.headers, "Access-Control-Max-Age: 86400\r\n"), allowed);
        assert_int_equal(has(r.headers, "Access-Control-Allow-Private-Network: true\r\n"),
                         rows[i].private_allowed);
        assert_int_equal(has(r.headers, "Access-Control-Allow-Headers: content-type\r\n"), allowed);
        assert_int_equal(has(r.headers, "Access-Control-Allow-Methods: "), allowed);
        assert_true(has(r.headers, "Vary: Origin\r\n"));
        assert_well_formed(r.headers);
    }
}

static void test_refusals_are_named(void **state)
{
    (void)state;
    struct http_request req = beacon(SHOP, VIEW "\n" VIEW "&e=-1\n" VIEW "&u=%zz\n" VIEW "\n" VIEW);
    struct http_reply r = ask(&req);
    assert_int_equal(r.status, 200);
    assert_true(r.needs_store);
    json_t *root = json_of(&r), *list = json_object_get(root, "refused");
    assert_int_equal(number(root, "taken"), 2);
    assert_int_equal(number(root, "refused_count"), 3);
    assert_int_equal(json_array_size(list), 3);
    static const struct {
        int line;
        const char *why, *field;
    } want[] = {{2, "bad_number", "e"}, {3, "bad_query", "u"}, {5, "too_many", NULL}};
    for (size_t i = 0; i < COUNT(want); i++) {
        json_t *one = json_array_get(list, i), *field = json_object_get(one, "field");
        assert_int_equal(number(one, "line"), want[i].line);
        assert_string_equal(json_string_value(json_object_get(one, "why")), want[i].why);
        assert_non_null(json_string_value(json_object_get(one, "help")));
        assert_int_equal(field != NULL, want[i].field != NULL);
        if (field != NULL) assert_string_equal(json_string_value(field), want[i].field);
    }
    json_decref(root);

    req = beacon(SHOP, "[{\"site\": \"shop\", \"number\": [1]}, 7]");
    r = ask(&req);
    assert_int_equal(r.status, 400);
    root = json_of(&r);
    json_t *first = json_array_get(json_object_get(root, "refused"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "why")), "bad_json");
    assert_string_equal(json_string_value(json_object_get(first, "field")), "n");
    assert_int_equal(number(root, "refused_count"), 2);
    json_decref(root);
}

/* Thousands of refusals are counted, some are named, and the answer stays small. */
static void test_many_refusals(void **state)
{
    (void)state;
    static char body[60 * 1000];
    memset(body, 'x', sizeof body - 1);
    for (size_t i = 1; i < sizeof body; i += 2)
        body[i] = '\n';
    body[sizeof body - 1] = '\0';
    struct http_request req = beacon(SHOP, body);
    struct http_reply r = ask(&req);
    assert_int_equal(r.status, 400);
    json_t *root = json_of(&r);
    assert_int_equal(number(root, "refused_count"), sizeof body / 2);
    assert_int_equal(json_array_size(json_object_get(root, "refused")), 64);
    json_decref(root);
}

static void test_empty_body_is_a_pile_of_one(void **state)
{
    (void)state;
    struct http_request req = beacon(SHOP, "");
    req.query = STR(VIEW);
    assert_int_equal(ask(&req).status, 204);
    req.query = STR("");
    assert_int_equal(ask(&req).status, 400);
}

static const struct {
    const char *accept;
    enum coding coding;
} encodings[] = {
    {"", CODING_IDENTITY},
    {"gzip", CODING_GZIP},
    {"GZIP", CODING_GZIP},
    {"gzip, deflate, br, zstd", CODING_BROTLI}, /* as browsers ask over TLS */
    {"gzip, deflate", CODING_GZIP},             /* and without it */
    {"Br", CODING_BROTLI},
    {"br,gzip;q=0.5", CODING_BROTLI},
    {"br;q=0.5,gzip", CODING_GZIP},
    {"br;q=0.5,gzip;q=0.51", CODING_GZIP},
    {"br;q=0.999,gzip;q=0.998,identity;q=0.997", CODING_BROTLI},
    {"br;q=0.1, gzip;q=0.1", CODING_BROTLI},
    {"gzip;q=1.0", CODING_GZIP},
    {"br;q=0, gzip", CODING_GZIP},
    {"gzip;q=0", CODING_IDENTITY},
    {"gzip; q=0.000", CODING_IDENTITY},
    {"gzip;Q=0", CODING_IDENTITY},
    {"gzip;q=0.001", CODING_GZIP},
    {"gzip;q=", CODING_GZIP},        /* no weight */
    {"gzip;q=0,5", CODING_IDENTITY}, /* "5" is a coding that nobody knows */
    {"gzip;q=x", CODING_GZIP},
    {"gzip;q=9", CODING_GZIP},
    {"*", CODING_BROTLI},
    {"*;q=0", CODING_IDENTITY},
    {"*;q=0, gzip", CODING_GZIP}, /* what is named counts before the star */
    {"gzip;q=0, *", CODING_BROTLI},
    {"br;q=0, *", CODING_GZIP},
    {"*, gzip;q=0, br;q=0", CODING_IDENTITY},
    {"identity, gzip;q=0.5", CODING_IDENTITY},
    {"identity;q=0.5, gzip;q=0.5", CODING_GZIP},
    {"identity;q=0", CODING_IDENTITY}, /* better than nothing */
    {"deflate", CODING_IDENTITY},
    {"gzipped", CODING_IDENTITY},
    {"x, , ;, gzip", CODING_GZIP},
};

static void test_encodings(void **state)
{
    (void)state;
    const struct asset *t = asset_tracker();
    const size_t sizes[CODINGS] = {t->brotli.n, t->gzip.n, t->plain.n};
    for (size_t i = 0; i < COUNT(encodings); i++) {
        struct http_request req = request(HTTP_GET, "/s.js", "");
        struct guard g = guard_copy(str_of(encodings[i].accept));
        req.accept_encoding = g.s;
        struct http_reply r = ask(&req);
        guard_free(&g);
        enum coding got = has(r.headers, "Content-Encoding: br\r\n")     ? CODING_BROTLI
                          : has(r.headers, "Content-Encoding: gzip\r\n") ? CODING_GZIP
                                                                         : CODING_IDENTITY;
        assert_int_equal(r.status, 200);
        if (got != encodings[i].coding) fail_msg("%s: %d", encodings[i].accept, got);
        assert_int_equal(r.body.n, sizes[got]);
        assert_true(has(r.headers, "Vary: Accept-Encoding\r\n"));
        assert_true(has(r.headers, "Cache-Control: public, max-age=3600"));
        assert_true(has(r.headers, "Timing-Allow-Origin: *\r\n"));
        assert_true(has(r.headers, "X-Content-Type-Options: nosniff\r\n"));
        assert_well_formed(r.headers);
    }
    const bool only_gzip[CODINGS] = {[CODING_GZIP] = true, [CODING_IDENTITY] = true};
    assert_int_equal(negotiate_coding(STR("br, gzip;q=0.5"), only_gzip), CODING_GZIP);
    assert_int_equal(negotiate_coding(STR("br"), only_gzip), CODING_IDENTITY);
}

/* What a browser inflates is the tracker. */
static void test_gzip_is_the_same_file(void **state)
{
    (void)state;
    const struct asset *t = asset_tracker();
    unsigned char *plain = malloc(t->plain.n);
    z_stream z = {.next_in = (unsigned char *)t->gzip.p,
                  .avail_in = (uInt)t->gzip.n,
                  .next_out = plain,
                  .avail_out = (uInt)t->plain.n};
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.total_out, t->plain.n);
    assert_memory_equal(plain, t->plain.p, t->plain.n);
    inflateEnd(&z);
    free(plain);
}

static void test_etags(void **state)
{
    (void)state;
    const char *tag = strchr(asset_tracker()->etag, '"'); /* behind a W/ */
    static const struct {
        const char *format; /* %s: the tag */
        int status;
    } rows[] = {
        {"%s", 304}, {"W/%s", 304}, {"\"a\", %s", 304}, {"%s,\"b\"", 304},
        {"*", 304},  {"", 200},     {"\"other\"", 200}, {"x%s", 200},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[256];
        snprintf(text, sizeof text, rows[i].format, tag);
        struct http_request req = request(HTTP_GET, "/s.js", "");
        struct guard g = guard_copy(str_of(text));
        req.if_none_match = g.s;
        struct http_reply r = ask(&req);
        guard_free(&g);
        if (r.status != rows[i].status) fail_msg("%s: %d", text, r.status);
        assert_true(has(r.headers, tag));
        assert_int_equal(r.body.n == 0, r.status == 304);
    }
}

/* Every answer to a hit has its 503 ready, and a journal that cannot store says so by itself. */
static void test_a_full_disk(void **state)
{
    (void)state;
    close_endpoints();
    open_endpoints(INT64_MAX);
    struct http_request health = request(HTTP_GET, "/healthz", "");
    assert_int_equal(ask(&health).status, 200);

    struct http_request req = beacon(SHOP, VIEW "\n" VIEW);
    struct http_reply r = ask(&req);
    assert_int_equal(r.status, 204);
    assert_true(r.needs_store);
    assert_int_equal(r.otherwise_status, 503);
    assert_true(has(r.otherwise_headers, "Retry-After: 1\r\n"));
    assert_true(has(r.otherwise_headers, EXPOSED));
    assert_true(has(r.otherwise_headers, "Access-Control-Allow-Origin: " SHOP "\r\n"));
    assert_false(commit());
    assert_int_equal(metrics_get(w.metrics, M_NOT_STORED, 0), 2);
    assert_int_equal(metrics_get(w.metrics, M_HITS, V_COUNTED), 0);
    assert_int_equal(ask(&health).status, 503);
}

/* Staged memory is bounded: then a hit is not stored, whatever else the request held. */
static void test_a_full_turn(void **state)
{
    (void)state;
    struct http_request req = beacon(SHOP, VIEW), mixed = beacon(SHOP, VIEW "&n=x\n" VIEW);
    struct http_request pixel = request(HTTP_GET, "/p.gif", VIEW);
    while (ask(&req).status == 204)
        assert_true(journal_staged(w.journal));
    struct http_reply r = ask(&req);
    assert_int_equal(r.status, 503);
    assert_true(has(r.headers, "Retry-After: 1\r\n"));
    assert_int_equal(ask(&mixed).status, 503);
    assert_int_equal(ask(&pixel).status, 503);
    assert_int_equal(metrics_get(w.metrics, M_NOT_STORED, 0), 4);
    assert_true(commit());
    assert_int_equal(ask(&mixed).status, 200);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(test_methods),
        IN_WORLD(test_modules),
        IN_WORLD(test_demo),
        IN_WORLD(test_pixel),
        IN_WORLD(test_opted_out_looks_like_taken),
        IN_WORLD(test_customers),
        IN_WORLD(test_dropped_by_browsers),
        IN_WORLD(test_the_browsers_clock),
        IN_WORLD(test_cors),
        IN_WORLD(test_cors_of_pixels),
        IN_WORLD(test_cookies),
        IN_WORLD(test_cookies_and_their_scope),
        IN_WORLD(test_cookies_of_pixels),
        IN_WORLD(test_cookies_and_their_ages),
        IN_WORLD(test_cookies_of_many_sites),
        IN_WORLD(test_preflight),
        IN_WORLD(test_refusals_are_named),
        IN_WORLD(test_many_refusals),
        IN_WORLD(test_empty_body_is_a_pile_of_one),
        IN_WORLD(test_encodings),
        IN_WORLD(test_gzip_is_the_same_file),
        IN_WORLD(test_etags),
        IN_WORLD(test_a_full_disk),
        IN_WORLD(test_a_full_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
