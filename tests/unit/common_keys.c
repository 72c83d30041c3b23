/* Names of keys, taken apart again: of both generations, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guard.h"
#include "keys.h"

static const struct {
    const char *key, *name;
    bool ok, next;
    unsigned partition;
} cases[] = {
    {"{p0}:stream", "stream", true, false, 0},
    {"{p63}:day:shop:20260131", "day:shop:20260131", true, false, 63},
    {"{p4095}:next:profiles:a.b:3f2", "profiles:a.b:3f2", true, true, 4095},
    {"{p5}:next:", "", true, true, 5},
    {"{p5}:nextday", "nextday", true, false, 5},
    {"{p5}:", "", true, false, 5},
    {"{p5}", NULL, false, false, 0},
    {"{p}:stream", NULL, false, false, 0},
    {"{p4096}:stream", NULL, false, false, 0},
    {"{p99999999999999999999}:stream", NULL, false, false, 0},
    {"{p1x}:stream", NULL, false, false, 0},
    {"{p1", NULL, false, false, 0},
    {"sentier:dataset", NULL, false, false, 0},
    {"", NULL, false, false, 0},
};

static void keys_are_taken_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct guard g = guard_copy(str_of(cases[i].key));
        struct key_parts parts;
        bool ok = key_split(g.s, &parts);
        if (ok != cases[i].ok) fail_msg("%s", cases[i].key);
        if (ok) {
            assert_int_equal(parts.partition, cases[i].partition);
            assert_int_equal(parts.next, cases[i].next);
            assert_true(str_eq(parts.name, str_of(cases[i].name)));
            struct key again = key_of(parts.partition, parts.next, parts.name);
            assert_true(str_eq(key_str(&again), str_of(cases[i].key)));
        }
        guard_free(&g);
    }
}

static void a_process_uses_one_generation(void **state)
{
    (void)state;
    struct key live = key_commit(7), day = key_day(7, STR("shop"), 20000);
    assert_string_equal(live.p, "{p7}:commit");
    assert_string_equal(key_aggregators().p, "sentier:aggregators");
    keys_use_next();
    assert_string_equal(key_commit(7).p, "{p7}:next:commit");
    assert_string_equal(key_profiles(7, STR("shop"), 0x3f2).p, "{p7}:next:profiles:shop:3f2");
    assert_string_equal(key_aggregators().p, "sentier:aggregators:next");
    assert_string_equal(key_customers(7, STR("shop")).p, "{p7}:next:customers:shop");
    assert_string_equal(key_dataset().p, "sentier:dataset");
    struct key next = key_day(7, STR("shop"), 20000);
    struct key_parts parts;
    assert_true(key_split(key_str(&next), &parts) && parts.next);
    struct key back = key_of(parts.partition, false, parts.name);
    assert_true(str_eq(key_str(&back), key_str(&day)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_taken_apart),
        cmocka_unit_test(a_process_uses_one_generation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
