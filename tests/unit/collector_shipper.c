/*
 * The shipper against a real redis-server of its own (unix socket, killed by its pid). What counts
 * is always the same: every record that was committed stands in its partition's stream exactly
 * once, in the order of its producer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bytes.h"
#include "clock.h"
#include "journal.h"
#include "journal_read.h"
#include "shipper.h"

enum { PARTITIONS = 8, PATIENCE_MS = 30000, WRITERS = 3 };

struct world {
    char dir[128], journals[160], address[208];
    pid_t redis;
    redisContext *ask;
    struct redis_conf conf;
    struct event_base *base;
    struct event *beat; /* lets the loop come round to look at a condition */
    struct shipper_opts opts;
    struct shipper *shipper;
    struct journal *writer[WRITERS];
    int64_t segment_bytes;
    uint64_t committed; /* records, all of weight 1 */
};

static void on_beat(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
}

static void start_redis(struct world *w)
{
    char socket[192];
    snprintf(socket, sizeof socket, "%s/redis.sock", w->dir);
    snprintf(w->address, sizeof w->address, "unix:%s", socket);
    w->redis = fork();
    if (w->redis == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* whatever becomes of the test */
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", socket, "--dir",
               w->dir, "--appendonly", "yes", "--appendfsync", "everysec", "--save", "",
               "--logfile", "redis.log", (char *)NULL);
        _exit(127);
    }
    assert_true(w->redis > 0);
    int64_t until = clock_mono_ms() + PATIENCE_MS;
    for (;;) {
        w->ask = redisConnectUnix(socket);
        redisReply *r = w->ask != NULL && !w->ask->err ? redisCommand(w->ask, "PING") : NULL;
        bool up = r != NULL && r->type == REDIS_REPLY_STATUS;
        if (r != NULL) freeReplyObject(r);
        if (up) return;
        if (w->ask != NULL) redisFree(w->ask);
        assert_true(clock_mono_ms() < until);
        usleep(2000);
    }
}

static void kill_redis(struct world *w)
{
    if (w->ask != NULL) redisFree(w->ask);
    w->ask = NULL;
    kill(w->redis, SIGKILL);
    waitpid(w->redis, NULL, 0);
    w->redis = 0;
}

static redisReply *redis(struct world *w, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    redisReply *r = redisvCommand(w->ask, fmt, ap);
    va_end(ap);
    assert_non_null(r);
    assert_int_not_equal(r->type, REDIS_REPLY_ERROR);
    return r;
}

static long long redis_number(struct world *w, const char *fmt, int partition, const char *field)
{
    redisReply *r = redisCommand(w->ask, fmt, partition, field);
    assert_non_null(r);
    long long n = r->type == REDIS_REPLY_INTEGER  ? r->integer
                  : r->type == REDIS_REPLY_STRING ? atoll(r->str)
                                                  : 0;
    freeReplyObject(r);
    return n;
}

static void start_shipper(struct world *w)
{
    w->shipper = shipper_new(w->base, &w->opts);
    assert_non_null(w->shipper);
    for (int i = 0; i < WRITERS; i++) {
        if (w->writer[i] == NULL) continue;
        shipper_add_writer(w->shipper, journal_mark(w->writer[i]));
    }
}

static void stop_shipper(struct world *w)
{
    shipper_free(w->shipper);
    w->shipper = NULL;
}

static void open_writers(struct world *w)
{
    for (int i = 0; i < WRITERS; i++) {
        w->writer[i] = journal_open(&(struct journal_opts){
            .dir = w->journals,
            .segment_bytes = w->segment_bytes,
            .sync_ms = 50,
            .partitions = PARTITIONS,
        });
        assert_non_null(w->writer[i]);
    }
}

static void close_writers(struct world *w)
{
    for (int i = 0; i < WRITERS; i++) {
        journal_close(w->writer[i]);
        w->writer[i] = NULL;
    }
}

/* n records by one writer, a commit per `per` of them; payload says partition and running number.
 */
static void write_hits(struct world *w, int writer, int n, int per, int partition)
{
    struct journal *j = w->writer[writer];
    for (int i = 0; i < n; i++) {
        char text[64];
        unsigned p = partition >= 0 ? (unsigned)partition : (unsigned)rand() % PARTITIONS;
        int len = snprintf(text, sizeof text, "hit %u of %d, number %d", p, writer, i);
        assert_true(journal_stage(j, p, 1, 0, (struct str){text, (size_t)len}));
        if ((i + 1) % per != 0 && i + 1 < n) continue;
        assert_int_equal(journal_commit(j, clock_mono_ms()), 0);
        if (w->shipper != NULL) shipper_wake(w->shipper);
    }
    w->committed += (uint64_t)n;
}

