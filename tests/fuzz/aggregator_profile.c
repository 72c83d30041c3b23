/* Any bytes: refused, or a profile that keeps its bytes. */
#include "profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct profile p = {0}, again = {0};
    if (!profile_decode((struct str){(const char *)data, n}, &p)) return 0;
    struct buf a = {0}, b = {0};
    if (!profile_encode(&p, &a) || !profile_decode(buf_str(&a), &again)) __builtin_trap();
    if (!profile_encode(&again, &b) || !str_eq(buf_str(&a), buf_str(&b))) __builtin_trap();
    buf_fini(&a);
    buf_fini(&b);
    profile_fini(&p);
    profile_fini(&again);
    return 0;
}
