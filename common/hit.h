/*
 * hit.h - one hit, and its encoding: what the collector writes into the journal, ships to the
 * stream, and the aggregator folds. The bytes are described in common/README.md; version 1 stays
 * readable for good.
 */
#ifndef SENTIER_HIT_H
#define SENTIER_HIT_H

#include <stdint.h>

#include "buf.h"
#include "str.h"
#include "verdict.h"

enum {
    HIT_VERSION = 1,
    HIT_MAX_BYTES = 16 * 1024, /* encoded */
    HIT_PAGE_MAX_BYTES = 2048, /* a normalised page */
    HIT_TARGET_MAX_BYTES = 2048,
    HIT_LIST_MAX_BYTES = 8192, /* what a kind carries besides, packed */
    HIT_LINKS_MAX = 64,        /* links of one hit */
    HIT_NAME_MAX_BYTES = 128,  /* event name, source, campaign, bot rule */
    HIT_SITE_MAX_BYTES = 64,
    HIT_PROPERTIES_MAX = 16, /* of one event */
    HIT_KEY_MAX_BYTES = 64,
    HIT_VALUE_MAX_BYTES = 128,
    PAGEVIEW_MAX_HITS = 256, /* numbers 0..255 */
    ENGAGED_MAX_MS = 30 * 60 * 1000,
    DEPTH_MAX = 100,
    ERRORS_MAX = 1000, /* JavaScript errors of a pageview; more count as that */
};

/* Stored as numbers: append only. */
enum hit_kind {
    HIT_PAGEVIEW = 1, /* one load or SPA route change */
    HIT_PULSE = 2,    /* only raises the registers of its pageview */
    HIT_OUTBOUND = 3, /* click on a link to another site; target = that link */
    HIT_DOWNLOAD = 4, /* click on a file; target = the file */
    HIT_EVENT = 5,    /* custom event; name = its name; list = its properties */
    HIT_TALLY = 6,    /* n hits of one site that were refused with one verdict in one second */
    /* No hits of browsers, but what a sitemap says; `at` is the run that read it. */
    HIT_CATALOGUE = 7,     /* lists a page; name = its title, modified */
    HIT_CATALOGUE_END = 8, /* the run named all pages of the site, n of them */
    HIT_LINKS = 9,         /* the links of the page, once per pageview; list = their pages */
    HIT_SEEN = 10,         /* links, controls that came into view; list = their pages, names */
    HIT_CLICK = 11,        /* click on a link to a page of the site; target = that page */
    HIT_META = 12,         /* what the page says of itself; list as in about.h */
    HIT_PURCHASE = 13,     /* list = what was paid */
    HIT_CONTROL = 14,      /* a button or another control was used; name = its name */
    HIT_IDENTIFY = 15,     /* says whose visitor this is, and nothing else */
    /* No hit: forget the visitor and all that happened up to `at`. Without a visitor: nothing. */
    HIT_FORGET = 16,
    HIT_KINDS,
};

enum visitor_kind {
    VISITOR_NONE = 0,      /* tallies */
    VISITOR_DAILY = 1,     /* cookieless: ends at local midnight, feeds page totals only */
    VISITOR_CONSENTED = 2, /* a first-party id; has a profile */
};

enum device { DEVICE_UNKNOWN, DEVICE_DESKTOP, DEVICE_MOBILE, DEVICE_TABLET, DEVICE_TV, DEVICES };
enum browser {
    BROWSER_UNKNOWN,
    BROWSER_CHROME,
    BROWSER_FIREFOX,
    BROWSER_SAFARI,
    BROWSER_EDGE,
    BROWSER_OPERA,
    BROWSER_SAMSUNG,
    BROWSER_IE,
    BROWSER_OTHER,
    BROWSERS
};
enum os {
    OS_UNKNOWN,
    OS_WINDOWS,
    OS_MACOS,
    OS_LINUX,
    OS_ANDROID,
    OS_IOS,
    OS_CHROMEOS,
    OS_OTHER,
    OSES
};
/* GA4's default channel groups, plus AI assistants. */
enum channel {
    CHANNEL_UNKNOWN,
    CHANNEL_DIRECT,
    CHANNEL_INTERNAL,
    CHANNEL_ORGANIC_SEARCH,
    CHANNEL_PAID_SEARCH,
    CHANNEL_ORGANIC_SOCIAL,
    CHANNEL_PAID_SOCIAL,
    CHANNEL_ORGANIC_VIDEO,
    CHANNEL_PAID_VIDEO,
    CHANNEL_ORGANIC_SHOPPING,
    CHANNEL_PAID_SHOPPING,
    CHANNEL_PAID_OTHER,
    CHANNEL_DISPLAY,
    CHANNEL_EMAIL,
    CHANNEL_AFFILIATES,
    CHANNEL_REFERRAL,
    CHANNEL_AUDIO,
    CHANNEL_SMS,
    CHANNEL_MOBILE_PUSH,
    CHANNEL_AI_ASSISTANT,
    CHANNEL_CROSS_NETWORK,
    CHANNELS
};

