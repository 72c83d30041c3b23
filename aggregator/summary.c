/*
 * The document is a table of lists: a kind of row, the name its label goes by, and the columns that
 * stand beside it. Adding a list or a figure is a row here. A missing column is zero, so every
 * object of a list has the same fields.
 */
#include "summary.h"

#include <stdio.h>
#include <stdlib.h>

#include "bytes.h"
#include "clock.h"
#include "hit.h"
#include "keys.h"
#include "property.h"
#include "text.h"
#include "transition.h"

struct figure {
    const char *name;
    uint32_t column;
};

struct list {
    const char *name;  /* of the list */
    char kind;         /* first byte of its rows */
    const char *label; /* field of the row's name */
    uint32_t order;    /* column it is sorted by */
    bool some;         /* rows without it are left out */
    struct figure figures[24];
};

static const struct list lists[] = {
    {"pages",
     'p',
     "page",
     COL_VIEWS,
     false,
     {{"views", COL_VIEWS},         {"bot_views", COL_BOT_VIEWS},
      {"visitors", COL_GAP_NONE},   {"daily_visitors", COL_DAILY_VISITORS},
      {"entries", COL_SESSIONS},    {"exits", COL_EXITS},
      {"visits", COL_VISITS},       {"used", COL_USED},
      {"bounces", COL_BOUNCES},     {"engaged_ms", COL_ENGAGED_MS},
      {"not_found", COL_NOT_FOUND}, {"bot_not_found", COL_BOT_NOT_FOUND},
      {"outbound", COL_OUTBOUND},   {"downloads", COL_DOWNLOADS},
      {"events", COL_EVENTS},       {"goals", COL_GOALS},
      {"exposures", COL_EXPOSURES}, {"clicks", COL_CLICKS},
      {"controls", COL_CONTROLS},   {"purchases", COL_PURCHASES},
      {"seen", COL_SEEN},           {"seen_opened", COL_SEEN_OPENED},
      {"errors", COL_ERRORS}}},
    {"entries",
     'p',
     "page",
     COL_SESSIONS,
     true,
     {{"entries", COL_SESSIONS}, {"bounces", COL_BOUNCES}, {"visits", COL_VISITS}}},
    {"exits", 'p', "page", COL_EXITS, true, {{"exits", COL_EXITS}, {"visits", COL_VISITS}}},
    {"errors", 'p', "page", COL_ERRORS, true, {{"errors", COL_ERRORS}, {"views", COL_VIEWS}}},
    {"channels",
     'c',
     "channel",
     COL_VIEWS,
     false,
     {{"views", COL_VIEWS},
      {"sessions", COL_SESSIONS},
      {"bounces", COL_BOUNCES},
      {"engaged_ms", COL_ENGAGED_MS},
      {"visitors", COL_GAP_NONE},
      {"daily_visitors", COL_DAILY_VISITORS}}},
    {"sources",
     's',
     "source",
     COL_VIEWS,
     false,
     {{"views", COL_VIEWS}, {"sessions", COL_SESSIONS}, {"bounces", COL_BOUNCES}}},
#define CLASS_FIGURES                                                                              \
    {                                                                                              \
        {"views", COL_VIEWS}, {"sessions", COL_SESSIONS}, {"visitors", COL_GAP_NONE},              \
        {                                                                                          \
            "daily_visitors", COL_DAILY_VISITORS                                                   \
        }                                                                                          \
    }
    {"countries", 'g', "country", COL_VIEWS, false, CLASS_FIGURES},
    {"devices", 'v', "device", COL_VIEWS, false, CLASS_FIGURES},
    {"browsers", 'b', "browser", COL_VIEWS, false, CLASS_FIGURES},
    {"systems", 'o', "system", COL_VIEWS, false, CLASS_FIGURES},
    {"bots", 'r', "rule", COL_BOT_VIEWS, false, {{"views", COL_BOT_VIEWS}}},
    {"outbound", 'x', "target", COL_OUTBOUND, false, {{"clicks", COL_OUTBOUND}}},
    {"downloads", 'f', "file", COL_DOWNLOADS, false, {{"clicks", COL_DOWNLOADS}}},
    {"events", 'e', "name", COL_EVENTS, false, {{"count", COL_EVENTS}, {"goals", COL_GOALS}}},
    {"controls",
     'k',
     "name",
     COL_CONTROLS,
     false,
     {{"count", COL_CONTROLS}, {"in_view", COL_CONTROLS_IN_VIEW}}},
    {"searches", 'q', "term", COL_SEARCHES, false, {{"count", COL_SEARCHES}}},
    {"purchases",
     'm',
     "currency",
     COL_PURCHASES,
     false,
     {{"count", COL_PURCHASES}, {"revenue_minor", COL_REVENUE}}},
};
enum { LISTS = sizeof lists / sizeof *lists };

