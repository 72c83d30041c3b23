/* The swap against a real Redis: what is renamed, what stays, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>

#include "clock.h"
#include "rebuild_swap.h"
#include "redis_server.h"
#include "sitestate.h"

enum { DAY_2026_01_10 = 20463 };

static struct redis_server server;

struct world {
    struct redis_now *redis;
    struct live live;
    struct rebuild_files files;
    struct sites *sites;
    char birth[1][LIVE_ID_BYTES];
    int64_t until_ms[1];
    struct swap swap;
    struct swap_account account;
    struct buf err;
};

static void tell(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    redisReply *r = redisvCommand(server.redis, fmt, ap);
    va_end(ap);
    assert_non_null(r);
    assert_int_not_equal(r->type, REDIS_REPLY_ERROR);
    freeReplyObject(r);
}

static void holds(const char *key, const char *field, const char *value)
{
    redisReply *r = redisCommand(server.redis, "HGET %s %s", key, field);
    if (value == NULL)
        assert_int_equal(r->type, REDIS_REPLY_NIL);
    else
        assert_string_equal(r->str, value);
    freeReplyObject(r);
}

static void set_site(const char *key, int64_t watermark_ms, const uint32_t *open, uint32_t n)
{
    struct sitestate s;
    struct buf b = {0};
    sitestate_init(&s, STR(""));
    s.watermark_ms = watermark_ms;
    s.first_day = s.last_day = DAY_2026_01_10;
    s.hits = 10;
    for (s.open_n = 0; s.open_n < n; s.open_n++)
        s.open[s.open_n] = (struct open_day){open[s.open_n], OPEN_LIVE, 5};
    assert_true(sitestate_encode(&s, &b));
    tell("HSET %s shop %b", key, b.p, b.n);
    buf_fini(&b);
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    tell("FLUSHALL");
    w->redis = redis_now_open(&server.conf, &w->err);
    assert_non_null(w->redis);
    assert_int_equal(rebuild_files_init(&w->files, 1), 0);
    assert_int_equal(live_init(&w->live, w->redis, 1), 0);
    w->sites = sites_new();
    assert_non_null(sites_add(w->sites, STR("shop")));
    sites_edit(w->sites, STR("shop"))->zone = sites_zone(w->sites, "Asia/Tokyo");
    sites_seal(w->sites);
    w->swap = (struct swap){&w->live, &w->files, w->sites, w->birth, w->until_ms};

    tell("HSET {p0}:commit offset 5-0 id old folded 10 v:0 9 v:1 1");
    tell("HSET {p0}:meta birth b shipped 12 bytes 7");
    tell("HSET {p0}:pages:shop 1 old-a 2 old-b");
    tell("HSET {p0}:links:shop 1 old-a 2 old-b");
    tell("HSET {p0}:links:gone 1 old");
    tell("HSET {p0}:catalogue:shop # old 1 old 2 old");
    tell("HSET {p0}:live:shop T old V old");
    tell("HSET {p0}:live:gone T old");
    tell("HSET {p0}:mix:shop 1 old 2 old");
    tell("HSET {p0}:day:shop:20260110 T old");
    tell("HSET {p0}:day:shop:20260111 T old");
    tell("HSET {p0}:visitors:shop:20260110 v old");
    tell("HSET {p0}:profiles:shop:001 1 old 2 old");
    tell("HSET {p0}:profiles:shop:002 3 old");
    tell("HSET {p0}:next:commit offset 1-0 id next folded 8 v:0 8 v:1 0");
    tell("HSET {p0}:next:meta birth %s", w->live.token);
    tell("HSET {p0}:next:pages:shop 1 new-a");
    tell("HSET {p0}:next:links:shop 1 new-a");
    tell("HSET {p0}:next:catalogue:shop # new 1 new");
    tell("HSET {p0}:next:live:shop T new");
    tell("HSET {p0}:next:mix:shop 1 new");
    tell("HSET {p0}:next:mix:young 1 new");
    tell("HSET {p0}:next:day:shop:20260110 T new");
    tell("HSET {p0}:next:day:shop:20260111 T new");
    tell("HSET {p0}:next:profiles:shop:001 1 new");
    tell("XADD {p0}:next:stream 1-0 p x");
    set_site("{p0}:sites", 2000, (const uint32_t[]){DAY_2026_01_10, DAY_2026_01_10 + 1}, 2);
    set_site("{p0}:next:sites", 1000, (const uint32_t[]){DAY_2026_01_10 + 1}, 1);
    strcpy(w->live.of[0].commit, "old");
    assert_int_equal(live_lock(&w->live, &w->err), 0);
    assert_int_equal(live_fence(&w->live, &w->err), 0);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    live_unlock(&w->live);
    live_fini(&w->live);
    rebuild_files_fini(&w->files);
    swap_account_fini(&w->account);
    redis_now_close(w->redis);
    sites_free(w->sites);
    buf_fini(&w->err);
    free(w);
    return 0;
}

static void nothing_of_next_is_left(void)
{
    redisReply *r = redisCommand(server.redis, "KEYS *:next:*");
    assert_int_equal(r->elements, 0);
    freeReplyObject(r);
}

static void a_whole_one_takes_the_place(void **state)
{
    struct world *w = *state;
    assert_int_equal(rebuild_swap(&w->swap, &w->account, &w->err), 0);
    holds("{p0}:day:shop:20260110", "T", "new");
    holds("{p0}:pages:shop", "2", NULL);
    holds("{p0}:links:shop", "1", "new-a");
    holds("{p0}:links:shop", "2", NULL);
    assert_int_equal(redis_server_number(&server, "EXISTS {p0}:links:gone"), 0);
    holds("{p0}:catalogue:shop", "#", "new");
    holds("{p0}:catalogue:shop", "2", NULL);
    holds("{p0}:live:shop", "T", "new");
    holds("{p0}:live:shop", "V", NULL);
    assert_int_equal(redis_server_number(&server, "EXISTS {p0}:live:gone"), 0);
    holds("{p0}:mix:shop", "1", "new");
    holds("{p0}:mix:shop", "2", NULL);
    holds("{p0}:profiles:shop:001", "2", NULL);
    assert_int_equal(redis_server_number(&server, "EXISTS {p0}:profiles:shop:002"), 0);
    assert_int_equal(redis_server_number(&server, "EXISTS {p0}:visitors:shop:20260110"), 0);
    holds("{p0}:commit", "offset", "5-0");
    holds("{p0}:commit", "folded", "8");
    holds("{p0}:meta", "shipped", "10"); /* two still wait in the stream */
    holds("{p0}:meta", "bytes", "7");
    holds("{p0}:meta", "birth", "b");
    holds("{p0}:meta", "generation", "1");
    assert_int_equal(w->account.days, 2);
    nothing_of_next_is_left();
}