const char *hit_kind_name(enum hit_kind k); /* "pageview"; NULL when there is no such kind */
const char *device_name(enum device d);     /* "desktop" */
const char *browser_name(enum browser b);   /* "Chrome" */
const char *os_name(enum os o);             /* "Windows" */
const char *channel_name(enum channel c);   /* "Organic Search" */

enum hit_flag {
    HIT_INTERACTION = 1, /* this hit is an interaction (click, submit, event...; not scroll) */
    HIT_IMPORTED = 2,    /* from an access log: own time, no registers */
    HIT_GOAL = 4,        /* this event is a goal of the site */
    HIT_MORE = 8,        /* the page has more links than this hit tells */
};

/* Zero or empty means: not given. Strings are borrowed. */
struct hit {
    enum hit_kind kind;
    struct str site;
    int64_t at_ms; /* when it happened, by our clock; ms since 1970 UTC */
    uint32_t day;  /* the site's local date when the pageview began, days since 1970-01-01 */
    uint64_t visitor;
    enum visitor_kind visitor_kind;
    uint64_t pageview; /* random id; 0: this hit is a pageview of its own (pixel, import) */
    uint32_t number;   /* of this hit within its pageview, from 0 */
    struct str page;   /* normalised: host/path */
    uint32_t status;   /* HTTP status where known: 404 counts as broken */
    enum channel channel;
    struct str source;   /* referrer's host or utm_source */
    struct str campaign; /* utm_campaign */
    char country[2];     /* ISO 3166 upper case; {0,0}: unknown */
    enum device device;
    enum browser browser;
    enum os os;
    struct str bot;       /* rule that fired, "" for humans */
    uint32_t engaged_ms;  /* rising register of the pageview */
    uint32_t depth;       /* %, likewise */
    uint32_t errors;      /* JavaScript errors so far, likewise */
    struct str target;    /* outbound link or file, normalised */
    struct str name;      /* event or control; of a pageview: what was searched for */
    struct str list;      /* packed: hit_links_open, hit_properties_next, hit_money */
    uint32_t flags;       /* enum hit_flag */
    enum verdict verdict; /* tallies: of what */
    uint32_t n;           /* tallies: how many; ends of catalogues: pages of the run */
    struct str customer;  /* id that the site gave this person; only ever one that it signed */
    uint32_t modified;    /* catalogue: day of the page's last change, UTC, since 1970-01-01 */
};

/* Appends the encoding of *h. False: *out is full. */
bool hit_encode(const struct hit *h, struct buf *out);

/* The same, n bytes long: a filler that no reader knows makes up for what is missing. False: it is
 * longer than n, or shorter by one byte, or *out is full. */
bool hit_encode_filled(const struct hit *h, size_t n, struct buf *out);

/* Reads one encoded hit; strings point into in. False: not a hit (unknown fields are no error). */
bool hit_decode(struct str in, struct hit *out);

/* The list of links: how many were left out, and with hit_links_next the pages, each once. A list
 * that nobody packed so is empty. */
struct hit_links {
    struct str rest;
    uint64_t left_out;
};
struct hit_links hit_links_open(struct str list);
bool hit_links_next(struct hit_links *l, struct str *page); /* borrowed; false: no more */
/* Controls that came into view stand in the list of HIT_SEEN among the pages, with a mark before
 * their names. hit_links_next passes over them, and this over all others. */
#define HIT_CONTROL_MARK '*'
bool hit_controls_next(struct hit_links *l, struct str *name);

/* What an event carries besides: its properties, each key once, the keys rising. */
struct hit_property {
    struct str key, value;
};
size_t hit_put_properties(char out[HIT_LIST_MAX_BYTES], const struct hit_property *list,
                          unsigned n);
/* The next one, borrowed; *list is what comes behind it. False: no more. */
bool hit_properties_next(struct str *list, struct hit_property *out);

/* What a purchase carries: three capital letters, the sum in the currency's smallest unit, and the
 * hash of the order's id; 0: none was told. */
enum { HIT_CURRENCY_BYTES = 3, HIT_MONEY_BYTES = HIT_CURRENCY_BYTES + 10 + 8 };
enum { HIT_ORDER_MAX_BYTES = 64 };
static const int64_t HIT_MONEY_MAX = INT64_C(100000000000);
uint64_t hit_order_hash(struct str id);
size_t hit_put_money(char out[HIT_MONEY_BYTES], struct str currency, int64_t minor, uint64_t order);
bool hit_money(struct str list, struct str *currency, int64_t *minor); /* false: none */
uint64_t hit_order(struct str list);

/* How many received hits this stands for: 1, or a tally's n. The unit of the ledger. */
uint32_t hit_weight(const struct hit *h);

#endif
