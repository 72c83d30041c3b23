/* number.h - numbers and flags of a hit's fields. Pure. */
#ifndef SENTIER_NUMBER_H
#define SENTIER_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "str.h"

bool number_parse(struct str s, int64_t *out); /* decimal digits only, at most 15 */

/* The same within min..max; an empty field leaves *out as it is. */
bool number_take(struct str s, int64_t min, int64_t max, int64_t *out);

bool number_flag(struct str s, bool *out); /* 1, 0, true, false; empty: false */

#endif
