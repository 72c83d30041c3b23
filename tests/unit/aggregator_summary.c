/* summary.c: rows -> the document of aggregator/README.md, field by field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "bytes.h"
#include "hit.h"
#include "pack.h"
#include "summary.h"

enum { DAY = 20454 }; /* 2026-01-01 */

struct put {
    uint32_t day;
    const char *name;
    size_t n;
    struct row_cell cells[16];
};
#define NAME(lit) lit, sizeof(lit) - 1

static void add(struct range *r, const struct put *p)
{
    struct row row = {0};
    struct buf value = {0}, rows = {0};
    for (int i = 0; p->cells[i].column != 0; i++) {
        assert_true(row_add(&row, p->cells[i].column, p->cells[i].value));
    }
    assert_true(row_encode(&row, &value));
    assert_true(pack_add(&rows, (struct str){p->name, p->n}, buf_str(&value)));
    assert_true(range_add(r, p->day, buf_str(&rows)));
    row_fini(&row);
    buf_fini(&value);
    buf_fini(&rows);
}

static const struct put rows_put[] = {
    {DAY,
     NAME("T"),
     {{COL_VIEWS, 5},
      {COL_BOT_VIEWS, 2},
      {COL_SESSIONS, 3},
      {COL_BOUNCES, 1},
      {COL_ENGAGED_MS, 61000},
      {COL_DAILY_VISITORS, 1},
      {COL_NOT_FOUND, 1},
      {COL_IMPORTED, 4},
      {COL_LIVE, 3},
      {COL_ROWS_PAGE, 2},
      {COL_GAP_NONE, 2}}},
    {DAY + 1,
     NAME("T"),
     {{COL_VIEWS, 1},
      {COL_SESSIONS, 1},
      {COL_OUTBOUND, 1},
      {COL_DOWNLOADS, 2},
      {COL_EVENTS, 3},
      {COL_GOALS, 1},
      {COL_PURCHASES, 2},
      {COL_GAP_NONE + 1, 1},
      {COL_GAP_NONE + 5, 1},
      {COL_SEEN, 5},
      {COL_SEEN_OPENED, 2},
      {COL_ERRORS, 9},
      {COL_SEARCHES, 3}}},
    {DAY,
     NAME("p\1\0\0\0\0\0\0\0"),
     {{COL_VIEWS, 3},
      {COL_SESSIONS, 2},
      {COL_EXITS, 1},
      {COL_BOUNCES, 1},
      {COL_ENGAGED_MS, 60000},
      {COL_DAILY_VISITORS, 1},
      {COL_VISITS, 3},
      {COL_GAP_NONE, 2}}},
    {DAY + 1,
     NAME("p\1\0\0\0\0\0\0\0"),
     {{COL_VIEWS, 1}, {COL_GAP_NONE + 1, 1}, {COL_SEEN, 5}, {COL_SEEN_OPENED, 2}}},
    {DAY,
     NAME("p\2\0\0\0\0\0\0\0"),
     {{COL_VIEWS, 2},
      {COL_BOT_VIEWS, 2},
      {COL_NOT_FOUND, 1},
      {COL_BOT_NOT_FOUND, 2},
      {COL_ERRORS, 9}}},
    {DAY, NAME("p"), {{COL_VIEWS, 4}}},
    {DAY, NAME("c\1"), {{COL_VIEWS, 4}, {COL_SESSIONS, 2}, {COL_BOUNCES, 1}, {COL_GAP_NONE, 2}}},
    {DAY, NAME("c\xc8"), {{COL_VIEWS, 1}}},
    {DAY, NAME("gFR"), {{COL_VIEWS, 5}, {COL_SESSIONS, 3}}},
    {DAY, NAME("g??"), {{COL_VIEWS, 1}}},
    {DAY, NAME("v\1"), {{COL_VIEWS, 6}}},
    {DAY, NAME("b\1"), {{COL_VIEWS, 6}}},
    {DAY, NAME("o\1"), {{COL_VIEWS, 6}}},
    {DAY, NAME("rGooglebot"), {{COL_BOT_VIEWS, 2}}},
    {DAY, NAME("snews.example"), {{COL_VIEWS, 2}, {COL_SESSIONS, 2}}},
    {DAY, NAME("s"), {{COL_VIEWS, 1}}},
    {DAY, NAME("xother.example/\xff"), {{COL_OUTBOUND, 1}}},
    {DAY, NAME("fshop.example/a.pdf"), {{COL_DOWNLOADS, 2}}},
    {DAY, NAME("esignup"), {{COL_EVENTS, 3}, {COL_GOALS, 1}}},
    {DAY, NAME("asignup\tplan\tpro"), {{COL_EVENTS, 2}, {COL_GOALS, 1}}},
    {DAY + 1, NAME("asignup\tplan\t"), {{COL_EVENTS, 1}}},
    {DAY, NAME("aplay\tfile\tx"), {{COL_EVENTS, 4}}},
    {DAY, NAME("a"), {{COL_EVENTS, 1}}},
    {DAY, NAME("qred shoes"), {{COL_SEARCHES, 2}}},
    {DAY, NAME("q"), {{COL_SEARCHES, 1}}},
    {DAY, NAME("khelp"), {{COL_CONTROLS_IN_VIEW, 2}}},
    {DAY, NAME("kmenu"), {{COL_CONTROLS, 5}, {COL_CONTROLS_IN_VIEW, 9}}},
    {DAY, NAME("mEUR"), {{COL_PURCHASES, 2}, {COL_REVENUE, 1999}}},
    {DAY, NAME("t\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0"), {{COL_STEPS, 1}}},
    {DAY + 1, NAME("t\2\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0"), {{COL_STEPS, 3}}},
    {DAY + 1, NAME("t"), {{COL_STEPS, 2}}},
    {DAY, NAME("L"), {{COL_VERDICT + V_COUNTED, 7}, {COL_VERDICT + V_DUPLICATE, 1}}},
    {DAY + 1,
     NAME("L"),
     {{COL_VERDICT + V_COUNTED, 2},
      {COL_VERDICT + V_LATE, 1},
      {COL_VERDICT + V_BAD_JSON, 2},
      {COL_VERDICT + V_BAD_UTF8, 3},
      {COL_VERDICT + V_NOT_A_PAGE, 4}}},
};

