/*
 * Days come, close and are packed, in a real Redis: whatever range is asked for, what comes back is
 * what counting the visits one by one gives. Whether old days are reopened, in which order hits
 * come and where batches end shows in nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "keys.h"
#include "partition_world.h"
#include "range_read.h"

enum {
    DAY0 = 20000, /* 2024-10-04 */
    DAYS = 420,
    VISITORS = 40,
    RANGES = 1000,
    LONGEST = 400,
    WAIT_MS = 120000,
};

static struct retention keep = {.days = DAYS, .months = 25};

/* Who came when: all that the brute force knows. */
static bool came[VISITORS][DAYS];
static unsigned logged[DAYS]; /* visitors of logs, one pageview each */

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static void on_committed(void *arg, struct str site, uint32_t day)
{
    (void)arg, (void)site, (void)day;
}

static void on_refused(void *arg, unsigned partition)
{
    (void)arg, (void)partition;
    fail();
}

static void start(int64_t batch_hits, size_t cache_bytes)
{
    static const struct partition_fns fns = {on_committed, on_refused};
    struct partition_opts opts = {1, 5, batch_hits, cache_bytes, keep};
    start_with(&server.conf, &opts, &fns);
    take(0);
}

static void fold_until(long long n)
{
    UNTIL(folded(0) >= n);
}

/* --- hits ------------------------------------------------------------------------------------ */

static struct hit view_at(uint32_t day, unsigned visitor, unsigned nth)
{
    int64_t at_ms = (int64_t)(DAY0 + day) * DAY_MS + visitor * 600000 + nth * 20000;
    return pageview_at(at_ms, 1000 + visitor, 1 + ((uint64_t)day * VISITORS + visitor) * 4 + nth,
                       day + visitor + nth);
}

static struct hit logged_at(uint32_t day, unsigned nth)
{
    struct hit h = view_at(day, nth, 0);
    h.visitor = 500000 + day * 100 + nth;
    h.visitor_kind = VISITOR_DAILY;
    h.pageview = 0;
    h.flags = HIT_IMPORTED;
    return h;
}

struct shipping {
    struct buf records;
    unsigned n, seq;
};

static void ship_all(struct shipping *s)
{
    if (s->n == 0) return;
    add_entry(0, buf_str(&s->records), s->n);
    buf_clear(&s->records);
    s->n = 0;
}

static void ship(struct shipping *s, struct hit h)
{
    add_hit(&s->records, ++s->seq, &h);
    if (++s->n == 50) ship_all(s);
}

/* Those who come often, seldom, in spells and once; whoever comes sees one or two pages. */
static void invent(void)
{
    uint32_t seed = 7;
    memset(came, 0, sizeof came);
    for (unsigned v = 0; v < VISITORS; v++) {
        unsigned every = 2 + v * v / 8;
        for (unsigned d = 0; d < DAYS; d++)
            came[v][d] = next_random(&seed) % every == 0 && (v % 5 != 0 || d / 60 % 2 == v / 5 % 2);
    }
    for (unsigned d = 0; d < DAYS; d++)
        logged[d] = next_random(&seed) % 4;
}

static void ship_live(struct shipping *s)
{
    for (unsigned d = 0; d < DAYS; d++) {
        for (unsigned v = 0; v < VISITORS; v++) {
            if (!came[v][d]) continue;
            ship(s, view_at(d, v, 0));
            if ((d + v) % 2 == 0) ship(s, view_at(d, v, 1));
        }
    }
}

/* Some days again and again, the oldest last: none of them is open. */
static void ship_logs(struct shipping *s)
{
    for (unsigned nth = 0; nth < 3; nth++) {
        for (unsigned d = DAYS; d-- > 0;) {
            if (nth < logged[d]) ship(s, logged_at(d, nth));
        }
    }
}

/* --- brute force ----------------------------------------------------------------------------- */

struct truth {
    int64_t persons, views, logged;
};

static struct truth count(unsigned a, unsigned b)
{
    struct truth t = {0};
    for (unsigned v = 0; v < VISITORS; v++) {
        bool any = false;
        for (unsigned d = a; d <= b; d++) {
            any = any || came[v][d];
            t.views += came[v][d] ? 1 + ((d + v) % 2 == 0) : 0;
        }
        t.persons += any;
    }
    for (unsigned d = a; d <= b; d++)
        t.logged += logged[d];
    return t;
}

static void check(const struct range *r, unsigned a, unsigned b)
{
    struct truth want = count(a, b);
    assert_int_equal(r->unreadable, 0);
    assert_int_equal(range_value(r, STR("T"), COL_GAP_NONE), want.persons);
    assert_int_equal(range_value(r, STR("T"), COL_VIEWS), want.views + want.logged);
    assert_int_equal(range_value(r, STR("T"), COL_DAILY_VISITORS), want.logged);
    assert_int_equal(range_value(r, STR("T"), COL_IMPORTED), want.logged);
    assert_int_equal(range_value(r, STR("gFR"), COL_GAP_NONE), want.persons);
    assert_int_equal(range_value(r, STR("L"), COL_VERDICT + V_COUNTED), want.views + want.logged);
}

