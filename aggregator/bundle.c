/*
 * Rows stay encoded; only those that a batch touches are ever taken apart. Loaded rows and changed
 * rows are two sorted lists, and writing is merging them.
 */
#include "bundle.h"

#include <assert.h>
#include <stdlib.h>

#include "row.h"

void bundle_fini(struct bundle *b)
{
    buf_fini(&b->plain);
    buf_fini(&b->sums);
    free(b->rows);
    *b = (struct bundle){.n = 0};
}

static size_t count(struct str rows)
{
    struct reader in = reader_of(rows);
    struct str name, value;
    size_t n = 0;
    while (pack_next(&in, &name, &value))
        n++;
    return n;
}

static void append(struct bundle *b, struct str rows)
{
    struct reader in = reader_of(rows);
    struct bundle_row row;
    while (pack_next(&in, &row.name, &row.value))
        b->rows[b->n++] = row;
}

static int by_name(const void *a, const void *b)
{
    return str_order(((const struct bundle_row *)a)->name, ((const struct bundle_row *)b)->name);
}

/* A sum is at most as long as what it adds, so `sums` never moves. */
static enum pack_result add_up(struct bundle *b, struct bundle_row *into, struct str value)
{
    struct row sum = {0}, more = {0};
    enum pack_result result = PACK_DAMAGED;
    size_t from = b->sums.n;
    if (row_decode(into->value, &sum) && row_decode(value, &more)) {
        bool ok = row_merge(&sum, &more) && row_encode(&sum, &b->sums);
        result = ok ? PACK_OK : PACK_MEMORY;
    }
    row_fini(&sum);
    row_fini(&more);
    into->value = (struct str){b->sums.p + from, b->sums.n - from};
    return result;
}

static enum pack_result merge_equal(struct bundle *b, size_t bytes)
{
    size_t kept = 0;
    if (b->n > 0) qsort(b->rows, b->n, sizeof b->rows[0], by_name);
    for (size_t i = 0; i < b->n; i++) {
        if (kept == 0 || by_name(&b->rows[kept - 1], &b->rows[i]) != 0) {
            b->rows[kept++] = b->rows[i];
            continue;
        }
        if (b->sums.cap == 0 && buf_reserve(&b->sums, bytes) == NULL) return PACK_MEMORY;
        const char *at = b->sums.p;
        enum pack_result result = add_up(b, &b->rows[kept - 1], b->rows[i].value);
        if (result != PACK_OK) return result;
        assert(b->sums.p == at);
    }
    b->n = kept;
    return PACK_OK;
}

enum pack_result bundle_load(struct bundle *b, struct str packed, struct str loose)
{
    assert(b->rows == NULL);
    enum pack_result result = packed.n == 0 ? PACK_OK : pack_read(packed, &b->plain);
    if (result != PACK_OK) return result;
    struct str plain = buf_str(&b->plain);
    b->rows = calloc(count(plain) + count(loose) + 1, sizeof b->rows[0]);
    if (b->rows == NULL) return PACK_MEMORY;
    append(b, plain);
    if (loose.n == 0) return PACK_OK;
    append(b, loose);
    return merge_equal(b, plain.n + loose.n);
}

struct str bundle_find(const struct bundle *b, struct str name)
{
    size_t low = 0, high = b->n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int order = str_order(b->rows[mid].name, name);
        if (order == 0) return b->rows[mid].value;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return (struct str){NULL, 0};
}

bool bundle_write(const struct bundle *b, const struct bundle_row *changed, size_t n,
                  struct buf *out)
{
    struct buf plain = {0};
    bool ok = true;
    for (size_t i = 0, k = 0; ok && (i < b->n || k < n);) {
        int order = i == b->n ? 1 : k == n ? -1 : by_name(&b->rows[i], &changed[k]);
        const struct bundle_row *row = order < 0 ? &b->rows[i] : &changed[k];
        if (row->value.n > 0) ok = pack_add(&plain, row->name, row->value);
        i += order <= 0;
        k += order >= 0;
    }
    ok = ok && (plain.n == 0 || pack_write(buf_str(&plain), out));
    buf_fini(&plain);
    return ok;
}
