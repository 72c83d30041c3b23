/*
 * A table of paths; each row says which methods it knows and what it does. The two that take hits
 * end alike: every hit of the request has its verdict, what is taken is staged in the journal, and
 * the reply is one of four: all taken, some refused, none could be read, nothing could be stored.
 *
 * An opted-out hit is answered like one that was taken: a page must not learn who opted out.
 */
#include "endpoints.h"

#include <stdlib.h>

#include "assets.h"
#include "beacon.h"
#include "clock.h"
#include "cookie.h"
#include "negotiate.h"
#include "stats.h"

enum {
    REFUSED_NAMED_MAX = 64, /* in one reply */
    HEADERS_MAX_BYTES = 16 * 1024,
    REPLY_MAX_BYTES = 64 * 1024,
    PREFLIGHT_MAX_AGE_S = 86400,
    COOKIES_MAX = 8, /* in one reply: sites of one body that keep some */
};

#define NO_STORE    "Cache-Control: no-store\r\n"
#define VARY_ORIGIN "Vary: Origin\r\n"
#define GIF_TYPE    "Content-Type: image/gif\r\n" NO_STORE ANY_PAGE
#define TEXT_TYPE   "Content-Type: text/plain; charset=utf-8\r\n" NO_STORE
#define JSON_TYPE   "Content-Type: application/json\r\n" NO_STORE
#define RETRY       "Retry-After: 1\r\n"
#define EXPOSE      "Access-Control-Expose-Headers: Retry-After, X-Sentier-Refused\r\n"
#define ANY_PAGE    "Cross-Origin-Resource-Policy: cross-origin\r\n"

/* One transparent pixel: GIF89a, 1x1, two colours of which one is transparent. */
static const char gif[43] =
    "GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\4\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;";

enum { ROUTES = 5, CLOCK_MAX_DIGITS = 15 };

typedef void endpoint(struct endpoints *e, const struct http_request *req, struct http_reply *out);

struct route {
    struct str path;
    bool whole;                     /* else the path only begins with it */
    endpoint *get, *post, *options; /* NULL: 405. HEAD is get without the body */
    const char *allow;
};

struct endpoints {
    struct endpoints_opts o;
    struct route routes[ROUTES]; /* the busiest first, the demo last */
    size_t n_routes;
    const struct sites *sites;
    struct buf encoded, headers, body;
    struct buf retry; /* headers of a 503 */
    char *scratch;
    size_t scratch_bytes;
    uint32_t staged;  /* hits of this turn */
    uint64_t dropped; /* by browsers before them */
};

/* One request's hits, while they are read. */
struct taking {
    struct endpoints *e;
    struct visit visit;
    struct http_reply *out;
    unsigned taken, staged, refused, unstored;
    enum verdict verdict; /* of the last refused hit */
    const char *field;    /* at fault in it, or NULL */
    struct {
        struct str site;
        struct cookie cookie; /* id 0: gone */
    } cookies[COOKIES_MAX];
    unsigned cookies_n;
};

void endpoints_set_sites(struct endpoints *e, const struct sites *sites)
{
    e->sites = sites;
}

void endpoints_stored(struct endpoints *e, bool stored)
{
    if (stored) {
        metrics_add(e->o.metrics, M_HITS, V_COUNTED, e->staged);
        metrics_add(e->o.metrics, M_DROPPED, 0, (int64_t)e->dropped);
    } else {
        metrics_add(e->o.metrics, M_NOT_STORED, 0, e->staged);
    }
    e->staged = 0;
    e->dropped = 0;
}

/* ---- hits ---- */

static void refuse(struct taking *t, unsigned line, struct str site, enum verdict v,
                   const char *field)
{
    struct endpoints *e = t->e;
    metrics_add(e->o.metrics, M_HITS, v, 1);
    tally_add(e->o.tally, sites_find(e->sites, site), v, t->visit.now_ms);
    if (v == V_OPTED_OUT) {
        t->taken++;
        return;
    }
    t->verdict = v;
    t->field = field;
    if (t->refused++ >= REFUSED_NAMED_MAX) return;
    buf_printf(&e->body, "%s{\"line\":%u,\"why\":\"%s\"", t->refused == 1 ? "" : ",", line,
               verdict_name(v));
    if (field != NULL) buf_printf(&e->body, ",\"field\":\"%s\"", field);
    buf_printf(&e->body, ",\"help\":\"%s\"}", verdict_help(v));
}

