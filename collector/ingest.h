/*
 * ingest.h - the fields of a hit, as a browser or a log line gave them -> a checked, complete hit,
 * or the verdict that refuses it. One per thread; address and user agent end here.
 */
#ifndef SENTIER_INGEST_H
#define SENTIER_INGEST_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "cookie.h"
#include "hit.h"
#include "site.h"

struct lists; /* bot patterns, country ranges: loaded once, shared, read-only */
struct salts; /* days' salts, shared by the threads of a collector */

/* What a request, or a log line, says about each of its hits. */
struct visit {
    struct str origin, referer, agent, accept_language;
    struct str cookie;         /* as it came: with those of others */
    unsigned char address[16]; /* IPv6, or IPv4 mapped into it */
    bool opted_out;            /* GPC or DNT */
    bool from_beacon;          /* sent by script: browser signals are expected */
    bool in_url;               /* its fields stand in a URL, which others log */
    int64_t sent_ms;           /* by the browser's clock; 0: it did not say */
    int64_t now_ms;
};

/* FIELD(letter, "letter", long name): the fields of a hit, as README.md describes them. */
#define HIT_FIELDS(FIELD)                                                                          \
    FIELD('s', "s", site)                                                                          \
    FIELD('k', "k", kind)                                                                          \
    FIELD('u', "u", url)                                                                           \
    FIELD('r', "r", referrer)                                                                      \
    FIELD('p', "p", pageview)                                                                      \
    FIELD('n', "n", number)                                                                        \
    FIELD('a', "a", age)                                                                           \
    FIELD('b', "b", begun)                                                                         \
    FIELD('A', "A", moment)                                                                        \
    FIELD('B', "B", began)                                                                         \
    FIELD('e', "e", engaged)                                                                       \
    FIELD('d', "d", depth)                                                                         \
    FIELD('c', "c", consent)                                                                       \
    FIELD('v', "v", visitor)                                                                       \
    FIELD('t', "t", target)                                                                        \
    FIELD('m', "m", name)                                                                          \
    FIELD('x', "x", status)                                                                        \
    FIELD('w', "w", webdriver)                                                                     \
    FIELD('o', "o", optout)                                                                        \
    FIELD('g', "g", goal)                                                                          \
    FIELD('q', "q", passive)                                                                       \
    FIELD('E', "E", errors)                                                                        \
    FIELD('z', "z", more)                                                                          \
    FIELD('T', "T", title)                                                                         \
    FIELD('S', "S", section)                                                                       \
    FIELD('L', "L", language)                                                                      \
    FIELD('D', "D", published)                                                                     \
    FIELD('V', "V", value)                                                                         \
    FIELD('C', "C", currency)                                                                      \
    FIELD('O', "O", order)                                                                         \
    FIELD('i', "i", customer)                                                                      \
    FIELD('j', "j", signature)                                                                     \
    FIELD('h', "h", dropped)
/* LIST(..., what parts them in one text) likewise: those that may also stand several times. */
#define HIT_LISTS(LIST)                                                                            \
    LIST('l', "l", links, '\n')                                                                    \
    LIST('y', "y", topics, ',')

struct field_list {
    unsigned n, given; /* the first n are kept */
    struct str at[HIT_LINKS_MAX];
};

/* The properties of an event, as JSON tells them. */
struct property_list {
    unsigned n, given; /* the first n are kept */
    struct hit_property at[HIT_PROPERTIES_MAX];
};

/* The decoded fields of one hit, before checks. Empty: not given. Borrowed. */
struct fields {
#define FIELD(letter, text, name) struct str name;
    HIT_FIELDS(FIELD)
#undef FIELD
#define LIST(letter, text, name, part) struct field_list name;
    HIT_LISTS(LIST)
#undef LIST
    struct property_list properties;
};

/* Only with IDENTITY_SIGNED is a hit its customer's. Else it counts like one without an id, but for
 * HIT_IDENTIFY, which has nothing else to say. */
enum identity {
    IDENTITY_NONE, /* it came with no id */
    IDENTITY_SIGNED,
    IDENTITY_NO_CONSENT,
    IDENTITY_BAD_SIGNATURE,
    IDENTITIES
};

struct ingest;

struct ingest *ingest_new(const struct lists *lists, struct salts *salts);
void ingest_free(struct ingest *in);
void ingest_set_sites(struct ingest *in, const struct sites *sites);

/* V_COUNTED: *out is complete, its strings live until the next call, *partition is where it goes.
 * Else why it is refused; *field names the field at fault (static string, or NULL). The site, when
 * it was known, is in out->site in any case, for the tally. */
enum verdict ingest_hit(struct ingest *in, const struct visit *visit, const struct fields *f,
                        unsigned partitions, struct hit *out, unsigned *partition,
                        const char **field);

/* Of the hit taken last. */
enum identity ingest_identity(const struct ingest *in);
/* Of its site, to its visitor; *created_s: when that id was made. */
enum cookie_change ingest_cookie(const struct ingest *in, int64_t *created_s);
uint32_t ingest_dropped(const struct ingest *in); /* hits that its browser could not keep */

/* For log lines: the caller has the time and the status and its own visitor key; same checks, same
 * page, agent, country and channel. 32-byte import key. */
struct log_hit {
    const struct site *site;
    struct str host;   /* of vhost formats, or of the site's first origin */
    struct str target; /* request target: path?query */
    struct str referrer, agent;
    unsigned char address[16];
    bool has_address; /* else `address_text` keys the visitor (host names in old logs) */
    struct str address_text;
    int64_t at_ms;
    uint32_t status;
    const unsigned char *import_key;
};
enum verdict ingest_log_hit(struct ingest *in, const struct log_hit *l, unsigned partitions,
                            struct hit *out, unsigned *partition);

/* Loads what is in the data directories; NULL with the reason in the log. geo files may be "". */
struct lists *lists_load(const char *geoip, const char *geoip6);
void lists_free(struct lists *l);

#endif
