/*
 * The sites of one reading of the configuration. Built once, sorted, then only read: a reload makes
 * a new snapshot and hands it out, so no thread ever sees a site change under it.
 */
#include "site.h"

#include <assert.h>
#include <stdlib.h>

#include "hit.h"

struct named_zone {
    char *name;
    struct zone *zone;
    struct named_zone *next;
};

struct sites {
    struct site *all;
    size_t n, cap;
    struct named_zone *zones;
    bool sealed;
};

struct sites *sites_new(void)
{
    return calloc(1, sizeof(struct sites));
}

static bool valid_name(struct str name)
{
    /* What begins otherwise is ours: "-" stands for no site in tallies. */
    if (name.n == 0 || name.n > HIT_SITE_MAX_BYTES || strchr("._-", name.p[0]) != NULL)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool ok =
            (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
        if (!ok) return false;
    }
    return true;
}

struct site *sites_edit(struct sites *s, struct str name)
{
    assert(!s->sealed);
    for (size_t i = s->n; i > 0; i--) { /* the one added last is the one being read */
        if (str_eq(str_of(s->all[i - 1].name), name)) return &s->all[i - 1];
    }
    return NULL;
}

struct site *sites_add(struct sites *s, struct str name)
{
    if (!valid_name(name) || s->n == SITES_MAX || sites_edit(s, name) != NULL) return NULL;
    if (s->n == s->cap) {
        size_t cap = s->cap == 0 ? 8 : s->cap * 2;
        struct site *all = realloc(s->all, cap * sizeof *all);
        if (all == NULL) return NULL;
        s->all = all;
        s->cap = cap;
    }
    struct site *site = &s->all[s->n];
    *site = (struct site){.name = strndup(name.p, name.n)};
    if (site->name == NULL) return NULL;
    s->n++;
    return site;
}

const struct zone *sites_zone(struct sites *s, const char *name)
{
    for (struct named_zone *z = s->zones; z != NULL; z = z->next) {
        if (strcmp(z->name, name) == 0) return z->zone;
    }
    struct named_zone *z = malloc(sizeof *z);
    if (z == NULL) return NULL;
    *z = (struct named_zone){strdup(name), zone_new(name), s->zones};
    s->zones = z;
    return z->zone;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct site *)a)->name, ((const struct site *)b)->name);
}

void sites_seal(struct sites *s)
{
    if (s->n > 0) qsort(s->all, s->n, sizeof *s->all, compare);
    s->sealed = true;
}

const struct site *sites_find(const struct sites *s, struct str name)
{
    assert(s->sealed);
    size_t low = 0, high = name.n == 0 ? 0 : s->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int c = str_order(name, str_of(s->all[middle].name));
        if (c == 0) return &s->all[middle];
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct site *sites_need(const struct sites *s, const char *name, struct buf *err)
{
    const struct site *site = sites_find(s, str_of(name));
    if (site != NULL) return site;
    buf_printf(err, "there is no [site %s]; the configuration has:", name);
    for (size_t i = 0; i < s->n; i++)
        buf_printf(err, " %s", s->all[i].name);
    return NULL;
}

size_t sites_count(const struct sites *s)
{
    return s->n;
}

const struct site *sites_at(const struct sites *s, size_t i)
{
    assert(i < s->n);
    return &s->all[i];
}

/* A host that begins with "*." stands for every host below it. */
static bool origin_matches(struct str pattern, struct str origin)
{
    size_t star = str_find(pattern, '*');
    if (star == pattern.n) return str_ieq(pattern, origin);
    struct str rest = str_from(pattern, star + 1);
    return origin.n > star + rest.n && str_ieq(str_upto(pattern, star), str_upto(origin, star)) &&
           str_ieq(rest, str_from(origin, origin.n - rest.n)) &&
           str_find(str_from(str_upto(origin, origin.n - rest.n), star), '/') ==
               origin.n - rest.n - star;
}

bool site_allows(const struct site *s, struct str origin)
{
    if (s->origins == NULL || s->origins[0] == NULL) return true;
    for (char **o = s->origins; *o != NULL; o++) {
        if (origin_matches(str_of(*o), origin)) return true;
    }
    return false;
}

bool sites_allow(const struct sites *s, struct str origin)
{
    for (size_t i = 0; i < s->n; i++) {
        if (site_allows(&s->all[i], origin)) return true;
    }
    return false;
}

char **site_copy_list(char *const *list)
{
    size_t n = 0;
    while (list != NULL && list[n] != NULL)
        n++;
    char **copy = list == NULL ? NULL : calloc(n + 1, sizeof *copy);
    for (size_t i = 0; copy != NULL && i < n; i++) {
        copy[i] = strdup(list[i]);
        if (copy[i] != NULL) continue;
        site_free_list(copy);
        return NULL;
    }
    return copy;
}

void site_free_list(char **list)
{
    for (char **l = list; l != NULL && *l != NULL; l++)
        free(*l);
    free(list);
}

void sites_free(struct sites *s)
{
    if (s == NULL) return;
    for (size_t i = 0; i < s->n; i++) {
        struct site *site = &s->all[i];
        free(site->name);
        site_free_list(site->origins);
        free(site->time_zone);
        free(site->sitemap);
        site_free_list(site->keep_params);
        site_free_list(site->search_params);
        site_free_list(site->topics);
        free(site->secret);
        free(site->secret_before);
    }
    for (struct named_zone *z = s->zones, *next; z != NULL; z = next) {
        next = z->next;
        zone_free(z->zone);
        free(z->name);
        free(z);
    }
    free(s->all);
    free(s);
}
