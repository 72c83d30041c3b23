/*
 * The form is told by the bytes, never by a name or a content type, which are often wrong: two
 * layers of gzip at most (a packed file, packed again on its way), then '<' is XML and "http" a
 * list of URLs. Anything else is no sitemap.
 *
 * Nothing is kept but the entry being read, in fields of fixed size. Every bound is checked as
 * bytes go by, so the price of a hostile file is the reading of SITEMAP_MAX_BYTES at most. A URL
 * that cannot be read is an entry that says so; a file that crosses a bound ends there, and what
 * came out before stays right: a line that was cut off does not come out.
 */
#include "sitemap.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "gunzip.h"
#include "sitemap_core.h"
#include "utf8.h"

enum { PIECE_BYTES = 16 * 1024 };

static const size_t field_bytes[FIELDS] = {
    [FIELD_URL] = SITEMAP_URL_MAX_BYTES,
    [FIELD_BARE] = SITEMAP_URL_MAX_BYTES,
    [FIELD_GUID] = SITEMAP_URL_MAX_BYTES,
    [FIELD_MODIFIED] = 64,
    [FIELD_PUBLISHED] = 64,
    [FIELD_TITLE] = SITEMAP_TITLE_MAX_BYTES,
    [FIELD_LANGUAGE] = SITEMAP_LANGUAGE_MAX_BYTES,
    [FIELD_SITE_LANGUAGE] = SITEMAP_LANGUAGE_MAX_BYTES,
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool sitemap_refuse(struct sitemap *s, const char *format, ...)
{
    char text[256];
    va_list ap;
    if (s->error.n > 0) return false; /* the first reason counts */
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    if (!buf_add(&s->error, str_of(text))) abort(); /* a refusal must not get lost */
    return false;
}

/* ---- fields ---- */

void sitemap_add(struct sitemap *s, enum sitemap_field field, struct str text)
{
    struct field_text *f = &s->fields[field];
    if (f->n == 0 && !f->cut) {
        while (text.n > 0 && is_space(text.p[0]))
            text = str_from(text, 1);
    }
    struct str fits = str_upto(text, field_bytes[field] - f->n), rest = str_from(text, fits.n);
    if (fits.n > 0) memcpy(f->text + f->n, fits.p, fits.n);
    f->n += fits.n;
    for (size_t i = 0; i < rest.n && !f->cut; i++)
        f->cut = !is_space(rest.p[i]);
}

void sitemap_clear(struct sitemap *s)
{
    for (int i = 0; i < ENTRY_FIELDS; i++) {
        s->fields[i].n = 0;
        s->fields[i].cut = false;
    }
}

static struct str value(struct sitemap *s, enum sitemap_field field)
{
    struct field_text *f = &s->fields[field];
    while (f->n > 0 && is_space(f->text[f->n - 1]))
        f->n--;
    return (struct str){f->text, f->n};
}

/* In place: one blank for any number of blanks and control characters; whole characters only. */
static struct str clean(struct str text)
{
    char *out = (char *)text.p; /* a field's own */
    size_t n = 0;
    while (text.n > 0) {
        size_t c = utf8_char(text);
        if (c == 0) break; /* the last one was cut */
        bool blank = is_space(text.p[0]) || !utf8_is_text(str_upto(text, c));
        if (!blank) memmove(out + n, text.p, c);
        if (blank && n > 0 && out[n - 1] != ' ') out[n++] = ' ';
        n += blank ? 0 : c;
        text = str_from(text, c);
    }
    return (struct str){out, n > 0 && out[n - 1] == ' ' ? n - 1 : n};
}

static struct str language(struct sitemap *s)
{
    bool own = value(s, FIELD_LANGUAGE).n > 0;
    enum sitemap_field field = own ? FIELD_LANGUAGE : FIELD_SITE_LANGUAGE;
    struct str tag = value(s, field);
    bool ok = !s->fields[field].cut;
    for (size_t i = 0; i < tag.n && ok; i++) {
        char c = str_lower_char(tag.p[i]);
        ok = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    }
    return ok ? tag : STR("");
}

static struct str url_of_entry(struct sitemap *s, bool *cut)
{
    static const enum sitemap_field order[] = {FIELD_URL, FIELD_BARE, FIELD_GUID};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        struct str url = value(s, order[i]);
        /* A guid may be anything. */
        if (order[i] == FIELD_GUID && !str_ieq(str_upto(url, 4), STR("http"))) continue;
        *cut = s->fields[order[i]].cut;
        if (url.n > 0) return url;
    }
    return STR("");
}

