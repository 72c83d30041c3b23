/* Packed rows: what goes in comes out, the same rows have the same bytes, and damage is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "guard.h"
#include "pack.h"

enum { ROWS = 300 };

/* Plain rows with rising names. */
static struct buf make(int rows)
{
    struct buf plain = {0};
    char name[16];
    for (int i = 0; i < rows; i++) {
        snprintf(name, sizeof name, "p%06d", i * 7);
        assert_true(pack_add(&plain, str_of(name), STR("\x01\x01\x02\x03\x04")));
    }
    return plain;
}

static struct buf packed_of(struct str plain)
{
    struct buf out = {0};
    assert_true(pack_write(plain, &out));
    return out;
}

/* A packed value with whatever is said of it. */
static struct buf forged(char version, uint64_t bytes, struct str plain)
{
    struct buf out = {0};
    uLongf n = compressBound(plain.n);
    buf_add_char(&out, version);
    buf_add_varint(&out, bytes);
    char *to = buf_reserve(&out, n);
    assert_int_equal(compress((Bytef *)to, &n, (const Bytef *)plain.p, plain.n), Z_OK);
    out.n += n;
    return out;
}

static void comes_back(void **state)
{
    (void)state;
    static const int sizes[] = {1, 2, 17, ROWS};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct buf plain = make(sizes[i]), packed = packed_of(buf_str(&plain));
        struct buf again = packed_of(buf_str(&plain)), out = {0};
        assert_true(str_eq(buf_str(&packed), buf_str(&again)));
        buf_add(&out, STR("before"));
        struct guard g = guard_copy(buf_str(&packed));
        assert_int_equal(pack_read(g.s, &out), PACK_OK);
        assert_true(str_eq(str_from(buf_str(&out), 6), buf_str(&plain)));
        guard_free(&g);
        buf_fini(&plain);
        buf_fini(&packed);
        buf_fini(&again);
        buf_fini(&out);
    }
}

static void refuse(struct str in)
{
    struct buf out = {0};
    struct guard g = guard_copy(in);
    buf_add(&out, STR("before"));
    assert_int_equal(pack_read(g.s, &out), PACK_DAMAGED);
    assert_true(str_eq(buf_str(&out), STR("before")));
    guard_free(&g);
    buf_fini(&out);
}

static void every_damage_is_refused(void **state)
{
    (void)state;
    struct buf plain = make(ROWS), packed = packed_of(buf_str(&plain));
    for (size_t n = 0; n < packed.n; n++)
        refuse(str_upto(buf_str(&packed), n));
    for (size_t i = 0; i < packed.n; i++) {
        struct buf bad = {0};
        buf_add(&bad, buf_str(&packed));
        bad.p[i] ^= 0x41;
        refuse(buf_str(&bad));
        buf_fini(&bad);
    }
    buf_add_char(&packed, 0);
    refuse(buf_str(&packed));
    buf_fini(&plain);
    buf_fini(&packed);
}

static void lies_are_refused(void **state)
{
    (void)state;
    static const struct {
        char version;
        int64_t more; /* than the true length */
        struct str plain;
    } cases[] = {
        {2, 0, {"\1a\1x", 4}},       {1, 1, {"\1a\1x", 4}},       {1, -1, {"\1a\1x", 4}},
        {1, 1 << 30, {"\1a\1x", 4}}, {1, 1 << 20, {"\1a\1x", 4}}, {1, 0, {"\1b\1x\1a\1x", 8}},
        {1, 0, {"\1a\1x\1a\1x", 8}}, {1, 0, {"\0\1x", 3}},        {1, 0, {"\1a\0", 3}},
        {1, 0, {"\1a\2x", 4}},       {1, 0, {"\1a\1x\5b", 6}},    {1, 0, {"\xff\xff", 2}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf bad =
            forged(cases[i].version, cases[i].plain.n + (uint64_t)cases[i].more, cases[i].plain);
        refuse(buf_str(&bad));
        buf_fini(&bad);
    }
    struct buf good = forged(1, 4, (struct str){"\1a\1x", 4}), out = {0};
    assert_int_equal(pack_read(buf_str(&good), &out), PACK_OK);
    buf_fini(&good);
    buf_fini(&out);
}

static void names_have_one_order(void **state)
{
    (void)state;
    static const struct {
        struct str a, b;
        int order;
    } cases[] = {
        {{"", 0}, {"", 0}, 0},    {{"", 0}, {"a", 1}, -1},         {{"a", 1}, {"ab", 2}, -1},
        {{"b", 1}, {"ab", 2}, 1}, {{"a\xff", 2}, {"a\x01", 2}, 1}, {{"T", 1}, {"p", 1}, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int order = str_order(cases[i].a, cases[i].b);
        assert_int_equal((order > 0) - (order < 0), cases[i].order);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back),
        cmocka_unit_test(every_damage_is_refused),
        cmocka_unit_test(lies_are_refused),
        cmocka_unit_test(names_have_one_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
