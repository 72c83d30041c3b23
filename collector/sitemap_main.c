/*
 * sentier-sitemap: what Sentier reads in the sitemaps of a site: each page once, under the name
 * that its hits have, and an account in which every URL has one fate. Pages are printed or stored
 * as they come, so memory does not grow with them.
 *
 * Only a run that has read every sitemap knows which pages are no longer named. When some of them
 * have not changed and others have, all are read once more.
 *
 * Exit status: 0 all was read, 1 something could not be read, 2 it could not begin.
 */
#include <curl/curl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "catalogue.h"
#include "clock.h"
#include "log.h"
#include "options.h"
#include "sitemap_fetch.h"
#include "sitemap_store.h"
#include "utf8.h"

enum { SETS_MAX = 16, TIMEOUT_MAX_S = 3600, DATE_BYTES = 32 };
enum format { TABLE, JSON, CSV, FORMATS };

static const char *const format_names[FORMATS] = {"table", "json", "csv"};

static struct collector_conf conf;
static struct redis_conf redis;
static const struct conf_section sections[] = {{"collector", collector_options, &conf},
                                               {"redis", redis_options, &redis},
                                               {"aggregator", NULL, NULL},
                                               {0}};

struct checker {
    const char *conf_file, *site_name, *state_file;
    enum format format;
    bool check; /* print; else store */
    bool no_children;
    long timeout_s;
    struct sites *sites;
    const struct site *site;
    struct sitemap_state *state;
    struct sitemap_store *store; /* NULL: check */
    json_t *files;               /* what became of each */
    uint64_t outcomes[SITEMAP_OUTCOMES];
    uint64_t doubts; /* files of which something was not read */
    uint64_t pages;
    const char *list; /* what became of it */
};

static const char usage[] =
    "sentier sitemap --site NAME [FILE|URL...]\n"
    "sentier sitemap check --site NAME [FILE|URL...]\n"
    "Stores, or with check prints, the pages that sitemaps name: XML, sitemap indexes with what\n"
    "they list, RSS, Atom, lists of URLs, each plain or gzip. - is standard input. Of a bare\n"
    "https://shop.example, robots.txt is asked where they are; without any, the site's own\n"
    "`sitemap` is read. Pages of other hosts than the site's origins are left out.\n"
    "When all was read, the pages replace the site's list; else they are added to it. What has\n"
    "not changed since the last time is not sent again by its server.\n"
    "\n"
    "  --site NAME       a [site NAME] of the configuration\n"
    "  --format FORMAT   table (default), json or, of check, csv\n"
    "  --no-children     check: do not read what a sitemap index lists\n"
    "  --state FILE      check: remembers there what servers said; prints only what changed since\n"
    "  --timeout S       seconds that one transfer may take (default 300)\n"
    "  --conf FILE       the configuration\n"
    "  --set SECTION.KEY=VALUE\n";

/* What comes from servers must not command a terminal. */
static void print_clean(FILE *out, struct str s)
{
    while (s.n > 0) {
        size_t n = utf8_char(s);
        if (n == 0 || !utf8_is_text(str_upto(s, n)))
            fputc('?', out);
        else
            fwrite(s.p, 1, n, out);
        s = str_from(s, n == 0 ? 1 : n);
    }
}

static void complain(const char *where, struct str why)
{
    fflush(stdout);
    fputs("sentier sitemap: ", stderr);
    if (where != NULL) {
        print_clean(stderr, str_of(where));
        fputs(": ", stderr);
    }
    print_clean(stderr, why);
    fputc('\n', stderr);
}

/* ---- start ---- */

static bool parse_format(struct checker *c, const char *text)
{
    for (int i = 0; i < FORMATS; i++) {
        if (strcmp(text, format_names[i]) != 0) continue;
        c->format = (enum format)i;
        return true;
    }
    return false;
}

static bool parse_timeout(struct checker *c, const char *text)
{
    char *end;
    c->timeout_s = strtol(text, &end, 10);
    return end != text && *end == '\0' && c->timeout_s > 0 && c->timeout_s <= TIMEOUT_MAX_S;
}

