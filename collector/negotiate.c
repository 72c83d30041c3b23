/*
 * By RFC 9110: a coding that is named has the weight that stands with it, else the star's, else
 * none; a weight of zero is a refusal. Identity is fine even when nobody names it, but only when
 * nothing else is. What is no weight counts as none given, which is the highest.
 */
#include "negotiate.h"

#include <stddef.h>

enum { WEIGHT_MAX = 1000, UNSAID = -1 };

/* ";q=0.5": thousandths. */
static int weight_of(struct str parameters)
{
    struct str q = str_trim(parameters);
    int weight = 0, unit = WEIGHT_MAX;

    if (!str_ieq(str_upto(q, 2), STR("q=")) || q.n == 2) return WEIGHT_MAX;
    q = str_from(q, 2);
    for (size_t i = 0; i < q.n; i++, unit /= i == 1 ? 1 : 10) {
        if (i == 1 ? q.p[i] != '.' : q.p[i] < '0' || q.p[i] > '9') return WEIGHT_MAX;
        if (i != 1) weight += (q.p[i] - '0') * unit;
    }
    return weight < WEIGHT_MAX ? weight : WEIGHT_MAX;
}

static void read_weights(struct str accept, int weights[CODINGS], int *star)
{
    static const struct str names[CODINGS] = {{"br", 2}, {"gzip", 4}, {"identity", 8}};

    while (accept.n > 0) {
        size_t comma = str_find(accept, ',');
        struct str item = str_trim(str_upto(accept, comma));
        size_t semicolon = str_find(item, ';');
        struct str name = str_trim(str_upto(item, semicolon));
        int weight = weight_of(str_from(item, semicolon + 1));
        for (unsigned i = 0; i < CODINGS; i++) {
            if (str_ieq(name, names[i])) weights[i] = weight;
        }
        if (str_eq(name, STR("*"))) *star = weight;
        accept = str_from(accept, comma + 1);
    }
}

enum coding negotiate_coding(struct str accept, const bool there_is[CODINGS])
{
    int weights[CODINGS] = {UNSAID, UNSAID, UNSAID}, star = UNSAID, best_weight = 0;
    enum coding best = CODING_IDENTITY;

    read_weights(accept, weights, &star);
    for (enum coding i = 0; i < CODINGS; i++) {
        int weight = weights[i] != UNSAID ? weights[i] : star;
        if (weight > best_weight && there_is[i]) {
            best = i;
            best_weight = weight;
        }
    }
    return best;
}

/* Weak comparison: prefixes W/ do not matter. */
bool negotiate_has_etag(struct str header, struct str etag)
{
    if (str_starts(etag, STR("W/"))) etag = str_from(etag, 2);
    if (str_eq(str_trim(header), STR("*"))) return true;
    while (header.n > 0) {
        size_t comma = str_find(header, ',');
        struct str item = str_trim(str_upto(header, comma));
        if (str_starts(item, STR("W/"))) item = str_from(item, 2);
        if (str_eq(item, etag)) return true;
        header = str_from(header, comma + 1);
    }
    return false;
}
