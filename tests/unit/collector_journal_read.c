/* Reading segments that crashed, rotted or lie: every intact record comes out, nothing else does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/mman.h>

#include "bytes.h"
#include "guard.h"
#include "journal.h"
#include "journal_dir.h"

enum { PARTITIONS = 3, RECORDS = 12, HEAD = SEGMENT_HEAD_BYTES + 8 * PARTITIONS };

/* A segment in memory, and where its records are. */
struct image {
    struct segment_name name;
    char *bytes;
    size_t n;
    uint64_t offset[RECORDS + 1]; /* of record i; the last one: the end */
};

static struct image image_new(void)
{
    struct journal_dir dir = journal_dir_new();
    struct image m = {.n = 0};
    struct journal *j = journal_open(&(struct journal_opts){
        .dir = dir.path, .segment_bytes = 1 << 20, .sync_ms = 1000, .partitions = PARTITIONS});
    for (int i = 0; i < RECORDS; i++) {
        char text[80];
        int n =
            snprintf(text, sizeof text, "%d %.*s", i, 3 * i, "SNTR and so on and on and on and");
        journal_stage(j, (unsigned)i % PARTITIONS, 1, 0, (struct str){text, (size_t)n});
    }
    assert_int_equal(journal_commit(j, 0), 0);
    journal_close(j);
    assert_int_equal(journal_dir_list(&dir, &m.name, 1), 1);
    char file[SEGMENT_NAME_BYTES];
    segment_name_format(&m.name, file);
    int fd = openat(dir.fd, file, O_RDONLY);
    m.n = (size_t)lseek(fd, 0, SEEK_END);
    m.bytes = malloc(m.n);
    assert_int_equal(pread(fd, m.bytes, m.n, 0), m.n);
    close(fd);
    journal_dir_free(&dir);
    m.offset[0] = HEAD;
    for (int i = 0; i < RECORDS; i++) {
        m.offset[i + 1] = m.offset[i] + RECORD_HEAD_BYTES + load_le32(m.bytes + m.offset[i] + 4);
    }
    assert_int_equal(m.offset[RECORDS], m.n);
    return m;
}

static struct segment_reader *open_bytes(const struct image *m, const char *bytes, size_t n)
{
    int fd = memfd_create("segment", MFD_CLOEXEC);
    assert_int_equal(write(fd, bytes, n), n);
    return segment_take(fd, &m->name);
}

