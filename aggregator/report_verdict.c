/*
 * sentier report verdicts: each page of sitemaps and visits with its one verdict, the figures
 * behind it, and how likely chance alone had brought them.
 */
#include "report.h"

#include <stdlib.h>

#include "clock.h"
#include "verdict_document.h"

enum { NUMBER_BYTES = 32 };

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

static json_t *document(const struct report *r, const struct verdicts *v)
{
    struct verdict_view view = {.site = r->source.site,
                                .range = v->days.label,
                                .window = &v->window,
                                .zone = r->zone,
                                .time_zone = r->time_zone,
                                .made_ms = r->now_ms,
                                .only = v->only,
                                .limit = r->args.limit < 0 ? 0 : (size_t)r->args.limit};
    return verdict_document(&view, &v->list);
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

static bool is_shown(const struct verdicts *v, const struct page_line *line)
{
    return v->only == PAGE_NONE || line->verdict == v->only;
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

static int read_all(struct report *r, struct verdicts *v)
{
    struct range_extent extent;
    struct buf err = {0};
    int result = range_read_extent(&r->source, &extent, &err);
    if (result == 0) {
        if (!extent.any) extent.live_ms = r->now_ms; /* only a catalogue: its window ends today */
        if (report_choose_days(r, &extent, &v->days) != 0) return REPORT_FAILED;
        v->window = page_window_of(&extent, r->zone, v->days.from, v->days.to, r->now_ms);
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
        case FORMAT_JSON: result = report_print_json(r, document(r, &v)); break;
        }
    }
    page_list_fini(&v.list);
    return result;
}
