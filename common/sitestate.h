/*
 * sitestate.h - what a partition knows of a site besides its rows. The value of the site's field in
 * {pN}:sites:
 *
 *   01, watermark_ms, imported_ms, first_day, last_day, hits,
 *   number of open days, then for each by rising date: day, flags, touched, and when it is not 0
 *   kept_day                                                                   (all varints)
 *
 * An open day is a local date whose daily visitors still have fold state ({pN}:visitors:SITE:DAY).
 */
#ifndef SENTIER_SITESTATE_H
#define SENTIER_SITESTATE_H

#include <stdint.h>

#include "buf.h"
#include "hit.h"

/* The last moment and local date of year 9999: a hit outside of these is damage. */
#define HIT_AT_MAX_MS INT64_C(253402300799999)
#define HIT_DAY_MAX   UINT32_C(2932896)

enum {
    LATE_AFTER_MS = 72 * 3600 * 1000,
    DAY_MS = 24 * 3600 * 1000,
    OPEN_DAYS_MAX = 64,
    CLOSE_AFTER_DAYS = 5,      /* a hit that could still count for such a day would be late */
    CLOSE_AFTER_HITS = 100000, /* logs have no late: their days close when this many hits passed */
    OPEN_ROWS_DAYS = 5,        /* the newest date and so many before it have a hash of rows each */
};

enum open_flag { OPEN_LIVE = 1, OPEN_IMPORTED = 2 };

struct open_day {
    uint32_t day;
    uint32_t flags;   /* enum open_flag: whose hits it has */
    uint64_t touched; /* `hits` of the site when it was used last */
};

struct sitestate {
    char name[HIT_SITE_MAX_BYTES + 1];       /* NUL-terminated; not part of the value */
    int64_t watermark_ms;                    /* newest live hit; 0: none */
    int64_t imported_ms;                     /* newest hit from a log; 0: none */
    uint32_t first_day, last_day;            /* dates that have rows; 0, 0: none */
    uint64_t hits;                           /* folded so far: the clock of open days */
    struct open_day open[OPEN_DAYS_MAX + 1]; /* by rising date */
    uint32_t open_n;
    int64_t forgotten_ms; /* newest moment in {pN}:forgotten:SITE, 0: none; not part of the value */
    uint32_t kept_day; /* a first of a month: rows of earlier dates are kept per month; 0: none */
};

/* All zero but the name. */
void sitestate_init(struct sitestate *s, struct str name);
bool sitestate_encode(const struct sitestate *s, struct buf *out);
bool sitestate_decode(struct str in, struct sitestate *s); /* keeps the name; false: damaged */

/* One more hit of this site, in the order of the stream. False: it is late. */
bool sitestate_hit(struct sitestate *s, const struct hit *h);

/* The day has a daily visitor's hit. True: it was not open (or was closed since). */
bool sitestate_touch(struct sitestate *s, uint32_t day, bool imported);

/* The rows of earlier dates are packed, when the newest date of the site is last_day. */
uint32_t sitestate_open_from(uint32_t last_day);

/* What the newest date leaves of days and months; both only ever move on. Earlier months than that
 * of first_day have no rows any more. */
struct retention {
    uint32_t days, months;
    int64_t persons_ms; /* without a hit, by its own; 0: for good */
};
void sitestate_retain(struct sitestate *s, const struct retention *keep);

/* Closes one day that is due; false when none is. Call until false, after each hit. */
bool sitestate_close(struct sitestate *s, uint32_t *day);

#endif
