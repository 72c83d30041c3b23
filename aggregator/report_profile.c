/*
 * sentier profile: one person, page by page, with the evidence behind each word, for people who
 * know neither the program nor statistics: every section says what it shows, every claim what it
 * stands on. The same figures, unrounded, are in the document. What a person is, is said for the
 * day of the site's newest hit, so that the same data always print the same profile; nothing here
 * asks what time it is.
 */
#include "report.h"

#include <math.h>

#include "clock.h"
#include "interest.h"
#include "profile_document.h"
#include "text.h"

enum {
    INDENT = 2,
    ROWS_TOPICS = 10, /* of the sections that are no table of pages, without --limit */
    ROWS_IGNORED = 20,
    ROWS_WISHES = 10,
    TOPICS_BEHIND = 3, /* whose pages are named */
};

struct printer {
    struct report *r;
    struct buf *out;
    const struct portrait *p;
    struct str host; /* "shop.example" when all pages have it; then paths alone are shown */
};

static size_t most(const struct printer *w, size_t otherwise)
{
    size_t limit = report_limit(w->r, otherwise);
    return limit == 0 ? SIZE_MAX : limit;
}

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

static void print_day(struct printer *w, uint32_t day)
{
    char date[DATE_TEXT_BYTES];
    date_format(day, date);
    buf_add(w->out, str_of(date));
}

/* ---- names ---- */

static void find_host(struct printer *w)
{
    const struct site_pages *site = w->p->site;
    for (size_t i = 0; i < site->n; i++) {
        struct str host = str_upto(site->all[i].name, str_find(site->all[i].name, '/'));
        if (i > 0 && !str_eq(host, w->host)) {
            w->host = STR("");
            return;
        }
        w->host = host;
    }
}

static struct str short_name(const struct printer *w, struct str name)
{
    return w->host.n > 0 && str_starts(name, w->host) && name.n > w->host.n
               ? str_from(name, w->host.n)
               : name;
}

static struct str own_name(const struct printer *w, const struct portrait_page *page,
                           char room[TEXT_PAGE_BYTES])
{
    return short_name(w, portrait_name(page, room));
}

/* The page, and its title where it has told one, on a line of their own. */
static void print_page_line(struct printer *w, struct str name, const struct site_page *page)
{
    struct str title = page == NULL ? STR("") : site_page_title(page);
    unsigned room = w->r->width - INDENT;
    buf_printf(w->out, "%*s", INDENT, "");
    size_t before = w->out->n;
    text_add_short(w->out, name, room);
    unsigned used = text_columns(str_from(buf_str(w->out), before));
    if (title.n > 0 && used + 12 < room) {
        buf_add(w->out, STR("  \xc2\xb7 "));
        text_add_short(w->out, title, room - used - 4);
    }
    buf_add_char(w->out, '\n');
}

/* ---- lines of text that fit the terminal ---- */

/* Words of text, indented; long lines are broken at blanks. */
static void print_wrapped(struct printer *w, unsigned indent, struct str text)
{
    unsigned column = 0;
    while (text.n > 0) {
        struct str word = str_upto(text, str_find(text, ' '));
        unsigned columns = text_columns(word);
        if (column > 0 && column + 1 + columns > w->r->width) {
            buf_add_char(w->out, '\n');
            column = 0;
        }
        if (column == 0) buf_printf(w->out, "%*s", (int)indent, "");
        if (column > 0) buf_add_char(w->out, ' ');
        column = column == 0 ? indent + columns : column + 1 + columns;
        buf_add(w->out, word);
        text = str_from(text, word.n + 1);
    }
    buf_add_char(w->out, '\n');
}

static void print_evidence(struct printer *w, struct buf *sentence)
{
    print_wrapped(w, 2 * INDENT, buf_str(sentence));
    buf_fini(sentence);
}

static void print_heading(struct printer *w, const char *heading, const char *means)
{
    buf_printf(w->out, w->r->colour ? "\n\033[1m%s\033[0m\n" : "\n%s\n", heading);
    print_wrapped(w, 0, str_of(means));
    buf_add_char(w->out, '\n');
}

/* ---- who ---- */

