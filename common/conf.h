/*
 * conf.h - sentier.conf: INI with comments (libinih), read through option tables. One row of a
 * table is parser, default, check, --help line, and annotated sample. What is wrong is refused
 * with file, line, key, and what would be right.
 */
#ifndef SENTIER_CONF_H
#define SENTIER_CONF_H

#include <stdint.h>
#include <stdio.h>

#include "buf.h"
#include "site.h"

enum conf_type {
    CONF_STR,     /* char *; min..max bound its length when max > 0 */
    CONF_INT,     /* int64_t; range min..max */
    CONF_BOOL,    /* bool; yes/no, true/false, on/off, 1/0 */
    CONF_SIZE,    /* int64_t bytes; 64k, 16M, 2G */
    CONF_LIST,    /* char **, NULL-terminated; separated by commas or blanks */
    CONF_ORIGINS, /* the same, of origins */
    CONF_TOPICS,  /* the same, of rules of topic_rule.h: one a line */
    CONF_ZONE,    /* char *; an IANA time zone */
    CONF_REDIS,   /* char *; where Redis is, see redis_place.h */
};

struct conf_opt {
    const char *name;
    enum conf_type type;
    size_t offset;   /* of the field in the struct that the section fills */
    const char *def; /* as it would stand in the file */
    int64_t min, max;
    const char *help; /* one line; unit named */
};

/* clang-format off */
#define CONF_MORE {.def = ""}
/* clang-format on */

/* A section of the file and where its values go. `target` NULL: another program's; only skipped. */
struct conf_section {
    const char *name;
    const struct conf_opt *opts; /* ends with {0}, or CONF_MORE: with more, for other programs */
    void *target;
};

struct redis_conf {
    char *redis; /* redis_place.h reads it */
    char *user;
    char *password_file;
    char *sentinel_user; /* the sentinels' own; NULL is "" for all four */
    char *sentinel_password_file;
    int64_t partitions; /* fixed when the data set is born */
};
extern const struct conf_opt redis_options[];

/* How long rows are kept: rows of [aggregator] that imports read as well. Offsets of int64_t. */
/* clang-format off */
#define CONF_RETENTION(days, months) \
    {"days_kept", CONF_INT, days, "400", 32, 36500, \
     "rows are kept per day for so many days before a site's newest one, then per month"}, \
    {"months_kept", CONF_INT, months, "25", 1, 1200, \
     "and for so many months, that of the newest day included"}
/* clang-format on */

extern const struct conf_opt site_options[];

/*
 * Reads `file` (NULL or "": only defaults) into the targets of `sections` (ends with name == NULL)
 * and *sites (new; the caller frees). 0, or -1 with a one-line message in err.
 * Free the strings of a target with conf_free_section.
 */
int conf_load(const char *file, const struct conf_section *sections, struct sites **sites,
              struct buf *err);
void conf_free_section(const struct conf_section *section);

/* Sets one option as a command line does: "collector.listen=:8080", or "listen=..." where only one
 * section has that name. 0, or -1 with a message. */
int conf_set(const struct conf_section *sections, const char *assignment, struct buf *err);

/* conf_load, then conf_set for each of n. 0; -1 with a message, and *sites is NULL. */
int conf_load_set(const char *file, const char *const *sets, unsigned n,
                  const struct conf_section *sections, struct sites **sites, struct buf *err);

void conf_print_help(FILE *out, const struct conf_section *sections);
/* Annotated sample: every option with its help, default and range, commented out. */
void conf_print_sample(FILE *out, const struct conf_section *sections);
void conf_print_site_sample(FILE *out);

#endif
