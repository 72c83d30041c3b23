/*
 * answers.h - profiles on request, for dashboards: the list sentier:v1:profiles takes requests
 * "TOKEN SITE ID", the answer is the profile document under sentier:v1:profile:TOKEN, for a minute.
 * Blocking; used by the thread that makes the documents. Any aggregator may answer any request:
 * answering only reads.
 */
#ifndef SENTIER_ANSWERS_H
#define SENTIER_ANSWERS_H

#include "site_pages.h"

enum {
    ANSWER_POLL_MS = 200,    /* so often the list is looked at */
    ANSWERS_AT_ONCE = 16,    /* then documents have their turn */
    ANSWER_EXPIRES_S = 60,   /* unless it was fetched: nobody waits any more */
    ANSWER_TOKEN_MAX = 64,   /* bytes, of A-Z a-z 0-9 - _ */
    ANSWERS_WAITING = 10000, /* requests; the oldest of more are dropped */
};

/* Fills all but the Redis of *out; false: there is no such site. */
typedef bool answer_site_fn(void *arg, struct str site, struct site_view *out);

/* Takes at most ANSWERS_AT_ONCE requests and answers them; how many, or -1 with why in err: then
 * those that were taken are lost, and asked for again by who waits. */
int answers_give(struct redis_now *redis, answer_site_fn *find, void *arg, struct buf *err);

#endif
