/*
 * One recipe for every hit, whether a pixel, a beacon or JSON brought it: the first doubt that
 * holds is its verdict. What comes first matters: nothing of an opted-out hit is looked at, and a
 * hit that no site owns is not worth a look either.
 *
 * Here the address and the user agent end: they become a country, three classes, the name of a bot
 * rule, and a visitor id that is a keyed hash. What is kept as text (page, target, event name,
 * source, campaign) has been masked. No allocation, one hash look-up for a known agent.
 *
 * Bots are named by the first of these that holds, and counted:
 *   no-signals  a script sent it, yet neither a user agent nor Accept-Language came along
 *   NAME        a pattern of the agent list
 *   webdriver   the browser itself says that it is driven by a program
 */
#include "ingest.h"

#include <stdlib.h>

#include "about.h"
#include "channel.h"
#include "click.h"
#include "clock.h"
#include "hash.h"
#include "identity.h"
#include "keys.h"
#include "link.h"
#include "lists.h"
#include "mask.h"
#include "meta.h"
#include "money.h"
#include "number.h"
#include "page.h"
#include "property.h"
#include "salt.h"
#include "search_term.h"
#include "url.h"
#include "utf8.h"
#include "visitor.h"

enum {
    AGE_MAX_MS = 72 * 60 * 60 * 1000,
    DROPPED_MAX = 1000 * 1000,
    STATUS_MIN = 100,
    STATUS_MAX = 599,
    LOG_URL_BYTES = URL_TEXT_MAX_BYTES + URL_HOST_MAX_BYTES + 16,
};

struct ingest {
    const struct lists *lists;
    struct salts *salts;
    const struct sites *sites;
    struct agent_cache *agents;
    struct page page, target; /* what the last hit borrows, with what follows */
    struct arrival arrival;
    enum identity identity; /* of the last hit, as is what follows */
    enum cookie_change cookie;
    int64_t created_s; /* of the id that it is set to */
    uint32_t dropped;
    char name[HIT_NAME_MAX_BYTES + MASK_GROWTH_BYTES];
    char list[HIT_LIST_MAX_BYTES];
    struct meta_room meta;
    struct property_room properties;
    struct search_room search;
    locale_t letters;
};

struct ingest *ingest_new(const struct lists *lists, struct salts *salts)
{
    struct ingest *in = calloc(1, sizeof *in);

    if (in == NULL) return NULL;
    in->lists = lists;
    in->salts = salts;
    in->letters = search_letters();
    in->agents = agent_cache_new(lists->agents);
    if (in->agents != NULL) return in;
    ingest_free(in);
    return NULL;
}

void ingest_free(struct ingest *in)
{
    if (in == NULL) return;
    agent_cache_free(in->agents);
    if (in->letters != (locale_t)0) freelocale(in->letters);
    free(in);
}

void ingest_set_sites(struct ingest *in, const struct sites *sites)
{
    in->sites = sites;
}

enum identity ingest_identity(const struct ingest *in)
{
    return in->identity;
}

enum cookie_change ingest_cookie(const struct ingest *in, int64_t *created_s)
{
    *created_s = in->created_s;
    return in->cookie;
}

uint32_t ingest_dropped(const struct ingest *in)
{
    return in->dropped;
}

/* A hit on its way through the checks. */
struct work {
    const struct visit *visit;
    const struct fields *f;
    const struct site *site;
    struct hit *hit;
    const char **field;
    struct url url;
    int64_t begun_ms; /* before it was sent */
    bool consent, fresh, webdriver;
};

static enum verdict blame(struct work *w, const char *field, enum verdict v)
{
    *w->field = field;
    return v;
}

/* A clock that was set back tells of what has not happened yet: that is now. */
static bool take_age(struct str s, int64_t *out)
{
    bool ahead = s.n > 1 && s.p[0] == '-';

    if (!ahead) return number_take(s, 0, AGE_MAX_MS, out);
    *out = 0;
    return number_take(str_from(s, 1), 0, INT64_MAX, &(int64_t){0});
}

