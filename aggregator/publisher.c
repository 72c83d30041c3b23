/*
 * A summary of 28 days changes in one of them, nearly always today. So the packed rows of the last
 * 28 days are kept and only days that were touched are read again. Of each range, all but its last
 * two days are kept merged too: a refresh then costs three days' rows and not 28. When one of the
 * merged days is touched, or the range moves on, they are merged anew.
 *
 * A partition that another process folds tells nothing about its days. When its commit id moves,
 * the total and ledger rows of each day are compared with those read before: whatever a hit
 * changes, it changes one of these on its day. What it changes besides lies nearby: a session may
 * have begun the day before, and a late hit moves the gap of a visit up to three days later.
 */
#include "publisher.h"

#include <stdlib.h>

#include "ask.h"
#include "bytes.h"
#include "clock.h"
#include "hash.h"
#include "keys.h"
#include "owner.h"
#include "summary.h"

enum { TODAY = 0 }; /* of the ranges */
enum { NEAR_BEFORE = 1, NEAR_AFTER = 4, HOT_DAYS = 2 /* of a range, its last ones: not merged */ };

struct cached_part {
    struct buf rows;
    struct str total; /* the total row among them, packed */
    uint64_t mark;    /* of its total and ledger rows */
};

struct cached_day {
    uint32_t day;
    unsigned n; /* parts; 0: not read */
    struct cached_part *parts;
};

static const struct {
    const char *name;
    uint32_t days;
} ranges[PUBLISH_RANGES] = {{"today", 1}, {"7d", 7}, {"28d", PUBLISH_DAYS}};

struct range_source publisher_source(const struct publisher *p, const struct publish_env *env)
{
    return (struct range_source){.redis = env->redis,
                                 .site = str_of(p->name),
                                 .partitions = env->partitions,
                                 .spread = p->spread,
                                 .persons_kept_ms = env->persons_kept_ms};
}

static void drop_day(struct publisher *p, struct cached_day *d, struct publish_env *env)
{
    for (unsigned i = 0; i < d->n; i++) {
        p->bytes -= d->parts[i].rows.cap;
        env->cached -= d->parts[i].rows.cap;
        buf_fini(&d->parts[i].rows);
    }
    free(d->parts);
    *d = (struct cached_day){0};
}

/* The place of a date in the ring, NULL when it holds another date. */
static struct cached_day *day_of(struct publisher *p, uint32_t day)
{
    if (p->days == NULL) return NULL;
    struct cached_day *d = &p->days[day % PUBLISH_DAYS];
    return d->n > 0 && d->day == day ? d : NULL;
}

static void drop_merged(struct publisher *p, struct merged *m, struct publish_env *env)
{
    p->bytes -= m->rows.cap;
    env->cached -= m->rows.cap;
    buf_fini(&m->rows);
    *m = (struct merged){0};
}

void publisher_touch(struct publisher *p, uint32_t day, struct publish_env *env)
{
    for (int i = 0; i < PUBLISH_RANGES; i++) {
        struct merged *m = &p->merged[i];
        if (day >= m->from && day <= m->to) drop_merged(p, m, env);
    }
    struct cached_day *d = day_of(p, day);
    if (d != NULL) drop_day(p, d, env);
}

void publisher_forget(struct publisher *p, struct publish_env *env)
{
    for (int i = 0; p->days != NULL && i < PUBLISH_DAYS; i++)
        drop_day(p, &p->days[i], env);
    for (int i = 0; i < PUBLISH_RANGES; i++)
        drop_merged(p, &p->merged[i], env);
    free(p->days);
    p->days = NULL;
    memset(p->made_day, 0, sizeof p->made_day);
}

void publisher_moved(struct publisher *p)
{
    p->days = NULL;
    p->bytes = 0;
    memset(p->merged, 0, sizeof p->merged);
}

static uint64_t mark_value(char name, struct str value)
{
    return value.n == 0 ? 0 : hash64(value) * (name == 'T' ? 1 : 3);
}

