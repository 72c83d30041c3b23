/*
 * Small figures: rows by hand, and random groups for which every hidden small figure must have a
 * second value that explains all that is shown.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hiding.h"

static const uint64_t many[CLASSES] = {1000, 1000, 1000, 1000, 1000};

/* '#': hidden. The last character is the total. */
static void test_rows(void **state)
{
    (void)state;
    static const struct {
        uint32_t cells[CLASSES];
        const char *hidden;
    } rows[] = {
        {{0, 0, 0, 0, 0},
         "....."
         "."},
        {{5, 900, 0, 0, 17},
         "....."
         "."},
        {{3, 0, 0, 0, 0},
         "#...."
         "#"}, /* the total is as small */
        {{3, 7, 20, 0, 0},
         "##..."
         "."}, /* 30 - 20 - 7 would tell */
        {{3, 20, 7, 7, 0},
         "#.#.."
         "."}, /* the first of the smallest goes with it */
        {{4, 4, 9, 0, 0},
         "##..."
         "."}, /* any two numbers of 8 */
        {{2, 2, 9, 0, 0},
         "###.."
         "."}, /* 4 persons together are few, too */
        {{1, 1, 1, 1, 1},
         "#####"
         "#"}, /* 5, none 0: each must be 1 */
        {{1, 1, 1, 1, 2},
         "#####"
         "."},
        {{1, 1, 1, 1, 9},
         "#####"
         "."},
        {{0, 1, 0, 0, 5},
         ".#..#"
         "."},
        {{0, 4, 0, 0, 0},
         ".#..."
         "#"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct hiding_row got;
        char text[CLASSES + 2] = {0};
        hiding_of_row(rows[i].cells, many, &got);
        for (int c = 0; c < CLASSES; c++)
            text[c] = got.cell[c] ? '#' : '.';
        text[CLASSES] = got.total ? '#' : '.';
        assert_string_equal(text, rows[i].hidden);
    }
}

static void test_row_of_small_classes(void **state)
{
    (void)state;
    struct hiding_row got;
    /* At most 4 and at most 5 make 9 in one way only. */
    hiding_of_row((uint32_t[CLASSES]){4, 5, 8}, (uint64_t[CLASSES]){4, 5, 8}, &got);
    assert_true(got.cell[0] && got.total);
    assert_false(got.cell[1]);
}

static void test_classes(void **state)
{
    (void)state;
    assert_false(hiding_of_classes(many));
    assert_false(hiding_of_classes((uint64_t[CLASSES]){0, 5, 0, 0, 9}));
    assert_true(hiding_of_classes((uint64_t[CLASSES]){100, 4, 0, 0, 9}));
}

/* Figures of a group in the order of enum figure, a class a column. */
struct group {
    uint64_t persons[CLASSES];
    uint32_t cells[FIGURES][CLASSES];
};

static void check(const struct group *g, const char *want)
{
    struct hiding h;
    char text[FIGURES * (CLASSES + 2)] = {0}, *t = text;
    hiding_of_group(g->cells, g->persons, &h);
    for (int f = 0; f < FIGURES; f++) {
        for (int c = 0; c < CLASSES; c++)
            *t++ = h.cell[f][c] ? '#' : '.';
        *t++ = h.total[f] ? '#' : '.';
        *t++ = f + 1 < FIGURES ? ' ' : '\0';
    }
    assert_string_equal(text, want);
}

static void test_groups(void **state)
{
    (void)state;
    /* Nothing small, nothing hidden. */
    check(&(struct group){{100, 50}, {{0, 5}, {10, 6}, {20, 7}, {30, 8}, {9, 5}}},
          "...... ...... ...... ...... ......");
    /* 2 of a class of 50 used it; the 20 of the other are hidden with them. */
    check(&(struct group){{100, 50}, {{0, 5}, {10, 6}, {20, 2}, {30, 8}, {9, 5}}},
          "...... ...... ##.... ...... ......");
    /* All 21 of the class were there, and 1 of them used it: 21 - 5 - 6 - 9 would tell. */
    check(&(struct group){{100, 21}, {{0, 5}, {10, 6}, {20, 1}, {30, 9}, {9, 5}}},
          ".#...# ...... .#...# ...... ......");
    check(&(struct group){{100, 12}, {{0, 0}, {10, 5}, {20, 1}, {30, 6}, {9, 0}}},
          "...... .#...# .#...# ...... ......");
    /* Both who saw it ignore it, as do all others: 5 + 2 >= 7. */
    check(&(struct group){{100, 50}, {{2, 0}, {5, 6}, {20, 7}, {30, 8}, {7, 5}}},
          "#....# ...... ...... ...... #....#");
    /* A class of 4, one at each rung: 4 hidden figures of at least 1 would say it all. */
    check(&(struct group){{4, 50}, {{1, 6}, {1, 6}, {1, 7}, {1, 8}, {0, 5}}},
          "###### ###### ###### ###### ######");
}

static uint32_t below(uint64_t *seed, uint32_t n)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33) % n;
}