/* The Origin header, else the origin of the referring page. A request that names neither may come
 * from any page: privacy settings and Referrer-Policy take both away, and leave "null". */
static bool origin_allowed(const struct site *site, const struct visit *visit)
{
    struct url from;

    if (site->origins == NULL || site->origins[0] == NULL) return true;
    if (visit->origin.n > 0 && !str_eq(visit->origin, STR("null")))
        return site_allows(site, visit->origin);
    if (!url_split(visit->referer, &from)) return true;

    char text[URL_ORIGIN_MAX_BYTES];
    return site_allows(site, url_origin(&from, text));
}

static bool acts(enum hit_kind k)
{
    return k != HIT_PAGEVIEW && k != HIT_PULSE && k != HIT_SEEN && k != HIT_LINKS &&
           k != HIT_META && k != HIT_IDENTIFY;
}

static enum verdict check_kind(struct work *w)
{
    static const struct {
        struct str text;
        enum hit_kind kind;
    } kinds[] = {
        {{"pv", 2}, HIT_PAGEVIEW}, {{"pu", 2}, HIT_PULSE},    {{"ol", 2}, HIT_OUTBOUND},
        {{"dl", 2}, HIT_DOWNLOAD}, {{"ev", 2}, HIT_EVENT},    {{"sn", 2}, HIT_SEEN},
        {{"ln", 2}, HIT_LINKS},    {{"mt", 2}, HIT_META},     {{"ck", 2}, HIT_CLICK},
        {{"ct", 2}, HIT_CONTROL},  {{"pc", 2}, HIT_PURCHASE}, {{"id", 2}, HIT_IDENTIFY},
    };

    if (w->f->kind.n == 0) {
        w->hit->kind = HIT_PAGEVIEW;
        return V_COUNTED;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (str_eq(kinds[i].text, w->f->kind) ||
            str_eq(str_of(hit_kind_name(kinds[i].kind)), w->f->kind))
            w->hit->kind = kinds[i].kind;
    }
    if (w->hit->kind == 0) return blame(w, "k", V_BAD_KIND);
    if (acts(w->hit->kind)) w->hit->flags |= HIT_INTERACTION;
    return V_COUNTED;
}

/* A moment of the browser's clock, as an age: what the clock was at sending tells how far it is
 * off.
 */
static bool take_moment(const struct work *w, struct str s, int64_t *age)
{
    int64_t at;

    if (w->visit->sent_ms == 0 || s.n == 0) return true;
    if (!number_parse(s, &at)) return false;
    *age = w->visit->sent_ms > at ? w->visit->sent_ms - at : 0;
    return true;
}

/* What is older is late already here: the fold's clock goes by the hits of a partition, and where
 * these are few it would not notice. A pageview may be older, but no day that has closed is opened
 * for it. */
static enum verdict check_times(struct work *w)
{
    int64_t age = 0, day_age;

    if (!take_age(w->f->age, &age)) return blame(w, "a", V_BAD_NUMBER);
    if (!take_moment(w, w->f->moment, &age)) return blame(w, "A", V_BAD_NUMBER);
    if (age > AGE_MAX_MS) return blame(w, "A", V_LATE);
    w->begun_ms = age;
    if (!take_age(w->f->begun, &w->begun_ms)) return blame(w, "b", V_BAD_NUMBER);
    if (!take_moment(w, w->f->began, &w->begun_ms)) return blame(w, "B", V_BAD_NUMBER);
    if (w->begun_ms < age) w->begun_ms = age;
    day_age = w->begun_ms < AGE_MAX_MS ? w->begun_ms : AGE_MAX_MS;
    w->hit->at_ms = w->visit->now_ms - age;
    w->hit->day = zone_day(w->site->zone, w->visit->now_ms - day_age);
    return V_COUNTED;
}

