/*
 * The arguments of commit.lua, made once per batch and kept until Redis has given its word, so that
 * a repeated commit is the same to the byte; the script knows it by its id.
 *
 *   KEYS  lease, commit, stream, meta, then every hash that is written, then every key that
 *         goes (before the writing)
 *   ARGV  1 token of the lease        2 offset expected    3 commit id expected
 *         4 new offset                5 new commit id      6 first stream id to keep
 *         7 folded weight, absolute   8 record bytes folded
 *         9 number of verdicts       10 number of hashes
 *         then per verdict: field, weight, absolute
 *         then per hash: number of sets, number of deletes, field and value of each set, field of
 *         each delete
 *   Answer: OK | LEASE | OFFSET | COMMIT; an error for arguments that do not fit together.
 *
 * The values themselves are not copied: they stay in the entries of the batch.
 */
#include "commit.h"

#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "log.h"

static const char commit_lua[] =
#include "commit.lua.inc"
    ;

static const struct redis_script script = {.body = commit_lua};

enum { NUMBER_BYTES = 24, VERDICT_FIELD_BYTES = 8 };

struct commit {
    struct str *argv; /* numkeys, keys, arguments */
    size_t n, cap;
    struct key keys[4];
    struct key *closed;
    char token[TOKEN_BYTES];
    struct commit_state from, to;
    char keep[STREAM_ID_BYTES];
    char (*numbers)[NUMBER_BYTES];
    size_t n_numbers;
    char fields[VERDICTS][VERDICT_FIELD_BYTES];
};

static void add(struct commit *c, struct str s)
{
    assert(c->n < c->cap);
    c->argv[c->n++] = s;
}

static void add_number(struct commit *c, uint64_t v)
{
    char *text = c->numbers[c->n_numbers++];
    int n = snprintf(text, NUMBER_BYTES, "%" PRIu64, v);
    add(c, (struct str){text, (size_t)n});
}

struct counts {
    size_t hashes, sets, dels;
};

/* The run of entries from i on that share a hash; how many of them are to be written. */
static size_t run_of(const struct store_batch *b, size_t i, struct counts *run)
{
    *run = (struct counts){0};
    const struct store_hash *hash = b->entries[i]->hash;
    for (; i < b->n && b->entries[i]->hash == hash; i++) {
        const struct store_entry *e = b->entries[i];
        if (!e->dirty) continue;
        *(e->value.n > 0 ? &run->sets : &run->dels) += 1;
    }
    run->hashes = run->sets + run->dels > 0;
    return i;
}

static struct counts count_all(const struct store_batch *b)
{
    struct counts all = {0}, run;
    for (size_t i = 0; i < b->n;) {
        i = run_of(b, i, &run);
        all.hashes += run.hashes;
        all.sets += run.sets;
        all.dels += run.dels;
    }
    return all;
}

static void add_keys(struct commit *c, const struct commit_plan *plan, struct counts all)
{
    const struct store_batch *b = plan->batch;
    struct counts run;
    c->keys[0] = key_lease(plan->partition);
    c->keys[1] = key_commit(plan->partition);
    c->keys[2] = key_stream(plan->partition);
    c->keys[3] = key_meta(plan->partition);
    add_number(c, 4 + all.hashes + plan->n_closed);
    for (size_t i = 0; i < 4; i++)
        add(c, key_str(&c->keys[i]));
    for (size_t i = 0; i < b->n;) {
        struct str key = b->entries[i]->hash->key;
        i = run_of(b, i, &run);
        if (run.hashes > 0) add(c, key);
    }
    for (size_t i = 0; i < plan->n_closed; i++) {
        c->closed[i] = plan->closed[i];
        add(c, key_str(&c->closed[i]));
    }
}

static void add_head(struct commit *c, const struct commit_plan *plan, struct counts all)
{
    stream_id_after(c->to.offset, c->keep);
    add(c, str_of(c->token));
    add(c, str_of(c->from.offset));
    add(c, str_of(c->from.id));
    add(c, str_of(c->to.offset));
    add(c, str_of(c->to.id));
    add(c, str_of(c->keep));
    add_number(c, c->to.folded);
    add_number(c, plan->bytes);
    add_number(c, VERDICTS);
    add_number(c, all.hashes);
    for (unsigned v = 0; v < VERDICTS; v++) {
        snprintf(c->fields[v], VERDICT_FIELD_BYTES, "v:%u", v);
        add(c, str_of(c->fields[v]));
        add_number(c, c->to.verdicts[v]);
    }
}

