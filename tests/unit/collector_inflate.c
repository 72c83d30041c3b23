/* Gzip bodies: all members, nothing but members, never more than the bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "guard.h"
#include "inflate.h"

enum { MAX = 100 * 1000 };

/* Appends one member that holds `plain`. */
static void add_member(struct buf *out, struct str plain)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t room = deflateBound(&z, plain.n) + 64;
    z.next_in = (unsigned char *)plain.p;
    z.avail_in = (unsigned)plain.n;
    z.next_out = (unsigned char *)buf_reserve(out, room);
    z.avail_out = (unsigned)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->n += room - z.avail_out;
    deflateEnd(&z);
}

/* With the input at the end of a readable page. */
static enum inflate_result unzip(struct str in, size_t max, struct buf *out)
{
    static struct inflater *f; /* one for all, as in a worker: nothing may stay behind */
    if (f == NULL) f = inflater_new();
    assert_non_null(f);
    struct guard g = guard_copy(in);
    enum inflate_result r = inflate_gzip(f, g.s, max, out);
    guard_free(&g);
    return r;
}

static const struct {
    const char *members[3];
    const char *behind;
    enum inflate_result want;
} cases[] = {
    {{"s=shop"}, "", INFLATE_OK},
    {{""}, "", INFLATE_OK},
    {{"one\n", "two\n"}, "", INFLATE_OK},
    {{"one\n", "", "three\n"}, "", INFLATE_OK},
    {{"one\n"}, "x", INFLATE_BAD},
    {{"one\n"}, "two", INFLATE_BAD},
    {{"one\n", "two\n"}, "\x1f\x8b", INFLATE_BAD},
    {{"one\n", "two\n"}, "\x1f", INFLATE_BAD},
};

static void test_members(void **state)
{
    (void)state;
    struct buf zipped, out;
    buf_init(&zipped, 0);
    buf_init(&out, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char plain[64] = "";
        buf_clear(&zipped);
        for (size_t m = 0; m < 3 && cases[i].members[m] != NULL; m++) {
            add_member(&zipped, str_of(cases[i].members[m]));
            strcat(plain, cases[i].members[m]);
        }
        buf_add(&zipped, str_of(cases[i].behind));
        assert_true(inflate_is_gzip(buf_str(&zipped)));
        assert_int_equal(unzip(buf_str(&zipped), MAX, &out), cases[i].want);
        if (cases[i].want == INFLATE_OK) assert_true(str_eq(buf_str(&out), str_of(plain)));
    }
    buf_add_char(&zipped, '\0');
    assert_int_equal(unzip(buf_str(&zipped), MAX, &out), INFLATE_BAD); /* padding */
    buf_fini(&zipped);
    buf_fini(&out);
}

static void test_cut_and_damaged(void **state)
{
    (void)state;
    struct buf zipped, out;
    buf_init(&zipped, 0);
    buf_init(&out, 0);
    add_member(&zipped, STR("the first member of two"));
    size_t first = zipped.n;
    add_member(&zipped, STR("the second member of two"));
    for (size_t n = 0; n < zipped.n; n++) {
        if (n == first) continue; /* one whole member */
        assert_int_equal(unzip(str_upto(buf_str(&zipped), n), MAX, &out), INFLATE_BAD);
    }
    for (size_t i = zipped.n - 8; i < zipped.n; i++) { /* CRC and length */
        zipped.p[i] ^= 1;
        assert_int_equal(unzip(buf_str(&zipped), MAX, &out), INFLATE_BAD);
        zipped.p[i] ^= 1;
    }
    assert_int_equal(unzip(buf_str(&zipped), MAX, &out), INFLATE_OK);
    buf_fini(&zipped);
    buf_fini(&out);
}

/* Sizes around the bound, in one member and in two. */
static void test_bound(void **state)
{
    (void)state;
    static char plain[2 * MAX];
    static const struct {
        size_t first, second;
        enum inflate_result want;
    } rows[] = {
        {MAX - 1, 0, INFLATE_OK},       {MAX, 0, INFLATE_OK},
        {MAX + 1, 0, INFLATE_TOO_LONG}, {2 * MAX, 0, INFLATE_TOO_LONG},
        {MAX - 10, 10, INFLATE_OK},     {MAX, 1, INFLATE_TOO_LONG},
        {16384, 16384, INFLATE_OK},     {MAX - 10, 11, INFLATE_TOO_LONG},
    };
    memset(plain, 'a', sizeof plain);
    struct buf zipped, out;
    buf_init(&zipped, 0);
    buf_init(&out, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        buf_clear(&zipped);
        add_member(&zipped, (struct str){plain, rows[i].first});
        add_member(&zipped, (struct str){plain, rows[i].second});
        assert_int_equal(unzip(buf_str(&zipped), MAX, &out), rows[i].want);
        if (rows[i].want == INFLATE_OK) assert_int_equal(out.n, rows[i].first + rows[i].second);
    }
    assert_true(out.cap <= 2 * (MAX + 1)); /* a bomb costs the bound */
    buf_fini(&zipped);
    buf_fini(&out);
}

static void test_is_gzip(void **state)
{
    (void)state;
    assert_true(inflate_is_gzip(STR("\x1f\x8b")));
    assert_false(inflate_is_gzip(STR("\x1f")));
    assert_false(inflate_is_gzip(STR("")));
    assert_false(inflate_is_gzip(STR("s=shop")));
    assert_false(inflate_is_gzip(STR("\x1f\x8c\x08")));
}

static void test_gzip_odd(void **state)
{
    (void)state;
    char raw[8192];
    FILE *file = fopen(SOURCE_DIR "/../shared/suites/gzip-odd/multi-member.log.gz", "rb");
    if (file == NULL) {
        print_message("skipped: no suite gzip-odd\n");
        return;
    }
    struct str zipped = {raw, fread(raw, 1, sizeof raw, file)};
    fclose(file);
    struct buf out;
    buf_init(&out, 0);
    assert_int_equal(unzip(zipped, MAX, &out), INFLATE_OK);
    assert_int_equal(out.n, 6320); /* 4065 would be the first member alone */
    assert_int_equal(unzip(zipped, 6319, &out), INFLATE_TOO_LONG);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),  cmocka_unit_test(test_cut_and_damaged),
        cmocka_unit_test(test_bound),    cmocka_unit_test(test_is_gzip),
        cmocka_unit_test(test_gzip_odd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
