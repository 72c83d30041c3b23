/*
 * The document says what the verdicts rest on: figures, interval and chance of each page, and what
 * is known of the catalogue. Pages stand in the order of the list, so a limit cuts the least
 * urgent ones; what is published holds some of each verdict.
 */
#include "verdict_document.h"

#include "binomial.h"
#include "bytes.h"
#include "clock.h"
#include "keys.h"
#include "text.h"

static void date_of(const struct verdict_view *v, int64_t ms, char out[DATE_TEXT_BYTES])
{
    out[0] = '\0';
    if (ms > 0) date_format(zone_day(v->zone, ms), out);
}

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *listing_json(const struct verdict_view *v, const struct page_line *line)
{
    char date[DATE_TEXT_BYTES];
    const struct catalogue_page *p = &line->listing;
    if (p->last_ms == 0) return json_null();
    json_t *o = json_object();
    json_object_set_new(o, "listed", json_boolean(line->evidence.listed));
    date_of(v, p->first_ms, date);
    json_object_set_new(o, "first", json_string(date));
    date_of(v, p->last_ms, date);
    json_object_set_new(o, "last", json_string(date));
    if (p->modified > 0) {
        date_format(p->modified, date);
        json_object_set_new(o, "modified", json_string(date));
    }
    if (p->title.n > 0) json_object_set_new(o, "title", json_stringn(p->title.p, p->title.n));
    return o;
}

static void add_interval(json_t *o, const char *low, const char *high, uint64_t k, uint64_t n)
{
    struct share_interval share = binomial_wilson(k, n);
    json_object_set_new(o, low, json_real(share.low));
    json_object_set_new(o, high, json_real(share.high));
}

static json_t *line_json(const struct verdict_view *v, const struct page_line *line)
{
    static const struct {
        const char *name;
        uint32_t column;
    } figures[] = {
        {"views", COL_VIEWS},
        {"visits", COL_VISITS},
        {"used", COL_USED},
        {"visitors", COL_GAP_NONE},
        {"engaged_ms", COL_ENGAGED_MS},
        {"daily_visitors", COL_DAILY_VISITORS},
        {"not_found", COL_NOT_FOUND},
        {"bot_views", COL_BOT_VIEWS},
    };
    const struct page_evidence *e = &line->evidence;
    const char *kind = page_line_kind(line);
    char id[ID_TEXT_BYTES], room[TEXT_PAGE_BYTES];
    struct str page =
        line->page == NULL ? text_unnamed_page(load_le64(line->id), room) : str_of(line->page);
    id_format(load_le64(line->id), id);
    json_t *o = json_object();
    json_object_set_new(o, "page", json_stringn(page.p, page.n));
    json_object_set_new(o, "id", json_string(id));
    json_object_set_new(o, "verdict", json_string(page_verdict_name(line->verdict)));
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        json_object_set_new(o, figures[i].name,
                            json_integer(row_get(line->row, figures[i].column)));
    add_interval(o, "used_low", "used_high", e->used, e->visits);
    json_object_set_new(o, "visits_before", number(e->visits_before));
    json_object_set_new(o, "chance", json_real(line->chance));
    json_object_set_new(o, "linked_from", number(line->linked_from));
    json_object_set_new(o, "kind", kind == NULL ? json_null() : json_string(kind));
    json_object_set_new(o, "seen", number(e->seen));
    json_object_set_new(o, "seen_opened", number(e->opened));
    add_interval(o, "opened_low", "opened_high", e->opened, e->seen);
    json_object_set_new(o, "sitemap", listing_json(v, line));
    return o;
}

static json_t *usual_json(const struct page_list *l)
{
    json_t *o = json_object();
    for (int kind = 0; kind < LINK_KINDS; kind++) {
        const struct page_usual *u = &l->usual[kind];
        json_t *rate = u->rate < 0 ? json_null() : json_real(u->rate);
        json_object_set_new(o, link_kind_name((enum link_kind)kind),
                            json_pack("{s:o, s:o}", "pages", number(u->pages), "rate", rate));
    }
    return o;
}

