/*
 * Journals -> Redis. Per partition one batch is in flight: with two, a later one could pass one
 * that failed, and the repeated one would look old and be dropped. A batch may hold parts of many
 * producers; append.lua takes all of it or nothing. Its answers:
 *
 *   OK      the next batch may go.
 *   FULL    the stream holds its limit. The same batch again, after 100 ms, or later when many are
 *           full. What else comes for this partition is passed over on the disk and fetched later,
 *           so that the others go on and memory stays flat.
 *   GAP     Redis forgot, and surely not only this: a new session. What the disk does not hold any
 *           more makes the partition wait for shipper_accept_gaps.
 *   BIRTH   an emptied or another Redis: a new session, too. A partition that says so gets all of
 *           its hits again if it is young, see births.c; else it waits for shipper_accept_gaps.
 *   error   "not now", or a broken Redis: the same batch again, likewise after a pause.
 *   NULL    the link died; nobody knows whether the batch arrived.
 *
 * A session is the time from one link-up, or one GAP, to the next. It begins by asking Redis what
 * it has seen of every producer that has a file here; reading begins behind that. So a start, a
 * reconnect and a Redis that lost its last seconds, even those of producers that are long dead, are
 * one case.
 *
 * Who has not got the lock ships nothing and writes nothing but looks at the files for the figures:
 * an import ships by itself while no collector runs, and one that starts then serves meanwhile.
 *
 * Everything here runs on the thread of the event base but shipper_wake, _stats, _drain and
 * _accept_gaps, which only touch atomics.
 */
#include "shipper.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "ship_core.h"

enum {
    PACE_MS = 20,    /* between two looks at the journals while hits come in */
    WAITING_MS = 20, /* ... while something waits for Redis or a deadline */
    SCAN_MS = 500,   /* the directory; deleting; the cursor */
    PUBLISH_MS = 20, /* the figures, while busy */
};

void shipper_kick(struct shipper *s, int64_t ms)
{
    struct timeval tv = {ms / 1000, ms % 1000 * 1000};
    event_add(s->timer, &tv);
}

static void on_state(bool up, void *arg)
{
    struct shipper *s = arg;
    ship_session_end(s, up ? 0 : -1);
    shipper_kick(s, 0);
}

static void save_files(struct shipper *s)
{
    births_save(&s->lanes.births);
    if (s->cursor_changed && lanes_save(&s->lanes) == 0) s->cursor_changed = false;
}

static bool open_archive(struct shipper *s)
{
    if (s->opts.archive.dir == NULL || s->opts.archive.dir[0] == '\0') return true;
    s->lanes.archive = archive_open(&s->opts.archive);
    atomic_store(&s->archive, s->lanes.archive);
    return s->lanes.archive != NULL;
}

/* False: errno, EWOULDBLOCK when another one ships. */
static bool become_sole(struct shipper *s)
{
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0) return false;
    s->sole = lanes_reload(&s->lanes) && open_archive(s);
    if (s->sole) return true;
    int err = errno;
    flock(s->lock_fd, LOCK_UN);
    errno = err;
    return false;
}

static void scan(struct shipper *s, int64_t now)
{
    bool regular = now >= s->scan_ms;
    if (regular && !s->sole && become_sole(s)) log_info("ship.begin", "dir=%s", s->opts.dir);
    s->scan_now = false;
    if (lanes_scan(&s->lanes)) s->cursor_changed = true;
    for (size_t i = 0; i < s->lanes.n; i++)
        s->scan_now |= !s->lanes.lane[i]->settled;
    s->drain_scans += s->drain_until_ms > 0;
    if (!regular) return;
    s->scan_ms = now + SCAN_MS;
    if (!s->sole) return;
    births_save(&s->lanes.births); /* before a segment is found shipped, see births.c */
    s->cursor_changed |= lanes_sweep(&s->lanes, s->opts.keep_age_ms, s->opts.reserve_bytes);
    save_files(s);
    ship_prune_step(s);
}

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
    if (atomic_exchange(&s->accept_asked, false)) ship_session_accept(s);
    if (drain < 0) return;
    s->drain_until_ms = now + drain + 1;
    s->scan_now = true;
}

