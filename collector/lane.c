/*
 * Redis says what it has seen of the producer in each partition; the heads of the segments say what
 * came before them. Together they name the segment where reading begins, and a reader that meets a
 * record at or below `queued` just goes on. So starting, reconnecting, and fetching again what a
 * Redis forgot or a full stream made us pass over are all one thing: a rewind.
 *
 * A rewind that fetches what was passed over leaves a mark, the front: what lies before it was
 * looked at once. As soon as nobody can take any more of it, reading jumps back to the front; else
 * a backlog that is larger than the streams would be read again and again to its end.
 *
 * A first segment whose table knows records that Redis has not seen has a hole before it: they are
 * not on this disk any more. A hole between two segments that were read one after the other is
 * damage (the end of a segment was lost); nobody has those records, and shipping goes on. A first
 * segment whose own head is lost cannot tell: there is a hole before it when Redis lacks even the
 * record right before it.
 *
 * The directory listing is not a snapshot: a listing can show a segment and miss an older one that
 * appeared while it was made. Numbers of workers rise by one, so a missing segment shows; an import
 * is read on only when two listings have shown the same.
 */
#include "lane_core.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "clock.h"
#include "log.h"

struct lane *lane_new(int dir_fd, const unsigned char *producer, unsigned partitions)
{
    struct lane *l = calloc(1, sizeof *l);
    if (l == NULL) return NULL;
    *l = (struct lane){.dir_fd = dir_fd, .partitions = partitions};
    memcpy(l->producer, producer, PRODUCER_BYTES);
    return l;
}

static void close_reader(struct lane *l)
{
    segment_close(l->reader);
    l->reader = NULL;
    l->passed = l->skip_to = 0;
    l->holding = l->skipped = false;
}

static void go_to(struct lane *l, size_t i)
{
    close_reader(l);
    l->at = i;
    l->fresh = true;
}

static void end_fetch(struct lane *l, struct slot *s)
{
    l->behind_weight -= s->fetch_weight;
    l->fetching -= s->fetch_to > 0;
    s->fetch_to = s->fetch_weight = 0;
}

static void end_fetches(struct lane *l)
{
    for (unsigned p = 0; l->slots != NULL && l->fetching > 0 && p < l->partitions; p++)
        end_fetch(l, &l->slots[p]);
}

static void set_front(struct lane *l)
{
    if (l->front.set) return;
    l->front = (struct front){.set = true,
                              .at = l->at,
                              .reader = l->reader,
                              .fresh = l->fresh,
                              .gap_seen = l->gap_seen,
                              .gap_rescanned = l->gap_rescanned,
                              .holding = l->holding,
                              .last_seq = l->last_seq,
                              .passed = l->passed,
                              .held = l->held};
    l->reader = NULL;
}

/* All that follows is read, whatever was read before. */
static void drop_front(struct lane *l)
{
    if (!l->front.set) return;
    segment_close(l->front.reader);
    l->front = (struct front){0};
    end_fetches(l);
    if (l->skipped || l->skip_to > 0) go_to(l, l->at); /* from its start, then */
}

static void return_to_front(struct lane *l)
{
    const struct front f = l->front;
    close_reader(l);
    l->front = (struct front){0};
    l->at = f.at;
    l->reader = f.reader;
    l->fresh = f.fresh;
    l->gap_seen = f.gap_seen;
    l->gap_rescanned = f.gap_rescanned;
    l->holding = f.holding;
    l->last_seq = f.last_seq;
    l->passed = f.passed;
    l->held = f.held;
    end_fetches(l);
}

/* Segments before this one have been looked at to their ends. */
size_t lane_read_to(const struct lane *l)
{
    return l->front.set ? l->front.at : l->at;
}

static bool front_reached(const struct lane *l)
{
    const struct front *f = &l->front;
    if (!f->set) return false;
    if (l->fetching == 0 || l->at > f->at) return true;
    if (l->at < f->at) return false;
    if (f->reader == NULL) return true;
    return l->reader != NULL && segment_offset(l->reader) >= segment_offset(f->reader);
}

void lane_free(struct lane *l)
{
    if (l == NULL) return;
    drop_front(l);
    close_reader(l);
    free(l->slots);
    free(l->seg);
    free(l);
}

static struct segment_name name_of(const struct lane *l, size_t i)
{
    struct segment_name name = {.first_seq = l->seg[i].first_seq};
    memcpy(name.producer, l->producer, PRODUCER_BYTES);
    return name;
}

struct segment_reader *lane_open(const struct lane *l, size_t i)
{
    struct segment_name name = name_of(l, i);
    struct segment_reader *r = segment_open(l->dir_fd, &name);
    if (r != NULL && segment_head_damaged(r)) segment_expect_partitions(r, l->partitions);
    return r;
}

