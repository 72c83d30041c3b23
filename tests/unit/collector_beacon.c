/* Bodies of every form -> hits; and JSONTestSuite, of whose broken files none may become a hit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "beacon.h"
#include "guard.h"

/* What a body became, as text: "line:verdict[:field]{site,url,age,consent}" for each hit. */
struct seen {
    unsigned n, hits;
    char text[4096];
    size_t used;
};

static void note(void *arg, unsigned line, enum verdict v, const struct fields *f,
                 const char *field)
{
    struct seen *s = arg;
    size_t room = sizeof s->text - s->used;
    int n;

    assert_int_equal(f != NULL, v == V_COUNTED);
    s->n++;
    if (f != NULL) {
        s->hits++;
        n = snprintf(s->text + s->used, room, "%u{%.*s,%.*s,%.*s,%.*s} ", line, STR_ARG(f->site),
                     STR_ARG(f->url), STR_ARG(f->age), STR_ARG(f->consent));
    } else {
        n = snprintf(s->text + s->used, room, "%u:%s%s%s ", line, verdict_name(v),
                     field == NULL ? "" : ":", field == NULL ? "" : field);
    }
    s->used += (size_t)n < room ? (size_t)n : 0;
}

static void read_body(struct str body, unsigned max_hits, struct seen *out)
{
    struct guard in = guard_copy(body), scratch = guard_copy(body);

    *out = (struct seen){.n = 0};
    beacon_read(in.s, max_hits, (char *)scratch.s.p, scratch.s.n, note, out);
    assert_true(out->n >= 1);
    guard_free(&in);
    guard_free(&scratch);
}

static const struct {
    const char *body, *hits;
} rows[] = {
    /* a pile of pixels */
    {"s=a&u=%2Fx&a=1&c=0", "1{a,/x,1,0} "},
    {"site=a&url=x+y&age=1&consent=1", "1{a,x y,1,1} "},
    {"s=a\ns=b", "1{a,,,} 2{b,,,} "},
    {"s=a\r\n\r\ns=b\r\n", "1{a,,,} 3{b,,,} "},
    {"\n\n s=a", "3:bad_query "},  /* a name is taken as it stands: " s" is no field */
    {"s=a&zz=%2&y=1", "1{a,,,} "}, /* what nobody knows is not looked at */
    {"s=a&u=%2", "1:bad_query:u "},
    {"s=a&u=%zz\ns=b", "1:bad_query:u 2{b,,,} "},
    {"s=a&s=b", "1{b,,,} "},
    {"s=&u=", "1:bad_query "},
    {"hello", "1:bad_query "},
    {"s\xc3\xa9=1", "1:bad_query "},
    {"\xe9=1", "1:bad_query "},
    {"", "1:bad_query "},
    {"\n\r\n", "1:bad_query "},
    {"\xef\xbb\xbfs=a", "1{a,,,} "},
    {"s=1\ns=2\ns=3\ns=4\ns=5", "1{1,,,} 2{2,,,} 3{3,,,} 4:too_many 5:too_many "},
    /* JSON */
    {"{\"s\":\"a\",\"u\":\"/x\",\"a\":1,\"c\":true}", "1{a,/x,1,1} "},
    {"{\"site\":\"a\",\"url\":\"/x\",\"age\":\"1\",\"consent\":false}", "1{a,/x,1,0} "},
    {" \r\n\t{\"s\":\"a\",\"a\":1e3}", "1{a,,1000,} "},
    {"\xef\xbb\xbf {\"s\":\"a\",\"a\":3.0}", "1{a,,3,} "},
    {"{\"s\":\"a\",\"a\":1.5}", "1{a,,1.5,} "}, /* ingest says that it is no number */
    {"{\"s\":\"a\",\"a\":-1}", "1{a,,-1,} "},
    {"{\"s\":\"a\",\"u\":null}", "1{a,,,} "},
    {"[{\"s\":\"a\"},{\"s\":\"b\"}]", "1{a,,,} 2{b,,,} "},
    {"{\"hits\":[{\"s\":\"a\"},7,{\"s\":\"b\"}]}", "1{a,,,} 2:bad_json 3{b,,,} "},
    {"[{\"s\":\"a\",\"u\":[]}]", "1:bad_json:u "},
    {"{\"s\":\"a\",\"u\":{}}", "1:bad_json:u "},
    {"{\"s\":\"a\",\"extra\":{\"x\":[1]}}", "1{a,,,} "},
    {"{}", "1:bad_json "},
    {"[]", "1:bad_json "},
    {"[[]]", "1:bad_json "},
    {"{\"hits\":[]}", "1:bad_json "},
    {"{\"hits\":7}", "1:bad_json "},
    {"{\"xx\":1}", "1:bad_json "},
    {"{\"s\":\"a\",\"s\":\"b\"}", "1:bad_json "},
    {"{\"s\":\"a\"", "1:bad_json "},
    {"{\"s\":\"a\"}x", "1:bad_json "},
    {"{\"s\":\"a\\u0000\"}", "1:bad_json "},
    {"{\"s\":\"\xff\"}", "1:bad_json "},
    {"[{\"s\":1},{\"s\":2},{\"s\":3},{\"s\":4}]", "1{1,,,} 2{2,,,} 3{3,,,} 4:too_many "},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct seen seen;
        read_body(str_of(rows[i].body), 3, &seen);
        if (strcmp(seen.text, rows[i].hits) != 0) print_error("%s\n", rows[i].body);
        assert_string_equal(seen.text, rows[i].hits);
    }
}

