/*
 * Journals -> Redis. Per partition one batch is in flight: with two, a later one could pass one
 * that failed, and the repeated one would look old and be dropped. A batch may hold parts of many
 * producers; append.lua takes all of it or nothing. Its answers:
 *
 *   OK      the next batch may go.
 *   FULL    the stream holds its limit. The same batch again, after 100 ms .. 1 s. What else comes
 *           for this partition is passed over on the disk and fetched later, so that the others
 *           go on and memory stays flat.
 *   GAP     Redis forgot. What follows its `seen` is read again; if the disk does not hold it any
 *           more, the partition waits for shipper_accept_gaps.
 *   BIRTH   an emptied or another Redis. The partition waits for shipper_accept_gaps.
 *   error   "not now", or a broken Redis: the same batch again, likewise after a pause.
 *   NULL    the link died; nobody knows whether the batch arrived.
 *
 * A session is the time from one link-up to the next. It begins by asking Redis what it has seen of
 * every producer that has a file here; reading begins behind that. So a start, a reconnect and a
 * Redis that lost its last seconds, even those of producers that are long dead, are one case.
 *
 * Everything here runs on the thread of the event base but shipper_wake, _stats, _drain and
 * _accept_gaps, which only touch atomics.
 */
#include "shipper.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <unistd.h>

#include "append.h"
#include "clock.h"
#include "keys.h"
#include "lanes.h"
#include "log.h"
#include "redis.h"

enum {
    PACE_MS = 5,     /* between two looks at the journals while hits come in */
    WAITING_MS = 20, /* ... while something waits for Redis or a deadline */
    SCAN_MS = 500,   /* the directory; deleting; the cursor */
    PUBLISH_MS = 20, /* the figures, while busy */
    PAUSE_MIN_MS = 100,
    PAUSE_MAX_MS = 1000,
    REWIND_MS = 2000,     /* at most one per partition in this time: each reads a backlog again */
    READ_BUDGET = 2048,   /* records of a lane per turn */
    DEAD_READERS_MAX = 8, /* segments of earlier runs read at a time */
    ASKED_MAX = 8192,     /* questions on their way */
    READ_AHEAD_BYTES = 64 * 1024 * 1024,
};

enum partition_state {
    PARTITION_ASKED, /* whether it is the one we knew */
    PARTITION_READY,
    PARTITION_FULL,
    PARTITION_GAP,
    PARTITION_BIRTH,
};

struct partition {
    struct shipper *shipper;
    unsigned number;
    enum partition_state state;
    struct batch batches[2];
    struct batch *open, *flight;
    bool outstanding; /* a call is on its way */
    bool behind;      /* some lane has passed over records */
    bool accept;      /* holes are to be skipped in this session */
    int pause_ms;
    int64_t retry_ms, sent_ms, rewind_ms; /* monotonic */
};

enum figure {
    F_RECEIVED,
    F_SHIPPED,
    F_SEGMENTS,
    F_SEGMENT_BYTES,
    F_BATCHES,
    F_RETRIES,
    F_GAPS,
    F_DAMAGED,
    F_FORCED_OUT,
    F_SKIPPED,
    F_LAG_MS,
    F_UP,
    F_FULL,
    F_GAP_PARTITIONS,
    F_BIRTH_PARTITIONS,
    FIGURES
};

struct shipper {
    struct shipper_opts opts;
    struct event_base *base;
    int dir_fd, lock_fd, wake_fd;
    struct event *on_wake, *timer;
    struct redis_link *link;
    struct lanes lanes;
    struct partition *partition;
    char (*birth)[BIRTH_TEXT_BYTES];
    bool births_changed, cursor_changed;
    struct part_pool pool;
    bool session;         /* the link is up and Redis has been asked */
    int64_t session_ms;   /* when to begin one; 0: not before the link is up again */
    unsigned outstanding; /* calls on their way */
    size_t queued_bytes;
    size_t turn; /* lane that reads first */
    bool read_any, more, blocked, scan_now;
    int64_t pumped_ms, scan_ms, publish_ms;
    int64_t drain_until_ms; /* 0: not draining */
    int drain_scans;        /* since draining began */
    uint64_t batches, retries, gaps, skipped;
    _Atomic bool awake, accept_asked;
    _Atomic int64_t drain_asked_ms; /* -1: no */
    _Atomic uint64_t figure[FIGURES];
};

