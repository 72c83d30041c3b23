/*
 * sentier-collector. The main thread reads the configuration, starts the others and then serves the
 * admin port, signals, and the day's salts. Worker threads take hits into journals; the shipper's
 * thread takes journals into Redis. A stop goes the way of a hit: listeners, workers, shipper.
 */
#include <errno.h>
#include <event2/thread.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "admin.h"
#include "clock.h"
#include "dataset.h"
#include "listen.h"
#include "log.h"
#include "program.h"
#include "redis.h"
#include "salt_link.h"
#include "stats.h"
#include "worker.h"

enum {
    WORKERS_MAX = 256,
    PATH_BYTES = 4096,
    LOCK_PAUSE_MS = 100,
    LOCK_TRIES = 5,
    SALTS_WAIT_MS = 300,
    SALTS_LOOK_MS = 5,
    LEAVE_WAIT_MS = 2000,
};

static struct collector_conf conf;
static struct redis_conf redis;
static const struct conf_section sections[] = {{"collector", collector_options, &conf},
                                               {"redis", redis_options, &redis},
                                               {"aggregator", NULL, NULL},
                                               {0}};
static const struct program program = {
    "sentier-collector", "takes pixel and beacon hits from websites into Redis", sections, true};

struct collector {
    const char *conf_file;
    char journal_dir[PATH_BYTES], salt_file[PATH_BYTES];
    int lock_fd;
    int port;
    struct snapshot *sites;
    struct lists *lists;
    struct salts *salts;
    struct proxies *proxies;
    struct metrics *metrics;
    struct worker *workers[WORKERS_MAX];
    unsigned n_workers;
    struct event_base *base, *ship_base; /* of the main thread, of the shipper's */
    struct shipper *shipper;
    pthread_t ship_thread;
    bool shipping;
    struct salt_link *salt_link;
    struct admin *admin;
    struct event *signals[3];
    bool redis_away, stopped; /* at the start; by a signal */
};

/* ---- the data directory ---- */

