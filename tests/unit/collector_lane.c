/* A lane where the directory's listing does not show everything at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>

#include "clock.h"
#include "journal_dir.h"
#include "lane.h"

enum { PARTITIONS = 2, SEGMENTS = 3, PER = 10 };

static const unsigned char producer[PRODUCER_BYTES] = "fingerprint";

/* Three segments of ten records, as an import leaves them. */
static void write_import(struct journal_dir *d)
{
    struct journal *j = journal_open(&(struct journal_opts){.dir = d->path,
                                                            .segment_bytes = 1,
                                                            .partitions = PARTITIONS,
                                                            .producer = producer,
                                                            .flags = JOURNAL_FLAG_IMPORT});
    assert_non_null(j);
    for (uint64_t seq = 1; seq <= SEGMENTS * PER; seq++) {
        assert_true(journal_stage(j, 0, 1, 3 * seq, STR("hit")));
        if (seq % PER == 0) assert_int_equal(journal_commit(j, clock_mono_ms()), 0);
    }
    journal_close(j);
}

static void list(struct lane *l, const struct journal_dir *d, const struct segment_name *name)
{
    char file[SEGMENT_NAME_BYTES];
    struct stat st;
    segment_name_format(name, file);
    assert_int_equal(fstatat(d->fd, file, &st, 0), 0);
    lane_list(l, name->first_seq, &st);
    lane_weigh(l);
}

/* Reads until there is nothing to read now; takes every record as the shipper does. */
static enum lane_result read_on(struct lane *l, int *records)
{
    struct record r;
    enum lane_result got;
    while ((got = lane_next(l, &r)) == LANE_RECORD || got == LANE_OPENED) {
        if (got == LANE_OPENED || r.seq <= l->slots[0].queued) continue;
        l->slots[0].queued = r.seq;
        ++*records;
    }
    return got;
}

static void an_import_is_read_on_only_when_nothing_can_hide(void **state)
{
    struct journal_dir d = journal_dir_new();
    struct segment_name name[SEGMENTS + 1];
    int records = 0;
    (void)state;
    write_import(&d);
    assert_int_equal(journal_dir_list(&d, name, SEGMENTS + 1), SEGMENTS);
    struct lane *l = lane_new(d.fd, producer, PARTITIONS);
    l->slots = calloc(PARTITIONS, sizeof *l->slots);
    list(l, &d, &name[0]);
    l->settled = true;
    lane_start(l);
    assert_int_equal(read_on(l, &records), LANE_END);
    assert_int_equal(records, PER);
    list(l, &d, &name[2]); /* the second one appeared behind the place that was being listed */
    l->settled = false;
    assert_int_equal(read_on(l, &records), LANE_WAIT);
    list(l, &d, &name[1]);
    l->settled = true;
    assert_int_equal(read_on(l, &records), LANE_END);
    assert_int_equal(records, SEGMENTS * PER);
    lane_free(l);
    journal_dir_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_import_is_read_on_only_when_nothing_can_hide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
