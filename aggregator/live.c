/*
 * Each visitor stands in one minute, that of its newest sign of life, in the partition of its own:
 * so the last n minutes added up over all partitions are the visitors who were there in them, each
 * once. Columns that a partition has kept from longer ago are passed by.
 */
#include "live.h"

#include "ask.h"

static bool add_row(struct live *l, int64_t into[LIVE_MINUTES], struct str value)
{
    struct row row = {0};
    if (value.n == 0) return true;
    if (!row_decode(value, &row)) return false;
    for (int i = 0; i < LIVE_MINUTES && i <= l->minute; i++)
        into[i] += row_get(&row, (uint32_t)(l->minute - i));
    row_fini(&row);
    return true;
}

int live_read(const struct range_source *s, int64_t now_ms, struct live *out, struct buf *err)
{
    *out = (struct live){.minute = now_ms / LIVE_MINUTE_MS};
    for (unsigned i = 0; i < range_parts(s); i++) {
        struct key key = key_live(range_part(s, i), s->site);
        redisReply *r = ask(s->redis, err, ARGV(STR("HMGET"), key_str(&key), STR("T"), STR("V")));
        if (r == NULL) return -1;
        bool ok = add_row(out, out->views, ask_text(r, 0)) &&
                  add_row(out, out->last_seen, ask_text(r, 1));
        freeReplyObject(r);
        if (ok) continue;
        buf_printf(err, "%s holds damaged rows", key.p);
        return -1;
    }
    return 0;
}

static int64_t sum(const int64_t minutes[LIVE_MINUTES], unsigned n)
{
    int64_t all = 0;
    for (unsigned i = 0; i < n && i < LIVE_MINUTES; i++)
        all += minutes[i];
    return all;
}

int64_t live_visitors(const struct live *l, unsigned minutes)
{
    return sum(l->last_seen, minutes);
}

int64_t live_views(const struct live *l, unsigned minutes)
{
    return sum(l->views, minutes);
}

bool live_any(const struct live *l)
{
    return live_visitors(l, LIVE_MINUTES) > 0 || live_views(l, LIVE_MINUTES) > 0;
}

json_t *live_json(const struct live *l)
{
    json_t *minutes = json_array();
    for (int i = LIVE_MINUTES; minutes != NULL && i-- > 0;) {
        json_t *one =
            json_pack("{s:I, s:I, s:I}", "at_ms", (json_int_t)((l->minute - i) * LIVE_MINUTE_MS),
                      "views", (json_int_t)l->views[i], "last_seen", (json_int_t)l->last_seen[i]);
        if (json_array_append_new(minutes, one) == 0) continue;
        json_decref(minutes);
        minutes = NULL;
    }
    return json_pack("{s:I, s:I, s:I, s:o}", "visitors_5m", (json_int_t)live_visitors(l, 5),
                     "visitors_30m", (json_int_t)live_visitors(l, LIVE_MINUTES), "views_30m",
                     (json_int_t)live_views(l, LIVE_MINUTES), "minutes", minutes);
}
