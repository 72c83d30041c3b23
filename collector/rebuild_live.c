/*
 * A rebuild folds exactly what the live generation has folded. What that is, per producer, is what
 * was seen less what still waits in the stream: of each producer the first entry that has not been
 * folded says where that begins. It only grows while the live aggregators work; when their leases
 * are taken from them it stands still, since a commit needs the token of its lease. Their hits wait
 * in the streams for that time.
 *
 * Nobody has to be told: an aggregator that finds its lease gone forgets the partition, and reads
 * everything anew when it has it again.
 */
#include "rebuild_live.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "redis.h"

enum {
    LOCK_MS = 12 * 1000,
    RENEW_MS = 2 * 1000,
    ENTRIES_AT_ONCE = 64,
    SCAN_AT_ONCE = 1000,
};

static const char look_lua[] =
    "local c = redis.call('HMGET', KEYS[1], 'offset', 'id', 'folded')\n"
    "return {c[1] or '', c[2] or '', c[3] or '0', redis.call('HGET', KEYS[2], 'birth') or '',\n"
    "  redis.call('HGETALL', KEYS[3])}\n";

/* Entries after ARGV[1]: the last id, then per entry its producer and the first seq of its records
 */
static const char waiting_lua[] =
    "local from = ARGV[1] == '' and '-' or '(' .. ARGV[1]\n"
    "local all = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', ARGV[2])\n"
    "local out = {#all > 0 and all[#all][1] or ''}\n"
    "for i = 1, #all do\n"
    "  local f = all[i][2]\n"
    "  for k = 1, #f, 2 do\n"
    "    if f[k] == 'p' then out[#out + 1] = f[k + 1] end\n"
    "    if f[k] == 'b' then out[#out + 1] = string.format('%.0f', (struct.unpack('<I8', f[k + "
    "1])))\n"
    "    end\n"
    "  end\n"
    "end\n"
    "return out\n";

static const char renew_lua[] =
    "if string.sub(redis.call('GET', KEYS[1]) or '', 1, 32) ~= ARGV[1] then return 0 end\n"
    "return redis.call('PEXPIRE', KEYS[1], ARGV[2])\n";

static const char release_lua[] =
    "if string.sub(redis.call('GET', KEYS[1]) or '', 1, 32) ~= ARGV[1] then return 0 end\n"
    "return redis.call('DEL', KEYS[1])\n";

int live_init(struct live *l, struct redis_now *redis, unsigned partitions)
{
    unsigned char random[16];
    *l = (struct live){.redis = redis, .partitions = partitions};
    randombytes_buf(random, sizeof random);
    sodium_bin2hex(l->token, sizeof l->token, random, sizeof random);
    l->of = calloc(partitions, sizeof *l->of);
    return l->of == NULL ? -1 : 0;
}

void live_fini(struct live *l)
{
    free(l->of);
}

static redisReply *fail(struct live *l, struct buf *err, redisReply *r)
{
    buf_printf(err, "Redis: %s", r == NULL ? redis_now_error(l->redis) : r->str);
    if (r != NULL) freeReplyObject(r);
    return NULL;
}

redisReply *live_ask(struct live *l, struct buf *err, int argc, const struct str *argv)
{
    redisReply *r = redis_now(l->redis, argc, argv);
    return r == NULL || r->type == REDIS_REPLY_ERROR ? fail(l, err, r) : r;
}

static int ask_number(struct live *l, struct buf *err, long long *out, int argc,
                      const struct str *argv)
{
    redisReply *r = live_ask(l, err, argc, argv);
    if (r == NULL) return -1;
    *out = r->type == REDIS_REPLY_INTEGER ? r->integer : r->type == REDIS_REPLY_STATUS;
    freeReplyObject(r);
    return 0;
}

/* ---- the lock, the leases ---- */

static struct str milliseconds(void)
{
    static char text[16];
    return (struct str){text, (size_t)snprintf(text, sizeof text, "%d", LOCK_MS)};
}

int live_lock(struct live *l, struct buf *err)
{
    struct key key = key_rebuild();
    struct str argv[] = {STR("SET"), key_str(&key),  str_of(l->token),
                         STR("PX"),  milliseconds(), STR("NX")};
    long long taken = 0;
    if (ask_number(l, err, &taken, 6, argv) < 0) return -1;
    l->renewed_ms = clock_mono_ms();
    if (taken) return 0;
    buf_printf(err, "another rebuild is running (one that was killed is forgotten after %d s)",
               LOCK_MS / 1000);
    return -1;
}

