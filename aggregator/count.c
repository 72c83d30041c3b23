/*
 * Pageviews, engaged time and clicks only ever grow, so they are added as they come. Sessions and
 * days change shape when a hit comes between others: what they added before is taken away and what
 * they add now is added. Usually only the last session differs, so what both have in common from
 * the start is skipped.
 */
#include "count.h"

#include "bytes.h"
#include "hash.h"
#include "interest.h"

enum { PART_MAX_BYTES = ROW_NAME_MAX_BYTES / 3 - 1 };

static struct delta *row(const struct count *c, uint32_t day, struct str name)
{
    return deltas_row(c->deltas, c->site, day, name);
}

static struct delta *total_row(const struct count *c, uint32_t day)
{
    return row(c, day, STR("T"));
}

static struct delta *page_row(const struct count *c, uint32_t day, uint64_t page)
{
    char name[9] = {'p'};
    store_le64(name + 1, page);
    return row(c, day, (struct str){name, sizeof name});
}

static struct delta *step_row(const struct count *c, const struct page_step *s)
{
    char name[17] = {'t'};
    store_le64(name + 1, s->from);
    store_le64(name + 9, s->to);
    return row(c, s->day, (struct str){name, sizeof name});
}

static struct delta *class_row(const struct count *c, uint32_t day, char kind, uint8_t class)
{
    char name[2] = {kind, (char)class};
    return row(c, day, (struct str){name, sizeof name});
}

static struct delta *country_row(const struct count *c, uint32_t day, const char country[2])
{
    char name[3] = {'g', '?', '?'};
    if (country[0] != '\0') memcpy(name + 1, country, 2);
    return row(c, day, (struct str){name, sizeof name});
}

static struct delta *text_row(const struct count *c, uint32_t day, char kind, struct str text)
{
    char name[ROW_NAME_MAX_BYTES];
    text = str_upto(text, sizeof name - 1);
    name[0] = kind;
    if (text.n > 0) memcpy(name + 1, text.p, text.n);
    return row(c, day, (struct str){name, 1 + text.n});
}

static void add(const struct count *c, struct delta *to, uint32_t column, int64_t amount)
{
    deltas_add(c->deltas, to, column, amount);
}

void count_verdict(const struct count *c, const struct hit *h, enum verdict v, uint32_t weight)
{
    deltas_verdict(c->deltas, v, weight);
    add(c, row(c, h->day, STR("L")), COL_VERDICT + v, weight);
    if (v != V_COUNTED || h->kind == HIT_TALLY) return;
    add(c, total_row(c, h->day), h->flags & HIT_IMPORTED ? COL_IMPORTED : COL_LIVE, 1);
}

static void count_bot_view(const struct count *c, const struct pageview *p, struct delta *page,
                           struct str rule)
{
    struct delta *total = total_row(c, p->day);
    add(c, total, COL_BOT_VIEWS, 1);
    add(c, page, COL_BOT_VIEWS, 1);
    add(c, text_row(c, p->day, 'r', rule), COL_BOT_VIEWS, 1);
    if (!(p->flags & PV_NOT_FOUND)) return;
    add(c, total, COL_BOT_NOT_FOUND, 1);
    add(c, page, COL_BOT_NOT_FOUND, 1);
}

void count_view(const struct count *c, const struct pageview *p, const struct hit *h)
{
    struct delta *page = page_row(c, p->day, p->page);
    if (page != NULL) page->page = h->page;
    if (p->flags & PV_BOT) {
        count_bot_view(c, p, page, h->bot);
        return;
    }
    struct delta *total = total_row(c, p->day);
    count_live(c, p, +1);
    add(c, total, COL_VIEWS, 1);
    add(c, page, COL_VIEWS, 1);
    add(c, country_row(c, p->day, p->country), COL_VIEWS, 1);
    add(c, class_row(c, p->day, 'v', p->device), COL_VIEWS, 1);
    add(c, class_row(c, p->day, 'b', p->browser), COL_VIEWS, 1);
    add(c, class_row(c, p->day, 'o', p->os), COL_VIEWS, 1);
    if (h->name.n > 0) {
        add(c, total, COL_SEARCHES, 1);
        add(c, text_row(c, p->day, 'q', h->name), COL_SEARCHES, 1);
    }
    if (!(p->flags & PV_NOT_FOUND)) return;
    add(c, total, COL_NOT_FOUND, 1);
    add(c, page, COL_NOT_FOUND, 1);
}

