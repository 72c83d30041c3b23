/* The cache: what a batch uses stays, what it changed and did not commit is forgotten, and the
 * bound holds for the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>

#include "store.h"

static struct store_entry *use(struct store *s, struct store_batch *b, const char *key,
                               const char *field)
{
    struct store_entry *e = store_use(s, b, 7, str_of(key), str_of(field));
    assert_non_null(e);
    return e;
}

static bool is(const struct store_entry *e, const char *value)
{
    return e->known && str_eq(e->value, str_of(value));
}

static void remembers_what_was_committed(void **state)
{
    (void)state;
    struct store *s = store_new(1 << 20);
    struct store_batch b = {0};
    struct store_entry *e = use(s, &b, "k", "f");
    assert_false(e->known);
    assert_true(store_loaded(s, e, STR("old")));
    assert_ptr_equal(use(s, &b, "k", "f"), e);
    assert_int_equal(b.n, 1);
    assert_false(e->dirty);
    assert_true(store_set(s, e, STR("new")));
    assert_true(e->dirty);
    store_done(s, &b, true);

    e = use(s, &b, "k", "f");
    assert_true(is(e, "new") && !e->dirty);
    assert_false(use(s, &b, "k2", "f")->known);
    assert_false(use(s, &b, "k", "f2")->known);
    store_done(s, &b, false);
    store_free(s);
}

static void forgets_what_was_not_committed(void **state)
{
    (void)state;
    struct store *s = store_new(1 << 20);
    struct store_batch b = {0};
    store_loaded(s, use(s, &b, "k", "clean"), STR("1"));
    store_loaded(s, use(s, &b, "k", "absent"), STR(""));
    store_loaded(s, use(s, &b, "k", "dirty"), STR("1"));
    store_set(s, use(s, &b, "k", "dirty"), STR("2"));
    store_set(s, use(s, &b, "k", "blind"), STR("2")); /* written without having been loaded */
    use(s, &b, "k", "unknown");
    store_done(s, &b, false);

    assert_true(is(use(s, &b, "k", "clean"), "1"));
    assert_true(is(use(s, &b, "k", "absent"), ""));
    assert_false(use(s, &b, "k", "dirty")->known);
    assert_false(use(s, &b, "k", "blind")->known);
    assert_false(use(s, &b, "k", "unknown")->known);
    store_done(s, &b, false);
    store_free(s);
}

static void keeps_its_bound(void **state)
{
    (void)state;
    enum { MAX = 64 * 1024, ENTRIES = 5000 };
    struct store *s = store_new(MAX);
    struct store_batch b = {0}, pinned = {0};
    char field[16];
    store_loaded(s, use(s, &pinned, "pinned", "f"), STR("stays"));
    for (int i = 0; i < ENTRIES; i++) {
        snprintf(field, sizeof field, "%d", i);
        store_loaded(s, use(s, &b, "k", field), str_of(field));
        if (i % 10 == 9) store_done(s, &b, true);
        assert_true(store_bytes(s) <= MAX + 10 * 512);
    }
    assert_true(is(pinned.entries[0], "stays"));
    assert_true(is(use(s, &b, "k", field), field)); /* the last one used is there... */
    assert_false(use(s, &b, "k", "0")->known);      /* ...the longest unused is not */
    store_done(s, &b, true);
    store_done(s, &pinned, true);
    store_free(s);
}

static void drops_by_partition_and_by_hash(void **state)
{
    (void)state;
    struct store *s = store_new(1 << 20);
    struct store_batch b = {0}, other = {0};
    store_loaded(s, use(s, &b, "k", "f"), STR("1"));
    store_loaded(s, use(s, &b, "k2", "f"), STR("1"));
    store_loaded(s, store_use(s, &other, 8, STR("k8"), STR("f")), STR("1"));
    store_done(s, &b, true);
    store_done(s, &other, true);

    store_drop_hash(s, STR("k2"));
    store_drop_hash(s, STR("never heard of"));
    assert_true(use(s, &b, "k", "f")->known);
    assert_false(use(s, &b, "k2", "f")->known);
    store_drop(s, 7); /* in use: stays until the batch ends */
    assert_true(is(use(s, &b, "k", "f"), "1"));
    store_done(s, &b, true);
    store_drop(s, 7);
    assert_false(use(s, &b, "k", "f")->known);
    assert_true(store_use(s, &other, 8, STR("k8"), STR("f"))->known);
    store_done(s, &b, true);
    store_done(s, &other, true);
    store_drop(s, 7);
    store_drop(s, 8);
    assert_int_equal(store_bytes(s), 0);
    store_free(s);
}

static void groups_by_hash(void **state)
{
    (void)state;
    struct store *s = store_new(1 << 20);
    struct store_batch b = {0};
    char key[16], field[16];
    for (int i = 0; i < 300; i++) {
        snprintf(key, sizeof key, "k%d", i % 7);
        snprintf(field, sizeof field, "f%d", i);
        use(s, &b, key, field);
    }
    store_group(&b);
    int runs = 1;
    for (size_t i = 1; i < b.n; i++)
        runs += b.entries[i]->hash != b.entries[i - 1]->hash;
    assert_int_equal(runs, 7);
    store_done(s, &b, false);
    assert_int_equal(store_bytes(s), 0);
    store_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(remembers_what_was_committed),
        cmocka_unit_test(forgets_what_was_not_committed),
        cmocka_unit_test(keeps_its_bound),
        cmocka_unit_test(drops_by_partition_and_by_hash),
        cmocka_unit_test(groups_by_hash),
    };
    if (sodium_init() < 0) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
