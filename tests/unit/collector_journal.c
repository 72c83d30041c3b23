/* The journal as a writer: what commit answered with yes is in the files, what it answered with no
 * is not, and no sequence number of a producer ever stands for two records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "clock.h"
#include "journal.h"
#include "journal_dir.h"

enum { PARTITIONS = 4, SEGMENTS_MAX = 256 };

struct world {
    struct journal_dir dir;
    struct journal_opts opts;
    struct journal *j;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    w->dir = journal_dir_new();
    w->opts = (struct journal_opts){
        .dir = w->dir.path, .segment_bytes = 1 << 20, .sync_ms = 1000, .partitions = PARTITIONS};
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    journal_close(w->j);
    journal_dir_free(&w->dir);
    free(w);
    return 0;
}

static void reopen(struct world *w)
{
    journal_close(w->j);
    w->j = journal_open(&w->opts);
    assert_non_null(w->j);
}

/* Stages n records with the running numbers from `first` as text. */
static void stage(struct world *w, int first, int n)
{
    for (int i = first; i < first + n; i++) {
        char text[32];
        int len = snprintf(text, sizeof text, "record %d", i);
        assert_true(journal_stage(w->j, (unsigned)i % PARTITIONS, 1 + (unsigned)i % 3, 0,
                                  (struct str){text, (size_t)len}));
    }
}

static int commit(struct world *w)
{
    return journal_commit(w->j, clock_mono_ms());
}

struct found {
    int records, producers, segments;
    uint64_t weight, damaged;
    char texts[4096]; /* "1 2 3 ..." in order of files and records */
};

/* Reads every file, checks chain and weights of each against the one before. */
static struct found read_all(struct world *w)
{
    struct segment_name name[SEGMENTS_MAX];
    struct found f = {0};
    uint64_t last[PARTITIONS] = {0}, weight = 0, seq = 0;
    f.segments = journal_dir_list(&w->dir, name, SEGMENTS_MAX);
    for (int i = 0; i < f.segments; i++) {
        bool same = i > 0 && memcmp(name[i].producer, name[i - 1].producer, PRODUCER_BYTES) == 0;
        struct segment_reader *r = segment_open(w->dir.fd, &name[i]);
        struct record rec;
        assert_non_null(r);
        if (!same) {
            memset(last, 0, sizeof last);
            weight = seq = 0;
            f.producers++;
        }
        assert_int_equal(segment_weight_before(r), weight);
        assert_int_equal(segment_partitions(r), PARTITIONS);
        for (unsigned p = 0; p < PARTITIONS; p++)
            assert_int_equal(segment_last(r, p), last[p]);
        while (segment_next(r, UINT64_MAX, &rec) == SEGMENT_RECORD) {
            assert_true(rec.seq > seq && rec.seq >= name[i].first_seq);
            assert_int_equal(rec.prev, last[rec.partition]);
            seq = last[rec.partition] = rec.seq;
            weight += rec.weight;
            f.weight += rec.weight;
            f.records++;
            size_t n = strlen(f.texts);
            snprintf(f.texts + n, sizeof f.texts - n, "%.*s ", (int)rec.payload.n - 7,
                     rec.payload.p + 7);
        }
        f.damaged += segment_damaged_bytes(r);
        segment_close(r);
    }
    return f;
}

static void stores_what_is_committed(void **state)
{
    struct world *w = *state;
    reopen(w);
    assert_int_equal(read_all(w).segments, 0); /* nothing until the first commit */
    assert_int_equal(commit(w), 0);
    stage(w, 1, 5);
    assert_true(journal_staged(w->j));
    assert_int_equal(read_all(w).records, 0);
    assert_int_equal(commit(w), 0);
    assert_false(journal_staged(w->j));
    struct found f = read_all(w);
    assert_string_equal(f.texts, "1 2 3 4 5 ");
    assert_int_equal(journal_weight(w->j), f.weight);
    stage(w, 6, 1);
    reopen(w); /* what was staged and not committed is gone */
    assert_string_equal(read_all(w).texts, "1 2 3 4 5 ");
}

static void each_open_is_a_new_producer(void **state)
{
    struct world *w = *state;
    unsigned char before[20][PRODUCER_BYTES];
    for (int i = 0; i < 20; i++) {
        reopen(w);
        stage(w, i, 1);
        assert_int_equal(commit(w), 0);
        memcpy(before[i], journal_producer(w->j), PRODUCER_BYTES);
        for (int k = 0; k < i; k++)
            assert_memory_not_equal(before[k], before[i], PRODUCER_BYTES);
    }
    assert_int_equal(read_all(w).producers, 20);
}

