/*
 * One EVALSHA per batch: keys, four values, six per producer; the records go as they are. The
 * fresh id is used by the script only where the partition has no birth yet.
 */
#include "append.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "keys.h"

static const char append_lua[] =
#include "append.lua.inc"
    ;

static struct redis_script script;

void append_init(void)
{
    redis_script_init(&script, append_lua);
}

const char *append_body(void)
{
    return append_lua;
}

int append_send(struct redis_link *link, redis_reply_fn *fn, void *arg, unsigned partition,
                const char *birth, int64_t stream_max, struct batch *b)
{
    unsigned char id[16];
    char fresh[BIRTH_TEXT_BYTES] = "", limit[24], today[24];
    struct key stream = key_stream(partition), seen = key_seen(partition);
    struct key meta = key_meta(partition);
    struct str argv[8 + PART_ARGS * BATCH_PARTS_MAX];
    if (birth[0] == '\0') {
        randombytes_buf(id, sizeof id);
        sodium_bin2hex(fresh, sizeof fresh, id, sizeof id);
    }
    snprintf(limit, sizeof limit, "%lld", (long long)stream_max);
    snprintf(today, sizeof today, "%lld", (long long)(clock_ms() / 86400000));
    argv[0] = STR("3");
    argv[1] = key_str(&stream);
    argv[2] = key_str(&seen);
    argv[3] = key_str(&meta);
    argv[4] = str_of(birth);
    argv[5] = str_of(fresh);
    argv[6] = str_of(limit);
    argv[7] = str_of(today);
    return redis_eval(link, &script, fn, arg, 8 + batch_args(b, argv + 8), argv);
}

static const char *text_of(const redisReply *r)
{
    bool text = r->type == REDIS_REPLY_STRING || r->type == REDIS_REPLY_STATUS;
    return text ? r->str : "";
}

void append_parse(const redisReply *reply, unsigned parts, struct append_answer *out)
{
    static const char *const words[] = {"OK", "FULL", "GAP", "BIRTH"};
    *out = (struct append_answer){.result = APPEND_ERROR};
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2) return;
    for (int i = 0; i < APPEND_ERROR; i++) {
        if (strcmp(text_of(reply->element[0]), words[i]) == 0) out->result = (enum append_result)i;
    }
    snprintf(out->birth, sizeof out->birth, "%s", text_of(reply->element[1]));
    if (out->result == APPEND_OK && reply->elements == 3) {
        out->generation = strtoull(text_of(reply->element[2]), NULL, 10);
    }
    if (out->result != APPEND_GAP) return;
    bool whole = reply->elements == 4 && reply->element[2]->type == REDIS_REPLY_INTEGER &&
                 reply->element[2]->integer >= 1 && reply->element[2]->integer <= (long long)parts;
    if (!whole) {
        out->result = APPEND_ERROR;
        return;
    }
    out->part = (unsigned)reply->element[2]->integer - 1;
    out->seen = strtoull(text_of(reply->element[3]), NULL, 10);
}
