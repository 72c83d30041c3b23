/*
 * Totals move hit by hit and by difference, so they always stand for everything folded, the recent
 * pageviews included, and a reader needs no second look at the fold state.
 *
 * All that sessions decide moves by difference alone. Days, weeks and years that have left their
 * window are cleared when the newest moves on, and what comes for them later is left out; the
 * newest never goes back, so what stands in the window at the end was never left out. What a page
 * that was given up would get is left out too: the trail settles before pages go or come back, so
 * that this does not depend on where a batch ends.
 */
#include "profile.h"

#include <assert.h>
#include <stdlib.h>

#include "bytes.h"
#include "interest.h"
#include "sitestate.h"

enum { PROFILE_VERSION = 2, SESSIONS_MAX = 1 << 30 };
#define INTEREST_MAX (INT64_C(1) << 60)

/* What is written of a page. */
enum {
    PART_TRIED = 1,
    PART_USED = 2,
    PART_WEEKS = 4,
    PART_INTEREST = 8,
    PART_INTEREST_BEFORE = 16,
    PARTS_ALL = 31,
};

void profile_fini(struct profile *p)
{
    free(p->marks);
    free(p->pages);
    visitor_fini(&p->recent);
    *p = (struct profile){0};
}

/* Encoding. */

static bool week_empty(const struct profile_week *w)
{
    return w->tried == 0 && w->used == 0 && w->opened == 0;
}

/* The slot of the week `age` weeks before the newest. */
static uint32_t week_slot(const struct profile *p, uint32_t age)
{
    return (week_of(p->newest_day) + PROFILE_WEEKS - age) % PROFILE_WEEKS;
}

static uint32_t day_slot(const struct profile *p, uint32_t age)
{
    return (p->newest_day + PROFILE_DAYS - age) % PROFILE_DAYS;
}

static void encode_page(const struct profile *p, const struct profile_page *page, struct buf *out)
{
    uint32_t weeks = 0;
    for (uint32_t age = 0; age < PROFILE_WEEKS; age++) {
        if (!week_empty(&page->weeks[week_slot(p, age)])) weeks |= 1u << age;
    }
    buf_add_le64(out, page->page);
    int64_t interest = page->interest[0], before = page->interest[1];
    buf_add_varint(out, (page->tried != 0 ? PART_TRIED : 0) | (page->used != 0 ? PART_USED : 0) |
                            (weeks != 0 ? PART_WEEKS : 0) | (interest != 0 ? PART_INTEREST : 0) |
                            (before != 0 ? PART_INTEREST_BEFORE : 0));
    buf_add_varint(out, page->views);
    buf_add_varint(out, page->engaged_ms);
    buf_add_varint(out, p->newest_day - page->last_day);
    buf_add_varint(out, page->last_day - page->first_day);
    if (page->tried != 0) buf_add_varint(out, zigzag(page->tried));
    if (page->used != 0) buf_add_varint(out, zigzag(page->used));
    if (interest != 0) buf_add_varint(out, zigzag(interest));
    if (before != 0) buf_add_varint(out, zigzag(before));
    if (weeks == 0) return;
    buf_add_char(out, (char)weeks);
    for (uint32_t age = 0; age < PROFILE_WEEKS; age++) {
        const struct profile_week *w = &page->weeks[week_slot(p, age)];
        if (week_empty(w)) continue;
        buf_add_varint(out, zigzag(w->tried));
        buf_add_varint(out, zigzag(w->used));
        buf_add_varint(out, zigzag(w->opened));
    }
}

static void encode_days(const struct profile *p, struct buf *out)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < PROFILE_DAYS; i++)
        n += p->day_sessions[i] != 0;
    buf_add_varint(out, n);
    for (uint32_t age = 0; age < PROFILE_DAYS; age++) {
        int32_t sessions = p->day_sessions[day_slot(p, age)];
        if (sessions == 0) continue;
        buf_add_varint(out, age);
        buf_add_varint(out, zigzag(sessions));
    }
}

