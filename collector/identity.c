/*
 * Consent comes first: without it the id is not looked at. Then the site's word for it, its
 * signature under the secret of today or under the one before, so that a secret can be changed
 * while pages that it signed are still open in browsers.
 *
 * A signature takes a microsecond of each signed hit: too little for a cache, which would have to
 * know about secrets that change and tokens that end.
 */
#include "identity.h"

#include <assert.h>

#include "customer.h"
#include "utf8.h"

static bool signed_by(const char *secret, const struct site *site, const struct fields *f,
                      int64_t now_ms)
{
    return customer_signed(str_of(secret), str_of(site->name), f->customer, f->signature,
                           now_ms / 1000);
}

enum identity identity_of(const struct site *site, const struct fields *f, bool consented,
                          int64_t now_ms)
{
    if (!consented) return IDENTITY_NO_CONSENT;
    if (f->customer.n == 0 || f->customer.n > CUSTOMER_ID_MAX_BYTES || !utf8_is_text(f->customer))
        return IDENTITY_BAD_SIGNATURE;
    if (signed_by(site->secret, site, f, now_ms)) return IDENTITY_SIGNED;
    return signed_by(site->secret_before, site, f, now_ms) ? IDENTITY_SIGNED
                                                           : IDENTITY_BAD_SIGNATURE;
}

const char *identity_name(enum identity i)
{
    static const char *const names[IDENTITIES] = {
        [IDENTITY_NONE] = "none",
        [IDENTITY_SIGNED] = "signed",
        [IDENTITY_NO_CONSENT] = "no_consent",
        [IDENTITY_BAD_SIGNATURE] = "bad_signature",
    };
    assert(i < IDENTITIES);
    return names[i];
}
