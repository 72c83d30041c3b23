/* money.h - what was paid, as pages tell it: a currency, and a sum as people write it. Pure. */
#ifndef SENTIER_MONEY_H
#define SENTIER_MONEY_H

#include "hit.h"

/* Three capital letters, whether or not ISO 4217 knows them. */
bool money_is_currency(struct str text);

/* "49.9" -> 4990 when the currency has two digits behind the point; what is finer is rounded.
 * False: no such number (digits and at most one point, a digit first), or over HIT_MONEY_MAX. */
bool money_parse(struct str text, struct str currency, int64_t *minor);

#endif
