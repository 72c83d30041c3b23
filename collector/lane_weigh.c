/*
 * What a lane's segments weigh, in hits. A segment's head says what came before it, so what a
 * worker's segment weighs is known from the next one's head, without reading it; the last one of a
 * worker that has ended, and each of an import, whose runs do not know of each other, are read. Of
 * the one that is being written, the writer's mark says it.
 *
 * From that, and from where reading stands, comes how much is still on its way to Redis.
 */
#include "lane_core.h"

#include <errno.h>

#include "log.h"

static void read_head(struct lane *l, struct segment *g, const struct segment_reader *r)
{
    g->opened = true;
    g->headless = segment_head_damaged(r);
    if (g->headless) {
        g->damaged = segment_damaged_bytes(r);
        log_error("journal.head", "first_seq=%llu the head of a segment is damaged",
                  (unsigned long long)g->first_seq);
        return;
    }
    g->weight_before = segment_weight_before(r);
    g->flags = segment_flags(r);
    l->import = (g->flags & JOURNAL_FLAG_IMPORT) != 0;
    if (segment_partitions(r) == l->partitions) return;
    g->broken = true;
    log_error("journal.partitions", "segment=%u data_set=%u", segment_partitions(r), l->partitions);
}

static void count_records(struct segment *g, struct segment_reader *r)
{
    struct record rec;
    g->weight = 0;
    while (segment_next(r, UINT64_MAX, &rec) == SEGMENT_RECORD)
        g->weight += rec.weight;
}

static void weigh(struct lane *l, size_t i)
{
    struct segment *g = &l->seg[i];
    struct segment_reader *r = lane_open(l, i);
    if (r == NULL && errno == EBADMSG) {
        g->opened = g->broken = true;
        g->damaged = g->size;
        log_error("journal.name", "first_seq=%llu a segment has the name of another; it is kept",
                  (unsigned long long)g->first_seq);
    }
    if (r == NULL) return;
    read_head(l, g, r);
    /* A worker's next head says what this one weighs; else only the file itself does. */
    bool alone = l->import || i + 1 == l->segs || g->headless;
    if (!g->broken && lane_closed(l, i) && alone) count_records(g, r);
    segment_close(r);
}

/* Nothing says what came before segment i but the segment before it, which must be counted for
 * that; else every number before it stood for one hit, at least. */
static void guess_before(struct lane *l, size_t i)
{
    struct segment *g = &l->seg[i], *before = i == 0 ? NULL : g - 1;
    g->weight_before = l->import ? 0 : g->first_seq - 1;
    if (before == NULL || l->import || before->broken) return;
    struct segment_reader *r = before->counted ? NULL : lane_open(l, i - 1);
    if (r != NULL) count_records(before, r);
    segment_close(r);
    g->weight_before = before->weight_before + before->weight;
}

static void weigh_next_to(struct lane *l, size_t i)
{
    struct segment *g = &l->seg[i], *before = i == 0 ? NULL : g - 1;
    weigh(l, i);
    if (g->headless) guess_before(l, i);
    if (before == NULL || l->import || g->broken || g->headless || before->broken) return;
    if (!g->opened || g->weight_before < before->weight_before) return;
    if (before->headless && i == 1) {
        before->weight_before = g->weight_before - before->weight;
    } else if (!before->counted) {
        before->weight = g->weight_before - before->weight_before;
    }
}

static void weigh_live(struct lane *l)
{
    struct segment *g = &l->seg[l->segs - 1];
    if (!g->opened || g->first_seq != l->point.first_seq) return;
    if (l->point.weight >= g->weight_before) g->weight = l->point.weight - g->weight_before;
}

void lane_weigh(struct lane *l)
{
    for (size_t i = 0; i < l->segs; i++) {
        if (!l->seg[i].opened && lane_limit(l, i) > 0) weigh_next_to(l, i);
    }
    if (l->live && l->segs > 0) weigh_live(l);
}

void lane_point(struct lane *l, const struct journal_point *point)
{
    l->live = point != NULL;
    if (point == NULL) return;
    if (point != &l->point) l->point = *point;
    if (l->segs == 0) return;
    struct segment *g = &l->seg[l->segs - 1];
    if (g->first_seq != point->first_seq || point->committed == 0) return;
    if (!g->opened) weigh_next_to(l, l->segs - 1); /* listed before it had a head */
    weigh_live(l);
}

void lane_weigh_end(struct lane *l)
{
    if (l->segs > 0 && !l->seg[l->segs - 1].counted) l->seg[l->segs - 1].opened = false;
}

static uint64_t weight_from(const struct lane *l, size_t i)
{
    uint64_t sum = 0;
    for (; i < l->segs; i++)
        sum += l->seg[i].weight;
    return sum;
}

uint64_t lane_total(const struct lane *l)
{
    return weight_from(l, 0);
}

uint64_t lane_before(const struct lane *l)
{
    return l->segs == 0 ? 0 : l->seg[0].weight_before;
}

uint64_t lane_pending(const struct lane *l)
{
    uint64_t total = lane_total(l), pending, passed;
    switch (l->state) {
    case LANE_DONE: return 0;
    case LANE_READING:
        pending = weight_from(l, lane_read_to(l)) + l->queued_weight + l->behind_weight;
        passed = l->front.set ? l->front.passed : l->passed;
        pending -= passed < pending ? passed : pending;
        return pending < total ? pending : total;
    default: return total > l->shipped_hint ? total - l->shipped_hint : 0;
    }
}
