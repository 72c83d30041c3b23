/*
 * sentier.conf through option tables. libinih splits the lines; everything that has a meaning is a
 * row of a table: how a value is read, what it is without the file, its range, and its help. The
 * first fault ends the reading, with file, line, key, and what would be right.
 */
#include "conf.h"

#include <assert.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <strings.h>

#include "hit.h"
#include "idn.h"
#include "keys.h"
#include "redis_place.h"
#include "topic_rule.h"

enum {
    FILE_MAX_BYTES = 16 * 1024 * 1024,
    LINE_MAX_BYTES = 198, /* libinih's buffer; a longer value goes on in an indented line */
};

#define R(field) offsetof(struct redis_conf, field)
const struct conf_opt redis_options[] = {
    {"redis", CONF_REDIS, R(redis), "unix:/var/lib/sentier/redis.sock", 0, 0,
     "where Redis is: one, the master that sentinels name, or the first nodes of a cluster to ask"},
    {"user", CONF_STR, R(user), "", 0, 255, "user name for AUTH; empty: the default user"},
    {"password_file", CONF_STR, R(password_file), "", 0, 255,
     "file whose first line is the password; empty: no AUTH"},
    {"sentinel_user", CONF_STR, R(sentinel_user), "", 0, 255,
     "user name for AUTH at the sentinels; empty: the default user"},
    {"sentinel_password_file", CONF_STR, R(sentinel_password_file), "", 0, 255,
     "file whose first line is the sentinels' password; empty: no AUTH there"},
    {"partitions", CONF_INT, R(partitions), "64", 1, PARTITIONS_MAX,
     "partitions of the data set; fixed when it is born"},
    {0},
};
#undef R

#define S(field) offsetof(struct site, field)
const struct conf_opt site_options[] = {
    {"origins", CONF_ORIGINS, S(origins), "", 0, SITE_ORIGINS_MAX,
     "origins that may send hits, as https://shop.example or https://*.shop.example; empty: any"},
    {"time_zone", CONF_ZONE, S(time_zone), "UTC", 0, 0, "IANA time zone of the site's days"},
    {"sitemap", CONF_STR, S(sitemap), "", 0, 2048, "URL or file of the sitemap; empty: none"},
    {"keep_params", CONF_LIST, S(keep_params), "", 0, SITE_PARAMS_MAX,
     "query parameters that are part of a page; all others are dropped"},
    {"search_params", CONF_LIST, S(search_params), "", 0, SITE_PARAMS_MAX,
     "query parameters that hold what was searched for on the site, as q; the first one counts"},
    {"topics", CONF_TOPICS, S(topics), "", 0, TOPIC_RULES_MAX,
     "what pages are about: a rule a line, as /boots/* boots, 40:outdoor"},
    {"hash_routing", CONF_BOOL, S(hash_routing), "no", 0, 0,
     "the part after # is part of a page (single-page sites)"},
    {"cookie", CONF_BOOL, S(cookie), "no", 0, 0,
     "keep the id of a visitor who consents in a cookie of the collector, too"},
    {"secret", CONF_STR, S(secret), "", 0, 255, "key that signs customer ids; empty: no customers"},
    {"secret_before", CONF_STR, S(secret_before), "", 0, 255,
     "the key before this one, whose signatures still stand; empty: none"},
    {"spread", CONF_INT, S(spread), "1", 1, PARTITIONS_MAX,
     "partitions the site is spread over; more for giants"},
    {0},
};
#undef S

/* ---- one value ---- */

static void *field_of(const struct conf_opt *o, void *target)
{
    return (char *)target + o->offset;
}

static bool is_list(const struct conf_opt *o)
{
    return o->type == CONF_LIST || o->type == CONF_ORIGINS || o->type == CONF_TOPICS;
}

static void free_value(const struct conf_opt *o, void *target)
{
    if (o->type == CONF_STR || o->type == CONF_ZONE || o->type == CONF_REDIS) {
        free(*(char **)field_of(o, target));
        *(char **)field_of(o, target) = NULL;
    } else if (is_list(o)) {
        site_free_list(*(char ***)field_of(o, target));
        *(char ***)field_of(o, target) = NULL;
    }
}

static bool read_int(const char *text, int64_t *out, bool sizes)
{
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (end == text || errno != 0) return false;
    if (sizes && *end != '\0') {
        static const char units[] = "kMGT";
        const char *unit = strchr(units, *end == 'K' ? 'k' : *end);
        if (unit == NULL || end[1] != '\0') return false;
        for (const char *u = units; u <= unit; u++) {
            if (__builtin_mul_overflow(v, 1024LL, &v)) return false;
        }
    } else if (*end != '\0') {
        return false;
    }
    *out = v;
    return true;
}

