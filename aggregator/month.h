/*
 * month.h - rows of days -> rows of their month. Pure. A row of a month has the columns of a day
 * but for ROWS_*, which count its own rows; its gaps are months: 64 + k stands for persons whose
 * active day before this one lies k months back, and nobody counts twice in a month.
 */
#ifndef SENTIER_MONTH_H
#define SENTIER_MONTH_H

#include "pack.h"
#include "row.h"

bool month_add(struct row *into, const struct row *from, uint32_t day); /* false: no memory */

/* The rows of one day, plain; they must live until month_fini. */
struct month_rows {
    struct month_row *rows;
    size_t n, cap;
};
bool month_take(struct month_rows *m, uint32_t day, struct str rows);
void month_fini(struct month_rows *m);

/* All of them added up, plain, in no order; names beyond the limits of a day go to (other). */
enum pack_result month_write(struct month_rows *m, struct buf *out);

#endif