static const struct figure total_figures[] = {
    {"views", COL_VIEWS},
    {"bot_views", COL_BOT_VIEWS},
    {"sessions", COL_SESSIONS},
    {"bounces", COL_BOUNCES},
    {"engaged_ms", COL_ENGAGED_MS},
    {"visitors", COL_GAP_NONE},
    {"daily_visitors", COL_DAILY_VISITORS},
    {"not_found", COL_NOT_FOUND},
    {"bot_not_found", COL_BOT_NOT_FOUND},
    {"outbound", COL_OUTBOUND},
    {"downloads", COL_DOWNLOADS},
    {"events", COL_EVENTS},
    {"goals", COL_GOALS},
    {"exposures", COL_EXPOSURES},
    {"clicks", COL_CLICKS},
    {"controls", COL_CONTROLS},
    {"purchases", COL_PURCHASES},
    {"seen", COL_SEEN},
    {"seen_opened", COL_SEEN_OPENED},
    {"links_left_out", COL_LINKS_LEFT_OUT},
    {"errors", COL_ERRORS},
    {"controls_in_view", COL_CONTROLS_IN_VIEW},
    {"searches", COL_SEARCHES},
    {"imported", COL_IMPORTED},
    {"live", COL_LIVE},
    {0},
};
static const struct figure day_figures[] = {
    {"views", COL_VIEWS},
    {"bot_views", COL_BOT_VIEWS},
    {"sessions", COL_SESSIONS},
    {"bounces", COL_BOUNCES},
    {"engaged_ms", COL_ENGAGED_MS},
    {"daily_visitors", COL_DAILY_VISITORS},
    {"not_found", COL_NOT_FOUND},
    {"errors", COL_ERRORS},
    {0},
};

static bool set(json_t *object, const char *name, json_t *value)
{
    return json_object_set_new(object, name, value) == 0; /* takes value, NULL is a failure */
}

static bool set_number(json_t *object, const char *name, int64_t n)
{
    return set(object, name, json_integer(n));
}

json_t *summary_text(struct str s)
{
    json_t *t = json_stringn(s.n == 0 ? "" : s.p, s.n);
    if (t != NULL) return t;
    struct buf fixed;
    buf_init(&fixed, 0);
    if (text_add_utf8(&fixed, s)) t = json_stringn(fixed.p, fixed.n);
    buf_fini(&fixed);
    return t;
}

static bool set_figures(json_t *object, const struct figure *figures, const struct row *row)
{
    static const struct row none = {0};
    for (const struct figure *f = figures; f->name != NULL; f++) {
        if (!set_number(object, f->name, row_get(row == NULL ? &none : row, f->column)))
            return false;
    }
    return true;
}

/* ---- labels ---- */

static const char *class_name(char kind, unsigned char number)
{
    switch (kind) {
    case 'c': return number < CHANNELS ? channel_name((enum channel)number) : NULL;
    case 'v': return number < DEVICES ? device_name((enum device)number) : NULL;
    case 'b': return number < BROWSERS ? browser_name((enum browser)number) : NULL;
    case 'o': return number < OSES ? os_name((enum os)number) : NULL;
    }
    return NULL;
}

static struct str label_of_page(const struct range_row *row, char room[SUMMARY_LABEL_BYTES])
{
    if (row->page.n > 0) return row->page;
    char id[ID_TEXT_BYTES] = "";
    if (row->name.n == 1 + 8) id_format(load_le64(row->name.p + 1), id);
    snprintf(room, SUMMARY_LABEL_BYTES, "(page %s)", id);
    return str_of(room);
}

struct str summary_label(const struct range_row *row, char room[SUMMARY_LABEL_BYTES])
{
    char kind = row->name.p[0];
    struct str rest = str_from(row->name, 1);
    if (rest.n == 0) return STR("(other)");
    if (kind == 'p') return label_of_page(row, room);
    if (strchr("cvbo", kind) == NULL) return rest;
    const char *name = rest.n == 1 ? class_name(kind, (unsigned char)rest.p[0]) : NULL;
    if (name != NULL) return str_of(name);
    snprintf(room, SUMMARY_LABEL_BYTES, "(%u)", (unsigned char)rest.p[0]);
    return str_of(room);
}

