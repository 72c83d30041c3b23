/*
 * sentier-report: the commands that only read. A verb is a row of a table: its function, the
 * options that it knows, its help. Exit status: 0 done, 1 the ledger does not balance, 2 anything
 * else.
 */
#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "report.h"

enum { WIDTH_DEFAULT = 80, WIDTH_MAX = 400, HEIGHT_DEFAULT = 24, WATCH_S = 1 };

struct verb {
    const char *name;
    report_fn *run;
    bool has_subject;
    const char *options; /* first letters of the options that it takes */
    const char *help;
};

#define COMMON_HELP                                                                                \
    "  --format table|json|csv    table by default\n"                                              \
    "  --conf FILE                default: $SENTIER_CONF, ./sentier.conf, "                        \
    "/etc/sentier/sentier.conf\n"                                                                  \
    "  --redis ADDRESS            as redis = in the configuration, instead of it\n"

static const struct verb verbs[] = {
    {"report", report_list, true, "sftlnFcrpvew",
     "sentier report LIST --site NAME [--last 28d | --from DATE --to DATE]\n\n"
     "LIST: pages, entries, exits, errors (pages with JavaScript errors), transitions, channels,\n"
     "      countries, devices, browsers, systems, sources, bots, outbound, downloads, events,\n"
     "      properties (what came with events), controls, searches, purchases, days, links,\n"
     "      verdicts, live, decay (visits of pages against the days before),\n"
     "      segments (persons by class), matrix (what they did with groups of pages),\n"
     "      ignorers (who ignores which page), topics\n\n"
     "  --site NAME                as in [site NAME]\n"
     "  --last 28d                 days (or 4w) up to today; 28d by default\n"
     "  --from DATE, --to DATE     the site's local dates, both included, as 2026-01-31\n"
     "  --page PAGE                of links: those that lead to it, as shop.example/a;\n"
     "                             of ignorers: the persons who ignore it\n"
     "  --limit N                  rows; 0: all. Default: 50 in a table, all "
     "otherwise\n"
     "  --verdict NAME             of verdicts: only broken, orphan, ignored, fading, used,\n"
     "                             undiscovered, unproven or unvisited pages\n"
     "  --event NAME               of properties: those of this event alone\n"
     "  --watch                    again each second, until Ctrl-C\n" COMMON_HELP
     "\nA site that has imported logs only ends at its newest day instead of today. JSON is the\n"
     "whole document, as in the summaries in Redis.\n"},
    {"customers", report_customers, false, "snFcr",
     "sentier customers --site NAME [--limit N]\n\n"
     "The persons of a site, seen last first: customers who signed in, and consented visitors on\n"
     "which none ever did.\n\n"
     "  --site NAME                as in [site NAME]\n"
     "  --limit N                  at most so many; 50 by default, 0: all\n" COMMON_HELP},
    {"profile", report_profile, true, "snFcr",
     "sentier profile --site NAME ID\n\n"
     "One person, by a customer's id or a visitor's: who it is, what interests it, which pages\n"
     "it uses, which ones it ignores and by what evidence, and which ones it would like but never "
     "saw.\n\n"
     "  --site NAME                as in [site NAME]\n"
     "  --limit N                  rows of each section; 0: all\n" COMMON_HELP},
    {"held", report_held, true, "sFcr",
     "sentier-report held --site NAME ID\n\n"
     "What Redis has of one consented visitor besides its profile, as JSON: the recent pageviews.\n"
     "It is a part of sentier export.\n\n"
     "  --site NAME                as in [site NAME]\n" COMMON_HELP},
    {"status", report_status, false, "aFcrw",
     "sentier status [--watch]\n\n"
     "Where every received hit is. Exit status 1 when the sum does not come out.\n\n"
     "  --collector HOST:PORT      a collector's admin address; once for each, where there are "
     "several\n"
     "  --watch                    again each second, until Ctrl-C\n"
     "  --format table|json        table by default\n"
     "  --conf FILE                default: $SENTIER_CONF, ./sentier.conf, "
     "/etc/sentier/sentier.conf\n"
     "  --redis ADDRESS            as redis = in the configuration, instead of it\n"},
};
enum { VERBS = sizeof verbs / sizeof *verbs };