/* Finds the total and ledger rows; one that stands twice (HSCAN) is taken once. */
static void mark(struct cached_part *part)
{
    struct reader in = reader_of(buf_str(&part->rows));
    bool ledger = false;
    while (!reader_done(&in)) {
        const char *begin = (const char *)in.p;
        struct str name = get_bytes(&in, get_varint(&in));
        struct str value = get_bytes(&in, get_varint(&in));
        bool is_total = str_eq(name, STR("T")) && part->total.n == 0;
        bool is_ledger = str_eq(name, STR("L")) && !ledger;
        if (is_total) part->total = (struct str){begin, (size_t)((const char *)in.p - begin)};
        ledger = ledger || is_ledger;
        if (is_total || is_ledger) part->mark += mark_value(name.p[0], value);
    }
}

/* True: the part's day is not what was read. */
static int part_moved(const struct range_source *s, unsigned part, const struct cached_day *d,
                      bool *moved, struct buf *err)
{
    struct key key = key_day(range_part(s, part), s->site, d->day);
    redisReply *r = ask(s->redis, err, ARGV(STR("HMGET"), key_str(&key), STR("T"), STR("L")));
    if (r == NULL) return -1;
    uint64_t found = mark_value('T', ask_text(r, 0)) + mark_value('L', ask_text(r, 1));
    freeReplyObject(r);
    struct cached_part packed = {.mark = 0};
    int result = 0;
    if (found == 0) { /* nothing yet, or packed since */
        buf_init(&packed.rows, RANGE_PART_MAX_BYTES);
        result = range_read_day(s, range_part(s, part), d->day, &packed.rows, err);
        if (result == 0) mark(&packed);
        found = packed.mark;
        buf_fini(&packed.rows);
    }
    if (result == 0 && found != d->parts[part].mark) *moved = true;
    return result;
}

/* Drops the days that other processes have changed, and their neighbours. */
static int check_days(struct publisher *p, struct publish_env *env, struct buf *err)
{
    struct range_source s = publisher_source(p, env);
    uint32_t moved_days[PUBLISH_DAYS];
    unsigned n = 0;
    for (int i = 0; p->days != NULL && i < PUBLISH_DAYS; i++) {
        struct cached_day *d = &p->days[i];
        bool moved = false;
        for (unsigned part = 0; part < d->n && !moved; part++) {
            if (part_moved(&s, part, d, &moved, err) < 0) return -1;
        }
        if (moved) moved_days[n++] = d->day;
    }
    for (unsigned i = 0; i < n; i++) {
        uint32_t day = moved_days[i];
        for (uint32_t near = day < NEAR_BEFORE ? 0 : day - NEAR_BEFORE; near <= day + NEAR_AFTER;
             near++)
            publisher_touch(p, near, env);
    }
    p->check = false;
    return 0;
}

/* Reads a day into its place in the ring. */
static int read_day(struct publisher *p, struct publish_env *env, uint32_t day, struct buf *err)
{
    struct range_source s = publisher_source(p, env);
    struct cached_day *d = &p->days[day % PUBLISH_DAYS];
    drop_day(p, d, env);
    d->parts = calloc(range_parts(&s), sizeof *d->parts);
    if (d->parts == NULL) {
        buf_printf(err, "out of memory");
        return -1;
    }
    d->day = day;
    for (unsigned i = 0; i < range_parts(&s); i++) {
        struct cached_part *part = &d->parts[d->n++];
        buf_init(&part->rows, RANGE_PART_MAX_BYTES);
        int result = range_read_day(&s, range_part(&s, i), day, &part->rows, err);
        p->bytes += part->rows.cap;
        env->cached += part->rows.cap;
        if (result < 0) {
            drop_day(p, d, env);
            return -1;
        }
        mark(part);
    }
    return 0;
}

