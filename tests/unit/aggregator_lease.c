/* Leases against a real Redis: who holds what when aggregators come, go, die and are robbed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "keys.h"
#include "lease.h"
#include "redis_loop.h"

enum { PARTITIONS = 10, LEASE_MS = 3000, WAIT_MS = 30000 };

/* One aggregator, as far as leases go. */
struct holder {
    struct redis_link *link;
    struct leases *leases;
    bool held[PARTITIONS];
    unsigned taken, lost;
    bool left;
};

static void on_taken(void *arg, unsigned partition, const char *token)
{
    struct holder *h = arg;
    assert_false(h->held[partition]);
    assert_int_equal(strlen(token), 32);
    h->held[partition] = true;
    h->taken++;
}

static void on_lost(void *arg, unsigned partition)
{
    struct holder *h = arg;
    assert_true(h->held[partition]);
    h->held[partition] = false;
    h->lost++;
}

static void on_link(bool up, void *arg)
{
    struct holder *h = arg;
    if (up && h->leases != NULL) leases_link_up(h->leases);
}

static void on_left(void *arg)
{
    struct holder *h = arg;
    h->left = true;
}

static void start(struct holder *h, const char *name)
{
    static const struct lease_fns fns = {on_taken, on_lost};
    struct lease_opts opts = {name, PARTITIONS, LEASE_MS};
    *h = (struct holder){0};
    h->link = redis_link_new(base, &server.conf, on_link, h);
    h->leases = leases_new(base, h->link, &opts, &fns, h);
    assert_non_null(h->leases);
}

static void die(struct holder *h) /* says nothing to anybody, as after kill -9 */
{
    redis_link_free(h->link);
    leases_free(h->leases);
    h->link = NULL;
    h->leases = NULL;
}

static void leave(struct holder *h)
{
    leases_stop(h->leases, on_left, h);
    UNTIL(h->left);
    assert_int_equal(leases_held(h->leases), 0);
    die(h);
}

static unsigned keys_held(void)
{
    unsigned n = 0;
    for (unsigned p = 0; p < PARTITIONS; p++) {
        n += (unsigned)redis_server_number(&server, "EXISTS %s", key_lease(p).p);
    }
    return n;
}

static void one_takes_all_and_gives_all_back(void **state)
{
    (void)state;
    struct holder a;
    start(&a, "a");
    UNTIL(leases_held(a.leases) == PARTITIONS);
    assert_true(leases_settled(a.leases));
    assert_int_equal(keys_held(), PARTITIONS);
    assert_true(redis_server_number(&server, "PTTL %s", key_lease(3).p) <= LEASE_MS);
    leave(&a);
    assert_int_equal(keys_held(), 0);
    assert_int_equal(redis_server_number(&server, "ZCARD sentier:aggregators"), 0);
}

static void several_share_evenly(void **state)
{
    (void)state;
    struct holder a, b;
    start(&a, "a");
    UNTIL(leases_held(a.leases) == PARTITIONS);
    start(&b, "b");
    UNTIL(leases_held(a.leases) == PARTITIONS / 2 && leases_held(b.leases) == PARTITIONS / 2 &&
          leases_settled(a.leases) && leases_settled(b.leases));
    for (unsigned p = 0; p < PARTITIONS; p++)
        assert_true(a.held[p] != b.held[p]);

    leave(&b);
    UNTIL(leases_held(a.leases) == PARTITIONS);
    leave(&a);
}

/* Rounds that are started out of turn must not put off the next ones. */
static void renews_well_before_the_expiry(void **state)
{
    (void)state;
    struct holder a;
    start(&a, "a");
    for (int i = 0; i < 10; i++)
        leases_link_up(a.leases);
    UNTIL(leases_held(a.leases) == PARTITIONS);
    for (int i = 0; i < 10; i++) {
        leases_link_up(a.leases);
        event_base_loop(base, EVLOOP_ONCE);
    }
    redis_server_number(&server, "PEXPIRE %s %d", key_lease(1).p, 4 * LEASE_MS);
    int64_t since_ms = clock_mono_ms();
    UNTIL(redis_server_number(&server, "PTTL %s", key_lease(1).p) <= LEASE_MS); /* renewed */
    assert_true(clock_mono_ms() - since_ms < LEASE_MS * 2 / 3);
    assert_int_equal(a.lost, 0);
    leave(&a);
}

