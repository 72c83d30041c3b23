/*
 * The tables of international names are Unicode's and change with it, so they are libidn2's: UTS 46
 * as browsers apply it (nontransitional), then IDNA 2008. The latter refuses some names that
 * browsers take, those with symbols; such a host has no other form here than its own.
 *
 * libidn2 allocates. Whoever is in a hurry asks idn_is_ascii first: nearly every host is.
 */
#include "idn.h"

#include <idn2.h>
#include <stdint.h>

bool idn_to_ascii(struct str host, char out[IDN_HOST_MAX_BYTES + 1], size_t *n)
{
    char text[IDN_HOST_MAX_BYTES + 1];
    uint8_t *ascii = NULL;
    if (host.n == 0 || host.n > IDN_HOST_MAX_BYTES || memchr(host.p, '\0', host.n) != NULL)
        return false;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    int result =
        idn2_lookup_u8((const uint8_t *)text, &ascii, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
    struct str found = str_of((const char *)ascii);
    bool ok = result == IDN2_OK && found.n <= IDN_HOST_MAX_BYTES;
    *n = found.n;
    if (ok) memcpy(out, found.p, found.n);
    idn2_free(ascii);
    return ok;
}
