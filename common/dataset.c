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

static const char birth_lua[] =
    "if redis.call('EXISTS', KEYS[1]) == 0 then "
    "redis.call('HSET', KEYS[1], 'id', ARGV[1], 'partitions', ARGV[2], 'format', ARGV[3]) end "
    "return redis.call('HGET', KEYS[1], 'partitions') .. ' ' .. redis.call('HGET', KEYS[1], 'id')";
static const struct redis_script birth_script = {.body = birth_lua};

/* The arguments of the script, and what they borrow. */
struct birth_call {
    struct key key;
    char id[33], partitions[16], format[16];
    struct str argv[5];
};

static void prepare(struct birth_call *c, unsigned partitions)
{
    unsigned char id[16];
    randombytes_buf(id, sizeof id);
    sodium_bin2hex(c->id, sizeof c->id, id, sizeof id);
    snprintf(c->partitions, sizeof c->partitions, "%u", partitions);
    snprintf(c->format, sizeof c->format, "%d", DATASET_FORMAT);
    c->key = key_dataset();
    c->argv[0] = STR("1");
    c->argv[1] = key_str(&c->key);
    c->argv[2] = str_of(c->id);
    c->argv[3] = str_of(c->partitions);
    c->argv[4] = str_of(c->format);
}

static redisReply *give_birth(struct redis_now *redis, unsigned partitions)
{
    struct birth_call c;
    prepare(&c, partitions);
    return redis_now(redis, ARGV(STR("EVAL"), STR(birth_lua), c.argv[0], c.argv[1], c.argv[2],
                                 c.argv[3], c.argv[4]));
}

int dataset_ask(struct redis_link *l, unsigned partitions, redis_reply_fn *fn, void *arg)
{
    struct birth_call c;
    prepare(&c, partitions);
    return redis_eval(l, &birth_script, fn, arg, 5, c.argv);
}

int dataset_partitions(const redisReply *reply)
{
    return reply != NULL && reply->type == REDIS_REPLY_STRING ? atoi(reply->str) : 0;
}

enum dataset_word dataset_heard(const redisReply *reply, unsigned partitions, struct dataset_id *id)
{
    int found = dataset_partitions(reply);
    const char *blank = found <= 0 ? NULL : strchr(reply->str, ' ');
    if (blank == NULL || strlen(blank + 1) != DATASET_ID_BYTES) return DATASET_NOT_NOW;
    if (found != (int)partitions) return DATASET_ANOTHER;
    if (id != NULL) memcpy(id->text, blank + 1, sizeof id->text);
    return DATASET_AGREED;
}

int dataset_agree(struct redis_now *redis, unsigned partitions, struct buf *err)
{
    redisReply *r = give_birth(redis, partitions);
    int found = dataset_partitions(r);
    int result = -1;
    if (found > 0) {
        result = compare("the data set in Redis", found, partitions, err);
    } else {
        const char *why = r == NULL                      ? redis_now_error(redis)
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
