/*
 * One turn of the loop: epoll once, read and parse all that is ready, append the turn's hits to the
 * journal with one write, then send the turn's replies. So "store, then say yes" costs one more
 * system call per turn, not per hit, and no reply leaves before the kernel has the hit.
 *
 * The only ways in from other threads are an eventfd, the pointer to new sites, the stop flag, and
 * how often the journal was to be left.
 */
#include "worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "endpoints.h"
#include "log.h"
#include "stats.h"
#include "tally.h"

enum {
    TICK_MS = 200,        /* time-outs, tallies and syncs are looked after this often */
    STOP_GRACE_MS = 5000, /* for requests that were under way at a stop */
};

struct worker {
    struct worker_opts opts;
    struct event_base *base;
    struct http *http;
    struct endpoints *endpoints;
    struct ingest *ingest;
    struct tally *tally;
    struct journal *journal;
    struct metrics_slot *metrics;
    struct snapshot *sites;
    struct event *called, *tick;
    pthread_t thread;
    bool started;
    int64_t stop_by_ms; /* 0: not stopping */

    int call_fd; /* from here on: touched by other threads too */
    _Atomic(struct snapshot *) new_sites;
    _Atomic bool stop;
    _Atomic unsigned leaving, left; /* how often the journal was to be left, and was */
};

static void call(struct worker *w)
{
    uint64_t one = 1;
    if (write(w->call_fd, &one, sizeof one) < 0 && errno != EAGAIN) {
        log_error("worker.call", "err=%s", strerror(errno));
    }
}

static void on_called(evutil_socket_t fd, short what, void *arg)
{
    struct worker *w = arg;
    uint64_t n;
    (void)what;
    if (read(fd, &n, sizeof n) < 0) return;
    struct snapshot *sites = atomic_exchange(&w->new_sites, NULL);
    if (sites != NULL) {
        ingest_set_sites(w->ingest, sites->sites);
        endpoints_set_sites(w->endpoints, sites->sites);
        snapshot_drop(w->sites);
        w->sites = sites;
    }
    if (atomic_load(&w->stop) && w->stop_by_ms == 0) {
        w->stop_by_ms = clock_mono_ms() + STOP_GRACE_MS;
        http_stop_listening(w->http);
        http_drain(w->http);
    }
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct worker *w = arg;
    (void)fd, (void)what;
    http_tick(w->http, clock_mono_ms());
    tally_stage(w->tally, w->journal, clock_ms(), false);
    journal_tick(w->journal);
}

static void commit_turn(struct worker *w)
{
    bool stored = true;
    if (journal_staged(w->journal)) {
        stored = journal_commit(w->journal, clock_mono_ms()) == 0;
        tally_stored(w->tally, stored);
        endpoints_stored(w->endpoints, stored);
        if (stored) shipper_wake(w->opts.shipper);
    }
    http_send_staged(w->http, stored);
}

/* After a commit: nothing is staged then. */
static void leave_journal(struct worker *w)
{
    unsigned leaving = atomic_load(&w->leaving);
    if (atomic_load(&w->left) == leaving) return;
    journal_leave(w->journal);
    atomic_store(&w->left, leaving);
    shipper_wake(w->opts.shipper);
}

static bool may_end(const struct worker *w)
{
    return w->stop_by_ms != 0 &&
           (http_connections(w->http) == 0 || clock_mono_ms() >= w->stop_by_ms);
}

static void *run(void *arg)
{
    struct worker *w = arg;
    pthread_setname_np(pthread_self(), "worker");
    while (!may_end(w)) {
        event_base_loop(w->base, EVLOOP_ONCE);
        commit_turn(w);
        leave_journal(w);
    }
    tally_stage(w->tally, w->journal, clock_ms(), true);
    commit_turn(w);
    http_free(w->http);
    w->http = NULL;
    shipper_wake(w->opts.shipper);
    return NULL; /* the journal stays open: the shipper still reads where it ends */
}