static void full_segments_are_followed_by_others(void **state)
{
    struct world *w = *state;
    w->opts.segment_bytes = 2000;
    reopen(w);
    for (int i = 0; i < 100; i++) {
        stage(w, 3 * i, 3);
        assert_int_equal(commit(w), 0);
    }
    struct found f = read_all(w);
    assert_int_equal(f.records, 300);
    assert_int_equal(f.producers, 1);
    assert_true(f.segments > 5);
    assert_int_equal(f.weight, journal_weight(w->j));
    struct segment_name name[SEGMENTS_MAX];
    int n = journal_dir_list(&w->dir, name, SEGMENTS_MAX);
    for (int i = 0; i < n; i++) {
        char file[SEGMENT_NAME_BYTES];
        struct stat st;
        segment_name_format(&name[i], file);
        assert_int_equal(fstatat(w->dir.fd, file, &st, 0), 0);
        assert_true(st.st_size <= 2000);
    }
    /* One commit that is larger than a segment gets one of its own. */
    stage(w, 1000, 200);
    assert_int_equal(commit(w), 0);
    assert_int_equal(read_all(w).records, 500);
}

static void the_mark_names_what_may_be_read(void **state)
{
    struct world *w = *state;
    struct journal_point point;
    w->opts.segment_bytes = 1000;
    reopen(w);
    struct journal_mark *mark = journal_mark_hold(journal_mark(w->j));
    journal_mark_read(mark, &point);
    assert_int_equal(point.committed, 0);
    for (int i = 0; i < 50; i++) {
        stage(w, i, 1);
        assert_int_equal(commit(w), 0);
        journal_mark_read(mark, &point);
        assert_memory_equal(point.producer, journal_producer(w->j), PRODUCER_BYTES);
        struct segment_name name = {.first_seq = point.first_seq};
        memcpy(name.producer, point.producer, PRODUCER_BYTES);
        struct segment_reader *r = segment_open(w->dir.fd, &name);
        struct record rec = {0};
        uint64_t weight = segment_weight_before(r);
        while (segment_next(r, point.committed, &rec) == SEGMENT_RECORD)
            weight += rec.weight;
        assert_int_equal(rec.seq, i + 1);
        assert_int_equal(segment_offset(r), point.committed);
        assert_int_equal(weight, point.weight);
        segment_close(r);
    }
    static const unsigned char none[PRODUCER_BYTES];
    journal_close(w->j);
    w->j = NULL;
    journal_mark_read(mark, &point);
    assert_memory_equal(point.producer, none, PRODUCER_BYTES);
    journal_mark_release(mark);
}

static void limit_file_size(rlim_t bytes)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A file size limit ends a write in its middle, at every place in turn. */
static void short_writes_leave_nothing(void **state)
{
    struct world *w = *state;
    void (*old)(int) = signal(SIGXFSZ, SIG_IGN);
    struct journal_point point;
    reopen(w);
    stage(w, 1, 2);
    assert_int_equal(commit(w), 0);
    unsigned char producer[PRODUCER_BYTES];
    memcpy(producer, journal_producer(w->j), PRODUCER_BYTES);
    journal_mark_read(journal_mark(w->j), &point);
    for (rlim_t more = 0; more < 3 * 40; more++) {
        limit_file_size(point.committed + more);
        stage(w, 900, 3);
        assert_int_equal(commit(w), -1);
        assert_false(journal_healthy(w->j));
        assert_string_equal(read_all(w).texts, "1 2 ");
    }
    limit_file_size(RLIM_INFINITY);
    stage(w, 3, 2);
    assert_int_equal(commit(w), 0);
    assert_true(journal_healthy(w->j));
    struct found f = read_all(w);
    assert_string_equal(f.texts, "1 2 3 4 ");
    assert_int_equal(f.producers, 1); /* the numbers went back, the producer stayed */
    assert_memory_equal(producer, journal_producer(w->j), PRODUCER_BYTES);
    assert_int_equal(f.damaged, 0);
    signal(SIGXFSZ, old);
}

static void a_segment_that_cannot_begin_is_tried_again(void **state)
{
    struct world *w = *state;
    void (*old)(int) = signal(SIGXFSZ, SIG_IGN);
    reopen(w);
    for (rlim_t bytes = 0; bytes < SEGMENT_HEAD_BYTES + 8 * PARTITIONS; bytes += 7) {
        limit_file_size(bytes);
        stage(w, 900, 1);
        assert_int_equal(commit(w), -1);
        assert_int_equal(read_all(w).segments, 0);
    }
    limit_file_size(RLIM_INFINITY);
    stage(w, 1, 1);
    assert_int_equal(commit(w), 0);
    assert_string_equal(read_all(w).texts, "1 ");
    signal(SIGXFSZ, old);
}

