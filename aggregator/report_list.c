/*
 * sentier report LIST: one list of a site's range as a table, CSV, or the whole summary document. A
 * list is a row of a table here: whose rows, and which figures stand beside them. For people,
 * columns that hold nothing but zeros are left out; programs always get all of them.
 */
#include "report_pages.h"

#include <assert.h>
#include <stdlib.h>

#include "clock.h"
#include "property.h"
#include "sitestate.h"
#include "summary.h"
#include "text.h"
#include "transition.h"

enum { DAYS = 'd' }; /* DAYS: no kind of row, the days of the range */

struct figure {
    struct table_column column;
    uint32_t of, whole; /* columns of the row, or one of these */
};
/* No columns: a row's name; where a step leads; of a property its key, its value, all events. */
enum {
    LABEL_OF = 0,
    TARGET_OF = UINT16_MAX,
    KEY_OF = UINT16_MAX - 1,
    VALUE_OF = UINT16_MAX - 2,
    EVENTS_OF = UINT16_MAX - 3
};

struct list {
    const char *name;
    char kind;
    uint32_t order;
    bool whole_site; /* its rows share out what the site's total row holds */
    bool some;       /* rows without `order` are left out */
    struct figure figures[TABLE_COLUMNS_MAX];
};

#define LABEL(title, name)                                                                         \
    {                                                                                              \
        {title, name, CELL_TEXT, 0}, 0, 0                                                          \
    }
#define VIEWS                                                                                      \
    {                                                                                              \
        {"Views", "views", CELL_COUNT, 0}, COL_VIEWS, 0                                            \
    }
#define VISITORS                                                                                   \
    {                                                                                              \
        {"Visitors", "visitors", CELL_COUNT, 0}, COL_GAP_NONE, 0                                   \
    }
#define DAILY                                                                                      \
    {                                                                                              \
        {"Daily", "daily_visitors", CELL_COUNT, 1}, COL_DAILY_VISITORS, 0                          \
    }
#define SESSIONS                                                                                   \
    {                                                                                              \
        {"Sessions", "sessions", CELL_COUNT, 1}, COL_SESSIONS, 0                                   \
    }
#define ENTRIES                                                                                    \
    {                                                                                              \
        {"Entries", "entries", CELL_COUNT, 4}, COL_SESSIONS, 0                                     \
    }
#define EXITS                                                                                      \
    {                                                                                              \
        {"Exits", "exits", CELL_COUNT, 4}, COL_EXITS, 0                                            \
    }
#define BOUNCE                                                                                     \
    {                                                                                              \
        {"Bounce", "bounce_rate", CELL_SHARE, 3}, COL_BOUNCES, COL_SESSIONS                        \
    }
#define ENGAGED                                                                                    \
    {                                                                                              \
        {"Engaged", "engaged_ms", CELL_DURATION, 2}, COL_ENGAGED_MS, 0                             \
    }
#define NOT_FOUND                                                                                  \
    {                                                                                              \
        {"404", "not_found", CELL_COUNT, 5}, COL_NOT_FOUND, 0                                      \
    }
#define ERRORS                                                                                     \
    {                                                                                              \
        {"Errors", "errors", CELL_COUNT, 5}, COL_ERRORS, 0                                         \
    }
#define BOTS                                                                                       \
    {                                                                                              \
        {"Bots", "bot_views", CELL_COUNT, 6}, COL_BOT_VIEWS, 0                                     \
    }
#define SEEN                                                                                       \
    {                                                                                              \
        {"Link seen", "exposures", CELL_COUNT, 7}, COL_EXPOSURES, 0                                \
    }
#define CLICKS                                                                                     \
    {                                                                                              \
        {"Clicked", "clicks", CELL_COUNT, 7}, COL_CLICKS, 0                                        \
    }
#define PER_VIEW                                                                                   \
    {                                                                                              \
        {"Per view", "engaged_ms_per_view", CELL_DURATION, 2}, COL_ENGAGED_MS, COL_VIEWS           \
    }
