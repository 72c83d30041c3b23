/* stream.h - the answer to an XREAD over streams of partitions, taken apart. Borrowed from it. */
#ifndef SENTIER_STREAM_H
#define SENTIER_STREAM_H

#include <hiredis/hiredis.h>
#include <stdint.h>

#include "str.h"

enum { STREAM_ID_BYTES = 42 }; /* "MS-SEQ" and NUL */

struct stream_entry {
    struct str id, records;
    uint64_t weight;
};

/* False: no entry of a stream. Fields that are missing count for nothing. */
bool stream_entry_read(const redisReply *r, struct stream_entry *out);

/* The partition's entries; NULL: none. Streams stand in the order in which they were asked for, and
 * *at is the next one of the answer. */
const redisReply *stream_entries(const redisReply *r, unsigned partition, size_t *at);

/* The id right after: what is smaller has been folded. */
void stream_id_after(const char *id, char out[STREAM_ID_BYTES]);

#endif
