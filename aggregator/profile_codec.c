/*
 * A profile's value. Zeros are left out wherever something can be absent, and the small numbers of
 * a page and of its weeks share a byte: there are many profiles, and most of their figures are 0
 * or 1.
 */
#include "profile.h"

#include <assert.h>
#include <stdlib.h>

#include "bytes.h"
#include "interest.h"
#include "share.h"
#include "sitestate.h"

enum { PROFILE_VERSION = 3 };
enum {
    FLAG_APPROXIMATE = 1,
    FLAG_RECENT_APPROXIMATE = 2,
    FLAG_SETTLED = 4,
    FLAG_SIGNED = 8,
    FLAGS_ALL = 15,
};
#define INTEREST_MAX (UINT64_C(1) << 60)

/* What is written of a page besides its counts; numbers of 7 bits take one byte. */
enum {
    PART_INTEREST = 1,
    PART_WEEKS = 2,
    PART_ONE_WEEK = 4,  /* it has but one week, and all that there is lies in it */
    PART_FIRST_DAY = 8, /* another than the last */
    PART_PASSED = 16,
    PART_INTEREST_BEFORE = 32,
    PARTS_ALL = 63,
};

/* Counts: three of 2 bits, and whether the pageviews follow. */
enum { COUNT_MORE = 3, COUNT_BITS = 2, COUNT_OPENED = 64, COUNTS_ALL = 127 };

/* Encoding. */

static bool week_empty(const struct profile_week *w)
{
    return w->seen == 0 && w->opened == 0;
}

static void encode_counts(const struct profile_week *w, struct buf *out)
{
    const uint32_t counts[] = {w->seen, w->tried, w->used};
    uint32_t byte = w->opened == w->tried + w->used ? 0 : COUNT_OPENED;
    for (int i = 0; i < 3; i++)
        byte |= (counts[i] < COUNT_MORE ? counts[i] : COUNT_MORE) << (i * COUNT_BITS);
    buf_add_char(out, (char)byte);
    for (int i = 0; i < 3; i++) {
        if (counts[i] >= COUNT_MORE) buf_add_varint(out, counts[i] - COUNT_MORE);
    }
    if (byte & COUNT_OPENED) buf_add_varint(out, w->opened);
}

static struct profile_week life_of(const struct profile_page *page)
{
    return (struct profile_week){page->seen, page->tried, page->used, page->views};
}

static bool same_counts(const struct profile_week *a, const struct profile_week *b)
{
    return a->seen == b->seen && a->tried == b->tried && a->used == b->used &&
           a->opened == b->opened;
}

static uint32_t weeks_of(const struct profile *p, const struct profile_page *page)
{
    uint32_t weeks = 0;
    for (uint32_t age = 0; age < PROFILE_WEEKS; age++) {
        if (!week_empty(&page->weeks[profile_week_slot(p, age)])) weeks |= 1u << age;
    }
    return weeks;
}

static uint32_t parts_of(const struct profile *p, const struct profile_page *page, uint32_t weeks)
{
    struct profile_week life = life_of(page);
    uint32_t age = (uint32_t)__builtin_ctz(weeks | 1u << PROFILE_WEEKS);
    bool one = weeks == 1u << age && same_counts(&page->weeks[profile_week_slot(p, age)], &life);
    return (page->interest[0] > 0 ? PART_INTEREST : 0) | (weeks != 0 ? PART_WEEKS : 0) |
           (one ? PART_ONE_WEEK : 0) | (page->first_day != page->last_day ? PART_FIRST_DAY : 0) |
           (page->passed > 0 ? PART_PASSED : 0) |
           (page->interest[1] > 0 ? PART_INTEREST_BEFORE : 0);
}

static void encode_page(const struct profile *p, const struct profile_page *page, struct buf *out)
{
    uint32_t weeks = weeks_of(p, page), parts = parts_of(p, page, weeks);
    struct profile_week life = life_of(page);
    buf_add_le64(out, page->page);
    buf_add_varint(out, parts);
    encode_counts(&life, out);
    if (page->views > 0) {
        buf_add_varint(out, page->engaged_ms);
        buf_add_varint(out, p->newest_day - page->last_day);
    }
    if (page->seen > 0) buf_add_varint(out, p->newest_day - page->last_seen_day);
    if (parts & PART_INTEREST) buf_add_varint(out, (uint64_t)page->interest[0]);
    if (parts & PART_WEEKS) buf_add_char(out, (char)weeks);
    for (uint32_t age = 0; age < PROFILE_WEEKS && !(parts & PART_ONE_WEEK); age++) {
        if (weeks >> age & 1) encode_counts(&page->weeks[profile_week_slot(p, age)], out);
    }
    if (parts & PART_FIRST_DAY) buf_add_varint(out, page->last_day - page->first_day);
    if (parts & PART_PASSED) buf_add_varint(out, page->passed);
    if (page->passed > 1) { /* else one day, on which it was seen last */
        buf_add_varint(out, page->passed_days);
        buf_add_varint(out, page->last_seen_day - page->passed_from);
    }
    if (parts & PART_INTEREST_BEFORE) buf_add_varint(out, (uint64_t)page->interest[1]);
}

