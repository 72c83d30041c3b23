/* rebuild_swap.h - the next generation becomes the live one, partition by partition. */
#ifndef SENTIER_REBUILD_SWAP_H
#define SENTIER_REBUILD_SWAP_H

#include "rebuild_live.h"
#include "site.h"

struct swap_site {
    char name[72];
    uint32_t first, last; /* days that keep their old counters */
    uint64_t days;        /* so many */
};

struct swap_account {
    uint64_t partitions, days, kept_partitions, kept_profiles, regained;
    struct swap_site *site; /* of those that keep something */
    size_t sites;
};
void swap_account_fini(struct swap_account *a);

struct swap {
    struct live *live;
    struct rebuild_files *files;
    const struct sites *sites;
    char (*birth)[LIVE_ID_BYTES]; /* for partitions that have none; "": a fresh one */
    const int64_t
        *until_ms; /* per partition: hits received until then may be missing; 0: none are */
};

/* While the live generation is fenced and nobody folds the next one. 0; -1 with a message:
 * partitions before that one are swapped, it and the others are as they were. */
int rebuild_swap(const struct swap *s, struct swap_account *out, struct buf *err);

/* Local date of the site at which nothing later is missing. Pure. */
uint32_t rebuild_kept_day(const struct sites *sites, struct str site, int64_t until_ms);

/* One state for two generations: the clock of both, open days up to `day` from `was`, later ones
 * from `now`. False: one of them cannot be read. Pure. */
bool rebuild_merge_site(struct str was, struct str now, uint32_t day, struct buf *out);

#endif
