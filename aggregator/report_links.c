/*
 * sentier report links: the link graph of a site, as its pages told it in these days, beside what
 * people did with the links.
 */
#include "report_pages.h"

#include <stdlib.h>

#include "about.h"
#include "ask.h"
#include "bytes.h"
#include "clock.h"
#include "hash.h"
#include "keys.h"
#include "links.h"

enum { PAGES_PER_QUESTION = 500, ID_FIELD_BYTES = 8 };

struct target {
    uint64_t page;
    int64_t views, exposures, clicks;
    struct link_run run;
};

struct graph {
    struct report *r;
    struct report_days days;
    struct link_graph links;
    struct target *targets;
    size_t targets_n;
    uint64_t damaged; /* of what a page says of itself */
    struct range *range;
    struct buf about; /* with --page: what it said of itself last, as stored; empty: nothing */
    char **names;     /* of what is shown */
    size_t names_n;
    struct str host; /* of all names, for people */
};

/* ---- what a page says of itself ---- */

static int read_about(struct graph *g, struct buf *err)
{
    char id[ID_FIELD_BYTES];
    store_le64(id, hash64(str_of(g->r->args.page)));
    for (unsigned i = 0; i < range_parts(&g->r->source); i++) {
        struct key key = key_about(range_part(&g->r->source, i), g->r->source.site);
        struct told_about now, best;
        redisReply *reply =
            ask(g->r->redis, err, ARGV(STR("HGET"), key_str(&key), (struct str){id, sizeof id}));
        if (reply == NULL) return -1;
        struct str value = {reply->str, reply->type == REDIS_REPLY_STRING ? reply->len : 0};
        bool first = !told_about_decode(buf_str(&g->about), &best);
        if (value.n > 0 && !told_about_decode(value, &now)) {
            g->damaged++;
        } else if (value.n > 0 && (first || told_about_later(&now, &best))) {
            buf_clear(&g->about);
            buf_add(&g->about, value);
        }
        freeReplyObject(reply);
    }
    return 0;
}

static bool about_of(const struct graph *g, struct about *out)
{
    struct told_about told;
    return told_about_decode(buf_str(&g->about), &told) && about_unpack(told.list, out);
}

/* ---- targets ---- */

static int by_use(const void *a, const void *b)
{
    const struct target *x = a, *y = b;
    if (x->exposures != y->exposures) return x->exposures > y->exposures ? -1 : 1;
    if (x->run.n != y->run.n) return x->run.n > y->run.n ? -1 : 1;
    return (x->page > y->page) - (x->page < y->page);
}

static struct target target_of(const struct graph *g, struct link_run run)
{
    char name[1 + ID_FIELD_BYTES] = {'p'};
    struct str row = {name, sizeof name};
    store_le64(name + 1, run.edges->to);
    return (struct target){.page = run.edges->to,
                           .views = range_value(g->range, row, COL_VIEWS),
                           .exposures = range_value(g->range, row, COL_EXPOSURES),
                           .clicks = range_value(g->range, row, COL_CLICKS),
                           .run = run};
}

static bool list_targets(struct graph *g)
{
    g->targets = calloc(g->links.n + 1, sizeof *g->targets);
    if (g->targets == NULL) return false;
    for (size_t i = 0; i < g->links.n;) {
        struct link_run run = link_graph_at(&g->links, i);
        g->targets[g->targets_n++] = target_of(g, run);
        i += run.n;
    }
    qsort(g->targets, g->targets_n, sizeof *g->targets, by_use);
    return true;
}

static const char *kind_of(const struct graph *g, const struct target *t)
{
    return link_kind_name(link_graph_kind(&g->links, &t->run));
}

/* ---- names ---- */

