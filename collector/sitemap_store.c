/*
 * A run is a producer of its own, with a record per page and, when it named all pages, one that
 * says so. The record of the end comes last and carries the run's time, as all of them do: a page
 * whose last run is older is not listed any more. So time must rise from run to run, also when the
 * clock was set back: the catalogue is asked for the last whole run.
 *
 * Segments are written aside and renamed into the journal together. Killed before that, a run has
 * stored nothing; after it, what it stored is shipped by whoever ships next.
 */
#include "sitemap_store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalogue.h"
#include "clock.h"
#include "dataset.h"
#include "deliver.h"
#include "journal.h"
#include "keys.h"
#include "staging.h"

enum { PATH_BYTES = 4096, DIR_BYTES = PATH_BYTES + 128, MS_PER_DAY = 86400 * 1000 };

struct sitemap_store {
    const struct collector_conf *conf;
    const struct redis_conf *redis_conf;
    const struct site *site;
    struct redis_now *redis;
    int lock_fd; /* of the state's directory */
    unsigned partition;
    int64_t at_ms;
    unsigned char producer[PRODUCER_BYTES];
    struct journal *journal;
    uint64_t pages, seq;
    struct buf encoded, why; /* why: the first failure */
    char journal_dir[PATH_BYTES], staging[DIR_BYTES], state[DIR_BYTES];
};

/* ---- start ---- */

static int lock_state(struct sitemap_store *s, struct buf *err)
{
    char dir[PATH_BYTES];
    snprintf(dir, sizeof dir, "%s/sitemap", s->conf->data);
    snprintf(s->state, sizeof s->state, "%s/%s.json", dir, s->site->name);
    if (mkdir(dir, 0750) == 0 || errno == EEXIST) s->lock_fd = open(dir, O_DIRECTORY | O_CLOEXEC);
    if (s->lock_fd >= 0 && flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0) return 0;
    if (s->lock_fd >= 0 && errno == EWOULDBLOCK)
        buf_printf(err, "sitemaps are being read in %s; start this when that has ended", dir);
    else
        buf_printf(err, "%s: %s", dir, strerror(errno));
    return -1;
}

/* Now, or just behind the last whole run. */
static int choose_time(struct sitemap_store *s, struct buf *err)
{
    struct key key = key_catalogue(s->partition, str_of(s->site->name));
    struct catalogue_head head = {.complete_ms = 0};
    redisReply *r = redis_now(s->redis, ARGV(STR("HGET"), key_str(&key), CATALOGUE_HEAD_FIELD));
    bool ok = r != NULL && r->type != REDIS_REPLY_ERROR;
    if (!ok) buf_printf(err, "Redis: %s", r == NULL ? redis_now_error(s->redis) : r->str);
    if (ok && r->type == REDIS_REPLY_STRING)
        ok = catalogue_head_decode((struct str){r->str, r->len}, &head);
    if (!ok && err->n == 0) buf_printf(err, "%s cannot be read", key.p);
    if (r != NULL) freeReplyObject(r);
    s->at_ms = clock_ms();
    if (s->at_ms <= head.complete_ms) s->at_ms = head.complete_ms + 1;
    return ok ? 0 : -1;
}

static int open_all(struct sitemap_store *s, struct buf *err)
{
    unsigned partitions = (unsigned)s->redis_conf->partitions;
    if (journal_make_dir(s->conf->data, s->journal_dir, sizeof s->journal_dir) < 0) {
        buf_printf(err, "%s: %s", s->journal_dir, strerror(errno));
        return -1;
    }
    if (lock_state(s, err) < 0 || dataset_agree_dir(s->conf->data, partitions, err) < 0) return -1;
    s->redis = redis_now_open(s->redis_conf, err);
    if (s->redis == NULL || dataset_agree(s->redis, partitions, err) < 0) return -1;
    snprintf(s->staging, sizeof s->staging, "%s/.sitemap-%s", s->journal_dir, s->site->name);
    s->partition = key_home(str_of(s->site->name), partitions);
    return choose_time(s, err);
}

struct sitemap_store *sitemap_store_open(const struct collector_conf *conf,
                                         const struct redis_conf *redis_conf,
                                         const struct site *site, struct buf *err)
{
    struct sitemap_store *s = calloc(1, sizeof *s);
    if (s == NULL) {
        buf_printf(err, "no memory");
        return NULL;
    }
    s->conf = conf;
    s->redis_conf = redis_conf;
    s->site = site;
    s->lock_fd = -1;
    if (open_all(s, err) == 0) {
        sitemap_store_restart(s);
        return s;
    }
    sitemap_store_close(s);
    return NULL;
}

