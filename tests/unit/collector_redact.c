/* Who was forgotten is no longer in a segment: each of their records is a tally of the same place,
 * length, number, partition and weight; all others are the same to the byte. The list of them
 * survives a cut, and any number of writers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>

#include "bytes.h"
#include "forget_files.h"
#include "forgotten.h"
#include "journal.h"
#include "journal_dir.h"

enum { ANNA = 0x1122334455667788, BEN = 77, RECORDS = 200, NOW = 1000000 };

static struct hit hit_of(int i)
{
    static const char page[] =
        "shop.example/somewhere/far/away/and/further/and/further/and/further";
    struct hit h = {.kind = i % 3 ? HIT_PAGEVIEW : HIT_EVENT,
                    .site = STR("shop"),
                    .at_ms = NOW + i,
                    .day = 20000,
                    .visitor = i % 2 ? ANNA : BEN,
                    .visitor_kind = VISITOR_CONSENTED,
                    .pageview = (uint64_t)i + 1,
                    .page = {page, 12 + (size_t)i % 50}};
    if (i % 3 == 0) h.name = STR("signup");
    return h;
}

static void write_journal(const struct journal_dir *d)
{
    struct buf encoded = {0};
    struct journal *j = journal_open(&(struct journal_opts){
        .dir = d->path, .segment_bytes = 8192, .sync_ms = 0, .partitions = 3});
    for (int i = 0; i < RECORDS; i++) {
        struct hit h = hit_of(i);
        buf_clear(&encoded);
        assert_true(hit_encode(&h, &encoded));
        assert_true(journal_stage(j, (unsigned)i % 3, 1, 0, buf_str(&encoded)));
        assert_int_equal(journal_commit(j, 0), 0);
    }
    journal_close(j);
    buf_fini(&encoded);
}

static struct buf bytes_of(const struct journal_dir *d, const struct segment_name *name)
{
    char file[SEGMENT_NAME_BYTES];
    struct buf out = {0};
    struct stat st;
    segment_name_format(name, file);
    int fd = openat(d->fd, file, O_RDONLY);
    assert_int_equal(fstat(fd, &st), 0);
    char *p = buf_reserve(&out, (size_t)st.st_size);
    assert_int_equal(pread(fd, p, (size_t)st.st_size, 0), st.st_size);
    out.n = (size_t)st.st_size;
    close(fd);
    return out;
}

static bool go_on(void *arg)
{
    (void)arg;
    return true;
}

static const struct forget_tick tick = {go_on, NULL};

static struct erased erased_anna(int64_t until_ms)
{
    struct erased e = {.n = 0};
    struct journal_dir d = journal_dir_new();
    assert_int_equal(erased_add(d.fd, forgotten_mark(STR("shop"), ANNA), until_ms), 0);
    assert_int_equal(erased_load(&e, d.fd), 0);
    journal_dir_free(&d);
    return e;
}

/* Record by record: what was, and what is now. */
static void compare(struct str was, struct str now, int64_t until_ms, unsigned *changed)
{
    size_t at = SEGMENT_HEAD_BYTES + 8 * 3;
    assert_int_equal(was.n, now.n);
    assert_memory_equal(was.p, now.p, at);
    while (at < was.n) {
        struct record a, b;
        struct hit h, left;
        long used = record_parse(str_from(was, at), &a);
        assert_int_equal(record_parse(str_from(now, at), &b), used);
        assert_true(a.seq == b.seq && a.partition == b.partition && a.weight == b.weight);
        assert_true(hit_decode(a.payload, &h) && hit_decode(b.payload, &left));
        if (h.visitor != ANNA || h.at_ms > until_ms) {
            assert_memory_equal(was.p + at, now.p + at, (size_t)used);
        } else {
            assert_int_equal(left.kind, HIT_TALLY);
            assert_int_equal(left.verdict, V_FORGOTTEN);
            assert_int_equal(hit_weight(&left), b.weight);
            assert_true(left.visitor == 0 && left.page.n == 0 && left.name.n == 0);
            assert_true(left.pageview == 0 && left.at_ms % 60000 == 0 && left.day == h.day);
            assert_true(str_eq(left.site, h.site));
            ++*changed;
        }
        at += (size_t)used;
    }
}

