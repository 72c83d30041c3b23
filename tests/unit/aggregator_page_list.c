/* Rows, catalogue and links become one list of pages; what is usual is so per kind of link. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "bytes.h"
#include "links.h"
#include "pack.h"
#include "page_list.h"

enum { FROM = 20000, TO = 20027, RUN_MS = 1000 };

static const struct page_window window = {.from = FROM, .to = TO, .first = FROM, .last_part = 1};

static struct str id_of(uint64_t page, char room[PAGE_ID_BYTES])
{
    store_le64(room, page);
    return (struct str){room, PAGE_ID_BYTES};
}

static struct page_list new_list(void)
{
    struct page_list l = {.now = range_new(STR("shop"), FROM, TO),
                          .links = link_graph_begin(FROM, true)};
    assert_non_null(l.now);
    return l;
}

/* cells: column, value, ... ends with 0. */
static void put(struct range *r, uint64_t page, const uint32_t *cells)
{
    char name[1 + PAGE_ID_BYTES] = {'p'};
    struct row row = {0};
    struct buf value = {0}, rows = {0};
    store_le64(name + 1, page);
    for (; cells[0] != 0; cells += 2)
        assert_true(row_add(&row, cells[0], cells[1]));
    assert_true(row_encode(&row, &value));
    assert_true(pack_add(&rows, (struct str){name, sizeof name}, buf_str(&value)));
    assert_true(range_add(r, r->from, buf_str(&rows)));
    row_fini(&row);
    buf_fini(&value);
    buf_fini(&rows);
}
#define PUT(r, page, ...) put(r, page, (const uint32_t[]){__VA_ARGS__, 0})

static void list_page(struct page_list *l, uint64_t page)
{
    char id[PAGE_ID_BYTES];
    struct buf value = {0};
    struct catalogue_page p = {.first_ms = RUN_MS, .last_ms = RUN_MS};
    assert_true(catalogue_page_encode(&p, &value));
    assert_true(pack_add(&l->listings, id_of(page, id), buf_str(&value)));
    buf_fini(&value);
}

static void tell(struct page_list *l, uint64_t page, uint32_t day, const uint64_t *to, size_t n)
{
    char id[PAGE_ID_BYTES];
    struct buf value = {0};
    struct links links = {0};
    links_told(&links, day, false);
    for (size_t i = 0; i < n; i++)
        links_add(&links, to[i], day);
    assert_true(links_encode(&links, &value));
    assert_true(link_graph_take(&l->links, id_of(page, id), buf_str(&value)));
    buf_fini(&value);
}

static void judge(struct page_list *l)
{
    struct buf err = {0};
    link_graph_join(&l->links);
    if (page_list_judge(l, &window, &err) < 0) fail_msg("%.*s", STR_ARG(buf_str(&err)));
    page_list_sort(l);
    buf_fini(&err);
}

static const struct page_line *line_of(const struct page_list *l, uint64_t page)
{
    for (size_t i = 0; i < l->n; i++) {
        if (load_le64(l->lines[i].id) == page) return &l->lines[i];
    }
    return NULL;
}

static void verdict_is(const struct page_list *l, uint64_t page, enum page_verdict want)
{
    const struct page_line *line = line_of(l, page);
    enum page_verdict got = line == NULL ? PAGE_NONE : line->verdict;
    if (got != want)
        fail_msg("page %u: %s, not %s", (unsigned)page, page_verdict_name(got),
                 page_verdict_name(want));
}

/* A menu (1..6) on every page, opened by few who see it; articles (11..16), by many. Page 6 and 16
 * are opened as rarely: usual for a menu, ignored as an article. */
static void each_kind_has_its_usual_rate(void **state)
{
    (void)state;
    struct page_list l = new_list();
    for (uint64_t from = 21; from <= 24; from++) {
        uint64_t to[] = {1, 2, 3, 4, 5, 6, 11 + (from - 21), 15, 16};
        tell(&l, from, FROM, to, from < 23 ? 9 : 7); /* 15 and 16: on half of them */
    }
    for (uint64_t i = 1; i <= 5; i++) {
        PUT(l.now, i, COL_VIEWS, 5, COL_SEEN, 100, COL_SEEN_OPENED, (uint32_t)i);
        PUT(l.now, 10 + i, COL_VIEWS, 5, COL_SEEN, 100, COL_SEEN_OPENED, 20 + (uint32_t)i);
    }
    PUT(l.now, 6, COL_VIEWS, 5, COL_SEEN, 100, COL_SEEN_OPENED, 3);
    PUT(l.now, 16, COL_VIEWS, 5, COL_SEEN, 100, COL_SEEN_OPENED, 3);
    judge(&l);
    const struct page_usual *menu = &l.usual[LINK_NAVIGATION], *rest = &l.usual[LINK_CONTENT];
    assert_int_equal(l.silent, 12); /* all that were viewed */
    assert_int_equal(menu->pages, 6);
    assert_int_equal(rest->pages, 6);
    assert_true(fabs(menu->rate - 0.03) < 1e-15);  /* 1 2 3 3 4 5 */
    assert_true(fabs(rest->rate - 0.225) < 1e-15); /* 3 21 22 23 24 25 */
    verdict_is(&l, 6, PAGE_UNPROVEN);
    verdict_is(&l, 16, PAGE_IGNORED); /* 3 of 100: at most 8.5 % */
    assert_int_equal(line_of(&l, 16)->linked_from, 2);
    assert_int_equal(line_of(&l, 16)->kind, LINK_CONTENT);
    assert_int_equal(line_of(&l, 1)->kind, LINK_NAVIGATION);
    page_list_fini(&l);
}

