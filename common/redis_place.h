/*
 * redis_place.h - where Redis is, as the configuration says it. Pure.
 *
 *   unix:/path  or  /path
 *   host:port
 *   sentinel://name@host:port,host:port,...   the master that the sentinels call `name`
 *   cluster://host:port,host:port,...         nodes to ask first; the others are learnt
 */
#ifndef SENTIER_REDIS_PLACE_H
#define SENTIER_REDIS_PLACE_H

#include "address.h"
#include "buf.h"

enum redis_kind { REDIS_UNIX, REDIS_TCP, REDIS_SENTINEL, REDIS_CLUSTER };

enum { REDIS_SEEDS_MAX = 16, REDIS_NAME_BYTES = 64, REDIS_PATH_BYTES = 108 };

struct redis_seed {
    char host[ADDRESS_HOST_BYTES];
    int port;
};

struct redis_place {
    enum redis_kind kind;
    char path[REDIS_PATH_BYTES];   /* REDIS_UNIX */
    char master[REDIS_NAME_BYTES]; /* REDIS_SENTINEL */
    struct redis_seed seed[REDIS_SEEDS_MAX];
    unsigned seeds; /* 1 for REDIS_TCP */
};

/* False: none of these; err says what is wrong with it and what would be right. */
bool redis_place_parse(const char *text, struct redis_place *out, struct buf *err);

#endif
