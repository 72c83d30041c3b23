/*
 * Nothing of this belongs to a visitor, and telling it twice changes nothing: most of what pages
 * tell is there already, and then no field is written. What a site may keep is bounded; the field
 * `n` counts the pages.
 */
#include "telling.h"

#include <stdlib.h>

#include "bytes.h"
#include "hash.h"
#include "keys.h"
#include "links.h"

bool tellings_need(struct tellings *t, const struct fold *f)
{
    size_t n = fold_told_count(f);
    t->entries = calloc(2 * n + 1, sizeof t->entries[0]);
    if (t->entries == NULL) return false;
    for (size_t i = 0; i < n; i++) {
        const struct fold_told *l = fold_told_at(f, i);
        struct key key = l->kind == HIT_LINKS ? key_links(t->partition, str_of(l->site->name))
                                              : key_about(t->partition, str_of(l->site->name));
        char id[8];
        store_le64(id, hash64(l->page));
        t->entries[2 * i] =
            store_use(t->store, t->use, t->partition, key_str(&key), (struct str){id, sizeof id});
        t->entries[2 * i + 1] =
            store_use(t->store, t->use, t->partition, key_str(&key), LINKS_COUNT_FIELD);
        if (t->entries[2 * i] == NULL || t->entries[2 * i + 1] == NULL) return false;
    }
    return true;
}

static enum pack_result damaged(struct tellings *t, const struct store_entry *e)
{
    t->damaged = e;
    return PACK_DAMAGED;
}

static bool name_page(struct tellings *t, struct str page, struct str key)
{
    char id[8];
    store_le64(id, hash64(page));
    return store_tell(t->store, t->use, t->partition, key, (struct str){id, sizeof id}, page);
}

/* One page's links into its entry. Pages that are new there are named. */
static enum pack_result add_links(struct tellings *t, const struct fold_told *told,
                                  struct links *links)
{
    struct key pages = key_pages(t->partition, str_of(told->site->name));
    struct hit_links list = hit_links_open(told->list);
    struct str page;
    links_told(links, told->day, told->more);
    while (hit_links_next(&list, &page)) {
        if (links_add(links, hash64(page), told->day) && !name_page(t, page, key_str(&pages)))
            return PACK_MEMORY;
    }
    return PACK_OK;
}

static enum pack_result change_links(struct tellings *t, const struct fold_told *told,
                                     struct store_entry *e)
{
    struct links links = {0};
    if (e->value.n > 0 && !links_decode(e->value, &links)) return damaged(t, e);
    bool whole = !links.partial && !told->more;
    enum pack_result added = add_links(t, told, &links);
    if (whole && links.partial) t->approximated++;
    if (added != PACK_OK) return added;
    buf_clear(&t->packed);
    if (!links_encode(&links, &t->packed)) return PACK_MEMORY;
    if (str_eq(e->value, buf_str(&t->packed))) return PACK_OK; /* as mostly */
    return store_set(t->store, e, buf_str(&t->packed)) ? PACK_OK : PACK_MEMORY;
}

/* The latest that was told stays. */
static enum pack_result change_about(struct tellings *t, const struct fold_told *told,
                                     struct store_entry *e)
{
    struct told_about now = {told->at_ms, told->list}, was;
    if (e->value.n > 0 && !told_about_decode(e->value, &was)) return damaged(t, e);
    if (e->value.n > 0 && !told_about_later(&now, &was)) return PACK_OK;
    buf_clear(&t->packed);
    if (!told_about_encode(&now, &t->packed)) return PACK_MEMORY;
    return store_set(t->store, e, buf_str(&t->packed)) ? PACK_OK : PACK_MEMORY;
}

/* A page that is new there takes one of the places that a site has. */
static enum pack_result take_place(struct tellings *t, const struct fold_told *told,
                                   struct store_entry *count, bool *room)
{
    struct links_count have = {0};
    struct key pages = key_pages(t->partition, str_of(told->site->name));
    if (count->value.n > 0 && !links_count_decode(count->value, &have)) return damaged(t, count);
    *room = links_count_take(&have);
    if (!*room) t->approximated++;
    buf_clear(&t->packed);
    bool ok = links_count_encode(&have, &t->packed) &&
              store_set(t->store, count, buf_str(&t->packed)) &&
              (!*room || name_page(t, told->page, key_str(&pages)));
    return ok ? PACK_OK : PACK_MEMORY;
}

static enum pack_result change(struct tellings *t, const struct fold_told *told, size_t i)
{
    struct store_entry *page = t->entries[2 * i];
    bool room = true;
    if (page->value.n == 0) {
        enum pack_result taken = take_place(t, told, t->entries[2 * i + 1], &room);
        if (taken != PACK_OK || !room) return taken;
    }
    return told->kind == HIT_LINKS ? change_links(t, told, page) : change_about(t, told, page);
}

enum pack_result tellings_apply(struct tellings *t, const struct fold *f)
{
    enum pack_result result = PACK_OK;
    for (size_t i = 0; result == PACK_OK && i < fold_told_count(f); i++)
        result = change(t, fold_told_at(f, i), i);
    return result;
}

void tellings_fini(struct tellings *t)
{
    free(t->entries);
    buf_fini(&t->packed);
}
