/*
 * sentier profile: one consented visitor, page by page, with the evidence behind each word. What a
 * person is (its class) is said for the day of the site's newest hit, so that the same data always
 * print the same profile; nothing here asks what time it is.
 */
#include "report.h"

#include <stdlib.h>

#include "ask.h"
#include "bytes.h"
#include "clock.h"
#include "interest.h"
#include "keys.h"
#include "profile.h"
#include "text.h"

/* A profile, and what is needed to tell it. */
struct told {
    uint64_t id;
    struct profile profile;
    struct report_newest newest; /* hit of the site */
    redisReply *names;           /* of the pages, in their order */
};

/* ---- reading ---- */

/* 1: *p is the visitor's; 0: not in this partition; -1 with why in err. */
static int read_profile(struct report *r, unsigned part, uint64_t id, struct profile *p,
                        struct buf *err)
{
    struct key key = key_profiles(part, r->source.site, key_bucket(id));
    char field[8];
    store_le64(field, id);
    redisReply *reply =
        ask(r->redis, err, ARGV(STR("HGET"), key_str(&key), (struct str){field, sizeof field}));
    if (reply == NULL) return -1;
    int result = reply->type == REDIS_REPLY_STRING;
    if (result == 1 && !profile_decode((struct str){reply->str, reply->len}, p)) {
        buf_printf(err, "the stored profile is damaged");
        result = -1;
    }
    if (result == 1 && !profile_whole(p)) {
        buf_printf(err, "out of memory");
        result = -1;
    }
    freeReplyObject(reply);
    return result;
}

static int find_profile(struct report *r, uint64_t id, struct profile *p, unsigned *part)
{
    struct buf err = {0};
    int found = 0;
    for (unsigned i = 0; found == 0 && i < range_parts(&r->source); i++) {
        *part = range_part(&r->source, i);
        found = read_profile(r, *part, id, p, &err);
    }
    if (found < 0)
        report_fail("%.*s", STR_ARG(buf_str(&err)));
    else if (found == 0)
        report_fail("site '%s' has no profile of '%s'; sentier customers lists who has one",
                    r->args.site, r->args.subject);
    buf_fini(&err);
    return found > 0 ? REPORT_OK : REPORT_FAILED;
}

/* The names of a profile's pages, in their order; NULL after saying why. */
static redisReply *page_names(struct report *r, unsigned part, const struct profile *p)
{
    struct str argv[2 + PROFILE_PAGES_MAX + 1];
    char ids[PROFILE_PAGES_MAX + 1][8];
    struct key key = key_pages(part, r->source.site);
    uint32_t n = p->pages_n < PROFILE_PAGES_MAX ? p->pages_n : PROFILE_PAGES_MAX;
    struct buf err = {0};
    argv[0] = STR("HMGET");
    argv[1] = key_str(&key);
    argv[2] = STR(""); /* asked for when there are no pages */
    for (uint32_t i = 0; i < n; i++) {
        store_le64(ids[i], p->pages[i].page);
        argv[2 + i] = (struct str){ids[i], sizeof ids[i]};
    }
    redisReply *reply = ask(r->redis, &err, 2 + (int)(n == 0 ? 1 : n), argv);
    if (reply == NULL) report_fail("%.*s", STR_ARG(buf_str(&err)));
    buf_fini(&err);
    return reply;
}

/* A page's name, or its id where Redis has no name for it. */
static struct str page_label(const redisReply *names, uint32_t i, uint64_t id, char room[32])
{
    struct str name = ask_text(names, i);
    char text[ID_TEXT_BYTES];
    if (name.n > 0) return name;
    id_format(id, text);
    snprintf(room, 32, "(page %s)", text);
    return str_of(room);
}

static bool approximate(const struct profile *p)
{
    return p->approximate || p->recent.approximate;
}

static uint64_t sessions_of_last(const struct told *t, uint32_t days)
{
    return profile_sessions_since(&t->profile, t->newest.day < days ? 0 : t->newest.day - days + 1);
}

/* A moment that no visit of the person is after: the newest hit of the site. */
static int64_t now_of(const struct told *t)
{
    int64_t own_ms = t->profile.recent.newest_ms;
    return t->newest.at_ms > own_ms ? t->newest.at_ms : own_ms;
}

static int64_t interest_of(const struct told *t, const struct profile_page *page)
{
    return profile_interest(&t->profile, page, now_of(t));
}

static int64_t interest_of_all(const struct told *t)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < t->profile.pages_n; i++)
        sum += interest_of(t, &t->profile.pages[i]);
    return sum;
}