/* Of each site the last hit decides: it is the youngest. */
static void note_cookie(struct taking *t, const struct hit *hit)
{
    int64_t created_s;
    enum cookie_change change = ingest_cookie(t->e->o.ingest, &created_s);
    unsigned i = 0;
    if (change == COOKIE_STAYS) return;
    while (i < t->cookies_n && !str_eq(t->cookies[i].site, hit->site))
        i++;
    if (i == COOKIES_MAX) return; /* its next request will do */
    t->cookies[i].site = hit->site;
    t->cookies[i].cookie = (struct cookie){
        .id = change == COOKIE_SET ? hit->visitor : 0,
        .created_s = created_s,
    };
    if (i == t->cookies_n) t->cookies_n++;
}

static void on_hit(void *arg, unsigned line, enum verdict v, const struct fields *fields,
                   const char *field)
{
    struct taking *t = arg;
    struct endpoints *e = t->e;
    struct hit hit = {0};
    unsigned partition = 0;
    if (v == V_COUNTED) {
        v = ingest_hit(e->o.ingest, &t->visit, fields, e->o.partitions, &hit, &partition, &field);
        enum identity identity = ingest_identity(e->o.ingest);
        if (identity != IDENTITY_NONE) metrics_add(e->o.metrics, M_IDENTITIES, identity, 1);
        note_cookie(t, &hit);
    }
    if (v != V_COUNTED) {
        refuse(t, line, hit.site, v, field);
        return;
    }
    buf_clear(&e->encoded);
    if (hit_encode(&hit, &e->encoded) &&
        journal_stage(e->o.journal, partition, hit_weight(&hit), 0, buf_str(&e->encoded))) {
        t->taken++;
        t->staged++;
        e->staged++;
        e->dropped += ingest_dropped(e->o.ingest);
    } else {
        t->unstored++;
        metrics_add(e->o.metrics, M_NOT_STORED, 0, 1);
    }
}

/* ?N=MS: what the browser's clock was. A body's hits name moments of that clock. 0: it did not say.
 */
static int64_t sent_ms(const struct http_request *req)
{
    struct str rest = req->query;
    int64_t ms = 0;

    while (rest.n > 0 && !str_starts(rest, STR("N=")))
        rest = str_from(rest, str_find(rest, '&') + 1);
    if (rest.n == 0 || req->body.n == 0) return 0;
    struct str value = str_from(str_upto(rest, str_find(rest, '&')), 2);
    if (value.n > CLOCK_MAX_DIGITS) return 0;
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] < '0' || value.p[i] > '9') return 0;
        ms = ms * 10 + (value.p[i] - '0');
    }
    return ms;
}

static struct taking begin(struct endpoints *e, const struct http_request *req,
                           struct http_reply *out, bool from_beacon)
{
    struct taking t = {.e = e, .out = out};
    t.visit = (struct visit){
        .origin = req->origin,
        .referer = req->referer,
        .agent = req->user_agent,
        .accept_language = req->accept_language,
        .cookie = req->cookie,
        .opted_out = str_eq(req->gpc, STR("1")) || str_eq(req->dnt, STR("1")),
        .from_beacon = from_beacon,
        .sent_ms = sent_ms(req),
        .now_ms = clock_ms(),
    };
    client_address(e->o.proxies, &req->peer, req->forwarded_for, t.visit.address);
    buf_clear(&e->headers);
    buf_clear(&e->body);
    return t;
}

/* ---- replies ---- */

static void reply(struct http_reply *out, int status, struct str headers, struct str body)
{
    *out = (struct http_reply){.status = status, .headers = headers, .body = body};
}

/* The folder of the path that hits are sent to. */
static struct str folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? STR("/") : (struct str){path, (size_t)(slash - path) + 1};
}

