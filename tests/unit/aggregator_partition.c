/*
 * Stream entries in a real Redis, as append.lua leaves them -> folded state in Redis, through
 * everything that can go wrong between: links that die before and after Redis has heard a commit,
 * a Redis that is killed, a lease that is another one's, damage. What stands in Redis at the end
 * must be, to the byte, what an undisturbed run leaves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "keys.h"
#include "pack.h"
#include "partition_world.h"
#include "relay.h"
#include "row.h"

#define OTHER "ffffffffffffffffffffffffffffffff"

enum {
    PARTITIONS = 4,
    P = 2, /* the one that most tests fold */
    DAY = 20480,
    VISITORS = 40,
    VIEWS = 5, /* of each */
    WAIT_MS = 6000,
};
static const int64_t day_ms = (int64_t)DAY * 86400 * 1000;

static struct {
    unsigned committed, refused, done;
} seen;

static void on_committed(void *arg, struct str site, uint32_t day)
{
    (void)arg;
    assert_true(str_eq(site, STR("shop")));
    assert_in_range(day, DAY - 1, DAY + 400);
    seen.committed++;
}

static void on_refused(void *arg, unsigned partition)
{
    (void)arg;
    seen.refused++;
    partitions_drop(all, partition);
}

static void on_done(void *arg)
{
    (void)arg;
    seen.done++;
}

static void start(const struct redis_conf *conf, int64_t batch_hits, size_t cache_bytes)
{
    static const struct partition_fns fns = {on_committed, on_refused};
    struct partition_opts opts = {
        PARTITIONS, 5, batch_hits, cache_bytes, {.days = 400, .months = 25}};
    memset(&seen, 0, sizeof seen);
    start_with(conf, &opts, &fns);
}

static struct partition_stats stats(void)
{
    struct partition_stats s;
    partitions_stats(all, &s);
    return s;
}

/* --- what a collector would have shipped ----------------------------------------------------- */

static void ship(unsigned partition, struct buf *records, unsigned weight)
{
    add_entry(partition, buf_str(records), weight);
    redis_server_number(&server, "HINCRBY {p%u}:meta shipped %u", partition, weight);
    redis_server_number(&server, "HINCRBY {p%u}:meta bytes %u", partition, (unsigned)records->n);
    buf_fini(records);
    *records = (struct buf){0};
}

static struct hit pageview(unsigned visitor, unsigned view)
{
    struct hit h = pageview_at(day_ms + visitor * 60000 + view * 20000, 1000 + visitor,
                               1 + visitor * VIEWS + view, view);
    if (visitor % 2 == 0) h.visitor_kind = VISITOR_DAILY;
    return h;
}

/* Each visitor's pageviews, a pulse of each, and one of them twice; n hits an entry. */
static unsigned ship_visits(unsigned partition, unsigned hits_per_entry)
{
    struct buf records = {0};
    unsigned seq = 0, n = 0;
    for (unsigned view = 0; view < VIEWS; view++) {
        for (unsigned visitor = 0; visitor < VISITORS; visitor++) {
            struct hit h = pageview(visitor, view), pulse = h;
            pulse.kind = HIT_PULSE;
            pulse.number = 1;
            pulse.engaged_ms = 12000;
            pulse.at_ms += 15000;
            add_hit(&records, ++seq, &h);
            add_hit(&records, ++seq, &pulse);
            n += 2;
            if (view == 1) add_hit(&records, ++seq, &h);
            n += view == 1;
            if (n >= hits_per_entry) {
                ship(partition, &records, n);
                n = 0;
            }
        }
    }
    if (n > 0) ship(partition, &records, n);
    return seq;
}
enum { SHIPPED = VISITORS * (2 * VIEWS + 1) };

/* --- what is in Redis ------------------------------------------------------------------------ */

