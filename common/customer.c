/*
 * The signature covers the site, so that one of another site says nothing here, and the moment when
 * it ends, so that one found in an old page does not either. None of the three can hold a line
 * feed: the parts read only one way. Whoever signs needs nothing but HMAC-SHA256, which every
 * language has.
 *
 * Record: byte 01; id (varint length, bytes); byte of flags, 1: approximate; per visitor 8 bytes.
 */
#include "customer.h"

#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>

#include "bytes.h"

enum { VERSION = 1, APPROXIMATE = 1, EXPIRY_MAX_DIGITS = 15 };

typedef unsigned char digest[crypto_auth_hmacsha256_BYTES];

static void make(struct str secret, struct str site, struct str id, struct str expiry, digest out)
{
    crypto_auth_hmacsha256_state h;
    crypto_auth_hmacsha256_init(&h, (const unsigned char *)secret.p, secret.n);
    crypto_auth_hmacsha256_update(&h, (const unsigned char *)site.p, site.n);
    crypto_auth_hmacsha256_update(&h, (const unsigned char *)"\n", 1);
    crypto_auth_hmacsha256_update(&h, (const unsigned char *)id.p, id.n);
    if (expiry.n > 0) {
        crypto_auth_hmacsha256_update(&h, (const unsigned char *)"\n", 1);
        crypto_auth_hmacsha256_update(&h, (const unsigned char *)expiry.p, expiry.n);
    }
    crypto_auth_hmacsha256_final(&h, out);
    sodium_memzero(&h, sizeof h);
}

void customer_sign(struct str secret, struct str site, struct str id, int64_t expiry,
                   char token[CUSTOMER_TOKEN_BYTES])
{
    digest d;
    assert(expiry >= 0 && secret.n > 0);
    int n = snprintf(token, CUSTOMER_TOKEN_BYTES, "%" PRId64 ".", expiry);
    make(secret, site, id, (struct str){token, (size_t)n - 1}, d);
    sodium_bin2hex(token + n, CUSTOMER_TOKEN_BYTES - (size_t)n, d, sizeof d);
}

static bool parse_expiry(struct str digits, int64_t *out)
{
    *out = 0;
    if (digits.n == 0 || digits.n > EXPIRY_MAX_DIGITS) return false;
    for (size_t i = 0; i < digits.n; i++) {
        if (digits.p[i] < '0' || digits.p[i] > '9') return false;
        *out = *out * 10 + (digits.p[i] - '0');
    }
    return true;
}

bool customer_signed(struct str secret, struct str site, struct str id, struct str token,
                     int64_t now_s)
{
    struct str expiry = str_upto(token, str_find(token, '.')), hex = str_from(token, expiry.n + 1);
    int64_t ends;
    digest said, ours;
    size_t n;
    if (secret.n == 0 || !parse_expiry(expiry, &ends) || ends <= now_s) return false;
    if (hex.n != 2 * sizeof said ||
        sodium_hex2bin(said, sizeof said, hex.p, hex.n, NULL, &n, NULL) != 0 || n != sizeof said)
        return false;
    make(secret, site, id, expiry, ours);
    return sodium_memcmp(said, ours, sizeof ours) == 0;
}

uint64_t customer_key(struct str dataset, struct str site, struct str id)
{
    digest d;
    make(dataset, site, id, STR(""), d);
    uint64_t key = load_le64(d);
    return key <= CUSTOMER_TORN ? key + 2 : key;
}

bool customer_add(struct customer *c, uint64_t visitor)
{
    unsigned i = c->visitors_n;
    while (i > 0 && c->visitors[i - 1] > visitor)
        i--;
    if (i > 0 && c->visitors[i - 1] == visitor) return false;
    bool full = c->visitors_n == CUSTOMER_VISITORS_MAX, told = c->approximate;
    if (full) c->approximate = true;
    if (i == CUSTOMER_VISITORS_MAX) return !told;
    if (!full) c->visitors_n++;
    memmove(&c->visitors[i + 1], &c->visitors[i], (c->visitors_n - 1 - i) * sizeof c->visitors[0]);
    c->visitors[i] = visitor;
    return true;
}

bool customer_remove(struct customer *c, uint64_t visitor)
{
    unsigned i = 0;
    while (i < c->visitors_n && c->visitors[i] != visitor)
        i++;
    if (i == c->visitors_n) return false;
    c->visitors_n--;
    memmove(&c->visitors[i], &c->visitors[i + 1], (c->visitors_n - i) * sizeof c->visitors[0]);
    return true;
}

bool customer_encode(const struct customer *c, struct buf *out)
{
    buf_add_char(out, VERSION);
    buf_add_varint(out, c->id.n);
    buf_add(out, c->id);
    buf_add_char(out, c->approximate ? APPROXIMATE : 0);
    for (unsigned i = 0; i < c->visitors_n; i++)
        buf_add_le64(out, c->visitors[i]);
    return !out->failed;
}

bool customer_decode(struct str in, struct customer *out)
{
    struct reader r = reader_of(in);
    struct str version = get_bytes(&r, 1);
    *out = (struct customer){.id = get_bytes(&r, get_upto(&r, CUSTOMER_ID_MAX_BYTES))};
    uint64_t flags = get_upto(&r, APPROXIMATE);
    out->approximate = flags == APPROXIMATE;
    if (r.bad || version.p[0] != VERSION || out->id.n == 0) return false;
    if (reader_left(&r) > sizeof out->visitors || reader_left(&r) % 8 != 0) return false;
    while (!reader_done(&r)) {
        uint64_t visitor = get_le64(&r);
        unsigned n = out->visitors_n;
        if (n > 0 && visitor <= out->visitors[n - 1]) return false;
        out->visitors[out->visitors_n++] = visitor;
    }
    return true;
}
