/*
 * agent.h - user agent -> device, browser, system, and the bot rule that names it. The patterns are
 * loaded once and shared, read-only; each thread has a cache of its own, in which no agent is kept,
 * only a keyed hash of it.
 */
#ifndef SENTIER_AGENT_H
#define SENTIER_AGENT_H

#include "hit.h"
#include "str.h"

enum {
    AGENT_LOOK_BYTES = 1024,         /* what comes after is not looked at */
    AGENT_CACHE_ENTRIES = 64 * 1024, /* per thread; 1 MiB */
};

struct agent_info {
    enum device device;
    enum browser browser;
    enum os os;
    struct str bot; /* static string; "" for humans. No agent at all: "no-agent" */
};

struct agents; /* opaque; any number of threads may share it */

struct agents *agents_load(void); /* NULL: said in the log why */
void agents_free(struct agents *a);

/* Rules of the pattern list, in its order; NULL past the end. */
const char *agents_rule(size_t i);

struct agent_cache; /* one thread's */

struct agent_cache *
agent_cache_new(const struct agents *a); /* a must outlive it; NULL: no memory */
void agent_cache_free(struct agent_cache *c);

/* Valid until the next call. One hash look-up when the agent is known. */
const struct agent_info *agent_lookup(struct agent_cache *c, struct str user_agent);

#endif
