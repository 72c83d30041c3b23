/* ask.h - one blocking question to Redis, for command lines and the owner's thread. */
#ifndef SENTIER_ASK_H
#define SENTIER_ASK_H

#include <hiredis/hiredis.h>

#include "buf.h"

/* hiredis' format; %b takes a pointer and a size_t. The answer is the caller's
 * (freeReplyObject). NULL: no answer, or an error; why is added to err. */
redisReply *ask(redisContext *redis, struct buf *err, const char *format, ...);
redisReply *ask_argv(redisContext *redis, struct buf *err, int argc, const struct str *argv);

/* Element i of an array answer when it is a string; else empty. */
struct str ask_text(const redisReply *array, size_t i);
/* The same read as a decimal number; 0 when it is none. */
int64_t ask_number(const redisReply *array, size_t i);

#endif