static struct shipper_stats stats(struct world *w)
{
    struct shipper_stats s;
    shipper_stats(w->shipper, &s);
    return s;
}

#define RUN_UNTIL(w, condition)                                                                    \
    do {                                                                                           \
        int64_t until_ = clock_mono_ms() + PATIENCE_MS;                                            \
        while (!(condition)) {                                                                     \
            assert_true(clock_mono_ms() < until_);                                                 \
            event_base_loop((w)->base, EVLOOP_ONCE);                                               \
        }                                                                                          \
    } while (0)

static bool settled(struct world *w)
{
    struct shipper_stats s = stats(w);
    return s.received == w->committed && s.pending == 0 && s.redis_up;
}

/* What stands in the streams: per producer and partition the numbers must rise, and all partitions
 * of a producer together hold each number from 1 to the last exactly once. */
struct seen_producer {
    unsigned char id[PRODUCER_BYTES];
    unsigned char *hit; /* by seq */
    uint64_t last, count;
};

static struct seen_producer *seen_of(struct seen_producer *list, int *n, const char *id)
{
    for (int i = 0; i < *n; i++) {
        if (memcmp(list[i].id, id, PRODUCER_BYTES) == 0) return &list[i];
    }
    assert_true(*n < 64);
    struct seen_producer *p = &list[(*n)++];
    memcpy(p->id, id, PRODUCER_BYTES);
    p->hit = calloc(1, 1 << 20);
    return p;
}

static void take_entry(struct seen_producer *list, int *n, uint64_t *last, unsigned partition,
                       redisReply *fields)
{
    assert_int_equal(fields->elements, 6);
    assert_int_equal(fields->element[1]->len, PRODUCER_BYTES);
    struct seen_producer *p = seen_of(list, n, fields->element[1]->str);
    struct reader r = reader_of((struct str){fields->element[5]->str, fields->element[5]->len});
    uint64_t weight = 0, *at = &last[p - list];
    while (!reader_done(&r)) {
        uint64_t seq = get_le64(&r);
        weight += get_le32(&r);
        struct str payload = get_bytes(&r, get_le32(&r));
        unsigned in_text = 99;
        char text[64] = "";
        memcpy(text, payload.p, payload.n < 63 ? payload.n : 63);
        assert_int_equal(sscanf(text, "hit %u", &in_text), 1);
        assert_int_equal(in_text, partition);
        assert_true(seq > *at && seq < 1 << 20);
        *at = seq;
        assert_int_equal(p->hit[seq], 0);
        p->hit[seq] = 1;
        p->count++;
        if (seq > p->last) p->last = seq;
    }
    assert_false(r.bad);
    assert_int_equal(weight, atoll(fields->element[3]->str));
}

static uint64_t count_streams(struct world *w, bool whole)
{
    struct seen_producer list[64] = {0};
    int n = 0;
    uint64_t total = 0;
    for (unsigned partition = 0; partition < PARTITIONS; partition++) {
        uint64_t last[64] = {0};
        redisReply *r = redis(w, "XRANGE {p%u}:stream - +", partition);
        for (size_t i = 0; i < r->elements; i++)
            take_entry(list, &n, last, partition, r->element[i]->element[1]);
        freeReplyObject(r);
    }
    for (int i = 0; i < n; i++) {
        if (whole) assert_int_equal(list[i].count, list[i].last);
        total += list[i].count;
        free(list[i].hit);
    }
    return total;
}

static long long shipped_by_meta(struct world *w)
{
    long long sum = 0;
    for (int p = 0; p < PARTITIONS; p++)
        sum += redis_number(w, "HGET {p%d}:meta %s", p, "shipped");
    return sum;
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    snprintf(w->dir, sizeof w->dir, "/tmp/sentier-shipper-XXXXXX");
    if (w == NULL || mkdtemp(w->dir) == NULL) return -1;
    snprintf(w->journals, sizeof w->journals, "%s/journal", w->dir);
    mkdir(w->journals, 0700);
    start_redis(w);
    w->conf = (struct redis_conf){.redis = w->address, .user = "", .password_file = ""};
    w->base = event_base_new();
    w->beat = event_new(w->base, -1, EV_PERSIST, on_beat, NULL);
    event_add(w->beat, &(struct timeval){0, 5000});
    w->segment_bytes = 16 * 1024;
    w->opts = (struct shipper_opts){.dir = w->journals,
                                    .redis = &w->conf,
                                    .linger_ms = 20,
                                    .keep_age_ms = 3600 * 1000,
                                    .partitions = PARTITIONS};
    srand(7);
    *state = w;
    return 0;
}

