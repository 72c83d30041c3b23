/*
 * Two state machines, by the letter of RFC 9112. Whatever two programs could read differently is
 * refused, because a proxy in front of us may be the other program: bare CR or LF, folded lines,
 * blanks around names, repeated or conflicting lengths, any transfer coding but a lone "chunked",
 * more than one blank in the request line, bytes outside ASCII in the target.
 *
 * Lenient where only one reading exists: empty lines before a request (old browsers add one behind
 * a POST), any visible ASCII in a target, a fragment (cut off), obs-text in values.
 *
 * A state's function runs as far as it can through its own kind of bytes; what it needs to go on
 * later is in the struct. Long runs (target, values) are checked eight bytes at a time.
 */
#include "http_parse.h"

#include <assert.h>

enum state {
    ST_START,
    ST_START_LF,
    ST_METHOD,
    ST_TARGET,
    ST_VERSION,
    ST_LINE, /* first byte of a header line, or the empty line */
    ST_NAME,
    ST_GAP, /* blanks between colon and value */
    ST_VALUE,
    ST_VALUE_LF,
    ST_END_LF,
    ST_DONE
};

static const char *const header_names[HTTP_HEADERS] = {
    [HTTP_DNT] = "dnt",
    [HTTP_HOST] = "host",
    [HTTP_COOKIE] = "cookie",
    [HTTP_EXPECT] = "expect",
    [HTTP_ORIGIN] = "origin",
    [HTTP_REFERER] = "referer",
    [HTTP_SEC_GPC] = "sec-gpc",
    [HTTP_CONNECTION] = "connection",
    [HTTP_USER_AGENT] = "user-agent",
    [HTTP_CONTENT_TYPE] = "content-type",
    [HTTP_IF_NONE_MATCH] = "if-none-match",
    [HTTP_CONTENT_LENGTH] = "content-length",
    [HTTP_SEC_FETCH_SITE] = "sec-fetch-site",
    [HTTP_ACCEPT_ENCODING] = "accept-encoding",
    [HTTP_ACCEPT_LANGUAGE] = "accept-language",
    [HTTP_X_FORWARDED_FOR] = "x-forwarded-for",
    [HTTP_CONTENT_ENCODING] = "content-encoding",
    [HTTP_TRANSFER_ENCODING] = "transfer-encoding",
    [HTTP_X_FORWARDED_PROTO] = "x-forwarded-proto",
    [HTTP_WANT_METHOD] = "access-control-request-method",
    [HTTP_WANT_HEADERS] = "access-control-request-headers",
    [HTTP_WANT_PRIVATE] = "access-control-request-private-network",
};

/* The names of a length stand together: from `first` on, `n` of them. */
enum { NAME_MAX_BYTES = 38 };
static const struct {
    uint8_t first, n;
} names_by_length[NAME_MAX_BYTES + 1] = {
    [3] = {HTTP_DNT, 1},
    [4] = {HTTP_HOST, 1},
    [6] = {HTTP_COOKIE, 3},
    [7] = {HTTP_REFERER, 2},
    [10] = {HTTP_CONNECTION, 2},
    [12] = {HTTP_CONTENT_TYPE, 1},
    [13] = {HTTP_IF_NONE_MATCH, 1},
    [14] = {HTTP_CONTENT_LENGTH, 2},
    [15] = {HTTP_ACCEPT_ENCODING, 3},
    [16] = {HTTP_CONTENT_ENCODING, 1},
    [17] = {HTTP_TRANSFER_ENCODING, 2},
    [29] = {HTTP_WANT_METHOD, 1},
    [30] = {HTTP_WANT_HEADERS, 1},
    [38] = {HTTP_WANT_PRIVATE, 1},
};

struct str http_header_name(enum http_header id)
{
    assert(id < HTTP_HEADERS);
    return str_of(header_names[id]);
}

