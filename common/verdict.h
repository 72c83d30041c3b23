/*
 * verdict.h - what became of a hit. Every hit that was received gets exactly one verdict, and
 * each verdict belongs to one line of the ledger:
 *
 *   received = counted + duplicate + late + opted out + malformed + over limit + left out + pending
 */
#ifndef SENTIER_VERDICT_H
#define SENTIER_VERDICT_H

#include "str.h"

/* Stored as numbers: append only, never renumber. */
enum verdict {
    V_COUNTED = 0,        /* folded; bots are counted hits, with the rule that named them */
    V_DUPLICATE = 1,      /* this number of this pageview was counted before */
    V_LATE = 2,           /* older than late_after when it came, or was folded */
    V_OPTED_OUT = 3,      /* GPC, DNT, the tracker's opt-out, or consent withdrawn */
    V_BAD_QUERY = 4,      /* not a query string, or one without the fields a hit needs */
    V_BAD_JSON = 5,       /* not JSON, or JSON that is no hit */
    V_BAD_UTF8 = 6,       /* a text field is not UTF-8, or holds control characters */
    V_BAD_NUMBER = 7,     /* a number field is no number, or out of its range */
    V_BAD_PAGE = 8,       /* the page's URL cannot be read */
    V_BAD_KIND = 9,       /* a kind of hit that does not exist */
    V_UNKNOWN_SITE = 10,  /* no such [site] */
    V_BAD_ORIGIN = 11,    /* the site does not allow this origin */
    V_TOO_LONG = 12,      /* a field is longer than its limit */
    V_TOO_MANY = 13,      /* more hits in one body, or in one pageview, than the limit */
    V_UNREADABLE = 14,    /* import: a log line in no known format */
    V_NOT_A_PAGE = 15,    /* import: an asset, or a request that is not for a page */
    V_NO_CONSENT = 16,    /* identify without consent */
    V_CATALOGUE = 17,     /* no hit: a record of what a sitemap says */
    V_BAD_SIGNATURE = 18, /* identify without a good signature of the site */
    V_FORGOTTEN = 19,     /* of a visitor that was forgotten, or the record that says so */
    VERDICTS
};

enum ledger_line {
    LEDGER_COUNTED,
    LEDGER_DUPLICATE,
    LEDGER_LATE,
    LEDGER_OPTED_OUT,
    LEDGER_MALFORMED,
    LEDGER_OVER_LIMIT,
    LEDGER_LEFT_OUT,
    LEDGER_LINES
};

const char *verdict_name(enum verdict v); /* "bad_origin": in metrics, JSON, replies */
const char *verdict_help(enum verdict v); /* one sentence for people */
enum ledger_line verdict_line(enum verdict v);
const char *ledger_line_name(enum ledger_line l); /* "opted_out" */

#endif