static void add_cookies(const struct taking *t, const struct http_request *req)
{
    struct endpoints *e = t->e;
    struct cookie_scope scope = {
        .now_s = t->visit.now_ms / 1000,
        .path = folder_of(e->o.conf->beacon_path),
        .cross_site = str_eq(req->fetch_site, STR("cross-site")),
        .insecure =
            str_ieq(req->forwarded_proto, STR("http")) && client_is_proxy(e->o.proxies, &req->peer),
    };
    for (unsigned i = 0; i < t->cookies_n; i++)
        cookie_add(&e->headers, t->cookies[i].site, t->cookies[i].cookie, &scope);
}

/* "null": a page that says nothing of itself. There is nothing in our answers to hide from it. */
static bool allows(const struct endpoints *e, struct str origin)
{
    return str_eq(origin, STR("null")) || sites_allow(e->sites, origin);
}

/* An answer is for whoever sent the hits: a tracker that could not read a refusal would send them
 * again and again. */
static void add_cors(struct buf *headers, struct str origin)
{
    if (origin.n == 0) return;
    buf_printf(headers,
               "Access-Control-Allow-Origin: %.*s\r\nAccess-Control-Allow-Credentials: "
               "true\r\n" VARY_ORIGIN,
               STR_ARG(origin));
}

/* e->body holds the named refusals; makes the whole document of it. */
static struct str refusals_json(struct taking *t)
{
    struct buf *b = &t->e->body;
    struct buf names = *b;
    buf_init(b, REPLY_MAX_BYTES);
    buf_printf(b, "{\"taken\":%u,\"refused_count\":%u,\"not_stored\":%u,\"refused\":[", t->taken,
               t->refused, t->unstored);
    buf_add(b, buf_str(&names));
    buf_add(b, STR("]}\n"));
    buf_fini(&names);
    return buf_str(b);
}

static void reply_beacon(struct taking *t, const struct http_request *req)
{
    static const struct str failed = {"nothing could be stored\n", 24};
    struct endpoints *e = t->e;
    buf_clear(&e->retry);
    buf_add(&e->retry, STR(ANY_PAGE TEXT_TYPE RETRY EXPOSE));
    add_cors(&e->retry, req->origin);
    buf_add(&e->headers, STR(ANY_PAGE));
    add_cors(&e->headers, req->origin);
    add_cookies(t, req);

    if (t->taken == 0 && t->unstored > 0) { /* and those that were refused will be again */
        reply(t->out, 503, buf_str(&e->retry), failed);
    } else if (t->refused == 0 && t->unstored == 0) {
        reply(t->out, 204, buf_str(&e->headers), STR(""));
    } else {
        buf_add(&e->headers, STR(JSON_TYPE));
        reply(t->out, t->taken > 0 ? 200 : 400, buf_str(&e->headers), refusals_json(t));
    }
    t->out->needs_store = t->staged > 0;
    t->out->otherwise_status = 503;
    t->out->otherwise_headers = buf_str(&e->retry);
    t->out->otherwise_body = failed;
}

static void post_beacon(struct endpoints *e, const struct http_request *req, struct http_reply *out)
{
    struct taking t = begin(e, req, out, true);
    t.visit.in_url = req->body.n == 0;
    beacon_read(req->body.n > 0 ? req->body : req->query, (unsigned)e->o.conf->beacon_max_hits,
                e->scratch, e->scratch_bytes, on_hit, &t);
    reply_beacon(&t, req);
}

static void get_pixel(struct endpoints *e, const struct http_request *req, struct http_reply *out)
{
    static const struct str pixel = {gif, sizeof gif};
    struct taking t = begin(e, req, out, false);
    t.visit.in_url = true;
    struct fields fields;
    const char *field = NULL;
    enum verdict v = beacon_line(req->query, e->scratch, e->scratch_bytes, &fields, &field);
    on_hit(&t, 1, v, &fields, field);

    buf_clear(&e->retry);
    buf_add(&e->retry, STR(GIF_TYPE RETRY EXPOSE));
    add_cors(&e->retry, req->origin);
    buf_add(&e->headers, STR(GIF_TYPE));
    add_cors(&e->headers, req->origin);
    add_cookies(&t, req);
    if (t.refused > 0)
        buf_printf(&e->headers, EXPOSE "X-Sentier-Refused: %s%s%s\r\n", verdict_name(t.verdict),
                   t.field == NULL ? "" : " ", t.field == NULL ? "" : t.field);
    reply(out,
          t.unstored > 0  ? 503
          : t.refused > 0 ? 400
                          : 200,
          buf_str(t.unstored > 0 ? &e->retry : &e->headers), pixel);
    out->needs_store = t.staged > 0;
    out->otherwise_status = 503;
    out->otherwise_headers = buf_str(&e->retry);
    out->otherwise_body = pixel;
}