static enum verdict check_numbers(struct work *w)
{
    const struct fields *f = w->f;
    int64_t number = 0, engaged = 0, depth = 0, status = 0, errors = 0;
    bool goal, more, passive;

    if (f->pageview.n > 0 && !id_parse(f->pageview, &w->hit->pageview))
        return blame(w, "p", V_BAD_NUMBER);
    if (!number_take(f->number, 0, INT64_MAX, &number)) return blame(w, "n", V_BAD_NUMBER);
    if (number >= PAGEVIEW_MAX_HITS) return blame(w, "n", V_TOO_MANY);
    if (!number_take(f->engaged, 0, INT64_MAX, &engaged)) return blame(w, "e", V_BAD_NUMBER);
    if (!number_take(f->depth, 0, INT64_MAX, &depth)) return blame(w, "d", V_BAD_NUMBER);
    if (!number_take(f->errors, 0, INT64_MAX, &errors)) return blame(w, "E", V_BAD_NUMBER);
    if (!number_take(f->status, STATUS_MIN, STATUS_MAX, &status))
        return blame(w, "x", V_BAD_NUMBER);
    if (!number_flag(f->webdriver, &w->webdriver)) return blame(w, "w", V_BAD_NUMBER);
    if (!number_flag(f->consent, &w->consent)) return blame(w, "c", V_BAD_NUMBER);
    if (!number_flag(f->goal, &goal)) return blame(w, "g", V_BAD_NUMBER);
    if (!number_flag(f->more, &more)) return blame(w, "z", V_BAD_NUMBER);
    if (!number_flag(f->passive, &passive)) return blame(w, "q", V_BAD_NUMBER);
    if (more && w->hit->kind == HIT_LINKS) w->hit->flags |= HIT_MORE;
    if (goal && w->hit->kind == HIT_EVENT) w->hit->flags |= HIT_GOAL;
    if (passive && w->hit->kind == HIT_EVENT) w->hit->flags &= ~(uint32_t)HIT_INTERACTION;
    w->hit->number = (uint32_t)number;
    if (w->hit->kind == HIT_IDENTIFY) return check_times(w);
    w->hit->engaged_ms = (uint32_t)(engaged < ENGAGED_MAX_MS ? engaged : ENGAGED_MAX_MS);
    w->hit->depth = (uint32_t)(depth < DEPTH_MAX ? depth : DEPTH_MAX);
    w->hit->errors = (uint32_t)(errors < ERRORS_MAX ? errors : ERRORS_MAX);
    w->hit->status = (uint32_t)status;
    return check_times(w);
}

static enum verdict check_text(struct work *w, struct str text, size_t max, const char *field)
{
    if (text.n > max) return blame(w, field, V_TOO_LONG);
    return utf8_is_text(text) ? V_COUNTED : blame(w, field, V_BAD_UTF8);
}

static enum verdict check_texts(struct work *w, struct str url)
{
    enum verdict v = check_text(w, url, URL_TEXT_MAX_BYTES, "u");

    if (v == V_COUNTED) v = check_text(w, w->f->referrer, URL_TEXT_MAX_BYTES, "r");
    if (v == V_COUNTED) v = check_text(w, w->f->target, URL_TEXT_MAX_BYTES, "t");
    return v;
}

static enum verdict check_page(struct work *w, struct ingest *in, struct str url)
{
    if (!url_split(url, &w->url)) return blame(w, "u", V_BAD_PAGE);
    enum verdict v = page_write(&w->url, w->site, &in->page);
    if (v != V_COUNTED) return blame(w, "u", v);
    w->hit->page = page_str(&in->page);
    return V_COUNTED;
}

static struct link_base base_of(const struct work *w)
{
    return (struct link_base){&w->url, w->site};
}

static enum verdict check_links(struct work *w, struct ingest *in)
{
    const struct field_list *links = &w->f->links;
    bool seen = w->hit->kind == HIT_SEEN;
    struct link_base base = base_of(w);
    struct link_list list = {.room = in->list, .controls = seen};

