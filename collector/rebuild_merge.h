/* rebuild_merge.h - which of many lanes comes next: a heap by time, then by number. Pure. */
#ifndef SENTIER_REBUILD_MERGE_H
#define SENTIER_REBUILD_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct merge_item {
    int64_t ms;
    size_t lane;
};

struct merge {
    struct merge_item *item; /* item[0] is the first */
    size_t n, cap;
};

void merge_fini(struct merge *m);
bool merge_add(struct merge *m, struct merge_item item); /* false: no memory */
/* The first one has this time now. It never goes back but when its lane begins a segment. */
void merge_change_first(struct merge *m, int64_t ms);
void merge_remove_first(struct merge *m);

#endif
