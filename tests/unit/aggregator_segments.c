/* The pass over persons, by hand and against a plain count; which groups there are; what is listed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "segment_list.h"

enum { TODAY = 20000, PAGES = 24, PERSONS = 500 };

static void test_groups_of_pages(void **state)
{
    (void)state;
    static const struct {
        const char *page, *segment;
    } cases[] = {
        {"shop.example/blog/2026/a", "blog"},
        {"shop.example/blog", "blog"},
        {"news.example/blog/b", "blog"},
        {"shop.example/", ""},
        {"shop.example", ""},
        {"shop.example/?p=1", ""},
        {"shop.example/blog?p=/x/", "blog"},
        {"shop.example/#/blog", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str got = segment_of(str_of(cases[i].page));
        assert_true(str_eq(got, str_of(cases[i].segment)));
    }
}

/* A person with sessions on one day, so long ago. */
struct someone {
    struct profile profile;
    struct profile_page pages[PAGES];
};

static struct profile *make(struct someone *s, uint32_t silent, uint32_t sessions)
{
    *s = (struct someone){
        .profile = {.sessions = sessions, .views = sessions, .newest_day = TODAY - silent}};
    s->profile.day_sessions[(TODAY - silent) % PROFILE_DAYS] = sessions;
    s->profile.pages = s->pages;
    return &s->profile;
}

static void know(struct profile *p, uint64_t page, uint32_t tried, uint32_t used)
{
    p->pages[p->pages_n++] = (struct profile_page){
        .page = page, .views = 1, .first_day = 1, .last_day = 1, .tried = tried, .used = used};
}

/* Only in view, so often, on two days. */
static void see(struct profile *p, uint64_t page, uint32_t times)
{
    p->pages[p->pages_n++] =
        (struct profile_page){.page = page, .seen = times, .passed = times, .passed_days = 2};
}

static const struct segment_group *group(const struct segments *s, const char *name)
{
    for (size_t i = 0; i < s->groups_n; i++) {
        if (strcmp(s->groups[i].name, name) == 0) return &s->groups[i];
    }
    fail_msg("no group %s", name);
    return NULL;
}

static void test_pass(void **state)
{
    (void)state;
    struct segments s = {0};
    struct someone someone;
    struct profile *p;
    assert_true(segments_add_page(&s, 1, STR("shop.example/")));
    assert_true(segments_add_page(&s, 2, STR("shop.example/blog/a")));
    assert_true(segments_add_page(&s, 3, STR("shop.example/blog/b")));
    assert_true(segments_add_page(&s, 3, STR("shop.example/blog/b"))); /* another partition's */
    assert_true(segments_close(&s));

    p = make(&someone, 0, 2); /* new: left /blog/a twice, used /blog/b once */
    know(p, 2, 2, 0);
    know(p, 3, 0, 1);
    segments_add_person(&s, p, TODAY);
    p = make(&someone, 3, 5); /* loyal: left both, /blog/a twice; a page without a name */
    know(p, 2, 2, 0);
    know(p, 3, 1, 0);
    know(p, 77, 0, 2);
    segments_add_person(&s, p, TODAY);
    p = make(&someone, 100, 1); /* lost; did not follow the links to the blog */
    know(p, 1, 0, 1);
    see(p, 2, 2);
    see(p, 3, 3);
    segments_add_person(&s, p, TODAY);

    assert_int_equal(s.persons[CLASS_NEW], 1);
    assert_int_equal(s.sessions[CLASS_LOYAL], 5);
    assert_int_equal(s.persons[CLASS_LOST], 1);
    const struct segment_group *blog = group(&s, "/blog/");
    assert_int_equal(blog->pages, 2);
    assert_int_equal(blog->persons[FIGURE_USED][CLASS_NEW], 1);
    assert_int_equal(blog->persons[FIGURE_IGNORING][CLASS_NEW], 0); /* it used another one */
    assert_int_equal(blog->persons[FIGURE_TRIED][CLASS_LOYAL], 1);
    assert_int_equal(blog->persons[FIGURE_IGNORING][CLASS_LOYAL], 1);
    assert_int_equal(blog->persons[FIGURE_SEEN][CLASS_LOST], 1);
    assert_int_equal(blog->persons[FIGURE_IGNORING][CLASS_LOST], 1);
    assert_int_equal(group(&s, "/")->persons[FIGURE_USED][CLASS_LOST], 1);
    assert_int_equal(group(&s, "(other)")->persons[FIGURE_RETURNED][CLASS_LOYAL], 1);
    assert_int_equal(s.pages[1].ignorers[CLASS_NEW], 1); /* of the page, whatever its group */
    assert_int_equal(s.pages[1].ignorers[CLASS_LOYAL], 1);
    assert_int_equal(s.pages[2].ignorers[CLASS_LOYAL], 0);
    assert_int_equal(s.pages[1].ignorers[CLASS_LOST], 0); /* twice is not enough */
    assert_int_equal(s.pages[2].ignorers[CLASS_LOST], 1);
    assert_false(s.approximate);
    p->approximate = true;
    segments_add_person(&s, p, TODAY);
    assert_true(s.approximate);
    segments_fini(&s);
}

