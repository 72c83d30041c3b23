/*
 * Zones are shared between the sites of a snapshot, since a table takes milliseconds to make. What
 * a publisher needs of its site's configuration besides is copied in copy_site, and freed with the
 * snapshot.
 */
#include "owned.h"

#include <assert.h>
#include <stdlib.h>

#include "keys.h"

void snapshot_free(struct snapshot *s)
{
    if (s == NULL) return;
    for (size_t i = 0; i < s->n_zones; i++) {
        free(s->zones[i].name);
        zone_free(s->zones[i].zone);
    }
    for (size_t i = 0; i < s->n; i++)
        site_free_list(s->sites[i].publisher.topics);
    free(s->zones);
    free(s->sites);
    free(s);
}

static const struct named_zone *zone_of(struct snapshot *s, const char *name)
{
    for (size_t i = 0; i < s->n_zones; i++) {
        if (strcmp(s->zones[i].name, name) == 0) return &s->zones[i];
    }
    struct named_zone *z = &s->zones[s->n_zones];
    z->name = strdup(name);
    z->zone = zone_new(name);
    if (z->name == NULL || z->zone == NULL) {
        free(z->name);
        zone_free(z->zone);
        return NULL;
    }
    s->n_zones++;
    return z;
}

static bool copy_site(struct snapshot *s, const struct site *site, unsigned partitions)
{
    const struct named_zone *zone = zone_of(s, site->time_zone);
    if (zone == NULL) return false;
    struct owned *w = &s->sites[s->n++];
    struct publisher *p = &w->publisher;
    assert(strlen(site->name) < sizeof p->name);
    strcpy(p->name, site->name);
    p->zone = zone->zone;
    p->time_zone = zone->name;
    p->spread = (unsigned)site->spread;
    p->topics = site_copy_list(site->topics);
    if (p->topics == NULL && site->topics != NULL) return false;
    w->home = key_home(str_of(p->name), partitions);
    return true;
}

struct snapshot *snapshot_new(const struct sites *sites, unsigned partitions)
{
    size_t n = sites_count(sites);
    struct snapshot *s = calloc(1, sizeof *s);
    if (s == NULL) return NULL;
    s->sites = calloc(n + 1, sizeof *s->sites);
    s->zones = calloc(n + 1, sizeof *s->zones);
    bool ok = s->sites != NULL && s->zones != NULL;
    for (size_t i = 0; ok && i < n; i++)
        ok = copy_site(s, sites_at(sites, i), partitions);
    if (ok) return s;
    snapshot_free(s);
    return NULL;
}

struct owned *snapshot_find(const struct snapshot *s, struct str name)
{
    size_t low = 0, high = s == NULL ? 0 : s->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        struct owned *w = &s->sites[middle];
        int order = str_order(name, str_of(w->publisher.name));
        if (order == 0) return w;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
