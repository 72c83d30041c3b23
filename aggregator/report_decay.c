/*
 * sentier report decay: visits of each page against the days before, both ways, and whether chance
 * alone would bring such a change. Of many pages that did not change some pass the test all the
 * same; how many at most is said, so that one of them is not taken for news.
 */
#include "report_pages.h"

#include <math.h>
#include <stdlib.h>

#include "bytes.h"
#include "clock.h"
#include "keys.h"
#include "verdict_document.h"

enum { DECAY_VERSION = 1, NUMBER_BYTES = 32, ONE_IN = 20 };

struct decayed {
    const struct page_line *line;
    struct page_change change;
    double moved; /* visits more or less than before would have brought */
};

struct decay {
    struct report_days days;
    struct page_window window;
    struct page_list list;
    struct decayed *pages; /* fallen, then risen, then the others; the most visits first */
    size_t n;
    uint64_t changes[CHANGES];
    uint64_t can_tell; /* pages with visits enough to show a change */
    struct str host;   /* of all pages, for people */
};

static const struct table_column columns[] = {
    {"Page", "page", CELL_TEXT, 0},       {"Change", "change", CELL_TEXT, 0},
    {"Visits", "visits", CELL_COUNT, 0},  {"Before", "visits_before", CELL_COUNT, 0},
    {"Per day", "per_day", CELL_TEXT, 1}, {"95%", "interval", CELL_TEXT, 2},
    {"Chance", "chance", CELL_TEXT, 3},   {NULL, NULL, CELL_TEXT, 0},
};
static const struct table_column csv_columns[] = {
    {"", "page", CELL_TEXT, 0},       {"", "change", CELL_TEXT, 0},
    {"", "visits", CELL_COUNT, 0},    {"", "visits_before", CELL_COUNT, 0},
    {"", "ratio", CELL_TEXT, 0},      {"", "ratio_low", CELL_TEXT, 0},
    {"", "ratio_high", CELL_TEXT, 0}, {"", "chance", CELL_TEXT, 0},
    {NULL, NULL, CELL_TEXT, 0},
};

/* ---- which pages, and how they changed ---- */

static int by_change(const void *a, const void *b)
{
    const struct decayed *x = a, *y = b;
    if (x->change.change != y->change.change) return x->change.change < y->change.change ? -1 : 1;
    if (x->moved != y->moved) return x->moved > y->moved ? -1 : 1;
    const char *p = x->line->page == NULL ? "" : x->line->page;
    const char *q = y->line->page == NULL ? "" : y->line->page;
    int order = strcmp(p, q);
    return order != 0 ? order : memcmp(x->line->id, y->line->id, PAGE_ID_BYTES);
}

static bool compare_pages(struct decay *d)
{
    d->pages = calloc(d->list.n + 1, sizeof *d->pages);
    if (d->pages == NULL) return false;
    for (size_t i = 0; i < d->list.n; i++) {
        const struct page_evidence *e = &d->list.lines[i].evidence;
        if (e->visits + e->visits_before == 0) continue;
        struct decayed *one = &d->pages[d->n++];
        one->line = &d->list.lines[i];
        one->change = judge_change(e);
        double share = e->window_before > 0 ? e->window / e->window_before : 0;
        one->moved = fabs((double)e->visits - (double)e->visits_before * share);
        d->changes[one->change.change]++;
        d->can_tell += one->change.can_tell;
    }
    qsort(d->pages, d->n, sizeof *d->pages, by_change);
    return true;
}

/* ---- document ---- */