static bool refuse(const char *what)
{
    fprintf(stderr, "sentier-collector: %s\n", what);
    return false;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* An import looks now and then whether the lock is held, and has it for that moment. */
static bool lock_patiently(int fd)
{
    for (int tries = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; tries++) {
        if (errno != EWOULDBLOCK || tries == LOCK_TRIES) return false;
        pause_ms(LOCK_PAUSE_MS);
    }
    return true;
}

static bool lock_data(struct collector *c)
{
    char path[PATH_BYTES], message[PATH_BYTES + 128];
    snprintf(path, sizeof path, "%s/collector.lock", conf.data);
    if (journal_make_dir(conf.data, c->journal_dir, sizeof c->journal_dir) < 0) {
        snprintf(message, sizeof message, "data = %s: %s", conf.data, strerror(errno));
        return refuse(message);
    }
    c->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (c->lock_fd < 0 || !lock_patiently(c->lock_fd)) {
        snprintf(message, sizeof message, "data = %s: %s", conf.data,
                 errno == EWOULDBLOCK ? "in use by another collector" : strerror(errno));
        return refuse(message);
    }
    return true;
}

/* Redis has the last word on the data set, but a collector must start while Redis is away. */
static bool agree_on_dataset(struct collector *c)
{
    struct buf err = {0};
    bool ok = dataset_agree_dir(conf.data, (unsigned)redis.partitions, &err) == 0;
    struct redis_now *now = ok ? redis_now_open(&redis, &err) : NULL;
    bool away = ok && now == NULL;
    if (now != NULL && dataset_agree(now, (unsigned)redis.partitions, &err) < 0) {
        away = errno == EAGAIN; /* it may be loading its data; the shipper asks again */
        ok = away;
    }
    redis_now_close(now);
    c->redis_away = away;
    if (away) log_warn("redis.away", "%.*s; hits wait on disk", STR_ARG(buf_str(&err)));
    if (!ok) fprintf(stderr, "sentier-collector: %.*s\n", STR_ARG(buf_str(&err)));
    buf_fini(&err);
    return ok;
}

/* One file per data set; the name must not depend on how the path was written. */
static bool open_salts(struct collector *c)
{
    char real[PATH_BYTES];
    unsigned char hash[8];
    char hex[2 * sizeof hash + 1];
    const char *file = conf.salt_file;
    if (file[0] == '\0' && realpath(conf.data, real) != NULL) {
        crypto_generichash(hash, sizeof hash, (unsigned char *)real, strlen(real), NULL, 0);
        sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
        snprintf(c->salt_file, sizeof c->salt_file, "/dev/shm/sentier-%s.salts", hex);
        file = c->salt_file;
    }
    c->salts = salts_new(file, clock_ms());
    return c->salts != NULL;
}

static bool open_proxies(struct collector *c)
{
    const char *bad;
    char message[256];
    c->proxies = proxies_new(conf.trusted_proxies, &bad);
    if (c->proxies != NULL) return true;
    snprintf(message, sizeof message, "trusted_proxies: '%.60s' must be an address or a network",
             bad == NULL ? "" : bad);
    return refuse(message);
}

/* ---- the Redis half ---- */

static void *ship(void *arg)
{
    struct collector *c = arg;
    pthread_setname_np(pthread_self(), "shipper"); /* as top and perf show it */
    event_base_loop(c->ship_base, EVLOOP_NO_EXIT_ON_EMPTY);
    return NULL;
}

static bool open_shipper(struct collector *c)
{
    const struct shipper_opts opts = options_of_shipper(&conf, &redis, c->journal_dir);
    c->ship_base = event_base_new();
    c->shipper = c->ship_base == NULL ? NULL : shipper_new(c->ship_base, &opts);
    return c->shipper != NULL;
}

static bool start_shipper(struct collector *c)
{
    for (unsigned i = 0; i < c->n_workers; i++) {
        shipper_add_writer(c->shipper, journal_mark(worker_journal(c->workers[i])));
    }
    int err = pthread_create(&c->ship_thread, NULL, ship, c);
    c->shipping = err == 0;
    return c->shipping;
}

/* ---- the HTTP half ---- */

static unsigned worker_count(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int64_t n = conf.workers > 0 ? conf.workers : cores;
    return n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : (unsigned)n;
}

static bool open_workers(struct collector *c)
{
    int fds[WORKERS_MAX];
    struct buf err = {0};
    unsigned n = worker_count();
    if (listen_open(conf.listen, n, fds, &c->port, &err) < 0) {
        fprintf(stderr, "sentier-collector: %.*s\n", STR_ARG(buf_str(&err)));
        buf_fini(&err);
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        struct worker_opts opts = {
            .conf = &conf,
            .lists = c->lists,
            .salts = c->salts,
            .proxies = c->proxies,
            .metrics = c->metrics,
            .shipper = c->shipper,
            .journal_dir = c->journal_dir,
            .partitions = (unsigned)redis.partitions,
            .listen_fd = fds[i],
        };
        c->workers[i] = worker_new(&opts, c->sites);
        if (c->workers[i] == NULL) return false;
        c->n_workers++;
    }
    return true;
}

/* ---- the main thread's loop: admin port and signals ---- */

static int page_metrics(void *arg, struct buf *out)
{
    struct collector *c = arg;
    struct shipper_stats s;
    shipper_stats(c->shipper, &s);
    stats_print_metrics(c->metrics, &s, out);
    return 200;
}

static int page_stats(void *arg, struct buf *out)
{
    struct collector *c = arg;
    struct shipper_stats s;
    shipper_stats(c->shipper, &s);
    stats_print_json(c->metrics, &s, out);
    return 200;
}

static int page_accept_gaps(void *arg, struct buf *out)
{
    struct collector *c = arg;
    shipper_accept_gaps(c->shipper);
    log_warn("ship.accept_gaps", "by the operator's command");
    buf_add(out, STR("accepted; see gap_partitions, birth_partitions and skipped in /stats\n"));
    return 200;
}

/* Every worker goes on in a new file, so that those of before can be rewritten. */
static int page_leave_segments(void *arg, struct buf *out)
{
    struct collector *c = arg;
    unsigned leaving[WORKERS_MAX];
    int64_t until_ms = clock_mono_ms() + LEAVE_WAIT_MS;
    bool left = false;
    for (unsigned i = 0; i < c->n_workers; i++)
        leaving[i] = worker_leave(c->workers[i]);
    while (!left && clock_mono_ms() < until_ms) {
        left = true;
        for (unsigned i = 0; i < c->n_workers; i++)
            left = left && worker_has_left(c->workers[i], leaving[i]);
        if (!left) pause_ms(1);
    }
    buf_add(out, left ? STR("left\n") : STR("a worker is busy; try again\n"));
    return left ? 200 : 503;
}

static const struct admin_page admin_pages[] = {
    {"/metrics", "text/plain; version=0.0.4", false, page_metrics},
    {"/stats", "application/json", false, page_stats},
    {"/accept-gaps", "text/plain", true, page_accept_gaps},
    {"/leave-segments", "text/plain", true, page_leave_segments},
    {0}};

static void reload(struct collector *c)
{
    struct sites *sites = program_reload_sites(&program, c->conf_file);
    if (sites == NULL) return;
    struct snapshot *next = snapshot_take(sites);
    if (next == NULL) return;
    for (unsigned i = 0; i < c->n_workers; i++)
        worker_give_sites(c->workers[i], next);
    snapshot_drop(c->sites);
    c->sites = next;
}

static void on_signal(evutil_socket_t signal, short what, void *arg)
{
    struct collector *c = arg;
    (void)what;
    if (signal == SIGHUP) {
        reload(c);
    } else {
        c->stopped = true;
        event_base_loopbreak(c->base);
    }
}

static bool open_loop(struct collector *c)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    c->base = event_base_new();
    if (c->base == NULL) return false;
    for (int i = 0; i < 3; i++) {
        c->signals[i] = evsignal_new(c->base, numbers[i], on_signal, c);
        if (c->signals[i] == NULL || event_add(c->signals[i], NULL) < 0) return false;
    }
    c->salt_link = salt_link_new(c->base, &redis, c->salts);
    c->admin = admin_new(c->base, conf.admin, admin_pages, c);
    return c->salt_link != NULL && c->admin != NULL;
}