static void preflight(struct endpoints *e, const struct http_request *req, struct http_reply *out)
{
    buf_clear(&e->headers);
    if (req->origin.n > 0 && !allows(e, req->origin)) {
        buf_add(&e->headers, STR(VARY_ORIGIN));
    } else if (req->origin.n > 0) {
        add_cors(&e->headers, req->origin);
        buf_printf(&e->headers,
                   "Access-Control-Allow-Methods: GET, HEAD, POST\r\n"
                   "Access-Control-Max-Age: %d\r\n",
                   PREFLIGHT_MAX_AGE_S);
        if (req->want_headers.n > 0) {
            buf_printf(&e->headers, "Access-Control-Allow-Headers: %.*s\r\n",
                       STR_ARG(req->want_headers));
        }
        if (str_eq(req->want_private, STR("true")))
            buf_add(&e->headers, STR("Access-Control-Allow-Private-Network: true\r\n"));
    }
    reply(out, 204, buf_str(&e->headers), STR(""));
}

/* ---- files ---- */

/* A file for any page: read by its scripts, timed, checked by an integrity hash. */
static void send_asset(struct endpoints *e, const struct http_request *req, const struct asset *a,
                       int64_t max_age_s, struct http_reply *out)
{
    static const char *const names[CODINGS] = {"Content-Encoding: br\r\n",
                                               "Content-Encoding: gzip\r\n", ""};
    const struct bytes forms[CODINGS] = {a->brotli, a->gzip, a->plain};
    const bool there_is[CODINGS] = {a->brotli.p != NULL, a->gzip.p != NULL, true};
    buf_clear(&e->headers);
    buf_printf(&e->headers,
               "ETag: %s\r\nCache-Control: public, max-age=%lld, stale-while-revalidate=86400\r\n"
               "Vary: Accept-Encoding\r\n" ANY_PAGE
               "Access-Control-Allow-Origin: *\r\nTiming-Allow-Origin: *\r\n",
               a->etag, (long long)max_age_s);
    if (negotiate_has_etag(req->if_none_match, str_of(a->etag))) {
        reply(out, 304, buf_str(&e->headers), STR(""));
        return;
    }
    enum coding c = negotiate_coding(req->accept_encoding, there_is);
    buf_printf(&e->headers, "Content-Type: %s\r\nX-Content-Type-Options: nosniff\r\n%s", a->type,
               names[c]);
    reply(out, 200, buf_str(&e->headers), (struct str){(const char *)forms[c].p, forms[c].n});
}

static void get_script(struct endpoints *e, const struct http_request *req, struct http_reply *out)
{
    send_asset(e, req, asset_tracker(), e->o.conf->script_max_age_s, out);
}

/* What the path names in the tracker's folder. The tracker that explains itself is asked for by one
 * that knows the beacon's path alone. */
static const struct asset *module_of(const struct endpoints *e, struct str path)
{
    struct str beacon = str_of(e->o.conf->beacon_path);
    if (str_starts(path, beacon) && str_eq(str_from(path, beacon.n), STR(".js")))
        return asset_module(STR("debug.js"));
    struct str folder = folder_of(e->o.conf->script_path);
    return str_starts(path, folder) ? asset_module(str_from(path, folder.n)) : NULL;
}

static void get_module(struct endpoints *e, const struct http_request *req, struct http_reply *out)
{
    send_asset(e, req, module_of(e, req->path), e->o.conf->script_max_age_s, out);
}

