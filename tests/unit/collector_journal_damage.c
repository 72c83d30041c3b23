/* Two segments of one producer as a collector writes them, the first and one that follows a
 * rotation: cut at every byte, and with ten thousand random handfuls of flipped bits anywhere. What
 * comes out is exactly the records whose bytes are untouched, and every other byte is accounted
 * for: as damage, or as the tail behind the last intact record.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/mman.h>

#include "bytes.h"
#include "journal.h"
#include "journal_dir.h"

enum {
    PARTITIONS = 5,
    RECORDS = 100, /* per segment */
    HEAD = SEGMENT_HEAD_BYTES + 8 * PARTITIONS,
    FLIPS = 10000,
};

struct image {
    struct segment_name name;
    char *bytes;
    size_t n;
    uint64_t offset[RECORDS + 1]; /* of record i; the last one: the end */
    uint64_t table[PARTITIONS];   /* last seq of each before this segment */
};

static unsigned partition_of(uint64_t seq)
{
    return (unsigned)(seq * seq % PARTITIONS); /* 2 and 3 are never hit */
}

static void write_segments(const struct journal_dir *dir)
{
    struct journal *j = journal_open(&(struct journal_opts){
        .dir = dir->path, .segment_bytes = 1, .sync_ms = 0, .partitions = PARTITIONS});
    for (uint64_t seq = 1; seq <= 2 * RECORDS; seq++) {
        char text[200];
        /* Here and there a payload holds what looks like the begin of a record. */
        int n =
            snprintf(text, sizeof text, "%03d %.*s", (int)seq, (int)(seq * 7 % 120),
                     "SNTR\x08 a page and so on and on SNTRSNTR and on and on and on SNT and on "
                     "and on and on and on and on and on and on and on");
        assert_true(journal_stage(j, partition_of(seq), 1, 0, (struct str){text, (size_t)n}));
        if (seq % RECORDS == 0) assert_int_equal(journal_commit(j, 0), 0);
    }
    journal_close(j);
}

static void load(const struct journal_dir *dir, struct image *m)
{
    char file[SEGMENT_NAME_BYTES];
    segment_name_format(&m->name, file);
    int fd = openat(dir->fd, file, O_RDONLY);
    m->n = (size_t)lseek(fd, 0, SEEK_END);
    m->bytes = malloc(m->n);
    assert_int_equal(pread(fd, m->bytes, m->n, 0), m->n);
    close(fd);
    m->offset[0] = HEAD;
    for (int i = 0; i < RECORDS; i++)
        m->offset[i + 1] =
            m->offset[i] + RECORD_HEAD_BYTES + load_le32(m->bytes + m->offset[i] + 4);
    assert_int_equal(m->offset[RECORDS], m->n);
    for (uint64_t seq = 1; seq < m->name.first_seq; seq++)
        m->table[partition_of(seq)] = seq;
}

static int make_images(void **state)
{
    struct journal_dir dir = journal_dir_new();
    struct image *m = calloc(2, sizeof *m);
    struct segment_name names[2];
    write_segments(&dir);
    assert_int_equal(journal_dir_list(&dir, names, 2), 2);
    for (int i = 0; i < 2; i++) {
        m[i].name = names[i];
        load(&dir, &m[i]);
        assert_int_equal(m[i].name.first_seq, 1 + i * RECORDS);
    }
    journal_dir_free(&dir);
    *state = m;
    return 0;
}

static int free_images(void **state)
{
    struct image *m = *state;
    free(m[0].bytes);
    free(m[1].bytes);
    free(m);
    return 0;
}

static struct segment_reader *open_bytes(const struct image *m, const char *bytes, size_t n)
{
    int fd = memfd_create("segment", MFD_CLOEXEC);
    assert_int_equal(write(fd, bytes, n), n);
    return segment_take(fd, &m->name);
}

static bool untouched(const struct image *m, const char *bytes, size_t n, uint64_t from,
                      uint64_t to)
{
    return to <= n && memcmp(m->bytes + from, bytes + from, to - from) == 0;
}

