/* Deltas: adding, order, limits on rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "delta.h"

static struct sitestate site_a, site_b;

static void add(struct deltas *d, struct sitestate *s, uint32_t day, const char *name,
                uint32_t column, int64_t n)
{
    deltas_add(d, deltas_row(d, s, day, str_of(name)), column, n);
}

static void test_order(void **state)
{
    (void)state;
    struct deltas *d = deltas_new();
    for (int round = 0; round < 2; round++) {
        deltas_clear(d);
        add(d, &site_b, 1, "T", 1, 1);
        add(d, &site_a, 2, "T", 1, 1);
        add(d, &site_a, 1, "sx", 1, 1);
        add(d, &site_a, 1, "T", 1, 1);
        add(d, &site_a, 1, "sx", 1, 1);
        add(d, &site_a, 1, "L", 32, 1);
        add(d, &site_a, 1, "c1", 1, 1);
        add(d, &site_a, 1, "c1", 1, -1); /* cancels out */
        assert_true(deltas_finish(d));
        /* with the (other) row that the limit of "sx" needs */
        static const char *const want[] = {"a 1 L", "a 1 T", "a 1 s", "a 1 sx", "a 2 T", "b 1 T"};
        assert_int_equal(deltas_count(d), 6);
        for (size_t i = 0; i < 6; i++) {
            const struct delta *x = deltas_at(d, i);
            char got[256];
            snprintf(got, sizeof got, "%.64s %u %.*s", x->site->name, x->day,
                     (int)(x->name.n < 64 ? x->name.n : 64), x->name.p);
            assert_string_equal(got, want[i]);
        }
        assert_int_equal(row_get(&deltas_at(d, 3)->add, 1), 2);
    }
    deltas_free(d);
}

static void test_many_rows(void **state)
{
    (void)state;
    struct deltas *d = deltas_new();
    for (int round = 0; round < 3; round++) {
        deltas_clear(d);
        for (uint32_t i = 0; i < 60000; i++) {
            char name[32];
            snprintf(name, sizeof name, "c%u", i % 20000);
            add(d, i % 2 ? &site_a : &site_b, 7, name, 1, 1);
        }
        assert_true(deltas_finish(d));
        assert_int_equal(deltas_count(d), 20000);
        for (size_t i = 0; i < 20000; i++)
            assert_int_equal(row_get(&deltas_at(d, i)->add, 1), 3);
    }
    deltas_free(d);
}

/* Rows of one site's day, as stored; a few thousand names. */
struct shelf {
    char *names[4096];
    struct row rows[4096];
    size_t n;
};

static struct row *shelf_row(struct shelf *s, struct str name)
{
    for (size_t i = 0; i < s->n; i++) {
        if (str_eq(str_of(s->names[i]), name)) return &s->rows[i];
    }
    assert_true(s->n < 4096);
    s->names[s->n] = strndup(name.p, name.n);
    return &s->rows[s->n++];
}

static void apply(struct deltas *d, struct shelf *s)
{
    assert_true(deltas_finish(d));
    for (size_t i = 0; i < deltas_count(d); i++)
        deltas_at(d, i)->target = shelf_row(s, deltas_at(d, i)->name);
    assert_true(deltas_apply(d));
    deltas_clear(d);
}

static void shelf_free(struct shelf *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->names[i]);
        row_fini(&s->rows[i]);
    }
    free(s);
}

static int64_t value(struct shelf *s, const char *name, uint32_t column)
{
    return row_get(shelf_row(s, str_of(name)), column);
}

static void test_limit(void **state)
{
    (void)state;
    struct shelf *s = calloc(1, sizeof *s);
    struct deltas *d = deltas_new();
    char name[32];
    for (int i = 0; i < ROWS_FREE_MAX + 5; i++) {
        snprintf(name, sizeof name, "e%05d", i);
        add(d, &site_a, 1, name, COL_EVENTS, 1);
    }
    apply(d, s);
    assert_int_equal(value(s, "T", COL_ROWS_FREE + 2), ROWS_FREE_MAX);
    assert_int_equal(value(s, "e", COL_EVENTS), 5); /* (other) */
    assert_int_equal(value(s, "e01999", COL_EVENTS), 1);
    assert_int_equal(value(s, "e02000", COL_EVENTS), 0);

    add(d, &site_a, 1, "e00000", COL_EVENTS, 1); /* a row that exists goes on */
    add(d, &site_a, 1, "snew", COL_VIEWS, 1);    /* another kind has its own limit */
    apply(d, s);
    assert_int_equal(value(s, "e00000", COL_EVENTS), 2);
    assert_int_equal(value(s, "snew", COL_VIEWS), 1);
    assert_int_equal(value(s, "T", COL_ROWS_FREE + 1), 1);

    add(d, &site_a, 1, "e02001", COL_EVENTS, -1); /* was added to (other), is taken from it */
    add(d, &site_a, 1, "e00001", COL_EVENTS, -1); /* empty again: makes room */
    apply(d, s);
    assert_int_equal(value(s, "e", COL_EVENTS), 4);
    assert_true(row_empty(shelf_row(s, STR("e00001"))));
    assert_int_equal(value(s, "T", COL_ROWS_FREE + 2), ROWS_FREE_MAX - 1);
    add(d, &site_a, 1, "enew", COL_EVENTS, 1);
    apply(d, s);
    assert_int_equal(value(s, "enew", COL_EVENTS), 1);
    assert_int_equal(value(s, "T", COL_ROWS_FREE + 2), ROWS_FREE_MAX);

    shelf_free(s);
    deltas_free(d);
}

