/* stats.h - the pages of the aggregator's admin port. */
#ifndef SENTIER_AGGREGATOR_STATS_H
#define SENTIER_AGGREGATOR_STATS_H

#include "buf.h"
#include "owner.h"
#include "partition.h"

struct aggregator_stats {
    struct partition_stats partitions;
    struct owner_stats summaries, documents;
    uint64_t expired; /* profiles */
    const char *name;
    bool redis_up;
};

void stats_print_metrics(const struct aggregator_stats *s, struct buf *out);
void stats_print_json(const struct aggregator_stats *s, struct buf *out);

#endif
