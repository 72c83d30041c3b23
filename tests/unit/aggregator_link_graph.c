/* The parts of a site's link graph become one; what is gone is gone; more than half is navigation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bytes.h"
#include "guard.h"
#include "link_graph.h"
#include "links.h"

enum { FROM = 20000 };

/* A page of one partition: its links, with the last day of each. */
struct told {
    uint64_t page;
    uint32_t day;
    struct link at[4];
};

static void take(struct link_graph *g, const struct told *t)
{
    struct links l = {0};
    struct buf value = {0};
    char id[8];
    links_told(&l, t->day, false);
    for (int i = 0; i < 4 && t->at[i].page != 0; i++)
        links_add(&l, t->at[i].page, t->at[i].day);
    assert_true(links_encode(&l, &value));
    store_le64(id, t->page);
    struct guard guarded = guard_copy(buf_str(&value));
    assert_true(link_graph_take(g, (struct str){id, sizeof id}, guarded.s));
    guard_free(&guarded);
    buf_fini(&value);
}

static struct link_graph graph_of(bool last_known, const struct told *all, size_t n)
{
    struct link_graph g = link_graph_begin(FROM, last_known);
    for (size_t i = 0; i < n; i++)
        take(&g, &all[i]);
    link_graph_join(&g);
    return g;
}

/* Page 1 was told in two partitions; 2 lost its link to 9; 3 has told nothing since. */
static const struct told site[] = {
    {1, FROM + 1, {{7, FROM + 1}, {8, FROM - 2}}},
    {1, FROM + 4, {{7, FROM + 4}, {9, FROM}}},
    {2, FROM + 2, {{7, FROM + 2}, {9, FROM - 1}}},
    {3, FROM - 5, {{7, FROM - 5}, {6, FROM - 5}, {9, FROM - 9}}},
};
enum { SITE = sizeof site / sizeof *site };

static void parts_become_one(void **state)
{
    (void)state;
    struct link_graph g = graph_of(false, site, SITE);
    static const struct link_edge want[] = {{7, 1, FROM + 4}, {7, 2, FROM + 2}, {9, 1, FROM}};
    assert_int_equal(g.n, 3);
    for (size_t i = 0; i < g.n; i++) {
        assert_int_equal(g.edges[i].to, want[i].to);
        assert_int_equal(g.edges[i].from, want[i].from);
        assert_int_equal(g.edges[i].day, want[i].day);
    }
    assert_int_equal(g.pages_n, 2);
    assert_false(g.partial);
    link_graph_fini(&g);
}

static void the_last_that_is_known_of_a_page_stays(void **state)
{
    (void)state;
    static const struct {
        uint64_t page;
        size_t n, linked;
    } want[] = {{5, 0, 0}, {6, 1, 0}, {7, 3, 2}, {8, 0, 0}, {9, 1, 1}, {10, 0, 0}};
    struct link_graph g = graph_of(true, site, SITE);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        struct link_run run = link_graph_to(&g, want[i].page);
        assert_int_equal(run.n, want[i].n);
        assert_int_equal(run.linked, want[i].linked);
    }
    assert_int_equal(g.pages_n, 2);
    link_graph_fini(&g);
}

static void more_than_half_is_navigation(void **state)
{
    (void)state;
    static const struct told four[] = {
        {1, FROM, {{7, FROM}, {8, FROM}, {9, FROM}}},
        {2, FROM, {{7, FROM}, {8, FROM}}},
        {3, FROM, {{7, FROM}}},
        {4, FROM, {{6, FROM}}},
        {5, FROM - 1, {{8, FROM - 1}, {9, FROM - 1}}}, /* of no weight: before these days */
    };
    struct link_graph g = graph_of(true, four, 5);
    assert_int_equal(g.pages_n, 4);
    struct link_run three = link_graph_to(&g, 7), half = link_graph_to(&g, 8);
    assert_int_equal(half.n, 3);
    assert_int_equal(link_graph_kind(&g, &three), LINK_NAVIGATION);
    assert_int_equal(link_graph_kind(&g, &half), LINK_CONTENT);
    assert_int_equal(link_graph_kind(&g, &(struct link_run){0}), LINK_CONTENT);
    link_graph_fini(&g);
}

static void damage_and_bounds_are_told(void **state)
{
    (void)state;
    struct link_graph g = link_graph_begin(FROM, true);
    struct buf count = {0};
    assert_true(link_graph_take(&g, STR("12345678"), STR("\x02junk")));
    assert_true(link_graph_take(&g, STR("short"), STR("\x01")));
    assert_int_equal(g.damaged, 2);
    assert_false(g.partial);
    assert_true(links_count_encode(&(struct links_count){.full = true, .n = 3}, &count));
    assert_true(link_graph_take(&g, LINKS_COUNT_FIELD, buf_str(&count)));
    assert_true(g.partial);
    link_graph_join(&g);
    assert_int_equal(g.n, 0);
    buf_fini(&count);
    link_graph_fini(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_become_one),
        cmocka_unit_test(the_last_that_is_known_of_a_page_stays),
        cmocka_unit_test(more_than_half_is_navigation),
        cmocka_unit_test(damage_and_bounds_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
