/* table.c and text.c: what a terminal and a spreadsheet get to see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guard.h"
#include "table.h"
#include "text.h"

#define ELLIPSIS "\xe2\x80\xa6"
#define BAD      "\xef\xbf\xbd"

static void assert_text(const struct buf *got, const char *want)
{
    assert_false(got->failed);
    if (str_eq(buf_str(got), str_of(want))) return;
    print_error("got:\n%.*s\nwant:\n%s\n", STR_ARG(buf_str(got)), want);
    fail();
}

static void characters_that_steer_never_pass(void **state)
{
    (void)state;
    static const struct {
        const char *in, *want;
        size_t n;
    } cases[] = {
        {"shop.example/a", "shop.example/a", 14},
        {"caf\xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x99\x82", "caf\xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x99\x82",
         14},
        {"\x1b[31mred", BAD "[31mred", 8},
        {"a\nb\tc\rd\x07", "a" BAD "b" BAD "c" BAD "d" BAD, 8},
        {"a\0b\x7f", "a" BAD "b" BAD, 4},
        {"\xc2\x9b"
         "31m",
         BAD "31m", 5}, /* the other control set's CSI */
        {"\xe2\x80\xae"
         "fdp.exe",
         BAD "fdp.exe", 10},                           /* right-to-left override */
        {"\xe2\x81\xa6x\xe2\x80\xa8", BAD "x" BAD, 7}, /* isolate, line separator */
        {"\xef\xbb\xbfx", BAD "x", 4},                 /* byte order mark */
        {"\xc3", BAD, 1},                              /* cut off */
        {"\xe6\x97", BAD BAD, 2},
        {"\xc0\xaf\xed\xa0\x80\xf5", BAD BAD BAD BAD BAD BAD, 6}, /* overlong, surrogate, beyond */
        {"\xf0\x82\x82\xac", BAD BAD BAD BAD, 4},                 /* overlong in four */
        {"", "", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct guard g = guard_copy((struct str){cases[i].in, cases[i].n});
        struct buf out = {0};
        assert_true(text_add_clean(&out, g.s));
        assert_text(&out, cases[i].want);
        buf_fini(&out);
        guard_free(&g);
    }
}

static void documents_keep_what_is_utf8(void **state)
{
    (void)state;
    struct buf out = {0};
    assert_true(text_add_utf8(&out, STR("a\x1b\xff\xe2\x80\xae")));
    assert_text(&out, "a\x1b" BAD "\xe2\x80\xae");
    buf_fini(&out);
}

