/*
 * sentier-aggregator: one thread with one link to Redis folds the partitions whose leases it holds;
 * two threads keep the summaries and the other documents. Several of these share the partitions
 * between them.
 *
 * A stop reads no more, lets commits under way finish, gives the leases back, publishes the last
 * summaries, and ends with 0. A second signal does not wait. Nothing is lost either way.
 */
#include <errno.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "admin.h"
#include "dataset.h"
#include "documents.h"
#include "expiry.h"
#include "keys.h"
#include "lease.h"
#include "log.h"
#include "options.h"
#include "owner.h"
#include "partition.h"
#include "program.h"
#include "sitestate.h"
#include "stats.h"
#include "sweep.h"

enum { READY_CHECK_MS = 20, NAME_BYTES = 80 };
enum { SUMMARIES, DOCUMENTS, OWNERS }; /* what an owner keeps */

struct aggregator {
    struct aggregator_conf conf;
    struct redis_conf redis;
    const struct program *program;
    const char *conf_file;
    char name[NAME_BYTES];
    struct sites *sites;
    struct event_base *base;
    struct redis_link *link;
    struct leases *leases;
    struct partitions *partitions;
    struct sweep *sweep;          /* NULL: nothing is swept */
    struct owner *owners[OWNERS]; /* NULL: nothing is published */
    struct admin *admin;
    struct event *ready_timer, *stop_timer;
    struct event *signals[3];
    bool stopping;
    bool next; /* folds the generation that a rebuild fills: no summaries, nobody reads it yet */
};

/* --- what the parts tell each other --------------------------------------------------------- */

static void on_taken(void *arg, unsigned partition, const char *token)
{
    struct aggregator *a = arg;
    partitions_take(a->partitions, partition, token);
    if (a->sweep != NULL) sweep_take(a->sweep, partition, token);
    for (int i = 0; i < OWNERS; i++)
        if (a->owners[i] != NULL) owner_set_home(a->owners[i], partition, true);
}

static void on_lost(void *arg, unsigned partition)
{
    struct aggregator *a = arg;
    partitions_drop(a->partitions, partition);
    if (a->sweep != NULL) sweep_drop(a->sweep, partition);
    for (int i = 0; i < OWNERS; i++)
        if (a->owners[i] != NULL) owner_set_home(a->owners[i], partition, false);
}

static void on_committed(void *arg, struct str site, uint32_t day)
{
    struct aggregator *a = arg;
    for (int i = 0; i < OWNERS; i++)
        if (a->owners[i] != NULL) owner_mark_dirty(a->owners[i], site, day);
}

static void on_refused(void *arg, unsigned partition)
{
    struct aggregator *a = arg;
    leases_refused(a->leases, partition);
}

static void on_dataset(const redisReply *reply, void *arg);

/* Which data set is it? A Redis that was emptied is told one. */
static void ask_dataset(evutil_socket_t fd, short what, void *arg)
{
    struct aggregator *a = arg;
    (void)fd, (void)what;
    dataset_ask(a->link, (unsigned)a->redis.partitions, on_dataset, a);
}

static void on_dataset(const redisReply *reply, void *arg)
{
    static const struct timeval second = {1, 0};
    struct aggregator *a = arg;
    struct dataset_id id;
    if (reply == NULL) return; /* asked again when the link is up */
    switch (dataset_heard(reply, (unsigned)a->redis.partitions, &id)) {
    case DATASET_AGREED: partitions_set_dataset(a->partitions, &id); return;
    case DATASET_NOT_NOW: break;
    case DATASET_ANOTHER:
        log_error("aggregator.dataset",
                  "Redis says partitions=%d, the configuration %u; nothing is folded",
                  dataset_partitions(reply), (unsigned)a->redis.partitions);
        break;
    }
    event_base_once(a->base, -1, EV_TIMEOUT, ask_dataset, a, &second);
}

