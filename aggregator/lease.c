/*
 * A lease says who may fold a partition; it does not have to be believed. Every commit carries its
 * token and Redis refuses the commit when another token is there, so an aggregator that slept
 * through its lease can do no harm, and no clock but Redis' own expiry matters here.
 *
 * Shares: who lives renews its line in one sorted set; each takes at most ceil(partitions / living)
 * and gives the surplus back when a joiner appears. Release follows a commit in flight on the same
 * connection, so it needs no waiting. One command per partition is in flight at a time; so a reply
 * is always about the present token.
 *
 * In the first rounds after its link came up a process also takes over leases that carry its own
 * name: after a kill it need not wait for itself to expire, nor after a standby took over that
 * knows only an older token of it.
 *
 * A dead one's partitions fold elsewhere after at most 5/4 of lease_ms: its leases and its line in
 * the register, renewed one after the other, expire after lease_ms, the line last; the others come
 * round within a quarter of it, find the line gone, and so a greater share and free leases.
 */
#include "lease.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "keys.h"
#include "log.h"

enum {
    ROUNDS = 4,          /* in the time of a lease */
    TAKEOVER_ROUNDS = 2, /* in a cluster, the first may run before the losses are known */
};

struct lease {
    struct leases *all;
    unsigned partition;
    bool held;
    bool asked; /* a command about it is in flight */
    char token[TOKEN_BYTES];
};

struct leases {
    struct redis_link *link;
    struct lease_opts opts;
    struct lease_fns fns;
    void *arg;
    struct event *timer; /* the next round */
    struct redis_script join, take, renew, release;
    unsigned held, share, living;
    unsigned takeovers;            /* rounds left that take over leases of the same name */
    unsigned first, tried, asking; /* of this round's search for free partitions */
    bool stopping;
    unsigned leaving; /* answers to releases that are awaited */
    void (*done)(void *arg);
    void *done_arg;
    struct lease lease[]; /* opts.partitions of them */
};

/* What lasts longer than lease_ms may be (600,000) was renewed before Redis' clock was set back:
 * who lives will renew it, who is dead would be waited for until that hour comes again. */
static const char join_lua[] = "local t = redis.call('TIME')\n"
                               "local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"
                               "redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)\n"
                               "redis.call('ZREMRANGEBYSCORE', KEYS[1], now + 600001, '+inf')\n"
                               "redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])\n"
                               "return redis.call('ZCARD', KEYS[1])\n";

/* ARGV: token, name, ms, "1" when a lease of the same name may be taken over */
static const char take_lua[] =
    "local held = redis.call('PTTL', KEYS[1]) <= 600000 and redis.call('GET', KEYS[1])\n"
    "if held and not (ARGV[4] == '1' and string.sub(held, 34) == ARGV[2]) then return 0 end\n"
    "redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[3])\n"
    "return 1\n";

static const char renew_lua[] =
    "local held = redis.call('GET', KEYS[1])\n"
    "if not held or string.sub(held, 1, 32) ~= ARGV[1] then return 0 end\n"
    "return redis.call('PEXPIRE', KEYS[1], ARGV[2])\n";

static const char release_lua[] =
    "local held = redis.call('GET', KEYS[1])\n"
    "if not held or string.sub(held, 1, 32) ~= ARGV[1] then return 0 end\n"
    "return redis.call('DEL', KEYS[1])\n";

/* One key and its arguments to a script. -1: not sent. */
static int eval(struct leases *l, const struct redis_script *script, redis_reply_fn *fn, void *arg,
                struct str key, int argc, const struct str *args)
{
    struct str argv[6] = {STR("1"), key};
    assert(argc <= 4);
    for (int i = 0; i < argc; i++)
        argv[2 + i] = args[i];
    return redis_eval(l->link, script, fn, arg, 2 + argc, argv);
}

