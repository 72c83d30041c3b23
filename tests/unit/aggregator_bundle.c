/* The rows of a packed day: found, changed, taken away, joined with a hash of the same day. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bundle.h"
#include "guard.h"
#include "row.h"

/* "a1 b2" -> plain rows: name a with 1 in column 1, ... */
static struct buf plain_of(const char *text)
{
    struct buf out = {0}, value = {0};
    for (const char *at = text; *at != '\0'; at += at[2] == ' ' ? 3 : 2) {
        struct row row = {0};
        assert_true(row_add(&row, 1, at[1] - '0'));
        buf_clear(&value);
        assert_true(row_encode(&row, &value));
        assert_true(pack_add(&out, (struct str){at, 1}, buf_str(&value)));
        row_fini(&row);
    }
    buf_fini(&value);
    return out;
}

static struct buf packed_of(const char *text)
{
    struct buf plain = plain_of(text), out = {0};
    if (plain.n > 0) assert_true(pack_write(buf_str(&plain), &out));
    buf_fini(&plain);
    return out;
}

static void write_is_merging(void **state)
{
    (void)state;
    static const struct {
        const char *packed, *loose, *changed, *want; /* changed to 0: the row goes */
    } cases[] = {
        {"", "", "", ""},
        {"a1", "", "", "a1"},
        {"", "b2 a1", "", "a1 b2"},
        {"a1 c3", "b2", "", "a1 b2 c3"},
        {"a1 c3", "c2 a4", "", "a5 c5"},
        {"a1 c3", "", "b2", "a1 b2 c3"},
        {"a1 c3", "", "a7", "a7 c3"},
        {"a1 c3", "", "a0", "c3"},
        {"a1 c3", "", "c0 d4", "a1 d4"},
        {"a1", "", "a0", ""},
        {"", "", "x1 y2", "x1 y2"},
        {"a1", "", "b0", "a1"},
        {"a1 b1", "b1 a1", "b9", "a2 b9"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf packed = packed_of(cases[i].packed), loose = plain_of(cases[i].loose);
        struct buf changed = plain_of(cases[i].changed), want = packed_of(cases[i].want), got = {0};
        struct bundle b = {.n = 0};
        struct bundle_row rows[4];
        size_t n = 0;
        struct reader in = reader_of(buf_str(&changed));
        for (; pack_next(&in, &rows[n].name, &rows[n].value); n++) {
            if (rows[n].value.n == 1) rows[n].value.n = 0; /* a row of zeros */
        }
        struct guard g = guard_copy(buf_str(&packed));
        assert_int_equal(bundle_load(&b, g.s, buf_str(&loose)), PACK_OK);
        assert_true(bundle_write(&b, rows, n, &got));
        assert_true(str_eq(buf_str(&got), buf_str(&want)));
        bundle_fini(&b);
        guard_free(&g);
        buf_fini(&packed);
        buf_fini(&loose);
        buf_fini(&changed);
        buf_fini(&want);
        buf_fini(&got);
    }
}

static void rows_are_found(void **state)
{
    (void)state;
    struct buf packed = packed_of("a1 c3 e5 g7"), loose = plain_of("b2");
    struct bundle b = {.n = 0};
    assert_int_equal(bundle_load(&b, buf_str(&packed), buf_str(&loose)), PACK_OK);
    for (char c = 'a'; c <= 'h'; c++) {
        struct str value = bundle_find(&b, (struct str){&c, 1});
        assert_int_equal(value.n > 0, c != 'd' && c != 'f' && c != 'h');
    }
    bundle_fini(&b);
    assert_int_equal(bundle_find(&b, STR("a")).n, 0);
    buf_fini(&packed);
    buf_fini(&loose);
}

static void damage_is_told(void **state)
{
    (void)state;
    struct buf packed = packed_of("a1 c3"), loose = {0};
    struct bundle b = {.n = 0};
    assert_int_equal(bundle_load(&b, str_upto(buf_str(&packed), packed.n - 1), STR("")),
                     PACK_DAMAGED);
    bundle_fini(&b);
    pack_add(&loose, STR("a"), STR("no row"));
    assert_int_equal(bundle_load(&b, buf_str(&packed), buf_str(&loose)), PACK_DAMAGED);
    bundle_fini(&b);
    buf_fini(&packed);
    buf_fini(&loose);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(write_is_merging),
        cmocka_unit_test(rows_are_found),
        cmocka_unit_test(damage_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
