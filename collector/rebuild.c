/*
 * A rebuild is a race with the live fold that ends in a tie. In passes it reads what the live
 * generation has folded since the pass before, in the order of time, and has it folded anew. When
 * little is left it takes the leases, so that live folding stands still, reads the rest, and both
 * generations have folded exactly the same hits. Then their states are exchanged, and folding goes
 * on where it stood, in the same stream. Live hits are not shipped twice, and none waits for longer
 * than the last pass.
 *
 * Taken is, per producer and partition, every record up to what the live generation has folded;
 * of archived segments also what Redis has forgotten since (it has had all of that once); and in
 * partitions that Redis knew and that are empty now, everything.
 *
 * A partition is whole when no producer of the live generation is missing or shorter here, and the
 * weight of what was read is the weight that live folding counted. A hole that shows in the files
 * matters only if that is not so: then nobody ever had what was in it (its disk lost it before it
 * was shipped). Where Redis is empty, holes are all there is to go by, with what the collectors'
 * cursors say they received, and what the archives say they have deleted.
 */
#include "rebuild.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "births.h"
#include "clock.h"
#include "dataset.h"
#include "rebuild_ship.h"
#include "redact.h"

enum {
    PASSES_MAX = 6,
    LITTLE = 20000, /* records of a pass: the rest is read while live folding waits */
    FOLD_CHECK_MS = 20,
    FOLD_SILENT_MS = 60 * 1000, /* nothing was folded for so long: nothing will be */
    DAY_LENGTH_MS = 24 * 3600 * 1000,
};

struct rebuild {
    const struct rebuild_opts *o;
    struct rebuild_files *files;
    unsigned partitions;
    struct redis_now *redis;
    struct live live;
    struct rebuild_ship *ship;
    char (*birth)[LIVE_ID_BYTES]; /* as the collectors know them */
    uint64_t *taken, *regained;   /* weight, per partition; regained: not counted in the live one */
    int64_t *until_ms;
    struct rebuild_progress now;
    struct buf redacted; /* the record that stands for one of somebody who was forgotten */
    struct rebuild_account *out;
    struct buf *err;
};

static bool tick(void *arg)
{
    struct rebuild *r = arg;
    return live_renew(&r->live, r->err) == 0 && r->o->hooks.tick(r->o->hooks.arg, &r->now, r->err);
}

/* ---- start ---- */

static int load_births(struct rebuild *r)
{
    _Static_assert((int)LIVE_ID_BYTES == (int)BIRTH_TEXT_BYTES, "the same id");
    for (unsigned i = 0; i < r->files->journals; i++) {
        struct births births;
        if (!births_init(&births, r->files->journal[i].fd, r->partitions)) return -1;
        for (unsigned p = 0; p < r->partitions; p++) {
            if (births.of[p].id[0] != '\0') memcpy(r->birth[p], births.of[p].id, LIVE_ID_BYTES);
        }
        births_fini(&births);
    }
    return 0;
}

/* No other run's records can get in: append.lua refuses another birth. */
static int bear_next(struct rebuild *r)
{
    for (unsigned p = 0; p < r->partitions; p++) {
        struct key meta = key_of(p, true, STR("meta"));
        struct str argv[] = {STR("HSET"), key_str(&meta), STR("birth"), str_of(r->live.token)};
        redisReply *reply = live_ask(&r->live, r->err, 4, argv);
        if (reply == NULL) return -1;
        freeReplyObject(reply);
    }
    return 0;
}

static int open_all(struct rebuild *r)
{
    unsigned n = r->partitions;
    r->redis = redis_now_open(r->o->redis, r->err);
    if (r->redis == NULL || dataset_agree(r->redis, n, r->err) < 0) return -1;
    r->birth = calloc(n, sizeof *r->birth);
    r->taken = calloc(n, sizeof *r->taken);
    r->regained = calloc(n, sizeof *r->regained);
    r->until_ms = calloc(n, sizeof *r->until_ms);
    bool memory = r->birth != NULL && r->taken != NULL && r->regained != NULL &&
                  r->until_ms != NULL && live_init(&r->live, r->redis, n) == 0;
    if (memory) r->ship = rebuild_ship_new(r->redis, n, r->live.token, tick, r);
    if (memory && r->ship != NULL && load_births(r) == 0) return 0;
    buf_printf(r->err, "no memory");
    return -1;
}

