/* Each page has one verdict: the first that applies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "judge.h"

#define WINDOWS .window = 28, .window_before = 28
#define LISTED  .catalogue_whole = true, .listed = true

static const struct {
    struct page_evidence e;
    enum page_verdict want;
} cases[] = {
    {{WINDOWS, LISTED}, PAGE_UNVISITED},
    {{WINDOWS}, PAGE_NONE},
    {{WINDOWS, .catalogue_whole = true}, PAGE_NONE},
    {{WINDOWS, LISTED, .views = 3, .visits = 2}, PAGE_UNPROVEN},
    {{WINDOWS, LISTED, .views = 3, .visits = 2, .used = 1}, PAGE_USED},
    {{WINDOWS, LISTED, .views = 3, .visits = 2, .used = 1, .not_found = 1}, PAGE_BROKEN},
    /* Not in the sitemap; but who knows all of it? */
    {{WINDOWS, .catalogue_whole = true, .views = 3, .visits = 2, .used = 1}, PAGE_ORPHAN},
    {{WINDOWS, .views = 3, .visits = 2, .used = 1}, PAGE_USED},
    {{WINDOWS, .catalogue_whole = true, .views = 3, .not_found = 3}, PAGE_BROKEN},
    /* Under half, and not by chance: 2 of 12 (p = 0.019); 2 of 8 (0.14); 40 of 90 (0.17) */
    {{WINDOWS, LISTED, .views = 2, .visits = 2, .used = 2, .visits_before = 10}, PAGE_FADING},
    {{WINDOWS, LISTED, .views = 2, .visits = 2, .used = 2, .visits_before = 6}, PAGE_USED},
    {{WINDOWS, LISTED, .views = 400, .visits = 400, .used = 2, .visits_before = 700}, PAGE_USED},
    {{WINDOWS, LISTED, .visits_before = 5}, PAGE_FADING},
    {{WINDOWS, LISTED, .visits_before = 4}, PAGE_UNVISITED}, /* p = 0.0625 */
    {{WINDOWS, .catalogue_whole = true, .visits_before = 50}, PAGE_FADING},
    /* A week against three: 5 against 40 is under half a day's, 5 against 12 is more. */
    {{.window = 7, .window_before = 21, LISTED, .views = 5, .visits = 5, .visits_before = 40},
     PAGE_FADING},
    {{.window = 7, .window_before = 21, LISTED, .views = 5, .visits = 5, .visits_before = 12},
     PAGE_UNPROVEN},
    /* No window before: nothing can have faded. */
    {{.window = 28, LISTED, .views = 1, .visits = 1, .visits_before = 50}, PAGE_UNPROVEN},
};

static void one_verdict_each(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum page_verdict got = judge_page(&cases[i].e);
        if (got != cases[i].want)
            fail_msg("case %zu: %s, not %s", i, page_verdict_name(got),
                     page_verdict_name(cases[i].want));
    }
}

static void names_are_read_back(void **state)
{
    (void)state;
    enum page_verdict v;
    for (int i = 0; i < PAGE_VERDICTS; i++) {
        assert_true(page_verdict_parse(page_verdict_name((enum page_verdict)i), &v));
        assert_int_equal(v, i);
    }
    assert_false(page_verdict_parse("ignored", &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_verdict_each),
        cmocka_unit_test(names_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
