/*
 * Lanes are read in turn, each record goes into the open batch of its partition. A lane stops at a
 * record whose partition is busy, for the time of a round trip. A partition that is stuck for
 * longer (full, or waiting for the operator) does not stop it: its records are passed over and
 * fetched by a rewind later. What is held in memory is bounded either way.
 */
#include "ship_core.h"

#include "clock.h"
#include "log.h"

enum {
    REWIND_MS = 500,    /* at most one in this time: it is one way through a part of the backlog */
    READ_BUDGET = 2048, /* records of a lane per turn */
    DEAD_READERS_MAX = 8, /* segments of earlier runs read at a time */
};

/* A number is a record of one partition, and nobody knows of which: so all numbers between those
 * that Redis has and those that are on disk are given up once, not once per partition. */
static void look_for_holes(struct shipper *s, struct lane *l)
{
    uint64_t from = UINT64_MAX, to = 0;
    for (unsigned i = 0; i < s->opts.partitions; i++) {
        struct partition *p = &s->partition[i];
        struct slot *slot = &l->slots[i];
        uint64_t hole = lane_hole(l, i);
        if (hole == 0) continue;
        if (p->accept) {
            if (slot->queued < from) from = slot->queued;
            if (hole > to) to = hole;
            slot->queued = hole;
            continue;
        }
        log_error("ship.hole",
                  "partition=%u Redis forgot what the disk no longer holds; waiting "
                  "for accept-gaps",
                  i);
        lane_take_back(l, i, slot->sent, 0);
        p->behind = true;
        if (p->state != PARTITION_BIRTH) p->state = PARTITION_GAP;
    }
    if (to == 0) return;
    s->lanes.skipped += to - from;
    s->cursor_changed = true;
}

/* False: the record has to wait, and all that follow it in its lane. */
static bool take(struct shipper *s, struct lane *l, const struct record *r)
{
    struct slot *slot = &l->slots[r->partition];
    struct partition *p = &s->partition[r->partition];
    if (r->seq <= slot->queued) return true;
    bool stuck = p->state == PARTITION_GAP || p->state == PARTITION_BIRTH;
    if (p->state == PARTITION_FULL) {
        stuck = batch_full(p->open) || s->queued_bytes >= FULL_MAX_BYTES;
    }
    if (slot->behind || stuck) {
        lane_fall_behind(l, r);
        p->behind = true;
        return true;
    }
    if (batch_full(p->open)) ship_send_ready(p, clock_mono_ms());
    if (batch_full(p->open) || s->queued_bytes >= READ_AHEAD_BYTES) return false;
    size_t before = p->open->bytes;
    if (!batch_add(p->open, &s->pool, l, r)) return false;
    lane_sent(l, r);
    s->queued_bytes += p->open->bytes - before;
    return true;
}

static void at_end(struct shipper *s, struct lane *l, enum lane_result end)
{
    if (l->behind + l->fetching == 0) l->caught_up_ms = clock_ms();
    if (end == LANE_RESCAN) s->scan_now = true;
    if (end == LANE_END && l->parts == 0 && l->behind == 0) lane_done(l);
}

static void read_lane(struct shipper *s, struct lane *l)
{
    for (int n = 0; n < READ_BUDGET; n++) {
        struct record r = l->held;
        enum lane_result got = l->holding ? LANE_RECORD : lane_next(l, &r);
        l->holding = false;
        if (got == LANE_OPENED) {
            look_for_holes(s, l);
            continue;
        }
        if (got != LANE_RECORD) {
            at_end(s, l, got);
            return;
        }
        if (!take(s, l, &r)) {
            l->held = r;
            l->holding = s->blocked = true;
            return;
        }
        s->read_any = true;
    }
    s->more = true;
}

void ship_read_lanes(struct shipper *s)
{
    unsigned dead = 0;
    for (size_t i = 0; i < s->lanes.n; i++)
        dead += s->lanes.lane[i]->reader != NULL && !s->lanes.lane[i]->live;
    s->turn++;
    for (size_t k = 0; k < s->lanes.n; k++) {
        struct lane *l = s->lanes.lane[(s->turn + k) % s->lanes.n];
        if (l->state != LANE_READING) continue;
        bool opens = !l->live && l->reader == NULL && l->at < l->segs;
        if (opens && dead >= DEAD_READERS_MAX) continue;
        dead += opens;
        read_lane(s, l);
    }
}

static bool fetches(struct shipper *s, struct partition *p)
{
    bool idle = p->flight->parts == 0 && p->open->parts == 0 && !p->outstanding;
    if (!p->behind || !idle || p->state != PARTITION_READY) return false;
    for (size_t i = 0; i < s->lanes.n; i++) {
        struct lane *l = s->lanes.lane[i];
        if (l->state == LANE_READING && l->slots[p->number].behind) lane_rewind(l, p->number);
    }
    p->behind = false;
    return true;
}

/* Fetches what was passed over of the partitions that have nothing else to send: of all of them
 * together, since that is one way through the segments. */
void ship_read_behind(struct shipper *s, int64_t now)
{
    bool any = false;
    if (now < s->rewind_ms) return;
    for (unsigned i = 0; i < s->opts.partitions; i++)
        any |= fetches(s, &s->partition[i]);
    if (!any) return;
    s->rewind_ms = now + REWIND_MS;
    s->more = true;
}