    if (!seen && w->hit->kind != HIT_LINKS) return V_COUNTED;
    if (links->n == 0 && seen) return blame(w, "l", V_BAD_QUERY);
    enum verdict v = link_list(&base, links, &list);
    if (v != V_COUNTED) return blame(w, "l", v);
    if (list.more && !seen) w->hit->flags |= HIT_MORE;
    w->hit->list = list.packed;
    return V_COUNTED;
}

static enum verdict check_about(struct work *w, struct ingest *in)
{
    struct about about;
    struct link_base base = base_of(w);
    struct buf packed = {in->list, 0, sizeof in->list, sizeof in->list, false};

    if (w->hit->kind != HIT_META) return V_COUNTED;
    enum verdict v = meta_read(w->f, &in->meta, &about, w->field);
    if (v != V_COUNTED) return v;
    if (w->f->target.n > 0 && link_page(&base, w->f->target, &in->target) == V_COUNTED)
        about.canonical = page_str(&in->target);
    if (!about_pack(&about, &packed)) return blame(w, "y", V_TOO_LONG);
    w->hit->list = buf_str(&packed);
    return V_COUNTED;
}

static enum verdict check_money(struct work *w, struct ingest *in)
{
    struct str currency = w->f->currency;
    int64_t minor;
    enum verdict v;

    if (w->hit->kind != HIT_PURCHASE || w->hit->list.n > 0) return V_COUNTED; /* an event's */
    if (!money_is_currency(currency)) return blame(w, "C", V_BAD_QUERY);
    if (!number_parse(w->f->value, &minor) || minor > HIT_MONEY_MAX)
        return blame(w, "V", V_BAD_NUMBER);
    v = check_text(w, w->f->order, HIT_ORDER_MAX_BYTES, "O");
    if (v != V_COUNTED) return v;
    uint64_t order = hit_order_hash(w->f->order);
    w->hit->list = (struct str){in->list, hit_put_money(in->list, currency, minor, order)};
    return V_COUNTED;
}

/* No page: a control, named by its scheme, or by what was done with it. */
static enum verdict take_control(struct work *w, struct ingest *in, struct str scheme)
{
    bool file = w->hit->kind == HIT_DOWNLOAD;

    w->hit->kind = HIT_CONTROL;
    for (size_t i = 0; i < scheme.n; i++)
        in->name[i] = str_lower_char(scheme.p[i]);
    w->hit->name = file ? STR("download") : (struct str){in->name, scheme.n};
    return V_COUNTED;
}

/* What a click went to, and so its kind, unless that is told. What is of the site is named like a
 * page of it. */
static enum verdict check_target(struct work *w, struct ingest *in)
{
    char text[LINK_MAX_BYTES];
    struct link_base base = base_of(w);
    struct url url;

    enum hit_kind kind = w->hit->kind;
    if (kind != HIT_OUTBOUND && kind != HIT_DOWNLOAD && kind != HIT_CLICK) return V_COUNTED;
    if (w->f->target.n == 0) return blame(w, "t", V_BAD_QUERY);
    struct str scheme = click_scheme(w->f->target);
    if (scheme.n > 0 && kind != HIT_OUTBOUND) return take_control(w, in, scheme);
    if (!link_url(&base, w->f->target, text, &url)) return blame(w, "t", V_BAD_PAGE);

    bool own = link_is_own(&base, &url);
    if (kind == HIT_CLICK && click_is_file(url.path))
        w->hit->kind = HIT_DOWNLOAD;
    else if (kind == HIT_CLICK && !own)
        w->hit->kind = HIT_OUTBOUND;
    enum verdict v = page_write(&url, own ? w->site : NULL, &in->target);
    if (v != V_COUNTED) return blame(w, "t", v);
    w->hit->target = page_str(&in->target);
    return V_COUNTED;
}

static enum verdict check_name(struct work *w, struct ingest *in)
{
    size_t n;