/* Who leads to a page: 1 was viewed and told its links; 2 was viewed, and told them before; 3 told
 * them before and was not viewed since; 4 told them beyond the limit of rows. */
static void what_no_viewed_page_leads_to_is_undiscovered(void **state)
{
    (void)state;
    struct page_list l = new_list();
    PUT(l.now, 1, COL_VIEWS, 3);
    PUT(l.now, 2, COL_VIEWS, 3);
    PUT(l.now, 36, COL_EXPOSURES, 1);
    list_page(&l, 31);
    list_page(&l, 35);
    tell(&l, 1, FROM, (const uint64_t[]){30, 31}, 2);
    tell(&l, 2, FROM - 9, (const uint64_t[]){32}, 1);
    tell(&l, 3, FROM - 9, (const uint64_t[]){33, 31}, 2);
    tell(&l, 4, TO, (const uint64_t[]){34}, 1);
    judge(&l);
    verdict_is(&l, 30, PAGE_UNVISITED);
    verdict_is(&l, 31, PAGE_UNVISITED);
    verdict_is(&l, 32, PAGE_UNVISITED);
    verdict_is(&l, 33, PAGE_UNDISCOVERED);
    verdict_is(&l, 34, PAGE_UNVISITED);
    verdict_is(&l, 35, PAGE_UNDISCOVERED);
    verdict_is(&l, 36, PAGE_UNVISITED);
    assert_int_equal(line_of(&l, 33)->linked_from, 1);
    assert_string_equal(page_line_kind(line_of(&l, 33)), "content");
    assert_null(page_line_kind(line_of(&l, 35)));
    assert_null(line_of(&l, 3)); /* no link to it, no view, not listed */
    assert_int_equal(l.verdicts[PAGE_UNDISCOVERED], 2);
    assert_int_equal(l.silent, 0);
    page_list_fini(&l);
}

static void without_links_nothing_is_undiscovered(void **state)
{
    (void)state;
    struct page_list l = new_list();
    list_page(&l, 31);
    tell(&l, 3, FROM - 1, (const uint64_t[]){33}, 1);
    judge(&l);
    verdict_is(&l, 31, PAGE_UNVISITED);
    verdict_is(&l, 33, PAGE_UNVISITED);
    page_list_fini(&l);
}

/* Pages that only the time before knows stay for whoever compares, without a verdict. */
static void visits_before_keep_a_page(void **state)
{
    (void)state;
    struct page_list l = new_list();
    l.before = range_new(STR("shop"), FROM - 28, FROM - 1);
    l.before_from = FROM - 28;
    l.before_to = FROM - 1;
    PUT(l.before, 41, COL_VIEWS, 2, COL_VISITS, 2);
    PUT(l.before, 42, COL_VIEWS, 9, COL_VISITS, 9);
    PUT(l.before, 43, COL_BOT_VIEWS, 2);
    judge(&l);
    assert_int_equal(l.n, 2);
    verdict_is(&l, 41, PAGE_NONE);
    verdict_is(&l, 42, PAGE_FADING);
    assert_int_equal(load_le64(l.lines[1].id), 41); /* behind all that have one */
    uint64_t sum = 0;
    for (int i = 0; i < PAGE_VERDICTS; i++)
        sum += l.verdicts[i];
    assert_int_equal(sum, 1);
    page_list_fini(&l);
}

/* A row may show, for a moment, more opened than seen: no interval breaks. */
static void opened_is_never_more_than_seen(void **state)
{
    (void)state;
    struct page_list l = new_list();
    PUT(l.now, 1, COL_VIEWS, 3, COL_SEEN, 2, COL_SEEN_OPENED, 3);
    judge(&l);
    assert_int_equal(line_of(&l, 1)->evidence.opened, 2);
    page_list_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_has_its_usual_rate),
        cmocka_unit_test(what_no_viewed_page_leads_to_is_undiscovered),
        cmocka_unit_test(without_links_nothing_is_undiscovered),
        cmocka_unit_test(visits_before_keep_a_page),
        cmocka_unit_test(opened_is_never_more_than_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