static void kick(struct shipper *s, int64_t ms)
{
    struct timeval tv = {ms / 1000, ms % 1000 * 1000};
    event_add(s->timer, &tv);
}

/* Sending */

static void on_append(const redisReply *reply, void *arg);

static void send_flight(struct partition *p, int64_t now)
{
    struct shipper *s = p->shipper;
    if (append_send(s->link, on_append, p, p->number, s->birth[p->number], s->opts.stream_max_bytes,
                    p->flight) < 0) {
        return; /* the link is going down */
    }
    p->outstanding = true;
    p->sent_ms = now;
    s->outstanding++;
}

static void send_ready(struct partition *p, int64_t now)
{
    struct shipper *s = p->shipper;
    if (!s->session || p->outstanding || p->retry_ms > now) return;
    if (p->state != PARTITION_READY && p->state != PARTITION_FULL) return;
    if (p->flight->parts == 0) {
        if (p->open->parts == 0) return;
        bool due =
            batch_full(p->open) || now - p->sent_ms >= s->opts.linger_ms || s->drain_until_ms > 0;
        if (!due) return;
        struct batch *b = p->open;
        batch_close(b, p->number);
        p->open = p->flight;
        p->flight = b;
    }
    send_flight(p, now);
}

static void drop_batches(struct partition *p)
{
    struct shipper *s = p->shipper;
    if (p->flight->parts + p->open->parts > 0) p->behind = true;
    s->queued_bytes -= p->flight->bytes + p->open->bytes;
    batch_drop(p->flight, &s->pool, p->number);
    batch_drop(p->open, &s->pool, p->number);
}

static void end_session(struct shipper *s, int64_t pause_ms)
{
    s->session = false;
    s->session_ms = pause_ms < 0 ? 0 : clock_mono_ms() + pause_ms;
}

static void pause_partition(struct partition *p)
{
    p->retry_ms = clock_mono_ms() + p->pause_ms;
    p->pause_ms = 2 * p->pause_ms > PAUSE_MAX_MS ? PAUSE_MAX_MS : 2 * p->pause_ms;
    p->shipper->retries++;
}

static void acked(struct partition *p)
{
    struct shipper *s = p->shipper;
    if (p->flight->parts > 0) {
        s->batches++;
        s->cursor_changed = true;
        s->queued_bytes -= p->flight->bytes;
        batch_acked(p->flight, &s->pool, p->number);
    }
    p->pause_ms = PAUSE_MIN_MS;
    p->retry_ms = 0;
    if (p->state == PARTITION_ASKED || p->state == PARTITION_FULL) p->state = PARTITION_READY;
}

static void go_back(struct partition *p, const struct append_answer *a)
{
    struct shipper *s = p->shipper;
    struct lane *lane = p->flight->part[a->part]->lane;
    log_warn("ship.gap", "partition=%u seen=%" PRIu64 " reading again", p->number, a->seen);
    s->gaps++;
    drop_batches(p);
    struct slot *slot = &lane->slots[p->number];
    slot->queued = slot->sent = slot->acked = a->seen;
    p->rewind_ms = 0;
}