/* The segment that holds `seq`, or would if it existed. */
static size_t segment_of(const struct lane *l, uint64_t seq)
{
    size_t low = 0, high = l->segs;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (l->seg[mid].first_seq <= seq) {
            low = mid;
        } else {
            high = mid;
        }
    }
    return low;
}

static struct segment *insert_segment(struct lane *l, size_t i)
{
    if (l->segs == l->cap) {
        size_t cap = l->cap == 0 ? 4 : 2 * l->cap;
        struct segment *grown = realloc(l->seg, cap * sizeof *grown);
        if (grown == NULL) return NULL;
        l->seg = grown;
        l->cap = cap;
    }
    memmove(&l->seg[i + 1], &l->seg[i], (l->segs - i) * sizeof *l->seg);
    l->segs++;
    if (i <= lane_read_to(l)) drop_front(l);
    if (l->reader != NULL && i <= l->at) {
        go_to(l, i);
    } else if (i < l->at) {
        l->at = i;
        l->fresh = true;
    }
    return &l->seg[i];
}

static int64_t mtime_ms(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
}

bool lane_list(struct lane *l, uint64_t first_seq, const struct stat *st)
{
    size_t i = segment_of(l, first_seq);
    if (i < l->segs && l->seg[i].first_seq < first_seq) i++;
    bool known = i < l->segs && l->seg[i].first_seq == first_seq;
    struct segment *g = known ? &l->seg[i] : insert_segment(l, i);
    if (g == NULL) return false;
    bool replaced = known && g->inode != st->st_ino;
    bool grown = known && !replaced && i < lane_read_to(l) && g->size != (uint64_t)st->st_size;
    if (!known || replaced) {
        *g = (struct segment){.first_seq = first_seq, .inode = st->st_ino};
    }
    g->listed = true;
    g->size = (uint64_t)st->st_size;
    g->mtime_ms = mtime_ms(st);
    bool again =
        grown || (replaced && i <= lane_read_to(l)); /* read to an end that was not the end */
    if (again) drop_front(l);
    if (again && i <= l->at) go_to(l, i);
    bool changed = !known || replaced || (grown && l->state == LANE_DONE);
    if (changed) {
        g->shipped = g->dated = g->opened = false;
        if (l->state == LANE_DONE) l->state = LANE_NEW;
    }
    return changed;
}

int64_t lane_prune(struct lane *l)
{
    uint64_t before = l->segs == 0 ? 0 : lane_before(l) + lane_total(l);
    size_t kept = 0, at = l->at;
    for (size_t i = 0; i < l->segs; i++) {
        if (l->seg[i].listed) {
            l->seg[kept++] = l->seg[i];
            continue;
        }
        drop_front(l);
        uint64_t w = l->seg[i].weight;
        l->shipped_hint -= l->shipped_hint < w ? l->shipped_hint : w;
        if (i < l->at) at--;
        if (i == l->at) go_to(l, l->at);
    }
    l->segs = kept;
    l->at = at;
    uint64_t after = kept == 0 ? 0 : lane_before(l) + lane_total(l);
    return (int64_t)(before - after);
}

bool lane_closed(const struct lane *l, size_t i)
{
    return !l->live || l->seg[i].first_seq < l->point.first_seq;
}

/* How far segment i may be read. */
uint64_t lane_limit(const struct lane *l, size_t i)
{
    if (lane_closed(l, i)) return UINT64_MAX;
    return l->seg[i].first_seq == l->point.first_seq ? l->point.committed : 0;
}

/* Whether some record before segment i is one that Redis has not seen. */
static bool misses_before(const struct lane *l, size_t i)
{
    struct segment_reader *r = lane_open(l, i);
    bool misses = r == NULL || segment_head_damaged(r); /* it cannot tell */
    for (unsigned p = 0; !misses && p < l->partitions && p < segment_partitions(r); p++)
        misses = segment_last(r, p) > l->slots[p].queued;
    segment_close(r);
    return misses;
}

void lane_start(struct lane *l)
{
    assert(l->parts == 0 && l->segs > 0);
    for (unsigned p = 0; p < l->partitions; p++)
        l->slots[p].sent = l->slots[p].acked = l->slots[p].queued;
    size_t i = l->import ? 0 : l->segs - 1; /* runs of an import do not know of each other */
    while (i > 0 && misses_before(l, i))
        i--;
    go_to(l, i);
    l->caught_up_ms = l->seg[i].mtime_ms;
    l->gap_seen = l->gap_rescanned = false;
    l->state = LANE_READING;
}

