/* The order of many lanes: by time, then by number; a lane that begins a segment may go back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "rebuild_merge.h"

enum { LANES = 50, STEPS = 2000 };

static void one_after_the_other(void **state)
{
    (void)state;
    static const int64_t times[] = {30, 10, 20, 10, -5};
    static const size_t order[] = {4, 1, 3, 2, 0};
    struct merge m = {.n = 0};
    for (size_t i = 0; i < 5; i++)
        assert_true(merge_add(&m, (struct merge_item){times[i], i}));
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(m.item[0].lane, order[i]);
        merge_remove_first(&m);
    }
    assert_int_equal(m.n, 0);
    merge_fini(&m);
}

static size_t least(const int64_t *at, const int *left)
{
    size_t first = LANES;
    for (size_t i = 0; i < LANES; i++) {
        if (left[i] > 0 && (first == LANES || at[i] < at[first])) first = i;
    }
    return first;
}

static void like_looking_at_all(void **state)
{
    (void)state;
    struct merge m = {.n = 0};
    int64_t at[LANES];
    int left[LANES];
    srand(42);
    for (size_t i = 0; i < LANES; i++) {
        at[i] = rand() % 100;
        left[i] = 1 + rand() % (STEPS / LANES);
        assert_true(merge_add(&m, (struct merge_item){at[i], i}));
    }
    for (size_t first; (first = least(at, left)) < LANES;) {
        assert_int_equal(m.item[0].lane, first);
        at[first] += rand() % 40 - 5; /* a new segment of a clock that was set back */
        if (--left[first] == 0)
            merge_remove_first(&m);
        else
            merge_change_first(&m, at[first]);
    }
    assert_int_equal(m.n, 0);
    merge_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_after_the_other),
        cmocka_unit_test(like_looking_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