static json_t *real(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static json_t *page_json(const struct decayed *p)
{
    char id[ID_TEXT_BYTES], room[TEXT_PAGE_BYTES];
    struct str page = report_page(p->line, (struct str){NULL, 0}, room);
    id_format(load_le64(p->line->id), id);
    return json_pack("{s:s%, s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:f}", "page", page.p, page.n, "id",
                     id, "change", change_name(p->change.change), "visits",
                     (json_int_t)p->line->evidence.visits, "visits_before",
                     (json_int_t)p->line->evidence.visits_before, "ratio", real(p->change.ratio),
                     "ratio_low", real(p->change.low), "ratio_high", real(p->change.high), "chance",
                     p->change.chance);
}

static int64_t sessions(const struct range *r)
{
    return r == NULL ? 0 : range_value(r, STR("T"), COL_SESSIONS);
}

static json_t *document(const struct report *r, const struct decay *d)
{
    size_t limit = report_limit(r, 0);
    json_t *pages = json_array(), *changes = json_object();
    for (int i = 0; i < CHANGES; i++)
        json_object_set_new(changes, change_name((enum change)i),
                            json_integer((json_int_t)d->changes[i]));
    for (size_t i = 0; i < d->n && (limit == 0 || i < limit); i++)
        json_array_append_new(pages, page_json(&d->pages[i]));
    return json_pack("{s:i, s:s, s:s, s:o, s:o, s:s, s:b, s:I, s:I, s:o, s:I, s:f, s:I, s:o}",
                     "version", DECAY_VERSION, "site", r->args.site, "range", d->days.label,
                     "window", verdict_days(d->days.from, d->days.to), "before",
                     verdict_days(d->list.before_from, d->list.before_to), "time_zone",
                     r->time_zone, "whole", d->list.whole, "sessions",
                     (json_int_t)sessions(d->list.now), "sessions_before",
                     (json_int_t)sessions(d->list.before), "changes", changes, "can_tell",
                     (json_int_t)d->can_tell, "by_chance_at_most", (double)d->can_tell / ONE_IN,
                     "other_views", (json_int_t)d->list.other_views, "pages", pages);
}

/* ---- table ---- */

static void ratio_text(double ratio, char out[NUMBER_BYTES])
{
    out[0] = '\0';
    if (isfinite(ratio)) snprintf(out, NUMBER_BYTES, "%.4g", ratio);
}

/* "-62%"; many times as much is said so. */
static void percent_text(double ratio, char out[NUMBER_BYTES])
{
    if (!isfinite(ratio))
        snprintf(out, NUMBER_BYTES, "new");
    else if (ratio >= 10)
        snprintf(out, NUMBER_BYTES, "x%.3g", ratio);
    else
        snprintf(out, NUMBER_BYTES, "%+.0f%%", 100 * (ratio - 1));
}

static bool add_page(const struct report *r, const struct decay *d, const struct decayed *p,
                     struct table *t)
{
    char page[TEXT_PAGE_BYTES];
    bool people = r->args.format == FORMAT_TABLE;
    char ratio[NUMBER_BYTES], low[NUMBER_BYTES], high[NUMBER_BYTES], chance[REPORT_CHANCE_BYTES];
    char interval[2 * NUMBER_BYTES + 8];
    const struct page_change *c = &p->change;
    void (*text)(double, char[NUMBER_BYTES]) = people ? percent_text : ratio_text;
    text(c->ratio, ratio);
    text(c->low, low);
    text(c->high, high);
    report_chance(r, c->chance, chance);
    if (isfinite(c->high))
        snprintf(interval, sizeof interval, "%s to %s", low, high);
    else
        snprintf(interval, sizeof interval, "%s or more", low);
    const struct cell first[] = {
        {.text = report_page(p->line, d->host, page)},
        {.text = str_of(change_name(c->change))},
        {.number = (int64_t)p->line->evidence.visits},
        {.number = (int64_t)p->line->evidence.visits_before},
        {.text = str_of(ratio)},
    };
    struct cell cells[8] = {0};
    memcpy(cells, first, sizeof first);
    cells[5].text = str_of(people ? interval : low);
    cells[6].text = str_of(people ? chance : high);
    cells[7].text = str_of(chance);
    return table_add(t, cells);
}

static struct table *make_table(const struct report *r, const struct decay *d, size_t limit)
{
    struct table *t = table_new(r->args.format == FORMAT_TABLE ? columns : csv_columns);
    bool ok = t != NULL;
    for (size_t i = 0; ok && i < d->n && (limit == 0 || i < limit); i++)
        ok = add_page(r, d, &d->pages[i], t);
    if (ok) return t;
    table_free(t);
    return NULL;
}

static void print_head(struct report *r, const struct decay *d)
{
    report_head(r, "decay", d->host, &d->days);
    report_before(r, &d->list);
    buf_add(&r->out, STR("\n\n"));
    for (int i = 0; i < CHANGES; i++)
        buf_printf(&r->out, "%s%llu %s", i == 0 ? "" : ", ", (unsigned long long)d->changes[i],
                   change_name((enum change)i));
    buf_printf(&r->out, "; sessions of the site: %lld, before %lld\n\n",
               (long long)sessions(d->list.now), (long long)sessions(d->list.before));
}

static void print_notes(struct report *r, const struct decay *d)
{
    buf_add(&r->out, STR("\nVisits: sessions with a view of the page; per day: their rate against "
                         "before, and where it lies with 95%.\n"));
    buf_printf(&r->out,
               "Of %llu pages with visits enough to tell, up to %.0f would fall or rise so by "
               "chance alone.\n",
               (unsigned long long)d->can_tell, ceil((double)d->can_tell / ONE_IN));
    report_left_out(r, &d->list);
}

static struct str shared_host(const struct decay *d)
{
    struct report_host h = {0};
    for (size_t i = 0; i < d->n; i++)
        report_host_take(&h, page_line_name(d->pages[i].line));
    return report_host(&h);
}

static int print_table(struct report *r, struct decay *d)
{
    d->host = shared_host(d);
    size_t rows = report_limit(r, REPORT_TABLE_ROWS);
    struct table *t = make_table(r, d, 0);
    if (t == NULL) return report_fail("out of memory");
    print_head(r, d);
    bool ok = table_rows(t) == 0 ? buf_add(&r->out, STR("No page.\n"))
                                 : table_print(t, r->width, rows, &r->out);
    if (ok) print_notes(r, d);
    table_free(t);
    return ok ? REPORT_OK : report_fail("out of memory");
}

static int print_csv(struct report *r, const struct decay *d)
{
    struct table *t = make_table(r, d, report_limit(r, 0));
    bool ok = t != NULL && table_print_csv(t, &r->out);
    table_free(t);
    return ok ? REPORT_OK : report_fail("out of memory");
}

/* ---- all ---- */

static int print(struct report *r, struct decay *d)
{
    if (d->list.before_to == 0)
        return report_fail("nothing is known of the days before, so nothing can be compared; "
                           "--last or --from choose fewer or later days");
    if (!compare_pages(d)) return report_fail("out of memory");
    switch (r->args.format) {
    case FORMAT_TABLE: return print_table(r, d);
    case FORMAT_CSV: return print_csv(r, d);
    case FORMAT_JSON: return report_print_json(r, document(r, d));
    }
    return REPORT_FAILED;
}

int report_decay(struct report *r)
{
    struct decay d = {.n = 0};
    if (report_open(r) != 0) return REPORT_FAILED;
    int result = report_read_pages(r, &d.days, &d.window, &d.list);
    if (result == REPORT_OK) result = print(r, &d);
    free(d.pages);
    page_list_fini(&d.list);
    return result;
}
