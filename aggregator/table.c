/*
 * A table first knows all its cells, then chooses its columns: numbers are as wide as their widest
 * cell, the text columns share what is left. A text may be cut down to half of the line; where the
 * numbers leave it less than that, the least important columns go, and a line below names them.
 */
#include "table.h"

#include <assert.h>
#include <stdlib.h>

#include "text.h"

enum { GUTTER = 2, TEXT_MAX_COLUMNS = 120, TEXT_LEAST_COLUMNS = 8 };

struct table {
    const struct table_column *columns;
    unsigned n;         /* columns */
    struct cell *cells; /* of all rows; texts are offsets until printed */
    size_t rows, cap;
    struct cell total[TABLE_COLUMNS_MAX];
    bool has_total;
};

/* What a printing has decided. */
struct layout {
    unsigned width[TABLE_COLUMNS_MAX];
    bool hidden[TABLE_COLUMNS_MAX];
    size_t rows;
};

struct table *table_new(const struct table_column *columns)
{
    struct table *t = calloc(1, sizeof *t);
    if (t == NULL) return NULL;
    t->columns = columns;
    while (columns[t->n].title != NULL)
        t->n++;
    assert(t->n > 0 && t->n <= TABLE_COLUMNS_MAX);
    return t;
}

static void free_texts(struct cell *cells, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free((char *)(uintptr_t)cells[i].text.p);
}

void table_free(struct table *t)
{
    if (t == NULL) return;
    free_texts(t->cells, t->rows * t->n);
    free_texts(t->total, t->n);
    free(t->cells);
    free(t);
}

static bool copy_cells(const struct table *t, struct cell *out, const struct cell *cells)
{
    for (unsigned i = 0; i < t->n; i++) {
        out[i] = cells[i];
        out[i].text = (struct str){NULL, 0};
        if (cells[i].text.n == 0) continue;
        char *copy = malloc(cells[i].text.n);
        if (copy == NULL) {
            free_texts(out, i);
            return false;
        }
        memcpy(copy, cells[i].text.p, cells[i].text.n);
        out[i].text = (struct str){copy, cells[i].text.n};
    }
    return true;
}

bool table_add(struct table *t, const struct cell *cells)
{
    if (t->rows == t->cap) {
        size_t cap = t->cap == 0 ? 64 : t->cap * 2;
        struct cell *grown = realloc(t->cells, cap * t->n * sizeof *grown);
        if (grown == NULL) return false;
        t->cells = grown;
        t->cap = cap;
    }
    if (!copy_cells(t, t->cells + t->rows * t->n, cells)) return false;
    t->rows++;
    return true;
}

bool table_set_total(struct table *t, const struct cell *cells)
{
    assert(!t->has_total);
    t->has_total = copy_cells(t, t->total, cells);
    return t->has_total;
}

size_t table_rows(const struct table *t)
{
    return t->rows;
}

static bool add_cell(struct buf *out, const struct cell *c, enum cell_kind kind, unsigned width)
{
    if (c->hidden) return buf_add_char(out, '*');
    switch (kind) {
    case CELL_TEXT: return text_add_short(out, c->text, width);
    case CELL_COUNT: return text_add_count(out, c->number);
    case CELL_DURATION: return text_add_duration(out, c->number);
    case CELL_SCORE: return text_add_score(out, c->number);
    case CELL_SHARE: return text_add_share(out, c->number, c->whole);
    }
    return false;
}

static unsigned cell_width(const struct cell *c, enum cell_kind kind)
{
    struct buf text;
    buf_init(&text, 0);
    add_cell(&text, c, kind, TEXT_MAX_COLUMNS);
    unsigned width = text_columns(buf_str(&text));
    buf_fini(&text);
    return width;
}