static bool parse_arguments(struct checker *c, int argc, char **argv, const char **sets,
                            unsigned *n_sets)
{
    static const struct option options[] = {{"conf", required_argument, NULL, 'c'},
                                            {"set", required_argument, NULL, 's'},
                                            {"site", required_argument, NULL, 'n'},
                                            {"format", required_argument, NULL, 'f'},
                                            {"no-children", no_argument, NULL, 'o'},
                                            {"state", required_argument, NULL, 'e'},
                                            {"timeout", required_argument, NULL, 't'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    for (int o; (o = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (o) {
        case 'c': c->conf_file = optarg; break;
        case 's':
            if (*n_sets == SETS_MAX) return false;
            sets[(*n_sets)++] = optarg;
            break;
        case 'n': c->site_name = optarg; break;
        case 'f':
            if (!parse_format(c, optarg)) return false;
            break;
        case 'o': c->no_children = true; break;
        case 'e': c->state_file = optarg; break;
        case 't':
            if (!parse_timeout(c, optarg)) return false;
            break;
        case 'h': fputs(usage, stdout); exit(0);
        default: return false;
        }
    }
    c->check = optind < argc && strcmp(argv[optind], "check") == 0;
    optind += c->check;
    bool fits = c->check || (c->format != CSV && !c->no_children && c->state_file == NULL);
    return fits && c->site_name != NULL;
}

static int open_all(struct checker *c, bool sources_given, struct buf *err)
{
    c->site = sites_need(c->sites, c->site_name, err);
    if (c->site == NULL) return -1;
    if (!sources_given && c->site->sitemap[0] == '\0') {
        buf_printf(err, "[site %s] has no `sitemap`; name a file or a URL", c->site_name);
        return -1;
    }
    if (!c->check) {
        c->store = sitemap_store_open(&conf, &redis, c->site, err);
        if (c->store == NULL) return -1;
        c->state_file = sitemap_store_state(c->store);
    }
    c->files = json_array();
    if (c->state_file != NULL) c->state = sitemap_state_open(c->state_file, c->site);
    if (c->files != NULL && (c->state != NULL || c->state_file == NULL)) return 0;
    buf_printf(err, "no memory");
    return -1;
}

/* ---- pages ---- */

/* "2004-12-23T18:00:15Z"; "" for none. */
static const char *date_text(int64_t ms, char out[DATE_BYTES])
{
    int year, month, day;
    out[0] = '\0';
    if (ms == SITEMAP_NO_DATE) return out;
    unsigned s = (unsigned)(ms / 1000 % 86400);
    day_to_date((uint32_t)(ms / 86400000), &year, &month, &day);
    snprintf(out, DATE_BYTES, "%04d-%02d-%02dT%02u:%02u:%02uZ", year, month, day, s / 3600,
             s / 60 % 60, s % 60);
    return out;
}

static void print_csv_cell(struct str s, char end)
{
    fputc('"', stdout);
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"') fputc('"', stdout);
        fputc(s.p[i], stdout);
    }
    fputc('"', stdout);
    fputc(end, stdout);
}

static void set_text(json_t *object, const char *name, struct str value)
{
    if (value.n > 0) json_object_set_new(object, name, json_stringn(value.p, value.n));
}

static void print_json_page(struct str page, const struct sitemap_entry *e, bool first)
{
    char modified[DATE_BYTES], published[DATE_BYTES];
    json_t *o = json_object();
    set_text(o, "page", page);
    set_text(o, "modified", str_of(date_text(e->modified_ms, modified)));
    set_text(o, "published", str_of(date_text(e->published_ms, published)));
    set_text(o, "language", e->language);
    set_text(o, "title", e->title);
    fputs(first ? "\n" : ",\n", stdout);
    json_dumpf(o, stdout, JSON_COMPACT);
    json_decref(o);
}

static void on_page(void *arg, const struct page *text, const struct sitemap_entry *e)
{
    struct checker *c = arg;
    if (c->store != NULL) {
        sitemap_store_page(c->store, text, e);
        return;
    }
    struct str page = page_str(text);
    char modified[DATE_BYTES], published[DATE_BYTES];
    bool first = c->pages++ == 0;
    date_text(e->modified_ms, modified);
    date_text(e->published_ms, published);
    switch (c->format) {
    case JSON: print_json_page(page, e, first); break;
    case CSV:
        print_csv_cell(page, ',');
        printf("%s,%s,%.*s,", modified, published, STR_ARG(e->language));
        print_csv_cell(e->title, '\n');
        break;
    default:
        if (first) printf("%-20s  %s\n", "dated", "page");
        /* When it changed, or else when it came out. */
        printf("%-20s  %.*s", modified[0] == '\0' ? published : modified, STR_ARG(page));
        if (e->title.n > 0) printf("  \"%.*s\"", STR_ARG(e->title));
        putchar('\n');
    }
}

/* ---- the account ---- */

static const char *const outcome_names[SITEMAP_OUTCOMES] = {"read", "unchanged", "failed",
                                                            "left out"};

static void on_file(void *arg, const struct sitemap_file *file)
{
    struct checker *c = arg;
    json_t *o = json_object();
    set_text(o, "file", str_of(file->where));
    set_text(o, "found_in", str_of(file->found_in));
    set_text(o, "outcome", str_of(outcome_names[file->outcome]));
    if (file->kind != SITEMAP_UNKNOWN) set_text(o, "kind", str_of(sitemap_kind_name(file->kind)));
    json_object_set_new(o, "entries", json_integer((json_int_t)file->entries));
    set_text(o, "why", str_of(file->why));
    json_array_append_new(c->files, o);
    c->outcomes[file->outcome]++;
    c->doubts += file->outcome == SITEMAP_READ && file->why != NULL;
    if (file->outcome == SITEMAP_FAILED) complain(file->where, str_of(file->why));
}

static void print_file(FILE *out, const json_t *file)
{
    const char *why = json_string_value(json_object_get(file, "why"));
    const char *kind = json_string_value(json_object_get(file, "kind"));
    fprintf(out, "  %-10s ", json_string_value(json_object_get(file, "outcome")));
    print_clean(out, str_of(json_string_value(json_object_get(file, "file"))));
    if (kind != NULL)
        fprintf(out, "  (%s, %" JSON_INTEGER_FORMAT " entries)", kind,
                json_integer_value(json_object_get(file, "entries")));
    if (why != NULL) {
        fputs(": ", out);
        print_clean(out, str_of(why));
    }
    fputc('\n', out);
}

static void print_example(FILE *out, const char *what, const struct sitemap_example *e)
{
    if (e->n == 0) return;
    fprintf(out, "    %-16s %s", what, e->n > 1 ? "first: " : "");
    print_clean(out, buf_str(&e->url));
    fprintf(out, "%s%s\n", e->why == NULL ? "" : "  ", e->why == NULL ? "" : e->why);
}

static void print_account(FILE *out, const struct checker *c, const struct sitemap_pages *pages)
{
    size_t i;
    json_t *file;
    json_array_foreach(c->files, i, file)
    {
        print_file(out, file);
    }
    fprintf(out, "  %" PRIu64 " URLs = ", sitemap_pages_entries(pages));
    for (int fate = 0; fate < SITEMAP_FATES; fate++) {
        uint64_t n = sitemap_pages_count(pages, fate)->n;
        if (n > 0 || fate < SITEMAP_OVER_LIMIT)
            fprintf(out, "%s%" PRIu64 " %s", fate == 0 ? "" : " + ", n, sitemap_fate_text(fate));
    }
    fputc('\n', out);
    for (int fate = SITEMAP_SAME_PAGE; fate < SITEMAP_FATES; fate++)
        print_example(out, sitemap_fate_text(fate), sitemap_pages_count(pages, fate));
    const struct sitemap_example *dates = sitemap_pages_bad_dates(pages);
    if (dates->n > 0) fprintf(out, "  %" PRIu64 " of them with a date that is none\n", dates->n);
    print_example(out, "date", dates);
}

static json_t *example_json(const struct sitemap_example *e)
{
    json_t *o = json_object();
    json_object_set_new(o, "count", json_integer((json_int_t)e->n));
    set_text(o, "first", buf_str(&e->url));
    set_text(o, "why", str_of(e->why));
    return o;
}

static void print_json_account(const struct checker *c, const struct sitemap_pages *pages)
{
    json_t *account = json_object();
    json_object_set_new(account, "urls", json_integer((json_int_t)sitemap_pages_entries(pages)));
    for (int fate = 0; fate < SITEMAP_FATES; fate++)
        json_object_set_new(account, sitemap_fate_name(fate),
                            example_json(sitemap_pages_count(pages, fate)));
    json_object_set_new(account, "bad_dates", example_json(sitemap_pages_bad_dates(pages)));
    fputs("\"account\": ", stdout);
    json_dumpf(account, stdout, JSON_COMPACT);
    fputs(",\n\"files\": ", stdout);
    json_dumpf(c->files, stdout, JSON_COMPACT);
    fputs("}\n", stdout);
    json_decref(account);
}

static void print_begin(const struct checker *c)
{
    if (c->format == JSON) printf("{\"site\": \"%s\",\n\"pages\": [", c->site->name);
    if (c->format == CSV) puts("page,modified,published,language,title");
}

static void print_end(const struct checker *c, const struct sitemap_pages *pages)
{
    if (c->format == JSON) {
        fputs("\n],\n", stdout);
        print_json_account(c, pages);
    } else {
        print_account(c->format == CSV ? stderr : stdout, c, pages);
    }
}

static void print_stored(const struct checker *c, const struct sitemap_pages *pages,
                         uint64_t stored)
{
    if (c->format == JSON) {
        printf("{\"site\": \"%s\", \"stored\": %" PRIu64 ", \"list\": \"%s\",\n", c->site->name,
               stored, c->list);
        print_json_account(c, pages);
        return;
    }
    print_account(stdout, c, pages);
    printf("  %" PRIu64 " pages stored; the list of %s is %s\n", stored, c->site->name, c->list);
    if (stored > CATALOGUE_PAGES_MAX)
        printf("  that is more than the %d pages of a site that a catalogue holds\n",
               CATALOGUE_PAGES_MAX);
}

/* ---- all ---- */

/* Reads all sources; *fetch is new. 0; 1: something could not be read; -1: *err. */
static int read_all(struct checker *c, char **sources, int n, struct sitemap_fetch **fetch,
                    struct buf *err)
{
    struct sitemap_fetch_opts opts = {.site = c->site,
                                      .state = c->state,
                                      .no_children = c->no_children,
                                      .timeout_ms = (int64_t)c->timeout_s * 1000,
                                      .on_page = on_page,
                                      .on_file = on_file,
                                      .arg = c};
    int result = 0;
    *fetch = sitemap_fetch_new(&opts);
    if (*fetch == NULL) {
        buf_printf(err, "no memory");
        return -1;
    }
    for (int i = 0; i < n; i++) {
        if (!sitemap_fetch_read(*fetch, sources[i])) result = 1;
    }
    return result;
}

static int check(struct checker *c, char **sources, int n, struct buf *err)
{
    struct sitemap_fetch *fetch;
    print_begin(c);
    int result = read_all(c, sources, n, &fetch, err);
    if (result < 0) return -1;
    print_end(c, sitemap_fetch_pages(fetch));
    sitemap_fetch_free(fetch);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        buf_printf(err, "cannot write what was read");
        return -1; /* nor remember it */
    }
    return c->state != NULL && sitemap_state_save(c->state, err) < 0 ? -1 : result;
}

/* Nothing of the first reading is left. */
static void start_again(struct checker *c)
{
    sitemap_state_forget(c->state);
    sitemap_store_restart(c->store);
    json_array_clear(c->files);
    memset(c->outcomes, 0, sizeof c->outcomes);
    c->doubts = 0;
}

/* Does the run know all pages of the site? One that names none is rather an accident. */
static bool is_whole(const struct checker *c, const struct sitemap_pages *pages)
{
    return c->outcomes[SITEMAP_READ] > 0 && c->outcomes[SITEMAP_UNCHANGED] == 0 &&
           c->outcomes[SITEMAP_FAILED] == 0 && c->doubts == 0 &&
           sitemap_pages_count(pages, SITEMAP_OVER_LIMIT)->n == 0 &&
           sitemap_store_pages(c->store) > 0;
}

static int store(struct checker *c, char **sources, int n, struct buf *err)
{
    struct sitemap_fetch *fetch;
    int result = read_all(c, sources, n, &fetch, err);
    if (result >= 0 && c->outcomes[SITEMAP_UNCHANGED] > 0 && c->outcomes[SITEMAP_READ] > 0) {
        sitemap_fetch_free(fetch);
        start_again(c);
        result = read_all(c, sources, n, &fetch, err);
    }
    if (result < 0) return -1;
    const struct sitemap_pages *pages = sitemap_fetch_pages(fetch);
    bool whole = is_whole(c, pages);
    uint64_t stored = sitemap_store_pages(c->store);
    c->list = whole ? "replaced" : stored > 0 ? "added to" : "as it was";
    if (sitemap_store_finish(c->store, whole, err) < 0 || sitemap_state_save(c->state, err) < 0)
        result = -1;
    else
        print_stored(c, pages, stored);
    sitemap_fetch_free(fetch);
    return result;
}

int main(int argc, char **argv)
{
    static struct checker c = {.timeout_s = 300};
    const char *sets[SETS_MAX];
    unsigned n_sets = 0;
    struct buf err = {0};
    log_program("sentier-sitemap");
    signal(SIGPIPE, SIG_IGN);
    if (sodium_init() < 0 || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
        !parse_arguments(&c, argc, argv, sets, &n_sets)) {
        fputs(usage, stderr);
        return 2;
    }
    int result = conf_load_set(c.conf_file, sets, n_sets, sections, &c.sites, &err);
    bool given = optind < argc;
    if (result == 0) result = open_all(&c, given, &err);
    if (result == 0) {
        char **sources = given ? argv + optind : (char **)&c.site->sitemap;
        result = (c.check ? check : store)(&c, sources, given ? argc - optind : 1, &err);
    }
    if (result < 0) complain(NULL, buf_str(&err));
    buf_fini(&err);
    sitemap_state_close(c.state);
    sitemap_store_close(c.store);
    json_decref(c.files);
    sites_free(c.sites);
    conf_free_section(&sections[0]);
    conf_free_section(&sections[1]);
    curl_global_cleanup();
    return result < 0 ? 2 : result;
}
