/*
 * hash.h - the one 64-bit hash of identities that are stored: page ids, sites, partitions.
 * SipHash-2-4 (libsodium) under a fixed, public key: the same value on every machine, for good.
 * It is no secret; what must not be guessed (visitors) uses a secret key elsewhere.
 */
#ifndef SENTIER_HASH_H
#define SENTIER_HASH_H

#include <sodium.h>
#include <stdint.h>

#include "bytes.h"

static inline uint64_t hash64(struct str s)
{
    static const unsigned char key[crypto_shorthash_KEYBYTES] = "sentier-stored-1";
    unsigned char out[crypto_shorthash_BYTES];
    crypto_shorthash(out, (const unsigned char *)s.p, s.n, key);
    return load_le64(out);
}

static inline uint64_t hash64_of_u64(uint64_t v)
{
    char bytes[8];
    store_le64(bytes, v);
    return hash64((struct str){bytes, sizeof bytes});
}

#endif