static void names(void **state)
{
    static const struct {
        const char *file;
        bool ok;
        uint64_t first_seq;
    } cases[] = {
        {"000102030405060708090a0b0c0d0e0f-0000000000000001.seg", true, 1},
        {"000102030405060708090a0b0c0d0e0f-ffffffffffffffff.seg", true, UINT64_MAX},
        {"000102030405060708090a0b0c0d0e0f-00000000000000Ff.seg", false, 0},
        {"000102030405060708090a0b0c0d0e0f-0000000000000001.sex", false, 0},
        {"000102030405060708090a0b0c0d0e0f_0000000000000001.seg", false, 0},
        {"000102030405060708090a0b0c0d0e0g-0000000000000001.seg", false, 0},
        {"000102030405060708090a0b0c0d0e0f-000000000000001.seg", false, 0},
        {"cursor", false, 0},
        {"", false, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct segment_name name;
        char file[SEGMENT_NAME_BYTES];
        assert_int_equal(segment_name_parse(cases[i].file, &name), cases[i].ok);
        if (!cases[i].ok) continue;
        assert_int_equal(name.first_seq, cases[i].first_seq);
        assert_int_equal(name.producer[15], 15);
        segment_name_format(&name, file);
        assert_string_equal(file, cases[i].file);
    }
}

/* Every prefix of a record is partial, every change of a byte is corrupt; never a byte too far. */
static void parsing_a_record(void **state)
{
    struct image m = image_new();
    size_t n = m.offset[8] - m.offset[7];
    struct str whole = {m.bytes + m.offset[7], n};
    struct record rec;
    (void)state;
    for (size_t cut = 0; cut <= n; cut++) {
        struct guard g = guard_copy(str_upto(whole, cut));
        assert_int_equal(record_parse(g.s, &rec), cut < n ? RECORD_PARTIAL : (long)n);
        guard_free(&g);
    }
    assert_int_equal(rec.seq, 8);
    assert_int_equal(rec.partition, 7 % PARTITIONS);
    for (size_t at = 0; at < n; at++) {
        char copy[256];
        memcpy(copy, whole.p, n);
        copy[at] ^= 0x10;
        struct guard g = guard_copy((struct str){copy, n});
        assert_true(record_parse(g.s, &rec) < 0);
        guard_free(&g);
    }
    free(m.bytes);
}

/* Cut anywhere: what is whole before the cut is read, and a torn tail is no damage. */
static void cut_at_every_byte(void **state)
{
    struct image m = image_new();
    (void)state;
    for (size_t cut = 0; cut <= m.n; cut++) {
        struct segment_reader *r = open_bytes(&m, m.bytes, cut);
        if (cut < HEAD) {
            assert_null(r);
            assert_int_equal(errno, ENODATA);
            continue;
        }
        int want = 0, got = 0;
        while (want < RECORDS && m.offset[want + 1] <= cut)
            want++;
        struct record rec;
        while (segment_next(r, UINT64_MAX, &rec) == SEGMENT_RECORD) {
            assert_int_equal(rec.seq, ++got);
            assert_int_equal(rec.prev, got <= PARTITIONS ? 0 : got - PARTITIONS);
            assert_int_equal(rec.offset, m.offset[got - 1]);
            assert_int_equal(rec.next, m.offset[got]);
        }
        assert_int_equal(got, want);
        assert_int_equal(segment_damaged_bytes(r), 0);
        assert_int_equal(segment_offset(r), m.offset[want]);
        segment_close(r);
    }
    free(m.bytes);
}

/* A limit cuts likewise, and reading goes on when it moves. */
static void nothing_behind_the_limit_is_read(void **state)
{
    struct image m = image_new();
    struct segment_reader *r = open_bytes(&m, m.bytes, m.n);
    struct record rec;
    int got = 0;
    (void)state;
    for (size_t limit = 0; limit <= m.n; limit++) {
        while (segment_next(r, limit, &rec) == SEGMENT_RECORD)
            got++;
        int want = 0;
        while (want < RECORDS && m.offset[want + 1] <= limit)
            want++;
        assert_int_equal(got, want);
    }
    assert_int_equal(segment_damaged_bytes(r), 0);
    segment_close(r);
    free(m.bytes);
}

/* One damaged record: all others are read, and its bytes are the damage. */
static void damage_is_skipped_and_counted(void **state)
{
    struct image m = image_new();
    (void)state;
    for (int bad = 0; bad < RECORDS; bad++) {
        for (uint64_t at = m.offset[bad]; at < m.offset[bad + 1]; at++) {
            char *copy = malloc(m.n);
            memcpy(copy, m.bytes, m.n);
            copy[at] ^= 0x81;
            struct segment_reader *r = open_bytes(&m, copy, m.n);
            struct record rec;
            int got = 0;
            while (segment_next(r, UINT64_MAX, &rec) == SEGMENT_RECORD) {
                assert_int_not_equal(rec.seq, bad + 1);
                if (rec.seq == (uint64_t)bad + 1 + PARTITIONS) { /* the chain leaves it out */
                    assert_int_equal(rec.prev, bad < PARTITIONS ? 0 : bad + 1 - PARTITIONS);
                }
                got++;
            }
            assert_int_equal(got, RECORDS - 1);
            bool tail = bad == RECORDS - 1;
            assert_int_equal(segment_damaged_bytes(r),
                             tail ? 0 : m.offset[bad + 1] - m.offset[bad]);
            segment_close(r);
            free(copy);
        }
    }
    free(m.bytes);
}

/* Thousands of random flips: what comes out is always a subset of what was written, in order. */
static void random_flips(void **state)
{
    struct image m = image_new();
    char *copy = malloc(m.n);
    (void)state;
    srand(4711);
    for (int round = 0; round < 5000; round++) {
        memcpy(copy, m.bytes, m.n);
        for (int flips = 1 + rand() % 8; flips > 0; flips--) {
            copy[HEAD + (size_t)rand() % (m.n - HEAD)] ^= (char)(1 << rand() % 8);
        }
        struct segment_reader *r = open_bytes(&m, copy, m.n);
        struct record rec;
        uint64_t last = 0, bytes = 0;
        while (segment_next(r, UINT64_MAX, &rec) == SEGMENT_RECORD) {
            assert_true(rec.seq > last && rec.seq <= RECORDS);
            last = rec.seq;
            uint64_t at = m.offset[rec.seq - 1];
            assert_int_equal(rec.offset, at);
            assert_memory_equal(rec.payload.p, m.bytes + at + RECORD_HEAD_BYTES, rec.payload.n);
            bytes += rec.next - rec.offset;
        }
        assert_int_equal(HEAD + bytes + segment_damaged_bytes(r), segment_offset(r));
        segment_close(r);
    }
    free(copy);
    free(m.bytes);
}

/* A damaged record whose payload holds a whole, valid record of another time. */
static void a_record_inside_a_record_does_not_pass(void **state)
{
    struct image m = image_new();
    struct record rec;
    char *copy = malloc(m.n + 256);
    (void)state;
    memcpy(copy, m.bytes, m.n);
    uint64_t old = m.offset[1] - m.offset[0];
    /* Record 1 again, behind the last one: its number does not rise. */
    memcpy(copy + m.n, m.bytes + m.offset[0], old);
    struct segment_reader *r = open_bytes(&m, copy, m.n + old);
    int got = 0;
    while (segment_next(r, UINT64_MAX, &rec) == SEGMENT_RECORD)
        got++;
    assert_int_equal(got, RECORDS);
    segment_close(r);
    free(copy);
    free(m.bytes);
}

static void a_damaged_head_hides_no_record(void **state)
{
    struct image m = image_new();
    (void)state;
    for (size_t at = 0; at < HEAD; at++) {
        m.bytes[at] ^= 4;
        struct segment_reader *r = open_bytes(&m, m.bytes, m.n);
        struct record rec;
        uint64_t got = 0;
        assert_non_null(r);
        assert_true(segment_head_damaged(r));
        segment_expect_partitions(r, PARTITIONS);
        while (segment_next(r, UINT64_MAX, &rec) == SEGMENT_RECORD) {
            assert_int_equal(rec.seq, ++got);
            assert_int_equal(rec.prev, got <= PARTITIONS ? 0 : got - PARTITIONS);
            assert_int_equal(rec.offset, m.offset[got - 1]);
        }
        assert_int_equal(got, RECORDS);
        assert_int_equal(segment_damaged_bytes(r), HEAD);
        segment_close(r);
        m.bytes[at] ^= 4;
    }
    free(m.bytes);
}

/* Its numbers would be taken for those of the producer whose name it has. */
static void another_segments_name_is_refused(void **state)
{
    struct image m = image_new();
    (void)state;
    m.name.producer[3] ^= 1;
    assert_null(open_bytes(&m, m.bytes, m.n));
    assert_int_equal(errno, EBADMSG);
    m.name.producer[3] ^= 1;
    m.name.first_seq++;
    assert_null(open_bytes(&m, m.bytes, m.n));
    assert_int_equal(errno, EBADMSG);
    free(m.bytes);
}

/* Records as large as they get, across the borders of the window. */
static void large_records(void **state)
{
    struct journal_dir dir = journal_dir_new();
    struct segment_name name;
    struct record rec;
    static char payload[RECORD_MAX_BYTES];
    struct journal *j = journal_open(&(struct journal_opts){
        .dir = dir.path, .segment_bytes = 1 << 30, .sync_ms = 1000, .partitions = PARTITIONS});
    (void)state;
    memset(payload, 'S', sizeof payload);
    for (size_t i = 0; i < 60; i++) {
        struct str s = {payload, i % 2 == 0 ? sizeof payload : 1 + 997 * i};
        assert_true(journal_stage(j, 0, 1, 0, s));
    }
    assert_int_equal(journal_commit(j, 0), 0);
    assert_int_equal(journal_dir_list(&dir, &name, 1), 1);
    struct segment_reader *r = segment_open(dir.fd, &name);
    for (size_t i = 0; i < 60; i++) {
        assert_int_equal(segment_next(r, UINT64_MAX, &rec), SEGMENT_RECORD);
        assert_int_equal(rec.payload.n, i % 2 == 0 ? sizeof payload : 1 + 997 * i);
        assert_memory_equal(rec.payload.p, payload, rec.payload.n);
    }
    assert_int_equal(segment_next(r, UINT64_MAX, &rec), SEGMENT_MORE);
    segment_close(r);
    journal_close(j);
    journal_dir_free(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(parsing_a_record),
        cmocka_unit_test(cut_at_every_byte),
        cmocka_unit_test(nothing_behind_the_limit_is_read),
        cmocka_unit_test(damage_is_skipped_and_counted),
        cmocka_unit_test(random_flips),
        cmocka_unit_test(a_record_inside_a_record_does_not_pass),
        cmocka_unit_test(a_damaged_head_hides_no_record),
        cmocka_unit_test(another_segments_name_is_refused),
        cmocka_unit_test(large_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
