/* Hosts beyond ASCII become what browsers send, or stay what they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <assert.h>
#include <cmocka.h>
#include <jansson.h>
#include <unistd.h>

#include "guard.h"
#include "idn.h"

static void test_rows(void **state)
{
    static const struct {
        const char *host, *want; /* NULL: no other form */
    } cases[] = {
        {"b\xc3\xbc"
         "cher.example",
         "xn--bcher-kva.example"},
        {"B\xc3\x9c"
         "cher.example",
         "xn--bcher-kva.example"},
        {"bu\xcc\x88"
         "cher.example",
         "xn--bcher-kva.example"},
        {"fa\xc3\x9f.example", "xn--fa-hia.example"},
        {"\xd1\x81\xd0\xbe\xd0\xbc.a_b.example", "xn--l1adi.a_b.example"},
        {"a\xe3\x80\x82\xc3\xa9", "a.xn--9ca"},
        {"\xef\xbc\xa7\xef\xbc\xaf.example", "go.example"},
        {"\xef\xbc\x91.0.0.1", "1.0.0.1"},
        {"\xc3\xa9..example", "xn--9ca..example"},
        {"plain.example", "plain.example"},
        {"\xc2\xad", ""},
        {"\xe2\x98\x95.example", NULL},
        {"xn--\xc3\xa9.example", NULL},
        {"-\xc3\xa9.example", NULL},
        {"\xe2\x80\x8d.example", NULL},
        {"", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct guard in = guard_copy(str_of(cases[i].host));
        char out[IDN_HOST_MAX_BYTES + 1];
        size_t n;
        bool ok = idn_to_ascii(in.s, out, &n);
        if (ok != (cases[i].want != NULL) ||
            (ok && !str_eq((struct str){out, n}, str_of(cases[i].want))))
            fail_msg("%s became %.*s", cases[i].host, ok ? (int)n : 1, ok ? out : "-");
        guard_free(&in);
    }
}

static void test_bounds(void **state)
{
    char host[2 * IDN_HOST_MAX_BYTES], out[IDN_HOST_MAX_BYTES + 1];
    size_t n;
    (void)state;
    for (size_t length = 2; length <= sizeof host; length += 2) {
        for (size_t i = 0; i < length; i += 2)
            memcpy(host + i, i % 40 == 38 ? ".a" : "\xc3\xa9", 2);
        if (idn_to_ascii((struct str){host, length}, out, &n))
            assert_true(n <= IDN_HOST_MAX_BYTES && idn_is_ascii((struct str){out, n}));
        else
            assert_true(length > 100);
    }
    assert_false(idn_to_ascii((struct str){"a\0\xc3\xa9", 4}, out, &n));
}

/* The URL standard's cases. Unicode writes the capital sharp s as another letter than it did when
 * libidn2's tables were made. */
static void test_url_standard(void **state)
{
    const char *file = SOURCE_DIR "/../shared/suites/url-wpt/tests/wpt/toascii.json";
    unsigned same = 0, kept = 0, more = 0, newer = 0, differs = 0;
    (void)state;
    if (access(file, R_OK) != 0) {
        print_message("skipped: no url-wpt suite\n");
        return;
    }
    json_t *cases = json_load_file(file, JSON_ALLOW_NUL, NULL);
    assert_non_null(cases);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i), *host = json_object_get(c, "input");
        const json_t *want = json_object_get(c, "output");
        struct str in = {json_string_value(host), json_string_length(host)};
        char out[IDN_HOST_MAX_BYTES + 1];
        size_t n;
        if (host == NULL || idn_is_ascii(in)) continue;
        bool ok = idn_to_ascii(in, out, &n);
        bool theirs = json_is_string(want);
        if (theirs && ok && str_eq((struct str){out, n}, str_of(json_string_value(want))))
            same++;
        else if (!ok)
            theirs ? kept++ : same++;
        else if (!theirs)
            more++;
        else if (memmem(in.p, in.n, "\xe1\xba\x9e", 3) != NULL)
            newer++;
        else
            print_error("differs %u: %s\n", ++differs, in.p);
    }
    print_message("same %u, kept as they are %u, taken all the same %u, newer %u\n", same, kept,
                  more, newer);
    assert_int_equal(differs, 0);
    assert_true(same >= 30);
    json_decref(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_url_standard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
