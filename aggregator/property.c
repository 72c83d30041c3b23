/*
 * A property's share is one of all events of its name, which have a row of their own. That row may
 * have had no room on a day on which the property's had: then there are fewer events than known of
 * the property, and no share is told.
 */
#include "property.h"

#include "summary.h"

static int64_t events_of(const struct range *r, struct str event)
{
    char name[ROW_NAME_MAX_BYTES];
    if (event.n >= sizeof name) return 0;
    name[0] = 'e';
    memcpy(name + 1, event.p, event.n);
    return range_value(r, (struct str){name, 1 + event.n}, COL_EVENTS);
}

void property_of(const struct range *r, const struct range_row *row, struct property *out)
{
    struct str rest = str_from(row->name, 1);
    *out = (struct property){.event = STR("(other)")};
    out->count = row_get(&row->row, COL_EVENTS);
    out->goals = row_get(&row->row, COL_GOALS);
    if (rest.n == 0) return;
    out->event = str_upto(rest, str_find(rest, ROW_NAME_BORDER));
    rest = str_from(rest, out->event.n + 1);
    out->key = str_upto(rest, str_find(rest, ROW_NAME_BORDER));
    out->value = str_from(rest, out->key.n + 1);
    int64_t events = events_of(r, out->event);
    out->events = events < out->count ? 0 : events;
}

static bool is_of(const struct range_row *row, struct str event)
{
    struct str name = str_from(row->name, 1);
    return str_eq(str_upto(name, str_find(name, ROW_NAME_BORDER)), event);
}

bool property_top(const struct range *r, struct str event, size_t limit, struct range_top *out)
{
    if (event.n == 0) return range_top_some(r, 'a', COL_EVENTS, limit, out);
    if (!range_top_some(r, 'a', COL_EVENTS, 0, out)) return false;
    size_t kept = 0;
    for (size_t i = 0; i < out->n; i++) {
        if (is_of(out->rows[i], event)) out->rows[kept++] = out->rows[i];
    }
    out->cut = limit > 0 && kept > limit;
    out->n = out->cut ? limit : kept;
    return true;
}

static json_t *item_of(const struct range *r, const struct range_row *row, const void *arg)
{
    struct property p;
    (void)arg;
    property_of(r, row, &p);
    return json_pack("{s:o, s:o, s:o, s:I, s:I, s:o}", "event", summary_text(p.event), "key",
                     summary_text(p.key), "value", summary_text(p.value), "count",
                     (json_int_t)p.count, "goals", (json_int_t)p.goals, "share",
                     summary_share(p.count, p.events));
}

json_t *property_list(const struct range *r, struct str event, size_t limit, bool *cut)
{
    struct range_top top;
    if (!property_top(r, event, limit, &top)) return NULL;
    *cut = top.cut;
    return summary_rows(r, &top, item_of, NULL);
}