/* A digest of everything the fold has left, but for offsets, commit ids and times of entries. */
static void digest(char hex[65])
{
    static const char script[] =
        "local out = {} "
        "for _, key in ipairs(redis.call('KEYS', '{p*')) do "
        "  if not string.find(key, ':stream') and not string.find(key, ':lease') then "
        "    local all = redis.call('HGETALL', key) "
        "    for i = 1, #all, 2 do "
        "      if all[i] ~= 'offset' and all[i] ~= 'id' then "
        "        out[#out + 1] = key .. '|' .. all[i] .. '|' .. all[i + 1] end end end end "
        "table.sort(out) return redis.sha1hex(table.concat(out, '\\n')) .. ' ' .. #out";
    digest_by(script, hex);
}

static void assert_ledger(unsigned partition)
{
    struct commit_state c;
    uint64_t sum = 0;
    redisReply *r = redisCommand(server.redis, "HGETALL {p%u}:commit", partition);
    assert_true(commit_state_read(r, &c));
    freeReplyObject(r);
    for (unsigned v = 0; v < VERDICTS; v++)
        sum += c.verdicts[v];
    assert_int_equal(sum, c.folded);
    assert_int_equal(sum, redis_server_number(&server, "HGET {p%u}:meta shipped", partition));
    assert_int_equal(redis_server_number(&server, "HGET {p%u}:meta bytes", partition), 0);
    assert_int_equal(redis_server_number(&server, "XLEN {p%u}:stream", partition), 0);
}

static struct row read_row(const char *name)
{
    struct row row = {0};
    struct key key = key_day(P, STR("shop"), DAY);
    redisReply *r = redisCommand(server.redis, "HGET %s %s", key.p, name);
    assert_int_equal(r->type, REDIS_REPLY_STRING);
    assert_true(row_decode(reply_str(r), &row));
    freeReplyObject(r);
    return row;
}

/* The total row of the day, which is packed. */
static struct row read_packed_total(void)
{
    struct row row = {0};
    struct buf rows = {0};
    struct day_field field;
    struct key key = key_month(P, STR("shop"), DAY, &field);
    redisReply *r = redisCommand(server.redis, "HGET %s %s", key.p, field.text);
    assert_int_equal(r->type, REDIS_REPLY_STRING);
    assert_int_equal(pack_read(reply_str(r), &rows), PACK_OK);
    freeReplyObject(r);
    struct reader in = reader_of(buf_str(&rows));
    for (struct str name, value; pack_next(&in, &name, &value);)
        if (str_eq(name, STR("T"))) assert_true(row_decode(value, &row));
    buf_fini(&rows);
    return row;
}

static char undisturbed[65];

static int begin(void **state)
{
    (void)state;
    redis_server_number(&server, "FLUSHALL");
    return 0;
}

static void settle(const struct redis_conf *conf, int64_t batch_hits, size_t cache_bytes)
{
    start(conf, batch_hits, cache_bytes);
    take(P);
    UNTIL(folded(P) == SHIPPED);
}

static void same_as_undisturbed(void)
{
    char now[65];
    digest(now);
    assert_string_equal(now, undisturbed);
}

/* --- the cases ------------------------------------------------------------------------------- */

static void folds_a_stream(void **state)
{
    (void)state;
    assert_int_equal(ship_visits(P, 16), SHIPPED);
    settle(&server.conf, 1000, 1 << 24);
    UNTIL(stats().commits > 0 && stats().folded == SHIPPED);
    assert_ledger(P);
    struct partition_stats s = stats();
    assert_int_equal(s.verdicts[V_COUNTED], SHIPPED - VISITORS);
    assert_int_equal(s.verdicts[V_DUPLICATE], VISITORS);
    assert_int_equal(s.hits, SHIPPED);
    assert_int_equal(s.held, 1);
    assert_int_equal(s.damaged + s.stalled + s.retries + s.refused_changed, 0);
    assert_true(seen.committed >= 1 && s.cache_bytes > 0);

    struct row total = read_row("T");
    assert_int_equal(row_get(&total, COL_VIEWS), VISITORS * VIEWS);
    assert_int_equal(row_get(&total, COL_SESSIONS), VISITORS);
    assert_int_equal(row_get(&total, COL_GAP_NONE), VISITORS / 2);
    assert_int_equal(row_get(&total, COL_DAILY_VISITORS), VISITORS / 2);
    assert_int_equal(row_get(&total, COL_ENGAGED_MS), VISITORS * VIEWS * 12000);
    row_fini(&total);
    assert_int_equal(redis_server_number(&server, "HLEN %s", key_pages(P, STR("shop")).p), 3);
    struct key daily = key_visitors(P, STR("shop"), DAY);
    assert_int_equal(redis_server_number(&server, "HLEN %s", daily.p), VISITORS / 2);
    digest(undisturbed);
    stop();
}