static void remove_all(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        char path[PATH_MAX];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (unlink(path) != 0) remove_all(path);
    }
    if (d != NULL) closedir(d);
    rmdir(dir);
}

static int teardown(void **state)
{
    struct world *w = *state;
    stop_shipper(w);
    close_writers(w);
    if (w->redis > 0) kill_redis(w);
    event_free(w->beat);
    event_base_free(w->base);
    remove_all(w->dir);
    free(w);
    return 0;
}

static void ships_all_once(void **state)
{
    struct world *w = *state;
    open_writers(w);
    start_shipper(w);
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < WRITERS; i++)
            write_hits(w, i, 100, 1 + round % 7, -1);
        event_base_loop(w->base, EVLOOP_ONCE);
    }
    RUN_UNTIL(w, settled(w));
    assert_int_equal(count_streams(w, true), w->committed);
    assert_int_equal(shipped_by_meta(w), w->committed);

    /* The writers end, the next shipper finds all of it shipped; and so it does without a cursor.
     */
    close_writers(w);
    for (int cursor = 1; cursor >= 0; cursor--) {
        stop_shipper(w);
        if (!cursor) {
            char path[512];
            snprintf(path, sizeof path, "%s/cursor", w->journals);
            assert_int_equal(unlink(path), 0);
        }
        start_shipper(w);
        shipper_drain(w->shipper, PATIENCE_MS);
        event_base_dispatch(w->base);
        assert_true(settled(w));
        assert_int_equal(stats(w).lag_ms, 0);
        assert_int_equal(count_streams(w, true), w->committed);
    }
}

struct busy_writer {
    struct world *w;
    int writer;
    uint64_t n;
};

static void *write_busily(void *arg)
{
    struct busy_writer *b = arg;
    for (uint64_t i = 0; i < b->n; i++) {
        char text[32];
        int len = snprintf(text, sizeof text, "hit %u", (unsigned)(i % PARTITIONS));
        journal_stage(b->w->writer[b->writer], (unsigned)(i % PARTITIONS), 1, 0,
                      (struct str){text, (size_t)len});
        if (journal_commit(b->w->writer[b->writer], clock_mono_ms()) != 0) abort();
        shipper_wake(b->w->shipper);
    }
    return NULL;
}