static const char want[] =
    "{'version': 1, 'site': 'shop', 'range': '28d', 'from': '2026-01-01', 'to': '2026-01-02',"
    " 'time_zone': 'Europe/Paris', 'folded_at_ms': 1769600000000, 'late_after_h': 72,"
    " 'session_gap_min': 30,"
    " 'totals': {'views': 6, 'bot_views': 2, 'sessions': 4, 'bounces': 1, 'engaged_ms': 61000,"
    "  'visitors': 3, 'visitors_exact': true, 'daily_visitors': 1, 'not_found': 1,"
    "  'bot_not_found': 0, 'outbound': 1, 'downloads': 2, 'events': 3, 'goals': 1,"
    "  'exposures': 0, 'clicks': 0, 'controls': 0, 'purchases': 2, 'seen': 5, 'seen_opened': 2, "
    "'links_left_out': 0, 'errors': 9, 'controls_in_view': 0, 'searches': 3,"
    "  'imported': 4, 'live': 3},"
    " 'ledger': {'received': 20, 'counted': 9, 'duplicate': 1, 'late': 1, 'opted_out': 0,"
    "  'malformed': 5, 'over_limit': 0, 'left_out': 4, 'verdicts': {'counted': 9, 'duplicate': 1,"
    "  'late': 1, 'bad_json': 2, 'bad_utf8': 3, 'not_a_page': 4}},"
    " 'days': [{'day': '2026-01-01', 'views': 5, 'bot_views': 2, 'sessions': 3, 'bounces': 1,"
    "  'engaged_ms': 61000, 'visitors': 2, 'daily_visitors': 1, 'not_found': 1, 'errors': 0},"
    "  {'day': '2026-01-02', 'views': 1, 'bot_views': 0, 'sessions': 1, 'bounces': 0,"
    "  'engaged_ms': 0, 'visitors': 2, 'daily_visitors': 0, 'not_found': 0, 'errors': 9}],"
    " 'pages': ["
    "  {'page': '(other)', 'id': '', 'views': 4, 'bot_views': 0, 'visitors': 0,"
    "   'visitors_exact': true, 'daily_visitors': 0, 'entries': 0, 'exits': 0, 'visits': 0, "
    "'used': 0, 'bounces': 0,"
    "   'engaged_ms': 0, 'not_found': 0, 'bot_not_found': 0, 'outbound': 0, 'downloads': 0,"
    "   'events': 0, 'goals': 0, 'exposures': 0, 'clicks': 0, 'controls': 0, 'purchases': 0, "
    "'seen': 0, 'seen_opened': 0, 'errors': 0},"
    "  {'page': 'shop.example/a', 'id': '1', 'views': 4, 'bot_views': 0, 'visitors': 2,"
    "   'visitors_exact': true, 'daily_visitors': 1, 'entries': 2, 'exits': 1, 'visits': 3, "
    "'used': 0, 'bounces': 1,"
    "   'engaged_ms': 60000, 'not_found': 0, 'bot_not_found': 0, 'outbound': 0, 'downloads': 0,"
    "   'events': 0, 'goals': 0, 'exposures': 0, 'clicks': 0, 'controls': 0, 'purchases': 0, "
    "'seen': 5, 'seen_opened': 2, 'errors': 0},"
    "  {'page': '(page 2)', 'id': '2', 'views': 2, 'bot_views': 2, 'visitors': 0,"
    "   'visitors_exact': true, 'daily_visitors': 0, 'entries': 0, 'exits': 0, 'visits': 0, "
    "'used': 0, 'bounces': 0,"
    "   'engaged_ms': 0, 'not_found': 1, 'bot_not_found': 2, 'outbound': 0, 'downloads': 0,"
    "   'events': 0, 'goals': 0, 'exposures': 0, 'clicks': 0, 'controls': 0, 'purchases': 0, "
    "'seen': 0, 'seen_opened': 0, 'errors': 9}],"
    " 'entries': [{'page': 'shop.example/a', 'id': '1', 'entries': 2, 'bounces': 1, 'visits': 3}],"
    " 'exits': [{'page': 'shop.example/a', 'id': '1', 'exits': 1, 'visits': 3}],"
    " 'errors': [{'page': '(page 2)', 'id': '2', 'errors': 9, 'views': 2}],"
    " 'transitions': ["
    "  {'from': '(page 2)', 'from_id': '2', 'to': '(page 3)', 'to_id': '3', 'count': 3,"
    "   'visits': 0, 'share': null},"
    "  {'from': '(other)', 'from_id': '', 'to': '(other)', 'to_id': '', 'count': 2,"
    "   'visits': 0, 'share': null},"
    "  {'from': 'shop.example/a', 'from_id': '1', 'to': '(page 2)', 'to_id': '2', 'count': 1,"
    "   'visits': 3, 'share': 0.3333}],"
    " 'channels': [{'channel': 'Direct', 'views': 4, 'sessions': 2, 'bounces': 1, 'engaged_ms': 0,"
    "   'visitors': 2, 'daily_visitors': 0},"
    "  {'channel': '(200)', 'views': 1, 'sessions': 0, 'bounces': 0, 'engaged_ms': 0,"
    "   'visitors': 0, 'daily_visitors': 0}],"
    " 'sources': [{'source': 'news.example', 'views': 2, 'sessions': 2, 'bounces': 0},"
    "  {'source': '(other)', 'views': 1, 'sessions': 0, 'bounces': 0}],"
    " 'countries': [{'country': 'FR', 'views': 5, 'sessions': 3, 'visitors': 0,"
    "  'daily_visitors': 0}, {'country': '?\?', 'views': 1, 'sessions': 0, 'visitors': 0,"
    "  'daily_visitors': 0}],"
    " 'devices': [{'device': 'desktop', 'views': 6, 'sessions': 0, 'visitors': 0,"
    "  'daily_visitors': 0}],"
    " 'browsers': [{'browser': 'Chrome', 'views': 6, 'sessions': 0, 'visitors': 0,"
    "  'daily_visitors': 0}],"
    " 'systems': [{'system': 'Windows', 'views': 6, 'sessions': 0, 'visitors': 0,"
    "  'daily_visitors': 0}],"
    " 'bots': [{'rule': 'Googlebot', 'views': 2}],"
    " 'outbound': [{'target': 'other.example/\xef\xbf\xbd', 'clicks': 1}],"
    " 'downloads': [{'file': 'shop.example/a.pdf', 'clicks': 2}],"
    " 'events': [{'name': 'signup', 'count': 3, 'goals': 1}],"
    " 'properties': ["
    "  {'event': 'play', 'key': 'file', 'value': 'x', 'count': 4, 'goals': 0, 'share': null},"
    "  {'event': 'signup', 'key': 'plan', 'value': 'pro', 'count': 2, 'goals': 1, 'share': 0.6666},"
    "  {'event': '(other)', 'key': '', 'value': '', 'count': 1, 'goals': 0, 'share': null},"
    "  {'event': 'signup', 'key': 'plan', 'value': '', 'count': 1, 'goals': 0, 'share': 0.3333}],"
    " 'controls': [{'name': 'menu', 'count': 5, 'in_view': 9},"
    "  {'name': 'help', 'count': 0, 'in_view': 2}],"
    " 'searches': [{'term': 'red shoes', 'count': 2}, {'term': '(other)', 'count': 1}],"
    " 'purchases': [{'currency': 'EUR', 'count': 2, 'revenue_minor': 1999}]}";

