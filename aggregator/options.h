/* options.h - section [aggregator] of sentier.conf. */
#ifndef SENTIER_AGGREGATOR_OPTIONS_H
#define SENTIER_AGGREGATOR_OPTIONS_H

#include "conf.h"

struct aggregator_conf {
    char *admin;
    char *name;
    int64_t poll_ms;
    int64_t batch_hits;
    int64_t lease_ms;
    int64_t cache_bytes;
    int64_t days_kept;
    int64_t months_kept;
    int64_t profiles_kept;
    int64_t summary_ms;
    int64_t summary_cache_bytes;
    int64_t stop_ms;
};
extern const struct conf_opt aggregator_options[];

#endif
