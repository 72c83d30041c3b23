/*
 * Pages come first, so that a person's pages need no name: each is looked up by its id. What one
 * person reached is put together per group in `reach`, then counted once; only the groups that the
 * person touched are looked at.
 */
#include "segments.h"

#include <assert.h>
#include <stdlib.h>

#include "bytes.h"
#include "hash.h"

enum { MAP_LEAST = 64 };

const char *figure_name(enum figure f)
{
    static const char *const names[] = {"seen", "tried", "used", "returned", "ignoring"};
    return names[f];
}

/* ---- keys to places: open addressing, at most half full; nothing is taken out ---- */

static struct segment_place *find(const struct segment_map *m, uint64_t key)
{
    size_t i = (key ^ key >> 32) & (m->cap - 1);
    while (m->places[i].at != 0 && m->places[i].key != key)
        i = (i + 1) & (m->cap - 1);
    return &m->places[i];
}

static bool grow(struct segment_map *m)
{
    struct segment_map grown = {.cap = m->cap == 0 ? MAP_LEAST : m->cap * 2};
    grown.places = calloc(grown.cap, sizeof *grown.places);
    if (grown.places == NULL) return false;
    for (size_t i = 0; i < m->cap; i++) {
        if (m->places[i].at != 0) *find(&grown, m->places[i].key) = m->places[i];
    }
    grown.n = m->n;
    free(m->places);
    *m = grown;
    return true;
}

/* The place of a key, made free when it is new. NULL: no memory. */
static struct segment_place *place_of(struct segment_map *m, uint64_t key)
{
    if (m->n * 2 >= m->cap && !grow(m)) return NULL;
    struct segment_place *p = find(m, key);
    p->key = key;
    return p;
}

/* ---- pages and groups ---- */

struct str segment_of(struct str page)
{
    struct str path = str_from(page, str_find(page, '/') + 1);
    size_t end = 0;
    while (end < path.n && strchr("/?#", path.p[end]) == NULL)
        end++;
    return str_upto(path, end);
}

static bool add_group(struct segments *s, struct str segment)
{
    if (s->groups_n == s->groups_cap) {
        size_t cap = s->groups_cap == 0 ? 16 : s->groups_cap * 2;
        struct segment_group *groups = realloc(s->groups, cap * sizeof *groups);
        if (groups == NULL) return false;
        s->groups = groups;
        s->groups_cap = cap;
    }
    struct segment_group g = {.name = malloc(segment.n + 3)};
    if (g.name == NULL) return false;
    snprintf(g.name, segment.n + 3, segment.n == 0 ? "/" : "/%.*s/", STR_ARG(segment));
    s->groups[s->groups_n++] = g;
    return true;
}

static bool add_other(struct segments *s)
{
    if (s->groups_n > 0) return true;
    if (!add_group(s, STR("other"))) return false;
    strcpy(s->groups[SEGMENT_OTHER].name, "(other)");
    return true;
}

/* The group of a page by its name; SIZE_MAX: no memory. Two segments of one hash would be one. */
static size_t group_of(struct segments *s, struct str page)
{
    struct str segment = segment_of(page);
    struct segment_place *p = place_of(&s->groups_by_name, hash64(segment));
    if (p == NULL) return SIZE_MAX;
    if (p->at == 0) {
        if (!add_group(s, segment)) return SIZE_MAX;
        p->at = (uint32_t)s->groups_n;
        s->groups_by_name.n++;
    }
    return p->at - 1;
}

bool segments_add_page(struct segments *s, uint64_t page, struct str name)
{
    assert(s->reach == NULL);
    if (!add_other(s)) return false;
    struct segment_place *p = place_of(&s->pages_by_id, page);
    if (p == NULL) return false;
    if (p->at != 0) return true;
    if (s->pages_n == s->pages_cap) {
        size_t cap = s->pages_cap == 0 ? 64 : s->pages_cap * 2;
        struct segment_page *pages = realloc(s->pages, cap * sizeof *pages);
        if (pages == NULL) return false;
        s->pages = pages;
        s->pages_cap = cap;
    }
    size_t group = group_of(s, name);
    if (group == SIZE_MAX) return false;
    s->groups[group].pages++;
    s->pages[s->pages_n++] =
        (struct segment_page){.page = page, .name = name, .group = (uint32_t)group};
    p->at = (uint32_t)s->pages_n;
    s->pages_by_id.n++;
    return true;
}

