/* partition_world.h - the partitions of an aggregator at a real Redis, and what a collector would
 * have shipped to them. */
#ifndef SENTIER_TEST_PARTITION_WORLD_H
#define SENTIER_TEST_PARTITION_WORLD_H

#include "hit.h"
#include "partition.h"
#include "redis_loop.h"
#include "sitestate.h"

#define TOKEN "0123456789abcdef0123456789abcdef"

static struct redis_link *link_;
static struct partitions *all;

static inline void on_link(bool up, void *arg)
{
    (void)arg;
    if (!up || all == NULL) return;
    partitions_link_up(all);
    partitions_set_dataset(all, &(struct dataset_id){"0123456789abcdef0123456789abcdef"});
}

static inline void start_with(const struct redis_conf *conf, const struct partition_opts *opts,
                              const struct partition_fns *fns)
{
    link_ = redis_link_new(base, conf, on_link, NULL);
    all = partitions_new(base, link_, opts, fns, NULL);
    assert_non_null(all);
}

static inline void take(unsigned partition)
{
    redis_server_number(&server, "SET {p%u}:lease %s", partition, TOKEN " me");
    partitions_take(all, partition, TOKEN);
}

static inline void stop(void)
{
    redis_link_free(link_);
    partitions_free(all);
    all = NULL;
}

static inline long long folded(unsigned partition)
{
    return redis_server_number(&server, "HGET {p%u}:commit folded", partition);
}

/* --- what a collector would have shipped ----------------------------------------------------- */

static inline struct hit pageview_at(int64_t at_ms, uint64_t visitor, uint64_t pageview,
                                     unsigned page)
{
    static const struct str pages[] = {
        {"shop.example/", 13}, {"shop.example/a", 14}, {"shop.example/b", 14}};
    return (struct hit){.kind = HIT_PAGEVIEW,
                        .site = STR("shop"),
                        .at_ms = at_ms,
                        .day = (uint32_t)(at_ms / DAY_MS),
                        .visitor = visitor,
                        .visitor_kind = VISITOR_CONSENTED,
                        .pageview = pageview,
                        .page = pages[page % 3],
                        .channel = CHANNEL_DIRECT,
                        .country = {'F', 'R'},
                        .device = DEVICE_MOBILE,
                        .browser = BROWSER_FIREFOX,
                        .os = OS_ANDROID};
}

static inline void add_record(struct buf *records, uint64_t seq, struct str payload)
{
    buf_add_le64(records, seq);
    buf_add_le32(records, 1);
    buf_add_le32(records, (uint32_t)payload.n);
    buf_add(records, payload);
}

static inline void add_hit(struct buf *records, uint64_t seq, const struct hit *h)
{
    struct buf payload = {0};
    assert_true(hit_encode(h, &payload));
    add_record(records, seq, buf_str(&payload));
    buf_fini(&payload);
}

static inline void add_entry(unsigned partition, struct str records, unsigned weight)
{
    redisReply *r = redisCommand(server.redis, "XADD {p%u}:stream * p %b w %u b %b", partition,
                                 "sixteen bytes...", (size_t)16, weight, records.p, records.n);
    assert_int_equal(r->type, REDIS_REPLY_STRING);
    freeReplyObject(r);
}

/* --- what is in Redis ------------------------------------------------------------------------ */

/* What the script says of it: a hash. */
static inline void digest_by(const char *script, char hex[65])
{
    redisReply *r = redisCommand(server.redis, "EVAL %s 0", script);
    assert_int_equal(r->type, REDIS_REPLY_STRING);
    snprintf(hex, 65, "%s", r->str);
    freeReplyObject(r);
}

#endif
