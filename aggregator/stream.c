/*
 * An answer is [[key, [[id, [field, value, ...]], ...]], ...]; streams that have nothing new are
 * left out. What the entries hold is written by append.lua, so a shape that it never writes is
 * refused, but a field that is not there is only worth nothing: the ledger shows it.
 */
#include "stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "keys.h"
#include "redis.h"

bool stream_entry_read(const redisReply *r, struct stream_entry *out)
{
    *out = (struct stream_entry){0};
    if (r->type != REDIS_REPLY_ARRAY || r->elements != 2) return false;
    const redisReply *id = r->element[0], *fields = r->element[1];
    if (id->type != REDIS_REPLY_STRING || id->len >= STREAM_ID_BYTES) return false;
    if (fields->type != REDIS_REPLY_ARRAY) return false;
    out->id = reply_str(id);
    for (size_t i = 0; i + 1 < fields->elements; i += 2) {
        struct str name = reply_str(fields->element[i]), value = reply_str(fields->element[i + 1]);
        if (str_eq(name, STR("b"))) out->records = value;
        if (str_eq(name, STR("w")) && value.p != NULL) out->weight = strtoull(value.p, NULL, 10);
    }
    return true;
}

const redisReply *stream_entries(const redisReply *r, unsigned partition, size_t *at)
{
    if (r == NULL || r->type != REDIS_REPLY_ARRAY || *at >= r->elements) return NULL;
    const redisReply *stream = r->element[*at];
    struct key key = key_stream(partition);
    if (stream->type != REDIS_REPLY_ARRAY || stream->elements != 2) return NULL;
    if (!str_eq(reply_str(stream->element[0]), key_str(&key))) return NULL;
    (*at)++;
    const redisReply *entries = stream->element[1];
    return entries->type == REDIS_REPLY_ARRAY && entries->elements > 0 ? entries : NULL;
}

void stream_id_after(const char *id, char out[STREAM_ID_BYTES])
{
    uint64_t ms = 0, seq = 0;
    sscanf(id, "%" SCNu64 "-%" SCNu64, &ms, &seq);
    if (++seq == 0) ms++;
    snprintf(out, STREAM_ID_BYTES, "%" PRIu64 "-%" PRIu64, ms, seq);
}
