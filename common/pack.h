/*
 * pack.h - many rows of counters as one value. Pure.
 *
 * Plain: one row after another, each varint bytes of the name, name, varint bytes of the value,
 * value. Packed: 01, varint bytes of the plain rows, then the plain rows in rising order of name,
 * as a zlib stream (RFC 1950; its checksum tells damage).
 */
#ifndef SENTIER_PACK_H
#define SENTIER_PACK_H

#include <stdbool.h>

#include "buf.h"
#include "bytes.h"
#include "str.h"

enum { PACK_MAX_BYTES = 256 * 1024 * 1024 }; /* of plain rows */

bool pack_add(struct buf *rows, struct str name, struct str value);

/* The next plain row, borrowed. False: no more, or in->bad. */
bool pack_next(struct reader *in, struct str *name, struct str *value);

/* rows: plain, in rising order of names (str_order). False: no memory. */
bool pack_write(struct str rows, struct buf *out);

enum pack_result { PACK_OK, PACK_DAMAGED, PACK_MEMORY };

/* Appends the plain rows of a packed value. Unless PACK_OK, rows are as they were. */
enum pack_result pack_read(struct str in, struct buf *rows);

#endif
