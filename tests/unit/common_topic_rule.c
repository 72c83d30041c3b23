/* Rules of topics: their form, and which pages a pattern fits. Inputs end at an unreadable page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guard.h"
#include "topic_rule.h"

static void patterns(void **state)
{
    static const struct {
        const char *pattern, *page;
        bool fits;
    } cases[] = {
        {"/boots/*", "shop.example/boots/alder", true},
        {"/boots/*", "shop.example/boots/", true},
        {"/boots/*", "shop.example/boots", false},
        {"/boots*", "shop.example/boots", true},
        {"/boots*", "shop.example/a/boots", false},
        {"*/boots", "shop.example/a/boots", true},
        {"/*boots", "shop.example/a/boots", true},
        {"/", "shop.example/", true},
        {"/", "shop.example/a", false},
        {"/", "shop.example", false},
        {"/*", "shop.example/", true},
        {"*", "shop.example/any?a=b", true},
        {"*", "", true},
        {"**", "", true},
        {"/*a*b*c", "h/xaxbxc", true},
        {"/*a*b*c", "h/xaxcxb", false},
        {"/*ab", "h/aab", true},
        {"/*aab*ab", "h/aaabab", true},
        {"/*aab*ab", "h/aaab", false},
        {"/a*", "h/\xc3\xa9", false},
        {"/\xc3\xa9*", "h/\xc3\xa9t\xc3\xa9", true},
        {"/A", "h/a", false},
        {"/s?q=*", "h/s?q=x", true},
        {"/s?q", "h/saq", false},
        {"blog.shop.example/*", "blog.shop.example/1", true},
        {"blog.shop.example/*", "shop.example/1", false},
        {"*.shop.example/jobs", "a.shop.example/jobs", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct guard pattern = guard_copy(str_of(cases[i].pattern));
        struct guard page = guard_copy(str_of(cases[i].page));
        if (topic_rule_fits(pattern.s, page.s) != cases[i].fits)
            fail_msg("'%s' and '%s'", cases[i].pattern, cases[i].page);
        guard_free(&pattern);
        guard_free(&page);
    }
}

/* Against the plainest matcher there is. */
static bool naive(const char *p, const char *s)
{
    if (*p == '\0') return *s == '\0';
    if (*p == '*') return naive(p + 1, s) || (*s != '\0' && naive(p, s + 1));
    return *p == *s && naive(p + 1, s + 1);
}

/* All texts of at most 5 out of "ab*" as patterns, out of "ab" as pages. */
static void every_short_pattern(void **state)
{
    char pattern[6], page[6];
    (void)state;
    for (unsigned i = 0; i < 4 * 4 * 4 * 4 * 4; i++) {
        unsigned code = i, n = 0;
        for (; n < 5 && code % 4 > 0; code /= 4)
            pattern[n++] = "ab*"[code % 4 - 1];
        pattern[n] = '\0';
        for (unsigned j = 0; j < 3 * 3 * 3 * 3 * 3; j++) {
            unsigned rest = j, m = 0;
            for (; m < 5 && rest % 3 > 0; rest /= 3)
                page[m++] = "ab"[rest % 3 - 1];
            page[m] = '\0';
            if (topic_rule_fits(str_of(pattern), str_of(page)) != naive(pattern, page))
                fail_msg("'%s' and '%s'", pattern, page);
        }
    }
}

/* Would be no end of it, were each * tried with each other. */
static void hostile_patterns_end(void **state)
{
    char page[2048] = "h/", pattern[] = "/*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b";
    (void)state;
    memset(page + 2, 'a', sizeof page - 2);
    assert_false(topic_rule_fits(str_of(pattern), (struct str){page, sizeof page}));
}

static void forms(void **state)
{
    static const struct {
        const char *line;
        unsigned n; /* topics; 0: refused */
        const char *pattern, *first;
        unsigned weight;
    } cases[] = {
        {"/boots/* boots", 1, "/boots/*", "boots", 100},
        {" \t/boots/*\t 40:boots ", 1, "/boots/*", "boots", 40},
        {"/a 1:winter boots , b,100:c", 3, "/a", "winter boots", 1},
        {"/a a:b", 1, "/a", "a:b", 100},
        {"/a a,", 1, "/a", "a", 100},
        {"", 0, "", "", 0},
        {"/a", 0, "", "", 0},
        {"/a ,b", 0, "", "", 0},
        {"/a 0:b", 0, "", "", 0},
        {"/a 101:b", 0, "", "", 0},
        {"/a 99999999999999999999999:b", 0, "", "", 0},
        {"/a 40:", 0, "", "", 0},
        {"/a a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p", 16, "/a", "a", 100},
        {"/a a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", 0, "", "", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct guard line = guard_copy(str_of(cases[i].line));
        struct topic_rule rule;
        bool ok = topic_rule_parse(line.s, &rule);
        if (ok != (cases[i].n > 0)) fail_msg("'%s'", cases[i].line);
        if (ok) {
            assert_int_equal(rule.topics_n, cases[i].n);
            assert_true(str_eq(rule.pattern, str_of(cases[i].pattern)));
            assert_true(str_eq(rule.topics[0].text, str_of(cases[i].first)));
            assert_int_equal(rule.topics[0].weight, cases[i].weight);
        }
        guard_free(&line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns), cmocka_unit_test(every_short_pattern),
        cmocka_unit_test(hostile_patterns_end), cmocka_unit_test(forms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