static int ask_names(struct graph *g, unsigned part, const uint64_t *pages, size_t first, size_t n,
                     struct buf *err)
{
    struct str argv[2 + PAGES_PER_QUESTION];
    char id[PAGES_PER_QUESTION][ID_FIELD_BYTES];
    struct key key = key_pages(part, g->r->source.site);
    argv[0] = STR("HMGET");
    argv[1] = key_str(&key);
    for (size_t i = 0; i < n; i++) {
        store_le64(id[i], pages[first + i]);
        argv[2 + i] = (struct str){id[i], ID_FIELD_BYTES};
    }
    redisReply *reply = ask(g->r->redis, err, (int)n + 2, argv);
    if (reply == NULL) return -1;
    for (size_t i = 0; i < n; i++) {
        struct str name = ask_text(reply, i);
        if (name.n > 0 && g->names[first + i] == NULL)
            g->names[first + i] = strndup(name.p, name.n);
    }
    freeReplyObject(reply);
    return 0;
}

/* Names of these pages, in their order; NULL: nobody knows it. */
static int read_names(struct graph *g, const uint64_t *pages, size_t n, struct buf *err)
{
    g->names = calloc(n + 1, sizeof *g->names);
    g->names_n = n;
    if (g->names == NULL) {
        buf_printf(err, "out of memory");
        return -1;
    }
    for (unsigned i = 0; i < range_parts(&g->r->source); i++) {
        unsigned part = range_part(&g->r->source, i);
        for (size_t at = 0; at < n; at += PAGES_PER_QUESTION) {
            size_t some = n - at < PAGES_PER_QUESTION ? n - at : PAGES_PER_QUESTION;
            if (ask_names(g, part, pages, at, some, err) < 0) return -1;
        }
    }
    return 0;
}

static struct str name_of(const struct graph *g, uint64_t page, size_t i,
                          char room[TEXT_PAGE_BYTES])
{
    if (g->names[i] == NULL) return text_unnamed_page(page, room);
    return str_from(str_of(g->names[i]), g->host.n);
}

static struct str shared_host(const struct graph *g)
{
    struct report_host h = {0};
    for (size_t i = 0; i < g->names_n; i++) {
        if (g->names[i] != NULL) report_host_take(&h, str_of(g->names[i]));
    }
    return report_host(&h);
}

/* ---- what is shown: pages that are linked to, or, with --page, those that link to it ---- */

static const struct table_column target_columns[] = {
    {"Page", "page", CELL_TEXT, 0},
    {"Kind", "kind", CELL_TEXT, 0},
    {"Linked from", "linked_from", CELL_COUNT, 0},
    {"Link seen", "exposures", CELL_COUNT, 0},
    {"Clicked", "clicks", CELL_COUNT, 0},
    {"Views", "views", CELL_COUNT, 1},
    {0},
};
static const struct table_column source_columns[] = {
    {"Page", "page", CELL_TEXT, 0},
    {"Link last there", "last_day", CELL_TEXT, 0},
    {0},
};

static struct table *target_table(const struct graph *g, size_t n)
{
    struct table *t = table_new(target_columns);
    bool ok = t != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        const struct target *one = &g->targets[i];
        char room[TEXT_PAGE_BYTES];
        const struct cell cells[] = {{.text = name_of(g, one->page, i, room)},
                                     {.text = str_of(kind_of(g, one))},
                                     {.number = (int64_t)one->run.n},
                                     {.number = one->exposures},
                                     {.number = one->clicks},
                                     {.number = one->views}};
        ok = table_add(t, cells);
    }
    if (ok) return t;
    table_free(t);
    return NULL;
}

static struct table *source_table(const struct graph *g, const struct target *of, size_t n)
{
    struct table *t = table_new(source_columns);
    bool ok = t != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        char day[DATE_TEXT_BYTES], room[TEXT_PAGE_BYTES];
        date_format(of->run.edges[i].day, day);
        const struct cell cells[] = {{.text = name_of(g, of->run.edges[i].from, i, room)},
                                     {.text = str_of(day)}};
        ok = table_add(t, cells);
    }
    if (ok) return t;
    table_free(t);
    return NULL;
}

