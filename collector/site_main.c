/*
 * sentier-site: what a site's pages and its server need from us. sign signs the id of a customer as
 * the site's own server does, to try things out and to check what that server makes. snippet prints
 * the lines for the pages, with what the configuration says and the hash of the tracker that is
 * built into this version.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assets.h"
#include "clock.h"
#include "conf.h"
#include "customer.h"
#include "options.h"
#include "utf8.h"

enum { SETS_MAX = 16, DAYS_MAX = 3650, DAY_S = 24 * 60 * 60 };

static const char usage[] =
    "sentier site sign NAME ID\n"
    "Signs ID as a customer of [site NAME], with its secret. Prints the token, which goes into\n"
    "pages beside the id, and when it ends.\n"
    "\n"
    "  --days N       until it ends (1)\n"
    "\n"
    "sentier site snippet NAME\n"
    "Prints the lines for the pages of [site NAME]: the tracker, and a pixel for browsers without\n"
    "scripts.\n"
    "\n"
    "  --url URL      where browsers find the collector (https://stats.example)\n"
    "  --no-integrity without the hash of the tracker, which another version changes\n"
    "\n"
    "both\n"
    "  --conf FILE    the configuration\n"
    "  --set SECTION.KEY=VALUE\n";

struct arguments {
    const char *conf_file, *sets[SETS_MAX], *command, *site, *id, *url;
    unsigned sets_n;
    long days;
    bool no_integrity;
};

static bool is_command(const struct arguments *a, int words)
{
    if (words == 3) return strcmp(a->command, "sign") == 0;
    return words == 2 && strcmp(a->command, "snippet") == 0;
}

static bool parse(struct arguments *a, int argc, char **argv)
{
    static const struct option options[] = {{"conf", required_argument, NULL, 'c'},
                                            {"set", required_argument, NULL, 's'},
                                            {"days", required_argument, NULL, 'd'},
                                            {"url", required_argument, NULL, 'u'},
                                            {"no-integrity", no_argument, NULL, 'n'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    char *end = "";
    a->days = 1;
    for (int o; (o = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (o) {
        case 'c': a->conf_file = optarg; break;
        case 's':
            if (a->sets_n == SETS_MAX) return false;
            a->sets[a->sets_n++] = optarg;
            break;
        case 'd': a->days = strtol(optarg, &end, 10); break;
        case 'u': a->url = optarg; break;
        case 'n': a->no_integrity = true; break;
        case 'h': fputs(usage, stdout); exit(0);
        default: return false;
        }
    }
    const char *words[3] = {NULL};
    for (int i = 0; i < 3 && optind + i < argc; i++)
        words[i] = argv[optind + i];
    a->command = words[0];
    a->site = words[1];
    a->id = words[2];
    return is_command(a, argc - optind) && *end == '\0' && a->days >= 1 && a->days <= DAYS_MAX;
}

static int sign(const struct arguments *a, const struct sites *sites, struct buf *err)
{
    char token[CUSTOMER_TOKEN_BYTES], date[DATE_TEXT_BYTES];
    struct str id = str_of(a->id);
    const struct site *site = sites_need(sites, a->site, err);
    if (site == NULL) return -1;
    if (site->secret[0] == '\0') {
        buf_printf(err, "[site %s] has no secret: set one, as long as you like and random",
                   site->name);
        return -1;
    }
    if (id.n == 0 || id.n > CUSTOMER_ID_MAX_BYTES || !utf8_is_text(id)) {
        buf_printf(err, "an id has 1 to %d bytes of UTF-8 without control characters",
                   CUSTOMER_ID_MAX_BYTES);
        return -1;
    }
    int64_t ends = clock_ms() / 1000 + a->days * DAY_S, second = ends % DAY_S;
    customer_sign(str_of(site->secret), str_of(site->name), id, ends, token);
    date_format((uint32_t)(ends / DAY_S), date);
    printf("%s\nends %s %02" PRId64 ":%02" PRId64 ":%02" PRId64 " UTC\n", token, date,
           second / 3600, second / 60 % 60, second % 60);
    return 0;
}

/* Text within double quotes. */
static void print_quoted(const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '"': fputs("&quot;", stdout); break;
        case '&': fputs("&amp;", stdout); break;
        case '<': fputs("&lt;", stdout); break;
        default: putchar(*text);
        }
    }
}

