/*
 * sentier-rebuild: archives and journals -> all state, anew, beside what is live; then the two are
 * exchanged. This process reads and ships; an aggregator that it starts folds, and dies with it.
 *
 * Exit status: 0 done, 1 refused because not everything is there, 2 anything else; 130 stopped.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "options.h"
#include "rebuild.h"

enum {
    PATH_BYTES = 4096,
    SETS_MAX = 16,
    END_MS = 10 * 1000, /* what folds for it may take so long to end */
    PROGRESS_MS = 500,
    PROGRESS_LINE_MS = 5 * 1000,
    ARGUMENTS_MAX = 2 * SETS_MAX + 16,
};

static struct collector_conf conf;
static struct redis_conf redis;
static const struct conf_section sections[] = {{"collector", collector_options, &conf},
                                               {"redis", redis_options, &redis},
                                               {"aggregator", NULL, NULL},
                                               {0}};

struct rebuilder {
    const char *conf_file, *sets[SETS_MAX];
    unsigned n_sets;
    const char *archive[REBUILD_DIRS_MAX], *journal[REBUILD_DIRS_MAX];
    unsigned archives, journals;
    bool incomplete, quiet, terminal;
    struct sites *sites;
    pid_t fold; /* 0: none */
    int64_t began_ms, told_ms;
};

static volatile sig_atomic_t stopped;

static const char usage[] =
    "sentier rebuild\n"
    "Folds all hits of the archive and the journals anew, beside what is live, and then takes the\n"
    "result for the live state. Hits may come in all the while. Until the end nothing that is "
    "live\n"
    "changes, so it can be stopped at any moment. Redis needs room for two states at once.\n"
    "\n"
    "  --archive DIR    an archive; may be repeated (default: collector.archive)\n"
    "  --journals DIR   a collector's data directory; may be repeated (default: collector.data)\n"
    "  --incomplete     also when hits are missing: days that they may be of keep their counters\n"
    "  --quiet          no progress\n"
    "  --conf FILE      the configuration\n"
    "  --set SECTION.KEY=VALUE\n"
    "\n"
    "Every collector's archive and data directory must be named. Exit status: 0 done, 1 hits are\n"
    "missing and nothing was changed, 2 anything else.\n";

static void complain(const char *text, size_t n)
{
    fprintf(stderr, "sentier rebuild: %.*s\n", (int)n, text);
}

static bool add(const char **list, unsigned *n, unsigned max)
{
    if (*n == max) return false;
    list[(*n)++] = optarg;
    return true;
}