#define PER_SESSION                                                                                \
    {                                                                                              \
        {"Per session", "engaged_ms_per_session", CELL_DURATION, 2}, COL_ENGAGED_MS, COL_SESSIONS  \
    }
#define VISITS                                                                                     \
    {                                                                                              \
        {"Visits", "visits", CELL_COUNT, 2}, COL_VISITS, 0                                         \
    }
#define CLASS(title, name)                                                                         \
    {                                                                                              \
        LABEL(title, name), VIEWS, SESSIONS, VISITORS, DAILY                                       \
    }

static const struct list lists[] = {
    {"pages",
     'p',
     COL_VIEWS,
     true,
     false,
     {LABEL("Page", "page"), VIEWS, VISITORS, DAILY, ENTRIES, EXITS, BOUNCE, ENGAGED, PER_VIEW,
      NOT_FOUND, ERRORS, BOTS, SEEN, CLICKS}},
    {"entries",
     'p',
     COL_SESSIONS,
     true,
     true,
     {LABEL("Page", "page"),
      {{"Entries", "entries", CELL_COUNT, 0}, COL_SESSIONS, 0},
      BOUNCE,
      VISITS}},
    {"exits",
     'p',
     COL_EXITS,
     true,
     true,
     {LABEL("Page", "page"),
      {{"Exits", "exits", CELL_COUNT, 0}, COL_EXITS, 0},
      {{"Exit rate", "exit_rate", CELL_SHARE, 1}, COL_EXITS, COL_VISITS},
      VISITS}},
    {"errors",
     'p',
     COL_ERRORS,
     true,
     true,
     {LABEL("Page", "page"),
      {{"Errors", "errors", CELL_COUNT, 0}, COL_ERRORS, 0},
      VIEWS,
      {{"Per view", "errors_per_view", CELL_SCORE, 1}, COL_ERRORS, COL_VIEWS}}},
    {"transitions",
     't',
     COL_STEPS,
     false,
     true,
     {LABEL("From", "from"),
      {{"To", "to", CELL_TEXT, 0}, TARGET_OF, 0},
      {{"Visits", "count", CELL_COUNT, 0}, COL_STEPS, 0},
      {{"Share", "share", CELL_SHARE, 1}, COL_STEPS, COL_VISITS}}},
    {"channels",
     'c',
     COL_VIEWS,
     true,
     false,
     {LABEL("Channel", "channel"), VIEWS, SESSIONS, VISITORS, DAILY, BOUNCE, ENGAGED, PER_SESSION}},
    {"countries", 'g', COL_VIEWS, true, false, CLASS("Country", "country")},
    {"devices", 'v', COL_VIEWS, true, false, CLASS("Device", "device")},
    {"browsers", 'b', COL_VIEWS, true, false, CLASS("Browser", "browser")},
    {"systems", 'o', COL_VIEWS, true, false, CLASS("System", "system")},
    {"sources", 's', COL_VIEWS, false, false, {LABEL("Source", "source"), VIEWS, SESSIONS, BOUNCE}},
    {"bots",
     'r',
     COL_BOT_VIEWS,
     false,
     false,
     {LABEL("Rule", "rule"), {{"Views", "views", CELL_COUNT, 0}, COL_BOT_VIEWS, 0}}},
    {"outbound",
     'x',
     COL_OUTBOUND,
     false,
     false,
     {LABEL("Target", "target"), {{"Clicks", "clicks", CELL_COUNT, 0}, COL_OUTBOUND, 0}}},
    {"downloads",
     'f',
     COL_DOWNLOADS,
     false,
     false,
     {LABEL("File", "file"), {{"Clicks", "clicks", CELL_COUNT, 0}, COL_DOWNLOADS, 0}}},
    {"events",
     'e',
     COL_EVENTS,
     false,
     false,
     {LABEL("Event", "name"),
      {{"Count", "count", CELL_COUNT, 0}, COL_EVENTS, 0},
      {{"Goals", "goals", CELL_COUNT, 1}, COL_GOALS, 0}}},
    {"properties",
     'a',
     COL_EVENTS,
     false,
     true,
     {LABEL("Event", "event"),
      {{"Property", "key", CELL_TEXT, 0}, KEY_OF, 0},
      {{"Value", "value", CELL_TEXT, 0}, VALUE_OF, 0},
      {{"Count", "count", CELL_COUNT, 0}, COL_EVENTS, 0},
      {{"Share", "share", CELL_SHARE, 1}, COL_EVENTS, EVENTS_OF},
      {{"Goals", "goals", CELL_COUNT, 2}, COL_GOALS, 0}}},
    {"controls",
     'k',
     COL_CONTROLS,
     false,
     false,
     {LABEL("Control", "name"),
      {{"In view", "in_view", CELL_COUNT, 1}, COL_CONTROLS_IN_VIEW, 0},
      {{"Used", "count", CELL_COUNT, 0}, COL_CONTROLS, 0},
      {{"Share", "share", CELL_SHARE, 1}, COL_CONTROLS, COL_CONTROLS_IN_VIEW}}},
    {"searches",
     'q',
     COL_SEARCHES,
     false,
     false,
     {LABEL("Term", "term"), {{"Searches", "count", CELL_COUNT, 0}, COL_SEARCHES, 0}}},
    {"purchases",
     'm',
     COL_PURCHASES,
     false,
     false,
     {LABEL("Currency", "currency"),
      {{"Count", "count", CELL_COUNT, 0}, COL_PURCHASES, 0},
      {{"Minor units", "revenue_minor", CELL_COUNT, 0}, COL_REVENUE, 0}}},
    {"days",
     DAYS,
     0,
     true,
     false,
     {LABEL("Day", "day"), VIEWS, SESSIONS, VISITORS, DAILY, BOUNCE, ENGAGED, NOT_FOUND, ERRORS,
      BOTS}},
};
enum { LISTS = sizeof lists / sizeof *lists };