static void encode_days(const struct profile *p, struct buf *out)
{
    uint32_t n = 0, before = 0;
    for (uint32_t i = 0; i < PROFILE_DAYS; i++)
        n += p->day_sessions[i] != 0;
    buf_add_varint(out, n);
    for (uint32_t age = 0; age < PROFILE_DAYS; age++) {
        uint32_t sessions = p->day_sessions[profile_day_slot(p, age)];
        if (sessions == 0) continue;
        buf_add_varint(out, (age - before) * 2 + (sessions > 1));
        if (sessions > 1) buf_add_varint(out, sessions);
        before = age;
    }
}

static void encode_settled(const struct profile *p, struct buf *out)
{
    uint32_t before = 0;
    buf_add_varint(out, zigzag(p->recent.newest_ms / DAY_MS - (int64_t)p->newest_day));
    buf_add_varint(out, (uint64_t)(p->recent.newest_ms - p->first_ms));
    buf_add_varint(out, p->sessions);
    buf_add_varint(out, p->days);
    buf_add_varint(out, p->views);
    buf_add_varint(out, p->engaged_ms);
    encode_days(p, out);
    buf_add_varint(out, p->marks_n);
    for (uint32_t i = 0; i < p->marks_n; i++) {
        buf_add_varint(out, p->marks[i].key - before);
        buf_add_varint(out, p->marks[i].sessions);
        before = p->marks[i].key;
    }
    buf_add_varint(out, p->pages_n);
    for (uint32_t i = 0; i < p->pages_n; i++) {
        assert(i == 0 || p->pages[i - 1].page < p->pages[i].page);
        encode_page(p, &p->pages[i], out);
    }
}

/* 0 is none. */
static void encode_last(const struct profile *p, int64_t newest_ms, struct buf *out)
{
    buf_add_varint(out, p->last_ms == 0 ? 0 : (uint64_t)(newest_ms - p->last_ms) + 1);
}

static void encode_shares(const struct profile *p, struct buf *out)
{
    const struct visitor *v = &p->recent;
    buf_add_varint(out, (uint64_t)(v->newest_ms - v->link_ms));
    buf_add_le64(out, v->link);
    encode_last(p, v->newest_ms, out);
    buf_add_varint(out, p->nobody_n);
    for (uint32_t i = 0; i < p->nobody_n; i++) {
        buf_add_le64(out, p->nobody[i].page);
        buf_add_varint(out, p->nobody[i].day);
    }
    buf_add_varint(out, p->parts_n);
    for (uint32_t i = 0; i < p->parts_n; i++) {
        const struct profile *part = p->parts[i].settled;
        assert(part->sessions > 0 && part->recent.newest_ms == v->newest_ms);
        buf_add_le64(out, p->parts[i].owner);
        buf_add_varint(out, part->approximate ? FLAG_APPROXIMATE : 0);
        encode_last(part, v->newest_ms, out);
        encode_settled(part, out);
    }
}

bool profile_encode(const struct profile *p, struct buf *out)
{
    bool settled = p->sessions > 0;
    buf_add_char(out, PROFILE_VERSION);
    buf_add_varint(out, (p->approximate ? FLAG_APPROXIMATE : 0) |
                            (p->recent.approximate ? FLAG_RECENT_APPROXIMATE : 0) |
                            (settled ? FLAG_SETTLED : 0) |
                            (p->recent.link != CUSTOMER_NONE ? FLAG_SIGNED : 0));
    buf_add_varint(out, (uint64_t)p->recent.newest_ms);
    if (settled) encode_settled(p, out);
    if (p->recent.link != CUSTOMER_NONE) encode_shares(p, out);
    visitor_encode_recent(&p->recent, out);
    return !out->failed;
}

/* Decoding. */

static uint32_t get_count(struct reader *r)
{
    return (uint32_t)get_upto(r, UINT32_MAX);
}

/* A count that is written only when it is none of 0. */
static uint32_t get_some(struct reader *r)
{
    uint32_t n = get_count(r);
    if (n == 0) r->bad = true;
    return n;
}