void count_live(const struct count *c, const struct pageview *p, int sign)
{
    if (p->flags & (PV_BOT | PV_IMPORTED)) return;
    add(c, row(c, DELTA_LIVE, STR("T")), (uint32_t)(p->at_ms / LIVE_MINUTE_MS), sign);
}

/* A visitor stands in the minute of its newest sign of life; what was frozen is long gone there. */
static void count_alive(const struct count *c, int64_t before_ms, int64_t now_ms)
{
    int64_t before = before_ms / LIVE_MINUTE_MS, now = now_ms / LIVE_MINUTE_MS;
    if (before == now) return;
    struct delta *visitors = row(c, DELTA_LIVE, STR("V"));
    if (before > 0) add(c, visitors, (uint32_t)before, -1);
    if (now > 0) add(c, visitors, (uint32_t)now, +1);
}

void count_engaged(const struct count *c, const struct pageview *p, uint32_t grown_ms)
{
    add(c, total_row(c, p->day), COL_ENGAGED_MS, grown_ms);
    add(c, page_row(c, p->day, p->page), COL_ENGAGED_MS, grown_ms);
}

void count_errors(const struct count *c, const struct pageview *p, uint32_t grown)
{
    add(c, total_row(c, p->day), COL_ERRORS, grown);
    add(c, page_row(c, p->day, p->page), COL_ERRORS, grown);
}

/* The rows of the page on which it was done, and of what was done. */
static struct delta *acted_row(const struct count *c, const struct click *click)
{
    struct delta *page = page_row(c, click->day, click->page_id);
    if (page != NULL && click->page.n > 0) page->page = click->page;
    return page;
}

/* The row of an event's property. */
static struct delta *property_row(const struct count *c, const struct click *click,
                                  const struct hit_property *p)
{
    const struct str parts[] = {click->text, p->key, p->value};
    char name[ROW_NAME_MAX_BYTES] = {'a'};
    size_t n = 1;
    for (int i = 0; i < 3; i++) {
        struct str part = str_upto(parts[i], PART_MAX_BYTES);
        if (i > 0) name[n++] = ROW_NAME_BORDER;
        if (part.n > 0) memcpy(name + n, part.p, part.n);
        n += part.n;
    }
    return row(c, click->day, (struct str){name, n});
}

static void count_properties(const struct count *c, const struct click *click)
{
    struct str list = click->properties;
    struct hit_property p;
    while (hit_properties_next(&list, &p)) {
        struct delta *to = property_row(c, click, &p);
        add(c, to, COL_EVENTS, 1);
        if (click->goal) add(c, to, COL_GOALS, 1);
    }
}

static void count_named(const struct count *c, const struct click *click, char kind,
                        uint32_t column)
{
    struct delta *rows[] = {total_row(c, click->day), acted_row(c, click),
                            text_row(c, click->day, kind, click->text)};
    for (int i = 0; i < 3; i++) {
        add(c, rows[i], column, 1);
        if (click->goal && kind == 'e') add(c, rows[i], COL_GOALS, 1);
    }
}

bool bought_of(const struct click *click, struct bought *out)
{
    struct str currency;
    *out = (struct bought){.day = click->day, .page = click->page_id};
    if (click->kind != HIT_PURCHASE || !hit_money(click->text, &currency, &out->minor))
        return false;
    memcpy(out->currency, currency.p, HIT_CURRENCY_BYTES);
    return true;
}

