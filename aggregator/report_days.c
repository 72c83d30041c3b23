/*
 * --last, --from and --to -> the days of a report. They end today in the site's zone, or, for a
 * site of which there are only logs, on its newest day.
 */
#include "report.h"

#include <stdlib.h>

#include "clock.h"

static int read_last(const char *text, uint32_t *days)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (*end == 'w' && n < RANGE_DAYS_MAX) n *= 7;
    if (*end == 'd' || *end == 'w') end++;
    if (end == text || *end != '\0' || n < 1 || n > RANGE_DAYS_MAX)
        return report_fail("--last %s: must be days or weeks, as 28d or 4w, at most %d days", text,
                           RANGE_DAYS_MAX);
    *days = (uint32_t)n;
    return REPORT_OK;
}

static int read_date(const char *option, const char *text, uint32_t *day)
{
    if (date_parse(text, day) == 0) return REPORT_OK;
    return report_fail("%s %s: must be a date as 2026-01-31", option, text);
}

int report_choose_days(const struct report *r, const struct range_extent *extent,
                       struct report_days *g)
{
    const struct report_args *a = &r->args;
    uint32_t days = REPORT_DAYS;
    *g = (struct report_days){0};
    g->to = range_end(extent, r->zone, r->now_ms);
    if (a->to != NULL && read_date("--to", a->to, &g->to) != 0) return REPORT_FAILED;
    if (a->last != NULL && a->from != NULL)
        return report_fail("--last and --from exclude each other");
    if (a->last != NULL && read_last(a->last, &days) != 0) return REPORT_FAILED;
    g->from = g->to < days - 1 ? 0 : g->to - (days - 1);
    if (a->from != NULL && read_date("--from", a->from, &g->from) != 0) return REPORT_FAILED;
    if (g->from > g->to) return report_fail("--from lies behind --to");
    if (g->to - g->from >= RANGE_DAYS_MAX)
        return report_fail("at most %d days at once", RANGE_DAYS_MAX);
    if (a->from == NULL && a->to == NULL) snprintf(g->label, sizeof g->label, "%ud", days);
    return REPORT_OK;
}

int report_days(struct report *r, struct range_extent *extent, struct report_days *out)
{
    struct buf err = {0};
    int result = REPORT_OK;
    if (range_read_extent(&r->source, extent, &err) < 0)
        result = report_fail("%.*s", STR_ARG(buf_str(&err)));
    else if (!extent->any)
        result = report_fail("site '%s' has no data yet; sentier status shows whether hits arrive",
                             r->args.site);
    buf_fini(&err);
    return result == REPORT_OK ? report_choose_days(r, extent, out) : result;
}
