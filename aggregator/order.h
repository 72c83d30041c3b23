/*
 * order.h - the orders of one visitor: each counts once, at its earliest purchase, however often
 * its page of thanks is loaded and in whatever order those hits come. Part of the visitor's fold
 * state.
 *
 * Encoding: count, then by rising (at, pageview, number, page): hash of the order's id (8 bytes),
 * at (minus the one before), pageview (8 bytes), number, page (8 bytes), day, currency (3 letters),
 * minor. All but ids varints.
 */
#ifndef SENTIER_ORDER_H
#define SENTIER_ORDER_H

#include <stdint.h>

#include "buf.h"
#include "bytes.h"
#include "hit.h"

enum { ORDERS_MAX = 16 }; /* the newest; an older one that is told again counts again */

/* What a purchase adds to the rows. */
struct bought {
    uint32_t day;
    uint64_t page;
    int64_t minor;
    char currency[HIT_CURRENCY_BYTES];
};

/* An order, and the purchase at which it counts. */
struct order {
    uint64_t id;
    int64_t at_ms;
    uint64_t pageview; /* 0: of a hit without one */
    uint32_t number;
    struct bought what;
};

struct orders {
    struct order *all; /* owned; in the order of the encoding */
    uint32_t n;
};

enum order_fate {
    ORDER_NEW,     /* it counts */
    ORDER_AGAIN,   /* an earlier purchase counts for it */
    ORDER_SAME,    /* it is the purchase that counts */
    ORDER_EARLIER, /* it counts, and the one that counted before (*was) does not any more */
    ORDER_MEMORY,
};

void orders_fini(struct orders *o); /* leaves it empty */
/* Takes one purchase. *crossed is set when the bound was. */
enum order_fate orders_take(struct orders *o, const struct order *told, struct order *was,
                            bool *crossed);
void orders_forget(struct orders *o, int64_t until_ms); /* what was bought until then */
bool orders_encode(const struct orders *o, struct buf *out);
bool orders_get(struct reader *r, struct orders *o); /* into an empty one; false: damaged */

#endif
