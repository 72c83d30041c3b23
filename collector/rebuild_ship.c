/*
 * A batch keeps the records of a producer together, so within one the order of time is lost between
 * producers. Where that order matters it must not be: a batch ends when the next record is of
 * another producer and more than ORDER_MS younger than its first. That is about what live shipping
 * mixes up, too.
 *
 * Of each partition one batch is under way, as in live shipping: one that finds its stream full
 * must not be passed by the next. prev is what this run has sent before, not what the journal says:
 * what is missing there is accounted for elsewhere.
 */
#include "rebuild_ship.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "append.h"
#include "bytes.h"
#include "clock.h"
#include "keys.h"

enum {
    HITS_MAX = 1024,
    BYTES_MAX = 512 * 1024,
    PARTS_MAX = 64,
    QUEUE_BYTES = 8 * 1024 * 1024, /* sent together */
    QUEUE_MAX = 512,
    STREAM_MAX = 1024 * 1024, /* per partition: what waits here waits in Redis' memory, too */
    ORDER_MS = 1000,
    PAUSE_MS = 20,
    SILENT_MAX_MS = 30 * 1000, /* Redis may be away for so long */
    RECORD_HEAD = 16,
    HEAD_ARGS = 10,
    PART_VALUES = 6,
};

struct piece {
    const struct rebuild_lane *lane;
    uint64_t prev, last, weight;
    struct buf records;
    char text[3][24];
};

struct lot {
    unsigned partition, parts, hits;
    bool sent;
    size_t bytes;
    int64_t first_ms;
    struct piece part[PARTS_MAX];
};

struct rebuild_ship {
    struct redis_now *redis;
    unsigned partitions;
    char birth[33], limit[24], today[24];
    rebuild_wait_fn *wait;
    void *arg;
    struct lot **open;            /* per partition; NULL: none */
    struct lot *queue[QUEUE_MAX]; /* closed, in order */
    unsigned queued;
    size_t bytes; /* in all of them */
    bool *busy;   /* per partition: something of it is under way */
    int64_t answered_ms;
    char why[160]; /* the last batch was not taken */
};

struct rebuild_ship *rebuild_ship_new(struct redis_now *redis, unsigned partitions,
                                      const char *birth, rebuild_wait_fn *wait, void *arg)
{
    struct rebuild_ship *s = calloc(1, sizeof *s);
    if (s == NULL) return NULL;
    *s = (struct rebuild_ship){.redis = redis, .partitions = partitions, .wait = wait, .arg = arg};
    snprintf(s->birth, sizeof s->birth, "%s", birth);
    snprintf(s->limit, sizeof s->limit, "%d", STREAM_MAX);
    snprintf(s->today, sizeof s->today, "%" PRId64, clock_ms() / 86400000);
    s->open = calloc(partitions, sizeof(struct lot *));
    s->busy = calloc(partitions, sizeof *s->busy);
    if (s->open != NULL && s->busy != NULL) return s;
    rebuild_ship_free(s);
    return NULL;
}

static void free_lot(struct lot *b)
{
    if (b == NULL) return;
    for (unsigned i = 0; i < b->parts; i++)
        buf_fini(&b->part[i].records);
    free(b);
}

void rebuild_ship_free(struct rebuild_ship *s)
{
    if (s == NULL) return;
    for (unsigned p = 0; s->open != NULL && p < s->partitions; p++)
        free_lot(s->open[p]);
    for (unsigned i = 0; i < s->queued; i++)
        free_lot(s->queue[i]);
    free(s->open);
    free(s->busy);
    free(s);
}

/* ---- sending ---- */

static int push(struct rebuild_ship *s, struct lot *b)
{
    struct key stream = key_of(b->partition, true, STR("stream"));
    struct key seen = key_of(b->partition, true, STR("seen"));
    struct key meta = key_of(b->partition, true, STR("meta"));
    struct str argv[HEAD_ARGS + PART_VALUES * PARTS_MAX] = {
        STR("EVAL"),      str_of(append_body()), STR("3"),         key_str(&stream),
        key_str(&seen),   key_str(&meta),        str_of(s->birth), str_of(s->birth),
        str_of(s->limit), str_of(s->today)};
    struct str *at = argv + HEAD_ARGS;
    for (unsigned i = 0; i < b->parts; i++) {
        struct piece *p = &b->part[i];
        const uint64_t numbers[] = {p->prev, p->last, p->weight};
        *at++ = (struct str){(const char *)p->lane->producer, PRODUCER_BYTES};
        for (int k = 0; k < 3; k++) {
            snprintf(p->text[k], sizeof p->text[k], "%" PRIu64, numbers[k]);
            *at++ = str_of(p->text[k]);
        }
        *at++ = p->lane->import ? STR("1") : STR("0");
        *at++ = buf_str(&p->records);
    }
    return redis_now_push(s->redis, (int)(at - argv), argv);
}

enum fate { STORED, AGAIN, REFUSED };

