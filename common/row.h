/* row.h - one row of counters: sparse, columns in rising order. Formats in README.md. */
#ifndef SENTIER_ROW_H
#define SENTIER_ROW_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "str.h"

enum column {
    COL_VIEWS = 1,
    COL_BOT_VIEWS,
    COL_SESSIONS,
    COL_EXITS,
    COL_BOUNCES,
    COL_ENGAGED_MS,
    COL_DAILY_VISITORS,
    COL_NOT_FOUND,
    COL_BOT_NOT_FOUND,
    COL_OUTBOUND,
    COL_DOWNLOADS,
    COL_EVENTS,
    COL_IMPORTED,
    COL_LIVE,
    COL_USED = 15, /* visits to a page in which it was used */
    COL_ROWS_PAGE = 16,
    COL_ROWS_FREE = 17, /* + 0..6: r s e x f m k */
    COL_EXPOSURES = 24,
    COL_CLICKS,
    COL_CONTROLS,
    COL_GOALS,
    COL_PURCHASES,
    COL_REVENUE,
    COL_LINKS_LEFT_OUT,
    COL_VISITS = 31, /* to a page: sessions with a pageview of it */
    COL_VERDICT = 32,
    COL_GAP_NONE = 64, /* + gap, up to GAP_MAX */
    COL_SEEN = 480,    /* trials of a page: sessions in which a link to it was in view */
    COL_SEEN_OPENED,   /* of these, those in which it was opened afterwards */
    COL_STEPS,         /* visits that went on from one page to the other */
    COL_ROWS_STEP,
    COL_ERRORS, /* JavaScript errors */
    COL_ROWS_PROPERTY,
    COL_ROWS_SEARCH,
    COL_SEARCHES,
    COL_CONTROLS_IN_VIEW,
};
/* Kinds of rows of which a day has no more than so many. */
#define ROW_LIMITED_KINDS "prsexfmktaq"
/* Between event, key and value in the name of a property's row: no text that is kept has it. */
#define ROW_NAME_BORDER '\t'

enum {
    GAP_MAX = 400,
    PAGE_GAP_MAX = 28,
    ROW_NAME_MAX_BYTES = 1 + 2048,
    ROW_MAX_CELLS = 1024, /* more in an encoded row is damage */
    ROWS_PAGE_MAX = 50000,
    ROWS_FREE_MAX = 2000, /* of a kind, on one day */
};

static inline bool column_is_gap(uint32_t column)
{
    return column > COL_GAP_NONE && column <= COL_GAP_NONE + GAP_MAX;
}
static inline bool column_is_persons(uint32_t column)
{
    return column == COL_GAP_NONE || column_is_gap(column);
}

/* The column of the total row that counts the rows of the i-th limited kind; and whether it is one.
 */
static inline uint32_t column_of_limit(size_t i)
{
    static const uint32_t later[] = {COL_ROWS_STEP, COL_ROWS_PROPERTY, COL_ROWS_SEARCH};
    const size_t first = COL_EXPOSURES - COL_ROWS_PAGE;
    return i < first ? COL_ROWS_PAGE + (uint32_t)i : later[i - first];
}
static inline bool column_is_limit(uint32_t column)
{
    return (column >= COL_ROWS_PAGE && column < COL_EXPOSURES) || column == COL_ROWS_STEP ||
           column == COL_ROWS_PROPERTY || column == COL_ROWS_SEARCH;
}

struct row_cell {
    uint32_t column;
    int64_t value;
};

struct row {
    struct row_cell *cells;
    uint32_t n, cap;
};

void row_fini(struct row *r);
bool row_add(struct row *r, uint32_t column, int64_t amount); /* false: out of memory */
int64_t row_get(const struct row *r, uint32_t column);
bool row_merge(struct row *into, const struct row *from); /* adds every column */
bool row_empty(const struct row *r);                      /* nothing but zeros: the field goes */
void row_clear(struct row *r);                            /* empty again; keeps the memory */
void row_drop_below(struct row *r, uint32_t column);      /* those columns go */
bool row_encode(const struct row *r, struct buf *out);    /* zero columns are left out */
/* Into an empty row. False: not a row, and *out is empty. */
bool row_decode(struct str in, struct row *out);

/* Persons of the days a..b from one day's row: the gap columns with gap > day - a, or none. */
int64_t row_persons(const struct row *r, uint32_t day, uint32_t a);

#endif
