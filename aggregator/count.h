/* count.h - the table of README.md ("Rows of a site's day") as code: what adds to which row and
 * column. Memory failures are remembered by the deltas. */
#ifndef SENTIER_COUNT_H
#define SENTIER_COUNT_H

#include "delta.h"
#include "hit.h"
#include "session.h"

struct count {
    struct deltas *deltas;
    struct sitestate *site;
};

/* The hit's verdict, into the ledgers of the partition and of the site's day. */
void count_verdict(const struct count *c, const struct hit *h, enum verdict v, uint32_t weight);

/* A pageview came with the hit. */
void count_view(const struct count *c, const struct pageview *p, const struct hit *h);
/* In its minute of the live rows: it comes, or goes to another one. Nothing of bots and logs. */
void count_live(const struct count *c, const struct pageview *p, int sign);
void count_engaged(const struct count *c, const struct pageview *p, uint32_t grown_ms);
void count_errors(const struct count *c, const struct pageview *p, uint32_t grown);

/* What was done on a page; pageviews and pulses add nothing. `page` may be empty: not named. */
struct click {
    uint32_t day;
    uint64_t page_id;
    enum hit_kind kind;
    bool goal;             /* of an event */
    struct str text;       /* as trail_text */
    struct str properties; /* of an event */
    struct str page;
};
void count_click(const struct count *c, const struct click *click);

/* What was bought with this click; false: nothing. */
bool bought_of(const struct click *click, struct bought *out);
/* sign -1: what counted before and does not count any more. page may be empty: not named. */
void count_bought(const struct count *c, const struct bought *b, struct str page, int sign);

/* The difference between what a visitor's sessions and days added before and add now. */
void count_sums(const struct count *c, const struct sums *before, const struct sums *now,
                bool consented);

#endif
