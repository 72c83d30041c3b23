/*
 * host[:port]/path[?kept parameters][#/route], written so that equal pages are equal bytes:
 *
 *   - dot segments are resolved, a trailing slash and an index file are folded away ("host/" is the
 *     root), kept parameters are sorted by name; everything else of the query, the fragment, and
 *     user names are dropped;
 *   - escapes are decoded once. What would then mean something else, or would not be text, stays
 *     escaped, in upper case: control characters, blanks, '%', '?', '#', '/', '\', bytes that are
 *     not UTF-8; in parameters also '&', '=', '+';
 *   - segments and values that look like a person or a secret are masked (mask.h).
 *
 * So a page is again a URL ("http://" + page) whose page is itself. A fragment is a route when it
 * begins with '/' or '!/'; anything else (an anchor, a token of a login) is none.
 */
#include "page.h"

#include <assert.h>

#include "mask.h"
#include "query.h"
#include "utf8.h"

enum {
    PIECE_MAX_BYTES = 2048, /* a segment, name or value, decoded; longer ones do not fit a page */
    QUERY_MAX_BYTES = URL_TEXT_MAX_BYTES,
    IN_PATH = 1,  /* escaped in a path */
    IN_QUERY = 2, /* escaped in a name or value */
};

static const unsigned char must_escape[256] = {
    [0 ... 0x20] = IN_PATH | IN_QUERY,
    [0x7f] = IN_PATH | IN_QUERY,
    ['%'] = IN_PATH | IN_QUERY,
    ['#'] = IN_PATH | IN_QUERY,
    ['?'] = IN_PATH,
    ['/'] = IN_PATH,
    ['\\'] = IN_PATH,
    ['&'] = IN_QUERY,
    ['='] = IN_QUERY,
    ['+'] = IN_QUERY,
};

struct writer {
    struct page *page;
    bool full;
};

static void put(struct writer *w, struct str s)
{
    if (w->full || s.n > sizeof w->page->text - w->page->n) {
        w->full = true;
        return;
    }
    memcpy(w->page->text + w->page->n, s.p, s.n);
    w->page->n += s.n;
}

static void put_escaped_byte(struct writer *w, char c)
{
    static const char hex[] = "0123456789ABCDEF";
    char escape[3] = {'%', hex[(unsigned char)c >> 4], hex[(unsigned char)c & 15]};

    put(w, (struct str){escape, sizeof escape});
}

/* Writes decoded bytes so that reading them again gives the same. where: IN_PATH or IN_QUERY. */
static void put_escaped(struct writer *w, struct str s, unsigned where)
{
    while (s.n > 0) {
        size_t n = 0;
        while (n < s.n && (unsigned char)s.p[n] < 0x80 &&
               (must_escape[(unsigned char)s.p[n]] & where) == 0)
            n++;
        put(w, str_upto(s, n));
        s = str_from(s, n);
        if (s.n == 0) return;

        n = utf8_char(s);
        if (n > 1 && utf8_is_text(str_upto(s, n))) {
            put(w, str_upto(s, n));
        } else {
            n = 1;
            put_escaped_byte(w, s.p[0]);
        }
        s = str_from(s, n);
    }
}

static void put_masked(struct writer *w, struct str s, unsigned where)
{
    char masked[PIECE_MAX_BYTES + MASK_GROWTH_BYTES];
    size_t n;

    assert(s.n <= PIECE_MAX_BYTES);
    if (mask_text(s, masked, &n)) s = (struct str){masked, n};
    put_escaped(w, s, where);
}

