/*
 * Days of rows -> one set of rows. Columns add up; the persons of a range follow from the gap
 * columns: a person counts on the one day whose previous active day lies before the range, so
 * the sum over days and partitions is exact and nobody counts twice.
 *
 * Rows come packed, as they were read: a cached day costs its bytes and no more, and is decoded
 * while it is added. The result is a hash table by row name.
 */
#include "range.h"

#include <assert.h>
#include <stdlib.h>

#include "bytes.h"
#include "clock.h"
#include "hash.h"
#include "pack.h"

enum { BLOCK_BYTES = 64 * 1024, SLOTS_MIN = 64 };

struct range_block {
    struct range_block *next;
    size_t n, cap;
    char bytes[];
};

struct range *range_new(struct str site, uint32_t from, uint32_t to)
{
    assert(from <= to && to - from < RANGE_DAYS_MAX);
    struct range *r = calloc(1, sizeof *r);
    if (r == NULL) return NULL;
    size_t days = (size_t)(to - from) + 1;
    r->from = r->begin = from;
    r->to = to;
    r->site = strndup(site.n == 0 ? "" : site.p, site.n);
    r->days = calloc(days, sizeof *r->days);
    r->slots = calloc(SLOTS_MIN, sizeof *r->slots);
    r->slot_count = SLOTS_MIN;
    if (r->site == NULL || r->days == NULL || r->slots == NULL) {
        range_free(r);
        return NULL;
    }
    for (size_t i = 0; i < days; i++)
        r->days[i].day = from + (uint32_t)i;
    return r;
}

void range_free(struct range *r)
{
    if (r == NULL) return;
    for (size_t i = 0; i < r->n; i++)
        row_fini(&r->rows[i].row);
    for (uint32_t i = 0; r->days != NULL && i <= r->to - r->from; i++)
        row_fini(&r->days[i].total);
    for (size_t i = 0; i < r->months_n; i++)
        row_fini(&r->months[i].total);
    free(r->months);
    while (r->blocks != NULL) {
        struct range_block *b = r->blocks;
        r->blocks = b->next;
        free(b);
    }
    row_fini(&r->scratch);
    free(r->rows);
    free(r->days);
    free(r->slots);
    free(r->site);
    free(r);
}

/* A copy that lives as long as the range. */
static bool keep(struct range *r, struct str s, struct str *out)
{
    struct range_block *b = r->blocks;
    if (b == NULL || b->cap - b->n < s.n) {
        size_t cap = s.n > BLOCK_BYTES ? s.n : BLOCK_BYTES;
        b = malloc(sizeof *b + cap);
        if (b == NULL) return false;
        *b = (struct range_block){.next = r->blocks, .cap = cap};
        r->blocks = b;
    }
    *out = (struct str){b->bytes + b->n, s.n};
    if (s.n > 0) memcpy(b->bytes + b->n, s.p, s.n);
    b->n += s.n;
    return true;
}

/* The slot that holds name, or the empty one where it would go. */
static uint32_t *slot_of(const struct range *r, struct str name)
{
    size_t mask = r->slot_count - 1;
    size_t i = (size_t)hash64(name) & mask;
    while (r->slots[i] != 0 && !str_eq(r->rows[r->slots[i] - 1].name, name))
        i = (i + 1) & mask;
    return &r->slots[i];
}

static bool grow(struct range *r)
{
    if (r->n == r->cap) {
        size_t cap = r->cap == 0 ? SLOTS_MIN : r->cap * 2;
        struct range_row *rows = realloc(r->rows, cap * sizeof *rows);
        if (rows == NULL) return false;
        r->rows = rows;
        r->cap = cap;
    }
    if ((r->n + 1) * 2 <= r->slot_count) return true;
    uint32_t *slots = calloc(r->slot_count * 2, sizeof *slots);
    if (slots == NULL) return false;
    free(r->slots);
    r->slots = slots;
    r->slot_count *= 2;
    for (size_t i = 0; i < r->n; i++)
        *slot_of(r, r->rows[i].name) = (uint32_t)i + 1;
    return true;
}