static void on_link(bool up, void *arg)
{
    struct aggregator *a = arg;
    if (!up || a->leases == NULL) return;
    partitions_link_up(a->partitions);
    ask_dataset(-1, 0, a);
    leases_link_up(a->leases);
}

/* --- admin port ----------------------------------------------------------------------------- */

static struct aggregator_stats gather(const struct aggregator *a)
{
    struct aggregator_stats s = {.name = a->name, .redis_up = redis_link_up(a->link)};
    partitions_stats(a->partitions, &s.partitions);
    if (a->sweep != NULL) s.expired = sweep_expired(a->sweep);
    if (a->owners[SUMMARIES] != NULL) owner_stats(a->owners[SUMMARIES], &s.summaries);
    if (a->owners[DOCUMENTS] != NULL) owner_stats(a->owners[DOCUMENTS], &s.documents);
    return s;
}

static int make_metrics(void *arg, struct buf *out)
{
    struct aggregator_stats s = gather(arg);
    stats_print_metrics(&s, out);
    return 200;
}

static int make_stats(void *arg, struct buf *out)
{
    struct aggregator_stats s = gather(arg);
    stats_print_json(&s, out);
    return 200;
}

static const struct admin_page pages[] = {
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", false, make_metrics},
    {"/stats", "application/json", false, make_stats},
    {0},
};

/* --- start ---------------------------------------------------------------------------------- */

static void on_ready_timer(evutil_socket_t fd, short what, void *arg)
{
    struct aggregator *a = arg;
    struct partition_stats s;
    (void)fd, (void)what;
    partitions_stats(a->partitions, &s);
    if (!leases_settled(a->leases) || s.reading < s.held) return;
    log_info("aggregator.ready", "name=%s partitions=%u admin_port=%d", a->name, s.held,
             admin_port(a->admin));
    event_del(a->ready_timer);
}

static void make_name(struct aggregator *a)
{
    char host[NAME_BYTES - 16] = "aggregator";
    gethostname(host, sizeof host - 1);
    if (a->conf.name[0] != '\0') {
        snprintf(a->name, sizeof a->name, "%s", a->conf.name);
    } else {
        snprintf(a->name, sizeof a->name, "%s-%d", host, (int)getpid());
    }
    for (char *c = a->name; *c != '\0'; c++) {
        if (*c <= ' ') *c = '_';
    }
}

enum agreement { AGREED, NOT_YET, DISAGREED };

static enum agreement agree(const struct redis_conf *conf, struct buf *err)
{
    buf_clear(err);
    struct redis_now *redis = redis_now_open(conf, err);
    if (redis == NULL) return NOT_YET;
    enum agreement got = AGREED;
    if (dataset_agree(redis, (unsigned)conf->partitions, err) < 0)
        got = errno == EAGAIN ? NOT_YET : DISAGREED; /* it may be loading its data */
    redis_now_close(redis);
    return got;
}

/* Waits for Redis as long as it takes. 0, -1: another data set, 1: told to stop. */
static int wait_for_dataset(const struct redis_conf *conf)
{
    enum agreement got;
    struct buf err = {0};
    struct timespec second = {1, 0};
    sigset_t stops;
    int stopped = 0;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    sigprocmask(SIG_BLOCK, &stops, NULL);
    while ((got = agree(conf, &err)) == NOT_YET && !stopped) {
        log_warn("aggregator.wait", "%.*s", STR_ARG(buf_str(&err)));
        stopped = sigtimedwait(&stops, NULL, &second) > 0;
    }
    sigprocmask(SIG_UNBLOCK, &stops, NULL);
    if (got == DISAGREED) log_error("aggregator.dataset", "%.*s", STR_ARG(buf_str(&err)));
    buf_fini(&err);
    return got == AGREED ? 0 : got == DISAGREED ? -1 : 1;
}