json_t *verdict_days(uint32_t from, uint32_t to)
{
    char first[DATE_TEXT_BYTES], last[DATE_TEXT_BYTES];
    if (to == 0) return json_null();
    date_format(from, first);
    date_format(to, last);
    return json_pack("{s:s, s:s}", "from", first, "to", last);
}

static json_t *catalogue_json(const struct verdict_view *v, const struct catalogue_head *h)
{
    char date[DATE_TEXT_BYTES];
    date_of(v, h->complete_ms, date);
    return json_pack("{s:s, s:o, s:o, s:o}", "whole", date, "named", number(h->named), "pages",
                     number(h->pages), "over_limit", number(h->over));
}

/* False: there are more. */
static bool add_pages(const struct verdict_view *v, const struct page_list *l, json_t *pages)
{
    size_t each[PAGE_VERDICTS] = {0};
    bool all = true;
    for (size_t i = 0; i < l->n; i++) {
        const struct page_line *line = &l->lines[i];
        if (line->verdict == PAGE_NONE || (v->only != PAGE_NONE && line->verdict != v->only))
            continue;
        if (v->limit > 0 && json_array_size(pages) == v->limit) return false;
        if (v->limit_each > 0 && each[line->verdict] == v->limit_each) {
            all = false;
            continue;
        }
        each[line->verdict]++;
        json_array_append_new(pages, line_json(v, line));
    }
    return all;
}

json_t *verdict_document(const struct verdict_view *v, const struct page_list *l)
{
    json_t *o = json_object(), *counts = json_object(), *pages = json_array();
    for (int i = 0; i < PAGE_VERDICTS; i++)
        json_object_set_new(counts, page_verdict_name((enum page_verdict)i),
                            number(l->verdicts[i]));
    json_object_set_new(o, "version", json_integer(VERDICT_VERSION));
    json_object_set_new(o, "site", json_stringn(v->site.p, v->site.n));
    json_object_set_new(o, "range", json_string(v->range));
    json_object_set_new(o, "window", verdict_days(v->window->from, v->window->to));
    json_object_set_new(o, "before", verdict_days(l->before_from, l->before_to));
    json_object_set_new(o, "time_zone", json_string(v->time_zone));
    json_object_set_new(o, "whole", json_boolean(l->whole));
    json_object_set_new(o, "folded_at_ms", json_integer(v->made_ms));
    json_object_set_new(o, "catalogue", catalogue_json(v, &l->head));
    json_object_set_new(o, "pages_with_links", number(l->links.pages_n));
    json_object_set_new(o, "links_approximate", json_boolean(l->links.partial || l->silent > 0));
    json_object_set_new(o, "usual", usual_json(l));
    json_object_set_new(o, "verdicts", counts);
    json_object_set_new(o, "other_views", number(l->other_views));
    if (!add_pages(v, l, pages)) json_object_set_new(o, "truncated", json_pack("[s]", "pages"));
    json_object_set_new(o, "pages", pages);
    return o;
}

json_t *verdict_document_of_site(const struct document_site *s, struct buf *err)
{
    uint32_t from = s->end < PUBLISH_DAYS ? 1 : s->end + 1 - PUBLISH_DAYS;
    struct page_window window = page_window_of(&s->extent, s->zone, from, s->end, s->now_ms);
    struct verdict_view view = {.site = s->source.site,
                                .range = "28d",
                                .window = &window,
                                .zone = s->zone,
                                .time_zone = s->time_zone,
                                .made_ms = s->now_ms,
                                .only = PAGE_NONE,
                                .limit_each = s->limit == 0 ? 0 : s->limit / PAGE_VERDICTS};
    struct page_list list;
    int result = page_list_read(&s->source, &window, &list, err);
    json_t *doc = result < 0 ? NULL : verdict_document(&view, &list);
    if (result == 0 && doc == NULL) buf_printf(err, "out of memory");
    page_list_fini(&list);
    return doc;
}
