/*
 * metrics.h - counters and gauges: one table per program, one slot of atomics per thread, summed on
 * read. Printed as Prometheus text.
 */
#ifndef SENTIER_METRICS_H
#define SENTIER_METRICS_H

#include <stdint.h>

#include "buf.h"

struct metric_def {
    const char *name; /* "sentier_hits_total" */
    const char *type; /* "counter" or "gauge" */
    const char *help;
    const char *label; /* NULL: a single value */
    unsigned labels;   /* number of label values; 1 without a label */
    const char *(*label_name)(unsigned i);
};

struct metrics;      /* the whole table; shared */
struct metrics_slot; /* one thread's cells */

struct metrics *metrics_new(const struct metric_def *defs, unsigned n);
void metrics_free(struct metrics *m);
struct metrics_slot *metrics_slot_new(struct metrics *m); /* any thread, at start; owned by m */

void metrics_add(struct metrics_slot *s, unsigned metric, unsigned label, int64_t n);
void metrics_set(struct metrics_slot *s, unsigned metric, unsigned label, int64_t value);
int64_t metrics_get(const struct metrics *m, unsigned metric, unsigned label); /* sum of slots */
void metrics_print(const struct metrics *m, struct buf *out);

#endif
