/*
 * sentier report segments, matrix and ignorers: the persons of a site by class, what each class did
 * with each group of pages, and who ignores which page. Small figures are hidden everywhere but in
 * the list of those who ignore one page: that is a list of customers, for those who may know them.
 */
#include "report.h"

#include <stdlib.h>

#include "clock.h"
#include "people.h"
#include "segment_document.h"
#include "segments_read.h"
#include "text.h"

struct told {
    struct report_newest newest; /* hit of the site */
    struct segments segments;
    struct segment_list list;
    uint64_t damaged;
};

static struct cell figure(uint64_t n, bool hidden)
{
    return (struct cell){.number = (int64_t)n, .hidden = hidden};
}

static void print_head(struct report *r, const struct told *t, const char *what)
{
    char date[DATE_TEXT_BYTES];
    date_format(t->newest.day, date);
    buf_printf(&r->out, "%s %s, as of %s (%s)\n", what, r->args.site, date, r->time_zone);
}

static void print_notes(struct report *r, const struct told *t)
{
    buf_printf(&r->out,
               "\n* hidden: of fewer than %d persons, or such a figure would follow from "
               "it.\n",
               HIDING_LEAST);
    if (t->segments.approximate)
        buf_add(&r->out, STR("Some persons know more pages than are kept of each, so this is "
                             "approximate.\n"));
    if (t->damaged > 0)
        buf_printf(&r->out, "%llu stored profiles could not be read and are left out.\n",
                   (unsigned long long)t->damaged);
}

static size_t rows_of_csv(const struct report *r)
{
    size_t limit = report_limit(r, 0);
    return limit == 0 ? SIZE_MAX : limit;
}

/* ---- classes ---- */

static const struct table_column class_columns[] = {
    {"Class", "class", CELL_TEXT, 0},
    {"Persons", "persons", CELL_COUNT, 0},
    {"Sessions", "sessions", CELL_COUNT, 0},
    {"Who", "who", CELL_TEXT, 1},
    {0},
};

static const char *who(enum person_class c)
{
    static const char *const texts[] = {
        "first session in the last 28 days, fewer than 3 sessions",
        "4 sessions in the last 28 days, or 8 in 56",
        "came in the last 28 days, neither new nor loyal",
        "several sessions, the last 28 to 55 days ago",
        "silent longer, or after one session for 28 days",
    };
    return texts[c];
}

static struct table *classes_table(const struct told *t)
{
    const struct segments *s = &t->segments;
    struct table *table = table_new(class_columns);
    uint64_t persons = 0, sessions = 0;
    bool ok = table != NULL;
    for (int c = 0; ok && c < CLASSES; c++) {
        bool hidden = hiding_small(s->persons[c]);
        persons += s->persons[c];
        sessions += s->sessions[c];
        ok = table_add(table, (struct cell[]){{.text = str_of(class_name(c))},
                                              figure(s->persons[c], hidden),
                                              figure(s->sessions[c], hidden),
                                              {.text = str_of(who(c))}});
    }
    ok = ok && table_set_total(table, (struct cell[]){{.text = STR("all")},
                                                      figure(persons, t->list.all_hidden),
                                                      figure(sessions, t->list.all_hidden),
                                                      {.text = STR("")}});
    if (ok) return table;
    table_free(table);
    return NULL;
}

static bool print_classes(struct report *r, const struct told *t)
{
    struct table *table = classes_table(t);
    bool ok = table != NULL;
    if (ok && r->args.format == FORMAT_CSV) {
        ok = table_print_csv(table, &r->out);
    } else if (ok) {
        print_head(r, t, "persons of");
        ok = buf_add_char(&r->out, '\n') && table_print(table, r->width, 0, &r->out);
        print_notes(r, t);
    }
    table_free(table);
    return ok;
}

/* ---- a row of classes ---- */

