/*
 * The owner's thread sleeps in poll() on a pipe. What other threads tell it needs no lock: a dirty
 * mark is one small write, which a pipe keeps whole; leases are a counter per partition that is odd
 * while it is held; a new set of sites is one exchanged pointer. When the pipe is full a flag
 * says that marks were lost, and every owned site is read anew: late, never wrong.
 *
 * Sites wait in two queues: `fresh` holds those that a commit has touched, `stale` those whose
 * partition was just acquired or whose day has turned; a restart with many sites does not make a
 * new hit wait. Each refresh is followed by a pause of OWNER_SHARE times what it took.
 *
 * A site's other partitions may be folded by other processes. Their commit ids are polled.
 */
#include "owner.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "answers.h"
#include "ask.h"
#include "clock.h"
#include "documents.h"
#include "keys.h"
#include "log.h"
#include "owned.h"
#include "redis_now.h"

enum {
    RETRY_MS = 200, /* after a failed refresh; a Redis that is down is left alone as long */
    IDLE_MS = 1000, /* how long a turn of the day or of a minute may go unnoticed */
    COMMIT_ID_MAX = 40,
    MARKS_AT_ONCE = 64,
    READS_AT_ONCE = 32, /* then the sites have their turn, however many marks still come */
};

struct mark {
    uint32_t day;
    uint32_t n; /* bytes of the site's name; 0: only wakes */
    char site[HIT_SITE_MAX_BYTES];
};
_Static_assert(sizeof(struct mark) <= 512, "POSIX: a pipe takes so much in one piece");

struct foreign {
    bool needed; /* an owned site uses this partition, and this process does not hold it */
    char commit[COMMIT_ID_MAX];
};

struct owner {
    struct owner_opts opts;
    int wake[2];
    pthread_t thread;
    _Atomic(struct snapshot *) next;
    _Atomic uint32_t *leases; /* per partition; odd: held */
    atomic_bool stopping, marks_lost;
    _Atomic uint64_t refreshes, errors, took_ms, dirty, cached, answers;
    atomic_bool redis_up;

    /* the thread's own */
    struct publish_env env;
    struct snapshot *sites;
    uint32_t *known; /* leases as last seen */
    struct foreign *foreign;
    bool any_foreign;
    struct queue fresh, stale;
    uint64_t queued;
    int64_t free_ms;  /* the next refresh, of any site, not before */
    int64_t poll_ms;  /* the next look at foreign partitions */
    int64_t redis_ms; /* Redis is down: not before */
    int64_t asked_ms; /* the next look at requests for profiles */
};

/* ---- from any thread ---- */

static void wake(struct owner *o, const struct mark *m)
{
    if (write(o->wake[1], m, sizeof *m) < 0 && m->n > 0) atomic_store(&o->marks_lost, true);
}

void owner_mark_dirty(struct owner *o, struct str site, uint32_t day)
{
    struct mark m = {.day = day, .n = (uint32_t)site.n};
    assert(site.n > 0 && site.n <= sizeof m.site);
    memcpy(m.site, site.p, site.n);
    wake(o, &m);
}

void owner_set_home(struct owner *o, unsigned partition, bool held)
{
    assert(partition < o->opts.partitions);
    if ((atomic_load(&o->leases[partition]) & 1) == held) return;
    atomic_fetch_add(&o->leases[partition], 1);
    wake(o, &(struct mark){0});
}

void owner_stats(const struct owner *o, struct owner_stats *out)
{
    *out = (struct owner_stats){.refreshes = atomic_load(&o->refreshes),
                                .errors = atomic_load(&o->errors),
                                .took_ms = atomic_load(&o->took_ms),
                                .dirty = atomic_load(&o->dirty),
                                .cached_bytes = atomic_load(&o->cached),
                                .answers = atomic_load(&o->answers),
                                .redis_up = atomic_load(&o->redis_up)};
}

int owner_set_sites(struct owner *o, const struct sites *sites)
{
    struct snapshot *s = snapshot_new(sites, o->opts.partitions);
    if (s == NULL) return -1;
    snapshot_free(atomic_exchange(&o->next, s)); /* one that the thread never saw */
    wake(o, &(struct mark){0});
    return 0;
}

