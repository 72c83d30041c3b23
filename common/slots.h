/*
 * slots.h - which node of a Redis Cluster holds a key: slot = CRC16 (XMODEM) of the hash tag, or of
 * the whole key, mod 16384, and the map from slots to nodes as CLUSTER SLOTS prints it. Pure but
 * for the memory of the map.
 * Source: the Redis Cluster specification.
 */
#ifndef SENTIER_SLOTS_H
#define SENTIER_SLOTS_H

#include <hiredis/hiredis.h>
#include <stdint.h>

#include "redis_place.h"
#include "str.h"

enum { SLOTS = 16384, SLOT_NODES_MAX = 256, SLOT_NODE_NONE = 0xffff };

unsigned slot_of(struct str key);

/* The key that routes a command of ours: KEYS[1] of EVAL and EVALSHA, the first stream of XREAD,
 * else the first argument. Empty: none, any node will do. */
struct str slot_key(int argc, const struct str *argv);

struct slot_map {
    struct redis_seed node[SLOT_NODES_MAX]; /* masters */
    unsigned nodes;
    uint16_t of[SLOTS]; /* index of the node, or SLOT_NODE_NONE */
    unsigned missing;   /* slots without a node */
};

/* Reads CLUSTER SLOTS. A node without an address is the one that was asked. False: not an answer to
 * it, or too many nodes; the map is then unchanged. */
bool slots_read(struct slot_map *m, const redisReply *reply, const struct redis_seed *asked);

/* "MOVED 3999 127.0.0.1:6381", "ASK 3999 127.0.0.1:6381". */
enum redirect_kind { REDIRECT_NONE, REDIRECT_MOVED, REDIRECT_ASK };
struct redirect {
    enum redirect_kind kind;
    unsigned slot;
    struct redis_seed to;
};
struct redirect redirect_parse(const redisReply *reply, const struct redis_seed *asked);

/* Notes one MOVED. False: no room for another node. */
bool slots_moved(struct slot_map *m, const struct redirect *r);

#endif
