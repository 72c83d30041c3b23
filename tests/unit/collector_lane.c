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

/* The directory was listed between the birth of a segment and its first commit. */
static void a_live_segment_is_weighed_as_soon_as_it_is_committed(void **state)
{
    struct journal_dir d = journal_dir_new();
    struct segment_name name;
    struct journal_point point;
    (void)state;
    struct journal *j = journal_open(
        &(struct journal_opts){.dir = d.path, .segment_bytes = 1 << 20, .partitions = PARTITIONS});
    assert_non_null(j);
    assert_true(journal_stage(j, 1, 7, 0, STR("hits")));
    assert_int_equal(journal_commit(j, clock_mono_ms()), 0);
    assert_int_equal(journal_dir_list(&d, &name, 1), 1);
    journal_mark_read(journal_mark(j), &point);
    struct journal_point born = point;
    born.committed = born.weight = 0;
    struct lane *l = lane_new(d.fd, name.producer, PARTITIONS);
    lane_point(l, &born);
    list(l, &d, &name);
    assert_int_equal(lane_total(l), 0);
    lane_point(l, &point);
    assert_int_equal(lane_total(l), 7);
    assert_int_equal(lane_pending(l), 7);
    lane_free(l);
    journal_close(j);
    journal_dir_free(&d);
}