/* Every field, by both of its names, in both forms. */
static void test_fields(void **state)
{
    static const char *const names[][2] = {
#define FIELD(letter, text, name) {text, #name},
        HIT_FIELDS(FIELD)
#undef FIELD
    };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        for (size_t k = 0; k < 2; k++) {
            struct fields f;
            char line[64];
            const char *field;
            snprintf(line, sizeof line, "zz=1&%s=value&y=2", names[i][k]);
            assert_int_equal(beacon_line(str_of(line), line, sizeof line, &f, &field), V_COUNTED);
            assert_int_equal(f.links.given, 0);
            for (size_t at = 0; at < offsetof(struct fields, links) / sizeof(struct str); at++) {
                struct str got = ((const struct str *)&f)[at];
                assert_true(str_eq(got, at == i ? STR("value") : STR("")));
            }
            struct seen seen;
            snprintf(line, sizeof line, "{\"%s\":[]}", names[i][k]);
            read_body(str_of(line), 3, &seen);
            char want[32];
            snprintf(want, sizeof want, "1:bad_json:%s ", names[i][0]);
            assert_string_equal(seen.text, want);
        }
    }
}

/* Lists keep what fits and count the rest. */
static void note_links(void *arg, unsigned line, enum verdict v, const struct fields *f,
                       const char *field)
{
    char *out = arg;
    size_t n = strlen(out);
    if (f == NULL) {
        sprintf(out + n, "%u:%s:%s ", line, verdict_name(v), field == NULL ? "" : field);
        return;
    }
    n += (size_t)sprintf(out + n, "%u/%u", f->links.n, f->links.given);
    for (unsigned i = 0; i < f->links.n && i < 3; i++)
        n += (size_t)sprintf(out + n, ",%.*s", STR_ARG(f->links.at[i]));
    strcpy(out + n, " ");
}

