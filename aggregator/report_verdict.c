/*
 * sentier report verdicts: each page of sitemaps, links and visits with its one verdict, the
 * figures behind it, and how likely chance alone had brought them. People get each share's interval
 * in one column and no column of nothing; programs get all of them.
 */
#include "report_pages.h"

#include <stdlib.h>

#include "binomial.h"
#include "clock.h"
#include "verdict_document.h"

enum { NUMBER_BYTES = 32 };
enum audience { ALL, PEOPLE, PROGRAMS };

struct verdicts {
    struct report_days days;
    struct page_window window;
    struct page_list list;
    enum page_verdict only; /* PAGE_NONE: all */
    struct str host;        /* of all pages that are shown to people */
};

enum {
    PAGE,
    VERDICT,
    VIEWS,
    VISITS,
    BEFORE,
    CHANCE,
    USED,
    USED_RATE,
    USED_LOW,
    USED_HIGH,
    SEEN,
    OPENED,
    OPENED_RATE,
    OPENED_LOW,
    OPENED_HIGH,
    KIND,
    LINKED_FROM,
    NOT_FOUND,
    BOTS,
    LAST_LISTED,
    COLUMNS
};

static const struct {
    struct table_column column;
    enum audience audience;
} columns[COLUMNS] = {
    [PAGE] = {{"Page", "page", CELL_TEXT, 0}, ALL},
    [VERDICT] = {{"Verdict", "verdict", CELL_TEXT, 0}, ALL},
    [VIEWS] = {{"Views", "views", CELL_COUNT, 3}, ALL},
    [VISITS] = {{"Visits", "visits", CELL_COUNT, 0}, ALL},
    [BEFORE] = {{"Before", "visits_before", CELL_COUNT, 2}, ALL},
    [CHANCE] = {{"Chance", "chance", CELL_TEXT, 5}, ALL},
    [USED] = {{"Used", "used", CELL_COUNT, 1}, ALL},
    [USED_RATE] = {{"Used rate", "used_rate", CELL_TEXT, 4}, PEOPLE},
    [USED_LOW] = {{"", "used_low", CELL_TEXT, 0}, PROGRAMS},
    [USED_HIGH] = {{"", "used_high", CELL_TEXT, 0}, PROGRAMS},
    [SEEN] = {{"Seen", "seen", CELL_COUNT, 1}, ALL},
    [OPENED] = {{"Opened", "seen_opened", CELL_COUNT, 1}, ALL},
    [OPENED_RATE] = {{"Opened rate", "opened_rate", CELL_TEXT, 3}, PEOPLE},
    [OPENED_LOW] = {{"", "opened_low", CELL_TEXT, 0}, PROGRAMS},
    [OPENED_HIGH] = {{"", "opened_high", CELL_TEXT, 0}, PROGRAMS},
    [KIND] = {{"Links", "kind", CELL_TEXT, 7}, ALL},
    [LINKED_FROM] = {{"Linked from", "linked_from", CELL_COUNT, 6}, ALL},
    [NOT_FOUND] = {{"404", "not_found", CELL_COUNT, 2}, ALL},
    [BOTS] = {{"Bots", "bot_views", CELL_COUNT, 8}, ALL},
    [LAST_LISTED] = {{"Last listed", "last_listed", CELL_TEXT, 6}, ALL},
};

static json_t *document(const struct report *r, const struct verdicts *v)
{
    struct verdict_view view = {.site = r->source.site,
                                .range = v->days.label,
                                .window = &v->window,
                                .zone = r->zone,
                                .time_zone = r->time_zone,
                                .made_ms = r->now_ms,
                                .only = v->only,
                                .limit = report_limit(r, 0)};
    return verdict_document(&view, &v->list);
}

/* ---- table ---- */

/* The cells of a page, and the texts that they borrow. */
struct line_cells {
    struct cell at[COLUMNS];
    char page[TEXT_PAGE_BYTES], chance[REPORT_CHANCE_BYTES], last[DATE_TEXT_BYTES];
    char share[2][3][NUMBER_BYTES]; /* used, opened: as a range, low, high */
};