/* ---- queues ---- */

static void unqueue(struct owner *o, struct owned *w)
{
    if (w->queued == NOT_QUEUED) return;
    TAILQ_REMOVE(w->queued == FRESH ? &o->fresh : &o->stale, w, link);
    w->queued = NOT_QUEUED;
    o->queued--;
}

/* A site that waits as fresh stays so. */
static void enqueue(struct owner *o, struct owned *w, enum queue_name queue)
{
    if (w->queued == queue || w->queued == FRESH) return;
    unqueue(o, w);
    TAILQ_INSERT_TAIL(queue == FRESH ? &o->fresh : &o->stale, w, link);
    w->queued = queue;
    o->queued++;
}

static struct owned *first_due(struct queue *q, int64_t now, int64_t *next_ms)
{
    struct owned *w;
    TAILQ_FOREACH(w, q, link)
    {
        if (w->due_ms <= now) return w;
        if (w->due_ms < *next_ms) *next_ms = w->due_ms;
    }
    return NULL;
}

/* ---- what the others have told ---- */

static void forget(struct owner *o, struct owned *w)
{
    unqueue(o, w);
    publisher_forget(&w->publisher, &o->env);
}

/* Nothing is known of the site's rows any more: another process may have folded it meanwhile. */
static void begin(struct owner *o, struct owned *w)
{
    forget(o, w);
    w->due_ms = 0;
    enqueue(o, w, STALE);
}

static void mark_foreign(struct owner *o, const struct owned *w)
{
    unsigned partitions = o->opts.partitions;
    for (unsigned i = 1; i < w->publisher.spread && i < partitions; i++) {
        unsigned part = (w->home + i) % partitions;
        if (o->known[part] & 1) continue;
        o->foreign[part].needed = o->any_foreign = true;
    }
}

static void find_foreign(struct owner *o)
{
    o->any_foreign = false;
    for (unsigned i = 0; i < o->opts.partitions; i++)
        o->foreign[i].needed = false;
    for (size_t i = 0; o->sites != NULL && i < o->sites->n; i++) {
        if (o->sites->sites[i].held) mark_foreign(o, &o->sites->sites[i]);
    }
}

/* Each site follows its home's lease; one that was lost and taken again begins anew. */
static void settle(struct owner *o)
{
    for (size_t i = 0; o->sites != NULL && i < o->sites->n; i++) {
        struct owned *w = &o->sites->sites[i];
        if (w->lease == o->known[w->home]) continue;
        w->lease = o->known[w->home];
        w->held = w->lease & 1;
        if (w->held)
            begin(o, w);
        else
            forget(o, w);
    }
    find_foreign(o);
}

/* Sites that stay keep their cached days and their place in the queue. */
static void take_sites(struct owner *o)
{
    struct snapshot *before = o->sites, *after = atomic_exchange(&o->next, NULL);
    if (after == NULL) return;
    for (size_t i = 0; i < after->n; i++) {
        struct owned *w = &after->sites[i];
        struct owned *old = snapshot_find(o->sites, str_of(w->publisher.name));
        bool same = old != NULL && old->held && old->publisher.spread == w->publisher.spread &&
                    strcmp(old->publisher.time_zone, w->publisher.time_zone) == 0;
        if (!same) continue;
        enum queue_name queue = old->queued;
        unqueue(o, old);
        struct publisher fresh = w->publisher;
        *w = *old;
        w->publisher.zone = fresh.zone;
        w->publisher.time_zone = fresh.time_zone;
        w->publisher.topics = fresh.topics;
        publisher_moved(&old->publisher);
        enqueue(o, w, queue == NOT_QUEUED ? STALE : queue);
    }
    for (size_t i = 0; before != NULL && i < before->n; i++)
        forget(o, &before->sites[i]);
    snapshot_free(before);
    o->sites = after;
    settle(o);
}

