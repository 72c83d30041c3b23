/*
 * 15 digits hold every number that a hit may tell, moments in milliseconds too, and cannot
 * overflow. No sign, no point, no exponent: what a browser writes differently is not what was asked
 * for.
 */
#include "number.h"

enum { DIGITS_MAX = 15 };

bool number_parse(struct str s, int64_t *out)
{
    int64_t n = 0;

    if (s.n == 0 || s.n > DIGITS_MAX) return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') return false;
        n = n * 10 + (s.p[i] - '0');
    }
    *out = n;
    return true;
}

bool number_take(struct str s, int64_t min, int64_t max, int64_t *out)
{
    int64_t n;

    if (s.n == 0) return true;
    if (!number_parse(s, &n) || n < min || n > max) return false;
    *out = n;
    return true;
}

bool number_flag(struct str s, bool *out)
{
    int64_t n = 0;

    *out = str_eq(s, STR("true"));
    if (*out || str_eq(s, STR("false"))) return true;
    bool ok = number_take(s, 0, 1, &n);
    *out = n == 1;
    return ok;
}
