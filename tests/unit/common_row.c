/* Rows: arithmetic, encoding, what the decoder refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guard.h"
#include "row.h"

static void test_add(void **state)
{
    (void)state;
    struct row r = {0};
    static const uint32_t columns[] = {64, 1, 464, 3, 2, 1, 90, 13, 14, 16, 17, 32};
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        assert_true(row_add(&r, columns[i], (int64_t)i + 1));
    assert_int_equal(row_get(&r, 1), 2 + 6);
    assert_int_equal(row_get(&r, 464), 3);
    assert_int_equal(row_get(&r, 5), 0);
    for (uint32_t i = 1; i < r.n; i++)
        assert_true(r.cells[i - 1].column < r.cells[i].column);
    assert_int_equal(r.n, 11);
    row_fini(&r);
}

static void test_zero_is_nothing(void **state)
{
    (void)state;
    struct row r = {0};
    struct buf out = {0};
    row_add(&r, 1, 5);
    row_add(&r, 2, -3);
    assert_false(row_empty(&r));
    row_add(&r, 1, -5);
    row_add(&r, 2, 3);
    assert_true(row_empty(&r));
    assert_true(row_encode(&r, &out));
    assert_int_equal(out.n, 1);
    buf_fini(&out);
    row_fini(&r);
}

static void test_round_trip(void **state)
{
    (void)state;
    static const int64_t values[] = {1, -1, 63, -64, 64, 1000000, INT64_MAX, INT64_MIN};
    struct row r = {0}, back = {0};
    struct buf out = {0};
    for (uint32_t i = 0; i < 8; i++)
        row_add(&r, 1 + i * 100, values[i]);
    assert_true(row_encode(&r, &out));
    struct guard g = guard_copy(buf_str(&out));
    assert_true(row_decode(g.s, &back));
    assert_int_equal(back.n, 8);
    for (uint32_t i = 0; i < 8; i++)
        assert_true(row_get(&back, 1 + i * 100) == values[i]);
    guard_free(&g);
    buf_fini(&out);
    row_fini(&r);
    row_fini(&back);
}

static const struct {
    const char *bytes;
    size_t n;
    bool ok;
} cases[] = {
    {"", 0, false},
    {"\x01", 1, true},
    {"\x02", 1, false},                                              /* another version */
    {"\x01\x01\x02", 3, true},                                       /* views 1 */
    {"\x01\x01", 2, false},                                          /* value cut off */
    {"\x01\x01\x82", 3, false},                                      /* within it */
    {"\x01\x02\x02\x01\x02", 5, false},                              /* out of order */
    {"\x01\x01\x02\x01\x02", 5, false},                              /* twice */
    {"\x01\x00\x02", 3, false},                                      /* no such column */
    {"\x01\x01\x00", 3, false},                                      /* a zero is not written */
    {"\x01\xff\xff\xff\xff\x7f\x02", 7, false},                      /* column over 32 bits */
    {"\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 12, false}, /* value over 64 bits */
};

static void test_decode(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct guard g = guard_copy((struct str){cases[i].bytes, cases[i].n});
        struct row r = {0};
        if (row_decode(g.s, &r) != cases[i].ok) fail_msg("case %zu", i);
        if (!cases[i].ok) assert_int_equal(r.n, 0);
        row_fini(&r);
        guard_free(&g);
    }
}

/* Persons of a range, against counting them one by one. */
static void test_persons(void **state)
{
    (void)state;
    struct row r = {0};
    row_add(&r, COL_VIEWS, 99);
    row_add(&r, COL_GAP_NONE, 1);
    row_add(&r, COL_GAP_NONE + 1, 10);
    row_add(&r, COL_GAP_NONE + 7, 100);
    row_add(&r, COL_GAP_NONE + 400, 1000);
    static const struct {
        uint32_t day, a;
        int64_t want;
    } ranges[] = {
        {50, 50, 1111}, /* the day alone: everyone */
        {50, 49, 1101}, /* who came the day before is counted there */
        {50, 44, 1101}, {50, 43, 1001}, {500, 101, 1001},
        {500, 100, 1},  {50, 51, 0}, /* the day is outside */
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        assert_int_equal(row_persons(&r, ranges[i].day, ranges[i].a), ranges[i].want);
    row_fini(&r);
}

static void columns_below_go(void **state)
{
    (void)state;
    static const struct {
        uint32_t below, left;
    } borders[] = {{0, 3}, {5, 3}, {6, 2}, {20, 2}, {21, 1}, {30, 1}, {31, 0}, {UINT32_MAX, 0}};
    for (size_t i = 0; i < sizeof borders / sizeof *borders; i++) {
        struct row r = {0};
        row_add(&r, 5, 1);
        row_add(&r, 20, 2);
        row_add(&r, 30, 3);
        row_drop_below(&r, borders[i].below);
        assert_int_equal(r.n, borders[i].left);
        assert_int_equal(row_get(&r, 30), borders[i].left > 0 ? 3 : 0);
        assert_int_equal(row_get(&r, 5), borders[i].left > 2 ? 1 : 0);
        row_fini(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),        cmocka_unit_test(test_zero_is_nothing),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_decode),
        cmocka_unit_test(test_persons),    cmocka_unit_test(columns_below_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