/* What a command has chosen and read. */
struct reading {
    const struct list *list;
    struct range_extent extent;
    struct report_days days;
    struct range *range;
    struct str host; /* of all pages, when they share one: then the title says it, and no row */
    struct figure shown[TABLE_COLUMNS_MAX];
    struct table_column columns[TABLE_COLUMNS_MAX + 1];
    unsigned n;
    size_t limit;     /* of rows, for programs; a table is cut when it is printed */
    struct str event; /* whose properties; empty: all */
};

static const struct list *find_list(const char *name)
{
    for (int i = 0; name != NULL && i < LISTS; i++) {
        if (strcmp(lists[i].name, name) == 0) return &lists[i];
    }
    return NULL;
}

/* ---- columns and cells ---- */

static int64_t figure_of(const struct row *row, uint32_t column, uint32_t day)
{
    if (column == COL_GAP_NONE && day > 0) return row_persons(row, day, day);
    return row_get(row, column);
}

/* day: of a row whose persons are still gaps; 0 for rows of the range. */
static void fill(const struct reading *g, struct str label, const struct row *row, uint32_t day,
                 struct cell *cells)
{
    for (unsigned i = 0; i < g->n; i++) {
        const struct figure *f = &g->shown[i];
        cells[i] = (struct cell){.text = f->of == LABEL_OF ? label : (struct str){NULL, 0}};
        if (f->column.kind == CELL_TEXT) continue;
        int64_t n = figure_of(row, f->of, day);
        int64_t whole = f->whole == 0 ? 0 : figure_of(row, f->whole, day);
        if (f->column.kind == CELL_DURATION && f->whole != 0) n = whole == 0 ? 0 : n / whole;
        if (f->column.kind == CELL_SCORE) n = whole == 0 ? 0 : n * 1000 / whole;
        cells[i].number = n;
        cells[i].whole = whole;
    }
}

/* The site's total row where the list shares it out, else the sum of its rows. Persons are never
 * summed: one who opens two pages is one. */
