/*
 * UTF-8 is checked against the table of well-formed sequences (Unicode, table 3-7): the second byte
 * has a range of its own behind E0, ED, F0 and F4, every other one is 80..BF. How far a broken
 * sequence matches that table is what one U+FFFD stands for.
 */
#include "utf8.h"

#include <stdint.h>

/* Length by the first byte (0: cannot be first) and the range of the second. */
static size_t lead(unsigned char c, unsigned char *low, unsigned char *high)
{
    *low = 0x80;
    *high = 0xbf;
    if (c < 0x80) return 1;
    if (c < 0xc2 || c > 0xf4) return 0;
    if (c < 0xe0) return 2;
    if (c == 0xe0) *low = 0xa0;
    if (c == 0xed) *high = 0x9f;
    if (c < 0xf0) return 3;
    if (c == 0xf0) *low = 0x90;
    if (c == 0xf4) *high = 0x8f;
    return 4;
}

/* Bytes at the start of s (not empty) that belong together; *whole: they are a character. */
static size_t step(struct str s, bool *whole)
{
    unsigned char low, high;
    size_t want = lead((unsigned char)s.p[0], &low, &high), n = 1;

    while (n < want && n < s.n) {
        unsigned char c = (unsigned char)s.p[n];
        if (c < low || c > high) break;
        low = 0x80;
        high = 0xbf;
        n++;
    }
    *whole = n == want;
    return n;
}

size_t utf8_char(struct str s)
{
    bool whole = false;
    size_t n = s.n == 0 ? 0 : step(s, &whole);

    return whole ? n : 0;
}

/* Eight bytes at once: all of them in 20..7E? */
static bool plain8(const char *p)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t v;

    memcpy(&v, p, sizeof v);
    uint64_t below_space = v - ones * 0x20; /* exact only while no byte has its top bit set */
    uint64_t del = v + ones;                /* 7F + 1 sets the top bit */
    return ((v | below_space | del) & tops) == 0;
}

struct str utf8_upto(struct str s, size_t max)
{
    if (s.n <= max) return s;
    while (max > 0 && ((unsigned char)s.p[max] & 0xc0) == 0x80)
        max--;
    return str_upto(s, max);
}

bool utf8_is_text(struct str s)
{
    size_t i = 0;

    while (i < s.n) {
        if (s.n - i >= 8 && plain8(s.p + i)) {
            i += 8;
            continue;
        }
        unsigned char c = (unsigned char)s.p[i];
        size_t n = utf8_char(str_from(s, i));
        if (n == 0 || c < 0x20 || c == 0x7f) return false;
        if (c == 0xc2 && (unsigned char)s.p[i + 1] < 0xa0) return false;
        i += n;
    }
    return true;
}

size_t utf8_repair(struct str s, char *out, size_t room)
{
    size_t used = 0;

    while (s.n > 0) {
        bool whole;
        size_t n = step(s, &whole);
        struct str piece = whole ? str_upto(s, n) : STR("\xef\xbf\xbd");
        if (piece.n > room - used) break;
        memcpy(out + used, piece.p, piece.n);
        used += piece.n;
        s = str_from(s, n);
    }
    return used;
}