/* More groups than are kept: those with the most pages stay, then by name. */
static void test_many_groups(void **state)
{
    (void)state;
    enum { GROUPS = SEGMENT_GROUPS_MAX + 300 };
    struct segments s = {0};
    struct buf names = {0};
    size_t at[GROUPS + 1] = {0};
    for (int i = 0; i < GROUPS; i++) {
        buf_printf(&names, "shop.example/g%04d/x", i);
        at[i + 1] = names.n;
    }
    for (int i = 0; i < GROUPS; i++)
        assert_true(segments_add_page(&s, 1 + (uint64_t)i,
                                      (struct str){names.p + at[i], at[i + 1] - at[i]}));
    assert_true(segments_add_page(&s, 9999, STR("shop.example/g1299/y"))); /* the last has two */
    assert_true(segments_close(&s));
    assert_int_equal(s.groups_n, SEGMENT_GROUPS_MAX + 1);
    assert_int_equal(group(&s, "(other)")->pages, GROUPS - SEGMENT_GROUPS_MAX);
    assert_int_equal(group(&s, "/g1299/")->pages, 2);
    group(&s, "/g0998/");
    for (size_t i = 0; i < s.groups_n; i++)
        assert_string_not_equal(s.groups[i].name, "/g0999/");
    struct someone someone;
    struct profile *p = make(&someone, 0, 1);
    know(p, 1000, 1, 0); /* of /g0999/ */
    know(p, 9999, 0, 1);
    segments_add_person(&s, p, TODAY);
    assert_int_equal(group(&s, "(other)")->persons[FIGURE_TRIED][CLASS_NEW], 1);
    assert_int_equal(group(&s, "/g1299/")->persons[FIGURE_USED][CLASS_NEW], 1);
    segments_fini(&s);
    buf_fini(&names);
}

static void test_no_pages(void **state)
{
    (void)state;
    struct segments s = {0};
    struct segment_list l = {0};
    struct someone someone;
    struct profile *p = make(&someone, 0, 1);
    assert_true(segments_close(&s));
    know(p, 5, 1, 0);
    for (int i = 0; i < 7; i++)
        segments_add_person(&s, p, TODAY);
    assert_int_equal(group(&s, "(other)")->persons[FIGURE_TRIED][CLASS_NEW], 7);
    assert_true(segment_list_make(&l, &s));
    assert_int_equal(l.groups_n, 1);
    assert_int_equal(l.groups[0].shown, 7);
    segment_list_fini(&l);
    segments_fini(&s);
}

static uint32_t below(uint64_t *seed, uint32_t n)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33) % n;
}

