/* deliver.h - waits until Redis has what a command has put into the journal; ships it where no
 * collector runs. Blocking. */
#ifndef SENTIER_DELIVER_H
#define SENTIER_DELIVER_H

#include "options.h"
#include "redis_now.h"

struct delivery {
    const struct collector_conf *conf;
    const struct redis_conf *redis_conf;
    struct redis_now *redis;
    const char *journal_dir;
    const unsigned char *producer;
    const uint64_t *last; /* per partition: the seq that Redis must have; 0: none */
    void (*tell)(void *arg, const char *what); /* often; what it waits for */
    void *arg;
};

/* 0; -1: *err says why. What is in the journal is shipped sooner or later all the same. */
int deliver(const struct delivery *d, struct buf *err);

#endif