static void end_drain(struct shipper *s, int64_t now)
{
    if (s->drain_until_ms == 0) return;
    if (s->drain_scans < 2) s->scan_now = true;
    if (s->sole && !all_shipped(s) && now < s->drain_until_ms) return;
    ship_stats_publish(s);
    event_base_loopexit(s->base, NULL);
}

static bool waits(const struct shipper *s)
{
    if (s->session_ms > 0 || s->drain_until_ms > 0 || s->blocked) return true;
    for (unsigned i = 0; i < s->opts.partitions; i++) {
        const struct partition *p = &s->partition[i];
        if (p->open->parts + p->flight->parts > 0 && !p->outstanding) return true;
        if (p->behind && p->state == PARTITION_READY) return true;
        if (p->state == PARTITION_ASKED && !p->outstanding && s->session) return true;
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
    if (due && s->sole && redis_link_up(s->link)) ship_session_begin(s);
    if (s->session) {
        ship_session_ask(s);
        ship_read_lanes(s);
        ship_session_end_accepting(s);
        ship_read_behind(s, now);
        s->full = 0;
        for (unsigned i = 0; i < s->opts.partitions; i++) {
            s->full += s->partition[i].state == PARTITION_FULL;
            ship_send_ready(&s->partition[i], now);
        }
    }
    if (!s->read_any || now >= s->publish_ms) {
        ship_stats_publish(s);
        s->publish_ms = now + PUBLISH_MS;
    }
    end_drain(s, now);
    shipper_kick(s, next_turn(s, now));
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
        shipper_kick(s, PACE_MS - since);
    }
}

static bool open_files(struct shipper *s)
{
    s->dir_fd = open(s->opts.dir, O_DIRECTORY | O_CLOEXEC);
    if (s->dir_fd < 0) return false;
    s->lock_fd = openat(s->dir_fd, "ship.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd < 0) return false;
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
    if (!lanes_init(&s->lanes, s->dir_fd, opts->partitions)) goto fail;
    if (!become_sole(s) && errno != EWOULDBLOCK) goto fail;
    if (!s->sole) log_info("ship.wait", "dir=%s another program ships it", opts->dir);
    append_init();
    s->timer = evtimer_new(base, on_timer, s);
    s->on_wake = event_new(base, s->wake_fd, EV_READ | EV_PERSIST, on_wake, s);
    if (s->timer == NULL || s->on_wake == NULL || event_add(s->on_wake, NULL) != 0) goto fail;
    s->link = redis_link_new(base, opts->redis, on_state, s);
    if (s->link == NULL) goto fail;
    shipper_kick(s, 0);
    return s;
fail:;
    int err = errno;
    log_error("ship.open", "dir=%s err=%s", opts->dir, strerror(err));
    shipper_free(s);
    errno = err;
    return NULL;
}

void shipper_free(struct shipper *s)
{
    if (s == NULL) return;
    s->session = false;
    redis_link_free(s->link);
    if (s->sole && s->link != NULL) save_files(s);
    for (unsigned i = 0; s->partition != NULL && i < s->opts.partitions; i++)
        ship_send_drop(&s->partition[i]);
    archive_close(s->lanes.archive);
    lanes_fini(&s->lanes);
    part_pool_fini(&s->pool);
    if (s->on_wake != NULL) event_free(s->on_wake);
    if (s->timer != NULL) event_free(s->timer);
    if (s->wake_fd >= 0) close(s->wake_fd);
    if (s->lock_fd >= 0) close(s->lock_fd);
    if (s->dir_fd >= 0) close(s->dir_fd);
    free(s->partition);
    free(s);
}

void shipper_add_writer(struct shipper *s, struct journal_mark *mark)
{
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
    /* Sequentially consistent, like the mark that was set before: either the shipper sees the mark
     * before it sleeps, or this sees that it sleeps. */
    if (!atomic_load(&s->awake) && !atomic_exchange(&s->awake, true)) wake(s);
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