static int escape_at(struct str s, size_t i)
{
    if (s.p[i] != '%' || s.n - i < 3) return -1;
    int high = query_hex(s.p[i + 1]), low = query_hex(s.p[i + 2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static void put_segment(struct writer *w, struct str s)
{
    char decoded[PIECE_MAX_BYTES];
    size_t n = 0;

    if (str_find(s, '%') == s.n && s.n <= PIECE_MAX_BYTES) {
        put_masked(w, s, IN_PATH);
        return;
    }
    for (size_t i = 0; i < s.n; i++) {
        int byte = escape_at(s, i);
        if (n == sizeof decoded) {
            w->full = true;
            return;
        }
        decoded[n++] = byte >= 0 ? (char)byte : s.p[i];
        if (byte >= 0) i += 2;
    }
    put_masked(w, (struct str){decoded, n}, IN_PATH);
}

/* 1 for ".", 2 for "..", the dots escaped or not; else 0. */
static int dots(struct str s)
{
    int n = 0;

    while (s.n > 0 && n <= 2) {
        bool escaped = str_ieq(str_upto(s, 3), STR("%2e"));
        if (!escaped && s.p[0] != '.') return 0;
        s = str_from(s, escaped ? 3 : 1);
        n++;
    }
    return n <= 2 ? n : 0;
}

static size_t segment_length(struct str s)
{
    size_t n = 0;

    while (n < s.n && s.p[n] != '/' && s.p[n] != '\\')
        n++;
    return n;
}

/* Back to the slash before the last segment, but not past `floor`. */
static void drop_segment(struct page *p, size_t floor)
{
    while (p->n > floor) {
        if (p->text[--p->n] == '/') return;
    }
}

static bool is_index(struct str file)
{
    static const struct str names[] = {
        {"index.html", 10},   {"index.htm", 9},     {"index.php", 9},    {"index.asp", 9},
        {"index.aspx", 10},   {"index.jsp", 9},     {"index.shtml", 11}, {"index.xhtml", 11},
        {"index.cgi", 9},     {"default.html", 12}, {"default.htm", 11}, {"default.asp", 11},
        {"default.aspx", 12},
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (str_ieq(file, names[i])) return true;
    }
    return false;
}

/* Removes what names the same page: trailing slashes, then an index file, and so on. */
static void fold_end(struct page *p, size_t floor)
{
    for (;;) {
        while (p->n > floor && p->text[p->n - 1] == '/')
            p->n--;
        size_t from = p->n;
        while (from > floor && p->text[from - 1] != '/')
            from--;
        if (!is_index((struct str){p->text + from, p->n - from})) return;
        p->n = from;
    }
}

/* path: empty, or from its first slash. What was written before it stays. */
static void put_path(struct writer *w, struct str path)
{
    size_t floor = w->page->n;

    while (path.n > 0 && !w->full) {
        path = str_from(path, 1);
        struct str segment = str_upto(path, segment_length(path));
        path = str_from(path, segment.n);
        int up = dots(segment);
        if (up == 2) drop_segment(w->page, floor);
        if (up != 0) continue;
        put(w, STR("/"));
        put_segment(w, segment);
    }
    fold_end(w->page, floor);
}

static bool is_kept(const struct site *rules, struct str name)
{
    for (char **p = rules->keep_params; *p != NULL; p++) {
        if (str_eq(str_of(*p), name)) return true;
    }
    return false;
}

static void put_query(struct writer *w, struct str query, const struct site *rules)
{
    char scratch[QUERY_MAX_BYTES];
    struct query_pair kept[SITE_PARAMS_MAX], pair;
    size_t n = 0;

    if (query.n > sizeof scratch) {
        w->full = true;
        return;
    }
    struct query q = query_of(query, scratch, sizeof scratch);
    while (query_next(&q, &pair)) {
        if (!is_kept(rules, pair.name)) continue;
        if (n == SITE_PARAMS_MAX || pair.value.n > PIECE_MAX_BYTES) {
            w->full = true;
            return;
        }
        size_t at = n++; /* equal names keep their order */
        for (; at > 0 && str_order(kept[at - 1].name, pair.name) > 0; at--)
            kept[at] = kept[at - 1];
        kept[at] = pair;
    }
    for (size_t i = 0; i < n; i++) {
        put(w, i == 0 ? STR("?") : STR("&"));
        put_escaped(w, kept[i].name, IN_QUERY);
        put(w, STR("="));
        put_masked(w, kept[i].value, IN_QUERY);
    }
}

/* "#/a/b" or "#!/a/b"; a query of its own is dropped. */
static void put_route(struct writer *w, struct str fragment)
{
    struct str route = str_upto(fragment, str_find(fragment, '?'));
    bool bang = str_starts(route, STR("!"));
    size_t before = w->page->n;

    if (bang) route = str_from(route, 1);
    if (!str_starts(route, STR("/"))) return;
    put(w, bang ? STR("#!") : STR("#"));
    size_t floor = w->page->n;
    put_path(w, route);
    if (w->page->n == floor) w->page->n = before; /* "#/" is the page itself */
}

enum verdict page_write(const struct url *url, const struct site *rules, struct page *out)
{
    struct writer w = {out, false};

    out->n = 0;
    put(&w, url_authority(url));
    size_t floor = out->n;
    put_path(&w, url->path);
    if (out->n == floor) put(&w, STR("/"));
    if (rules != NULL && rules->keep_params != NULL && url->query.n > 0)
        put_query(&w, url->query, rules);
    if (rules != NULL && rules->hash_routing) put_route(&w, url->fragment);
    return w.full ? V_TOO_LONG : V_COUNTED;
}

enum verdict page_of(struct str url, const struct site *rules, struct page *out)
{
    struct url parts;

    return url_split(url, &parts) ? page_write(&parts, rules, out) : V_BAD_PAGE;
}
