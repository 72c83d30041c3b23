/* What sitemaps have said of a page: registers that any order of records leaves the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "catalogue.h"
#include "guard.h"

static void survives_encoding(void **state)
{
    (void)state;
    const struct catalogue_page pages[] = {
        {1, 1, 0, {NULL, 0}},
        {1769600000123,
         1769900000123,
         20481,
         {"Gl\xc3\xbc"
          "ck",
          6}},
    };
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        struct buf b = {0};
        struct catalogue_page back;
        assert_true(catalogue_page_encode(&pages[i], &b));
        struct guard g = guard_copy(buf_str(&b));
        assert_true(catalogue_page_decode(g.s, &back));
        assert_true(back.first_ms == pages[i].first_ms && back.last_ms == pages[i].last_ms);
        assert_true(back.modified == pages[i].modified && str_eq(back.title, pages[i].title));
        for (size_t n = 0; n < g.s.n; n++) {
            struct guard cut = guard_copy(str_upto(g.s, n));
            assert_false(catalogue_page_decode(cut.s, &back));
            guard_free(&cut);
        }
        guard_free(&g);
        buf_fini(&b);
    }
    struct catalogue_head head = {1769900000123, 3, 5, 7}, back;
    struct buf b = {0};
    assert_true(catalogue_head_encode(&head, &b) && catalogue_head_decode(buf_str(&b), &back));
    assert_memory_equal(&head, &back, sizeof head);
    assert_false(catalogue_head_decode(str_upto(buf_str(&b), b.n - 1), &back));
    buf_fini(&b);
}

static void the_latest_run_says_it_in_any_order(void **state)
{
    (void)state;
    const struct hit said[] = {
        {.kind = HIT_CATALOGUE, .at_ms = 100, .name = {"first", 5}, .modified = 3},
        {.kind = HIT_CATALOGUE, .at_ms = 300, .name = {"b", 1}, .modified = 1},
        {.kind = HIT_CATALOGUE, .at_ms = 300, .name = {"a", 1}, .modified = 1},
        {.kind = HIT_CATALOGUE, .at_ms = 200, .name = {"z", 1}, .modified = 9},
    };
    enum { N = sizeof said / sizeof *said };
    for (int order = 0; order < N * N * N * N; order++) { /* also with repeats */
        bool all[N] = {false};
        struct catalogue_page p = {.first_ms = 0};
        for (int i = 0, rest = order; i < N; i++, rest /= N) {
            catalogue_page_take(&p, &said[rest % N]);
            all[rest % N] = true;
        }
        for (int i = 0; i < N; i++)
            catalogue_page_take(&p, &said[all[i] ? 0 : i]);
        assert_true(p.first_ms == 100 && p.last_ms == 300 && p.modified == 1);
        assert_true(str_eq(p.title, STR("b")));
    }
}

static void a_whole_run_unlists_the_rest(void **state)
{
    (void)state;
    struct catalogue_head head = {.complete_ms = 0};
    const struct catalogue_page a = {100, 100, 0, {NULL, 0}}, b = {100, 200, 0, {NULL, 0}};
    assert_true(catalogue_listed(&a, &head) && catalogue_listed(&b, &head));
    assert_false(catalogue_listed(&(struct catalogue_page){.first_ms = 0}, &head));
    catalogue_head_take(&head, &(struct hit){.kind = HIT_CATALOGUE_END, .at_ms = 200, .n = 1});
    catalogue_head_take(&head, &(struct hit){.kind = HIT_CATALOGUE_END, .at_ms = 100, .n = 2});
    assert_true(head.complete_ms == 200 && head.named == 1);
    assert_false(catalogue_listed(&a, &head));
    assert_true(catalogue_listed(&b, &head));
    assert_true(catalogue_listed(&(struct catalogue_page){250, 250, 0, {NULL, 0}}, &head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survives_encoding),
        cmocka_unit_test(the_latest_run_says_it_in_any_order),
        cmocka_unit_test(a_whole_run_unlists_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
