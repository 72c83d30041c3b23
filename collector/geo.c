/*
 * A file is rows "first,last,CC" in rising order: decimal numbers for IPv4, colon form for IPv6.
 * In memory it is one sorted array of starts, big-endian so that memcmp orders them, and beside it
 * the country that begins there ("" where nothing is known). So a gap is a row like any other,
 * neighbours of one country are one, and a look-up is one binary search. Loading parses by hand:
 * 25 MB of text in a fraction of a second, at every start.
 */
#include "geo.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "log.h"
#include "str.h"

enum { KEY_MAX = 16, FILE_MAX_BYTES = 256 * 1024 * 1024 };

struct country {
    char code[2];
};

struct table {
    size_t width; /* bytes of a key: 4 or 16 */
    unsigned char *keys;
    struct country *countries;
    size_t n, cap;
};

struct geo {
    struct table v4, v6;
};

struct row {
    unsigned char first[KEY_MAX], last[KEY_MAX];
    struct country country;
};

typedef const char *parse_fn(const char *p, const char *end, unsigned char *key);

/* The byte after the number; NULL: there is none, or it is too large. */
static const char *parse_v4(const char *p, const char *end, unsigned char *key)
{
    uint64_t v = 0;
    const char *begin = p;
    for (; p < end && *p >= '0' && *p <= '9' && p - begin < 10; p++) {
        v = v * 10 + (uint64_t)(*p - '0');
    }
    if (p == begin || v > UINT32_MAX) return NULL;
    for (int i = 3; i >= 0; i--, v >>= 8)
        key[i] = (unsigned char)v;
    return p;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = str_lower_char(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Up to four digits; their count. */
static int parse_group(const char *p, const char *end, unsigned char out[2])
{
    int n = 0;
    unsigned v = 0;
    for (; n < 4 && p + n < end && hex_digit(p[n]) >= 0; n++) {
        v = v << 4 | (unsigned)hex_digit(p[n]);
    }
    out[0] = (unsigned char)(v >> 8);
    out[1] = (unsigned char)v;
    return n;
}

/* Groups with at most one "::". The byte after the address, or NULL. */
static const char *parse_v6(const char *p, const char *end, unsigned char *key)
{
    unsigned char groups[KEY_MAX];
    size_t n = 0, gap = SIZE_MAX;
    if (end - p >= 2 && p[0] == ':' && p[1] == ':') {
        gap = 0;
        p += 2;
    }
    while (n < KEY_MAX) {
        int digits = parse_group(p, end, groups + n);
        if (digits == 0) break;
        p += digits;
        n += 2;
        if (p == end || *p != ':') break;
        if (end - p >= 2 && p[1] == ':' && gap == SIZE_MAX) {
            gap = n;
            p += 2;
        } else if (n < KEY_MAX && end - p >= 2 && hex_digit(p[1]) >= 0) {
            p++;
        } else {
            return NULL;
        }
    }
    if (gap == SIZE_MAX ? n != KEY_MAX : n >= KEY_MAX) return NULL;
    if (gap == SIZE_MAX) gap = n;
    memset(key, 0, KEY_MAX);
    memcpy(key, groups, gap);
    memcpy(key + KEY_MAX - (n - gap), groups + gap, n - gap);
    return p;
}

static const char *parse_country(const char *p, const char *end, struct country *out)
{
    if (end - p < 2) return NULL;
    if (p[0] >= 'A' && p[0] <= 'Z' && p[1] >= 'A' && p[1] <= 'Z') {
        *out = (struct country){{p[0], p[1]}};
    } else if (p[0] == '?' && p[1] == '?') {
        *out = (struct country){{0, 0}};
    } else {
        return NULL;
    }
    return p + 2;
}

static bool parse_row(const char *p, const char *end, parse_fn *parse, struct row *out)
{
    p = parse(p, end, out->first);
    if (p == NULL || p == end || *p++ != ',') return false;
    p = parse(p, end, out->last);
    if (p == NULL || p == end || *p++ != ',') return false;
    p = parse_country(p, end, &out->country);
    return p != NULL && (p == end || (*p == '\r' && p + 1 == end));
}

static bool grow(struct table *t)
{
    size_t cap = t->cap == 0 ? 1 << 16 : t->cap * 2;
    unsigned char *keys = realloc(t->keys, cap * t->width);
    if (keys == NULL) return false;
    t->keys = keys;
    struct country *countries = realloc(t->countries, cap * sizeof *countries);
    if (countries == NULL) return false;
    t->countries = countries;
    t->cap = cap;
    return true;
}

/* From key on, until the next start: country. A gap of no length leaves two starts at one key; the
 * later one holds. False: no memory. */
static bool start(struct table *t, const unsigned char *key, struct country country)
{
    if (t->n > 0 && memcmp(t->keys + (t->n - 1) * t->width, key, t->width) == 0) t->n--;
    if (t->n > 0 && memcmp(&t->countries[t->n - 1], &country, sizeof country) == 0) return true;
    if (t->n == t->cap && !grow(t)) return false;
    memcpy(t->keys + t->n * t->width, key, t->width);
    t->countries[t->n++] = country;
    return true;
}

/* key + 1; false: there is none. */
static bool step(unsigned char *key, size_t width)
{
    for (size_t i = width; i-- > 0;) {
        if (++key[i] != 0) return true;
    }
    return false;
}

/* Adds the rows of a text. 0; else the number of the line that is damaged or out of order. */
static size_t add_rows(struct table *t, struct str text, parse_fn *parse)
{
    unsigned char next[KEY_MAX] = {0}; /* first address that no row has covered yet */
    bool room = true;
    const char *p = text.p, *end = text.p + text.n;
    for (size_t line = 1; p < end; line++) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        if (eol == NULL) eol = end;
        if (p < eol && *p != '#') {
            struct row row;
            if (!parse_row(p, eol, parse, &row) || !room) return line;
            if (memcmp(row.first, next, t->width) < 0) return line;
            if (memcmp(row.last, row.first, t->width) < 0) return line;
            if (!start(t, row.first, row.country)) return line;
            memcpy(next, row.last, t->width);
            room = step(next, t->width);
            if (room && !start(t, next, (struct country){{0, 0}})) return line;
        }
        p = eol + 1;
    }
    return 0;
}

/* The whole file, to be freed; p NULL: errno. */
static struct str read_file(const char *path)
{
    struct str s = {NULL, 0};
    FILE *f = fopen(path, "re");
    if (f == NULL) return s;
    char *p = NULL;
    long size = fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
    if (size >= 0 && size <= FILE_MAX_BYTES) p = malloc((size_t)size + 1);
    if (p != NULL && fseek(f, 0, SEEK_SET) == 0) s = (struct str){p, fread(p, 1, (size_t)size, f)};
    if (s.p == NULL) free(p);
    fclose(f);
    return s;
}

/* False: damaged. */
static bool load_table(struct table *t, const char *path, parse_fn *parse)
{
    if (path == NULL || path[0] == '\0') return true;
    struct str text = read_file(path);
    if (text.p == NULL) {
        log_warn("geo.missing", "file=%s err=%s countries stay unknown", path, strerror(errno));
        return true;
    }
    size_t bad = add_rows(t, text, parse);
    free((char *)text.p);
    if (bad == 0) return true;
    log_error("geo.damaged", "file=%s line=%zu want=\"FIRST,LAST,CC\" in rising order", path, bad);
    return false;
}

struct geo *geo_load(const char *v4_file, const char *v6_file)
{
    struct geo *g = calloc(1, sizeof *g);
    if (g == NULL) return NULL;
    g->v4.width = 4;
    g->v6.width = KEY_MAX;
    if (load_table(&g->v4, v4_file, parse_v4) && load_table(&g->v6, v6_file, parse_v6)) return g;
    geo_free(g);
    return NULL;
}

void geo_free(struct geo *g)
{
    if (g == NULL) return;
    free(g->v4.keys);
    free(g->v4.countries);
    free(g->v6.keys);
    free(g->v6.countries);
    free(g);
}

static struct country look_up(const struct table *t, const unsigned char *key)
{
    size_t from = 0, to = t->n; /* the last start <= key lies before `to` */
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (memcmp(t->keys + middle * t->width, key, t->width) <= 0) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from == 0 ? (struct country){{0, 0}} : t->countries[from - 1];
}

void geo_country(const struct geo *g, const unsigned char address[16], char out[2])
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct country c = {{0, 0}};
    if (g != NULL) {
        bool is_v4 = memcmp(address, mapped, sizeof mapped) == 0;
        c = is_v4 ? look_up(&g->v4, address + 12) : look_up(&g->v6, address);
    }
    memcpy(out, c.code, 2);
}
