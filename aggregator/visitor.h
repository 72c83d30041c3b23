/*
 * visitor.h - fold state of one visitor: its recent pageviews with their registers, and what is
 * still needed of those that are frozen. A daily visitor's value in {pN}:visitors:SITE:DAY; part
 * of a consented visitor's profile. The same hits in any order give the same bytes.
 *
 * Encoding (numbers are varints, ids 8 bytes little-endian):
 *
 *   02, flags (1: approximate), newest_ms, frozen_day,
 *   frozen pages: count, then by rising id: page (8 bytes), day
 *   the recent pageviews:
 *       count of pageviews, then by rising (at, id, ...):
 *           parts (enum in visitor_codec.c), at (of the first: newest_ms - at; else minus the one
 *           before), page (8 bytes), day and numbers (one number, visitor_codec.c),
 *           [id (8 bytes)] [day] [numbers counted (4 words of 64 bits)]
 *           [device, browser, os (a byte each), country (2 bytes): when not as before]
 *           [channel (a byte), length of source, source: when not as before]
 *           [engaged_ms, its time minus at (zigzag)] [interaction's time minus at (zigzag)]
 *           [depth] [customer that signed it (8 bytes): when not as before]
 *           [links seen: count, a bit for each of the pageview before (1: seen again), the others
 *           by rising id (8 bytes each)] [errors]
 *       2 * count of waiting hits (+ 1: orders follow), then by rising (id, number):
 *           id (8 bytes), number, kind (+ 64: a goal, + 128: signed, + 256: with errors), at,
 *           engaged_ms, engaged_at, interaction_at, depth, length, text,
 *           [signed: customer (8 bytes)] [errors]
 *       [orders (order.h)]
 */
#ifndef SENTIER_VISITOR_H
#define SENTIER_VISITOR_H

#include <stdint.h>

#include "buf.h"
#include "bytes.h"
#include "hit.h"
#include "order.h"

enum {
    SESSION_GAP_MS = 30 * 60 * 1000,
    SESSION_MAX_MS = 24 * 3600 * 1000,
    REGISTER_OPEN_MS = 24 * 3600 * 1000, /* a hit belongs to its pageview within this time of it */
    RECENT_MAX = 256,
    RECENT_KEEP = 192, /* what stays when RECENT_MAX is reached */
    WAITING_MAX = 256,
    WAITING_MAX_BYTES = 16 * 1024,
    FROZEN_PAGES_MAX = 512,
    VIEW_SEEN_MAX = 64, /* links seen on a pageview: those of the smallest ids stay */
    SEEN_MAX = 4096,    /* of all recent pageviews */
    SEEN_STEP = 8,      /* by which the memory of a pageview's grows */
    WAITING_GOAL = 64,  /* beside its kind */
};

enum pageview_flag {
    PV_BOT = 1,
    PV_NOT_FOUND = 2,
    PV_GOAL = 4, /* an event that is a goal, or a purchase */
    PV_IMPORTED = 8,
};

struct pageview {
    int64_t at_ms;
    uint64_t id;               /* 0: a pageview of one hit */
    uint64_t page;             /* hash64 of the page */
    uint64_t owner;            /* customer that signed it (customer.h) */
    int64_t engaged_at_ms;     /* the earliest time at which engaged_ms was reported */
    int64_t interaction_at_ms; /* the latest */
    uint64_t numbers[4];       /* of the hits that were counted */
    uint32_t engaged_ms;
    uint32_t day;
    uint16_t errors;
    uint8_t flags;
    uint8_t channel, device, browser, os, depth;
    char country[2];
    uint32_t source_n;
    uint32_t seen_n;
    char *source;   /* owned */
    uint64_t *seen; /* pages whose links were in view, by rising id; owned */
};