/* Whatever the batches and however small the memory: the same bytes. */
static void batch_borders_do_not_show(void **state)
{
    (void)state;
    static const struct {
        unsigned hits_per_entry;
        int64_t batch_hits;
        size_t cache_bytes;
    } cases[] = {{1, 1, 1 << 24}, {7, 20, 1}, {1000, 1, 1 << 24}, {3, 100000, 4096}};
    char want[65], got[65];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin(NULL);
        ship_visits(P, cases[i].hits_per_entry);
        settle(&server.conf, cases[i].batch_hits, cases[i].cache_bytes);
        assert_ledger(P);
        digest(got);
        snprintf(want, sizeof want, "%s", undisturbed);
        assert_string_equal(got, want);
        stop();
    }
}

static void goes_on_where_another_one_stopped(void **state)
{
    (void)state;
    ship_visits(P, 4);
    start(&server.conf, 4, 1 << 24);
    take(P);
    UNTIL(folded(P) > 100);
    stop();
    settle(&server.conf, 50, 1 << 24);
    same_as_undisturbed();
    stop();
}

static void a_stop_leaves_no_commit_under_way(void **state)
{
    (void)state;
    ship_visits(P, 4);
    start(&server.conf, 4, 1 << 24);
    take(P);
    UNTIL(stats().commits >= 5);
    partitions_stop(all, on_done, NULL);
    UNTIL(seen.done == 1);
    assert_int_equal(folded(P), stats().folded);
    assert_true(folded(P) < SHIPPED);
    stop();
    settle(&server.conf, 4, 1 << 24);
    same_as_undisturbed();
    stop();
}

static void a_zombie_writes_nothing(void **state)
{
    (void)state;
    char before[65], after[65];
    ship_visits(P, 4);
    start(&server.conf, 4, 1 << 24);
    take(P);
    UNTIL(stats().commits >= 3);
    redis_server_number(&server, "SET {p%u}:lease %s", P, OTHER " other");
    digest(before); /* after the theft: nothing of the zombie's may follow */
    UNTIL(seen.refused == 1);
    assert_int_equal(stats().refused_lease, 1);
    assert_int_equal(stats().held, 0);
    digest(after);
    assert_string_equal(before, after);

    take(P); /* it gets the lease again */
    UNTIL(folded(P) == SHIPPED);
    same_as_undisturbed();
    stop();
}

/* Another one folded meanwhile and the lease is ours again, with the same token: the cache is
 * wrong, and the commit id says so. */
static void an_unknown_commit_drops_the_cache(void **state)
{
    (void)state;
    ship_visits(P, 4);
    start(&server.conf, 4, 1 << 24);
    take(P);
    UNTIL(stats().commits >= 3);
    redis_server_number(&server, "HSET {p%u}:commit id %s", P, OTHER);
    UNTIL(folded(P) == SHIPPED);
    assert_int_equal(stats().refused_changed, 1);
    same_as_undisturbed();
    stop();
}

static void a_dropped_partition_is_taken_anew(void **state)
{
    (void)state;
    ship_visits(P, 4);
    start(&server.conf, 4, 1 << 24);
    take(P);
    for (int i = 0; i < 20; i++) { /* in whatever state it is */
        for (int turn = 0; turn < i; turn++)
            event_base_loop(base, EVLOOP_ONCE);
        partitions_drop(all, P);
        if (i % 3 == 0) event_base_loop(base, EVLOOP_ONCE);
        partitions_take(all, P, TOKEN);
    }
    UNTIL(folded(P) == SHIPPED);
    same_as_undisturbed();
    stop();
}

