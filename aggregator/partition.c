/*
 * A partition's cycle:
 *
 *   OFF -> STARTING (its {pN}:commit) -> IDLE -> READING -> LOADING ... -> COMMITTING -> HUNGRY
 *
 * Streams at rest (IDLE) are read together, one XREAD without BLOCK every poll_ms: a blocked XREAD
 * could not be widened when the next stream comes to rest, and forty tiny commands a second cost
 * nothing. (In a cluster each has an XREAD of its own: no two are in one slot.) A stream that gave
 * something is HUNGRY: read alone and at once, as long as it gives. At most BATCHES partitions are
 * in work, so memory is bounded whatever waits in Redis.
 *
 * Replies: `waiting` counts those that are out. A partition that is dropped meanwhile only waits
 * for them to end, and one that is taken again starts after that. Whatever fails before the commit
 * is thrown away and read again; the commit itself is repeated, the same to the byte, until Redis
 * says yes or no. So nothing here can count twice or lose: Redis holds either state.
 */
#include "partition.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "batch.h"
#include "clock.h"
#include "keys.h"
#include "load.h"
#include "log.h"
#include "stream.h"

enum {
    BATCHES = 8,         /* partitions in work */
    POLL_STREAMS = 64,   /* of one XREAD */
    POLL_ENTRIES = 4,    /* of each */
    READ_ENTRIES = 1024, /* of one stream that is read alone, at most */
    ENTRY_HITS = 1024,   /* until known better: what a full batch of a collector has */
    PAUSE_MS = 100,      /* before a command is tried again */
    STALL_MS = 1000,     /* after damage or want of memory */
    METER_MS = 1000,     /* how often shipped and bytes are read, for /stats */
};

enum state { OFF, STARTING, IDLE, HUNGRY, READING, LOADING, COMMITTING };

struct partition {
    struct partitions *all;
    unsigned index;
    enum state state;
    unsigned waiting; /* replies that are out */
    bool dropped;     /* goes OFF when nothing is out */
    bool failed;      /* a load did */
    bool stale;       /* the link came up while a read was out */
    bool sent;        /* the commit, or the question for the last one, is out */
    int64_t due_ms;   /* the command of STARTING or COMMITTING is not sent again before */
    char token[TOKEN_BYTES];
    char next_token[TOKEN_BYTES]; /* taken again while dropped; "": not */
    struct commit_state at, to;
    struct batch *batch; /* borrowed from the pool while LOADING, COMMITTING */
    struct commit *commit;
    uint64_t entry_hits; /* hits per entry, as last seen */
    int64_t oldest_ms;   /* not older than this is what waits, by stream ids; 0: nothing does */
    uint64_t shipped, stream_bytes;
};

struct partitions {
    struct redis_link *link;
    struct partition_opts opts;
    struct partition_fns fns;
    void *arg;
    struct store *store;
    struct dataset_id dataset; /* "": not known on this link */
    struct event *poll;
    struct batch *pool[BATCHES];
    unsigned pool_n;
    unsigned next_hungry;
    int64_t metered_ms;
    bool stopping;
    void (*done)(void *arg);
    void *done_arg;
    struct partition_stats stats; /* the counters */
    struct partition of[];
};

static void go_on(struct partition *p);
static void feed(struct partitions *all);

/* --- taking, dropping, giving up ------------------------------------------------------------ */

static void end_batch(struct partition *p, bool committed)
{
    struct partitions *all = p->all;
    commit_free(p->commit);
    p->commit = NULL;
    if (p->batch == NULL) return;
    batch_end(p->batch, committed);
    assert(all->pool_n < BATCHES);
    all->pool[all->pool_n++] = p->batch;
    p->batch = NULL;
}

static void leave_if_done(struct partitions *all)
{
    if (all->done == NULL) return;
    for (unsigned i = 0; i < all->opts.partitions; i++) {
        if (all->of[i].state == COMMITTING) return;
    }
    void (*done)(void *) = all->done;
    all->done = NULL;
    done(all->done_arg);
}

static void begin(struct partition *p, const char *token)
{
    snprintf(p->token, sizeof p->token, "%s", token);
    p->state = STARTING;
    p->oldest_ms = 0;
    p->sent = false;
    p->due_ms = 0;
    go_on(p);
}

