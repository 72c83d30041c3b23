/* All persons of a site out of a real Redis: each once, however its hash is read; and the pass over
 * them that can be stopped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bytes.h"
#include "customer.h"
#include "keys.h"
#include "people.h"
#include "redis_server.h"
#include "segments_read.h"

enum { PARTITIONS = 8, SPREAD = 2, CROWD = 900, SCATTERED = 600, DAMAGED = 3, TODAY = 20000 };

struct world {
    struct redis_server server;
    struct range_source source;
    unsigned told[CROWD + SCATTERED + 1]; /* by number */
    unsigned pauses, pauses_most;         /* 0: any number */
    uint64_t persons, persons_most;
};

static void set(struct world *w, const struct key *key, const void *field, size_t n,
                struct str value)
{
    redisReply *r =
        redisCommand(w->server.redis, "HSET %b %b %b", key->p, key->n, field, n, value.p, value.n);
    assert_non_null(r);
    assert_int_equal(r->type, REDIS_REPLY_INTEGER);
    freeReplyObject(r);
}

/* A person is known by its number of sessions. */
static void add_person(struct world *w, unsigned part, unsigned bucket, uint64_t id,
                       unsigned number)
{
    struct profile_page page = {
        .page = 7, .views = 2, .first_day = TODAY - 1, .last_day = TODAY - 1, .tried = 2};
    struct profile p = {.first_ms = 1000,
                        .sessions = number,
                        .days = 1,
                        .views = 2,
                        .newest_day = TODAY - 1,
                        .pages = &page,
                        .pages_n = 1};
    struct key key = key_profiles(part, w->source.site, bucket);
    struct buf value = {0};
    char field[8];
    store_le64(field, id);
    p.recent.newest_ms = (int64_t)TODAY * 86400000;
    assert_true(profile_encode(&p, &value));
    set(w, &key, field, sizeof field, buf_str(&value));
    buf_fini(&value);
}

/* A hash that one HSCAN does not bring as a whole, in the last partition, and others. */
static int start(void **state)
{
    static struct world w;
    w = (struct world){0};
    redis_server_new(&w.server);
    struct buf err = {0};
    w.source = (struct range_source){.redis = redis_now_open(&w.server.conf, &err),
                                     .site = STR("shop"),
                                     .partitions = PARTITIONS,
                                     .spread = SPREAD};
    assert_non_null(w.source.redis);
    unsigned first = range_part(&w.source, 0), last = range_part(&w.source, 1);
    struct key pages = key_pages(first, w.source.site),
               damaged = key_profiles(first, w.source.site, 5);
    char id[8];
    store_le64(id, 7);
    set(&w, &pages, id, sizeof id, STR("shop.example/blog/a"));
    for (unsigned i = 1; i <= CROWD; i++)
        add_person(&w, last, 4095, i * UINT64_C(0x9e3779b97f4a7c15), i);
    for (unsigned i = CROWD + 1; i <= CROWD + SCATTERED; i++)
        add_person(&w, i % 2 ? first : last, i * 7 % 4095, i, i);
    set(&w, &damaged, "short", 5, STR("x"));
    set(&w, &damaged, "12345678", 8, STR(""));
    set(&w, &damaged, "abcdefgh", 8, STR("\x09what is this?"));
    *state = &w;
    return 0;
}

static int stop(void **state)
{
    struct world *w = *state;
    redis_now_close(w->source.redis);
    redis_server_free(&w->server);
    return 0;
}

static bool take(void *arg, const struct person *p)
{
    struct world *w = arg;
    assert_true(p->profile->sessions <= CROWD + SCATTERED);
    w->told[p->profile->sessions]++;
    return ++w->persons != w->persons_most;
}

static bool count_pause(void *arg)
{
    struct world *w = arg;
    return ++w->pauses != w->pauses_most;
}

static int go(struct world *w, struct people *people, struct buf *err)
{
    *people = (struct people){.source = &w->source, .arg = w, .each = take, .pause = count_pause};
    memset(w->told, 0, sizeof w->told);
    w->persons = w->pauses = 0;
    return people_each(people, err);
}