static unsigned widest(const struct table *t, unsigned column, size_t rows)
{
    enum cell_kind kind = t->columns[column].kind;
    unsigned width = text_columns(str_of(t->columns[column].title));
    for (size_t r = 0; r <= rows; r++) {
        if (r == rows && !t->has_total) break;
        const struct cell *c = r == rows ? &t->total[column] : &t->cells[r * t->n + column];
        unsigned w = cell_width(c, kind);
        if (w > width) width = w;
    }
    return width;
}

/* Columns of the terminal that the shown columns take. */
static unsigned line_width(const struct table *t, const struct layout *l)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < t->n; i++) {
        if (!l->hidden[i]) sum += l->width[i] + GUTTER;
    }
    return sum - GUTTER;
}

static int least_important(const struct table *t, const struct layout *l)
{
    int found = -1;
    for (unsigned i = 0; i < t->n; i++) {
        if (l->hidden[i] || t->columns[i].rank == 0) continue;
        if (found < 0 || t->columns[i].rank >= t->columns[found].rank) found = (int)i;
    }
    return found;
}

/* The widest text column that can still give; -1: none. */
static int widest_text(const struct table *t, const struct layout *l, unsigned least)
{
    int found = -1;
    for (unsigned i = 0; i < t->n; i++) {
        if (l->hidden[i] || t->columns[i].kind != CELL_TEXT || l->width[i] <= least) continue;
        if (found < 0 || l->width[i] > l->width[found]) found = (int)i;
    }
    return found;
}

static bool shrink_texts(const struct table *t, struct layout *l, unsigned width, unsigned least)
{
    int widest_one;
    while (line_width(t, l) > width && (widest_one = widest_text(t, l, least)) >= 0) {
        unsigned excess = line_width(t, l) - width, room = l->width[widest_one] - least;
        l->width[widest_one] -= excess < room ? excess : room;
    }
    return line_width(t, l) <= width;
}

static void lay_out(const struct table *t, unsigned width, size_t max_rows, struct layout *l)
{
    unsigned natural[TABLE_COLUMNS_MAX];
    if (width < TABLE_WIDTH_MIN) width = TABLE_WIDTH_MIN;
    unsigned readable = width / 2 > TABLE_TEXT_MIN ? width / 2 : TABLE_TEXT_MIN;
    *l = (struct layout){.rows = max_rows == 0 || max_rows > t->rows ? t->rows : max_rows};
    for (unsigned i = 0; i < t->n; i++)
        natural[i] = widest(t, i, l->rows);
    for (;;) {
        memcpy(l->width, natural, sizeof natural);
        if (shrink_texts(t, l, width, readable)) return;
        int victim = least_important(t, l);
        if (victim < 0) break;
        l->hidden[victim] = true;
    }
    shrink_texts(t, l, width, TEXT_LEAST_COLUMNS);
}

static bool add_spaces(struct buf *out, unsigned n)
{
    while (n-- > 0) {
        if (!buf_add_char(out, ' ')) return false;
    }
    return true;
}

/* Texts stand on the left and numbers on the right. */
static bool add_padded(struct buf *out, struct str text, bool left, unsigned width)
{
    unsigned used = text_columns(text), pad = width > used ? width - used : 0;
    if (!left) return add_spaces(out, pad) && buf_add(out, text);
    return buf_add(out, text) && add_spaces(out, pad);
}

/* cells NULL: the titles. */
static bool print_line(const struct table *t, const struct layout *l, const struct cell *cells,
                       struct buf *out)
{
    struct buf text;
    bool ok = true, first = true;
    size_t begin = out->n;
    unsigned last = t->n - 1;
    while (last > 0 && l->hidden[last])
        last--;
    buf_init(&text, 0);
    for (unsigned i = 0; ok && i <= last; i++) {
        const struct table_column *c = &t->columns[i];
        if (l->hidden[i]) continue;
        buf_clear(&text);
        ok = cells == NULL ? buf_add(&text, str_of(c->title))
                           : add_cell(&text, &cells[i], c->kind, l->width[i]);
        if (!first) ok = ok && add_spaces(out, GUTTER);
        first = false;
        ok = ok && add_padded(out, buf_str(&text), c->kind == CELL_TEXT, l->width[i]);
    }
    buf_fini(&text);
    while (out->n > begin && out->p[out->n - 1] == ' ')
        out->n--;
    return ok && buf_add_char(out, '\n');
}