static void on_append(const redisReply *reply, void *arg)
{
    struct partition *p = arg;
    struct shipper *s = p->shipper;
    struct append_answer a;
    p->outstanding = false;
    s->outstanding--;
    if (reply == NULL) end_session(s, -1);
    if (!s->session) return; /* the next one asks what became of it */
    append_parse(reply, p->flight->parts, &a);
    if (a.result == APPEND_OK && strcmp(a.birth, s->birth[p->number]) != 0) {
        memcpy(s->birth[p->number], a.birth, sizeof a.birth);
        s->births_changed = true;
    }
    switch (a.result) {
    case APPEND_OK: acked(p); break;
    case APPEND_FULL:
        p->state = p->state == PARTITION_READY ? PARTITION_FULL : p->state;
        pause_partition(p);
        break;
    case APPEND_GAP: go_back(p, &a); break;
    case APPEND_BIRTH:
        log_error("ship.birth",
                  "partition=%u Redis is empty or not the one this journal knows; "
                  "waiting for accept-gaps",
                  p->number);
        p->state = PARTITION_BIRTH;
        drop_batches(p);
        break;
    case APPEND_ERROR:
        log_warn("ship.retry", "partition=%u err=%s", p->number,
                 reply->type == REDIS_REPLY_ERROR ? reply->str : "not an answer");
        pause_partition(p);
        if (p->state == PARTITION_ASKED) end_session(s, PAUSE_MIN_MS);
        break;
    }
    send_ready(p, clock_mono_ms());
    if (s->blocked || p->behind || s->outstanding == 0) kick(s, 0);
}

/* Sessions */

static void answered(struct shipper *s, struct lane *l)
{
    if (!s->session || l->ask_failed || l->asked < l->partitions || l->segs == 0) {
        lane_stop(l);
        if (s->session) end_session(s, PAUSE_MIN_MS);
    } else {
        lane_start(l);
    }
    kick(s, 0);
}

/* Answers come in the order of the questions: one per partition. */
static void on_seen(const redisReply *reply, void *arg)
{
    struct lane *l = arg;
    struct shipper *s = l->owner;
    s->outstanding--;
    if (reply == NULL) end_session(s, -1);
    if (reply != NULL && reply->type == REDIS_REPLY_STRING) {
        l->slots[l->answered].queued = strtoull(reply->str, NULL, 10);
    } else if (reply == NULL || reply->type != REDIS_REPLY_NIL) {
        l->ask_failed = true;
    }
    if (++l->answered == l->asked) answered(s, l);
}

static void ask_seen(struct shipper *s, struct lane *l)
{
    struct str argv[3] = {STR("HGET"), {0}, {(const char *)l->producer, PRODUCER_BYTES}};
    l->slots = calloc(l->partitions, sizeof *l->slots);
    if (l->slots == NULL) return;
    l->owner = s;
    l->asked = l->answered = 0;
    l->ask_failed = false;
    while (l->asked < l->partitions) {
        struct key seen = key_seen(l->asked);
        argv[1] = key_str(&seen);
        if (redis_send(s->link, on_seen, l, 3, argv) < 0) break;
        l->asked++;
        s->outstanding++;
    }
    if (l->asked > 0) {
        l->state = LANE_ASKING;
        return;
    }
    free(l->slots);
    l->slots = NULL;
}

/* Live lanes first: their hits are the ones somebody waits for. */
static void ask_new(struct shipper *s)
{
    for (int live = 1; live >= 0; live--) {
        for (size_t i = 0; i < s->lanes.n && s->outstanding < ASKED_MAX; i++) {
            struct lane *l = s->lanes.lane[i];
            bool ready = l->state == LANE_NEW && l->settled && l->segs > 0;
            if (ready && l->live == (live == 1)) ask_seen(s, l);
        }
    }
}

/* Nothing is on its way: what was is read again from behind `seen`. */
static void begin_session(struct shipper *s)
{
    assert(s->outstanding == 0);
    for (unsigned i = 0; i < s->opts.partitions; i++)
        drop_batches(&s->partition[i]);
    assert(s->queued_bytes == 0);
    for (size_t i = 0; i < s->lanes.n; i++)
        lane_stop(s->lanes.lane[i]);
    s->session = true;
    s->session_ms = 0;
    for (unsigned i = 0; i < s->opts.partitions; i++) {
        struct partition *p = &s->partition[i];
        p->state = PARTITION_ASKED;
        p->behind = false;
        p->retry_ms = p->rewind_ms = 0;
        p->pause_ms = PAUSE_MIN_MS;
        send_flight(p, p->sent_ms); /* empty: only asks whether it is the one we knew */
    }
}

static void on_state(bool up, void *arg)
{
    struct shipper *s = arg;
    end_session(s, up ? 0 : -1);
    kick(s, 0);
}