void lane_done(struct lane *l)
{
    assert(l->at == l->segs && l->parts == 0 && l->behind == 0 && !l->live && !l->front.set);
    lane_stop(l);
    l->state = LANE_DONE;
    l->shipped_hint = lane_total(l);
}

void lane_stop(struct lane *l)
{
    assert(l->parts == 0);
    l->shipped_hint = lane_total(l) - lane_pending(l);
    drop_front(l);
    close_reader(l);
    free(l->slots);
    l->slots = NULL;
    l->behind = 0;
    l->queued_weight = l->behind_weight = 0;
    l->state = LANE_NEW;
}

/* Whether the reader stands behind the slot's first record that was passed over. from: its offset;
 * 0: not known. */
static bool passed_by(const struct lane *l, const struct slot *s, uint64_t from)
{
    if (l->reader == NULL) return false;
    if (from > 0) return segment_offset(l->reader) > from;
    return l->skipped || l->last_seq > s->queued;
}

void lane_rewind(struct lane *l, unsigned partition)
{
    struct slot *s = &l->slots[partition];
    assert(s->behind && s->fetch_to == 0);
    s->fetch_to = s->behind_to;
    s->fetch_weight = s->behind_weight;
    s->behind = false;
    s->behind_to = s->behind_weight = 0;
    l->behind--;
    l->fetching++;
    size_t i = segment_of(l, s->queued + 1);
    uint64_t from = 0;
    if (s->behind_in > 0) {
        i = segment_of(l, s->behind_in);
        from = l->seg[i].first_seq == s->behind_in ? s->behind_from : 0;
    }
    if (i < l->at || (i == l->at && passed_by(l, s, from))) {
        set_front(l);
        go_to(l, i);
        l->skip_to = from;
    } else if (i == l->at && l->reader == NULL && from < l->skip_to) {
        l->skip_to = from;
    }
    if (!l->front.set) end_fetch(l, s); /* it all lies ahead */
}

/* What is being fetched of it is to be fetched later. */
static void set_behind(struct lane *l, struct slot *s)
{
    if (s->fetch_to > s->behind_to) s->behind_to = s->fetch_to;
    s->behind_weight += s->fetch_weight;
    l->fetching -= s->fetch_to > 0;
    s->fetch_to = s->fetch_weight = 0;
    l->behind += !s->behind;
    s->behind = true;
    s->behind_in = 0;
}

void lane_take_back(struct lane *l, unsigned partition, uint64_t prev, uint64_t weight)
{
    struct slot *s = &l->slots[partition];
    assert(prev >= s->acked);
    set_behind(l, s);
    if (s->behind_to < s->queued) s->behind_to = s->queued;
    if (prev <= s->sent) s->queued = s->sent = prev;
    s->behind_weight += weight;
    l->behind_weight += weight;
}

/* The record read last stands in segment `at`. Redis may have had it once and forgotten. */
void lane_sent(struct lane *l, const struct record *r)
{
    struct slot *s = &l->slots[r->partition];
    assert(r->seq == l->last_seq);
    l->seg[l->at].dated = false;
    if (s->fetch_to == 0) return;
    uint64_t weight = r->weight < s->fetch_weight ? r->weight : s->fetch_weight;
    s->fetch_weight -= weight;
    l->behind_weight -= weight;
    if (r->seq >= s->fetch_to) end_fetch(l, s);
}

void lane_fall_behind(struct lane *l, const struct record *r)
{
    struct slot *s = &l->slots[r->partition];
    l->seg[l->at].dated = false;
    if (!s->behind) {
        set_behind(l, s);
        s->behind_in = l->seg[l->at].first_seq;
        s->behind_from = r->offset;
    }
    if (r->seq <= s->behind_to) return;
    s->behind_to = r->seq;
    s->behind_weight += r->weight;
    l->behind_weight += r->weight;
}

/* Up to where a hole reaches before a segment whose table is lost; 0: there is none. Numbers of an
 * import need not follow each other. */
static uint64_t hole_before(const struct lane *l)
{
    uint64_t before = l->seg[l->at].first_seq - 1;
    for (unsigned p = 0; p < l->partitions; p++) {
        if (l->slots[p].queued >= before) return 0;
    }
    return l->import ? 0 : before;
}

uint64_t lane_hole(const struct lane *l, unsigned partition)
{
    bool headless = segment_head_damaged(l->reader);
    uint64_t before = headless ? hole_before(l) : segment_last(l->reader, partition);
    const struct slot *s = &l->slots[partition];
    return !s->behind && before > s->queued ? before : 0;
}