static int64_t date(struct sitemap *s, enum sitemap_field field, const char *name, const char **bad)
{
    struct str text = value(s, field);
    int64_t ms = text.n == 0 || s->fields[field].cut ? SITEMAP_NO_DATE : sitemap_date(text);
    if (text.n > 0 && ms == SITEMAP_NO_DATE) *bad = name;
    return ms;
}

void sitemap_emit(struct sitemap *s)
{
    struct sitemap_entry e = {.number = s->entries + 1, .kind = s->kind};
    bool cut = false;
    if (s->entries == SITEMAP_ENTRIES_MAX) {
        sitemap_refuse(s,
                       "more than %d entries in one file: split it, and list the parts in a "
                       "sitemap index; the first %d were read",
                       SITEMAP_ENTRIES_MAX, SITEMAP_ENTRIES_MAX);
        return;
    }
    s->entries++;
    e.url = url_of_entry(s, &cut);
    if (e.url.n == 0)
        e.bad = "it has no URL";
    else if (cut)
        e.bad = "its URL is longer than 2048 bytes";
    else if (!utf8_is_text(e.url))
        e.bad = "its URL holds control characters or is not UTF-8";
    if (e.bad != NULL) e.url = clean(e.url);
    e.title = clean(value(s, FIELD_TITLE));
    e.language = language(s);
    e.modified_ms = date(s, FIELD_MODIFIED, "lastmod", &e.bad_date);
    e.published_ms = date(s, FIELD_PUBLISHED, "publication date", &e.bad_date);
    s->on_entry(s->arg, &e);
}

/* ---- the form ---- */

static void end_line(struct sitemap *s)
{
    if (value(s, FIELD_URL).n > 0) sitemap_emit(s); /* blank lines are none */
    sitemap_clear(s);
}

static bool take_lines(struct sitemap *s, struct str bytes)
{
    while (bytes.n > 0 && s->error.n == 0) {
        size_t lf = str_find(bytes, '\n'), cr = str_find(str_upto(bytes, lf), '\r');
        sitemap_add(s, FIELD_URL, str_upto(bytes, cr));
        if (cr < bytes.n) end_line(s);
        bytes = str_from(bytes, cr + 1);
    }
    return s->error.n == 0;
}

static bool take(struct sitemap *s, struct str bytes)
{
    return s->state == XML ? sitemap_xml_feed(s, bytes) : take_lines(s, bytes);
}

static bool decide(struct sitemap *s)
{
    struct str head = {s->head, s->head_n};
    /* UTF-16 begins with its mark, or has a zero beside the '<'. */
    if (str_ieq(head, STR("<!doctype html")))
        return sitemap_refuse(s, "an HTML page, not a sitemap");
    if (head.n > 0 && memchr("<\0\xff\xfe", head.p[0], 4) != NULL) {
        s->state = XML;
        return sitemap_xml_begin(s) && take(s, head);
    }
    if (!str_ieq(str_upto(head, 4), STR("http")))
        return sitemap_refuse(s,
                              head.n == 0 ? "the file is empty" : "neither XML nor a list of URLs");
    s->state = LINES;
    s->kind = SITEMAP_LIST;
    return take(s, head);
}

/* Blanks and a UTF-8 mark before the first character are dropped: XML knows no blank there, but
 * many a file has one. */