static void encode_marks(const struct profile *p, struct buf *out)
{
    uint32_t n = 0, before = 0;
    for (uint32_t i = 0; i < p->marks_n; i++)
        n += p->marks[i].sessions != 0;
    buf_add_varint(out, n);
    for (uint32_t i = 0; i < p->marks_n; i++) {
        if (p->marks[i].sessions == 0) continue;
        buf_add_varint(out, p->marks[i].key - before);
        buf_add_varint(out, zigzag(p->marks[i].sessions));
        before = p->marks[i].key;
    }
}

bool profile_encode(const struct profile *p, struct buf *out)
{
    buf_add_char(out, PROFILE_VERSION);
    buf_add_varint(out, p->approximate);
    buf_add_varint(out, (uint64_t)p->first_ms);
    buf_add_varint(out, p->sessions);
    buf_add_varint(out, p->days);
    buf_add_varint(out, p->views);
    buf_add_varint(out, p->engaged_ms);
    buf_add_varint(out, p->newest_day);
    encode_days(p, out);
    encode_marks(p, out);
    buf_add_varint(out, p->pages_n);
    for (uint32_t i = 0; i < p->pages_n; i++) {
        assert(i == 0 || p->pages[i - 1].page < p->pages[i].page);
        encode_page(p, &p->pages[i], out);
    }
    return visitor_encode(&p->recent, out);
}

/* Decoding. */

static int32_t get_sessions(struct reader *r)
{
    int64_t n = get_zigzag(r);
    if (n >= -SESSIONS_MAX && n <= SESSIONS_MAX) return (int32_t)n;
    r->bad = true;
    return 0;
}

/* A count that is written only when it is none of 0. */
static int32_t get_some(struct reader *r)
{
    int32_t n = get_sessions(r);
    if (n == 0) r->bad = true;
    return n;
}

static int64_t get_interest(struct reader *r)
{
    int64_t sum = get_zigzag(r);
    if (sum != 0 && sum >= -INTEREST_MAX && sum <= INTEREST_MAX) return sum;
    r->bad = true;
    return 0;
}

static void decode_days(struct reader *r, struct profile *p)
{
    uint32_t n = (uint32_t)get_upto(r, PROFILE_DAYS);
    uint32_t before = 0;
    for (uint32_t i = 0; i < n && !r->bad; i++) {
        uint32_t age = (uint32_t)get_upto(r, PROFILE_DAYS - 1);
        if ((i > 0 && age <= before) || age > p->newest_day) r->bad = true;
        p->day_sessions[day_slot(p, age)] = get_some(r);
        before = age;
    }
}

static bool decode_marks(struct reader *r, struct profile *p)
{
    uint32_t n = (uint32_t)get_upto(r, PROFILE_MARKS_MAX);
    if (r->bad || n == 0) return !r->bad;
    if ((p->marks = calloc(n, sizeof *p->marks)) == NULL) return false;
    p->marks_cap = n;
    uint32_t key = 0;
    while (p->marks_n < n) {
        uint32_t step = (uint32_t)get_upto(r, (MARK_KINDS << 16) - 1 - key);
        key += step;
        p->marks[p->marks_n] = (struct profile_mark){key, get_some(r)};
        if (r->bad || (p->marks_n > 0 && step == 0)) return false;
        p->marks_n++;
    }
    return true;
}

static void decode_weeks(struct reader *r, const struct profile *p, struct profile_page *page)
{
    struct str weeks = get_bytes(r, 1);
    if (r->bad || weeks.p[0] == 0) {
        r->bad = true;
        return;
    }
    for (uint32_t age = 0; age < PROFILE_WEEKS; age++) {
        if (!((unsigned char)weeks.p[0] >> age & 1)) continue;
        struct profile_week *w = &page->weeks[week_slot(p, age)];
        w->tried = get_sessions(r);
        w->used = get_sessions(r);
        w->opened = get_sessions(r);
        if (week_empty(w)) r->bad = true;
    }
}