static json_t *target_json(const struct graph *g, const struct target *t, struct str name)
{
    char id[ID_TEXT_BYTES];
    id_format(t->page, id);
    return json_pack("{s:s%, s:s, s:s, s:I, s:I, s:I, s:I}", "page", name.p, name.n, "id", id,
                     "kind", kind_of(g, t), "linked_from", (json_int_t)t->run.n, "exposures",
                     (json_int_t)t->exposures, "clicks", (json_int_t)t->clicks, "views",
                     (json_int_t)t->views);
}

static json_t *source_json(const struct link_edge *e, struct str name)
{
    char id[ID_TEXT_BYTES], day[DATE_TEXT_BYTES];
    id_format(e->from, id);
    date_format(e->day, day);
    return json_pack("{s:s%, s:s, s:s}", "page", name.p, name.n, "id", id, "last_day", day);
}

static json_t *about_json(const struct about *a)
{
    char published[DATE_TEXT_BYTES] = "";
    json_t *topics = json_array();
    if (a->published > 0) date_format(a->published, published);
    for (unsigned i = 0; i < a->topics_n; i++)
        json_array_append_new(topics,
                              json_pack("{s:s%, s:i}", "topic", a->topics[i].text.p,
                                        a->topics[i].text.n, "weight", (int)a->topics[i].weight));
    return json_pack("{s:s%, s:s%, s:s%, s:s%, s:s, s:o}", "title", a->title.p, a->title.n,
                     "section", a->section.p, a->section.n, "language", a->language.p,
                     a->language.n, "canonical", a->canonical.p, a->canonical.n, "published",
                     published, "topics", topics);
}

/* of: with --page; the names are those of its sources. */
static json_t *document(const struct graph *g, const struct target *of, size_t n)
{
    char from[DATE_TEXT_BYTES], to[DATE_TEXT_BYTES];
    date_format(g->days.from, from);
    date_format(g->days.to, to);
    json_t *rows = json_array();
    for (size_t i = 0; rows != NULL && i < n; i++) {
        char room[TEXT_PAGE_BYTES];
        uint64_t page = of == NULL ? g->targets[i].page : of->run.edges[i].from;
        struct str name = name_of(g, page, i, room);
        json_t *row = of == NULL ? target_json(g, &g->targets[i], name)
                                 : source_json(&of->run.edges[i], name);
        if (json_array_append_new(rows, row) == 0) continue;
        json_decref(rows);
        rows = NULL;
    }
    json_t *doc =
        json_pack("{s:i, s:s, s:s, s:s, s:I, s:b, s:o}", "version", 1, "site", g->r->args.site,
                  "from", from, "to", to, "pages_with_links", (json_int_t)g->links.pages_n,
                  "approximate", g->links.partial, of == NULL ? "links" : "linked_from", rows);
    if (doc == NULL || of == NULL) return doc;
    struct about about;
    json_object_set_new(doc, "page", target_json(g, of, str_of(g->r->args.page)));
    if (about_of(g, &about)) json_object_set_new(doc, "about", about_json(&about));
    return doc;
}

static void print_text(struct buf *out, const char *what, struct str text)
{
    if (text.n == 0) return;
    buf_printf(out, "%s: ", what);
    text_add_clean(out, text);
    buf_add_char(out, '\n');
}

static void print_about(const struct graph *g)
{
    struct about a;
    char published[DATE_TEXT_BYTES] = "";
    if (!about_of(g, &a)) return;
    if (a.published > 0) date_format(a.published, published);
    print_text(&g->r->out, "Title", a.title);
    print_text(&g->r->out, "Section", a.section);
    print_text(&g->r->out, "Language", a.language);
    print_text(&g->r->out, "Published", str_of(published));
    print_text(&g->r->out, "Canonical", a.canonical);
    for (unsigned i = 0; i < a.topics_n; i++)
        print_text(&g->r->out, "Topic", a.topics[i].text);
}

