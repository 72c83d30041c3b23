/*
 * [host[:port] ]address ident user [17/May/2015:10:05:03 +0000] "GET /path HTTP/1.1" 200 512
 * ["referrer" "agent"]
 *
 * Strict where a wrong guess would count something that never happened: a line that ends inside a
 * quoted field, or has no such time, is no line. Lenient where servers differ: any token is an
 * address, a request may be garbage (it is then left out by name, not unreadable), and anything may
 * follow the agent.
 */
#include "logline.h"

#include "clock.h"
#include "query.h"

struct scan {
    struct str rest;
    char *out; /* scratch */
};

static bool token(struct scan *s, struct str *out)
{
    size_t n = str_find(s->rest, ' ');
    *out = str_upto(s->rest, n);
    s->rest = str_from(s->rest, n + 1);
    return n > 0 && out->p[0] != '"';
}

static char unescaped(struct str s, size_t *i)
{
    char c = s.p[++*i];
    if (c == 'x' && *i + 2 < s.n && query_hex(s.p[*i + 1]) >= 0 && query_hex(s.p[*i + 2]) >= 0) {
        c = (char)(query_hex(s.p[*i + 1]) << 4 | query_hex(s.p[*i + 2]));
        *i += 2;
        return c;
    }
    return c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
}

/* "..." with \" and \xHH inside. */
static bool quoted(struct scan *s, struct str *out)
{
    struct str in = s->rest;
    if (in.n < 2 || in.p[0] != '"') return false;
    size_t i = 1;
    while (i < in.n && in.p[i] != '"' && in.p[i] != '\\')
        i++;
    *out = (struct str){in.p + 1, i - 1};
    if (i < in.n && in.p[i] == '\\') {
        char *start = s->out;
        memcpy(s->out, out->p, out->n);
        s->out += out->n;
        for (; i < in.n && in.p[i] != '"'; i++) {
            if (in.p[i] != '\\')
                *s->out++ = in.p[i];
            else if (i + 1 < in.n)
                *s->out++ = unescaped(in, &i);
        }
        *out = (struct str){start, (size_t)(s->out - start)};
    }
    if (i >= in.n) return false; /* the line was cut */
    s->rest = str_from(in, i + 1);
    if (s->rest.n > 0 && s->rest.p[0] == ' ') s->rest = str_from(s->rest, 1);
    if (str_eq(*out, STR("-"))) out->n = 0;
    return true;
}

/* n digits as a number; -1: others stand there. */
static int digits(const char *p, int n)
{
    int v = 0;
    for (int i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9') return -1;
        v = v * 10 + (p[i] - '0');
    }
    return v;
}

static int month_of(const char *p)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int i = 0; i < 12; i++) {
        if (memcmp(names + 3 * i, p, 3) == 0) return i + 1;
    }
    return -1;
}

/* [17/May/2015:10:05:03 +0000] */
static bool timestamp(struct scan *s, int64_t *at_ms)
{
    enum { BYTES = 28 };
    const char *p = s->rest.p;
    if (s->rest.n < BYTES || p[0] != '[' || p[3] != '/' || p[7] != '/' || p[12] != ':' ||
        p[15] != ':' || p[18] != ':' || p[21] != ' ' || p[27] != ']') {
        return false;
    }
    int d = digits(p + 1, 2), mo = month_of(p + 4), y = digits(p + 8, 4), h = digits(p + 13, 2);
    int mi = digits(p + 16, 2), sec = digits(p + 19, 2);
    int zh = digits(p + 23, 2), zm = digits(p + 25, 2);
    bool sign = p[22] == '-';
    if (d < 1 || d > 31 || mo < 1 || y < 1970 || h < 0 || h > 23 || mi < 0 || mi > 59 || sec < 0 ||
        sec > 60 || zh < 0 || zh > 14 || zm < 0 || zm > 59 || (!sign && p[22] != '+')) {
        return false;
    }
    int64_t local_s = ((int64_t)date_to_day(y, mo, d) * 24 + h) * 3600 + mi * 60 + sec;
    int64_t east_s = (zh * 60 + zm) * (sign ? -60 : 60);
    *at_ms = (local_s - east_s) * 1000;
    s->rest = str_from(s->rest, BYTES);
    if (s->rest.n > 0 && s->rest.p[0] == ' ') s->rest = str_from(s->rest, 1);
    return *at_ms >= 0;
}

