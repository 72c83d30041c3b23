/*
 * A table of definitions lays out one row of cells; every thread that counts has its own row, so
 * counting is an uncontended relaxed add. Reading sums the rows. Slots are chained with an atomic
 * push and live as long as the table.
 */
#include "metrics.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

struct metrics_slot {
    const struct metrics *of;
    struct metrics_slot *next;
    _Atomic int64_t cells[];
};

struct metrics {
    const struct metric_def *defs;
    unsigned n, cells;
    unsigned *first; /* cell of a metric's label 0 */
    _Atomic(struct metrics_slot *) slots;
};

struct metrics *metrics_new(const struct metric_def *defs, unsigned n)
{
    struct metrics *m = calloc(1, sizeof *m);
    if (m == NULL) return NULL;
    *m = (struct metrics){.defs = defs, .n = n};
    m->first = calloc(n + 1, sizeof *m->first);
    if (m->first == NULL) {
        free(m);
        return NULL;
    }
    for (unsigned i = 0; i < n; i++) {
        m->first[i] = m->cells;
        m->cells += defs[i].labels;
    }
    return m;
}

void metrics_free(struct metrics *m)
{
    if (m == NULL) return;
    for (struct metrics_slot *s = atomic_load(&m->slots), *next; s != NULL; s = next) {
        next = s->next;
        free(s);
    }
    free(m->first);
    free(m);
}

struct metrics_slot *metrics_slot_new(struct metrics *m)
{
    struct metrics_slot *s = calloc(1, sizeof *s + m->cells * sizeof s->cells[0]);
    if (s == NULL) return NULL;
    s->of = m;
    s->next = atomic_load(&m->slots);
    while (!atomic_compare_exchange_weak(&m->slots, &s->next, s)) {
    }
    return s;
}

static unsigned cell_of(const struct metrics *m, unsigned metric, unsigned label)
{
    assert(metric < m->n && label < m->defs[metric].labels);
    return m->first[metric] + label;
}

void metrics_add(struct metrics_slot *s, unsigned metric, unsigned label, int64_t n)
{
    atomic_fetch_add_explicit(&s->cells[cell_of(s->of, metric, label)], n, memory_order_relaxed);
}

void metrics_set(struct metrics_slot *s, unsigned metric, unsigned label, int64_t value)
{
    atomic_store_explicit(&s->cells[cell_of(s->of, metric, label)], value, memory_order_relaxed);
}

int64_t metrics_get(const struct metrics *m, unsigned metric, unsigned label)
{
    int64_t sum = 0;
    unsigned cell = cell_of(m, metric, label);
    for (const struct metrics_slot *s = atomic_load(&m->slots); s != NULL; s = s->next) {
        sum += atomic_load_explicit(&s->cells[cell], memory_order_relaxed);
    }
    return sum;
}

void metrics_print(const struct metrics *m, struct buf *out)
{
    for (unsigned i = 0; i < m->n; i++) {
        const struct metric_def *d = &m->defs[i];
        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", d->name, d->help, d->name, d->type);
        for (unsigned label = 0; label < d->labels; label++) {
            long long value = (long long)metrics_get(m, i, label);
            if (d->label == NULL) {
                buf_printf(out, "%s %lld\n", d->name, value);
            } else {
                buf_printf(out, "%s{%s=\"%s\"} %lld\n", d->name, d->label, d->label_name(label),
                           value);
            }
        }
    }
}