/* Segments of a few records: the shipper meets rotations at every moment. */
static void follows_writers_on_other_threads(void **state)
{
    struct world *w = *state;
    struct busy_writer busy[WRITERS];
    pthread_t thread[WRITERS];
    w->segment_bytes = 600;
    open_writers(w);
    start_shipper(w);
    for (int i = 0; i < WRITERS; i++) {
        busy[i] = (struct busy_writer){.w = w, .writer = i, .n = 3000};
        assert_int_equal(pthread_create(&thread[i], NULL, write_busily, &busy[i]), 0);
        w->committed += busy[i].n;
    }
    RUN_UNTIL(w, settled(w));
    for (int i = 0; i < WRITERS; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(count_streams(w, true), w->committed);
    assert_int_equal(stats(w).gaps, 0);
    assert_int_equal(stats(w).damaged_bytes, 0);
}

static void a_single_hit_does_not_linger(void **state)
{
    struct world *w = *state;
    w->opts.linger_ms = PATIENCE_MS * 10;
    open_writers(w);
    start_shipper(w);
    RUN_UNTIL(w, stats(w).redis_up);
    write_hits(w, 0, 1, 1, 3);
    RUN_UNTIL(w, settled(w));
    /* The next one does, until the end is called. */
    write_hits(w, 0, 1, 1, 3);
    RUN_UNTIL(w, stats(w).received == 2);
    assert_int_equal(stats(w).pending, 1);
    shipper_drain(w->shipper, PATIENCE_MS);
    event_base_dispatch(w->base);
    assert_true(settled(w));
}

/* A collector that starts while an import ships. */
static void another_shipper_waits_until_the_first_lets_go(void **state)
{
    struct world *w = *state;
    start_shipper(w);
    struct shipper *first = w->shipper;
    RUN_UNTIL(w, stats(w).redis_up);
    open_writers(w);
    start_shipper(w); /* the writers are the second one's: the first ships nothing of them */
    write_hits(w, 0, 300, 10, -1);
    RUN_UNTIL(w, stats(w).received == w->committed && stats(w).redis_up);
    assert_int_equal(stats(w).pending, w->committed);
    assert_int_equal(stats(w).batches, 0);
    shipper_free(first);
    RUN_UNTIL(w, settled(w));
    write_hits(w, 1, 100, 10, -1);
    RUN_UNTIL(w, settled(w));
    assert_int_equal(count_streams(w, true), w->committed);
}

static void a_shipper_without_the_lock_ends_at_once(void **state)
{
    struct world *w = *state;
    start_shipper(w);
    struct shipper *first = w->shipper;
    open_writers(w);
    start_shipper(w);
    write_hits(w, 0, 10, 10, -1);
    shipper_drain(w->shipper, INT32_MAX);
    assert_int_equal(event_base_dispatch(w->base), 0);
    assert_int_equal(stats(w).batches, 0);
    shipper_free(first);
}

static void journals_wait_for_redis(void **state)
{
    struct world *w = *state;
    kill_redis(w);
    open_writers(w);
    start_shipper(w);
    for (int i = 0; i < WRITERS; i++)
        write_hits(w, i, 500, 10, -1);
    RUN_UNTIL(w, stats(w).received == w->committed);
    assert_int_equal(stats(w).pending, w->committed);
    assert_false(stats(w).redis_up);
    assert_true(stats(w).lag_ms >= 0);
    /* A restart of the collector meanwhile: the files themselves are counted. */
    stop_shipper(w);
    close_writers(w);
    start_shipper(w);
    RUN_UNTIL(w, stats(w).received == w->committed);
    assert_int_equal(stats(w).pending, w->committed);
    start_redis(w);
    RUN_UNTIL(w, settled(w));
    assert_int_equal(count_streams(w, true), w->committed);
}

static void survives_kills_of_redis(void **state)
{
    struct world *w = *state;
    open_writers(w);
    start_shipper(w);
    for (int round = 0; round < 4; round++) {
        uint64_t goal = w->committed + 600;
        for (int i = 0; i < WRITERS; i++)
            write_hits(w, i, 1000, 3, -1);
        RUN_UNTIL(w, stats(w).shipped > goal);
        kill_redis(w);
        write_hits(w, round % WRITERS, 500, 5, -1);
        start_redis(w);
    }
    RUN_UNTIL(w, settled(w));
    assert_int_equal(count_streams(w, true), w->committed);
    assert_int_equal(shipped_by_meta(w), w->committed);
}

/* Makes Redis forget: the streams' entries from the given one on, and what `seen` says of them. */
static void forget_after(struct world *w, unsigned partition, size_t keep)
{
    redisReply *r = redis(w, "XRANGE {p%u}:stream - +", partition);
    freeReplyObject(redis(w, "DEL {p%u}:seen", partition));
    for (size_t i = 0; i < r->elements; i++) {
        redisReply *f = r->element[i]->element[1];
        if (i >= keep) {
            freeReplyObject(
                redis(w, "XDEL {p%u}:stream %s", partition, r->element[i]->element[0]->str));
            continue;
        }
        struct reader in = reader_of((struct str){f->element[5]->str, f->element[5]->len});
        uint64_t seq = 0;
        while (!reader_done(&in)) {
            seq = get_le64(&in);
            get_le32(&in);
            get_bytes(&in, get_le32(&in));
        }
        char value[32];
        snprintf(value, sizeof value, "%llu 1", (unsigned long long)seq);
        freeReplyObject(redis(w, "HSET {p%u}:seen %b %s", partition, f->element[1]->str,
                              (size_t)PRODUCER_BYTES, value));
    }
    freeReplyObject(r);
}

static void heals_what_redis_forgot(void **state)
{
    struct world *w = *state;
    open_writers(w);
    start_shipper(w);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < WRITERS; i++)
            write_hits(w, i, 300, 10, -1);
        RUN_UNTIL(w, settled(w));
    }
    /* While the link is up, the next batch finds out, also for partitions that have none ... */
    forget_after(w, 2, 2);
    forget_after(w, 3, 1);
    for (int i = 0; i < WRITERS; i++)
        write_hits(w, i, 5, 5, 2);
    RUN_UNTIL(w, settled(w) && count_streams(w, false) == w->committed);
    assert_int_equal(count_streams(w, true), w->committed);
    assert_true(stats(w).gaps > 0);
    assert_int_equal(stats(w).skipped, 0);
    /* ... and a reconnect finds it without one, also of writers that have ended. */
    close_writers(w);
    RUN_UNTIL(w, settled(w));
    forget_after(w, 5, 1);
    assert_true(count_streams(w, false) < w->committed);
    freeReplyObject(redis(w, "CLIENT KILL TYPE normal"));
    RUN_UNTIL(w, settled(w) && count_streams(w, false) == w->committed);
    assert_int_equal(count_streams(w, true), w->committed);
}

