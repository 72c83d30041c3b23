/* What a page list is made of, from Redis, and the names of its pages. */
#include <stdlib.h>

#include "ask.h"
#include "page_list.h"

enum { NAMES_PER_QUESTION = 500, LISTINGS_MAX_BYTES = 256 * 1024 * 1024 };

static int read_catalogue(const struct range_source *s, struct page_list *l, struct buf *err)
{
    struct key key = key_catalogue(key_home(s->site, s->partitions), s->site);
    buf_init(&l->listings, LISTINGS_MAX_BYTES);
    return range_read_hash(s, &key, &l->listings, err);
}

static int read_before(const struct range_source *s, const struct page_window *w,
                       struct page_list *l, struct buf *err)
{
    uint32_t days = w->to - w->from + 1;
    if (w->first == 0 || w->first >= w->from) return 0;
    l->before_to = w->from - 1;
    l->before_from = w->from - w->first > days ? w->from - days : w->first;
    return range_read(s, l->before_from, l->before_to, &l->before, err);
}

static int ask_names(const struct range_source *s, unsigned part, struct page_line **lines,
                     size_t n, struct buf *err)
{
    struct str argv[2 + NAMES_PER_QUESTION];
    struct key key = key_pages(part, s->site);
    argv[0] = STR("HMGET");
    argv[1] = key_str(&key);
    for (size_t i = 0; i < n; i++)
        argv[2 + i] = (struct str){lines[i]->id, PAGE_ID_BYTES};
    redisReply *reply = ask(s->redis, err, (int)n + 2, argv);
    if (reply == NULL) return -1;
    int result = 0;
    for (size_t i = 0; i < n && result == 0; i++) {
        struct str page = ask_text(reply, i);
        if (page.n == 0) continue;
        lines[i]->page = strndup(page.p, page.n);
        if (lines[i]->page == NULL) result = -1;
    }
    if (result < 0) buf_printf(err, "out of memory");
    freeReplyObject(reply);
    return result;
}

static int read_names(const struct range_source *s, struct page_list *l, struct buf *err)
{
    for (unsigned part = 0; part < range_parts(s); part++) {
        struct page_line *lines[NAMES_PER_QUESTION];
        size_t n = 0;
        for (size_t i = 0; i < l->n; i++) {
            if (l->lines[i].page == NULL) lines[n++] = &l->lines[i];
            if (n == 0 || (n < NAMES_PER_QUESTION && i + 1 < l->n)) continue;
            if (ask_names(s, range_part(s, part), lines, n, err) < 0) return -1;
            n = 0;
        }
    }
    return 0;
}

int page_list_read(const struct range_source *s, const struct page_window *w, struct page_list *out,
                   struct buf *err)
{
    *out = (struct page_list){.n = 0};
    if (range_read(s, w->from, w->to, &out->now, err) < 0 || read_before(s, w, out, err) < 0 ||
        read_catalogue(s, out, err) < 0 ||
        link_graph_read(s, w->from, true, &out->links, err) < 0 ||
        page_list_judge(out, w, err) < 0 || read_names(s, out, err) < 0)
        return -1;
    page_list_sort(out);
    return 0;
}
