/*
 * Plain columns add up. A gap in days becomes one in months: the person's active day before lies in
 * this month (then somebody of it has counted it already), k months back, or nowhere. So months
 * answer for ranges of months what days answer for ranges of days, and as exactly.
 */
#include "month.h"

#include <stdlib.h>

#include "clock.h"

struct month_row {
    struct str name, value;
    uint32_t day;
};

static const char kinds[] = ROW_LIMITED_KINDS;
enum { KINDS = sizeof kinds - 1 };

static int64_t most_of(int kind)
{
    return kind == 0 ? ROWS_PAGE_MAX : ROWS_FREE_MAX;
}

bool month_add(struct row *into, const struct row *from, uint32_t day)
{
    uint32_t month = day_to_month(day);
    for (uint32_t i = 0; i < from->n; i++) {
        uint32_t column = from->cells[i].column;
        if (column_is_limit(column)) continue;
        if (column_is_gap(column)) {
            uint32_t gap = column - COL_GAP_NONE;
            uint32_t back = gap > day ? 0 : month - day_to_month(day - gap);
            if (back == 0) continue;
            column = COL_GAP_NONE + back;
        }
        if (!row_add(into, column, from->cells[i].value)) return false;
    }
    return true;
}

bool month_take(struct month_rows *m, uint32_t day, struct str rows)
{
    struct reader in = reader_of(rows);
    struct month_row row = {.day = day};
    while (pack_next(&in, &row.name, &row.value)) {
        if (m->n == m->cap) {
            size_t cap = m->cap == 0 ? 256 : 2 * m->cap;
            struct month_row *grown = realloc(m->rows, cap * sizeof *grown);
            if (grown == NULL) return false;
            m->rows = grown;
            m->cap = cap;
        }
        m->rows[m->n++] = row;
    }
    return true;
}

void month_fini(struct month_rows *m)
{
    free(m->rows);
    *m = (struct month_rows){.n = 0};
}

static int by_name(const void *a, const void *b)
{
    return str_order(((const struct month_row *)a)->name, ((const struct month_row *)b)->name);
}

/* Adds the rows of one name, from i on; returns the first one of another. 0: *result says why. */
static size_t add_name(const struct month_rows *m, size_t i, struct row *sum,
                       enum pack_result *result)
{
    struct row day = {0};
    size_t from = i;
    *result = PACK_OK;
    for (; i < m->n && by_name(&m->rows[from], &m->rows[i]) == 0 && *result == PACK_OK; i++) {
        row_clear(&day);
        if (!row_decode(m->rows[i].value, &day))
            *result = PACK_DAMAGED;
        else if (!month_add(sum, &day, m->rows[i].day))
            *result = PACK_MEMORY;
    }
    row_fini(&day);
    return *result == PACK_OK ? i : 0;
}

struct writing {
    struct buf *out, value;
    struct row total, other[KINDS];
    int64_t made[KINDS];
};

static bool put(struct writing *w, struct str name, const struct row *row)
{
    buf_clear(&w->value);
    if (row_empty(row)) return true;
    return row_encode(row, &w->value) && pack_add(w->out, name, buf_str(&w->value));
}

static bool put_name(struct writing *w, struct str name, const struct row *sum)
{
    const char *at = strchr(kinds, name.p[0]);
    if (name.n == 1 && name.p[0] == 'T') return row_merge(&w->total, sum);
    if (at == NULL || *at == '\0') return put(w, name, sum);
    int kind = (int)(at - kinds);
    if (name.n == 1 || w->made[kind] >= most_of(kind)) return row_merge(&w->other[kind], sum);
    w->made[kind] += !row_empty(sum);
    return put(w, name, sum);
}

static bool put_rest(struct writing *w)
{
    bool ok = true;
    for (int kind = 0; ok && kind < KINDS; kind++) {
        ok = put(w, (struct str){kinds + kind, 1}, &w->other[kind]) &&
             row_add(&w->total, column_of_limit((size_t)kind), w->made[kind]);
    }
    return ok && put(w, STR("T"), &w->total);
}

enum pack_result month_write(struct month_rows *m, struct buf *out)
{
    struct writing w = {.out = out};
    struct row sum = {0};
    enum pack_result result = PACK_OK;
    if (m->n > 0) qsort(m->rows, m->n, sizeof m->rows[0], by_name);
    for (size_t i = 0; result == PACK_OK && i < m->n;) {
        struct str name = m->rows[i].name;
        row_clear(&sum);
        i = add_name(m, i, &sum, &result);
        if (result == PACK_OK && !put_name(&w, name, &sum)) result = PACK_MEMORY;
    }
    if (result == PACK_OK && m->n > 0 && !put_rest(&w)) result = PACK_MEMORY;
    for (int kind = 0; kind < KINDS; kind++)
        row_fini(&w.other[kind]);
    row_fini(&w.total);
    row_fini(&sum);
    buf_fini(&w.value);
    return result;
}