/* Numbers around the limit, often none, and classes that were often all there. */
static void make_group(uint64_t *seed, struct group *g)
{
    *g = (struct group){0};
    int classes = 2 + (int)below(seed, 2);
    for (int c = 0; c < classes; c++) {
        for (int f = 0; f < RUNG_FIGURES; f++) {
            g->cells[f][c] = below(seed, 3) == 0 ? 0 : below(seed, 9);
            g->persons[c] += g->cells[f][c];
        }
        g->persons[c] += below(seed, 2) * below(seed, 4);
        uint32_t stopped = g->cells[FIGURE_SEEN][c] + g->cells[FIGURE_TRIED][c];
        g->cells[FIGURE_IGNORING][c] = below(seed, 2) == 0 ? stopped : below(seed, stopped + 1);
    }
}

/* A search for groups that look the same: each hidden figure one less, as it is, or one more. */
struct search {
    const struct group *truth;
    const struct hiding *hiding;
    struct group other;
    int cells[FIGURES * CLASSES], n;
    bool found[FIGURES][CLASSES]; /* another value */
};

static bool looks_same(const struct search *s)
{
    for (int f = 0; f < FIGURES; f++) {
        uint32_t was = 0, is = 0;
        for (int c = 0; c < CLASSES; c++) {
            was += s->truth->cells[f][c];
            is += s->other.cells[f][c];
        }
        if (!s->hiding->total[f] && was != is) return false;
    }
    for (int c = 0; c < CLASSES; c++) {
        uint64_t persons = s->truth->persons[c], there = 0;
        for (int f = 0; f < RUNG_FIGURES; f++)
            there += s->other.cells[f][c];
        if (there > (hiding_small(persons) ? HIDING_LEAST - 1 : persons)) return false;
        if (s->other.cells[FIGURE_SEEN][c] + s->other.cells[FIGURE_TRIED][c] <
            s->other.cells[FIGURE_IGNORING][c])
            return false;
    }
    return true;
}

static void search(struct search *s, int i)
{
    if (i == s->n) {
        if (!looks_same(s)) return;
        for (int f = 0; f < FIGURES; f++)
            for (int c = 0; c < CLASSES; c++)
                s->found[f][c] |= s->other.cells[f][c] != s->truth->cells[f][c];
        return;
    }
    int f = s->cells[i] / CLASSES, c = s->cells[i] % CLASSES;
    for (int step = -1; step <= 1; step++) {
        if (s->truth->cells[f][c] + (uint32_t)step == 0) continue; /* what is hidden is not 0 */
        s->other.cells[f][c] = s->truth->cells[f][c] + (uint32_t)step;
        search(s, i + 1);
    }
    s->other.cells[f][c] = s->truth->cells[f][c];
}

static void check_nothing_told(const struct group *g, unsigned *hidden)
{
    struct hiding h;
    hiding_of_group(g->cells, g->persons, &h);
    if (h.cell[0][CLASSES - 1]) return; /* all of it: the last class has no persons */
    struct search s = {.truth = g, .hiding = &h, .other = *g};
    for (int f = 0; f < FIGURES; f++)
        for (int c = 0; c < CLASSES; c++) {
            assert_true(h.cell[f][c] || !hiding_small(g->cells[f][c]));
            if (h.cell[f][c]) s.cells[s.n++] = f * CLASSES + c;
        }
    search(&s, 0);
    for (int i = 0; i < s.n; i++) {
        int f = s.cells[i] / CLASSES, c = s.cells[i] % CLASSES;
        if (hiding_small(g->cells[f][c])) assert_true(s.found[f][c]);
    }
    *hidden += (unsigned)s.n;
}

static void test_nothing_told(void **state)
{
    (void)state;
    uint64_t seed = 20260131;
    unsigned hidden = 0;
    for (int i = 0; i < 400; i++) {
        struct group g;
        do {
            struct hiding h;
            unsigned n = 0;
            make_group(&seed, &g);
            hiding_of_group(g.cells, g.persons, &h);
            for (int f = 0; f < FIGURES; f++)
                for (int c = 0; c < CLASSES; c++)
                    n += h.cell[f][c];
            if (n > 0 && n <= 10) break; /* 3^10 groups to look at */
        } while (true);
        check_nothing_told(&g, &hidden);
    }
    assert_true(hidden > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),         cmocka_unit_test(test_row_of_small_classes),
        cmocka_unit_test(test_classes),      cmocka_unit_test(test_groups),
        cmocka_unit_test(test_nothing_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