static bool read_bool(const char *text, bool *out)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *out = i % 2 == 1;
            return true;
        }
    }
    return false;
}

/* False: *list holds max items already, or no memory. */
static bool append(struct str item, char ***list, int64_t max)
{
    size_t n = 0;
    while (*list != NULL && (*list)[n] != NULL)
        n++;
    char **bigger = (int64_t)n >= max ? NULL : realloc(*list, (n + 2) * sizeof **list);
    if (bigger == NULL) return false;
    *list = bigger;
    bigger[n] = strndup(item.p, item.n);
    bigger[n + 1] = NULL;
    return bigger[n] != NULL;
}

/* Appends the items of text to *list; false: more than max, or no memory. */
static bool read_list(const char *text, char ***list, int64_t max)
{
    for (;;) {
        text += strspn(text, ", \t\r\n");
        struct str item = {text, strcspn(text, ", \t\r\n")};
        if (item.n == 0) return true;
        if (!append(item, list, max)) return false;
        text += item.n;
    }
}

/* scheme://host[:port] */
static bool is_origin(struct str origin)
{
    struct str https = STR("https://"), http = STR("http://");
    struct str host = str_from(origin, str_starts(origin, https) ? https.n : http.n);
    return (str_starts(origin, https) || str_starts(origin, http)) && host.n > 0 &&
           str_find(host, '/') == host.n;
}

/* Browsers tell their origin in punycode; people write it as it reads. */
static bool make_ascii(char **origin)
{
    struct str all = str_of(*origin);
    if (idn_is_ascii(all)) return true;
    size_t begin = str_find(all, ':') + 3;
    if (str_starts(str_from(all, begin), STR("*."))) begin += 2;
    struct str host = str_from(all, begin), port = str_from(host, str_find(host, ':'));
    char ascii[IDN_HOST_MAX_BYTES + 1];
    size_t n;
    if (!idn_to_ascii(str_upto(host, host.n - port.n), ascii, &n)) return false;
    char *made = malloc(begin + n + port.n + 1);
    if (made == NULL) return false;
    memcpy(made, all.p, begin);
    memcpy(made + begin, ascii, n);
    memcpy(made + begin + n, port.p, port.n);
    made[begin + n + port.n] = '\0';
    free(*origin);
    *origin = made;
    return true;
}

static bool read_origins(const char *text, char ***list, int64_t max)
{
    if (!read_list(text, list, max)) return false;
    for (char **o = *list; o != NULL && *o != NULL; o++) {
        if (!is_origin(str_of(*o)) || !make_ascii(o)) return false;
    }
    return true;
}

/* Appends one rule to *list; nothing is none. */
static bool read_topics(const char *text, char ***list, int64_t max)
{
    struct topic_rule rule;
    return text[0] == '\0' ||
           (topic_rule_parse(str_of(text), &rule) && append(str_of(text), list, max));
}

static bool read_text(const char *text, char **out)
{
    free(*out);
    *out = strdup(text);
    return *out != NULL;
}

static bool is_place(const char *text)
{
    struct redis_place place;
    struct buf fault = {0};
    bool ok = redis_place_parse(text, &place, &fault);
    buf_fini(&fault);
    return ok;
}

/* 65536 -> 64k: as people write it. */
static void describe_size(int64_t n, struct buf *out)
{
    static const char units[] = "\0kMGT";
    int unit = 0;
    while (n != 0 && n % 1024 == 0 && unit < 4) {
        n /= 1024;
        unit++;
    }
    buf_printf(out, "%lld%.1s", (long long)n, units + unit);
}

/* What would be right, for the message. */
static void describe(const struct conf_opt *o, struct buf *out)
{
    switch (o->type) {
    case CONF_INT:
        buf_printf(out, "a whole number from %lld to %lld", (long long)o->min, (long long)o->max);
        break;
    case CONF_SIZE:
        buf_printf(out, "bytes from ");
        describe_size(o->min, out);
        buf_printf(out, " to ");
        describe_size(o->max, out);
        buf_printf(out, ", as 65536, 64k, 16M or 2G");
        break;
    case CONF_BOOL: buf_printf(out, "yes or no"); break;
    case CONF_LIST:
        buf_printf(out, "at most %lld items, separated by commas or blanks", (long long)o->max);
        break;
    case CONF_ORIGINS:
        buf_printf(out, "at most %lld of scheme://host[:port], separated by commas or blanks",
                   (long long)o->max);
        break;
    case CONF_TOPICS:
        buf_printf(out, "at most %lld lines of PATTERN TOPIC, WEIGHT:TOPIC, ...; weights 1 to %d",
                   (long long)o->max, ABOUT_WEIGHT_MAX);
        break;
    case CONF_ZONE: buf_printf(out, "an IANA time zone as Europe/Paris or UTC"); break;
    case CONF_REDIS:
        buf_printf(out, "unix:/path, host:port, sentinel://name@host:port,host:port,... or "
                        "cluster://host:port,host:port,...");
        break;
    case CONF_STR:
        if (o->min > 0) buf_printf(out, "text of %lld to ", (long long)o->min);
        buf_printf(out, o->min > 0 ? "%lld bytes" : "text of at most %lld bytes",
                   (long long)o->max);
        break;
    }
}

