/*
 * Three lists - rows of the window, rows of the one before, catalogue - are put together by page
 * id. The window before is as long as this one, but does not reach behind the site's first day, and
 * a day that has only begun counts as the part that has passed: the test compares rates.
 */
#include "page_list.h"

#include <stdlib.h>

#include "ask.h"
#include "pack.h"
#include "sitestate.h"

enum { NAMES_PER_QUESTION = 500, LISTINGS_MAX_BYTES = 256 * 1024 * 1024 };

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

/* ---- reading ---- */

static int read_catalogue(const struct range_source *s, struct page_list *l, struct buf *err)
{
    struct key key = key_catalogue(key_home(s->site, s->partitions), s->site);
    buf_init(&l->listings, LISTINGS_MAX_BYTES);
    return range_read_hash(s, &key, &l->listings, err);
}

static int read_before(const struct range_source *s, const struct page_window *w,
                       struct page_list *l, struct buf *err)
{
    uint32_t days = w->to - w->from + 1;
    if (w->first == 0 || w->first >= w->from) return 0;
    l->before_to = w->from - 1;
    l->before_from = w->from - w->first > days ? w->from - days : w->first;
    return range_read(s, l->before_from, l->before_to, &l->before, err);
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

/* ---- verdicts ---- */

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

static void judge(struct page_list *l, const struct page_window *w, struct page_line *line)
{
    const struct row *row = row_of(l->now, line->id);
    line->row = row == NULL ? &l->none : row;
    line->evidence = (struct page_evidence){
        .catalogue_whole = l->head.complete_ms > 0,
        .listed = catalogue_listed(&line->listing, &l->head),
        .views = count_of(row, COL_VIEWS),
        .not_found = count_of(row, COL_NOT_FOUND),
        .visits = count_of(row, COL_VISITS),
        .used = count_of(row, COL_USED),
        .visits_before = count_of(row_of(l->before, line->id), COL_VISITS),
        .window = (double)(w->to - w->from) + w->last_part,
        .window_before = l->before == NULL ? 0 : (double)(l->before_to - l->before_from + 1),
    };
    line->verdict = judge_page(&line->evidence);
    line->chance = judge_chance(&line->evidence);
}

static void judge_all(struct page_list *l, const struct page_window *w)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->n; i++) {
        judge(l, w, &l->lines[i]);
        if (l->lines[i].verdict == PAGE_NONE) continue;
        l->verdicts[l->lines[i].verdict]++;
        l->lines[kept++] = l->lines[i];
    }
    l->n = kept;
    l->other_views = (uint64_t)range_value(l->now, STR("p"), COL_VIEWS);
}

/* ---- names ---- */

static int ask_names(const struct range_source *s, unsigned part, struct page_line **lines,
                     size_t n, struct buf *err)
{
    struct str argv[2 + NAMES_PER_QUESTION];
    struct key key = key_pages(part, s->site);
    argv[0] = STR("HMGET");
    argv[1] = key_str(&key);
    for (size_t i = 0; i < n; i++)
        argv[2 + i] = (struct str){lines[i]->id, PAGE_ID_BYTES};
    redisReply *reply = ask(s->redis, err, (int)n + 2, argv);
    if (reply == NULL) return -1;
    int result = 0;
    for (size_t i = 0; i < n && result == 0; i++) {
        struct str page = ask_text(reply, i);
        if (page.n == 0) continue;
        lines[i]->page = strndup(page.p, page.n);
        if (lines[i]->page == NULL) result = no_memory(err);
    }
    freeReplyObject(reply);
    return result;
}

static int read_names(const struct range_source *s, struct page_list *l, struct buf *err)
{
    for (unsigned part = 0; part < range_parts(s); part++) {
        struct page_line *lines[NAMES_PER_QUESTION];
        size_t n = 0;
        for (size_t i = 0; i < l->n; i++) {
            if (l->lines[i].page == NULL) lines[n++] = &l->lines[i];
            if (n == 0 || (n < NAMES_PER_QUESTION && i + 1 < l->n)) continue;
            if (ask_names(s, range_part(s, part), lines, n, err) < 0) return -1;
            n = 0;
        }
    }
    return 0;
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

int page_list_read(const struct range_source *s, const struct page_window *w, struct page_list *out,
                   struct buf *err)
{
    *out = (struct page_list){.n = 0};
    if (range_read(s, w->from, w->to, &out->now, err) < 0 || read_before(s, w, out, err) < 0 ||
        read_catalogue(s, out, err) < 0)
        return -1;
    if (!make_lines(out)) return no_memory(err);
    if (!take_listings(out, err)) return -1;
    judge_all(out, w);
    if (read_names(s, out, err) < 0) return -1;
    qsort(out->lines, out->n, sizeof *out->lines, by_verdict);
    return 0;
}

void page_list_fini(struct page_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->lines[i].page);
    free(l->lines);
    range_free(l->now);
    range_free(l->before);
    buf_fini(&l->listings);
    *l = (struct page_list){.n = 0};
}
