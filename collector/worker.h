/*
 * worker.h - one thread of the HTTP half: a loop, a listener, its connections, its journal. Started
 * and stopped by the main thread; everything inside belongs to the worker's own thread.
 */
#ifndef SENTIER_WORKER_H
#define SENTIER_WORKER_H

#include "client.h"
#include "ingest.h"
#include "journal.h"
#include "options.h"
#include "shipper.h"
#include "snapshot.h"

struct worker_opts {
    const struct collector_conf *conf;
    const struct lists *lists;
    struct salts *salts;
    const struct proxies *proxies;
    struct metrics *metrics;
    struct shipper *shipper; /* woken after each commit */
    const char *journal_dir;
    unsigned partitions;
    int listen_fd; /* taken */
};

struct worker;

struct worker *worker_new(const struct worker_opts *opts, struct snapshot *sites);
struct journal *
worker_journal(struct worker *w); /* to be announced to the shipper, before the start */
int worker_start(struct worker *w);

/* Any thread: new sites are used from the next turn on; or finish open requests, then end. */
void worker_give_sites(struct worker *w, struct snapshot *sites);
void worker_stop(struct worker *w);
/* Any thread: the journal is left, soon. Since when it is: worker_has_left, of what was returned.
 */
unsigned worker_leave(struct worker *w);
bool worker_has_left(const struct worker *w, unsigned leaving);

void worker_join(struct worker *w); /* waits for the thread; nothing is committed after it */
void worker_free(struct worker *w); /* after the shipper; NULL is fine */

#endif