static void test_segments(void **state)
{
    (void)state;
    enum { MAX = 16 };
    int64_t until_ms = NOW + RECORDS / 2;
    struct journal_dir d = journal_dir_new();
    struct erased e = erased_anna(until_ms);
    struct segment_name name[MAX];
    struct buf was[MAX], err = {0};
    struct forget_names names = {.n = 0};
    struct forget_files count = {.segments = 0};
    unsigned changed = 0;
    write_journal(&d);
    int n = journal_dir_list(&d, name, MAX);
    assert_in_range(n, 2, MAX - 1);
    for (int i = 0; i < n; i++)
        was[i] = bytes_of(&d, &name[i]);
    char first[SEGMENT_NAME_BYTES];
    segment_name_format(&name[0], first);
    int reader = openat(d.fd, first, O_RDONLY);
    struct stat before, after;
    const struct timespec long_ago[2] = {{1000000, 7}, {1000000, 7}};
    assert_int_equal(futimens(reader, long_ago), 0);
    assert_int_equal(fstat(reader, &before), 0);

    assert_int_equal(forget_names_list(d.fd, false, &names, &err), 0);
    assert_int_equal(names.n, n);
    assert_int_equal(forget_journal(d.fd, &names, &e, &tick, &count, &err), 0);
    for (int i = 0; i < n; i++) {
        struct buf now = bytes_of(&d, &name[i]);
        compare(buf_str(&was[i]), buf_str(&now), until_ms, &changed);
        buf_fini(&now);
    }
    assert_int_equal(changed, RECORDS / 4);
    assert_int_equal(count.hits, changed);
    assert_int_equal(count.segments, n);
    assert_int_equal(count.unreadable, 0);
    /* Age and mode are kept; who has it open reads on in what was there. */
    assert_int_equal(fstatat(d.fd, first, &after, 0), 0);
    assert_int_equal(after.st_mtim.tv_sec, before.st_mtim.tv_sec);
    assert_int_equal(after.st_mode, before.st_mode);
    assert_int_not_equal(after.st_ino, before.st_ino);
    char *old = malloc(was[0].n);
    assert_int_equal(pread(reader, old, was[0].n, 0), was[0].n);
    assert_memory_equal(old, was[0].p, was[0].n);
    free(old);
    close(reader);

    /* Again: nothing to do. */
    count = (struct forget_files){.segments = 0};
    assert_int_equal(forget_journal(d.fd, &names, &e, &tick, &count, &err), 0);
    assert_int_equal(count.hits + count.rewritten, 0);
    for (int i = 0; i < n; i++)
        buf_fini(&was[i]);
    forget_names_fini(&names);
    erased_fini(&e);
    buf_fini(&err);
    journal_dir_free(&d);
}

