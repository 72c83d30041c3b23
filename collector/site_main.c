/*
 * sentier-site: signs the id of a customer as a site's own server does, to try things out and to
 * check what that server makes. The token stands alone on its line.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "conf.h"
#include "customer.h"
#include "utf8.h"

enum { SETS_MAX = 16, DAYS_MAX = 3650, DAY_S = 24 * 60 * 60 };

static const char usage[] =
    "sentier site sign NAME ID\n"
    "Signs ID as a customer of [site NAME], with its secret. Prints the token, which goes into\n"
    "pages beside the id, and when it ends.\n"
    "\n"
    "  --days N       until it ends (1)\n"
    "  --conf FILE    the configuration\n"
    "  --set SECTION.KEY=VALUE\n";

struct arguments {
    const char *conf_file, *sets[SETS_MAX], *site, *id;
    unsigned sets_n;
    long days;
};

static bool parse(struct arguments *a, int argc, char **argv)
{
    static const struct option options[] = {{"conf", required_argument, NULL, 'c'},
                                            {"set", required_argument, NULL, 's'},
                                            {"days", required_argument, NULL, 'd'},
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
        case 'h': fputs(usage, stdout); exit(0);
        default: return false;
        }
    }
    if (argc - optind != 3 || strcmp(argv[optind], "sign") != 0) return false;
    a->site = argv[optind + 1];
    a->id = argv[optind + 2];
    return *end == '\0' && a->days >= 1 && a->days <= DAYS_MAX;
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

int main(int argc, char **argv)
{
    static const struct conf_section sections[] = {
        {"collector", NULL, NULL}, {"aggregator", NULL, NULL}, {"redis", NULL, NULL}, {0}};
    struct arguments a = {0};
    struct buf err = {0};
    struct sites *sites = NULL;
    if (!parse(&a, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    const char *file = a.conf_file != NULL ? a.conf_file : getenv("SENTIER_CONF");
    int result = conf_load_set(file, a.sets, a.sets_n, sections, &sites, &err);
    if (result == 0) result = sign(&a, sites, &err);
    if (result < 0) fprintf(stderr, "sentier site: %.*s\n", STR_ARG(buf_str(&err)));
    sites_free(sites);
    buf_fini(&err);
    return result < 0 ? 2 : 0;
}
