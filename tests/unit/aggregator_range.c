/* range.c against brute force: random visitors on random days, every range. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "bytes.h"
#include "clock.h"
#include "pack.h"
#include "range.h"

enum { FIRST_DAY = 20000, DAYS = 60, PEOPLE = 40, PAGES = 4, PARTS = 3 };

static uint64_t chance_state = 42;

static unsigned chance(unsigned below)
{
    chance_state = chance_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(chance_state >> 33) % below;
}

/* views[person][page][day] */
static unsigned views[PEOPLE][PAGES][DAYS];

static bool active(int person, int page, int day)
{
    if (page >= 0) return views[person][page][day] > 0;
    for (int p = 0; p < PAGES; p++) {
        if (views[person][p][day] > 0) return true;
    }
    return false;
}

/* Some come daily, some once a month, some never. */
static void make_people(void)
{
    for (int person = 0; person < PEOPLE; person++) {
        unsigned rarity = 1 + chance(200);
        for (int page = 0; page < PAGES; page++) {
            for (int day = 0; day < DAYS; day++) {
                views[person][page][day] = chance(rarity) == 0 ? 1 + chance(3) : 0;
            }
        }
    }
}

static uint32_t gap_column(int person, int page, int day)
{
    int longest = page < 0 ? GAP_MAX : PAGE_GAP_MAX;
    for (int gap = 1; gap <= day && gap <= longest; gap++) {
        if (active(person, page, day - gap)) return COL_GAP_NONE + (uint32_t)gap;
    }
    return COL_GAP_NONE;
}

static struct str row_name(int page, char room[9])
{
    if (page < 0) return STR("T");
    room[0] = 'p';
    store_le64(room + 1, (uint64_t)page);
    return (struct str){room, 9};
}

static void pack(struct buf *rows, struct str name, const struct row *row)
{
    struct buf value;
    buf_init(&value, 0);
    assert_true(row_encode(row, &value) && pack_add(rows, name, buf_str(&value)));
    buf_fini(&value);
}

/* The rows as the fold leaves them; now and then one stands twice, as HSCAN may return it. */
static void make_day(int part, int day, struct buf *rows)
{
    for (int page = -1; page < PAGES; page++) {
        struct row row = {0};
        char room[9];
        for (int person = part; person < PEOPLE; person += PARTS) {
            if (!active(person, page, day)) continue;
            for (int p = 0; p < PAGES; p++) {
                if (page >= 0 && p != page) continue;
                row_add(&row, COL_VIEWS, views[person][p][day]);
                row_add(&row, COL_SEEN_OPENED, 2 * views[person][p][day]);
            }
            row_add(&row, gap_column(person, page, day), 1);
        }
        pack(rows, row_name(page, room), &row);
        if (chance(4) == 0) pack(rows, row_name(page, room), &row);
        row_fini(&row);
    }
}

static int64_t brute_persons(int page, int a, int b)
{
    int64_t n = 0;
    for (int person = 0; person < PEOPLE; person++) {
        bool seen = false;
        for (int day = a; day <= b; day++)
            seen = seen || active(person, page, day);
        n += seen;
    }
    return n;
}

static int64_t brute_views(int page, int a, int b)
{
    int64_t n = 0;
    for (int person = 0; person < PEOPLE; person++) {
        for (int p = 0; p < PAGES; p++) {
            for (int day = a; day <= b && (page < 0 || p == page); day++)
                n += views[person][p][day];
        }
    }
    return n;
}

/* The first half of the range merged, packed, and added as one day: the same pages. */
static void check_merged(struct buf rows[PARTS][DAYS], const struct range *whole, int a, int b)
{
    uint32_t first = FIRST_DAY + (uint32_t)a;
    int middle = (a + b) / 2;
    struct range *half = range_new(STR("shop"), first, FIRST_DAY + (uint32_t)middle);
    struct range *r = range_new(STR("shop"), first, FIRST_DAY + (uint32_t)b);
    struct buf merged = {0};
    for (int part = 0; part < PARTS; part++) {
        for (int day = a; day <= b; day++) {
            struct range *into = day <= middle ? half : r;
            assert_true(range_add(into, FIRST_DAY + (uint32_t)day, buf_str(&rows[part][day])));
        }
    }
    assert_true(range_pack_merged(half, &merged));
    assert_true(range_add(r, first, buf_str(&merged)));
    for (int page = 0; page < PAGES; page++) {
        char room[9];
        struct str name = row_name(page, room);
        for (uint32_t column = 1; column <= COL_SEEN_OPENED; column++)
            assert_int_equal(range_value(r, name, column), range_value(whole, name, column));
    }
    buf_fini(&merged);
    range_free(half);
    range_free(r);
}

