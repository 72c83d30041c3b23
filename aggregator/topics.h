/*
 * topics.h - what pages are about: the site's rules, and what each page says of itself. Topics are
 * made out on reading, so a changed rule holds for all history at once. Pure.
 *
 * Two spellings of a topic are one when they differ in the case of ASCII letters alone; it is
 * called by its lower-case form. Of a page's weights for a topic the greatest counts.
 */
#ifndef SENTIER_TOPICS_H
#define SENTIER_TOPICS_H

#include "about.h"

enum {
    TOPICS_OF_PAGE = 64, /* its own first, then its section's, then those of rules in their order */
    TOPICS_MAX = 20000,  /* of a site; pages that are asked for later get no new ones */
};

struct topics;

struct page_topic {
    uint32_t topic;  /* from 0 up, in the order in which they turned up */
    uint32_t weight; /* 1..100 */
};

struct page_topics {
    uint32_t n;
    struct page_topic at[TOPICS_OF_PAGE];
};

/* rules: of struct site, NULL: none; they must stay. NULL: no memory. */
struct topics *topics_new(char *const *rules);
void topics_free(struct topics *t); /* NULL is fine */

/* about NULL: the page has said nothing. False: no memory. */
bool topics_of_page(struct topics *t, struct str page, const struct about *about,
                    struct page_topics *out);

uint32_t topics_count(const struct topics *t);
struct str topics_name(const struct topics *t, uint32_t topic);
bool topics_cut(const struct topics *t); /* one of the two bounds was met: topics are missing */

/* What a page's score is worth for one of its topics. */
int64_t topic_score(int64_t page_score, uint32_t weight);

#endif