static void test_each_once(void **state)
{
    struct world *w = *state;
    struct people people;
    struct buf err = {0};
    assert_int_equal(go(w, &people, &err), 0);
    for (unsigned i = 1; i <= CROWD + SCATTERED; i++)
        assert_int_equal(w->told[i], 1);
    assert_int_equal(people.damaged, DAMAGED);
    assert_true(w->pauses > SPREAD);
}

static void test_ends_early(void **state)
{
    struct world *w = *state;
    struct people people;
    struct buf err = {0};
    w->pauses_most = 3;
    assert_int_equal(go(w, &people, &err), -1);
    assert_true(str_eq(buf_str(&err), STR("stopped")));
    assert_int_equal(w->pauses, 3);
    w->pauses_most = 0;
    buf_clear(&err);
    w->persons_most = CROWD; /* in the midst of the crowd: its answers are freed, too */
    assert_int_equal(go(w, &people, &err), -1);
    assert_int_equal(w->persons, CROWD);
    w->persons_most = 0;
    buf_clear(&err);
    assert_int_equal(go(w, &people, &err), 0); /* and the link is good for more */
    buf_fini(&err);
}

static void test_pass(void **state)
{
    struct world *w = *state;
    struct segments s = {0};
    struct segments_pass pass = {.source = w->source, .today = TODAY};
    struct buf err = {0};
    assert_int_equal(segments_read(&pass, &s, &err), 0);
    uint64_t persons = 0;
    for (int c = 0; c < CLASSES; c++)
        persons += s.persons[c];
    assert_int_equal(persons, CROWD + SCATTERED);
    assert_int_equal(pass.damaged, DAMAGED);
    assert_int_equal(pass.rested_ms, 0);
    assert_int_equal(s.pages_n, 1);
    assert_true(str_eq(s.pages[0].name, STR("shop.example/blog/a")));
    segments_fini(&s);
}

/* In the background: it ends when it is told to, and leaves nothing behind. */
static void test_background(void **state)
{
    struct world *w = *state;
    struct segments s = {0};
    atomic_bool stopping = false;
    struct segments_pass pass = {.source = w->source, .today = TODAY, .stopping = &stopping};
    struct buf err = {0};
    assert_int_equal(segments_read(&pass, &s, &err), 0);
    assert_int_equal(s.pages_n, 1);
    segments_fini(&s);
    atomic_store(&stopping, true);
    assert_int_equal(segments_read(&pass, &s, &err), -1);
    assert_true(str_eq(buf_str(&err), STR("stopped")));
    assert_null(s.groups);
    buf_fini(&err);
}

/* Customers come first, and may be many: there are pauses among them, too. */
static void test_customers_can_be_stopped(void **state)
{
    enum { CUSTOMERS = 300 };
    struct world *w = *state;
    struct key key = key_customers(range_part(&w->source, 0), w->source.site);
    struct people people;
    struct buf err = {0}, record = {0};
    for (unsigned i = 0; i < CUSTOMERS; i++) {
        struct customer c = {.id = STR("anna")};
        char field[8];
        store_le64(field, (i + 2) * UINT64_C(0x9e3779b97f4a7c15));
        buf_clear(&record);
        assert_true(customer_add(&c, CROWD * CROWD + i) && customer_encode(&c, &record));
        set(w, &key, field, sizeof field, buf_str(&record));
    }
    w->pauses_most = 3;
    assert_int_equal(go(w, &people, &err), -1);
    assert_true(str_eq(buf_str(&err), STR("stopped")));
    assert_int_equal(w->persons, 0);
    w->pauses_most = 0;
    buf_clear(&err);
    assert_int_equal(go(w, &people, &err), 0);
    assert_int_equal(w->persons, CROWD + SCATTERED);
    assert_int_equal(people.damaged, DAMAGED);
    buf_fini(&err);
    buf_fini(&record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_once),
        cmocka_unit_test(test_ends_early),
        cmocka_unit_test(test_pass),
        cmocka_unit_test(test_background),
        cmocka_unit_test(test_customers_can_be_stopped),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
