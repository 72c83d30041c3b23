/*
 * The aggregator's options: one row is default, range, check, --help line and the annotated sample.
 */
#include "options.h"

#define O(field) offsetof(struct aggregator_conf, field)

const struct conf_opt aggregator_options[] = {
    {"admin", CONF_STR, O(admin), "127.0.0.1:8091", 1, 255, "address of /metrics and /stats"},
    {"name", CONF_STR, O(name), "", 0, 64,
     "of this aggregator, in leases; unique, takes up its own leases after a crash; empty: "
     "HOST-PID"},
    {"poll_ms", CONF_INT, O(poll_ms), "25", 1, 10000, "how often streams at rest are looked at"},
    {"batch_hits", CONF_INT, O(batch_hits), "4096", 1, 100000, "hits folded in one commit, about"},
    {"lease_ms", CONF_INT, O(lease_ms), "6000", 300, 600000,
     "after a crash, time until another aggregator takes over"},
    {"cache", CONF_SIZE, O(cache_bytes), "256M", 1024 * 1024, 1LL << 40,
     "bytes of profiles, fold states and rows kept in memory"},
    CONF_RETENTION(O(days_kept), O(months_kept)),
    {"profiles_kept", CONF_INT, O(profiles_kept), "13", 1, 1200,
     "months of 31 days without a visit after which a profile is gone, before the site's newest "
     "hit"},
    {"summary_ms", CONF_INT, O(summary_ms), "250", 10, 60000,
     "a site's summaries are refreshed at most this often"},
    {"summary_cache", CONF_SIZE, O(summary_cache_bytes), "64M", 1024 * 1024, 1LL << 40,
     "bytes of rows kept in memory for summaries"},
    {"stop_ms", CONF_INT, O(stop_ms), "5000", 0, 600000,
     "at a stop, time for the commits under way"},
    {0},
};
#undef O