static const struct summary_opts opts = {
    .range = "28d", .time_zone = "Europe/Paris", .made_ms = 1769600000000, .late_after_h = 72};

static struct range *example(void)
{
    struct range *r = range_new(STR("shop"), DAY, DAY + 1);
    assert_non_null(r);
    for (size_t i = 0; i < sizeof rows_put / sizeof *rows_put; i++)
        add(r, &rows_put[i]);
    assert_int_equal(r->unreadable, 0);
    struct range_row *page = range_find(r, (struct str){NAME("p\1\0\0\0\0\0\0\0")});
    assert_non_null(page);
    assert_true(range_set_page(r, page, STR("shop.example/a")));
    return r;
}

static void the_document_has_every_field(void **state)
{
    (void)state;
    static char text[sizeof want];
    memcpy(text, want, sizeof want);
    for (char *c = text; *c != '\0'; c++) {
        if (*c == '\'') *c = '"';
    }
    json_error_t error;
    json_t *expected = json_loads(text, 0, &error);
    assert_non_null(expected);
    struct range *r = example();
    json_t *doc = summary_document(r, &opts);
    if (!json_equal(doc, expected)) {
        char *got = json_dumps(doc, JSON_INDENT(1));
        print_error("%s\n", got);
        free(got);
        fail();
    }
    json_decref(expected);
    json_decref(doc);
    range_free(r);
}

