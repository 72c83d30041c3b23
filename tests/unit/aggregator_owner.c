/* owner.c with a Redis of its own: what is published, when, and through what mishaps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <poll.h>
#include <stdatomic.h>

#include "clock.h"
#include "documents.h"
#include "keys.h"
#include "owner.h"
#include "range.h"
#include "redis_server.h"
#include "sitestate.h"
#include "zone.h"

enum { PARTITIONS = 8, WITHIN_MS = 20000, SUMMARY_MS = 20 };

static struct world {
    struct redis_server server;
    char conf_file[80];
    struct sites *sites;
    uint32_t today;
} w;

/* ---- the world ---- */

static void pause_briefly(void)
{
    poll(NULL, 0, 2);
}

static struct sites *sites_of(const char *text)
{
    static const struct conf_section sections[] = {{.name = NULL}};
    struct buf err = {0};
    struct sites *sites;
    FILE *f = fopen(w.conf_file, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    if (conf_load(w.conf_file, sections, &sites, &err) < 0)
        fail_msg("%.*s", STR_ARG(buf_str(&err)));
    buf_fini(&err);
    return sites;
}

static int set_up(void **state)
{
    (void)state;
    redis_server_new(&w.server);
    snprintf(w.conf_file, sizeof w.conf_file, "%s/sites.conf", w.server.dir);
    w.sites = sites_of("[site shop]\ntime_zone = Europe/Paris\n"
                       "[site wide]\nspread = 3\n[site old]\ntime_zone = UTC\n");
    struct zone *paris = zone_new("Europe/Paris");
    w.today = zone_day(paris, clock_ms());
    zone_free(paris);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sites_free(w.sites);
    redis_server_free(&w.server);
    return 0;
}

static int empty_redis(void **state)
{
    (void)state;
    freeReplyObject(redisCommand(w.server.redis, "FLUSHALL"));
    return 0;
}

static struct owner *new_owner(void)
{
    struct owner_opts opts = {.redis = &w.server.conf,
                              .partitions = PARTITIONS,
                              .summary_ms = SUMMARY_MS,
                              .late_after_h = 72};
    struct owner *o = owner_new(&opts);
    assert_non_null(o);
    assert_int_equal(owner_set_sites(o, w.sites), 0);
    return o;
}

static unsigned home(const char *site)
{
    return key_home(str_of(site), PARTITIONS);
}

/* ---- what the fold would have stored ---- */

static void put_state(unsigned part, const char *site, uint32_t first, uint32_t last, bool live)
{
    struct sitestate s;
    struct buf value = {0};
    struct key key = key_sites(part);
    sitestate_init(&s, str_of(site));
    s.first_day = first;
    s.last_day = last;
    if (live)
        s.watermark_ms = clock_ms();
    else
        s.imported_ms = (int64_t)last * DAY_MS;
    assert_true(sitestate_encode(&s, &value));
    freeReplyObject(
        redisCommand(w.server.redis, "HSET %b %s %b", key.p, key.n, site, value.p, value.n));
    buf_fini(&value);
}

static void put_row(unsigned part, const char *site, uint32_t day, const char *name, int64_t views)
{
    struct row row = {0};
    struct buf value = {0};
    struct key key = key_day(part, str_of(site), day);
    row_add(&row, COL_VIEWS, views);
    assert_true(row_encode(&row, &value));
    freeReplyObject(
        redisCommand(w.server.redis, "HSET %b %s %b", key.p, key.n, name, value.p, value.n));
    row_fini(&row);
    buf_fini(&value);
}

static void put_views(const char *site, uint32_t day, int64_t views)
{
    put_state(home(site), site, w.today - 40, w.today, true);
    put_row(home(site), site, day, "T", views);
}

static void commit(unsigned part, const char *id)
{
    struct key key = key_commit(part);
    freeReplyObject(redisCommand(w.server.redis, "HSET %b id %s", key.p, key.n, id));
}

/* ---- what is published ---- */

static json_t *summary(const char *site, const char *range)
{
    struct key key = key_summary(str_of(site), str_of(range));
    redisReply *r = redisCommand(w.server.redis, "GET %b", key.p, key.n);
    assert_non_null(r);
    json_t *doc = r->type == REDIS_REPLY_STRING ? json_loadb(r->str, r->len, 0, NULL) : NULL;
    freeReplyObject(r);
    return doc;
}

/* -1: there is no such summary. */
static int64_t views(const char *site, const char *range)
{
    json_t *doc = summary(site, range);
    int64_t n = doc == NULL
                    ? -1
                    : json_integer_value(json_object_get(json_object_get(doc, "totals"), "views"));
    json_decref(doc);
    return n;
}

static void await_views(const char *site, const char *range, int64_t want)
{
    int64_t until = clock_mono_ms() + WITHIN_MS, got;
    while ((got = views(site, range)) != want && clock_mono_ms() < until)
        pause_briefly();
    assert_int_equal(got, want);
}

static void await_idle(const struct owner *o)
{
    struct owner_stats s;
    int64_t until = clock_mono_ms() + WITHIN_MS;
    do {
        pause_briefly();
        owner_stats(o, &s);
    } while ((s.dirty > 0 || !s.redis_up) && clock_mono_ms() < until);
    assert_int_equal(s.dirty, 0);
}

/* ---- tests ---- */

static void each_range_has_its_days(void **state)
{
    (void)state;
    static const struct {
        uint32_t ago;
        int64_t views;
    } days[] = {{0, 1}, {1, 10}, {6, 100}, {7, 1000}, {27, 10000}, {28, 100000}};
    for (size_t i = 0; i < sizeof days / sizeof *days; i++)
        put_views("shop", w.today - days[i].ago, days[i].views);
    struct owner *o = new_owner();
    owner_set_home(o, home("shop"), true);
    await_views("shop", "today", 1);
    await_views("shop", "7d", 111);
    await_views("shop", "28d", 11111);
    json_t *doc = summary("shop", "28d");
    char from[DATE_TEXT_BYTES], to[DATE_TEXT_BYTES];
    date_format(w.today - 27, from);
    date_format(w.today, to);
    assert_string_equal(json_string_value(json_object_get(doc, "from")), from);
    assert_string_equal(json_string_value(json_object_get(doc, "to")), to);
    assert_string_equal(json_string_value(json_object_get(doc, "time_zone")), "Europe/Paris");
    assert_string_equal(json_string_value(json_object_get(doc, "range")), "28d");
    json_decref(doc);
    owner_free(o);
}

/* Pages of merged days: after a touch, after a day that was not there, and over many refreshes. */
static int64_t page_views(const char *range)
{
    json_t *doc = summary("shop", range);
    json_t *first = json_array_get(json_object_get(doc, "pages"), 0);
    int64_t n = doc == NULL ? -1 : json_integer_value(json_object_get(first, "views"));
    json_decref(doc);
    return n;
}

static void await_page_views(const char *range, int64_t want)
{
    int64_t until = clock_mono_ms() + WITHIN_MS, got;
    while ((got = page_views(range)) != want && clock_mono_ms() < until)
        pause_briefly();
    assert_int_equal(got, want);
}

static void put_page(uint32_t ago, int64_t n)
{
    put_views("shop", w.today - ago, n);
    put_row(home("shop"), "shop", w.today - ago, "p12345678", n);
}

static void merged_days_stay_true(void **state)
{
    (void)state;
    put_page(0, 1);
    put_page(3, 10);
    put_page(20, 100);
    struct owner *o = new_owner();
    owner_set_home(o, home("shop"), true);
    await_page_views("28d", 111);
    await_page_views("7d", 11);
    for (int64_t n = 2; n <= 4; n++) {
        put_page(0, n);
        owner_mark_dirty(o, STR("shop"), w.today);
        await_page_views("28d", 110 + n);
        await_page_views("7d", 10 + n);
    }
    put_page(1, 1000); /* hot, but not today */
    owner_mark_dirty(o, STR("shop"), w.today - 1);
    await_page_views("7d", 1014);
    put_page(20, 200);
    put_page(25, 10000); /* the first of its day */
    owner_mark_dirty(o, STR("shop"), w.today - 20);
    owner_mark_dirty(o, STR("shop"), w.today - 25);
    await_page_views("28d", 11214);
    await_views("shop", "28d", 11214);
    assert_int_equal(page_views("today"), 4);
    owner_free(o);
}

static void a_touched_day_is_read_again_and_only_that(void **state)
{
    (void)state;
    put_views("shop", w.today, 1);
    put_views("shop", w.today - 3, 10);
    struct owner *o = new_owner();
    owner_set_home(o, home("shop"), true);
    await_views("shop", "28d", 11);
    put_views("shop", w.today, 2);
    put_views("shop", w.today - 3, 20); /* nobody says so: what was read stays */
    owner_mark_dirty(o, STR("shop"), w.today);
    await_views("shop", "28d", 12);
    owner_mark_dirty(o, STR("shop"), w.today - 3);
    await_views("shop", "28d", 22);
    await_views("shop", "today", 2);
    owner_free(o);
}

static void only_the_holder_of_the_home_publishes(void **state)
{
    (void)state;
    put_views("shop", w.today, 5);
    struct owner *o = new_owner();
    owner_set_home(o, (home("shop") + 1) % PARTITIONS, true);
    owner_mark_dirty(o, STR("shop"), w.today);
    owner_mark_dirty(o, STR("nobody"), w.today);
    owner_set_home(o, home("shop"), true);
    await_views("shop", "today", 5);
    owner_set_home(o, home("shop"), false);
    put_views("shop", w.today, 6); /* another process folds and publishes now */
    owner_mark_dirty(o, STR("shop"), w.today);
    await_idle(o);
    assert_int_equal(views("shop", "today"), 5);
    owner_set_home(o, home("shop"), true);
    await_views("shop", "today", 6); /* without a mark: it knows that it knows nothing */
    owner_free(o);
}

static void other_partitions_of_a_site_are_watched(void **state)
{
    (void)state;
    unsigned far = (home("wide") + 2) % PARTITIONS;
    uint32_t day = w.today - 2;
    put_views("wide", w.today - 1, 1);
    put_state(far, "wide", w.today - 9, w.today, true);
    put_row(far, "wide", day, "T", 10);
    commit(far, "one");
    struct owner *o = new_owner();
    owner_set_home(o, home("wide"), true);
    await_views("wide", "7d", 11);
    put_row(far, "wide", day, "T", 20);
    commit(far, "two");
    await_views("wide", "7d", 21);
    put_row(far, "wide", day, "L", 1); /* the ledger alone moves a day, too */
    put_row(far, "wide", day, "pPAGEPAGE", 7);
    commit(far, "three");
    int64_t until = clock_mono_ms() + WITHIN_MS;
    size_t pages = 0;
    while (pages == 0 && clock_mono_ms() < until) {
        json_t *doc = summary("wide", "7d");
        pages = json_array_size(json_object_get(doc, "pages"));
        json_decref(doc);
    }
    assert_int_equal(pages, 1);
    owner_free(o);
}

static void old_logs_end_at_their_newest_day(void **state)
{
    (void)state;
    put_state(home("old"), "old", 16000, 16010, false);
    put_row(home("old"), "old", 16010, "T", 3);
    put_row(home("old"), "old", 16009, "T", 4);
    struct owner *o = new_owner();
    owner_set_home(o, home("old"), true);
    await_views("old", "today", 3);
    await_views("old", "7d", 7);
    json_t *doc = summary("old", "today");
    assert_string_equal(json_string_value(json_object_get(doc, "to")), "2013-11-01");
    json_decref(doc);
    owner_free(o);
}

static void it_pauses_between_refreshes(void **state)
{
    (void)state;
    enum { REFRESHES = 8 };
    put_views("shop", w.today, 1);
    struct owner *o = new_owner();
    struct owner_stats s;
    int64_t start = clock_mono_ms(), until = start + WITHIN_MS;
    owner_set_home(o, home("shop"), true);
    do {
        owner_mark_dirty(o, STR("shop"), w.today);
        owner_stats(o, &s);
    } while (s.refreshes < REFRESHES && clock_mono_ms() < until);
    assert_in_range(s.refreshes, REFRESHES, REFRESHES + 1);
    assert_true(clock_mono_ms() - start >= (REFRESHES - 1) * SUMMARY_MS);
    owner_free(o);
}

static void lost_marks_cost_time_not_truth(void **state)
{
    (void)state;
    put_views("shop", w.today - 5, 1);
    struct owner *o = new_owner();
    owner_set_home(o, home("shop"), true);
    await_views("shop", "28d", 1);
    await_idle(o);
    put_views("shop", w.today - 5, 2);
    /* The owner's thread hangs in a question, and the pipe runs full. */
    freeReplyObject(redisCommand(w.server.redis, "CLIENT PAUSE 500 ALL"));
    owner_mark_dirty(o, STR("shop"), w.today);
    for (int64_t hangs_ms = clock_mono_ms() + 3 * SUMMARY_MS; clock_mono_ms() < hangs_ms;)
        pause_briefly();
    for (int i = 0; i < 5000; i++)
        owner_mark_dirty(o, STR("shop"), w.today);
    owner_mark_dirty(o, STR("shop"), w.today - 5);
    await_views("shop", "28d", 2);
    owner_free(o);
}

static void a_dead_redis_is_found_again(void **state)
{
    (void)state;
    put_views("shop", w.today, 1);
    struct owner *o = new_owner();
    owner_set_home(o, home("shop"), true);
    await_views("shop", "today", 1);
    redis_server_kill(&w.server);
    owner_mark_dirty(o, STR("shop"), w.today);
    redis_server_start(&w.server);
    put_views("shop", w.today, 2);
    owner_mark_dirty(o, STR("shop"), w.today);
    await_views("shop", "today", 2);
    owner_free(o);
}

static void the_last_changes_are_published_at_the_end(void **state)
{
    (void)state;
    put_views("shop", w.today, 1);
    struct owner *o = new_owner();
    owner_set_home(o, home("shop"), true);
    await_views("shop", "today", 1);
    put_views("shop", w.today, 2);
    owner_mark_dirty(o, STR("shop"), w.today);
    owner_free(o);
    assert_int_equal(views("shop", "today"), 2);
}

static void sites_come_go_and_change(void **state)
{
    (void)state;
    put_views("shop", w.today, 1);
    put_views("young", w.today, 4);
    struct owner *o = new_owner();
    for (unsigned part = 0; part < PARTITIONS; part++)
        owner_set_home(o, part, true);
    await_views("shop", "today", 1);
    assert_int_equal(views("young", "today"), -1);
    struct sites *sites = sites_of("[site young]\ntime_zone = Asia/Tokyo\n");
    assert_int_equal(owner_set_sites(o, sites), 0);
    sites_free(sites);
    await_views("young", "28d", 4);
    put_views("shop", w.today, 2);
    owner_mark_dirty(o, STR("shop"), w.today);
    await_idle(o);
    assert_int_equal(views("shop", "today"), 1); /* its summaries stay as they were */
    assert_int_equal(owner_set_sites(o, w.sites), 0);
    await_views("shop", "today", 2);
    owner_free(o);
}

/* ---- documents ---- */

static struct {
    atomic_int each, daily, broken; /* how often each was asked for */
    atomic_bool works;
    atomic_uint end, event_day;
} made;

static json_t *make_each(const struct document_site *s, struct buf *err)
{
    (void)err;
    atomic_store(&made.end, s->end);
    atomic_store(&made.event_day, s->event_day);
    return json_pack("{s:i}", "n", atomic_fetch_add(&made.each, 1) + 1);
}

static json_t *make_daily(const struct document_site *s, struct buf *err)
{
    (void)s, (void)err;
    return json_pack("{s:i}", "n", atomic_fetch_add(&made.daily, 1) + 1);
}

static json_t *make_broken(const struct document_site *s, struct buf *err)
{
    (void)s;
    atomic_fetch_add(&made.broken, 1);
    if (atomic_load(&made.works)) return json_pack("{s:i}", "n", 1);
    buf_printf(err, "not today");
    return NULL;
}

static const struct document some_documents[] = {
    {"broken", DOCUMENT_ON_CHANGE, make_broken},
    {"each", DOCUMENT_ON_CHANGE, make_each},
    {"daily", DOCUMENT_ONCE_A_DAY, make_daily},
    {0},
};

static struct owner *new_documents_owner(void)
{
    struct owner_opts opts = {.redis = &w.server.conf,
                              .partitions = PARTITIONS,
                              .summary_ms = SUMMARY_MS,
                              .documents = some_documents};
    memset(&made, 0, sizeof made);
    struct owner *o = owner_new(&opts);
    assert_non_null(o);
    assert_int_equal(owner_set_sites(o, w.sites), 0);
    return o;
}

static int64_t number_in(const char *name, const char *site)
{
    struct key key = key_document(str_of(name), str_of(site));
    redisReply *r = redisCommand(w.server.redis, "GET %b", key.p, key.n);
    assert_non_null(r);
    json_t *doc = r->type == REDIS_REPLY_STRING ? json_loadb(r->str, r->len, 0, NULL) : NULL;
    int64_t n = doc == NULL ? -1 : json_integer_value(json_object_get(doc, "n"));
    json_decref(doc);
    freeReplyObject(r);
    return n;
}

static void await_count(atomic_int *count, int least)
{
    int64_t until = clock_mono_ms() + WITHIN_MS;
    while (atomic_load(count) < least && clock_mono_ms() < until)
        pause_briefly();
    assert_true(atomic_load(count) >= least);
}

static void documents_come_with_changes_or_once_a_day(void **state)
{
    (void)state;
    put_state(home("old"), "old", 16000, 16010, false);
    struct owner *o = new_documents_owner();
    atomic_store(&made.works, true);
    owner_set_home(o, home("old"), true);
    await_count(&made.daily, 1);
    await_idle(o);
    assert_int_equal(atomic_load(&made.end), 16010);
    assert_int_equal(atomic_load(&made.event_day), 16010);
    for (int n = 1; n <= 3; n++) {
        int before = atomic_load(&made.each);
        owner_mark_dirty(o, STR("old"), 16010);
        await_count(&made.each, before + 1);
        await_idle(o);
        assert_int_equal(number_in("each", "old"), atomic_load(&made.each));
    }
    assert_int_equal(atomic_load(&made.daily), 1);
    put_state(home("old"), "old", 16000, 16011, false); /* a hit of another day */
    owner_mark_dirty(o, STR("old"), 16011);
    await_count(&made.daily, 2);
    await_idle(o);
    assert_int_equal(number_in("daily", "old"), 2);
    assert_int_equal(views("old", "today"), -1); /* summaries are another owner's */
    owner_free(o);
}

static void a_document_that_fails_keeps_none_of_the_others(void **state)
{
    (void)state;
    put_views("shop", w.today, 1);
    struct owner *o = new_documents_owner();
    owner_set_home(o, home("shop"), true);
    await_count(&made.broken, 3); /* tried again and again */
    assert_true(number_in("each", "shop") >= 2);
    assert_int_equal(number_in("daily", "shop"), 1);
    assert_int_equal(number_in("broken", "shop"), -1);
    atomic_store(&made.works, true);
    await_idle(o);
    assert_int_equal(number_in("broken", "shop"), 1);
    owner_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_range_has_its_days, empty_redis),
        cmocka_unit_test_setup(a_touched_day_is_read_again_and_only_that, empty_redis),
        cmocka_unit_test_setup(merged_days_stay_true, empty_redis),
        cmocka_unit_test_setup(only_the_holder_of_the_home_publishes, empty_redis),
        cmocka_unit_test_setup(other_partitions_of_a_site_are_watched, empty_redis),
        cmocka_unit_test_setup(old_logs_end_at_their_newest_day, empty_redis),
        cmocka_unit_test_setup(it_pauses_between_refreshes, empty_redis),
        cmocka_unit_test_setup(lost_marks_cost_time_not_truth, empty_redis),
        cmocka_unit_test_setup(a_dead_redis_is_found_again, empty_redis),
        cmocka_unit_test_setup(the_last_changes_are_published_at_the_end, empty_redis),
        cmocka_unit_test_setup(sites_come_go_and_change, empty_redis),
        cmocka_unit_test_setup(documents_come_with_changes_or_once_a_day, empty_redis),
        cmocka_unit_test_setup(a_document_that_fails_keeps_none_of_the_others, empty_redis),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
