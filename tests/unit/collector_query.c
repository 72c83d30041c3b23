/* The decoder against the URL standard's own cases, and what hits are refused for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "guard.h"
#include "query.h"
#include "utf8.h"

static const struct {
    struct str in;
    struct str name, value; /* of the first pair; name.p NULL: there is none */
    bool bad_escape;
} rows[] = {
    {{"", 0}, {NULL, 0}, {NULL, 0}, false},
    {{"&&", 2}, {NULL, 0}, {NULL, 0}, false},
    {{"a=1&b=2", 7}, {"a", 1}, {"1", 1}, false},
    {{"&a", 2}, {"a", 1}, {"", 0}, false},
    {{"=", 1}, {"", 0}, {"", 0}, false},
    {{"a=b=c", 5}, {"a", 1}, {"b=c", 3}, false},
    {{"u=%2Fa+b", 8}, {"u", 1}, {"/a b", 4}, false},
    {{"u=%e2%82%ac", 11}, {"u", 1}, {"\xe2\x82\xac", 3}, false},
    {{"u=%00", 5}, {"u", 1}, {"\0", 1}, false},
    {{"u=%", 3}, {"u", 1}, {"%", 1}, true},
    {{"u=%2", 4}, {"u", 1}, {"%2", 2}, true},
    {{"u=%2g", 5}, {"u", 1}, {"%2g", 3}, true},
    {{"u=%%41", 6}, {"u", 1}, {"%A", 2}, true},
    {{"%75=1", 5}, {"u", 1}, {"1", 1}, false},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct guard in = guard_copy(rows[i].in);
        struct guard room = guard_copy(rows[i].in); /* a scratch of just the input's length */
        struct query q = query_of(in.s, (char *)room.s.p, room.s.n);
        struct query_pair pair;
        bool any = query_next(&q, &pair);

        assert_int_equal(any, rows[i].name.p != NULL);
        if (any) {
            assert_true(str_eq(pair.name, rows[i].name));
            assert_true(str_eq(pair.value, rows[i].value));
            assert_int_equal(pair.bad_escape, rows[i].bad_escape);
        }
        guard_free(&in);
        guard_free(&room);
    }
}

static void expect_pairs(struct str in, const json_t *pairs)
{
    char *scratch = malloc(in.n + 1), *repaired = malloc(3 * in.n + 1);
    struct query q = query_of(in, scratch, in.n);
    struct query_pair pair;
    size_t i = 0;

    while (query_next(&q, &pair)) {
        const struct str got[2] = {pair.name, pair.value};
        const json_t *want = json_array_get(pairs, i++);
        assert_non_null(want);
        for (size_t k = 0; k < 2; k++) {
            const json_t *text = json_array_get(want, k);
            size_t n = utf8_repair(got[k], repaired, 3 * in.n);
            assert_int_equal(n, json_string_length(text));
            assert_memory_equal(repaired, json_string_value(text), n);
        }
    }
    assert_int_equal(i, json_array_size(pairs));
    free(scratch);
    free(repaired);
}

static void test_url_standard(void **state)
{
    const char *file = SOURCE_DIR "/../shared/suites/url-wpt/urlencoded-parser-data.json";
    json_error_t why;

    (void)state;
    if (access(file, R_OK) != 0) {
        print_message("skipped: no url-wpt suite\n");
        return;
    }
    json_t *cases = json_load_file(file, JSON_ALLOW_NUL, &why);
    assert_non_null(cases);
    assert_int_equal(json_array_size(cases), 35);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i), *in = json_object_get(c, "input");
        expect_pairs((struct str){json_string_value(in), json_string_length(in)},
                     json_object_get(c, "output"));
    }
    json_decref(cases);
}

static const struct {
    struct str in;
    bool text;
    const char *repaired;
} utf8_rows[] = {
    {{"", 0}, true, ""},
    {{"plain text", 10}, true, "plain text"},
    {{"\xc3\xa9t\xc3\xa9", 5}, true, "\xc3\xa9t\xc3\xa9"},
    {{"\xf0\x9f\x98\x80", 4}, true, "\xf0\x9f\x98\x80"},
    {{"12345678\x1f", 9}, false, "12345678\x1f"},
    {{"1234567\x7f", 8}, false, "1234567\x7f"},
    {{"\xc2\x9b", 2}, false, "\xc2\x9b"}, /* CSI: starts a terminal's escape sequence */
    {{"\xc2\xa0", 2}, true, "\xc2\xa0"},
    {{"a\xff", 2}, false, "a\xef\xbf\xbd"},
    {{"\xc0\xaf", 2}, false, "\xef\xbf\xbd\xef\xbf\xbd"},                 /* over-long */
    {{"\xed\xa0\x80", 3}, false, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* surrogate */
    {{"\xe2\x82", 2}, false, "\xef\xbf\xbd"},                             /* cut off */
    {{"\xf0\x9f\x98x", 4}, false, "\xef\xbf\xbdx"},
    {{"\xf4\x90\x80\x80", 4}, false, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
};

static void test_utf8(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof utf8_rows / sizeof utf8_rows[0]; i++) {
        struct guard in = guard_copy(utf8_rows[i].in);
        char out[64];
        size_t n = utf8_repair(in.s, out, sizeof out);

        assert_int_equal(utf8_is_text(in.s), utf8_rows[i].text);
        assert_true(str_eq((struct str){out, n}, str_of(utf8_rows[i].repaired)));
        guard_free(&in);
    }
    char cut[4];
    assert_int_equal(utf8_repair(STR("ab\xe2\x82\xac"), cut, sizeof cut), 2); /* whole or not */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_url_standard),
        cmocka_unit_test(test_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
