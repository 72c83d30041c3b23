/*
 * Reading is separate from merging, because the owner keeps what it has read: packed rows per day
 * and partition. A report reads everything each time; between its first and its last question a
 * commit may change rows that it has read already, so it compares commit ids and starts again.
 */
#include "range_read.h"

#include <assert.h>
#include <stdlib.h>

#include "ask.h"
#include "bytes.h"
#include "clock.h"
#include "keys.h"
#include "pack.h"
#include "sitestate.h"

enum { READ_TRIES = 4, PAGES_PER_QUESTION = 500 };
#define ROWS_PER_STEP "1000"

unsigned range_parts(const struct range_source *s)
{
    if (s->spread < 1) return 1;
    return s->spread < s->partitions ? s->spread : s->partitions;
}

unsigned range_part(const struct range_source *s, unsigned i)
{
    return (key_home(s->site, s->partitions) + i) % s->partitions;
}

static void widen(struct range_extent *e, const struct sitestate *state)
{
    if (state->watermark_ms > e->live_ms) e->live_ms = state->watermark_ms;
    if (state->kept_day > e->kept_day) e->kept_day = state->kept_day;
    if (state->last_day == 0) return;
    if (!e->any || state->first_day < e->first) e->first = state->first_day;
    if (!e->any || state->last_day > e->last) e->last = state->last_day;
    e->any = true;
}

int range_read_extent(const struct range_source *s, struct range_extent *out, struct buf *err)
{
    *out = (struct range_extent){0};
    for (unsigned i = 0; i < range_parts(s); i++) {
        struct key key = key_sites(range_part(s, i));
        redisReply *r = ask(s->redis, err, ARGV(STR("HGET"), key_str(&key), s->site));
        if (r == NULL) return -1;
        struct sitestate state;
        sitestate_init(&state, s->site);
        bool ok =
            r->type != REDIS_REPLY_STRING || sitestate_decode((struct str){r->str, r->len}, &state);
        freeReplyObject(r);
        if (!ok) {
            buf_printf(err, "%s holds a damaged state of site %.*s", key.p, STR_ARG(s->site));
            return -1;
        }
        widen(out, &state);
    }
    return 0;
}

uint32_t range_end(const struct range_extent *e, const struct zone *zone, int64_t now_ms)
{
    if (e->live_ms == 0) return e->last;
    return zone_day(zone, e->live_ms > now_ms ? e->live_ms : now_ms);
}

/* One step of HSCAN; cursor moves on, "0" at the end. */
static int scan(const struct range_source *s, const struct key *key, char cursor[24],
                struct buf *rows, struct buf *err)
{
    redisReply *r =
        ask(s->redis, err,
            ARGV(STR("HSCAN"), key_str(key), str_of(cursor), STR("COUNT"), STR(ROWS_PER_STEP)));
    if (r == NULL) return -1;
    int result = -1;
    struct str next = ask_text(r, 0);
    if (r->elements != 2 || r->element[1]->type != REDIS_REPLY_ARRAY || next.n >= 24) {
        buf_printf(err, "Redis: not an answer to HSCAN");
        goto out;
    }
    const redisReply *pairs = r->element[1];
    memcpy(cursor, next.p, next.n);
    cursor[next.n] = '\0';
    for (size_t i = 0; i + 1 < pairs->elements; i += 2) {
        if (!pack_add(rows, ask_text(pairs, i), ask_text(pairs, i + 1))) {
            buf_printf(err, "out of memory");
            goto out;
        }
    }
    result = 0;
out:
    freeReplyObject(r);
    return result;
}

int range_read_hash(const struct range_source *s, const struct key *key, struct buf *rows,
                    struct buf *err)
{
    char cursor[24] = "0";
    do {
        if (scan(s, key, cursor, rows, err) < 0) return -1;
    } while (strcmp(cursor, "0") != 0);
    return 0;
}

/* 1: the field is there, and its rows are appended; 0: it is not. */
static int read_field(const struct range_source *s, struct key key, const char *field,
                      struct buf *rows, struct buf *err)
{
    redisReply *r = ask(s->redis, err, ARGV(STR("HGET"), key_str(&key), str_of(field)));
    if (r == NULL) return -1;
    bool packed = r->type == REDIS_REPLY_STRING;
    enum pack_result read = packed ? pack_read((struct str){r->str, r->len}, rows) : PACK_OK;
    freeReplyObject(r);
    if (read == PACK_OK) return packed;
    buf_printf(err, read == PACK_MEMORY ? "out of memory" : "%s holds damaged rows", key.p);
    return -1;
}

static int read_packed(const struct range_source *s, unsigned part, uint32_t day, struct buf *rows,
                       struct buf *err)
{
    struct day_field field;
    struct key key = key_month(part, s->site, day, &field);
    return read_field(s, key, field.text, rows, err);
}

int range_read_day(const struct range_source *s, unsigned part, uint32_t day, struct buf *rows,
                   struct buf *err)
{
    struct key key = key_day(part, s->site, day);
    size_t from = rows->n;
    int packed = read_packed(s, part, day, rows, err);
    if (packed != 0) return packed < 0 ? -1 : 0;
    if (range_read_hash(s, &key, rows, err) < 0) return -1;

