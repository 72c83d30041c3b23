/*
 * Nobody wrote down when a hit was received. But a producer's records stand in the order in which
 * they were, each happened before it was received, and a segment names the moment of its first one.
 * So the greatest time in a segment so far is a moment at which the record was surely not yet
 * received by anybody later, and close to the true one while hits come in; and with it as key no
 * hit that tells its age honestly is late: what comes before it in the merge happened before it was
 * received, which is at most 72 h after it happened.
 *
 * Equal times go by the lane's number, so the same files always give the same order.
 */
#include "rebuild_merge.h"

#include <assert.h>
#include <stdlib.h>

void merge_fini(struct merge *m)
{
    free(m->item);
    *m = (struct merge){.n = 0};
}

static bool before(const struct merge_item *a, const struct merge_item *b)
{
    return a->ms != b->ms ? a->ms < b->ms : a->lane < b->lane;
}

static void swap(struct merge_item *a, struct merge_item *b)
{
    struct merge_item kept = *a;
    *a = *b;
    *b = kept;
}

static void sink(struct merge *m, size_t i)
{
    for (;;) {
        size_t least = i, child = 2 * i + 1;
        if (child < m->n && before(&m->item[child], &m->item[least])) least = child;
        if (child + 1 < m->n && before(&m->item[child + 1], &m->item[least])) least = child + 1;
        if (least == i) return;
        swap(&m->item[i], &m->item[least]);
        i = least;
    }
}

bool merge_add(struct merge *m, struct merge_item item)
{
    if (m->n == m->cap) {
        size_t cap = m->cap == 0 ? 16 : 2 * m->cap;
        struct merge_item *grown = realloc(m->item, cap * sizeof *grown);
        if (grown == NULL) return false;
        m->item = grown;
        m->cap = cap;
    }
    size_t i = m->n++;
    m->item[i] = item;
    while (i > 0 && before(&m->item[i], &m->item[(i - 1) / 2])) {
        swap(&m->item[i], &m->item[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    return true;
}

void merge_change_first(struct merge *m, int64_t ms)
{
    assert(m->n > 0);
    m->item[0].ms = ms;
    sink(m, 0);
}

void merge_remove_first(struct merge *m)
{
    assert(m->n > 0);
    m->item[0] = m->item[--m->n];
    sink(m, 0);
}