/* Until the evening of the 9th in UTC, which is the 10th in Tokyo. */
static void an_incomplete_one_keeps_what_it_cannot_know(void **state)
{
    struct world *w = *state;
    struct sitestate site;
    w->until_ms[0] = (int64_t)DAY_2026_01_10 * DAY_MS - 3600 * 1000;
    assert_int_equal(rebuild_swap(&w->swap, &w->account, &w->err), 0);
    holds("{p0}:day:shop:20260110", "T", "old");
    holds("{p0}:visitors:shop:20260110", "v", "old");
    holds("{p0}:day:shop:20260111", "T", "new");
    holds("{p0}:pages:shop", "1", "new-a");
    holds("{p0}:pages:shop", "2", "old-b");
    holds("{p0}:links:shop", "1", "new-a");
    holds("{p0}:links:shop", "2", "old-b");
    holds("{p0}:links:gone", "1", "old");
    holds("{p0}:catalogue:shop", "#", "new");
    holds("{p0}:catalogue:shop", "2", "old");
    holds("{p0}:live:shop", "T", "new");
    holds("{p0}:live:shop", "V", NULL);
    assert_int_equal(redis_server_number(&server, "EXISTS {p0}:live:gone"), 0);
    holds("{p0}:mix:shop", "1", "old");
    holds("{p0}:mix:shop", "2", "old");
    holds("{p0}:mix:young", "1", "new");
    holds("{p0}:profiles:shop:001", "1", "new");
    holds("{p0}:profiles:shop:001", "2", "old");
    holds("{p0}:profiles:shop:002", "3", "old");
    holds("{p0}:commit", "folded", "10"); /* the ledger keeps what was counted */
    holds("{p0}:commit", "v:1", "1");
    holds("{p0}:meta", "shipped", "12");
    redisReply *r = redisCommand(server.redis, "HGET {p0}:sites shop");
    sitestate_init(&site, STR(""));
    assert_true(sitestate_decode((struct str){r->str, r->len}, &site));
    freeReplyObject(r);
    assert_int_equal(site.watermark_ms, 2000);
    assert_int_equal(site.open_n, 2);
    assert_int_equal(w->account.sites, 1);
    assert_int_equal(w->account.site[0].first, DAY_2026_01_10);
    assert_int_equal(w->account.site[0].last, DAY_2026_01_10);
    assert_int_equal(w->account.kept_profiles, 1);
    nothing_of_next_is_left();
}