static void long_texts_lose_their_middle(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        unsigned columns;
        const char *want;
    } cases[] = {
        {"shop.example/a", 14, "shop.example/a"},
        {"shop.example/a", 13, "shop.e" ELLIPSIS "mple/a"},
        {"shop.example/a", 2, ELLIPSIS "a"},
        {"shop.example/a", 1, ELLIPSIS},
        {"shop.example/a", 0, ""},
        {"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 6, "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"},
        {"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 5, "\xe6\x97\xa5" ELLIPSIS "\xe8\xaa\x9e"},
        {"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 4, ELLIPSIS "\xe8\xaa\x9e"},
        {"e\xcc\x81t\xc3\xa9", 3, "e\xcc\x81t\xc3\xa9"}, /* an accent takes no column */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out = {0};
        assert_true(text_add_short(&out, str_of(cases[i].in), cases[i].columns));
        assert_text(&out, cases[i].want);
        assert_true(text_columns(buf_str(&out)) <= cases[i].columns);
        buf_fini(&out);
    }
}

static void scores(void **state)
{
    (void)state;
    static const struct {
        int64_t n;
        const char *text, *csv;
    } cases[] = {
        {0, "0.00", "0.000"},
        {4, "0.00", "0.004"},
        {5, "0.01", "0.005"},
        {995, "1.00", "0.995"},
        {1234, "1.23", "1.234"},
        {1004, "1.00", "1.004"},
        {12345678, "12,345.68", "12345.678"},
    };
    static const struct table_column columns[] = {{"Score", "score", CELL_SCORE, 0}, {0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out = {0}, want = {0};
        struct table *t = table_new(columns);
        assert_true(text_add_score(&out, cases[i].n));
        assert_text(&out, cases[i].text);
        buf_clear(&out);
        assert_true(table_add(t, &(struct cell){.number = cases[i].n}));
        assert_true(table_print_csv(t, &out));
        buf_printf(&want, "score\r\n%s\r\n", cases[i].csv);
        buf_add_char(&want, '\0');
        assert_text(&out, want.p);
        buf_fini(&out);
        buf_fini(&want);
        table_free(t);
    }
}

static void numbers_for_people(void **state)
{
    (void)state;
    static const struct {
        int64_t n;
        const char *count, *duration;
    } cases[] = {
        {0, "0", "0s"},
        {999, "999", "0s"},
        {1000, "1,000", "1s"},
        {12345, "12,345", "12s"},
        {59999, "59,999", "59s"},
        {60000, "60,000", "1m 00s"},
        {190000, "190,000", "3m 10s"},
        {3599999, "3,599,999", "59m 59s"},
        {3720000, "3,720,000", "1h 02m"},
        {1000000000000, "1,000,000,000,000", "277,777h 46m"},
        {-1234567, "-1,234,567", "0s"},
        {INT64_MIN, "-9,223,372,036,854,775,808", "0s"},
        {INT64_MAX, "9,223,372,036,854,775,807", "2,562,047,788,015h 12m"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out = {0};
        assert_true(text_add_count(&out, cases[i].n));
        assert_text(&out, cases[i].count);
        buf_clear(&out);
        assert_true(text_add_duration(&out, cases[i].n));
        assert_text(&out, cases[i].duration);
        buf_fini(&out);
    }
}

static const struct table_column columns[] = {
    {"Page", "page", CELL_TEXT, 0},
    {"Views", "views", CELL_COUNT, 0},
    {"Bounce", "bounce_rate", CELL_SHARE, 2},
    {"Engaged", "engaged_ms", CELL_DURATION, 1},
    {0},
};

static struct table *example(void)
{
    struct table *t = table_new(columns);
    assert_non_null(t);
    assert_true(table_add(t, (struct cell[]){{.text = STR("shop.example/a,\"b\"")},
                                             {.number = 1234},
                                             {.number = 1, .whole = 3},
                                             {.number = 190500}}));
    assert_true(table_add(
        t,
        (struct cell[]){{.text = STR("shop.example/department/very/long/path/to/a/thing\x1b[2J")},
                        {.number = 5},
                        {.number = 0, .whole = 0},
                        {.number = 3}}));
    assert_true(table_set_total(t, (struct cell[]){{.text = STR("Total")},
                                                   {.number = 1239},
                                                   {.number = 1, .whole = 4},
                                                   {.number = 190503}}));
    return t;
}

#define RULE4  "\xe2\x94\x80\xe2\x94\x80\xe2\x94\x80\xe2\x94\x80"
#define RULE34 RULE4 RULE4 RULE4 RULE4 RULE4 RULE4 RULE4 RULE4 "\xe2\x94\x80\xe2\x94\x80"
#define RULE40 RULE4 RULE4 RULE4 RULE4 RULE4 RULE4 RULE4 RULE4 RULE4 RULE4

static void a_table_fits_its_terminal(void **state)
{
    (void)state;
    struct table *t = example();
    struct buf out = {0};
    assert_true(table_print(t, 60, 0, &out));
    assert_text(&out, "Page                                  Views  Bounce  Engaged\n" RULE40 RULE4
                          RULE4 RULE4 RULE4 RULE4 "\n"
                      "shop.example/a,\"b\"                    1,234   33.3%   3m 10s\n"
                      "shop.example/depa" ELLIPSIS "ath/to/a/thing" BAD
                      "[2J      5       -       0s\n" RULE40 RULE4 RULE4 RULE4 RULE4 RULE4 "\n"
                      "Total                                 1,239   25.0%   3m 10s\n");
    buf_clear(&out);
    assert_true(table_print(t, 41, 1, &out)); /* the least important column goes */
    assert_text(&out, "Page                Views  Engaged\n" RULE34 "\n"
                      "shop.example/a,\"b\"  1,234   3m 10s\n" RULE34 "\n"
                      "Total               1,239   3m 10s\n"
                      "... and 1 more (--limit 0 shows all)\n"
                      "No room for: Bounce\n");
    buf_fini(&out);
    table_free(t);
}

static void no_line_is_wider_than_the_terminal(void **state)
{
    (void)state;
    struct table *t = example();
    for (unsigned width = TABLE_WIDTH_MIN; width < 130; width++) {
        struct buf out = {0};
        assert_true(table_print(t, width, 0, &out));
        struct str rest = buf_str(&out);
        while (rest.n > 0) {
            struct str line = str_upto(rest, str_find(rest, '\n'));
            assert_true(text_columns(line) <= width);
            assert_true(line.n == 0 || line.p[line.n - 1] != ' ');
            rest = str_from(rest, line.n + 1);
        }
        buf_fini(&out);
    }
    table_free(t);
}

static void csv_is_rfc_4180(void **state)
{
    (void)state;
    struct table *t = example();
    struct buf out = {0};
    assert_true(table_print_csv(t, &out));
    assert_text(&out, "page,views,bounce_rate,engaged_ms\r\n"
                      "\"shop.example/a,\"\"b\"\"\",1234,0.3333,190500\r\n"
                      "shop.example/department/very/long/path/to/a/thing" BAD "[2J,5,,3\r\n");
    buf_clear(&out);
    assert_true(table_add_csv_cell(&out, STR("two\r\nlines")));
    assert_text(&out, "\"two\r\nlines\"");
    buf_fini(&out);
    table_free(t);
}

static void hidden_cells_tell_nothing(void **state)
{
    (void)state;
    static const struct table_column two[] = {
        {"Name", "name", CELL_TEXT, 0}, {"Persons", "persons", CELL_COUNT, 0}, {0}};
    struct buf out = {0};
    struct table *t = table_new(two);
    assert_true(table_add(t, (struct cell[]){{.text = STR("a")}, {.number = 1234}}));
    assert_true(table_add(t, (struct cell[]){{.text = STR("b")}, {.number = 3, .hidden = true}}));
    assert_true(table_print(t, 80, 0, &out));
    assert_non_null(strstr(out.p, "\nb           *\n"));
    buf_clear(&out);
    assert_true(table_print_csv(t, &out));
    assert_text(&out, "name,persons\r\na,1234\r\nb,\r\n");
    buf_fini(&out);
    table_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_that_steer_never_pass),
        cmocka_unit_test(documents_keep_what_is_utf8),
        cmocka_unit_test(long_texts_lose_their_middle),
        cmocka_unit_test(scores),
        cmocka_unit_test(numbers_for_people),
        cmocka_unit_test(a_table_fits_its_terminal),
        cmocka_unit_test(no_line_is_wider_than_the_terminal),
        cmocka_unit_test(csv_is_rfc_4180),
        cmocka_unit_test(hidden_cells_tell_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
