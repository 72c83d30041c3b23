/*
 * Profiles lie in 4096 hashes per partition. HSCAN may return a field twice, even with another
 * value, so the answers of a hash are kept until all of it is there, and each visitor counts once.
 */
#include "people.h"

#include <stdlib.h>

#include "ask.h"
#include "bytes.h"
#include "keys.h"

enum {
    BUCKETS = 1 << BUCKET_BITS,
    AT_ONCE = 64, /* hashes asked for at a time */
};
#define PROFILES_PER_STEP "64" /* a profile can take 30 kB */

struct field {
    uint64_t id;
    struct str value; /* in an answer */
};

/* The hash that is being read. */
struct bucket {
    struct field *fields;
    redisReply **answers;
    size_t fields_n, fields_cap, answers_n, answers_cap;
};

static void bucket_clear(struct bucket *b)
{
    for (size_t i = 0; i < b->answers_n; i++)
        freeReplyObject(b->answers[i]);
    b->answers_n = b->fields_n = 0;
}

static void bucket_fini(struct bucket *b)
{
    bucket_clear(b);
    free(b->fields);
    free(b->answers);
}

/* Room for `more` in a list; false: no memory. */
static bool reserve(void **list, size_t n, size_t more, size_t *cap, size_t size)
{
    if (n + more <= *cap) return true;
    size_t wanted = *cap * 2 > n + more ? *cap * 2 : n + more;
    void *grown = realloc(*list, wanted * size);
    if (grown == NULL) return false;
    *list = grown;
    *cap = wanted;
    return true;
}

/* Takes one answer to HSCAN. 1: there is more, at *cursor; 0: all; -1: said in err. */
static int take_answer(struct people *people, struct bucket *b, redisReply *answer, char cursor[24],
                       struct buf *err)
{
    struct str next = ask_text(answer, 0);
    bool fits = answer->type == REDIS_REPLY_ARRAY && answer->elements == 2 && next.n < 24;
    size_t pairs = fits ? answer->element[1]->elements / 2 : 0;
    bool room = reserve((void **)&b->answers, b->answers_n, 1, &b->answers_cap, sizeof answer) &&
                reserve((void **)&b->fields, b->fields_n, pairs, &b->fields_cap, sizeof *b->fields);
    if (!fits || !room) {
        buf_printf(err, fits ? "out of memory" : "Redis: not an answer to HSCAN");
        freeReplyObject(answer);
        return -1;
    }
    b->answers[b->answers_n++] = answer;
    for (size_t i = 0; i < pairs; i++) {
        struct str name = ask_text(answer->element[1], 2 * i);
        if (name.n == 8)
            b->fields[b->fields_n++] =
                (struct field){load_le64(name.p), ask_text(answer->element[1], 2 * i + 1)};
        else
            people->damaged++;
    }
    memcpy(cursor, next.p, next.n);
    cursor[next.n] = '\0';
    return strcmp(cursor, "0") != 0;
}

static int by_id(const void *a, const void *b)
{
    const struct field *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static bool tell(struct people *people, unsigned part, const struct field *f)
{
    struct profile profile = {0};
    if (!profile_decode(f->value, &profile)) {
        people->damaged++;
        return true;
    }
    struct person p = {f->id, part, &profile};
    bool ok = profile_whole(&profile);
    bool none = profile.views == 0; /* only hits that still wait for their pageview */
    if (ok && !none) ok = people->each(people->arg, &p);
    profile_fini(&profile);
    return ok;
}

static int tell_bucket(struct people *people, unsigned part, struct bucket *b, struct buf *err)
{
    if (b->fields_n > 1) qsort(b->fields, b->fields_n, sizeof *b->fields, by_id);
    for (size_t i = 0; i < b->fields_n; i++) {
        if (i > 0 && b->fields[i - 1].id == b->fields[i].id) continue;
        if (tell(people, part, &b->fields[i])) continue;
        buf_printf(err, "out of memory");
        return -1;
    }
    return 0;
}

/* Takes the first answer. */
static int read_bucket(struct people *people, unsigned part, unsigned bucket, redisReply *answer,
                       struct bucket *b, struct buf *err)
{
    struct range_source s = *people->source;
    struct key key = key_profiles(part, s.site, bucket);
    char cursor[24];
    int more;
    while ((more = take_answer(people, b, answer, cursor, err)) > 0) {
        answer = ask(s.redis, err,
                     ARGV(STR("HSCAN"), key_str(&key), str_of(cursor), STR("COUNT"),
                          STR(PROFILES_PER_STEP)));
        if (answer == NULL) return -1;
    }
    int result = more < 0 ? -1 : tell_bucket(people, part, b, err);
    bucket_clear(b);
    return result;
}

static int read_buckets(struct people *people, unsigned part, unsigned from, struct bucket *b,
                        struct buf *err)
{
    struct range_source s = *people->source;
    redisReply *answers[AT_ONCE];
    unsigned pushed = 0;
    int result = 0;
    for (; pushed < AT_ONCE && result == 0; pushed += result == 0) {
        struct key key = key_profiles(part, s.site, from + pushed);
        result = ask_push(
            s.redis, err,
            ARGV(STR("HSCAN"), key_str(&key), STR("0"), STR("COUNT"), STR(PROFILES_PER_STEP)));
    }
    for (unsigned i = 0; i < pushed; i++) {
        answers[i] = ask_pull(s.redis, result == 0 ? err : NULL);
        if (answers[i] == NULL) result = -1;
    }
    for (unsigned i = 0; i < pushed; i++) {
        if (result == 0)
            result = read_bucket(people, part, from + i, answers[i], b, err);
        else
            freeReplyObject(answers[i]);
    }
    return result;
}

int people_each(struct people *people, struct buf *err)
{
    struct bucket b = {0};
    int result = 0;
    for (unsigned i = 0; result == 0 && i < range_parts(people->source); i++) {
        unsigned part = range_part(people->source, i);
        for (unsigned from = 0; result == 0 && from < BUCKETS; from += AT_ONCE) {
            result = read_buckets(people, part, from, &b, err);
            if (result < 0 || people->pause == NULL || people->pause(people->arg)) continue;
            buf_printf(err, "stopped");
            result = -1;
        }
    }
    bucket_fini(&b);
    return result;
}
