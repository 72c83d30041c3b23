/* Any bytes: refused, or links that encode to the very bytes that they were read from, unless a
 * number in them was longer than need be. */
#include "links.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str in = {(const char *)data, n};
    struct links l = {0}, again = {0};
    if (!links_decode(in, &l)) return 0;
    struct buf out = {0};
    if (!links_encode(&l, &out) || !links_decode(buf_str(&out), &again)) __builtin_trap();
    if (out.n > n || l.n != again.n || l.told_day != again.told_day) __builtin_trap();
    links_add(&l, n, l.told_day);
    buf_fini(&out);
    return 0;
}
