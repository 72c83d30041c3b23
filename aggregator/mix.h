/*
 * mix.h - the interest of a site: what the visits of all its persons say of each page, as of a
 * moment (interest.h). Beside it, one person's interest shows what is its own. Blocking.
 */
#ifndef SENTIER_MIX_H
#define SENTIER_MIX_H

#include "range_read.h"

struct mix_page {
    uint64_t page;
    int64_t score; /* INTEREST_SCORE_ONE: one */
};

struct mix {
    struct mix_page *pages; /* by rising id; those that are worth anything */
    size_t n;
    int64_t other; /* score of pages beyond the limit of rows */
    int64_t total; /* of all, other too */
};

/* now_ms: no visit is after it; the site's newest hit. 0, or -1 with why in err. mix_fini either
 * way. */
int mix_read(const struct range_source *s, int64_t now_ms, struct mix *out, struct buf *err);
void mix_fini(struct mix *m);

int64_t mix_score(const struct mix *m, uint64_t page); /* 0: nobody was interested */

#endif
