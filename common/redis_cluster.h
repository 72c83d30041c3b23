/*
 * redis_cluster.h - the nodes of one Redis Cluster behind a link: keeps the map of slots, a
 * connection to each master, and sends each command to the node of its key. See redis.h for what
 * callers see; this is the part of a link whose address is cluster://.
 */
#ifndef SENTIER_REDIS_CLUSTER_H
#define SENTIER_REDIS_CLUSTER_H

#include "redis.h"
#include "redis_place.h"

struct redis_cluster;

/* conf and place must stay. The rest is as in redis.h, function by function. */
struct redis_cluster *redis_cluster_new(struct event_base *base, const struct redis_conf *conf,
                                        const struct redis_place *place, redis_state_fn *on_state,
                                        void *arg);
void redis_cluster_free(struct redis_cluster *c);
bool redis_cluster_up(const struct redis_cluster *c);
int redis_cluster_send(struct redis_cluster *c, redis_reply_fn *fn, void *arg, int argc,
                       const struct str *argv);
/* argv[0] and argv[1] are set here: they depend on the node. */
int redis_cluster_eval(struct redis_cluster *c, const struct redis_script *s, redis_reply_fn *fn,
                       void *arg, int argc, struct str *argv);
int redis_cluster_subscribe(struct redis_cluster *c, redis_reply_fn *fn, void *arg,
                            struct str channel);

#endif
