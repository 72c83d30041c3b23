/* Texts with their lengths, in the order of the struct; numbers as varints. */
#include "about.h"

#include "bytes.h"
#include "hit.h"
#include "sitestate.h"

struct about_topic about_topic_of(struct str text)
{
    size_t digits = 0;
    unsigned weight = 0;
    for (; digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9'; digits++)
        weight =
            weight > ABOUT_WEIGHT_MAX ? weight : weight * 10 + (unsigned)(text.p[digits] - '0');
    if (digits == 0 || digits == text.n || text.p[digits] != ':')
        return (struct about_topic){text, ABOUT_WEIGHT_MAX};
    return (struct about_topic){str_from(text, digits + 1), weight > ABOUT_WEIGHT_MAX ? 0 : weight};
}

static void put(struct buf *out, struct str s)
{
    buf_add_varint(out, s.n);
    buf_add(out, s);
}

bool about_pack(const struct about *a, struct buf *out)
{
    put(out, a->title);
    put(out, a->section);
    put(out, a->language);
    put(out, a->canonical);
    buf_add_varint(out, a->published);
    buf_add_varint(out, a->topics_n);
    for (unsigned i = 0; i < a->topics_n; i++) {
        buf_add_varint(out, a->topics[i].weight);
        put(out, a->topics[i].text);
    }
    return !out->failed;
}

static struct str get(struct reader *r, size_t max)
{
    struct str s = get_bytes(r, get_varint(r));
    if (s.n > max) r->bad = true;
    return s;
}

static uint32_t get_number(struct reader *r, uint64_t max)
{
    uint64_t n = get_varint(r);
    if (n > max) r->bad = true;
    return r->bad ? 0 : (uint32_t)n;
}

bool about_unpack(struct str in, struct about *out)
{
    struct reader r = reader_of(in);
    out->title = get(&r, ABOUT_TITLE_MAX_BYTES);
    out->section = get(&r, ABOUT_TEXT_MAX_BYTES);
    out->language = get(&r, ABOUT_LANGUAGE_MAX_BYTES);
    out->canonical = get(&r, HIT_PAGE_MAX_BYTES);
    out->published = get_number(&r, HIT_DAY_MAX);
    out->topics_n = get_number(&r, ABOUT_TOPICS_MAX);
    for (unsigned i = 0; i < out->topics_n; i++) {
        out->topics[i].weight = get_number(&r, ABOUT_WEIGHT_MAX);
        out->topics[i].text = get(&r, ABOUT_TEXT_MAX_BYTES);
    }
    return !r.bad && reader_done(&r);
}