static void print_marks(struct printer *w, enum mark_kind kind, const char *title)
{
    const struct profile *own = &w->p->profile;
    const char *before = "";
    buf_printf(w->out, "%-12s", title);
    for (uint32_t i = 0; i < own->marks_n; i++) {
        char room[3];
        if (own->marks[i].key >> 16 != kind) continue;
        const char *name = portrait_mark(&own->marks[i], room);
        buf_printf(w->out, "%s%s ", before, strcmp(name, "??") == 0 ? "unknown" : name);
        text_add_count(w->out, own->marks[i].sessions);
        before = ", ";
    }
    buf_add_char(w->out, '\n');
}

static void print_who(struct printer *w)
{
    const struct profile *own = &w->p->profile;
    char first[REPORT_MOMENT_BYTES], last[REPORT_MOMENT_BYTES];
    uint64_t month = portrait_sessions(w->p, 28), two = portrait_sessions(w->p, 56);
    report_moment(w->r, own->first_ms, first);
    report_moment(w->r, own->recent.newest_ms, last);
    buf_add(w->out, w->p->customer ? STR("customer ") : STR("visitor "));
    text_add_short(w->out, str_of(w->p->id), w->r->width / 2);
    buf_printf(w->out, " of %s", w->r->args.site);
    if (w->host.n > 0) buf_printf(w->out, " (%.*s)", STR_ARG(w->host));
    buf_printf(w->out, "\n\n%-12s%s on ", "Class",
               class_name(profile_class(own, w->p->site->today)));
    print_day(w, w->p->site->today);
    buf_printf(w->out, ": %llu session%s in 28 days, %llu in 56\n", (unsigned long long)month,
               plural(month), (unsigned long long)two);
    buf_printf(w->out, "%-12s%s\n%-12s%s (%s)\n%-12s", "First seen", first, "Last seen", last,
               w->r->time_zone, "Sessions");
    text_add_count(w->out, (int64_t)own->sessions);
    buf_printf(w->out, " on %llu day%s: ", (unsigned long long)own->days, plural(own->days));
    text_add_count(w->out, (int64_t)own->views);
    buf_printf(w->out, " view%s, ", plural(own->views));
    text_add_duration(w->out, (int64_t)own->engaged_ms);
    buf_add(w->out, STR(" engaged\n"));
    print_marks(w, MARK_DEVICE, "Devices");
    print_marks(w, MARK_CHANNEL, "Channels");
    print_marks(w, MARK_COUNTRY, "Countries");
}

/* ---- interests ---- */

static const struct table_column interest_columns[] = {
    {"Topic", "topic", CELL_TEXT, 0},
    {"Interest", "interest", CELL_SCORE, 0},
    {"Share", "share", CELL_SHARE, 0},
    {"Site", "site_share", CELL_SHARE, 0},
    {"Lift", "lift", CELL_TEXT, 0},
    {"Visits", "visits", CELL_COUNT, 0},
    {"Pages", "pages", CELL_COUNT, 1},
    {"Confidence", "confidence", CELL_TEXT, 2},
    {0},
};

static bool add_interest(struct table *t, const struct portrait_interest *i)
{
    char lift[24] = "-";
    if (i->lift > 0) snprintf(lift, sizeof lift, "%.1f\xc3\x97", i->lift);
    return table_add(
        t, (struct cell[]){{.text = i->topic},
                           {.number = i->own.score},
                           {.number = i->own.score, .whole = i->own.all},
                           {.number = i->site.score, .whole = i->site.all},
                           {.text = str_of(lift)},
                           {.number = (int64_t)i->visits},
                           {.number = i->pages},
                           {.text = str_of(lift_confidence_name(lift_confidence(i->visits)))}});
}