/* The most pages first, then by name. */
static int by_pages(const void *a, const void *b, void *arg)
{
    const struct segment_group *groups = arg;
    const struct segment_group *x = &groups[*(const uint32_t *)a],
                               *y = &groups[*(const uint32_t *)b];
    if (x->pages != y->pages) return x->pages > y->pages ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Groups beyond the limit become "(other)". order: the others, as many as there are. */
static void merge_groups(struct segments *s, uint32_t *order, uint32_t *moved)
{
    struct segment_group *groups = s->groups;
    struct segment_group kept[SEGMENT_GROUPS_MAX + 1] = {groups[SEGMENT_OTHER]};
    size_t n = 1;
    for (size_t i = 1; i < s->groups_n; i++)
        order[i - 1] = (uint32_t)i;
    qsort_r(order, s->groups_n - 1, sizeof *order, by_pages, groups);
    moved[SEGMENT_OTHER] = SEGMENT_OTHER;
    for (size_t i = 0; i + 1 < s->groups_n; i++) {
        struct segment_group *g = &groups[order[i]];
        moved[order[i]] = n <= SEGMENT_GROUPS_MAX ? (uint32_t)n : SEGMENT_OTHER;
        if (n <= SEGMENT_GROUPS_MAX) {
            kept[n++] = *g;
        } else {
            kept[SEGMENT_OTHER].pages += g->pages;
            free(g->name);
        }
    }
    memcpy(groups, kept, n * sizeof *kept);
    s->groups_n = n;
    for (size_t i = 0; i < s->pages_n; i++)
        s->pages[i].group = moved[s->pages[i].group];
}

bool segments_close(struct segments *s)
{
    if (!add_other(s)) return false;
    if (s->groups_n > SEGMENT_GROUPS_MAX + 1) {
        uint32_t *order = calloc(s->groups_n, 2 * sizeof *order);
        if (order == NULL) return false;
        merge_groups(s, order, order + s->groups_n);
        free(order);
    }
    if (s->pages_by_id.cap == 0 && !grow(&s->pages_by_id)) return false;
    s->reach = calloc(s->groups_n, sizeof *s->reach);
    s->touched = calloc(s->groups_n, sizeof *s->touched);
    return s->reach != NULL && s->touched != NULL;
}

/* ---- persons ---- */

static struct segment_page *page_of(const struct segments *s, uint64_t page)
{
    const struct segment_place *p = find(&s->pages_by_id, page);
    return p->at == 0 ? NULL : &s->pages[p->at - 1];
}

void segments_add_person(struct segments *s, const struct profile *p, uint32_t today)
{
    assert(s->reach != NULL);
    enum person_class class = profile_class(p, today);
    uint32_t touched = 0;
    s->persons[class]++;
    s->sessions[class] += p->sessions;
    if (p->approximate || p->recent.approximate) s->approximate = true;
    for (uint32_t i = 0; i < p->pages_n; i++) {
        struct segment_page *page = page_of(s, p->pages[i].page);
        uint32_t group = page == NULL ? SEGMENT_OTHER : page->group;
        struct segment_reach *r = &s->reach[group];
        enum rung rung = profile_rung(&p->pages[i]);
        bool ignores = profile_ignores(&p->pages[i]) != NOT_IGNORED;
        if (r->rung == 0) s->touched[touched++] = group;
        if (rung > r->rung) r->rung = (uint8_t)rung;
        r->ignores = r->ignores || ignores;
        if (ignores && page != NULL) page->ignorers[class]++;
    }
    for (uint32_t i = 0; i < touched; i++) {
        struct segment_group *g = &s->groups[s->touched[i]];
        struct segment_reach *r = &s->reach[s->touched[i]];
        g->persons[FIGURE_SEEN + r->rung - RUNG_SEEN][class]++;
        if (r->ignores && r->rung < RUNG_USED) g->persons[FIGURE_IGNORING][class]++;
        *r = (struct segment_reach){0};
    }
}

void segments_fini(struct segments *s)
{
    for (size_t i = 0; i < s->groups_n; i++)
        free(s->groups[i].name);
    free(s->groups);
    free(s->pages);
    free(s->groups_by_name.places);
    free(s->pages_by_id.places);
    free(s->reach);
    free(s->touched);
    buf_fini(&s->names);
    *s = (struct segments){0};
}