/* A later day closes this one: what its daily visitors were goes, what they did stays. */
static void a_closed_day_loses_its_visitors(void **state)
{
    (void)state;
    struct key daily = key_visitors(P, STR("shop"), DAY);
    struct buf records = {0};
    struct hit h = pageview(0, 0);
    h.pageview = 999999;
    h.at_ms += (int64_t)10 * 86400 * 1000;
    h.day += 10;
    char digests[2][65];
    for (int i = 0; i < 2; i++) { /* the last hit in a batch of its own, or with all the others */
        begin(NULL);
        ship_visits(P, 16);
        add_hit(&records, SHIPPED + 1, &h);
        ship(P, &records, 1);
        start(&server.conf, i == 0 ? 1 : 100000, 1 << 24);
        take(P);
        UNTIL(folded(P) == SHIPPED + 1);
        assert_ledger(P);
        assert_int_equal(redis_server_number(&server, "EXISTS %s", daily.p), 0);
        struct key day = key_day(P, STR("shop"), DAY);
        assert_int_equal(redis_server_number(&server, "EXISTS %s", day.p), 0);
        struct row total = read_packed_total();
        assert_int_equal(row_get(&total, COL_DAILY_VISITORS), VISITORS / 2);
        row_fini(&total);
        digest(digests[i]);
        stop();
    }
    assert_string_equal(digests[0], digests[1]);
}

/* --- dying links ----------------------------------------------------------------------------- */

static void a_lost_answer_is_counted_once(void **state)
{
    (void)state;
    struct relay *relay = relay_new(base, server.socket);
    struct redis_conf conf = server.conf;
    conf.redis = relay->address;
    ship_visits(P, 16);
    start(&conf, 1000, 1 << 24);
    relay->lose_answer = "$2\r\nOK\r\n"; /* only commits are answered so */
    take(P);
    UNTIL(relay->lost == 1);
    assert_true(folded(P) > 0); /* Redis took the commit, nobody heard it */
    UNTIL(folded(P) == SHIPPED && stats().folded == SHIPPED);
    assert_true(stats().retries >= 1);
    assert_int_equal(stats().refused_changed, 0);
    same_as_undisturbed();
    stop();
    relay_free(relay);
}

static void a_lost_commit_is_sent_again(void **state)
{
    (void)state;
    struct relay *relay = relay_new(base, server.socket);
    struct redis_conf conf = server.conf;
    conf.redis = relay->address;
    ship_visits(P, 16);
    start(&conf, 1000, 1 << 24);
    relay->lose_command = "{p2}:lease";
    take(P);
    UNTIL(relay->lost == 1);
    assert_int_equal(folded(P), -1);
    UNTIL(folded(P) == SHIPPED);
    same_as_undisturbed();
    stop();
    relay_free(relay);
}

static void links_that_keep_dying_change_nothing(void **state)
{
    (void)state;
    ship_visits(P, 4);
    start(&server.conf, 4, 1 << 24);
    take(P);
    for (int i = 0; i < 15; i++) {
        uint64_t commits = stats().commits;
        UNTIL(stats().commits > commits + (unsigned)i % 3);
        redis_server_number(&server, "CLIENT KILL TYPE normal SKIPME yes");
        UNTIL(!redis_link_up(link_));
        UNTIL(redis_link_up(link_));
    }
    UNTIL(folded(P) == SHIPPED);
    same_as_undisturbed();
    stop();
}

static void a_killed_redis_changes_nothing(void **state)
{
    (void)state;
    ship_visits(P, 4);
    start(&server.conf, 4, 1 << 24);
    take(P);
    for (int i = 0; i < 3; i++) {
        uint64_t commits = stats().commits;
        UNTIL(stats().commits > commits + 2);
        redis_server_kill(&server);
        redis_server_start(&server);
    }
    UNTIL(folded(P) == SHIPPED);
    same_as_undisturbed();
    stop();
}

/* --- a Redis that forgets -------------------------------------------------------------------- */