/* The pages behind the greatest interests, a line each. */
static void print_behind(struct printer *w)
{
    for (uint32_t i = 0; i < w->p->interests_n && i < TOPICS_BEHIND; i++) {
        const struct portrait_interest *interest = &w->p->interests[i];
        struct buf text = {0};
        char room[TEXT_PAGE_BYTES];
        text_add_clean(&text, interest->topic);
        for (unsigned k = 0; k < PORTRAIT_TOP && interest->top[k] != NULL; k++) {
            buf_add(&text, k == 0 ? STR(": ") : STR(", "));
            text_add_short(&text, own_name(w, interest->top[k], room), 40);
        }
        if (interest->pages > PORTRAIT_TOP)
            buf_printf(&text, " and %u more", interest->pages - PORTRAIT_TOP);
        print_wrapped(w, 0, buf_str(&text));
        buf_fini(&text);
    }
}

static bool print_interests(struct printer *w)
{
    const struct portrait *p = w->p;
    if (p->interests_n == 0) {
        print_heading(w, "INTERESTS",
                      topics_count(p->site->topics) > 0
                          ? "None of the pages that were opened has a topic."
                          : "No page has a topic yet: rules `topics =` in the site's section of "
                            "the configuration say what pages are about, and so may the pages "
                            "themselves.");
        return true;
    }
    print_heading(w, "INTERESTS",
                  "Share: of this visitor's interest; Site: of everybody's. Lift compares the two: "
                  "1.0\xc3\x97 is like everybody, 3.0\xc3\x97 three times as much. A few visits "
                  "move it little.");
    struct table *t = table_new(interest_columns);
    bool ok = t != NULL;
    for (uint32_t i = 0; ok && i < p->interests_n; i++)
        ok = add_interest(t, &p->interests[i]);
    ok = ok && table_print(t, w->r->width, most(w, ROWS_TOPICS), w->out);
    table_free(t);
    buf_add_char(w->out, '\n');
    print_behind(w);
    return ok;
}

/* ---- pages ---- */

static const struct table_column used_columns[] = {
    {"Page", "page", CELL_TEXT, 0},           {"Interest", "interest", CELL_SCORE, 0},
    {"Rung", "rung", CELL_TEXT, 2},           {"Visits", "visits", CELL_COUNT, 0},
    {"Used", "used", CELL_COUNT, 1},          {"Engaged", "engaged_ms", CELL_DURATION, 0},
    {"Last visit", "last_day", CELL_TEXT, 0}, {0},
};

static bool add_used(struct printer *w, struct table *t, const struct portrait_page *page)
{
    const struct profile_page *own = page->own;
    char room[TEXT_PAGE_BYTES], day[DATE_TEXT_BYTES];
    date_format(own->last_day, day);
    return table_add(t, (struct cell[]){{.text = own_name(w, page, room)},
                                        {.number = page->interest},
                                        {.text = str_of(rung_name(page->rung))},
                                        {.number = own->tried + own->used},
                                        {.number = own->used},
                                        {.number = (int64_t)own->engaged_ms},
                                        {.text = str_of(day)}});
}

static bool print_used(struct printer *w)
{
    struct table *t = table_new(used_columns);
    bool ok = t != NULL;
    print_heading(
        w, "USED PAGES",
        "Read for 10 seconds or longer, or clicked on; returned: in two visits or more. "
        "Interest adds up time, reading to the end, clicks and goals, and halves every 30 "
        "days.");
    for (uint32_t i = 0; ok && i < w->p->pages_n; i++) {
        if (w->p->pages[i].rung >= RUNG_USED) ok = add_used(w, t, &w->p->pages[i]);
    }
    if (ok && table_rows(t) == 0)
        print_wrapped(w, INDENT, STR("None yet."));
    else
        ok = ok && table_print(t, w->r->width, most(w, REPORT_TABLE_ROWS), w->out);
    table_free(t);
    return ok;
}

/* ---- ignored ---- */

static void add_date(struct buf *out, const char *before, uint32_t day)
{
    char date[DATE_TEXT_BYTES];
    date_format(day, date);
    buf_printf(out, "%s%s", before, date);
}