static struct event *repeat(struct aggregator *a, int64_t ms, short flags, event_callback_fn fn)
{
    struct timeval tv = {ms / 1000, ms % 1000 * 1000};
    struct event *e = event_new(a->base, -1, flags, fn, a);
    if (e != NULL && event_add(e, &tv) == 0) return e;
    if (e != NULL) event_free(e);
    return NULL;
}

static int start_owners(struct aggregator *a)
{
    struct owner_opts opts = {.redis = &a->redis,
                              .partitions = (unsigned)a->redis.partitions,
                              .summary_ms = a->conf.summary_ms,
                              .cache_bytes = a->conf.summary_cache_bytes,
                              .late_after_h = LATE_AFTER_MS / 3600000,
                              .persons_kept_ms = expiry_of_months(a->conf.profiles_kept)};
    for (int i = 0; i < OWNERS; i++) {
        opts.documents = i == DOCUMENTS ? site_documents : NULL;
        a->owners[i] = owner_new(&opts);
        if (a->owners[i] == NULL || owner_set_sites(a->owners[i], a->sites) < 0) return -1;
    }
    return 0;
}

static void stop_owners(struct aggregator *a)
{
    for (int i = OWNERS; i-- > 0;) {
        owner_free(a->owners[i]);
        a->owners[i] = NULL;
    }
}

static int start_fold(struct aggregator *a)
{
    static const struct partition_fns partition_fns = {on_committed, on_refused};
    static const struct lease_fns lease_fns = {on_taken, on_lost};
    struct partition_opts partition_opts = {
        .partitions = (unsigned)a->redis.partitions,
        .poll_ms = a->conf.poll_ms,
        .batch_hits = a->conf.batch_hits,
        .cache_bytes = (size_t)a->conf.cache_bytes,
        .keep = {.days = (uint32_t)a->conf.days_kept,
                 .months = (uint32_t)a->conf.months_kept,
                 .persons_ms = expiry_of_months(a->conf.profiles_kept)}};
    struct sweep_opts sweep_opts = {.partitions = (unsigned)a->redis.partitions,
                                    .kept_ms = expiry_of_months(a->conf.profiles_kept),
                                    .rows_outlive =
                                        a->conf.months_kept > a->conf.profiles_kept + 1};
    struct lease_opts lease_opts = {
        .name = a->name, .partitions = (unsigned)a->redis.partitions, .lease_ms = a->conf.lease_ms};
    a->link = redis_link_new(a->base, &a->redis, on_link, a);
    if (a->link == NULL) return -1;
    a->partitions = partitions_new(a->base, a->link, &partition_opts, &partition_fns, a);
    if (a->partitions == NULL) return -1;
    a->leases = leases_new(a->base, a->link, &lease_opts, &lease_fns, a);
    if (!a->next && (a->sweep = sweep_new(a->base, a->link, &sweep_opts)) == NULL) return -1;
    return a->leases == NULL ? -1 : 0;
}

/* --- stop ----------------------------------------------------------------------------------- */

static void on_left(void *arg)
{
    struct aggregator *a = arg;
    event_base_loopbreak(a->base);
}

static void on_stop_timer(evutil_socket_t fd, short what, void *arg)
{
    struct aggregator *a = arg;
    (void)fd, (void)what;
    log_warn("aggregator.stop", "what is under way is left, and will be done again");
    event_base_loopbreak(a->base);
}

static void start_stop_timer(struct aggregator *a)
{
    if (a->stop_timer != NULL) event_free(a->stop_timer);
    a->stop_timer = repeat(a, a->conf.stop_ms, 0, on_stop_timer);
}

static void on_folded(void *arg)
{
    struct aggregator *a = arg;
    stop_owners(a); /* while the leases are ours: publishes what these commits changed */
    start_stop_timer(a);
    leases_stop(a->leases, on_left, a);
}

static void on_stop(evutil_socket_t signal_number, short what, void *arg)
{
    struct aggregator *a = arg;
    (void)what;
    log_info("aggregator.stop", "signal=%d", (int)signal_number);
    if (a->stopping) event_base_loopbreak(a->base);
    if (a->stopping) return;
    a->stopping = true;
    start_stop_timer(a);
    partitions_stop(a->partitions, on_folded, a);
}

