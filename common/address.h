/* address.h - "HOST:PORT", "[IPV6]:PORT" or ":PORT", as the configuration names places. Pure. */
#ifndef SENTIER_ADDRESS_H
#define SENTIER_ADDRESS_H

#include <stdbool.h>

enum { ADDRESS_HOST_BYTES = 256 };

/* False: none of them. No host: host is "". */
bool address_split(const char *text, char host[ADDRESS_HOST_BYTES], int *port);

#endif