static bool answered(const redisReply *r, const char *what)
{
    if (r != NULL && r->type == REDIS_REPLY_INTEGER) return true;
    if (r != NULL && !redis_retryable(r)) {
        log_warn("lease.error", "command=%s err=%.*s", what, (int)r->len, r->str);
    }
    return false;
}

static void lose(struct lease *e)
{
    assert(e->held && e->all->held > 0);
    e->held = false;
    e->all->held--;
    e->all->fns.lost(e->all->arg, e->partition);
}

static void leave_if_done(struct leases *l)
{
    if (!l->stopping || l->leaving > 0 || l->done == NULL) return;
    void (*done)(void *) = l->done;
    l->done = NULL;
    done(l->done_arg);
}

static void on_released(const redisReply *reply, void *arg)
{
    struct lease *e = arg;
    e->asked = false;
    answered(reply, "release"); /* not released: it expires */
    e->all->leaving--;
    leave_if_done(e->all);
}

static void release(struct lease *e)
{
    struct leases *l = e->all;
    struct key key = key_lease(e->partition);
    struct str args[] = {{e->token, 32}};
    if (e->held) lose(e);
    if (eval(l, &l->release, on_released, e, key_str(&key), 1, args) < 0) return;
    e->asked = true;
    l->leaving++;
}

static void on_renewed(const redisReply *reply, void *arg)
{
    struct lease *e = arg;
    e->asked = false;
    if (!answered(reply, "renew") || reply->integer == 1 || !e->held) return;
    log_warn("lease.lost", "partition=%u", e->partition);
    lose(e);
}

static void renew(struct lease *e)
{
    struct leases *l = e->all;
    char ms[24];
    int n = snprintf(ms, sizeof ms, "%lld", (long long)l->opts.lease_ms);
    struct key key = key_lease(e->partition);
    struct str args[] = {{e->token, 32}, {ms, (size_t)n}};
    if (eval(l, &l->renew, on_renewed, e, key_str(&key), 2, args) == 0) e->asked = true;
}

static void take_free(struct leases *l);

static void on_taken(const redisReply *reply, void *arg)
{
    struct lease *e = arg;
    struct leases *l = e->all;
    e->asked = false;
    l->asking--;
    bool taken = answered(reply, "take") && reply->integer == 1;
    if (taken && !l->stopping) {
        e->held = true;
        l->held++;
        l->fns.taken(l->arg, e->partition, e->token);
    } else if (taken) {
        release(e);
    }
    if (reply != NULL && !l->stopping) take_free(l);
}

static int take(struct lease *e)
{
    struct leases *l = e->all;
    unsigned char random[16];
    randombytes_buf(random, sizeof random);
    sodium_bin2hex(e->token, sizeof e->token, random, sizeof random);

    char ms[24];
    int n = snprintf(ms, sizeof ms, "%lld", (long long)l->opts.lease_ms);
    struct key key = key_lease(e->partition);
    struct str args[] = {{e->token, 32},
                         str_of(l->opts.name),
                         {ms, (size_t)n},
                         l->takeovers > 0 ? STR("1") : STR("0")};
    if (eval(l, &l->take, on_taken, e, key_str(&key), 4, args) < 0) return -1;
    e->asked = true;
    l->asking++;
    return 0;
}

/* Asks for as many as are missing, each partition at most once a round. */
static void take_free(struct leases *l)
{
    while (l->tried < l->opts.partitions && l->held + l->asking < l->share) {
        struct lease *e = &l->lease[(l->first + l->tried++) % l->opts.partitions];
        if (e->held || e->asked) continue;
        if (take(e) < 0) return;
    }
}

static void give_surplus(struct leases *l)
{
    for (unsigned i = 0; i < l->opts.partitions && l->held > l->share; i++) {
        struct lease *e = &l->lease[i];
        if (!e->held || e->asked) continue;
        log_info("lease.give", "partition=%u living=%u", e->partition, l->living);
        release(e);
    }
}

