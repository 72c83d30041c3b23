/*
 * The partition of a visitor is its hash modulo the number of partitions, so that number can never
 * change under data that exists. It is written down twice, in Redis and in each collector's
 * directory, and a configuration that says otherwise is refused before anything is stored.
 */
#include "dataset.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keys.h"

static int compare(const char *where, long found, unsigned partitions, struct buf *err)
{
    if (found == (long)partitions) return 0;
    buf_printf(
        err, "%s was born with %ld partitions and the configuration says %u: set partitions = %ld",
        where, found, partitions, found);
    errno = EINVAL;
    return -1;
}

static redisReply *give_birth(redisContext *redis, unsigned partitions)
{
    static const char script[] =
        "if redis.call('EXISTS', KEYS[1]) == 0 then "
        "redis.call('HSET', KEYS[1], 'id', ARGV[1], 'partitions', ARGV[2], 'format', ARGV[3]) end "
        "return redis.call('HGET', KEYS[1], 'partitions')";
    unsigned char id[16];
    char hex[33];
    struct key key = key_dataset();
    randombytes_buf(id, sizeof id);
    sodium_bin2hex(hex, sizeof hex, id, sizeof id);
    return redisCommand(redis, "EVAL %s 1 %b %s %u %d", script, key.p, key.n, hex, partitions,
                        DATASET_FORMAT);
}

int dataset_agree(redisContext *redis, unsigned partitions, struct buf *err)
{
    redisReply *r = give_birth(redis, partitions);
    int found = r != NULL && r->type == REDIS_REPLY_STRING ? atoi(r->str) : -1;
    int result = -1;
    if (found > 0) {
        result = compare("the data set in Redis", found, partitions, err);
    } else {
        const char *why = r == NULL                      ? redis->errstr
                          : r->type == REDIS_REPLY_ERROR ? r->str
                                                         : "sentier:dataset is damaged";
        buf_printf(err, "Redis does not answer for the data set: %s", why);
        errno = EAGAIN;
    }
    int reason = errno;
    if (r != NULL) freeReplyObject(r);
    errno = reason;
    return result;
}

int dataset_agree_dir(const char *dir, unsigned partitions, struct buf *err)
{
    char path[4096], next[4200];
    long found = 0;
    snprintf(path, sizeof path, "%s/dataset", dir);
    FILE *f = fopen(path, "re");
    if (f != NULL) {
        bool read = fscanf(f, "partitions = %ld", &found) == 1;
        fclose(f);
        if (read) return compare(path, found, partitions, err);
        buf_printf(err, "%s is damaged: it must say 'partitions = N'", path);
        return -1;
    }
    snprintf(next, sizeof next, "%s.next", path);
    f = errno == ENOENT ? fopen(next, "we") : NULL;
    bool ok = f != NULL && fprintf(f, "partitions = %u\n", partitions) > 0 && fflush(f) == 0 &&
              fsync(fileno(f)) == 0;
    if (f != NULL && fclose(f) != 0) ok = false;
    if (ok && rename(next, path) == 0) return 0;
    buf_printf(err, "%s: %s", path, strerror(errno));
    return -1;
}
