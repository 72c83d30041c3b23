/*
 * customer.h - a customer: a person whom the site has named by an id of its own, and signed it.
 * The token is "EXPIRY.HEX": unix seconds, and HMAC-SHA256 in hex, under the site's secret, of
 * the site's name, the id and the expiry, a line feed between them. Pure.
 */
#ifndef SENTIER_CUSTOMER_H
#define SENTIER_CUSTOMER_H

#include <stdint.h>

#include "buf.h"

enum {
    CUSTOMER_ID_MAX_BYTES = 128,
    CUSTOMER_VISITORS_MAX = 64,     /* named in its record */
    CUSTOMER_TOKEN_BYTES = 20 + 66, /* with its NUL */
};

void customer_sign(struct str secret, struct str site, struct str id, int64_t expiry,
                   char token[CUSTOMER_TOKEN_BYTES]); /* expiry >= 0 */

/* The token stands under this secret and has not ended. An empty secret signs nothing. */
bool customer_signed(struct str secret, struct str site, struct str id, struct str token,
                     int64_t now_s);

/* What stands for the customer wherever it is not named: never one of these two, and without the id
 * of the data set nobody can find it out by trying ids. */
enum { CUSTOMER_NONE = 0, CUSTOMER_TORN = 1 }; /* torn: two customers signed the same thing */
uint64_t customer_key(struct str dataset, struct str site, struct str id);

/* Who signed, by two signs of it; in any order. */
static inline uint64_t customer_join(uint64_t a, uint64_t b)
{
    if (a == CUSTOMER_NONE || a == b) return b;
    return b == CUSTOMER_NONE ? a : CUSTOMER_TORN;
}

/* Its record, one per partition: who it is, and the visitors of the partition that it owns. The
 * record only learns, until a visitor of it is forgotten; so the order in which it does changes
 * nothing. */
struct customer {
    struct str id;    /* borrowed */
    bool approximate; /* it had more visitors: the smallest ids are kept */
    unsigned visitors_n;
    uint64_t visitors[CUSTOMER_VISITORS_MAX]; /* rising */
};
bool customer_add(struct customer *c, uint64_t visitor);         /* whether that changed it */
bool customer_remove(struct customer *c, uint64_t visitor);      /* likewise */
bool customer_encode(const struct customer *c, struct buf *out); /* false: *out is full */
bool customer_decode(struct str in, struct customer *out);       /* false: not a record */

#endif