static void take_leases(struct owner *o)
{
    bool moved = false;
    for (unsigned part = 0; part < o->opts.partitions; part++) {
        uint32_t lease = atomic_load(&o->leases[part]);
        if (lease == o->known[part]) continue;
        o->known[part] = lease;
        o->foreign[part].commit[0] = '\0';
        moved = true;
    }
    if (moved) settle(o);
}

static void take_marks(struct owner *o)
{
    struct mark marks[MARKS_AT_ONCE];
    ssize_t n;
    for (int reads = READS_AT_ONCE; reads > 0; reads--) {
        if ((n = read(o->wake[0], marks, sizeof marks)) <= 0) break;
        assert((size_t)n % sizeof *marks == 0); /* both sides move whole marks */
        for (size_t i = 0; i < (size_t)n / sizeof *marks; i++) {
            if (marks[i].n == 0) continue;
            struct owned *w = snapshot_find(o->sites, (struct str){marks[i].site, marks[i].n});
            if (w == NULL || !w->held) continue;
            publisher_touch(&w->publisher, marks[i].day, &o->env);
            enqueue(o, w, FRESH);
        }
    }
    if (!atomic_exchange(&o->marks_lost, false)) return;
    for (size_t i = 0; o->sites != NULL && i < o->sites->n; i++) {
        if (o->sites->sites[i].held) begin(o, &o->sites->sites[i]);
    }
}

/* ---- Redis ---- */

static void set_up(struct owner *o, bool up)
{
    atomic_store(&o->redis_up, up);
    if (!up) o->redis_ms = clock_mono_ms() + RETRY_MS;
}

/* Only the first connection is made here; later ones are redis_now's. */
static bool may_ask(struct owner *o, int64_t now)
{
    if (now < o->redis_ms) return false;
    if (o->env.redis != NULL) return true;
    struct buf err;
    buf_init(&err, 0);
    o->env.redis = redis_now_open(o->opts.redis, &err);
    if (o->env.redis == NULL) log_warn("owner.connect", "err=\"%.*s\"", STR_ARG(buf_str(&err)));
    buf_fini(&err);
    set_up(o, o->env.redis != NULL);
    return o->env.redis != NULL;
}

static void failed(struct owner *o, const char *what, const struct buf *err)
{
    log_warn("owner.failed", "at=%s err=\"%.*s\"", what, STR_ARG(buf_str(err)));
    atomic_fetch_add(&o->errors, 1);
    set_up(o, redis_now_up(o->env.redis));
}

/* ---- work ---- */

/* A partition has another commit than before: its sites are to be compared. */
static void foreign_moved(struct owner *o, unsigned part)
{
    for (size_t i = 0; i < o->sites->n; i++) {
        struct owned *w = &o->sites->sites[i];
        unsigned distance = (part + o->opts.partitions - w->home) % o->opts.partitions;
        if (!w->held || distance >= w->publisher.spread) continue;
        w->publisher.check = true;
        enqueue(o, w, FRESH);
    }
}

static int look_at(struct owner *o, unsigned part, struct buf *err)
{
    struct key key = key_commit(part);
    redisReply *r = ask(o->env.redis, err, ARGV(STR("HGET"), key_str(&key), STR("id")));
    if (r == NULL) return -1;
    struct foreign *f = &o->foreign[part];
    if (r->type == REDIS_REPLY_STRING && r->len < COMMIT_ID_MAX && strcmp(f->commit, r->str) != 0) {
        strcpy(f->commit, r->str);
        foreign_moved(o, part);
    }
    freeReplyObject(r);
    return 0;
}

static void poll_foreign(struct owner *o, int64_t now)
{
    if (!o->any_foreign || now < o->poll_ms || !may_ask(o, now)) return;
    struct buf err;
    buf_init(&err, 0);
    for (unsigned part = 0; part < o->opts.partitions; part++) {
        if (!o->foreign[part].needed || look_at(o, part, &err) == 0) continue;
        failed(o, "poll", &err);
        break;
    }
    buf_fini(&err);
    int64_t took = clock_mono_ms() - now, pause = OWNER_SHARE * took;
    o->poll_ms = now + (pause > o->opts.summary_ms ? pause : o->opts.summary_ms);
}