    /* It may have been packed while its hash was read; then all of it is there. */
    size_t end = rows->n;
    packed = read_packed(s, part, day, rows, err);
    if (packed <= 0) return packed;
    memmove(rows->p + from, rows->p + end, rows->n - end);
    rows->n -= end - from;
    return 0;
}

static int read_months(const struct range_source *s, unsigned part, struct range *r,
                       struct buf *err)
{
    struct buf rows;
    buf_init(&rows, RANGE_PART_MAX_BYTES);
    int result = 0;
    for (size_t i = 0; result >= 0 && i < r->months_n; i++) {
        struct month_field field = key_month_field(r->months[i].day);
        buf_clear(&rows);
        result = read_field(s, key_months(part, s->site), field.text, &rows, err);
        if (result <= 0 || range_add_month(r, r->months[i].day, buf_str(&rows))) continue;
        buf_printf(err, "out of memory");
        result = -1;
    }
    buf_fini(&rows);
    return result < 0 ? -1 : 0;
}

/* Before kept_day there may be dates in a partition whose hits are older than those of others. */
static bool wanted(const struct range *r, uint32_t day)
{
    if (day >= r->kept_day) return true;
    return r->months_n > 0 && day_to_month(day) - r->months[0].day < r->months_n;
}

static int read_once(const struct range_source *s, struct range *r, struct buf *err)
{
    struct range_extent extent;
    if (range_read_extent(s, &extent, err) < 0) return -1;
    if (!range_keep(r, extent.kept_day)) {
        buf_printf(err, "out of memory");
        return -1;
    }
    struct buf rows;
    buf_init(&rows, RANGE_PART_MAX_BYTES);
    int result = 0;
    for (unsigned i = 0; result == 0 && i < range_parts(s); i++) {
        result = read_months(s, range_part(s, i), r, err);
        for (uint32_t day = r->from; result == 0 && day <= r->to; day++) {
            if (!wanted(r, day)) continue;
            buf_clear(&rows);
            result = range_read_day(s, range_part(s, i), day, &rows, err);
            if (result == 0 && !range_add(r, day, buf_str(&rows))) {
                buf_printf(err, "out of memory");
                result = -1;
            }
        }
    }
    buf_fini(&rows);
    return result;
}

/* The ids of the last commits of all partitions, one after another. */
static int read_commits(const struct range_source *s, struct buf *ids, struct buf *err)
{
    for (unsigned i = 0; i < range_parts(s); i++) {
        struct key key = key_commit(range_part(s, i));
        redisReply *r = ask(s->redis, err, ARGV(STR("HGET"), key_str(&key), STR("id")));
        if (r == NULL) return -1;
        if (r->type == REDIS_REPLY_STRING) buf_add(ids, (struct str){r->str, r->len});
        buf_add_char(ids, '\n');
        freeReplyObject(r);
    }
    return 0;
}

int range_read(const struct range_source *s, uint32_t from, uint32_t to, struct range **out,
               struct buf *err)
{
    struct buf before, after;
    int result = -1;
    buf_init(&before, 0);
    buf_init(&after, 0);
    *out = NULL;
    if (read_commits(s, &before, err) < 0) goto out;
    for (int tries = READ_TRIES; tries > 0; tries--) {
        range_free(*out);
        *out = range_new(s->site, from, to);
        if (*out == NULL) buf_printf(err, "out of memory");
        buf_clear(&after);
        if (*out == NULL || read_once(s, *out, err) < 0) goto out;
        if (read_commits(s, &after, err) < 0) goto out;
        if (str_eq(buf_str(&before), buf_str(&after))) break;
        struct buf swap = before;
        before = after;
        after = swap;
    }
    result = 0;
out:
    buf_fini(&before);
    buf_fini(&after);
    if (result < 0) {
        range_free(*out);
        *out = NULL;
    }
    return result;
}

/* Asks one partition for the names of up to PAGES_PER_QUESTION rows. */
static int ask_pages(const struct range_source *s, unsigned part, struct range *r,
                     struct range_row **rows, size_t n, struct buf *err)
{
    struct str argv[2 + PAGES_PER_QUESTION];
    struct key key = key_pages(part, s->site);
    argv[0] = STR("HMGET");
    argv[1] = key_str(&key);
    for (size_t i = 0; i < n; i++)
        argv[2 + i] = str_from(rows[i]->name, 1);
    redisReply *reply = ask(s->redis, err, (int)n + 2, argv);
    if (reply == NULL) return -1;
    int result = 0;
    for (size_t i = 0; i < n; i++) {
        struct str page = ask_text(reply, i);
        if (page.n > 0 && !range_set_page(r, rows[i], page)) {
            buf_printf(err, "out of memory");
            result = -1;
            break;
        }
    }
    freeReplyObject(reply);
    return result;
}

int range_read_pages(const struct range_source *s, struct range *r, const struct range_top *pages,
                     struct buf *err)
{
    for (unsigned part = 0; part < range_parts(s); part++) {
        struct range_row *rows[PAGES_PER_QUESTION];
        size_t n = 0;
        for (size_t i = 0; i < pages->n; i++) {
            struct range_row *row = pages->rows[i];
            if (row->page.n == 0 && row->name.n == 1 + 8) rows[n++] = row;
            bool full = n == PAGES_PER_QUESTION || i + 1 == pages->n;
            if (!full || n == 0) continue;
            if (ask_pages(s, range_part(s, part), r, rows, n, err) < 0) return -1;
            n = 0;
        }
    }
    return 0;
}
