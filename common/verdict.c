/*
 * The verdicts as a table: name, ledger line, and the sentence that people read. Adding a verdict
 * is adding a row; the enum in verdict.h is stored in journals and must only grow.
 */
#include "verdict.h"

#include <assert.h>

static const struct {
    const char *name;
    enum ledger_line line;
    const char *help;
} verdicts[VERDICTS] = {
    [V_COUNTED] = {"counted", LEDGER_COUNTED, "counted"},
    [V_DUPLICATE] = {"duplicate", LEDGER_DUPLICATE, "this hit of this pageview was counted before"},
    [V_LATE] = {"late", LEDGER_LATE, "older than late_after when it arrived"},
    [V_OPTED_OUT] = {"opted_out", LEDGER_OPTED_OUT, "GPC, DNT or an opt-out"},
    [V_BAD_QUERY] = {"bad_query", LEDGER_MALFORMED, "not a query string with the fields of a hit"},
    [V_BAD_JSON] = {"bad_json", LEDGER_MALFORMED, "not JSON, or JSON that is no hit"},
    [V_BAD_UTF8] = {"bad_utf8", LEDGER_MALFORMED, "text that is not UTF-8, or control characters"},
    [V_BAD_NUMBER] = {"bad_number", LEDGER_MALFORMED, "no number, or out of its range"},
    [V_BAD_PAGE] = {"bad_page", LEDGER_MALFORMED, "no URL of a page"},
    [V_BAD_KIND] = {"bad_kind", LEDGER_MALFORMED, "no such kind of hit"},
    [V_UNKNOWN_SITE] = {"unknown_site", LEDGER_MALFORMED, "no such site"},
    [V_BAD_ORIGIN] = {"bad_origin", LEDGER_MALFORMED, "the site does not allow this origin"},
    [V_TOO_LONG] = {"too_long", LEDGER_OVER_LIMIT, "a field is longer than its limit"},
    [V_TOO_MANY] = {"too_many", LEDGER_OVER_LIMIT,
                    "more than the limit: of hits, or of what the field names"},
    [V_UNREADABLE] = {"unreadable", LEDGER_MALFORMED, "a log line in no known format"},
    [V_NOT_A_PAGE] = {"not_a_page", LEDGER_LEFT_OUT, "a log line for an asset, not for a page"},
    [V_NO_CONSENT] = {"no_consent", LEDGER_OPTED_OUT, "identify without consent"},
    [V_CATALOGUE] = {"catalogue", LEDGER_LEFT_OUT, "no hit, but what a sitemap says"},
    [V_BAD_SIGNATURE] = {"bad_signature", LEDGER_MALFORMED,
                         "the site did not sign this id, or the signature has ended"},
    [V_FORGOTTEN] = {"forgotten", LEDGER_LEFT_OUT, "of a person who asked to be forgotten"},
};

static const char *const lines[LEDGER_LINES] = {
    [LEDGER_COUNTED] = "counted",     [LEDGER_DUPLICATE] = "duplicate",
    [LEDGER_LATE] = "late",           [LEDGER_OPTED_OUT] = "opted_out",
    [LEDGER_MALFORMED] = "malformed", [LEDGER_OVER_LIMIT] = "over_limit",
    [LEDGER_LEFT_OUT] = "left_out",
};

const char *verdict_name(enum verdict v)
{
    assert(v < VERDICTS);
    return verdicts[v].name;
}

const char *verdict_help(enum verdict v)
{
    assert(v < VERDICTS);
    return verdicts[v].help;
}

enum ledger_line verdict_line(enum verdict v)
{
    assert(v < VERDICTS);
    return verdicts[v].line;
}

const char *ledger_line_name(enum ledger_line l)
{
    assert(l < LEDGER_LINES);
    return lines[l];
}