static struct range_row *row_of(struct range *r, struct str name)
{
    uint32_t *slot = slot_of(r, name);
    if (*slot != 0) return &r->rows[*slot - 1];
    struct str kept;
    if (!grow(r) || !keep(r, name, &kept)) return NULL;
    r->rows[r->n] = (struct range_row){.name = kept};
    *slot_of(r, kept) = (uint32_t)++r->n;
    return &r->rows[r->n - 1];
}

/* Adds a row to the row of the range: plain columns, and its share of the persons. Dates or months:
 * `at`, of a range that begins at `begin`. */
static bool add_row(uint32_t begin, uint32_t at, struct row *into, const struct row *from)
{
    for (uint32_t i = 0; i < from->n; i++) {
        if (column_is_persons(from->cells[i].column)) continue;
        if (!row_add(into, from->cells[i].column, from->cells[i].value)) return false;
    }
    int64_t persons = row_persons(from, at, begin);
    if (persons != 0 && !row_add(into, COL_GAP_NONE, persons)) return false;
    return true;
}

static bool add_packed(struct range *r, uint32_t begin, struct range_day *at, struct str name,
                       struct str value)
{
    row_clear(&r->scratch);
    if (name.n == 0 || !row_decode(value, &r->scratch)) {
        r->unreadable++;
        return true;
    }
    struct range_row *row = row_of(r, name);
    if (row == NULL) return false;
    if (row->stamp == r->stamp) return true;
    row->stamp = r->stamp;
    if (str_eq(name, STR("T")) && !row_merge(&at->total, &r->scratch)) return false;
    return add_row(begin, at->day, &row->row, &r->scratch);
}

static bool add_rows(struct range *r, uint32_t begin, struct range_day *at, struct str rows)
{
    struct reader in = reader_of(rows);
    struct str name, value;
    r->stamp++;
    while (pack_next(&in, &name, &value)) {
        if (!add_packed(r, begin, at, name, value)) return false;
    }
    assert(!in.bad); /* pack_add wrote it */
    return true;
}

bool range_add(struct range *r, uint32_t day, struct str rows)
{
    assert(day >= r->from && day <= r->to);
    return add_rows(r, r->begin, &r->days[day - r->from], rows);
}

bool range_add_month(struct range *r, uint32_t month, struct str rows)
{
    assert(r->months_n > 0 && month - r->months[0].day < r->months_n);
    return add_rows(r, day_to_month(r->begin), &r->months[month - r->months[0].day], rows);
}

bool range_keep(struct range *r, uint32_t day)
{
    uint32_t first = day_to_month(r->from), last = day_to_month(r->to), kept = day_to_month(day);
    if (day <= r->from) return true;
    r->kept_day = r->begin = day;
    if (month_to_day(first) < r->from) first++;
    if (month_to_day(last + 1) > r->to + 1) last--;
    if (last >= kept) last = kept - 1;
    if (last < first) return true;
    r->months = calloc(last - first + 1, sizeof *r->months);
    if (r->months == NULL) return false;
    r->begin = month_to_day(first);
    for (uint32_t m = first; m <= last; m++)
        r->months[r->months_n++].day = m;
    return true;
}

bool range_whole(const struct range *r)
{
    if (r->kept_day == 0) return true;
    if (r->months_n == 0 || r->begin != r->from) return false;
    uint32_t end = month_to_day(r->months[r->months_n - 1].day + 1);
    return end == r->kept_day || end == r->to + 1;
}

uint32_t range_counted(const struct range *r)
{
    uint32_t first = r->kept_day > r->from ? r->kept_day : r->from;
    uint32_t n = r->to < first ? 0 : r->to - first + 1;
    for (size_t i = 0; i < r->months_n; i++)
        n += month_to_day(r->months[i].day + 1) - month_to_day(r->months[i].day);
    return n;
}

