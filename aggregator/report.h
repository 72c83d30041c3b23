/*
 * report.h - what the commands of sentier-report share: arguments, configuration, the link, and
 * how they end. A command returns its exit status; what it prints is gathered in `out` and written
 * at the end, so that an error never leaves half a document.
 */
#ifndef SENTIER_REPORT_H
#define SENTIER_REPORT_H

#include <jansson.h>

#include "options.h"
#include "site_pages.h"
#include "table.h"

enum report_exit { REPORT_OK = 0, REPORT_UNBALANCED = 1, REPORT_FAILED = 2 };
enum report_format { FORMAT_TABLE, FORMAT_JSON, FORMAT_CSV };
enum {
    REPORT_COLLECTORS_MAX = 64,
    REPORT_TABLE_ROWS = 50, /* of a table without --limit */
    REPORT_DAYS = 28,       /* without --last, --from */
};

struct report_args {
    const char *subject; /* of the verb: which report, whose profile */
    const char *conf, *redis, *site, *from, *to, *last, *page, *verdict, *event;
    const char *collectors[REPORT_COLLECTORS_MAX]; /* admin addresses */
    unsigned n_collectors;
    enum report_format format;
    int64_t limit; /* 0: all; -1: not given */
    bool watch;
};

struct report {
    struct report_args args;
    const char *conf_file; /* that was read; NULL: none was found */
    struct redis_conf redis_conf;
    struct aggregator_conf aggregator_conf;
    char *collector_admin;
    struct sites *sites;
    struct redis_now *redis;
    unsigned partitions; /* of the data set */
    unsigned width;      /* columns of the terminal */
    bool colour;         /* standard output is a terminal that shows them */
    int64_t now_ms;
    struct buf out;

    /* of --site, once report_open has found it */
    struct range_source source;
    const struct zone *zone;
    const char *time_zone;
    char *const *topics; /* rules of the site; NULL: none */
    struct zone *utc;    /* where there is no configuration */
};

typedef int report_fn(struct report *r);
report_fn report_list, report_links, report_topics, report_verdicts, report_decay, report_live,
    report_segments, report_ignorers, report_customers, report_profile, report_held, report_status;

/* Says why on stderr; returns REPORT_FAILED. */
int report_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* 0, or REPORT_FAILED after saying why. */
int report_load(struct report *r);    /* the configuration */
int report_connect(struct report *r); /* then Redis and its data set */
int report_open(struct report *r);    /* both, and --site */
void report_close(struct report *r);

struct report_days {
    uint32_t from, to;
    char label[16]; /* "28d"; "" for dates */
};
/* The days that --last, --from and --to name. 0, or REPORT_FAILED after saying why. */
int report_choose_days(const struct report *r, const struct range_extent *extent,
                       struct report_days *out);
/* The same, and reads the extent before; a site without data is refused. */
int report_days(struct report *r, struct range_extent *extent, struct report_days *out);

/* Rows that --limit asks for, or `otherwise` without it; 0: all. */
size_t report_limit(const struct report *r, size_t otherwise);

/* Puts the document, and a newline, into out; takes it. */
int report_print_json(struct report *r, json_t *document);

/* The site's newest hit, and the date in its zone on which "today" ends for figures that must not
 * depend on the clock. 0, or REPORT_FAILED after saying why. */
struct report_newest {
    int64_t at_ms; /* 0: it has imported hits alone */
    uint32_t day;
};
int report_newest(struct report *r, struct report_newest *out);

/* What site_pages.h asks with; report_open was here. */
struct site_view report_view(const struct report *r);

/* "2026-01-31 14:05" in the site's zone. */
enum { REPORT_MOMENT_BYTES = 24 };
void report_moment(const struct report *r, int64_t at_ms, char out[REPORT_MOMENT_BYTES]);

#endif