static void test_lists(void **state)
{
    static const struct {
        const char *body, *links;
    } lists[] = {
        {"s=a", "0/0 "},
        {"s=a&l=%2Fx&u=q&l=y+z&links=w", "3/3,/x,y z,w "},
        {"l=/a\nl=/b", "1/1,/a 1/1,/b "},
        {"s=a&l=/x%0A/y%0a/z&l=/w", "4/4,/x,/y,/z "}, /* several in one text */
        {"s=a&l=%0A/x%0A", "2/2,,/x "},
        {"s=a&l=", "1/1, "},
        {"s=a&l=/x%2C/y", "1/1,/x,/y "}, /* that is one: a comma parts topics alone */
        {"{\"s\":\"a\",\"l\":\"/x\\n/y\"}", "2/2,/x,/y "},
        {"{\"s\":\"a\",\"l\":[\"/x\\n/y\",\"/z\"]}", "3/3,/x,/y,/z "},
        {"s=a&l=%2", "1:bad_query:l "},
        {"{\"s\":\"a\",\"l\":\"/x\"}", "1/1,/x "},
        {"{\"links\":[\"/x\",\"/y\"]}", "2/2,/x,/y "},
        {"{\"s\":\"a\",\"l\":[]}", "0/0 "},
        {"{\"s\":\"a\",\"l\":null}", "0/0 "},
        {"{\"l\":[]}", "1:bad_json: "},
        {"{\"s\":\"a\",\"l\":[\"/x\",1]}", "1:bad_json:l "},
        {"{\"s\":\"a\",\"l\":[[\"/x\"]]}", "1:bad_json:l "},
        {"{\"s\":\"a\",\"l\":{}}", "1:bad_json:l "},
    };
    char many[1024] = "s=a", scratch[sizeof many];
    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        char got[256] = "";
        struct guard in = guard_copy(str_of(lists[i].body));
        beacon_read(in.s, 3, scratch, sizeof scratch, note_links, got);
        assert_string_equal(got, lists[i].links);
        guard_free(&in);
    }
    for (int i = 0; i < HIT_LINKS_MAX + 1; i++)
        strcat(many, "&l=/x");
    char got[256] = "";
    beacon_read(str_of(many), 3, scratch, sizeof scratch, note_links, got);
    assert_string_equal(got, "64/65,/x,/x,/x ");
    strcpy(many, "s=a&l=");
    for (int i = 0; i < HIT_LINKS_MAX + 2; i++)
        strcat(many, "%0A/x");
    got[0] = '\0';
    beacon_read(str_of(many), 3, scratch, sizeof scratch, note_links, got);
    assert_string_equal(got, "64/67,,/x,/x ");
}

static void test_deep(void **state)
{
    enum { DEPTH = 60 * 1024 };
    char *body = malloc(DEPTH);
    struct seen seen;

    (void)state;
    memset(body, '[', DEPTH);
    read_body((struct str){body, DEPTH}, 3, &seen);
    assert_string_equal(seen.text, "1:bad_json ");
    free(body);
}

/* Valid JSON that we refuse: the same key twice, and text that holds NUL. */
static bool refused_on_purpose(const char *name)
{
    return strstr(name, "duplicated_key") != NULL || strstr(name, "escaped_null") != NULL ||
           strstr(name, "null_escape") != NULL;
}

/* As the whole body, and inside a hit: there the file decides alone whether it becomes one. */
static void read_suite_file(const char *dir, const char *name, unsigned counts[3])
{
    char path[1024], body[256 * 1024], hit[sizeof body + 64];
    struct seen whole, inside, again;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t n = fread(body, 1, sizeof body - 1, file);
    fclose(file);
    memcpy(hit, "{\"s\":\"a\",\"zz\":", 14);
    memcpy(hit + 14, body, n);
    memcpy(hit + 14 + n, "}", 1);

    read_body((struct str){body, n}, 64, &whole);
    read_body((struct str){body, n}, 64, &again);
    assert_string_equal(whole.text, again.text);
    read_body((struct str){hit, n + 15}, 64, &inside);
    read_body((struct str){hit, n + 15}, 64, &again);
    assert_string_equal(inside.text, again.text);

    unsigned want = name[0] == 'y' && !refused_on_purpose(name);
    if (name[0] != 'i' && inside.hits != want) print_error("%s: %s\n", name, inside.text);
    if (name[0] != 'i') assert_int_equal(inside.hits, want);
    if (name[0] == 'n') assert_int_equal(whole.hits, 0);
    counts[name[0] == 'y' ? 0 : name[0] == 'n' ? 1 : 2]++;
}

static void test_json_suite(void **state)
{
    const char *dir = SOURCE_DIR "/../shared/suites/json-nst/test_parsing";
    unsigned counts[3] = {0};

    (void)state;
    DIR *d = opendir(dir);
    if (d == NULL) {
        print_message("skipped: no json-nst suite\n");
        return;
    }
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        if (strstr(e->d_name, ".json") != NULL) read_suite_file(dir, e->d_name, counts);
    }
    closedir(d);
    print_message("y %u, n %u, i %u\n", counts[0], counts[1], counts[2]);
    assert_int_equal(counts[0] + counts[1] + counts[2], 318);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),       cmocka_unit_test(test_fields),
        cmocka_unit_test(test_lists),      cmocka_unit_test(test_deep),
        cmocka_unit_test(test_json_suite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
