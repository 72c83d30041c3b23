/* Any bytes: refused, or a row that encodes to a row that reads the same. */
#include <assert.h>

#include "row.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct row r = {0}, again = {0};
    if (!row_decode((struct str){(const char *)data, n}, &r)) return 0;
    struct buf out = {0};
    if (!row_encode(&r, &out) || !row_decode(buf_str(&out), &again)) __builtin_trap();
    if (r.n != again.n || row_persons(&r, 1000, 900) != row_persons(&again, 1000, 900))
        __builtin_trap();
    buf_fini(&out);
    row_fini(&r);
    row_fini(&again);
    return 0;
}