static const struct table_column row_columns[] = {
    {"Group", "group", CELL_TEXT, 0},    {"New", "new", CELL_COUNT, 0},
    {"Loyal", "loyal", CELL_COUNT, 0},   {"Returning", "returning", CELL_COUNT, 0},
    {"Fading", "fading", CELL_COUNT, 0}, {"Lost", "lost", CELL_COUNT, 0},
    {"All", "all", CELL_COUNT, 0},       {0},
};
enum { ROW_CELLS = 1 + CLASSES + 1 };

static void fill_row(struct cell row[ROW_CELLS], const uint32_t persons[CLASSES],
                     const bool hidden[CLASSES], bool total)
{
    for (int c = 0; c < CLASSES; c++)
        row[1 + c] = figure(persons[c], hidden[c]);
    row[1 + CLASSES] = figure(segment_total(persons), total);
}

/* ---- matrix ---- */

/* What a person did, the most telling first. */
static const struct {
    enum figure figure;
    const char *title;
} blocks[] = {
    {FIGURE_IGNORING, "ignoring: they ignore a page of the group, and used none of it"},
    {FIGURE_RETURNED, "returned: they used a page of the group in two sessions or more"},
    {FIGURE_USED, "used: they used pages of the group, each in one session"},
    {FIGURE_TRIED, "tried: they opened pages of the group, and used none"},
    {FIGURE_SEEN, "seen: links to pages of the group were in view, none was opened"},
};

static bool print_block(struct report *r, const struct told *t, size_t b)
{
    struct table *table = table_new(row_columns);
    bool ok = table != NULL;
    for (size_t i = 0; ok && i < t->list.groups_n; i++) {
        const struct segment_line *line = &t->list.groups[i];
        enum figure f = blocks[b].figure;
        struct cell row[ROW_CELLS] = {{.text = str_of(line->group->name)}};
        if (segment_total(line->group->persons[f]) == 0) continue;
        fill_row(row, line->group->persons[f], line->hiding.cell[f], line->hiding.total[f]);
        ok = table_add(table, row);
    }
    ok = ok && buf_printf(&r->out, "\n%s\n\n", blocks[b].title);
    if (ok && table_rows(table) == 0)
        ok = buf_add(&r->out, STR("Nobody.\n"));
    else if (ok)
        ok = table_print(table, r->width, report_limit(r, REPORT_TABLE_ROWS), &r->out);
    table_free(table);
    return ok;
}

static const struct table_column cell_columns[] = {
    {"Group", "group", CELL_TEXT, 0},        {"Class", "class", CELL_TEXT, 0},
    {"Seen", "seen", CELL_COUNT, 0},         {"Tried", "tried", CELL_COUNT, 0},
    {"Used", "used", CELL_COUNT, 0},         {"Returned", "returned", CELL_COUNT, 0},
    {"Ignoring", "ignoring", CELL_COUNT, 0}, {0},
};

static bool print_matrix_csv(struct report *r, const struct told *t)
{
    struct table *table = table_new(cell_columns);
    bool ok = table != NULL;
    for (size_t i = 0; ok && i < t->list.groups_n && i < rows_of_csv(r); i++) {
        const struct segment_line *line = &t->list.groups[i];
        for (int c = 0; ok && c <= CLASSES; c++) {
            struct cell row[2 + FIGURES] = {
                {.text = str_of(line->group->name)},
                {.text = c == CLASSES ? STR("all") : str_of(class_name(c))}};
            for (int f = 0; f < FIGURES; f++) {
                const uint32_t *cells = line->group->persons[f];
                row[2 + f] = c == CLASSES ? figure(segment_total(cells), line->hiding.total[f])
                                          : figure(cells[c], line->hiding.cell[f][c]);
            }
            ok = table_add(table, row);
        }
    }
    ok = ok && table_print_csv(table, &r->out);
    table_free(table);
    return ok;
}

