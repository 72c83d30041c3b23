/*
 * Some browsers delete what scripts store after seven days without a visit; what a server sets,
 * they keep. So a site may have the ids of visitors who consent kept in a cookie besides: one per
 * site, so that one site's yes says nothing to another, and no id ties two sites together.
 *
 * Its value is ID.CREATED. It is never prolonged: 13 months after the id was made it is gone,
 * however often its visitor comes and the cookie is set anew, and a browser that keeps it longer
 * does not matter.
 *
 * Across sites (the page is of one site, the collector of another) only a partitioned cookie is
 * set: one per site that is visited, of no use for following anybody from one to the next.
 */
#include "cookie.h"

#include <inttypes.h>

#include "keys.h"

enum {
    AHEAD_MAX_S = 24 * 60 * 60, /* clocks of collectors differ; a year does not */
    CREATED_MAX_DIGITS = 11,
};

#define NAME_PREFIX "sentier-"

static void read_value(struct str value, int64_t now_s, struct cookie *out)
{
    size_t dot = str_find(value, '.');
    struct str digits = str_from(value, dot + 1);
    uint64_t id;

    if (digits.n == 0 || digits.n > CREATED_MAX_DIGITS || !id_parse(str_upto(value, dot), &id))
        return;
    for (size_t i = 0; i < digits.n; i++) {
        if (digits.p[i] < '0' || digits.p[i] > '9') return;
        out->created_s = out->created_s * 10 + (digits.p[i] - '0');
    }
    bool holds = out->created_s < now_s + AHEAD_MAX_S && now_s - out->created_s < COOKIE_MAX_AGE_S;
    out->id = holds ? id : 0;
}

struct cookie cookie_of(struct str header, struct str site, int64_t now_s)
{
    struct cookie out = {0};

    while (header.n > 0) {
        struct str pair = str_trim(str_upto(header, str_find(header, ';')));
        header = str_from(header, str_find(header, ';') + 1);
        if (!str_starts(pair, STR(NAME_PREFIX))) continue;
        pair = str_from(pair, sizeof NAME_PREFIX - 1);
        size_t equals = str_find(pair, '=');
        if (equals == pair.n || !str_eq(str_upto(pair, equals), site)) continue;
        out.brought = true;
        read_value(str_from(pair, equals + 1), now_s, &out);
        return out;
    }
    return out;
}

/* SameSite=None is worth nothing without Secure; else http may do without it. */
static struct str attributes(const struct cookie_scope *scope)
{
    if (scope->cross_site) return STR("; SameSite=None; Secure; Partitioned\r\n");
    return scope->insecure ? STR("; SameSite=Lax\r\n") : STR("; SameSite=Lax; Secure\r\n");
}

void cookie_add(struct buf *headers, struct str site, struct cookie cookie,
                const struct cookie_scope *scope)
{
    char text[ID_TEXT_BYTES];

    buf_printf(headers, "Set-Cookie: " NAME_PREFIX "%.*s=", STR_ARG(site));
    if (cookie.id == 0) {
        buf_printf(headers, "; Max-Age=0");
    } else {
        id_format(cookie.id, text);
        buf_printf(headers, "%s.%" PRId64 "; Max-Age=%" PRId64, text, cookie.created_s,
                   cookie.created_s + COOKIE_MAX_AGE_S - scope->now_s);
    }
    buf_printf(headers, "; Path=%.*s; HttpOnly", STR_ARG(scope->path));
    buf_add(headers, attributes(scope));
}