/* Everything before the time: 3 tokens, or 4 with a virtual host; a user name may hold blanks. */
static bool who(struct scan *s, struct logline *out)
{
    struct str first, second, third;
    if (!token(s, &first) || !token(s, &second)) return false;
    out->address = first;
    if (s->rest.n > 0 && s->rest.p[0] == '[') return false;
    if (!token(s, &third)) return false;
    while (s->rest.n > 0 && s->rest.p[0] != '[') {
        if (out->host.n == 0 && str_eq(third, STR("-"))) {
            out->host = str_upto(first, str_find(first, ':')); /* host:port address - user [ */
            out->address = second;
        }
        size_t blank = str_find(s->rest, ' ');
        if (blank == s->rest.n) return false;
        s->rest = str_from(s->rest, blank + 1);
    }
    return s->rest.n > 0;
}

/* GET /path HTTP/1.1; whatever else it is stays empty. */
static void request(struct str line, struct logline *out)
{
    size_t first = str_find(line, ' ');
    struct str rest = str_from(line, first + 1);
    size_t last = rest.n;
    while (last > 0 && rest.p[last - 1] != ' ')
        last--;
    if (first == 0 || first == line.n || last == 0) return;
    if (!str_starts(str_from(rest, last), STR("HTTP/"))) return;
    out->method = str_upto(line, first);
    out->target = str_upto(rest, last - 1);
}

bool logline_parse(struct str line, char *scratch, struct logline *out)
{
    struct scan s = {line, scratch};
    struct str what, status, bytes;
    *out = (struct logline){0};
    if (line.n > LOGLINE_MAX_BYTES) return false;
    if (!who(&s, out) || !timestamp(&s, &out->at_ms) || !quoted(&s, &what)) return false;
    if (!token(&s, &status) || status.n != 3 || digits(status.p, 3) < 100) return false;
    if (!token(&s, &bytes)) return false;
    out->status = (uint32_t)digits(status.p, 3);
    request(what, out);
    if (s.rest.n == 0) return true; /* common format */
    return quoted(&s, &out->referrer) && quoted(&s, &out->agent);
}

/* Requests that a page makes, or that feed readers and crawlers make beside pages. */
static bool is_asset(struct str target)
{
    static const char *const endings[] = {
        "css",  "js",   "mjs",  "map",  "json", "jpg",  "jpeg",        "png", "gif", "webp", "avif",
        "ico",  "svg",  "bmp",  "tif",  "tiff", "woff", "woff2",       "ttf", "otf", "eot",  "mp3",
        "mp4",  "m4a",  "ogg",  "webm", "avi",  "mov",  "flv",         "swf", "wav", "txt",  "xml",
        "rss",  "atom", "pdf",  "zip",  "gz",   "tgz",  "bz2",         "xz",  "7z",  "rar",  "tar",
        "exe",  "dmg",  "deb",  "rpm",  "iso",  "apk",  "jar",         "csv", "doc", "docx", "xls",
        "xlsx", "ppt",  "pptx", "odt",  "ods",  "wasm", "webmanifest",
    };
    struct str path = str_upto(target, str_find(target, '?'));
    size_t dot = path.n;
    while (dot > 0 && path.p[dot - 1] != '.' && path.p[dot - 1] != '/')
        dot--;
    if (dot == 0 || path.p[dot - 1] == '/') return false;
    struct str ending = str_from(path, dot);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        if (str_ieq(ending, str_of(endings[i]))) return true;
    }
    return false;
}

const char *logline_left_out(const struct logline *l)
{
    bool shown = l->status == 200 || l->status == 203 || l->status == 304;
    if (l->target.n == 0) return "no HTTP request";
    if (!str_eq(l->method, STR("GET"))) return "not a GET";
    if (is_asset(l->target)) return "an asset";
    if (!shown && l->status != 404 && l->status != 410) return "no page was shown (status)";
    return NULL;
}
