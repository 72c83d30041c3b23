/*
 * visitor.h - who without a name: 64-bit ids that only the holder of a secret could tie to an
 * address. Pure. Never 0, which means "no visitor".
 */
#ifndef SENTIER_VISITOR_H
#define SENTIER_VISITOR_H

#include <stdint.h>

#include "str.h"

enum { IMPORT_KEY_BYTES = 32 };

/* A cookieless visitor of a site on the day the salt belongs to. address: IPv6 or mapped IPv4. */
uint64_t visitor_daily(const unsigned char salt[32], struct str site,
                       const unsigned char address[16], struct str agent);

/* A visitor of an access log, stable across runs of the import. address: as the log writes it. */
uint64_t visitor_import(const unsigned char key[IMPORT_KEY_BYTES], struct str site, uint32_t day,
                        struct str address, struct str agent);

#endif
