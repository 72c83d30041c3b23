/*
 * From arguments to an open site: find the configuration, read it, reach Redis, know the data set.
 * What needs no Redis is looked at first: a wrong name is not a Redis that is down.
 * Every step that can fail says what to do about it. Reports only read; nothing here writes to
 * Redis.
 */
#include "report.h"

#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "ask.h"
#include "clock.h"
#include "expiry.h"
#include "hit.h"
#include "keys.h"
#include "redis_place.h"
#include "text.h"

static const char collector_admin_default[] = "127.0.0.1:8090";

int report_fail(const char *format, ...)
{
    struct buf text = {0}, clean = {0};
    char raw[1024];
    va_list ap;
    va_start(ap, format);
    vsnprintf(raw, sizeof raw, format, ap);
    va_end(ap);
    buf_printf(&text, "sentier: %s", raw);
    text_add_clean(&clean, buf_str(&text));
    fprintf(stderr, "%.*s\n", STR_ARG(buf_str(&clean)));
    buf_fini(&text);
    buf_fini(&clean);
    return REPORT_FAILED;
}

/* ---- configuration ---- */

static const char *find_conf(const struct report_args *args)
{
    static const char *const places[] = {"sentier.conf", "/etc/sentier/sentier.conf"};
    const char *named = args->conf != NULL ? args->conf : getenv("SENTIER_CONF");
    if (named != NULL && named[0] != '\0') return named;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (access(places[i], R_OK) == 0) return places[i];
    }
    return NULL;
}

/* The collector's options are its own; of them only its admin address is of use here. */
static int on_key(void *arg, const char *section, const char *name, const char *value)
{
    struct report *r = arg;
    if (strcmp(section, "collector") == 0 && strcmp(name, "admin") == 0) {
        free(r->collector_admin);
        r->collector_admin = strdup(value);
    }
    return 1;
}

int report_load(struct report *r)
{
    const struct conf_section sections[] = {{"redis", redis_options, &r->redis_conf},
                                            {"aggregator", aggregator_options, &r->aggregator_conf},
                                            {"collector", NULL, NULL},
                                            {0}};
    struct buf err = {0};
    int result = REPORT_OK;
    r->conf_file = find_conf(&r->args);
    if (conf_load(r->conf_file, sections, &r->sites, &err) < 0) {
        result = report_fail("%.*s", STR_ARG(buf_str(&err)));
        goto out;
    }
    if (r->conf_file != NULL) ini_parse(r->conf_file, on_key, r);
    if (r->collector_admin == NULL) r->collector_admin = strdup(collector_admin_default);
    if (r->args.redis != NULL) {
        free(r->redis_conf.redis);
        r->redis_conf.redis = strdup(r->args.redis);
        struct redis_place place;
        if (!redis_place_parse(r->args.redis, &place, &err)) {
            result = report_fail("--redis: %.*s", STR_ARG(buf_str(&err)));
            goto out;
        }
    }
    if (r->collector_admin == NULL || r->redis_conf.redis == NULL)
        result = report_fail("out of memory");
out:
    buf_fini(&err);
    return result;
}

/* ---- Redis ---- */

static int read_dataset(struct report *r, struct buf *err)
{
    struct key key = key_dataset();
    redisReply *reply =
        ask(r->redis, err, ARGV(STR("HMGET"), key_str(&key), STR("partitions"), STR("format")));
    if (reply == NULL) return report_fail("%.*s", STR_ARG(buf_str(err)));
    int64_t partitions = ask_number(reply, 0), format = ask_number(reply, 1);
    bool none = ask_text(reply, 0).n == 0;
    freeReplyObject(reply);
    if (none)
        return report_fail("Redis at %s holds no data of Sentier yet; start the collector first "
                           "(sentier up), or name another Redis with --redis",
                           r->redis_conf.redis);
    if (format != 1 || partitions < 1 || partitions > PARTITIONS_MAX)
        return report_fail("the data set in Redis has format %lld; this program reads format 1",
                           (long long)format);
    r->partitions = (unsigned)partitions;
    return REPORT_OK;
}

int report_connect(struct report *r)
{
    struct buf err = {0};
    int result;
    r->redis = redis_now_open(&r->redis_conf, &err);
    if (r->redis == NULL) {
        result = report_fail("%.*s; is it running? (--redis ADDRESS names another one)",
                             STR_ARG(buf_str(&err)));
    } else {
        result = read_dataset(r, &err);
    }
    buf_fini(&err);
    return result;
}

/* ---- the site ---- */