static void check_range(struct buf rows[PARTS][DAYS], int a, int b)
{
    struct range *r = range_new(STR("shop"), FIRST_DAY + (uint32_t)a, FIRST_DAY + (uint32_t)b);
    assert_non_null(r);
    for (int part = 0; part < PARTS; part++) {
        for (int day = a; day <= b; day++) {
            assert_true(range_add(r, FIRST_DAY + (uint32_t)day, buf_str(&rows[part][day])));
        }
    }
    assert_int_equal(range_pages_exact(r), b - a < 28);
    for (int page = -1; page < PAGES; page++) {
        char room[9];
        struct str name = row_name(page, room);
        assert_int_equal(range_value(r, name, COL_VIEWS), brute_views(page, a, b));
        assert_int_equal(range_value(r, name, COL_SEEN_OPENED), 2 * brute_views(page, a, b));
        if (page >= 0 && !range_pages_exact(r)) continue;
        assert_int_equal(range_value(r, name, COL_GAP_NONE), brute_persons(page, a, b));
    }
    for (int day = a; day <= b; day++) {
        const struct range_day *d = &r->days[day - a];
        assert_int_equal(d->day, FIRST_DAY + day);
        assert_int_equal(row_persons(&d->total, d->day, d->day), brute_persons(-1, day, day));
        assert_int_equal(row_get(&d->total, COL_VIEWS), brute_views(-1, day, day));
    }
    assert_int_equal(r->unreadable, 0);
    check_merged(rows, r, a, b);
    range_free(r);
}

static void every_range_counts_each_person_once(void **state)
{
    (void)state;
    static struct buf rows[PARTS][DAYS];
    make_people();
    for (int part = 0; part < PARTS; part++) {
        for (int day = 0; day < DAYS; day++)
            make_day(part, day, &rows[part][day]);
    }
    for (int a = 0; a < DAYS; a++) {
        for (int b = a; b < DAYS; b++)
            check_range(rows, a, b);
    }
    for (int part = 0; part < PARTS; part++) {
        for (int day = 0; day < DAYS; day++)
            buf_fini(&rows[part][day]);
    }
}

static void a_gap_belongs_to_the_range_it_leaves(void **state)
{
    (void)state;
    static const struct {
        uint32_t from, to, column;
        int64_t want;
    } cases[] = {
        {100, 110, COL_GAP_NONE, 1},      {100, 110, COL_GAP_NONE + 10, 0},
        {100, 110, COL_GAP_NONE + 11, 1}, {110, 110, COL_GAP_NONE + 1, 1},
        {100, 110, COL_GAP_NONE + 1, 0},  {0, 110, COL_GAP_NONE + 110, 0},
        {0, 110, COL_GAP_NONE + 111, 1},  {100, 110, COL_GAP_NONE + GAP_MAX, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct range *r = range_new(STR("s"), cases[i].from, cases[i].to);
        struct row row = {0};
        struct buf rows = {0};
        row_add(&row, cases[i].column, 1);
        pack(&rows, STR("T"), &row);
        assert_true(range_add(r, 110, buf_str(&rows)));
        assert_int_equal(range_value(r, STR("T"), COL_GAP_NONE), cases[i].want);
        buf_fini(&rows);
        row_fini(&row);
        range_free(r);
    }
}

static void damaged_rows_are_counted_and_left_out(void **state)
{
    (void)state;
    struct range *r = range_new(STR("s"), 5, 5);
    struct row row = {0};
    struct buf rows = {0};
    row_add(&row, COL_VIEWS, 7);
    assert_true(pack_add(&rows, STR("pbad"), STR("\x02\x01\x02"))); /* version 2 */
    assert_true(pack_add(&rows, STR("pcut"), STR("\x01\x01")));     /* no value */
    assert_true(pack_add(&rows, STR("pempty"), STR("")));
    pack(&rows, STR(""), &row); /* no name */
    pack(&rows, STR("pgood"), &row);
    assert_true(range_add(r, 5, buf_str(&rows)));
    assert_int_equal(r->unreadable, 4);
    assert_int_equal(range_value(r, STR("pgood"), COL_VIEWS), 7);
    assert_int_equal(range_value(r, STR("pbad"), COL_VIEWS), 0);
    buf_fini(&rows);
    row_fini(&row);
    range_free(r);
}

static int by_value_then_name(const void *a, const void *b)
{
    const struct range_row *x = *(struct range_row *const *)a, *y = *(struct range_row *const *)b;
    int64_t vx = row_get(&x->row, COL_VIEWS), vy = row_get(&y->row, COL_VIEWS);
    if (vx != vy) return vx > vy ? -1 : 1;
    return strncmp(x->name.p, y->name.p, x->name.n); /* equal lengths here */
}

static void top_is_the_head_of_the_sorted_rows(void **state)
{
    (void)state;
    enum { ROWS = 1500 };
    struct range *r = range_new(STR("s"), 5, 5);
    struct buf rows = {0};
    for (int i = 0; i < ROWS; i++) {
        struct row row = {0};
        char name[16];
        snprintf(name, sizeof name, "%c%05d", i % 3 == 0 ? 's' : 'x', i);
        row_add(&row, COL_VIEWS, 1 + chance(50));
        pack(&rows, str_of(name), &row);
        row_fini(&row);
    }
    assert_true(range_add(r, 5, buf_str(&rows)));
    struct range_row *want[ROWS];
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (r->rows[i].name.p[0] == 'x') want[n++] = &r->rows[i];
    }
    assert_int_equal(n, ROWS - ROWS / 3);
    qsort(want, n, sizeof *want, by_value_then_name);
    size_t limits[] = {0, 1, 2, 7, n - 1, n, n + 1};
    for (size_t l = 0; l < sizeof limits / sizeof *limits; l++) {
        struct range_top top;
        size_t expect = limits[l] == 0 || limits[l] > n ? n : limits[l];
        assert_true(range_top(r, 'x', COL_VIEWS, limits[l], &top));
        assert_int_equal(top.n, expect);
        assert_int_equal(top.cut, expect < n);
        assert_memory_equal(top.rows, want, expect * sizeof *want);
        range_top_fini(&top);
    }
    buf_fini(&rows);
    range_free(r);
}

