/* Any bytes: refused, or what a page says of itself that packs to the same again. */
#include "about.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct about a, again;
    if (!about_unpack((struct str){(const char *)data, n}, &a)) return 0;
    struct buf out = {0};
    if (!about_pack(&a, &out) || !about_unpack(buf_str(&out), &again)) __builtin_trap();
    if (out.n > n || a.topics_n != again.topics_n || a.published != again.published ||
        !str_eq(a.title, again.title) || !str_eq(a.canonical, again.canonical))
        __builtin_trap();
    buf_fini(&out);
    return 0;
}
