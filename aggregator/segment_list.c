/* The order follows from what is shown, so it tells nothing more. */
#include "segment_list.h"

#include <stdlib.h>

uint64_t segment_total(const uint32_t cells[CLASSES])
{
    uint64_t sum = 0;
    for (int c = 0; c < CLASSES; c++)
        sum += cells[c];
    return sum;
}

static uint64_t shown(const uint32_t cells[CLASSES], const bool hidden[CLASSES])
{
    uint64_t sum = 0;
    for (int c = 0; c < CLASSES; c++)
        sum += hidden[c] ? 0 : cells[c];
    return sum;
}

static int by_persons(const void *a, const void *b)
{
    const struct segment_line *x = a, *y = b;
    if (x->shown != y->shown) return x->shown > y->shown ? -1 : 1;
    return strcmp(x->group->name, y->group->name);
}

static int by_ignorers(const void *a, const void *b)
{
    const struct ignored_line *x = a, *y = b;
    if (x->shown != y->shown) return x->shown > y->shown ? -1 : 1;
    return str_order(x->page->name, y->page->name);
}

static void add_group(struct segment_list *l, const struct segment_group *g)
{
    struct segment_line line = {.group = g};
    uint64_t persons = 0;
    hiding_of_group(g->persons, l->segments->persons, &line.hiding);
    for (int f = 0; f < RUNG_FIGURES; f++) {
        persons += segment_total(g->persons[f]);
        line.shown += shown(g->persons[f], line.hiding.cell[f]);
    }
    if (persons > 0) l->groups[l->groups_n++] = line;
}

static void add_page(struct segment_list *l, const struct segment_page *p)
{
    const struct segment_group *g = &l->segments->groups[p->group];
    struct ignored_line line = {.page = p};
    if (segment_total(p->ignorers) < HIDING_LEAST) return;
    /* The same figures as the group's, whose only ignored page it is: the same ones are hidden. */
    if (memcmp(p->ignorers, g->persons[FIGURE_IGNORING], sizeof p->ignorers) == 0) {
        struct hiding h;
        hiding_of_group(g->persons, l->segments->persons, &h);
        memcpy(line.hiding.cell, h.cell[FIGURE_IGNORING], sizeof line.hiding.cell);
        line.hiding.total = h.total[FIGURE_IGNORING];
    } else {
        hiding_of_row(p->ignorers, l->segments->persons, &line.hiding);
    }
    line.shown = shown(p->ignorers, line.hiding.cell);
    l->pages[l->pages_n++] = line;
}

bool segment_list_make(struct segment_list *l, const struct segments *s)
{
    *l = (struct segment_list){.segments = s, .all_hidden = hiding_of_classes(s->persons)};
    l->groups = calloc(s->groups_n + 1, sizeof *l->groups);
    l->pages = calloc(s->pages_n + 1, sizeof *l->pages);
    if (l->groups == NULL || l->pages == NULL) return false;
    for (size_t i = 0; i < s->groups_n; i++)
        add_group(l, &s->groups[i]);
    for (size_t i = 0; i < s->pages_n; i++)
        add_page(l, &s->pages[i]);
    qsort(l->groups, l->groups_n, sizeof *l->groups, by_persons);
    qsort(l->pages, l->pages_n, sizeof *l->pages, by_ignorers);
    return true;
}

void segment_list_fini(struct segment_list *l)
{
    free(l->groups);
    free(l->pages);
    *l = (struct segment_list){0};
}
