/*
 * The clock of a site is its hits: the newest event time decides what is late and, with the number
 * of hits since, when a day of daily visitors closes. All of it moves hit by hit in the order of
 * the stream, so batch borders do not matter.
 *
 * A live day closes when every hit that could still count for it would be late: a pageview of local
 * day d begins before d + 1.5 days UTC, its hits count for 24 h more, and late_after comes on top.
 * Logs are never late, so a day with imported hits also waits until the import has passed it by.
 */
#include "sitestate.h"

#include <assert.h>

#include "bytes.h"
#include "clock.h"

enum { SITESTATE_VERSION = 1 };

void sitestate_init(struct sitestate *s, struct str name)
{
    *s = (struct sitestate){0};
    size_t n = name.n < HIT_SITE_MAX_BYTES ? name.n : HIT_SITE_MAX_BYTES;
    if (n > 0) memcpy(s->name, name.p, n);
}

bool sitestate_encode(const struct sitestate *s, struct buf *out)
{
    buf_add_char(out, SITESTATE_VERSION);
    buf_add_varint(out, (uint64_t)s->watermark_ms);
    buf_add_varint(out, (uint64_t)s->imported_ms);
    buf_add_varint(out, s->first_day);
    buf_add_varint(out, s->last_day);
    buf_add_varint(out, s->hits);
    buf_add_varint(out, s->open_n);
    for (uint32_t i = 0; i < s->open_n; i++) {
        buf_add_varint(out, s->open[i].day);
        buf_add_varint(out, s->open[i].flags);
        buf_add_varint(out, s->open[i].touched);
    }
    if (s->kept_day != 0) buf_add_varint(out, s->kept_day);
    return !out->failed;
}

/* All but the name. */
static void forget(struct sitestate *s)
{
    size_t from = offsetof(struct sitestate, watermark_ms);
    memset((char *)s + from, 0, sizeof *s - from);
}

bool sitestate_decode(struct str in, struct sitestate *s)
{
    forget(s);
    if (in.n == 0 || in.p[0] != SITESTATE_VERSION) return false;
    struct reader r = reader_of(str_from(in, 1));
    s->watermark_ms = (int64_t)get_upto(&r, INT64_MAX / 2);
    s->imported_ms = (int64_t)get_upto(&r, INT64_MAX / 2);
    s->first_day = (uint32_t)get_upto(&r, UINT32_MAX);
    s->last_day = (uint32_t)get_upto(&r, UINT32_MAX);
    s->hits = get_varint(&r);
    s->open_n = (uint32_t)get_upto(&r, OPEN_DAYS_MAX);
    for (uint32_t i = 0; i < s->open_n; i++) {
        s->open[i].day = (uint32_t)get_upto(&r, UINT32_MAX);
        s->open[i].flags = (uint32_t)get_upto(&r, OPEN_LIVE | OPEN_IMPORTED);
        s->open[i].touched = get_upto(&r, s->hits);
        if (i > 0 && s->open[i].day <= s->open[i - 1].day) r.bad = true;
    }
    if (!reader_done(&r)) s->kept_day = (uint32_t)get_upto(&r, HIT_DAY_MAX);
    if (!r.bad && reader_done(&r)) return true;
    forget(s);
    return false;
}

bool sitestate_hit(struct sitestate *s, const struct hit *h)
{
    s->hits++;
    if (s->first_day == 0 || h->day < s->first_day) s->first_day = h->day;
    if (h->day > s->last_day) s->last_day = h->day;
    if (h->kind == HIT_TALLY) return true;
    if (h->flags & HIT_IMPORTED) {
        if (h->at_ms > s->imported_ms) s->imported_ms = h->at_ms;
        return true;
    }
    if (h->at_ms > s->watermark_ms) s->watermark_ms = h->at_ms;
    return h->at_ms >= s->watermark_ms - LATE_AFTER_MS;
}

bool sitestate_touch(struct sitestate *s, uint32_t day, bool imported)
{
    uint32_t flag = imported ? OPEN_IMPORTED : OPEN_LIVE;
    uint32_t i = s->open_n;
    while (i > 0 && s->open[i - 1].day > day)
        i--;
    if (i > 0 && s->open[i - 1].day == day) {
        s->open[i - 1].flags |= flag;
        s->open[i - 1].touched = s->hits;
        return false;
    }
    assert(s->open_n <= OPEN_DAYS_MAX); /* one above the limit until sitestate_close */
    memmove(s->open + i + 1, s->open + i, (s->open_n - i) * sizeof *s->open);
    s->open[i] = (struct open_day){day, flag, s->hits};
    s->open_n++;
    return true;
}

uint32_t sitestate_open_from(uint32_t last_day)
{
    return last_day > OPEN_ROWS_DAYS ? last_day - OPEN_ROWS_DAYS : 0;
}

void sitestate_retain(struct sitestate *s, const struct retention *keep)
{
    if (s->last_day < keep->days) return;
    uint32_t kept = month_to_day(day_to_month(s->last_day - keep->days + 1));
    if (kept > s->kept_day && kept > s->first_day) s->kept_day = kept;
    uint32_t newest = day_to_month(s->last_day);
    uint32_t oldest = newest < keep->months ? 0 : month_to_day(newest - keep->months + 1);
    if (oldest > s->first_day && oldest <= s->kept_day) s->first_day = oldest;
}

static bool due(const struct sitestate *s, const struct open_day *o)
{
    uint64_t live_day = (uint64_t)s->watermark_ms / DAY_MS;
    uint64_t log_day = (uint64_t)s->imported_ms / DAY_MS;
    uint64_t newest_day = live_day > log_day ? live_day : log_day;
    uint64_t last_day = (uint64_t)o->day + CLOSE_AFTER_DAYS;
    if ((o->flags & OPEN_LIVE) && last_day >= live_day) return false;
    if (!(o->flags & OPEN_IMPORTED)) return true;
    return last_day < newest_day && s->hits - o->touched > CLOSE_AFTER_HITS;
}

bool sitestate_close(struct sitestate *s, uint32_t *day)
{
    uint32_t i = 0, oldest = 0;
    while (i < s->open_n && !due(s, &s->open[i])) {
        if (s->open[i].touched < s->open[oldest].touched) oldest = i;
        i++;
    }
    if (i == s->open_n) {
        if (s->open_n <= OPEN_DAYS_MAX) return false;
        i = oldest;
    }
    *day = s->open[i].day;
    s->open_n--;
    memmove(s->open + i, s->open + i + 1, (s->open_n - i) * sizeof *s->open);
    return true;
}
