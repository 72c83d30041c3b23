/*
 * The first '?' ends the name. What stands behind it is a query string of its own, written by
 * people into attributes of their pages: a '%' without two digits stands for itself, and a property
 * without a name is none. Of one that stands twice the last value counts. Names and values are
 * masked like everything else that is kept; they are bounded, and what crosses a bound is refused:
 * a value that was cut would be another value.
 */
#include "property.h"

#include "query.h"
#include "utf8.h"

/* Those read so far, in the order of their keys. */
struct reading {
    struct property_room *room;
    struct hit_property kept[HIT_PROPERTIES_MAX];
    unsigned n;
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
    if (v == V_COUNTED) keep(r, &p);
    return v;
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
    hit->list = (struct str){list, hit_put_properties(list, r.kept, r.n)};
    return V_COUNTED;
}