static void a_hole_waits_for_the_operator(void **state)
{
    struct world *w = *state;
    w->opts.keep_age_ms = 0; /* all that is shipped goes, but the segments being written */
    open_writers(w);
    start_shipper(w);
    for (int i = 0; i < WRITERS; i++)
        write_hits(w, i, 2000, 10, -1);
    RUN_UNTIL(w, settled(w) && stats(w).segments == WRITERS);
    forget_after(w, 4, 0);
    write_hits(w, 0, 50, 10, -1);
    RUN_UNTIL(w, stats(w).gap_partitions == 1);
    /* The others go on. */
    write_hits(w, 1, 100, 10, 6);
    RUN_UNTIL(w, redis_number(w, "XLEN {p%d}:stream%s", 4, "") == 0 && stats(w).pending < 100);
    uint64_t before = count_streams(w, false);
    shipper_accept_gaps(w->shipper);
    write_hits(w, 1, 20, 10, 4);
    RUN_UNTIL(w, settled(w));
    assert_int_equal(stats(w).gap_partitions, 0);
    assert_true(stats(w).skipped > 0);
    assert_true(count_streams(w, false) >= before + 20);
}

static void a_full_stream_holds_up_only_itself(void **state)
{
    struct world *w = *state;
    w->opts.stream_max_bytes = 1 << 20;
    open_writers(w);
    start_shipper(w);
    RUN_UNTIL(w, stats(w).redis_up);
    freeReplyObject(redis(w, "HSET {p1}:meta bytes 99999999"));
    for (int i = 0; i < WRITERS; i++)
        write_hits(w, i, 4000, 20, -1);
    long long others = 0;
    RUN_UNTIL(w, stats(w).full);
    write_hits(w, 0, 1000, 20, 7);
    while (others < 1000)
        RUN_UNTIL(w, (others = redis_number(w, "HGET {p%d}:meta %s", 7, "shipped")) >= 1000);
    RUN_UNTIL(w, stats(w).pending < 2000 && stats(w).pending > 1000);
    assert_int_equal(redis_number(w, "XLEN {p%d}:stream%s", 1, ""), 0);
    freeReplyObject(redis(w, "HSET {p1}:meta bytes 0"));
    RUN_UNTIL(w, settled(w));
    assert_false(stats(w).full);
    assert_int_equal(count_streams(w, true), w->committed);
}

static void not_now_is_tried_again(void **state)
{
    struct world *w = *state;
    open_writers(w);
    start_shipper(w);
    write_hits(w, 0, 100, 10, -1);
    RUN_UNTIL(w, settled(w));
    freeReplyObject(redis(w, "CONFIG SET maxmemory 1000")); /* OOM for every write */
    write_hits(w, 0, 3000, 10, -1);
    RUN_UNTIL(w, stats(w).retries > 5);
    assert_int_equal(count_streams(w, true), 100);
    freeReplyObject(redis(w, "CONFIG SET maxmemory 0"));
    RUN_UNTIL(w, settled(w));
    assert_int_equal(count_streams(w, true), w->committed);
}

/* As if they had been known for longer than segments are kept. */
static void age_births(struct world *w)
{
    char path[512], text[PARTITIONS * 64];
    snprintf(path, sizeof path, "%s/births", w->journals);
    FILE *f = fopen(path, "r+");
    assert_non_null(f);
    size_t n = fread(text, 1, sizeof text, f);
    int lines = 0;
    rewind(f);
    assert_int_equal(ftruncate(fileno(f), 0), 0);
    text[n] = '\0';
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++) {
        *strrchr(line, ' ') = '\0'; /* the time */
        assert_true(fprintf(f, "%s\n", line) > 32);
    }
    assert_int_equal(lines, PARTITIONS);
    assert_int_equal(fclose(f), 0);
}

static void an_emptied_redis_waits_for_the_operator(void **state)
{
    struct world *w = *state;
    open_writers(w);
    start_shipper(w);
    for (int i = 0; i < WRITERS; i++)
        write_hits(w, i, 1000, 10, -1);
    RUN_UNTIL(w, settled(w));
    stop_shipper(w); /* births are remembered on the disk */
    age_births(w);
    freeReplyObject(redis(w, "FLUSHALL"));
    start_shipper(w);
    RUN_UNTIL(w, stats(w).birth_partitions == PARTITIONS);
    assert_int_equal(count_streams(w, false), 0);
    RUN_UNTIL(w, redis_number(w, "EXISTS sentier:dataset", 0, "") == 1); /* reports need it */
    shipper_accept_gaps(w->shipper);
    RUN_UNTIL(w, count_streams(w, false) == w->committed && settled(w));
    assert_int_equal(count_streams(w, true), w->committed);
    assert_int_equal(stats(w).birth_partitions, 0);
}

