/* utf8.h - UTF-8 by the letter: no surrogates, nothing over-long, nothing past U+10FFFF. Pure. */
#ifndef SENTIER_UTF8_H
#define SENTIER_UTF8_H

#include "str.h"

/* Bytes of the character s starts with, 1..4; 0: s is empty or does not start with one. */
size_t utf8_char(struct str s);

/* The whole characters of s, which is UTF-8, that fit into max bytes. */
struct str utf8_upto(struct str s, size_t max);

/* UTF-8 without control characters (U+0000..1F, U+007F..9F: a terminal would obey them). */
bool utf8_is_text(struct str s);

/* Copies s; what is not UTF-8 becomes U+FFFD, one per maximal part, as browsers do. Stops at the
 * last whole character that fits into room. Returns the bytes written; 3 * s.n are always enough.
 */
size_t utf8_repair(struct str s, char *out, size_t room);

#endif