static void a_limit_cuts_lists_and_says_so(void **state)
{
    (void)state;
    struct range *r = example();
    struct summary_opts limited = opts;
    limited.limit = 1;
    json_t *doc = summary_document(r, &limited);
    json_t *cut = json_pack("[s, s, s, s, s, s, s, s]", "pages", "channels", "sources", "countries",
                            "controls", "searches", "transitions", "properties");
    assert_true(json_equal(json_object_get(doc, "truncated"), cut));
    assert_int_equal(json_array_size(json_object_get(doc, "pages")), 1);
    assert_int_equal(json_array_size(json_object_get(doc, "days")), 2);
    assert_int_equal(json_array_size(json_object_get(doc, "events")), 1);
    json_decref(cut);
    json_decref(doc);
    range_free(r);
}

static void properties_may_be_those_of_one_event(void **state)
{
    (void)state;
    struct range *r = example();
    struct summary_opts some = opts;
    some.event = STR("signup");
    some.limit = 1;
    json_t *doc = summary_document(r, &some), *list = json_object_get(doc, "properties");
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "value")),
                        "pro");
    json_decref(doc);
    some.event = STR("sign");
    doc = summary_document(r, &some);
    assert_int_equal(json_array_size(json_object_get(doc, "properties")), 0);
    json_decref(doc);
    range_free(r);
}

/* Of pages and steps that a document names, and of no others. */
static void its_pages_are_known_beforehand(void **state)
{
    (void)state;
    static const struct {
        size_t limit, pages;
    } cases[] = {{0, 1 + 2 + 3},
                 {1, 1 + 1 + 1 + 1 + 1}}; /* of steps, entries, exits, errors, pages */
    for (size_t i = 0; i < 2; i++) {
        struct range *r = example();
        struct range_top top;
        assert_true(summary_pages(r, cases[i].limit, &top));
        assert_int_equal(top.n, cases[i].pages);
        for (size_t k = 0; k < top.n; k++)
            assert_int_equal(top.rows[k]->name.p[0], 'p');
        range_top_fini(&top);
        range_free(r);
    }
}

static void nothing_is_a_document_of_zeros(void **state)
{
    (void)state;
    struct range *r = range_new(STR("empty"), DAY, DAY + 27);
    json_t *doc = summary_document(r, &opts);
    const json_t *totals = json_object_get(doc, "totals");
    assert_int_equal(json_integer_value(json_object_get(totals, "views")), 0);
    assert_int_equal(json_array_size(json_object_get(doc, "days")), 28);
    assert_int_equal(json_array_size(json_object_get(doc, "pages")), 0);
    assert_null(json_object_get(doc, "truncated"));
    json_decref(doc);
    range_free(r);
}

static void exactness_ends_where_gaps_end(void **state)
{
    (void)state;
    static const struct {
        uint32_t days;
        bool pages, totals;
    } cases[] = {{1, true, true},
                 {28, true, true},
                 {29, false, true},
                 {401, false, true},
                 {402, false, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct range *r = range_new(STR("shop"), DAY, DAY + cases[i].days - 1);
        add(r, &rows_put[2]);
        json_t *doc = summary_document(r, &opts);
        const json_t *page = json_array_get(json_object_get(doc, "pages"), 0);
        const json_t *totals = json_object_get(doc, "totals");
        assert_int_equal(json_is_true(json_object_get(page, "visitors_exact")), cases[i].pages);
        assert_int_equal(json_is_true(json_object_get(totals, "visitors_exact")), cases[i].totals);
        json_decref(doc);
        range_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_document_has_every_field),
        cmocka_unit_test(a_limit_cuts_lists_and_says_so),
        cmocka_unit_test(properties_may_be_those_of_one_event),
        cmocka_unit_test(its_pages_are_known_beforehand),
        cmocka_unit_test(nothing_is_a_document_of_zeros),
        cmocka_unit_test(exactness_ends_where_gaps_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
