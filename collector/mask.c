/*
 * An address makes the whole text "(email)". A token (a UUID, 16 or more hexadecimal digits, 20 or
 * more letters and digits that change kind as often as random ones do; a JWT is three of these)
 * makes it "(token)". Digits, 10 in a row, become "(number)" in their place, so that a product's
 * page keeps its name; text of digits and the signs of a phone number is "(number)" as a whole.
 *
 * The bounds leave alone what names a page: years and dates, article numbers up to 9 digits, short
 * commit hashes, CamelCase names with a number in them. A wrong mask merges two pages; a missing
 * one stores a person. Where both cannot be had, the mask wins.
 */
#include "mask.h"

#include <stdint.h>

#include "query.h"

enum { UUID_CHARS = 36, PHONE_SIGNS_MAX = 8 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    c = str_lower_char(c);
    return c >= 'a' && c <= 'z';
}

/* At byte i: the length of an at sign, written plainly or escaped once more; 0: none. */
static size_t at_sign(struct str s, size_t i)
{
    if (s.p[i] == '@') return 1;
    return str_starts(str_from(s, i), STR("%40")) ? 3 : 0;
}

/* something@host.tld, the tld of two letters or more (so not "logo@2.5x"). */
static bool is_address(struct str s, size_t at, size_t at_n)
{
    if (at == 0 || s.p[at - 1] == '/' || s.p[at - 1] == ' ') return false;
    struct str host = str_from(s, at + at_n);
    for (size_t i = 1; i < host.n; i++) {
        if (host.p[i] == '@' || host.p[i] == ' ' || host.p[i] == '/') return false;
        if (host.p[i] == '.' && host.n - i > 2 && is_letter(host.p[i + 1]) &&
            is_letter(host.p[i + 2]))
            return true;
    }
    return false;
}

static bool has_address(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        size_t n = at_sign(s, i);
        if (n > 0 && is_address(s, i, n)) return true;
    }
    return false;
}

static bool is_uuid(struct str s)
{
    if (s.n < UUID_CHARS) return false;
    for (size_t i = 0; i < UUID_CHARS; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? s.p[i] != '-' : query_hex(s.p[i]) < 0) return false;
    }
    return true;
}

/* Random letters and digits change between lower case, upper case and digits at nearly every second
 * step; words do not. A capital at the head of a word is no change. */
static bool looks_random(struct str s)
{
    size_t changes = 0, digits = 0, hex = 0;
    int before = 0;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        int kind = is_digit(c) ? 1 : c >= 'a' ? 2 : 3;
        digits += kind == 1;
        hex += query_hex(c) >= 0;
        changes += i > 0 && kind != before && !(before == 3 && kind == 2);
        before = kind;
    }
    if (digits == 0 || digits == s.n) return false;
    if (hex == s.n) return s.n >= MASK_HEX_CHARS;
    return s.n >= MASK_TOKEN_CHARS && changes * 4 >= s.n;
}

static bool has_token(struct str s)
{
    for (size_t i = 0; i < s.n;) {
        if (is_uuid(str_from(s, i))) return true;
        size_t n = 0;
        while (i + n < s.n && (is_digit(s.p[i + n]) || is_letter(s.p[i + n])))
            n++;
        if (n >= MASK_HEX_CHARS && looks_random(str_upto(str_from(s, i), n))) return true;
        i += n > 0 ? n : 1;
    }
    return false;
}

/* "+49 (151) 123-45678" */
static bool is_phone(struct str s)
{
    size_t digits = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (is_digit(s.p[i])) {
            digits++;
        } else if (memchr("+-(). ", s.p[i], 6) == NULL) {
            return false;
        }
    }
    return digits >= MASK_NUMBER_DIGITS && s.n - digits <= PHONE_SIGNS_MAX;
}

static size_t digits_at(struct str s, size_t i)
{
    size_t n = 0;

    while (i + n < s.n && is_digit(s.p[i + n]))
        n++;
    return n;
}

static bool mask_numbers(struct str s, char *out, size_t *n)
{
    size_t used = 0;
    bool masked = false;

    for (size_t i = 0; i < s.n;) {
        size_t digits = digits_at(s, i);
        if (digits >= MASK_NUMBER_DIGITS) {
            memcpy(out + used, "(number)", 8);
            used += 8;
            i += digits;
            masked = true;
            continue;
        }
        size_t copy = digits > 0 ? digits : 1;
        memcpy(out + used, s.p + i, copy);
        used += copy;
        i += copy;
    }
    *n = used;
    return masked;
}

/* Nothing below finds anything in a text without these; most texts are done here. */
static bool may_hold_something(struct str s)
{
    size_t digits = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '@') return true;
        digits += is_digit(s.p[i]);
    }
    return digits > 0 && (s.n >= MASK_NUMBER_DIGITS || memchr(s.p, '%', s.n) != NULL);
}

static bool replace(struct str with, char *out, size_t *n)
{
    memcpy(out, with.p, with.n);
    *n = with.n;
    return true;
}

bool mask_text(struct str text, char *out, size_t *n)
{
    if (!may_hold_something(text)) return false;
    if (has_address(text)) return replace(STR("(email)"), out, n);
    if (has_token(text)) return replace(STR("(token)"), out, n);
    if (is_phone(text)) return replace(STR("(number)"), out, n);
    if (text.n < MASK_NUMBER_DIGITS || !mask_numbers(text, out, n)) return false;
    /* What is left between the numbers may look random now. */
    return !has_token((struct str){out, *n}) || replace(STR("(token)"), out, n);
}
