/*
 * url.h - an absolute http or https URL taken apart, as the URL standard (and so every browser)
 * reads it. Pure; no allocation while the host is ASCII. What is refused beyond the standard is
 * said in url.c.
 */
#ifndef SENTIER_URL_H
#define SENTIER_URL_H

#include <stdint.h>

#include "str.h"

enum {
    URL_HOST_MAX_BYTES = 255,
    URL_PORT_MAX_BYTES = 6,    /* ":65535" */
    URL_TEXT_MAX_BYTES = 8192, /* of a URL that we look at */
    URL_ORIGIN_MAX_BYTES = 8 + URL_HOST_MAX_BYTES + URL_PORT_MAX_BYTES,
};

struct url {
    bool https;
    struct str path;     /* as written: empty, or from the first '/' or '\'; borrowed */
    struct str query;    /* without '?'; borrowed */
    struct str fragment; /* without '#'; borrowed */
    size_t hostname_n;   /* bytes of authority that are the host's name */
    size_t authority_n;
    char authority[URL_HOST_MAX_BYTES + URL_PORT_MAX_BYTES]; /* lower case; no default port */
};

/* False: not an absolute http(s) URL; *out is undefined. */
bool url_split(struct str text, struct url *out);

static inline struct str url_hostname(const struct url *u)
{
    return (struct str){u->authority, u->hostname_n};
}

static inline struct str url_authority(const struct url *u)
{
    return (struct str){u->authority, u->authority_n};
}

/* As an Origin header has it; in text. */
struct str url_origin(const struct url *u, char text[URL_ORIGIN_MAX_BYTES]);

/* The host between "scheme://" and what follows it, as written, for schemes that are not http(s)
 * (android-app://com.example); empty when there is none. Borrowed. */
struct str url_foreign_host(struct str text);

#endif
