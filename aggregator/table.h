/*
 * table.h - rows and columns for people (a terminal) or for programs (CSV, RFC 4180). Texts are
 * copied and made harmless; numbers stand on the right. Pure.
 */
#ifndef SENTIER_TABLE_H
#define SENTIER_TABLE_H

#include <stdint.h>

#include "buf.h"
#include "str.h"

enum { TABLE_COLUMNS_MAX = 24, TABLE_TEXT_MIN = 24, TABLE_WIDTH_MIN = 40 };

enum cell_kind {
    CELL_TEXT,     /* shortened in its middle where there is no room */
    CELL_COUNT,    /* CSV: the number */
    CELL_DURATION, /* milliseconds. CSV: the number */
    CELL_SCORE,    /* thousandths: 1.23. CSV: 1.234 */
    CELL_SHARE,    /* number of whole. CSV: a fraction, 4 digits; empty of nothing */
};

struct table_column {
    const char *title; /* for people */
    const char *name;  /* in CSV */
    enum cell_kind kind;
    int rank; /* 0: always there; the highest goes first where there is no room */
};

struct cell {
    struct str text;
    int64_t number, whole;
    bool hidden; /* not for anyone: "*"; CSV: empty */
};

struct table;

/* columns (ends with title == NULL, at most TABLE_COLUMNS_MAX) must outlive the table. */
struct table *table_new(const struct table_column *columns);
void table_free(struct table *t); /* NULL is fine */

bool table_add(struct table *t, const struct cell *cells);       /* one cell per column */
bool table_set_total(struct table *t, const struct cell *cells); /* last line, under a rule */
size_t table_rows(const struct table *t);

/* At most max_rows rows (0: all); the total always. What did not fit is said below. */
bool table_print(const struct table *t, unsigned width, size_t max_rows, struct buf *out);
bool table_print_csv(const struct table *t, struct buf *out); /* without the total */

/* One cell of CSV: quoted where needed. */
bool table_add_csv_cell(struct buf *out, struct str s);

#endif