/* What one person did with a group of three pages, counted from scratch. */
static void count(const struct profile *p, uint32_t of, uint32_t want[FIGURES][CLASSES])
{
    enum person_class class = profile_class(p, TODAY);
    int best = 0, ignored = 0;
    for (uint32_t i = 0; i < p->pages_n; i++) {
        const struct profile_page *page = &p->pages[i];
        if (page->page / 3 != of) continue;
        int rung = page->used > 1 ? 5 : page->used == 1 ? 4 : page->tried > 0 ? 3 : 2;
        best = rung > best ? rung : best;
        ignored += page->used == 0 && (page->tried >= 2 || page->passed >= 3);
    }
    if (best > 0) want[best - 2][class]++;
    if (best < 4 && ignored > 0) want[FIGURE_IGNORING][class]++;
}

static void test_random(void **state)
{
    (void)state;
    enum { GROUPS = PAGES / 3 };
    uint64_t seed = 7;
    struct segments s = {0};
    struct segment_list l = {0};
    static uint32_t want[GROUPS][FIGURES][CLASSES];
    char names[PAGES][32];
    for (uint32_t i = 0; i < PAGES; i++) {
        snprintf(names[i], sizeof names[i], "shop.example/g%u/%u", i / 3, i);
        assert_true(segments_add_page(&s, i, str_of(names[i])));
    }
    assert_true(segments_close(&s));
    for (int i = 0; i < PERSONS; i++) {
        struct someone someone;
        struct profile *p = make(&someone, below(&seed, 80), 1 + below(&seed, 6));
        for (uint32_t page = 0; page < PAGES; page++)
            switch (below(&seed, 9)) {
            case 0: know(p, page, below(&seed, 3), 1 + below(&seed, 2)); break;
            case 1: know(p, page, 1 + below(&seed, 3), 0); break;
            case 2: see(p, page, 1 + below(&seed, 4)); break;
            }
        segments_add_person(&s, p, TODAY);
        for (uint32_t g = 0; g < GROUPS; g++)
            count(p, g, want[g]);
    }
    for (uint32_t g = 0; g < GROUPS; g++) {
        char name[16];
        snprintf(name, sizeof name, "/g%u/", g);
        assert_memory_equal(group(&s, name)->persons, want[g], sizeof want[g]);
    }
    assert_true(segment_list_make(&l, &s));
    assert_int_equal(l.groups_n, GROUPS);
    for (size_t i = 1; i < l.groups_n; i++)
        assert_true(l.groups[i - 1].shown >= l.groups[i].shown);
    segment_list_fini(&l);
    segments_fini(&s);
}

/* The row of a group's only ignored page hides what the group's row hides: together they tell no
 * more. */
static void test_page_like_group(void **state)
{
    (void)state;
    struct segments s = {0};
    struct segment_list l = {0};
    struct someone someone;
    assert_true(segments_add_page(&s, 1, STR("shop.example/about")));
    assert_true(segments_add_page(&s, 2, STR("shop.example/about/nobody")));
    assert_true(segments_close(&s));
    static const struct {
        uint32_t silent, sessions, persons;
    } classes[] = {{0, 1, 2}, {0, 4, 6}, {40, 3, 9}}; /* 2 new ones, 6 loyal, 9 fading */
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        for (uint32_t n = 0; n < classes[i].persons; n++) {
            struct profile *p = make(&someone, classes[i].silent, classes[i].sessions);
            know(p, 1, 2, 0);
            segments_add_person(&s, p, TODAY);
        }
    assert_true(segment_list_make(&l, &s));
    assert_true(l.all_hidden);
    assert_int_equal(l.groups_n, 1);
    assert_int_equal(l.pages_n, 1);
    const struct hiding *h = &l.groups[0].hiding;
    assert_memory_equal(h->cell[FIGURE_IGNORING], l.pages[0].hiding.cell, sizeof(bool) * CLASSES);
    assert_int_equal(h->total[FIGURE_IGNORING], l.pages[0].hiding.total);
    assert_true(l.pages[0].hiding.cell[CLASS_NEW] && l.pages[0].hiding.total);
    assert_int_equal(l.pages[0].shown, 15);
    segment_list_fini(&l);
    segments_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups_of_pages), cmocka_unit_test(test_pass),
        cmocka_unit_test(test_many_groups),     cmocka_unit_test(test_no_pages),
        cmocka_unit_test(test_random),          cmocka_unit_test(test_page_like_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