/* All partitions are younger than anything that was deleted: nobody needs to be asked. */
static void young_partitions_heal_without_an_operator(void **state)
{
    struct world *w = *state;
    open_writers(w);
    start_shipper(w);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < WRITERS; i++)
            write_hits(w, i, 300, 10, -1);
        RUN_UNTIL(w, settled(w));
        /* Whether the link breaks, or the next batch finds it, or the program starts anew. */
        freeReplyObject(redis(w, "FLUSHALL"));
        if (round == 0) freeReplyObject(redis(w, "CLIENT KILL TYPE normal"));
        if (round == 1) write_hits(w, 0, 1, 1, 3);
        if (round == 2) {
            stop_shipper(w);
            start_shipper(w);
        }
        RUN_UNTIL(w, settled(w) && count_streams(w, false) == w->committed);
        assert_int_equal(count_streams(w, true), w->committed);
        assert_int_equal(redis_number(w, "HGET sentier:dataset partitions", 0, ""), PARTITIONS);
    }
    assert_int_equal(stats(w).skipped, 0);
}

/* Youth ends with the first segment that goes before its time. */
static void what_was_forced_out_is_never_healed_in_silence(void **state)
{
    struct world *w = *state;
    open_writers(w);
    start_shipper(w);
    write_hits(w, 0, 2000, 10, -1);
    RUN_UNTIL(w, settled(w));
    close_writers(w);
    RUN_UNTIL(w, settled(w));
    stop_shipper(w);
    w->opts.reserve_bytes = INT64_MAX; /* there is never that much */
    start_shipper(w);
    RUN_UNTIL(w, settled(w) && stats(w).segments == 0);
    freeReplyObject(redis(w, "FLUSHALL"));
    freeReplyObject(redis(w, "CLIENT KILL TYPE normal"));
    RUN_UNTIL(w, stats(w).birth_partitions == PARTITIONS);
    stop_shipper(w);
    start_shipper(w);
    RUN_UNTIL(w, stats(w).birth_partitions == PARTITIONS);
}

static void what_is_given_up_is_counted_once(void **state)
{
    struct world *w = *state;
    w->opts.keep_age_ms = 0;
    open_writers(w);
    start_shipper(w);
    for (int i = 0; i < WRITERS; i++)
        write_hits(w, i, 2000, 10, -1);
    RUN_UNTIL(w, settled(w) && stats(w).segments == WRITERS);
    for (unsigned partition = 0; partition < PARTITIONS; partition++)
        forget_after(w, partition, 0);
    freeReplyObject(redis(w, "CLIENT KILL TYPE normal"));
    RUN_UNTIL(w, stats(w).gap_partitions == PARTITIONS);
    shipper_accept_gaps(w->shipper);
    RUN_UNTIL(w, settled(w) && stats(w).gap_partitions == 0);
    uint64_t kept = count_streams(w, false);
    assert_true(kept > 0);
    assert_int_equal(stats(w).skipped, w->committed - kept);
    stop_shipper(w); /* and stays counted */
    start_shipper(w);
    RUN_UNTIL(w, stats(w).skipped == w->committed - kept);
}

/* Redis was away when the program compared its configuration with the data set. */
static void another_division_is_never_shipped(void **state)
{
    struct world *w = *state;
    freeReplyObject(redis(w, "HSET sentier:dataset partitions %d id %032d", PARTITIONS + 1, 7));
    open_writers(w);
    write_hits(w, 0, 100, 10, -1);
    start_shipper(w);
    for (int i = 0; i < 100; i++)
        event_base_loop(w->base, EVLOOP_ONCE);
    assert_true(stats(w).redis_up);
    assert_int_equal(stats(w).pending, 100);
    assert_int_equal(count_streams(w, false), 0);
    freeReplyObject(redis(w, "HSET sentier:dataset partitions %d", PARTITIONS));
    RUN_UNTIL(w, settled(w));
    assert_int_equal(count_streams(w, true), 100);
}