/* A hit whose pageview has not come. */
struct waiting {
    uint64_t id;
    uint64_t owner; /* as of a pageview */
    uint32_t number;
    uint32_t kind; /* enum hit_kind, and WAITING_GOAL */
    int64_t at_ms, engaged_at_ms, interaction_at_ms;
    uint32_t engaged_ms;
    uint32_t depth;
    uint32_t errors;
    uint32_t text_n;
    char *text; /* owned: target, name or list */
};

struct frozen_page {
    uint64_t page;
    uint32_t day; /* last day of this page among frozen pageviews */
};

struct visitor {
    bool approximate;
    int64_t newest_ms; /* of its hits */
    /* The first moment at which a customer signed a hit, and who it was: what nobody signed belongs
     * to that one up to there. */
    int64_t link_ms;
    uint64_t link;       /* CUSTOMER_NONE: nobody has */
    uint32_t frozen_day; /* gap columns up to this day are final; 0: none is */
    struct frozen_page *frozen;
    struct pageview *views; /* by (at, id, content) */
    struct waiting *waiting;
    struct orders orders;
    uint32_t frozen_n, views_n, waiting_n;
    uint32_t frozen_cap, views_cap, waiting_cap;
    uint32_t waiting_bytes;
    uint32_t seen_n; /* of all views */
};

/* All zero is an empty visitor. */
void visitor_fini(struct visitor *v); /* leaves it empty */
bool visitor_encode(const struct visitor *v, struct buf *out);
bool visitor_decode(struct str in,
                    struct visitor *v); /* into an empty one; false: damaged, and empty */

/* The recent pageviews and what waits, as part of another value; newest_ms stands elsewhere. */
void visitor_encode_recent(const struct visitor *v, struct buf *out);
bool visitor_decode_recent(struct reader *r, struct visitor *v); /* false: damaged, or no memory */

/* The latest moment that is known of a pageview. */
int64_t pageview_last_ms(const struct pageview *p);

/* For the fold. */
int pageview_order(const struct pageview *a, const struct pageview *b); /* <0, 0, >0 */

/* The pageview that a hit of this id and time belongs to, or NULL. */
struct pageview *visitor_find(const struct visitor *v, uint64_t id, int64_t at_ms);
/* Puts *p into its place and returns it there; takes p->source. There must be room. NULL: no
 * memory. */
struct pageview *visitor_insert(struct visitor *v, struct pageview *p);
/* Moves a pageview back to an earlier time. */
struct pageview *visitor_move(struct visitor *v, struct pageview *p, int64_t at_ms);
/* A customer signed a hit of that time. */
void visitor_link(struct visitor *v, int64_t at_ms, uint64_t customer);
/* Something here that has not settled was signed by the customer. */
bool visitor_has(const struct visitor *v, uint64_t customer);
/* A link to the page was in view on p. False: no memory. A bound crossed: v->approximate. */
bool visitor_see(struct visitor *v, struct pageview *p, uint64_t page);
/* Freezes the oldest n pageviews of a daily visitor. False: no memory. */
bool visitor_freeze(struct visitor *v, uint32_t n);
void visitor_drop(struct visitor *v, uint32_t n); /* the oldest n pageviews, no more */
/* All but the recent pageviews, the waiting hits and the orders of after that. */
void visitor_forget(struct visitor *v, int64_t until_ms);
/* A frozen page more; they come by rising id. False: no memory. */
bool visitor_add_frozen(struct visitor *v, uint64_t page, uint32_t day);
uint32_t visitor_frozen_day_of(const struct visitor *v, uint64_t page); /* 0: none */

int waiting_order(const struct waiting *w, uint64_t id, uint32_t number); /* <0, 0, >0 */
/* The place of a waiting hit, whether or not it is there. */
uint32_t visitor_waiting_at(const struct visitor *v, uint64_t id, uint32_t number);
bool visitor_wait(struct visitor *v, uint32_t i,
                  struct waiting *w); /* takes w->text, also on false */
void visitor_unwait(struct visitor *v, uint32_t i);

#endif