static void on_reload(evutil_socket_t signal_number, short what, void *arg)
{
    struct aggregator *a = arg;
    (void)signal_number, (void)what;
    if (a->stopping) return;
    struct sites *sites = program_reload_sites(a->program, a->conf_file);
    if (sites == NULL) return;
    for (int i = 0; i < OWNERS; i++)
        if (a->owners[i] != NULL) owner_set_sites(a->owners[i], sites);
    sites_free(a->sites);
    a->sites = sites;
}

static int catch_signals(struct aggregator *a)
{
    a->signals[0] = evsignal_new(a->base, SIGTERM, on_stop, a);
    a->signals[1] = evsignal_new(a->base, SIGINT, on_stop, a);
    a->signals[2] = evsignal_new(a->base, SIGHUP, on_reload, a);
    for (unsigned i = 0; i < 3; i++) {
        if (a->signals[i] == NULL || event_add(a->signals[i], NULL) < 0) return -1;
    }
    return 0;
}

static void free_event(struct event *e)
{
    if (e != NULL) event_free(e);
}

static void shut(struct aggregator *a)
{
    admin_free(a->admin);
    redis_link_free(a->link);
    leases_free(a->leases);
    sweep_free(a->sweep);
    partitions_free(a->partitions);
    stop_owners(a);
    for (unsigned i = 0; i < 3; i++)
        free_event(a->signals[i]);
    free_event(a->ready_timer);
    free_event(a->stop_timer);
    if (a->base != NULL) event_base_free(a->base);
    sites_free(a->sites);
}

static int run(struct aggregator *a)
{
    make_name(a);
    int dataset = wait_for_dataset(&a->redis);
    if (dataset != 0) return dataset < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
    a->base = event_base_new();
    if (a->base == NULL) return EXIT_FAILURE;
    a->admin = admin_new(a->base, a->conf.admin, pages, a);
    if (a->admin == NULL || catch_signals(a) < 0) return EXIT_FAILURE;
    if ((!a->next && start_owners(a) < 0) || start_fold(a) < 0) {
        log_error("aggregator.start", "out of memory or threads");
        return EXIT_FAILURE;
    }
    a->ready_timer = repeat(a, READY_CHECK_MS, EV_PERSIST, on_ready_timer);
    if (a->ready_timer == NULL) return EXIT_FAILURE;
    event_base_dispatch(a->base);
    return EXIT_SUCCESS;
}

/* For sentier-rebuild alone, so no option of the configuration: every other start means the live
 * generation. */
static bool take_next(int *argc, char **argv)
{
    int kept = 1;
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--next") != 0) argv[kept++] = argv[i];
    }
    bool found = kept < *argc;
    argv[kept] = NULL;
    *argc = kept;
    return found;
}

int main(int argc, char **argv)
{
    static struct aggregator a;
    const struct conf_section sections[] = {{"aggregator", aggregator_options, &a.conf},
                                            {"redis", redis_options, &a.redis},
                                            {"collector", NULL, NULL},
                                            {0}};
    const struct program program = {.name = "sentier-aggregator",
                                    .purpose = "folds hits into profiles and reports",
                                    .sections = sections};
    a.program = &program;
    a.next = take_next(&argc, argv);
    if (a.next) keys_use_next();
    switch (program_start(&program, argc, argv, &a.sites, &a.conf_file)) {
    case PROGRAM_DONE: return EXIT_SUCCESS;
    case PROGRAM_REFUSED: return 2;
    case PROGRAM_RUN: break;
    }
    int status = run(&a);
    shut(&a);
    conf_free_section(&sections[0]);
    conf_free_section(&sections[1]);
    if (status == EXIT_SUCCESS) log_info("aggregator.stopped", "name=%s", a.name);
    return status;
}
