/*
 * sentier report verdicts: each page of sitemaps and visits with its one verdict, the figures
 * behind it, and how likely chance alone had brought them.
 */
#include "report.h"

#include <stdlib.h>

#include "binomial.h"
#include "bytes.h"
#include "clock.h"
#include "keys.h"
#include "page_list.h"

enum { VERDICT_VERSION = 1, NUMBER_BYTES = 32 };

struct verdicts {
    struct report_days days;
    struct page_window window;
    struct page_list list;
    enum page_verdict only; /* PAGE_NONE: all */
};

static const struct table_column columns[] = {
    {"Page", "page", CELL_TEXT, 0},
    {"Verdict", "verdict", CELL_TEXT, 0},
    {"Views", "views", CELL_COUNT, 1},
    {"Visits", "visits", CELL_COUNT, 0},
    {"Before", "visits_before", CELL_COUNT, 2},
    {"Chance", "chance", CELL_TEXT, 4},
    {"Used", "used", CELL_COUNT, 1},
    {"404", "not_found", CELL_COUNT, 5},
    {"Bots", "bot_views", CELL_COUNT, 6},
    {"Last listed", "last_listed", CELL_TEXT, 3},
    {NULL, NULL, CELL_TEXT, 0},
};
enum { COLUMNS = sizeof columns / sizeof *columns - 1 };

static void date_of(const struct report *r, int64_t ms, char out[DATE_TEXT_BYTES])
{
    out[0] = '\0';
    if (ms > 0) date_format(zone_day(r->zone, ms), out);
}

/* ---- document ---- */

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *listing_json(const struct report *r, const struct page_line *line)
{
    char date[DATE_TEXT_BYTES];
    const struct catalogue_page *p = &line->listing;
    if (p->last_ms == 0) return json_null();
    json_t *o = json_object();
    json_object_set_new(o, "listed", json_boolean(line->evidence.listed));
    date_of(r, p->first_ms, date);
    json_object_set_new(o, "first", json_string(date));
    date_of(r, p->last_ms, date);
    json_object_set_new(o, "last", json_string(date));
    if (p->modified > 0) {
        date_format(p->modified, date);
        json_object_set_new(o, "modified", json_string(date));
    }
    if (p->title.n > 0) json_object_set_new(o, "title", json_stringn(p->title.p, p->title.n));
    return o;
}

static json_t *line_json(const struct report *r, const struct page_line *line)
{
    static const struct {
        const char *name;
        uint32_t column;
    } figures[] = {
        {"views", COL_VIEWS},
        {"visits", COL_VISITS},
        {"used", COL_USED},
        {"visitors", COL_GAP_NONE},
        {"engaged_ms", COL_ENGAGED_MS},
        {"daily_visitors", COL_DAILY_VISITORS},
        {"not_found", COL_NOT_FOUND},
        {"bot_views", COL_BOT_VIEWS},
    };
    char id[ID_TEXT_BYTES];
    id_format(load_le64(line->id), id);
    json_t *o = json_object();
    json_object_set_new(o, "page", json_string(line->page == NULL ? "" : line->page));
    json_object_set_new(o, "id", json_string(id));
    json_object_set_new(o, "verdict", json_string(page_verdict_name(line->verdict)));
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        json_object_set_new(o, figures[i].name,
                            json_integer(row_get(line->row, figures[i].column)));
    struct share_interval used = binomial_wilson(line->evidence.used, line->evidence.visits);
    json_object_set_new(o, "used_low", json_real(used.low));
    json_object_set_new(o, "used_high", json_real(used.high));
    json_object_set_new(o, "visits_before", number(line->evidence.visits_before));
    json_object_set_new(o, "chance", json_real(line->chance));
    json_object_set_new(o, "sitemap", listing_json(r, line));
    return o;
}

static json_t *days_json(uint32_t from, uint32_t to)
{
    char first[DATE_TEXT_BYTES], last[DATE_TEXT_BYTES];
    if (to == 0) return json_null();
    date_format(from, first);
    date_format(to, last);
    return json_pack("{s:s, s:s}", "from", first, "to", last);
}

