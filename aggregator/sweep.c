/*
 * A walk over partition, site, bucket and cursor. Each tick reads one step of a bucket, or some
 * that are empty, so the work of a moment is bounded whatever there is. A site that is younger than
 * profiles are kept is passed over at once, and after each round there is a rest. It ends when a
 * partition is taken: that may not have been ours when the round came by.
 *
 * What a batch has in its hands meanwhile needs no care: a script deletes a value only if it is the
 * very one that was read and the lease is still ours, and a batch that works with a value that is
 * gone by now comes to the same result, since the fold begins an expired person anew. That holds
 * late_after beyond the border, when no hit that is folded can be old enough to make a difference.
 *
 * With a profile goes its visitor's place in the records of the customers who signed in there, and
 * a record that names nobody any more.
 */
#include "sweep.h"

#include <stdlib.h>

#include "bytes.h"
#include "clock.h"
#include "customer.h"
#include "keys.h"
#include "lease.h"
#include "profile.h"
#include "sitestate.h"

enum {
    TICK_MS = 50,
    EMPTY_PER_TICK = 64,
    REST_MS = 10 * 60 * 1000,
    BUCKETS = 1 << BUCKET_BITS,
    CURSOR_BYTES = 24,
};
#define PROFILES_PER_STEP "100"

/* Records as customer.c writes them: version, length and id, flags, visitors of 8 bytes each. */
static const char delete_lua[] =
    "if string.sub(redis.call('GET', KEYS[1]) or '', 1, 32) ~= ARGV[1] then return 0 end\n"
    "local function leave(customer, visitor)\n"
    "  local record = redis.call('HGET', KEYS[3], customer)\n"
    "  if not record or #record < 4 then return end\n"
    "  local n, at = string.byte(record, 2), 3\n"
    "  if n > 127 then n, at = n - 128 + 128 * string.byte(record, 3), 4 end\n"
    "  local first = at + n + 1\n"
    "  for i = first, #record, 8 do\n"
    "    if string.sub(record, i, i + 7) == visitor then\n"
    "      record = string.sub(record, 1, i - 1) .. string.sub(record, i + 8)\n"
    "      if #record < first then return redis.call('HDEL', KEYS[3], customer) end\n"
    "      return redis.call('HSET', KEYS[3], customer, record)\n"
    "    end\n"
    "  end\n"
    "end\n"
    "local n = 0\n"
    "for i = 2, #ARGV, 3 do\n"
    "  if redis.call('HGET', KEYS[2], ARGV[i]) == ARGV[i + 1] then\n"
    "    n = n + redis.call('HDEL', KEYS[2], ARGV[i])\n"
    "    for k = 1, #ARGV[i + 2], 8 do leave(string.sub(ARGV[i + 2], k, k + 7), ARGV[i]) end\n"
    "  end\n"
    "end\n"
    "return n\n";

struct due_site {
    char name[HIT_SITE_MAX_BYTES + 1];
    int64_t border_ms;
};

struct sweep {
    struct redis_link *link;
    struct sweep_opts opts;
    struct event *tick;
    unsigned part;         /* being walked */
    struct due_site *site; /* of it; the last one is the next */
    size_t sites;
    unsigned bucket;
    char cursor[CURSOR_BYTES];
    bool waiting;
    unsigned empty;   /* buckets in this tick */
    int64_t rests_ms; /* until then, monotonic */
    uint64_t expired;
    char token[][TOKEN_BYTES]; /* per partition; "": not held */
};

static void forget_sites(struct sweep *s)
{
    free(s->site);
    s->site = NULL;
    s->sites = 0;
    s->bucket = 0;
    snprintf(s->cursor, sizeof s->cursor, "0");
}

/* ---- a bucket ---- */

static void on_deleted(const redisReply *reply, void *arg)
{
    struct sweep *s = arg;
    s->waiting = false;
    if (reply != NULL && reply->type == REDIS_REPLY_INTEGER) s->expired += (uint64_t)reply->integer;
}

static void add_customer(struct buf *out, uint64_t key)
{
    if (key > CUSTOMER_TORN) buf_add_le64(out, key);
}

/* signers: the customers who signed there, one after another; some more than once. */
static bool is_expired(struct str value, int64_t border_ms, struct buf *signers)
{
    struct profile p = {0};
    bool expired = profile_decode(value, &p) && p.recent.newest_ms < border_ms;
    if (expired) add_customer(signers, p.recent.link);
    for (uint32_t i = 0; expired && i < p.parts_n; i++)
        add_customer(signers, p.parts[i].owner);
    for (uint32_t i = 0; expired && i < p.recent.views_n; i++)
        add_customer(signers, p.recent.views[i].owner);
    for (uint32_t i = 0; expired && i < p.recent.waiting_n; i++)
        add_customer(signers, p.recent.waiting[i].owner);
    profile_fini(&p);
    return expired;
}