/* One refresh: where its days go. */
struct filling {
    struct publisher *p;
    struct publish_env *env;
    struct range **into;
    struct range *merging[PUBLISH_RANGES]; /* what is merged anew; NULL: is there, or not wanted */
    uint32_t first, last;                  /* of the days that are read */
    uint32_t hot;                          /* the first day that is not merged */
};

/* Of days that are merged, the total alone goes into the range. */
static bool add_part(struct filling *f, int i, uint32_t day, const struct cached_part *part)
{
    struct range *into = f->into[i], *merging = f->merging[i];
    if (day >= f->hot) return range_add(into, day, buf_str(&part->rows));
    return range_add(into, day, part->total) &&
           (merging == NULL || range_add(merging, day, buf_str(&part->rows)));
}

static int add_day(struct filling *f, uint32_t day, struct buf *err)
{
    struct publisher *p = f->p;
    if (day_of(p, day) == NULL && read_day(p, f->env, day, err) < 0) return -1;
    struct cached_day *d = day_of(p, day);
    for (int i = 0; i < PUBLISH_RANGES; i++) {
        if (day < f->into[i]->from || day > f->into[i]->to) continue;
        for (unsigned part = 0; part < d->n; part++) {
            if (add_part(f, i, day, &d->parts[part])) continue;
            buf_printf(err, "out of memory");
            return -1;
        }
    }
    if (f->env->cached > f->env->cache_max) drop_day(p, d, f->env);
    return 0;
}

/* The merged days are those of the range, and known: one that is read anew may be another. */
static bool merged_holds(const struct filling *f, int i)
{
    const struct merged *m = &f->p->merged[i];
    uint32_t from = f->into[i]->from;
    if (m->from != from || m->to != f->hot - 1) return false;
    for (uint32_t day = f->first > from ? f->first : from; day <= m->to && day <= f->last; day++) {
        if (day_of(f->p, day) == NULL) return false;
    }
    return true;
}

static bool begin_merging(struct filling *f)
{
    for (int i = 0; i < PUBLISH_RANGES; i++) {
        uint32_t from = f->into[i]->from;
        if (from >= f->hot || merged_holds(f, i)) continue;
        drop_merged(f->p, &f->p->merged[i], f->env);
        f->merging[i] = range_new(str_of(f->p->name), from, f->hot - 1);
        if (f->merging[i] == NULL) return false;
    }
    return true;
}

static bool end_merging(struct filling *f)
{
    for (int i = 0; i < PUBLISH_RANGES; i++) {
        struct range *into = f->into[i], *merging = f->merging[i];
        struct merged *m = &f->p->merged[i];
        if (into->from >= f->hot) continue;
        if (merging != NULL) {
            *m = (struct merged){.from = merging->from, .to = merging->to};
            bool ok = range_pack_merged(merging, &m->rows);
            f->p->bytes += m->rows.cap;
            f->env->cached += m->rows.cap;
            if (!ok) return false;
        }
        if (!range_add(into, into->from, buf_str(&m->rows))) return false;
    }
    return true;
}

static int fill(struct filling *f, struct buf *err)
{
    bool ok = begin_merging(f);
    for (uint32_t day = f->first; ok && day <= f->last; day++) {
        if (add_day(f, day, err) < 0) return -1;
    }
    if (ok && end_merging(f)) return 0;
    buf_printf(err, "out of memory");
    return -1;
}

static int fill_ranges(struct publisher *p, struct publish_env *env,
                       const struct range_extent *extent, struct range *into[PUBLISH_RANGES],
                       struct buf *err)
{
    const struct range *longest = into[PUBLISH_RANGES - 1];
    struct filling f = {.p = p,
                        .env = env,
                        .into = into,
                        .first = longest->from < extent->first ? extent->first : longest->from,
                        .last = longest->to < extent->last ? longest->to : extent->last,
                        .hot = longest->to < HOT_DAYS ? 0 : longest->to + 1 - HOT_DAYS};
    int result = fill(&f, err);
    for (int i = 0; i < PUBLISH_RANGES; i++) {
        range_free(f.merging[i]);
        if (result < 0) drop_merged(p, &p->merged[i], env);
    }
    return result;
}