void sitemap_store_close(struct sitemap_store *s)
{
    if (s == NULL) return;
    journal_close(s->journal);
    if (s->staging[0] != '\0') staging_discard(s->staging);
    redis_now_close(s->redis);
    if (s->lock_fd >= 0) close(s->lock_fd);
    buf_fini(&s->encoded);
    buf_fini(&s->why);
    free(s);
}

const char *sitemap_store_state(const struct sitemap_store *s)
{
    return s->state;
}

uint64_t sitemap_store_pages(const struct sitemap_store *s)
{
    return s->pages;
}

void sitemap_store_restart(struct sitemap_store *s)
{
    journal_close(s->journal);
    staging_discard(s->staging);
    randombytes_buf(s->producer, sizeof s->producer);
    s->pages = s->seq = 0;
    buf_clear(&s->why);
    s->journal = mkdir(s->staging, 0750) < 0
                     ? NULL
                     : journal_open(&(struct journal_opts){
                           .dir = s->staging,
                           .segment_bytes = s->conf->journal_segment,
                           .reserve_bytes = s->conf->journal_reserve,
                           .sync_ms = 0, /* what is renamed into the journal must be whole */
                           .partitions = (unsigned)s->redis_conf->partitions,
                           .producer = s->producer});
    if (s->journal == NULL) buf_printf(&s->why, "%s: %s", s->staging, strerror(errno));
}

/* ---- records ---- */

static bool commit(struct sitemap_store *s)
{
    if (!journal_staged(s->journal)) return true;
    if (journal_commit(s->journal, clock_mono_ms()) == 0) return true;
    buf_printf(&s->why, "the journal in %s cannot be written: %s", s->journal_dir, strerror(errno));
    return false;
}

static void stage(struct sitemap_store *s, struct hit *hit)
{
    hit->site = str_of(s->site->name);
    hit->at_ms = s->at_ms;
    hit->day = zone_day(s->site->zone, s->at_ms);
    buf_clear(&s->encoded);
    if (!hit_encode(hit, &s->encoded)) {
        buf_printf(&s->why, "no memory");
        return;
    }
    if (!journal_stage(s->journal, s->partition, 1, s->seq + 1, buf_str(&s->encoded))) {
        if (!commit(s)) return;
        bool fits = journal_stage(s->journal, s->partition, 1, s->seq + 1, buf_str(&s->encoded));
        assert(fits);
    }
    s->seq++;
}

/* Cut between two characters. */
static struct str short_title(struct str title)
{
    size_t n = HIT_NAME_MAX_BYTES;
    if (title.n <= n) return title;
    while (n > 0 && ((unsigned char)title.p[n] & 0xC0) == 0x80)
        n--;
    return str_upto(title, n);
}

void sitemap_store_page(struct sitemap_store *s, const struct page *page,
                        const struct sitemap_entry *entry)
{
    struct hit hit = {
        .kind = HIT_CATALOGUE, .page = page_str(page), .name = short_title(entry->title)};
    if (entry->modified_ms != SITEMAP_NO_DATE && entry->modified_ms > 0)
        hit.modified = (uint32_t)(entry->modified_ms / MS_PER_DAY);
    if (s->why.n > 0) return;
    stage(s, &hit);
    s->pages++;
}

static void tell_nothing(void *arg, const char *what)
{
    (void)arg, (void)what;
}

static int ship(struct sitemap_store *s, struct buf *err)
{
    uint64_t *last = calloc((size_t)s->redis_conf->partitions, sizeof *last);
    struct delivery d = {.conf = s->conf,
                         .redis_conf = s->redis_conf,
                         .redis = s->redis,
                         .journal_dir = s->journal_dir,
                         .producer = s->producer,
                         .last = last,
                         .tell = tell_nothing};
    int result = -1;
    if (last == NULL) {
        buf_printf(err, "no memory");
    } else {
        last[s->partition] = s->seq;
        result = deliver(&d, err);
    }
    free(last);
    return result;
}

int sitemap_store_finish(struct sitemap_store *s, bool whole, struct buf *err)
{
    struct hit end = {.kind = HIT_CATALOGUE_END, .n = (uint32_t)s->pages};
    if (s->why.n == 0 && whole) stage(s, &end);
    if (s->why.n == 0) commit(s);
    if (s->why.n > 0) {
        buf_printf(err, "nothing was stored: %.*s", STR_ARG(buf_str(&s->why)));
        return -1;
    }
    journal_close(s->journal);
    s->journal = NULL;
    if (s->seq == 0) return 0;
    if (staging_publish(s->staging, s->journal_dir, err) < 0) return -1;
    return ship(s, err);
}
