/* endpoints.h - what each path does: pixel, beacon, tracker, health, demo. One per worker; the
 * journal's hits of a turn are staged here and answered when the turn's commit is known. */
#ifndef SENTIER_ENDPOINTS_H
#define SENTIER_ENDPOINTS_H

#include "client.h"
#include "http.h"
#include "ingest.h"
#include "journal.h"
#include "options.h"
#include "tally.h"

struct endpoints_opts {
    const struct collector_conf *conf;
    const struct proxies *proxies;
    struct ingest *ingest;
    struct tally *tally;
    struct journal *journal;
    struct metrics_slot *metrics;
    unsigned partitions;
};

struct endpoints;

struct endpoints *endpoints_new(const struct endpoints_opts *opts);
void endpoints_free(struct endpoints *e); /* NULL is fine */
void endpoints_set_sites(struct endpoints *e, const struct sites *sites);

void endpoints_handle(void *arg, const struct http_request *req, struct http_reply *out);

/* The turn's commit stored its hits, or did not: counts them as taken or as not stored. */
void endpoints_stored(struct endpoints *e, bool stored);

#endif