static void print_head(const struct graph *g, const struct target *of)
{
    struct buf *out = &g->r->out;
    report_head(g->r, "links", g->host, &g->days);
    buf_printf(out, "; %zu page%s told their links\n", g->links.pages_n,
               g->links.pages_n == 1 ? "" : "s");
    if (of != NULL) {
        text_add_clean(out, str_of(g->r->args.page));
        buf_printf(out, ": %s, linked from %zu pages, seen %lld times, clicked %lld times\n",
                   kind_of(g, of), of->run.n, (long long)of->exposures, (long long)of->clicks);
        print_about(g);
    }
    buf_add_char(out, '\n');
}

static void print_notes(const struct graph *g)
{
    struct buf *out = &g->r->out;
    if (g->links.partial)
        buf_printf(out, "Not all links are here: a page has more than its tracker tells at once, "
                        "or a bound was crossed.\n");
    if (g->damaged + g->links.damaged > 0)
        buf_printf(out, "%llu stored values could not be read and are left out.\n",
                   (unsigned long long)(g->damaged + g->links.damaged));
}

static int print(struct graph *g, const struct target *of, size_t n)
{
    if (g->r->args.format == FORMAT_JSON) return report_print_json(g->r, document(g, of, n));
    if (g->r->args.format == FORMAT_TABLE) g->host = shared_host(g);
    struct table *t = of == NULL ? target_table(g, n) : source_table(g, of, n);
    bool ok = t != NULL;
    if (ok && g->r->args.format == FORMAT_CSV) {
        ok = table_print_csv(t, &g->r->out);
    } else if (ok) {
        print_head(g, of);
        ok = table_print(t, g->r->width, 0, &g->r->out);
        print_notes(g);
    }
    table_free(t);
    return ok ? REPORT_OK : report_fail("out of memory");
}

static const struct target *find_target(const struct graph *g)
{
    uint64_t page = hash64(str_of(g->r->args.page));
    for (size_t i = 0; i < g->targets_n; i++) {
        if (g->targets[i].page == page) return &g->targets[i];
    }
    return NULL;
}

static int show(struct graph *g, struct buf *err)
{
    const struct target *of = g->r->args.page == NULL ? NULL : find_target(g);
    if (g->r->args.page != NULL && of == NULL)
        return report_fail("no page of the site links to %s in these days", g->r->args.page);
    size_t n = of == NULL ? g->targets_n : of->run.n;
    size_t limit = report_limit(g->r, g->r->args.format == FORMAT_TABLE ? REPORT_TABLE_ROWS : 0);
    if (limit > 0 && n > limit) n = limit;
    uint64_t *pages = calloc(n + 1, sizeof *pages);
    if (pages == NULL) return report_fail("out of memory");
    for (size_t i = 0; i < n; i++)
        pages[i] = of == NULL ? g->targets[i].page : of->run.edges[i].from;
    int result = read_names(g, pages, n, err);
    if (result == 0 && of != NULL) result = read_about(g, err);
    free(pages);
    return result < 0 ? report_fail("%.*s", STR_ARG(buf_str(err))) : print(g, of, n);
}

int report_links(struct report *r)
{
    struct graph g = {.r = r};
    struct buf err = {0};
    struct range_extent extent;
    if (report_open(r) != 0 || report_days(r, &extent, &g.days) != 0) return REPORT_FAILED;
    int result = REPORT_FAILED;
    if (link_graph_read(&r->source, g.days.from, false, &g.links, &err) < 0 ||
        range_read(&r->source, g.days.from, g.days.to, &g.range, &err) < 0) {
        report_fail("%.*s", STR_ARG(buf_str(&err)));
    } else {
        result = list_targets(&g) ? show(&g, &err) : report_fail("out of memory");
    }
    range_free(g.range);
    for (size_t i = 0; i < g.names_n && g.names != NULL; i++)
        free(g.names[i]);
    free(g.names);
    free(g.targets);
    link_graph_fini(&g.links);
    buf_fini(&g.about);
    buf_fini(&err);
    return result;
}