static void replace_cursor(struct world *w, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/cursor", w->journals);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* As shipped, all segments of all writers. */
static bool cursor_names_all(struct world *w)
{
    char path[512], text[4096];
    snprintf(path, sizeof path, "%s/cursor", w->journals);
    FILE *f = fopen(path, "r");
    if (f == NULL) return false;
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    int n = 0;
    for (const char *at = text; (at = strstr(at, " ffffffffffffffff ")) != NULL; at++)
        n++;
    return n == WRITERS;
}

/* Both the machine and Redis went down, and were down for longer than segments are kept. */
static void only_redis_says_what_may_be_deleted(void **state)
{
    struct world *w = *state;
    open_writers(w);
    start_shipper(w);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < WRITERS; i++)
            write_hits(w, i, 300, 10, -1);
        RUN_UNTIL(w, settled(w));
    }
    close_writers(w);
    RUN_UNTIL(w, cursor_names_all(w));
    stop_shipper(w);
    for (unsigned partition = 0; partition < PARTITIONS; partition++)
        forget_after(w, partition, 1);
    w->opts.keep_age_ms = 0;
    start_shipper(w);
    RUN_UNTIL(w, settled(w) && stats(w).segments == 0);
    assert_int_equal(stats(w).skipped, 0);
    assert_int_equal(count_streams(w, true), w->committed);
}

static void a_cursor_is_only_a_hint(void **state)
{
    struct world *w = *state;
    char text[128 * WRITERS] = "gone x\n%s%n nonsense 7 7 7\n";
    w->opts.keep_age_ms = 0;
    open_writers(w);
    for (int i = 0; i < WRITERS; i++) {
        write_hits(w, i, 500, 10, -1);
        for (int k = 0; k < PRODUCER_BYTES; k++)
            sprintf(text + strlen(text), "%02x", journal_producer(w->writer[i])[k]);
        strcat(text, " ffffffffffffffff 99999999999 99999999999\n");
    }
    close_writers(w);
    replace_cursor(w, text);
    start_shipper(w);
    RUN_UNTIL(w, settled(w) && stats(w).segments == 0);
    assert_int_equal(count_streams(w, true), w->committed);
}

/* Overwrites bytes of a writer's first segment; a place below 0 is counted from its end. */
static void damage_first_segment(struct world *w, int writer, off_t at)
{
    char path[512], file[SEGMENT_NAME_BYTES];
    struct segment_name name = {.first_seq = 1};
    memcpy(name.producer, journal_producer(w->writer[writer]), PRODUCER_BYTES);
    segment_name_format(&name, file);
    snprintf(path, sizeof path, "%s/%s", w->journals, file);
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    if (at < 0) at = lseek(fd, at, SEEK_END);
    assert_int_equal(pwrite(fd, "damage", 6, at), 6);
    close(fd);
}

static void damage_does_not_keep_other_segments(void **state)
{
    struct world *w = *state;
    w->opts.keep_age_ms = 0;
    open_writers(w);
    /* The last record of writer 0's first segment, of a partition that gets no more after it. */
    write_hits(w, 0, 1, 1, 5);
    damage_first_segment(w, 0, -6);
    write_hits(w, 0, 1000, 10, 4);
    write_hits(w, 1, 1000, 10, 4);
    damage_first_segment(w, 1, 20);
    start_shipper(w);
    RUN_UNTIL(w, stats(w).segments == 2 && stats(w).pending == 0); /* those being written */
    assert_true(stats(w).damaged_bytes > SEGMENT_HEAD_BYTES + 8 * PARTITIONS);
    assert_int_equal(count_streams(w, false), 2000); /* a damaged head hides no record */
}

static void deleted_segments_stay_counted(void **state)
{
    struct world *w = *state;
    w->opts.keep_age_ms = 0;
    for (int run = 0; run < 3; run++) {
        open_writers(w);
        start_shipper(w);
        for (int i = 0; i < WRITERS; i++)
            write_hits(w, i, 700, 10, -1);
        RUN_UNTIL(w, settled(w));
        close_writers(w);
        if (run < 2) RUN_UNTIL(w, settled(w) && stats(w).segments == 0);
        stop_shipper(w);
    }
    start_shipper(w);
    RUN_UNTIL(w, settled(w) && stats(w).segments == 0);
    assert_int_equal(stats(w).forced_out, 0);
    assert_int_equal(count_streams(w, true), w->committed);
}

static void want_of_disk_forces_shipped_segments_out(void **state)
{
    struct world *w = *state;
    w->opts.reserve_bytes = INT64_MAX; /* there is never that much */
    open_writers(w);
    start_shipper(w);
    write_hits(w, 0, 2000, 10, -1);
    RUN_UNTIL(w, settled(w) && stats(w).segments == 1);
    assert_true(stats(w).forced_out > 0);
    assert_int_equal(count_streams(w, true), w->committed);
}

