/*
 * The order matters. First the mark, on the disk: from now on no archive takes a record of this
 * person, and a rebuild leaves them out. Then the word to the aggregators, by way of journal and
 * stream like any hit, so that it has its place among them; when it has been folded, nothing of the
 * person is in the state, and what still comes of before is refused. Word and hits are out of the
 * stream then, but not out of Redis' memory while others share their node of it: another entry,
 * that says nothing, is long enough to begin a new one. Then Redis' own log is rewritten, and at
 * last the files, the word itself among them.
 *
 * A rebuild reads those files, and would fold what it has read before they changed: the two take
 * the same lock.
 */
#include "forget.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bytes.h"
#include "clock.h"
#include "customer.h"
#include "dataset.h"
#include "deliver.h"
#include "forgotten.h"
#include "journal.h"
#include "keys.h"
#include "rebuild_live.h"
#include "running.h"
#include "staging.h"

enum {
    PATH_BYTES = 4096,
    CHECK_MS = 20,
    FOLD_SILENT_MS = 60 * 1000, /* nothing was folded for so long: no aggregator runs */
    LOG_WAIT_MS = 120 * 1000,
    NODE_BYTES = 4096, /* stream-node-max-bytes, as Redis has it by itself */
};

/* A visitor of the person. */
struct target {
    uint64_t visitor;
    bool shared; /* with another customer */
};

/* What is to be said where; and which customer loses the visitor, if one does. */
struct word {
    unsigned partition;
    uint64_t visitor;
    size_t customer_n;
    char customer[CUSTOMER_ID_MAX_BYTES];
};

struct forget {
    const struct forget_opts *o;
    struct target *target;
    size_t targets;
    struct word *word;
    size_t words;
    uint64_t asked; /* the visitor that ask_all is about */
    uint64_t key;   /* the customer's */

    unsigned partitions;
    struct redis_now *redis;
    struct live live; /* for the lock that rebuilds take, too */
    bool locked;
    int lock_fd, dir_fd, archive_fd;
    bool *tell; /* per partition: it holds something, or may */
    struct forget_receipt *out;
    struct buf *err;
    char journal_dir[PATH_BYTES], staging[PATH_BYTES + 16];
};

static int fail(struct forget *f, const char *what)
{
    buf_printf(f->err, "%s: %s", what, strerror(errno));
    return -1;
}

static bool renew(void *arg)
{
    struct forget *f = arg;
    return live_renew(&f->live, f->err) == 0;
}

static void tell(void *arg, const char *what)
{
    struct forget *f = arg;
    struct buf unheard = {0}; /* what follows hears of it */
    f->o->tell(f->o->arg, what);
    live_renew(&f->live, &unheard);
    buf_fini(&unheard);
}

/* ---- start ---- */

