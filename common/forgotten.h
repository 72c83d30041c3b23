/*
 * forgotten.h - what is kept of a visitor that was forgotten, so that what comes late, or stands in
 * a file that nobody has rewritten, does not bring it back: a mark that tells its id to nobody, and
 * the moment. Up to that moment nothing of it is folded. Pure.
 *
 * The moment's encoding, in {pN}:forgotten:SITE: 01, varint of ms since 1970 UTC.
 */
#ifndef SENTIER_FORGOTTEN_H
#define SENTIER_FORGOTTEN_H

#include <stdint.h>

#include "buf.h"

/* The field beside the marks: the newest moment of them all. */
#define FORGOTTEN_NEWEST_FIELD STR("#")

uint64_t forgotten_mark(struct str site, uint64_t visitor);

bool forgotten_encode(int64_t at_ms, struct buf *out); /* false: *out is full */
bool forgotten_decode(struct str in, int64_t *at_ms);  /* false: no moment */

#endif