static struct range_source source = {.site = {"shop", 4}, .partitions = 1, .spread = 1};

/* Random ranges, from rows that are read once. */
static void check_ranges(void)
{
    static struct buf rows[DAYS];
    struct buf err = {0};
    uint32_t seed = 11;
    for (unsigned d = 0; d < DAYS; d++)
        assert_int_equal(range_read_day(&source, 0, DAY0 + d, &rows[d], &err), 0);
    for (unsigned i = 0; i < RANGES; i++) {
        unsigned a = next_random(&seed) % DAYS, most = DAYS - a < LONGEST ? DAYS - a : LONGEST;
        unsigned b = a + next_random(&seed) % most;
        struct range *r = range_new(source.site, DAY0 + a, DAY0 + b);
        for (unsigned d = a; d <= b; d++)
            assert_true(range_add(r, DAY0 + d, buf_str(&rows[d])));
        check(r, a, b);
        range_free(r);
    }
    for (unsigned d = 0; d < DAYS; d++)
        buf_fini(&rows[d]);
    buf_fini(&err);
}

static void check_read(unsigned a, unsigned b)
{
    struct buf err = {0};
    struct range *r;
    assert_int_equal(range_read(&source, DAY0 + a, DAY0 + b, &r, &err), 0);
    check(r, a, b);
    range_free(r);
    buf_fini(&err);
}

/* What stands in Redis, but for what names moments. */
static void digest(char hex[65])
{
    static const char script[] =
        "local out = {} "
        "for _, key in ipairs(redis.call('KEYS', '{p*')) do "
        "  if string.find(key, ':day:') or string.find(key, ':month') or "
        "     string.find(key, ':pages:') or string.find(key, ':profiles:') then "
        "    local all = redis.call('HGETALL', key) "
        "    for i = 1, #all, 2 do out[#out + 1] = key .. '|' .. all[i] .. '|' .. all[i + 1] end "
        "  end end "
        "table.sort(out) return redis.sha1hex(table.concat(out, '\\n')) .. ' ' .. #out";
    digest_by(script, hex);
}

static long long keys_of(const char *pattern)
{
    return redis_server_number(&server, "EVAL %s 0 %s", "return #redis.call('KEYS', ARGV[1])",
                               pattern);
}

/* --- the cases ------------------------------------------------------------------------------- */

static char undisturbed[65];

static int begin(void **state)
{
    (void)state;
    redis_server_number(&server, "FLUSHALL");
    invent();
    return 0;
}

static unsigned ship_both(bool logs_first)
{
    struct shipping s = {.n = 0};
    if (logs_first) ship_logs(&s);
    ship_live(&s);
    if (!logs_first) ship_logs(&s);
    ship_all(&s);
    buf_fini(&s.records);
    return s.seq;
}

static void uniques_of_any_range_are_exact(void **state)
{
    (void)state;
    unsigned n = ship_both(false);
    start(400, 1 << 24);
    fold_until(n);
    assert_int_equal(keys_of("{p0}:day:*"), OPEN_ROWS_DAYS + 1);
    assert_in_range(keys_of("{p0}:month:*"), 14, 15);
    check_ranges();
    check_read(0, LONGEST - 1);
    check_read(DAYS - 30, DAYS - 1);
    check_read(DAYS - 1, DAYS - 1);
    check_read(17, 17);
    digest(undisturbed);
    stop();
}

static void order_and_batches_do_not_show(void **state)
{
    (void)state;
    static const struct {
        bool logs_first;
        int64_t batch_hits;
        size_t cache_bytes;
    } cases[] = {{false, 100000, 1 << 24}, {true, 700, 1}, {true, 100000, 1 << 20}};
    char got[65];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin(NULL);
        unsigned n = ship_both(cases[i].logs_first);
        start(cases[i].batch_hits, cases[i].cache_bytes);
        fold_until(n);
        digest(got);
        assert_string_equal(got, undisturbed);
        stop();
    }
}

/* Redis dies again and again while days are packed. */
static void a_killed_redis_changes_nothing(void **state)
{
    (void)state;
    char got[65];
    unsigned n = ship_both(false);
    start(100, 1 << 24);
    for (unsigned at = n / 6; at < n; at += n / 6) {
        fold_until(at);
        redis_server_kill(&server);
        redis_server_start(&server);
    }
    fold_until(n);
    digest(got);
    assert_string_equal(got, undisturbed);
    stop();
}

/* A hash beside a packed value, as a rebuild may leave it: read as packed, and joined by the next
 * hit of that day. */
