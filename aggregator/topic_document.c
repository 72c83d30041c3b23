/*
 * What each topic is worth to a site: a page with several topics stands in each of them, so the
 * figures of topics do not add up to those of the site. Interest does: shares are those of all
 * topics' interest.
 */
#include "topic_document.h"

#include <stdlib.h>

#include "clock.h"
#include "interest.h"
#include "text.h"

static int by_interest(const void *a, const void *b)
{
    const struct topic_line *x = a, *y = b;
    if (x->mix.score != y->mix.score) return x->mix.score > y->mix.score ? -1 : 1;
    if (x->views != y->views) return x->views > y->views ? -1 : 1;
    return str_order(x->name, y->name);
}

bool topic_list_make(const struct site_pages *p, struct topic_list *out)
{
    *out = (struct topic_list){.n = topics_count(p->topics), .pages = p->n};
    out->lines = calloc(out->n + 1, sizeof *out->lines);
    if (out->lines == NULL) return false;
    for (uint32_t t = 0; t < out->n; t++)
        out->lines[t] = (struct topic_line){.name = topics_name(p->topics, t), .mix = p->mix[t]};
    for (size_t i = 0; i < p->n; i++) {
        const struct site_page *page = &p->all[i];
        const struct page_topic *of = site_page_topics(p, page);
        out->without += page->topics_n == 0;
        for (uint32_t k = 0; k < page->topics_n; k++) {
            struct topic_line *line = &out->lines[of[k].topic];
            line->pages++;
            line->views += page->views;
            line->visits += page->visits;
            line->used += page->used;
        }
    }
    if (out->n > 0) qsort(out->lines, out->n, sizeof *out->lines, by_interest);
    return true;
}

void topic_list_fini(struct topic_list *l)
{
    free(l->lines);
    *l = (struct topic_list){.n = 0};
}

static json_t *line_json(const struct topic_line *l)
{
    struct buf clean = {0};
    text_add_utf8(&clean, l->name);
    double share = l->mix.all == 0 ? 0 : (double)(l->mix.score * 10000 / l->mix.all) / 10000;
    json_t *json = json_pack("{s:s%, s:f, s:f, s:I, s:I, s:I, s:I}", "topic", clean.p, clean.n,
                             "interest", (double)l->mix.score / INTEREST_SCORE_ONE, "share", share,
                             "pages", (json_int_t)l->pages, "views", (json_int_t)l->views, "visits",
                             (json_int_t)l->visits, "used", (json_int_t)l->used);
    buf_fini(&clean);
    return json;
}

json_t *topic_document(const struct site_view *v, const struct site_pages *p,
                       const struct topic_list *l, size_t limit)
{
    char from[DATE_TEXT_BYTES], to[DATE_TEXT_BYTES];
    json_t *topics = json_array();
    bool cut = limit > 0 && l->n > limit;
    date_format(p->today < SITE_PAGES_DAYS ? 0 : p->today + 1 - SITE_PAGES_DAYS, from);
    date_format(p->today, to);
    for (uint32_t i = 0; i < (cut ? limit : l->n); i++)
        json_array_append_new(topics, line_json(&l->lines[i]));
    json_t *doc = json_pack(
        "{s:i, s:s%, s:s, s:s, s:I, s:i, s:{s:s, s:s}, s:b, s:I, s:I, s:o}", "version",
        TOPIC_VERSION, "site", v->source.site.p, v->source.site.n, "time_zone", v->time_zone,
        "as_of", to, "as_of_ms", (json_int_t)p->now_ms, "half_life_days", INTEREST_HALF_LIFE_DAYS,
        "window", "from", from, "to", to, "approximate", topics_cut(p->topics), "pages",
        (json_int_t)l->pages, "pages_without_topic", (json_int_t)l->without, "topics", topics);
    if (doc != NULL && cut) json_object_set_new(doc, "truncated", json_pack("[s]", "topics"));
    return doc;
}

json_t *topic_document_of_site(const struct document_site *s, struct buf *err)
{
    struct site_view view = {
        .source = s->source, .zone = s->zone, .time_zone = s->time_zone, .rules = s->topics};
    struct site_pages pages = {.n = 0};
    struct topic_list list = {.n = 0};
    json_t *doc = NULL;
    if (site_pages_read(&view, &pages, err) == 0) {
        if (topic_list_make(&pages, &list)) doc = topic_document(&view, &pages, &list, s->limit);
        if (doc == NULL) buf_printf(err, "out of memory");
    }
    topic_list_fini(&list);
    site_pages_fini(&pages);
    return doc;
}
