/*
 * transition.h - rows of steps from one page to the next: their two pages, and the share of the
 * visits to the first one that went on to the second. Pure; names as told by range_read_pages.
 */
#ifndef SENTIER_TRANSITION_H
#define SENTIER_TRANSITION_H

#include <jansson.h>

#include "keys.h"
#include "range.h"
#include "text.h"

struct transition {
    struct str from, to; /* "shop.example/a", "(page ID)", "(other)"; of the range, static, or in
                            the rooms */
    char from_id[ID_TEXT_BYTES], to_id[ID_TEXT_BYTES]; /* "" of (other) */
    int64_t count;                                     /* visits that went on like this */
    int64_t visits;                                    /* to `from`; 0: not known */
    char from_room[TEXT_PAGE_BYTES], to_room[TEXT_PAGE_BYTES];
};

/* Of a row of kind 't'. */
void transition_of(const struct range *r, const struct range_row *row, struct transition *out);

/* The most frequent ones as a list; limit 0: all. NULL: out of memory. */
json_t *transition_list(const struct range *r, size_t limit, bool *cut);

/* The rows of the pages in that list; one may stand twice. */
bool transition_pages(const struct range *r, size_t limit, struct range_top *out);

#endif
