/*
 * A visitor's value. Almost all of a profile is its recent pageviews, and one differs from the one
 * before it in little but its time, page and id: what is as before is left out, small numbers share
 * a byte, and the links seen again on page after page (every menu is) take a bit each.
 *
 * The decoder trusts nothing: counts are bounded before memory is taken, and what is out of order
 * or out of range is refused, so that the fold can rely on order.
 */
#include "visitor.h"

#include <assert.h>
#include <stdlib.h>

#include "customer.h"
#include "sitestate.h"

enum { VISITOR_VERSION = 2 };

/* What is written of a pageview; the rarest last, since numbers of 7 bits take one byte. */
enum {
    PART_ID = 1,
    PART_ENGAGED = 2,
    PART_PLACE = 4, /* device, browser, system, country: not as before */
    PART_CHANNEL = 8,
    PART_DEPTH = 16,
    PART_INTERACTION = 32,
    PART_SEEN = 64,
    PART_FLAGS = 128, /* times the flags of the pageview */
    PART_OWNER =
        ((PV_BOT | PV_NOT_FOUND | PV_GOAL | PV_IMPORTED) + 1) * PART_FLAGS, /* not as before */
    PART_ERRORS = PART_OWNER * 2,
    PARTS_ALL = PART_ERRORS * 2 - 1,
};

enum { WAITING_SIGNED = 128, WAITING_ERRORS = 256 }; /* beside kind and WAITING_GOAL */

/* Day and numbers: two bits for the day, as days after the day before that of `at` in UTC, the
 * third says that the numbers are others than 0 to n - 1; else n is the rest. */
enum { DAY_ELSEWHERE = 3, NUMBERS_OTHER = 4, NUMBERS_UNIT = 8 };

/* Encoding. */

static const struct pageview nothing;

static bool same_place(const struct pageview *a, const struct pageview *b)
{
    return a->device == b->device && a->browser == b->browser && a->os == b->os &&
           memcmp(a->country, b->country, sizeof a->country) == 0;
}

static bool same_channel(const struct pageview *a, const struct pageview *b)
{
    return a->channel == b->channel && a->source_n == b->source_n &&
           (a->source_n == 0 || memcmp(a->source, b->source, a->source_n) == 0);
}

/* n when the numbers are 0 to n - 1; else PAGEVIEW_MAX_HITS + 1. */
static uint32_t numbers_run(const struct pageview *p)
{
    uint32_t n = 0;
    while (n < PAGEVIEW_MAX_HITS && p->numbers[n / 64] >> (n % 64) & 1)
        n++;
    for (uint32_t i = n / 64; i < 4; i++) {
        uint64_t below = i == n / 64 ? (UINT64_C(1) << (n % 64)) - 1 : 0;
        if (p->numbers[i] != below) return PAGEVIEW_MAX_HITS + 1;
    }
    return n;
}

static void encode_day_and_numbers(const struct pageview *p, struct buf *out)
{
    uint64_t utc_day = (uint64_t)(p->at_ms / DAY_MS), off = p->day + 1 - utc_day;
    uint32_t run = p->id == 0 ? 0 : numbers_run(p);
    uint32_t both = off < DAY_ELSEWHERE ? (uint32_t)off : DAY_ELSEWHERE;
    both += run > PAGEVIEW_MAX_HITS ? NUMBERS_OTHER : run * NUMBERS_UNIT;
    buf_add_varint(out, both);
    if (p->id != 0) buf_add_le64(out, p->id);
    if ((both & DAY_ELSEWHERE) == DAY_ELSEWHERE) buf_add_varint(out, p->day);
    for (int i = 0; i < 4 && both & NUMBERS_OTHER; i++)
        buf_add_varint(out, p->numbers[i]);
}

