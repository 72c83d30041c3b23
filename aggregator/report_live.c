/*
 * sentier report live: who is there now, minute by minute. With --watch it is a screen to leave
 * open.
 */
#include "report.h"

#include "live.h"

enum { SHORT_MINUTES = 5 };

static const struct table_column columns[] = {
    {"Minute", "minute", CELL_TEXT, 0},
    {"Views", "views", CELL_COUNT, 0},
    {"Last seen", "last_seen", CELL_COUNT, 0},
    {NULL, NULL, CELL_TEXT, 0},
};

static struct table *make_table(const struct report *r, const struct live *l)
{
    struct table *t = table_new(columns);
    bool ok = t != NULL;
    for (int i = 0; ok && i < LIVE_MINUTES; i++) {
        char moment[REPORT_MOMENT_BYTES];
        report_moment(r, (l->minute - i) * LIVE_MINUTE_MS, moment);
        const struct cell cells[] = {
            {.text = str_of(moment)}, {.number = l->views[i]}, {.number = l->last_seen[i]}};
        ok = table_add(t, cells);
    }
    if (ok) return t;
    table_free(t);
    return NULL;
}

static int print_table(struct report *r, const struct live *l)
{
    struct table *t = make_table(r, l);
    bool ok = t != NULL;
    buf_printf(&r->out,
               "%s: %lld visitors in the last %d minutes, %lld in %d; %lld pageviews (%s)\n\n",
               r->args.site, (long long)live_visitors(l, SHORT_MINUTES), SHORT_MINUTES,
               (long long)live_visitors(l, LIVE_MINUTES), LIVE_MINUTES,
               (long long)live_views(l, LIVE_MINUTES), r->time_zone);
    ok = ok && table_print(t, r->width, report_limit(r, 0), &r->out) &&
         buf_add(&r->out, STR("\nLast seen: visitors whose newest sign of life was in that minute; "
                              "so each is counted once.\n"));
    table_free(t);
    return ok ? REPORT_OK : report_fail("out of memory");
}

static int print_csv(struct report *r, const struct live *l)
{
    struct table *t = make_table(r, l);
    bool ok = t != NULL && table_print_csv(t, &r->out);
    table_free(t);
    return ok ? REPORT_OK : report_fail("out of memory");
}

static int print_document(struct report *r, const struct live *l)
{
    return report_print_json(r, json_pack("{s:i, s:s, s:s, s:I, s:o}", "version", 1, "site",
                                          r->args.site, "time_zone", r->time_zone, "folded_at_ms",
                                          (json_int_t)r->now_ms, "live", live_json(l)));
}

int report_live(struct report *r)
{
    struct live live;
    struct buf err = {0};
    if (r->args.from != NULL || r->args.to != NULL || r->args.last != NULL)
        return report_fail(
            "live is the last 30 minutes: --last, --from and --to are for other reports");
    if (report_open(r) != 0) return REPORT_FAILED;
    int result = live_read(&r->source, r->now_ms, &live, &err);
    if (result < 0) report_fail("%.*s", STR_ARG(buf_str(&err)));
    buf_fini(&err);
    if (result < 0) return REPORT_FAILED;
    switch (r->args.format) {
    case FORMAT_CSV: return print_csv(r, &live);
    case FORMAT_JSON: return print_document(r, &live);
    default: return print_table(r, &live);
    }
}
