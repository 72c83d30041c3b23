/* Topics of pages: rules, what pages say, and what is one topic. Inputs end at unreadable pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "guard.h"
#include "topics.h"

static char rule_1[] = "/boots/* boots, 40:Outdoor", rule_2[] = "/*/sale 10:boots, sale",
            rule_3[] = "blog.shop.example/* reading";
static char *const rules[] = {rule_1, rule_2, rule_3, NULL};

/* "name weight, ..." */
static void show(const struct topics *t, const struct page_topics *p, char out[256])
{
    size_t n = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < p->n; i++) {
        struct str name = topics_name(t, p->at[i].topic);
        n += (size_t)snprintf(out + n, 256 - n, "%s%.*s %u", i == 0 ? "" : ", ", STR_ARG(name),
                              p->at[i].weight);
    }
}

static void of_pages(void **state)
{
    static const struct about nothing = {.topics_n = 0},
                              hike = {.section = {" Outdoor ", 9},
                                      .topics_n = 2,
                                      .topics = {{{"BOOTS", 5}, 30}, {{"hike", 4}, 5}}},
                              twice = {.topics_n = 2,
                                       .topics = {{{"run", 3}, 30}, {{"Run", 3}, 31}}};
    static const struct {
        const char *page;
        const struct about *about;
        const char *want;
    } cases[] = {
        {"shop.example/boots/alder", NULL, "boots 100, outdoor 40"},
        {"shop.example/boots/sale", &nothing, "boots 100, outdoor 40, sale 100"},
        {"shop.example/maps/sale", NULL, "boots 10, sale 100"},
        {"shop.example/boots/alder", &hike, "boots 100, hike 5, outdoor 100"},
        {"shop.example/maps", &hike, "boots 30, hike 5, outdoor 100"},
        {"shop.example/maps", &twice, "run 31"},
        {"shop.example/maps", NULL, ""},
        {"blog.shop.example/a", NULL, "reading 100"},
    };
    struct topics *t = topics_new(rules);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct guard page = guard_copy(str_of(cases[i].page));
        struct page_topics got;
        char text[256];
        assert_true(topics_of_page(t, page.s, cases[i].about, &got));
        show(t, &got, text);
        assert_string_equal(text, cases[i].want);
        guard_free(&page);
    }
    assert_int_equal(topics_count(t), 6);
    assert_false(topics_cut(t));
    topics_free(t);
}

static void without_rules(void **state)
{
    struct topics *t = topics_new(NULL);
    struct page_topics got;
    (void)state;
    assert_true(topics_of_page(t, STR("shop.example/"), NULL, &got));
    assert_int_equal(got.n, 0);
    topics_free(t);
}

/* A rule has at most 16; the page then has 64 and no more, and the first ones. */
static void of_one_page_at_most(void **state)
{
    char lines[8][128], *many[9] = {0};
    struct page_topics got;
    (void)state;
    for (int i = 0; i < 8; i++) {
        size_t n = (size_t)sprintf(lines[i], "/*");
        for (int j = 0; j < 16; j++)
            n += (size_t)sprintf(lines[i] + n, "%st%d", j == 0 ? " " : ",", i * 16 + j);
        many[i] = lines[i];
    }
    struct topics *t = topics_new(many);
    assert_true(topics_of_page(t, STR("shop.example/"), NULL, &got));
    assert_int_equal(got.n, TOPICS_OF_PAGE);
    assert_true(str_eq(topics_name(t, got.at[63].topic), STR("t63")));
    assert_true(topics_cut(t));
    topics_free(t);
}

/* Known topics are still found when there is no room for new ones. */
static void of_all_pages_at_most(void **state)
{
    struct topics *t = topics_new(NULL);
    struct page_topics got;
    (void)state;
    for (int i = 0; i <= TOPICS_MAX; i++) {
        char name[16];
        struct about about = {.topics_n = 1, .topics = {{{name, 0}, 50}}};
        about.topics[0].text.n = (size_t)sprintf(name, "topic %d", i);
        assert_true(topics_of_page(t, STR("h/"), &about, &got));
        assert_int_equal(got.n, i < TOPICS_MAX ? 1 : 0);
        assert_int_equal(topics_cut(t), i >= TOPICS_MAX);
    }
    struct about first = {.topics_n = 1, .topics = {{STR("Topic 0"), 7}}};
    assert_true(topics_of_page(t, STR("h/"), &first, &got));
    assert_int_equal(got.n, 1);
    assert_int_equal(got.at[0].topic, 0);
    assert_int_equal(topics_count(t), TOPICS_MAX);
    topics_free(t);
}

static void scores(void **state)
{
    (void)state;
    assert_int_equal(topic_score(1000, 100), 1000);
    assert_int_equal(topic_score(1000, 40), 400);
    assert_int_equal(topic_score(3, 50), 2); /* 1.5, rounded up */
    assert_int_equal(topic_score(0, 100), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(of_pages), cmocka_unit_test(without_rules),
                                       cmocka_unit_test(of_one_page_at_most),
                                       cmocka_unit_test(of_all_pages_at_most),
                                       cmocka_unit_test(scores)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