static void flip(struct journal_dir *d, const struct segment_name *name, off_t at)
{
    char file[SEGMENT_NAME_BYTES], byte;
    segment_name_format(name, file);
    int fd = openat(d->fd, file, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

/* Three segments of ten records of weight 2, by a worker that has ended. */
static void write_worker(struct journal_dir *d)
{
    struct journal *j = journal_open(
        &(struct journal_opts){.dir = d->path, .segment_bytes = 1, .partitions = PARTITIONS});
    assert_non_null(j);
    for (int n = 1; n <= SEGMENTS * PER; n++) {
        assert_true(journal_stage(j, (unsigned)n % PARTITIONS, 2, 0, STR("hit")));
        if (n % PER == 0) assert_int_equal(journal_commit(j, clock_mono_ms()), 0);
    }
    journal_close(j);
}

/* `gone`: segments that were deleted before; `bad`: the one whose head is damaged. */
static void a_lost_head_costs_no_weight(void **state)
{
    (void)state;
    for (int gone = 0; gone < SEGMENTS; gone++) {
        for (int bad = gone; bad < SEGMENTS; bad++) {
            struct journal_dir d = journal_dir_new();
            struct segment_name name[SEGMENTS];
            write_worker(&d);
            assert_int_equal(journal_dir_list(&d, name, SEGMENTS), SEGMENTS);
            flip(&d, &name[bad], 40);
            struct lane *l = lane_new(d.fd, name[0].producer, PARTITIONS);
            for (int i = gone; i < SEGMENTS; i++)
                list(l, &d, &name[i]);
            assert_int_equal(lane_total(l), 2 * PER * (SEGMENTS - gone));
            bool guessed = gone == SEGMENTS - 1; /* by numbers: one hit each, at least */
            assert_int_equal(lane_before(l), (guessed ? 1 : 2) * PER * gone);
            lane_free(l);
            journal_dir_free(&d);
        }
    }
}

/* Redis has seen the first `seen` records; the first segment is gone, the next one's head is lost.
 */
static void a_hole_before_a_lost_head_shows(void **state)
{
    static const struct {
        uint64_t seen[PARTITIONS], hole;
    } cases[] = {
        {{10, 9}, 0},  /* all that is gone */
        {{14, 13}, 0}, /* and more */
        {{10, 0}, 0},  /* nobody can tell: what came right before it is there */
        {{8, 9}, 10},  /* the last one that is gone is missing */
        {{0, 0}, 10},
    };
    struct journal_dir d = journal_dir_new();
    struct segment_name name[SEGMENTS];
    struct record r;
    (void)state;
    write_worker(&d);
    assert_int_equal(journal_dir_list(&d, name, SEGMENTS), SEGMENTS);
    flip(&d, &name[1], 70);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lane *l = lane_new(d.fd, name[1].producer, PARTITIONS);
        l->slots = calloc(PARTITIONS, sizeof *l->slots);
        list(l, &d, &name[1]);
        list(l, &d, &name[2]);
        for (unsigned p = 0; p < PARTITIONS; p++)
            l->slots[p].queued = cases[i].seen[p];
        lane_start(l);
        assert_int_equal(lane_next(l, &r), LANE_OPENED);
        for (unsigned p = 0; p < PARTITIONS; p++)
            assert_int_equal(lane_hole(l, p), cases[i].hole);
        assert_int_equal(lane_next(l, &r), LANE_RECORD);
        assert_int_equal(r.seq, PER + 1);
        lane_free(l);
    }
    journal_dir_free(&d);
}

/* As the shipper does, with a stream of partition 1 that takes `room` records. */
static int take_all(struct lane *l, int room, int *read)
{
    struct record r;
    enum lane_result got;
    int taken = 0;
    while ((got = lane_next(l, &r)) == LANE_RECORD || got == LANE_OPENED) {
        if (got == LANE_OPENED) continue;
        struct slot *s = &l->slots[r.partition];
        ++*read;
        if (r.seq <= s->queued) continue;
        if (s->behind || (r.partition == 1 && taken == room)) {
            lane_fall_behind(l, &r);
            continue;
        }
        taken += r.partition == 1;
        s->queued = s->sent = s->acked = r.seq;
        lane_sent(l, &r);
    }
    assert_int_equal(got, LANE_END);
    return taken;
}

/* A backlog of one partition that goes in small pieces: each piece costs what lies between its
 * records, not the rest of the backlog; and what is pending is known all the time. */
static void a_rewind_reads_no_more_than_can_be_taken(void **state)
{
    enum { ROOM = 4, MINE = SEGMENTS * PER / PARTITIONS };
    struct journal_dir d = journal_dir_new();
    struct segment_name name[SEGMENTS];
    int read = 0;
    (void)state;
    write_worker(&d);
    assert_int_equal(journal_dir_list(&d, name, SEGMENTS), SEGMENTS);
    struct lane *l = lane_new(d.fd, name[0].producer, PARTITIONS);
    for (int i = 0; i < SEGMENTS; i++)
        list(l, &d, &name[i]);
    l->slots = calloc(PARTITIONS, sizeof *l->slots);
    lane_start(l);
    int left = MINE - take_all(l, ROOM, &read);
    assert_int_equal(read, SEGMENTS * PER);
    assert_int_equal(lane_pending(l), 2 * left);
    assert_false(lane_mark_shipped(l) && l->seg[0].shipped);
    while (left > 0) {
        int room = left < ROOM ? left : ROOM;
        read = 0;
        lane_rewind(l, 1);
        assert_int_equal(lane_pending(l), 2 * left);
        assert_int_equal(take_all(l, ROOM, &read), room);
        assert_true(read <= PARTITIONS * (ROOM + 1));
        left -= room;
        assert_int_equal(lane_pending(l), 2 * left);
        assert_int_equal(l->behind, left > 0);
    }
    lane_mark_shipped(l);
    for (int i = 0; i < SEGMENTS; i++)
        assert_true(l->seg[i].shipped);
    lane_done(l);
    lane_free(l);
    journal_dir_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rewind_reads_no_more_than_can_be_taken),
        cmocka_unit_test(an_import_is_read_on_only_when_nothing_can_hide),
        cmocka_unit_test(a_live_segment_is_weighed_as_soon_as_it_is_committed),
        cmocka_unit_test(a_lost_head_costs_no_weight),
        cmocka_unit_test(a_hole_before_a_lost_head_shows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