/* ---- parts of the document ---- */

static json_t *list_row(const struct range *r, const struct range_row *row, const void *arg)
{
    const struct list *l = arg;
    char room[SUMMARY_LABEL_BYTES], id[ID_TEXT_BYTES] = "";
    json_t *object = json_object();
    bool ok = object != NULL && set(object, l->label, summary_text(summary_label(row, room)));
    if (l->kind == 'p') {
        if (row->name.n == 1 + 8) id_format(load_le64(row->name.p + 1), id);
        ok = ok && set(object, "id", json_string(id));
        if (l->order == COL_VIEWS)
            ok = ok && set(object, "visitors_exact", json_boolean(range_pages_exact(r)));
    }
    if (ok && set_figures(object, l->figures, &row->row)) return object;
    json_decref(object);
    return NULL;
}

static bool top_of(const struct range *r, const struct list *l, size_t limit, struct range_top *out)
{
    return l->some ? range_top_some(r, l->kind, l->order, limit, out)
                   : range_top(r, l->kind, l->order, limit, out);
}

json_t *summary_rows(const struct range *r, struct range_top *top, summary_item *item,
                     const void *arg)
{
    json_t *rows = json_array();
    for (size_t i = 0; rows != NULL && i < top->n; i++) {
        if (json_array_append_new(rows, item(r, top->rows[i], arg)) == 0) continue;
        json_decref(rows);
        rows = NULL;
    }
    range_top_fini(top);
    return rows;
}

json_t *summary_share(int64_t part, int64_t whole)
{
    return whole <= 0 ? json_null() : json_real((double)(part * 10000 / whole) / 10000);
}

static json_t *list_rows(const struct range *r, const struct list *l, size_t limit, bool *cut)
{
    struct range_top top;
    if (!top_of(r, l, limit, &top)) return NULL;
    *cut = top.cut;
    return summary_rows(r, &top, list_row, l);
}

static bool set_list(json_t *doc, const char *name, json_t *rows, bool cut, json_t *truncated)
{
    return set(doc, name, rows) &&
           (!cut || json_array_append_new(truncated, json_string(name)) == 0);
}

static bool set_lists(json_t *doc, const struct range *r, const struct summary_opts *opts)
{
    size_t limit = opts->limit;
    json_t *truncated = json_array();
    bool cut = false, ok = truncated != NULL;
    for (int i = 0; ok && i < LISTS; i++) {
        json_t *rows = list_rows(r, &lists[i], limit, &cut);
        ok = set_list(doc, lists[i].name, rows, cut, truncated);
    }
    json_t *steps = ok ? transition_list(r, limit, &cut) : NULL;
    ok = ok && set_list(doc, "transitions", steps, cut, truncated);
    json_t *properties = ok ? property_list(r, opts->event, limit, &cut) : NULL;
    ok = ok && set_list(doc, "properties", properties, cut, truncated);
    if (ok && json_array_size(truncated) > 0) return set(doc, "truncated", truncated);
    json_decref(truncated);
    return ok;
}

static bool add_all(struct range_top *into, const struct range_top *from)
{
    struct range_row **rows = realloc(into->rows, (into->n + from->n + 1) * sizeof *rows);
    if (rows == NULL) return false;
    into->rows = rows;
    if (from->n > 0) memcpy(rows + into->n, from->rows, from->n * sizeof *rows);
    into->n += from->n;
    return true;
}

bool summary_pages(const struct range *r, size_t limit, struct range_top *out)
{
    struct range_top some;
    bool ok = transition_pages(r, limit, out);
    for (int i = 0; ok && i < LISTS; i++) {
        if (lists[i].kind != 'p') continue;
        if (lists[i].some && limit == 0) continue; /* "pages" has them all */
        ok = top_of(r, &lists[i], limit, &some) && add_all(out, &some);
        range_top_fini(&some);
    }
    if (!ok) range_top_fini(out);
    return ok;
}

static json_t *totals(const struct range *r)
{
    const struct range_row *total = range_find(r, STR("T"));
    json_t *object = json_object();
    bool ok = object != NULL &&
              set_figures(object, total_figures, total == NULL ? NULL : &total->row) &&
              set(object, "visitors_exact", json_boolean(range_exact(r)));
    if (ok) return object;
    json_decref(object);
    return NULL;
}

