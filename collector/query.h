/* query.h - application/x-www-form-urlencoded text, pair by pair. Pure; no allocation. */
#ifndef SENTIER_QUERY_H
#define SENTIER_QUERY_H

#include "str.h"

/* Set up with query_of, then only query_next touches it. */
struct query {
    struct str rest;
    char *out; /* where the next decoded byte goes */
    size_t room;
};

/* A decoded pair. A name or value without '%' and '+' is borrowed from the input, another one from
 * the scratch buffer: both must outlive it. Bytes are decoded as they are: UTF-8 is not checked
 * here (utf8_is_text for hits; utf8_repair gives what a browser would read). */
struct query_pair {
    struct str name, value;
    bool bad_escape; /* a '%' without two hex digits behind it; it stands for itself */
};

/* scratch holds at least in.n bytes. */
struct query query_of(struct str in, char *scratch, size_t scratch_bytes);

/* False: no more pairs. Empty parts ("&&") are no pairs; "=" is one. */
bool query_next(struct query *q, struct query_pair *out);

/* The value of a hex digit, or -1. */
int query_hex(char c);

#endif
