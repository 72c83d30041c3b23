/*
 * Fields of one hash are asked for together. A field that Redis does not have is an answer too: the
 * entry is known from then on, and empty. An answer that is none (a link that died, an error)
 * leaves its entries unknown; who asked decides whether to go on.
 *
 * A whole hash is a question of its own.
 */
#include "load.h"

#include <stdlib.h>

#include "log.h"
#include "pack.h"

struct load {
    struct store *store;
    load_fn *fn;
    void *arg;
    size_t n;
    struct store_entry *entries[];
};

static bool take_values(const struct load *load, const redisReply *r)
{
    if (r == NULL || r->type != REDIS_REPLY_ARRAY || r->elements != load->n) return false;
    for (size_t i = 0; i < load->n; i++) {
        const redisReply *v = r->element[i];
        struct str value = v->type == REDIS_REPLY_STRING ? reply_str(v) : (struct str){NULL, 0};
        if (!store_loaded(load->store, load->entries[i], value)) return false;
    }
    return true;
}

/* All fields of a hash. */
static bool take_whole(const struct load *load, const redisReply *r)
{
    struct buf rows;
    if (r == NULL || r->type != REDIS_REPLY_ARRAY || r->elements % 2 != 0) return false;
    buf_init(&rows, PACK_MAX_BYTES);
    bool ok = true;
    for (size_t i = 0; ok && i < r->elements; i += 2)
        ok = pack_add(&rows, reply_str(r->element[i]), reply_str(r->element[i + 1]));
    ok = ok && store_loaded(load->store, load->entries[0], buf_str(&rows));
    buf_fini(&rows);
    return ok;
}

static bool is_whole(const struct store_entry *e)
{
    return e->field.n == 0;
}

static void on_values(const redisReply *reply, void *arg)
{
    struct load *load = arg;
    bool whole = is_whole(load->entries[0]);
    bool ok = whole ? take_whole(load, reply) : take_values(load, reply);
    if (!ok && !redis_retryable(reply)) {
        log_error("load.refused", "err=%s",
                  reply->type == REDIS_REPLY_ERROR ? reply->str : "not what was asked for");
    }
    load_fn *fn = load->fn;
    void *to = load->arg;
    free(load);
    fn(ok, to);
}

static bool ask(struct redis_link *link, struct load *load)
{
    struct str *argv = malloc((load->n + 2) * sizeof *argv);
    if (argv == NULL) return false;
    argv[0] = is_whole(load->entries[0]) ? STR("HGETALL") : STR("HMGET");
    argv[1] = load->entries[0]->hash->key;
    for (size_t i = 0; i < load->n; i++)
        argv[2 + i] = load->entries[i]->field;
    int argc = is_whole(load->entries[0]) ? 2 : (int)load->n + 2;
    bool sent = redis_send(link, on_values, load, argc, argv) == 0;
    free(argv);
    return sent;
}

bool load_unknown(struct redis_link *link, struct store *store, struct store_batch *batch,
                  load_fn *fn, void *arg, unsigned *asked, uint64_t *fields)
{
    *asked = 0;
    store_group(batch);
    for (size_t i = 0; i < batch->n;) {
        size_t from = i;
        const struct store_hash *hash = batch->entries[from]->hash;
        while (i < batch->n && batch->entries[i]->hash == hash)
            i++;
        struct load *load = malloc(sizeof *load + (i - from) * sizeof load->entries[0]);
        if (load == NULL) return false;
        *load = (struct load){.store = store, .fn = fn, .arg = arg};
        for (size_t k = from; k < i; k++) {
            if (!batch->entries[k]->known) load->entries[load->n++] = batch->entries[k];
        }
        size_t n = load->n;
        if (n > 0 && ask(link, load)) {
            (*asked)++;
            *fields += n;
            continue;
        }
        free(load);
        if (n > 0) return false;
    }
    return true;
}
