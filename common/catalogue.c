/*
 * The latest run says what a page is called; of two records of one run the greater text wins, so
 * that the order in which they come does not show.
 */
#include "catalogue.h"

#include "bytes.h"

enum { CATALOGUE_VERSION = 1 };

bool catalogue_page_encode(const struct catalogue_page *p, struct buf *out)
{
    buf_add_char(out, CATALOGUE_VERSION);
    buf_add_varint(out, (uint64_t)p->first_ms);
    buf_add_varint(out, (uint64_t)(p->last_ms - p->first_ms));
    buf_add_varint(out, p->modified);
    buf_add_varint(out, p->title.n);
    buf_add(out, p->title);
    return !out->failed;
}

bool catalogue_page_decode(struct str in, struct catalogue_page *p)
{
    *p = (struct catalogue_page){.first_ms = 0};
    if (in.n == 0 || in.p[0] != CATALOGUE_VERSION) return false;
    struct reader r = reader_of(str_from(in, 1));
    p->first_ms = (int64_t)get_upto(&r, INT64_MAX / 2);
    p->last_ms = p->first_ms + (int64_t)get_upto(&r, INT64_MAX / 2);
    p->modified = (uint32_t)get_upto(&r, UINT32_MAX);
    p->title = get_bytes(&r, get_upto(&r, HIT_NAME_MAX_BYTES));
    if (!r.bad && reader_done(&r)) return true;
    *p = (struct catalogue_page){.first_ms = 0};
    return false;
}

bool catalogue_head_encode(const struct catalogue_head *h, struct buf *out)
{
    buf_add_char(out, CATALOGUE_VERSION);
    buf_add_varint(out, (uint64_t)h->complete_ms);
    buf_add_varint(out, h->named);
    buf_add_varint(out, h->pages);
    buf_add_varint(out, h->over);
    return !out->failed;
}

bool catalogue_head_decode(struct str in, struct catalogue_head *h)
{
    *h = (struct catalogue_head){.complete_ms = 0};
    if (in.n == 0 || in.p[0] != CATALOGUE_VERSION) return false;
    struct reader r = reader_of(str_from(in, 1));
    h->complete_ms = (int64_t)get_upto(&r, INT64_MAX / 2);
    h->named = get_varint(&r);
    h->pages = get_varint(&r);
    h->over = get_varint(&r);
    if (!r.bad && reader_done(&r)) return true;
    *h = (struct catalogue_head){.complete_ms = 0};
    return false;
}

/* < 0: the record says less than what is known. */
static int compare(const struct catalogue_page *p, const struct hit *h, struct str title)
{
    if (h->at_ms != p->last_ms) return h->at_ms > p->last_ms ? 1 : -1;
    if (h->modified != p->modified) return h->modified > p->modified ? 1 : -1;
    return str_order(title, p->title);
}

void catalogue_page_take(struct catalogue_page *p, const struct hit *h)
{
    struct str title = str_upto(h->name, HIT_NAME_MAX_BYTES);
    if (p->first_ms == 0 || h->at_ms < p->first_ms) p->first_ms = h->at_ms;
    if (compare(p, h, title) < 0) return;
    p->last_ms = h->at_ms;
    p->modified = h->modified;
    p->title = title;
}

void catalogue_head_take(struct catalogue_head *c, const struct hit *h)
{
    if (h->at_ms < c->complete_ms || (h->at_ms == c->complete_ms && h->n < c->named)) return;
    c->complete_ms = h->at_ms;
    c->named = h->n;
}

bool catalogue_listed(const struct catalogue_page *p, const struct catalogue_head *h)
{
    return p->last_ms > 0 && p->last_ms >= h->complete_ms;
}