static int64_t get_interest(struct reader *r)
{
    uint64_t sum = get_upto(r, INTEREST_MAX);
    if (sum == 0) r->bad = true;
    return (int64_t)sum;
}

static uint32_t get_byte(struct reader *r, uint32_t max)
{
    struct str byte = get_bytes(r, 1);
    if (byte.n == 1 && (unsigned char)byte.p[0] <= max) return (unsigned char)byte.p[0];
    r->bad = true;
    return 0;
}

/* A day `off` before another. */
static uint32_t get_day_before(struct reader *r, uint32_t day)
{
    return day - (uint32_t)get_upto(r, day);
}

static void decode_days(struct reader *r, struct profile *p)
{
    uint32_t n = (uint32_t)get_upto(r, PROFILE_DAYS), age = 0;
    for (uint32_t i = 0; i < n && !r->bad; i++) {
        uint32_t step = (uint32_t)get_upto(r, (PROFILE_DAYS - 1 - age) * 2 + 1);
        age += step / 2;
        if ((i > 0 && step < 2) || age > p->newest_day) r->bad = true;
        p->day_sessions[profile_day_slot(p, age)] = step & 1 ? get_some(r) : 1;
    }
}

static bool decode_marks(struct reader *r, struct profile *p)
{
    uint32_t n = (uint32_t)get_upto(r, PROFILE_MARKS_MAX), key = 0;
    if (r->bad || n == 0) return !r->bad;
    if ((p->marks = calloc(n, sizeof *p->marks)) == NULL) return false;
    p->marks_cap = n;
    while (p->marks_n < n) {
        uint32_t step = (uint32_t)get_upto(r, (MARK_KINDS << 16) - 1 - key);
        key += step;
        p->marks[p->marks_n] = (struct profile_mark){key, get_some(r)};
        if (r->bad || (p->marks_n > 0 && step == 0)) return false;
        p->marks_n++;
    }
    return true;
}

static struct profile_week decode_counts(struct reader *r)
{
    uint32_t byte = get_byte(r, COUNTS_ALL), counts[3];
    for (int i = 0; i < 3; i++) {
        counts[i] = byte >> (i * COUNT_BITS) & COUNT_MORE;
        if (counts[i] == COUNT_MORE) counts[i] += (uint32_t)get_upto(r, UINT32_MAX - COUNT_MORE);
    }
    struct profile_week w = {counts[0], counts[1], counts[2], counts[1] + counts[2]};
    if (byte & COUNT_OPENED) w.opened = get_count(r);
    if (week_empty(&w)) r->bad = true;
    return w;
}

static void decode_weeks(struct reader *r, uint32_t parts, const struct profile *p,
                         struct profile_page *page)
{
    uint32_t weeks = get_byte(r, 255);
    bool one = parts & PART_ONE_WEEK;
    if (weeks == 0 || (one && (weeks & (weeks - 1)) != 0)) r->bad = true;
    for (uint32_t age = 0; age < PROFILE_WEEKS && !r->bad; age++) {
        if (!(weeks >> age & 1)) continue;
        page->weeks[profile_week_slot(p, age)] = one ? life_of(page) : decode_counts(r);
    }
}

static void decode_page(struct reader *r, const struct profile *p, struct profile_page *page)
{
    page->page = get_le64(r);
    uint32_t parts = (uint32_t)get_upto(r, PARTS_ALL);
    struct profile_week life = decode_counts(r);
    page->seen = life.seen;
    page->tried = life.tried;
    page->used = life.used;
    page->views = life.opened;
    if (page->views > 0) {
        page->engaged_ms = get_varint(r);
        page->last_day = page->first_day = get_day_before(r, p->newest_day);
    }
    if (page->seen > 0) page->last_seen_day = get_day_before(r, p->newest_day);
    if (parts & PART_INTEREST) page->interest[0] = get_interest(r);
    if (parts & PART_WEEKS) decode_weeks(r, parts, p, page);
    if (parts & PART_FIRST_DAY) page->first_day = get_day_before(r, page->last_day);
    if (parts & PART_PASSED) {
        page->passed = get_some(r);
        page->passed_days = page->passed > 1 ? get_some(r) : 1;
        page->passed_from = page->last_seen_day;
        if (page->passed > 1) page->passed_from = get_day_before(r, page->last_seen_day);
    }
    if (parts & PART_INTEREST_BEFORE) page->interest[1] = get_interest(r);
}

