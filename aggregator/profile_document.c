/*
 * Every figure that the table of a profile shows stands here as well, unrounded, and each with what
 * it was made of: who shows it elsewhere can say why.
 */
#include "profile_document.h"

#include "clock.h"
#include "interest.h"

/* Thousandths, as a number that prints the same everywhere: 1.234 */
static json_t *score_json(int64_t score)
{
    return json_real((double)score / INTEREST_SCORE_ONE);
}

/* A share or factor, to 4 digits. */
static json_t *ratio_json(double ratio)
{
    return json_real((double)(int64_t)(ratio * 10000 + 0.5) / 10000);
}

static json_t *share_json(int64_t part, int64_t whole)
{
    return ratio_json(whole <= 0 ? 0 : (double)part / (double)whole);
}

static json_t *text_json(struct str text)
{
    struct buf clean = {0};
    text_add_utf8(&clean, text);
    json_t *json = json_stringn(clean.p == NULL ? "" : clean.p, clean.n);
    buf_fini(&clean);
    return json;
}

static json_t *day_json(uint32_t day)
{
    char date[DATE_TEXT_BYTES];
    if (day == 0) return json_null();
    date_format(day, date);
    return json_string(date);
}

static json_t *id_json(uint64_t page)
{
    char id[ID_TEXT_BYTES];
    id_format(page, id);
    return json_string(id);
}

/* ---- who ---- */

static const char *const mark_names[MARK_KINDS][2] = {
    [MARK_DEVICE] = {"devices", "device"},
    [MARK_CHANNEL] = {"channels", "channel"},
    [MARK_COUNTRY] = {"countries", "country"},
};

const char *portrait_mark(const struct profile_mark *m, char room[3])
{
    uint32_t value = m->key & 0xffff;
    const char *name = "??";
    switch ((enum mark_kind)(m->key >> 16)) {
    case MARK_DEVICE: name = device_name((enum device)value); break;
    case MARK_CHANNEL: name = channel_name((enum channel)value); break;
    default:
        if (value == 0) break;
        room[0] = (char)(value >> 8);
        room[1] = (char)value;
        room[2] = '\0';
        name = room;
    }
    return name == NULL ? "unknown" : name;
}

uint64_t portrait_sessions(const struct portrait *p, uint32_t days)
{
    uint32_t today = p->site->today;
    return profile_sessions_since(&p->profile, today < days ? 0 : today - days + 1);
}

static json_t *marks_json(const struct profile *p, enum mark_kind kind)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < p->marks_n; i++) {
        char room[3];
        if (p->marks[i].key >> 16 != kind) continue;
        json_array_append_new(list, json_pack("{s:s, s:i}", mark_names[kind][1],
                                              portrait_mark(&p->marks[i], room), "sessions",
                                              (int)p->marks[i].sessions));
    }
    return list;
}

static json_t *visitors_json(const struct portrait *p)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < p->visitors_n; i++)
        json_array_append_new(list, id_json(p->visitors[i].id));
    if (!p->customer) json_array_append_new(list, json_string(p->id));
    return list;
}

static json_t *who_json(const struct portrait *p)
{
    const struct profile *own = &p->profile;
    json_t *json = json_pack(
        "{s:i, s:s%, s:s, s:o, s:b, s:o, s:o, s:b, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
        "s:I, s:i}",
        "version", PROFILE_VERSION, "site", p->view->source.site.p, p->view->source.site.n,
        "time_zone", p->view->time_zone, "id", text_json(str_of(p->id)), "customer", p->customer,
        "visitors", visitors_json(p), "as_of", day_json(p->site->today), "approximate",
        p->approximate, "class", class_name(profile_class(own, p->site->today)), "as_of_ms",
        (json_int_t)p->now_ms, "first_seen_ms", (json_int_t)own->first_ms, "last_seen_ms",
        (json_int_t)own->recent.newest_ms, "sessions", (json_int_t)own->sessions, "sessions_28d",
        (json_int_t)portrait_sessions(p, 28), "sessions_56d", (json_int_t)portrait_sessions(p, 56),
        "days", (json_int_t)own->days, "views", (json_int_t)own->views, "engaged_ms",
        (json_int_t)own->engaged_ms, "half_life_days", INTEREST_HALF_LIFE_DAYS);
    for (enum mark_kind kind = 0; json != NULL && kind < MARK_KINDS; kind++)
        json_object_set_new(json, mark_names[kind][0], marks_json(own, kind));
    return json;
}

/* ---- interests ---- */

static json_t *top_json(const struct portrait_interest *interest)
{
    json_t *list = json_array();
    char room[TEXT_PAGE_BYTES];
    for (int i = 0; i < PORTRAIT_TOP && interest->top[i] != NULL; i++)
        json_array_append_new(list, text_json(portrait_name(interest->top[i], room)));
    return list;
}

static json_t *interest_json(const struct portrait_interest *i)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:s, s:o}", "topic", text_json(i->topic),
                     "interest", score_json(i->own.score), "share",
                     share_json(i->own.score, i->own.all), "site_share",
                     share_json(i->site.score, i->site.all), "lift",
                     i->lift > 0 ? ratio_json(i->lift) : json_null(), "visits",
                     (json_int_t)i->visits, "pages", (json_int_t)i->pages, "confidence",
                     lift_confidence_name(lift_confidence(i->visits)), "top_pages", top_json(i));
}

/* ---- pages ---- */

