/*
 * The mark is a piece of SHA-256, since the stored hash (hash.h) has a known key and is made for
 * speed: who finds a mark shall not find the id that it was made of. Who has the id can ask whether
 * it was forgotten; that is what a mark is for.
 */
#include "forgotten.h"

#include <sodium.h>

#include "bytes.h"
#include "sitestate.h"

enum { FORGOTTEN_VERSION = 1 };

uint64_t forgotten_mark(struct str site, uint64_t visitor)
{
    static const char purpose[] = "sentier-forgotten-1";
    unsigned char id[8], hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_state state;
    store_le64(id, visitor);
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, (const unsigned char *)purpose, sizeof purpose);
    crypto_hash_sha256_update(&state, (const unsigned char *)site.p, site.n);
    crypto_hash_sha256_update(&state, id, sizeof id);
    crypto_hash_sha256_final(&state, hash);
    return load_le64(hash);
}

bool forgotten_encode(int64_t at_ms, struct buf *out)
{
    buf_add_char(out, FORGOTTEN_VERSION);
    buf_add_varint(out, (uint64_t)at_ms);
    return !out->failed;
}

bool forgotten_decode(struct str in, int64_t *at_ms)
{
    struct reader r = reader_of(in);
    bool ours = get_upto(&r, FORGOTTEN_VERSION) == FORGOTTEN_VERSION;
    *at_ms = (int64_t)get_upto(&r, HIT_AT_MAX_MS);
    return ours && !r.bad && reader_done(&r);
}
