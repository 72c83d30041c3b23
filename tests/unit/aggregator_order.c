/* Orders: the earliest purchase counts, in whatever order and however often they are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <assert.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "guard.h"
#include "order.h"

static struct order told(uint64_t id, int64_t at, uint64_t pageview, uint32_t number)
{
    struct bought what = {
        20000 + (uint32_t)(at % 90), 7 * pageview, 100 + at % 90, {'E', 'U', 'R'}};
    return (struct order){id, at, pageview, number, what};
}

static enum order_fate take(struct orders *o, struct order one, struct order *was)
{
    bool crossed = false;
    enum order_fate fate = orders_take(o, &one, was, &crossed);
    assert_false(crossed);
    return fate;
}

static void the_earliest_counts(void **state)
{
    struct orders o = {0};
    struct order was;
    (void)state;
    assert_int_equal(take(&o, told(1, 50, 5, 3), &was), ORDER_NEW);
    assert_int_equal(take(&o, told(1, 60, 6, 3), &was), ORDER_AGAIN);
    assert_int_equal(take(&o, told(1, 50, 5, 4), &was), ORDER_AGAIN);
    assert_int_equal(take(&o, told(1, 55, 5, 3), &was), ORDER_SAME);
    assert_int_equal(take(&o, told(1, 49, 5, 3), &was), ORDER_SAME); /* another clock's copy */
    assert_int_equal(take(&o, told(1, 50, 4, 0), &was), ORDER_AGAIN);
    assert_int_equal(take(&o, told(1, 49, 4, 0), &was), ORDER_EARLIER);
    assert_true(was.pageview == 5 && was.at_ms == 49);
    assert_int_equal(take(&o, told(2, 10, 0, 0), &was), ORDER_NEW);
    assert_int_equal(take(&o, told(2, 10, 0, 0), &was), ORDER_AGAIN); /* nothing tells them apart */
    assert_int_equal(take(&o, told(2, 9, 0, 0), &was), ORDER_EARLIER);
    assert_int_equal(o.n, 2);
    orders_fini(&o);
}

static void any_order_leaves_the_same(void **state)
{
    struct order all[60];
    struct buf first = {0};
    (void)state;
    srand(3);
    for (int i = 0; i < 60; i++)
        all[i] = told(1 + (uint64_t)(i % ORDERS_MAX), 1 + rand() % 9, 1 + (uint64_t)rand() % 4,
                      (uint32_t)rand() % 3);
    for (int round = 0; round < 50; round++) {
        struct orders o = {0};
        struct order was;
        struct buf bytes = {0};
        int counted = 0;
        for (int i = 0; i < 60; i++)
            counted += take(&o, all[i], &was) == ORDER_NEW;
        assert_int_equal(counted, ORDERS_MAX);
        assert_true(orders_encode(&o, &bytes));
        if (round == 0) buf_add(&first, buf_str(&bytes));
        assert_true(str_eq(buf_str(&first), buf_str(&bytes)));
        buf_fini(&bytes);
        orders_fini(&o);
        for (int i = 59; i > 0; i--) {
            int j = rand() % (i + 1);
            struct order swap = all[i];
            all[i] = all[j];
            all[j] = swap;
        }
    }
    buf_fini(&first);
}

static void the_oldest_go(void **state)
{
    struct orders o = {0};
    struct order was, one;
    bool crossed = false;
    (void)state;
    for (int64_t i = 1; i <= ORDERS_MAX; i++)
        take(&o, told((uint64_t)i, 10 * i, 1, 1), &was);
    one = told(100, 15, 1, 1);
    assert_int_equal(orders_take(&o, &one, &was, &crossed), ORDER_NEW);
    assert_true(crossed && o.n == ORDERS_MAX && o.all[0].id == 100);
    one = told(101, 14, 1, 1); /* older than all that are kept */
    assert_int_equal(orders_take(&o, &one, &was, &crossed), ORDER_NEW);
    assert_true(o.n == ORDERS_MAX && o.all[0].id == 100);
    one = told(1, 10, 1, 1);
    assert_int_equal(orders_take(&o, &one, &was, &crossed), ORDER_NEW);
    orders_fini(&o);
}

static void forgets(void **state)
{
    struct orders o = {0};
    struct order was;
    (void)state;
    for (int64_t i = 1; i <= 5; i++)
        take(&o, told((uint64_t)i, 10 * i, 1, 1), &was);
    orders_forget(&o, 9);
    assert_int_equal(o.n, 5);
    orders_forget(&o, 30);
    assert_true(o.n == 2 && o.all[0].id == 4 && o.all[1].id == 5);
    assert_int_equal(take(&o, told(3, 40, 2, 1), &was), ORDER_NEW);
    orders_forget(&o, 50);
    assert_int_equal(o.n, 0);
    orders_fini(&o);
}

static void reads_back(void **state)
{
    struct orders o = {0}, again = {0};
    struct order was;
    struct buf bytes = {0}, twice = {0};
    (void)state;
    for (uint64_t i = 0; i < 5; i++)
        take(&o, told(i * 77, (int64_t)(1700000000000 + i * i), i, 9), &was);
    assert_true(orders_encode(&o, &bytes));
    for (size_t n = 0; n <= bytes.n; n++) {
        struct guard g = guard_copy(str_upto(buf_str(&bytes), n));
        struct reader r = reader_of(g.s);
        assert_int_equal(orders_get(&r, &again), n == bytes.n);
        if (n == bytes.n) assert_true(orders_encode(&again, &twice));
        orders_fini(&again);
        guard_free(&g);
    }
    assert_true(str_eq(buf_str(&bytes), buf_str(&twice)));
    for (size_t i = 0; i < bytes.n; i++) { /* what is damaged is refused, or is some order */
        bytes.p[i] = (char)(bytes.p[i] ^ 0x90);
        struct reader r = reader_of(buf_str(&bytes));
        if (orders_get(&r, &again)) assert_true(again.n <= ORDERS_MAX);
        orders_fini(&again);
        bytes.p[i] = (char)(bytes.p[i] ^ 0x90);
    }
    buf_fini(&bytes);
    buf_fini(&twice);
    orders_fini(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_earliest_counts), cmocka_unit_test(any_order_leaves_the_same),
        cmocka_unit_test(the_oldest_go),       cmocka_unit_test(forgets),
        cmocka_unit_test(reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