static void set_months(void)
{
    tell("HSET {p0}:month:shop:202512 30 old 31 old");
    tell("HSET {p0}:month:shop:202601 08 old 09 old 12 old");
    tell("HSET {p0}:month:shop:202602 01 old");
    tell("HSET {p0}:months:shop 202511 old");
    tell("HSET {p0}:next:months:shop 202511 new 202601 new 202602 new");
    tell("HSET {p0}:next:month:shop:202512 31 new");
    tell("HSET {p0}:next:month:shop:202601 07 new 09 new 11 new");
    tell("HSET {p0}:next:month:shop:202603 05 new");
}

static void packed_days_are_renamed(void **state)
{
    struct world *w = *state;
    set_months();
    assert_int_equal(rebuild_swap(&w->swap, &w->account, &w->err), 0);
    holds("{p0}:month:shop:202512", "30", NULL);
    holds("{p0}:months:shop", "202511", "new");
    holds("{p0}:month:shop:202512", "31", "new");
    holds("{p0}:month:shop:202601", "08", NULL);
    holds("{p0}:month:shop:202601", "09", "new");
    holds("{p0}:month:shop:202603", "05", "new");
    assert_int_equal(redis_server_number(&server, "EXISTS {p0}:month:shop:202602"), 0);
    assert_int_equal(w->account.days, 2 + 5);
    nothing_of_next_is_left();
}

/* Until the 10th, in the middle of a month. */
static void packed_days_are_kept_one_by_one(void **state)
{
    struct world *w = *state;
    set_months();
    w->until_ms[0] = (int64_t)DAY_2026_01_10 * DAY_MS - 3600 * 1000;
    assert_int_equal(rebuild_swap(&w->swap, &w->account, &w->err), 0);
    holds("{p0}:month:shop:202512", "30", "old");
    holds("{p0}:month:shop:202512", "31", "old");
    holds("{p0}:month:shop:202601", "07", NULL);
    holds("{p0}:month:shop:202601", "08", "old");
    holds("{p0}:month:shop:202601", "09", "old");
    holds("{p0}:month:shop:202601", "11", "new");
    holds("{p0}:month:shop:202601", "12", NULL);
    holds("{p0}:month:shop:202603", "05", "new");
    assert_int_equal(redis_server_number(&server, "EXISTS {p0}:month:shop:202602"), 0);
    assert_int_equal(w->account.site[0].first, DAY_2026_01_10 - 11);
    assert_int_equal(w->account.site[0].last, DAY_2026_01_10);
    assert_int_equal(w->account.site[0].days, 2 + 2 + 1);
    holds("{p0}:months:shop", "202511", "old");
    holds("{p0}:months:shop", "202601", NULL);
    holds("{p0}:months:shop", "202602", "new");
    assert_int_equal(w->account.days, 1 + 1 + 1);
    nothing_of_next_is_left();
}

/* A month of which the rebuild knows nothing but kept days comes and goes with them. */
static void a_month_of_kept_days_alone(void **state)
{
    struct world *w = *state;
    tell("HSET {p0}:month:shop:202601 08 old 12 old");
    w->until_ms[0] = (int64_t)DAY_2026_01_10 * DAY_MS - 3600 * 1000;
    assert_int_equal(rebuild_swap(&w->swap, &w->account, &w->err), 0);
    holds("{p0}:month:shop:202601", "08", "old");
    holds("{p0}:month:shop:202601", "12", NULL);
    nothing_of_next_is_left();
}

