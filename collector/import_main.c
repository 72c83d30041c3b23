/*
 * sentier-import: access logs -> journal -> Redis, each line exactly once however often it is
 * given. A running collector ships what this writes; without one, this process ships it itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "clock.h"
#include "dataset.h"
#include "deliver.h"
#include "import.h"
#include "import_ledger.h"
#include "log.h"
#include "options.h"

enum {
    PATH_BYTES = 4096,
    SETS_MAX = 16,
    PROGRESS_MS = 500,           /* on a terminal */
    PROGRESS_LINE_MS = 5 * 1000, /* in a log */
    FUTURE_MS = 26 * 3600 * 1000 /* a clock in another time zone; more is a wrong clock */
};

static struct collector_conf conf;
static struct redis_conf redis;
static struct {
    int64_t days, months;
} kept;
static const struct conf_opt kept_options[] = {CONF_RETENTION(0, sizeof kept.days), CONF_MORE};
static const struct conf_section sections[] = {{"collector", collector_options, &conf},
                                               {"redis", redis_options, &redis},
                                               {"aggregator", kept_options, &kept},
                                               {0}};

struct importer {
    const char *conf_file, *site_name, *host;
    bool force, dry_run, quiet;
    struct sites *sites;
    const struct site *site;
    struct lists *lists;
    struct ingest *ingest;
    struct redis_now *redis;
    char journal_dir[PATH_BYTES], host_text[256];
    unsigned char key[IMPORT_KEY_BYTES];
    int key_fd;            /* locked: one import at a time in a data directory */
    uint64_t *seen, *last; /* per partition: in Redis, and left by an earlier run */
    bool terminal;
    /* of the file being read */
    const char *path;
    int64_t began_ms, told_ms;
};

static const char usage[] =
    "sentier import --site NAME FILE...\n"
    "Reads access logs of nginx and Apache (common, combined, with or without a virtual host),\n"
    "plain or gzip; - is standard input. A file may be given again, or when it has grown: each\n"
    "line counts once. Lines that name a host which is not among the site's origins are left out.\n"
    "\n"
    "  --site NAME    a [site NAME] of the configuration\n"
    "  --host HOST    of lines that name none (default: the site's first origin)\n"
    "  --force        import in spite of an overlapping file, or of days with live hits\n"
    "  --dry-run      read and count, store nothing\n"
    "  --quiet        no progress\n"
    "  --conf FILE    the configuration\n"
    "  --set SECTION.KEY=VALUE\n";

static int complain(const char *path, const struct buf *err)
{
    fprintf(stderr, "sentier import: %s%s%.*s\n", path == NULL ? "" : path,
            path == NULL ? "" : ": ", STR_ARG(buf_str(err)));
    return -1;
}

/* ---- start ---- */