/* Both lists rise. */
static void encode_seen(const struct pageview *p, const struct pageview *before, struct buf *out)
{
    unsigned char again[VIEW_SEEN_MAX / 8] = {0};
    uint64_t others[VIEW_SEEN_MAX];
    uint32_t others_n = 0;
    for (uint32_t i = 0, j = 0; i < p->seen_n; i++) {
        while (j < before->seen_n && before->seen[j] < p->seen[i])
            j++;
        if (j < before->seen_n && before->seen[j] == p->seen[i])
            again[j / 8] |= (unsigned char)(1u << j % 8);
        else
            others[others_n++] = p->seen[i];
    }
    buf_add_varint(out, p->seen_n);
    buf_add(out, (struct str){(const char *)again, (before->seen_n + 7) / 8});
    for (uint32_t i = 0; i < others_n; i++)
        buf_add_le64(out, others[i]);
}

static uint32_t parts_of(const struct pageview *p, const struct pageview *before)
{
    return (p->id != 0 ? PART_ID : 0) | (p->engaged_ms > 0 ? PART_ENGAGED : 0) |
           (same_place(p, before) ? 0 : PART_PLACE) | (same_channel(p, before) ? 0 : PART_CHANNEL) |
           (p->depth > 0 ? PART_DEPTH : 0) | (p->interaction_at_ms != 0 ? PART_INTERACTION : 0) |
           (p->seen_n > 0 ? PART_SEEN : 0) | p->flags * (uint32_t)PART_FLAGS |
           (p->owner == before->owner ? 0 : PART_OWNER) | (p->errors > 0 ? PART_ERRORS : 0);
}

static void encode_view(const struct pageview *p, const struct pageview *before, struct buf *out)
{
    uint32_t parts = parts_of(p, before);
    buf_add_le64(out, p->page);
    buf_add_varint(out, parts);
    encode_day_and_numbers(p, out);
    if (parts & PART_PLACE) {
        char place[5] = {(char)p->device, (char)p->browser, (char)p->os, p->country[0],
                         p->country[1]};
        buf_add(out, (struct str){place, sizeof place});
    }
    if (parts & PART_CHANNEL) {
        buf_add_char(out, (char)p->channel);
        buf_add_varint(out, p->source_n);
        buf_add(out, (struct str){p->source, p->source_n});
    }
    if (parts & PART_ENGAGED) {
        buf_add_varint(out, p->engaged_ms);
        buf_add_varint(out, zigzag(p->engaged_at_ms - p->at_ms));
    }
    if (parts & PART_INTERACTION) buf_add_varint(out, zigzag(p->interaction_at_ms - p->at_ms));
    if (parts & PART_DEPTH) buf_add_char(out, (char)p->depth);
    if (parts & PART_OWNER) buf_add_le64(out, p->owner);
    if (parts & PART_SEEN) encode_seen(p, before, out);
    if (parts & PART_ERRORS) buf_add_varint(out, p->errors);
}

static void encode_waiting(const struct waiting *w, struct buf *out)
{
    buf_add_le64(out, w->id);
    buf_add_varint(out, w->number);
    buf_add_varint(out, w->kind | (w->owner != CUSTOMER_NONE ? WAITING_SIGNED : 0) |
                            (w->errors > 0 ? WAITING_ERRORS : 0));
    buf_add_varint(out, (uint64_t)w->at_ms);
    buf_add_varint(out, w->engaged_ms);
    buf_add_varint(out, (uint64_t)w->engaged_at_ms);
    buf_add_varint(out, (uint64_t)w->interaction_at_ms);
    buf_add_varint(out, w->depth);
    buf_add_varint(out, w->text_n);
    buf_add(out, (struct str){w->text, w->text_n});
    if (w->owner != CUSTOMER_NONE) buf_add_le64(out, w->owner);
    if (w->errors > 0) buf_add_varint(out, w->errors);
}