static bool total_of(const struct reading *g, struct row *total)
{
    static const uint32_t lacking[] = {COL_EXITS, COL_VISITS}; /* in the site's total row */
    const struct range_row *site = range_find(g->range, STR("T"));
    if (g->list->whole_site && site != NULL && !row_merge(total, &site->row)) return false;
    for (size_t i = 0; i < g->range->n; i++) {
        const struct range_row *row = &g->range->rows[i];
        if (row->name.p[0] != g->list->kind) continue;
        if (g->list->whole_site) {
            for (size_t k = 0; k < sizeof lacking / sizeof *lacking; k++) {
                int64_t n = row_get(&row->row, lacking[k]);
                if (n != 0 && !row_add(total, lacking[k], n)) return false;
            }
        } else if (!row_merge(total, &row->row)) {
            return false;
        }
    }
    return true;
}

static void choose_columns(struct reading *g, const struct row *total, bool all)
{
    for (const struct figure *f = g->list->figures; f->column.title != NULL; f++) {
        if (!all && f->column.rank > 0 && row_get(total, f->of) == 0) continue;
        g->shown[g->n] = *f;
        g->columns[g->n++] = f->column;
        if (f - g->list->figures == TABLE_COLUMNS_MAX - 1) break;
    }
}

/* What stands for a page without a name is no host's. */
static struct str behind_host(const struct reading *g, struct str label)
{
    return str_starts(label, g->host) ? str_from(label, g->host.n) : label;
}

static struct str shared_host(const struct range *r)
{
    struct report_host h = {0};
    for (size_t i = 0; i < r->n; i++)
        report_host_take(&h, r->rows[i].page);
    return report_host(&h);
}

/* A step's share is one of the visits to the page where it began. */
static bool add_step(const struct reading *g, const struct range_row *step, struct table *t)
{
    struct cell cells[TABLE_COLUMNS_MAX];
    struct transition now;
    struct row row = {0};
    transition_of(g->range, step, &now);
    bool ok = row_add(&row, COL_STEPS, now.count) &&
              (now.visits == 0 || row_add(&row, COL_VISITS, now.visits));
    if (ok) fill(g, behind_host(g, now.from), &row, 0, cells);
    for (unsigned i = 0; ok && i < g->n; i++)
        if (g->shown[i].of == TARGET_OF) cells[i].text = behind_host(g, now.to);
    row_fini(&row);
    return ok && table_add(t, cells);
}

static bool add_property(const struct reading *g, const struct range_row *row, struct table *t)
{
    struct cell cells[TABLE_COLUMNS_MAX];
    struct property p;
    property_of(g->range, row, &p);
    fill(g, p.event, &row->row, 0, cells);
    for (unsigned i = 0; i < g->n; i++) {
        if (g->shown[i].of == KEY_OF) cells[i].text = p.key;
        if (g->shown[i].of == VALUE_OF) cells[i].text = p.value;
        if (g->shown[i].whole == EVENTS_OF) cells[i].whole = p.events;
    }
    return table_add(t, cells);
}

static bool top_of(const struct reading *g, struct range_top *top)
{
    const struct list *l = g->list;
    if (l->kind == 'a') return property_top(g->range, g->event, g->limit, top);
    return l->some ? range_top_some(g->range, l->kind, l->order, g->limit, top)
                   : range_top(g->range, l->kind, l->order, g->limit, top);
}

static bool add_rows(const struct reading *g, struct table *t)
{
    struct cell cells[TABLE_COLUMNS_MAX];
    struct range_top top;
    char room[SUMMARY_LABEL_BYTES];
    bool ok = top_of(g, &top);
    for (size_t i = 0; ok && i < top.n; i++) {
        if (strchr("ta", g->list->kind) != NULL) {
            ok = g->list->kind == 't' ? add_step(g, top.rows[i], t)
                                      : add_property(g, top.rows[i], t);
            continue;
        }
        struct str label = summary_label(top.rows[i], room);
        fill(g, behind_host(g, label), &top.rows[i]->row, 0, cells);
        ok = table_add(t, cells);
    }
    range_top_fini(&top);
    return ok;
}