static void finish_drop(struct partition *p)
{
    char token[TOKEN_BYTES];
    if (p->waiting > 0) return;
    end_batch(p, false);
    store_drop(p->all->store, p->index);
    snprintf(token, sizeof token, "%s", p->next_token);
    p->dropped = false;
    p->next_token[0] = '\0';
    p->state = OFF;
    if (token[0] != '\0') begin(p, token);
    leave_if_done(p->all);
    feed(p->all);
}

void partitions_take(struct partitions *all, unsigned partition, const char *token)
{
    struct partition *p = &all->of[partition];
    if (p->dropped) {
        snprintf(p->next_token, sizeof p->next_token, "%s", token);
    } else {
        assert(p->state == OFF);
        begin(p, token);
    }
}

void partitions_drop(struct partitions *all, unsigned partition)
{
    struct partition *p = &all->of[partition];
    if (p->state == OFF) return;
    p->dropped = true;
    p->next_token[0] = '\0';
    finish_drop(p);
}

/* What is in memory is not what Redis holds, or cannot be known to be: forget, and read again. */
static void start_again(struct partition *p, int64_t pause_ms)
{
    end_batch(p, false);
    store_drop(p->all->store, p->index);
    p->state = STARTING;
    p->sent = false;
    p->due_ms = clock_mono_ms() + pause_ms;
    leave_if_done(p->all);
}

/* The first thing a reply does. False: the partition is being dropped, or the reply is lost. */
static bool arrived(struct partition *p)
{
    assert(p->waiting > 0);
    p->waiting--;
    if (!p->dropped) return true;
    finish_drop(p);
    return false;
}

/* --- commit --------------------------------------------------------------------------------- */

static void on_commit(const redisReply *reply, void *arg);

static int64_t id_ms(struct str id)
{
    return strtoll(id.p, NULL, 10); /* "MS-SEQ" and NUL */
}

static void send_commit(struct partition *p)
{
    p->sent = commit_send(p->all->link, p->commit, on_commit, p) == 0;
    if (p->sent) p->waiting++;
    p->due_ms = clock_mono_ms() + PAUSE_MS;
}

static void committed(struct partition *p)
{
    struct partitions *all = p->all;
    const struct batch_figures *f = batch_figures(p->batch);
    all->stats.commits++;
    all->stats.hits += f->hits;
    all->stats.damaged += f->damaged;
    all->stats.approximated += f->approximated;
    p->at = p->to;
    p->oldest_ms = id_ms(str_of(p->at.offset)); /* until the next read knows better */
    batch_days(p->batch, all->fns.committed, all->arg);
    end_batch(p, true);
    p->state = HUNGRY;
    leave_if_done(all);
    feed(all);
}

static void on_commit(const redisReply *reply, void *arg)
{
    struct partition *p = arg;
    struct partition_stats *stats = &p->all->stats;
    p->sent = false;
    if (!arrived(p)) return;
    enum commit_answer answer = commit_answer(reply);
    switch (answer) {
    case COMMIT_OK: committed(p); return;
    case COMMIT_AGAIN: /* poll sends it again when it is due */
        stats->retries++;
        log_warn("commit.retry", "partition=%u err=%.*s", p->index, reply ? (int)reply->len : 4,
                 reply ? reply->str : "none");
        return;
    case COMMIT_LEASE: stats->refused_lease++; break;
    case COMMIT_CHANGED: stats->refused_changed++; break;
    case COMMIT_REFUSED: stats->refused_error++; break;
    }
    log_warn("commit.refused", "partition=%u why=%s", p->index,
             answer == COMMIT_LEASE     ? "lease"
             : answer == COMMIT_CHANGED ? "changed"
                                        : "error");
    start_again(p, answer == COMMIT_REFUSED ? STALL_MS : 0);
    if (answer == COMMIT_LEASE) p->all->fns.refused(p->all->arg, p->index);
}

static void begin_commit(struct partition *p)
{
    const uint64_t *ledger = batch_ledger(p->batch);
    for (unsigned v = 0; v < VERDICTS; v++) {
        p->to.verdicts[v] += ledger[v];
        p->to.folded += ledger[v];
    }
    commit_id_new(p->to.id);
    struct commit_plan plan = {.partition = p->index,
                               .token = p->token,
                               .from = &p->at,
                               .to = &p->to,
                               .bytes = batch_figures(p->batch)->bytes,
                               .batch = batch_use(p->batch)};
    plan.closed = batch_closed(p->batch, &plan.n_closed);
    p->commit = commit_new(&plan);
    if (p->commit == NULL) {
        start_again(p, STALL_MS);
        return;
    }
    p->state = COMMITTING;
    send_commit(p);
}

