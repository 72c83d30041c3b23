/* mix.c with a Redis of its own: sums of all partitions, in the bounds of their years. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bytes.h"
#include "clock.h"
#include "interest.h"
#include "mix.h"
#include "redis_server.h"

enum { PARTITIONS = 8, ROWS = 2500 };
#define DAY_MS  INT64_C(86400000)
#define JANUARY ((int64_t)date_to_day(2026, 1, 1) * DAY_MS)

static struct redis_server server;

static int set_up(void **state)
{
    (void)state;
    redis_server_new(&server);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    redis_server_free(&server);
    return 0;
}

static int empty_redis(void **state)
{
    (void)state;
    freeReplyObject(redisCommand(server.redis, "FLUSHALL"));
    return 0;
}

/* page 0: the row of those beyond the limit. */
static void put(unsigned part, uint64_t page, uint32_t year, int64_t sum, uint32_t before_year,
                int64_t before)
{
    char name[9] = {'p'};
    struct row row = {0};
    struct buf value = {0};
    struct key key = key_mix(part, STR("shop"));
    store_le64(name + 1, page);
    row_add(&row, year, sum);
    row_add(&row, before_year, before);
    assert_true(row_encode(&row, &value));
    freeReplyObject(redisCommand(server.redis, "HSET %b %b %b", key.p, key.n, name,
                                 page == 0 ? (size_t)1 : sizeof name, value.p, value.n));
    row_fini(&row);
    buf_fini(&value);
}

static int read_mix(unsigned spread, int64_t now_ms, struct mix *out)
{
    struct buf err = {0};
    struct redis_now *redis = redis_now_open(&server.conf, &err);
    assert_non_null(redis);
    struct range_source s = {
        .redis = redis, .site = STR("shop"), .partitions = PARTITIONS, .spread = spread};
    int result = mix_read(&s, now_ms, out, &err);
    redis_now_close(redis);
    buf_fini(&err);
    return result;
}

static unsigned part_of(unsigned i)
{
    return (key_home(STR("shop"), PARTITIONS) + i) % PARTITIONS;
}

static void sums_of_all_partitions_and_years(void **state)
{
    (void)state;
    const int64_t one = INTEREST_SUM_ONE, score = INTEREST_SCORE_ONE;
    struct mix m;
    put(part_of(0), 7, 2026, 4 * one, 0, 0);
    put(part_of(1), 7, 2026, 2 * one, 2025, (one << 12) * 2);
    put(part_of(1), 5, 2026, one, 0, 0);
    put(part_of(2), 0, 2026, 3 * one, 0, 0);
    put(part_of(3), 5, 2026, 100 * one, 0, 0); /* no partition of this site */
    freeReplyObject(redisCommand(server.redis, "HSET {p%u}:mix:shop T x", part_of(0)));
    assert_int_equal(read_mix(3, JANUARY, &m), 0);
    assert_int_equal(m.n, 2);
    assert_int_equal(m.pages[0].page, 5);
    assert_int_equal(mix_score(&m, 5), score);
    /* 365 days are 12 half-lives and 5 days: of 2 * 2^12 there are 2 * 2^(-5/30) left */
    assert_in_range(mix_score(&m, 7), 6 * score + 1781, 6 * score + 1783);
    assert_int_equal(mix_score(&m, 6), 0);
    assert_int_equal(mix_score(&m, 8), 0);
    assert_int_equal(m.other, 3 * score);
    assert_int_equal(m.total, mix_score(&m, 5) + mix_score(&m, 7) + m.other);
    mix_fini(&m);

    assert_int_equal(read_mix(3, JANUARY + 30 * DAY_MS, &m), 0);
    assert_int_equal(mix_score(&m, 5), score / 2);
    assert_int_equal(m.other, 3 * score / 2);
    mix_fini(&m);
}

/* So many that HSCAN takes several steps, and shows rows again while the hash grows small. */
static void many_rows_count_once(void **state)
{
    (void)state;
    struct mix m;
    int64_t want = 0;
    for (uint64_t page = 1; page <= ROWS; page++) {
        put(part_of(0), page, 2026, INTEREST_SUM_ONE * (int64_t)(page % 7), 0, 0);
        want += INTEREST_SCORE_ONE * (int64_t)(page % 7);
    }
    assert_int_equal(read_mix(1, JANUARY, &m), 0);
    assert_int_equal(m.total, want);
    assert_int_equal(m.n, ROWS - ROWS / 7); /* those of which nothing is left are no pages */
    for (size_t i = 0; i < m.n; i++)
        assert_int_equal(m.pages[i].score, INTEREST_SCORE_ONE * (int64_t)(m.pages[i].page % 7));
    mix_fini(&m);
}

static void nothing_and_damage(void **state)
{
    (void)state;
    struct mix m;
    assert_int_equal(read_mix(4, JANUARY, &m), 0);
    assert_int_equal(m.n, 0);
    assert_int_equal(m.total, 0);
    assert_int_equal(mix_score(&m, 1), 0);
    mix_fini(&m);
    freeReplyObject(redisCommand(server.redis, "HSET {p%u}:mix:shop p12345678 x", part_of(0)));
    assert_int_equal(read_mix(4, JANUARY, &m), -1);
    mix_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(sums_of_all_partitions_and_years, empty_redis),
        cmocka_unit_test_setup(many_rows_count_once, empty_redis),
        cmocka_unit_test_setup(nothing_and_damage, empty_redis),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