static bool sniff(struct sitemap *s, struct str *bytes)
{
    while (bytes->n > 0 && s->state == SNIFFING) {
        char c = bytes->p[0];
        *bytes = str_from(*bytes, 1);
        if (s->head_n == 0 && is_space(c)) continue;
        s->head[s->head_n++] = c;
        if (str_eq((struct str){s->head, s->head_n}, STR("\xef\xbb\xbf"))) s->head_n = 0;
        if (s->head_n == sizeof s->head && !decide(s)) return false;
    }
    return true;
}

static bool on_unpacked(void *arg, struct str bytes)
{
    struct sitemap *s = arg;
    s->bytes += bytes.n;
    if (s->bytes > SITEMAP_MAX_BYTES)
        return sitemap_refuse(s, "more than %d MB when unpacked", SITEMAP_MAX_BYTES >> 20);
    if (s->state == SNIFFING && !sniff(s, &bytes)) return false;
    return bytes.n == 0 || take(s, bytes);
}

static bool gunzipped(struct sitemap *s, enum gunzip_result result)
{
    if (result == GUNZIP_BAD)
        return sitemap_refuse(s, "the gzip data is damaged or ends too early");
    return result == GUNZIP_OK;
}

static bool on_outer(void *arg, struct str bytes)
{
    struct sitemap *s = arg;
    return gunzipped(s, gunzip_feed(s->inner, bytes));
}

struct sitemap *sitemap_new(sitemap_on_entry *on_entry, void *arg)
{
    struct sitemap *s = calloc(1, sizeof *s);
    if (s == NULL) return NULL;
    s->on_entry = on_entry;
    s->arg = arg;
    s->outer = gunzip_new(on_outer, s);
    s->inner = gunzip_new(on_unpacked, s);
    if (s->outer != NULL && s->inner != NULL) return s;
    sitemap_free(s);
    return NULL;
}

void sitemap_free(struct sitemap *s)
{
    if (s == NULL) return;
    sitemap_xml_free(s->xml);
    gunzip_free(s->outer);
    gunzip_free(s->inner);
    buf_fini(&s->error);
    free(s);
}

bool sitemap_feed(struct sitemap *s, struct str bytes)
{
    while (bytes.n > 0 && s->error.n == 0) {
        struct str piece = str_upto(bytes, PIECE_BYTES);
        bytes = str_from(bytes, piece.n);
        s->in_bytes += piece.n;
        if (s->in_bytes > SITEMAP_MAX_BYTES) /* nothing needs to come out of gzip */
            return sitemap_refuse(s, "more than %d MB", SITEMAP_MAX_BYTES >> 20);
        gunzipped(s, gunzip_feed(s->outer, piece));
    }
    return s->error.n == 0;
}

bool sitemap_end(struct sitemap *s)
{
    if (s->error.n > 0 || !gunzipped(s, gunzip_end(s->outer)) ||
        !gunzipped(s, gunzip_end(s->inner)))
        return false;
    if (s->state == SNIFFING && !decide(s)) return false;
    if (s->state == XML) return sitemap_xml_end(s);
    end_line(s);
    return s->error.n == 0;
}

struct str sitemap_error(const struct sitemap *s)
{
    return buf_str(&s->error);
}

enum sitemap_kind sitemap_kind(const struct sitemap *s)
{
    return s->kind;
}

uint64_t sitemap_entries(const struct sitemap *s)
{
    return s->entries;
}

const char *sitemap_kind_name(enum sitemap_kind kind)
{
    static const char *const names[] = {
        [SITEMAP_UNKNOWN] = "nothing", [SITEMAP_URLSET] = "urlset", [SITEMAP_INDEX] = "index",
        [SITEMAP_LIST] = "list",       [SITEMAP_RSS] = "rss",       [SITEMAP_ATOM] = "atom"};
    assert(kind <= SITEMAP_ATOM);
    return names[kind];
}
