/* Real files of every odd kind, read to their end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "buf.h"
#include "import_file.h"
#include "logline.h"

static char dir[64], path[128];

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/sentier-import-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/log", dir);
    return 0;
}

static int drop_dir(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

static void write_file(struct str bytes)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes.p, 1, bytes.n, f), bytes.n);
    assert_int_equal(fclose(f), 0);
}

/* One more gzip member. */
static void gzip_onto(struct buf *out, struct str bytes)
{
    unsigned char packed[256 * 1024];
    z_stream z = {.next_in = (Bytef *)(uintptr_t)bytes.p,
                  .avail_in = (uInt)bytes.n,
                  .next_out = packed,
                  .avail_out = sizeof packed};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    assert_true(buf_add(out, (struct str){(char *)packed, z.total_out}));
    deflateEnd(&z);
}

/* The lines, each followed by '|'; too long ones as "LONG"; "!" for damage, with its words in why.
 */
static void read_all(struct import_file *f, struct buf *out, const char **why)
{
    struct str line;
    bool too_long;
    int got;
    while ((got = import_file_line(f, &line, &too_long, why)) == 1)
        buf_printf(out, "%.*s|", too_long ? 4 : (int)line.n, too_long ? "LONG" : line.p);
    if (got < 0) buf_printf(out, "!");
}

static void expect_lines(const char *want, uint64_t number, bool cut)
{
    struct buf lines = {0};
    const char *why;
    struct import_file *f = import_file_open(path);
    assert_non_null(f);
    buf_init(&lines, 1024 * 1024);
    read_all(f, &lines, &why);
    if (!str_eq(buf_str(&lines), str_of(want)))
        fail_msg("is \"%.*s\", should be \"%s\"", STR_ARG(buf_str(&lines)), want);
    assert_int_equal(import_file_number(f), number);
    assert_int_equal(import_file_cut(f), cut);
    buf_fini(&lines);
    import_file_close(f);
}

static const struct {
    struct str bytes;
    const char *lines;
    uint64_t number;
    bool cut;
} rows[] = {
    {{"", 0}, "", 0, false},
    {{"\n", 1}, "|", 1, false},
    {{"a\nbc\n", 5}, "a|bc|", 2, false},
    {{"a\r\nb\r\n", 6}, "a|b|", 2, false},
    {{"a\n\nb\n", 5}, "a||b|", 3, false},
    {{"a\nb", 3}, "a|b|", 2, true},
    {{"a\nb\r", 4}, "a|b|", 2, true},
    {{"a", 1}, "a|", 1, true},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        write_file(rows[i].bytes);
        expect_lines(rows[i].lines, rows[i].number, rows[i].cut);
        struct buf packed;
        buf_init(&packed, 1024 * 1024);
        gzip_onto(&packed, rows[i].bytes);
        write_file(buf_str(&packed));
        expect_lines(rows[i].lines, rows[i].number, rows[i].cut);
        buf_fini(&packed);
    }
}

static void test_nul_bytes(void **state)
{
    (void)state;
    struct str line;
    bool too_long;
    const char *why;
    write_file(STR("a\0b\n\0\0\0"));
    struct import_file *f = import_file_open(path);
    assert_int_equal(import_file_line(f, &line, &too_long, &why), 1);
    assert_true(str_eq(line, STR("a\0b")));
    assert_int_equal(import_file_line(f, &line, &too_long, &why), 1);
    assert_int_equal(line.n, 3);
    assert_true(import_file_cut(f));
    assert_int_equal(import_file_line(f, &line, &too_long, &why), 0);
    import_file_close(f);
}

/* Lines around the limit, and one that is longer than every buffer. */
static void test_long_lines(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        bool too_long;
    } lengths[] = {{LOGLINE_MAX_BYTES - 1, false},
                   {LOGLINE_MAX_BYTES, false},
                   {LOGLINE_MAX_BYTES + 1, true},
                   {LOGLINE_MAX_BYTES * 40, true}};
    struct str line;
    bool too_long;
    const char *why;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        FILE *out = fopen(path, "w");
        fputs("first\n", out);
        for (size_t n = 0; n < lengths[i].n; n++)
            fputc('x', out);
        fputs("\nlast\n", out);
        assert_int_equal(fclose(out), 0);
        struct import_file *f = import_file_open(path);
        assert_int_equal(import_file_line(f, &line, &too_long, &why), 1);
        assert_int_equal(import_file_line(f, &line, &too_long, &why), 1);
        assert_int_equal(too_long, lengths[i].too_long);
        if (!too_long) assert_int_equal(line.n, lengths[i].n);
        assert_int_equal(import_file_line(f, &line, &too_long, &why), 1);
        assert_true(str_eq(line, STR("last")));
        assert_int_equal(import_file_number(f), 3);
        assert_false(import_file_cut(f));
        assert_int_equal(import_file_line(f, &line, &too_long, &why), 0);
        import_file_close(f);
    }
}