/* Puts a pipe in the place of the segment's descriptor: writing, cutting back and syncing fail. */
static void break_segment(struct world *w)
{
    int ends[2];
    bool found = false;
    assert_int_equal(pipe(ends), 0);
    for (int fd = 3; fd < 64; fd++) {
        char link[64], target[PATH_MAX] = "";
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        if (readlink(link, target, sizeof target - 1) < 0) continue;
        if (strncmp(target, w->dir.path, strlen(w->dir.path)) != 0) continue;
        if (strstr(target, ".seg") == NULL) continue;
        assert_int_equal(dup2(ends[1], fd), fd);
        found = true;
    }
    assert_true(found);
    close(ends[0]);
    close(ends[1]);
}

static void an_unknown_write_ends_the_producer(void **state)
{
    struct world *w = *state;
    for (int sync_ms = 0; sync_ms <= 1000; sync_ms += 1000) {
        unsigned char before[PRODUCER_BYTES];
        w->opts.sync_ms = sync_ms;
        reopen(w);
        stage(w, 1, 3);
        assert_int_equal(commit(w), 0);
        memcpy(before, journal_producer(w->j), PRODUCER_BYTES);
        break_segment(w);
        stage(w, 4, 1);
        assert_int_equal(commit(w), -1);
        assert_memory_not_equal(before, journal_producer(w->j), PRODUCER_BYTES);
        stage(w, 5, 1);
        assert_int_equal(commit(w), 0);
    }
    struct found f = read_all(w);
    assert_int_equal(f.records, 8);
    assert_int_equal(f.producers, 4);
}

/* The segment has begun, but its first write failed; the next one is larger than a segment. */
static void an_empty_segment_takes_what_comes(void **state)
{
    struct world *w = *state;
    void (*old)(int) = signal(SIGXFSZ, SIG_IGN);
    w->opts.segment_bytes = 1000;
    reopen(w);
    limit_file_size(SEGMENT_HEAD_BYTES + 8 * PARTITIONS + 5);
    stage(w, 900, 1);
    assert_int_equal(commit(w), -1);
    limit_file_size(RLIM_INFINITY);
    stage(w, 1, 100);
    assert_int_equal(commit(w), 0);
    struct found f = read_all(w);
    assert_int_equal(f.records, 100);
    assert_int_equal(f.segments, 1);
    signal(SIGXFSZ, old);
}

/* Another producer's numbers would not be recognised when the file is imported again. */
static void an_import_never_changes_its_producer(void **state)
{
    struct world *w = *state;
    static const unsigned char producer[PRODUCER_BYTES] = "fingerprint";
    w->opts.producer = producer;
    w->opts.flags = JOURNAL_FLAG_IMPORT;
    reopen(w);
    assert_true(journal_stage(w->j, 1, 1, 17, STR("record 17")));
    assert_int_equal(commit(w), 0);
    break_segment(w);
    for (uint64_t seq = 18; seq < 21; seq++) {
        assert_true(journal_stage(w->j, 1, 1, seq, STR("record")));
        assert_int_equal(commit(w), -1);
    }
    assert_memory_equal(journal_producer(w->j), producer, PRODUCER_BYTES);
    assert_string_equal(read_all(w).texts, "17 ");
}

static void a_failed_sync_ends_the_producer(void **state)
{
    struct world *w = *state;
    unsigned char before[PRODUCER_BYTES];
    w->opts.sync_ms = 600; /* time enough to break it before */
    reopen(w);
    stage(w, 1, 3);
    assert_int_equal(commit(w), 0);
    memcpy(before, journal_producer(w->j), PRODUCER_BYTES);
    break_segment(w);
    int64_t until = clock_mono_ms() + 20000;
    while (memcmp(before, journal_producer(w->j), PRODUCER_BYTES) == 0) {
        assert_true(clock_mono_ms() < until);
        usleep(1000);
        journal_tick(w->j);
    }
    stage(w, 4, 1);
    assert_int_equal(commit(w), 0);
    struct found f = read_all(w);
    assert_int_equal(f.records, 4);
    assert_int_equal(f.producers, 2);
}

static void a_reserve_of_disk_is_kept(void **state)
{
    struct world *w = *state;
    struct statvfs fs;
    assert_int_equal(statvfs(w->dir.path, &fs), 0);
    w->opts.reserve_bytes = INT64_MAX;
    reopen(w);
    stage(w, 1, 1);
    assert_int_equal(commit(w), -1);
    assert_int_equal(errno, ENOSPC);
    assert_false(journal_healthy(w->j));
    assert_int_equal(read_all(w).segments, 0);
    w->opts.reserve_bytes = (int64_t)(fs.f_bavail * fs.f_frsize / 2);
    reopen(w);
    stage(w, 1, 1);
    assert_int_equal(commit(w), 0);
}