/* --- loading -------------------------------------------------------------------------------- */

static void step(struct partition *p);

static void on_loaded(bool ok, void *arg)
{
    struct partition *p = arg;
    if (!ok) p->failed = true;
    if (arrived(p) && p->waiting == 0) step(p);
}

static void load(struct partition *p)
{
    struct partitions *all = p->all;
    unsigned asked;
    if (!load_unknown(all->link, all->store, batch_use(p->batch), on_loaded, p, &asked,
                      &all->stats.loads))
        p->failed = true; /* what was asked still answers */
    p->waiting += asked;
}

/* Goes on with the batch as far as it can without asking Redis. */
static void step(struct partition *p)
{
    while (p->waiting == 0) {
        if (p->failed || p->all->stopping) {
            start_again(p, PAUSE_MS);
            return;
        }
        enum batch_result result = batch_step(p->batch);
        if (result == BATCH_READY) {
            begin_commit(p);
            return;
        }
        if (result != BATCH_LOAD) {
            p->all->stats.stalled++;
            if (result == BATCH_MEMORY) log_error("partition.memory", "partition=%u", p->index);
            start_again(p, STALL_MS);
            return;
        }
        load(p);
    }
}

/* --- reading -------------------------------------------------------------------------------- */

static bool fill(struct partition *p, const redisReply *entries)
{
    size_t bytes = 0, n = 0;
    struct stream_entry e;
    for (size_t i = 0; i < entries->elements; i++) {
        if (stream_entry_read(entries->element[i], &e)) bytes += e.records.n;
    }
    if (!batch_begin(p->batch, p->index, bytes, str_of(p->all->dataset.text))) return false;
    p->to = p->at;
    const struct batch_figures *f = batch_figures(p->batch);
    while (n < entries->elements && (n == 0 || f->hits < (uint64_t)p->all->opts.batch_hits)) {
        if (!stream_entry_read(entries->element[n++], &e)) return false;
        if (!batch_add(p->batch, e.weight, e.records)) return false;
        snprintf(p->to.offset, sizeof p->to.offset, "%.*s", STR_ARG(e.id));
    }
    p->entry_hits = f->hits / n + 1;
    return true;
}

/* A batch of these entries, when one more may be in work. */
static void begin_batch(struct partition *p, const redisReply *entries)
{
    struct partitions *all = p->all;
    struct stream_entry first;
    p->state = HUNGRY;
    if (stream_entry_read(entries->element[0], &first)) p->oldest_ms = id_ms(first.id);
    if (all->pool_n == 0 || all->stopping) return;
    p->batch = all->pool[--all->pool_n];
    p->state = LOADING;
    p->failed = false;
    if (!fill(p, entries)) {
        log_error("partition.read", "partition=%u an entry that cannot be taken", p->index);
        all->stats.stalled++;
        start_again(p, STALL_MS);
        return;
    }
    step(p);
}

struct read {
    struct partitions *all;
    unsigned n;
    struct partition *of[POLL_STREAMS];
};

static void on_read(const redisReply *reply, void *arg)
{
    struct read *read = arg;
    struct partitions *all = read->all;
    size_t at = 0;
    if (reply != NULL && reply->type == REDIS_REPLY_ERROR) {
        log_warn("partition.read", "err=%.*s", (int)reply->len, reply->str);
    }
    for (unsigned i = 0; i < read->n; i++) {
        struct partition *p = read->of[i];
        const redisReply *entries = stream_entries(reply, p->index, &at);
        if (!arrived(p)) continue;
        p->state = IDLE;
        if (entries != NULL)
            begin_batch(p, entries);
        else if (reply == NULL || p->stale)
            p->state = STARTING; /* a new link may lead to another Redis */
        else if (reply->type != REDIS_REPLY_ERROR)
            p->oldest_ms = 0;
    }
    free(read);
    feed(all);
}