static void a_hash_is_joined(void **state)
{
    (void)state;
    unsigned n = ship_both(false);
    start(400, 1 << 24);
    fold_until(n);
    struct key day = key_day(0, STR("shop"), DAY0 + 9);
    struct shipping s = {.seq = n};
    redis_server_number(&server, "HSET %s T %b", day.p, "\x01\x01\x04\x0d\x04", (size_t)5);
    check_read(9, 9);
    ship(&s, logged_at(9, 50));
    ship_all(&s);
    fold_until(n + 1);
    assert_int_equal(redis_server_number(&server, "EXISTS %s", day.p), 0);
    struct buf err = {0};
    struct range *r;
    assert_int_equal(range_read(&source, DAY0 + 9, DAY0 + 9, &r, &err), 0);
    struct truth was = count(9, 9);
    assert_int_equal(range_value(r, STR("T"), COL_VIEWS), was.views + was.logged + 1 + 2);
    assert_int_equal(range_value(r, STR("T"), COL_IMPORTED), was.logged + 1 + 2);
    range_free(r);
    buf_fini(&s.records);
    buf_fini(&err);
    stop();
}

/* A range that begins on the first of a month, or in its middle: then with the next month. */
static void check_months(unsigned from, unsigned first, unsigned to, bool whole, unsigned months)
{
    struct buf err = {0};
    struct range *r;
    assert_int_equal(range_read(&source, DAY0 + from, DAY0 + to, &r, &err), 0);
    check(r, first, to);
    assert_int_equal(range_whole(r), whole);
    assert_int_equal(range_counted(r) == to - from + 1, whole);
    assert_int_equal(range_exact(r), whole);
    assert_int_equal(r->months_n, months);
    int64_t views = 0;
    for (size_t i = 0; i < r->months_n; i++)
        views += row_get(&r->months[i].total, COL_VIEWS);
    for (uint32_t i = 0; i <= r->to - r->from; i++)
        views += row_get(&r->days[i].total, COL_VIEWS);
    assert_int_equal(views, range_value(r, STR("T"), COL_VIEWS));
    range_free(r);
    buf_fini(&err);
}

/* 100 days of the newest one, 2025-11-27: from 2025-08-01 on; months: from June on. */
static void old_days_become_months(void **state)
{
    (void)state;
    static const struct {
        bool logs_first;
        int64_t batch_hits;
    } cases[] = {{false, 400}, {false, 100000}, {true, 90}, {true, 100000}};
    const unsigned june = 240, july = 270, august = 301, last = DAYS - 1; /* days since DAY0 */
    char want[65], got[65];
    keep = (struct retention){.days = 100, .months = 6};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin(NULL);
        unsigned n = ship_both(cases[i].logs_first);
        start(cases[i].batch_hits, 1 << 24);
        fold_until(n);
        stop();
        digest(got);
        if (i == 0) snprintf(want, sizeof want, "%s", got);
        assert_string_equal(got, want);
    }
    assert_int_equal(redis_server_number(&server, "HLEN {p0}:months:shop"), 2);
    assert_int_equal(keys_of("{p0}:month:*"), 4);
    check_months(june, june, last, true, 2);
    check_months(june, june, july - 1, true, 1);
    check_months(july, july, august - 1, true, 1);
    check_months(july, july, august + 9, true, 1);
    check_months(june, june, august - 1, true, 2);
    check_months(june + 14, july, last, false, 1);
    check_months(july + 3, august, last, false, 0);
    check_read(august, last);
    keep = (struct retention){.days = DAYS, .months = 25};
}

/* What cannot be read is not written over. */
static void damage_stops_the_partition(void **state)
{
    (void)state;
    unsigned n = ship_both(false);
    start(400, 1 << 24);
    fold_until(n);
    stop();
    struct day_field field;
    struct key month = key_month(0, STR("shop"), DAY0 + 9, &field);
    struct shipping s = {.seq = n};
    struct partition_stats stats = {0};
    redis_server_number(&server, "HSET %s %s damage", month.p, field.text);
    ship(&s, logged_at(9, 50));
    ship_all(&s);
    start(400, 1 << 24);
    UNTIL((partitions_stats(all, &stats), stats.stalled != 0));
    assert_int_equal(folded(0), n);
    struct buf err = {0};
    struct range *r;
    assert_int_equal(range_read(&source, DAY0 + 9, DAY0 + 9, &r, &err), -1);
    assert_true(str_starts(buf_str(&err), key_str(&month)));
    buf_fini(&s.records);
    buf_fini(&err);
    stop();
}

static int set_up(void **state)
{
    struct buf err = {0};
    if (redis_loop_new(state) != 0) return -1;
    source.redis = redis_now_open(&server.conf, &err);
    return source.redis == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    redis_now_close(source.redis);
    return redis_loop_free(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(uniques_of_any_range_are_exact, begin), /* the others compare */
        cmocka_unit_test_setup(order_and_batches_do_not_show, begin),
        cmocka_unit_test_setup(a_killed_redis_changes_nothing, begin),
        cmocka_unit_test_setup(a_hash_is_joined, begin),
        cmocka_unit_test_setup(old_days_become_months, begin),
        cmocka_unit_test_setup(damage_stops_the_partition, begin),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