static int with_token(struct live *l, struct buf *err, const char *script, struct key key)
{
    struct str argv[] = {STR("EVAL"),   str_of(script),   STR("1"),
                         key_str(&key), str_of(l->token), milliseconds()};
    long long ok = 0;
    if (ask_number(l, err, &ok, 6, argv) < 0) return -1;
    return ok ? 0 : 1;
}

static int renew_one(struct live *l, struct buf *err, struct key key)
{
    int result = with_token(l, err, renew_lua, key);
    if (result > 0) {
        buf_printf(err, "%.*s is another one's now: this rebuild was asleep for too long",
                   (int)key.n, key.p);
    }
    return result == 0 ? 0 : -1;
}

int live_renew(struct live *l, struct buf *err)
{
    if (clock_mono_ms() - l->renewed_ms < RENEW_MS) return 0;
    if (renew_one(l, err, key_rebuild()) < 0) return -1;
    for (unsigned p = 0; p < l->partitions; p++) {
        if (l->of[p].fenced && renew_one(l, err, key_of(p, false, STR("lease"))) < 0) return -1;
    }
    l->renewed_ms = clock_mono_ms();
    return 0;
}

int live_fence(struct live *l, struct buf *err)
{
    char value[64];
    snprintf(value, sizeof value, "%s rebuild", l->token);
    for (unsigned p = 0; p < l->partitions; p++) {
        struct key key = key_of(p, false, STR("lease"));
        struct str argv[] = {STR("SET"), key_str(&key), str_of(value), STR("PX"), milliseconds()};
        redisReply *r = live_ask(l, err, 5, argv);
        if (r == NULL) return -1;
        freeReplyObject(r);
        l->of[p].fenced = true;
    }
    return 0;
}

void live_unlock(struct live *l)
{
    struct buf err = {0}; /* what cannot be given back expires */
    for (unsigned p = 0; p < l->partitions; p++) {
        if (l->of[p].fenced) with_token(l, &err, release_lua, key_of(p, false, STR("lease")));
        l->of[p].fenced = false;
    }
    with_token(l, &err, release_lua, key_rebuild());
    buf_fini(&err);
}

/* ---- what it holds ---- */

static void copy(char *out, size_t room, const redisReply *r)
{
    snprintf(out, room, "%s", r->type == REDIS_REPLY_STRING ? r->str : "");
}

/* "LASTSEQ DAY" of one producer. */
static int take_seen(struct rebuild_files *files, unsigned p, const redisReply *field,
                     const redisReply *value)
{
    uint64_t last = 0;
    int64_t day = 0;
    if (field->len != PRODUCER_BYTES) return 0;
    struct rebuild_lane *l = rebuild_files_find(files, (const unsigned char *)field->str, true);
    if (l == NULL) return -1;
    sscanf(value->str, "%" SCNu64 " %" SCNd64, &last, &day);
    l->seen[p] = l->folded[p] = last;
    if (day > l->last_day) l->last_day = day;
    return 0;
}

static int look_at(struct live *l, struct rebuild_files *files, unsigned p, struct buf *err)
{
    struct key commit = key_of(p, false, STR("commit")), meta = key_of(p, false, STR("meta"));
    struct key seen = key_of(p, false, STR("seen"));
    struct str argv[] = {STR("EVAL"),      str_of(look_lua), STR("3"),
                         key_str(&commit), key_str(&meta),   key_str(&seen)};
    struct live_partition *out = &l->of[p];
    redisReply *r = live_ask(l, err, 6, argv);
    if (r == NULL) return -1;
    bool ok = r->type == REDIS_REPLY_ARRAY && r->elements == 5 &&
              r->element[4]->type == REDIS_REPLY_ARRAY;
    if (ok) {
        const redisReply *all = r->element[4];
        copy(out->offset, sizeof out->offset, r->element[0]);
        copy(out->commit, sizeof out->commit, r->element[1]);
        out->folded = strtoull(r->element[2]->str, NULL, 10);
        out->born = r->element[3]->len > 0;
        for (size_t i = 0; ok && i + 1 < all->elements; i += 2)
            ok = take_seen(files, p, all->element[i], all->element[i + 1]) == 0;
    }
    freeReplyObject(r);
    if (!ok) buf_printf(err, "no memory, or Redis gave a strange answer");
    return ok ? 0 : -1;
}

