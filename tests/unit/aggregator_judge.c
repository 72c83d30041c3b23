/*
 * Each page has one verdict: the first that applies. Medians are those of python3
 * statistics.median. Chances are sums of exact fractions (python3 fractions), intervals Wilson's
 * with 40 decimal digits (python3 decimal; z = statistics.NormalDist().inv_cdf(0.975)), turned from
 * share into ratio.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "judge.h"

#define WINDOWS            .window = 28, .window_before = 28
#define LISTED             .catalogue_whole = true, .listed = true
#define GRAPH              .graph_known = true
#define TRIALS(k, n, rate) .offered = true, .seen = (n), .opened = (k), .usual = (rate)

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
    /* Wilson's upper ends: 1 of 40 12.9 %, 2 of 60 11.4 %, 9 of 200 8.3 %, 0 of 12 24.2 % */
    {{WINDOWS, LISTED, GRAPH, TRIALS(1, 40, 0.26), .views = 1, .visits = 1}, PAGE_IGNORED},
    {{WINDOWS, LISTED, GRAPH, TRIALS(1, 40, 0.25), .views = 1, .visits = 1}, PAGE_UNPROVEN},
    {{WINDOWS, LISTED, GRAPH, TRIALS(2, 60, 0.23), .views = 9, .visits = 9, .used = 7},
     PAGE_IGNORED},
    {{WINDOWS, LISTED, GRAPH, TRIALS(2, 60, 0.22), .views = 9, .visits = 9, .used = 7}, PAGE_USED},
    {{WINDOWS, LISTED, GRAPH, TRIALS(9, 200, 0.17), .views = 9, .visits = 9, .visits_before = 90},
     PAGE_IGNORED},
    {{WINDOWS, LISTED, GRAPH, TRIALS(9, 200, 0.16), .views = 9, .visits = 9, .visits_before = 90},
     PAGE_FADING},
    /* Never opened, known from links alone; few trials prove nothing, nor does an unknown usual. */
    {{WINDOWS, GRAPH, .linked = true, TRIALS(0, 12, 0.5)}, PAGE_IGNORED},
    {{WINDOWS, GRAPH, .linked = true, TRIALS(0, 12, 0.48)}, PAGE_UNVISITED},
    {{WINDOWS, GRAPH, .linked = true, TRIALS(0, 4, 0.9)}, PAGE_UNVISITED},
    {{WINDOWS, GRAPH, .linked = true, TRIALS(0, 900, -1)}, PAGE_UNVISITED},
    {{WINDOWS, GRAPH, .linked = true, TRIALS(0, 900, 0)}, PAGE_UNVISITED},
    {{WINDOWS, GRAPH, TRIALS(0, 12, 0.5)}, PAGE_IGNORED}, /* its links are no longer there */
    {{WINDOWS, .catalogue_whole = true, GRAPH, TRIALS(0, 12, 0.5), .views = 1}, PAGE_ORPHAN},
    {{WINDOWS, LISTED, GRAPH, TRIALS(0, 12, 0.5), .views = 1, .not_found = 1}, PAGE_BROKEN},
    /* No visited page led to it; where no page told its links, nobody knows. */
    {{WINDOWS, LISTED, GRAPH}, PAGE_UNDISCOVERED},
    {{WINDOWS, GRAPH, .linked = true}, PAGE_UNDISCOVERED},
    {{WINDOWS, LISTED, GRAPH, .linked = true, .offered = true}, PAGE_UNVISITED},
    {{WINDOWS, .linked = true}, PAGE_UNVISITED},
    {{WINDOWS, GRAPH}, PAGE_NONE},
    {{WINDOWS, LISTED, GRAPH, .views = 1, .visits = 1}, PAGE_UNPROVEN},
    {{WINDOWS, LISTED, GRAPH, .visits_before = 9}, PAGE_FADING},
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
    assert_false(page_verdict_parse("none", &v));
}

static void what_is_usual_is_the_median(void **state)
{
    (void)state;
    struct {
        size_t n;
        double rates[7], want;
    } rows[] = {
        {5, {0.4, 0.1, 0.5, 0.2, 0.3}, 0.3},
        {6, {0.5, 0.1, 0.4, 0.2, 0.3, 0.6}, 0.35},
        {5, {0, 1, 0, 0, 0}, 0},
        {7, {0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25}, 0.25},
        {4, {0.1, 0.2, 0.3, 0.4}, -1},
        {0, {0}, -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_true(fabs(judge_usual(rows[i].rates, rows[i].n) - rows[i].want) < 1e-15);
}

static void near(double got, double want)
{
    if (got == want || fabs(got - want) <= 1e-10 * fabs(want)) return;
    fail_msg("%.17g, not %.17g", got, want);
}

static void a_change_is_told_from_chance(void **state)
{
    (void)state;
    static const struct {
        uint64_t now, before;
        double days, days_before, chance, ratio, low, high;
        enum change want;
        bool can_tell;
    } rows[] = {
        {2, 10, 28, 28, 0.03857421875, 0.2, 0.04927956390962782, 0.8116954945736673, CHANGE_FELL,
         true},
        {10, 2, 28, 28, 0.03857421875, 5, 1.2319890977406955, 20.292387364341682, CHANGE_ROSE,
         true},
        {5, 40, 7, 21, 0.03588692414930341, 0.375, 0.15260075010410254, 0.9215223378919644,
         CHANGE_FELL, true},
        {30, 40, 7, 21, 0.0016496028929596043, 2.25, 1.407571606709823, 3.596619863506281,
         CHANGE_ROSE, true},
        {40, 90, 28, 28, 1.3715068445175424e-05, 4.0 / 9, 0.3068915526801029, 0.6436503790100497,
         CHANGE_FELL, true},
        {20, 20, 28, 28, 1, 1, 0.5431986105614364, 1.8409472715079762, CHANGE_NONE, true},
        {0, 5, 28, 28, 0.0625, 0, 0, 0.7682917641388252, CHANGE_NONE, false},
        {0, 6, 28, 28, 0.03125, 0, 0, 0.6402431367823543, CHANGE_FELL, true},
        {6, 0, 28, 28, 0.03125, INFINITY, 1.561906629762034, INFINITY, CHANGE_ROSE, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct page_evidence e = {.visits = rows[i].now,
                                  .visits_before = rows[i].before,
                                  .window = rows[i].days,
                                  .window_before = rows[i].days_before};
        struct page_change c = judge_change(&e);
        near(c.chance, rows[i].chance);
        near(c.ratio, rows[i].ratio);
        near(c.low, rows[i].low);
        near(c.high, rows[i].high);
        assert_string_equal(change_name(c.change), change_name(rows[i].want));
        assert_int_equal(c.can_tell, rows[i].can_tell);
    }
    struct page_evidence no_before = {.visits = 50, .window = 28};
    assert_int_equal(judge_change(&no_before).change, CHANGE_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_verdict_each),
        cmocka_unit_test(names_are_read_back),
        cmocka_unit_test(what_is_usual_is_the_median),
        cmocka_unit_test(a_change_is_told_from_chance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