static void get_demo(struct endpoints *e, const struct http_request *req, struct http_reply *out)
{
    if (str_eq(req->path, STR("/demo"))) {
        reply(out, 301, STR("Location: /demo/\r\n" TEXT_TYPE), STR("/demo/\n"));
        return;
    }
    const struct asset *a = asset_demo(req->path);
    if (a != NULL)
        send_asset(e, req, a, 0, out);
    else
        reply(out, 404, STR(TEXT_TYPE), STR("the demo has no such page\n"));
}

static void get_health(struct endpoints *e, const struct http_request *req, struct http_reply *out)
{
    (void)req;
    if (journal_healthy(e->o.journal))
        reply(out, 200, STR(TEXT_TYPE), STR("ok\n"));
    else
        reply(out, 503, STR(TEXT_TYPE RETRY), STR("the journal cannot store\n"));
}

/* ---- the table ---- */

static void dispatch(const struct route *r, struct endpoints *e, const struct http_request *req,
                     struct http_reply *out)
{
    endpoint *f = NULL;
    switch (req->method) {
    case HTTP_GET:
    case HTTP_HEAD: f = r->get; break;
    case HTTP_POST: f = r->post; break;
    case HTTP_OPTIONS: f = r->options; break;
    case HTTP_OTHER: break;
    }
    if (f != NULL) {
        f(e, req, out);
        return;
    }
    buf_clear(&e->headers);
    buf_printf(&e->headers, "Allow: %s\r\n" TEXT_TYPE, r->allow);
    reply(out, 405, buf_str(&e->headers), STR("this path does not know the method\n"));
}

void endpoints_handle(void *arg, const struct http_request *req, struct http_reply *out)
{
    struct endpoints *e = arg;
    for (size_t i = 0; i < e->n_routes; i++) {
        const struct route *r = &e->routes[i];
        if (!(r->whole ? str_eq(req->path, r->path) : str_starts(req->path, r->path))) continue;
        dispatch(r, e, req, out);
        return;
    }
    if (module_of(e, req->path) != NULL) {
        const struct route module = {req->path, true, get_module, NULL, NULL, "GET, HEAD"};
        dispatch(&module, e, req, out);
        return;
    }
    reply(out, 404, STR(TEXT_TYPE), STR("there is nothing here\n"));
}

/* ---- begin and end ---- */

static void fill_routes(struct endpoints *e)
{
    const struct collector_conf *c = e->o.conf;
    const struct route routes[ROUTES] = {
        {str_of(c->pixel_path), true, get_pixel, NULL, preflight, "GET, HEAD, OPTIONS"},
        {str_of(c->beacon_path), true, get_pixel, post_beacon, preflight,
         "GET, HEAD, POST, OPTIONS"},
        {str_of(c->script_path), true, get_script, NULL, NULL, "GET, HEAD"},
        {STR("/healthz"), true, get_health, NULL, NULL, "GET, HEAD"},
        {STR("/demo"), false, get_demo, NULL, NULL, "GET, HEAD"},
    };
    memcpy(e->routes, routes, sizeof routes);
    e->n_routes = c->demo ? ROUTES : ROUTES - 1;
}

struct endpoints *endpoints_new(const struct endpoints_opts *opts)
{
    struct endpoints *e = calloc(1, sizeof *e);
    if (e == NULL) return NULL;
    e->o = *opts;
    fill_routes(e);
    int64_t head = opts->conf->http.head_max_bytes, body = opts->conf->http.body_max_bytes;
    e->scratch_bytes = (size_t)(head > body ? head : body);
    e->scratch = malloc(e->scratch_bytes);
    buf_init(&e->encoded, HIT_MAX_BYTES);
    buf_init(&e->headers, HEADERS_MAX_BYTES);
    buf_init(&e->retry, HEADERS_MAX_BYTES);
    buf_init(&e->body, REPLY_MAX_BYTES);
    if (e->scratch != NULL) return e;
    endpoints_free(e);
    return NULL;
}

void endpoints_free(struct endpoints *e)
{
    if (e == NULL) return;
    buf_fini(&e->encoded);
    buf_fini(&e->headers);
    buf_fini(&e->retry);
    buf_fini(&e->body);
    free(e->scratch);
    free(e);
}
