/*
 * People type one thing in many ways: "Red  Shoes", "red shoes ". One term is one spelling of all
 * these, and whatever was typed is one: what is no UTF-8 is repaired as browsers do, what is long
 * is cut, and control characters are blanks. Masked before letters become small, since a token is
 * known by its mixture of both.
 */
#include "search_term.h"

#include <wctype.h>

#include "query.h"
#include "utf8.h"

locale_t search_letters(void)
{
    return newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

static bool is_blank(uint32_t c)
{
    return c <= 0x20 || (c >= 0x7f && c <= 0xa0) || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
           c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000 || c == 0xfeff;
}

static uint32_t lower(uint32_t c, locale_t letters)
{
    if (c < 0x80) return (unsigned char)str_lower_char((char)c);
    return letters == (locale_t)0 ? c : (uint32_t)towlower_l((wint_t)c, letters);
}

/* The character that s, which is UTF-8, begins with. */
static uint32_t code_of(struct str s, size_t n)
{
    static const unsigned char first[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t c = (unsigned char)s.p[0] & first[n];
    for (size_t i = 1; i < n; i++)
        c = c << 6 | ((unsigned char)s.p[i] & 0x3f);
    return c;
}

static size_t put_code(uint32_t c, char out[4])
{
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n; i-- > 1; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(marks[n] | c);
    return n;
}

static struct str folded(struct str text, locale_t letters, char out[HIT_NAME_MAX_BYTES])
{
    size_t used = 0, blank = 0, n;
    char bytes[4];
    for (; text.n > 0; text = str_from(text, n)) {
        n = utf8_char(text);
        uint32_t c = code_of(text, n);
        if (is_blank(c)) {
            blank = used > 0;
            continue;
        }
        size_t more = put_code(lower(c, letters), bytes);
        if (used + blank + more > HIT_NAME_MAX_BYTES) break;
        if (blank > 0) out[used] = ' ';
        memcpy(out + used + blank, bytes, more);
        used += blank + more;
        blank = 0;
    }
    return (struct str){out, used};
}

static struct str term_of(struct str value, locale_t letters, struct search_room *room)
{
    size_t n;
    value = str_upto(value, SEARCH_TEXT_MAX_BYTES);
    struct str text = {room->repaired, utf8_repair(value, room->repaired, sizeof room->repaired)};
    if (mask_text(text, room->masked, &n)) text = (struct str){room->masked, n};
    return folded(text, letters, room->term);
}

static struct str value_of(struct str query, struct str name, struct search_room *room)
{
    struct query_pair pair;
    struct query q = query_of(query, room->decoded, sizeof room->decoded);
    while (query_next(&q, &pair)) {
        if (str_eq(pair.name, name)) return pair.value;
    }
    return (struct str){NULL, 0};
}

/* On single-page sites the route has a query of its own. */
static struct str route_query(const struct url *url, const struct site *site)
{
    if (!site->hash_routing || url->fragment.n == 0) return (struct str){NULL, 0};
    return str_from(url->fragment, str_find(url->fragment, '?') + 1);
}

struct str search_term(const struct url *url, const struct site *site, locale_t letters,
                       struct search_room *room)
{
    const struct str queries[] = {url->query, route_query(url, site)};
    for (char **name = site->search_params; name != NULL && *name != NULL; name++) {
        for (int i = 0; i < 2; i++) {
            if (queries[i].n == 0 || queries[i].n > sizeof room->decoded) continue;
            struct str value = value_of(queries[i], str_of(*name), room);
            struct str term = term_of(value, letters, room);
            if (term.n > 0) return term;
        }
    }
    return (struct str){NULL, 0};
}
