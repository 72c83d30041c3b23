/*
 * sentier-report held: what Redis has of one person besides the figures of its profile: its recent
 * pageviews, one by one, with what was done on them, and the hits that wait for a pageview. The
 * part of `sentier export` that only the aggregator's encodings can tell; JSON alone. Nobody held
 * is an answer, too.
 */
#include "report.h"

#include <stdlib.h>

#include "ask.h"
#include "bytes.h"
#include "clock.h"
#include "keys.h"
#include "person.h"
#include "share.h"
#include "text.h"

struct held {
    struct report *r;
    uint64_t id; /* the visitor being told */
    unsigned part;
    struct profile profile; /* not whole: the recent pageviews are what is asked for */
    json_t *own, *views, *waiting;
    struct buf *err;
};

/* ---- names of pages ---- */

static json_t *name_json(struct held *h, uint64_t page)
{
    struct key key = key_pages(h->part, h->r->source.site);
    char field[8], room[TEXT_PAGE_BYTES];
    store_le64(field, page);
    redisReply *reply = ask(h->r->redis, h->err,
                            ARGV(STR("HGET"), key_str(&key), (struct str){field, sizeof field}));
    if (reply == NULL) return NULL;
    struct buf clean = {0};
    if (reply->type == REDIS_REPLY_STRING)
        text_add_clean(&clean, (struct str){reply->str, reply->len});
    else
        buf_add(&clean, text_unnamed_page(page, room));
    freeReplyObject(reply);
    json_t *name = json_stringn(clean.p, clean.n);
    buf_fini(&clean);
    return name;
}

static json_t *names_json(struct held *h, const uint64_t *pages, uint32_t n)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < n; i++) {
        json_t *name = name_json(h, pages[i]);
        if (name != NULL) json_array_append_new(list, name);
    }
    return list;
}

/* ---- pageviews ---- */

static void set_text(json_t *o, const char *field, struct str text)
{
    struct buf clean = {0};
    text_add_clean(&clean, text);
    if (clean.n > 0) json_object_set_new(o, field, json_stringn(clean.p, clean.n));
    buf_fini(&clean);
}

static void set_id(json_t *o, const char *field, uint64_t id)
{
    char text[ID_TEXT_BYTES];
    if (id == 0) return;
    id_format(id, text);
    json_object_set_new(o, field, json_string(text));
}

static json_t *view_json(struct held *h, const struct pageview *p)
{
    char day[DATE_TEXT_BYTES];
    date_format(p->day, day);
    json_t *o = json_pack(
        "{s:I,s:s,s:s,s:s,s:s,s:s,s:I,s:i,s:i,s:b,s:b,s:b}", "at_ms", (json_int_t)p->at_ms, "day",
        day, "channel", channel_name(p->channel), "device", device_name(p->device), "browser",
        browser_name(p->browser), "os", os_name(p->os), "engaged_ms", (json_int_t)p->engaged_ms,
        "depth", (int)p->depth, "errors", (int)p->errors, "interaction", p->interaction_at_ms != 0,
        "goal", p->flags & PV_GOAL, "not_found", p->flags & PV_NOT_FOUND);
    set_id(o, "pageview", p->id);
    json_object_set_new(o, "page", name_json(h, p->page));
    set_text(o, "country", (struct str){p->country, p->country[0] == '\0' ? 0 : 2});
    set_text(o, "source", (struct str){p->source, p->source_n});
    json_object_set_new(o, "links_seen", names_json(h, p->seen, p->seen_n));
    return o;
}

static void set_properties(json_t *o, struct str list)
{
    struct hit_property p;
    json_t *all = json_object();
    while (hit_properties_next(&list, &p)) {
        struct buf key = {0};
        if (text_add_clean(&key, p.key) && buf_add_char(&key, '\0')) {
            json_object_set_new(all, key.p, json_string(""));
            set_text(all, key.p, p.value);
        }
        buf_fini(&key);
    }
    if (json_object_size(all) > 0)
        json_object_set_new(o, "properties", all);
    else
        json_decref(all);
}