static void on_joined(const redisReply *reply, void *arg)
{
    struct leases *l = arg;
    if (!answered(reply, "join") || l->stopping) return;
    l->living = reply->integer > 1 ? (unsigned)reply->integer : 1;
    l->share = (l->opts.partitions + l->living - 1) / l->living;
    l->tried = 0;
    give_surplus(l);
    take_free(l);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct leases *l = arg;
    int64_t round_ms = l->opts.lease_ms / ROUNDS;
    struct timeval next = {round_ms / 1000, round_ms % 1000 * 1000};
    (void)fd, (void)what;
    event_add(l->timer, &next);
    if (l->stopping || !redis_link_up(l->link)) return;
    if (l->takeovers > 0) l->takeovers--;
    for (unsigned i = 0; i < l->opts.partitions; i++) {
        if (l->lease[i].held && !l->lease[i].asked) renew(&l->lease[i]);
    }
    char ms[24];
    int n = snprintf(ms, sizeof ms, "%lld", (long long)l->opts.lease_ms);
    struct str args[] = {str_of(l->opts.name), {ms, (size_t)n}};
    struct key living = key_aggregators();
    eval(l, &l->join, on_joined, l, key_str(&living), 2, args);
}

struct leases *leases_new(struct event_base *base, struct redis_link *link,
                          const struct lease_opts *opts, const struct lease_fns *fns, void *arg)
{
    assert(opts->partitions > 0 && opts->partitions <= PARTITIONS_MAX);
    struct leases *l = calloc(1, sizeof *l + opts->partitions * sizeof l->lease[0]);
    if (l == NULL) return NULL;
    l->link = link;
    l->opts = *opts;
    l->fns = *fns;
    l->arg = arg;
    l->first = randombytes_uniform(opts->partitions);
    redis_script_init(&l->join, join_lua);
    redis_script_init(&l->take, take_lua);
    redis_script_init(&l->renew, renew_lua);
    redis_script_init(&l->release, release_lua);
    for (unsigned i = 0; i < opts->partitions; i++) {
        l->lease[i].all = l;
        l->lease[i].partition = i;
    }
    l->timer = evtimer_new(base, on_timer, l);
    if (l->timer == NULL) {
        leases_free(l);
        return NULL;
    }
    leases_link_up(l);
    return l;
}

void leases_free(struct leases *l)
{
    if (l == NULL) return;
    if (l->timer != NULL) event_free(l->timer);
    free(l);
}

static void begin_round(struct leases *l)
{
    event_active(l->timer, EV_TIMEOUT, 0);
}

void leases_link_up(struct leases *l)
{
    l->takeovers = TAKEOVER_ROUNDS + 1; /* each round begins by taking one off */
    begin_round(l);
}

void leases_refused(struct leases *l, unsigned partition)
{
    assert(partition < l->opts.partitions);
    if (!l->lease[partition].held) return;
    lose(&l->lease[partition]);
    begin_round(l);
}

static void on_left(const redisReply *reply, void *arg)
{
    struct leases *l = arg;
    (void)reply; /* not taken out of the register: the line expires */
    l->leaving--;
    leave_if_done(l);
}

void leases_stop(struct leases *l, void (*done)(void *arg), void *arg)
{
    l->stopping = true;
    l->done = done;
    l->done_arg = arg;
    l->leaving++; /* this call itself */
    for (unsigned i = 0; i < l->opts.partitions; i++) {
        struct lease *e = &l->lease[i];
        if (e->held) release(e);
    }
    struct key living = key_aggregators();
    struct str zrem[] = {STR("ZREM"), key_str(&living), str_of(l->opts.name)};
    if (redis_send(l->link, on_left, l, 3, zrem) == 0) l->leaving++;
    l->leaving--;
    leave_if_done(l);
}

unsigned leases_held(const struct leases *l)
{
    return l->held;
}

bool leases_settled(const struct leases *l)
{
    return l->held > 0 && l->held >= l->opts.partitions / l->living;
}
