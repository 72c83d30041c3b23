/*
 * http_parse.h - HTTP/1.1 and 1.0 requests: heads and chunked bodies, byte by byte if need be.
 * Pure: no allocation, no I/O, nothing written but the struct. The result does not depend on how
 * the bytes were cut, and each byte is looked at once however often one comes back with more.
 */
#ifndef SENTIER_HTTP_PARSE_H
#define SENTIER_HTTP_PARSE_H

#include <stdint.h>

#include "str.h"

enum {
    HTTP_METHOD_MAX_BYTES = 32,
    HTTP_CHUNK_EXTRA_MAX_BYTES = 4096, /* extensions and trailers of one body together */
};

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_OPTIONS, HTTP_OTHER };

/* The headers that are looked at, in order of the length of their names. */
enum http_header {
    HTTP_DNT,
    HTTP_HOST,
    HTTP_COOKIE,
    HTTP_EXPECT,
    HTTP_ORIGIN,
    HTTP_REFERER,
    HTTP_SEC_GPC,
    HTTP_CONNECTION,
    HTTP_USER_AGENT,
    HTTP_CONTENT_TYPE,
    HTTP_IF_NONE_MATCH,
    HTTP_CONTENT_LENGTH,
    HTTP_SEC_FETCH_SITE,
    HTTP_ACCEPT_ENCODING,
    HTTP_ACCEPT_LANGUAGE,
    HTTP_X_FORWARDED_FOR,
    HTTP_CONTENT_ENCODING,
    HTTP_TRANSFER_ENCODING,
    HTTP_X_FORWARDED_PROTO,
    HTTP_WANT_METHOD,  /* Access-Control-Request-Method */
    HTTP_WANT_HEADERS, /* Access-Control-Request-Headers */
    HTTP_WANT_PRIVATE, /* Access-Control-Request-Private-Network */
    HTTP_HEADERS
};
struct str http_header_name(enum http_header id); /* lower case */

/* Offsets, not pointers: the buffer may move while a head arrives. */
struct http_span {
    uint32_t at, n;
};

struct http_head {
    enum http_method method;
    struct http_span path, query;          /* path may be empty: "/" is meant */
    struct http_span authority;            /* of an absolute target; it outranks Host */
    struct http_span header[HTTP_HEADERS]; /* the first of its name; n 0: absent, or empty */
    uint16_t repeats[HTTP_HEADERS];        /* how often the name stood there */
    int64_t content_length;                /* 0 when none was given */
    bool minor;                            /* HTTP/1.1, not 1.0 */
    bool chunked, keep_alive, expect_continue;
    int status; /* of a HTTP_BAD: what to answer */

    /* Where the parser stands. */
    uint8_t state;
    bool said_close, said_keep_alive, connect;
    uint8_t current; /* enum http_header of the line being read */
    uint16_t headers;
    uint32_t pos;   /* bytes looked at */
    uint32_t mark;  /* begin of the piece being read */
    uint32_t start; /* begin of the request line, behind empty lines */
};

enum { HTTP_PARTIAL = 0, HTTP_BAD = -1 };

void http_head_init(struct http_head *h);

/* `in` holds the request from its first byte on, each time at least as much of it as before.
 * Bytes of the head when it is complete; HTTP_PARTIAL: come back with more; HTTP_BAD: answer
 * h->status and close. max_bytes: of the head. */
long http_head_parse(struct http_head *h, struct str in, uint32_t max_bytes, uint32_t max_headers);

/* Anything but empty lines has arrived. */
bool http_head_begun(const struct http_head *h);

static inline struct str http_head_str(const char *base, struct http_span s)
{
    return (struct str){base + s.at, s.n};
}

/* All values of a repeated header of a complete head, joined by ", ". `out` needs as many bytes as
 * the head has. */
struct str http_head_join(struct str head, enum http_header id, char *out);

/* Chunked bodies. */
struct http_chunks {
    uint64_t left;      /* of the chunk being read */
    uint64_t total;     /* data bytes announced so far */
    uint64_t max_bytes; /* of data */
    uint32_t extra;     /* bytes of extensions and trailers so far */
    uint8_t digits;
    uint8_t state;
    int status; /* of HTTP_CHUNKS_BAD */
};

enum http_chunks_result { HTTP_CHUNKS_BAD, HTTP_CHUNKS_PARTIAL, HTTP_CHUNKS_DATA, HTTP_CHUNKS_END };

void http_chunks_init(struct http_chunks *c, uint64_t max_bytes);

/* Takes bytes off *in. DATA: *data is the next piece, borrowed from it; call again. PARTIAL: *in is
 * used up. END: *in begins behind the body. */
enum http_chunks_result http_chunks_next(struct http_chunks *c, struct str *in, struct str *data);

#endif