/* The first hit of a new collector shall not make a second visitor of somebody whom the others
 * know: it waits a moment for what they say. Without Redis, or without others, not at all. */
static void hear_salts(struct collector *c)
{
    const struct timeval look = {0, SALTS_LOOK_MS * 1000};
    int64_t until_ms = clock_mono_ms() + (c->redis_away ? 0 : SALTS_WAIT_MS);
    while (!c->stopped && !salt_link_agreed(c->salt_link) && clock_mono_ms() < until_ms) {
        event_base_loopexit(c->base, &look);
        event_base_dispatch(c->base);
    }
}

static bool start(struct collector *c)
{
    if (!lock_data(c) || !agree_on_dataset(c) || !open_proxies(c) || !open_salts(c)) return false;
    c->lists = lists_load(conf.geoip, conf.geoip6);
    c->metrics = metrics_new(collector_metrics, METRICS);
    if (c->lists == NULL || c->metrics == NULL) return false;
    if (!open_shipper(c) || !open_workers(c) || !open_loop(c) || !start_shipper(c)) return false;
    hear_salts(c);
    for (unsigned i = 0; i < c->n_workers; i++) {
        if (worker_start(c->workers[i]) < 0) return false;
    }
    log_info("collector.ready", "listen=%s port=%d admin_port=%d workers=%u sites=%zu", conf.listen,
             c->port, admin_port(c->admin), c->n_workers, sites_count(c->sites->sites));
    return true;
}

static void stop(struct collector *c)
{
    for (unsigned i = 0; i < c->n_workers; i++)
        worker_stop(c->workers[i]);
    for (unsigned i = 0; i < c->n_workers; i++)
        worker_join(c->workers[i]);
    if (c->shipping) {
        shipper_drain(c->shipper, conf.ship_drain_ms);
        pthread_join(c->ship_thread, NULL);
    }
    if (c->shipper != NULL) {
        struct shipper_stats s;
        shipper_stats(c->shipper, &s);
        log_info("collector.stopped", "pending=%llu", (unsigned long long)s.pending);
    }
}

static void fini(struct collector *c)
{
    salt_link_free(c->salt_link);
    admin_free(c->admin);
    for (int i = 0; i < 3; i++) {
        if (c->signals[i] != NULL) event_free(c->signals[i]);
    }
    shipper_free(c->shipper);
    for (unsigned i = 0; i < c->n_workers; i++)
        worker_free(c->workers[i]);
    if (c->ship_base != NULL) event_base_free(c->ship_base);
    if (c->base != NULL) event_base_free(c->base);
    metrics_free(c->metrics);
    lists_free(c->lists);
    salts_free(c->salts);
    proxies_free(c->proxies);
    snapshot_drop(c->sites);
    if (c->lock_fd >= 0) close(c->lock_fd);
    conf_free_section(&sections[0]);
    conf_free_section(&sections[1]);
    libevent_global_shutdown();
}

int main(int argc, char **argv)
{
    static struct collector c = {.lock_fd = -1};
    struct sites *sites = NULL;
    switch (program_start(&program, argc, argv, &sites, &c.conf_file)) {
    case PROGRAM_DONE: return 0;
    case PROGRAM_REFUSED: return 2;
    case PROGRAM_RUN: break;
    }
    c.sites = snapshot_take(sites);
    bool started = c.sites != NULL && start(&c);
    if (started && !c.stopped) event_base_dispatch(c.base);
    stop(&c);
    fini(&c);
    return started ? 0 : 2;
}