void visitor_encode_recent(const struct visitor *v, struct buf *out)
{
    const struct pageview *before = &nothing;
    buf_add_varint(out, v->views_n);
    for (uint32_t i = 0; i < v->views_n; i++) {
        const struct pageview *p = &v->views[i];
        assert(i == 0 || pageview_order(before, p) <= 0);
        assert(p->at_ms <= v->newest_ms);
        buf_add_varint(out,
                       (uint64_t)(i == 0 ? v->newest_ms - p->at_ms : p->at_ms - before->at_ms));
        encode_view(p, before, out);
        before = p;
    }
    buf_add_varint(out, 2 * (uint64_t)v->waiting_n + (v->orders.n > 0));
    for (uint32_t i = 0; i < v->waiting_n; i++)
        encode_waiting(&v->waiting[i], out);
    if (v->orders.n > 0) orders_encode(&v->orders, out);
}

bool visitor_encode(const struct visitor *v, struct buf *out)
{
    buf_add_char(out, VISITOR_VERSION);
    buf_add_varint(out, v->approximate);
    buf_add_varint(out, (uint64_t)v->newest_ms);
    buf_add_varint(out, v->frozen_day);
    buf_add_varint(out, v->frozen_n);
    for (uint32_t i = 0; i < v->frozen_n; i++) {
        buf_add_le64(out, v->frozen[i].page);
        buf_add_varint(out, v->frozen[i].day);
    }
    visitor_encode_recent(v, out);
    return !out->failed;
}

/* Decoding. A number over its limit turns the reader bad. */

static int64_t get_time(struct reader *r)
{
    return (int64_t)get_upto(r, HIT_AT_MAX_MS);
}

static int64_t get_time_near(struct reader *r, int64_t at_ms)
{
    int64_t off = get_zigzag(r);
    if (off >= -at_ms && off <= HIT_AT_MAX_MS - at_ms) return at_ms + off;
    r->bad = true;
    return 0;
}

/* A copy of the next n bytes; NULL for none, and for too few. */
static char *get_text(struct reader *r, uint32_t n)
{
    struct str s = get_bytes(r, n);
    if (s.n == 0) return NULL;
    char *copy = malloc(s.n);
    if (copy == NULL)
        r->bad = true;
    else
        memcpy(copy, s.p, s.n);
    return copy;
}

static void decode_day_and_numbers(struct reader *r, uint32_t parts, struct pageview *p)
{
    uint32_t both = (uint32_t)get_upto(r, PAGEVIEW_MAX_HITS * NUMBERS_UNIT + DAY_ELSEWHERE);
    if (parts & PART_ID && (p->id = get_le64(r)) == 0) r->bad = true;
    if ((both & DAY_ELSEWHERE) == DAY_ELSEWHERE)
        p->day = (uint32_t)get_upto(r, HIT_DAY_MAX);
    else
        p->day = (uint32_t)(p->at_ms / DAY_MS) + (both & DAY_ELSEWHERE) - 1;
    if (p->day > HIT_DAY_MAX) r->bad = true; /* before 1970, or after the last day */
    for (uint32_t n = 0; n < both / NUMBERS_UNIT; n++)
        p->numbers[n / 64] |= UINT64_C(1) << (n % 64);
    for (int i = 0; i < 4 && both & NUMBERS_OTHER; i++)
        p->numbers[i] = get_varint(r);
}

static void decode_place(struct reader *r, struct pageview *p)
{
    struct str place = get_bytes(r, 5);
    if (place.n != 5) return;
    p->device = (uint8_t)place.p[0];
    p->browser = (uint8_t)place.p[1];
    p->os = (uint8_t)place.p[2];
    memcpy(p->country, place.p + 3, sizeof p->country);
}

/* Channel and source; as before when they are not there. */
static void decode_channel(struct reader *r, uint32_t parts, const struct pageview *before,
                           struct pageview *p)
{
    p->channel = before->channel;
    struct reader as_before = reader_of((struct str){before->source, before->source_n});
    uint32_t n = before->source_n;
    if (parts & PART_CHANNEL) {
        struct str channel = get_bytes(r, 1);
        if (channel.n == 1) p->channel = (uint8_t)channel.p[0];
        n = (uint32_t)get_upto(r, HIT_NAME_MAX_BYTES);
    }
    if (r->bad || n == 0) return;
    p->source = get_text(parts & PART_CHANNEL ? r : &as_before, n);
    if (p->source == NULL) r->bad = true;
    p->source_n = p->source == NULL ? 0 : n;
}