/* The last commit as a standby may not have heard of it: the state before, and its entry. */
static void forget_last_commit(const char *offset, const char *id, const struct buf *records)
{
    redis_server_number(&server, "HSET {p%u}:commit offset %s id %s folded 1", P, offset, id);
    redis_server_number(&server, "HSET {p%u}:commit v:0 1", P);
    redis_server_number(&server, "DEL {p%u}:stream", P);
    unsigned long long ms = strtoull(offset, NULL, 10);
    redisReply *r = redisCommand(server.redis, "XADD {p%u}:stream %llu-%s p %b w 1 b %b", P, ms,
                                 "999999", "sixteen bytes...", (size_t)16, records->p, records->n);
    assert_int_equal(r->type, REDIS_REPLY_STRING);
    freeReplyObject(r);
    redis_server_number(&server, "HSET {p%u}:meta shipped 2 bytes %u", P, (unsigned)records->n);
}

/* What the last commit folded stands in the stream again, before the offset that is remembered
 * here: the link's death is the sign to ask Redis where to go on. */
static void a_failover_is_noticed_at_rest(void **state)
{
    (void)state;
    struct buf records = {0}, last = {0};
    struct hit h = pageview(1, 0);
    struct commit_state before;
    add_hit(&records, 1, &h);
    ship(P, &records, 1);
    start(&server.conf, 1000, 1 << 24);
    take(P);
    UNTIL(folded(P) == 1);
    redisReply *r = redisCommand(server.redis, "HGETALL {p%u}:commit", P);
    assert_true(commit_state_read(r, &before));
    freeReplyObject(r);
    h = pageview(1, 1);
    add_hit(&records, 2, &h);
    add_hit(&last, 2, &h);
    ship(P, &records, 1);
    UNTIL(folded(P) == 2 && stats().folded == 2);

    forget_last_commit(before.offset, before.id, &last);
    redis_server_number(&server, "CLIENT KILL TYPE normal SKIPME yes");
    UNTIL(folded(P) == 2);
    assert_int_equal(redis_server_number(&server, "XLEN {p%u}:stream", P), 0);
    buf_fini(&last);
    stop();
}

/* --- damage ---------------------------------------------------------------------------------- */

static void damaged_records_are_counted_and_passed(void **state)
{
    (void)state;
    struct buf records = {0};
    struct hit h = pageview(1, 0);
    struct hit bad_site = pageview(1, 2);
    bad_site.site = STR("no{such} site");
    add_hit(&records, 1, &h);
    add_record(&records, 2, STR("\xff not a hit"));
    add_hit(&records, 3, &bad_site);
    ship(P, &records, 3);
    h = pageview(1, 1);
    add_hit(&records, 4, &h);
    buf_add(&records, STR("the rest of this entry is torn"));
    ship(P, &records, 5);
    buf_add(&records, STR("x"));
    ship(P, &records, 2);
    add_hit(&records, 5, &h); /* a good one again, a duplicate */
    ship(P, &records, 1);

    start(&server.conf, 1000, 1 << 24);
    take(P);
    UNTIL(folded(P) == 11);
    assert_ledger(P);
    assert_int_equal(redis_server_number(&server, "HGET {p%u}:commit v:%d", P, V_COUNTED), 2);
    assert_int_equal(redis_server_number(&server, "HGET {p%u}:commit v:%d", P, V_DUPLICATE), 1);
    UNTIL(stats().damaged >= 4);
    stop();
}

static void a_damaged_value_is_not_overwritten(void **state)
{
    (void)state;
    ship_visits(P, 16);
    redis_server_number(&server, "HSET {p%u}:sites shop %s", P, "\xff from the future");
    start(&server.conf, 1000, 1 << 24);
    take(P);
    UNTIL(stats().stalled >= 2);
    assert_int_equal(folded(P), -1);
    assert_int_equal(redis_server_number(&server, "HSTRLEN {p%u}:sites shop", P), 17);
    redis_server_number(&server, "HDEL {p%u}:sites shop", P);
    UNTIL(folded(P) == SHIPPED);
    same_as_undisturbed();
    stop();
}