static void close_all(struct rebuild *r)
{
    rebuild_ship_free(r->ship);
    live_fini(&r->live);
    redis_now_close(r->redis);
    free(r->birth);
    free(r->taken);
    free(r->regained);
    free(r->until_ms);
    buf_fini(&r->redacted);
}

/* ---- a pass ---- */

static bool wanted(const struct rebuild *r, const struct rebuild_lane *l, bool *regained)
{
    unsigned p = l->held.partition;
    uint64_t seq = l->held.seq;
    const struct live_partition *live = &r->live.of[p];
    *regained = false;
    if (seq <= l->folded[p]) return true;
    bool emptied = !live->born && r->birth[p][0] != '\0';
    if (!emptied && !rebuild_lane_archived(l)) return false; /* live shipping brings it */
    *regained = seq > l->seen[p] && l->got[p] >= l->seen[p];
    return *regained;
}

static int take(struct rebuild *r, struct rebuild_lane *l)
{
    unsigned p = l->held.partition;
    bool regained, old = p >= r->partitions || l->held.seq <= l->got[p];
    bool want = !old && wanted(r, l, &regained);
    if (want) {
        r->taken[p] += l->held.weight;
        if (regained) r->regained[p] += l->held.weight;
        r->now.records++;
        r->now.hits += l->held.weight;
        r->now.at_ms = l->key_ms;
        buf_clear(&r->redacted);
        if (redact_payload(&r->files->erased, l->held.payload, &r->redacted))
            l->held.payload = buf_str(&r->redacted);
        if (r->redacted.failed) {
            buf_printf(r->err, "no memory");
            return -1;
        }
        if (rebuild_ship_add(r->ship, l, r->err) < 0) return -1;
    }
    rebuild_lane_pass(l, old || want);
    return 0;
}

static int read_all(struct rebuild *r)
{
    struct rebuild_lane *l;
    enum rebuild_result got;
    uint64_t n = 0;
    if (rebuild_files_begin(r->files) < 0) {
        buf_printf(r->err, "no memory");
        return -1;
    }
    while ((got = rebuild_files_next(r->files, &l)) == REBUILD_RECORD) {
        if (take(r, l) < 0) return -1;
        if (++n % 4096 == 0 && !tick(r)) return -1;
    }
    if (got == REBUILD_END) return rebuild_ship_flush(r->ship, r->err);
    buf_printf(r->err, "a segment cannot be read: %s",
               errno == EDOM ? "it is of a data set with another number of partitions"
                             : strerror(errno));
    return -1;
}

/* Weight that the next generation has folded; UINT64_MAX: no answer. */
static uint64_t folded_next(struct rebuild *r)
{
    uint64_t sum = 0;
    bool ok = true;
    unsigned pushed = 0;
    while (pushed < r->partitions) {
        struct key commit = key_of(pushed, true, STR("commit"));
        struct str argv[] = {STR("HGET"), key_str(&commit), STR("folded")};
        if (redis_now_push(r->redis, 3, argv) < 0) break;
        pushed++;
    }
    ok = pushed == r->partitions;
    for (unsigned p = 0; p < pushed; p++) {
        redisReply *reply = redis_now_pull(r->redis);
        ok = ok && reply != NULL && reply->type != REDIS_REPLY_ERROR;
        if (ok && reply->type == REDIS_REPLY_STRING) sum += strtoull(reply->str, NULL, 10);
        if (reply != NULL) freeReplyObject(reply);
    }
    return ok ? sum : UINT64_MAX;
}

static int wait_folded(struct rebuild *r)
{
    const struct timespec pause = {0, FOLD_CHECK_MS * 1000000L};
    int64_t moved_ms = clock_mono_ms();
    r->now.phase = REBUILD_FOLDS;
    for (;;) {
        uint64_t folded = folded_next(r);
        if (folded != UINT64_MAX && folded != r->now.folded) {
            r->now.folded = folded;
            moved_ms = clock_mono_ms();
        }
        if (folded == r->now.hits) return 0;
        if (clock_mono_ms() - moved_ms > FOLD_SILENT_MS) {
            buf_printf(r->err,
                       "its aggregator has folded nothing for %d s: %" PRIu64 " of %" PRIu64
                       " hits",
                       FOLD_SILENT_MS / 1000, r->now.folded, r->now.hits);
            return -1;
        }
        if (!tick(r)) return -1;
        nanosleep(&pause, NULL);
    }
}