static bool print_matrix(struct report *r, const struct told *t)
{
    if (r->args.format == FORMAT_CSV) return print_matrix_csv(r, t);
    print_head(r, t, "persons by what they did with each group of pages of");
    bool ok = true;
    for (size_t b = 0; ok && b < sizeof blocks / sizeof *blocks; b++)
        ok = print_block(r, t, b);
    print_notes(r, t);
    return ok;
}

/* ---- ignored pages ---- */

static bool print_ignored(struct report *r, const struct told *t)
{
    struct table_column columns[ROW_CELLS + 1];
    memcpy(columns, row_columns, sizeof columns);
    columns[0] = (struct table_column){"Page", "page", CELL_TEXT, 0};
    struct table *table = table_new(columns);
    bool csv = r->args.format == FORMAT_CSV, ok = table != NULL;
    for (size_t i = 0; ok && i < t->list.pages_n && (!csv || i < rows_of_csv(r)); i++) {
        const struct ignored_line *line = &t->list.pages[i];
        struct cell row[ROW_CELLS] = {{.text = line->page->name}};
        fill_row(row, line->page->ignorers, line->hiding.cell, line->hiding.total);
        ok = table_add(table, row);
    }
    if (ok && csv) {
        ok = table_print_csv(table, &r->out);
    } else if (ok) {
        print_head(r, t, "persons who ignore a page of");
        ok = buf_add_char(&r->out, '\n') &&
             (table_rows(table) == 0
                  ? buf_add(&r->out, STR("No page is ignored by enough.\n"))
                  : table_print(table, r->width, report_limit(r, REPORT_TABLE_ROWS), &r->out));
        print_notes(r, t);
    }
    table_free(table);
    return ok;
}

/* ---- all three ---- */

static int read_segments(struct report *r, struct told *t)
{
    struct segments_pass pass = {.source = r->source};
    struct buf err = {0};
    if (report_newest(r, &t->newest) != REPORT_OK) return REPORT_FAILED;
    pass.today = t->newest.day;
    int result = segments_read(&pass, &t->segments, &err);
    if (result < 0) report_fail("%.*s", STR_ARG(buf_str(&err)));
    buf_fini(&err);
    t->damaged = pass.damaged;
    if (result < 0) return REPORT_FAILED;
    for (int c = 0; c < CLASSES; c++) {
        if (t->segments.persons[c] == 0) continue;
        return segment_list_make(&t->list, &t->segments) ? REPORT_OK : report_fail("out of memory");
    }
    return report_fail("site '%s' has no consented visitors; only they are persons with a class "
                       "(field c=1 of a hit)",
                       r->args.site);
}

static int print_json(struct report *r, const struct told *t)
{
    struct segment_view view = {.site = str_of(r->args.site),
                                .time_zone = r->time_zone,
                                .today = t->newest.day,
                                .limit = report_limit(r, 0)};
    return report_print_json(r, segment_document(&view, &t->list));
}

int report_segments(struct report *r)
{
    static const struct {
        const char *name;
        bool (*print)(struct report *r, const struct told *t);
    } reports[] = {
        {"segments", print_classes}, {"matrix", print_matrix}, {"ignorers", print_ignored}};
    struct told t = {0};
    if (r->args.from != NULL || r->args.to != NULL || r->args.last != NULL)
        return report_fail("persons have done what they did in all their time: --last, --from and "
                           "--to are for other reports");
    if (r->args.page != NULL) return report_ignorers(r);
    if (report_open(r) != 0) return REPORT_FAILED;
    int result = read_segments(r, &t);
    if (result == REPORT_OK && r->args.format == FORMAT_JSON) {
        result = print_json(r, &t);
    } else if (result == REPORT_OK) {
        for (size_t i = 0; i < sizeof reports / sizeof *reports; i++) {
            if (strcmp(reports[i].name, r->args.subject) != 0) continue;
            if (!reports[i].print(r, &t)) result = report_fail("out of memory");
        }
    }
    segment_list_fini(&t.list);
    segments_fini(&t.segments);
    return result;
}
