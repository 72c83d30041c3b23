/* lists.h - what is loaded once at start and shared by all threads, read-only. */
#ifndef SENTIER_LISTS_H
#define SENTIER_LISTS_H

#include "agent.h"
#include "geo.h"
#include "ingest.h" /* lists_load, lists_free */

struct lists {
    struct agents *agents;
    struct geo *geo;
};

#endif
