/*
 * sentier report ignorers --page PAGE: the persons who ignore one page, with the evidence of each,
 * seen last first. Nothing is hidden here: it is a list of customers.
 */
#include "report.h"

#include <stdlib.h>

#include "clock.h"
#include "hash.h"
#include "keys.h"
#include "people.h"
#include "portrait.h"

struct ignorer {
    uint64_t id;
    char *name; /* owned; of a customer its id */
    int64_t last_ms;
    uint64_t sessions;
    enum person_class class;
    enum ignored_why why;
    uint32_t passed, passed_days; /* since it was last opened */
    uint32_t tried;
    uint32_t last_day, last_seen_day; /* opened, its link in view; 0: never */
};

struct cohort {
    uint64_t page;
    struct report_newest newest; /* hit of the site */
    struct ignorer *all;
    size_t n, cap;
    uint64_t damaged;
};

static bool take(void *arg, const struct person *person)
{
    struct cohort *c = arg;
    const struct profile *p = person->profile;
    const struct profile_page *page = profile_page(p, c->page);
    if (page == NULL || profile_ignores(page) == NOT_IGNORED) return true;
    if (c->n == c->cap) {
        size_t cap = c->cap == 0 ? 64 : c->cap * 2;
        struct ignorer *all = realloc(c->all, cap * sizeof *all);
        if (all == NULL) return false;
        c->all = all;
        c->cap = cap;
    }
    char *name = NULL;
    if (person->customer.n > 0) {
        name = strndup(person->customer.p, person->customer.n);
        if (name == NULL) return false;
    }
    c->all[c->n++] = (struct ignorer){.id = person->id,
                                      .name = name,
                                      .last_ms = p->recent.newest_ms,
                                      .sessions = p->sessions,
                                      .class = profile_class(p, c->newest.day),
                                      .why = profile_ignores(page),
                                      .passed = page->passed,
                                      .passed_days = page->passed_days,
                                      .tried = page->tried,
                                      .last_day = page->last_day,
                                      .last_seen_day = page->last_seen_day};
    return true;
}

static int by_last_seen(const void *a, const void *b)
{
    const struct ignorer *x = a, *y = b;
    if (x->last_ms != y->last_ms) return x->last_ms > y->last_ms ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static int read_cohort(struct report *r, struct cohort *c)
{
    struct people people = {.source = &r->source, .arg = c, .each = take};
    struct buf err = {0};
    if (report_newest(r, &c->newest) != REPORT_OK) return REPORT_FAILED;
    int result = people_each(&people, &err);
    if (result < 0) report_fail("%.*s", STR_ARG(buf_str(&err)));
    buf_fini(&err);
    c->damaged = people.damaged;
    if (c->n > 1) qsort(c->all, c->n, sizeof *c->all, by_last_seen);
    return result < 0 ? REPORT_FAILED : REPORT_OK;
}

/* How many are printed. */
static size_t shown(const struct report *r, const struct cohort *c)
{
    size_t limit = report_limit(r, r->args.format == FORMAT_TABLE ? REPORT_TABLE_ROWS : 0);
    return limit == 0 || limit > c->n ? c->n : limit;
}

/* A date; null: there is none. */
static json_t *day_json(uint32_t day)
{
    char date[DATE_TEXT_BYTES];
    date_format(day, date);
    return day == 0 ? json_null() : json_string(date);
}

static struct str who(const struct ignorer *one, char room[ID_TEXT_BYTES])
{
    return person_name(&(struct person){.id = one->id, .customer = str_of(one->name)}, room);
}

static json_t *ignorer_json(const struct ignorer *one)
{
    char id[ID_TEXT_BYTES];
    struct str name = who(one, id);
    return json_pack("{s:s%, s:s, s:I, s:I, s:s, s:I, s:I, s:I, s:o, s:o}", "id", name.p, name.n,
                     "class", class_name(one->class), "last_seen_ms", (json_int_t)one->last_ms,
                     "sessions", (json_int_t)one->sessions, "why", ignored_why_name(one->why),
                     "passed", (json_int_t)one->passed, "passed_days", (json_int_t)one->passed_days,
                     "tried", (json_int_t)one->tried, "last_day", day_json(one->last_day),
                     "last_seen_day", day_json(one->last_seen_day));
}

static int print_json(struct report *r, const struct cohort *c)
{
    char date[DATE_TEXT_BYTES], id[ID_TEXT_BYTES];
    json_t *persons = json_array();
    for (size_t i = 0; i < shown(r, c); i++)
        json_array_append_new(persons, ignorer_json(&c->all[i]));
    id_format(c->page, id);
    date_format(c->newest.day, date);
    return report_print_json(r, json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:I, s:o}", "version", 1,
                                          "site", r->args.site, "time_zone", r->time_zone, "as_of",
                                          date, "page", r->args.page, "id", id, "total",
                                          (json_int_t)c->n, "persons", persons));
}

