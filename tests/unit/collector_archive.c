/* The archive: what went in comes out, whatever is in its way stays as it was, and retention takes
 * the oldest first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <zlib.h>

#include "archive.h"
#include "clock.h"
#include "journal_dir.h"

enum { RECORDS = 20000, DAY_MS = 86400 * 1000 };

struct world {
    struct journal_dir journal, archive;
    struct segment_name name;
    char file[SEGMENT_NAME_BYTES];
    char packed[ARCHIVE_NAME_BYTES];
    char *bytes; /* of the segment */
    size_t n;
};

static void read_segment(struct world *w)
{
    int fd = openat(w->journal.fd, w->file, O_RDONLY);
    w->n = (size_t)lseek(fd, 0, SEEK_END);
    w->bytes = malloc(w->n);
    assert_int_equal(pread(fd, w->bytes, w->n, 0), w->n);
    close(fd);
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    w->journal = journal_dir_new();
    w->archive = journal_dir_new();
    struct journal *j = journal_open(&(struct journal_opts){
        .dir = w->journal.path, .segment_bytes = 1 << 24, .sync_ms = 1000, .partitions = 3});
    for (int i = 0; i < RECORDS; i++) {
        char text[80];
        int n = snprintf(text, sizeof text, "%d %d %d", i, i * 7919 % 1000, rand());
        journal_stage(j, (unsigned)i % 3, 1, 0, (struct str){text, (size_t)n});
    }
    assert_int_equal(journal_commit(j, 0), 0);
    journal_close(j);
    assert_int_equal(journal_dir_list(&w->journal, &w->name, 1), 1);
    segment_name_format(&w->name, w->file);
    archive_name_format(&w->name, w->packed);
    read_segment(w);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    journal_dir_free(&w->journal);
    journal_dir_free(&w->archive);
    free(w->bytes);
    free(w);
    return 0;
}

static struct archive *open_with(const struct world *w, int64_t keep_ms, int64_t max_bytes)
{
    struct archive *a = archive_open(
        &(struct archive_opts){.dir = w->archive.path, .keep_ms = keep_ms, .max_bytes = max_bytes});
    assert_non_null(a);
    return a;
}

static struct archive_stats stats_of(const struct archive *a)
{
    struct archive_stats s;
    archive_stats(a, &s);
    return s;
}

/* Files in a directory, whatever their names. */
static int files_in(const struct journal_dir *d)
{
    struct dirent **list;
    int n = scandir(d->path, &list, NULL, NULL);
    for (int i = 0; i < n; i++)
        free(list[i]);
    free(list);
    return n - 2;
}

