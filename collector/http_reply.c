/*
 * Replies are put together by copying: they are a few hundred bytes, and one send of contiguous
 * bytes costs less than an iovec of pieces. Room for the worst case is reserved once, so that the
 * copying itself asks nothing.
 */
#include "http_reply.h"

enum { LINES_MAX_BYTES = 128 }; /* status line, length, connection, empty line */

static const struct {
    int status;
    struct str line;
} status_lines[] = {
#define LINE(status, text)                                                                         \
    {                                                                                              \
        status,                                                                                    \
        {                                                                                          \
            "HTTP/1.1 " text "\r\n", sizeof("HTTP/1.1 " text "\r\n") - 1                           \
        }                                                                                          \
    }
    LINE(200, "200 OK"),
    LINE(204, "204 No Content"),
    LINE(301, "301 Moved Permanently"),
    LINE(304, "304 Not Modified"),
    LINE(400, "400 Bad Request"),
    LINE(403, "403 Forbidden"),
    LINE(404, "404 Not Found"),
    LINE(405, "405 Method Not Allowed"),
    LINE(408, "408 Request Timeout"),
    LINE(413, "413 Content Too Large"),
    LINE(414, "414 URI Too Long"),
    LINE(415, "415 Unsupported Media Type"),
    LINE(417, "417 Expectation Failed"),
    LINE(431, "431 Request Header Fields Too Large"),
    LINE(503, "503 Service Unavailable"),
    LINE(505, "505 HTTP Version Not Supported"),
    LINE(500, "500 Internal Server Error"), /* the last one: for every other status */
};

static char *put(char *p, struct str s)
{
    if (s.n > 0) memcpy(p, s.p, s.n);
    return p + s.n;
}

static char *put_number(char *p, size_t v)
{
    char digits[20], *end = digits + sizeof digits, *d = end;
    do {
        *--d = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    return put(p, (struct str){d, (size_t)(end - d)});
}

static char *put_status(char *p, int status)
{
    size_t i = 0, last = sizeof status_lines / sizeof *status_lines - 1;
    while (i < last && status_lines[i].status != status)
        i++;
    return put(p, status_lines[i].line);
}

bool http_reply_format(struct buf *out, int status, struct str headers, struct str body,
                       unsigned how)
{
    char *at = buf_reserve(out, LINES_MAX_BYTES + headers.n + body.n), *p = at;
    if (p == NULL) return false;
    bool bodyless = status == 204 || status == 304; /* by RFC 9110 they have no length either */

    p = put_status(p, status);
    p = put(p, headers);
    if (!bodyless) {
        p = put(p, STR("Content-Length: "));
        p = put_number(p, body.n);
        p = put(p, STR("\r\n"));
    }
    if (how & HTTP_REPLY_CLOSE) p = put(p, STR("Connection: close\r\n"));
    if (how & HTTP_REPLY_KEEP_ALIVE) p = put(p, STR("Connection: keep-alive\r\n"));
    p = put(p, STR("\r\n"));
    if (!bodyless && !(how & HTTP_REPLY_NO_BODY)) p = put(p, body);
    out->n += (size_t)(p - at);
    return true;
}