static json_t *waiting_json(const struct waiting *w)
{
    const char *kind = hit_kind_name((enum hit_kind)(w->kind & ~(uint32_t)WAITING_GOAL));
    json_t *o =
        json_pack("{s:s,s:I,s:i,s:I,s:i,s:i}", "kind", kind == NULL ? "unknown" : kind, "at_ms",
                  (json_int_t)w->at_ms, "number", (int)w->number, "engaged_ms",
                  (json_int_t)w->engaged_ms, "depth", (int)w->depth, "errors", (int)w->errors);
    set_id(o, "pageview", w->id);
    struct str text = {w->text, w->text_n};
    size_t border = kind == hit_kind_name(HIT_EVENT) ? str_find(text, ROW_NAME_BORDER) : text.n;
    set_text(o, "text", str_upto(text, border));
    set_properties(o, str_from(text, border + 1));
    return o;
}

/* Whether what is told of the visitor is all of one person. */
static bool is_shared(const struct profile *p, uint64_t owner)
{
    const struct visitor *v = &p->recent;
    bool shared = v->link != owner;
    for (uint32_t i = 0; i < p->parts_n; i++)
        shared |= p->parts[i].owner != owner;
    for (uint32_t i = 0; i < v->views_n; i++)
        shared |= v->views[i].owner != CUSTOMER_NONE && v->views[i].owner != owner;
    return shared;
}

/* owner: the customer, whose pageviews alone are told; CUSTOMER_NONE: none has signed in. */
static int tell_visitor(struct held *h, uint64_t owner)
{
    const struct visitor *v = &h->profile.recent;
    char id[ID_TEXT_BYTES];
    int found = person_profile(&h->r->source, h->part, h->id, &h->profile, h->err);
    if (found <= 0) return found;
    id_format(h->id, id);
    if (!is_shared(&h->profile, owner)) json_array_append_new(h->own, json_string(id));
    uint64_t share = v->link == owner ? SHARE_FIRST : owner;
    for (uint32_t i = 0; i < v->views_n; i++) {
        if (share_of(v, &v->views[i]) != share) continue;
        json_t *view = view_json(h, &v->views[i]);
        json_object_set_new(view, "visitor", json_string(id));
        json_array_append_new(h->views, view);
    }
    for (uint32_t i = 0; i < v->waiting_n; i++) {
        if (v->waiting[i].owner == owner)
            json_array_append_new(h->waiting, waiting_json(&v->waiting[i]));
    }
    profile_fini(&h->profile);
    return 1;
}

static int tell_person(struct held *h, const struct person *p)
{
    bool customer = p->customer.n > 0;
    struct person_visitor alone = {p->id, p->part};
    const struct person_visitor *list = customer ? p->visitors : &alone;
    int result = 0;
    for (unsigned i = 0; result >= 0 && i < (customer ? p->visitors_n : 1); i++) {
        h->id = list[i].id;
        h->part = list[i].part;
        result = tell_visitor(h, customer ? p->id : CUSTOMER_NONE);
    }
    return result < 0 ? -1 : 0;
}

static int print(struct held *h, const struct person *p, bool found)
{
    h->own = json_array();
    h->views = json_array();
    h->waiting = json_array();
    if (found) tell_person(h, p);
    uint64_t visitor;
    bool known = id_parse(str_of(h->r->args.subject), &visitor);
    if (!found && known) json_array_append_new(h->own, json_string(h->r->args.subject));
    json_t *document =
        json_pack("{s:b,s:b,s:o,s:o,s:o}", "profile", found, "customer", found && p->customer.n > 0,
                  "own", h->own, "pageviews", h->views, "waiting", h->waiting);
    if (h->err->n == 0) return report_print_json(h->r, document);
    json_decref(document);
    return REPORT_FAILED;
}

int report_held(struct report *r)
{
    struct buf err = {0};
    struct held h = {.r = r, .err = &err};
    struct person_whole whole = {.customer = NULL};
    if (r->args.subject == NULL) return report_fail("whose? sentier export --site NAME ID");
    if (report_open(r) != 0) return REPORT_FAILED;
    int found = person_read(&r->source, str_of(r->args.subject), &whole, &err);
    int result = found < 0 ? REPORT_FAILED : print(&h, &whole.person, found == 1);
    if (err.n > 0) report_fail("%.*s", STR_ARG(buf_str(&err)));
    person_fini(&whole);
    profile_fini(&h.profile);
    buf_fini(&err);
    return result;
}
