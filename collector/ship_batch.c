/*
 * Records are copied once, from the segment into the part, already in the form in which they stand
 * in the stream; parts and their memory are used again, so a hit costs no allocation.
 */
#include "ship_batch.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "bytes.h"
#include "clock.h"

enum { STREAM_RECORD_HEAD_BYTES = 16 };

static struct part *take_part(struct part_pool *pool)
{
    if (pool->n > 0) return pool->spare[--pool->n];
    struct part *p = calloc(1, sizeof *p);
    if (p != NULL) buf_init(&p->records, 0);
    return p;
}

static void free_part(struct part *p)
{
    buf_fini(&p->records);
    free(p);
}

static void give_part(struct part_pool *pool, struct part *p)
{
    if (pool->n == PARTS_SPARE_MAX || p->records.cap > SPARE_MAX_BYTES) {
        free_part(p);
        return;
    }
    buf_clear(&p->records);
    pool->spare[pool->n++] = p;
}

void part_pool_fini(struct part_pool *pool)
{
    while (pool->n > 0)
        free_part(pool->spare[--pool->n]);
}

bool batch_full(const struct batch *b)
{
    return b->hits >= SHIP_BATCH_HITS || b->bytes >= BATCH_MAX_BYTES || b->parts == BATCH_PARTS_MAX;
}

static struct part *open_part(struct batch *b, struct part_pool *pool, struct lane *lane,
                              struct slot *slot)
{
    assert(b->parts < BATCH_PARTS_MAX);
    struct part *p = take_part(pool);
    if (p == NULL) return NULL;
    p->lane = lane;
    p->prev = p->last = slot->sent;
    p->weight = 0;
    if (b->parts == 0) b->opened_ms = clock_ms();
    b->part[b->parts++] = p;
    lane->parts++;
    slot->open = p;
    return p;
}

bool batch_add(struct batch *b, struct part_pool *pool, struct lane *lane, const struct record *r)
{
    struct slot *slot = &lane->slots[r->partition];
    struct part *p = slot->open != NULL ? slot->open : open_part(b, pool, lane, slot);
    if (p == NULL) return false;
    assert(r->seq > slot->queued && r->seq > p->last);
    size_t n = STREAM_RECORD_HEAD_BYTES + r->payload.n;
    char *at = buf_reserve(&p->records, n);
    if (at == NULL) {
        p->records.failed = false;
        return false;
    }
    store_le64(at, r->seq);
    store_le32(at + 8, r->weight);
    store_le32(at + 12, (uint32_t)r->payload.n);
    memcpy(at + STREAM_RECORD_HEAD_BYTES, r->payload.p, r->payload.n);
    p->records.n += n;
    p->last = slot->queued = slot->sent = r->seq;
    p->weight += r->weight;
    lane->queued_weight += r->weight;
    b->hits++;
    b->bytes += n;
    return true;
}

void batch_close(struct batch *b, unsigned partition)
{
    for (unsigned i = 0; i < b->parts; i++)
        b->part[i]->lane->slots[partition].open = NULL;
}

static void empty(struct batch *b, struct part_pool *pool)
{
    for (unsigned i = 0; i < b->parts; i++) {
        struct lane *lane = b->part[i]->lane;
        lane->queued_weight -= b->part[i]->weight;
        lane->parts--;
        give_part(pool, b->part[i]);
    }
    b->parts = b->hits = 0;
    b->bytes = 0;
}

void batch_acked(struct batch *b, struct part_pool *pool, unsigned partition)
{
    for (unsigned i = 0; i < b->parts; i++) {
        struct slot *slot = &b->part[i]->lane->slots[partition];
        assert(b->part[i]->last >= slot->acked && b->part[i]->last <= slot->queued);
        slot->acked = b->part[i]->last;
    }
    empty(b, pool);
}

void batch_drop(struct batch *b, struct part_pool *pool, unsigned partition)
{
    batch_close(b, partition);
    for (unsigned i = 0; i < b->parts; i++) {
        struct part *p = b->part[i];
        lane_take_back(p->lane, partition, p->prev, p->weight);
    }
    empty(b, pool);
}

int batch_args(struct batch *b, struct str *out)
{
    struct str *at = out;
    for (unsigned i = 0; i < b->parts; i++) {
        struct part *p = b->part[i];
        snprintf(p->prev_text, sizeof p->prev_text, "%llu", (unsigned long long)p->prev);
        snprintf(p->last_text, sizeof p->last_text, "%llu", (unsigned long long)p->last);
        snprintf(p->weight_text, sizeof p->weight_text, "%llu", (unsigned long long)p->weight);
        *at++ = (struct str){(const char *)p->lane->producer, PRODUCER_BYTES};
        *at++ = str_of(p->prev_text);
        *at++ = str_of(p->last_text);
        *at++ = str_of(p->weight_text);
        *at++ = p->lane->import ? STR("1") : STR("0");
        *at++ = buf_str(&p->records);
    }
    return (int)(at - out);
}