void count_bought(const struct count *c, const struct bought *b, struct str page, int sign)
{
    struct delta *on = page_row(c, b->day, b->page);
    struct delta *money = text_row(c, b->day, 'm', (struct str){b->currency, HIT_CURRENCY_BYTES});
    if (on != NULL && page.n > 0) on->page = page;
    add(c, total_row(c, b->day), COL_PURCHASES, sign);
    add(c, on, COL_PURCHASES, sign);
    add(c, money, COL_PURCHASES, sign);
    add(c, money, COL_REVENUE, sign * b->minor);
}

/* Of a page that a link leads to. Its name may stand in a hit that waited: copied. */
static void count_target(const struct count *c, uint32_t day, struct str page, uint32_t column)
{
    struct delta *row = page_row(c, day, hash64(page));
    if (row != NULL && row->page.n == 0) row->page = deltas_copy(c->deltas, page);
    add(c, row, column, 1);
    add(c, total_row(c, day), column, 1);
}

static struct hit_links count_left_out(const struct count *c, const struct click *click)
{
    struct hit_links links = hit_links_open(click->text);
    add(c, total_row(c, click->day), COL_LINKS_LEFT_OUT, (int64_t)links.left_out);
    return links;
}

static void count_seen(const struct count *c, const struct click *click)
{
    struct hit_links links = count_left_out(c, click), controls = links;
    struct str page, name;
    while (hit_links_next(&links, &page))
        count_target(c, click->day, page, COL_EXPOSURES);
    while (hit_controls_next(&controls, &name)) {
        add(c, total_row(c, click->day), COL_CONTROLS_IN_VIEW, 1);
        add(c, text_row(c, click->day, 'k', name), COL_CONTROLS_IN_VIEW, 1);
    }
}

void count_click(const struct count *c, const struct click *click)
{
    struct bought bought;
    switch (click->kind) {
    case HIT_OUTBOUND: count_named(c, click, 'x', COL_OUTBOUND); break;
    case HIT_DOWNLOAD: count_named(c, click, 'f', COL_DOWNLOADS); break;
    case HIT_EVENT:
        count_named(c, click, 'e', COL_EVENTS);
        count_properties(c, click);
        break;
    case HIT_CONTROL: count_named(c, click, 'k', COL_CONTROLS); break;
    case HIT_PURCHASE:
        if (bought_of(click, &bought)) count_bought(c, &bought, click->page, 1);
        break;
    case HIT_CLICK: count_target(c, click->day, click->text, COL_CLICKS); break;
    case HIT_SEEN: count_seen(c, click); break;
    case HIT_LINKS: count_left_out(c, click); break;
    default: break;
    }
}

/* Sums. `sign` is -1 for what was before, +1 for what is now. */

static struct str source_of(const struct marks *m)
{
    return (struct str){m->source, m->source_n};
}

/* Total, channel, country, device, browser, system. */
static void add_by_marks(const struct count *c, uint32_t day, const struct marks *m,
                         uint32_t column, int sign)
{
    add(c, total_row(c, day), column, sign);
    add(c, class_row(c, day, 'c', m->channel), column, sign);
    add(c, country_row(c, day, m->country), column, sign);
    add(c, class_row(c, day, 'v', m->device), column, sign);
    add(c, class_row(c, day, 'b', m->browser), column, sign);
    add(c, class_row(c, day, 'o', m->os), column, sign);
}

static void add_session(const struct count *c, const struct session *s, int sign)
{
    struct delta *entry = page_row(c, s->day, s->entry_page);
    struct delta *source =
        s->marks.source_n == 0 ? NULL : text_row(c, s->day, 's', source_of(&s->marks));
    add_by_marks(c, s->day, &s->marks, COL_SESSIONS, sign);
    add(c, source, COL_SESSIONS, sign);
    add(c, entry, COL_SESSIONS, sign);
    add(c, page_row(c, s->day, s->exit_page), COL_EXITS, sign);
    if (!s->bounce) return;
    add(c, total_row(c, s->day), COL_BOUNCES, sign);
    add(c, class_row(c, s->day, 'c', s->marks.channel), COL_BOUNCES, sign);
    add(c, source, COL_BOUNCES, sign);
    add(c, entry, COL_BOUNCES, sign);
}

