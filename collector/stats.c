/*
 * Two kinds of figures stand side by side: what this process has counted since it started (metrics)
 * and what the journals on disk say (the shipper's stats), which is the ledger's truth.
 */
#include "stats.h"

#include <jansson.h>
#include <stdlib.h>

#include "identity.h"
#include "verdict.h"

static const char *verdict_label(unsigned i)
{
    return i == V_COUNTED ? "taken" : verdict_name(i);
}

static const char *identity_label(unsigned i)
{
    return identity_name((enum identity)i);
}

const struct metric_def collector_metrics[METRICS] = {
    [M_HITS] = {"sentier_hits_total", "counter", "hits received, by what became of them here",
                "verdict", VERDICTS, verdict_label},
    [M_NOT_STORED] = {"sentier_not_stored_total", "counter",
                      "hits answered 503: the journal could not store them", NULL, 1, NULL},
    [M_IDENTITIES] = {"sentier_identities_total", "counter",
                      "hits that came with the id of a customer, by what it was worth", "identity",
                      IDENTITIES, identity_label},
    [M_DROPPED] = {"sentier_dropped_by_browsers_total", "counter",
                   "hits that waited in browsers longer, or were more, than they keep", NULL, 1,
                   NULL},
    [M_REQUESTS] = {"sentier_http_requests_total", "counter", "requests answered", NULL, 1, NULL},
    [M_HTTP_REFUSED] = {"sentier_http_refused_total", "counter",
                        "requests and connections refused before anything was read from them",
                        "reason", HTTP_REFUSALS, http_refusal_name},
    [M_ACCEPTED] = {"sentier_http_accepted_total", "counter", "connections accepted", NULL, 1,
                    NULL},
    [M_CONNECTIONS] = {"sentier_http_connections", "gauge", "open connections", NULL, 1, NULL},
};

struct figure {
    const char *name, *type, *help;
    long long value;
};

enum { FIGURES = 20 };

/* Rows for both pages; the names are the fields of /stats and, with a prefix, the metrics. */
static unsigned figures(const struct shipper_stats *s, struct figure out[FIGURES])
{
    const struct figure all[] = {
        {"received", "counter", "hits in the journals, by the ledger's weight",
         (long long)s->received},
        {"shipped", "counter", "of them in Redis", (long long)s->shipped},
        {"pending", "gauge", "of them waiting on disk", (long long)s->pending},
        {"segments", "gauge", "journal segments on disk", (long long)s->segments},
        {"segment_bytes", "gauge", "bytes of them", (long long)s->segment_bytes},
        {"batches", "counter", "batches taken by Redis", (long long)s->batches},
        {"retries", "counter", "batches sent again", (long long)s->retries},
        {"gaps", "counter", "times that Redis had forgotten something", (long long)s->gaps},
        {"damaged_bytes", "counter", "journal bytes that were damaged",
         (long long)s->damaged_bytes},
        {"forced_out", "counter", "shipped segments deleted before journal_keep",
         (long long)s->forced_out},
        {"skipped", "counter", "records given up by command, at most", (long long)s->skipped},
        {"lag_ms", "gauge", "age of the oldest hit not in Redis", (long long)s->lag_ms},
        {"redis_up", "gauge", "1 while Redis answers", s->redis_up},
        {"full", "gauge", "1 while a stream holds its limit", s->full},
        {"gap_partitions", "gauge", "partitions waiting for accept-gaps",
         (long long)s->gap_partitions},
        {"birth_partitions", "gauge", "partitions whose Redis is empty or another one",
         (long long)s->birth_partitions},
        {"archive_segments", "gauge", "segments in the archive", (long long)s->archive.segments},
        {"archive_bytes", "gauge", "bytes of them", (long long)s->archive.bytes},
        {"archive_failed", "counter", "times that a segment could not be archived",
         (long long)s->archive.failed},
        {"archive_pruned", "counter", "archived segments deleted for age or size",
         (long long)s->archive.pruned},
    };
    _Static_assert(sizeof all / sizeof *all == FIGURES, "one row per figure");
    for (unsigned i = 0; i < FIGURES; i++)
        out[i] = all[i];
    return FIGURES;
}

void stats_print_metrics(const struct metrics *m, const struct shipper_stats *s, struct buf *out)
{
    struct figure rows[FIGURES];
    metrics_print(m, out);
    for (unsigned i = 0, n = figures(s, rows); i < n; i++) {
        const struct figure *f = &rows[i];
        const char *total = f->type[0] == 'c' ? "_total" : "";
        buf_printf(out, "# HELP sentier_journal_%s%s %s\n# TYPE sentier_journal_%s%s %s\n", f->name,
                   total, f->help, f->name, total, f->type);
        buf_printf(out, "sentier_journal_%s%s %lld\n", f->name, total, f->value);
    }
}

static json_t *labelled(const struct metrics *m, unsigned metric, const char *(*name)(unsigned))
{
    json_t *o = json_object();
    for (unsigned i = 0; i < collector_metrics[metric].labels; i++) {
        json_object_set_new(o, name(i), json_integer(metrics_get(m, metric, i)));
    }
    return o;
}

void stats_print_json(const struct metrics *m, const struct shipper_stats *s, struct buf *out)
{
    struct figure rows[FIGURES];
    json_t *ledger = json_pack("{s:I, s:I, s:I}", "received", (json_int_t)s->received, "shipped",
                               (json_int_t)s->shipped, "pending", (json_int_t)s->pending);
    json_t *shipper = json_object();
    for (unsigned i = 0, n = figures(s, rows); i < n; i++) {
        json_object_set_new(shipper, rows[i].name, json_integer(rows[i].value));
    }
    json_t *http =
        json_pack("{s:I, s:I, s:I, s:o}", "requests", (json_int_t)metrics_get(m, M_REQUESTS, 0),
                  "accepted", (json_int_t)metrics_get(m, M_ACCEPTED, 0), "connections",
                  (json_int_t)metrics_get(m, M_CONNECTIONS, 0), "refused",
                  labelled(m, M_HTTP_REFUSED, http_refusal_name));
    json_t *root = json_pack(
        "{s:s, s:s, s:o, s:o, s:I, s:I, s:o, s:o, s:o}", "program", "sentier-collector", "version",
        SENTIER_VERSION, "ledger", ledger, "hits", labelled(m, M_HITS, verdict_label), "not_stored",
        (json_int_t)metrics_get(m, M_NOT_STORED, 0), "dropped_by_browsers",
        (json_int_t)metrics_get(m, M_DROPPED, 0), "identities",
        labelled(m, M_IDENTITIES, identity_label), "shipper", shipper, "http", http);
    char *text = root == NULL ? NULL : json_dumps(root, JSON_INDENT(2));
    if (text != NULL) buf_printf(out, "%s\n", text);
    free(text);
    json_decref(root);
}