/* Files are listed before Redis is asked: what an archive holds by then, Redis has had by then. */
static int pass(struct rebuild *r)
{
    r->now.phase = r->live.of[0].fenced ? REBUILD_FENCED : REBUILD_READS;
    r->out->passes++;
    if (!tick(r) || rebuild_files_scan(r->files, r->err) < 0) return -1;
    if (live_look(&r->live, r->files, r->err) < 0 || read_all(r) < 0) return -1;
    return wait_folded(r);
}

/* Whatever Redis has by now was in a journal before, so that the files must hold it. */
static int look_what_is_needed(struct rebuild *r)
{
    if (live_look(&r->live, r->files, r->err) < 0) return -1;
    for (size_t i = 0; i < r->files->n; i++) {
        struct rebuild_lane *l = r->files->lane[i];
        memcpy(l->need, l->seen, r->partitions * sizeof *l->need);
    }
    return 0;
}

static int catch_up(struct rebuild *r)
{
    uint64_t before;
    do {
        before = r->now.records;
        if (pass(r) < 0) return -1;
    } while (r->now.records - before > LITTLE && r->out->passes < PASSES_MAX);
    if (live_fence(&r->live, r->err) < 0 || look_what_is_needed(r) < 0) return -1;
    return pass(r);
}

/* ---- is it whole? ---- */

