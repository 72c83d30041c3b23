/* idn.h - names of hosts beyond ASCII, as browsers and servers write them: punycode. */
#ifndef SENTIER_IDN_H
#define SENTIER_IDN_H

#include "str.h"

enum { IDN_HOST_MAX_BYTES = 255 };

static inline bool idn_is_ascii(struct str s)
{
    unsigned char all = 0;
    for (size_t i = 0; i < s.n; i++) /* without a way out: the compiler takes 16 at a time */
        all |= (unsigned char)s.p[i];
    return all < 0x80;
}

/* host: UTF-8. True: *n bytes of out are the same host in ASCII. False: no name that libidn2 knows
 * how to write, a symbol in it for one. */
bool idn_to_ascii(struct str host, char out[IDN_HOST_MAX_BYTES + 1], size_t *n);

#endif
