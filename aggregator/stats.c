/*
 * One table of figures makes both pages: a row's name is the field of /stats and, with a prefix,
 * the metric. `folded`, `shipped` and the verdicts are what Redis holds for the partitions that are
 * held now; summed over all aggregators they are the ledger's. Counters count since the start.
 */
#include "stats.h"

#include <jansson.h>
#include <stdlib.h>

#include "verdict.h"

struct figure {
    const char *name, *type, *help;
    uint64_t value;
};

enum { FIGURES = 29 };

static void figures(const struct aggregator_stats *s, struct figure out[FIGURES])
{
    const struct partition_stats *p = &s->partitions;
    const struct owner_stats *o = &s->summaries, *d = &s->documents;
    const struct figure all[] = {
        {"partitions_held", "gauge", "partitions that this process folds", p->held},
        {"partitions_reading", "gauge", "of them, those that know where to go on", p->reading},
        {"shipped", "gauge", "hits in Redis, by weight, of the partitions held", p->shipped},
        {"folded", "gauge", "of them, folded", p->folded},
        {"pending", "gauge", "of them, not yet folded", p->shipped - p->folded},
        {"stream_bytes", "gauge", "bytes of the records not yet folded", p->stream_bytes},
        {"lag_ms", "gauge", "age of the oldest entry in work", (uint64_t)p->lag_ms},
        {"cache_bytes", "gauge", "bytes of the cache", p->cache_bytes},
        {"hits", "counter", "hits folded and committed", p->hits},
        {"commits", "counter", "commits that Redis took", p->commits},
        {"commit_retries", "counter", "commits sent again", p->retries},
        {"refused_lease", "counter", "commits refused: another one's lease", p->refused_lease},
        {"refused_changed", "counter", "commits refused: not the state expected",
         p->refused_changed},
        {"refused_error", "counter", "commits refused with an error", p->refused_error},
        {"stalled", "counter", "batches given up: damage or want of memory", p->stalled},
        {"damaged", "counter", "stream records that could not be read", p->damaged},
        {"approximated", "counter", "bounds crossed in the fold", p->approximated},
        {"expired", "counter", "profiles taken out of Redis: not seen for too long", s->expired},
        {"loads", "counter", "fields asked of Redis", p->loads},
        {"summaries", "counter", "refreshes of a site's summaries", o->refreshes},
        {"summary_errors", "counter", "refreshes that failed and were tried again", o->errors},
        {"summary_ms", "gauge", "the last refresh took", o->took_ms},
        {"summaries_dirty", "gauge", "sites that wait for a refresh", o->dirty},
        {"documents", "counter", "refreshes of a site's other documents", d->refreshes},
        {"document_errors", "counter", "refreshes that failed and were tried again", d->errors},
        {"document_ms", "gauge", "the last refresh of documents took", d->took_ms},
        {"documents_dirty", "gauge", "sites whose documents wait for a refresh", d->dirty},
        {"profiles_answered", "counter", "requests for profiles that were answered", d->answers},
        {"redis_up", "gauge", "1 while Redis answers", s->redis_up},
    };
    _Static_assert(sizeof all / sizeof *all == FIGURES, "one row per figure");
    for (unsigned i = 0; i < FIGURES; i++)
        out[i] = all[i];
}

static void print_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void stats_print_metrics(const struct aggregator_stats *s, struct buf *out)
{
    struct figure rows[FIGURES];
    char name[64];
    figures(s, rows);
    for (unsigned i = 0; i < FIGURES; i++) {
        const struct figure *f = &rows[i];
        snprintf(name, sizeof name, "sentier_aggregator_%s%s", f->name,
                 f->type[0] == 'c' ? "_total" : "");
        print_head(out, name, f->type, f->help);
        buf_printf(out, "%s %llu\n", name, (unsigned long long)f->value);
    }
    snprintf(name, sizeof name, "sentier_aggregator_folded_hits");
    print_head(out, name, "gauge", "hits folded, by verdict and weight, of the partitions held");
    for (unsigned v = 0; v < VERDICTS; v++) {
        buf_printf(out, "%s{verdict=\"%s\"} %llu\n", name, verdict_name(v),
                   (unsigned long long)s->partitions.verdicts[v]);
    }
}

void stats_print_json(const struct aggregator_stats *s, struct buf *out)
{
    struct figure rows[FIGURES];
    figures(s, rows);
    json_t *root = json_object(), *verdicts = json_object(), *ledger = json_object();
    uint64_t lines[LEDGER_LINES] = {0};
    json_object_set_new(root, "name", json_string(s->name));
    for (unsigned i = 0; i < FIGURES; i++) {
        json_object_set_new(root, rows[i].name, json_integer((json_int_t)rows[i].value));
    }
    for (unsigned v = 0; v < VERDICTS; v++) {
        uint64_t weight = s->partitions.verdicts[v];
        json_object_set_new(verdicts, verdict_name(v), json_integer((json_int_t)weight));
        lines[verdict_line(v)] += weight;
    }
    for (unsigned l = 0; l < LEDGER_LINES; l++) {
        json_object_set_new(ledger, ledger_line_name(l), json_integer((json_int_t)lines[l]));
    }
    json_object_set_new(root, "ledger", ledger);
    json_object_set_new(root, "verdicts", verdicts);
    char *text = json_dumps(root, JSON_INDENT(2));
    if (text != NULL) buf_add(out, str_of(text));
    buf_add_char(out, '\n');
    free(text);
    json_decref(root);
}
