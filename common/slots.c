/*
 * Slots of a Redis Cluster. Pure: what the nodes say is read, never believed to be well formed; an
 * answer that is not one leaves the map as it was. A node that does not say its own address has the
 * host of the one that was asked: it can be reached there, for it just answered from there or
 * stands behind the same door.
 */
#include "slots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* CRC16 of XMODEM: polynomial 0x1021, begins with 0, nothing reflected. By nibbles. */
static uint16_t crc16(struct str s)
{
    static const uint16_t table[16] = {0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5,
                                       0x60c6, 0x70e7, 0x8108, 0x9129, 0xa14a, 0xb16b,
                                       0xc18c, 0xd1ad, 0xe1ce, 0xf1ef};
    uint16_t crc = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        crc = (uint16_t)(crc << 4) ^ table[(crc >> 12) ^ (c >> 4)];
        crc = (uint16_t)(crc << 4) ^ table[(crc >> 12) ^ (c & 15)];
    }
    return crc;
}

/* What stands between the first { and the next }, unless that is nothing. */
static struct str tag_of(struct str key)
{
    struct str after = str_from(key, str_find(key, '{') + 1);
    size_t n = str_find(after, '}');
    return n == 0 || n == after.n ? key : str_upto(after, n);
}

unsigned slot_of(struct str key)
{
    return crc16(tag_of(key)) % SLOTS;
}

static struct str first_stream(int argc, const struct str *argv)
{
    for (int i = 1; i + 1 < argc; i++) {
        if (str_ieq(argv[i], STR("STREAMS"))) return argv[i + 1];
    }
    return (struct str){NULL, 0};
}

struct str slot_key(int argc, const struct str *argv)
{
    static const struct str none = {NULL, 0};
    if (argc < 2) return none;
    if (str_ieq(argv[0], STR("EVAL")) || str_ieq(argv[0], STR("EVALSHA"))) {
        return argc > 3 && !str_eq(argv[2], STR("0")) ? argv[3] : none;
    }
    if (str_ieq(argv[0], STR("XREAD"))) return first_stream(argc, argv);
    return argv[1];
}

static bool seed_set(struct redis_seed *to, struct str host, long long port,
                     const struct redis_seed *asked)
{
    if (host.n == 0 || str_eq(host, STR("?"))) host = str_of(asked->host);
    if (host.n == 0 || host.n >= sizeof to->host || port < 1 || port > 65535) return false;
    memmove(to->host, host.p, host.n);
    to->host[host.n] = '\0';
    to->port = (int)port;
    return true;
}

/* The node's index, new or not; SLOT_NODE_NONE: no room. */
static unsigned node_at(struct slot_map *m, const struct redis_seed *s)
{
    for (unsigned i = 0; i < m->nodes; i++) {
        if (m->node[i].port == s->port && strcmp(m->node[i].host, s->host) == 0) return i;
    }
    if (m->nodes == SLOT_NODES_MAX) return SLOT_NODE_NONE;
    m->node[m->nodes] = *s;
    return m->nodes++;
}

static bool is_slot(const redisReply *r)
{
    return r->type == REDIS_REPLY_INTEGER && r->integer >= 0 && r->integer < SLOTS;
}

/* First slot, last slot, master, replicas ... */
static bool read_range(struct slot_map *m, const redisReply *r, const struct redis_seed *asked)
{
    struct redis_seed at;
    if (r->type != REDIS_REPLY_ARRAY || r->elements < 3) return false;
    if (!is_slot(r->element[0]) || !is_slot(r->element[1])) return false;
    const redisReply *master = r->element[2];
    if (master->type != REDIS_REPLY_ARRAY || master->elements < 2) return false;
    const redisReply *host = master->element[0], *port = master->element[1];
    struct str name = host->type == REDIS_REPLY_STRING ? (struct str){host->str, host->len}
                                                       : (struct str){NULL, 0};
    if (port->type != REDIS_REPLY_INTEGER || !seed_set(&at, name, port->integer, asked))
        return false;
    unsigned node = node_at(m, &at);
    if (node == SLOT_NODE_NONE) return false;
    for (long long s = r->element[0]->integer; s <= r->element[1]->integer; s++) {
        if (m->of[s] == SLOT_NODE_NONE) m->missing--;
        m->of[s] = (uint16_t)node;
    }
    return true;
}

bool slots_read(struct slot_map *m, const redisReply *reply, const struct redis_seed *asked)
{
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY) return false;
    struct slot_map *got = malloc(sizeof *got);
    if (got == NULL) return false;
    got->nodes = 0;
    got->missing = SLOTS;
    memset(got->of, 0xff, sizeof got->of); /* SLOT_NODE_NONE */
    bool ok = true;
    for (size_t i = 0; ok && i < reply->elements; i++)
        ok = read_range(got, reply->element[i], asked);
    if (ok) *m = *got;
    free(got);
    return ok;
}

struct redirect redirect_parse(const redisReply *reply, const struct redis_seed *asked)
{
    struct redirect r = {.kind = REDIRECT_NONE}, none = {.kind = REDIRECT_NONE};
    if (reply == NULL || reply->type != REDIS_REPLY_ERROR) return none;
    struct str s = {reply->str, reply->len};
    if (str_starts(s, STR("MOVED "))) r.kind = REDIRECT_MOVED;
    if (str_starts(s, STR("ASK "))) r.kind = REDIRECT_ASK;
    if (r.kind == REDIRECT_NONE) return none;
    char *end;
    unsigned long slot = strtoul(reply->str + str_find(s, ' ') + 1, &end, 10);
    const char *colon = strrchr(reply->str, ':'); /* an IPv6 address has no brackets here */
    if (slot >= SLOTS || *end != ' ' || colon == NULL || colon <= end) return none;
    r.slot = (unsigned)slot;
    struct str host = {end + 1, (size_t)(colon - end - 1)};
    return seed_set(&r.to, host, strtoll(colon + 1, NULL, 10), asked) ? r : none;
}

bool slots_moved(struct slot_map *m, const struct redirect *r)
{
    unsigned node = node_at(m, &r->to);
    if (node == SLOT_NODE_NONE) return false;
    if (m->of[r->slot] == SLOT_NODE_NONE) m->missing--;
    m->of[r->slot] = (uint16_t)node;
    return true;
}