static void put_share(uint64_t k, uint64_t n, char texts[3][NUMBER_BYTES], struct cell *cells)
{
    struct share_interval s = binomial_wilson(k, n);
    if (n > 0)
        snprintf(texts[0], NUMBER_BYTES, s.high < 0.1 ? "%.1f-%.1f%%" : "%.0f-%.0f%%", 100 * s.low,
                 100 * s.high);
    snprintf(texts[1], NUMBER_BYTES, "%.4f", s.low);
    snprintf(texts[2], NUMBER_BYTES, "%.4f", s.high);
    for (int i = 0; i < 3; i++)
        cells[i].text = str_of(texts[i]);
}

static void fill(const struct report *r, const struct verdicts *v, const struct page_line *line,
                 struct line_cells *c)
{
    const struct page_evidence *e = &line->evidence;
    const char *kind = page_line_kind(line);
    *c = (struct line_cells){0};
    if (e->visits_before > 0) report_chance(r, line->chance, c->chance);
    if (line->listing.last_ms > 0) date_format(zone_day(r->zone, line->listing.last_ms), c->last);
    c->at[PAGE].text = report_page(line, v->host, c->page);
    c->at[VERDICT].text = str_of(page_verdict_name(line->verdict));
    c->at[VIEWS].number = (int64_t)e->views;
    c->at[VISITS].number = (int64_t)e->visits;
    c->at[BEFORE].number = (int64_t)e->visits_before;
    c->at[CHANCE].text = str_of(c->chance);
    c->at[USED].number = (int64_t)e->used;
    put_share(e->used, e->visits, c->share[0], &c->at[USED_RATE]);
    c->at[SEEN].number = (int64_t)e->seen;
    c->at[OPENED].number = (int64_t)e->opened;
    put_share(e->opened, e->seen, c->share[1], &c->at[OPENED_RATE]);
    c->at[KIND].text = str_of(kind == NULL ? "" : kind);
    c->at[LINKED_FROM].number = (int64_t)line->linked_from;
    c->at[NOT_FOUND].number = (int64_t)e->not_found;
    c->at[BOTS].number = row_get(line->row, COL_BOT_VIEWS);
    c->at[LAST_LISTED].text = str_of(c->last);
}

static bool is_shown(const struct verdicts *v, const struct page_line *line)
{
    return line->verdict != PAGE_NONE && (v->only == PAGE_NONE || line->verdict == v->only);
}

/* The columns that this audience gets, in `which`; how many. */
static unsigned choose_columns(const struct report *r, const struct verdicts *v,
                               struct table_column *out, unsigned which[COLUMNS])
{
    bool people = r->args.format == FORMAT_TABLE, filled[COLUMNS] = {false};
    unsigned n = 0;
    for (size_t i = 0; i < v->list.n; i++) {
        struct line_cells c;
        if (!is_shown(v, &v->list.lines[i])) continue;
        fill(r, v, &v->list.lines[i], &c);
        for (unsigned k = 0; k < COLUMNS; k++)
            filled[k] = filled[k] || c.at[k].number != 0 || c.at[k].text.n > 0;
    }
    for (unsigned k = 0; k < COLUMNS; k++) {
        if (columns[k].audience == (people ? PROGRAMS : PEOPLE)) continue;
        if (people && columns[k].column.rank > 0 && !filled[k]) continue;
        which[n] = k;
        out[n++] = columns[k].column;
    }
    return n;
}

static struct table *make_table(const struct report *r, const struct verdicts *v,
                                struct table_column *shown, size_t limit)
{
    unsigned which[COLUMNS], n = choose_columns(r, v, shown, which);
    struct table *t = table_new(shown);
    bool ok = t != NULL;
    for (size_t i = 0; ok && i < v->list.n && (limit == 0 || table_rows(t) < limit); i++) {
        struct line_cells c;
        struct cell cells[COLUMNS];
        if (!is_shown(v, &v->list.lines[i])) continue;
        fill(r, v, &v->list.lines[i], &c);
        for (unsigned k = 0; k < n; k++)
            cells[k] = c.at[which[k]];
        ok = table_add(t, cells);
    }
    if (ok) return t;
    table_free(t);
    return NULL;
}

static void print_head(struct report *r, const struct verdicts *v)
{
    report_head(r, "verdicts", v->host, &v->days);
    report_before(r, &v->list);
    buf_add(&r->out, STR("\n\n"));
    for (int i = 0; i < PAGE_VERDICTS; i++)
        buf_printf(&r->out, "%s%llu %s", i == 0 ? "" : ", ",
                   (unsigned long long)v->list.verdicts[i],
                   page_verdict_name((enum page_verdict)i));
    buf_add(&r->out, STR("\n\n"));
}

