/*
 * A file is known by its head. A log grows at its end, so a file whose first bytes made a known
 * producer is that file, whatever came after; a small file that has grown is recognised by the
 * length that its head had then. Of several that fit, the longest head says most.
 */
#include "import_ledger.h"

#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>

#include "clock.h"
#include "keys.h"
#include "pack.h"
#include "row.h"

enum { ROTATION_MS = 5 * 60 * 1000 };

static bool failed(struct redis_now *redis, redisReply *r, struct buf *err)
{
    if (r != NULL && r->type != REDIS_REPLY_ERROR) return false;
    buf_printf(err, "Redis: %s", r == NULL ? redis_now_error(redis) : r->str);
    if (r != NULL) freeReplyObject(r);
    return true;
}

static bool read_record(const redisReply *field, const redisReply *value, struct import_record *out)
{
    size_t n;
    json_int_t head, lines, from, to;
    json_t *o = json_loadb(value->str, value->len, 0, NULL);
    bool ok = o != NULL &&
              sodium_hex2bin(out->producer, PRODUCER_BYTES, field->str, field->len, NULL, &n,
                             NULL) == 0 &&
              n == PRODUCER_BYTES &&
              json_unpack(o, "{s:I, s:I, s:I, s:I}", "head_bytes", &head, "lines", &lines,
                          "from_ms", &from, "to_ms", &to) == 0;
    json_decref(o);
    if (!ok) return false;
    out->head_bytes = (uint64_t)head;
    out->lines = (uint64_t)lines;
    out->from_ms = from;
    out->to_ms = to;
    return true;
}

static redisReply *all_records(struct redis_now *redis, const struct site *site, struct buf *err)
{
    struct key key = key_imports(str_of(site->name));
    redisReply *r = redis_now(redis, ARGV(STR("HGETALL"), key_str(&key)));
    return failed(redis, r, err) ? NULL : r;
}

int import_find(struct redis_now *redis, const struct site *site, const struct import_file *file,
                struct import_record *out, struct buf *err)
{
    struct str name = str_of(site->name), head = import_file_head(file);
    unsigned char print[PRODUCER_BYTES];
    struct import_record one;
    redisReply *r = all_records(redis, site, err);
    if (r == NULL) return -1;
    *out = (struct import_record){.head_bytes = 0};
    for (size_t i = 0; i + 1 < r->elements; i += 2) {
        if (!read_record(r->element[i], r->element[i + 1], &one)) continue;
        if (one.head_bytes > head.n || one.head_bytes <= out->head_bytes) continue;
        import_file_fingerprint(file, name, one.head_bytes, print);
        if (memcmp(print, one.producer, PRODUCER_BYTES) == 0) *out = one;
    }
    freeReplyObject(r);
    if (out->head_bytes > 0) return 0;
    out->head_bytes = head.n;
    import_file_fingerprint(file, name, head.n, out->producer);
    return 0;
}

int import_save(struct redis_now *redis, const struct site *site,
                const struct import_record *record, struct buf *err)
{
    char hex[2 * PRODUCER_BYTES + 1], json[160];
    struct key key = key_imports(str_of(site->name));
    sodium_bin2hex(hex, sizeof hex, record->producer, PRODUCER_BYTES);
    snprintf(json, sizeof json,
             "{\"head_bytes\":%llu,\"lines\":%llu,\"from_ms\":%lld,\"to_ms\":%lld}",
             (unsigned long long)record->head_bytes, (unsigned long long)record->lines,
             (long long)record->from_ms, (long long)record->to_ms);
    redisReply *r = redis_now(redis, ARGV(STR("HSET"), key_str(&key), str_of(hex), str_of(json)));
    if (failed(redis, r, err)) return -1;
    freeReplyObject(r);
    return 0;
}

int import_seen(struct redis_now *redis, const unsigned char *id, unsigned partitions,
                uint64_t *seen, struct buf *err)
{
    struct str producer = {(const char *)id, PRODUCER_BYTES};
    unsigned pushed = 0;
    for (; pushed < partitions; pushed++) {
        struct key key = key_seen(pushed);
        if (redis_now_push(redis, ARGV(STR("HGET"), key_str(&key), producer)) < 0) break;
    }
    int result = pushed < partitions && failed(redis, NULL, err) ? -1 : 0;
    for (unsigned p = 0; p < pushed; p++) { /* also behind a failure: each has an answer */
        redisReply *r = redis_now_pull(redis);
        if (result == 0 && failed(redis, r, err)) {
            result = -1;
        } else if (r != NULL) {
            seen[p] = r->type == REDIS_REPLY_STRING ? strtoull(r->str, NULL, 10) : 0;
            freeReplyObject(r);
        }
    }
    return result;
}

/* Servers log a request when it has ended, some with the time of its beginning: where one file was
 * rotated away and the next began, times overlap a little. */
static bool overlap(const struct import_record *a, const struct import_record *b)
{
    int64_t from = a->from_ms > b->from_ms ? a->from_ms : b->from_ms;
    int64_t to = a->to_ms < b->to_ms ? a->to_ms : b->to_ms;
    bool within = (from == a->from_ms && to == a->to_ms) || (from == b->from_ms && to == b->to_ms);
    return from <= to && (within || to - from > ROTATION_MS);
}