/* Records that the table knows but the segment before did not hold: lost on this disk. */
static void skip_damage(struct lane *l)
{
    for (unsigned p = 0; p < l->partitions; p++) {
        uint64_t before = segment_last(l->reader, p);
        if (l->slots[p].behind || before <= l->slots[p].queued) continue;
        log_error("journal.lost", "partition=%u the end of a segment is damaged", p);
        l->slots[p].queued = before; /* `sent` stays: Redis knows nothing of what is lost */
    }
}

/* Opens segment `at`; LANE_RECORD: there is a reader now, or the segment was stepped over. */
static enum lane_result open_segment(struct lane *l)
{
    struct segment *g = &l->seg[l->at];
    if (l->import && !l->settled) return LANE_WAIT; /* its numbers cannot show what is hidden */
    bool follows = l->fresh || l->import || g->first_seq == l->last_seq + 1;
    if (!follows && !l->gap_rescanned) {
        l->gap_seen = true;
        return LANE_RESCAN;
    }
    if (g->broken) {
        l->at++;
        return LANE_RECORD;
    }
    l->reader = lane_open(l, l->at);
    if (l->reader == NULL) {
        if (errno != ENODATA && errno != EBADMSG) return LANE_WAIT; /* or gone: the scan will say */
        l->at++; /* its writer died in the head */
        return LANE_RECORD;
    }
    bool fresh = l->fresh;
    l->gap_seen = l->gap_rescanned = l->fresh = false;
    l->last_seq = g->first_seq - 1;
    l->skipped = l->skip_to > segment_offset(l->reader);
    if (l->skipped) segment_skip_to(l->reader, l->skip_to);
    l->skip_to = 0;
    if (fresh) return LANE_OPENED;
    skip_damage(l);
    return LANE_RECORD;
}

static void note_whole(struct lane *l, struct segment *g)
{
    uint64_t damaged = segment_damaged_bytes(l->reader);
    if (damaged > g->damaged) {
        log_error("journal.damage", "first_seq=%llu bytes=%llu", (unsigned long long)g->first_seq,
                  (unsigned long long)damaged);
    }
    g->damaged = damaged;
    g->weight = l->passed;
    g->counted = true;
}

static void finish_segment(struct lane *l)
{
    struct segment *g = &l->seg[l->at];
    if (!l->skipped) note_whole(l, g);
    g->size = segment_bytes(l->reader); /* what the next scan compares with */
    close_reader(l);
    l->at++;
}

enum lane_result lane_next(struct lane *l, struct record *out)
{
    if (front_reached(l)) {
        return_to_front(l);
        if (l->holding) {
            l->holding = false;
            *out = l->held;
            return LANE_RECORD;
        }
    }
    while (l->at < l->segs) {
        uint64_t limit = lane_limit(l, l->at);
        if (limit == 0) return LANE_WAIT;
        if (l->reader == NULL) {
            enum lane_result opened = open_segment(l);
            if (opened != LANE_RECORD) return opened;
            continue;
        }
        if (segment_next(l->reader, limit, out) == SEGMENT_RECORD) {
            l->passed += out->weight;
            l->last_seq = out->seq;
            return LANE_RECORD;
        }
        if (limit != UINT64_MAX) return LANE_WAIT;
        finish_segment(l);
        if (front_reached(l)) return_to_front(l);
    }
    return l->live ? LANE_WAIT : LANE_END;
}

/* The first segment that holds something Redis does not have. */
static size_t unshipped(const struct lane *l)
{
    if (l->state == LANE_DONE) return l->segs;
    size_t first = lane_read_to(l);
    for (unsigned p = 0; p < l->partitions && first > 0; p++) {
        const struct slot *s = &l->slots[p];
        bool whole = s->sent == s->acked && !s->behind && s->fetch_to == 0;
        if (whole) continue; /* `queued` may be past what is lost */
        size_t i = segment_of(l, s->acked + 1);
        if (i < first) first = i;
    }
    return first;
}

/* The age of a shipped segment is the time since then, also for the next run. */
static void stamp(struct lane *l, size_t i)
{
    struct segment_name name = name_of(l, i);
    char file[SEGMENT_NAME_BYTES];
    segment_name_format(&name, file);
    if (utimensat(l->dir_fd, file, NULL, 0) != 0) return;
    l->seg[i].mtime_ms = clock_ms();
    l->seg[i].dated = true;
}

bool lane_mark_shipped(struct lane *l)
{
    bool known = l->state == LANE_READING || l->state == LANE_DONE, news = false;
    size_t first = known ? unshipped(l) : 0;
    for (size_t i = 0; i < l->segs; i++) {
        struct segment *g = &l->seg[i];
        g->shipped = i < first && lane_closed(l, i) && !g->broken;
        if (!g->shipped || g->dated) continue;
        stamp(l, i);
        news = true;
    }
    return news;
}