static void add_part(const struct count *c, const struct part *p, int sign)
{
    struct delta *channel = class_row(c, p->day, 'c', p->marks.channel);
    add(c, channel, COL_VIEWS, sign * (int64_t)p->views);
    add(c, channel, COL_ENGAGED_MS, sign * (int64_t)p->engaged_ms);
    if (p->marks.source_n == 0) return;
    add(c, text_row(c, p->day, 's', source_of(&p->marks)), COL_VIEWS, sign * (int64_t)p->views);
}

static void add_visit(const struct count *c, const struct page_visit *v, int sign)
{
    struct delta *page = page_row(c, v->day, v->page);
    if (v->opened > 0) add(c, page, COL_VISITS, sign);
    if (v->opened > 0 && visit_used(v)) add(c, page, COL_USED, sign);
    if (!(v->flags & VISIT_SEEN)) return;
    add(c, page, COL_SEEN, sign);
    add(c, total_row(c, v->day), COL_SEEN, sign);
    if (v->opened == 0) return;
    add(c, page, COL_SEEN_OPENED, sign);
    add(c, total_row(c, v->day), COL_SEEN_OPENED, sign);
}

/* Of a person's visit, to the interest of the site. */
static void add_interest(const struct count *c, const struct page_visit *v, int sign)
{
    uint32_t weight = interest_weight(v->engaged_ms, v->depth, v->flags & VISIT_INTERACTION,
                                      v->flags & VISIT_GOAL);
    if (weight == 0) return;
    add(c, page_row(c, DELTA_MIX, v->page), interest_year(v->at_ms),
        sign * interest_amount(weight, v->at_ms));
}

/* The items of s from the given places on. */
struct places {
    uint32_t sessions, parts, days, pages, visits, steps;
};

static void add_from(const struct count *c, const struct sums *s, struct places from,
                     bool consented, int sign)
{
    for (uint32_t i = from.sessions; i < s->sessions_n; i++)
        add_session(c, &s->sessions[i], sign);
    for (uint32_t i = from.parts; i < s->parts_n; i++)
        add_part(c, &s->parts[i], sign);
    for (uint32_t i = from.days; i < s->days_n; i++) {
        const struct active_day *d = &s->days[i];
        uint32_t column = consented ? COL_GAP_NONE + d->gap : COL_DAILY_VISITORS;
        add_by_marks(c, d->day, &d->marks, column, sign);
    }
    for (uint32_t i = from.pages; i < s->pages_n; i++) {
        const struct page_day *p = &s->pages[i];
        uint32_t column = consented ? COL_GAP_NONE + p->gap : COL_DAILY_VISITORS;
        add(c, page_row(c, p->day, p->page), column, sign);
    }
    for (uint32_t i = from.visits; i < s->visits_n; i++) {
        add_visit(c, &s->visits[i], sign);
        if (consented) add_interest(c, &s->visits[i], sign);
    }
    for (uint32_t i = from.steps; i < s->steps_n; i++)
        add(c, step_row(c, &s->steps[i]), COL_STEPS, sign);
}

void count_sums(const struct count *c, const struct sums *before, const struct sums *now,
                bool consented)
{
    struct places from = {
        .sessions = SUMS_COMMON(before, now, sessions),
        .parts = SUMS_COMMON(before, now, parts),
        .days = SUMS_COMMON(before, now, days),
        .pages = SUMS_COMMON(before, now, pages),
        .visits = SUMS_COMMON(before, now, visits),
        .steps = SUMS_COMMON(before, now, steps),
    };
    count_alive(c, before->alive_ms, now->alive_ms);
    add_from(c, before, from, consented, -1);
    add_from(c, now, from, consented, +1);
}
