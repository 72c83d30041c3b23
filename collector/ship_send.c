/*
 * A partition's batches on their way to Redis, one at a time, and what its answers mean: see
 * shipper.c. A batch stays as it is until Redis has answered OK, so sending it again is harmless.
 */
#include "ship_core.h"

#include <inttypes.h>

#include "clock.h"
#include "log.h"

enum { STUCK_ASK_MS = 2000 };

static void on_append(const redisReply *reply, void *arg);

void ship_send_again(struct partition *p, int64_t now)
{
    struct shipper *s = p->shipper;
    if (append_send(s->link, on_append, p, p->number, s->lanes.births.of[p->number].id,
                    s->opts.stream_max_bytes, p->flight) < 0) {
        return; /* the link is going down */
    }
    p->outstanding = true;
    p->sent_ms = now;
    s->outstanding++;
}

/* Waits for the operator, or for a rebuild, of which only asking tells. */
static bool is_stuck(const struct partition *p)
{
    return p->state == PARTITION_GAP || p->state == PARTITION_BIRTH;
}

void ship_send_ready(struct partition *p, int64_t now)
{
    struct shipper *s = p->shipper;
    if (!s->session || p->outstanding || p->retry_ms > now) return;
    if (p->state == PARTITION_ASKED) ship_send_again(p, now); /* there was no answer to that yet */
    if (is_stuck(p) && p->flight->parts == 0 && now - p->sent_ms >= STUCK_ASK_MS)
        ship_send_again(p, now);
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
    ship_send_again(p, now);
}

void ship_send_drop(struct partition *p)
{
    struct shipper *s = p->shipper;
    if (p->flight->parts + p->open->parts > 0) p->behind = true;
    s->queued_bytes -= p->flight->bytes + p->open->bytes;
    batch_drop(p->flight, &s->pool, p->number);
    batch_drop(p->open, &s->pool, p->number);
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

/* What one partition or producer shows is asked of all: those that have nothing to send now would
 * not find out. */
static void begin_again(struct partition *p, const struct append_answer *a)
{
    struct shipper *s = p->shipper;
    if (a->result == APPEND_GAP) {
        log_warn("ship.gap", "partition=%u seen=%" PRIu64 " reading again", p->number, a->seen);
        s->gaps++;
    }
    ship_session_end(s, 0);
}

/* It is not the partition that we knew. If it is young, the disk holds all of it, see births.c, and
 * it gets all of it again; holes that show all the same still wait. */
static void find_another_birth(struct partition *p)
{
    struct births *births = &p->shipper->lanes.births;
    if (births_young(births, p->number, p->shipper->opts.keep_age_ms, clock_ms())) {
        log_warn("ship.birth", "partition=%u Redis forgot all of it; shipped again", p->number);
        births_forget(births, p->number);
        ship_send_again(p, p->sent_ms);
        return;
    }
    log_error("ship.birth",
              "partition=%u Redis is empty or not the one this journal knows; "
              "waiting for accept-gaps",
              p->number);
    p->state = PARTITION_BIRTH;
    ship_send_drop(p);
}

/* Again after a pause, which is the longer the more are full: a batch that is refused has to be
 * carried to Redis all the same. What else waits for it must not take the memory from the others.
 */
static void hold_up(struct partition *p)
{
    struct shipper *s = p->shipper;
    if (p->state == PARTITION_READY) p->state = PARTITION_FULL;
    if (s->queued_bytes >= FULL_MAX_BYTES && p->open->parts > 0) {
        s->queued_bytes -= p->open->bytes;
        batch_drop(p->open, &s->pool, p->number);
        p->behind = true;
    }
    p->retry_ms = clock_mono_ms() + PAUSE_MIN_MS * (1 + s->full / FULL_PER_PAUSE);
    s->retries++;
}

/* A rebuild has filled the partition, or the hole in it: what it waited for may be there. */
static void look_for_rebuild(struct partition *p, const struct append_answer *a)
{
    if (p->state == PARTITION_ASKED) p->generation = a->generation;
    bool rebuilt =
        p->state == PARTITION_GAP && p->flight->parts == 0 && a->generation != p->generation;
    if (rebuilt || p->state == PARTITION_BIRTH) ship_session_end(p->shipper, 0);
}

static void on_append(const redisReply *reply, void *arg)
{
    struct partition *p = arg;
    struct shipper *s = p->shipper;
    struct append_answer a;
    p->outstanding = false;
    s->outstanding--;
    if (reply == NULL) ship_session_end(s, -1);
    if (!s->session) return; /* the next one asks what became of it */
    append_parse(reply, p->flight->parts, &a);
    if (a.result == APPEND_OK) births_learn(&s->lanes.births, p->number, a.birth, clock_ms());
    switch (a.result) {
    case APPEND_OK:
        look_for_rebuild(p, &a);
        acked(p);
        break;
    case APPEND_FULL: hold_up(p); break;
    case APPEND_GAP: begin_again(p, &a); break;
    case APPEND_BIRTH:
        if (p->state == PARTITION_ASKED) {
            find_another_birth(p);
        } else if (p->state != PARTITION_BIRTH) {
            begin_again(p, &a);
        }
        break;
    case APPEND_ERROR:
        log_warn("ship.retry", "partition=%u err=%s", p->number,
                 reply->type == REDIS_REPLY_ERROR ? reply->str : "not an answer");
        pause_partition(p);
        break;
    }
    ship_send_ready(p, clock_mono_ms());
    if (s->blocked || p->behind || s->outstanding == 0) shipper_kick(s, 0);
}
