/* A producer's segments in journals and archives: everything once and in order, and what is missing
 * is noticed where it is, with the moment until which it may have come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>

#include "archive.h"
#include "clock.h"
#include "journal_dir.h"
#include "rebuild_files.h"

enum { PARTITIONS = 3, SEGMENTS = 4, PER = 9, ALL = SEGMENTS * PER };

static const unsigned char print[PRODUCER_BYTES] = "fingerprint";

struct world {
    struct journal_dir journal, archive;
    struct segment_name name[SEGMENTS + 1];
    struct rebuild_files files;
    struct buf err;
};

/* Partition 2 only in the first segment and the last one. */
static unsigned partition_of(unsigned i)
{
    return i < PER || i >= ALL - PER ? i % 3 : i % 2;
}

static void write_segments(struct world *w, bool import)
{
    struct journal *j = journal_open(&(struct journal_opts){.dir = w->journal.path,
                                                            .segment_bytes = 1,
                                                            .sync_ms = 1000,
                                                            .partitions = PARTITIONS,
                                                            .producer = import ? print : NULL,
                                                            .flags = import});
    for (unsigned i = 0; i < ALL; i++) {
        assert_true(journal_stage(j, partition_of(i), 2, import ? i + 1 : 0, STR("hit")));
        if (i % PER == PER - 1) assert_int_equal(journal_commit(j, clock_mono_ms()), 0);
    }
    journal_close(j);
    assert_int_equal(journal_dir_list(&w->journal, w->name, SEGMENTS + 1), SEGMENTS);
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    w->journal = journal_dir_new();
    w->archive = journal_dir_new();
    assert_int_equal(rebuild_files_init(&w->files, PARTITIONS), 0);
    assert_int_equal(rebuild_files_add_journal(&w->files, w->journal.path, &w->err), 0);
    assert_int_equal(rebuild_files_add_archive(&w->files, w->archive.path, &w->err), 0);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    rebuild_files_fini(&w->files);
    journal_dir_free(&w->journal);
    journal_dir_free(&w->archive);
    buf_fini(&w->err);
    free(w);
    return 0;
}

static void remove_segment(const struct world *w, unsigned i)
{
    char file[SEGMENT_NAME_BYTES];
    segment_name_format(&w->name[i], file);
    assert_int_equal(unlinkat(w->journal.fd, file, 0), 0);
}

static void archive_segment(struct world *w, unsigned i)
{
    struct archive *a = archive_open(&(struct archive_opts){.dir = w->archive.path});
    assert_non_null(a);
    assert_int_equal(archive_store(a, w->journal.fd, &w->name[i]), 0);
    archive_close(a);
}

/* Numbers of the records that a pass gives, which are taken when `take`. */
static unsigned read_pass(struct world *w, uint64_t *first, uint64_t *last, bool take)
{
    struct rebuild_lane *l;
    unsigned n = 0;
    assert_int_equal(rebuild_files_scan(&w->files, &w->err), 0);
    assert_int_equal(rebuild_files_begin(&w->files), 0);
    while (rebuild_files_next(&w->files, &l) == REBUILD_RECORD) {
        if (n++ == 0) *first = l->held.seq;
        *last = l->held.seq;
        rebuild_lane_pass(l, take);
    }
    return n;
}

static void everything_once_wherever_it_lies(void **state)
{
    struct world *w = *state;
    uint64_t first = 0, last = 0;
    write_segments(w, false);
    archive_segment(w, 0);
    archive_segment(w, 1); /* in both */
    remove_segment(w, 0);
    assert_int_equal(read_pass(w, &first, &last, true), ALL);
    assert_true(first == 1 && last == ALL);
    assert_int_equal(w->files.lane[0]->weight, 2 * ALL);
    for (unsigned p = 0; p < PARTITIONS; p++)
        assert_int_equal(w->files.coverage[p].holes, 0);
    assert_int_equal(read_pass(w, &first, &last, true), 0);
}

static void what_was_left_comes_again(void **state)
{
    struct world *w = *state;
    uint64_t first = 0, last = 0;
    write_segments(w, false);
    assert_int_equal(read_pass(w, &first, &last, false), ALL);
    assert_int_equal(read_pass(w, &first, &last, true), ALL);
    assert_int_equal(w->files.lane[0]->weight, 2 * ALL);
}