static void staging_is_bounded(void **state)
{
    struct world *w = *state;
    static char payload[RECORD_MAX_BYTES];
    w->opts.segment_bytes = 1 << 30;
    reopen(w);
    int n = 0;
    while (journal_stage(w->j, 0, 1, 0, (struct str){payload, sizeof payload}))
        n++;
    assert_int_equal(n, JOURNAL_STAGED_MAX_BYTES / (RECORD_MAX_BYTES + RECORD_HEAD_BYTES));
    assert_int_equal(commit(w), 0);
    assert_true(journal_stage(w->j, 0, 1, 0, (struct str){payload, sizeof payload}));
    assert_int_equal(commit(w), 0);
}

static void imports_bring_their_own_numbers(void **state)
{
    struct world *w = *state;
    static const unsigned char producer[PRODUCER_BYTES] = "fingerprint";
    w->opts.producer = producer;
    w->opts.flags = JOURNAL_FLAG_IMPORT;
    reopen(w);
    assert_true(journal_stage(w->j, 1, 1, 17, STR("record 17")));
    assert_true(journal_stage(w->j, 1, 1, 90, STR("record 90")));
    assert_int_equal(commit(w), 0);
    struct segment_name name[4];
    assert_int_equal(journal_dir_list(&w->dir, name, 4), 1);
    assert_int_equal(name[0].first_seq, 17);
    assert_memory_equal(name[0].producer, producer, PRODUCER_BYTES);
    struct segment_reader *r = segment_open(w->dir.fd, &name[0]);
    assert_int_equal(segment_flags(r), JOURNAL_FLAG_IMPORT);
    segment_close(r);
    assert_string_equal(read_all(w).texts, "17 90 ");
}

/* A child writes until it is killed; it tells what was committed through a pipe. */
static void kill_9_loses_nothing_committed(void **state)
{
    struct world *w = *state;
    w->opts.segment_bytes = 4000;
    for (int round = 0; round < 5; round++) {
        int ends[2], told = 0, last = 0;
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0) {
            struct journal *j = journal_open(&w->opts);
            for (int i = 1;; i++) {
                char text[32];
                int len = snprintf(text, sizeof text, "record %d", i);
                journal_stage(j, 1, 1, 0, (struct str){text, (size_t)len});
                if (journal_commit(j, clock_mono_ms()) != 0) _exit(1);
                if (write(ends[1], &i, sizeof i) != (ssize_t)sizeof i) _exit(2);
            }
        }
        close(ends[1]);
        while (told < 500 + 37 * round && read(ends[0], &last, sizeof last) == sizeof last)
            told++;
        kill(child, SIGKILL);
        while (read(ends[0], &last, sizeof last) == sizeof last)
            told++;
        waitpid(child, NULL, 0);
        close(ends[0]);
        struct segment_name name[SEGMENTS_MAX];
        int n = journal_dir_list(&w->dir, name, SEGMENTS_MAX), records = 0;
        for (int i = 0; i < n; i++) {
            char file[SEGMENT_NAME_BYTES];
            struct record rec;
            struct segment_reader *r = segment_open(w->dir.fd, &name[i]);
            if (r == NULL) assert_int_equal(errno, ENODATA); /* died in the head */
            while (r != NULL && segment_next(r, UINT64_MAX, &rec) == SEGMENT_RECORD)
                records++;
            segment_close(r);
            segment_name_format(&name[i], file);
            unlinkat(w->dir.fd, file, 0);
        }
        assert_int_equal(told, last);
        assert_true(records == told || records == told + 1); /* the last one was not told */
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(stores_what_is_committed),
        TEST(each_open_is_a_new_producer),
        TEST(full_segments_are_followed_by_others),
        TEST(the_mark_names_what_may_be_read),
        TEST(short_writes_leave_nothing),
        TEST(a_segment_that_cannot_begin_is_tried_again),
        TEST(an_unknown_write_ends_the_producer),
        TEST(an_empty_segment_takes_what_comes),
        TEST(an_import_never_changes_its_producer),
        TEST(a_failed_sync_ends_the_producer),
        TEST(a_reserve_of_disk_is_kept),
        TEST(staging_is_bounded),
        TEST(imports_bring_their_own_numbers),
        TEST(kill_9_loses_nothing_committed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