static bool add_days(const struct reading *g, struct table *t)
{
    struct cell cells[TABLE_COLUMNS_MAX];
    bool ok = true;
    for (size_t i = 0; ok && i < g->range->months_n; i++) {
        const struct range_day *m = &g->range->months[i];
        char month[DATE_TEXT_BYTES];
        date_format(month_to_day(m->day), month);
        fill(g, (struct str){month, 7}, &m->total, m->day, cells);
        ok = table_add(t, cells);
    }
    for (uint32_t i = 0; ok && i <= g->days.to - g->days.from; i++) {
        const struct range_day *d = &g->range->days[i];
        char date[DATE_TEXT_BYTES];
        if (d->day < g->range->kept_day) continue;
        date_format(d->day, date);
        fill(g, str_of(date), &d->total, d->day, cells);
        ok = table_add(t, cells);
    }
    return ok;
}

static struct table *make_table(struct reading *g, bool all_columns)
{
    struct row total = {0};
    struct cell cells[TABLE_COLUMNS_MAX];
    struct table *t = NULL;
    bool ok = total_of(g, &total);
    if (ok) {
        choose_columns(g, &total, all_columns);
        t = table_new(g->columns);
        fill(g, STR("Total"), &total, 0, cells);
        /* An event counts once with each of its properties: they have no sum. */
        ok = t != NULL && (g->list->kind == 'a' || table_set_total(t, cells)) &&
             (g->list->kind == DAYS ? add_days(g, t) : add_rows(g, t));
    }
    row_fini(&total);
    if (ok) return t;
    table_free(t);
    return NULL;
}

/* ---- printing ---- */

static void print_head(struct report *r, const struct reading *g)
{
    report_head(r, g->list->name, g->host, &g->days);
    buf_add(&r->out, STR("\n\n"));
}

static void print_notes(struct report *r, const struct reading *g)
{
    bool persons = false;
    buf_add_char(&r->out, '\n');
    for (unsigned i = 0; i < g->n; i++)
        persons = persons || g->shown[i].of == COL_GAP_NONE;
    if (persons && range_value(g->range, STR("T"), COL_DAILY_VISITORS) > 0)
        buf_printf(&r->out, "Daily: visitors without consent are counted per day, so one who comes "
                            "on two days is two.\n");
    if (persons && g->list->kind == 'p' && !range_pages_exact(g->range))
        buf_printf(&r->out,
                   "Visitors of a page are exact up to %d days; over longer ranges one who stays "
                   "away longer counts again.\n",
                   RANGE_PAGE_DAYS);
    if (g->range->kept_day > 0) {
        char date[DATE_TEXT_BYTES];
        date_format(g->range->kept_day, date);
        buf_printf(&r->out, "Before %s there are whole months alone%s\n", date,
                   range_whole(g->range) ? "." : "; the days of the others are left out.");
    }
    if (g->range->unreadable > 0)
        buf_printf(&r->out, "%llu stored rows could not be read and are left out.\n",
                   (unsigned long long)g->range->unreadable);
}

static int print_nothing(struct report *r, const struct reading *g)
{
    char first[DATE_TEXT_BYTES], last[DATE_TEXT_BYTES];
    date_format(g->extent.first, first);
    date_format(g->extent.last, last);
    buf_printf(&r->out, "Nothing in this range. The site has data from %s to %s.\n", first, last);
    return REPORT_OK;
}

static int print_table(struct report *r, struct reading *g)
{
    size_t rows = report_limit(r, g->list->kind == DAYS ? 0 : REPORT_TABLE_ROWS);
    if (strchr("pt", g->list->kind) != NULL) g->host = shared_host(g->range);
    struct table *t = make_table(g, false);
    if (t == NULL) return report_fail("out of memory");
    print_head(r, g);
    int result = REPORT_OK;
    if (table_rows(t) == 0) {
        result = print_nothing(r, g);
    } else if (table_print(t, r->width, rows, &r->out)) {
        print_notes(r, g);
    } else {
        result = report_fail("out of memory");
    }
    table_free(t);
    return result;
}

