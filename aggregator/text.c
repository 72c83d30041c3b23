/*
 * Page names, event names and campaigns come from browsers and logs, so anybody can choose them. A
 * terminal obeys control characters; so nothing leaves this file that could steer one: controls of
 * both sets, direction marks, line separators and bytes that are not UTF-8 all become U+FFFD.
 * Widths follow the blocks that terminals draw in two columns or in none.
 */
#include "text.h"

#include <stdio.h>

#include "keys.h"

enum { REPLACEMENT = 0xfffd };

size_t text_next(struct str s, uint32_t *character)
{
    const unsigned char *p = (const unsigned char *)s.p;
    *character = p[0];
    if (p[0] < 0x80) return 1;
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    *character = REPLACEMENT;
    if (p[0] < 0xc2 || p[0] > 0xf4 || s.n < n) return 1;
    static const unsigned char masks[] = {0, 0, 0x1f, 0x0f, 0x07};
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t c = p[0] & masks[n];
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) return 1;
        c = c << 6 | (p[i] & 0x3fu);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return 1;
    *character = c;
    return n;
}

static bool steers(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c ||
           (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xe0000 && c <= 0xe0fff);
}

static bool add_replacement(struct buf *out)
{
    return buf_add(out, STR("\xef\xbf\xbd"));
}

bool text_add_utf8(struct buf *out, struct str s)
{
    while (s.n > 0) {
        uint32_t c;
        size_t n = text_next(s, &c);
        if (!(c == REPLACEMENT ? add_replacement(out) : buf_add(out, str_upto(s, n)))) return false;
        s = str_from(s, n);
    }
    return true;
}

bool text_add_clean(struct buf *out, struct str s)
{
    while (s.n > 0) {
        uint32_t c;
        size_t n = text_next(s, &c);
        bool bad = c == REPLACEMENT || steers(c);
        if (!(bad ? add_replacement(out) : buf_add(out, str_upto(s, n)))) return false;
        s = str_from(s, n);
    }
    return true;
}

/* Columns of one character; ranges in rising order. */
static unsigned columns_of(uint32_t c)
{
    static const struct {
        uint32_t first, last;
        unsigned columns;
    } ranges[] = {
        {0x300, 0x36f, 0},     {0x483, 0x489, 0},     {0x591, 0x5bd, 0},     {0x610, 0x61a, 0},
        {0x64b, 0x65f, 0},     {0x1100, 0x115f, 2},   {0x1ab0, 0x1aff, 0},   {0x1dc0, 0x1dff, 0},
        {0x20d0, 0x20ff, 0},   {0x231a, 0x231b, 2},   {0x2e80, 0x303e, 2},   {0x3041, 0x33ff, 2},
        {0x3400, 0x4dbf, 2},   {0x4e00, 0x9fff, 2},   {0xa000, 0xa4cf, 2},   {0xac00, 0xd7a3, 2},
        {0xf900, 0xfaff, 2},   {0xfe00, 0xfe0f, 0},   {0xfe20, 0xfe2f, 0},   {0xfe30, 0xfe6f, 2},
        {0xff01, 0xff60, 2},   {0xffe0, 0xffe6, 2},   {0x1f300, 0x1f64f, 2}, {0x1f680, 0x1f6ff, 2},
        {0x1f900, 0x1f9ff, 2}, {0x20000, 0x3fffd, 2},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges && c >= ranges[i].first; i++) {
        if (c <= ranges[i].last) return ranges[i].columns;
    }
    return 1;
}

unsigned text_columns(struct str clean)
{
    unsigned columns = 0;
    while (clean.n > 0) {
        uint32_t c;
        size_t n = text_next(clean, &c);
        columns += columns_of(c);
        clean = str_from(clean, n);
    }
    return columns;
}

/* The longest beginning of s in at most `columns`, in bytes. */
static size_t fit_begin(struct str s, unsigned columns)
{
    size_t used = 0;
    while (used < s.n) {
        uint32_t c;
        size_t n = text_next(str_from(s, used), &c);
        if (columns_of(c) > columns) break;
        columns -= columns_of(c);
        used += n;
    }
    return used;
}

/* The shortest beginning of s whose rest fits into `columns`, in bytes. */
static size_t fit_end(struct str s, unsigned columns)
{
    unsigned left = text_columns(s);
    size_t skipped = 0;
    while (left > columns) {
        uint32_t c;
        skipped += text_next(str_from(s, skipped), &c);
        left -= columns_of(c);
    }
    return skipped;
}

bool text_add_short(struct buf *out, struct str s, unsigned columns)
{
    struct buf clean;
    buf_init(&clean, 0);
    bool ok = text_add_clean(&clean, s);
    struct str all = buf_str(&clean);
    if (ok && text_columns(all) <= columns) {
        ok = buf_add(out, all);
    } else if (ok && columns > 0) {
        /* The end of a page's path tells more than its beginning: it gets the greater half. */
        struct str begin = str_upto(all, fit_begin(all, (columns - 1) / 2));
        struct str end = str_from(all, fit_end(all, columns / 2));
        ok = buf_add(out, begin) && buf_add(out, STR("\xe2\x80\xa6")) && buf_add(out, end);
    }
    buf_fini(&clean);
    return ok;
}

struct str text_unnamed_page(uint64_t id, char room[TEXT_PAGE_BYTES])
{
    char text[ID_TEXT_BYTES];
    id_format(id, text);
    snprintf(room, TEXT_PAGE_BYTES, "(page %s)", text);
    return str_of(room);
}

bool text_add_count(struct buf *out, int64_t n)
{
    uint64_t magnitude = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    uint64_t unit = 1;
    while (magnitude / unit >= 1000)
        unit *= 1000;
    if (n < 0 && !buf_add_char(out, '-')) return false;
    bool ok = buf_printf(out, "%llu", (unsigned long long)(magnitude / unit));
    while (ok && unit > 1) {
        magnitude %= unit;
        unit /= 1000;
        ok = buf_printf(out, ",%03llu", (unsigned long long)(magnitude / unit));
    }
    return ok;
}

bool text_add_score(struct buf *out, int64_t thousandths)
{
    int64_t hundredths = thousandths / 10 + (thousandths % 10 >= 5);
    return text_add_count(out, hundredths / 100) &&
           buf_printf(out, ".%02d", (int)(hundredths % 100));
}

bool text_add_duration(struct buf *out, int64_t ms)
{
    int64_t s = (ms < 0 ? 0 : ms) / 1000;
    if (s >= 3600) {
        return text_add_count(out, s / 3600) && buf_printf(out, "h %02dm", (int)(s % 3600 / 60));
    }
    if (s >= 60) return buf_printf(out, "%dm %02ds", (int)(s / 60), (int)(s % 60));
    return buf_printf(out, "%ds", (int)s);
}

bool text_add_share(struct buf *out, int64_t part, int64_t whole)
{
    if (whole <= 0) return buf_add_char(out, '-');
    return buf_printf(out, "%.1f%%", 100.0 * (double)part / (double)whole);
}
