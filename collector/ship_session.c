/*
 * A session begins when the link comes up. Redis is asked first whether its data set is divided as
 * ours is; one that holds none, because it was emptied, is told. Only when it agrees, each
 * partition is asked whether it is the one we knew (an empty batch), and each producer with a file
 * here what Redis has seen of it. In between nothing is assumed. The operator's word for holes and
 * births begins a session too: the answers then count as they are.
 */
#include "ship_core.h"

#include <assert.h>
#include <stdlib.h>

#include "clock.h"
#include "dataset.h"
#include "keys.h"
#include "log.h"

enum { ASKED_MAX = 8192 /* questions on their way */ };

void ship_session_end(struct shipper *s, int64_t pause_ms)
{
    s->session = false;
    s->session_ms = pause_ms < 0 ? 0 : clock_mono_ms() + pause_ms;
}

static void answered(struct shipper *s, struct lane *l)
{
    if (!s->session || l->ask_failed || l->asked < l->partitions || l->segs == 0) {
        lane_stop(l);
        if (s->session) ship_session_end(s, PAUSE_MIN_MS);
    } else {
        lane_start(l);
    }
    shipper_kick(s, 0);
}

/* One per partition; a cluster answers them in any order. */
struct question {
    struct lane *lane;
    unsigned partition;
};

static void on_seen(const redisReply *reply, void *arg)
{
    struct question q = *(struct question *)arg;
    struct lane *l = q.lane;
    struct shipper *s = l->owner;
    free(arg);
    s->outstanding--;
    if (reply == NULL) ship_session_end(s, -1);
    if (reply != NULL && reply->type == REDIS_REPLY_STRING) {
        l->slots[q.partition].queued = strtoull(reply->str, NULL, 10);
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
        struct question *q = malloc(sizeof *q);
        if (q == NULL) break;
        *q = (struct question){l, l->asked};
        if (redis_send(s->link, on_seen, q, 3, argv) < 0) {
            free(q);
            break;
        }
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
void ship_session_ask(struct shipper *s)
{
    for (int live = 1; live >= 0; live--) {
        for (size_t i = 0; i < s->lanes.n && s->outstanding < ASKED_MAX; i++) {
            struct lane *l = s->lanes.lane[i];
            bool ready = l->state == LANE_NEW && l->settled && l->segs > 0;
            if (ready && l->live == (live == 1)) ask_seen(s, l);
        }
    }
}

static void ask_partitions(struct shipper *s)
{
    s->session = true;
    for (unsigned i = 0; i < s->opts.partitions; i++) {
        struct partition *p = &s->partition[i];
        p->state = PARTITION_ASKED;
        p->behind = false;
        p->retry_ms = 0;
        p->pause_ms = PAUSE_MIN_MS;
        ship_send_again(p, p->sent_ms); /* empty: only asks whether it is the one we knew */
    }
    shipper_kick(s, 0);
}

static void on_dataset(const redisReply *reply, void *arg)
{
    struct shipper *s = arg;
    s->outstanding--;
    if (s->session_ms > 0 || !redis_link_up(s->link)) return; /* it is asked again */
    if (reply == NULL) {
        ship_session_end(s, -1);
        return;
    }
    switch (dataset_heard(reply, s->opts.partitions, NULL)) {
    case DATASET_AGREED: ask_partitions(s); return;
    case DATASET_NOT_NOW:
        if (!redis_retryable(reply)) {
            log_warn("ship.dataset", "err=%s",
                     reply->type == REDIS_REPLY_ERROR ? reply->str : "damaged");
        }
        ship_session_end(s, PAUSE_MIN_MS);
        return;
    case DATASET_ANOTHER:
        log_error("ship.dataset",
                  "Redis says partitions=%d, the configuration %u; nothing is shipped",
                  dataset_partitions(reply), s->opts.partitions);
        ship_session_end(s, PAUSE_MAX_MS);
        return;
    }
}

/* Nothing is on its way: what was is read again from behind `seen`. */
void ship_session_begin(struct shipper *s)
{
    assert(s->outstanding == 0);
    for (unsigned i = 0; i < s->opts.partitions; i++)
        ship_send_drop(&s->partition[i]);
    assert(s->queued_bytes == 0);
    for (size_t i = 0; i < s->lanes.n; i++)
        lane_stop(s->lanes.lane[i]);
    s->session = false;
    s->session_ms = 0;
    if (dataset_ask(s->link, s->opts.partitions, on_dataset, s) == 0) s->outstanding++;
}

void ship_session_accept(struct shipper *s)
{
    bool any = false;
    for (unsigned i = 0; i < s->opts.partitions; i++) {
        struct partition *p = &s->partition[i];
        if (p->state != PARTITION_GAP && p->state != PARTITION_BIRTH) continue;
        if (p->state == PARTITION_BIRTH) births_forget(&s->lanes.births, i);
        p->accept = any = true;
    }
    if (any) ship_session_end(s, 0);
}

/* The operator's word holds for the holes of the lanes that it found. */
void ship_session_end_accepting(struct shipper *s)
{
    for (size_t i = 0; i < s->lanes.n; i++) {
        const struct lane *l = s->lanes.lane[i];
        if (l->state == LANE_NEW || l->state == LANE_ASKING) return;
        if (l->state == LANE_READING && l->fresh) return;
    }
    for (unsigned i = 0; i < s->opts.partitions; i++)
        s->partition[i].accept = false;
}
