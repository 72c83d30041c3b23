/*
 * A running collector ships whatever it finds in its journal's directory, once it has the lock;
 * when there is none, or it ends, a shipper of our own takes over. Either way Redis says when all
 * of it has arrived.
 */
#include "deliver.h"

#include <stdio.h>
#include <stdlib.h>

#include "import_ledger.h"
#include "running.h"
#include "shipper.h"

enum { SHIP_CHECK_MS = 50 };

/* How much of it Redis has, 0..1; 1 is all. < 0: Redis does not answer. */
static double arrived(const struct delivery *d, uint64_t *seen, struct buf *err)
{
    unsigned partitions = (unsigned)d->redis_conf->partitions;
    double have = 0, want = 0;
    bool all = true;
    if (import_seen(d->redis, d->producer, partitions, seen, err) < 0) return -1;
    for (unsigned p = 0; p < partitions; p++) {
        if (d->last[p] == 0) continue;
        all = all && seen[p] >= d->last[p];
        have += (double)(seen[p] < d->last[p] ? seen[p] : d->last[p]);
        want += (double)d->last[p];
    }
    return all ? 1 : have / want < 0.999 ? have / want : 0.999;
}

/* A shipper of our own; it waits for a collector that has one and is about to end. */
static struct shipper *own_shipper(const struct delivery *d, struct event_base *base)
{
    struct shipper_opts opts = options_of_shipper(d->conf, d->redis_conf, d->journal_dir);
    opts.linger_ms = 0;
    return shipper_new(base, &opts);
}

/* What shipping waits for; *stuck: not without a person. */
static const char *ship_state(const struct shipper *shipper, bool *stuck)
{
    struct shipper_stats stats = {0};
    *stuck = false;
    if (shipper == NULL) return "the collector ships it";
    shipper_stats(shipper, &stats);
    *stuck = stats.gap_partitions + stats.birth_partitions > 0;
    if (!stats.full) return "shipping";
    return "waiting for the aggregator to make room in Redis (is it running? To stop here is safe)";
}

int deliver(const struct delivery *d, struct buf *err)
{
    const struct timeval pause = {0, SHIP_CHECK_MS * 1000};
    struct event_base *base = event_base_new();
    struct shipper *shipper = NULL;
    char what[160];
    bool stuck = false;
    uint64_t *seen = calloc((size_t)d->redis_conf->partitions, sizeof *seen);
    double done = base == NULL || seen == NULL ? -1 : arrived(d, seen, err);
    while (done >= 0 && done < 1 && !stuck) {
        if (running_here(d->conf->data)) {
            shipper_free(shipper); /* it ships everything, once it has the lock */
            shipper = NULL;
        } else if (shipper == NULL) {
            shipper = own_shipper(d, base);
        }
        event_base_loopexit(base, &pause);
        event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY);
        snprintf(what, sizeof what, "%s, %.0f %% has arrived", ship_state(shipper, &stuck),
                 done * 100);
        d->tell(d->arg, what);
        done = arrived(d, seen, err);
    }
    shipper_free(shipper);
    if (base != NULL) event_base_free(base);
    free(seen);
    if (done == 1) return 0;
    if (stuck && done >= 0)
        buf_printf(err, "this Redis is not the one that the journal knows, or has forgotten hits; "
                        "POST /accept-gaps to the collector's admin port accepts it");
    buf_printf(err, "; what was read is in the journal and will be shipped later");
    return -1;
}