static void leases_outlive_no_death(void **state)
{
    (void)state;
    struct holder a, b;
    start(&a, "a");
    UNTIL(leases_held(a.leases) == PARTITIONS);
    die(&a);
    assert_int_equal(keys_held(), PARTITIONS);
    int64_t died_ms = clock_mono_ms();
    start(&b, "b");
    UNTIL(leases_held(b.leases) == PARTITIONS); /* when they have expired */
    assert_true(clock_mono_ms() - died_ms < 5 * LEASE_MS);
    leave(&b);
}

static void takes_up_its_own_leases_at_once(void **state)
{
    (void)state;
    struct holder a;
    char before[64], after[64];
    start(&a, "same");
    UNTIL(leases_held(a.leases) == PARTITIONS);
    die(&a);
    /* so long that waiting for the expiry would fail the test */
    for (unsigned p = 0; p < PARTITIONS; p++) {
        redis_server_number(&server, "PEXPIRE %s 3600000", key_lease(p).p);
    }
    redisReply *r = redisCommand(server.redis, "GET %s", key_lease(0).p);
    snprintf(before, sizeof before, "%s", r->str);
    freeReplyObject(r);
    start(&a, "same");
    UNTIL(leases_held(a.leases) == PARTITIONS);
    r = redisCommand(server.redis, "GET %s", key_lease(0).p);
    snprintf(after, sizeof after, "%s", r->str);
    freeReplyObject(r);
    assert_string_not_equal(before, after); /* the dead one's token is worth nothing now */
    assert_string_equal(before + 32, after + 32);
    leave(&a);
}

static void a_robbed_lease_is_lost(void **state)
{
    (void)state;
    struct holder a;
    start(&a, "a");
    UNTIL(leases_held(a.leases) == PARTITIONS);
    redis_server_number(&server, "SET %s %s", key_lease(4).p,
                        "00000000000000000000000000000000 robber");
    UNTIL(!a.held[4]);
    redis_server_number(&server, "DEL %s", key_lease(4).p);
    UNTIL(a.held[4]);

    leases_refused(a.leases, 4); /* as a refused commit tells it */
    assert_false(a.held[4]);
    redis_server_number(&server, "DEL %s", key_lease(4).p);
    UNTIL(a.held[4]);
    leave(&a);
}

static void an_emptied_redis_is_taken_anew(void **state)
{
    (void)state;
    struct holder a;
    start(&a, "a");
    UNTIL(leases_held(a.leases) == PARTITIONS);
    redis_server_number(&server, "FLUSHALL");
    UNTIL(a.lost >= PARTITIONS && leases_held(a.leases) == PARTITIONS && keys_held() == PARTITIONS);

    redis_server_kill(&server);
    UNTIL(!redis_link_up(a.link));
    redis_server_start(&server);
    UNTIL(redis_link_up(a.link));
    UNTIL(leases_held(a.leases) == PARTITIONS && keys_held() == PARTITIONS);
    leave(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_takes_all_and_gives_all_back),
        cmocka_unit_test(several_share_evenly),
        cmocka_unit_test(renews_well_before_the_expiry),
        cmocka_unit_test(leases_outlive_no_death),
        cmocka_unit_test(takes_up_its_own_leases_at_once),
        cmocka_unit_test(a_robbed_lease_is_lost),
        cmocka_unit_test(an_emptied_redis_is_taken_anew),
    };
    return cmocka_run_group_tests(tests, redis_loop_new, redis_loop_free);
}