    if (w->hit->kind == HIT_EVENT)
        return property_read(w->f, &in->properties, in->list, w->hit, w->field);
    if (w->hit->name.n > 0) return V_COUNTED; /* a click's */
    enum verdict v = check_text(w, w->f->name, HIT_NAME_MAX_BYTES, "m");
    if (v != V_COUNTED || w->hit->kind != HIT_CONTROL) return v;
    w->hit->name = w->f->name.n > 0 ? w->f->name : STR("(unnamed)");
    if (mask_text(w->f->name, in->name, &n)) w->hit->name = (struct str){in->name, n};
    return V_COUNTED;
}

/* Without a salt (a clock that jumped) nobody can be recognised: each pageview is a visitor. */
static uint64_t daily_visitor(struct ingest *in, const struct work *w)
{
    const struct visit *visit = w->visit;
    const unsigned char *salt = salts_get(in->salts, w->hit->day);

    if (salt == NULL) salt = salts_get(in->salts, zone_day(w->site->zone, visit->now_ms));
    if (salt != NULL) return visitor_daily(salt, w->hit->site, visit->address, visit->agent);
    uint64_t id = hash64_of_u64(w->hit->pageview != 0 ? w->hit->pageview : (uint64_t)visit->now_ms);
    return id != 0 ? id : 1;
}

static const int64_t Y2001_MS = INT64_C(1000000000000); /* smaller ones are no ms since 1970 */

/* When the id was made, as `v` says behind it by the browser's clock; else: now. */
static int64_t created_s(const struct work *w)
{
    int64_t now_ms = w->visit->now_ms, clock_ms = w->visit->sent_ms;
    int64_t made_ms = 0;
    struct str id = w->f->visitor;

    if (!number_take(str_from(id, str_find(id, '.') + 1), 0, INT64_MAX, &made_ms) ||
        made_ms < Y2001_MS)
        return now_ms / 1000;
    if (clock_ms == 0) clock_ms = now_ms;
    return (made_ms < clock_ms ? now_ms - (clock_ms - made_ms) : now_ms) / 1000;
}

/* The id in the cookie outlives the one that a script keeps, so it counts more; but a pageview that
 * began before there was this id remains whose it was, and an id made on purpose replaces it.
 */
static uint64_t lasting_visitor(struct ingest *in, const struct work *w, uint64_t told)
{
    int64_t now_s = w->visit->now_ms / 1000, begun_s = (w->visit->now_ms - w->begun_ms) / 1000;

    if (!w->site->cookie) return told;
    struct cookie c = cookie_of(w->visit->cookie, w->hit->site, now_s);
    if (c.id != 0 && c.created_s > begun_s) return told;
    if (c.id != 0 && !w->fresh) return c.id;
    in->created_s = created_s(w);
    if (c.id != told && now_s - in->created_s < COOKIE_MAX_AGE_S) in->cookie = COOKIE_SET;
    return told;
}

/* Nobody without consent has one. A pixel that says nothing about it stands beside the tracker. */
static void drop_cookie(struct ingest *in, const struct site *site, const struct visit *visit)
{
    if (site->cookie && cookie_of(visit->cookie, str_of(site->name), 0).brought)
        in->cookie = COOKIE_GONE;
}

/* ID, or what the tracker keeps of it: ID.CREATED, or with a '-' behind the ID when it was made on
 * purpose. */
static bool take_visitor(struct work *w, uint64_t *id)
{
    struct str text = w->f->visitor;
    size_t n = 0;

    while (n < text.n && text.p[n] != '.' && text.p[n] != '-')
        n++;
    w->fresh = n < text.n && text.p[n] == '-';
    return id_parse(str_upto(text, n), id) && *id != 0;
}

static enum verdict fill_visitor(struct ingest *in, struct work *w)
{
    uint64_t id = 0;

    if (!w->consent && (w->visit->from_beacon || w->f->consent.n > 0))
        drop_cookie(in, w->site, w->visit);