static const struct table_column columns[] = {
    {"Id", "id", CELL_TEXT, 0},
    {"Class", "class", CELL_TEXT, 0},
    {"Last seen", "last_seen", CELL_TEXT, 1},
    {"Sessions", "sessions", CELL_COUNT, 2},
    {"Why", "why", CELL_TEXT, 0},
    {"In view", "passed", CELL_COUNT, 0},
    {"Days", "passed_days", CELL_COUNT, 0},
    {"Tried", "tried", CELL_COUNT, 0},
    {0},
};

static const char notes[] =
    "\npassed by: in view in 3 sessions or more on 2 days or more, and not opened since\n"
    "left: opened in 2 sessions or more, and never used\n";

static struct table *make_table(const struct report *r, const struct cohort *c)
{
    struct table *t = table_new(columns);
    bool ok = t != NULL;
    for (size_t i = 0; ok && i < shown(r, c); i++) {
        const struct ignorer *one = &c->all[i];
        char id[ID_TEXT_BYTES], seen[REPORT_MOMENT_BYTES];
        report_moment(r, one->last_ms, seen);
        ok = table_add(t, (struct cell[]){{.text = who(one, id)},
                                          {.text = str_of(class_name(one->class))},
                                          {.text = str_of(seen)},
                                          {.number = (int64_t)one->sessions},
                                          {.text = str_of(ignored_why_name(one->why))},
                                          {.number = one->passed},
                                          {.number = one->passed_days},
                                          {.number = one->tried}});
    }
    if (ok) return t;
    table_free(t);
    return NULL;
}

static int print_table(struct report *r, const struct cohort *c)
{
    struct table *t = make_table(r, c);
    bool ok = t != NULL;
    if (ok && r->args.format == FORMAT_CSV) {
        ok = table_print_csv(t, &r->out);
    } else if (ok) {
        buf_printf(&r->out, "%zu persons of %s ignore %s (%s)\n", c->n, r->args.site, r->args.page,
                   r->time_zone);
        if (c->n > 0)
            ok = buf_add_char(&r->out, '\n') && table_print(t, r->width, 0, &r->out) &&
                 buf_add(&r->out, str_of(notes));
        if (shown(r, c) < c->n)
            buf_printf(&r->out, "%zu of %zu (--limit N shows more)\n", shown(r, c), c->n);
        if (c->damaged > 0)
            buf_printf(&r->out, "%llu stored profiles could not be read and are left out.\n",
                       (unsigned long long)c->damaged);
    }
    table_free(t);
    return ok ? REPORT_OK : report_fail("out of memory");
}

int report_ignorers(struct report *r)
{
    struct cohort c = {.page = hash64(str_of(r->args.page))};
    if (report_open(r) != 0) return REPORT_FAILED;
    int result = read_cohort(r, &c);
    if (result == REPORT_OK)
        result = r->args.format == FORMAT_JSON ? print_json(r, &c) : print_table(r, &c);
    for (size_t i = 0; i < c.n; i++)
        free(c.all[i].name);
    free(c.all);
    return result;
}
