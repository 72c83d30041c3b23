/* Refused hits become records of a real journal, each refusal in exactly one of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "hit.h"
#include "journal_read.h"
#include "tally.h"

enum { PARTITIONS = 8, KINDS_MAX = 64, SITES = 200 };
/* 2026-03-10 00:30 in Paris, 2026-03-09 23:30 UTC */
#define NOW_MS INT64_C(1773099000000)
enum { DAY_UTC = 20521, DAY_PARIS = 20522 };

struct world {
    char dir[64];
    struct journal *journal;
    struct tally *tally;
    struct sites *sites;
};

static int set_up(void **state)
{
    struct world *w = *state = calloc(1, sizeof *w);
    strcpy(w->dir, "/tmp/sentier-tally-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    w->journal = journal_open(&(struct journal_opts){
        .dir = w->dir, .segment_bytes = 1 << 20, .sync_ms = 0, .partitions = PARTITIONS});
    w->tally = tally_new(PARTITIONS);
    w->sites = sites_new();
    sites_add(w->sites, STR("paris"))->zone = sites_zone(w->sites, "Europe/Paris");
    for (int i = 0; i < SITES; i++) {
        char name[16];
        snprintf(name, sizeof name, "site%d", i);
        sites_add(w->sites, str_of(name))->zone = sites_zone(w->sites, "UTC");
    }
    sites_seal(w->sites);
    return w->journal == NULL || w->tally == NULL;
}

static void each_file(struct world *w, void (*f)(struct world *w, int dir_fd, const char *name))
{
    DIR *d = opendir(w->dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (e->d_name[0] != '.') f(w, dirfd(d), e->d_name);
    }
    closedir(d);
}

static void remove_file(struct world *w, int dir_fd, const char *name)
{
    (void)w;
    unlinkat(dir_fd, name, 0);
}

static int tear_down(void **state)
{
    struct world *w = *state;
    tally_free(w->tally);
    journal_close(w->journal);
    sites_free(w->sites);
    each_file(w, remove_file);
    rmdir(w->dir);
    free(w);
    return 0;
}

static struct {
    unsigned records, n, by_verdict[VERDICTS];
    uint32_t day;
    int64_t at_ms;
    char site[HIT_SITE_MAX_BYTES + 1];
} found; /* in the journal; day, time and site of the last record */

static void read_segment(struct world *w, int dir_fd, const char *file)
{
    struct segment_name name;
    struct record r;
    (void)w;
    assert_true(segment_name_parse(file, &name));
    struct segment_reader *reader = segment_open(dir_fd, &name);
    assert_non_null(reader);
    while (segment_next(reader, UINT64_MAX, &r) == SEGMENT_RECORD) {
        struct hit h;
        assert_true(hit_decode(r.payload, &h));
        assert_int_equal(h.kind, HIT_TALLY);
        assert_int_equal(r.weight, h.n);
        assert_int_equal(hit_weight(&h), h.n);
        assert_true(h.n > 0);
        found.records++;
        found.n += h.n;
        found.by_verdict[h.verdict] += h.n;
        found.day = h.day;
        found.at_ms = h.at_ms;
        snprintf(found.site, sizeof found.site, "%.*s", STR_ARG(h.site));
    }
    segment_close(reader);
}

static void read_all(struct world *w)
{
    memset(&found, 0, sizeof found);
    each_file(w, read_segment);
}

static void stage_and_store(struct world *w, int64_t now_ms, bool all)
{
    tally_stage(w->tally, w->journal, now_ms, all);
    bool stored = journal_commit(w->journal, 0) == 0;
    assert_true(stored);
    tally_stored(w->tally, stored);
}

static const struct site *site(struct world *w, const char *name)
{
    const struct site *s = sites_find(w->sites, str_of(name));
    assert_non_null(s);
    return s;
}

static void test_a_second_is_a_record(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 1000; i++)
        tally_add(w->tally, site(w, "paris"), V_BAD_NUMBER, NOW_MS + i % 1000);
    stage_and_store(w, NOW_MS + 999, false);
    assert_false(journal_staged(w->journal)); /* the second is not over */
    stage_and_store(w, NOW_MS + 1000, false);
    read_all(w);
    assert_int_equal(found.records, 1);
    assert_int_equal(found.by_verdict[V_BAD_NUMBER], 1000);
    assert_int_equal(found.at_ms, NOW_MS);
    assert_int_equal(found.day, DAY_PARIS);
    assert_string_equal(found.site, "paris");
    stage_and_store(w, NOW_MS + 9000, true);
    read_all(w);
    assert_int_equal(found.n, 1000); /* not again */
}

