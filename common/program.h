/* program.h - how a program of Sentier starts: command line, configuration, signals it ignores. */
#ifndef SENTIER_PROGRAM_H
#define SENTIER_PROGRAM_H

#include "conf.h"

struct program {
    const char *name;    /* "sentier-collector" */
    const char *purpose; /* one line for --help */
    /* Its own section first; ends with name == NULL. */
    const struct conf_section *sections;
    bool samples_all; /* --print-sample prints [redis] and [site] too, not only its own section */
};

enum program_result {
    PROGRAM_RUN,
    PROGRAM_DONE /* exit 0 */,
    PROGRAM_REFUSED /* exit 2; said why */
};

/*
 * --conf FILE, --set SECTION.KEY=VALUE (any number), --check-config, --print-sample, --help,
 * --version. PROGRAM_RUN: the targets are filled and *sites is the caller's. *conf_file is borrowed
 * from argv.
 */
enum program_result program_start(const struct program *p, int argc, char **argv,
                                  struct sites **sites, const char **conf_file);

/* Reads the file again for its sites only; options need a restart. NULL: refused, said in the log.
 */
struct sites *program_reload_sites(const struct program *p, const char *conf_file);

#endif