static void put_file(const struct journal_dir *d, const char *file, const char *bytes, size_t n,
                     int64_t at_ms)
{
    const struct timespec at = {at_ms / 1000, at_ms % 1000 * 1000000};
    int fd = openat(d->fd, file, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    assert_int_equal(write(fd, bytes, n), n);
    assert_int_equal(futimens(fd, (struct timespec[2]){at, at}), 0);
    close(fd);
}

/* A file with n bytes of an archive file's name. */
static void put_archived(const struct world *w, uint64_t first_seq, size_t n, int64_t at_ms)
{
    char file[ARCHIVE_NAME_BYTES], bytes[4096] = {0};
    archive_name_format(&(struct segment_name){.first_seq = first_seq}, file);
    put_file(&w->archive, file, bytes, n, at_ms);
}

static bool archived(const struct world *w, uint64_t first_seq)
{
    char file[ARCHIVE_NAME_BYTES];
    archive_name_format(&(struct segment_name){.first_seq = first_seq}, file);
    return faccessat(w->archive.fd, file, F_OK, 0) == 0;
}

static enum unpack_result unpacked(const struct journal_dir *d, const char *file, char **bytes,
                                   size_t *n, const char **why)
{
    int from = openat(d->fd, file, O_RDONLY), to = openat(d->fd, ".", O_TMPFILE | O_RDWR, 0600);
    enum unpack_result result = archive_unpack(from, to, why);
    *n = (size_t)lseek(to, 0, SEEK_END);
    *bytes = malloc(*n + 1);
    assert_int_equal(pread(to, *bytes, *n, 0), *n);
    close(from);
    close(to);
    return result;
}

static void assert_holds_segment(const struct world *w)
{
    const char *why;
    char *bytes;
    size_t n;
    assert_int_equal(unpacked(&w->archive, w->packed, &bytes, &n, &why), UNPACK_OK);
    assert_int_equal(n, w->n);
    assert_memory_equal(bytes, w->bytes, n);
    free(bytes);
}

static void names(void **state)
{
#define PRODUCER "000102030405060708090a0b0c0d0e0f"
    static const struct {
        const char *file;
        bool ok;
    } cases[] = {
        {PRODUCER "-0000000000000001.seg.gz", true},
        {PRODUCER "-0000000000000001.seg", false},
        {PRODUCER "-0000000000000001.seg.gz.0a0b0c0d", false},
        {"." PRODUCER "-0000000000000001.seg.gz", false},
        {PRODUCER "-000000000000000x.seg.gz", false},
        {PRODUCER "-0000000000000001.sex.gz", false},
        {"", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct segment_name name;
        char file[ARCHIVE_NAME_BYTES];
        assert_int_equal(archive_name_parse(cases[i].file, &name), cases[i].ok);
        if (!cases[i].ok) continue;
        archive_name_format(&name, file);
        assert_string_equal(file, cases[i].file);
    }
}

static void what_goes_in_comes_out(void **state)
{
    struct world *w = *state;
    struct archive *a = open_with(w, 0, 0);
    struct stat segment, packed;
    assert_int_equal(archive_store(a, w->journal.fd, &w->name), 0);
    assert_holds_segment(w);
    assert_int_equal(files_in(&w->archive), 1);
    assert_int_equal(fstatat(w->journal.fd, w->file, &segment, 0), 0);
    assert_int_equal(fstatat(w->archive.fd, w->packed, &packed, 0), 0);
    assert_int_equal(segment.st_mtim.tv_sec, packed.st_mtim.tv_sec);
    assert_int_equal(segment.st_mtim.tv_nsec, packed.st_mtim.tv_nsec);
    assert_int_equal(packed.st_mode & 0777, 0600);
    assert_true(packed.st_size < segment.st_size);
    archive_close(a);
}

/* Any gzip reads it: the length in the head is in nobody's way. */
static void it_is_plain_gzip(void **state)
{
    struct world *w = *state;
    struct archive *a = open_with(w, 0, 0);
    assert_int_equal(archive_store(a, w->journal.fd, &w->name), 0);
    gzFile gz = gzdopen(openat(w->archive.fd, w->packed, O_RDONLY), "rb");
    char *bytes = malloc(w->n + 1);
    assert_int_equal(gzread(gz, bytes, (unsigned)w->n + 1), w->n);
    assert_memory_equal(bytes, w->bytes, w->n);
    assert_int_equal(gzclose(gz), Z_OK);
    free(bytes);
    archive_close(a);
}

static ino_t inode_of(const struct world *w)
{
    struct stat st;
    assert_int_equal(fstatat(w->archive.fd, w->packed, &st, 0), 0);
    return st.st_ino;
}

static void the_longer_one_stays(void **state)
{
    struct world *w = *state;
    struct archive *a = open_with(w, 0, 0);
    put_file(&w->archive, w->packed, "not of ours, or broken", 22, 0);
    assert_int_equal(archive_store(a, w->journal.fd, &w->name), 0);
    assert_holds_segment(w);

    ino_t first = inode_of(w);
    assert_int_equal(archive_store(a, w->journal.fd, &w->name), 0);
    assert_int_equal(inode_of(w), first); /* the same length: nothing to do */
    assert_int_equal(stats_of(a).stored, 1);

    put_file(&w->journal, w->file, w->bytes, w->n / 2, 0);
    assert_int_equal(archive_store(a, w->journal.fd, &w->name), 0);
    assert_holds_segment(w); /* a journal from an older copy takes nothing away */

    assert_int_equal(unlinkat(w->archive.fd, w->packed, 0), 0);
    assert_int_equal(archive_store(a, w->journal.fd, &w->name), 0);
    put_file(&w->journal, w->file, w->bytes, w->n, 0);
    assert_int_equal(archive_store(a, w->journal.fd, &w->name), 0);
    assert_holds_segment(w); /* and what was cut short is replaced */
    archive_close(a);
}

/* The disk is "full" after 1000 bytes. */
static void a_failure_changes_nothing_and_is_counted(void **state)
{
    struct world *w = *state;
    struct archive *a = open_with(w, 0, 0);
    struct rlimit before, small;
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 1000;
    void (*old)(int) = signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    int result = archive_store(a, w->journal.fd, &w->name), err = errno;
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, old);
    assert_int_equal(result, -1);
    assert_int_equal(err, EFBIG);
    assert_int_equal(files_in(&w->archive), 0);
    assert_int_equal(stats_of(a).failed, 1);
    struct segment_name other = {.first_seq = 4711};
    assert_int_equal(archive_store(a, w->journal.fd, &other), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(archive_take(a, w->journal.fd, &other), ARCHIVE_FAILED);
    assert_int_equal(archive_take(a, w->journal.fd, &w->name), ARCHIVE_FAILED); /* not at once */
    assert_int_equal(stats_of(a).failed, 3);
    archive_close(a);
}

static enum archive_answer asked_until_done(struct archive *a, struct world *w)
{
    enum archive_answer answer = ARCHIVE_WORKING;
    for (int64_t end = clock_mono_ms() + 30000; clock_mono_ms() < end;) {
        answer = archive_take(a, w->journal.fd, &w->name);
        if (answer != ARCHIVE_WORKING) break;
        poll(NULL, 0, 1);
    }
    return answer;
}

static void the_thread_stores_what_it_is_asked_about(void **state)
{
    struct world *w = *state;
    struct archive *a = open_with(w, 0, 0);
    assert_int_equal(archive_take(a, w->journal.fd, &w->name), ARCHIVE_WORKING);
    assert_int_equal(unlinkat(w->journal.fd, w->file, 0), 0); /* it has it open already */
    assert_int_equal(asked_until_done(a, w), ARCHIVE_STORED);
    assert_holds_segment(w);
    put_file(&w->journal, w->file, w->bytes, w->n, 0);
    assert_int_equal(archive_take(a, w->journal.fd, &w->name), ARCHIVE_WORKING); /* once, no more */
    archive_close(a);

    a = open_with(w, 0, 0); /* after a restart the question finds the file */
    assert_int_equal(asked_until_done(a, w), ARCHIVE_STORED);
    assert_int_equal(stats_of(a).stored, 0);
    archive_close(a);
    assert_int_equal(files_in(&w->archive), 1);
}

/* However little of it was done: all of the file, or none. */
static void closing_gives_up_what_is_under_way(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 20; i++) {
        struct archive *a = open_with(w, 0, 0);
        assert_int_equal(archive_take(a, w->journal.fd, &w->name), ARCHIVE_WORKING);
        for (int k = 0; k < i; k++)
            archive_take(a, w->journal.fd, &w->name);
        archive_close(a);
        int n = files_in(&w->archive);
        assert_in_range(n, 0, 1);
        if (n == 0) continue;
        assert_holds_segment(w);
        assert_int_equal(unlinkat(w->archive.fd, w->packed, 0), 0);
    }
}

static void retention(void **state)
{
    static const struct {
        int64_t keep_days, max_bytes;
        unsigned gone;  /* of four files of 1000 bytes, 1 to 4 days old; 1 is the oldest */
        uint64_t first; /* that stays */
    } cases[] = {
        {0, 0, 0, 1},    {5, 4000, 0, 1}, {3, 0, 1, 2}, {0, 3999, 1, 2}, {0, 2000, 2, 3},
        {2, 3500, 2, 3}, {3, 1500, 3, 4}, {0, 1, 4, 5}, {5, 0, 0, 1},
    };
    struct world *w = *state;
    int64_t now = 2000000000000;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct archive *a = open_with(w, cases[i].keep_days * DAY_MS, cases[i].max_bytes);
        for (uint64_t k = 1; k <= 4; k++)
            put_archived(w, k, 1000, now - (int64_t)(5 - k) * DAY_MS + DAY_MS / 2);
        put_file(&w->archive, "README", "a person's", 10, 0);
        assert_int_equal(archive_prune(a, now), cases[i].gone);
        for (uint64_t k = 1; k <= 4; k++)
            assert_int_equal(archived(w, k), k >= cases[i].first);
        struct archive_stats s = stats_of(a);
        assert_int_equal(s.pruned, cases[i].gone);
        assert_int_equal(s.segments, 4 - cases[i].gone);
        assert_int_equal(s.bytes, 1000 * (4 - cases[i].gone));
        assert_int_equal(faccessat(w->archive.fd, "README", F_OK, 0), 0);
        archive_close(a);
    }
}