/* What is wrong with this value, or what would be right. */
static void describe_fault(const struct conf_opt *o, const char *value, struct buf *out)
{
    struct redis_place place;
    if (o->type == CONF_REDIS && !redis_place_parse(value, &place, out)) return;
    buf_printf(out, "must be ");
    describe(o, out);
}

static bool set_value(const struct conf_opt *o, void *target, const char *text)
{
    void *field = field_of(o, target);
    int64_t n = (int64_t)strlen(text);
    switch (o->type) {
    case CONF_INT:
    case CONF_SIZE: {
        int64_t v;
        if (!read_int(text, &v, o->type == CONF_SIZE) || v < o->min || v > o->max) return false;
        *(int64_t *)field = v;
        return true;
    }
    case CONF_BOOL: return read_bool(text, field);
    case CONF_LIST: return read_list(text, field, o->max);
    case CONF_ORIGINS: return read_origins(text, field, o->max);
    case CONF_TOPICS: return read_topics(text, field, o->max);
    case CONF_ZONE: return zone_exists(text) && read_text(text, field);
    case CONF_REDIS: return is_place(text) && read_text(text, field);
    case CONF_STR:
        if (o->max > 0 && (n < o->min || n > o->max)) return false;
        return read_text(text, field);
    }
    return false;
}

static void set_defaults(const struct conf_opt *opts, void *target)
{
    for (const struct conf_opt *o = opts; o->name != NULL; o++) {
        bool ok = set_value(o, target, o->def);
        assert(ok); /* a default outside its own range */
    }
}

static const struct conf_opt *find_opt(const struct conf_opt *opts, const char *name)
{
    for (const struct conf_opt *o = opts; o->name != NULL; o++) {
        if (strcmp(o->name, name) == 0) return o;
    }
    return NULL;
}

static bool has_more(const struct conf_opt *opts)
{
    while (opts->name != NULL)
        opts++;
    return opts->def != NULL;
}

/* ---- the file ---- */

struct loading {
    const struct conf_section *sections;
    struct sites *sites;
    struct site *site; /* the [site] section being read */
    char section[128]; /* its header, to see where the next begins */
    uint64_t given[2]; /* bit per option of the section: seen already */
    struct buf *err;
    bool failed;
};