static json_t *catalogue_json(const struct report *r, const struct catalogue_head *h)
{
    char date[DATE_TEXT_BYTES];
    date_of(r, h->complete_ms, date);
    return json_pack("{s:s, s:o, s:o, s:o}", "whole", date, "named", number(h->named), "pages",
                     number(h->pages), "over_limit", number(h->over));
}

static bool is_shown(const struct verdicts *v, const struct page_line *line)
{
    return v->only == PAGE_NONE || line->verdict == v->only;
}

static int print_document(struct report *r, const struct verdicts *v)
{
    size_t limit = r->args.limit <= 0 ? SIZE_MAX : (size_t)r->args.limit;
    json_t *o = json_object(), *counts = json_object(), *pages = json_array();
    for (int i = 0; i < PAGE_VERDICTS; i++)
        json_object_set_new(counts, page_verdict_name((enum page_verdict)i),
                            number(v->list.verdicts[i]));
    for (size_t i = 0; i < v->list.n && json_array_size(pages) < limit; i++) {
        if (is_shown(v, &v->list.lines[i]))
            json_array_append_new(pages, line_json(r, &v->list.lines[i]));
    }
    json_object_set_new(o, "version", json_integer(VERDICT_VERSION));
    json_object_set_new(o, "site", json_string(r->args.site));
    json_object_set_new(o, "range", json_string(v->days.label));
    json_object_set_new(o, "window", days_json(v->days.from, v->days.to));
    json_object_set_new(o, "before", days_json(v->list.before_from, v->list.before_to));
    json_object_set_new(o, "time_zone", json_string(r->time_zone));
    json_object_set_new(o, "catalogue", catalogue_json(r, &v->list.head));
    json_object_set_new(o, "verdicts", counts);
    json_object_set_new(o, "other_views", number(v->list.other_views));
    json_object_set_new(o, "pages", pages);
    return report_print_json(r, o);
}

/* ---- table ---- */

static bool add_line(const struct report *r, const struct page_line *line, struct table *t)
{
    char last[DATE_TEXT_BYTES], chance[NUMBER_BYTES] = "";
    const struct page_evidence *e = &line->evidence;
    date_of(r, line->listing.last_ms, last);
    if (e->visits_before > 0) snprintf(chance, sizeof chance, "%.3g", line->chance);
    const struct cell cells[COLUMNS] = {
        {.text = str_of(line->page == NULL ? "(no name)" : line->page)},
        {.text = str_of(page_verdict_name(line->verdict))},
        {.number = (int64_t)e->views},
        {.number = (int64_t)e->visits},
        {.number = (int64_t)e->visits_before},
        {.text = str_of(chance)},
        {.number = (int64_t)e->used},
        {.number = (int64_t)e->not_found},
        {.number = row_get(line->row, COL_BOT_VIEWS)},
        {.text = str_of(last)},
    };
    return table_add(t, cells);
}

static struct table *make_table(const struct report *r, const struct verdicts *v, size_t limit)
{
    struct table *t = table_new(columns);
    bool ok = t != NULL;
    for (size_t i = 0; ok && i < v->list.n && (limit == 0 || table_rows(t) < limit); i++) {
        if (is_shown(v, &v->list.lines[i])) ok = add_line(r, &v->list.lines[i], t);
    }
    if (ok) return t;
    table_free(t);
    return NULL;
}

static void print_head(struct report *r, const struct verdicts *v)
{
    char from[DATE_TEXT_BYTES], to[DATE_TEXT_BYTES];
    date_format(v->days.from, from);
    date_format(v->days.to, to);
    buf_printf(&r->out, "verdicts of %s, %s to %s (%s)", r->args.site, from, to, r->time_zone);
    if (v->list.before_to > 0)
        buf_printf(&r->out, ", against %u days before",
                   v->list.before_to - v->list.before_from + 1);
    buf_add(&r->out, STR("\n\n"));
    for (int i = 0; i < PAGE_VERDICTS; i++)
        buf_printf(&r->out, "%s%llu %s", i == 0 ? "" : ", ",
                   (unsigned long long)v->list.verdicts[i],
                   page_verdict_name((enum page_verdict)i));
    buf_add(&r->out, STR("\n\n"));
}

