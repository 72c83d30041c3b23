/*
 * Decodes as the URL standard says: parts between '&', split at the first '=', '+' is a space, %XX
 * is a byte, any other '%' is itself. Decoding never makes text longer, so a scratch buffer of the
 * input's length is always enough; most values need no decoding and are borrowed as they stand.
 * What is wrong is reported, not judged: for a browser's page URL a lone '%' is a '%', for a field
 * of a hit it is a reason to refuse it.
 */
#include "query.h"

#include <assert.h>

int query_hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = str_lower_char(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool needs_decoding(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '%' || s.p[i] == '+') return true;
    }
    return false;
}

static struct str decode(struct query *q, struct str s, bool *bad_escape)
{
    if (!needs_decoding(s)) return s;
    assert(q->room >= s.n);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '+') c = ' ';
        if (c == '%') {
            int high = s.n - i > 2 ? query_hex(s.p[i + 1]) : -1;
            int low = s.n - i > 2 ? query_hex(s.p[i + 2]) : -1;
            if (high >= 0 && low >= 0) {
                c = (char)(high << 4 | low);
                i += 2;
            } else {
                *bad_escape = true;
            }
        }
        q->out[n++] = c;
    }
    struct str decoded = {q->out, n};
    q->out += n;
    q->room -= n;
    return decoded;
}

struct query query_of(struct str in, char *scratch, size_t scratch_bytes)
{
    assert(scratch_bytes >= in.n);
    return (struct query){in, scratch, scratch_bytes};
}

bool query_next(struct query *q, struct query_pair *out)
{
    struct str part;

    do {
        if (q->rest.n == 0) return false;
        part = str_upto(q->rest, str_find(q->rest, '&'));
        q->rest = str_from(q->rest, part.n + 1);
    } while (part.n == 0);

    size_t split = str_find(part, '=');
    *out = (struct query_pair){.bad_escape = false};
    out->name = decode(q, str_upto(part, split), &out->bad_escape);
    out->value = decode(q, str_from(part, split + 1), &out->bad_escape);
    return true;
}
