/*
 * sentier-forget: a person is erased, and a receipt says what was, where, and what stays and why.
 *
 * Exit status: 0 done, 1 done, but there are bytes in which something may stand and nothing can be
 * read, 2 not all was done: run it again.
 */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "forget.h"
#include "keys.h"
#include "log.h"

enum { SETS_MAX = 16, TIME_TEXT_BYTES = 40, TELL_MS = 500 };

static struct collector_conf conf;
static struct redis_conf redis;
static const struct conf_section sections[] = {{"collector", collector_options, &conf},
                                               {"redis", redis_options, &redis},
                                               {"aggregator", NULL, NULL},
                                               {0}};

static const char usage[] =
    "sentier forget --site NAME ID\n"
    "Erases a customer, or one consented visitor: profiles in Redis, and hits in this machine's\n"
    "journal and archive. Prints a receipt. Where there are several collectors, run it on each\n"
    "machine. Browsers that another customer uses, too, are left alone and said.\n"
    "\n"
    "  --site NAME      as in [site NAME]\n"
    "  --format FORMAT  table (default) or json\n"
    "  --conf FILE      the configuration\n"
    "  --set SECTION.KEY=VALUE\n"
    "\n"
    "It may be run again, also after it was interrupted. Exit status: 0 done, 1 done, but "
    "something\n"
    "could not be read or is shared, 2 not all was done.\n";

/* What stays, and why. */
static const struct {
    const char *what, *why;
} kept[] = {
    {"counters of days and pages", "they are numbers: no person can be found in them"},
    {"hits as tallies: site, date and minute", "so that the sum of all hits still comes out"},
    {"a one-way mark and the moment", "so that nothing that comes late brings the person back"},
};
enum { KEPT = sizeof kept / sizeof *kept };

static const char *const logs[] = {
    [FORGET_LOG_NONE] = "none",
    [FORGET_LOG_REWRITTEN] = "rewritten",
    [FORGET_LOG_UNDER_WAY] = "being rewritten",
    [FORGET_LOG_REFUSED] = "not rewritten: Redis refused; until it is, it may hold the erased",
};

struct asker {
    const char *conf_file, *sets[SETS_MAX], *site;
    unsigned n_sets;
    bool json;
    int64_t told_ms;
};

