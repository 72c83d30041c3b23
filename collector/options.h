/* options.h - section [collector] of sentier.conf. */
#ifndef SENTIER_COLLECTOR_OPTIONS_H
#define SENTIER_COLLECTOR_OPTIONS_H

#include "conf.h"
#include "http.h"
#include "shipper.h"

struct collector_conf {
    char *data, *listen, *admin;
    int64_t workers;
    char *pixel_path, *beacon_path, *script_path;
    int64_t script_max_age_s;
    char **trusted_proxies;
    bool demo;
    int64_t beacon_max_hits;
    struct http_limits http;
    int64_t journal_segment, journal_sync_ms, journal_reserve, journal_keep_s;
    char *archive;
    int64_t archive_keep_days, archive_max;
    int64_t ship_linger_ms, ship_drain_ms, stream_max;
    char *geoip, *geoip6, *salt_file;
};

extern const struct conf_opt collector_options[];

/* How this configuration ships the journals in `dir`; all is borrowed. */
struct shipper_opts options_of_shipper(const struct collector_conf *conf,
                                       const struct redis_conf *redis, const char *dir);

#endif