/* Reading */

static void accept_waiting(struct shipper *s)
{
    bool any = false;
    for (unsigned i = 0; i < s->opts.partitions; i++) {
        struct partition *p = &s->partition[i];
        if (p->state != PARTITION_GAP && p->state != PARTITION_BIRTH) continue;
        if (p->state == PARTITION_BIRTH) s->birth[i][0] = '\0';
        s->births_changed |= p->state == PARTITION_BIRTH;
        p->accept = any = true;
    }
    if (any) end_session(s, 0);
}

/* The operator's word holds for the holes of the lanes that it found. */
static void end_accepting(struct shipper *s)
{
    for (size_t i = 0; i < s->lanes.n; i++) {
        const struct lane *l = s->lanes.lane[i];
        if (l->state == LANE_NEW || l->state == LANE_ASKING) return;
        if (l->state == LANE_READING && l->fresh) return;
    }
    for (unsigned i = 0; i < s->opts.partitions; i++)
        s->partition[i].accept = false;
}

static void look_for_holes(struct shipper *s, struct lane *l)
{
    for (unsigned i = 0; i < s->opts.partitions; i++) {
        struct partition *p = &s->partition[i];
        struct slot *slot = &l->slots[i];
        uint64_t hole = lane_hole(l, i);
        if (hole == 0) continue;
        if (p->accept) {
            s->skipped += hole - slot->queued;
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
}

/* False: the record has to wait, and all that follow it in its lane. */
static bool take(struct shipper *s, struct lane *l, const struct record *r)
{
    struct slot *slot = &l->slots[r->partition];
    struct partition *p = &s->partition[r->partition];
    if (r->seq <= slot->queued) return true;
    bool stuck = p->state == PARTITION_GAP || p->state == PARTITION_BIRTH;
    if (slot->behind || stuck || (p->state == PARTITION_FULL && batch_full(p->open))) {
        lane_fall_behind(l, r);
        p->behind = true;
        return true;
    }
    if (batch_full(p->open)) send_ready(p, clock_mono_ms());
    if (batch_full(p->open) || s->queued_bytes >= READ_AHEAD_BYTES) return false;
    size_t before = p->open->bytes;
    if (!batch_add(p->open, &s->pool, l, r)) return false;
    s->queued_bytes += p->open->bytes - before;
    return true;
}

static void at_end(struct shipper *s, struct lane *l, enum lane_result end)
{
    if (l->behind == 0) l->caught_up_ms = clock_ms();
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

static void read_lanes(struct shipper *s)
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

/* Fetches what was passed over, once the partition has nothing else to send. */
static void fetch_behind(struct shipper *s, struct partition *p, int64_t now)
{
    bool idle = p->flight->parts == 0 && p->open->parts == 0 && !p->outstanding;
    if (!p->behind || !idle || p->state != PARTITION_READY || now < p->rewind_ms) return;
    for (size_t i = 0; i < s->lanes.n; i++) {
        struct lane *l = s->lanes.lane[i];
        if (l->state == LANE_READING && l->slots[p->number].behind) lane_rewind(l, p->number);
    }
    p->behind = false;
    p->rewind_ms = now + REWIND_MS;
    s->more = true;
}

/* The directory, the files beside it, and the figures */

static void save_files(struct shipper *s)
{
    if (s->births_changed && births_save(s->dir_fd, s->birth, s->opts.partitions) == 0) {
        s->births_changed = false;
    }
    if (s->cursor_changed && lanes_save_cursor(&s->lanes) == 0) s->cursor_changed = false;
}

static void scan(struct shipper *s, int64_t now)
{
    bool regular = now >= s->scan_ms;
    s->scan_now = false;
    if (lanes_scan(&s->lanes)) s->cursor_changed = true;
    for (size_t i = 0; i < s->lanes.n; i++)
        s->scan_now |= !s->lanes.lane[i]->settled;
    s->drain_scans += s->drain_until_ms > 0;
    if (!regular) return;
    s->scan_ms = now + SCAN_MS;
    lanes_sweep(&s->lanes, s->opts.keep_age_ms, s->opts.reserve_bytes);
    save_files(s);
}

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

static void publish(struct shipper *s)
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
    f[F_SKIPPED] = s->skipped;
    f[F_FORCED_OUT] = s->lanes.forced_out;
    f[F_UP] = s->link != NULL && redis_link_up(s->link);
    for (int i = 0; i < FIGURES; i++)
        atomic_store_explicit(&s->figure[i], f[i], memory_order_relaxed);
}

/* Turns */

static bool all_shipped(const struct shipper *s)
{
    for (size_t i = 0; i < s->lanes.n; i++) {
        const struct lane *l = s->lanes.lane[i];
        bool at_mark = l->state == LANE_READING && l->live && lane_pending(l) == 0;
        if (l->state != LANE_DONE && !at_mark && l->segs > 0) return false;
    }
    return s->drain_scans > 1 && !s->scan_now && !s->lanes.unlisted;
}

static void hear_orders(struct shipper *s, int64_t now)
{
    int64_t drain = atomic_exchange(&s->drain_asked_ms, -1);
    if (atomic_exchange(&s->accept_asked, false)) accept_waiting(s);
    if (drain < 0) return;
    s->drain_until_ms = now + drain + 1;
    s->scan_now = true;
}

static void end_drain(struct shipper *s, int64_t now)
{
    if (s->drain_until_ms == 0) return;
    if (s->drain_scans < 2) s->scan_now = true;
    if (!all_shipped(s) && now < s->drain_until_ms) return;
    publish(s);
    event_base_loopexit(s->base, NULL);
}

static bool waits(const struct shipper *s)
{
    if (s->session_ms > 0 || s->drain_until_ms > 0 || s->blocked) return true;
    for (unsigned i = 0; i < s->opts.partitions; i++) {
        const struct partition *p = &s->partition[i];
        if (p->open->parts + p->flight->parts > 0 && !p->outstanding) return true;
        if (p->behind && p->state == PARTITION_READY) return true;
    }
    return false;
}

/* Goes to sleep only if no writer committed since its mark was read. */
static int64_t next_turn(struct shipper *s, int64_t now)
{
    if (s->more || s->scan_now || s->lanes.unlisted) return s->more ? 0 : PACE_MS;
    if (s->read_any) return PACE_MS;
    uint64_t read_to = s->lanes.committed;
    atomic_store(&s->awake, false);
    atomic_thread_fence(memory_order_seq_cst);
    lanes_read_marks(&s->lanes);
    if (s->lanes.committed != read_to) {
        atomic_store(&s->awake, true);
        return 0;
    }
    if (waits(s)) return WAITING_MS;
    return s->scan_ms > now ? s->scan_ms - now : 0;
}

static void pump(struct shipper *s)
{
    int64_t now = clock_mono_ms();
    s->pumped_ms = now;
    s->read_any = s->more = s->blocked = false;
    hear_orders(s, now);
    if (now >= s->scan_ms || s->scan_now || s->lanes.unlisted) {
        scan(s, now);
    } else {
        lanes_read_marks(&s->lanes);
    }
    bool due = s->session_ms > 0 && now >= s->session_ms && s->outstanding == 0;
    if (due && redis_link_up(s->link)) begin_session(s);
    if (s->session) {
        ask_new(s);
        read_lanes(s);
        end_accepting(s);
        for (unsigned i = 0; i < s->opts.partitions; i++) {
            fetch_behind(s, &s->partition[i], now);
            send_ready(&s->partition[i], now);
        }
    }
    if (!s->read_any || now >= s->publish_ms) {
        publish(s);
        s->publish_ms = now + PUBLISH_MS;
    }
    end_drain(s, now);
    kick(s, next_turn(s, now));
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    pump(arg);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct shipper *s = arg;
    uint64_t n;
    (void)what;
    if (read(fd, &n, sizeof n) < 0) return;
    int64_t since = clock_mono_ms() - s->pumped_ms;
    if (since >= PACE_MS) {
        pump(s);
    } else {
        kick(s, PACE_MS - since);
    }
}

/* The rest of the contract */

static bool open_files(struct shipper *s)
{
    s->dir_fd = open(s->opts.dir, O_DIRECTORY | O_CLOEXEC);
    if (s->dir_fd < 0) return false;
    s->lock_fd = openat(s->dir_fd, "ship.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd < 0 || flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0) return false;
    s->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return s->wake_fd >= 0;
}

static void init_partitions(struct shipper *s)
{
    for (unsigned i = 0; i < s->opts.partitions; i++) {
        struct partition *p = &s->partition[i];
        *p = (struct partition){.shipper = s, .number = i, .pause_ms = PAUSE_MIN_MS};
        p->open = &p->batches[0];
        p->flight = &p->batches[1];
    }
}

struct shipper *shipper_new(struct event_base *base, const struct shipper_opts *opts)
{
    struct shipper *s = calloc(1, sizeof *s);
    if (s == NULL) return NULL;
    *s = (struct shipper){.opts = *opts, .base = base, .dir_fd = -1, .lock_fd = -1, .wake_fd = -1};
    s->drain_asked_ms = -1;
    s->awake = true; /* the first turn comes by itself */
    if (!open_files(s)) goto fail;
    s->partition = calloc(opts->partitions, sizeof *s->partition);
    if (s->partition == NULL) goto fail;
    init_partitions(s);
    s->birth = calloc(opts->partitions, sizeof *s->birth);
    if (s->birth == NULL) goto fail;
    lanes_init(&s->lanes, s->dir_fd, opts->partitions);
    births_load(s->dir_fd, s->birth, opts->partitions);
    append_init();
    s->timer = evtimer_new(base, on_timer, s);
    s->on_wake = event_new(base, s->wake_fd, EV_READ | EV_PERSIST, on_wake, s);
    if (s->timer == NULL || s->on_wake == NULL || event_add(s->on_wake, NULL) != 0) goto fail;
    s->link = redis_link_new(base, opts->redis, on_state, s);
    if (s->link == NULL) goto fail;
    kick(s, 0);
    return s;
fail:;
    int err = errno;
    if (err != EWOULDBLOCK) log_error("ship.open", "dir=%s err=%s", opts->dir, strerror(err));
    shipper_free(s);
    errno = err;
    return NULL;
}

void shipper_free(struct shipper *s)
{
    if (s == NULL) return;
    s->session = false;
    redis_link_free(s->link);
    if (s->link != NULL) save_files(s);
    for (unsigned i = 0; s->partition != NULL && i < s->opts.partitions; i++)
        drop_batches(&s->partition[i]);
    lanes_fini(&s->lanes);
    part_pool_fini(&s->pool);
    if (s->on_wake != NULL) event_free(s->on_wake);
    if (s->timer != NULL) event_free(s->timer);
    if (s->wake_fd >= 0) close(s->wake_fd);
    if (s->lock_fd >= 0) close(s->lock_fd);
    if (s->dir_fd >= 0) close(s->dir_fd);
    free(s->partition);
    free(s->birth);
    free(s);
}

void shipper_add_writer(struct shipper *s, const unsigned char *producer, struct journal_mark *mark)
{
    (void)producer; /* the mark names it, also after it changed */
    assert(s->lanes.marks < SHIP_WRITERS_MAX);
    s->lanes.mark[s->lanes.marks++] = journal_mark_hold(mark);
}

static void wake(struct shipper *s)
{
    uint64_t one = 1;
    ssize_t n = write(s->wake_fd, &one, sizeof one);
    (void)n; /* full: it is about to wake */
}

void shipper_wake(struct shipper *s)
{
    atomic_thread_fence(memory_order_seq_cst); /* the mark is out before the flag is looked at */
    if (!atomic_load_explicit(&s->awake, memory_order_relaxed) &&
        !atomic_exchange(&s->awake, true)) {
        wake(s);
    }
}

void shipper_drain(struct shipper *s, int64_t wait_ms)
{
    atomic_store(&s->drain_asked_ms, wait_ms);
    wake(s);
}

void shipper_accept_gaps(struct shipper *s)
{
    atomic_store(&s->accept_asked, true);
    wake(s);
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
}
