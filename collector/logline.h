/* logline.h - one line of an access log: nginx's and Apache's common and combined formats, with or
 * without a leading virtual host. Pure. */
#ifndef SENTIER_LOGLINE_H
#define SENTIER_LOGLINE_H

#include <stdint.h>

#include "str.h"

enum { LOGLINE_MAX_BYTES = 64 * 1024 };

/* Borrowed from the line, or from the scratch buffer where escapes were undone. */
struct logline {
    struct str host;    /* of vhost formats, without a port; else empty */
    struct str address; /* or a host name, in old logs */
    int64_t at_ms;
    struct str method, target;  /* empty when the request line was not HTTP */
    uint32_t status;            /* 0: none in the line */
    bool combined;              /* the line has the two fields below */
    struct str referrer, agent; /* empty when "-" or not in the format */
};

/* False: in none of the formats. scratch holds at least line.n bytes. */
bool logline_parse(struct str line, char *scratch, struct logline *out);

/* Why a request is no visit to a page; NULL: it is one. */
const char *logline_left_out(const struct logline *l);

#endif
