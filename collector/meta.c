/*
 * Pages are written by people, so what is merely too long is cut and not refused: a title of 600
 * bytes is a title. Texts are masked before they are cut, since half an e-mail address would not be
 * known for one. What is no text, or no number, is refused: the page does not say what it means.
 */
#include "meta.h"

#include "clock.h"
#include "mask.h"
#include "url.h"
#include "utf8.h"

static enum verdict blame(const char **field, const char *name, enum verdict v)
{
    *field = name;
    return v;
}

/* Masked, then the first max bytes of it; room for these. False: no text. */
static bool take_text(struct str text, size_t max, char *room, struct str *out)
{
    char masked[URL_TEXT_MAX_BYTES + MASK_GROWTH_BYTES];
    size_t n;

    if (!utf8_is_text(text)) return false;
    text = utf8_upto(text, URL_TEXT_MAX_BYTES);
    if (mask_text(text, masked, &n)) text = (struct str){masked, n};
    text = utf8_upto(text, max);
    if (text.n > 0) memcpy(room, text.p, text.n);
    *out = (struct str){room, text.n};
    return true;
}

static struct str trimmed(struct str s)
{
    while (s.n > 0 && memchr(" \t\r\n", s.p[0], 4) != NULL)
        s = str_from(s, 1);
    while (s.n > 0 && memchr(" \t\r\n", s.p[s.n - 1], 4) != NULL)
        s.n--;
    return s;
}

/* Of more than there is room for, the first ones. */
static enum verdict read_topics(const struct fields *f, struct meta_room *room, struct about *out,
                                const char **field)
{
    for (unsigned i = 0; i < f->topics.n && out->topics_n < ABOUT_TOPICS_MAX; i++) {
        struct about_topic *topic = &out->topics[out->topics_n];
        *topic = about_topic_of(trimmed(f->topics.at[i]));
        if (topic->weight == 0) return blame(field, "y", V_BAD_NUMBER);
        if (!take_text(trimmed(topic->text), ABOUT_TEXT_MAX_BYTES, room->topics[out->topics_n],
                       &topic->text))
            return blame(field, "y", V_BAD_UTF8);
        if (topic->text.n > 0) out->topics_n++;
    }
    return V_COUNTED;
}

/* A date, or a moment that begins with one. */
static enum verdict read_published(struct str text, struct about *out, const char **field)
{
    char date[DATE_TEXT_BYTES] = "";

    if (text.n == 0) return V_COUNTED;
    if (text.n >= sizeof date && text.p[sizeof date - 1] != 'T')
        return blame(field, "D", V_BAD_NUMBER);
    text = str_upto(text, sizeof date - 1);
    memcpy(date, text.p, text.n);
    return date_parse(date, &out->published) == 0 ? V_COUNTED : blame(field, "D", V_BAD_NUMBER);
}

enum verdict meta_read(const struct fields *f, struct meta_room *room, struct about *out,
                       const char **field)
{
    *out = (struct about){.language = utf8_upto(f->language, ABOUT_LANGUAGE_MAX_BYTES)};
    if (!utf8_is_text(f->language)) return blame(field, "L", V_BAD_UTF8);
    if (!take_text(f->title, ABOUT_TITLE_MAX_BYTES, room->title, &out->title))
        return blame(field, "T", V_BAD_UTF8);
    if (!take_text(f->section, ABOUT_TEXT_MAX_BYTES, room->section, &out->section))
        return blame(field, "S", V_BAD_UTF8);
    enum verdict v = read_published(f->published, out, field);
    return v == V_COUNTED ? read_topics(f, room, out, field) : v;
}
