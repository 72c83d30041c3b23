/*
 * property.h - rows of properties of events: the event, a key and a value of it, and how often they
 * came together. Pure.
 */
#ifndef SENTIER_PROPERTY_ROW_H
#define SENTIER_PROPERTY_ROW_H

#include <jansson.h>

#include "range.h"

struct property {
    struct str event, key, value; /* of the range; event "(other)": those beyond the limit */
    int64_t count, goals;
    int64_t events; /* of that name, with and without this property; 0: not known */
};

/* Of a row of kind 'a'. */
void property_of(const struct range *r, const struct range_row *row, struct property *out);

/* The rows, the most frequent ones first; event: of that one alone, when it is not empty. limit 0:
 * all. False: out of memory. */
bool property_top(const struct range *r, struct str event, size_t limit, struct range_top *out);

/* The same as a list. NULL: out of memory. */
json_t *property_list(const struct range *r, struct str event, size_t limit, bool *cut);

#endif