static bool fail(struct loading *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool fail(struct loading *l, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (!l->failed) buf_add(l->err, str_of(text));
    l->failed = true;
    return false;
}

static bool fail_value(struct loading *l, const struct conf_opt *o, const char *value)
{
    struct buf right;
    buf_init(&right, 0);
    describe_fault(o, value, &right);
    fail(l, "%s = %.80s: %.*s", o->name, value, STR_ARG(buf_str(&right)));
    buf_fini(&right);
    return false;
}

static bool set_in(struct loading *l, const struct conf_opt *opts, void *target, const char *name,
                   const char *value)
{
    const struct conf_opt *o = find_opt(opts, name);
    if (o == NULL) {
        struct buf known;
        buf_init(&known, 0);
        for (o = opts; o->name != NULL; o++)
            buf_printf(&known, "%s%s", o == opts ? "" : ", ", o->name);
        fail(l, "unknown key '%.60s'; [%s] knows: %.*s", name, l->section,
             STR_ARG(buf_str(&known)));
        buf_fini(&known);
        return false;
    }
    size_t bit = (size_t)(o - opts);
    assert(bit < 128);
    bool seen = l->given[bit / 64] >> (bit % 64) & 1;
    l->given[bit / 64] |= 1ULL << (bit % 64);
    if (seen && !is_list(o)) return fail(l, "%s stands twice in [%s]", name, l->section);
    if (!seen) free_value(o, target); /* a list in the file replaces its default */
    return set_value(o, target, value) ? true : fail_value(l, o, value);
}

/* "NAME" of "site NAME"; empty: another section. */
static struct str site_name(struct str section)
{
    return str_starts(section, STR("site ")) ? str_trim(str_from(section, 5)) : STR("");
}

static bool add_site(struct loading *l, struct str name)
{
    struct site *site = sites_add(l->sites, name);
    if (site == NULL) {
        return fail(l, "[site %.*s]: a name of 1 to %d of a-z 0-9 . _ -, each once", STR_ARG(name),
                    HIT_SITE_MAX_BYTES);
    }
    set_defaults(site_options, site);
    return true;
}

static bool known_section(const struct loading *l, struct str section)
{
    for (const struct conf_section *s = l->sections; s->name != NULL; s++) {
        if (str_eq(str_of(s->name), section)) return true;
    }
    return false;
}

/* Headers first: libinih tells of a section by its keys, and a site needs none. 0, or the line at
 * fault. */
static int read_headers(struct loading *l, const char *text)
{
    int line = 1;
    for (const char *p = text; *p != '\0'; line++) {
        struct str row = {p, strcspn(p, "\n")};
        size_t end = str_find(row, ']');
        p += row.n + (p[row.n] == '\n');
        if (row.n == 0 || row.p[0] != '[' || end == row.n) continue;
        struct str section = {row.p + 1, end - 1}, name = site_name(section);
        if (name.n > 0 && !add_site(l, name)) return line;
        if (name.n == 0 && !known_section(l, section)) {
            fail(l, "unknown section [%.*s]; there are collector, aggregator, redis, site NAME",
                 (int)(section.n > 60 ? 60 : section.n), section.p);
            return line;
        }
    }
    return 0;
}

static void begin_section(struct loading *l, const char *section)
{
    if (strcmp(section, l->section) == 0) return;
    snprintf(l->section, sizeof l->section, "%s", section);
    memset(l->given, 0, sizeof l->given);
    struct str name = site_name(str_of(section));
    l->site = name.n == 0 ? NULL : sites_edit(l->sites, name);
}

static int on_key(void *arg, const char *section, const char *name, const char *value)
{
    struct loading *l = arg;
    if (l->failed) return 0;
    begin_section(l, section);
    if (l->site != NULL) return set_in(l, site_options, l->site, name, value);
    for (const struct conf_section *s = l->sections; s->name != NULL; s++) {
        if (strcmp(s->name, section) != 0) continue;
        if (s->target == NULL || (has_more(s->opts) && find_opt(s->opts, name) == NULL)) return 1;
        return set_in(l, s->opts, s->target, name, value);
    }
    return fail(l,
                section[0] == '\0' ? "'%.60s' stands before the first [section]"
                                   : "a [section] must begin its line, before '%.60s'",
                name);
}

static bool finish_sites(struct loading *l)
{
    for (size_t i = 0; i < sites_count(l->sites); i++) {
        struct site *site = (struct site *)sites_at(l->sites, i); /* still ours to fill */
        site->zone = sites_zone(l->sites, site->time_zone);
        if (site->zone == NULL) return fail(l, "[site %s]: no memory", site->name);
    }
    return true;
}

/* The whole file, NUL-terminated; NULL with a message. */
static char *read_file(const char *file, struct buf *err)
{
    FILE *f = fopen(file, "re");
    char *text = f == NULL ? NULL : malloc(FILE_MAX_BYTES + 1);
    if (text == NULL) {
        buf_printf(err, "%s: %s", file, strerror(errno));
        if (f != NULL) fclose(f);
        return NULL;
    }
    size_t n = fread(text, 1, FILE_MAX_BYTES, f);
    bool bad = ferror(f) || !feof(f);
    text[n] = '\0';
    if (bad) buf_printf(err, "%s: cannot be read, or is over 16 MiB", file);
    if (!bad && strlen(text) != n) {
        buf_printf(err, "%s: holds a NUL byte", file);
        bad = true;
    }
    fclose(f);
    if (!bad) return text;
    free(text);
    return NULL;
}

static bool lines_fit(const char *file, const char *text, struct buf *err)
{
    int line = 1;
    for (const char *p = text; *p != '\0'; line++) {
        size_t n = strcspn(p, "\n");
        if (n > LINE_MAX_BYTES) {
            buf_printf(err, "%s:%d: longer than %d bytes; a list goes on in an indented line", file,
                       line, LINE_MAX_BYTES);
            return false;
        }
        p += n + (p[n] == '\n');
    }
    return true;
}

static int parse_file(const char *file, struct loading *l)
{
    char *text = read_file(file, l->err);
    if (text == NULL) return -1;
    struct buf message = {0}, *outer = l->err;
    int result = -1;
    if (!lines_fit(file, text, outer)) goto out;
    l->err = &message;
    int line = read_headers(l, text);
    if (line == 0) line = ini_parse_string(text, on_key, l);
    l->err = outer;
    if (line == 0 && !l->failed)
        result = 0;
    else if (l->failed)
        buf_printf(outer, "%s:%d: %.*s", file, line, STR_ARG(buf_str(&message)));
    else
        buf_printf(outer, "%s:%d: neither [section] nor key = value", file, line);
out:
    buf_fini(&message);
    free(text);
    return result;
}

int conf_load(const char *file, const struct conf_section *sections, struct sites **sites,
              struct buf *err)
{
    struct loading l = {.sections = sections, .err = err, .sites = sites_new()};
    *sites = NULL;
    if (l.sites == NULL) return -1;
    for (const struct conf_section *s = sections; s->name != NULL; s++) {
        if (s->target != NULL) set_defaults(s->opts, s->target);
    }
    if (file != NULL && file[0] != '\0' && parse_file(file, &l) < 0) goto refuse;
    sites_seal(l.sites);
    if (!finish_sites(&l)) goto refuse;
    *sites = l.sites;
    return 0;
refuse:
    sites_free(l.sites);
    return -1;
}

void conf_free_section(const struct conf_section *section)
{
    for (const struct conf_opt *o = section->opts; o->name != NULL; o++) {
        free_value(o, section->target);
    }
}

int conf_set(const struct conf_section *sections, const char *assignment, struct buf *err)
{
    char name[128];
    const char *equals = strchr(assignment, '=');
    if (equals == NULL || equals - assignment >= (int)sizeof name) {
        buf_printf(err, "--set %.80s: must be SECTION.KEY=VALUE", assignment);
        return -1;
    }
    snprintf(name, sizeof name, "%.*s", (int)(equals - assignment), assignment);
    char *dot = strchr(name, '.');
    const char *key = dot == NULL ? name : dot + 1;
    if (dot != NULL) *dot = '\0';
    for (const struct conf_section *s = sections; s->name != NULL; s++) {
        if (s->target == NULL || (dot != NULL && strcmp(s->name, name) != 0)) continue;
        const struct conf_opt *o = find_opt(s->opts, key);
        if (o == NULL) continue;
        free_value(o, s->target);
        if (set_value(o, s->target, equals + 1)) return 0;
        buf_printf(err, "--set %s: ", assignment);
        describe_fault(o, equals + 1, err);
        return -1;
    }
    buf_printf(err, "--set %.80s: no such option; see --help", assignment);
    return -1;
}

int conf_load_set(const char *file, const char *const *sets, unsigned n,
                  const struct conf_section *sections, struct sites **sites, struct buf *err)
{
    if (conf_load(file, sections, sites, err) < 0) return -1;
    for (unsigned i = 0; i < n; i++) {
        if (conf_set(sections, sets[i], err) == 0) continue;
        sites_free(*sites);
        *sites = NULL;
        return -1;
    }
    return 0;
}

/* ---- help and sample: the same rows, printed ---- */

static void print_rows(FILE *out, const struct conf_opt *opts, bool sample)
{
    for (const struct conf_opt *o = opts; o->name != NULL; o++) {
        struct buf right;
        buf_init(&right, 0);
        describe(o, &right);
        if (sample) {
            fprintf(out, "\n# %s\n# %.*s\n#%s = %s\n", o->help, STR_ARG(buf_str(&right)), o->name,
                    o->def);
        } else {
            fprintf(out, "  %-22s %s (%.*s; default: %s)\n", o->name, o->help,
                    STR_ARG(buf_str(&right)), o->def[0] == '\0' ? "empty" : o->def);
        }
        buf_fini(&right);
    }
}

void conf_print_help(FILE *out, const struct conf_section *sections)
{
    for (const struct conf_section *s = sections; s->name != NULL; s++) {
        if (s->opts == NULL) continue;
        fprintf(out, "\n[%s]\n", s->name);
        print_rows(out, s->opts, false);
    }
    fprintf(out, "\n[site NAME]\n");
    print_rows(out, site_options, false);
}

void conf_print_sample(FILE *out, const struct conf_section *sections)
{
    for (const struct conf_section *s = sections; s->name != NULL; s++) {
        if (s->opts == NULL) continue;
        fprintf(out, "\n[%s]\n", s->name);
        print_rows(out, s->opts, true);
    }
}

void conf_print_site_sample(FILE *out)
{
    fprintf(out,
            "\n# One section per site; the name is what its pages send as `s`.\n#[site shop]\n");
    print_rows(out, site_options, true);
}
