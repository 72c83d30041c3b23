/*
 * Four lists - rows of the window, rows of the one before, catalogue, links - are put together by
 * page id. The window before is as long as this one, but does not reach behind the site's first
 * day, and a day that has only begun counts as the part that has passed: the test compares rates.
 *
 * A page is offered when a link to it was seen, or when a page that links to it was viewed: it has
 * views, or told its links on a day of the window, which only a human's browser does. The latter
 * also holds for pages beyond the limit of rows.
 */
#include "page_list.h"

#include <stdlib.h>

#include "pack.h"
#include "sitestate.h"

/* How much of day `to` has passed, where it is today for a site with visitors. */
static double last_part(const struct range_extent *extent, const struct zone *zone, uint32_t to,
                        int64_t now_ms)
{
    if (extent->live_ms == 0 || zone_day(zone, now_ms) != to) return 1;
    int64_t local_ms = now_ms + (int64_t)zone_offset_s(zone, now_ms) * 1000;
    return (double)(local_ms % DAY_MS + 1) / DAY_MS;
}

struct page_window page_window_of(const struct range_extent *extent, const struct zone *zone,
                                  uint32_t from, uint32_t to, int64_t now_ms)
{
    return (struct page_window){.from = from,
                                .to = to,
                                .first = extent->first,
                                .last_part = last_part(extent, zone, to, now_ms)};
}

static int no_memory(struct buf *err)
{
    buf_printf(err, "out of memory");
    return -1;
}

/* ---- which pages ---- */

static bool is_page(const struct range_row *row)
{
    return row->name.n == 1 + PAGE_ID_BYTES && row->name.p[0] == 'p';
}

static void add_rows(struct page_list *l, const struct range *r)
{
    for (size_t i = 0; r != NULL && i < r->n; i++) {
        if (is_page(&r->rows[i])) memcpy(l->lines[l->n++].id, r->rows[i].name.p + 1, PAGE_ID_BYTES);
    }
}

/* Edge i is the first one to its page. */
static bool leads_anew(const struct link_graph *g, size_t i)
{
    return i == 0 || g->edges[i - 1].to != g->edges[i].to;
}

static void add_links(struct page_list *l)
{
    for (size_t i = 0; i < l->links.n; i++) {
        if (leads_anew(&l->links, i)) store_le64(l->lines[l->n++].id, l->links.edges[i].to);
    }
}

static int by_id(const void *a, const void *b)
{
    const struct page_line *x = a, *y = b;
    return memcmp(x->id, y->id, PAGE_ID_BYTES);
}

static size_t most_lines(const struct page_list *l)
{
    struct reader in = reader_of(buf_str(&l->listings));
    struct str field, value;
    size_t n = l->now->n + (l->before == NULL ? 0 : l->before->n);
    while (pack_next(&in, &field, &value))
        n++;
    for (size_t i = 0; i < l->links.n; i++)
        n += leads_anew(&l->links, i);
    return n;
}

static bool make_lines(struct page_list *l)
{
    struct reader in = reader_of(buf_str(&l->listings));
    struct str field, value;
    size_t kept = 0;
    l->lines = calloc(most_lines(l) + 1, sizeof *l->lines);
    if (l->lines == NULL) return false;
    add_rows(l, l->now);
    add_rows(l, l->before);
    add_links(l);
    while (pack_next(&in, &field, &value)) {
        if (field.n == PAGE_ID_BYTES) memcpy(l->lines[l->n++].id, field.p, PAGE_ID_BYTES);
    }
    qsort(l->lines, l->n, sizeof *l->lines, by_id);
    for (size_t i = 0; i < l->n; i++) {
        if (kept > 0 && by_id(&l->lines[kept - 1], &l->lines[i]) == 0) continue;
        l->lines[kept++] = l->lines[i];
    }
    l->n = kept;
    return true;
}

static bool take_listings(struct page_list *l, struct buf *err)
{
    struct reader in = reader_of(buf_str(&l->listings));
    struct str field, value;
    bool ok = true;
    while (ok && pack_next(&in, &field, &value)) {
        struct page_line key, *line;
        if (field.n != PAGE_ID_BYTES) {
            ok = catalogue_head_decode(value, &l->head);
            continue;
        }
        memcpy(key.id, field.p, PAGE_ID_BYTES);
        line = bsearch(&key, l->lines, l->n, sizeof key, by_id);
        ok = catalogue_page_decode(value, &line->listing);
    }
    if (!ok) buf_printf(err, "the catalogue of the site is damaged");
    return ok;
}

/* ---- evidence ---- */

static const struct row *row_of(const struct range *r, const char id[PAGE_ID_BYTES])
{
    char name[1 + PAGE_ID_BYTES] = {'p'};
    memcpy(name + 1, id, PAGE_ID_BYTES);
    const struct range_row *row = r == NULL ? NULL : range_find(r, (struct str){name, sizeof name});
    return row == NULL ? NULL : &row->row;
}

static uint64_t count_of(const struct row *row, uint32_t column)
{
    int64_t n = row == NULL ? 0 : row_get(row, column);
    return n > 0 ? (uint64_t)n : 0;
}

/* Some page of the run was viewed in the window. */
static bool was_viewed(const struct page_list *l, const struct page_window *w,
                       const struct link_run *run)
{
    for (size_t i = 0; i < run->n; i++) {
        char from[PAGE_ID_BYTES];
        if (run->edges[i].day >= w->from && run->edges[i].day <= w->to) return true;
        store_le64(from, run->edges[i].from);
        if (count_of(row_of(l->now, from), COL_VIEWS) > 0) return true;
    }
    return false;
}