/* Those seen again and the others, which rise each, become one list that rises. */
static void decode_seen(struct reader *r, const struct pageview *before, struct pageview *p)
{
    uint32_t n = (uint32_t)get_upto(r, VIEW_SEEN_MAX);
    struct str again = get_bytes(r, (before->seen_n + 7) / 8);
    uint64_t kept[VIEW_SEEN_MAX];
    uint32_t kept_n = 0;
    for (uint32_t i = 0; i < before->seen_n && !r->bad; i++) {
        if ((unsigned char)again.p[i / 8] >> (i % 8) & 1) kept[kept_n++] = before->seen[i];
    }
    if (r->bad || n == 0 || kept_n > n ||
        (p->seen = malloc((n + SEEN_STEP) * sizeof *p->seen)) == NULL) {
        r->bad = true;
        return;
    }
    uint64_t other = kept_n < n ? get_le64(r) : 0;
    for (uint32_t i = 0, others_n = n - kept_n; i < n; i++) {
        uint32_t k = i - (n - kept_n - others_n);
        if (k < kept_n && (others_n == 0 || kept[k] < other)) {
            p->seen[i] = kept[k];
        } else {
            p->seen[i] = other;
            if (--others_n > 0) other = get_le64(r);
        }
        if (i > 0 && p->seen[i - 1] >= p->seen[i]) r->bad = true;
    }
    p->seen_n = n;
}

static void decode_view(struct reader *r, const struct pageview *before, struct pageview *p)
{
    p->page = get_le64(r);
    uint32_t parts = (uint32_t)get_upto(r, PARTS_ALL);
    p->flags = (uint8_t)(parts % PART_OWNER / PART_FLAGS);
    decode_day_and_numbers(r, parts, p);
    p->device = before->device;
    p->browser = before->browser;
    p->os = before->os;
    memcpy(p->country, before->country, sizeof p->country);
    if (parts & PART_PLACE) decode_place(r, p);
    decode_channel(r, parts, before, p);
    if (parts & PART_ENGAGED) {
        p->engaged_ms = (uint32_t)get_upto(r, ENGAGED_MAX_MS);
        p->engaged_at_ms = get_time_near(r, p->at_ms);
        if (p->engaged_ms == 0) r->bad = true;
    }
    if (parts & PART_INTERACTION) {
        p->interaction_at_ms = get_time_near(r, p->at_ms);
        if (p->interaction_at_ms == 0) r->bad = true;
    }
    if (parts & PART_DEPTH) {
        struct str depth = get_bytes(r, 1);
        if (depth.n == 1) p->depth = (uint8_t)depth.p[0];
        if (p->depth == 0 || p->depth > DEPTH_MAX) r->bad = true;
    }
    p->owner = parts & PART_OWNER ? get_le64(r) : before->owner;
    if (parts & PART_SEEN) decode_seen(r, before, p);
    if (parts & PART_ERRORS && (p->errors = (uint16_t)get_upto(r, ERRORS_MAX)) == 0) r->bad = true;
}

static void decode_waiting(struct reader *r, struct waiting *w)
{
    *w = (struct waiting){.id = get_le64(r)};
    if (w->id == 0) r->bad = true;
    w->number = (uint32_t)get_upto(r, PAGEVIEW_MAX_HITS - 1);
    uint32_t kind = (uint32_t)get_upto(r, WAITING_ERRORS * 2 - 1);
    w->kind = kind % WAITING_SIGNED;
    if (w->kind % WAITING_GOAL >= HIT_KINDS) r->bad = true;
    w->at_ms = get_time(r);
    w->engaged_ms = (uint32_t)get_upto(r, ENGAGED_MAX_MS);
    w->engaged_at_ms = get_time(r);
    w->interaction_at_ms = get_time(r);
    w->depth = (uint32_t)get_upto(r, DEPTH_MAX);
    uint32_t n = (uint32_t)get_upto(r, HIT_LIST_MAX_BYTES);
    w->text = get_text(r, n);
    w->text_n = w->text == NULL ? 0 : n;
    if (kind & WAITING_SIGNED && (w->owner = get_le64(r)) == CUSTOMER_NONE) r->bad = true;
    if (kind & WAITING_ERRORS && (w->errors = (uint32_t)get_upto(r, ERRORS_MAX)) == 0)
        r->bad = true;
}