static int open_files(struct forget *f)
{
    const struct collector_conf *conf = f->o->conf;
    char lock[PATH_BYTES];
    if (journal_make_dir(conf->data, f->journal_dir, sizeof f->journal_dir) < 0)
        return fail(f, conf->data);
    snprintf(lock, sizeof lock, "%s/forget.lock", conf->data);
    snprintf(f->staging, sizeof f->staging, "%s/.forgetting", f->journal_dir);
    f->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (f->lock_fd < 0) return fail(f, lock);
    if (flock(f->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        buf_printf(f->err, "somebody else is being forgotten here; start this when that has ended");
        return -1;
    }
    f->dir_fd = open(f->journal_dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    if (f->dir_fd < 0) return fail(f, f->journal_dir);
    forget_files_tidy(f->dir_fd);
    if (conf->archive[0] == '\0') return 0;
    f->archive_fd = open(conf->archive, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    f->out->has_archive = f->archive_fd >= 0;
    if (f->archive_fd < 0 && errno != ENOENT) return fail(f, conf->archive);
    if (f->archive_fd >= 0) forget_files_tidy(f->archive_fd);
    return 0;
}

static int open_all(struct forget *f)
{
    f->tell = calloc(f->partitions, sizeof *f->tell);
    if (f->tell == NULL) return fail(f, "memory");
    if (dataset_agree_dir(f->o->conf->data, f->partitions, f->err) < 0 || open_files(f) < 0)
        return -1;
    f->redis = redis_now_open(f->o->redis, f->err);
    if (f->redis == NULL || dataset_agree(f->redis, f->partitions, f->err) < 0) return -1;
    if (live_init(&f->live, f->redis, f->partitions) < 0) return fail(f, "memory");
    f->locked = live_lock(&f->live, f->err) == 0;
    return f->locked ? 0 : -1;
}

static void close_all(struct forget *f)
{
    if (f->locked) live_unlock(&f->live);
    live_fini(&f->live);
    redis_now_close(f->redis);
    staging_discard(f->staging);
    free(f->tell);
    free(f->target);
    free(f->word);
    if (f->archive_fd >= 0) close(f->archive_fd);
    if (f->dir_fd >= 0) close(f->dir_fd);
    if (f->lock_fd >= 0) close(f->lock_fd);
}

/* ---- Redis ---- */

/* One question per partition, all at once: fn for each answer. */
static int ask_all(struct forget *f, int (*push)(struct forget *, unsigned partition),
                   int (*answer)(struct forget *, unsigned partition, const redisReply *))
{
    int result = 0;
    unsigned asked = 0;
    while (asked < f->partitions && push(f, asked) == 0)
        asked++;
    if (asked < f->partitions) result = fail(f, "memory");
    for (unsigned p = 0; p < asked; p++) {
        redisReply *r = redis_now_pull(f->redis);
        bool ok = r != NULL && r->type != REDIS_REPLY_ERROR;
        if (!ok && result == 0)
            buf_printf(f->err, "Redis: %s", r == NULL ? redis_now_error(f->redis) : r->str);
        if (!ok || answer(f, p, r) < 0) result = -1;
        if (r != NULL) freeReplyObject(r);
    }
    return result;
}

static int push_has_profile(struct forget *f, unsigned partition)
{
    struct key key = key_profiles(partition, str_of(f->o->site->name), key_bucket(f->asked));
    char field[8];
    store_le64(field, f->asked);
    struct str argv[] = {STR("HEXISTS"), key_str(&key), {field, sizeof field}};
    return redis_now_push(f->redis, 3, argv);
}

static int add_word(struct forget *f, unsigned partition, struct str customer)
{
    struct word *grown = realloc(f->word, (f->words + 1) * sizeof *grown);
    if (grown == NULL) return fail(f, "memory");
    f->word = grown;
    struct word *w = &f->word[f->words++];
    *w = (struct word){.partition = partition, .visitor = f->asked, .customer_n = customer.n};
    memcpy(w->customer, customer.p, customer.n);
    f->out->partitions += !f->tell[partition];
    f->tell[partition] = true;
    return 0;
}

static int note_profile(struct forget *f, unsigned partition, const redisReply *r)
{
    const struct site *site = f->o->site;
    unsigned home =
        key_partition(str_of(site->name), f->asked, (unsigned)site->spread, f->partitions);
    struct str customer = f->out->customer ? str_of(f->o->id) : STR("");
    bool has = r->type == REDIS_REPLY_INTEGER && r->integer != 0;
    f->out->profiles += has;
    return has || partition == home ? add_word(f, partition, customer) : 0;
}

/* Where its hits go now, and where it has a profile: a site's spread may have been another one. */
static int find_words(struct forget *f)
{
    for (size_t i = 0; i < f->targets; i++) {
        f->asked = f->target[i].visitor;
        if (f->target[i].shared) {
            f->out->shared++;
            continue;
        }
        if (ask_all(f, push_has_profile, note_profile) < 0) return -1;
        f->out->visitors++;
    }
    return 0;
}

/* ---- whose id it is ---- */

static int add_target(struct forget *f, uint64_t visitor)
{
    struct target *grown = realloc(f->target, (f->targets + 1) * sizeof *grown);
    if (grown == NULL) return fail(f, "memory");
    f->target = grown;
    f->target[f->targets++] = (struct target){.visitor = visitor};
    return 0;
}

static int push_record(struct forget *f, unsigned partition)
{
    struct key key = key_customers(partition, str_of(f->o->site->name));
    char field[8];
    store_le64(field, f->key);
    struct str argv[] = {STR("HGET"), key_str(&key), {field, sizeof field}};
    return redis_now_push(f->redis, 3, argv);
}

static int note_record(struct forget *f, unsigned partition, const redisReply *r)
{
    struct customer c;
    (void)partition;
    if (r->type != REDIS_REPLY_STRING) return 0;
    if (!customer_decode((struct str){r->str, r->len}, &c)) {
        buf_printf(f->err, "the record of the customer is damaged");
        return -1;
    }
    f->out->customer = true;
    f->out->more |= c.approximate;
    for (unsigned i = 0; i < c.visitors_n; i++) {
        if (add_target(f, c.visitors[i]) < 0) return -1;
    }
    return 0;
}

/* Another customer's record: which of the visitors are its own, too. */
static int note_shared(struct forget *f, unsigned partition, uint64_t key, const struct customer *c)
{
    (void)partition;
    for (unsigned v = 0; v < c->visitors_n && key != f->key; v++) {
        for (size_t t = 0; t < f->targets; t++)
            f->target[t].shared |= f->target[t].visitor == c->visitors[v];
    }
    return 0;
}

static bool said(const struct forget *f, unsigned partition, struct str customer)
{
    for (size_t i = 0; i < f->words; i++) {
        const struct word *w = &f->word[i];
        if (w->partition == partition && str_eq((struct str){w->customer, w->customer_n}, customer))
            return true;
    }
    return false;
}

/* A customer that has the visitor who is forgotten: its record loses it. */
static int note_owner(struct forget *f, unsigned partition, uint64_t key, const struct customer *c)
{
    unsigned v = 0;
    (void)key;
    while (v < c->visitors_n && c->visitors[v] != f->asked)
        v++;
    if (v == c->visitors_n || said(f, partition, c->id)) return 0;
    f->out->records++;
    return add_word(f, partition, c->id);
}

typedef int note_fn(struct forget *f, unsigned partition, uint64_t key, const struct customer *c);

static int note_records(struct forget *f, unsigned partition, const redisReply *pairs, note_fn *fn)
{
    for (size_t i = 0; i + 1 < pairs->elements; i += 2) {
        const redisReply *field = pairs->element[i], *value = pairs->element[i + 1];
        struct customer c;
        if (field->len != 8 || !customer_decode((struct str){value->str, value->len}, &c)) continue;
        if (fn(f, partition, load_le64(field->str), &c) < 0) return -1;
    }
    return 0;
}

/* All records of all partitions are looked at: no visitor says whose it is. Some come twice. */
static int each_record(struct forget *f, note_fn *fn)
{
    for (unsigned p = 0; p < f->partitions; p++) {
        struct key key = key_customers(p, str_of(f->o->site->name));
        char cursor[24] = "0";
        do {
            struct str argv[] = {STR("HSCAN"), key_str(&key), str_of(cursor), STR("COUNT"),
                                 STR("500")};
            redisReply *r = live_ask(&f->live, f->err, 5, argv);
            if (r == NULL) return -1;
            bool fits = r->type == REDIS_REPLY_ARRAY && r->elements == 2;
            snprintf(cursor, sizeof cursor, "%s", fits ? r->element[0]->str : "0");
            int result = fits ? note_records(f, p, r->element[1], fn) : 0;
            freeReplyObject(r);
            if (result < 0 || !renew(f)) return -1;
        } while (strcmp(cursor, "0") != 0);
    }
    return 0;
}

static int find_person(struct forget *f)
{
    struct str id = str_of(f->o->id);
    struct key dataset = key_dataset();
    struct str argv[] = {STR("HGET"), key_str(&dataset), STR("id")};
    redisReply *r = live_ask(&f->live, f->err, 3, argv);
    if (r == NULL) return -1;
    f->key = customer_key((struct str){r->str, r->len}, str_of(f->o->site->name), id);
    freeReplyObject(r);
    if (ask_all(f, push_record, note_record) < 0) return -1;
    if (f->out->customer) return each_record(f, note_shared);
    if (id_parse(id, &f->asked) && f->asked != 0)
        return add_target(f, f->asked) < 0 ? -1 : each_record(f, note_owner);
    buf_printf(f->err, "'%s' is no customer that is known, and no id of a visitor", f->o->id);
    return -1;
}

static int note_new(struct forget *f, unsigned partition, const redisReply *r)
{
    (void)partition;
    f->out->came_again |= r->type == REDIS_REPLY_INTEGER && r->integer != 0;
    return 0;
}

/* ---- the word ---- */

/* The words; or, when they have been heard, a long one that says nothing to each partition. */
static int stage(struct forget *f, struct journal *j, bool heard, uint64_t *last)
{
    const struct site *site = f->o->site;
    struct hit hit = {.kind = HIT_FORGET,
                      .site = str_of(site->name),
                      .at_ms = f->out->at_ms,
                      .day = zone_day(site->zone, f->out->at_ms)};
    struct buf encoded = {0};
    uint64_t seq = 0;
    bool ok = true;
    for (size_t i = 0; ok && i < f->words; i++) {
        unsigned p = f->word[i].partition;
        if (heard && last[p] != 0) continue;
        if (!heard) {
            hit.visitor = f->word[i].visitor;
            hit.visitor_kind = VISITOR_CONSENTED;
            hit.customer = (struct str){f->word[i].customer, f->word[i].customer_n};
        }
        buf_clear(&encoded);
        ok = heard ? hit_encode_filled(&hit, NODE_BYTES, &encoded) : hit_encode(&hit, &encoded);
        ok = ok && journal_stage(j, p, 1, ++seq, buf_str(&encoded));
        last[p] = seq;
    }
    buf_fini(&encoded);
    return ok && journal_commit(j, clock_mono_ms()) == 0 ? 0 : fail(f, f->journal_dir);
}

/* Written aside, renamed into the journal, and in Redis when it returns. */
static int say(struct forget *f, bool heard, uint64_t *last)
{
    unsigned char producer[PRODUCER_BYTES];
    const struct delivery d = {.conf = f->o->conf,
                               .redis_conf = f->o->redis,
                               .redis = f->redis,
                               .journal_dir = f->journal_dir,
                               .producer = producer,
                               .last = last,
                               .tell = tell,
                               .arg = f};
    randombytes_buf(producer, sizeof producer);
    staging_discard(f->staging);
    if (mkdir(f->staging, 0750) < 0) return fail(f, f->staging);
    struct journal *j =
        journal_open(&(struct journal_opts){.dir = f->staging,
                                            .segment_bytes = f->o->conf->journal_segment,
                                            .reserve_bytes = f->o->conf->journal_reserve,
                                            .partitions = f->partitions,
                                            .producer = producer});
    if (j == NULL) return fail(f, f->staging);
    int result = stage(f, j, heard, last);
    journal_close(j);
    if (result == 0) result = staging_publish(f->staging, f->journal_dir, f->err);
    return result == 0 ? deliver(&d, f->err) : -1;
}

/* What has been shipped into the partition; what has been folded. */
static int figures(struct forget *f, unsigned p, uint64_t *shipped, uint64_t *folded)
{
    struct key meta = key_meta(p), commit = key_commit(p);
    struct str ask[2][3] = {{STR("HGET"), key_str(&meta), STR("shipped")},
                            {STR("HGET"), key_str(&commit), STR("folded")}};
    uint64_t *out[2] = {shipped, folded};
    for (int i = 0; i < 2; i++) {
        redisReply *r = live_ask(&f->live, f->err, 3, ask[i]);
        if (r == NULL) return -1;
        *out[i] = r->type == REDIS_REPLY_STRING ? strtoull(r->str, NULL, 10) : 0;
        freeReplyObject(r);
    }
    return 0;
}

static int wait_folded(struct forget *f, unsigned p)
{
    const struct timespec pause = {0, CHECK_MS * 1000000L};
    uint64_t until, folded, shipped, before = 0;
    int64_t moved_ms = clock_mono_ms();
    if (figures(f, p, &until, &folded) < 0) return -1;
    while (folded < until) {
        if (clock_mono_ms() - moved_ms > FOLD_SILENT_MS) {
            buf_printf(f->err, "no aggregator folds partition %u; start one, then run this again",
                       p);
            return -1;
        }
        tell(f, "waiting for the aggregator");
        nanosleep(&pause, NULL);
        if (figures(f, p, &shipped, &folded) < 0) return -1;
        if (folded != before) moved_ms = clock_mono_ms();
        before = folded;
    }
    return 0;
}

static int tell_aggregators(struct forget *f, bool heard)
{
    uint64_t *last = calloc(f->partitions, sizeof *last);
    int result = last == NULL ? fail(f, "memory") : say(f, heard, last);
    free(last);
    for (unsigned p = 0; result == 0 && p < f->partitions; p++) {
        if (f->tell[p]) result = wait_folded(f, p);
    }
    return result;
}

/* ---- Redis' own log ---- */

static bool in_info(struct forget *f, unsigned node, const char *line)
{
    redisReply *r = redis_now_on(f->redis, node, ARGV(STR("INFO"), STR("persistence")));
    bool found = r != NULL && r->type == REDIS_REPLY_STRING && strstr(r->str, line) != NULL;
    if (r != NULL) freeReplyObject(r);
    return found;
}

static enum forget_log rewrite_log(struct forget *f, unsigned node)
{
    const struct timespec pause = {0, CHECK_MS * 1000000L};
    int64_t until_ms = clock_mono_ms() + LOG_WAIT_MS;
    if (in_info(f, node, "aof_enabled:0")) return FORGET_LOG_NONE;
    redisReply *r = redis_now_on(f->redis, node, ARGV(STR("BGREWRITEAOF")));
    bool taken = r != NULL && r->type != REDIS_REPLY_ERROR;
    if (r != NULL) freeReplyObject(r);
    if (!taken) return FORGET_LOG_REFUSED;
    while (!in_info(f, node, "aof_rewrite_in_progress:0") ||
           !in_info(f, node, "aof_rewrite_scheduled:0")) {
        if (clock_mono_ms() > until_ms) return FORGET_LOG_UNDER_WAY;
        tell(f, "Redis rewrites its log");
        nanosleep(&pause, NULL);
    }
    return in_info(f, node, "aof_last_bgrewrite_status:ok") ? FORGET_LOG_REWRITTEN
                                                            : FORGET_LOG_REFUSED;
}

static void rewrite_logs(struct forget *f)
{
    unsigned nodes = redis_now_nodes(f->redis);
    f->out->log = nodes == 0 ? FORGET_LOG_REFUSED : FORGET_LOG_NONE;
    for (unsigned node = 0; node < nodes; node++) {
        enum forget_log log = rewrite_log(f, node);
        if (log > f->out->log) f->out->log = log;
    }
}

/* ---- files ---- */

/* Listed before they are left: what is in these does not grow any more. */
static int rewrite_files(struct forget *f)
{
    const struct forget_tick tick = {renew, f};
    struct forget_names names = {.n = 0};
    struct erased e = {.n = 0};
    int result = forget_names_list(f->dir_fd, false, &names, f->err);
    f->o->tell(f->o->arg, "rewriting files");
    if (result == 0) result = running_leave_segments(f->o->conf, f->err);
    if (result == 0 && erased_load(&e, f->dir_fd) < 0) result = fail(f, f->journal_dir);
    if (result == 0)
        result = forget_journal(f->dir_fd, &names, &e, &tick, &f->out->journal, f->err);
    if (result == 0 && f->archive_fd >= 0)
        result = forget_archive(f->archive_fd, &e, &tick, &f->out->archive, f->err);
    forget_names_fini(&names);
    erased_fini(&e);
    return result;
}

/* Before anything is said of them. */
static int mark_all(struct forget *f)
{
    for (size_t i = 0; i < f->targets; i++) {
        uint64_t mark = forgotten_mark(str_of(f->o->site->name), f->target[i].visitor);
        if (f->target[i].shared) continue;
        if (erased_add(f->dir_fd, mark, f->out->at_ms) < 0) return fail(f, f->journal_dir);
    }
    return 0;
}

static int look_again(struct forget *f)
{
    for (size_t i = 0; i < f->targets; i++) {
        f->asked = f->target[i].visitor;
        if (!f->target[i].shared && ask_all(f, push_has_profile, note_new) < 0) return -1;
    }
    return 0;
}

static int run(struct forget *f)
{
    if (open_all(f) < 0 || find_person(f) < 0) return -1;
    f->out->at_ms = clock_ms();
    if (mark_all(f) < 0 || find_words(f) < 0) return -1;
    if (tell_aggregators(f, false) < 0 || tell_aggregators(f, true) < 0) return -1;
    if (look_again(f) < 0) return -1;
    rewrite_logs(f);
    return rewrite_files(f);
}

int forget_person(const struct forget_opts *o, struct forget_receipt *out, struct buf *err)
{
    struct forget f = {.o = o,
                       .partitions = (unsigned)o->redis->partitions,
                       .lock_fd = -1,
                       .dir_fd = -1,
                       .archive_fd = -1,
                       .out = out,
                       .err = err};
    *out = (struct forget_receipt){.at_ms = 0};
    int result = run(&f);
    close_all(&f);
    return result;
}