static int unknown_site(const struct report *r)
{
    struct buf names = {0};
    size_t n = sites_count(r->sites), shown = n < 10 ? n : 10;
    for (size_t i = 0; i < shown; i++)
        buf_printf(&names, "%s%s", i == 0 ? "" : ", ", sites_at(r->sites, i)->name);
    if (shown < n) buf_printf(&names, ", and %zu more", n - shown);
    if (n == 0) buf_printf(&names, "none");
    report_fail("no site '%s' in %s; it has: %.*s", r->args.site, r->conf_file,
                STR_ARG(buf_str(&names)));
    buf_fini(&names);
    return REPORT_FAILED;
}

/* Without a configuration a site is still its name; only its dates are a guess, and it may lie in
 * any partition. */
static int guess_site(struct report *r)
{
    if (r->args.redis == NULL)
        return report_fail("no configuration found: name it with --conf FILE or $SENTIER_CONF");
    r->utc = zone_new("UTC");
    if (r->utc == NULL) return report_fail("out of memory");
    r->zone = r->utc;
    r->time_zone = "UTC";
    r->source.spread = PARTITIONS_MAX;
    return REPORT_OK;
}

static int find_site(struct report *r)
{
    struct str name = str_of(r->args.site);
    if (name.n == 0 || name.n > HIT_SITE_MAX_BYTES) return report_fail("--site: no such name");
    r->source.site = name;
    r->source.persons_kept_ms = expiry_of_months(r->aggregator_conf.profiles_kept);
    if (r->conf_file == NULL) return guess_site(r);
    const struct site *site = sites_find(r->sites, name);
    if (site == NULL) return unknown_site(r);
    r->zone = site->zone;
    r->time_zone = site->time_zone;
    r->topics = site->topics;
    r->source.spread = (unsigned)site->spread;
    return REPORT_OK;
}

int report_open(struct report *r)
{
    if (r->args.site == NULL) return report_fail("which site? Add --site NAME");
    if (report_load(r) != 0 || find_site(r) != 0 || report_connect(r) != 0) return REPORT_FAILED;
    r->source.redis = r->redis;
    r->source.partitions = r->partitions;
    return REPORT_OK;
}

int report_newest(struct report *r, struct report_newest *out)
{
    struct range_extent extent;
    struct buf err = {0};
    int result = REPORT_OK;
    if (range_read_extent(&r->source, &extent, &err) < 0)
        result = report_fail("%.*s", STR_ARG(buf_str(&err)));
    else
        *out = (struct report_newest){extent.live_ms, range_end(&extent, r->zone, 0)};
    buf_fini(&err);
    return result;
}

struct site_view report_view(const struct report *r)
{
    return (struct site_view){
        .source = r->source, .zone = r->zone, .time_zone = r->time_zone, .rules = r->topics};
}

void report_close(struct report *r)
{
    redis_now_close(r->redis);
    conf_free_section(&(struct conf_section){"redis", redis_options, &r->redis_conf});
    conf_free_section(
        &(struct conf_section){"aggregator", aggregator_options, &r->aggregator_conf});
    sites_free(r->sites);
    zone_free(r->utc);
    free(r->collector_admin);
    buf_fini(&r->out);
}

/* ---- printing ---- */

size_t report_limit(const struct report *r, size_t otherwise)
{
    return r->args.limit < 0 ? otherwise : (size_t)r->args.limit;
}

int report_print_json(struct report *r, json_t *document)
{
    /* A terminal is shown no character that could steer it; a pipe gets plain UTF-8. */
    size_t flags =
        JSON_INDENT(2) | JSON_REAL_PRECISION(12) | (isatty(STDOUT_FILENO) ? JSON_ENSURE_ASCII : 0);
    char *text = document == NULL ? NULL : json_dumps(document, flags);
    json_decref(document);
    bool ok = text != NULL && buf_add(&r->out, str_of(text)) && buf_add_char(&r->out, '\n');
    free(text);
    return ok ? REPORT_OK : report_fail("out of memory");
}

void report_moment(const struct report *r, int64_t at_ms, char out[REPORT_MOMENT_BYTES])
{
    char date[DATE_TEXT_BYTES];
    int64_t local_s = at_ms / 1000 + (r->zone == NULL ? 0 : zone_offset_s(r->zone, at_ms));
    if (local_s < 0) local_s = 0;
    date_format((uint32_t)(local_s / 86400), date);
    snprintf(out, REPORT_MOMENT_BYTES, "%.10s %02d:%02d", date, (int)(local_s % 86400 / 3600),
             (int)(local_s % 3600 / 60));
}