static void print_notes(struct report *r, const struct page_list *l)
{
    buf_add(&r->out, STR("\nVisits: sessions with a view of the page; used: those with 10 s "
                         "engaged or an interaction.\n"));
    if (l->head.pages == 0)
        buf_add(&r->out, STR("No sitemap is stored yet, so no page can be an orphan or unvisited: "
                             "sentier sitemap.\n"));
    else if (l->head.complete_ms == 0)
        buf_add(&r->out, STR("No run has read all sitemaps yet, so no page can be an orphan.\n"));
    if (l->head.over > 0)
        buf_printf(&r->out, "The catalogue is full: %llu records of sitemaps were left out.\n",
                   (unsigned long long)l->head.over);
    if (l->other_views > 0)
        buf_printf(&r->out, "%llu views of pages beyond the limit of a day have no verdict.\n",
                   (unsigned long long)l->other_views);
}

static int print_table(struct report *r, const struct verdicts *v)
{
    size_t rows = r->args.limit < 0 ? REPORT_TABLE_ROWS : (size_t)r->args.limit;
    struct table *t = make_table(r, v, 0);
    if (t == NULL) return report_fail("out of memory");
    print_head(r, v);
    bool ok = table_rows(t) == 0 ? buf_add(&r->out, STR("No page.\n"))
                                 : table_print(t, r->width, rows, &r->out);
    if (ok) print_notes(r, &v->list);
    table_free(t);
    return ok ? REPORT_OK : report_fail("out of memory");
}

static int print_csv(struct report *r, const struct verdicts *v)
{
    struct table *t = make_table(r, v, r->args.limit < 0 ? 0 : (size_t)r->args.limit);
    bool ok = t != NULL && table_print_csv(t, &r->out);
    table_free(t);
    return ok ? REPORT_OK : report_fail("out of memory");
}

/* ---- all ---- */

/* How much of day `to` has passed, where it is today for a site with visitors. */
static double last_part(const struct report *r, const struct range_extent *extent, uint32_t to)
{
    const int64_t day_ms = 86400 * 1000;
    if (extent->live_ms == 0 || zone_day(r->zone, r->now_ms) != to) return 1;
    int64_t local_ms = r->now_ms + (int64_t)zone_offset_s(r->zone, r->now_ms) * 1000;
    return (double)(local_ms % day_ms + 1) / (double)day_ms;
}

static int read_all(struct report *r, struct verdicts *v)
{
    struct range_extent extent;
    struct buf err = {0};
    int result = range_read_extent(&r->source, &extent, &err);
    if (result == 0) {
        if (!extent.any) extent.live_ms = r->now_ms; /* only a catalogue: its window ends today */
        if (report_choose_days(r, &extent, &v->days) != 0) return REPORT_FAILED;
        v->window = (struct page_window){.from = v->days.from,
                                         .to = v->days.to,
                                         .first = extent.first,
                                         .last_part = last_part(r, &extent, v->days.to)};
        result = page_list_read(&r->source, &v->window, &v->list, &err);
    }
    if (result < 0) report_fail("%.*s", STR_ARG(buf_str(&err)));
    buf_fini(&err);
    return result < 0 ? REPORT_FAILED : REPORT_OK;
}

int report_verdicts(struct report *r)
{
    struct verdicts v = {.only = PAGE_NONE};
    if (r->args.verdict != NULL && !page_verdict_parse(r->args.verdict, &v.only))
        return report_fail("--verdict %s: must be broken, orphan, fading, used, unproven or "
                           "unvisited",
                           r->args.verdict);
    if (report_open(r) != 0) return REPORT_FAILED;
    int result = read_all(r, &v);
    if (result == REPORT_OK) {
        switch (r->args.format) {
        case FORMAT_TABLE: result = print_table(r, &v); break;
        case FORMAT_CSV: result = print_csv(r, &v); break;
        case FORMAT_JSON: result = print_document(r, &v); break;
        }
    }
    page_list_fini(&v.list);
    return result;
}