static bool parse_arguments(struct rebuilder *b, int argc, char **argv)
{
    static const struct option options[] = {
        {"conf", required_argument, NULL, 'c'},    {"set", required_argument, NULL, 's'},
        {"archive", required_argument, NULL, 'a'}, {"journals", required_argument, NULL, 'j'},
        {"incomplete", no_argument, NULL, 'i'},    {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},          {0}};
    bool ok = true;
    for (int o; ok && (o = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (o) {
        case 'c': b->conf_file = optarg; break;
        case 's': ok = add(b->sets, &b->n_sets, SETS_MAX); break;
        case 'a': ok = add(b->archive, &b->archives, REBUILD_DIRS_MAX); break;
        case 'j': ok = add(b->journal, &b->journals, REBUILD_DIRS_MAX); break;
        case 'i': b->incomplete = true; break;
        case 'q': b->quiet = true; break;
        case 'h': fputs(usage, stdout); exit(0);
        default: return false;
        }
    }
    return ok && optind == argc;
}

static int load(struct rebuilder *b, struct buf *err)
{
    if (conf_load_set(b->conf_file, b->sets, b->n_sets, sections, &b->sites, err) < 0) return -1;
    if (b->archives == 0 && conf.archive[0] != '\0') b->archive[b->archives++] = conf.archive;
    if (b->journals == 0) b->journal[b->journals++] = conf.data;
    return 0;
}

static int open_dirs(const struct rebuilder *b, struct rebuild_files *files, struct buf *err)
{
    for (unsigned i = 0; i < b->journals; i++) {
        if (rebuild_files_add_journal(files, b->journal[i], err) < 0) return -1;
    }
    for (unsigned i = 0; i < b->archives; i++) {
        if (rebuild_files_add_archive(files, b->archive[i], err) < 0) return -1;
    }
    return 0;
}

/* ---- the aggregator of the next generation ---- */

static bool beside_us(const char *name, char out[PATH_BYTES])
{
    ssize_t n = readlink("/proc/self/exe", out, PATH_BYTES - 1);
    if (n < 0) return false;
    out[n] = '\0';
    char *slash = strrchr(out, '/');
    size_t at = slash == NULL ? 0 : (size_t)(slash + 1 - out);
    return snprintf(out + at, PATH_BYTES - at, "%s", name) < (int)(PATH_BYTES - at);
}

static void run_aggregator(const struct rebuilder *b, const char *path, pid_t parent)
{
    const char *argv[ARGUMENTS_MAX] = {path, "--next", "--set", "aggregator.admin=127.0.0.1:0"};
    char name[64];
    unsigned n = 4;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(126); /* it is dead already */
    setpgid(0, 0);                       /* Ctrl-C is for us; we end it */
    snprintf(name, sizeof name, "aggregator.name=rebuild-%d", (int)getpid());
    argv[n++] = "--set";
    argv[n++] = name;
    if (b->conf_file != NULL) {
        argv[n++] = "--conf";
        argv[n++] = b->conf_file;
    }
    for (unsigned i = 0; i < b->n_sets; i++) {
        if (strncmp(b->sets[i], "collector.", 10) == 0) continue;
        argv[n++] = "--set";
        argv[n++] = b->sets[i];
    }
    argv[n] = NULL;
    execv(path, (char *const *)argv);
    _exit(127);
}

static int start_fold(void *arg, struct buf *err)
{
    struct rebuilder *b = arg;
    char path[PATH_BYTES];
    pid_t parent = getpid();
    if (!beside_us("sentier-aggregator", path) || access(path, X_OK) < 0) {
        buf_printf(err, "there is no sentier-aggregator beside this program");
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0) run_aggregator(b, path, parent);
    if (pid < 0) buf_printf(err, "fork: %s", strerror(errno));
    b->fold = pid < 0 ? 0 : pid;
    return pid < 0 ? -1 : 0;
}

static void stop_fold(void *arg)
{
    struct rebuilder *b = arg;
    const struct timespec pause = {0, 20 * 1000000L};
    int64_t until_ms = clock_mono_ms() + END_MS;
    if (b->fold == 0) return;
    kill(b->fold, SIGTERM);
    while (waitpid(b->fold, NULL, WNOHANG) == 0) {
        if (clock_mono_ms() > until_ms) kill(b->fold, SIGKILL);
        nanosleep(&pause, NULL);
    }
    b->fold = 0;
}

/* ---- telling ---- */

static void tell(struct rebuilder *b, const struct rebuild_progress *now)
{
    static const char *const phases[] = {"listing", "reading", "folding", "reading the last",
                                         "swapping"};
    char date[DATE_TEXT_BYTES] = "";
    int64_t ms = clock_mono_ms();
    if (b->quiet || ms - b->told_ms < (b->terminal ? PROGRESS_MS : PROGRESS_LINE_MS)) return;
    b->told_ms = ms;
    if (now->at_ms > 0) date_format((uint32_t)(now->at_ms / 86400000), date);
    fprintf(stderr, "%s%s: %" PRIu64 " hits read, %" PRIu64 " folded (%.0f/s)%s%s%s",
            b->terminal ? "\r\033[K" : "", phases[now->phase], now->hits, now->folded,
            (double)now->folded * 1000 / (double)(ms - b->began_ms + 1), date[0] == 0 ? "" : ", ",
            date, b->terminal ? "" : "\n");
}

static bool tick(void *arg, const struct rebuild_progress *now, struct buf *err)
{
    struct rebuilder *b = arg;
    int status;
    tell(b, now);
    if (stopped) {
        buf_printf(err, "stopped; nothing has changed");
        return false;
    }
    if (b->fold == 0 || waitpid(b->fold, &status, WNOHANG) == 0) return true;
    b->fold = 0;
    buf_printf(err, "the aggregator that folds for it has ended (status %d)", status);
    return false;
}

static void print_dirs(const struct rebuilder *b)
{
    if (b->archives == 0)
        fputs("there is no archive (collector.archive is not set): only what the journals still\n"
              "hold can be folded again\n",
              stderr);
    for (unsigned i = 0; i < b->archives && !b->quiet; i++)
        fprintf(stderr, "archive   %s\n", b->archive[i]);
    for (unsigned i = 0; i < b->journals && !b->quiet; i++)
        fprintf(stderr, "journals  %s\n", b->journal[i]);
}

static void print_missing(const struct rebuild_missing *m)
{
    char date[DATE_TEXT_BYTES];
    for (unsigned i = 0; i < m->lines; i++)
        fprintf(stderr, "  %s\n", m->line[i]);
    if (m->more > 0) fprintf(stderr, "  and %u more\n", m->more);
    if (m->counted > 0)
        fprintf(stderr, "  %" PRIu64 " hits that were counted are in no file\n", m->counted);
    if (m->lost > 0)
        fprintf(stderr, "  %" PRIu64 " hits that the collectors received are in no file\n",
                m->lost);
    if (m->forgotten_ms > 0) {
        date_format((uint32_t)(m->forgotten_ms / 86400000), date);
        fprintf(stderr, "  the archive has deleted what it had until %s\n", date);
    }
    date_format((uint32_t)(m->until_ms / 86400000), date);
    fprintf(stderr, "  received until %s (UTC) at the latest, in %u partitions\n", date,
            m->partitions);
}

static void print_kept(const struct swap_account *s)
{
    char first[DATE_TEXT_BYTES], last[DATE_TEXT_BYTES];
    for (size_t i = 0; i < s->sites; i++) {
        date_format(s->site[i].first, first);
        date_format(s->site[i].last, last);
        printf("  kept        %s: the counters of %s to %s, as they were\n", s->site[i].name, first,
               last);
    }
    printf(
        "  visitors that the files know are from the files alone; %" PRIu64
        " others, in the same\n  buckets, and all whose buckets the files do not know were kept\n",
        s->kept_profiles);
    if (s->kept_partitions > 0)
        printf("  %" PRIu64 " partitions of which the files hold nothing are as they were\n",
               s->kept_partitions);
}

static void print_account(const struct rebuilder *b, const struct rebuild_account *a)
{
    double took_s = (double)(clock_mono_ms() - b->began_ms) / 1000;
    printf("rebuilt in %.1f s (%u passes)\n", took_s, a->passes);
    printf("  read        %10" PRIu64 " hits, %" PRIu64 " records of %" PRIu64
           " producers in %" PRIu64 " segments (%" PRIu64 " in an archive)\n",
           a->done.hits, a->done.records, a->producers, a->segments, a->packed);
    printf("  folded      %10" PRIu64 " hits into %" PRIu64 " days, in %" PRIu64 " partitions\n",
           a->done.folded, a->swap.days, a->swap.partitions);
    if (a->swap.regained > 0)
        printf("  regained    what Redis had forgotten, of %" PRIu64 " producers and partitions\n",
               a->swap.regained);
    if (a->missing.partitions > 0) print_kept(&a->swap);
}

/* ---- run ---- */

static void on_signal(int signal_number)
{
    (void)signal_number;
    stopped = 1;
}

static int run(struct rebuilder *b, struct buf *err)
{
    struct rebuild_files files = {.partitions = 0};
    struct rebuild_account account;
    const struct rebuild_opts opts = {.redis = &redis,
                                      .sites = b->sites,
                                      .incomplete = b->incomplete,
                                      .hooks = {start_fold, stop_fold, tick, b}};
    if (rebuild_files_init(&files, (unsigned)redis.partitions) < 0 ||
        open_dirs(b, &files, err) < 0) {
        rebuild_files_fini(&files);
        return 2;
    }
    print_dirs(b);
    enum rebuild_end end = rebuild_run(&opts, &files, &account, err);
    if (!b->quiet && b->terminal) fputs("\r\033[K", stderr);
    if (end == REBUILD_INCOMPLETE) {
        fputs("sentier rebuild: not every hit is in these directories; nothing has changed.\n",
              stderr);
        print_missing(&account.missing);
        fputs("Name the missing directories by --archive and --journals, or take --incomplete: "
              "days\nthat the missing hits may be of then keep their counters.\n",
              stderr);
    }
    if (end == REBUILD_DONE && account.missing.partitions > 0) {
        fputs("not every hit is in these directories:\n", stderr);
        print_missing(&account.missing);
    }
    if (end == REBUILD_DONE) print_account(b, &account);
    swap_account_fini(&account.swap);
    rebuild_files_fini(&files);
    return end == REBUILD_DONE ? 0 : end == REBUILD_INCOMPLETE ? 1 : stopped ? 130 : 2;
}

int main(int argc, char **argv)
{
    static struct rebuilder b;
    const struct sigaction stop = {.sa_handler = on_signal};
    struct buf err = {0};
    log_program("sentier-rebuild");
    signal(SIGPIPE, SIG_IGN);
    if (sodium_init() < 0 || !parse_arguments(&b, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    b.terminal = isatty(STDERR_FILENO);
    b.began_ms = clock_mono_ms();
    b.told_ms = b.terminal ? 0 : b.began_ms;
    int status = load(&b, &err) < 0 ? 2 : run(&b, &err);
    if (err.n > 0) complain(err.p, err.n);
    buf_fini(&err);
    sites_free(b.sites);
    conf_free_section(&sections[0]);
    conf_free_section(&sections[1]);
    return status;
}