static int by_interest(const void *a, const void *b, void *arg)
{
    const struct profile_page *x = a, *y = b;
    int64_t of_x = interest_of(arg, x), of_y = interest_of(arg, y);
    if (of_x != of_y) return of_x > of_y ? -1 : 1;
    if (x->used != y->used) return x->used > y->used ? -1 : 1;
    if (x->engaged_ms != y->engaged_ms) return x->engaged_ms > y->engaged_ms ? -1 : 1;
    if (x->views != y->views) return x->views > y->views ? -1 : 1;
    return (x->page > y->page) - (x->page < y->page);
}

/* ---- marks: devices, channels, countries ---- */

static const char *const mark_names[MARK_KINDS][2] = {
    [MARK_DEVICE] = {"devices", "device"},
    [MARK_CHANNEL] = {"channels", "channel"},
    [MARK_COUNTRY] = {"countries", "country"},
};

static const char *mark_text(const struct profile_mark *m, char room[3])
{
    uint32_t value = m->key & 0xffff;
    const char *name = "??";
    switch ((enum mark_kind)(m->key >> 16)) {
    case MARK_DEVICE: name = device_name((enum device)value); break;
    case MARK_CHANNEL: name = channel_name((enum channel)value); break;
    default:
        if (value == 0) break;
        room[0] = (char)(value >> 8);
        room[1] = (char)value;
        room[2] = '\0';
        name = room;
    }
    return name == NULL ? "unknown" : name;
}

static int by_sessions(const void *a, const void *b)
{
    const struct profile_mark *x = a, *y = b;
    if (x->key >> 16 != y->key >> 16) return x->key >> 16 < y->key >> 16 ? -1 : 1;
    if (x->sessions != y->sessions) return x->sessions > y->sessions ? -1 : 1;
    return (x->key > y->key) - (x->key < y->key);
}

/* ---- JSON ---- */

static json_t *marks_json(const struct profile *p, enum mark_kind kind)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < p->marks_n; i++) {
        char room[3];
        if (p->marks[i].key >> 16 != kind) continue;
        json_array_append_new(list, json_pack("{s:s, s:i}", mark_names[kind][1],
                                              mark_text(&p->marks[i], room), "sessions",
                                              (int)p->marks[i].sessions));
    }
    return list;
}

static json_t *weeks_json(const struct profile *p, const struct profile_page *page)
{
    json_t *list = json_array();
    uint32_t newest = week_of(p->newest_day);
    for (uint32_t age = 0; age < PROFILE_WEEKS && age < newest; age++) {
        const struct profile_week *w = &page->weeks[(newest - age) % PROFILE_WEEKS];
        char monday[DATE_TEXT_BYTES];
        if (w->seen == 0 && w->opened == 0) continue;
        date_format(week_monday(newest - age), monday);
        json_array_append_new(list,
                              json_pack("{s:s, s:I, s:I, s:I, s:I}", "from", monday, "seen",
                                        (json_int_t)w->seen, "tried", (json_int_t)w->tried, "used",
                                        (json_int_t)w->used, "opened", (json_int_t)w->opened));
    }
    return list;
}

/* Thousandths, as a number that prints the same everywhere: 1.234 */
static json_t *score_json(int64_t score)
{
    return json_real((double)score / INTEREST_SCORE_ONE);
}

/* A date of a page; null: there is none. */
static json_t *day_json(uint32_t day)
{
    char date[DATE_TEXT_BYTES];
    if (day == 0) return json_null();
    date_format(day, date);
    return json_string(date);
}

static const char *why_ignored(const struct profile_page *page)
{
    static const char *const names[] = {
        [NOT_IGNORED] = "", [IGNORED_PASSED_BY] = "passed by", [IGNORED_LEFT] = "left"};
    return names[profile_ignores(page)];
}

static json_t *page_json(const struct told *t, uint32_t i, int64_t all)
{
    const struct profile_page *page = &t->profile.pages[i];
    char room[32], id[ID_TEXT_BYTES];
    struct buf clean = {0};
    id_format(page->page, id);
    text_add_utf8(&clean, page_label(t->names, i, page->page, room));
    json_t *document =
        json_pack("{s:s%, s:s, s:s, s:b, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "page", clean.p,
                  clean.n, "id", id, "rung", rung_name(profile_rung(page)), "ignored",
                  profile_ignores(page) != NOT_IGNORED, "ignored_why", why_ignored(page), "seen",
                  (json_int_t)page->seen, "passed", (json_int_t)page->passed, "passed_days",
                  (json_int_t)page->passed_days, "tried", (json_int_t)page->tried, "used",
                  (json_int_t)page->used, "views", (json_int_t)page->views, "engaged_ms",
                  (json_int_t)page->engaged_ms);
    json_object_set_new(document, "first_day", day_json(page->first_day));
    json_object_set_new(document, "last_day", day_json(page->last_day));
    json_object_set_new(document, "last_seen_day", day_json(page->last_seen_day));
    json_object_set_new(document, "weeks", weeks_json(&t->profile, page));
    buf_fini(&clean);
    int64_t interest = interest_of(t, page);
    json_object_set_new(document, "interest", score_json(interest));
    json_object_set_new(document, "interest_share",
                        json_real(all == 0 ? 0 : (double)(interest * 10000 / all) / 10000));
    return document;
}

