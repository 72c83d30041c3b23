/*
 * A stream entry carries records as the shipper packed them: a head of 16 bytes, then the encoded
 * hit. A hit that cannot be read is reported with its weight, so that the ledger still balances; a
 * head that cannot be true makes the rest of the entry unreadable.
 */
#include "intake.h"

#include "bytes.h"

int intake_entry(struct str records, intake_fn *fn, void *arg)
{
    struct reader r = reader_of(records);
    while (!reader_done(&r)) {
        uint64_t seq = get_le64(&r);
        uint32_t weight = get_le32(&r);
        uint32_t length = get_le32(&r);
        struct str bytes = get_bytes(&r, length);
        if (r.bad || length > HIT_MAX_BYTES) return -1;
        struct hit hit;
        fn(arg, seq, weight, hit_decode(bytes, &hit) ? &hit : NULL);
    }
    return 0;
}
