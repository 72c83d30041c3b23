/*
 * Customers come first. Each is told when its key is met for the first time, in the hash of any
 * partition, and then read from all of them; a set of keys says who was. Visitors on which one
 * signed in are passed over after that: all that is theirs has an owner, or none.
 *
 * Profiles lie in 4096 hashes per partition. HSCAN may return a field twice, even with another
 * value, so the answers of a hash are kept until all of it is there, and each visitor counts once.
 */
#include "people.h"

#include <stdlib.h>

#include "ask.h"
#include "bytes.h"
#include "expiry.h"
#include "keys.h"
#include "share.h"

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
    if (profile.recent.newest_ms < people->border_ms) {
        profile_fini(&profile);
        return true;
    }
    struct person p = {.id = f->id, .part = part, .profile = &profile};
    bool ok = share_take(&profile, CUSTOMER_NONE);
    bool none = profile.views == 0; /* a customer's; or only hits that wait for their pageview */
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

/* ---- customers ---- */

/* Keys are hashes: any of their bits find a slot. */
struct key_set {
    uint64_t *slots; /* CUSTOMER_NONE: empty */
    size_t n, size;
};

static void add_key(struct key_set *set, uint64_t key)
{
    size_t i = key & (set->size - 1);
    while (set->slots[i] != CUSTOMER_NONE)
        i = (i + 1) & (set->size - 1);
    set->slots[i] = key;
    set->n++;
}

/* 1: it is new; 0: not; -1: no memory. */
static int note_key(struct key_set *set, uint64_t key)
{
    if ((set->n + 1) * 2 > set->size) {
        struct key_set grown = {.size = set->size == 0 ? 1024 : set->size * 2};
        if ((grown.slots = calloc(grown.size, sizeof *grown.slots)) == NULL) return -1;
        for (size_t i = 0; i < set->size; i++) {
            if (set->slots[i] != CUSTOMER_NONE) add_key(&grown, set->slots[i]);
        }
        free(set->slots);
        *set = grown;
    }
    for (size_t i = key & (set->size - 1); set->slots[i] != CUSTOMER_NONE;
         i = (i + 1) & (set->size - 1)) {
        if (set->slots[i] == key) return 0;
    }
    add_key(set, key);
    return 1;
}

/* -1: stopped. */
static int pause_here(struct people *people, struct buf *err)
{
    if (people->pause == NULL || people->pause(people->arg)) return 0;
    buf_printf(err, "stopped");
    return -1;
}

static int tell_customers(struct people *people, struct person_whole *list, unsigned n,
                          struct buf *err)
{
    int result = person_gather(people->source, people->border_ms, list, n, &people->damaged, err);
    for (unsigned i = 0; i < n; i++) {
        if (result == 0 && list[i].profile.views > 0 &&
            !people->each(people->arg, &list[i].person)) {
            buf_printf(err, "out of memory");
            result = -1;
        }
        person_fini(&list[i]);
    }
    return result == 0 ? pause_here(people, err) : result;
}

/* The new ones of an answer to HSCAN. */
static int take_customers(struct people *people, struct key_set *known, const redisReply *pairs,
                          struct buf *err)
{
    struct person_whole list[AT_ONCE] = {0};
    unsigned n = 0;
    int result = 0;
    for (size_t i = 0; result == 0 && i + 1 < pairs->elements; i += 2) {
        struct str field = ask_text(pairs, i);
        uint64_t key = field.n == 8 ? load_le64(field.p) : CUSTOMER_NONE;
        if (key <= CUSTOMER_TORN) {
            people->damaged++;
            continue;
        }
        int is_new = note_key(known, key);
        if (is_new < 0) buf_printf(err, "out of memory");
        if (is_new < 0) return -1;
        if (is_new) list[n++].person.id = key;
        if (n < AT_ONCE) continue;
        result = tell_customers(people, list, n, err);
        n = 0;
    }
    return result == 0 && n > 0 ? tell_customers(people, list, n, err) : result;
}

static int read_customers(struct people *people, unsigned part, struct key_set *known,
                          struct buf *err)
{
    struct key key = key_customers(part, people->source->site);
    char cursor[24] = "0";
    int result;
    do {
        redisReply *answer = ask(people->source->redis, err,
                                 ARGV(STR("HSCAN"), key_str(&key), str_of(cursor), STR("COUNT"),
                                      STR(PROFILES_PER_STEP)));
        if (answer == NULL) return -1;
        struct str next = ask_text(answer, 0);
        bool fits = answer->type == REDIS_REPLY_ARRAY && answer->elements == 2 && next.n < 24;
        if (fits) snprintf(cursor, sizeof cursor, "%.*s", STR_ARG(next));
        if (!fits) buf_printf(err, "Redis: not an answer to HSCAN");
        result = fits ? take_customers(people, known, answer->element[1], err) : -1;
        freeReplyObject(answer);
    } while (result == 0 && strcmp(cursor, "0") != 0);
    return result;
}

int people_each(struct people *people, struct buf *err)
{
    struct bucket b = {0};
    struct key_set customers = {0};
    int result = expiry_border(people->source, &people->border_ms, err);
    for (unsigned i = 0; result == 0 && i < range_parts(people->source); i++)
        result = read_customers(people, range_part(people->source, i), &customers, err);
    free(customers.slots);
    for (unsigned i = 0; result == 0 && i < range_parts(people->source); i++) {
        unsigned part = range_part(people->source, i);
        for (unsigned from = 0; result == 0 && from < BUCKETS; from += AT_ONCE) {
            result = read_buckets(people, part, from, &b, err);
            if (result == 0) result = pause_here(people, err);
        }
    }
    bucket_fini(&b);
    return result;
}
