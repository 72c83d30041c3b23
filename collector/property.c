/*
 * The first '?' ends the name. What stands behind it is a query string of its own, written by
 * people into attributes of their pages: a '%' without two digits stands for itself, and a property
 * without a name is none. Of one that stands twice the last value counts. Names and values are
 * masked like everything else that is kept; they are bounded, and what crosses a bound is refused:
 * a value that was cut would be another value.
 *
 * Pages tell a purchase as other tools have it, as an event with value, currency and order. What
 * these hold is taken before it is masked: a sum or an order's id may be a long number, and of the
 * id only the hash is kept.
 */
#include "property.h"

#include "money.h"
#include "query.h"
#include "utf8.h"

/* Those read so far, in the order of their keys. */
struct reading {
    struct property_room *room;
    struct hit_property kept[HIT_PROPERTIES_MAX];
    unsigned n;
    struct str value, currency, order; /* as they were told */
};

static enum verdict take_text(struct str text, size_t max, char *room, struct str *out)
{
    size_t n;

    if (text.n > max) return V_TOO_LONG;
    if (!utf8_is_text(text)) return V_BAD_UTF8;
    *out = mask_text(text, room, &n) ? (struct str){room, n} : text;
    return V_COUNTED;
}

static void keep(struct reading *r, const struct hit_property *p)
{
    unsigned at = 0;

    while (at < r->n && str_order(r->kept[at].key, p->key) < 0)
        at++;
    if (at == r->n || !str_eq(r->kept[at].key, p->key)) {
        memmove(r->kept + at + 1, r->kept + at, (r->n - at) * sizeof r->kept[0]);
        r->n++;
    }
    r->kept[at] = *p;
}

/* given: how many came before it. */
static enum verdict take(struct reading *r, unsigned given, struct str key, struct str value)
{
    struct hit_property p;

    if (given >= HIT_PROPERTIES_MAX) return V_TOO_MANY;
    enum verdict v = take_text(key, HIT_KEY_MAX_BYTES, r->room->key[given], &p.key);
    if (v == V_COUNTED) v = take_text(value, HIT_VALUE_MAX_BYTES, r->room->value[given], &p.value);
    if (v != V_COUNTED) return v;
    if (str_eq(key, STR("value"))) r->value = value;
    if (str_eq(key, STR("currency"))) r->currency = value;
    if (str_eq(key, STR("order"))) r->order = value;
    keep(r, &p);
    return V_COUNTED;
}

/* 1, 0; -1: it is no switch, whatever its key says. */
static int switched(struct str value)
{
    if (str_eq(value, STR("1")) || str_eq(value, STR("true"))) return 1;
    return str_eq(value, STR("0")) || str_eq(value, STR("false")) ? 0 : -1;
}

/* What is said of the event itself leaves the properties. */
static void take_switches(struct reading *r, struct hit *hit)
{
    unsigned n = 0;

    for (unsigned i = 0; i < r->n; i++) {
        const struct hit_property *p = &r->kept[i];
        int on = switched(p->value);
        if (on >= 0 && str_eq(p->key, STR("goal")))
            hit->flags |= on ? HIT_GOAL : 0;
        else if (on >= 0 && str_eq(p->key, STR("passive")))
            hit->flags &= on ? ~(uint32_t)HIT_INTERACTION : ~0U;
        else
            r->kept[n++] = *p;
    }
    r->n = n;
}

/* Without a sum it is an event that happens to have this name. */
static bool is_purchase(const struct reading *r, struct str name)
{
    return str_eq(name, STR("purchase")) && (r->value.n > 0 || r->currency.n > 0);
}

static enum verdict take_purchase(const struct reading *r, char list[HIT_LIST_MAX_BYTES],
                                  struct hit *hit, const char **field)
{
    int64_t minor;

    *field = "currency";
    if (!money_is_currency(r->currency)) return V_BAD_QUERY;
    *field = "value";
    if (!money_parse(r->value, r->currency, &minor)) return V_BAD_NUMBER;
    *field = "order";
    if (r->order.n > HIT_ORDER_MAX_BYTES) return V_TOO_LONG;
    *field = NULL;
    hit->kind = HIT_PURCHASE;
    hit->name = STR("");
    hit->flags = HIT_INTERACTION;
    hit->list =
        (struct str){list, hit_put_money(list, r->currency, minor, hit_order_hash(r->order))};
    return V_COUNTED;
}

static enum verdict take_query(struct reading *r, struct str text, unsigned *given)
{
    struct query_pair pair;

    if (text.n > sizeof r->room->decoded) return V_TOO_LONG;
    struct query q = query_of(text, r->room->decoded, sizeof r->room->decoded);
    while (query_next(&q, &pair)) {
        if (pair.name.n == 0) continue;
        enum verdict v = take(r, (*given)++, pair.name, pair.value);
        if (v != V_COUNTED) return v;
    }
    return V_COUNTED;
}

static enum verdict take_object(struct reading *r, const struct property_list *list, unsigned given)
{
    if (given + list->given > HIT_PROPERTIES_MAX) return V_TOO_MANY;
    for (unsigned i = 0; i < list->n; i++) {
        enum verdict v = take(r, given + i, list->at[i].key, list->at[i].value);
        if (v != V_COUNTED) return v;
    }
    return V_COUNTED;
}

enum verdict property_read(const struct fields *f, struct property_room *room,
                           char list[HIT_LIST_MAX_BYTES], struct hit *hit, const char **field)
{
    struct str name = str_upto(f->name, str_find(f->name, '?'));
    struct reading r = {.room = room};
    unsigned given = 0;

    *field = "m";
    if (name.n == 0) return V_BAD_QUERY;
    enum verdict v = take_text(name, HIT_NAME_MAX_BYTES, room->name, &hit->name);
    if (v == V_COUNTED) v = take_query(&r, str_from(f->name, name.n + 1), &given);
    if (v != V_COUNTED) return v;
    *field = "properties";
    v = take_object(&r, &f->properties, given);
    if (v != V_COUNTED) return v;
    *field = NULL;
    if (is_purchase(&r, hit->name)) return take_purchase(&r, list, hit, field);
    take_switches(&r, hit);
    hit->list = (struct str){list, hit_put_properties(list, r.kept, r.n)};
    return V_COUNTED;
}