/* Reads `bytes` to their end: exactly the intact records, and how many bytes were not. */
static uint64_t read_all(const struct image *m, struct segment_reader *r, const char *bytes,
                         size_t n, bool head_intact)
{
    uint64_t last[PARTITIONS], read = 0;
    struct record rec;
    memcpy(last, m->table, sizeof last);
    for (int i = 0; i < RECORDS; i++) {
        if (!untouched(m, bytes, n, m->offset[i], m->offset[i + 1])) continue;
        uint64_t seq = m->name.first_seq + (uint64_t)i;
        assert_int_equal(segment_next(r, UINT64_MAX, &rec), SEGMENT_RECORD);
        assert_int_equal(rec.seq, seq);
        assert_int_equal(rec.partition, partition_of(seq));
        assert_int_equal(rec.offset, m->offset[i]);
        assert_int_equal(rec.next, m->offset[i + 1]);
        assert_memory_equal(rec.payload.p, m->bytes + rec.offset + RECORD_HEAD_BYTES,
                            rec.payload.n);
        if (head_intact) assert_int_equal(rec.prev, last[rec.partition]);
        last[rec.partition] = seq;
        read += rec.next - rec.offset;
    }
    assert_int_equal(segment_next(r, UINT64_MAX, &rec), SEGMENT_MORE);
    if (head_intact) read += HEAD;
    uint64_t tail = n - segment_offset(r);
    assert_int_equal(segment_damaged_bytes(r) + tail, n - read);
    return n - read;
}

static void cut_at_every_byte(void **state)
{
    for (const struct image *m = *state, *end = m + 2; m < end; m++) {
        for (size_t cut = 0; cut <= m->n; cut++) {
            struct segment_reader *r = open_bytes(m, m->bytes, cut);
            if (cut < HEAD) {
                assert_null(r);
                assert_int_equal(errno, ENODATA);
                continue;
            }
            read_all(m, r, m->bytes, cut, true);
            assert_int_equal(segment_damaged_bytes(r), 0); /* all of it is tail */
            segment_close(r);
        }
    }
}

/* A hole in the file, as a file system leaves when the size arrived and a page did not. */
static void zeroed_from_every_byte(void **state)
{
    const struct image *m = *state;
    char *copy = malloc(m->n);
    for (size_t from = HEAD; from < m->n; from += 3) {
        size_t n = m->n - from < 700 ? m->n - from : 700;
        memcpy(copy, m->bytes, m->n);
        memset(copy + from, 0, n);
        struct segment_reader *r = open_bytes(m, copy, m->n);
        assert_true(read_all(m, r, copy, m->n, true) > 0);
        segment_close(r);
    }
    free(copy);
}

static uint32_t draw(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static void ten_thousand_random_flips(void **state)
{
    const struct image *images = *state;
    uint64_t chance = 20040229;
    int heads = 0, torn = 0, inside = 0;
    for (int round = 0; round < FLIPS; round++) {
        const struct image *m = &images[round % 2];
        char *copy = malloc(m->n); /* of its exact size: a byte too far is seen */
        memcpy(copy, m->bytes, m->n);
        for (uint32_t flips = 1 + draw(&chance) % 12; flips > 0; flips--)
            copy[draw(&chance) % m->n] ^= (char)(1 << draw(&chance) % 8);
        bool head_intact = untouched(m, copy, m->n, 0, HEAD);
        bool whole = memcmp(copy, m->bytes, m->n) == 0; /* a bit flipped back */
        struct segment_reader *r = open_bytes(m, copy, m->n);
        assert_non_null(r);
        uint64_t lost = read_all(m, r, copy, m->n, head_intact);
        assert_true((lost > 0) == !whole);
        heads += !head_intact;
        torn += segment_offset(r) < m->n;
        inside += segment_damaged_bytes(r) > 0;
        segment_close(r);
        free(copy);
    }
    assert_true(heads > 100 && torn > 100 && inside > FLIPS / 2); /* each kind came up */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_at_every_byte),
        cmocka_unit_test(zeroed_from_every_byte),
        cmocka_unit_test(ten_thousand_random_flips),
    };
    return cmocka_run_group_tests(tests, make_images, free_images);
}
