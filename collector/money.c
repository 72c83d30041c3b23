/*
 * Sums are kept in the smallest unit of their currency, as whole numbers, so that adding them up
 * loses nothing. How many digits a currency has behind the point is from ISO 4217: two, but for
 * those listed here. A sum is read digit by digit: as a floating number 1.005 would be a bit less.
 * There is no sign, no exponent and no comma: 1,234 is a thousand to one and a little to another.
 */
#include "money.h"

enum { DIGITS_MOST = 2, DIGITS_MAX = 4 };

static unsigned digits_of(struct str currency)
{
    static const struct str codes[DIGITS_MAX + 1] = {
        [0] = {"BIFCLPDJFGNFISKJPYKMFKRWPYGRWFUGXUYIVNDVUVXAFXOFXPF", 51},
        [3] = {"BHDIQDJODKWDLYDOMRTND", 21},
        [4] = {"CLFUYW", 6},
    };

    for (unsigned digits = 0; digits <= DIGITS_MAX; digits++) {
        for (struct str rest = codes[digits]; rest.n > 0; rest = str_from(rest, HIT_CURRENCY_BYTES))
            if (str_starts(rest, currency)) return digits;
    }
    return DIGITS_MOST;
}

bool money_is_currency(struct str text)
{
    if (text.n != HIT_CURRENCY_BYTES) return false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < 'A' || text.p[i] > 'Z') return false;
    }
    return true;
}

static bool add_digit(int64_t *minor, char c)
{
    if (c < '0' || c > '9') return false;
    *minor = *minor * 10 + (c - '0');
    return *minor <= HIT_MONEY_MAX;
}

bool money_parse(struct str text, struct str currency, int64_t *minor)
{
    unsigned digits = digits_of(currency);
    struct str whole = str_upto(text, str_find(text, '.'));

    *minor = 0;
    if (whole.n == 0) return false;
    struct str rest = str_from(text, whole.n + 1);
    for (size_t i = 0; i < whole.n; i++)
        if (!add_digit(minor, whole.p[i])) return false;
    for (size_t i = 0; i < digits; i++)
        if (!add_digit(minor, i < rest.n ? rest.p[i] : '0')) return false;
    for (size_t i = digits; i < rest.n; i++)
        if (rest.p[i] < '0' || rest.p[i] > '9') return false;
    if (rest.n > digits && rest.p[digits] >= '5') ++*minor;
    return *minor <= HIT_MONEY_MAX;
}