static bool decode_pages(struct reader *r, struct profile *p)
{
    uint32_t n = (uint32_t)get_upto(r, PROFILE_PAGES_MAX);
    if (r->bad || n == 0) return !r->bad;
    if ((p->pages = calloc(n, sizeof *p->pages)) == NULL) return false;
    p->pages_cap = n;
    while (p->pages_n < n) {
        struct profile_page *page = &p->pages[p->pages_n];
        decode_page(r, p, page);
        if (r->bad || (p->pages_n > 0 && page[-1].page >= page->page)) return false;
        p->pages_n++;
    }
    return true;
}

static bool decode_settled(struct reader *r, struct profile *p)
{
    int64_t newest_ms = p->recent.newest_ms, today = newest_ms / DAY_MS, ago = get_zigzag(r);
    if (ago > today || ago < today - (int64_t)HIT_DAY_MAX) r->bad = true;
    p->newest_day = r->bad ? 0 : (uint32_t)(today - ago);
    p->first_ms = newest_ms - (int64_t)get_upto(r, (uint64_t)newest_ms);
    p->sessions = get_varint(r);
    p->days = get_varint(r);
    p->views = get_varint(r);
    p->engaged_ms = get_varint(r);
    if (p->sessions == 0) r->bad = true;
    decode_days(r, p);
    return !r->bad && decode_marks(r, p) && decode_pages(r, p);
}

static int64_t get_time_before(struct reader *r, int64_t newest_ms)
{
    return newest_ms - (int64_t)get_upto(r, (uint64_t)newest_ms);
}

static int64_t get_last(struct reader *r, int64_t newest_ms)
{
    uint64_t back = get_upto(r, (uint64_t)newest_ms);
    return back == 0 ? 0 : newest_ms - (int64_t)back + 1;
}

static uint64_t get_customer(struct reader *r)
{
    uint64_t key = get_le64(r);
    if (key <= CUSTOMER_TORN) r->bad = true;
    return key;
}

static bool decode_nobody(struct reader *r, struct profile *p)
{
    uint32_t n = (uint32_t)get_upto(r, FROZEN_PAGES_MAX);
    if (r->bad || n == 0) return !r->bad;
    if ((p->nobody = calloc(n, sizeof *p->nobody)) == NULL) return false;
    for (; p->nobody_n < n; p->nobody_n++) {
        struct frozen_page *page = &p->nobody[p->nobody_n];
        page->page = get_le64(r);
        page->day = (uint32_t)get_upto(r, HIT_DAY_MAX);
        if (r->bad || (p->nobody_n > 0 && page[-1].page >= page->page)) return false;
    }
    return true;
}

static bool decode_parts(struct reader *r, struct profile *p)
{
    uint32_t n = (uint32_t)get_upto(r, PROFILE_PARTS_MAX);
    if (r->bad || n == 0) return !r->bad;
    if ((p->parts = calloc(n, sizeof *p->parts)) == NULL) return false;
    while (p->parts_n < n) {
        struct profile_part *part = &p->parts[p->parts_n];
        part->owner = get_customer(r);
        struct profile *settled = part->settled = calloc(1, sizeof *settled);
        if (settled == NULL) return false;
        p->parts_n++;
        settled->recent.newest_ms = p->recent.newest_ms;
        settled->newest_year = p->newest_year;
        settled->approximate = get_upto(r, FLAG_APPROXIMATE) != 0;
        settled->last_ms = get_last(r, p->recent.newest_ms);
        if (r->bad || (p->parts_n > 1 && part[-1].owner >= part->owner)) return false;
        if (!decode_settled(r, settled)) return false;
    }
    return true;
}

static bool decode_shares(struct reader *r, struct profile *p)
{
    p->recent.link_ms = get_time_before(r, p->recent.newest_ms);
    p->recent.link = get_customer(r);
    p->last_ms = get_last(r, p->recent.newest_ms);
    return decode_nobody(r, p) && decode_parts(r, p);
}

bool profile_decode(struct str in, struct profile *p)
{
    if (in.n == 0 || in.p[0] != PROFILE_VERSION) return false;
    struct reader r = reader_of(str_from(in, 1));
    uint32_t flags = (uint32_t)get_upto(&r, FLAGS_ALL);
    p->approximate = flags & FLAG_APPROXIMATE;
    p->recent.approximate = flags & FLAG_RECENT_APPROXIMATE;
    p->recent.newest_ms = (int64_t)get_upto(&r, HIT_AT_MAX_MS);
    p->newest_year = interest_year(p->recent.newest_ms);
    if ((!(flags & FLAG_SETTLED) || decode_settled(&r, p)) &&
        (!(flags & FLAG_SIGNED) || decode_shares(&r, p)) && visitor_decode_recent(&r, &p->recent) &&
        reader_done(&r) && share_mirror(p))
        return true;
    profile_fini(p);
    return false;
}
