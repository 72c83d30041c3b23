/*
 * A session begins when the link comes up: Redis is asked whether its data set is divided as ours
 * is, each partition whether it is the one we knew (an empty batch), each producer with a file here
 * what Redis has seen of it. In between nothing is assumed. The operator's word for holes and
 * births begins a session too: the answers then count as they are.
 */
#include "ship_core.h"

#include <assert.h>
#include <stdlib.h>

#include "clock.h"
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

/* Answers come in the order of the questions: one per partition. */
static void on_seen(const redisReply *reply, void *arg)
{
    struct lane *l = arg;
    struct shipper *s = l->owner;
    s->outstanding--;
    if (reply == NULL) ship_session_end(s, -1);
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

static void on_dataset(const redisReply *reply, void *arg)
{
    struct shipper *s = arg;
    s->outstanding--;
    if (reply == NULL) ship_session_end(s, -1);
    if (reply == NULL || reply->type != REDIS_REPLY_STRING) return; /* not born yet, or an error */
    if (strtoul(reply->str, NULL, 10) == s->opts.partitions) return;
    log_error("ship.dataset", "Redis says partitions=%s, the configuration %u; nothing is shipped",
              reply->str, s->opts.partitions);
    if (s->session) ship_session_end(s, PAUSE_MAX_MS);
}

/* The first question, so that nothing is sent before its answer. */
static void ask_dataset(struct shipper *s)
{
    struct key key = key_dataset();
    struct str argv[] = {STR("HGET"), key_str(&key), STR("partitions")};
    if (redis_send(s->link, on_dataset, s, 3, argv) == 0) s->outstanding++;
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
    s->session = true;
    s->session_ms = 0;
    ask_dataset(s);
    for (unsigned i = 0; i < s->opts.partitions; i++) {
        struct partition *p = &s->partition[i];
        p->state = PARTITION_ASKED;
        p->behind = false;
        p->retry_ms = p->rewind_ms = 0;
        p->pause_ms = PAUSE_MIN_MS;
        ship_send_again(p, p->sent_ms); /* empty: only asks whether it is the one we knew */
    }
}

void ship_session_accept(struct shipper *s)
{
    bool any = false;
    for (unsigned i = 0; i < s->opts.partitions; i++) {
        struct partition *p = &s->partition[i];
        if (p->state != PARTITION_GAP && p->state != PARTITION_BIRTH) continue;
        if (p->state == PARTITION_BIRTH) s->birth[i][0] = '\0';
        s->births_changed |= p->state == PARTITION_BIRTH;
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