static bool was_seen(const struct row *row)
{
    return count_of(row, COL_SEEN) + count_of(row, COL_EXPOSURES) + count_of(row, COL_CLICKS) > 0;
}

static struct page_evidence evidence_of(const struct page_list *l, const struct page_window *w,
                                        const struct page_line *line, const struct link_run *run)
{
    const struct row *row = line->row;
    uint64_t seen = count_of(row, COL_SEEN), opened = count_of(row, COL_SEEN_OPENED);
    return (struct page_evidence){
        .catalogue_whole = l->head.complete_ms > 0,
        .listed = catalogue_listed(&line->listing, &l->head),
        .linked = run->n > 0,
        .graph_known = l->links.pages_n > 0,
        .offered = was_seen(row) || was_viewed(l, w, run),
        .views = count_of(row, COL_VIEWS),
        .not_found = count_of(row, COL_NOT_FOUND),
        .visits = count_of(row, COL_VISITS),
        .used = count_of(row, COL_USED),
        .visits_before = count_of(row_of(l->before, line->id), COL_VISITS),
        .seen = seen,
        .opened = opened < seen ? opened : seen,
        .usual = -1,
        .window = l->now_days,
        .window_before = l->before_days,
    };
}

static void gather(struct page_list *l, const struct page_window *w, struct page_line *line)
{
    const struct row *row = row_of(l->now, line->id);
    struct link_run run = link_graph_to(&l->links, load_le64(line->id));
    line->row = row == NULL ? &l->none : row;
    line->linked_from = run.n;
    line->kind = link_graph_kind(&l->links, &run);
    line->evidence = evidence_of(l, w, line, &run);
    l->silent += line->evidence.views > 0 && !link_graph_told(&l->links, load_le64(line->id));
}

/* ---- verdicts ---- */

static void find_usual(struct page_list *l, enum link_kind kind, double *rates)
{
    struct page_usual *u = &l->usual[kind];
    for (size_t i = 0; i < l->n; i++) {
        const struct page_evidence *e = &l->lines[i].evidence;
        if (l->lines[i].kind == kind && e->seen > 0)
            rates[u->pages++] = (double)e->opened / (double)e->seen;
    }
    u->rate = judge_usual(rates, u->pages);
}

static bool find_all_usual(struct page_list *l)
{
    double *rates = calloc(l->n + 1, sizeof *rates);
    if (rates == NULL) return false;
    for (int kind = 0; kind < LINK_KINDS; kind++)
        find_usual(l, (enum link_kind)kind, rates);
    free(rates);
    return true;
}

static void judge_all(struct page_list *l)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->n; i++) {
        struct page_line *line = &l->lines[i];
        struct page_evidence *e = &line->evidence;
        e->usual = l->usual[line->kind].rate;
        line->verdict = judge_page(e);
        line->chance = judge_chance(e);
        if (line->verdict != PAGE_NONE)
            l->verdicts[line->verdict]++;
        else if (e->visits_before == 0)
            continue;
        l->lines[kept++] = *line;
    }
    l->n = kept;
    l->other_views = (uint64_t)range_value(l->now, STR("p"), COL_VIEWS);
}

/* Dates that the retention left out do not count. */
static void measure(struct page_list *l, const struct page_window *w)
{
    double days = (double)range_counted(l->now);
    l->now_days = days > 0 ? days - 1 + w->last_part : 0;
    l->before_days = l->before == NULL ? 0 : (double)range_counted(l->before);
    l->whole = range_whole(l->now) && (l->before == NULL || range_whole(l->before));
}

int page_list_judge(struct page_list *l, const struct page_window *w, struct buf *err)
{
    measure(l, w);
    if (!make_lines(l)) return no_memory(err);
    if (!take_listings(l, err)) return -1;
    for (size_t i = 0; i < l->n; i++)
        gather(l, w, &l->lines[i]);
    if (!find_all_usual(l)) return no_memory(err);
    judge_all(l);
    return 0;
}

struct str page_line_name(const struct page_line *line)
{
    return line->page == NULL ? (struct str){NULL, 0} : str_of(line->page);
}

const char *page_line_kind(const struct page_line *line)
{
    bool known = line->evidence.linked || line->evidence.offered;
    return known ? link_kind_name(line->kind) : NULL;
}

static int by_verdict(const void *a, const void *b)
{
    const struct page_line *x = a, *y = b;
    if (x->verdict != y->verdict) return x->verdict < y->verdict ? -1 : 1;
    if (x->evidence.views != y->evidence.views)
        return x->evidence.views > y->evidence.views ? -1 : 1;
    int order = strcmp(x->page == NULL ? "" : x->page, y->page == NULL ? "" : y->page);
    return order != 0 ? order : by_id(x, y);
}

void page_list_sort(struct page_list *l)
{
    if (l->n > 0) qsort(l->lines, l->n, sizeof *l->lines, by_verdict);
}

void page_list_fini(struct page_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->lines[i].page);
    free(l->lines);
    range_free(l->now);
    range_free(l->before);
    link_graph_fini(&l->links);
    buf_fini(&l->listings);
    *l = (struct page_list){.n = 0};
}
