/* identity.h - what the id of a customer, as a hit brings it, is worth. Pure. */
#ifndef SENTIER_IDENTITY_H
#define SENTIER_IDENTITY_H

#include "ingest.h"

/* Of a hit that says i and j. consented: its visitor is one with consent. */
enum identity identity_of(const struct site *site, const struct fields *f, bool consented,
                          int64_t now_ms);

const char *identity_name(enum identity i); /* "bad_signature" */

#endif