static bool parse_arguments(struct asker *a, int argc, char **argv)
{
    static const struct option options[] = {
        {"conf", required_argument, NULL, 'c'}, {"set", required_argument, NULL, 'S'},
        {"site", required_argument, NULL, 's'}, {"format", required_argument, NULL, 'F'},
        {"help", no_argument, NULL, 'h'},       {0}};
    for (int o; (o = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (o) {
        case 'c': a->conf_file = optarg; break;
        case 's': a->site = optarg; break;
        case 'S':
            if (a->n_sets == SETS_MAX) return false;
            a->sets[a->n_sets++] = optarg;
            break;
        case 'F':
            a->json = strcmp(optarg, "json") == 0;
            if (!a->json && strcmp(optarg, "table") != 0) return false;
            break;
        case 'h': fputs(usage, stdout); exit(0);
        default: return false;
        }
    }
    return a->site != NULL && optind == argc - 1;
}

static void tell(void *arg, const char *what)
{
    struct asker *a = arg;
    int64_t now_ms = clock_mono_ms();
    if (!isatty(STDERR_FILENO) || now_ms - a->told_ms < TELL_MS) return;
    a->told_ms = now_ms;
    fprintf(stderr, "\r\033[K%s", what);
}

/* ---- the receipt ---- */

static json_t *files_json(const struct forget_files *f)
{
    return json_pack("{s:I,s:I,s:I,s:I}", "segments", (json_int_t)f->segments, "rewritten",
                     (json_int_t)f->rewritten, "hits", (json_int_t)f->hits, "unreadable_bytes",
                     (json_int_t)f->unreadable);
}

static void print_json(const struct asker *a, const char *id, const struct forget_receipt *r)
{
    json_t *stays = json_array();
    for (int i = 0; i < KEPT; i++)
        json_array_append_new(stays,
                              json_pack("{s:s,s:s}", "what", kept[i].what, "why", kept[i].why));
    json_t *all = json_pack("{s:i,s:s,s:s,s:b,s:i,s:i,s:i,s:I,s:i,s:b,s:o,s:o,s:s,s:o}", "version",
                            1, "site", a->site, "id", id, "customer", r->customer, "visitors",
                            (int)r->visitors, "shared", (int)r->shared, "records", (int)r->records,
                            "at_ms", (json_int_t)r->at_ms, "profiles", (int)r->profiles,
                            "came_again", r->came_again, "journal", files_json(&r->journal),
                            "archive", r->has_archive ? files_json(&r->archive) : json_null(),
                            "redis_log", logs[r->log], "kept", stays);
    json_dumpf(all, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(all);
}

static void print_files(const char *where, const struct forget_files *f)
{
    printf("  %-12s %" PRIu64 " of its hits, in %" PRIu64 " of %" PRIu64 " files\n", where, f->hits,
           f->rewritten, f->segments);
    if (f->unreadable > 0)
        printf("  %-12s %" PRIu64 " bytes are damaged: nobody can tell what stands there\n", "",
               f->unreadable);
}

static void print_receipt(const struct asker *a, const char *id, const struct forget_receipt *r)
{
    char at[TIME_TEXT_BYTES];
    time_t s = (time_t)(r->at_ms / 1000);
    struct tm tm;
    strftime(at, sizeof at, "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&s, &tm));
    printf("forgotten: %s %s of %s, all up to %s\n\nerased\n", r->customer ? "customer" : "visitor",
           id, a->site, at);
    if (r->customer) printf("  %-12s %u\n", "visitors", r->visitors);
    printf("  %-12s %u profile%s\n", "Redis", r->profiles, r->profiles == 1 ? "" : "s");
    if (r->records > 0)
        printf("  %-12s out of %u customer%s\n", "", r->records,
               r->records == 1 ? "'s record" : "s' records");
    if (r->came_again)
        puts("  Redis        a new profile began: the visitor came again after that");
    print_files("journal", &r->journal);
    if (r->has_archive) print_files("archive", &r->archive);
    printf("  %-12s %s\n\nstays\n", "Redis' log", logs[r->log]);
    for (int i = 0; i < KEPT; i++)
        printf("  %s: %s\n", kept[i].what, kept[i].why);
    if (r->shared > 0)
        printf("  %u browser%s that another customer uses, too: forget the visitor to erase both\n",
               r->shared, r->shared == 1 ? "" : "s");
    if (r->more)
        puts("  more browsers than a customer\'s record names: forget these by their visitors");
}

static int run(struct asker *a, const char *id, struct sites *sites, struct buf *err)
{
    struct forget_receipt receipt;
    struct forget_opts opts = {.conf = &conf, .redis = &redis, .id = id, .tell = tell, .arg = a};
    opts.site = sites_need(sites, a->site, err);
    if (opts.site == NULL) return 2;
    int result = forget_person(&opts, &receipt, err);
    if (isatty(STDERR_FILENO)) fputs("\r\033[K", stderr);
    if (result < 0) return 2;
    (a->json ? print_json : print_receipt)(a, id, &receipt);
    bool all = receipt.shared == 0 && !receipt.more &&
               receipt.journal.unreadable + receipt.archive.unreadable == 0;
    return all ? 0 : 1;
}

int main(int argc, char **argv)
{
    static struct asker a;
    struct sites *sites = NULL;
    struct buf err = {0};
    log_program("sentier-forget");
    signal(SIGPIPE, SIG_IGN);
    if (sodium_init() < 0 || !parse_arguments(&a, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    int status = conf_load_set(a.conf_file, a.sets, a.n_sets, sections, &sites, &err) < 0
                     ? 2
                     : run(&a, argv[optind], sites, &err);
    if (err.n > 0) fprintf(stderr, "sentier forget: %.*s\n", STR_ARG(buf_str(&err)));
    buf_fini(&err);
    sites_free(sites);
    conf_free_section(&sections[0]);
    conf_free_section(&sections[1]);
    return status;
}