    if (w->consent && w->f->visitor.n > 0) {
        if (!take_visitor(w, &id)) return blame(w, "v", V_BAD_NUMBER);
        w->hit->visitor = lasting_visitor(in, w, id);
        w->hit->visitor_kind = VISITOR_CONSENTED;
    } else {
        w->hit->visitor = daily_visitor(in, w);
        w->hit->visitor_kind = VISITOR_DAILY;
    }
    return V_COUNTED;
}

/* The id of a customer: in a body alone, since URLs end up in logs and histories. */
static enum verdict check_identity(struct ingest *in, struct work *w)
{
    const struct fields *f = w->f;
    bool only = w->hit->kind == HIT_IDENTIFY;

    if (f->customer.n == 0 && f->signature.n == 0)
        return only ? blame(w, "i", V_BAD_QUERY) : V_COUNTED;
    if (w->visit->in_url) return blame(w, "i", V_BAD_QUERY);
    bool consented = w->hit->visitor_kind == VISITOR_CONSENTED;
    in->identity = identity_of(w->site, f, consented, w->visit->now_ms);
    if (in->identity == IDENTITY_SIGNED) {
        w->hit->customer = f->customer;
        return V_COUNTED;
    }
    if (!only) return V_COUNTED;
    if (in->identity == IDENTITY_NO_CONSENT) return blame(w, w->consent ? "v" : "c", V_NO_CONSENT);
    return blame(w, "j", V_BAD_SIGNATURE);
}

static enum verdict check_dropped(struct ingest *in, struct work *w)
{
    int64_t n = 0;

    if (!number_take(w->f->dropped, 0, INT64_MAX, &n)) return blame(w, "h", V_BAD_NUMBER);
    in->dropped = (uint32_t)(n < DROPPED_MAX ? n : DROPPED_MAX);
    return V_COUNTED;
}

static void fill_agent(struct ingest *in, struct str agent, struct hit *hit)
{
    const struct agent_info *info = agent_lookup(in->agents, agent);

    hit->device = info->device;
    hit->browser = info->browser;
    hit->os = info->os;
    hit->bot = info->bot;
}

static void fill_bot(const struct work *w)
{
    const struct visit *visit = w->visit;

    if (visit->from_beacon && visit->agent.n == 0 && visit->accept_language.n == 0)
        w->hit->bot = STR("no-signals");
    if (w->hit->bot.n == 0 && w->webdriver) w->hit->bot = STR("webdriver");
}

static void fill_channel(struct ingest *in, const struct url *url, struct str referrer,
                         const struct site *site, struct hit *hit)
{
    channel_of(url, referrer, site, &in->arrival);
    hit->channel = in->arrival.channel;
    hit->source = in->arrival.source;
    hit->campaign = in->arrival.campaign;
}

/* All checks behind "is it ours, and may we look". */
static enum verdict check_hit(struct ingest *in, struct work *w)
{
    struct str url = w->f->url.n > 0 ? w->f->url : w->visit->referer;
    enum verdict v = check_kind(w);

    if (v == V_COUNTED) v = check_numbers(w);
    if (v == V_COUNTED) v = check_texts(w, url);
    if (v == V_COUNTED && w->hit->kind != HIT_IDENTIFY) v = check_page(w, in, url);
    if (v == V_COUNTED) v = check_target(w, in);
    if (v == V_COUNTED) v = check_name(w, in);
    if (v == V_COUNTED) v = check_links(w, in);
    if (v == V_COUNTED) v = check_money(w, in);
    if (v == V_COUNTED) v = check_about(w, in);
    if (v == V_COUNTED) v = fill_visitor(in, w);
    if (v == V_COUNTED) v = check_identity(in, w);
    if (v == V_COUNTED) v = check_dropped(in, w);
    return v;
}