/* The tracker sends to "b" beside itself unless it is told otherwise. */
static bool is_beside(const char *beacon_path, const char *script_path)
{
    const char *slash = strrchr(script_path, '/');
    size_t folder = slash == NULL ? 0 : (size_t)(slash - script_path) + 1;
    return strncmp(beacon_path, script_path, folder) == 0 && strcmp(beacon_path + folder, "b") == 0;
}

static void print_script(const struct arguments *a, const char *url, const struct site *site,
                         const struct collector_conf *conf)
{
    fputs("<script async src=\"", stdout);
    print_quoted(url);
    print_quoted(conf->script_path);
    printf("\" data-site=\"%s\"", site->name);
    if (!is_beside(conf->beacon_path, conf->script_path)) {
        fputs(" data-endpoint=\"", stdout);
        print_quoted(url);
        print_quoted(conf->beacon_path);
        putchar('"');
    }
    if (site->hash_routing) fputs(" data-hash", stdout);
    if (site->cookie) fputs(" data-cookie=\"include\"", stdout);
    if (!a->no_integrity)
        printf(" integrity=\"%s\" crossorigin=\"anonymous\"", asset_tracker()->integrity);
    puts("></script>");
}

static int snippet(const struct arguments *a, const struct sites *sites,
                   const struct collector_conf *conf, struct buf *err)
{
    const struct site *site = sites_need(sites, a->site, err);
    if (site == NULL) return -1;
    char url[1024];
    int n = snprintf(url, sizeof url, "%s", a->url != NULL ? a->url : "https://stats.example");
    if (n >= (int)sizeof url ||
        (strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0)) {
        buf_printf(err, "--url: must be https://HOST or http://HOST");
        return -1;
    }
    while (n > 0 && url[n - 1] == '/') /* the paths begin with one */
        url[--n] = '\0';
    print_script(a, url, site, conf);
    /* Without its page's whole URL a pixel knows the host alone. */
    fputs("<noscript><img src=\"", stdout);
    print_quoted(url);
    print_quoted(conf->pixel_path);
    printf("?s=%s\" width=\"1\" height=\"1\" alt=\"\" "
           "referrerpolicy=\"no-referrer-when-downgrade\"></noscript>\n",
           site->name);
    if (a->url == NULL) fputs("stats.example stands for your collector: --url\n", stderr);
    if (!a->no_integrity)
        fputs("the hash is this version's: after an upgrade of the collector, print it anew, "
              "or browsers refuse the tracker (--no-integrity leaves it out)\n",
              stderr);
    return 0;
}

int main(int argc, char **argv)
{
    struct collector_conf conf = {0};
    const struct conf_section sections[] = {{"collector", collector_options, &conf},
                                            {"aggregator", NULL, NULL},
                                            {"redis", NULL, NULL},
                                            {0}};
    struct arguments a = {0};
    struct buf err = {0};
    struct sites *sites = NULL;
    if (!parse(&a, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    const char *file = a.conf_file != NULL ? a.conf_file : getenv("SENTIER_CONF");
    int result = conf_load_set(file, a.sets, a.sets_n, sections, &sites, &err);
    if (result == 0)
        result = a.id != NULL ? sign(&a, sites, &err) : snippet(&a, sites, &conf, &err);
    if (result < 0) fprintf(stderr, "sentier site: %.*s\n", STR_ARG(buf_str(&err)));
    sites_free(sites);
    conf_free_section(&sections[0]);
    buf_fini(&err);
    return result < 0 ? 2 : 0;
}