/* The days that were cached longest make room. */
static void make_room(struct owner *o, const struct owned *just)
{
    while (o->env.cached > o->env.cache_max - o->env.cache_max / 8) {
        struct owned *oldest = NULL;
        for (size_t i = 0; i < o->sites->n; i++) {
            struct owned *w = &o->sites->sites[i];
            if (w == just || w->publisher.bytes == 0) continue;
            if (oldest == NULL || w->publisher.published_ms < oldest->publisher.published_ms)
                oldest = w;
        }
        if (oldest == NULL) return;
        publisher_forget(&oldest->publisher, &o->env);
    }
}

static void refresh(struct owner *o, struct owned *w)
{
    struct buf err;
    enum queue_name queue = w->queued;
    int64_t start = clock_mono_ms();
    buf_init(&err, 0);
    unqueue(o, w);
    o->env.rested_ms = 0;
    int result = o->env.documents == NULL ? publisher_publish(&w->publisher, &o->env, &err)
                                          : documents_publish(&w->publisher, &o->env, &err);
    int64_t end = clock_mono_ms(), took = end - start - o->env.rested_ms;
    int64_t pause = OWNER_SHARE * took;
    if (result < 0) {
        failed(o, "refresh", &err);
        w->due_ms = end + RETRY_MS;
        enqueue(o, w, queue);
    } else {
        w->due_ms = start + (pause > o->opts.summary_ms ? pause : o->opts.summary_ms);
        set_up(o, true);
        atomic_fetch_add(&o->refreshes, 1);
    }
    o->free_ms = start + pause;
    make_room(o, w);
    atomic_store(&o->took_ms, (uint64_t)took);
    atomic_store(&o->cached, o->env.cached);
    atomic_store(&o->dirty, o->queued);
    buf_fini(&err);
}

/* "today" is another day now, or a minute has passed that shows. */
static void turn_clocks(struct owner *o)
{
    int64_t now = clock_ms();
    for (size_t i = 0; o->sites != NULL && i < o->sites->n; i++) {
        struct owned *w = &o->sites->sites[i];
        if (!w->held || w->publisher.turn_ms == 0 || now < w->publisher.turn_ms) continue;
        w->publisher.turn_ms = 0;
        enqueue(o, w, STALE);
    }
}

/* Refreshes one site if one is due; how long nothing is to be done, in ms. */
static int64_t step(struct owner *o, int64_t now)
{
    int64_t next_ms = now + IDLE_MS;
    if (o->any_foreign && o->poll_ms < next_ms) next_ms = o->poll_ms;
    if (o->queued > 0 && o->free_ms > now)
        return (o->free_ms < next_ms ? o->free_ms : next_ms) - now;
    struct owned *w = first_due(&o->fresh, now, &next_ms);
    if (w == NULL) w = first_due(&o->stale, now, &next_ms);
    if (w == NULL) return next_ms > now ? next_ms - now : 0;
    if (!may_ask(o, now)) return o->redis_ms > now ? o->redis_ms - now : 0;
    refresh(o, w);
    return 0;
}

static bool find_view(void *arg, struct str name, struct site_view *out)
{
    struct owner *o = arg;
    const struct owned *w = snapshot_find(o->sites, name);
    if (w == NULL) return false;
    const struct publisher *p = &w->publisher;
    *out = (struct site_view){.source = publisher_source(p, &o->env),
                              .zone = p->zone,
                              .time_zone = p->time_zone,
                              .rules = p->topics};
    return true;
}

/* Who asks waits: half of the time may go there, unlike what nobody waits for. */
static void give_answers(struct owner *o, int64_t now)
{
    if (o->env.documents == NULL || now < o->asked_ms || !may_ask(o, now)) return;
    struct buf err;
    buf_init(&err, 0);
    int given = answers_give(o->env.redis, find_view, o, &err);
    if (given < 0)
        failed(o, "answers", &err);
    else
        atomic_fetch_add(&o->answers, (uint64_t)given);
    buf_fini(&err);
    int64_t end = clock_mono_ms(), took = end - now;
    o->asked_ms = end + (given == ANSWERS_AT_ONCE ? took : took + ANSWER_POLL_MS);
}