static void one_that_is_deleted_after_it_was_listed_is_still_read(void **state)
{
    struct world *w = *state;
    struct rebuild_lane *l;
    unsigned n = 0;
    write_segments(w, false);
    assert_int_equal(rebuild_files_scan(&w->files, &w->err), 0);
    for (unsigned i = 0; i < SEGMENTS; i++)
        remove_segment(w, i);
    assert_int_equal(rebuild_files_begin(&w->files), 0);
    for (; rebuild_files_next(&w->files, &l) == REBUILD_RECORD; n++)
        rebuild_lane_pass(l, true);
    assert_int_equal(n, ALL);
}

/* Segment 1 holds nothing of partition 2. */
static void a_hole_is_one_of_the_partitions_that_it_was_in(void **state)
{
    struct world *w = *state;
    uint64_t first = 0, last = 0;
    write_segments(w, false);
    remove_segment(w, 1);
    int64_t before_ms = clock_ms();
    assert_int_equal(read_pass(w, &first, &last, true), ALL - PER);
    for (unsigned p = 0; p < 2; p++) {
        assert_int_equal(w->files.coverage[p].holes, 1);
        assert_true(w->files.coverage[p].until_ms > before_ms - 60000);
        assert_true(w->files.coverage[p].until_ms <= before_ms);
    }
    assert_int_equal(w->files.coverage[2].holes, 0);
}

static void a_beginning_that_is_missing_is_a_hole(void **state)
{
    struct world *w = *state;
    uint64_t first = 0, last = 0;
    write_segments(w, false);
    remove_segment(w, 0);
    assert_int_equal(read_pass(w, &first, &last, true), ALL - PER);
    assert_int_equal(first, PER + 1);
    for (unsigned p = 0; p < PARTITIONS; p++)
        assert_int_equal(w->files.coverage[p].holes, 1);
}

static void lines_of_an_import_are_missed_by_their_numbers(void **state)
{
    struct world *w = *state;
    uint64_t first = 0, last = 0;
    write_segments(w, true);
    remove_segment(w, 1);
    assert_int_equal(read_pass(w, &first, &last, true), ALL - PER);
    assert_true(w->files.lane[0]->import);
    for (unsigned p = 0; p < PARTITIONS; p++) {
        assert_int_equal(w->files.coverage[p].holes, 1);
        assert_true(w->files.coverage[p].until_ms == INT64_MAX);
    }
}

static void a_journal_that_grows_is_read_on(void **state)
{
    struct world *w = *state;
    uint64_t first = 0, last = 0;
    struct journal *j = journal_open(&(struct journal_opts){.dir = w->journal.path,
                                                            .segment_bytes = 1 << 20,
                                                            .sync_ms = 1000,
                                                            .partitions = PARTITIONS});
    for (unsigned round = 1; round <= 3; round++) {
        assert_true(journal_stage(j, 0, 1, 0, STR("hit")));
        assert_int_equal(journal_commit(j, clock_mono_ms()), 0);
        assert_int_equal(read_pass(w, &first, &last, true), round); /* from its begin */
        assert_int_equal(last, round);
    }
    assert_int_equal(w->files.lane[0]->weight, 3);
    journal_close(j);
}

static void retention_leaves_a_trace(void **state)
{
    struct world *w = *state;
    write_segments(w, false);
    assert_int_equal(rebuild_files_forgotten_ms(&w->files), 0);
    for (unsigned i = 0; i < SEGMENTS; i++)
        archive_segment(w, i);
    int64_t now_ms = clock_ms();
    struct archive *a =
        archive_open(&(struct archive_opts){.dir = w->archive.path, .keep_ms = 1000});
    assert_int_equal(archive_prune(a, now_ms + 60000), SEGMENTS);
    archive_close(a);
    int64_t until_ms = rebuild_files_forgotten_ms(&w->files);
    assert_true(until_ms > now_ms - 60000 && until_ms <= now_ms);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(everything_once_wherever_it_lies),
        CASE(what_was_left_comes_again),
        CASE(one_that_is_deleted_after_it_was_listed_is_still_read),
        CASE(a_hole_is_one_of_the_partitions_that_it_was_in),
        CASE(a_beginning_that_is_missing_is_a_hole),
        CASE(lines_of_an_import_are_missed_by_their_numbers),
        CASE(a_journal_that_grows_is_read_on),
        CASE(retention_leaves_a_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