static void print_passed_by(struct printer *w, const struct portrait_page *page)
{
    const struct profile_page *own = page->own;
    struct buf text = {0};
    double rate;
    if (own->tried > 0) {
        add_date(&text, "opened without use, last on ", own->last_day);
        buf_add(&text, STR("; since then "));
    }
    buf_printf(&text, "in view in %u visits on %u days, last on ", own->passed, own->passed_days);
    add_date(&text, "", own->last_seen_day);
    buf_printf(&text, ", %s opened", own->tried > 0 ? "not" : "never");
    print_evidence(w, &text);
    if (!page->has_chance || !site_pages_rate(w->p->site, page->site->kind, &rate)) return;
    struct buf why = {0};
    buf_printf(&why,
               "chance that an average visitor would do the same: %.*f%%, (1-%.3f)^%u, as %s links "
               "that are in view are opened in %.1f%% of visits",
               page->chance < 0.1 ? 1 : 0, 100 * page->chance, rate, own->passed,
               link_kind_name(page->site->kind), 100 * rate);
    print_evidence(w, &why);
}

static void print_left(struct printer *w, const struct portrait_page *page)
{
    const struct profile_page *own = page->own;
    struct buf text = {0};
    buf_printf(&text, "opened in %u visits, each time left within 10 seconds and without a click; ",
               own->tried);
    add_date(&text, "last on ", own->last_day);
    print_evidence(w, &text);
    if (page->site == NULL || page->site->visits <= own->tried) return; /* nobody else was there */
    struct buf others = {0};
    buf_printf(&others, "all visitors together use it in %.0f%% of %llu visits",
               100 * (double)page->site->used / (double)page->site->visits,
               (unsigned long long)page->site->visits);
    print_evidence(w, &others);
}

static void print_more(struct printer *w, size_t n)
{
    if (n > 0) buf_printf(w->out, "%*s... and %zu more (--limit 0 shows all)\n", INDENT, "", n);
}

static void print_ignored(struct printer *w)
{
    const struct portrait *p = w->p;
    size_t shown = p->ignored_n < most(w, ROWS_IGNORED) ? p->ignored_n : most(w, ROWS_IGNORED);
    print_heading(
        w, "IGNORED PAGES",
        "In view in three visits or more on two days, or opened and left twice, and never "
        "used. A small chance says that it is no accident.");
    if (p->ignored_n == 0) print_wrapped(w, INDENT, STR("None: there is no such evidence."));
    for (size_t i = 0; i < shown; i++) {
        const struct portrait_page *page = p->ignored[i];
        char room[TEXT_PAGE_BYTES];
        print_page_line(w, own_name(w, page, room), page->site);
        if (page->ignored == IGNORED_PASSED_BY)
            print_passed_by(w, page);
        else
            print_left(w, page);
    }
    print_more(w, p->ignored_n - shown);
}

/* ---- would like, never saw ---- */

static void add_link(struct printer *w, struct buf *text, const struct site_page *from,
                     size_t of_all)
{
    text_add_short(text, short_name(w, from->name), 40);
    if (of_all > 1) buf_printf(text, " and %zu more", of_all - 1);
}

static void print_wish(struct printer *w, const struct portrait_wish *wish)
{
    const struct link_run *links = &wish->page->links;
    const struct site_page *from =
        links->n == 0 ? NULL : site_pages_find(w->p->site, links->edges[0].from);
    struct buf text = {0};
    print_page_line(w, short_name(w, wish->page->name), wish->page);
    text_add_clean(&text, wish->topic);
    if (wish->ways_n > 0) {
        buf_add(&text, STR("; linked from "));
        add_link(w, &text, wish->ways[0], wish->ways_n);
        buf_printf(&text, ", which was opened, but the link%s never came into view",
                   plural(wish->ways_n));
    } else if (from != NULL) {
        buf_add(&text, STR("; linked only from "));
        add_link(w, &text, from, links->n);
        buf_add(&text, STR(", never opened"));
    } else {
        buf_add(&text, STR("; no page is known to link to it"));
    }
    print_evidence(w, &text);
}

static void print_wishes(struct printer *w)
{
    const struct portrait *p = w->p;
    size_t shown = p->wishes_n < most(w, ROWS_WISHES) ? p->wishes_n : most(w, ROWS_WISHES);
    print_heading(w, "WOULD LIKE, NEVER SAW",
                  "Pages about the interests above to which no link ever came into view. The best "
                  "match first.");
    if (p->wishes_n == 0) print_wrapped(w, INDENT, STR("None is known."));
    for (size_t i = 0; i < shown; i++)
        print_wish(w, &p->wishes[i]);
    print_more(w, p->wishes_all - shown);
}