static void miss(struct rebuild *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void miss(struct rebuild *r, const char *format, ...)
{
    struct rebuild_missing *m = &r->out->missing;
    va_list ap;
    if (m->lines == REBUILD_MISSING_MAX) {
        m->more++;
        return;
    }
    va_start(ap, format);
    vsnprintf(m->line[m->lines++], REBUILD_MISSING_BYTES, format, ap);
    va_end(ap);
}

static void date_of(int64_t ms, char out[DATE_TEXT_BYTES])
{
    date_format((uint32_t)(ms / DAY_LENGTH_MS), out);
}

static void mark(struct rebuild *r, unsigned p, int64_t until_ms)
{
    int64_t now_ms = clock_ms();
    if (until_ms <= 0 || until_ms > now_ms) until_ms = now_ms;
    if (until_ms > r->until_ms[p]) r->until_ms[p] = until_ms;
}

/* What has been taken is more than what has been folded, and not because Redis had lost it before.
 */
static bool went_back(const struct rebuild_lane *l, unsigned p)
{
    if (l->got[p] <= l->folded[p]) return false;
    return l->got[p] <= l->seen[p] || l->folded[p] < l->seen[p];
}

/* A producer that Redis knows and the files do not, or not to its end. -1: Redis went back. */
static int check_lane(struct rebuild *r, const struct rebuild_lane *l)
{
    unsigned shorter = 0;
    char hex[2 * PRODUCER_BYTES + 1], date[DATE_TEXT_BYTES];
    int64_t until_ms = l->last_day == 0 ? 0 : (l->last_day + 1) * DAY_LENGTH_MS;
    for (unsigned p = 0; p < r->partitions; p++) {
        if (went_back(l, p)) return -1;
        if (l->had[p] >= l->need[p]) continue;
        shorter++;
        mark(r, p, until_ms);
    }
    if (shorter == 0) return 0;
    sodium_bin2hex(hex, sizeof hex, l->producer, PRODUCER_BYTES);
    date_of(until_ms == 0 ? 0 : until_ms - 1, date);
    miss(r, "producer %s: %s in %u partitions, %s%s", hex, l->segs == 0 ? "no file" : "not its end",
         shorter, until_ms == 0 ? "an import" : "Redis had it last on ", until_ms == 0 ? "" : date);
    return 0;
}

/* Who has holes, if they matter. */
static void tell_holes(struct rebuild *r)
{
    for (size_t i = 0; i < r->files->n; i++) {
        const struct rebuild_lane *l = r->files->lane[i];
        char hex[2 * PRODUCER_BYTES + 1], date[DATE_TEXT_BYTES];
        if (l->hole_ms == 0) continue;
        sodium_bin2hex(hex, sizeof hex, l->producer, PRODUCER_BYTES);
        date_of(l->hole_ms < clock_ms() ? l->hole_ms : clock_ms(), date);
        miss(r, "producer %s: files before one of %s are missing", hex, date);
    }
}

static int64_t damaged_ms(const struct rebuild_files *f)
{
    int64_t newest = 0;
    for (size_t i = 0; i < f->n; i++) {
        if (f->lane[i]->damaged_ms > newest) newest = f->lane[i]->damaged_ms;
    }
    return newest;
}

static void check_weight(struct rebuild *r, unsigned p)
{
    const struct coverage *c = &r->files->coverage[p];
    const struct live_partition *live = &r->live.of[p];
    uint64_t counted = live->folded, read = r->taken[p] - r->regained[p];
    bool empty = counted == 0;
    if (!empty && read == counted) return;
    if (c->holes == 0 && read >= counted) return;
    mark(r, p, c->holes > 0 ? c->until_ms : damaged_ms(r->files));
}

/* Of a Redis that is empty: what else tells. */
static void check_received(struct rebuild *r)
{
    struct rebuild_missing *m = &r->out->missing;
    uint64_t counted = 0;
    for (unsigned p = 0; p < r->partitions; p++)
        counted += r->live.of[p].folded;
    if (counted > 0) return;
    m->lost = rebuild_files_lost(r->files);
    m->forgotten_ms = rebuild_files_forgotten_ms(r->files);
    if (m->lost == 0 && m->forgotten_ms == 0) return;
    for (unsigned p = 0; p < r->partitions; p++)
        mark(r, p, m->lost > 0 ? 0 : m->forgotten_ms);
}

static int check(struct rebuild *r)
{
    struct rebuild_missing *m = &r->out->missing;
    for (size_t i = 0; i < r->files->n; i++) {
        if (check_lane(r, r->files->lane[i]) == 0) continue;
        buf_printf(r->err, "Redis has forgotten something while this ran; start the rebuild again");
        return -1;
    }
    for (unsigned p = 0; p < r->partitions; p++) {
        if (r->until_ms[p] == 0) check_weight(r, p);
    }
    check_received(r);
    for (unsigned p = 0; p < r->partitions; p++) {
        m->partitions += r->until_ms[p] != 0;
        if (r->until_ms[p] > m->until_ms) m->until_ms = r->until_ms[p];
        if (r->until_ms[p] != 0 && r->live.of[p].folded > r->taken[p] - r->regained[p])
            m->counted += r->live.of[p].folded - r->taken[p] + r->regained[p];
    }
    if (m->partitions > 0) tell_holes(r);
    return 0;
}

/* ---- all of it ---- */

static enum rebuild_end exchange(struct rebuild *r)
{
    if (check(r) < 0) return REBUILD_ERROR;
    if (r->out->missing.partitions > 0 && !r->o->incomplete) return REBUILD_INCOMPLETE;
    const struct swap s = {.live = &r->live,
                           .files = r->files,
                           .sites = r->o->sites,
                           .birth = r->birth,
                           .until_ms = r->until_ms};
    r->now.phase = REBUILD_SWAPS;
    if (!tick(r)) return REBUILD_ERROR;
    return rebuild_swap(&s, &r->out->swap, r->err) < 0 ? REBUILD_ERROR : REBUILD_DONE;
}

static enum rebuild_end run_locked(struct rebuild *r)
{
    const struct rebuild_hooks *hooks = &r->o->hooks;
    enum rebuild_end end = REBUILD_ERROR;
    if (live_drop_next(&r->live, r->err) == 0 && bear_next(r) == 0 &&
        hooks->start_fold(hooks->arg, r->err) == 0) {
        int caught_up = catch_up(r);
        hooks->stop_fold(hooks->arg);
        if (caught_up == 0) end = exchange(r);
    }
    struct buf unheard = {0}; /* the next rebuild removes what this one cannot */
    if (live_renew(&r->live, &unheard) == 0) live_drop_next(&r->live, &unheard);
    buf_fini(&unheard);
    return end;
}

enum rebuild_end rebuild_run(const struct rebuild_opts *o, struct rebuild_files *files,
                             struct rebuild_account *out, struct buf *err)
{
    struct rebuild r = {
        .o = o, .files = files, .partitions = files->partitions, .out = out, .err = err};
    enum rebuild_end end = REBUILD_ERROR;
    *out = (struct rebuild_account){.passes = 0};
    if (open_all(&r) == 0 && live_lock(&r.live, err) == 0) {
        end = run_locked(&r);
        live_unlock(&r.live);
    }
    out->done = r.now;
    out->segments = files->segments;
    out->packed = files->packed;
    out->producers = files->n;
    close_all(&r);
    return end;
}