static void test_ledger(void **state)
{
    (void)state;
    struct deltas *d = deltas_new();
    deltas_verdict(d, V_LATE, 3);
    deltas_verdict(d, V_LATE, 4);
    assert_int_equal(deltas_ledger(d)[V_LATE], 7);
    deltas_clear(d);
    assert_int_equal(deltas_ledger(d)[V_LATE], 0);
    deltas_free(d);
}

/* The kinds that came later have their counts behind the persons. */
static void test_limits_of_later_kinds(void **state)
{
    static const struct {
        char kind;
        uint32_t rows, column;
    } kinds[] = {{'t', COL_ROWS_STEP, COL_STEPS},
                 {'a', COL_ROWS_PROPERTY, COL_EVENTS},
                 {'q', COL_ROWS_SEARCH, COL_SEARCHES}};
    (void)state;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        struct shelf *s = calloc(1, sizeof *s);
        struct deltas *d = deltas_new();
        char name[32];
        for (int i = 0; i < ROWS_FREE_MAX + 3; i++) {
            snprintf(name, sizeof name, "%c%05d", kinds[k].kind, i);
            add(d, &site_a, 1, name, kinds[k].column, 1);
        }
        apply(d, s);
        assert_int_equal(value(s, "T", kinds[k].rows), ROWS_FREE_MAX);
        assert_int_equal(value(s, "T", COL_EXPOSURES), 0);
        assert_true(column_is_limit(kinds[k].rows));
        snprintf(name, sizeof name, "%c", kinds[k].kind);
        assert_int_equal(value(s, name, kinds[k].column), 3);
        snprintf(name, sizeof name, "%c01999", kinds[k].kind);
        assert_int_equal(value(s, name, kinds[k].column), 1);
        shelf_free(s);
        deltas_free(d);
    }
}

/* Minutes of the site's clock, whenever they were written and although nothing is added. */
static void test_live_minutes(void **state)
{
    (void)state;
    static const struct {
        int64_t clock; /* minutes */
        uint32_t add;  /* one in that minute; 0: nothing */
        int64_t want;  /* left of it all */
    } steps[] = {
        {1000, 1000, 1}, {1010, 1010, 2}, {1010, 1000, 3},
        {1029, 0, 3},    {1030, 0, 1},    {1030, 1000, 1}, /* too late */
        {1039, 1039, 2}, {1040, 0, 1},    {5000, 0, 0},
    };
    struct shelf *s = calloc(1, sizeof *s);
    struct deltas *d = deltas_new();
    struct sitestate site = site_a;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        int64_t all = 0;
        site.watermark_ms = steps[i].clock * LIVE_MINUTE_MS;
        deltas_minute(d, &site);
        if (steps[i].add > 0) add(d, &site, DELTA_LIVE, "T", steps[i].add, 1);
        apply(d, s);
        for (uint32_t minute = 900; minute < 5100; minute++)
            all += value(s, "T", minute);
        if (all != steps[i].want) fail_msg("step %zu: %lld", i, (long long)all);
    }
    assert_true(row_empty(shelf_row(s, STR("T")))); /* so its field goes */
    shelf_free(s);
    deltas_free(d);
}

int main(void)
{
    sitestate_init(&site_a, STR("a"));
    sitestate_init(&site_b, STR("b"));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),        cmocka_unit_test(test_many_rows),
        cmocka_unit_test(test_limit),        cmocka_unit_test(test_limits_of_later_kinds),
        cmocka_unit_test(test_live_minutes), cmocka_unit_test(test_ledger),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
