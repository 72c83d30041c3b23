/*
 * segment_list.h - what may be shown of the segments of a site, in the order in which it is: groups
 * by the persons shown, the pages that most ignore first. Pure.
 */
#ifndef SENTIER_SEGMENT_LIST_H
#define SENTIER_SEGMENT_LIST_H

#include "hiding.h"

struct segment_line {
    const struct segment_group *group;
    struct hiding hiding;
    uint64_t shown; /* persons in its shown cells */
};

/* A page that HIDING_LEAST persons or more ignore. */
struct ignored_line {
    const struct segment_page *page;
    struct hiding_row hiding;
    uint64_t shown;
};

struct segment_list {
    const struct segments *segments; /* must outlive the list */
    bool all_hidden;                 /* the sum of the classes */
    struct segment_line *groups;     /* those with persons */
    struct ignored_line *pages;
    size_t groups_n, pages_n;
};

/* All zero is empty. False: no memory. */
bool segment_list_make(struct segment_list *l, const struct segments *s);
void segment_list_fini(struct segment_list *l);

/* Over all classes; what is hidden of it is the caller's to see. */
uint64_t segment_total(const uint32_t cells[CLASSES]);

#endif