static int print_csv(struct report *r, struct reading *g)
{
    g->limit = report_limit(r, 0);
    struct table *t = make_table(g, true);
    bool ok = t != NULL && table_print_csv(t, &r->out);
    table_free(t);
    return ok ? REPORT_OK : report_fail("out of memory");
}

static int print_document(struct report *r, const struct reading *g)
{
    struct summary_opts opts = {.range = g->days.label,
                                .time_zone = r->time_zone,
                                .made_ms = r->now_ms,
                                .late_after_h = LATE_AFTER_MS / 3600000,
                                .event = g->event,
                                .limit = report_limit(r, 0)};
    return report_print_json(r, summary_document(g->range, &opts));
}

/* ---- reading ---- */

static int read_rows(struct report *r, struct reading *g)
{
    struct buf err = {0};
    struct range_top pages = {0};
    int result = range_read(&r->source, g->days.from, g->days.to, &g->range, &err);
    bool names = strchr("pt", g->list->kind) != NULL || r->args.format == FORMAT_JSON;
    if (result == 0 && names) {
        if (!summary_pages(g->range, 0, &pages)) {
            buf_printf(&err, "out of memory");
            result = -1;
        } else {
            result = range_read_pages(&r->source, g->range, &pages, &err);
        }
        range_top_fini(&pages);
    }
    if (result < 0) report_fail("%.*s", STR_ARG(buf_str(&err)));
    buf_fini(&err);
    return result < 0 ? REPORT_FAILED : REPORT_OK;
}

/* Reports that are no list of rows. */
static const struct special {
    const char *name;
    report_fn *run;
    bool page, verdict; /* knows --page, --verdict */
} specials[] = {
    {"links", report_links, true, false},        {"verdicts", report_verdicts, false, true},
    {"decay", report_decay, false, false},       {"live", report_live, false, false},
    {"segments", report_segments, false, false}, {"matrix", report_segments, false, false},
    {"ignorers", report_segments, true, false},  {"topics", report_topics, false, false},
};
enum { SPECIALS = sizeof specials / sizeof specials[0] };

static const struct special *find_special(const char *name)
{
    for (int i = 0; name != NULL && i < SPECIALS; i++) {
        if (strcmp(specials[i].name, name) == 0) return &specials[i];
    }
    return NULL;
}

static int unknown_list(const char *name)
{
    struct buf known = {0};
    for (int i = 0; i < LISTS; i++)
        buf_printf(&known, "%s%s", i == 0 ? "" : ", ", lists[i].name);
    for (int i = 0; i < SPECIALS; i++)
        buf_printf(&known, ", %s", specials[i].name);
    if (name == NULL)
        report_fail("which report? One of: %.*s", STR_ARG(buf_str(&known)));
    else
        report_fail("no report '%s'; there are: %.*s", name, STR_ARG(buf_str(&known)));
    buf_fini(&known);
    return REPORT_FAILED;
}

int report_list(struct report *r)
{
    const struct special *special = find_special(r->args.subject);
    if (r->args.page != NULL && (special == NULL || !special->page))
        return report_fail("--page is for the reports links and ignorers");
    if (r->args.verdict != NULL && (special == NULL || !special->verdict))
        return report_fail("--verdict is for the report verdicts");
    if (r->args.event != NULL &&
        (r->args.subject == NULL || strcmp(r->args.subject, "properties") != 0))
        return report_fail("--event is for the report properties");
    if (special != NULL) return special->run(r);
    struct reading g = {.list = find_list(r->args.subject)};
    if (r->args.event != NULL) g.event = str_of(r->args.event);
    if (g.list == NULL) return unknown_list(r->args.subject);
    if (report_open(r) != 0) return REPORT_FAILED;
    if (report_days(r, &g.extent, &g.days) != 0) return REPORT_FAILED;
    int result = read_rows(r, &g);
    if (result == REPORT_OK) {
        switch (r->args.format) {
        case FORMAT_TABLE: result = print_table(r, &g); break;
        case FORMAT_CSV: result = print_csv(r, &g); break;
        case FORMAT_JSON: result = print_document(r, &g); break;
        }
    }
    range_free(g.range);
    return result;
}