static int name_pages(const struct range_source *s, struct range *r, struct buf *err)
{
    struct range_top top;
    if (!summary_pages(r, OWNER_SUMMARY_ROWS, &top)) {
        buf_printf(err, "out of memory");
        return -1;
    }
    int result = range_read_pages(s, r, &top, err);
    range_top_fini(&top);
    return result;
}

static int write_summary(const struct publisher *p, struct publish_env *env, struct range *r, int i,
                         struct buf *err)
{
    struct range_source s = publisher_source(p, env);
    if (name_pages(&s, r, err) < 0) return -1;
    struct summary_opts opts = {.range = ranges[i].name,
                                .time_zone = p->time_zone,
                                .made_ms = clock_ms(),
                                .late_after_h = env->late_after_h,
                                .limit = OWNER_SUMMARY_ROWS,
                                .live = i == TODAY ? &p->live : NULL};
    json_t *doc = summary_document(r, &opts);
    char *text = doc == NULL ? NULL : json_dumps(doc, JSON_COMPACT | JSON_REAL_PRECISION(12));
    json_decref(doc);
    if (text == NULL) {
        buf_printf(err, "out of memory");
        return -1;
    }
    struct key key = key_summary(s.site, str_of(ranges[i].name));
    redisReply *reply = ask(env->redis, err, ARGV(STR("SET"), key_str(&key), str_of(text)));
    free(text);
    if (reply == NULL) return -1;
    freeReplyObject(reply);
    return 0;
}

static int publish_all(struct publisher *p, struct publish_env *env,
                       const struct range_extent *extent, uint32_t end, struct buf *err)
{
    struct range *r[PUBLISH_RANGES] = {0};
    int result = 0;
    for (int i = 0; i < PUBLISH_RANGES; i++) {
        uint32_t back = ranges[i].days - 1;
        r[i] = range_new(str_of(p->name), end < back ? 0 : end - back, end);
        if (r[i] == NULL) result = -1;
    }
    if (result < 0)
        buf_printf(err, "out of memory");
    else
        result = fill_ranges(p, env, extent, r, err);
    for (int i = 0; i < PUBLISH_RANGES && result == 0; i++) {
        result = write_summary(p, env, r[i], i, err);
    }
    for (int i = 0; i < PUBLISH_RANGES; i++)
        range_free(r[i]);
    return result;
}

/* When it is another document without any hit: a new day begins, or a minute passes that shows. */
static int64_t turn_of(const struct publisher *p, int64_t now_ms)
{
    int64_t midnight_ms = zone_midnight_ms(p->zone, zone_day(p->zone, now_ms) + 1);
    int64_t minute_ms = (p->live.minute + 1) * LIVE_MINUTE_MS;
    return live_any(&p->live) && minute_ms < midnight_ms ? minute_ms : midnight_ms;
}

int publisher_publish(struct publisher *p, struct publish_env *env, struct buf *err)
{
    struct range_source s = publisher_source(p, env);
    struct range_extent extent;
    int64_t now_ms = clock_ms();
    if (p->check && check_days(p, env, err) < 0) return -1;
    if (range_read_extent(&s, &extent, err) < 0) return -1;
    if (live_read(&s, now_ms, &p->live, err) < 0) return -1;
    p->turn_ms = turn_of(p, now_ms);
    if (!extent.any) return 0;
    if (p->days == NULL) p->days = calloc(PUBLISH_DAYS, sizeof *p->days);
    if (p->days == NULL) {
        buf_printf(err, "out of memory");
        return -1;
    }
    if (publish_all(p, env, &extent, range_end(&extent, p->zone, now_ms), err) < 0) return -1;
    p->published_ms = now_ms;
    return 0;
}