static void test_members(void **state)
{
    (void)state;
    struct buf packed;
    buf_init(&packed, 1024 * 1024);
    gzip_onto(&packed, STR("a\nb"));
    gzip_onto(&packed, STR(""));
    gzip_onto(&packed, STR("c\nd\n"));
    write_file(buf_str(&packed));
    expect_lines("a|bc|d|", 3, false);
    buf_fini(&packed);
}

/* Cut anywhere, a gzip file never looks like one that has ended. */
static void test_truncated_gzip(void **state)
{
    (void)state;
    struct buf packed, lines;
    buf_init(&packed, 1024 * 1024);
    buf_init(&lines, 1024 * 1024);
    gzip_onto(&packed, STR("some\nlines of a log\nwith an end\n"));
    struct str whole = buf_str(&packed);
    for (size_t n = 2; n < whole.n; n++) {
        const char *why = NULL;
        write_file(str_upto(whole, n));
        struct import_file *f = import_file_open(path);
        assert_non_null(f);
        buf_clear(&lines);
        read_all(f, &lines, &why);
        assert_non_null(why);
        assert_true(str_ends(buf_str(&lines), STR("!")));
        import_file_close(f);
    }
    buf_fini(&lines);
    buf_fini(&packed);
}

static void test_damaged_gzip(void **state)
{
    (void)state;
    struct buf packed, lines;
    const char *why = NULL;
    buf_init(&packed, 1024 * 1024);
    buf_init(&lines, 1024 * 1024);
    gzip_onto(&packed, STR("some\nlines of a log\nwith an end\n"));
    char *crc = packed.p + packed.n - 8;
    *crc = (char)(*crc ^ 1);
    write_file(buf_str(&packed));
    struct import_file *f = import_file_open(path);
    read_all(f, &lines, &why);
    assert_non_null(why);
    import_file_close(f);
    buf_fini(&lines);
    buf_fini(&packed);
}

static void test_not_files(void **state)
{
    (void)state;
    assert_null(import_file_open("/nowhere/at/all"));
    assert_int_equal(errno, ENOENT);
    assert_null(import_file_open(dir));
    assert_int_equal(errno, EISDIR);
    import_file_close(NULL);
}

static void fingerprint(struct str bytes, const char *site, size_t n, unsigned char *out)
{
    write_file(bytes);
    struct import_file *f = import_file_open(path);
    import_file_fingerprint(f, str_of(site), n == 0 ? import_file_head(f).n : n, out);
    import_file_close(f);
}

static void test_fingerprint(void **state)
{
    (void)state;
    unsigned char a[PRODUCER_BYTES], b[PRODUCER_BYTES];
    struct buf packed;
    buf_init(&packed, 1024 * 1024);
    gzip_onto(&packed, STR("line 1\n"));
    fingerprint(STR("line 1\n"), "shop", 0, a);
    fingerprint(buf_str(&packed), "shop", 0, b);
    assert_memory_equal(a, b, sizeof a); /* of the uncompressed file */
    fingerprint(STR("line 1\nline 2\n"), "shop", 7, b);
    assert_memory_equal(a, b, sizeof a); /* it has grown */
    fingerprint(STR("line 1\n"), "blog", 0, b);
    assert_memory_not_equal(a, b, sizeof a);
    fingerprint(STR("line 2\n"), "shop", 0, b);
    assert_memory_not_equal(a, b, sizeof a);
    buf_fini(&packed);
}

static void test_head_is_bounded(void **state)
{
    (void)state;
    FILE *out = fopen(path, "w");
    for (int i = 0; i < 3 * IMPORT_HEAD_BYTES / 8; i++)
        fprintf(out, "%07d\n", i);
    assert_int_equal(fclose(out), 0);
    struct import_file *f = import_file_open(path);
    struct str line;
    bool too_long;
    const char *why;
    assert_int_equal(import_file_head(f).n, IMPORT_HEAD_BYTES);
    for (int i = 0; i < 3 * IMPORT_HEAD_BYTES / 8; i++) {
        char want[16];
        snprintf(want, sizeof want, "%07d", i);
        assert_int_equal(import_file_line(f, &line, &too_long, &why), 1);
        assert_true(str_eq(line, str_of(want)));
    }
    assert_int_equal(import_file_line(f, &line, &too_long, &why), 0);
    assert_true(import_file_share(f) == 1.0);
    import_file_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(test_nul_bytes, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(test_long_lines, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(test_members, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(test_truncated_gzip, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(test_damaged_gzip, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(test_not_files, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(test_fingerprint, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(test_head_is_bounded, make_dir, drop_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
