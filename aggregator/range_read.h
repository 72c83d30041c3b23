/*
 * range_read.h - brings the stored rows of a site: blocking, over all its partitions. Large
 * hashes are read by HSCAN, so that Redis serves others between the steps.
 */
#ifndef SENTIER_RANGE_READ_H
#define SENTIER_RANGE_READ_H

#include "keys.h"
#include "range.h"
#include "redis_now.h"
#include "zone.h"

enum { RANGE_PART_MAX_BYTES = 256 * 1024 * 1024 };

struct range_source {
    struct redis_now *redis;
    struct str site;
    unsigned partitions;     /* of the data set */
    unsigned spread;         /* of the site */
    int64_t persons_kept_ms; /* without a hit (expiry.h); 0: for good */
};

unsigned range_parts(const struct range_source *s);            /* partitions of the site */
unsigned range_part(const struct range_source *s, unsigned i); /* the i-th of them */

/* Which dates of a site have rows. */
struct range_extent {
    bool any; /* false: no hit of this site was ever folded */
    uint32_t first, last;
    uint32_t kept_day; /* dates before it are kept per month; 0: none */
    int64_t live_ms;   /* newest hit from a browser; 0: all are imported */
};
int range_read_extent(const struct range_source *s, struct range_extent *out, struct buf *err);

/* The day on which "today" and "the last 28 days" end: the date in the site's zone, or, for a site
 * of which there are only logs, its newest day. */
uint32_t range_end(const struct range_extent *e, const struct zone *zone, int64_t now_ms);

/* Appends all fields of a hash, packed as in pack.h; one may stand twice. 0, or -1 and err. */
int range_read_hash(const struct range_source *s, const struct key *key, struct buf *rows,
                    struct buf *err);

/* Appends the rows (plain, as in pack.h) of one day in partition `part`. 0, or -1 with why in err.
 */
int range_read_day(const struct range_source *s, unsigned part, uint32_t day, struct buf *rows,
                   struct buf *err);

/* All days from `from` to `to`, all partitions. Reads again when a commit came between, a
 * few times, so that totals and rows belong together wherever possible. *out is new. */
int range_read(const struct range_source *s, uint32_t from, uint32_t to, struct range **out,
               struct buf *err);

/* Page names of the rows; a page that Redis does not know keeps an empty name. */
int range_read_pages(const struct range_source *s, struct range *r, const struct range_top *pages,
                     struct buf *err);

#endif