/* Those of an answer to HSCAN. True: a script is under way. */
static bool delete_expired(struct sweep *s, const redisReply *pairs)
{
    enum { HEAD = 7, EACH = 3 };
    const struct due_site *site = &s->site[s->sites - 1];
    struct key lease = key_lease(s->part), customers = key_customers(s->part, str_of(site->name));
    struct key bucket = key_profiles(s->part, str_of(site->name), s->bucket);
    size_t most = pairs->elements / 2, n = 0;
    struct str *argv = calloc(HEAD + EACH * most, sizeof *argv);
    struct buf *signers = calloc(most + 1, sizeof *signers);
    const struct str begin[HEAD] = {
        STR("EVAL"),         str_of(delete_lua),       STR("3"), key_str(&lease), key_str(&bucket),
        key_str(&customers), str_of(s->token[s->part])};
    bool ok = argv != NULL && signers != NULL;
    if (ok) memcpy(argv, begin, sizeof begin);
    for (size_t i = 0; ok && i < most; i++) {
        const redisReply *field = pairs->element[2 * i], *value = pairs->element[2 * i + 1];
        struct str profile = {value->str, value->len};
        if (!is_expired(profile, site->border_ms, &signers[n])) continue;
        struct str *at = argv + HEAD + EACH * n;
        at[0] = (struct str){field->str, field->len};
        at[1] = profile;
        at[2] = buf_str(&signers[n]);
        ok = !signers[n++].failed;
    }
    bool sent =
        ok && n > 0 && redis_send(s->link, on_deleted, s, (int)(HEAD + EACH * n), argv) == 0;
    for (size_t i = 0; signers != NULL && i < n; i++)
        buf_fini(&signers[i]);
    free(signers);
    free(argv);
    return sent;
}

static void go_on(struct sweep *s)
{
    if (strcmp(s->cursor, "0") != 0 || ++s->bucket < BUCKETS) return;
    s->bucket = 0;
    s->sites--;
}

static void ask_profiles(struct sweep *s);

static void on_profiles(const redisReply *reply, void *arg)
{
    struct sweep *s = arg;
    bool fits = reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
                reply->element[0]->type == REDIS_REPLY_STRING &&
                reply->element[0]->len < CURSOR_BYTES &&
                reply->element[1]->type == REDIS_REPLY_ARRAY;
    s->waiting = false;
    if (!fits || s->sites == 0) return; /* asked again, or no longer ours */
    s->waiting = delete_expired(s, reply->element[1]);
    snprintf(s->cursor, sizeof s->cursor, "%s", reply->element[0]->str);
    go_on(s);
    bool empty = reply->element[1]->elements == 0 && ++s->empty < EMPTY_PER_TICK;
    if (empty && s->sites > 0) ask_profiles(s);
}

static void ask_profiles(struct sweep *s)
{
    struct key key = key_profiles(s->part, str_of(s->site[s->sites - 1].name), s->bucket);
    struct str argv[] = {STR("HSCAN"), key_str(&key), str_of(s->cursor), STR("COUNT"),
                         STR(PROFILES_PER_STEP)};
    s->waiting = redis_send(s->link, on_profiles, s, 5, argv) == 0;
}

/* ---- the sites of a partition ---- */

static bool is_due(const struct sweep *s, const struct sitestate *site, int64_t *border_ms)
{
    *border_ms = site->watermark_ms - LATE_AFTER_MS - s->opts.kept_ms;
    if (*border_ms <= 0) return false;
    return !s->opts.rows_outlive || *border_ms / DAY_MS + 1 >= (int64_t)site->first_day;
}

static void on_sites(const redisReply *reply, void *arg)
{
    struct sweep *s = arg;
    s->waiting = false;
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY) return;
    s->site = calloc(reply->elements / 2 + 1, sizeof *s->site);
    for (size_t i = 0; s->site != NULL && i + 1 < reply->elements; i += 2) {
        const redisReply *name = reply->element[i], *value = reply->element[i + 1];
        struct sitestate state;
        struct due_site due = {.border_ms = 0};
        sitestate_init(&state, (struct str){name->str, name->len});
        if (!sitestate_decode((struct str){value->str, value->len}, &state)) continue;
        if (!is_due(s, &state, &due.border_ms)) continue;
        memcpy(due.name, state.name, sizeof due.name);
        s->site[s->sites++] = due;
    }
}

static void ask_sites(struct sweep *s)
{
    unsigned tried = 0;
    forget_sites(s);
    do {
        s->part = (s->part + 1) % s->opts.partitions;
        if (s->part == 0) s->rests_ms = clock_mono_ms() + REST_MS;
    } while (s->token[s->part][0] == '\0' && ++tried < s->opts.partitions);
    if (s->token[s->part][0] == '\0') return;
    struct key key = key_sites(s->part);
    struct str argv[] = {STR("HGETALL"), key_str(&key)};
    s->waiting = redis_send(s->link, on_sites, s, 2, argv) == 0;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct sweep *s = arg;
    (void)fd, (void)what;
    s->empty = 0;
    if (s->waiting || !redis_link_up(s->link)) return;
    if (s->sites > 0)
        ask_profiles(s);
    else if (clock_mono_ms() >= s->rests_ms)
        ask_sites(s);
}

struct sweep *sweep_new(struct event_base *base, struct redis_link *link,
                        const struct sweep_opts *opts)
{
    static const struct timeval every = {0, TICK_MS * 1000};
    struct sweep *s = calloc(1, sizeof *s + opts->partitions * sizeof s->token[0]);
    if (s == NULL) return NULL;
    s->link = link;
    s->opts = *opts;
    s->tick = event_new(base, -1, EV_PERSIST, on_tick, s);
    if (s->tick != NULL && event_add(s->tick, &every) == 0) return s;
    sweep_free(s);
    return NULL;
}

void sweep_free(struct sweep *s)
{
    if (s == NULL) return;
    if (s->tick != NULL) event_free(s->tick);
    free(s->site);
    free(s);
}

void sweep_take(struct sweep *s, unsigned partition, const char *token)
{
    snprintf(s->token[partition], TOKEN_BYTES, "%s", token);
    s->rests_ms = 0;
}

void sweep_drop(struct sweep *s, unsigned partition)
{
    s->token[partition][0] = '\0';
    if (s->part == partition) forget_sites(s);
}

uint64_t sweep_expired(const struct sweep *s)
{
    return s->expired;
}