/* What still waits in the stream has been seen but not folded. */
static int take_waiting(struct rebuild_files *files, unsigned p, const redisReply *r)
{
    for (size_t i = 1; i + 1 < r->elements; i += 2) {
        const redisReply *producer = r->element[i];
        if (producer->len != PRODUCER_BYTES) continue;
        struct rebuild_lane *l =
            rebuild_files_find(files, (const unsigned char *)producer->str, true);
        uint64_t first = strtoull(r->element[i + 1]->str, NULL, 10);
        if (l == NULL) return -1;
        if (first > 0 && first - 1 < l->folded[p]) l->folded[p] = first - 1;
    }
    return 0;
}

static int look_at_stream(struct live *l, struct rebuild_files *files, unsigned p, struct buf *err)
{
    char from[LIVE_OFFSET_BYTES], count[16];
    struct key stream = key_of(p, false, STR("stream"));
    size_t got;
    snprintf(from, sizeof from, "%s", l->of[p].offset);
    snprintf(count, sizeof count, "%d", ENTRIES_AT_ONCE);
    do {
        struct str argv[] = {STR("EVAL"),      str_of(waiting_lua), STR("1"),
                             key_str(&stream), str_of(from),        str_of(count)};
        redisReply *r = live_ask(l, err, 6, argv);
        if (r == NULL) return -1;
        got = r->type == REDIS_REPLY_ARRAY ? r->elements / 2 : 0;
        int taken = got > 0 ? take_waiting(files, p, r) : 0;
        if (got > 0) copy(from, sizeof from, r->element[0]);
        freeReplyObject(r);
        if (taken < 0) buf_printf(err, "no memory");
        if (taken < 0 || live_renew(l, err) < 0) return -1;
    } while (got == ENTRIES_AT_ONCE);
    return 0;
}

int live_look(struct live *l, struct rebuild_files *files, struct buf *err)
{
    for (unsigned p = 0; p < l->partitions; p++) {
        if (look_at(l, files, p, err) < 0 || look_at_stream(l, files, p, err) < 0) return -1;
    }
    return 0;
}

/* ---- keys ---- */

static int each_key(const redisReply *keys, live_key_fn *fn, void *arg)
{
    for (size_t i = 0; i < keys->elements; i++) {
        struct str whole = reply_str(keys->element[i]);
        struct key_parts parts;
        if (key_split(whole, &parts) && fn(arg, &parts, whole) < 0) return -1;
    }
    return 0;
}

static int scan_node(struct live *l, struct buf *err, unsigned node, const char *pattern,
                     live_key_fn *fn, void *arg)
{
    char cursor[24] = "0", count[16];
    snprintf(count, sizeof count, "%d", SCAN_AT_ONCE);
    do {
        struct str argv[] = {STR("SCAN"),     str_of(cursor), STR("MATCH"),
                             str_of(pattern), STR("COUNT"),   str_of(count)};
        redisReply *r = redis_now_on(l->redis, node, 6, argv);
        if (r == NULL || r->type == REDIS_REPLY_ERROR) {
            fail(l, err, r);
            return -1;
        }
        bool ok = r->type == REDIS_REPLY_ARRAY && r->elements == 2;
        if (ok) copy(cursor, sizeof cursor, r->element[0]);
        int result = ok ? each_key(r->element[1], fn, arg) : -1;
        freeReplyObject(r);
        if (result == 0) result = live_renew(l, err);
        if (result < 0) {
            if (err->n == 0) buf_printf(err, "no memory for the names of keys");
            return -1;
        }
    } while (strcmp(cursor, "0") != 0);
    return 0;
}

int live_scan(struct live *l, struct buf *err, const char *pattern, live_key_fn *fn, void *arg)
{
    unsigned nodes = redis_now_nodes(l->redis);
    if (nodes == 0) {
        fail(l, err, NULL);
        return -1;
    }
    for (unsigned i = 0; i < nodes; i++) {
        if (scan_node(l, err, i, pattern, fn, arg) < 0) return -1;
    }
    return 0;
}

struct dropping {
    struct live *l;
    struct buf *err;
};

static int drop_key(void *arg, const struct key_parts *parts, struct str whole)
{
    struct dropping *d = arg;
    if (!parts->next) return 0;
    struct str argv[] = {STR("UNLINK"), whole};
    redisReply *r = live_ask(d->l, d->err, 2, argv);
    if (r == NULL) return -1;
    freeReplyObject(r);
    return 0;
}

int live_drop_next(struct live *l, struct buf *err)
{
    struct dropping d = {l, err};
    struct str argv[] = {STR("DEL"), STR("sentier:aggregators:next")};
    long long n;
    if (ask_number(l, err, &n, 2, argv) < 0) return -1;
    return live_scan(l, err, "{p*}:next:*", drop_key, &d);
}