/* Nothing that append.lua leaves; but whoever did, the ledger gets its weight and goes on. */
static void an_entry_without_records_is_passed(void **state)
{
    (void)state;
    redis_server_number(&server, "XADD {p%u}:stream * w 3", P);
    redis_server_number(&server, "HINCRBY {p%u}:meta shipped 3", P);
    redis_server_number(&server, "HINCRBY {p%u}:meta bytes 0", P);
    start(&server.conf, 1000, 1 << 24);
    take(P);
    UNTIL(folded(P) == 3 && stats().folded == 3);
    assert_ledger(P);
    assert_int_equal(stats().refused_error, 0);
    stop();
}

/* The age of what is not folded, whatever keeps it from being folded. */
static void lag_grows_while_a_partition_stalls(void **state)
{
    (void)state;
    ship_visits(P, 16);
    redis_server_number(&server, "HSET {p%u}:sites shop %s", P, "\xff from the future");
    start(&server.conf, 1000, 1 << 24);
    take(P);
    UNTIL(stats().stalled >= 1);
    int64_t lag_ms = stats().lag_ms;
    assert_true(lag_ms > 0);
    UNTIL(stats().stalled >= 2);
    assert_true(stats().lag_ms >= lag_ms + 500);
    redis_server_number(&server, "HDEL {p%u}:sites shop", P);
    UNTIL(folded(P) == SHIPPED && stats().lag_ms == 0);
    stop();
}

static void all_partitions_at_once(void **state)
{
    (void)state;
    for (unsigned p = 0; p < PARTITIONS; p++)
        ship_visits(p, 5);
    start(&server.conf, 32, 1 << 24);
    for (unsigned p = 0; p < PARTITIONS; p++)
        take(p);
    UNTIL(stats().folded == PARTITIONS * SHIPPED);
    for (unsigned p = 0; p < PARTITIONS; p++)
        assert_ledger(p);
    UNTIL(stats().shipped == PARTITIONS * SHIPPED && stats().stream_bytes == 0);
    struct buf records = {0};
    struct hit h = pageview(1, 0);
    h.pageview = 999999;
    for (unsigned p = 0; p < PARTITIONS; p++) { /* found again at rest */
        add_hit(&records, 999, &h);
        ship(p, &records, 1);
    }
    UNTIL(stats().folded == PARTITIONS * (SHIPPED + 1));
    UNTIL(stats().lag_ms == 0);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(folds_a_stream, begin), /* first: the others compare with it */
        cmocka_unit_test_setup(batch_borders_do_not_show, begin),
        cmocka_unit_test_setup(goes_on_where_another_one_stopped, begin),
        cmocka_unit_test_setup(a_stop_leaves_no_commit_under_way, begin),
        cmocka_unit_test_setup(a_zombie_writes_nothing, begin),
        cmocka_unit_test_setup(an_unknown_commit_drops_the_cache, begin),
        cmocka_unit_test_setup(a_dropped_partition_is_taken_anew, begin),
        cmocka_unit_test_setup(a_closed_day_loses_its_visitors, begin),
        cmocka_unit_test_setup(a_lost_answer_is_counted_once, begin),
        cmocka_unit_test_setup(a_lost_commit_is_sent_again, begin),
        cmocka_unit_test_setup(links_that_keep_dying_change_nothing, begin),
        cmocka_unit_test_setup(a_killed_redis_changes_nothing, begin),
        cmocka_unit_test_setup(a_failover_is_noticed_at_rest, begin),
        cmocka_unit_test_setup(damaged_records_are_counted_and_passed, begin),
        cmocka_unit_test_setup(a_damaged_value_is_not_overwritten, begin),
        cmocka_unit_test_setup(an_entry_without_records_is_passed, begin),
        cmocka_unit_test_setup(lag_grows_while_a_partition_stalls, begin),
        cmocka_unit_test_setup(all_partitions_at_once, begin),
    };
    return cmocka_run_group_tests(tests, redis_loop_new, redis_loop_free);
}