bool range_pack_merged(const struct range *r, struct buf *rows)
{
    struct buf value;
    bool ok = true;
    buf_init(&value, 0);
    for (size_t i = 0; ok && i < r->n; i++) {
        if (str_eq(r->rows[i].name, STR("T"))) continue;
        buf_clear(&value);
        ok =
            row_encode(&r->rows[i].row, &value) && pack_add(rows, r->rows[i].name, buf_str(&value));
    }
    buf_fini(&value);
    return ok;
}

struct range_row *range_find(const struct range *r, struct str name)
{
    uint32_t index = *slot_of(r, name);
    return index == 0 ? NULL : &r->rows[index - 1];
}

int64_t range_value(const struct range *r, struct str name, uint32_t column)
{
    const struct range_row *row = range_find(r, name);
    return row == NULL ? 0 : row_get(&row->row, column);
}

bool range_set_page(struct range *r, struct range_row *row, struct str page)
{
    return keep(r, page, &row->page);
}

bool range_exact(const struct range *r)
{
    return range_whole(r) && r->to - r->from <= GAP_MAX;
}

bool range_pages_exact(const struct range *r)
{
    return r->to - r->from < RANGE_PAGE_DAYS;
}

/* A row and what it is sorted by, read once. */
struct ranked {
    int64_t value;
    struct range_row *row;
};

/* < 0: a stands before b. */
static int compare(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->value != y->value) return x->value > y->value ? -1 : 1;
    int order = str_order(x->row->page, y->row->page);
    return order != 0 ? order : str_order(x->row->name, y->row->name);
}

/* Restores a heap whose root is the row that stands last. */
static void sift_down(struct ranked *heap, size_t n, size_t at)
{
    for (;;) {
        size_t last = at, left = 2 * at + 1;
        for (size_t child = left; child < n && child <= left + 1; child++) {
            if (compare(&heap[child], &heap[last]) > 0) last = child;
        }
        if (last == at) return;
        struct ranked swap = heap[at];
        heap[at] = heap[last];
        heap[last] = swap;
        at = last;
    }
}

/* Leaves the `limit` first of n rows at the front, in any order. */
static void keep_first(struct ranked *all, size_t n, size_t limit)
{
    for (size_t i = limit / 2; i-- > 0;)
        sift_down(all, limit, i);
    for (size_t i = limit; i < n; i++) {
        if (compare(&all[i], &all[0]) >= 0) continue;
        all[0] = all[i];
        sift_down(all, limit, 0);
    }
}

static bool top_rows(const struct range *r, char kind, uint32_t column, size_t limit, int64_t least,
                     struct range_top *out)
{
    *out = (struct range_top){0};
    struct ranked *all = malloc((r->n + 1) * sizeof *all);
    if (all == NULL) return false;
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        struct range_row *row = &r->rows[i];
        if (row->name.p[0] != kind || row->row.n == 0) continue;
        all[n] = (struct ranked){row_get(&row->row, column), row};
        if (all[n].value >= least) n++;
    }
    out->cut = limit > 0 && n > limit;
    if (out->cut) keep_first(all, n, limit);
    out->n = out->cut ? limit : n;
    qsort(all, out->n, sizeof *all, compare);
    out->rows = malloc((out->n + 1) * sizeof(struct range_row *));
    for (size_t i = 0; out->rows != NULL && i < out->n; i++)
        out->rows[i] = all[i].row;
    free(all);
    return out->rows != NULL;
}

bool range_top(const struct range *r, char kind, uint32_t column, size_t limit,
               struct range_top *out)
{
    return top_rows(r, kind, column, limit, INT64_MIN, out);
}

bool range_top_some(const struct range *r, char kind, uint32_t column, size_t limit,
                    struct range_top *out)
{
    return top_rows(r, kind, column, limit, 1, out);
}

void range_top_fini(struct range_top *t)
{
    free(t->rows);
    *t = (struct range_top){0};
}