static enum fate fate_of(struct rebuild_ship *s, const struct lot *b, const redisReply *r,
                         struct buf *err)
{
    struct append_answer a;
    if (redis_retryable(r)) {
        snprintf(s->why, sizeof s->why, "%s", r == NULL ? redis_now_error(s->redis) : r->str);
        return AGAIN;
    }
    s->answered_ms = clock_mono_ms();
    append_parse(r, b->parts, &a);
    if (a.result == APPEND_OK) return STORED;
    if (a.result == APPEND_FULL) return AGAIN;
    if (a.result == APPEND_ERROR)
        buf_printf(err, "Redis: %s", r->type == REDIS_REPLY_ERROR ? r->str : "a strange answer");
    else
        buf_printf(err, "the next generation in Redis is not what this rebuild has put there");
    return REFUSED;
}

/* The oldest of each partition. */
static void push_round(struct rebuild_ship *s)
{
    memset(s->busy, 0, s->partitions * sizeof *s->busy);
    for (unsigned i = 0; i < s->queued; i++) {
        struct lot *b = s->queue[i];
        b->sent = !s->busy[b->partition];
        if (b->sent && push(s, b) < 0) b->sent = false;
        s->busy[b->partition] = true;
    }
}

/* What was not stored stays queued, in order. How many were, or -1. */
static int send_round(struct rebuild_ship *s, struct buf *err)
{
    unsigned kept = 0;
    int stored = 0;
    push_round(s);
    for (unsigned i = 0; i < s->queued; i++) {
        struct lot *b = s->queue[i];
        redisReply *r = b->sent ? redis_now_pull(s->redis) : NULL;
        enum fate fate = !b->sent ? AGAIN : fate_of(s, b, r, err);
        if (r != NULL) freeReplyObject(r);
        if (fate == REFUSED) stored = -1;
        if (fate != STORED) {
            s->queue[kept++] = b;
            continue;
        }
        if (stored >= 0) stored++;
        s->bytes -= b->bytes;
        free_lot(b);
    }
    s->queued = kept;
    return stored;
}

static int send_all(struct rebuild_ship *s, struct buf *err)
{
    const struct timespec pause = {0, PAUSE_MS * 1000000L};
    s->answered_ms = clock_mono_ms();
    for (;;) {
        int stored = send_round(s, err);
        if (stored < 0 || !s->wait(s->arg)) return -1;
        if (s->queued == 0) return 0;
        if (clock_mono_ms() - s->answered_ms > SILENT_MAX_MS) {
            buf_printf(err, "Redis: %s", s->why);
            return -1;
        }
        if (stored == 0) nanosleep(&pause, NULL);
    }
}

static int close_lot(struct rebuild_ship *s, unsigned partition, struct buf *err)
{
    s->queue[s->queued++] = s->open[partition];
    s->open[partition] = NULL;
    return s->queued == QUEUE_MAX ? send_all(s, err) : 0;
}

int rebuild_ship_flush(struct rebuild_ship *s, struct buf *err)
{
    for (unsigned p = 0; p < s->partitions; p++) {
        if (s->open[p] != NULL && close_lot(s, p, err) < 0) return -1;
    }
    return send_all(s, err);
}

/* ---- filling ---- */

static bool must_end(const struct lot *b, const struct rebuild_lane *l)
{
    if (b->hits >= HITS_MAX || b->bytes >= BYTES_MAX) return true;
    bool alone = b->parts == 1 && b->part[0].lane == l;
    bool young = l->key_ms - b->first_ms <= ORDER_MS;
    return !alone && (!young || b->parts == PARTS_MAX);
}

static struct piece *piece_of(struct lot *b, const struct rebuild_lane *l, unsigned p)
{
    for (unsigned i = 0; i < b->parts; i++) {
        if (b->part[i].lane == l) return &b->part[i];
    }
    struct piece *part = &b->part[b->parts++];
    *part = (struct piece){.lane = l, .prev = l->got[p]};
    buf_init(&part->records, 0);
    return part;
}

static bool fill(struct lot *b, const struct rebuild_lane *l)
{
    const struct record *r = &l->held;
    struct piece *part = piece_of(b, l, r->partition);
    size_t n = RECORD_HEAD + r->payload.n;
    char *at = buf_reserve(&part->records, n);
    if (at == NULL) return false;
    store_le64(at, r->seq);
    store_le32(at + 8, r->weight);
    store_le32(at + 12, (uint32_t)r->payload.n);
    memcpy(at + RECORD_HEAD, r->payload.p, r->payload.n);
    part->records.n += n;
    part->last = r->seq;
    part->weight += r->weight;
    b->hits++;
    b->bytes += n;
    return true;
}

int rebuild_ship_add(struct rebuild_ship *s, struct rebuild_lane *l, struct buf *err)
{
    unsigned p = l->held.partition;
    if (s->open[p] != NULL && must_end(s->open[p], l) && close_lot(s, p, err) < 0) return -1;
    if (s->open[p] == NULL) {
        s->open[p] = calloc(1, sizeof *s->open[p]);
        if (s->open[p] != NULL) s->open[p]->partition = p;
        if (s->open[p] != NULL) s->open[p]->first_ms = l->key_ms;
    }
    if (s->open[p] == NULL || !fill(s->open[p], l)) {
        buf_printf(err, "no memory");
        return -1;
    }
    s->bytes += RECORD_HEAD + l->held.payload.n;
    l->got[p] = l->held.seq;
    return s->bytes >= QUEUE_BYTES ? rebuild_ship_flush(s, err) : 0;
}
