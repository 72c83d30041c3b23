/*
 * sentier report topics: what a site's visitors are interested in, and on how many pages they can
 * find it. Interest is that of all persons, as it is worth at the site's newest hit.
 */
#include "clock.h"
#include "report.h"
#include "text.h"
#include "topic_document.h"

static const struct table_column columns[] = {
    {"Topic", "topic", CELL_TEXT, 0},
    {"Interest", "interest", CELL_SCORE, 0},
    {"Share", "share", CELL_SHARE, 0},
    {"Pages", "pages", CELL_COUNT, 0},
    {"Views", "views", CELL_COUNT, 2},
    {"Visits", "visits", CELL_COUNT, 0},
    {"Used", "used", CELL_COUNT, 0},
    {"of visits", "used_share", CELL_SHARE, 1},
    {0},
};

static struct table *topics_table(const struct topic_list *l)
{
    struct table *t = table_new(columns);
    bool ok = t != NULL;
    for (uint32_t i = 0; ok && i < l->n; i++) {
        const struct topic_line *line = &l->lines[i];
        ok = table_add(
            t, (struct cell[]){{.text = line->name},
                               {.number = line->mix.score},
                               {.number = line->mix.score, .whole = line->mix.all},
                               {.number = (int64_t)line->pages},
                               {.number = (int64_t)line->views},
                               {.number = (int64_t)line->visits},
                               {.number = (int64_t)line->used},
                               {.number = (int64_t)line->used, .whole = (int64_t)line->visits}});
    }
    if (ok) return t;
    table_free(t);
    return NULL;
}

static bool print_table(struct report *r, const struct site_pages *p, const struct topic_list *l,
                        const struct table *t)
{
    char today[DATE_TEXT_BYTES];
    date_format(p->today, today);
    buf_printf(&r->out, "topics of %s on %s (%s)\n\n", r->args.site, today, r->time_zone);
    if (l->n == 0)
        return buf_add(
            &r->out, STR("No page has a topic yet: rules `topics =` in the site's section of the\n"
                         "configuration say what pages are about, and so may the pages "
                         "themselves.\n"));
    return table_print(t, r->width, report_limit(r, REPORT_TABLE_ROWS), &r->out) &&
           buf_printf(&r->out,
                      "\nInterest: of all consented visitors, halves every 30 days. Views, visits "
                      "and\nuse: the last %d days; a page with several topics counts in each. %zu "
                      "of %zu pages\nhave no topic.\n",
                      SITE_PAGES_DAYS, l->without, l->pages);
}

static int print(struct report *r, const struct site_view *v, const struct site_pages *p,
                 const struct topic_list *l)
{
    if (r->args.format == FORMAT_JSON)
        return report_print_json(r, topic_document(v, p, l, report_limit(r, 0)));
    struct table *t = topics_table(l);
    bool ok = t != NULL && (r->args.format == FORMAT_CSV ? table_print_csv(t, &r->out)
                                                         : print_table(r, p, l, t));
    table_free(t);
    return ok ? REPORT_OK : report_fail("out of memory");
}

int report_topics(struct report *r)
{
    struct site_pages pages = {.n = 0};
    struct topic_list list = {.n = 0};
    struct buf err = {0};
    int result;
    if (r->args.last != NULL || r->args.from != NULL || r->args.to != NULL)
        return report_fail("topics are those of today: --last, --from and --to say nothing here");
    if (report_open(r) != 0) return REPORT_FAILED;
    struct site_view view = report_view(r);
    if (site_pages_read(&view, &pages, &err) < 0)
        result = report_fail("%.*s", STR_ARG(buf_str(&err)));
    else if (!topic_list_make(&pages, &list))
        result = report_fail("out of memory");
    else
        result = print(r, &view, &pages, &list);
    topic_list_fini(&list);
    site_pages_fini(&pages);
    buf_fini(&err);
    return result;
}