static const struct option long_options[] = {
    {"site", required_argument, NULL, 's'},
    {"from", required_argument, NULL, 'f'},
    {"to", required_argument, NULL, 't'},
    {"last", required_argument, NULL, 'l'},
    {"page", required_argument, NULL, 'p'},
    {"limit", required_argument, NULL, 'n'},
    {"verdict", required_argument, NULL, 'v'},
    {"event", required_argument, NULL, 'e'},
    {"format", required_argument, NULL, 'F'},
    {"conf", required_argument, NULL, 'c'},
    {"redis", required_argument, NULL, 'r'},
    {"collector", required_argument, NULL, 'a'},
    {"watch", no_argument, NULL, 'w'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static int usage(FILE *out)
{
    fprintf(out, "sentier-report VERB ...\n\n");
    for (int i = 0; i < VERBS; i++) {
        const char *end = strchr(verbs[i].help, '\n');
        fprintf(out, "  %.*s\n", (int)(end - verbs[i].help), verbs[i].help);
    }
    fprintf(out, "\nsentier-report VERB --help says more.\n");
    return out == stdout ? REPORT_OK : REPORT_FAILED;
}

static const struct verb *find_verb(const char *name)
{
    for (int i = 0; i < VERBS; i++) {
        if (strcmp(verbs[i].name, name) == 0) return &verbs[i];
    }
    return NULL;
}

static int read_format(const char *text, enum report_format *format)
{
    static const char *const names[] = {"table", "json", "csv"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *format = (enum report_format)i;
        return 0;
    }
    return report_fail("--format %s: must be table, json or csv", text);
}

static int read_limit(const char *text, int64_t *limit)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (end == text || *end != '\0' || n < 0)
        return report_fail("--limit %s: must be a number; 0: no limit", text);
    *limit = n;
    return 0;
}

static int set_option(struct report_args *a, int letter, const char *value)
{
    switch (letter) {
    case 's': a->site = value; return 0;
    case 'f': a->from = value; return 0;
    case 't': a->to = value; return 0;
    case 'l': a->last = value; return 0;
    case 'p': a->page = value; return 0;
    case 'c': a->conf = value; return 0;
    case 'v': a->verdict = value; return 0;
    case 'e': a->event = value; return 0;
    case 'w': a->watch = true; return 0;
    case 'r': a->redis = value; return 0;
    case 'n': return read_limit(value, &a->limit);
    case 'F': return read_format(value, &a->format);
    case 'a':
        if (a->n_collectors == REPORT_COLLECTORS_MAX) return report_fail("too many collectors");
        a->collectors[a->n_collectors++] = value;
        return 0;
    }
    return REPORT_FAILED;
}

/* argv[0] is the verb. 0; REPORT_FAILED after saying why; -1: help was asked for. */
static int read_args(const struct verb *verb, int argc, char **argv, struct report_args *a)
{
    int letter;
    a->limit = -1;
    opterr = 0;
    while ((letter = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        if (letter == 'h') return -1;
        if (letter == '?' || strchr(verb->options, letter) == NULL)
            return report_fail("%s: not an option here, or its value is missing; "
                               "sentier %s --help lists them",
                               argv[optind - 1], verb->name);
        if (set_option(a, letter, optarg) != 0) return REPORT_FAILED;
    }
    if (verb->has_subject && optind < argc) a->subject = argv[optind++];
    if (optind == argc) return 0;
    return report_fail("'%s' is too much; sentier %s --help", argv[optind], verb->name);
}

/* Columns of the terminal; where there is none, $COLUMNS or 80. */
static unsigned terminal_width(void)
{
    struct winsize size;
    const char *text = getenv("COLUMNS");
    long n = text == NULL ? 0 : strtol(text, NULL, 10);
    if (n <= 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) n = size.ws_col;
    if (n <= 0) n = WIDTH_DEFAULT;
    return (unsigned)(n > WIDTH_MAX ? WIDTH_MAX : n);
}

static bool shows_colours(void)
{
    const char *no = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) && (no == NULL || no[0] == '\0');
}

static struct report report_of(const struct report_args *args)
{
    return (struct report){
        .args = *args, .width = terminal_width(), .colour = shows_colours(), .now_ms = clock_ms()};
}

static int run(const struct verb *verb, const struct report_args *args)
{
    struct report r = report_of(args);
    int result = verb->run(&r);
    fflush(stderr);
    if (fwrite(r.out.p == NULL ? "" : r.out.p, 1, r.out.n, stdout) != r.out.n ||
        fflush(stdout) != 0)
        result = REPORT_FAILED;
    report_close(&r);
    return result;
}

/* Over the lines of the frame before, as many as fit, in one write: it does not flicker. */
static int draw(struct str text)
{
    struct winsize size = {0};
    struct buf frame = {0};
    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    unsigned rows = size.ws_row > 1 ? size.ws_row - 1 : HEIGHT_DEFAULT - 1;
    buf_add(&frame, STR("\033[H\033[?7l")); /* the corner; long lines are cut, not wrapped */
    for (; text.n > 0 && rows > 0; rows--) {
        size_t n = str_find(text, '\n');
        buf_add(&frame, str_upto(text, n));
        buf_add(&frame, STR("\033[K\n"));
        text = str_from(text, n + 1);
    }
    buf_add(&frame, STR("\033[?7h\033[J"));
    bool ok = fwrite(frame.p, 1, frame.n, stdout) == frame.n && fflush(stdout) == 0;
    buf_fini(&frame);
    return ok ? REPORT_OK : REPORT_FAILED;
}

/* Each frame is a report of its own, so it lives through whatever goes down meanwhile. What could
 * not be read has said so on stderr, below the last frame. Ends by Ctrl-C. */
static int watch(const struct verb *verb, const struct report_args *args)
{
    if (!isatty(STDOUT_FILENO) || args->format != FORMAT_TABLE)
        return report_fail("--watch is for a terminal, and shows the table");
    for (bool first = true;; first = false) {
        struct report r = report_of(args);
        int result = verb->run(&r);
        if (first && r.out.n > 0) fputs("\033[2J", stdout);
        bool end = r.out.n > 0 ? draw(buf_str(&r.out)) != REPORT_OK : first;
        report_close(&r);
        if (end) return result == REPORT_OK ? REPORT_FAILED : result;
        nanosleep(&(struct timespec){WATCH_S, 0}, NULL);
    }
}

int main(int argc, char **argv)
{
    struct report_args args = {0};
    log_program("report");
    signal(SIGPIPE, SIG_IGN); /* a Redis that goes away under a question */
    if (argc < 2) return usage(stderr);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) return usage(stdout);
    const struct verb *verb = find_verb(argv[1]);
    if (verb == NULL) {
        report_fail("no command '%s'", argv[1]);
        return usage(stderr);
    }
    if (sodium_init() < 0) return report_fail("libsodium cannot be used");
    int result = read_args(verb, argc - 1, argv + 1, &args);
    if (result < 0) {
        fputs(verb->help, stdout);
        return REPORT_OK;
    }
    if (result != 0) return result;
    return args.watch ? watch(verb, &args) : run(verb, &args);
}