static void listen_to_others(struct owner *o)
{
    take_sites(o);
    take_leases(o);
    take_marks(o);
    atomic_store(&o->dirty, o->queued);
}

/* What is known to have changed is still published; pauses do not matter any more. Documents may
 * take long: those are for who holds the lease next. */
static void drain(struct owner *o)
{
    if (o->env.documents != NULL) return;
    int64_t until = clock_mono_ms() + OWNER_DRAIN_MS;
    listen_to_others(o);
    uint64_t errors = atomic_load(&o->errors);
    while (o->queued > 0 && clock_mono_ms() < until && may_ask(o, clock_mono_ms()) &&
           atomic_load(&o->errors) == errors) {
        struct owned *w = TAILQ_FIRST(&o->fresh);
        refresh(o, w != NULL ? w : TAILQ_FIRST(&o->stale));
    }
}

static void *run(void *arg)
{
    struct owner *o = arg;
    int64_t turned_ms = clock_mono_ms();
    while (!atomic_load(&o->stopping)) {
        listen_to_others(o);
        int64_t now = clock_mono_ms();
        if (now - turned_ms >= IDLE_MS) {
            turn_clocks(o);
            turned_ms = now;
        }
        poll_foreign(o, now);
        give_answers(o, now);
        int64_t wait_ms = step(o, clock_mono_ms());
        if (o->env.documents != NULL && wait_ms > ANSWER_POLL_MS) wait_ms = ANSWER_POLL_MS;
        struct pollfd fd = {.fd = o->wake[0], .events = POLLIN};
        poll(&fd, 1, (int)wait_ms);
    }
    drain(o);
    return NULL;
}

/* ---- life ---- */

/* Signals are the main thread's business. */
static int start(struct owner *o)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = pthread_create(&o->thread, NULL, run, o);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = result;
    return result == 0 ? 0 : -1;
}

static void destroy(struct owner *o)
{
    for (size_t i = 0; o->sites != NULL && i < o->sites->n; i++)
        forget(o, &o->sites->sites[i]);
    snapshot_free(o->sites);
    snapshot_free(atomic_load(&o->next));
    redis_now_close(o->env.redis);
    if (o->wake[0] >= 0) close(o->wake[0]);
    if (o->wake[1] >= 0) close(o->wake[1]);
    free((void *)o->leases);
    free(o->known);
    free(o->foreign);
    free(o);
}

struct owner *owner_new(const struct owner_opts *opts)
{
    assert(opts->partitions > 0 && opts->partitions <= PARTITIONS_MAX);
    struct owner *o = calloc(1, sizeof *o);
    if (o == NULL) return NULL;
    o->opts = *opts;
    if (o->opts.summary_ms <= 0) o->opts.summary_ms = OWNER_SUMMARY_MS;
    if (o->opts.cache_bytes <= 0) o->opts.cache_bytes = OWNER_CACHE_BYTES;
    o->env = (struct publish_env){.partitions = opts->partitions,
                                  .late_after_h = opts->late_after_h,
                                  .persons_kept_ms = opts->persons_kept_ms,
                                  .cache_max = (size_t)o->opts.cache_bytes,
                                  .documents = opts->documents,
                                  .stopping = &o->stopping};
    TAILQ_INIT(&o->fresh);
    TAILQ_INIT(&o->stale);
    o->wake[0] = o->wake[1] = -1;
    o->leases = calloc(opts->partitions, sizeof *o->leases);
    o->known = calloc(opts->partitions, sizeof *o->known);
    o->foreign = calloc(opts->partitions, sizeof *o->foreign);
    if (o->leases == NULL || o->known == NULL || o->foreign == NULL) goto fail;
    if (pipe2(o->wake, O_NONBLOCK | O_CLOEXEC) < 0 || start(o) < 0) goto fail;
    return o;
fail:
    destroy(o);
    return NULL;
}

void owner_free(struct owner *o)
{
    if (o == NULL) return;
    atomic_store(&o->stopping, true);
    wake(o, &(struct mark){0});
    pthread_join(o->thread, NULL);
    destroy(o);
}
