/*
 * The collector's options: one row is default, range, check, --help line and the annotated sample.
 */
#include "options.h"

#define O(field) offsetof(struct collector_conf, field)
enum { DAY_MS = 86400 * 1000 };

const struct conf_opt collector_options[] = {
    {"data", CONF_STR, O(data), "/var/lib/sentier", 1, 3000, "directory of the journals"},
    {"listen", CONF_STR, O(listen), ":8080", 1, 255, "address for hits, HOST:PORT; no host: all"},
    {"admin", CONF_STR, O(admin), "127.0.0.1:8090", 1, 255, "address of /metrics and /stats"},
    {"workers", CONF_INT, O(workers), "0", 0, 256, "threads that take hits; 0: one per core"},
    {"pixel_path", CONF_STR, O(pixel_path), "/p.gif", 2, 255, "path of the pixel"},
    {"beacon_path", CONF_STR, O(beacon_path), "/b", 2, 255, "path of beacons"},
    {"script_path", CONF_STR, O(script_path), "/s.js", 2, 255, "path of the tracker"},
    {"script_max_age", CONF_INT, O(script_max_age_s), "3600", 0, 31536000,
     "seconds that a browser keeps the tracker without asking"},
    {"trusted_proxies", CONF_LIST, O(trusted_proxies), "127.0.0.0/8, ::1", 0, 256,
     "networks whose X-Forwarded-For is believed"},
    {"demo", CONF_BOOL, O(demo), "no", 0, 0, "serve the demo site under /demo/"},
    {"beacon_max_hits", CONF_INT, O(beacon_max_hits), "64", 1, 10000, "hits in one beacon"},
    {"head_max", CONF_SIZE, O(http.head_max_bytes), "16k", 512, 1024 * 1024,
     "bytes of a request's line and headers"},
    {"body_max", CONF_SIZE, O(http.body_max_bytes), "64k", 1024, 64 * 1024 * 1024,
     "bytes of a body, also after inflation"},
    {"headers_max", CONF_INT, O(http.headers_max), "64", 8, 1024, "headers of a request"},
    {"connections_max", CONF_INT, O(http.connections_max), "20000", 1, 1000000,
     "connections of one worker"},
    {"head_timeout_ms", CONF_INT, O(http.head_timeout_ms), "10000", 100, DAY_MS,
     "from the first byte of a request to the end of its head"},
    {"body_timeout_ms", CONF_INT, O(http.body_timeout_ms), "20000", 100, DAY_MS,
     "from there to the end of its body"},
    {"idle_timeout_ms", CONF_INT, O(http.idle_timeout_ms), "30000", 100, DAY_MS,
     "between two requests of a connection"},
    {"write_timeout_ms", CONF_INT, O(http.write_timeout_ms), "10000", 100, DAY_MS,
     "for a client to take its answer"},
    {"journal_segment", CONF_SIZE, O(journal_segment), "64M", 64 * 1024, 1LL << 40,
     "bytes of a journal segment"},
    {"journal_sync_ms", CONF_INT, O(journal_sync_ms), "1000", 0, 60000,
     "what a power loss can take; 0: the disk has each hit before its answer"},
    {"journal_reserve", CONF_SIZE, O(journal_reserve), "256M", 0, 1LL << 40,
     "free disk below which nothing more is stored (503)"},
    {"journal_keep", CONF_INT, O(journal_keep_s), "3600", 0, 31536000,
     "seconds that shipped segments are kept, to heal a Redis that forgot"},
    {"ship_linger_ms", CONF_INT, O(ship_linger_ms), "100", 0, 10000,
     "a batch for Redis that is not full waits this long"},
    {"ship_drain_ms", CONF_INT, O(ship_drain_ms), "5000", 0, DAY_MS,
     "at a stop, time to ship what is left; the rest is shipped at the next start"},
    {"stream_max", CONF_SIZE, O(stream_max), "64M", 1024 * 1024, 1LL << 40,
     "bytes that wait in one partition's stream; more waits on disk"},
    {"geoip", CONF_STR, O(geoip), "/usr/share/tor/geoip", 0, 3000,
     "country ranges of IPv4; empty: no countries"},
    {"geoip6", CONF_STR, O(geoip6), "/usr/share/tor/geoip6", 0, 3000, "country ranges of IPv6"},
    {"salt_file", CONF_STR, O(salt_file), "", 0, 3000,
     "file of the days' salts, on a tmpfs; empty: in /dev/shm, named after data"},
    {0},
};
#undef O
