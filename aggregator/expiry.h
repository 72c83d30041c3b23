/*
 * expiry.h - for how long profiles are kept: a person who has not come for profiles_kept months is
 * one no more. Months of 31 days, so that the gap is longer than any that rows look back over.
 *
 * Readers pass over such a person at once, by the site's newest hit. The fold begins it anew when
 * it comes again, by its own hits alone. So nothing depends on when the sweep takes its value out.
 */
#ifndef SENTIER_EXPIRY_H
#define SENTIER_EXPIRY_H

#include "range_read.h"
#include "sitestate.h"

static inline int64_t expiry_of_months(int64_t months)
{
    return months * 31 * DAY_MS;
}

/* Who was seen last before *border_ms has expired; 0: nobody has. -1 with why in err. */
int expiry_border(const struct range_source *s, int64_t *border_ms, struct buf *err);

#endif