/* RFC 9110 5.6.2: bytes of methods and names. */
static const bool token_char[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1,         ['&'] = 1,         ['\''] = 1,
    ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,         ['^'] = 1,         ['_'] = 1,
    ['`'] = 1, ['|'] = 1, ['~'] = 1, ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

/* RFC 3986 3.2.2 and a port: bytes of a Host. */
static const bool host_char[256] = {
    ['-'] = 1,  ['.'] = 1,         ['_'] = 1,         ['~'] = 1,         ['%'] = 1, ['!'] = 1,
    ['$'] = 1,  ['&'] = 1,         ['('] = 1,         [')'] = 1,         ['*'] = 1, ['+'] = 1,
    ['\''] = 1, [','] = 1,         [';'] = 1,         ['='] = 1,         [':'] = 1, ['['] = 1,
    [']'] = 1,  ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

static bool is_value_char(unsigned char c)
{
    return (c >= 0x20 && c != 0x7f) || c == '\t';
}

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

#define EACH_BYTE(b) (~UINT64_C(0) / 255 * (b))

/* Some byte of x is less than n (n <= 128), or is 0x7f. */
static bool any_below(uint64_t x, unsigned n)
{
    uint64_t del = x ^ EACH_BYTE(0x7f);
    uint64_t hits = ((x - EACH_BYTE(n)) & ~x) | ((del - EACH_BYTE(1)) & ~del);
    return (hits & EACH_BYTE(0x80)) != 0;
}

static uint64_t load_word(const char *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

/* These three return where the run of such bytes that goes through `pos` ends. */
static uint32_t skip_token(struct str in, uint32_t pos)
{
    while (pos < in.n && token_char[(unsigned char)in.p[pos]])
        pos++;
    return pos;
}

static uint32_t skip_target(struct str in, uint32_t pos)
{
    for (; in.n - pos >= 8; pos += 8) {
        uint64_t word = load_word(in.p + pos);
        if ((word & EACH_BYTE(0x80)) != 0 || any_below(word, 0x21)) break;
    }
    while (pos < in.n && in.p[pos] > 0x20 && in.p[pos] < 0x7f)
        pos++;
    return pos;
}

static uint32_t skip_value(struct str in, uint32_t pos)
{
    while (in.n - pos >= 8 && !any_below(load_word(in.p + pos), 0x20))
        pos += 8;
    while (pos < in.n && is_value_char((unsigned char)in.p[pos]))
        pos++;
    return pos;
}

static bool fail(struct http_head *h, int status)
{
    h->status = status;
    return false;
}

void http_head_init(struct http_head *h)
{
    *h = (struct http_head){0};
}

bool http_head_begun(const struct http_head *h)
{
    return h->state != ST_START;
}

static struct str piece(const struct http_head *h, struct str in)
{
    return (struct str){in.p + h->mark, h->pos - h->mark};
}

static void go(struct http_head *h, enum state next, unsigned skip)
{
    h->state = next;
    h->pos += skip;
    h->mark = h->pos;
}

static bool parse_start(struct http_head *h, unsigned char c)
{
    if (c == '\r') {
        go(h, ST_START_LF, 1);
        return true;
    }
    h->start = h->pos;
    go(h, ST_METHOD, 0);
    return true;
}

static bool parse_start_lf(struct http_head *h, unsigned char c)
{
    if (c != '\n') return fail(h, 400);
    go(h, ST_START, 1);
    h->start = h->pos;
    return true;
}

static enum http_method method_of(struct str s)
{
    if (str_eq(s, STR("GET"))) return HTTP_GET;
    if (str_eq(s, STR("POST"))) return HTTP_POST;
    if (str_eq(s, STR("HEAD"))) return HTTP_HEAD;
    if (str_eq(s, STR("OPTIONS"))) return HTTP_OPTIONS;
    return HTTP_OTHER;
}

static bool parse_method(struct http_head *h, struct str in)
{
    h->pos = skip_token(in, h->pos);
    struct str method = piece(h, in);
    if (method.n > HTTP_METHOD_MAX_BYTES) return fail(h, 400);
    if (h->pos == in.n) return true;
    if (in.p[h->pos] != ' ' || method.n == 0) return fail(h, 400);
    h->method = method_of(method);
    h->connect = str_eq(method, STR("CONNECT"));
    go(h, ST_TARGET, 1);
    return true;
}

static void split_path(struct http_head *h, uint32_t at, struct str rest)
{
    size_t query = str_find(rest, '?');
    h->path = (struct http_span){at, (uint32_t)query};
    h->query = (struct http_span){at, 0};
    if (query < rest.n)
        h->query = (struct http_span){at + (uint32_t)query + 1, (uint32_t)(rest.n - query - 1)};
}

static bool valid_host(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!host_char[(unsigned char)s.p[i]]) return false;
    }
    return true;
}

/* http://user@host:1/path?query; the user is skipped. */
static bool split_absolute(struct http_head *h, struct str target)
{
    size_t scheme = str_ieq(str_upto(target, 7), STR("http://"))    ? 7
                    : str_ieq(str_upto(target, 8), STR("https://")) ? 8
                                                                    : 0;
    if (scheme == 0) return fail(h, 400);
    size_t end = scheme, host = scheme;
    for (; end < target.n && target.p[end] != '/' && target.p[end] != '?'; end++) {
        if (target.p[end] == '@') host = end + 1;
    }
    struct str authority = {target.p + host, end - host};
    if (authority.n == 0 || !valid_host(authority)) return fail(h, 400);
    h->authority = (struct http_span){h->mark + (uint32_t)host, (uint32_t)authority.n};
    split_path(h, h->mark + (uint32_t)end, str_from(target, end));
    return true;
}

static bool split_target(struct http_head *h, struct str target)
{
    target = str_upto(target, str_find(target, '#'));
    if (target.n == 0) return fail(h, 400);
    if (h->connect) return true; /* an authority; there is nothing to connect to anyway */
    if (target.p[0] != '/' && !str_eq(target, STR("*"))) return split_absolute(h, target);
    split_path(h, h->mark, target);
    return true;
}

static bool parse_target(struct http_head *h, struct str in)
{
    h->pos = skip_target(in, h->pos);
    if (h->pos == in.n) return true;
    if (in.p[h->pos] != ' ') return fail(h, 400);
    if (!split_target(h, piece(h, in))) return false;
    go(h, ST_VERSION, 1);
    return true;
}

static bool parse_version(struct http_head *h, struct str in)
{
    static const char form[] = "HTTP/d.d\r\n";
    while (h->pos < in.n) {
        uint32_t i = h->pos - h->mark;
        unsigned char c = (unsigned char)in.p[h->pos];
        if (form[i] == 'd' ? !is_digit(c) : c != (unsigned char)form[i]) return fail(h, 400);
        h->pos++;
        if (i == 7) {
            h->minor = c == '1';
            if (in.p[h->mark + 5] != '1' || c > '1') return fail(h, 505);
        }
        if (i == 9) {
            go(h, ST_LINE, 0);
            return true;
        }
    }
    return true;
}

static uint8_t header_of(struct str name)
{
    if (name.n > NAME_MAX_BYTES) return HTTP_HEADERS;
    uint8_t first = names_by_length[name.n].first;
    for (uint8_t i = first; i < first + names_by_length[name.n].n; i++) {
        if (str_ieq(name, (struct str){header_names[i], name.n})) return i;
    }
    return HTTP_HEADERS;
}

static bool parse_name(struct http_head *h, struct str in)
{
    h->pos = skip_token(in, h->pos);
    if (h->pos == in.n) return true;
    if (in.p[h->pos] != ':' || h->pos == h->mark) return fail(h, 400);
    h->current = header_of(piece(h, in));
    go(h, ST_GAP, 1);
    return true;
}

static bool parse_gap(struct http_head *h, struct str in)
{
    while (h->pos < in.n && (in.p[h->pos] == ' ' || in.p[h->pos] == '\t'))
        h->pos++;
    if (h->pos < in.n) go(h, ST_VALUE, 0);
    return true;
}

static bool parse_value(struct http_head *h, struct str in)
{
    h->pos = skip_value(in, h->pos);
    if (h->pos == in.n) return true;
    if (in.p[h->pos] != '\r') return fail(h, 400);
    h->state = ST_VALUE_LF; /* mark stays: the value is taken when the line has ended */
    h->pos++;
    return true;
}

static bool take_length(struct http_head *h, struct str v)
{
    if (v.n == 0) return fail(h, 400);
    for (size_t i = 0; i < v.n; i++) {
        if (!is_digit((unsigned char)v.p[i]) || h->content_length > INT64_MAX / 10 - 1)
            return fail(h, 400);
        h->content_length = h->content_length * 10 + (v.p[i] - '0');
    }
    return true;
}

static void take_connection(struct http_head *h, struct str v)
{
    while (v.n > 0) {
        size_t comma = str_find(v, ',');
        struct str option = str_trim(str_upto(v, comma));
        if (str_ieq(option, STR("close"))) h->said_close = true;
        if (str_ieq(option, STR("keep-alive"))) h->said_keep_alive = true;
        v = str_from(v, comma + 1);
    }
}

/* Headers that decide where a request ends may stand there once only. */
static bool take_header(struct http_head *h, struct str v)
{
    bool repeated = h->repeats[h->current] > 1;
    switch (h->current) {
    case HTTP_HOST: return !repeated && valid_host(v) ? true : fail(h, 400);
    case HTTP_CONTENT_LENGTH: return repeated ? fail(h, 400) : take_length(h, v);
    case HTTP_TRANSFER_ENCODING:
        h->chunked = true;
        return !repeated && str_ieq(v, STR("chunked")) ? true : fail(h, 400);
    case HTTP_CONNECTION: take_connection(h, v); return true;
    case HTTP_EXPECT:
        h->expect_continue = true;
        return str_ieq(v, STR("100-continue")) ? true : fail(h, 417);
    default: return true;
    }
}

static bool parse_value_lf(struct http_head *h, struct str in)
{
    if (in.p[h->pos] != '\n') return fail(h, 400);
    if (h->current < HTTP_HEADERS) {
        struct str v = str_trim((struct str){in.p + h->mark, h->pos - 1 - h->mark});
        if (h->repeats[h->current]++ == 0)
            h->header[h->current] = (struct http_span){h->mark, (uint32_t)v.n};
        if (!take_header(h, v)) return false;
    }
    go(h, ST_LINE, 1);
    return true;
}

static bool parse_line(struct http_head *h, unsigned char c, uint32_t max_headers)
{
    if (c == '\r') {
        go(h, ST_END_LF, 1);
        return true;
    }
    if (h->headers++ == max_headers) return fail(h, 431);
    go(h, ST_NAME, 0);
    return true;
}

static bool finish(struct http_head *h, unsigned char c)
{
    if (c != '\n') return fail(h, 400);
    if (h->minor && h->repeats[HTTP_HOST] == 0) return fail(h, 400);
    if (h->chunked && (!h->minor || h->repeats[HTTP_CONTENT_LENGTH] > 0)) return fail(h, 400);
    h->keep_alive = !h->said_close && !h->connect && (h->minor || h->said_keep_alive);
    h->expect_continue = h->expect_continue && h->minor;
    go(h, ST_DONE, 1);
    return true;
}

static bool step(struct http_head *h, struct str in, uint32_t max_headers)
{
    unsigned char c = (unsigned char)in.p[h->pos];
    switch ((enum state)h->state) {
    case ST_START: return parse_start(h, c);
    case ST_START_LF: return parse_start_lf(h, c);
    case ST_METHOD: return parse_method(h, in);
    case ST_TARGET: return parse_target(h, in);
    case ST_VERSION: return parse_version(h, in);
    case ST_LINE: return parse_line(h, c, max_headers);
    case ST_NAME: return parse_name(h, in);
    case ST_GAP: return parse_gap(h, in);
    case ST_VALUE: return parse_value(h, in);
    case ST_VALUE_LF: return parse_value_lf(h, in);
    case ST_END_LF: return finish(h, c);
    case ST_DONE: break;
    }
    return false;
}

long http_head_parse(struct http_head *h, struct str in, uint32_t max_bytes, uint32_t max_headers)
{
    assert(h->status == 0 && h->state != ST_DONE && in.n >= h->pos);
    while (h->pos < in.n) {
        struct str seen = str_upto(in, (size_t)h->start + max_bytes);
        if (h->pos == seen.n) fail(h, h->state <= ST_VERSION ? 414 : 431);
        if (h->status != 0 || !step(h, seen, max_headers)) return HTTP_BAD;
        if (h->state == ST_DONE) return h->pos;
    }
    return HTTP_PARTIAL;
}

struct str http_head_join(struct str head, enum http_header id, char *out)
{
    struct str all = {out, 0};
    for (size_t lf = str_find(head, '\n'); lf < head.n; lf = str_find(head, '\n')) {
        struct str line = str_upto(head, lf);
        head = str_from(head, lf + 1);
        size_t colon = str_find(line, ':');
        if (header_of(str_upto(line, colon)) != id) continue;
        line.n--; /* CR */
        struct str v = str_trim(str_from(line, colon + 1));
        if (all.n > 0) {
            memcpy(out + all.n, ", ", 2);
            all.n += 2;
        }
        memcpy(out + all.n, v.p, v.n);
        all.n += v.n;
    }
    return all;
}

enum chunk_state {
    CH_SIZE,
    CH_EXT_NAME_FIRST,
    CH_EXT_NAME,
    CH_EXT_VALUE_FIRST,
    CH_EXT_VALUE,
    CH_EXT_QUOTED,
    CH_EXT_ESCAPE,
    CH_EXT_AFTER,
    CH_SIZE_LF,
    CH_DATA,
    CH_DATA_CR,
    CH_DATA_LF,
    CH_TRAILER,
    CH_TRAILER_NAME,
    CH_TRAILER_VALUE,
    CH_TRAILER_LF,
    CH_END_LF,
    CH_DONE
};

enum { SIZE_MAX_DIGITS = 15 };

void http_chunks_init(struct http_chunks *c, uint64_t max_bytes)
{
    *c = (struct http_chunks){.max_bytes = max_bytes};
}

static int digit_of(unsigned char b)
{
    if (is_digit(b)) return b - '0';
    b |= 0x20;
    return b >= 'a' && b <= 'f' ? b - 'a' + 10 : -1;
}

/* The steps below return the next state, or -1: not a chunked body. */
static int step_size(struct http_chunks *c, unsigned char b)
{
    int digit = digit_of(b);
    if (digit >= 0) {
        if (++c->digits > SIZE_MAX_DIGITS) return -1;
        c->left = c->left << 4 | (unsigned)digit;
        return CH_SIZE;
    }
    if (c->digits == 0) return -1;
    return b == ';' ? CH_EXT_NAME_FIRST : b == '\r' ? CH_SIZE_LF : -1;
}

/* ;name  ;name=token  ;name="quoted \" text"  - without blanks, and ignored. */
static int step_extension(const struct http_chunks *c, unsigned char b)
{
    bool token = token_char[b];
    switch (c->state) {
    case CH_EXT_NAME_FIRST: return token ? CH_EXT_NAME : -1;
    case CH_EXT_VALUE_FIRST: return b == '"' ? CH_EXT_QUOTED : token ? CH_EXT_VALUE : -1;
    case CH_EXT_QUOTED:
        if (b == '"') return CH_EXT_AFTER;
        return b == '\\' ? CH_EXT_ESCAPE : is_value_char(b) ? CH_EXT_QUOTED : -1;
    case CH_EXT_ESCAPE: return is_value_char(b) ? CH_EXT_QUOTED : -1;
    default: break;
    }
    if (token && c->state != CH_EXT_AFTER) return c->state;
    if (b == '=' && c->state == CH_EXT_NAME) return CH_EXT_VALUE_FIRST;
    return b == ';' ? CH_EXT_NAME_FIRST : b == '\r' ? CH_SIZE_LF : -1;
}

static int step_trailer(const struct http_chunks *c, unsigned char b)
{
    switch (c->state) {
    case CH_TRAILER:
        if (b == '\r') return CH_END_LF;
        return token_char[b] ? CH_TRAILER_NAME : -1;
    case CH_TRAILER_NAME:
        if (b == ':') return CH_TRAILER_VALUE;
        return token_char[b] ? CH_TRAILER_NAME : -1;
    case CH_TRAILER_VALUE:
        if (b == '\r') return CH_TRAILER_LF;
        return is_value_char(b) ? CH_TRAILER_VALUE : -1;
    default: return b == '\n' ? CH_TRAILER : -1;
    }
}

static int step_size_lf(struct http_chunks *c, unsigned char b)
{
    if (b != '\n') return -1;
    c->digits = 0;
    c->total += c->left;
    return c->left == 0 ? CH_TRAILER : CH_DATA;
}

static int step_chunks(struct http_chunks *c, unsigned char b)
{
    switch ((enum chunk_state)c->state) {
    case CH_SIZE: return step_size(c, b);
    case CH_EXT_NAME_FIRST:
    case CH_EXT_NAME:
    case CH_EXT_VALUE_FIRST:
    case CH_EXT_VALUE:
    case CH_EXT_QUOTED:
    case CH_EXT_ESCAPE:
    case CH_EXT_AFTER: c->extra++; return step_extension(c, b);
    case CH_SIZE_LF: return step_size_lf(c, b);
    case CH_DATA_CR: return b == '\r' ? CH_DATA_LF : -1;
    case CH_DATA_LF: return b == '\n' ? CH_SIZE : -1;
    case CH_TRAILER:
    case CH_TRAILER_NAME:
    case CH_TRAILER_VALUE:
    case CH_TRAILER_LF: c->extra++; return step_trailer(c, b);
    case CH_END_LF: return b == '\n' ? CH_DONE : -1;
    case CH_DATA:
    case CH_DONE: break;
    }
    return -1;
}

static enum http_chunks_result take_data(struct http_chunks *c, struct str *in, struct str *data)
{
    *data = str_upto(*in, c->left < in->n ? (size_t)c->left : in->n);
    *in = str_from(*in, data->n);
    c->left -= data->n;
    if (c->left == 0) c->state = CH_DATA_CR;
    return HTTP_CHUNKS_DATA;
}

static enum http_chunks_result refuse(struct http_chunks *c, int status)
{
    c->status = status;
    return HTTP_CHUNKS_BAD;
}

enum http_chunks_result http_chunks_next(struct http_chunks *c, struct str *in, struct str *data)
{
    assert(c->status == 0 && c->state != CH_DONE);
    while (in->n > 0) {
        if (c->state == CH_DATA) return take_data(c, in, data);
        int next = step_chunks(c, (unsigned char)in->p[0]);
        if (next < 0) return refuse(c, 400);
        *in = str_from(*in, 1);
        c->state = (uint8_t)next;
        if (c->state == CH_DONE) return HTTP_CHUNKS_END;
        if (c->total > c->max_bytes) return refuse(c, 413);
        if (c->extra > HTTP_CHUNK_EXTRA_MAX_BYTES) return refuse(c, 431);
    }
    return HTTP_CHUNKS_PARTIAL;
}
