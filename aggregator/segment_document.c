/* What is hidden is null, whatever the reason, so that the reason tells nothing. */
#include "segment_document.h"

#include "clock.h"
#include "keys.h"
#include "segments_read.h"
#include "text.h"

static json_t *persons(uint64_t n, bool hidden)
{
    return hidden ? json_null() : json_integer((json_int_t)n);
}

static json_t *classes_json(const struct segments *s)
{
    json_t *o = json_object();
    for (int c = 0; c < CLASSES; c++) {
        bool hidden = hiding_small(s->persons[c]);
        json_object_set_new(o, class_name(c),
                            json_pack("{s:o, s:o}", "persons", persons(s->persons[c], hidden),
                                      "sessions", persons(s->sessions[c], hidden)));
    }
    return o;
}

/* The figures of a class; CLASSES: of all. */
static json_t *figures_json(const struct segment_line *line, int class)
{
    json_t *o = json_object();
    for (int f = 0; f < FIGURES; f++) {
        const uint32_t *cells = line->group->persons[f];
        bool all = class == CLASSES;
        uint64_t n = all ? segment_total(cells) : cells[class];
        bool hidden = all ? line->hiding.total[f] : line->hiding.cell[f][class];
        json_object_set_new(o, figure_name(f), persons(n, hidden));
    }
    return o;
}

static json_t *group_json(const struct segment_line *line)
{
    struct buf name = {0};
    json_t *classes = json_object();
    for (int c = 0; c < CLASSES; c++)
        json_object_set_new(classes, class_name(c), figures_json(line, c));
    text_add_utf8(&name, str_of(line->group->name));
    json_t *o = json_pack("{s:s%, s:I, s:o, s:o}", "group", name.p, name.n, "pages",
                          (json_int_t)line->group->pages, "all", figures_json(line, CLASSES),
                          "classes", classes);
    buf_fini(&name);
    return o;
}

static json_t *page_json(const struct ignored_line *line)
{
    char id[ID_TEXT_BYTES];
    struct buf name = {0};
    json_t *classes = json_object();
    for (int c = 0; c < CLASSES; c++)
        json_object_set_new(classes, class_name(c),
                            persons(line->page->ignorers[c], line->hiding.cell[c]));
    id_format(line->page->page, id);
    text_add_utf8(&name, line->page->name);
    json_t *all = persons(segment_total(line->page->ignorers), line->hiding.total);
    json_t *o = json_pack("{s:s%, s:s, s:o, s:o}", "page", name.p, name.n, "id", id, "all", all,
                          "classes", classes);
    buf_fini(&name);
    return o;
}

json_t *segment_document(const struct segment_view *v, const struct segment_list *l)
{
    const struct segments *s = l->segments;
    size_t limit = v->limit == 0 ? SIZE_MAX : v->limit;
    uint64_t all = 0, sessions = 0;
    char date[DATE_TEXT_BYTES];
    json_t *matrix = json_array(), *pages = json_array();
    for (size_t i = 0; i < l->groups_n && i < limit; i++)
        json_array_append_new(matrix, group_json(&l->groups[i]));
    for (size_t i = 0; i < l->pages_n && i < limit; i++)
        json_array_append_new(pages, page_json(&l->pages[i]));
    for (int c = 0; c < CLASSES; c++) {
        all += s->persons[c];
        sessions += s->sessions[c];
    }
    date_format(v->today, date);
    return json_pack("{s:i, s:s%, s:s, s:s, s:i, s:b, s:o, s:o, s:o, s:o, s:o}", "version",
                     SEGMENT_VERSION, "site", v->site.p, v->site.n, "time_zone", v->time_zone,
                     "as_of", date, "least", HIDING_LEAST, "approximate", s->approximate, "persons",
                     persons(all, l->all_hidden), "sessions", persons(sessions, l->all_hidden),
                     "classes", classes_json(s), "matrix", matrix, "ignored", pages);
}

json_t *segment_document_of_site(const struct document_site *site, struct buf *err)
{
    struct segments_pass pass = {
        .source = site->source, .today = site->event_day, .stopping = site->stopping};
    struct segment_view view = {.site = site->source.site,
                                .time_zone = site->time_zone,
                                .today = site->event_day,
                                .limit = site->limit};
    struct segments segments = {0};
    struct segment_list list = {0};
    int result = segments_read(&pass, &segments, err);
    *site->rested_ms += pass.rested_ms;
    if (result < 0) return NULL;
    bool ok = segment_list_make(&list, &segments);
    json_t *doc = ok ? segment_document(&view, &list) : NULL;
    if (doc == NULL) buf_printf(err, "out of memory");
    segment_list_fini(&list);
    segments_fini(&segments);
    return doc;
}