static void test_a_clock_set_back_holds_nothing_up(void **state)
{
    struct world *w = *state;
    tally_add(w->tally, site(w, "paris"), V_BAD_NUMBER, NOW_MS);
    stage_and_store(w, NOW_MS - 3600 * 1000, false);
    read_all(w);
    assert_int_equal(found.n, 1);
    assert_int_equal(found.at_ms, NOW_MS);
}

static void test_kinds_stay_apart(void **state)
{
    struct world *w = *state;
    tally_add(w->tally, NULL, V_UNKNOWN_SITE, NOW_MS);
    stage_and_store(w, NOW_MS, true);
    read_all(w);
    assert_string_equal(found.site, TALLY_NO_SITE);
    assert_int_equal(found.day, DAY_UTC);

    tally_add(w->tally, site(w, "paris"), V_BAD_PAGE, NOW_MS);
    tally_add(w->tally, site(w, "paris"), V_BAD_KIND, NOW_MS);
    tally_add(w->tally, site(w, "site7"), V_BAD_KIND, NOW_MS);
    tally_add(w->tally, site(w, "site7"), V_BAD_KIND, NOW_MS + 1000);
    stage_and_store(w, NOW_MS, true);
    read_all(w);
    assert_int_equal(found.records, 5);
    assert_int_equal(found.by_verdict[V_BAD_KIND], 3);
}

static void test_a_failed_commit_loses_none(void **state)
{
    struct world *w = *state;
    tally_add(w->tally, site(w, "paris"), V_TOO_LONG, NOW_MS);
    tally_stage(w->tally, w->journal, NOW_MS, true);
    assert_true(journal_staged(w->journal));
    tally_add(w->tally, site(w, "paris"), V_TOO_LONG, NOW_MS); /* while that commit runs */
    tally_stage(w->tally, w->journal, NOW_MS, true);           /* not staged twice */
    assert_int_equal(journal_commit(w->journal, 0), 0);
    tally_stored(w->tally, true);
    read_all(w);
    assert_int_equal(found.n, 1);
    stage_and_store(w, NOW_MS, true);
    read_all(w);
    assert_int_equal(found.n, 2);

    /* A journal that cannot store: it refuses for want of space, and forgets what was staged. */
    struct journal *full = journal_open(&(struct journal_opts){.dir = w->dir,
                                                               .segment_bytes = 1 << 20,
                                                               .reserve_bytes = INT64_MAX,
                                                               .partitions = PARTITIONS});
    tally_add(w->tally, site(w, "paris"), V_TOO_LONG, NOW_MS);
    tally_stage(w->tally, full, NOW_MS, true);
    assert_int_equal(journal_commit(full, 0), -1);
    tally_stored(w->tally, false);
    journal_close(full);
    stage_and_store(w, NOW_MS, true);
    read_all(w);
    assert_int_equal(found.n, 3);
}

/* A flood of sites, verdicts and seconds: the table is bounded, and every refusal is in it. */
static void test_flood(void **state)
{
    struct world *w = *state;
    unsigned want[VERDICTS] = {0}, sum = 0;
    for (int second = 0; second < 3; second++) {
        for (int i = 0; i < SITES; i++) {
            char name[16];
            snprintf(name, sizeof name, "site%d", i);
            for (enum verdict v = V_COUNTED + 1; v < VERDICTS; v++) {
                tally_add(w->tally, site(w, name), v, NOW_MS + 1000 * second);
                want[v]++;
                sum++;
            }
        }
        if (second == 1) stage_and_store(w, NOW_MS + 1000 * second, false);
    }
    stage_and_store(w, NOW_MS, true);
    read_all(w);
    assert_memory_equal(found.by_verdict, want, sizeof want);
    assert_int_equal(found.n, sum);
    assert_true(found.records < 3 * KINDS_MAX * VERDICTS);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(test_a_second_is_a_record),
        IN_WORLD(test_a_clock_set_back_holds_nothing_up),
        IN_WORLD(test_kinds_stay_apart),
        IN_WORLD(test_a_failed_commit_loses_none),
        IN_WORLD(test_flood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