static void dates_of_cut_months_do_not_count(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *kept;
        uint32_t counted;
    } rows[] = {
        {"2026-01-10", "2026-03-20", "2025-12-01", 70},
        {"2026-01-10", "2026-03-20", "2026-01-01", 70},
        {"2026-01-01", "2026-03-20", "2026-03-01", 31 + 28 + 20},
        {"2026-01-10", "2026-03-20", "2026-03-01", 28 + 20},
        {"2026-01-10", "2026-02-20", "2026-03-01", 0},
        {"2026-02-01", "2026-02-28", "2026-03-01", 28},
        {"2026-01-10", "2026-03-20", "2026-05-01", 28},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t from, to, kept;
        assert_int_equal(date_parse(rows[i].from, &from) + date_parse(rows[i].to, &to) +
                             date_parse(rows[i].kept, &kept),
                         0);
        struct range *r = range_new(STR("s"), from, to);
        assert_true(range_keep(r, kept));
        assert_int_equal(range_counted(r), rows[i].counted);
        range_free(r);
    }
}

static void pages_sort_by_their_names(void **state)
{
    (void)state;
    struct range *r = range_new(STR("s"), 5, 5);
    struct row row = {0};
    struct buf rows = {0};
    struct range_top top;
    row_add(&row, COL_VIEWS, 1);
    pack(&rows, STR("p1"), &row);
    pack(&rows, STR("p2"), &row);
    assert_true(range_add(r, 5, buf_str(&rows)));
    assert_true(range_set_page(r, range_find(r, STR("p1")), STR("shop.example/b")));
    assert_true(range_set_page(r, range_find(r, STR("p2")), STR("shop.example/a")));
    assert_true(range_top(r, 'p', COL_VIEWS, 0, &top));
    assert_int_equal(top.n, 2);
    assert_true(str_eq(top.rows[0]->page, STR("shop.example/a")));
    assert_true(str_eq(top.rows[1]->page, STR("shop.example/b")));
    range_top_fini(&top);
    buf_fini(&rows);
    row_fini(&row);
    range_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_range_counts_each_person_once),
        cmocka_unit_test(a_gap_belongs_to_the_range_it_leaves),
        cmocka_unit_test(damaged_rows_are_counted_and_left_out),
        cmocka_unit_test(top_is_the_head_of_the_sorted_rows),
        cmocka_unit_test(dates_of_cut_months_do_not_count),
        cmocka_unit_test(pages_sort_by_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
