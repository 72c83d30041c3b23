/*
 * [host[:port] ]address ident user [17/May/2015:10:05:03 +0000] "GET /path HTTP/1.1" 200 512
 * ["referrer" "agent"]
 *
 * Strict where a wrong guess would count something that never happened: a line that ends inside a
 * quoted field, or has no such time, is no line. Lenient where servers differ: any token is an
 * address, user names hold blanks, a quote ends a field only before a blank or the end, a request
 * may be garbage (it is then left out by name, not unreadable), a status may be missing, and
 * anything may follow the last field.
 */
#include "logline.h"

#include "clock.h"
#include "query.h"

enum { YEAR_MIN = 1990 /* before that there were no such logs, only clocks that were never set */ };

struct scan {
    struct str rest;
    char *out; /* scratch */
};

static bool token(struct scan *s, struct str *out)
{
    size_t n = str_find(s->rest, ' ');
    *out = str_upto(s->rest, n);
    s->rest = str_from(s->rest, n + 1);
    return n > 0;
}

static char unescaped(struct str s, size_t *i)
{
    char c = s.p[++*i];
    if (c == 'x' && *i + 2 < s.n && query_hex(s.p[*i + 1]) >= 0 && query_hex(s.p[*i + 2]) >= 0) {
        c = (char)(query_hex(s.p[*i + 1]) << 4 | query_hex(s.p[*i + 2]));
        *i += 2;
        return c;
    }
    static const char letters[] = "nrtvb", meant[] = "\n\r\t\v\b";
    const char *at = memchr(letters, c, sizeof letters - 1);
    return at == NULL ? c : meant[at - letters];
}

static bool ends_field(struct str in, size_t i)
{
    return in.p[i] == '"' && (i + 1 == in.n || in.p[i + 1] == ' ');
}

