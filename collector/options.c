/*
 * The collector's options: one row is default, range, check, --help line and the annotated sample.
 */
#include "options.h"

#define O(field) offsetof(struct collector_conf, field)
enum { DAY_MS = 86400 * 1000 };

const struct conf_opt collector_options[] = {
    {"data", CONF_STR, O(data), "/var/lib/sentier", 1, 3000,
     "directory of the journals; not shared with another collector"},
    {"listen", CONF_STR, O(listen), ":8080", 1, 255, "address for hits, HOST:PORT; no host: all"},
    {"admin", CONF_STR, O(admin), "127.0.0.1:8090", 1, 255,
     "address for operators, HOST:PORT: /metrics, /stats; keep it private"},
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
     "ms from the first byte of a request to the end of its head"},
    {"body_timeout_ms", CONF_INT, O(http.body_timeout_ms), "20000", 100, DAY_MS,
     "ms from the end of its head to the end of its body"},
    {"idle_timeout_ms", CONF_INT, O(http.idle_timeout_ms), "30000", 100, DAY_MS,
     "ms between two requests of a connection"},
    {"write_timeout_ms", CONF_INT, O(http.write_timeout_ms), "10000", 100, DAY_MS,
     "ms for a client to take its answer"},
    {"journal_segment", CONF_SIZE, O(journal_segment), "64M", 64 * 1024, 1LL << 40,
     "bytes of a journal file; when it is full, another one follows"},
    {"journal_sync_ms", CONF_INT, O(journal_sync_ms), "1000", 0, 60000,
     "ms of hits that a power loss can take; 0: none, each answer waits for the disk"},
    {"journal_reserve", CONF_SIZE, O(journal_reserve), "256M", 0, 1LL << 40,
     "bytes of disk that stay free: below, hits are answered 503"},
    {"journal_keep", CONF_INT, O(journal_keep_s), "3600", 0, 31536000,
     "seconds that journal files are kept after Redis has them, in case it forgets"},
    {"archive", CONF_STR, O(archive), "", 0, 3000,
     "directory that keeps shipped journal files as gzip; empty: none does"},
    {"archive_keep", CONF_INT, O(archive_keep_days), "0", 0, 36500,
     "days that an archived file is kept; 0: for good"},
    {"archive_max", CONF_SIZE, O(archive_max), "0", 0, 1LL << 50,
     "bytes of the archive; with more, the oldest files go; 0: no bound"},
    {"ship_linger_ms", CONF_INT, O(ship_linger_ms), "100", 0, 10000,
     "ms that a batch for Redis waits to become full"},
    {"ship_drain_ms", CONF_INT, O(ship_drain_ms), "5000", 0, DAY_MS,
     "ms for shipping what is left when it stops; the rest goes at the next start"},
    {"stream_max", CONF_SIZE, O(stream_max), "64M", 4096, 1LL << 40,
     "bytes that may wait in Redis per partition; more waits on disk"},
    {"geoip", CONF_STR, O(geoip), "/usr/share/tor/geoip", 0, 3000,
     "country ranges of IPv4; empty: no countries"},
    {"geoip6", CONF_STR, O(geoip6), "/usr/share/tor/geoip6", 0, 3000,
     "country ranges of IPv6; empty: no countries"},
    {"salt_file", CONF_STR, O(salt_file), "", 0, 3000,
     "file of the days' salts, on a tmpfs; empty: in /dev/shm, named after data"},
    {0},
};
#undef O

struct shipper_opts options_of_shipper(const struct collector_conf *conf,
                                       const struct redis_conf *redis, const char *dir)
{
    return (struct shipper_opts){
        .dir = dir,
        .redis = redis,
        .linger_ms = conf->ship_linger_ms,
        .keep_age_ms = conf->journal_keep_s * 1000,
        /* With a segment to spare, shipped ones go before hits are refused. */
        .reserve_bytes = 2 * conf->journal_reserve + conf->journal_segment,
        .stream_max_bytes = conf->stream_max,
        .partitions = (unsigned)redis->partitions,
        .archive = {.dir = conf->archive,
                    .keep_ms = conf->archive_keep_days * DAY_MS,
                    .max_bytes = conf->archive_max},
    };
}
