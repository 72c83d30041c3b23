/*
 * Rows hold sums per page and calendar year, one set in each partition. Sums of all partitions are
 * added up before anything is divided, so it does not matter over how many a site is spread. HSCAN
 * may show a row twice: what one partition says of a page and year counts once.
 */
#include "mix.h"

#include <stdlib.h>

#include "bytes.h"
#include "interest.h"
#include "pack.h"

enum { PAGE_ROW_BYTES = 1 + 8, YEAR_MIN = 1970 /* lesser columns count rows */ };

struct part {
    uint64_t page;
    uint32_t year, partition;
    int64_t sum;
    bool other;
};

struct parts {
    struct part *at;
    size_t n, cap;
};

static bool add(struct parts *p, const struct part *one)
{
    if (p->n == p->cap) {
        size_t cap = p->cap == 0 ? 256 : 2 * p->cap;
        struct part *grown = realloc(p->at, cap * sizeof *grown);
        if (grown == NULL) return false;
        p->at = grown;
        p->cap = cap;
    }
    p->at[p->n++] = *one;
    return true;
}

static bool add_row(struct parts *p, unsigned partition, struct str name, const struct row *row)
{
    struct part one = {.partition = partition, .other = name.n == 1};
    if (!one.other) one.page = load_le64(name.p + 1);
    for (uint32_t i = 0; i < row->n; i++) {
        if (row->cells[i].column < YEAR_MIN) continue;
        one.year = row->cells[i].column;
        one.sum = row->cells[i].value;
        if (!add(p, &one)) return false;
    }
    return true;
}

static int add_partition(const struct range_source *s, unsigned partition, struct parts *p,
                         struct buf *err)
{
    struct key key = key_mix(partition, s->site);
    struct buf rows;
    struct str name, value;
    buf_init(&rows, RANGE_PART_MAX_BYTES);
    int result = range_read_hash(s, &key, &rows, err);
    struct reader in = reader_of(buf_str(&rows));
    while (result == 0 && pack_next(&in, &name, &value)) {
        struct row row = {0};
        if (name.p[0] != 'p' || (name.n != 1 && name.n != PAGE_ROW_BYTES)) continue;
        if (!row_decode(value, &row)) {
            buf_printf(err, "%s holds damaged rows", key.p);
            result = -1;
        } else if (!add_row(p, partition, name, &row)) {
            buf_printf(err, "out of memory");
            result = -1;
        }
        row_fini(&row);
    }
    buf_fini(&rows);
    return result;
}

static int by_page(const void *a, const void *b)
{
    const struct part *x = a, *y = b;
    if (x->other != y->other) return x->other ? 1 : -1;
    if (x->page != y->page) return x->page < y->page ? -1 : 1;
    if (x->year != y->year) return x->year < y->year ? -1 : 1;
    return (x->partition > y->partition) - (x->partition < y->partition);
}

static bool same_page(const struct part *x, const struct part *y)
{
    return x->other == y->other && x->page == y->page;
}

/* The parts of one page, from i on; *next: where those of another one begin. */
static int64_t score_of(const struct parts *p, size_t i, int64_t now_ms, size_t *next)
{
    const struct part *first = &p->at[i];
    int64_t score = 0;
    while (i < p->n && same_page(first, &p->at[i])) {
        uint32_t year = p->at[i].year;
        int64_t sum = 0;
        for (size_t from = i; i < p->n && same_page(first, &p->at[i]) && p->at[i].year == year; i++)
            if (i == from || p->at[i].partition != p->at[i - 1].partition) sum += p->at[i].sum;
        score += interest_score(sum, year, now_ms);
    }
    *next = i;
    return score;
}

static bool take(struct mix *m, struct parts *p, int64_t now_ms)
{
    if (p->n > 0) qsort(p->at, p->n, sizeof *p->at, by_page);
    m->pages = calloc(p->n + 1, sizeof *m->pages);
    if (m->pages == NULL) return false;
    for (size_t i = 0, next; i < p->n; i = next) {
        int64_t score = score_of(p, i, now_ms, &next);
        if (p->at[i].other)
            m->other = score;
        else if (score > 0)
            m->pages[m->n++] = (struct mix_page){p->at[i].page, score};
        m->total += score;
    }
    return true;
}

int mix_read(const struct range_source *s, int64_t now_ms, struct mix *out, struct buf *err)
{
    struct parts parts = {0};
    int result = 0;
    *out = (struct mix){0};
    for (unsigned i = 0; result == 0 && i < range_parts(s); i++)
        result = add_partition(s, range_part(s, i), &parts, err);
    if (result == 0 && !take(out, &parts, now_ms)) {
        buf_printf(err, "out of memory");
        result = -1;
    }
    free(parts.at);
    return result;
}

void mix_fini(struct mix *m)
{
    free(m->pages);
    *m = (struct mix){0};
}

int64_t mix_score(const struct mix *m, uint64_t page)
{
    size_t low = 0, high = m->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (m->pages[middle].page < page)
            low = middle + 1;
        else
            high = middle;
    }
    return low < m->n && m->pages[low].page == page ? m->pages[low].score : 0;
}