/* "..." with \" and \xHH inside, or, in old logs, a bare " in the middle of a word. */
static bool quoted(struct scan *s, struct str *out)
{
    struct str in = s->rest;
    if (in.n < 2 || in.p[0] != '"') return false;
    size_t i = 1;
    while (i < in.n && in.p[i] != '\\' && !ends_field(in, i))
        i++;
    *out = (struct str){in.p + 1, i - 1};
    if (i < in.n && in.p[i] == '\\') {
        char *start = s->out;
        memcpy(s->out, out->p, out->n);
        s->out += out->n;
        for (; i < in.n && !ends_field(in, i); i++) {
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

static bool is_date(int y, int month, int mday)
{
    int back_y, back_month, back_mday;
    if (y < YEAR_MIN || month < 1 || mday < 1 || mday > 31) return false;
    day_to_date(date_to_day(y, month, mday), &back_y, &back_month, &back_mday);
    return back_mday == mday; /* 31 April would be 1 May */
}

/* [17/May/2015:10:05:03 +0000]; a leap second counts to its own day. */
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
    bool west = p[22] == '-';
    if (!is_date(y, mo, d) || h < 0 || h > 23 || mi < 0 || mi > 59 || sec < 0 || sec > 60 ||
        zh < 0 || zh > 14 || zm < 0 || zm > 59 || (!west && p[22] != '+')) {
        return false;
    }
    if (sec == 60) sec = 59;
    int64_t local_s = ((int64_t)date_to_day(y, mo, d) * 24 + h) * 3600 + mi * 60 + sec;
    int64_t east_s = (zh * 60 + zm) * (west ? -60 : 60);
    *at_ms = (local_s - east_s) * 1000;
    s->rest = str_from(s->rest, BYTES);
    if (s->rest.n > 0 && s->rest.p[0] == ' ') s->rest = str_from(s->rest, 1);
    return true;
}

/* Up to the time: 3 tokens, or 4 with a virtual host; more are the words of a user name. What comes
 * behind the first quote is the client's, so no time is sought there. */
static bool who_and_when(struct scan *s, struct logline *out)
{
    struct str first, second, third, word;
    if (!token(s, &first) || !token(s, &second) || !token(s, &third)) return false;
    out->address = first;
    if (timestamp(s, &out->at_ms)) return true;
    if (str_eq(third, STR("-"))) { /* host:port address - user [ */
        size_t port = first.n;
        while (port > 0 && first.p[port - 1] >= '0' && first.p[port - 1] <= '9')
            port--;
        out->host = port > 0 && first.p[port - 1] == ':' ? str_upto(first, port - 1) : first;
        out->address = second;
    }
    do {
        if (str_starts(s->rest, STR("\"")) && !str_starts(s->rest, STR("\"\" "))) return false;
        (void)token(s, &word);
        if (s->rest.n == 0) return false;
    } while (!timestamp(s, &out->at_ms));
    return true;
}

/* GET /path HTTP/1.1, or GET /path as clients of HTTP/0.9 say; whatever else it is stays empty. */
static void request(struct str line, struct logline *out)
{
    size_t first = str_find(line, ' ');
    struct str rest = str_from(line, first + 1);
    size_t last = rest.n;
    while (last > 0 && rest.p[last - 1] != ' ')
        last--;
    if (first == 0 || rest.n == 0) return;
    if (last > 0) {
        if (!str_starts(str_from(rest, last), STR("HTTP/"))) return;
        rest = str_upto(rest, last - 1);
    } else if (!str_eq(str_upto(line, first), STR("GET")) || rest.p[0] != '/') {
        return;
    }
    out->method = str_upto(line, first);
    out->target = rest;
}

/* 3 digits; "-" where the connection ended before there was one. */
static bool take_status(struct scan *s, uint32_t *out)
{
    struct str text;
    if (!token(s, &text)) return false;
    int status = text.n == 3 ? digits(text.p, 3) : str_eq(text, STR("-")) ? 0 : -1;
    *out = (uint32_t)status;
    return status >= 0;
}

bool logline_parse(struct str line, char *scratch, struct logline *out)
{
    struct scan s = {line, scratch};
    struct str what, bytes;
    *out = (struct logline){0};
    if (line.n > LOGLINE_MAX_BYTES) return false;
    if (!who_and_when(&s, out) || !quoted(&s, &what) || !take_status(&s, &out->status))
        return false;
    if (!token(&s, &bytes) || (digits(bytes.p, 1) < 0 && !str_eq(bytes, STR("-")))) return false;
    request(what, out);
    out->combined = str_starts(s.rest, STR("\""));
    return !out->combined || (quoted(&s, &out->referrer) && quoted(&s, &out->agent));
}

static bool is_one_of(struct str word, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (str_ieq(word, str_of(*words))) return true;
    }
    return false;
}

/* What pages are made of, files, and what programs read. */
static bool is_asset(struct str path)
{
    static const char *const endings[] = {
        "css", "js",  "mjs",  "map",  "json",        "jpg", "jpeg", "png",  "gif",  "webp",  "avif",
        "ico", "cur", "svg",  "svgz", "bmp",         "tif", "tiff", "heic", "woff", "woff2", "ttf",
        "otf", "eot", "mp3",  "mp4",  "m4a",         "m4v", "mkv",  "mpg",  "mpeg", "m3u8",  "ogg",
        "oga", "ogv", "flac", "aac",  "webm",        "avi", "mov",  "flv",  "swf",  "wav",   "vtt",
        "txt", "xml", "rss",  "atom", "rdf",         "ics", "pdf",  "epub", "rtf",  "zip",   "gz",
        "tgz", "bz2", "xz",   "7z",   "rar",         "tar", "exe",  "msi",  "dmg",  "pkg",   "deb",
        "rpm", "iso", "apk",  "jar",  "csv",         "doc", "docx", "xls",  "xlsx", "ppt",   "pptx",
        "odt", "ods", "odp",  "wasm", "webmanifest", NULL,
    };
    size_t dot = path.n;
    while (dot > 0 && path.p[dot - 1] != '.' && path.p[dot - 1] != '/')
        dot--;
    if (str_starts(path, STR("/.well-known/"))) return true;
    return dot > 0 && path.p[dot - 1] == '.' && is_one_of(str_from(path, dot), endings);
}

static bool names_feed(struct str value)
{
    return str_starts(value, STR("rss")) || str_starts(value, STR("atom")) ||
           str_starts(value, STR("rdf"));
}

/* /blog/feed/, /?feed=rss2, /tags/x?flav=atom: their readers come every hour, and open no page. */
static bool is_feed(struct str path, struct str query)
{
    static const char *const names[] = {"feed", "rss", "atom", "rdf", NULL};
    static const char *const parameters[] = {"feed", "flav", "format", NULL};
    while (str_ends(path, STR("/")))
        path.n--;
    size_t slash = path.n;
    while (slash > 0 && path.p[slash - 1] != '/')
        slash--;
    if (is_one_of(str_from(path, slash), names)) return true;
    while (query.n > 0) {
        struct str pair = str_upto(query, str_find(query, '&'));
        size_t equals = str_find(pair, '=');
        query = str_from(query, pair.n + 1);
        if (is_one_of(str_upto(pair, equals), parameters) && names_feed(str_from(pair, equals + 1)))
            return true;
    }
    return false;
}

const char *logline_left_out(const struct logline *l)
{
    bool shown = l->status == 200 || l->status == 203 || l->status == 304;
    size_t mark = str_find(l->target, '?');
    struct str path = str_upto(l->target, mark);
    if (l->target.n == 0) return "no HTTP request";
    if (!str_eq(l->method, STR("GET"))) return "not a GET";
    if (is_asset(path)) return "an asset or a file";
    if (is_feed(path, str_from(l->target, mark + 1))) return "a feed";
    if (!shown && l->status != 404 && l->status != 410) return "no page was shown (status)";
    return NULL;
}