static json_t *weeks_json(const struct profile *p, const struct profile_page *page)
{
    json_t *list = json_array();
    uint32_t newest = week_of(p->newest_day);
    for (uint32_t age = 0; age < PROFILE_WEEKS && age < newest; age++) {
        const struct profile_week *w = &page->weeks[profile_week_slot(p, age)];
        if (w->seen == 0 && w->tried == 0 && w->used == 0) continue;
        json_array_append_new(list,
                              json_pack("{s:o, s:I, s:I, s:I, s:I}", "from",
                                        day_json(week_monday(newest - age)), "seen",
                                        (json_int_t)w->seen, "tried", (json_int_t)w->tried, "used",
                                        (json_int_t)w->used, "opened", (json_int_t)w->opened));
    }
    return list;
}

static json_t *name_json(const struct portrait_page *page)
{
    char room[TEXT_PAGE_BYTES];
    return text_json(portrait_name(page, room));
}

static json_t *page_json(const struct portrait *p, const struct portrait_page *page)
{
    const struct profile_page *own = page->own;
    return json_pack("{s:o, s:o, s:o, s:o, s:s, s:b, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, "
                     "s:o, s:o, s:o}",
                     "page", name_json(page), "id", id_json(own->page), "interest",
                     score_json(page->interest), "interest_share",
                     share_json(page->interest, p->interest), "rung", rung_name(page->rung),
                     "ignored", page->ignored != NOT_IGNORED, "ignored_why",
                     ignored_why_name(page->ignored), "seen", (json_int_t)own->seen, "passed",
                     (json_int_t)own->passed, "passed_days", (json_int_t)own->passed_days, "tried",
                     (json_int_t)own->tried, "used", (json_int_t)own->used, "views",
                     (json_int_t)own->views, "engaged_ms", (json_int_t)own->engaged_ms, "first_day",
                     day_json(own->first_day), "last_day", day_json(own->last_day), "last_seen_day",
                     day_json(own->last_seen_day), "weeks", weeks_json(&p->profile, own));
}

static json_t *site_title(const struct site_page *page)
{
    return text_json(page == NULL ? STR("") : site_page_title(page));
}

/* What stands behind "ignored" besides the page's own figures, which are in `pages`. */
static json_t *ignored_json(const struct portrait *p, const struct portrait_page *page)
{
    const struct profile_page *own = page->own;
    const struct site_page *site = page->site;
    enum link_kind kind = site == NULL ? LINK_CONTENT : site->kind;
    double rate;
    bool known = site_pages_rate(p->site, kind, &rate);
    return json_pack("{s:o, s:o, s:o, s:s, s:I, s:I, s:o, s:I, s:o, s:s, s:o, s:o, s:I, s:I}",
                     "page", name_json(page), "id", id_json(own->page), "title", site_title(site),
                     "why", ignored_why_name(page->ignored), "passed", (json_int_t)own->passed,
                     "passed_days", (json_int_t)own->passed_days, "last_seen_day",
                     day_json(own->last_seen_day), "tried", (json_int_t)own->tried, "last_day",
                     day_json(own->last_day), "kind", link_kind_name(kind), "rate",
                     known ? ratio_json(rate) : json_null(), "chance",
                     page->has_chance ? ratio_json(page->chance) : json_null(), "site_visits",
                     (json_int_t)(site == NULL ? 0 : site->visits), "site_used",
                     (json_int_t)(site == NULL ? 0 : site->used));
}

static json_t *wish_json(const struct portrait *p, const struct portrait_wish *wish)
{
    json_t *ways = json_array(), *topics = json_array();
    const struct page_topic *of = site_page_topics(p->site, wish->page);
    for (uint32_t i = 0; i < wish->ways_n && i < PORTRAIT_TOP; i++)
        json_array_append_new(ways, text_json(wish->ways[i]->name));
    for (uint32_t i = 0; i < wish->page->topics_n; i++)
        json_array_append_new(topics, text_json(topics_name(p->site->topics, of[i].topic)));
    return json_pack("{s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:I, s:I}", "page",
                     text_json(wish->page->name), "id", id_json(wish->page->id), "title",
                     site_title(wish->page), "rung", wish->ways_n > 0 ? "offered" : "unoffered",
                     "match", score_json(wish->match), "topic", text_json(wish->topic), "topics",
                     topics, "ways", ways, "ways_n", (json_int_t)wish->ways_n, "linked_from",
                     (json_int_t)wish->page->links.n);
}

json_t *profile_document(const struct portrait *p)
{
    json_t *json = who_json(p), *interests = json_array(), *pages = json_array(),
           *ignored = json_array(), *wishes = json_array();
    for (uint32_t i = 0; i < p->interests_n; i++)
        json_array_append_new(interests, interest_json(&p->interests[i]));
    for (uint32_t i = 0; i < p->pages_n; i++)
        json_array_append_new(pages, page_json(p, &p->pages[i]));
    for (uint32_t i = 0; i < p->ignored_n; i++)
        json_array_append_new(ignored, ignored_json(p, p->ignored[i]));
    for (uint32_t i = 0; i < p->wishes_n; i++)
        json_array_append_new(wishes, wish_json(p, &p->wishes[i]));
    json_object_set_new(json, "interest", score_json(p->interest));
    json_object_set_new(json, "interests", interests);
    json_object_set_new(json, "pages", pages);
    json_object_set_new(json, "ignored", ignored);
    json_object_set_new(json, "undiscovered", wishes);
    json_object_set_new(json, "undiscovered_n", json_integer((json_int_t)p->wishes_all));
    return json;
}
