/*
 * Marks are asked for only while the site has a newest moment, which a batch knows after its first
 * look: a site of which nobody was forgotten lately costs nothing. When the watermark has passed
 * the newest moment by late_after, whatever comes of these visitors is late by itself, and the
 * whole hash goes.
 */
#include "forgetting.h"

#include "bytes.h"
#include "forgotten.h"

static struct store_entry *use(struct store *s, struct store_batch *b, unsigned partition,
                               struct str site, struct str field)
{
    struct key key = key_forgotten(partition, site);
    return store_use(s, b, partition, key_str(&key), field);
}

struct store_entry *forgetting_newest(struct store *s, struct store_batch *b, unsigned partition,
                                      struct str site)
{
    return use(s, b, partition, site, FORGOTTEN_NEWEST_FIELD);
}

struct store_entry *forgetting_of(struct store *s, struct store_batch *b, unsigned partition,
                                  struct str site, uint64_t visitor)
{
    char mark[8];
    store_le64(mark, forgotten_mark(site, visitor));
    return use(s, b, partition, site, (struct str){mark, sizeof mark});
}

bool forgetting_read(const struct store_entry *e, int64_t *at_ms)
{
    *at_ms = 0;
    return e->value.n == 0 || forgotten_decode(e->value, at_ms);
}

bool forgetting_set(struct store *s, struct store_entry *e, int64_t at_ms)
{
    struct buf value = {0};
    bool ok = at_ms == 0 || forgotten_encode(at_ms, &value);
    if (ok && !str_eq(e->value, buf_str(&value))) ok = store_set(s, e, buf_str(&value));
    buf_fini(&value);
    return ok;
}

bool forgetting_over(const struct sitestate *site)
{
    return site->forgotten_ms != 0 && site->watermark_ms - LATE_AFTER_MS > site->forgotten_ms;
}

bool forgetting_pack(struct store *s, struct store_batch *b, struct store_entry *newest,
                     const struct sitestate *site)
{
    if (!forgetting_over(site)) return forgetting_set(s, newest, site->forgotten_ms);
    for (size_t i = 0; i < b->n; i++) {
        struct store_entry *e = b->entries[i];
        if (e->hash == newest->hash && !forgetting_set(s, e, 0)) return false;
    }
    return true;
}