static void a_month_that_only_the_next_one_had(void **state)
{
    struct world *w = *state;
    tell("HSET {p0}:next:month:shop:202601 08 new");
    w->until_ms[0] = (int64_t)DAY_2026_01_10 * DAY_MS - 3600 * 1000;
    assert_int_equal(rebuild_swap(&w->swap, &w->account, &w->err), 0);
    assert_int_equal(redis_server_number(&server, "EXISTS {p0}:month:shop:202601"), 0);
    nothing_of_next_is_left();
}

static void an_empty_one_is_born_again(void **state)
{
    struct world *w = *state;
    static const unsigned char producer[PRODUCER_BYTES] = "producer-of-hits";
    struct rebuild_lane *l = rebuild_files_find(&w->files, producer, true);
    l->got[0] = 77;
    tell("DEL {p0}:commit {p0}:meta {p0}:sites {p0}:pages:shop");
    w->live.of[0].commit[0] = '\0';
    strcpy(w->birth[0], "0123456789abcdef0123456789abcdef");
    assert_int_equal(rebuild_swap(&w->swap, &w->account, &w->err), 0);
    holds("{p0}:meta", "birth", w->birth[0]);
    holds("{p0}:meta", "shipped", "8");
    holds("{p0}:commit", "offset", NULL);
    redisReply *r = redisCommand(server.redis, "HGET {p0}:seen %b", producer, sizeof producer);
    assert_int_equal(strtol(r->str, NULL, 10), 77);
    freeReplyObject(r);
    assert_int_equal(w->account.regained, 1);
}

static void refused_it_has_changed_nothing(struct world *w, const char *why)
{
    assert_int_equal(rebuild_swap(&w->swap, &w->account, &w->err), -1);
    assert_non_null(strstr(w->err.p, why));
    holds("{p0}:day:shop:20260110", "T", "old");
    holds("{p0}:next:day:shop:20260110", "T", "new");
    holds("{p0}:meta", "generation", NULL);
}

static void not_under_another_lease(void **state)
{
    tell("SET {p0}:lease 00000000000000000000000000000000");
    refused_it_has_changed_nothing(*state, "LEASE");
}

static void not_after_another_commit(void **state)
{
    tell("HSET {p0}:commit id later");
    refused_it_has_changed_nothing(*state, "COMMIT");
}

static void not_what_another_run_has_made(void **state)
{
    tell("HSET {p0}:next:meta birth other");
    refused_it_has_changed_nothing(*state, "NEXT");
}

static void not_when_what_was_lost_has_come_meanwhile(void **state)
{
    struct world *w = *state;
    static const unsigned char producer[PRODUCER_BYTES] = "producer-of-hits";
    struct rebuild_lane *l = rebuild_files_find(&w->files, producer, true);
    l->got[0] = 77;
    tell("HSET {p0}:seen %b 5_20463", producer, sizeof producer);
    refused_it_has_changed_nothing(w, "SEEN");
}

static void one_at_a_time(void **state)
{
    struct world *w = *state;
    struct live other;
    assert_int_equal(live_init(&other, w->redis, 1), 0);
    assert_int_equal(live_lock(&other, &w->err), -1);
    live_fini(&other);
}

static int start_server(void **state)
{
    (void)state;
    redis_server_new(&server);
    return sodium_init() < 0 ? -1 : 0;
}

static int stop_server(void **state)
{
    (void)state;
    redis_server_free(&server);
    return 0;
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_whole_one_takes_the_place),
        CASE(an_incomplete_one_keeps_what_it_cannot_know),
        CASE(packed_days_are_renamed),
        CASE(packed_days_are_kept_one_by_one),
        CASE(a_month_of_kept_days_alone),
        CASE(a_month_that_only_the_next_one_had),
        CASE(an_empty_one_is_born_again),
        CASE(not_under_another_lease),
        CASE(not_after_another_commit),
        CASE(not_what_another_run_has_made),
        CASE(not_when_what_was_lost_has_come_meanwhile),
        CASE(one_at_a_time),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
