/*
 * Rows are small and sparse: most have three to ten columns, only totals have many (the gaps). So a
 * row is a sorted array, searched from its end when short and by halves when long. A column that
 * falls back to zero keeps its cell until the row is encoded; zeros never reach the disk, and so
 * rows that went different ways to the same counts have the same bytes.
 */
#include "row.h"

#include <assert.h>
#include <stdlib.h>

#include "bytes.h"

enum { ROW_VERSION = 1 };

void row_fini(struct row *r)
{
    free(r->cells);
    *r = (struct row){NULL, 0, 0};
}

void row_clear(struct row *r)
{
    r->n = 0;
}

/* Where the column is, or would stand. */
static uint32_t find(const struct row *r, uint32_t column)
{
    uint32_t low = 0, high = r->n;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (r->cells[mid].column < column)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool grow(struct row *r)
{
    uint32_t cap = r->cap == 0 ? 8 : r->cap * 2;
    struct row_cell *cells = realloc(r->cells, cap * sizeof *cells);
    if (cells == NULL) return false;
    r->cells = cells;
    r->cap = cap;
    return true;
}

bool row_add(struct row *r, uint32_t column, int64_t amount)
{
    uint32_t i = find(r, column);
    if (i < r->n && r->cells[i].column == column) {
        /* Unsigned, so that a damaged counter wraps instead of being undefined. */
        r->cells[i].value = (int64_t)((uint64_t)r->cells[i].value + (uint64_t)amount);
        return true;
    }
    if (amount == 0) return true;
    if (r->n == r->cap && !grow(r)) return false;
    memmove(r->cells + i + 1, r->cells + i, (r->n - i) * sizeof *r->cells);
    r->cells[i] = (struct row_cell){column, amount};
    r->n++;
    return true;
}

int64_t row_get(const struct row *r, uint32_t column)
{
    uint32_t i = find(r, column);
    return i < r->n && r->cells[i].column == column ? r->cells[i].value : 0;
}

bool row_merge(struct row *into, const struct row *from)
{
    for (uint32_t i = 0; i < from->n; i++) {
        if (!row_add(into, from->cells[i].column, from->cells[i].value)) return false;
    }
    return true;
}

bool row_empty(const struct row *r)
{
    for (uint32_t i = 0; i < r->n; i++) {
        if (r->cells[i].value != 0) return false;
    }
    return true;
}

void row_drop_below(struct row *r, uint32_t column)
{
    uint32_t gone = find(r, column);
    if (gone == 0) return;
    r->n -= gone;
    memmove(r->cells, r->cells + gone, r->n * sizeof *r->cells);
}

bool row_encode(const struct row *r, struct buf *out)
{
    buf_add_char(out, ROW_VERSION);
    for (uint32_t i = 0; i < r->n; i++) {
        assert(i == 0 || r->cells[i - 1].column < r->cells[i].column);
        if (r->cells[i].value == 0) continue;
        buf_add_varint(out, r->cells[i].column);
        buf_add_varint(out, zigzag(r->cells[i].value));
    }
    return !out->failed;
}

bool row_decode(struct str in, struct row *out)
{
    if (in.n == 0 || in.p[0] != ROW_VERSION) return false;
    struct reader r = reader_of(str_from(in, 1));
    uint64_t before = 0;
    while (!reader_done(&r)) {
        uint64_t column = get_varint(&r);
        int64_t value = get_zigzag(&r);
        if (r.bad || column <= before || column > UINT32_MAX || value == 0) goto bad;
        if (out->n >= ROW_MAX_CELLS) goto bad;
        if (out->n == out->cap && !grow(out)) goto bad;
        out->cells[out->n++] = (struct row_cell){(uint32_t)column, value};
        before = column;
    }
    if (!r.bad) return true;
bad:
    row_fini(out);
    return false;
}

int64_t row_persons(const struct row *r, uint32_t day, uint32_t a)
{
    if (day < a) return 0;
    int64_t persons = row_get(r, COL_GAP_NONE);
    uint32_t last_gap = COL_GAP_NONE + GAP_MAX;
    for (uint32_t i = find(r, COL_GAP_NONE + 1); i < r->n; i++) {
        if (r->cells[i].column > last_gap) break;
        if (r->cells[i].column - COL_GAP_NONE > day - a) persons += r->cells[i].value;
    }
    return persons;
}
