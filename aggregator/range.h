/*
 * range.h - the rows of a range of days of one site, merged over its partitions: what reports and
 * summaries are made of. Pure: range_read.h brings the rows. One owner, no threads.
 */
#ifndef SENTIER_RANGE_H
#define SENTIER_RANGE_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "row.h"

enum {
    RANGE_DAYS_MAX = 3660,
    RANGE_PAGE_DAYS = PAGE_GAP_MAX, /* up to here persons of a page are exact */
};

struct range_row {
    struct str name; /* row name as in README.md: 'p' + id, ... */
    struct str page; /* of a page row, once range_set_page has been told; else empty */
    struct row row;  /* gap columns are already turned into COL_GAP_NONE = persons of the range */
    uint32_t stamp;  /* of the range_add that last added to it */
};

struct range_day {
    uint32_t day;
    struct row total; /* the T row of this day, gap columns as stored */
};

struct range {
    char *site;
    uint32_t from, to; /* local dates, inclusive */
    struct range_row *rows;
    size_t n;
    struct range_day *days;   /* to - from + 1 of them */
    uint32_t begin;           /* the first date that is counted: from, or later by range_keep */
    uint32_t kept_day;        /* earlier dates are known as whole months alone; 0: none */
    struct range_day *months; /* those of the range, whole and before kept_day; day: month
                                 (clock.h), gaps are months */
    size_t months_n;
    uint64_t unreadable; /* stored rows that are not what row.h writes; left out */

    /* inside */
    size_t cap;
    uint32_t *slots; /* hash table of row indexes + 1 */
    size_t slot_count;
    uint32_t stamp;
    struct range_block *blocks; /* names and pages */
    struct row scratch;
};

/* from <= to, at most RANGE_DAYS_MAX days. NULL: out of memory. */
struct range *range_new(struct str site, uint32_t from, uint32_t to);
void range_free(struct range *r); /* NULL is fine */

/* Adds the rows (plain, as in pack.h) of one day in one partition. A name that stands twice in them
 * counts once: HSCAN may return a field twice. from <= day <= to. False: out of memory. */
bool range_add(struct range *r, uint32_t day, struct str rows);

/* Dates before `day`, a first of a month, are known per month: none of these dates is added, but
 * the months that the range holds wholly. Before the first rows. False: out of memory. */
bool range_keep(struct range *r, uint32_t day);
bool range_whole(const struct range *r);       /* no date of the range is left out by that */
uint32_t range_counted(const struct range *r); /* how many dates are not left out */
bool range_add_month(struct range *r, uint32_t month, struct str rows); /* one of r->months */

/* All rows but the total, plain. range_add of them on `from`, in a range that begins there too,
 * adds what all these days have added; totals belong to their days. */
bool range_pack_merged(const struct range *r, struct buf *rows);

struct range_row *range_find(const struct range *r, struct str name); /* NULL: none */
int64_t range_value(const struct range *r, struct str name, uint32_t column);
bool range_set_page(struct range *r, struct range_row *row, struct str page);
bool range_exact(const struct range *r);       /* persons are */
bool range_pages_exact(const struct range *r); /* persons of pages are exact */

/* The rows of a kind (first byte of the name), greatest `column` first, then by page or name.
 * limit 0: all. *cut: there were more. *n of them in a new array; NULL with *n > 0 never. */
struct range_top {
    struct range_row **rows;
    size_t n;
    bool cut;
};
bool range_top(const struct range *r, char kind, uint32_t column, size_t limit,
               struct range_top *out); /* false: out of memory */
/* The same of those in which `column` is above zero. */
bool range_top_some(const struct range *r, char kind, uint32_t column, size_t limit,
                    struct range_top *out);
void range_top_fini(struct range_top *t);

#endif