/* ---- the rest ---- */

static void print_rest(struct printer *w)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->p->pages_n; i++)
        n += w->p->pages[i].rung < RUNG_USED && w->p->pages[i].ignored == NOT_IGNORED;
    if (n > 0)
        buf_printf(w->out, "\n%u other page%s seen or tried: too little to say more of %s.\n", n,
                   n == 1 ? " was" : "s were", n == 1 ? "it" : "them");
    if (w->p->approximate)
        buf_add(w->out, STR("\nA limit was reached: pages or topics are missing, or figures are "
                            "approximate.\n"));
}

static const struct table_column csv_columns[] = {
    {"", "page", CELL_TEXT, 0},
    {"", "interest", CELL_SCORE, 0},
    {"", "interest_share", CELL_SHARE, 0},
    {"", "rung", CELL_TEXT, 0},
    {"", "used", CELL_COUNT, 0},
    {"", "tried", CELL_COUNT, 0},
    {"", "views", CELL_COUNT, 0},
    {"", "engaged_ms", CELL_DURATION, 0},
    {"", "last_day", CELL_TEXT, 0},
    {"", "seen", CELL_COUNT, 0},
    {"", "ignored", CELL_TEXT, 0},
    {0},
};

static bool print_csv(struct printer *w)
{
    struct table *t = table_new(csv_columns);
    bool ok = t != NULL;
    for (uint32_t i = 0; ok && i < w->p->pages_n; i++) {
        const struct portrait_page *page = &w->p->pages[i];
        char room[TEXT_PAGE_BYTES], day[DATE_TEXT_BYTES] = "";
        if (page->own->last_day > 0) date_format(page->own->last_day, day);
        ok = table_add(t, (struct cell[]){{.text = portrait_name(page, room)},
                                          {.number = page->interest},
                                          {.number = page->interest, .whole = w->p->interest},
                                          {.text = str_of(rung_name(page->rung))},
                                          {.number = page->own->used},
                                          {.number = page->own->tried},
                                          {.number = page->own->views},
                                          {.number = (int64_t)page->own->engaged_ms},
                                          {.text = str_of(day)},
                                          {.number = page->own->seen},
                                          {.text = str_of(ignored_why_name(page->ignored))}});
    }
    ok = ok && table_print_csv(t, w->out);
    table_free(t);
    return ok;
}

static bool print_all(struct printer *w)
{
    find_host(w);
    print_who(w);
    if (!print_interests(w) || !print_used(w)) return false;
    print_ignored(w);
    print_wishes(w);
    print_rest(w);
    return !w->out->failed;
}

static int print_portrait(struct report *r, const struct portrait *p)
{
    struct printer w = {.r = r, .out = &r->out, .p = p};
    if (r->args.format == FORMAT_JSON) return report_print_json(r, profile_document(p));
    bool ok = r->args.format == FORMAT_CSV ? print_csv(&w) : print_all(&w);
    return ok ? REPORT_OK : report_fail("out of memory");
}

int report_profile(struct report *r)
{
    struct portrait portrait = {.pages_n = 0};
    struct site_pages site = {.n = 0};
    struct buf err = {0};
    int result = REPORT_FAILED;
    if (r->args.subject == NULL)
        return report_fail("whose profile? sentier profile --site NAME ID");
    if (report_open(r) != 0) return REPORT_FAILED;
    struct site_view view = report_view(r);
    int found = site_pages_read(&view, &site, &err);
    if (found == 0) found = portrait_read(&view, &site, str_of(r->args.subject), &portrait, &err);
    if (found > 0)
        result = print_portrait(r, &portrait);
    else if (found < 0)
        report_fail("%.*s", STR_ARG(buf_str(&err)));
    else
        report_fail("site '%s' has no profile of '%s'; sentier customers lists who has one",
                    r->args.site, r->args.subject);
    portrait_fini(&portrait);
    site_pages_fini(&site);
    buf_fini(&err);
    return result;
}