static void print_usual(struct report *r, const struct page_list *l)
{
    if (l->usual[LINK_NAVIGATION].pages + l->usual[LINK_CONTENT].pages == 0) return;
    buf_add(&r->out, STR("Seen: sessions in which a link to the page was in view before it was "
                         "opened; opened: those in which it was then.\n"));
    for (int kind = 0; kind < LINK_KINDS; kind++) {
        const struct page_usual *u = &l->usual[kind];
        const char *name = link_kind_name((enum link_kind)kind);
        if (u->rate >= 0)
            buf_printf(&r->out, "Usual of %s links: %.1f%% (median of %llu pages).\n", name,
                       100 * u->rate, (unsigned long long)u->pages);
        else if (u->pages > 0)
            buf_printf(&r->out, "Too few pages with %s links were seen to say what is usual.\n",
                       name);
    }
}

static void print_notes(struct report *r, const struct page_list *l)
{
    buf_add(&r->out, STR("\nVisits: sessions with a view of the page; used: those with 10 s "
                         "engaged or an interaction. Rates are 95% intervals.\n"));
    print_usual(r, l);
    if (l->links.pages_n == 0)
        buf_add(&r->out, STR("No page has told its links in these days, so no page can be "
                             "undiscovered.\n"));
    else if (l->silent > 0)
        buf_printf(&r->out,
                   "%llu viewed pages have never told their links, so there may be a way to an "
                   "undiscovered page.\n",
                   (unsigned long long)l->silent);
    else if (l->links.partial)
        buf_add(&r->out, STR("Not all links are known, so there may be a way to an undiscovered "
                             "page.\n"));
    if (l->head.pages == 0)
        buf_add(&r->out, STR("No sitemap is stored yet, so no page can be an orphan, and pages "
                             "without a link are missing: sentier sitemap.\n"));
    else if (l->head.complete_ms == 0)
        buf_add(&r->out, STR("No run has read all sitemaps yet, so no page can be an orphan.\n"));
    if (l->head.over > 0)
        buf_printf(&r->out, "The catalogue is full: %llu records of sitemaps were left out.\n",
                   (unsigned long long)l->head.over);
    report_left_out(r, l);
}

static struct str shared_host(const struct verdicts *v)
{
    struct report_host h = {0};
    for (size_t i = 0; i < v->list.n; i++) {
        if (is_shown(v, &v->list.lines[i])) report_host_take(&h, page_line_name(&v->list.lines[i]));
    }
    return report_host(&h);
}

static int print_table(struct report *r, struct verdicts *v)
{
    v->host = shared_host(v);
    size_t rows = report_limit(r, REPORT_TABLE_ROWS);
    struct table_column shown[COLUMNS + 1] = {{0}};
    struct table *t = make_table(r, v, shown, 0);
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
    struct table_column shown[COLUMNS + 1] = {{0}};
    struct table *t = make_table(r, v, shown, report_limit(r, 0));
    bool ok = t != NULL && table_print_csv(t, &r->out);
    table_free(t);
    return ok ? REPORT_OK : report_fail("out of memory");
}

/* ---- all ---- */

static int unknown_verdict(const char *name)
{
    struct buf known = {0};
    for (int i = 0; i < PAGE_VERDICTS; i++)
        buf_printf(&known, "%s%s",
                   i == 0                   ? ""
                   : i == PAGE_VERDICTS - 1 ? " or "
                                            : ", ",
                   page_verdict_name((enum page_verdict)i));
    report_fail("--verdict %s: must be %.*s", name, STR_ARG(buf_str(&known)));
    buf_fini(&known);
    return REPORT_FAILED;
}

int report_verdicts(struct report *r)
{
    struct verdicts v = {.only = PAGE_NONE};
    if (r->args.verdict != NULL && !page_verdict_parse(r->args.verdict, &v.only))
        return unknown_verdict(r->args.verdict);
    if (report_open(r) != 0) return REPORT_FAILED;
    int result = report_read_pages(r, &v.days, &v.window, &v.list);
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