static void decode_page(struct reader *r, const struct profile *p, struct profile_page *page)
{
    page->page = get_le64(r);
    uint32_t parts = (uint32_t)get_upto(r, PARTS_ALL);
    page->views = (uint32_t)get_upto(r, UINT32_MAX);
    page->engaged_ms = get_varint(r);
    page->last_day = p->newest_day - (uint32_t)get_upto(r, p->newest_day);
    page->first_day = page->last_day - (uint32_t)get_upto(r, page->last_day);
    if (parts & PART_TRIED) page->tried = get_some(r);
    if (parts & PART_USED) page->used = get_some(r);
    if (parts & PART_INTEREST) page->interest[0] = get_interest(r);
    if (parts & PART_INTEREST_BEFORE) page->interest[1] = get_interest(r);
    if (parts & PART_WEEKS) decode_weeks(r, p, page);
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

bool profile_decode(struct str in, struct profile *p)
{
    if (in.n == 0 || in.p[0] != PROFILE_VERSION) return false;
    struct reader r = reader_of(str_from(in, 1));
    p->approximate = get_upto(&r, 1) != 0;
    p->first_ms = (int64_t)get_upto(&r, HIT_AT_MAX_MS);
    p->sessions = get_varint(&r);
    p->days = get_varint(&r);
    p->views = get_varint(&r);
    p->engaged_ms = get_varint(&r);
    p->newest_day = (uint32_t)get_upto(&r, HIT_DAY_MAX);
    decode_days(&r, p);
    if (decode_marks(&r, p) && decode_pages(&r, p) &&
        visitor_decode((struct str){(const char *)r.p, reader_left(&r)}, &p->recent)) {
        p->newest_year = interest_year(p->recent.newest_ms);
        return true;
    }
    profile_fini(p);
    return false;
}

/* Pages. */

static uint32_t place(const struct profile *p, uint64_t page)
{
    uint32_t low = 0, high = p->pages_n;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (p->pages[mid].page < page)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

const struct profile_page *profile_page(const struct profile *p, uint64_t page)
{
    uint32_t i = place(p, page);
    return i < p->pages_n && p->pages[i].page == page ? &p->pages[i] : NULL;
}

static void forget_oldest_page(struct profile *p)
{
    uint32_t oldest = 0;
    for (uint32_t i = 1; i < p->pages_n; i++) {
        if (p->pages[i].last_day < p->pages[oldest].last_day) oldest = i;
    }
    p->pages_n--;
    memmove(p->pages + oldest, p->pages + oldest + 1, (p->pages_n - oldest) * sizeof *p->pages);
    p->approximate = true;
}

static bool insert_page(struct profile *p, uint64_t page, uint32_t day)
{
    if (p->pages_n == PROFILE_PAGES_MAX) forget_oldest_page(p);
    if (p->pages_n == p->pages_cap) {
        uint32_t cap = p->pages_cap < 4 ? 4 : p->pages_cap * 2;
        struct profile_page *pages = realloc(p->pages, cap * sizeof *pages);
        if (pages == NULL) return false;
        p->pages = pages;
        p->pages_cap = cap;
    }
    uint32_t i = place(p, page);
    memmove(p->pages + i + 1, p->pages + i, (p->pages_n - i) * sizeof *p->pages);
    p->pages[i] = (struct profile_page){.page = page, .first_day = day, .last_day = day};
    p->pages_n++;
    return true;
}

bool profile_crowded(const struct profile *p, uint64_t page)
{
    return (p->approximate || p->pages_n == PROFILE_PAGES_MAX) && profile_page(p, page) == NULL;
}

/* The days and weeks up to this one are empty so far; what used their slots has left the window. */
static void move_on(struct profile *p, uint32_t day)
{
    uint32_t week = week_of(p->newest_day), weeks = week_of(day) - week;
    for (uint32_t d = 1; d <= PROFILE_DAYS && d <= day - p->newest_day; d++)
        p->day_sessions[(p->newest_day + d) % PROFILE_DAYS] = 0;
    for (uint32_t w = 1; w <= PROFILE_WEEKS && w <= weeks; w++) {
        for (uint32_t i = 0; i < p->pages_n; i++)
            p->pages[i].weeks[(week + w) % PROFILE_WEEKS] = (struct profile_week){0};
    }
    p->newest_day = day;
}

void profile_clock(struct profile *p)
{
    uint32_t year = interest_year(p->recent.newest_ms);
    if (year <= p->newest_year) return;
    for (uint32_t i = 0; i < p->pages_n; i++) {
        int64_t *interest = p->pages[i].interest;
        interest[1] = year == p->newest_year + 1 ? interest[0] : 0;
        interest[0] = 0;
    }
    p->newest_year = year;
}

bool profile_view(struct profile *p, uint64_t page, uint32_t day, int64_t at_ms)
{
    if (p->views == 0 || at_ms < p->first_ms) p->first_ms = at_ms;
    p->views++;
    if (day > p->newest_day) move_on(p, day);
    uint32_t i = place(p, page);
    if (i == p->pages_n || p->pages[i].page != page) {
        if (!insert_page(p, page, day)) return false;
        i = place(p, page);
    }
    if (p->pages[i].views < UINT32_MAX) p->pages[i].views++;
    if (day > p->pages[i].last_day) p->pages[i].last_day = day;
    if (day < p->pages[i].first_day) p->pages[i].first_day = day;
    return true;
}

void profile_engaged(struct profile *p, uint64_t page, uint32_t grown_ms)
{
    p->engaged_ms += grown_ms;
    uint32_t i = place(p, page);
    if (i < p->pages_n && p->pages[i].page == page) p->pages[i].engaged_ms += grown_ms;
}

/* Visits. `sign` is -1 for what was before, +1 for what is now. */

static bool add_mark(struct profile *p, enum mark_kind kind, uint32_t value, int sign)
{
    uint32_t key = (uint32_t)kind << 16 | value, i = 0;
    while (i < p->marks_n && p->marks[i].key < key)
        i++;
    if (i == p->marks_n || p->marks[i].key != key) {
        if (p->marks_n == p->marks_cap) {
            uint32_t cap = p->marks_cap < 4 ? 4 : p->marks_cap * 2;
            struct profile_mark *marks = realloc(p->marks, cap * sizeof *marks);
            if (marks == NULL) return false;
            p->marks = marks;
            p->marks_cap = cap;
        }
        memmove(p->marks + i + 1, p->marks + i, (p->marks_n - i) * sizeof *p->marks);
        p->marks[i] = (struct profile_mark){key, 0};
        p->marks_n++;
    }
    p->marks[i].sessions += sign;
    return true;
}

static bool add_stay(struct profile *p, const struct stay *s, int sign)
{
    if (s->day <= p->newest_day && p->newest_day - s->day < PROFILE_DAYS)
        p->day_sessions[s->day % PROFILE_DAYS] += sign;
    return add_mark(p, MARK_DEVICE, s->device, sign) &&
           add_mark(p, MARK_CHANNEL, s->channel, sign) &&
           add_mark(p, MARK_COUNTRY, s->country, sign);
}

static void add_visit(struct profile *p, const struct visit *v, int sign)
{
    uint32_t i = place(p, v->page);
    if (i == p->pages_n || p->pages[i].page != v->page) return; /* given up */
    struct profile_page *page = &p->pages[i];
    page->tried += v->used ? 0 : sign;
    page->used += v->used ? sign : 0;
    uint32_t week = week_of(v->day), newest = week_of(p->newest_day);
    if (week > newest || newest - week >= PROFILE_WEEKS) return;
    struct profile_week *w = &page->weeks[week % PROFILE_WEEKS];
    w->tried += v->used ? 0 : sign;
    w->used += v->used ? sign : 0;
    w->opened += sign * (int32_t)v->opened;
}

static void add_weight(struct profile *p, const struct weight *w, int sign)
{
    uint32_t i = place(p, w->page);
    if (i == p->pages_n || p->pages[i].page != w->page) return; /* given up */
    if (w->year == p->newest_year) p->pages[i].interest[0] += sign * w->amount;
    if (w->year + 1 == p->newest_year) p->pages[i].interest[1] += sign * w->amount;
}

/* The items from the given places on. */
struct places {
    uint32_t stays, pages, weights;
};

static bool add_from(struct profile *p, const struct visits *x, struct places from, int sign)
{
    for (uint32_t i = from.weights; i < x->weights_n; i++)
        add_weight(p, &x->weights[i], sign);
    for (uint32_t i = from.pages; i < x->pages_n; i++)
        add_visit(p, &x->pages[i], sign);
    for (uint32_t i = from.stays; i < x->stays_n; i++) {
        if (!add_stay(p, &x->stays[i], sign)) return false;
    }
    return true;
}

/* Usually only the last session differs: what both have in common from the start is skipped. */
bool profile_visits(struct profile *p, const struct visits *before, const struct visits *now)
{
    struct places from = {
        .stays = SUMS_COMMON(before, now, stays),
        .pages = SUMS_COMMON(before, now, pages),
        .weights = SUMS_COMMON(before, now, weights),
    };
    return add_from(p, before, from, -1) && add_from(p, now, from, +1);
}

/* Reading. */

uint64_t profile_sessions_since(const struct profile *p, uint32_t from)
{
    int64_t sessions = 0;
    for (uint32_t age = 0; age < PROFILE_DAYS && age <= p->newest_day; age++) {
        if (p->newest_day - age >= from) sessions += p->day_sessions[day_slot(p, age)];
    }
    return sessions < 0 ? 0 : (uint64_t)sessions;
}

uint32_t profile_last_session(const struct profile *p)
{
    for (uint32_t age = 0; age < PROFILE_DAYS && age <= p->newest_day; age++) {
        if (p->day_sessions[day_slot(p, age)] > 0) return p->newest_day - age;
    }
    return 0;
}

/* Silence is looked at first: whoever has not come for 28 days is not loyal, however it was. */
enum person_class profile_class(const struct profile *p, uint32_t today)
{
    enum { MONTH = 28, TWO_MONTHS = 56 };
    uint32_t last = profile_last_session(p);
    uint32_t silent = today > last ? today - last : 0;
    if (p->sessions == 0) return CLASS_NEW; /* all that came waits for its pageview */
    if (silent >= TWO_MONTHS) return CLASS_LOST;
    if (silent >= MONTH) return p->sessions >= 2 ? CLASS_FADING : CLASS_LOST;
    uint64_t month = profile_sessions_since(p, today < MONTH ? 0 : today - MONTH + 1);
    uint64_t two_months =
        profile_sessions_since(p, today < TWO_MONTHS ? 0 : today - TWO_MONTHS + 1);
    if (month >= 4 || two_months >= 8) return CLASS_LOYAL;
    if (p->sessions < 3 && month == p->sessions) return CLASS_NEW;
    return CLASS_RETURNING;
}

int64_t profile_interest(const struct profile *p, const struct profile_page *page, int64_t now_ms)
{
    return interest_score(page->interest[0], p->newest_year, now_ms) +
           interest_score(page->interest[1], p->newest_year - 1, now_ms);
}

const char *class_name(enum person_class c)
{
    static const char *const names[] = {"new", "loyal", "returning", "fading", "lost"};
    return names[c];
}

enum rung profile_rung(const struct profile_page *page)
{
    return page->used >= 2 ? RUNG_RETURNED : page->used == 1 ? RUNG_USED : RUNG_TRIED;
}

const char *rung_name(enum rung r)
{
    return r == RUNG_RETURNED ? "returned" : r == RUNG_USED ? "used" : "tried";
}

bool profile_ignores(const struct profile_page *page)
{
    enum { TRIALS_ENOUGH = 2 };
    return page->used <= 0 && page->tried >= TRIALS_ENOUGH;
}