/* The total of a date or a month. */
static bool add_total(json_t *list, const char *label, const char *text, const struct range_day *d)
{
    json_t *object = json_object();
    bool ok = object != NULL && set(object, label, json_string(text)) &&
              set_figures(object, day_figures, &d->total) &&
              set_number(object, "visitors", row_persons(&d->total, d->day, d->day)) &&
              json_array_append(list, object) == 0;
    json_decref(object);
    return ok;
}

static json_t *days(const struct range *r)
{
    json_t *list = json_array();
    for (uint32_t i = 0; list != NULL && i <= r->to - r->from; i++) {
        const struct range_day *d = &r->days[i];
        char date[DATE_TEXT_BYTES];
        if (d->day < r->kept_day) continue;
        date_format(d->day, date);
        if (add_total(list, "day", date, d)) continue;
        json_decref(list);
        list = NULL;
    }
    return list;
}

/* Of a range that reaches behind the dates that are kept. */
static bool set_months(json_t *doc, const struct range *r)
{
    char date[DATE_TEXT_BYTES];
    if (r->kept_day == 0) return true;
    date_format(r->kept_day, date);
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < r->months_n; i++) {
        char month[DATE_TEXT_BYTES];
        date_format(month_to_day(r->months[i].day), month);
        month[7] = '\0';
        if (add_total(list, "month", month, &r->months[i])) continue;
        json_decref(list);
        list = NULL;
    }
    return set(doc, "months", list) && set(doc, "days_from", json_string(date)) &&
           set(doc, "whole", json_boolean(range_whole(r)));
}

/* ---- the ledger ---- */

int64_t summary_ledger(const struct range *r, enum ledger_line line)
{
    int64_t sum = 0;
    for (unsigned v = 0; v < VERDICTS; v++) {
        if (verdict_line((enum verdict)v) == line) sum += range_value(r, STR("L"), COL_VERDICT + v);
    }
    return sum;
}

int64_t summary_received(const struct range *r)
{
    int64_t sum = 0;
    for (unsigned l = 0; l < LEDGER_LINES; l++)
        sum += summary_ledger(r, (enum ledger_line)l);
    return sum;
}

static json_t *verdicts(const struct range *r)
{
    json_t *object = json_object();
    for (unsigned v = 0; object != NULL && v < VERDICTS; v++) {
        int64_t n = range_value(r, STR("L"), COL_VERDICT + v);
        if (n == 0 && v != V_COUNTED) continue;
        if (set_number(object, verdict_name((enum verdict)v), n)) continue;
        json_decref(object);
        object = NULL;
    }
    return object;
}

static json_t *ledger(const struct range *r)
{
    json_t *object = json_object();
    bool ok = object != NULL && set_number(object, "received", summary_received(r));
    for (unsigned l = 0; ok && l < LEDGER_LINES; l++) {
        enum ledger_line line = (enum ledger_line)l;
        ok = set_number(object, ledger_line_name(line), summary_ledger(r, line));
    }
    if (ok && set(object, "verdicts", verdicts(r))) return object;
    json_decref(object);
    return NULL;
}

static bool set_head(json_t *doc, const struct range *r, const struct summary_opts *opts)
{
    char from[DATE_TEXT_BYTES], to[DATE_TEXT_BYTES];
    date_format(r->from, from);
    date_format(r->to, to);
    return set_number(doc, "version", SUMMARY_VERSION) && set(doc, "site", json_string(r->site)) &&
           set(doc, "range", json_string(opts->range)) && set(doc, "from", json_string(from)) &&
           set(doc, "to", json_string(to)) && set(doc, "time_zone", json_string(opts->time_zone)) &&
           set_number(doc, "folded_at_ms", opts->made_ms) &&
           set_number(doc, "late_after_h", opts->late_after_h) &&
           set_number(doc, "session_gap_min", SUMMARY_SESSION_GAP_MIN);
}

json_t *summary_document(const struct range *r, const struct summary_opts *opts)
{
    json_t *doc = json_object();
    if (doc == NULL) return NULL;
    bool ok = set_head(doc, r, opts) && set(doc, "totals", totals(r)) &&
              set(doc, "ledger", ledger(r)) && set(doc, "days", days(r)) && set_months(doc, r) &&
              set_lists(doc, r, opts) &&
              (opts->live == NULL || set(doc, "live", live_json(opts->live)));
    if (ok) return doc;
    json_decref(doc);
    return NULL;
}