static void add_run(struct commit *c, const struct store_batch *b, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        const struct store_entry *e = b->entries[i];
        if (!e->dirty || e->value.n == 0) continue;
        add(c, e->field);
        add(c, e->value);
    }
    for (size_t i = from; i < to; i++) {
        const struct store_entry *e = b->entries[i];
        if (e->dirty && e->value.n == 0) add(c, e->field);
    }
}

static void add_values(struct commit *c, const struct store_batch *b)
{
    struct counts run;
    for (size_t i = 0, next; i < b->n; i = next) {
        next = run_of(b, i, &run);
        if (run.hashes == 0) continue;
        add_number(c, run.sets);
        add_number(c, run.dels);
        add_run(c, b, i, next);
    }
}

struct commit *commit_new(const struct commit_plan *plan)
{
    store_group(plan->batch);
    struct counts all = count_all(plan->batch);
    struct commit *c = calloc(1, sizeof *c);
    if (c == NULL) return NULL;
    c->cap = 1 + 4 + all.hashes + plan->n_closed + 10 + 2 * VERDICTS + 2 * all.hashes +
             2 * all.sets + all.dels;
    c->argv = calloc(c->cap, sizeof c->argv[0]);
    c->closed = calloc(plan->n_closed + 1, sizeof c->closed[0]);
    c->numbers = calloc(5 + VERDICTS + 2 * all.hashes, sizeof c->numbers[0]);
    if (c->argv == NULL || c->closed == NULL || c->numbers == NULL) {
        commit_free(c);
        return NULL;
    }
    c->from = *plan->from;
    c->to = *plan->to;
    snprintf(c->token, sizeof c->token, "%s", plan->token);
    add_keys(c, plan, all);
    add_head(c, plan, all);
    add_values(c, plan->batch);
    assert(c->n == c->cap);
    return c;
}

void commit_free(struct commit *c)
{
    if (c == NULL) return;
    free(c->argv);
    free(c->closed);
    free(c->numbers);
    free(c);
}

void commit_id_new(char id[COMMIT_ID_BYTES])
{
    unsigned char random[16];
    randombytes_buf(random, sizeof random);
    sodium_bin2hex(id, COMMIT_ID_BYTES, random, sizeof random);
}

int commit_send(struct redis_link *link, const struct commit *c, redis_reply_fn *fn, void *arg)
{
    return redis_eval(link, &script, fn, arg, (int)c->n, c->argv);
}

enum commit_answer commit_answer(const redisReply *r)
{
    if (redis_retryable(r)) return COMMIT_AGAIN;
    struct str s = reply_str(r);
    if (r->type == REDIS_REPLY_STRING && str_eq(s, STR("OK"))) return COMMIT_OK;
    if (r->type == REDIS_REPLY_STRING && str_eq(s, STR("LEASE"))) return COMMIT_LEASE;
    if (r->type == REDIS_REPLY_STRING) return COMMIT_CHANGED;
    if (r->type == REDIS_REPLY_ERROR) log_error("commit.refused", "err=%.*s", STR_ARG(s));
    return COMMIT_REFUSED;
}

static bool read_number(struct str s, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || *out > UINT64_MAX / 10 - 1) return false;
        *out = *out * 10 + (uint64_t)(s.p[i] - '0');
    }
    return s.n > 0;
}

static bool read_text(struct str s, char *out, size_t room)
{
    if (s.n >= room) return false;
    memcpy(out, s.p, s.n);
    out[s.n] = '\0';
    return true;
}

static bool read_field(struct str name, struct str value, struct commit_state *out)
{
    uint64_t verdict;
    if (str_eq(name, STR("offset"))) return read_text(value, out->offset, sizeof out->offset);
    if (str_eq(name, STR("id"))) return read_text(value, out->id, sizeof out->id);
    if (str_eq(name, STR("folded"))) return read_number(value, &out->folded);
    if (!str_starts(name, STR("v:"))) return true;
    if (!read_number(str_from(name, 2), &verdict) || verdict >= VERDICTS) return true;
    return read_number(value, &out->verdicts[verdict]);
}

bool commit_state_read(const redisReply *r, struct commit_state *out)
{
    *out = (struct commit_state){0};
    if (r == NULL || r->type != REDIS_REPLY_ARRAY || r->elements % 2 != 0) return false;
    for (size_t i = 0; i < r->elements; i += 2) {
        const redisReply *name = r->element[i], *value = r->element[i + 1];
        if (name->type != REDIS_REPLY_STRING || value->type != REDIS_REPLY_STRING) return false;
        if (!read_field(reply_str(name), reply_str(value), out)) return false;
    }
    return true;
}