static void send_read(struct read *read, unsigned count)
{
    struct str argv[4 + 2 * POLL_STREAMS];
    struct key keys[POLL_STREAMS];
    char text[16];
    unsigned n = read->n, argc = 0;
    argv[argc++] = STR("XREAD");
    argv[argc++] = STR("COUNT");
    argv[argc++] = (struct str){text, (size_t)snprintf(text, sizeof text, "%u", count)};
    argv[argc++] = STR("STREAMS");
    for (unsigned i = 0; i < n; i++) {
        const char *offset = read->of[i]->at.offset;
        keys[i] = key_stream(read->of[i]->index);
        argv[argc + i] = key_str(&keys[i]);
        argv[argc + n + i] = offset[0] == '\0' ? STR("0-0") : str_of(offset);
    }
    if (redis_send(read->all->link, on_read, read, (int)(argc + 2 * n), argv) < 0) {
        free(read);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        read->of[i]->state = READING;
        read->of[i]->stale = false;
        read->of[i]->waiting++;
    }
}

static struct read *read_new(struct partitions *all)
{
    struct read *read = calloc(1, sizeof *read);
    if (read != NULL) read->all = all;
    return read;
}

/* Alone: so many entries as probably fill a batch. */
static bool read_alone(struct partition *p)
{
    struct read *read = read_new(p->all);
    if (read == NULL) return false;
    int64_t count = p->all->opts.batch_hits / (int64_t)p->entry_hits;
    read->of[read->n++] = p;
    send_read(read, count < 1 ? 1 : count > READ_ENTRIES ? READ_ENTRIES : (unsigned)count);
    return p->state == READING;
}

static bool may_read(const struct partitions *all)
{
    return redis_link_up(all->link) && all->dataset.text[0] != '\0';
}

/* Hungry partitions in turn, as long as one more may be in work. */
static void feed(struct partitions *all)
{
    unsigned n = all->opts.partitions, reading = 0;
    if (all->stopping || !may_read(all)) return;
    for (unsigned i = 0; i < n; i++)
        reading += all->of[i].state == READING;
    for (unsigned i = 0; i < n && reading < all->pool_n; i++) {
        struct partition *p = &all->of[(all->next_hungry + i) % n];
        if (p->state != HUNGRY || p->dropped) continue;
        if (!read_alone(p)) return;
        all->next_hungry = (p->index + 1) % n;
        reading++;
    }
}

static void read_idle(struct partitions *all)
{
    struct read *read = NULL;
    unsigned most = redis_link_is_cluster(all->link) ? 1 : POLL_STREAMS;
    for (unsigned i = 0; i < all->opts.partitions; i++) {
        struct partition *p = &all->of[i];
        if (p->state != IDLE) continue;
        if (read == NULL && (read = read_new(all)) == NULL) return;
        read->of[read->n++] = p;
        if (read->n < most) continue;
        send_read(read, POLL_ENTRIES);
        read = NULL;
    }
    if (read != NULL) send_read(read, POLL_ENTRIES);
}

/* --- starting, metering, the poll ----------------------------------------------------------- */

/* The cache stands for the last commit that is known of; Redis may hold another one. */
static void on_start(const redisReply *reply, void *arg)
{
    struct partition *p = arg;
    struct commit_state at;
    p->sent = false;
    if (!arrived(p)) return;
    if (commit_state_read(reply, &at)) {
        if (strcmp(at.id, p->at.id) != 0) store_drop(p->all->store, p->index);
        p->at = at;
        p->state = HUNGRY;
        feed(p->all);
    } else if (!redis_retryable(reply)) {
        log_error("partition.start", "partition=%u its commit cannot be read", p->index);
        p->due_ms = clock_mono_ms() + STALL_MS;
    }
}

static void send_start(struct partition *p)
{
    struct key key = key_commit(p->index);
    struct str argv[] = {STR("HGETALL"), key_str(&key)};
    p->sent = redis_send(p->all->link, on_start, p, 2, argv) == 0;
    if (p->sent) p->waiting++;
    p->due_ms = clock_mono_ms() + PAUSE_MS;
}

/* What a state that waits for its time does when that has come. */
static void go_on(struct partition *p)
{
    if (p->sent || clock_mono_ms() < p->due_ms) return;
    if (p->state == STARTING && !p->all->stopping && may_read(p->all)) send_start(p);
    if (p->state == COMMITTING) send_commit(p);
}

void partitions_link_up(struct partitions *all)
{
    all->dataset.text[0] = '\0';
    for (unsigned i = 0; i < all->opts.partitions; i++) {
        struct partition *p = &all->of[i];
        p->stale = p->state == READING;
        if (p->state != IDLE && p->state != HUNGRY) continue;
        p->state = STARTING;
        p->due_ms = 0;
    }
}

void partitions_set_dataset(struct partitions *all, const struct dataset_id *id)
{
    all->dataset = *id;
}