/* Deleted since it was listed: it stays deleted. */
static void test_gone(void **state)
{
    (void)state;
    struct journal_dir d = journal_dir_new();
    struct erased e = erased_anna(NOW + RECORDS);
    struct forget_names names = {.n = 0};
    struct forget_files count = {.segments = 0};
    struct buf err = {0};
    char file[SEGMENT_NAME_BYTES];
    write_journal(&d);
    assert_int_equal(forget_names_list(d.fd, false, &names, &err), 0);
    segment_name_format(&names.name[0], file);
    assert_int_equal(unlinkat(d.fd, file, 0), 0);
    assert_int_equal(forget_journal(d.fd, &names, &e, &tick, &count, &err), 0);
    assert_int_equal(count.segments, names.n - 1);
    assert_int_equal(faccessat(d.fd, file, F_OK, 0), -1);
    int made = openat(d.fd, "made", O_CREAT | O_WRONLY, 0600);
    close(made);
    assert_int_equal(redact_exchange(d.fd, "made", file), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(faccessat(d.fd, "made", F_OK, 0), 0);
    assert_int_equal(faccessat(d.fd, file, F_OK, 0), -1);
    forget_names_fini(&names);
    erased_fini(&e);
    buf_fini(&err);
    journal_dir_free(&d);
}

static void test_payloads(void **state)
{
    (void)state;
    struct erased e = erased_anna(NOW);
    struct hit anna = hit_of(1), other = hit_of(1), left;
    struct buf in = {0}, out = {0};
    anna.at_ms = other.at_ms = NOW;
    struct {
        const char *what;
        bool goes;
    } cases[] = {{"hers", true},        {"a moment later", false}, {"of another site", false},
                 {"of another", false}, {"of a day", false},       {"the word itself", true}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hit h = anna;
        if (i == 1) h.at_ms++;
        if (i == 2) h.site = STR("blog");
        if (i == 3) h.visitor = BEN;
        if (i == 4) h.visitor_kind = VISITOR_DAILY;
        if (i == 5) h.kind = HIT_FORGET;
        buf_clear(&in);
        buf_clear(&out);
        assert_true(hit_encode(&h, &in));
        if (redact_payload(&e, buf_str(&in), &out) != cases[i].goes) fail_msg("%s", cases[i].what);
        if (!cases[i].goes) continue;
        assert_int_equal(in.n, out.n);
        assert_true(hit_decode(buf_str(&out), &left));
        assert_int_equal(left.kind, i == 5 ? HIT_FORGET : HIT_TALLY);
        assert_int_equal(left.visitor, 0);
        assert_false(redact_payload(&e, buf_str(&out), &in));
    }
    assert_false(redact_payload(&e, STR("no hit"), &out));
    buf_fini(&in);
    buf_fini(&out);
    erased_fini(&e);
}

static void test_list(void **state)
{
    (void)state;
    struct journal_dir d = journal_dir_new();
    struct erased e = {.n = 0};
    struct hit h = hit_of(1);
    uint64_t mark = forgotten_mark(STR("shop"), ANNA);
    assert_int_equal(erased_load(&e, d.fd), 0);
    assert_false(erased_has(&e, &h));
    for (uint64_t i = 0; i < 2000; i++) /* more than are read at once */
        assert_int_equal(erased_add(d.fd, i == 1500 ? mark : i * 0x9e3779b97f4a7c15, NOW + 1), 0);
    assert_int_equal(erased_add(d.fd, mark, NOW - 5), 0); /* the latest moment counts */
    int fd = openat(d.fd, "erased", O_RDWR);
    assert_int_equal(pwrite(fd, "0011 torn", 9, lseek(fd, 0, SEEK_END)), 9);
    assert_int_equal(erased_count(fd), 2001);
    assert_int_equal(erased_load(&e, d.fd), 0);
    assert_int_equal(e.n, 2001);
    assert_true(erased_has(&e, &h));
    h.at_ms = NOW + 2;
    assert_false(erased_has(&e, &h));
    /* Written over what was cut off. */
    assert_int_equal(erased_add(d.fd, mark, NOW + 2), 0);
    erased_fini(&e);
    assert_int_equal(erased_load(&e, d.fd), 0);
    assert_int_equal(e.n, 2002);
    assert_true(erased_has(&e, &h));
    close(fd);
    erased_fini(&e);
    journal_dir_free(&d);
}

static void *add_many(void *arg)
{
    const struct journal_dir *d = arg;
    for (int i = 0; i < 50; i++)
        if (erased_add(d->fd, (uint64_t)i, 1) < 0) return arg;
    return NULL;
}

static void test_many_add(void **state)
{
    (void)state;
    struct journal_dir d = journal_dir_new();
    struct erased e = {.n = 0};
    pthread_t threads[4];
    void *failed;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, &d), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(erased_load(&e, d.fd), 0);
    assert_int_equal(e.n, 200);
    erased_fini(&e);
    journal_dir_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segments), cmocka_unit_test(test_gone),
        cmocka_unit_test(test_payloads), cmocka_unit_test(test_list),
        cmocka_unit_test(test_many_add),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