static bool parse_arguments(struct importer *im, int argc, char **argv, const char **sets,
                            unsigned *n_sets)
{
    static const struct option options[] = {{"conf", required_argument, NULL, 'c'},
                                            {"set", required_argument, NULL, 's'},
                                            {"site", required_argument, NULL, 'n'},
                                            {"host", required_argument, NULL, 'o'},
                                            {"force", no_argument, NULL, 'f'},
                                            {"dry-run", no_argument, NULL, 'd'},
                                            {"quiet", no_argument, NULL, 'q'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    for (int o; (o = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (o) {
        case 'c': im->conf_file = optarg; break;
        case 's':
            if (*n_sets == SETS_MAX) return false;
            sets[(*n_sets)++] = optarg;
            break;
        case 'n': im->site_name = optarg; break;
        case 'o': im->host = optarg; break;
        case 'f': im->force = true; break;
        case 'd': im->dry_run = true; break;
        case 'q': im->quiet = true; break;
        case 'h': fputs(usage, stdout); exit(0);
        default: return false;
        }
    }
    return im->site_name != NULL && optind < argc;
}

/* The key is the data set's: with it the same visitor of two runs is the same, without it nobody
 * can find out who a visitor was. */
static int read_key(struct importer *im, struct buf *err)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/import.key", conf.data);
    im->key_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (im->key_fd >= 0 && flock(im->key_fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
        buf_printf(err, "another import is running in %s; start this one when it has ended",
                   conf.data);
        return -1;
    }
    ssize_t got = im->key_fd < 0 ? -1 : read(im->key_fd, im->key, sizeof im->key);
    if (got == 0) {
        randombytes_buf(im->key, sizeof im->key);
        got = write(im->key_fd, im->key, sizeof im->key);
        if (fsync(im->key_fd) < 0) got = -1;
    }
    if (got == (ssize_t)sizeof im->key) return 0;
    buf_printf(err, "%s: %s", path,
               got < 0 ? strerror(errno) : "too short; put the right one back from a backup");
    return -1;
}

static void choose_host(struct importer *im)
{
    const char *origin = im->site->origins == NULL ? NULL : im->site->origins[0];
    const char *slashes = origin == NULL ? NULL : strstr(origin, "://");
    if (im->host == NULL && slashes != NULL && strchr(origin, '*') == NULL) im->host = slashes + 3;
    snprintf(im->host_text, sizeof im->host_text, "%s",
             im->host == NULL ? im->site->name : im->host);
    im->host = im->host_text;
}

static int open_all(struct importer *im, struct buf *err)
{
    unsigned partitions = (unsigned)redis.partitions;
    im->site = sites_need(im->sites, im->site_name, err);
    if (im->site == NULL) return -1;
    choose_host(im);
    if (journal_make_dir(conf.data, im->journal_dir, sizeof im->journal_dir) < 0) {
        buf_printf(err, "%s: %s", im->journal_dir, strerror(errno));
        return -1;
    }
    if (dataset_agree_dir(conf.data, partitions, err) < 0 || read_key(im, err) < 0) return -1;
    im->redis = redis_now_open(&redis, err);
    if (im->redis == NULL || dataset_agree(im->redis, partitions, err) < 0) return -1;
    im->lists = lists_load(conf.geoip, conf.geoip6);
    im->ingest = im->lists == NULL ? NULL : ingest_new(im->lists, NULL);
    im->seen = calloc(partitions, sizeof *im->seen);
    im->last = calloc(partitions, sizeof *im->last);
    if (im->ingest != NULL && im->seen != NULL && im->last != NULL) return 0;
    buf_printf(err, "no memory, or a list cannot be loaded (see above)");
    return -1;
}

/* ---- one file ---- */

/* done: 0..1, or less when nobody knows. */
static void tell(struct importer *im, const char *what, double done)
{
    int64_t now = clock_mono_ms();
    if (im->quiet || now - im->told_ms < (im->terminal ? PROGRESS_MS : PROGRESS_LINE_MS)) return;
    im->told_ms = now;
    fprintf(stderr, "%s%s: %s", im->terminal ? "\r\033[K" : "", im->path, what);
    if (done > 0.01) {
        double left_s = (double)(now - im->began_ms) / 1000 * (1 - done) / done;
        fprintf(stderr, ", %.0f %%, %.0f s left", done * 100, left_s);
    }
    if (!im->terminal) fputc('\n', stderr);
}

static void tell_reading(void *arg, uint64_t lines, double share)
{
    struct importer *im = arg;
    char what[64];
    int64_t took_ms = clock_mono_ms() - im->began_ms;
    snprintf(what, sizeof what, "%llu lines, %.0f/s", (unsigned long long)lines,
             (double)lines * 1000 / (double)(took_ms > 0 ? took_ms : 1));
    tell(im, what, share);
}

static void print_older(const struct import_result *r, uint32_t kept_from)
{
    char day[DATE_TEXT_BYTES];
    uint64_t older = import_older(r, kept_from);
    if (older == 0) return;
    date_format(kept_from, day);
    printf("  too old     %10llu  (new pages from before %s; the ledger counts them, no report\n"
           "                          shows them: aggregator.months_kept = %lld)\n",
           (unsigned long long)older, day, (long long)kept.months);
}

static void print_result(const struct importer *im, const struct import_result *r,
                         uint32_t kept_from)
{
    double took_s = (double)(clock_mono_ms() - im->began_ms) / 1000;
    if (!im->quiet && im->terminal) fputs("\r\033[K", stderr);
    printf("%s: %llu lines in %.2f s (%.0f/s)\n", im->path, (unsigned long long)r->lines, took_s,
           (double)r->lines / (took_s > 0.001 ? took_s : 0.001));
    printf("  pages       %10llu  (%llu by bots, %llu not found)\n", (unsigned long long)r->taken,
           (unsigned long long)r->bots, (unsigned long long)r->broken);
    printf("  left out    %10llu", (unsigned long long)r->left_out);
    for (int i = 0; i < IMPORT_REASONS && r->left[i].reason != NULL; i++) {
        printf("%s%llu %s", i == 0 ? "  (" : ", ", (unsigned long long)r->left[i].n,
               r->left[i].reason);
    }
    printf("%s\n", r->left_out > 0 ? ")" : "");
    if (r->refused > 0)
        printf("  refused     %10llu  (no page's address, or too long a one)\n",
               (unsigned long long)r->refused);
    printf("  unreadable  %10llu", (unsigned long long)r->unreadable);
    for (uint64_t i = 0; i < r->unreadable && i < IMPORT_EXAMPLES; i++) {
        printf("%s%llu", i == 0 ? "  (line " : ", ", (unsigned long long)r->examples[i]);
    }
    printf("%s\n", r->unreadable == 0 ? "" : r->unreadable > IMPORT_EXAMPLES ? ", ...)" : ")");
    if (r->cut) puts("  the last line has no end yet; the next import takes it");
    print_older(r, kept_from);
    if (r->staged == 0)
        puts("  nothing new: every line was imported before");
    else if (r->staged < r->lines)
        printf("  new         %10llu\n", (unsigned long long)r->staged);
}

static void tell_shipping(void *arg, const char *what)
{
    tell(arg, what, -1);
}

/* Until Redis has the lines in last[]. */
static int ship(struct importer *im, const struct import_record *record, const uint64_t *last,
                struct buf *err)
{
    struct delivery d = {.conf = &conf,
                         .redis_conf = &redis,
                         .redis = im->redis,
                         .journal_dir = im->journal_dir,
                         .producer = record->producer,
                         .last = last,
                         .tell = tell_shipping,
                         .arg = im};
    im->told_ms = clock_mono_ms();
    return deliver(&d, err);
}

static int publish(struct importer *im, const struct import_opts *o, struct import_record *record,
                   const struct import_result *r, struct buf *err)
{
    struct import_record fresh = *record;
    fresh.from_ms = r->from_ms;
    fresh.to_ms = r->to_ms;
    if (!im->force && r->from_ms != 0 &&
        import_check_overlap(im->redis, im->site, (unsigned)redis.partitions, &fresh, err) < 0) {
        buf_printf(err, "; nothing was imported (--force imports it all the same)");
        return -1;
    }
    if (record->from_ms == 0 || (r->from_ms != 0 && r->from_ms < record->from_ms))
        record->from_ms = r->from_ms;
    if (r->to_ms > record->to_ms) record->to_ms = r->to_ms;
    if (import_save(im->redis, im->site, record, err) < 0 || import_publish(o, err) < 0) return -1;
    return ship(im, record, r->last, err);
}

static int store(struct importer *im, const struct import_opts *o, struct import_record *record,
                 const struct import_result *r, struct buf *err)
{
    if (r->staged > 0 && publish(im, o, record, r, err) < 0) return -1;
    if (r->lines <= record->lines) return 0;
    record->lines = r->lines;
    return import_save(im->redis, im->site, record, err);
}

/* What an earlier run has put into the journal must be in Redis before the rest can be told. */
static int finish_earlier(struct importer *im, const struct import_opts *o,
                          const struct import_record *record, struct buf *err)
{
    if (im->dry_run || !import_journalled(o, im->last)) return 0;
    return ship(im, record, im->last, err);
}

static int find_kept(struct importer *im, const struct import_result *r, uint32_t *from,
                     struct buf *err)
{
    struct retention keep = {.days = (uint32_t)kept.days, .months = (uint32_t)kept.months};
    return import_kept(im->redis, im->site, (unsigned)redis.partitions, &keep,
                       zone_day(im->site->zone, r->to_ms), from, err);
}

static int import_one(struct importer *im, struct import_file *file, struct buf *err)
{
    struct import_record record;
    struct import_result r;
    if (import_find(im->redis, im->site, file, &record, err) < 0) return -1;
    struct import_opts o = {.site = im->site,
                            .ingest = im->ingest,
                            .key = im->key,
                            .host = im->host,
                            .journal_dir = im->journal_dir,
                            .segment_bytes = conf.journal_segment,
                            .reserve_bytes = conf.journal_reserve,
                            .partitions = (unsigned)redis.partitions,
                            .producer = record.producer,
                            .complete = record.lines,
                            .seen = im->seen,
                            .latest_ms = clock_ms() + FUTURE_MS,
                            .progress = tell_reading,
                            .arg = im};
    if (finish_earlier(im, &o, &record, err) < 0 ||
        import_seen(im->redis, record.producer, (unsigned)redis.partitions, im->seen, err) < 0 ||
        import_read(&o, file, &r, err) < 0) {
        return -1;
    }
    uint32_t kept_from;
    int result = im->dry_run ? 0 : store(im, &o, &record, &r, err);
    import_discard(&o); /* nothing is left there but after a refusal or a dry run */
    if (result == 0) result = find_kept(im, &r, &kept_from, err);
    if (result == 0) print_result(im, &r, kept_from);
    import_result_fini(&r);
    return result;
}

static int import_path(struct importer *im, const char *path)
{
    struct buf err = {0};
    im->path = strcmp(path, "-") == 0 ? "standard input" : path;
    im->began_ms = im->told_ms = clock_mono_ms();
    struct import_file *file = import_file_open(path);
    if (file == NULL) buf_printf(&err, "%s", strerror(errno));
    int result = file == NULL ? -1 : import_one(im, file, &err);
    if (result < 0) complain(im->path, &err);
    import_file_close(file);
    buf_fini(&err);
    return result;
}

static void fini(struct importer *im)
{
    ingest_free(im->ingest);
    lists_free(im->lists);
    redis_now_close(im->redis);
    sites_free(im->sites);
    free(im->seen);
    free(im->last);
    if (im->key_fd >= 0) close(im->key_fd);
    sodium_memzero(im->key, sizeof im->key);
    conf_free_section(&sections[0]);
    conf_free_section(&sections[1]);
}

int main(int argc, char **argv)
{
    static struct importer im = {.key_fd = -1};
    const char *sets[SETS_MAX];
    unsigned n_sets = 0;
    struct buf err = {0};
    log_program("sentier-import");
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    if (sodium_init() < 0 || !parse_arguments(&im, argc, argv, sets, &n_sets)) {
        fputs(usage, stderr);
        return 2;
    }
    int started = conf_load_set(im.conf_file, sets, n_sets, sections, &im.sites, &err);
    im.terminal = isatty(STDERR_FILENO);
    if (started == 0) started = open_all(&im, &err);
    if (started < 0) complain(NULL, &err);
    int result = started < 0 ? 2 : 0;
    for (int i = optind; i < argc && result != 2 && (im.redis == NULL || redis_now_up(im.redis));
         i++) {
        if (import_path(&im, argv[i]) < 0) result = 1;
    }
    buf_fini(&err);
    fini(&im);
    return result;
}