static void on_meter(const redisReply *reply, void *arg)
{
    struct partition *p = arg;
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) return;
    const redisReply *shipped = reply->element[0], *bytes = reply->element[1];
    p->shipped = shipped->type == REDIS_REPLY_STRING ? strtoull(shipped->str, NULL, 10) : 0;
    p->stream_bytes = bytes->type == REDIS_REPLY_STRING ? strtoull(bytes->str, NULL, 10) : 0;
}

static void meter(struct partitions *all)
{
    int64_t now = clock_mono_ms();
    if (now < all->metered_ms + METER_MS) return;
    all->metered_ms = now;
    for (unsigned i = 0; i < all->opts.partitions; i++) {
        struct partition *p = &all->of[i];
        if (p->state == OFF || p->state == STARTING) continue;
        struct key key = key_meta(i);
        struct str argv[] = {STR("HMGET"), key_str(&key), STR("shipped"), STR("bytes")};
        if (redis_send(all->link, on_meter, p, 4, argv) < 0) return;
    }
}

static void on_poll(evutil_socket_t fd, short what, void *arg)
{
    struct partitions *all = arg;
    (void)fd, (void)what;
    if (!redis_link_up(all->link)) return;
    for (unsigned i = 0; i < all->opts.partitions; i++)
        go_on(&all->of[i]);
    if (all->stopping || !may_read(all)) return;
    feed(all);
    read_idle(all);
    meter(all);
}

struct partitions *partitions_new(struct event_base *base, struct redis_link *link,
                                  const struct partition_opts *opts,
                                  const struct partition_fns *fns, void *arg)
{
    struct timeval every = {opts->poll_ms / 1000, opts->poll_ms % 1000 * 1000};
    struct partitions *all = calloc(1, sizeof *all + opts->partitions * sizeof all->of[0]);
    if (all == NULL) return NULL;
    all->link = link;
    all->opts = *opts;
    all->fns = *fns;
    all->arg = arg;
    for (unsigned i = 0; i < opts->partitions; i++) {
        all->of[i] = (struct partition){.all = all, .index = i, .entry_hits = ENTRY_HITS};
    }
    all->store = store_new(opts->cache_bytes);
    if (all->store == NULL) goto fail;
    while (all->pool_n < BATCHES) {
        struct batch *b = batch_new(all->store, &opts->keep);
        if (b == NULL) goto fail;
        all->pool[all->pool_n++] = b;
    }
    all->poll = event_new(base, -1, EV_PERSIST, on_poll, all);
    if (all->poll == NULL || event_add(all->poll, &every) < 0) goto fail;
    return all;
fail:
    partitions_free(all);
    return NULL;
}

void partitions_free(struct partitions *all)
{
    if (all == NULL) return;
    all->stopping = true;
    for (unsigned i = 0; i < all->opts.partitions; i++) {
        assert(all->of[i].waiting == 0); /* the link is freed first */
        end_batch(&all->of[i], false);
    }
    while (all->pool_n > 0)
        batch_free(all->pool[--all->pool_n]);
    store_free(all->store);
    if (all->poll != NULL) event_free(all->poll);
    free(all);
}

void partitions_stop(struct partitions *all, void (*done)(void *arg), void *arg)
{
    all->stopping = true;
    all->done = done;
    all->done_arg = arg;
    leave_if_done(all);
}

static int64_t age_ms(const struct partition *p, int64_t now_ms)
{
    if (p->oldest_ms == 0 || now_ms <= p->oldest_ms) return 0;
    return now_ms - p->oldest_ms;
}

void partitions_stats(const struct partitions *all, struct partition_stats *out)
{
    int64_t now_ms = clock_ms();
    *out = all->stats;
    out->cache_bytes = store_bytes(all->store);
    for (unsigned i = 0; i < all->opts.partitions; i++) {
        const struct partition *p = &all->of[i];
        if (p->state == OFF || p->dropped) continue;
        out->held++;
        if (age_ms(p, now_ms) > out->lag_ms) out->lag_ms = age_ms(p, now_ms);
        if (p->state == STARTING) continue;
        out->reading++;
        out->folded += p->at.folded;
        out->shipped += p->shipped > p->at.folded ? p->shipped : p->at.folded;
        out->stream_bytes += p->stream_bytes;
        for (unsigned v = 0; v < VERDICTS; v++)
            out->verdicts[v] += p->at.verdicts[v];
    }
}