static int print_json(struct report *r, const struct told *t)
{
    const struct profile *p = &t->profile;
    char id[ID_TEXT_BYTES], today[DATE_TEXT_BYTES];
    id_format(t->id, id);
    date_format(t->newest.day, today);
    json_t *document = json_pack(
        "{s:i, s:s, s:s, s:s, s:s, s:b, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "version", 1,
        "site", r->args.site, "time_zone", r->time_zone, "id", id, "as_of", today, "approximate",
        approximate(p), "class", class_name(profile_class(p, t->newest.day)), "first_seen_ms",
        (json_int_t)p->first_ms, "last_seen_ms", (json_int_t)p->recent.newest_ms, "sessions",
        (json_int_t)p->sessions, "sessions_28d", (json_int_t)sessions_of_last(t, 28),
        "sessions_56d", (json_int_t)sessions_of_last(t, 56), "days", (json_int_t)p->days, "views",
        (json_int_t)p->views, "engaged_ms", (json_int_t)p->engaged_ms);
    for (enum mark_kind kind = 0; kind < MARK_KINDS; kind++)
        json_object_set_new(document, mark_names[kind][0], marks_json(p, kind));
    int64_t all = interest_of_all(t);
    json_t *pages = json_array();
    for (uint32_t i = 0; i < p->pages_n; i++)
        json_array_append_new(pages, page_json(t, i, all));
    json_object_set_new(document, "as_of_ms", json_integer(now_of(t)));
    json_object_set_new(document, "half_life_days", json_integer(INTEREST_HALF_LIFE_DAYS));
    json_object_set_new(document, "interest", score_json(all));
    json_object_set_new(document, "pages", pages);
    return report_print_json(r, document);
}

/* ---- tables ---- */

static const struct table_column columns[] = {
    {"Page", "page", CELL_TEXT, 0},
    {"Interest", "interest", CELL_SCORE, 0},
    {"Share", "interest_share", CELL_SHARE, 3},
    {"Rung", "rung", CELL_TEXT, 0},
    {"Used", "used", CELL_COUNT, 0}, /* sessions */
    {"Tried", "tried", CELL_COUNT, 0},
    {"Views", "views", CELL_COUNT, 2},
    {"Engaged", "engaged_ms", CELL_DURATION, 0},
    {"Last day", "last_day", CELL_TEXT, 1},
    {0},
};

static struct table *pages_table(const struct told *t)
{
    const struct profile *p = &t->profile;
    struct table *table = table_new(columns);
    int64_t all = interest_of_all(t);
    bool ok = table != NULL;
    for (uint32_t i = 0; ok && i < p->pages_n; i++) {
        const struct profile_page *page = &p->pages[i];
        char room[32], day[DATE_TEXT_BYTES] = "";
        int64_t interest = interest_of(t, page);
        if (page->last_day > 0) date_format(page->last_day, day);
        ok = table_add(table, (struct cell[]){{.text = page_label(t->names, i, page->page, room)},
                                              {.number = interest},
                                              {.number = interest, .whole = all},
                                              {.text = str_of(rung_name(profile_rung(page)))},
                                              {.number = page->used},
                                              {.number = page->tried},
                                              {.number = page->views},
                                              {.number = (int64_t)page->engaged_ms},
                                              {.text = str_of(day)}});
    }
    if (ok) return table;
    table_free(table);
    return NULL;
}

static void print_class(struct report *r, const struct told *t)
{
    unsigned long long month = sessions_of_last(t, 28), two_months = sessions_of_last(t, 56);
    char today[DATE_TEXT_BYTES];
    date_format(t->newest.day, today);
    buf_printf(&r->out, "Class       %s on %s: %llu session%s in 28 days, %llu in 56\n",
               class_name(profile_class(&t->profile, t->newest.day)), today, month,
               month == 1 ? "" : "s", two_months);
}

static void print_marks(struct report *r, const struct profile *p, enum mark_kind kind)
{
    static const char *const titles[MARK_KINDS] = {"Devices ", "Channels", "Countries"};
    const char *before = "";
    buf_printf(&r->out, "%-12s", titles[kind]);
    for (uint32_t i = 0; i < p->marks_n; i++) {
        char room[3];
        if (p->marks[i].key >> 16 != kind) continue;
        buf_printf(&r->out, "%s%s ", before, mark_text(&p->marks[i], room));
        text_add_count(&r->out, p->marks[i].sessions);
        before = ", ";
    }
    buf_add_char(&r->out, '\n');
}

