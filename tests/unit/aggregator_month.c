/* A row of a day as a part of its month: gaps become months, all other columns stay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock.h"
#include "month.h"

static void columns_go_where_they_belong(void **state)
{
    (void)state;
    static const struct {
        uint32_t from, to; /* column of the day, of the month; 0: it goes */
    } rows[] = {
        {COL_VIEWS, COL_VIEWS},
        {COL_VISITS, COL_VISITS},
        {COL_ROWS_PAGE, 0},
        {COL_VERDICT + 3, COL_VERDICT + 3},
        {COL_GAP_NONE, COL_GAP_NONE},
        {COL_GAP_NONE + 14, 0},                      /* 1 March: the same month */
        {COL_GAP_NONE + 15, COL_GAP_NONE + 1},       /* 28 February */
        {COL_GAP_NONE + 74, COL_GAP_NONE + 3},       /* 31 December */
        {COL_GAP_NONE + GAP_MAX, COL_GAP_NONE + 13}, /* 8 February 2025 */
        {COL_SEEN, COL_SEEN},
        {COL_SEEN_OPENED, COL_SEEN_OPENED},
    };
    uint32_t day;
    assert_int_equal(date_parse("2026-03-15", &day), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct row from = {0}, into = {0};
        assert_true(row_add(&from, rows[i].from, 7));
        assert_true(month_add(&into, &from, day));
        assert_int_equal(into.n, rows[i].to != 0);
        if (rows[i].to != 0) assert_int_equal(row_get(&into, rows[i].to), 7);
        row_fini(&from);
        row_fini(&into);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(columns_go_where_they_belong)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