static void run_import(struct world *w, const char *name, uint64_t from, uint64_t to)
{
    char dir[256], a[600], b[600];
    static const unsigned char producer[PRODUCER_BYTES] = "import-producer";
    snprintf(dir, sizeof dir, "%s/.import-%s", w->journals, name);
    mkdir(dir, 0700);
    struct journal *j = journal_open(&(struct journal_opts){.dir = dir,
                                                            .segment_bytes = 8192,
                                                            .partitions = PARTITIONS,
                                                            .producer = producer,
                                                            .flags = JOURNAL_FLAG_IMPORT});
    assert_non_null(j);
    for (uint64_t seq = from; seq <= to; seq++) {
        char text[64];
        int n = snprintf(text, sizeof text, "hit %u of import", (unsigned)(seq % PARTITIONS));
        assert_true(journal_stage(j, seq % PARTITIONS, 1, seq, (struct str){text, (size_t)n}));
        if (seq % 50 == 0) assert_int_equal(journal_commit(j, clock_mono_ms()), 0);
    }
    assert_int_equal(journal_commit(j, clock_mono_ms()), 0);
    journal_close(j);
    struct dirent **list;
    int n = scandir(dir, &list, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        snprintf(a, sizeof a, "%s/%s", dir, list[i]->d_name);
        snprintf(b, sizeof b, "%s/%s", w->journals, list[i]->d_name);
        if (list[i]->d_name[0] != '.') assert_int_equal(rename(a, b), 0);
        free(list[i]);
    }
    free(list);
    rmdir(dir);
}

static void imports_are_picked_up_and_counted_once(void **state)
{
    struct world *w = *state;
    start_shipper(w);
    RUN_UNTIL(w, stats(w).redis_up);
    run_import(w, "a", 1, 1000);
    w->committed = 1000;
    RUN_UNTIL(w, settled(w));
    run_import(w, "b", 1, 1000); /* the same again, over the same names */
    RUN_UNTIL(w, settled(w));
    run_import(w, "c", 1001, 1500); /* the file has grown */
    w->committed = 1500;
    RUN_UNTIL(w, settled(w));
    assert_int_equal(count_streams(w, true), 1500);
    assert_int_equal(shipped_by_meta(w), 1500);
    redisReply *r = redis(w, "HGET {p0}:seen %b", "import-producer", (size_t)PRODUCER_BYTES);
    assert_string_equal(r->str, "1496 0"); /* day 0: never expires */
    freeReplyObject(r);
}

static void old_producers_are_forgotten(void **state)
{
    struct world *w = *state;
    long long today = clock_ms() / 86400000;
    char recent[32];
    open_writers(w);
    write_hits(w, 0, 10, 10, 0);
    snprintf(recent, sizeof recent, "5 %lld", today - 400);
    freeReplyObject(
        redis(w, "HSET {p0}:seen old-old-old-old- %s import-import-16 %s", "5 1", "5 0"));
    freeReplyObject(redis(w, "HSET {p0}:seen recently-recent- %s", recent));
    /* One with a segment here stays, however old. */
    freeReplyObject(redis(w, "HSET {p0}:seen %b %s", journal_producer(w->writer[0]),
                          (size_t)PRODUCER_BYTES, "10 1"));
    start_shipper(w);
    RUN_UNTIL(w, redis_number(w, "HLEN {p%d}:seen%s", 0, "") == 3);
    assert_int_equal(redis_number(w, "HEXISTS {p%d}:seen %s", 0, "old-old-old-old-"), 0);
    assert_int_equal(redis_number(w, "HEXISTS {p%d}:seen %s", 0, "import-import-16"), 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(ships_all_once),
        TEST(follows_writers_on_other_threads),
        TEST(a_single_hit_does_not_linger),
        TEST(another_shipper_waits_until_the_first_lets_go),
        TEST(a_shipper_without_the_lock_ends_at_once),
        TEST(journals_wait_for_redis),
        TEST(survives_kills_of_redis),
        TEST(heals_what_redis_forgot),
        TEST(a_hole_waits_for_the_operator),
        TEST(a_full_stream_holds_up_only_itself),
        TEST(not_now_is_tried_again),
        TEST(an_emptied_redis_waits_for_the_operator),
        TEST(young_partitions_heal_without_an_operator),
        TEST(what_was_forced_out_is_never_healed_in_silence),
        TEST(what_is_given_up_is_counted_once),
        TEST(another_division_is_never_shipped),
        TEST(only_redis_says_what_may_be_deleted),
        TEST(a_cursor_is_only_a_hint),
        TEST(damage_does_not_keep_other_segments),
        TEST(deleted_segments_stay_counted),
        TEST(want_of_disk_forces_shipped_segments_out),
        TEST(old_producers_are_forgotten),
        TEST(imports_are_picked_up_and_counted_once),
    };
    signal(SIGPIPE, SIG_IGN); /* hiredis writes to a Redis that was killed */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