static void print_who(struct report *r, const struct told *t)
{
    const struct profile *p = &t->profile;
    char id[ID_TEXT_BYTES], first[REPORT_MOMENT_BYTES], last[REPORT_MOMENT_BYTES];
    id_format(t->id, id);
    report_moment(r, p->first_ms, first);
    report_moment(r, p->recent.newest_ms, last);
    buf_printf(&r->out, "visitor %s of %s (%s)\n\n", id, r->args.site, r->time_zone);
    print_class(r, t);
    buf_printf(&r->out, "First seen  %s\nLast seen   %s\nSessions    ", first, last);
    text_add_count(&r->out, (int64_t)p->sessions);
    buf_printf(&r->out, " on %llu day%s: ", (unsigned long long)p->days, p->days == 1 ? "" : "s");
    text_add_count(&r->out, (int64_t)p->views);
    buf_add(&r->out, STR(" views, "));
    text_add_duration(&r->out, (int64_t)p->engaged_ms);
    buf_add(&r->out, STR(" engaged\n"));
    for (enum mark_kind kind = 0; kind < MARK_KINDS; kind++)
        print_marks(r, p, kind);
    buf_add_char(&r->out, '\n');
}

static void print_ignored(struct report *r, const struct told *t)
{
    bool any = false;
    for (uint32_t i = 0; i < t->profile.pages_n; i++) {
        const struct profile_page *page = &t->profile.pages[i];
        char room[32], day[DATE_TEXT_BYTES];
        enum ignored_why why = profile_ignores(page);
        if (why == NOT_IGNORED) continue;
        if (!any) buf_add(&r->out, STR("\nIgnored: never used, with enough evidence\n"));
        any = true;
        date_format(why == IGNORED_LEFT ? page->last_day : page->last_seen_day, day);
        buf_add(&r->out, STR("  "));
        text_add_short(&r->out, page_label(t->names, i, page->page, room), r->width - 4);
        if (why == IGNORED_LEFT)
            buf_printf(&r->out,
                       "\n    left in %u sessions, each visit under 10 s and without an "
                       "interaction; last on %s\n",
                       page->tried, day);
        else
            buf_printf(&r->out,
                       "\n    in view in %u sessions on %u days and not opened since; last on %s\n",
                       page->passed, page->passed_days, day);
    }
}

static int print_profile(struct report *r, const struct told *t)
{
    if (r->args.format == FORMAT_JSON) return print_json(r, t);
    struct table *table = pages_table(t);
    bool ok = table != NULL;
    if (ok && r->args.format == FORMAT_CSV) {
        ok = table_print_csv(table, &r->out);
    } else if (ok) {
        size_t rows = r->args.limit < 0 ? REPORT_TABLE_ROWS : (size_t)r->args.limit;
        print_who(r, t);
        ok = table_print(table, r->width, rows, &r->out);
        buf_printf(&r->out, "Used, tried: sessions. Interest halves every %d days.\n",
                   INTEREST_HALF_LIFE_DAYS);
        print_ignored(r, t);
        if (approximate(&t->profile))
            buf_printf(&r->out,
                       "\nA limit was reached: pages are missing or figures approximate.\n");
    }
    table_free(table);
    return ok ? REPORT_OK : report_fail("out of memory");
}

static int tell(struct report *r, struct told *t)
{
    struct profile *p = &t->profile;
    unsigned part;
    if (find_profile(r, t->id, p, &part) != REPORT_OK) return REPORT_FAILED;
    if (report_newest(r, &t->newest) != REPORT_OK) return REPORT_FAILED;
    if (p->pages_n > 0) qsort_r(p->pages, p->pages_n, sizeof *p->pages, by_interest, t);
    if (p->marks_n > 0) qsort(p->marks, p->marks_n, sizeof *p->marks, by_sessions);
    if ((t->names = page_names(r, part, p)) == NULL) return REPORT_FAILED;
    return print_profile(r, t);
}

int report_profile(struct report *r)
{
    struct told t = {0};
    if (r->args.subject == NULL)
        return report_fail("whose profile? sentier profile --site NAME ID");
    if (!id_parse(str_of(r->args.subject), &t.id))
        return report_fail("'%s' is no visitor id: up to 13 of 0-9 a-z", r->args.subject);
    if (report_open(r) != 0) return REPORT_FAILED;
    int result = tell(r, &t);
    if (t.names != NULL) freeReplyObject(t.names);
    profile_fini(&t.profile);
    return result;
}
