/*
 * Every page that has a name in Redis is a page of the site: names are kept of what has rows, is in
 * the catalogue or stands in the link graph. All else is brought to these pages by their ids. What
 * is borrowed lies in a few large buffers.
 *
 * Topics are made out here, from rules and from what pages say of themselves now, for all of
 * history: a changed rule needs no rebuild.
 */
#include "site_pages.h"

#include <assert.h>
#include <stdlib.h>

#include "catalogue.h"
#include "links.h"
#include "mix.h"
#include "pack.h"

enum { ID_FIELD_BYTES = 8, PART_MAX_BYTES = 256 * 1024 * 1024 };

static int no_memory(struct buf *err)
{
    buf_printf(err, "out of memory");
    return -1;
}

/* ---- names ---- */

static int by_id(const void *a, const void *b)
{
    const struct site_page *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static size_t count_fields(const struct buf *rows)
{
    struct reader in = reader_of(buf_str(rows));
    struct str field, value;
    size_t n = 0;
    while (pack_next(&in, &field, &value))
        n++;
    return n;
}

static bool list_pages(struct site_pages *p)
{
    struct reader in = reader_of(buf_str(&p->names));
    struct str field, value;
    size_t kept = 0;
    p->all = calloc(count_fields(&p->names) + 1, sizeof *p->all);
    if (p->all == NULL) return false;
    while (pack_next(&in, &field, &value)) {
        if (field.n != ID_FIELD_BYTES) continue;
        p->all[p->n++] = (struct site_page){.id = load_le64(field.p), .name = value};
    }
    if (p->n > 0) qsort(p->all, p->n, sizeof *p->all, by_id);
    for (size_t i = 0; i < p->n; i++) {
        if (kept == 0 || p->all[kept - 1].id != p->all[i].id) p->all[kept++] = p->all[i];
    }
    p->n = kept;
    return true;
}

static int read_names(const struct range_source *s, struct site_pages *p, struct buf *err)
{
    buf_init(&p->names, PART_MAX_BYTES);
    for (unsigned i = 0; i < range_parts(s); i++) {
        struct key key = key_pages(range_part(s, i), s->site);
        if (range_read_hash(s, &key, &p->names, err) < 0) return -1;
    }
    return list_pages(p) ? 0 : no_memory(err);
}

struct site_page *site_pages_find(const struct site_pages *p, uint64_t id)
{
    struct site_page key = {.id = id};
    return p->n == 0 ? NULL : bsearch(&key, p->all, p->n, sizeof *p->all, by_id);
}

static struct site_page *find_field(const struct site_pages *p, struct str field)
{
    return field.n == ID_FIELD_BYTES ? site_pages_find(p, load_le64(field.p)) : NULL;
}

/* ---- what pages say, and sitemaps ---- */

static void take_about(struct site_page *page, struct str value)
{
    struct told_about now, before;
    if (page == NULL || !told_about_decode(value, &now)) return;
    bool first = page->about.n == 0 || !told_about_decode(page->about, &before);
    if (first || told_about_later(&now, &before)) page->about = value;
}

static int read_abouts(const struct range_source *s, struct site_pages *p, struct buf *err)
{
    struct str field, value;
    buf_init(&p->abouts, PART_MAX_BYTES);
    for (unsigned i = 0; i < range_parts(s); i++) {
        struct key key = key_about(range_part(s, i), s->site);
        if (range_read_hash(s, &key, &p->abouts, err) < 0) return -1;
    }
    struct reader in = reader_of(buf_str(&p->abouts));
    while (pack_next(&in, &field, &value))
        take_about(find_field(p, field), value);
    for (size_t i = 0; i < p->n; i++) {
        struct told_about told;
        if (p->all[i].about.n > 0 && told_about_decode(p->all[i].about, &told))
            p->all[i].about = told.list;
    }
    return 0;
}

static int read_listings(const struct range_source *s, struct site_pages *p, struct buf *err)
{
    struct key key = key_catalogue(key_home(s->site, s->partitions), s->site);
    struct catalogue_head head = {0};
    struct str field, value;
    buf_init(&p->listings, PART_MAX_BYTES);
    if (range_read_hash(s, &key, &p->listings, err) < 0) return -1;
    struct reader in = reader_of(buf_str(&p->listings));
    while (pack_next(&in, &field, &value)) {
        if (str_eq(field, CATALOGUE_HEAD_FIELD)) catalogue_head_decode(value, &head);
    }
    in = reader_of(buf_str(&p->listings));
    while (pack_next(&in, &field, &value)) {
        struct site_page *page = find_field(p, field);
        struct catalogue_page listing;
        if (page != NULL && catalogue_page_decode(value, &listing))
            page->listed = catalogue_listed(&listing, &head);
    }
    return 0;
}

/* ---- figures ---- */

static int read_graph(const struct range_source *s, uint32_t from, struct site_pages *p,
                      struct buf *err)
{
    if (link_graph_read(s, from, true, &p->graph, err) < 0) return -1;
    for (size_t i = 0; i < p->n; i++) {
        p->all[i].links = link_graph_to(&p->graph, p->all[i].id);
        p->all[i].kind = link_graph_kind(&p->graph, &p->all[i].links);
    }
    return 0;
}

static uint64_t count_of(const struct range_row *row, uint32_t column)
{
    int64_t n = row_get(&row->row, column);
    return n > 0 ? (uint64_t)n : 0;
}

static void take_row(struct site_pages *p, const struct range_row *row)
{
    bool of_page = row->name.n == 1 + ID_FIELD_BYTES && row->name.p[0] == 'p';
    struct site_page *page = of_page ? find_field(p, str_from(row->name, 1)) : NULL;
    if (page == NULL) return;
    page->views = count_of(row, COL_VIEWS);
    page->not_found = count_of(row, COL_NOT_FOUND);
    page->visits = count_of(row, COL_VISITS);
    page->used = count_of(row, COL_USED);
    page->trials = count_of(row, COL_SEEN);
    page->opened = count_of(row, COL_SEEN_OPENED);
    p->rates[page->kind].trials += page->trials;
    p->rates[page->kind].opened += page->opened;
}

static int read_rows(const struct range_source *s, uint32_t from, struct site_pages *p,
                     struct buf *err)
{
    struct range *range = NULL;
    int result = range_read(s, from, p->today, &range, err);
    for (size_t i = 0; result == 0 && i < range->n; i++)
        take_row(p, &range->rows[i]);
    range_free(range);
    return result;
}

bool site_pages_rate(const struct site_pages *p, enum link_kind kind, double *rate)
{
    const struct link_rate *r = &p->rates[kind];
    *rate = r->trials == 0 ? 0 : (double)r->opened / (double)r->trials;
    return r->trials > 0;
}

/* ---- topics ---- */

const struct page_topic *site_page_topics(const struct site_pages *p, const struct site_page *page)
{
    return p->tags + page->topics_at;
}

struct str site_page_title(const struct site_page *page)
{
    struct about about;
    bool told = page->about.n > 0 && about_unpack(page->about, &about);
    return told ? about.title : STR("");
}

static bool keep_topics(struct site_pages *p, struct site_page *page, const struct page_topics *of)
{
    if (p->tags_n + of->n > p->tags_cap) {
        size_t cap = 2 * p->tags_cap + TOPICS_OF_PAGE;
        struct page_topic *tags = realloc(p->tags, cap * sizeof *tags);
        if (tags == NULL) return false;
        p->tags = tags;
        p->tags_cap = cap;
    }
    page->topics_at = (uint32_t)p->tags_n;
    page->topics_n = of->n;
    if (of->n > 0) memcpy(p->tags + p->tags_n, of->at, of->n * sizeof *of->at);
    p->tags_n += of->n;
    return true;
}

static bool find_topics(struct site_pages *p, struct site_page *page)
{
    struct about about;
    struct page_topics of;
    bool told = page->about.n > 0 && about_unpack(page->about, &about);
    return topics_of_page(p->topics, page->name, told ? &about : NULL, &of) &&
           keep_topics(p, page, &of);
}

static void add_mix(struct site_pages *p)
{
    int64_t all = 0;
    for (size_t i = 0; i < p->n; i++) {
        const struct page_topic *of = site_page_topics(p, &p->all[i]);
        for (uint32_t k = 0; k < p->all[i].topics_n; k++) {
            int64_t score = topic_score(p->all[i].interest, of[k].weight);
            p->mix[of[k].topic].score += score;
            all += score;
        }
    }
    for (uint32_t k = 0; k < topics_count(p->topics); k++)
        p->mix[k].all = all;
}

bool site_pages_tag(struct site_pages *p, char *const *rules)
{
    p->topics = topics_new(rules);
    bool ok = p->topics != NULL;
    for (size_t i = 0; ok && i < p->n; i++)
        ok = find_topics(p, &p->all[i]);
    if (ok) p->mix = calloc(topics_count(p->topics) + 1, sizeof *p->mix);
    if (p->mix == NULL) return false;
    add_mix(p);
    return true;
}

static int read_interest(const struct range_source *s, struct site_pages *p, struct buf *err)
{
    struct mix mix = {0};
    int result = mix_read(s, p->now_ms, &mix, err);
    for (size_t i = 0; result == 0 && i < p->n; i++)
        p->all[i].interest = mix_score(&mix, p->all[i].id);
    mix_fini(&mix);
    return result;
}

/* ---- all of it ---- */

int site_pages_read(const struct site_view *v, struct site_pages *out, struct buf *err)
{
    const struct range_source *s = &v->source;
    struct range_extent extent;
    *out = (struct site_pages){.n = 0};
    if (range_read_extent(s, &extent, err) < 0) return -1;
    out->now_ms = extent.live_ms;
    out->today = range_end(&extent, v->zone, 0);
    uint32_t from = out->today < SITE_PAGES_DAYS ? 0 : out->today + 1 - SITE_PAGES_DAYS;
    if (read_names(s, out, err) < 0 || read_abouts(s, out, err) < 0 ||
        read_listings(s, out, err) < 0 || read_graph(s, from, out, err) < 0 ||
        read_rows(s, from, out, err) < 0 || read_interest(s, out, err) < 0)
        return -1;
    return site_pages_tag(out, v->rules) ? 0 : no_memory(err);
}

void site_pages_fini(struct site_pages *p)
{
    free(p->all);
    free(p->mix);
    free(p->tags);
    topics_free(p->topics);
    link_graph_fini(&p->graph);
    buf_fini(&p->names);
    buf_fini(&p->abouts);
    buf_fini(&p->listings);
    *p = (struct site_pages){.n = 0};
}