static bool decode_frozen(struct reader *r, struct visitor *v)
{
    uint32_t n = (uint32_t)get_upto(r, FROZEN_PAGES_MAX);
    if (r->bad || n == 0) return !r->bad;
    if ((v->frozen = calloc(n, sizeof *v->frozen)) == NULL) return false;
    v->frozen_cap = n;
    while (v->frozen_n < n) {
        struct frozen_page *p = &v->frozen[v->frozen_n];
        p->page = get_le64(r);
        p->day = (uint32_t)get_upto(r, HIT_DAY_MAX);
        if (r->bad || (v->frozen_n > 0 && p[-1].page >= p->page)) return false;
        v->frozen_n++;
    }
    return true;
}

static int64_t get_at(struct reader *r, const struct visitor *v, int64_t before_ms)
{
    if (v->views_n == 0) return v->newest_ms - (int64_t)get_upto(r, (uint64_t)v->newest_ms);
    return before_ms + (int64_t)get_upto(r, (uint64_t)(v->newest_ms - before_ms));
}

static bool decode_views(struct reader *r, struct visitor *v)
{
    uint32_t n = (uint32_t)get_upto(r, RECENT_MAX);
    if (r->bad || n == 0) return !r->bad;
    if ((v->views = calloc(n, sizeof *v->views)) == NULL) return false;
    v->views_cap = n;
    const struct pageview *before = &nothing;
    while (v->views_n < n) {
        struct pageview *p = &v->views[v->views_n];
        p->at_ms = get_at(r, v, before->at_ms);
        if (r->bad) return false;
        decode_view(r, before, p);
        v->views_n++; /* before the check: what it owns must be freed too */
        v->seen_n += p->seen_n;
        if (r->bad || v->seen_n > SEEN_MAX) return false;
        if (v->views_n > 1 && pageview_order(before, p) > 0) return false;
        before = p;
    }
    return true;
}

static bool decode_all_waiting(struct reader *r, struct visitor *v, uint32_t n)
{
    if (r->bad || n == 0) return !r->bad;
    if ((v->waiting = calloc(n, sizeof *v->waiting)) == NULL) return false;
    v->waiting_cap = n;
    while (v->waiting_n < n) {
        struct waiting *w = &v->waiting[v->waiting_n];
        decode_waiting(r, w);
        v->waiting_n++;
        v->waiting_bytes += w->text_n;
        if (r->bad || v->waiting_bytes > WAITING_MAX_BYTES) return false;
        if (v->waiting_n > 1 && waiting_order(w - 1, w->id, w->number) >= 0) return false;
    }
    return true;
}

bool visitor_decode_recent(struct reader *r, struct visitor *v)
{
    if (!decode_views(r, v)) return false;
    uint32_t n = (uint32_t)get_upto(r, 2 * WAITING_MAX + 1);
    if (!decode_all_waiting(r, v, n / 2) || r->bad) return false;
    return n % 2 == 0 || (orders_get(r, &v->orders) && v->orders.n > 0);
}

bool visitor_decode(struct str in, struct visitor *v)
{
    assert(v->views == NULL && v->waiting == NULL && v->frozen == NULL);
    if (in.n == 0 || in.p[0] != VISITOR_VERSION) return false;
    struct reader r = reader_of(str_from(in, 1));
    v->approximate = get_upto(&r, 1) != 0;
    v->newest_ms = get_time(&r);
    v->frozen_day = (uint32_t)get_upto(&r, HIT_DAY_MAX);
    if (decode_frozen(&r, v) && visitor_decode_recent(&r, v) && reader_done(&r)) return true;
    visitor_fini(v);
    return false;
}