static struct event_base *base_new(void)
{
    struct event_config *config = event_config_new();
    if (config == NULL) return NULL;
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

static struct journal *open_journal(const struct worker_opts *o)
{
    return journal_open(&(struct journal_opts){
        .dir = o->journal_dir,
        .segment_bytes = o->conf->journal_segment,
        .reserve_bytes = o->conf->journal_reserve,
        .sync_ms = o->conf->journal_sync_ms,
        .partitions = o->partitions,
    });
}

static struct endpoints *open_endpoints(struct worker *w)
{
    return endpoints_new(&(struct endpoints_opts){
        .conf = w->opts.conf,
        .proxies = w->opts.proxies,
        .ingest = w->ingest,
        .tally = w->tally,
        .journal = w->journal,
        .metrics = w->metrics,
        .partitions = w->opts.partitions,
    });
}

static bool add_events(struct worker *w)
{
    static const struct timeval every = {0, TICK_MS * 1000};
    w->called = event_new(w->base, w->call_fd, EV_READ | EV_PERSIST, on_called, w);
    w->tick = event_new(w->base, -1, EV_PERSIST, on_tick, w);
    return w->called != NULL && w->tick != NULL && event_add(w->called, NULL) == 0 &&
           event_add(w->tick, &every) == 0;
}

struct worker *worker_new(const struct worker_opts *opts, struct snapshot *sites)
{
    struct worker *w = calloc(1, sizeof *w);
    if (w == NULL) return NULL;
    w->opts = *opts;
    w->call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    w->sites = snapshot_hold(sites);
    w->base = base_new();
    w->metrics = metrics_slot_new(opts->metrics);
    w->tally = tally_new(opts->partitions);
    w->ingest = ingest_new(opts->lists, opts->salts);
    w->journal = open_journal(opts);
    if (w->journal == NULL) {
        log_error("journal.open", "dir=%s err=%s", opts->journal_dir, strerror(errno));
    }
    if (w->call_fd < 0 || w->base == NULL || w->metrics == NULL || w->tally == NULL ||
        w->ingest == NULL || w->journal == NULL) {
        goto fail;
    }
    w->endpoints = open_endpoints(w);
    if (w->endpoints == NULL || !add_events(w)) goto fail;
    w->http = http_new(w->base, &opts->conf->http,
                       &(struct http_metrics){.slot = w->metrics,
                                              .requests = M_REQUESTS,
                                              .refused = M_HTTP_REFUSED,
                                              .accepted = M_ACCEPTED,
                                              .connections = M_CONNECTIONS},
                       endpoints_handle, w->endpoints);
    if (w->http == NULL) goto fail;
    ingest_set_sites(w->ingest, sites->sites);
    endpoints_set_sites(w->endpoints, sites->sites);
    http_listen(w->http, opts->listen_fd);
    return w;
fail:
    worker_free(w);
    return NULL;
}

struct journal *worker_journal(struct worker *w)
{
    return w->journal;
}

int worker_start(struct worker *w)
{
    int err = pthread_create(&w->thread, NULL, run, w);
    w->started = err == 0;
    if (err != 0) log_error("worker.start", "err=%s", strerror(err));
    return err == 0 ? 0 : -1;
}

void worker_give_sites(struct worker *w, struct snapshot *sites)
{
    snapshot_drop(atomic_exchange(&w->new_sites, snapshot_hold(sites)));
    call(w);
}

void worker_stop(struct worker *w)
{
    atomic_store(&w->stop, true);
    call(w);
}

unsigned worker_leave(struct worker *w)
{
    unsigned leaving = atomic_fetch_add(&w->leaving, 1) + 1;
    call(w);
    return leaving;
}

bool worker_has_left(const struct worker *w, unsigned leaving)
{
    return (int)(atomic_load(&w->left) - leaving) >= 0;
}

void worker_join(struct worker *w)
{
    if (w->started) pthread_join(w->thread, NULL);
    w->started = false;
}

void worker_free(struct worker *w)
{
    if (w == NULL) return;
    worker_join(w);
    http_free(w->http);
    endpoints_free(w->endpoints);
    tally_free(w->tally);
    ingest_free(w->ingest);
    journal_close(w->journal);
    if (w->called != NULL) event_free(w->called);
    if (w->tick != NULL) event_free(w->tick);
    if (w->base != NULL) event_base_free(w->base);
    if (w->call_fd >= 0) close(w->call_fd);
    snapshot_drop(w->sites);
    snapshot_drop(atomic_load(&w->new_sites));
    free(w);
}