static bool print_rule(const struct table *t, const struct layout *l, struct buf *out)
{
    for (unsigned i = line_width(t, l); i > 0; i--) {
        if (!buf_add(out, STR("\xe2\x94\x80"))) return false;
    }
    return buf_add_char(out, '\n');
}

static bool print_left_out(const struct table *t, const struct layout *l, struct buf *out)
{
    bool any = false;
    if (l->rows < t->rows) {
        bool ok = buf_add(out, STR("... and ")) &&
                  text_add_count(out, (int64_t)(t->rows - l->rows)) &&
                  buf_add(out, STR(" more (--limit 0 shows all)\n"));
        if (!ok) return false;
    }
    for (unsigned i = 0; i < t->n; i++) {
        if (!l->hidden[i]) continue;
        const char *before = any ? ", " : "No room for: ";
        if (!buf_printf(out, "%s%s", before, t->columns[i].title)) return false;
        any = true;
    }
    return !any || buf_add_char(out, '\n');
}

bool table_print(const struct table *t, unsigned width, size_t max_rows, struct buf *out)
{
    struct layout l;
    lay_out(t, width, max_rows, &l);
    if (!print_line(t, &l, NULL, out) || !print_rule(t, &l, out)) return false;
    for (size_t r = 0; r < l.rows; r++) {
        if (!print_line(t, &l, t->cells + r * t->n, out)) return false;
    }
    if (t->has_total && !(print_rule(t, &l, out) && print_line(t, &l, t->total, out))) return false;
    return print_left_out(t, &l, out);
}

static bool needs_quotes(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (strchr("\",\r\n", s.p[i]) != NULL) return true;
    }
    return s.n > 0 && (s.p[0] == ' ' || s.p[s.n - 1] == ' ');
}

bool table_add_csv_cell(struct buf *out, struct str s)
{
    if (!needs_quotes(s)) return buf_add(out, s);
    if (!buf_add_char(out, '"')) return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' && !buf_add_char(out, '"')) return false;
        if (!buf_add_char(out, s.p[i])) return false;
    }
    return buf_add_char(out, '"');
}

static bool csv_text(struct buf *out, struct str s)
{
    struct buf clean;
    buf_init(&clean, 0);
    bool ok = text_add_clean(&clean, s) && table_add_csv_cell(out, buf_str(&clean));
    buf_fini(&clean);
    return ok;
}

static bool csv_cell(struct buf *out, const struct cell *c, enum cell_kind kind)
{
    if (c->hidden) return true;
    if (kind == CELL_TEXT) return csv_text(out, c->text);
    if (kind == CELL_SCORE)
        return buf_printf(out, "%lld.%03lld", (long long)(c->number / 1000),
                          (long long)(c->number % 1000));
    if (kind != CELL_SHARE) return buf_printf(out, "%lld", (long long)c->number);
    return c->whole <= 0 || buf_printf(out, "%.4f", (double)c->number / (double)c->whole);
}

bool table_print_csv(const struct table *t, struct buf *out)
{
    for (unsigned i = 0; i < t->n; i++) {
        if (i > 0 && !buf_add_char(out, ',')) return false;
        if (!table_add_csv_cell(out, str_of(t->columns[i].name))) return false;
    }
    if (!buf_add(out, STR("\r\n"))) return false;
    for (size_t i = 0; i < t->rows * t->n; i++) {
        unsigned column = (unsigned)(i % t->n);
        if (!csv_cell(out, &t->cells[i], t->columns[column].kind)) return false;
        if (!buf_add(out, column + 1 < t->n ? STR(",") : STR("\r\n"))) return false;
    }
    return true;
}
