/*
 * The last colon ends the host, so an IPv6 address stands in brackets; one without them would be
 * taken for another address and is refused.
 */
#include "address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool address_split(const char *text, char host[ADDRESS_HOST_BYTES], int *port)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon - text >= ADDRESS_HOST_BYTES) return false;
    size_t n = (size_t)(colon - text), digits = strspn(colon + 1, "0123456789");
    bool brackets = n >= 2 && text[0] == '[' && text[n - 1] == ']';
    if (!brackets && memchr(text, ':', n) != NULL) return false;
    if (digits < 1 || digits > 5 || colon[1 + digits] != '\0') return false;
    *port = atoi(colon + 1);
    snprintf(host, ADDRESS_HOST_BYTES, "%.*s", (int)n - 2 * brackets, text + brackets);
    return *port <= 65535;
}
