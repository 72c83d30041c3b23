/* client.h - the client's address: the right-most X-Forwarded-For hop that is not a trusted proxy.
 */
#ifndef SENTIER_CLIENT_H
#define SENTIER_CLIENT_H

#include <stdbool.h>
#include <sys/socket.h>

#include "str.h"

enum { ADDRESS_BYTES = 16, FORWARDED_HOPS_MAX = 32 };

struct proxies; /* the trusted networks; read-only after proxies_new */

/* list: "10.0.0.0/8", "::1"; ends with NULL. NULL: *bad is the entry that is no network. */
struct proxies *proxies_new(char **list, const char **bad);
void proxies_free(struct proxies *p);

bool address_parse(struct str text, unsigned char out[ADDRESS_BYTES]); /* IPv4 becomes mapped */
void client_address(const struct proxies *p, const struct sockaddr_storage *peer,
                    struct str forwarded_for, unsigned char out[ADDRESS_BYTES]);
/* What the peer says of the request is believed. */
bool client_is_proxy(const struct proxies *p, const struct sockaddr_storage *peer);

#endif