enum verdict ingest_hit(struct ingest *in, const struct visit *visit, const struct fields *f,
                        unsigned partitions, struct hit *out, unsigned *partition,
                        const char **field)
{
    struct work w;
    bool opted_out = false;

    w.visit = visit;
    w.f = f;
    w.hit = out;
    w.field = field;
    *field = NULL;
    *out = (struct hit){.kind = 0};
    in->identity = IDENTITY_NONE;
    in->cookie = COOKIE_STAYS;
    in->dropped = 0;
    if (f->site.n == 0) return blame(&w, "s", V_BAD_QUERY);
    w.site = sites_find(in->sites, f->site);
    if (w.site == NULL) return blame(&w, "s", V_UNKNOWN_SITE);
    out->site = str_of(w.site->name);
    if (!origin_allowed(w.site, visit)) return V_BAD_ORIGIN;
    if (!visit->opted_out && !number_flag(f->optout, &opted_out))
        return blame(&w, "o", V_BAD_NUMBER);
    if (visit->opted_out || opted_out) {
        drop_cookie(in, w.site, visit);
        return V_OPTED_OUT;
    }

    enum verdict v = check_hit(in, &w);
    if (v != V_COUNTED) in->cookie = COOKIE_STAYS;
    if (v != V_COUNTED) return v;
    fill_agent(in, visit->agent, out);
    fill_bot(&w);
    geo_country(in->lists->geo, visit->address, out->country);
    if (out->kind == HIT_PAGEVIEW) {
        fill_channel(in, &w.url, f->referrer, w.site, out);
        out->name = search_term(&w.url, w.site, in->letters, &in->search);
    }
    *partition = key_partition(out->site, out->visitor, (unsigned)w.site->spread, partitions);
    return V_COUNTED;
}

/* The URL a log line stands for. A request target may be a whole URL (proxies); its scheme is not
 * in the log otherwise, and only says which port goes without saying. */
static enum verdict log_url(const struct log_hit *l, char text[LOG_URL_BYTES], struct url *out)
{
    if (l->target.n > URL_TEXT_MAX_BYTES || l->host.n > URL_HOST_MAX_BYTES) return V_TOO_LONG;
    if (!str_starts(l->target, STR("/")))
        return url_split(l->target, out) ? V_COUNTED : V_NOT_A_PAGE;

    if (l->host.n == 0) return V_BAD_PAGE;
    struct str scheme = str_ends(l->host, STR(":443")) ? STR("https://") : STR("http://");
    const struct str parts[] = {scheme, l->host, l->target};
    size_t n = 0;
    for (size_t i = 0; i < 3; i++) {
        memcpy(text + n, parts[i].p, parts[i].n);
        n += parts[i].n;
    }
    return url_split((struct str){text, n}, out) ? V_COUNTED : V_BAD_PAGE;
}

enum verdict ingest_log_hit(struct ingest *in, const struct log_hit *l, unsigned partitions,
                            struct hit *out, unsigned *partition)
{
    char text[LOG_URL_BYTES];
    struct url url;

    *out = (struct hit){.kind = HIT_PAGEVIEW, .site = str_of(l->site->name), .at_ms = l->at_ms};
    enum verdict v = log_url(l, text, &url);
    if (v == V_COUNTED) v = page_write(&url, l->site, &in->page);
    if (v != V_COUNTED) return v;

    out->page = page_str(&in->page);
    out->day = zone_day(l->site->zone, l->at_ms);
    out->status = l->status;
    out->flags = HIT_IMPORTED;
    out->visitor = visitor_import(
        l->import_key, out->site, out->day,
        l->has_address ? (struct str){(const char *)l->address, 16} : l->address_text, l->agent);
    out->visitor_kind = VISITOR_DAILY;
    fill_agent(in, l->agent, out);
    if (l->has_address) geo_country(in->lists->geo, l->address, out->country);
    fill_channel(in, &url, l->referrer, l->site, out);
    out->name = search_term(&url, l->site, in->letters, &in->search);
    *partition = key_partition(out->site, out->visitor, (unsigned)l->site->spread, partitions);
    return V_COUNTED;
}
