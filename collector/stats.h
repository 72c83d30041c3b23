/* stats.h - what the collector counts, and the pages of its admin port. */
#ifndef SENTIER_STATS_H
#define SENTIER_STATS_H

#include "http.h"
#include "metrics.h"
#include "shipper.h"

enum {
    M_HITS,       /* by verdict; "counted" = taken */
    M_NOT_STORED, /* hits answered 503 */
    M_IDENTITIES, /* hits that came with the id of a customer, by enum identity */
    M_DROPPED,    /* hits that browsers say they could not keep */
    M_REQUESTS,
    M_HTTP_REFUSED,
    M_ACCEPTED,
    M_CONNECTIONS,
    METRICS
};

extern const struct metric_def collector_metrics[METRICS];

/* /metrics and /stats. */
void stats_print_metrics(const struct metrics *m, const struct shipper_stats *s, struct buf *out);
void stats_print_json(const struct metrics *m, const struct shipper_stats *s, struct buf *out);

#endif
