/*
 * Both programs start the same way, so the same code says what is wrong in the same words. A reload
 * reads the whole file into scratch targets, so that a fault anywhere refuses it as a whole.
 */
#include "program.h"

#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>

#include "log.h"

enum { SETS_MAX = 64 };

struct arguments {
    const char *conf_file;
    const char *sets[SETS_MAX];
    unsigned n_sets;
    bool check, sample, help, version;
};

static bool parse(const struct program *p, int argc, char **argv, struct arguments *a)
{
    static const struct option options[] = {{"conf", required_argument, NULL, 'c'},
                                            {"set", required_argument, NULL, 's'},
                                            {"check-config", no_argument, NULL, 'k'},
                                            {"print-sample", no_argument, NULL, 'p'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'v'},
                                            {0}};
    for (int o; (o = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
        switch (o) {
        case 'c': a->conf_file = optarg; break;
        case 's':
            if (a->n_sets == SETS_MAX) {
                fprintf(stderr, "%s: more than %d times --set; use a file\n", p->name, SETS_MAX);
                return false;
            }
            a->sets[a->n_sets++] = optarg;
            break;
        case 'k': a->check = true; break;
        case 'p': a->sample = true; break;
        case 'h': a->help = true; break;
        case 'v': a->version = true; break;
        default: fprintf(stderr, "%s: see --help\n", p->name); return false;
        }
    }
    if (optind < argc)
        fprintf(stderr, "%s: '%s' is no option; see --help\n", p->name, argv[optind]);
    return optind == argc;
}

static void print_help(const struct program *p)
{
    printf("%s: %s\n\n"
           "  --conf FILE               the configuration; without it, the defaults\n"
           "  --set SECTION.KEY=VALUE   sets one option, whatever the file says; may be repeated\n"
           "  --check-config            reads the configuration, says what is wrong, and ends\n"
           "  --print-sample            prints an annotated configuration, and ends\n"
           "  --help, --version         print this, or the version, and end\n\n"
           "SIGHUP takes up changed sites; SIGTERM stops. Options, by section of the file:\n",
           p->name, p->purpose);
    conf_print_help(stdout, p->sections);
}

static void print_sample(const struct program *p)
{
    const struct conf_section own[] = {p->sections[0], {0}};
    if (p->samples_all) printf("# Each option with its default; take the # away to change it.\n");
    conf_print_sample(stdout, p->samples_all ? p->sections : own);
    if (p->samples_all) conf_print_site_sample(stdout);
}

enum program_result program_start(const struct program *p, int argc, char **argv,
                                  struct sites **sites, const char **conf_file)
{
    struct arguments a = {0};
    struct buf err = {0};
    log_program(p->name);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    if (sodium_init() < 0) {
        fprintf(stderr, "%s: libsodium cannot start\n", p->name);
        return PROGRAM_REFUSED;
    }
    if (!parse(p, argc, argv, &a)) return PROGRAM_REFUSED;
    if (a.help) print_help(p);
    if (a.sample) print_sample(p);
    if (a.version) printf("%s %s\n", p->name, SENTIER_VERSION);
    if (a.help || a.sample || a.version) return PROGRAM_DONE;

    *conf_file = a.conf_file;
    if (conf_load_set(a.conf_file, a.sets, a.n_sets, p->sections, sites, &err) < 0) {
        fprintf(stderr, "%s: %.*s\n", p->name, STR_ARG(buf_str(&err)));
        buf_fini(&err);
        return PROGRAM_REFUSED;
    }
    if (!a.check) return PROGRAM_RUN;
    printf("%s: configuration is fine: %zu site%s\n", p->name, sites_count(*sites),
           sites_count(*sites) == 1 ? "" : "s");
    sites_free(*sites);
    return PROGRAM_DONE;
}

struct sites *program_reload_sites(const struct program *p, const char *conf_file)
{
    enum { SECTIONS_MAX = 8, TARGET_MAX = 4096 };
    static union {
        char bytes[TARGET_MAX];
        int64_t align;
    } scratch[SECTIONS_MAX];
    struct conf_section sections[SECTIONS_MAX + 1] = {0};
    struct sites *sites = NULL;
    struct buf err = {0};
    memset(scratch, 0, sizeof scratch);
    for (unsigned i = 0; i < SECTIONS_MAX && p->sections[i].name != NULL; i++) {
        sections[i] = p->sections[i];
        if (sections[i].target != NULL) sections[i].target = &scratch[i];
    }
    if (conf_load(conf_file, sections, &sites, &err) < 0) {
        log_error("conf.reload", "kept the old one: %.*s", STR_ARG(buf_str(&err)));
        sites = NULL;
    } else {
        log_info("conf.reload", "sites=%zu", sites_count(sites));
    }
    for (unsigned i = 0; sections[i].name != NULL; i++) {
        if (sections[i].target != NULL) conf_free_section(&sections[i]);
    }
    buf_fini(&err);
    return sites;
}
