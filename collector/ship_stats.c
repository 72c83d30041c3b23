/* The figures: counted afresh from the lanes each time, so that they cannot drift. */
#include "ship_core.h"

#include "clock.h"

/* When the oldest hit that waits came in, at the latest; 0: none waits. */
static int64_t waiting_since(const struct shipper *s)
{
    int64_t since = 0;
    for (size_t i = 0; i < s->lanes.n; i++) {
        const struct lane *l = s->lanes.lane[i];
        if (lane_pending(l) == l->queued_weight) continue;
        int64_t ms = l->caught_up_ms;
        if (ms == 0 && l->segs > 0) ms = l->seg[0].mtime_ms;
        if (since == 0 || ms < since) since = ms;
    }
    for (unsigned i = 0; i < s->opts.partitions; i++) {
        const struct partition *p = &s->partition[i];
        const struct batch *b = p->flight->parts > 0 ? p->flight : p->open;
        if (b->parts > 0 && (since == 0 || b->opened_ms < since)) since = b->opened_ms;
    }
    return since;
}

void ship_stats_publish(struct shipper *s)
{
    uint64_t f[FIGURES] = {[F_RECEIVED] = s->lanes.gone, [F_DAMAGED] = s->lanes.gone_damaged};
    uint64_t pending = 0;
    for (size_t i = 0; i < s->lanes.n; i++) {
        const struct lane *l = s->lanes.lane[i];
        f[F_RECEIVED] += lane_before(l) + lane_total(l);
        pending += lane_pending(l);
        f[F_SEGMENTS] += l->segs;
        for (size_t k = 0; k < l->segs; k++) {
            f[F_SEGMENT_BYTES] += l->seg[k].size;
            f[F_DAMAGED] += l->seg[k].damaged;
        }
    }
    for (unsigned i = 0; i < s->opts.partitions; i++) {
        f[F_FULL] |= s->partition[i].state == PARTITION_FULL;
        f[F_GAP_PARTITIONS] += s->partition[i].state == PARTITION_GAP;
        f[F_BIRTH_PARTITIONS] += s->partition[i].state == PARTITION_BIRTH;
    }
    int64_t since = waiting_since(s), now = clock_ms();
    f[F_SHIPPED] = f[F_RECEIVED] - pending;
    f[F_LAG_MS] = since == 0 || since > now ? 0 : (uint64_t)(now - since);
    f[F_BATCHES] = s->batches;
    f[F_RETRIES] = s->retries;
    f[F_GAPS] = s->gaps;
    f[F_SKIPPED] = s->lanes.skipped;
    f[F_FORCED_OUT] = s->lanes.forced_out;
    f[F_UP] = s->link != NULL && redis_link_up(s->link);
    for (int i = 0; i < FIGURES; i++)
        atomic_store_explicit(&s->figure[i], f[i], memory_order_relaxed);
}

void shipper_stats(const struct shipper *s, struct shipper_stats *out)
{
    uint64_t f[FIGURES];
    for (int i = 0; i < FIGURES; i++)
        f[i] = atomic_load_explicit(&s->figure[i], memory_order_relaxed);
    *out = (struct shipper_stats){
        .received = f[F_RECEIVED],
        .shipped = f[F_SHIPPED],
        .pending = f[F_RECEIVED] - f[F_SHIPPED],
        .segments = f[F_SEGMENTS],
        .segment_bytes = f[F_SEGMENT_BYTES],
        .batches = f[F_BATCHES],
        .retries = f[F_RETRIES],
        .gaps = f[F_GAPS],
        .damaged_bytes = f[F_DAMAGED],
        .forced_out = f[F_FORCED_OUT],
        .skipped = f[F_SKIPPED],
        .lag_ms = (int64_t)f[F_LAG_MS],
        .redis_up = f[F_UP] != 0,
        .full = f[F_FULL] != 0,
        .gap_partitions = (unsigned)f[F_GAP_PARTITIONS],
        .birth_partitions = (unsigned)f[F_BIRTH_PARTITIONS],
    };
    const struct archive *archive = atomic_load(&s->archive);
    if (archive != NULL) archive_stats(archive, &out->archive);
}
