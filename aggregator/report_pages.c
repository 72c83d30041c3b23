/*
 * What reports share that show pages, so that they read alike: which days they are of, pages by
 * their paths where one host is enough, and how chance is told.
 */
#include "report_pages.h"

#include "bytes.h"
#include "clock.h"
#include "text.h"

int report_read_pages(struct report *r, struct report_days *days, struct page_window *window,
                      struct page_list *out)
{
    struct range_extent extent;
    struct buf err = {0};
    int result = range_read_extent(&r->source, &extent, &err);
    if (result == 0) {
        if (!extent.any) extent.live_ms = r->now_ms; /* only a catalogue: its window ends today */
        if (report_choose_days(r, &extent, days) != 0) return REPORT_FAILED;
        *window = page_window_of(&extent, r->zone, days->from, days->to, r->now_ms);
        result = page_list_read(&r->source, window, out, &err);
    }
    if (result < 0) report_fail("%.*s", STR_ARG(buf_str(&err)));
    buf_fini(&err);
    return result < 0 ? REPORT_FAILED : REPORT_OK;
}

/* ---- heads ---- */

void report_host_take(struct report_host *h, struct str page)
{
    if (page.n == 0 || h->differs) return;
    struct str host = str_upto(page, str_find(page, '/'));
    h->differs = h->host.n > 0 && !str_eq(h->host, host);
    h->host = host;
}

struct str report_host(const struct report_host *h)
{
    return h->differs ? (struct str){NULL, 0} : h->host;
}

void report_head(struct report *r, const char *what, struct str host,
                 const struct report_days *days)
{
    char from[DATE_TEXT_BYTES], to[DATE_TEXT_BYTES];
    uint32_t n = days->to - days->from + 1;
    date_format(days->from, from);
    date_format(days->to, to);
    buf_printf(&r->out, "%s of %s", what, r->args.site);
    if (host.n > 0) {
        buf_add(&r->out, STR(" ("));
        text_add_clean(&r->out, host);
        buf_add_char(&r->out, ')');
    }
    if (n == 1)
        buf_printf(&r->out, ", %s (1 day, %s)", to, r->time_zone);
    else
        buf_printf(&r->out, ", %s to %s (%u days, %s)", from, to, n, r->time_zone);
}

void report_before(struct report *r, const struct page_list *l)
{
    uint32_t days = l->before_to - l->before_from + 1;
    if (l->before_to > 0)
        buf_printf(&r->out, ", against the %u day%s before", days, days == 1 ? "" : "s");
}

void report_left_out(struct report *r, const struct page_list *l)
{
    uint64_t unreadable = l->now->unreadable + l->links.damaged;
    if (l->before != NULL) unreadable += l->before->unreadable;
    if (!l->whole)
        buf_add(&r->out, STR("Days of months that are kept as a whole alone are left out, and do "
                             "not count in the comparison.\n"));
    if (unreadable > 0)
        buf_printf(&r->out, "%llu stored values could not be read and are left out.\n",
                   (unsigned long long)unreadable);
    if (l->other_views > 0)
        buf_printf(&r->out, "%llu views of pages beyond the limit of a day are left out.\n",
                   (unsigned long long)l->other_views);
}

/* ---- cells ---- */

struct str report_page(const struct page_line *line, struct str host, char room[TEXT_PAGE_BYTES])
{
    if (line->page == NULL) return text_unnamed_page(load_le64(line->id), room);
    return str_from(str_of(line->page), host.n);
}

void report_chance(const struct report *r, double chance, char out[REPORT_CHANCE_BYTES])
{
    if (r->args.format != FORMAT_TABLE)
        snprintf(out, REPORT_CHANCE_BYTES, "%.3g", chance);
    else if (chance < 0.001)
        snprintf(out, REPORT_CHANCE_BYTES, "<0.001");
    else
        snprintf(out, REPORT_CHANCE_BYTES, "%.3f", chance);
}