static void what_a_crash_left_goes(void **state)
{
    struct world *w = *state;
    struct archive *a = open_with(w, 0, 0);
    int64_t now = clock_ms();
    char left[ARCHIVE_NAME_BYTES + 16], fresh[ARCHIVE_NAME_BYTES + 16];
    snprintf(left, sizeof left, ".%s.00000001", w->packed);
    snprintf(fresh, sizeof fresh, ".%s.00000002", w->packed);
    put_file(&w->archive, left, "x", 1, now - 2 * 3600 * 1000);
    put_file(&w->archive, fresh, "x", 1, now); /* may be another collector's */
    assert_int_equal(archive_prune(a, now), 0);
    assert_int_equal(faccessat(w->archive.fd, left, F_OK, 0), -1);
    assert_int_equal(faccessat(w->archive.fd, fresh, F_OK, 0), 0);
    assert_int_equal(stats_of(a).segments, 0);
    archive_close(a);
}

/* Cut or changed: never called whole, and what comes out is what was before the damage. */
static void damaged_gzip_is_seen(void **state)
{
    struct world *w = *state;
    struct archive *a = open_with(w, 0, 0);
    assert_int_equal(archive_store(a, w->journal.fd, &w->name), 0);
    archive_close(a);
    int fd = openat(w->archive.fd, w->packed, O_RDONLY);
    size_t n = (size_t)lseek(fd, 0, SEEK_END), most = 0, got;
    char *packed = malloc(n + 1), *bytes;
    const char *why;
    assert_int_equal(pread(fd, packed, n, 0), n);
    close(fd);
    for (size_t cut = 0; cut < n; cut += 1 + cut / 50) {
        put_file(&w->archive, "cut", packed, cut, 0);
        assert_int_equal(unpacked(&w->archive, "cut", &bytes, &got, &why), UNPACK_DAMAGED);
        assert_true(got >= most && got <= w->n);
        assert_memory_equal(bytes, w->bytes, got);
        most = got;
        free(bytes);
    }
    assert_true(most > w->n / 2);
    for (size_t at = 24; at < n; at += n / 61) {
        packed[at] ^= 4;
        put_file(&w->archive, "cut", packed, n, 0);
        assert_int_equal(unpacked(&w->archive, "cut", &bytes, &got, &why), UNPACK_DAMAGED);
        packed[at] ^= 4;
        free(bytes);
    }
    packed[n] = 'x';
    put_file(&w->archive, "cut", packed, n + 1, 0);
    assert_int_equal(unpacked(&w->archive, "cut", &bytes, &got, &why), UNPACK_DAMAGED);
    assert_int_equal(got, w->n);
    assert_string_equal(why, "something follows the gzip data");
    free(bytes);
    free(packed);
}

static void a_directory_that_cannot_be_used(void **state)
{
    struct world *w = *state;
    char path[128];
    snprintf(path, sizeof path, "%s/%s", w->journal.path, w->file);
    assert_null(archive_open(&(struct archive_opts){.dir = path}));
    assert_int_equal(errno, ENOTDIR);
    snprintf(path, sizeof path, "%s/no/where", w->journal.path);
    assert_null(archive_open(&(struct archive_opts){.dir = path}));
    assert_int_equal(errno, ENOENT);
    archive_close(NULL);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        CASE(what_goes_in_comes_out),
        CASE(it_is_plain_gzip),
        CASE(the_longer_one_stays),
        CASE(a_failure_changes_nothing_and_is_counted),
        CASE(the_thread_stores_what_it_is_asked_about),
        CASE(closing_gives_up_what_is_under_way),
        CASE(retention),
        CASE(what_a_crash_left_goes),
        CASE(damaged_gzip_is_seen),
        CASE(a_directory_that_cannot_be_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