static int check_imports(struct redis_now *redis, const struct site *site,
                         const struct import_record *record, struct buf *err)
{
    redisReply *r = all_records(redis, site, err);
    if (r == NULL) return -1;
    int result = 0;
    for (size_t i = 0; i + 1 < r->elements && result == 0; i += 2) {
        struct import_record other;
        char from[DATE_TEXT_BYTES], to[DATE_TEXT_BYTES];
        if (!read_record(r->element[i], r->element[i + 1], &other)) continue;
        if (memcmp(other.producer, record->producer, PRODUCER_BYTES) == 0) continue;
        if (other.from_ms == 0 || !overlap(&other, record)) continue;
        date_format(zone_day(site->zone, other.from_ms), from);
        date_format(zone_day(site->zone, other.to_ms), to);
        buf_printf(err, "another log of %s to %s, which begins differently, was imported before",
                   from, to);
        result = -1;
    }
    freeReplyObject(r);
    return result;
}

static int64_t live_of(struct str total)
{
    struct row row = {0};
    int64_t live = row_decode(total, &row) ? row_get(&row, COL_LIVE) : 0;
    row_fini(&row);
    return live;
}

/* Of a packed day. */
static int64_t packed_live(struct str packed)
{
    struct buf rows = {0};
    struct str name, value;
    int64_t live = 0;
    if (pack_read(packed, &rows) == PACK_OK) {
        struct reader in = reader_of(buf_str(&rows));
        while (pack_next(&in, &name, &value)) {
            if (str_eq(name, STR("T"))) live = live_of(value);
        }
    }
    buf_fini(&rows);
    return live;
}

/* Live hits in one field, by what reads its value; -1: Redis. */
static int64_t live_in(struct redis_now *redis, const struct key *key, struct str field,
                       int64_t (*of)(struct str value), struct buf *err)
{
    redisReply *r = redis_now(redis, ARGV(STR("HGET"), key_str(key), field));
    if (failed(redis, r, err)) return -1;
    int64_t live = r->type == REDIS_REPLY_STRING ? of((struct str){r->str, r->len}) : 0;
    freeReplyObject(r);
    return live;
}

/* Live hits of a day in one partition, or of its month, when its days are known no more; -1: Redis.
 */
static int64_t live_hits(struct redis_now *redis, const struct site *site, unsigned p, uint32_t day,
                         struct buf *err)
{
    struct day_field field;
    struct str name = str_of(site->name);
    struct month_field of_month = key_month_field(day_to_month(day));
    struct key open = key_day(p, name, day), month = key_month(p, name, day, &field),
               months = key_months(p, name);
    int64_t live = live_in(redis, &open, STR("T"), live_of, err);
    if (live == 0) live = live_in(redis, &month, str_of(field.text), packed_live, err);
    if (live == 0) live = live_in(redis, &months, str_of(of_month.text), packed_live, err);
    return live;
}

static int check_live(struct redis_now *redis, const struct site *site, unsigned partitions,
                      const struct import_record *record, struct buf *err)
{
    uint32_t from = zone_day(site->zone, record->from_ms), to = zone_day(site->zone, record->to_ms);
    unsigned home = key_home(str_of(site->name), partitions);
    for (uint32_t day = from; day <= to; day++) {
        for (unsigned i = 0; i < (unsigned)site->spread && i < partitions; i++) {
            char text[DATE_TEXT_BYTES];
            int64_t live = live_hits(redis, site, (home + i) % partitions, day, err);
            if (live < 0) return -1;
            if (live == 0) continue;
            date_format(day, text);
            buf_printf(err,
                       "%s already holds hits that browsers sent, its visits would count twice",
                       text);
            return -1;
        }
    }
    return 0;
}

int import_check_overlap(struct redis_now *redis, const struct site *site, unsigned partitions,
                         const struct import_record *record, struct buf *err)
{
    int result = check_imports(redis, site, record, err);
    return result < 0 ? result : check_live(redis, site, partitions, record, err);
}

/* The partition's own: what it knows of the site now. */
static int read_state(struct redis_now *redis, const struct site *site, unsigned p,
                      struct sitestate *out, struct buf *err)
{
    struct key key = key_sites(p);
    redisReply *r = redis_now(redis, ARGV(STR("HGET"), key_str(&key), str_of(site->name)));
    if (failed(redis, r, err)) return -1;
    sitestate_init(out, str_of(site->name));
    bool ok = r->type != REDIS_REPLY_STRING || sitestate_decode((struct str){r->str, r->len}, out);
    freeReplyObject(r);
    if (!ok) buf_printf(err, "what partition %u holds of the site is damaged", p);
    return ok ? 0 : -1;
}

int import_kept(struct redis_now *redis, const struct site *site, unsigned partitions,
                const struct retention *keep, uint32_t newest, uint32_t *first, struct buf *err)
{
    unsigned home = key_home(str_of(site->name), partitions);
    struct sitestate all, one;
    sitestate_init(&all, str_of(site->name));
    all.last_day = newest;
    for (unsigned i = 0; i < (unsigned)site->spread && i < partitions; i++) {
        if (read_state(redis, site, (home + i) % partitions, &one, err) < 0) return -1;
        if (one.last_day > all.last_day) all.last_day = one.last_day;
        if (one.kept_day > all.kept_day) all.kept_day = one.kept_day;
    }
    sitestate_retain(&all, keep);
    *first = all.first_day;
    return 0;
}
