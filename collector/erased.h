/*
 * erased.h - file `erased` beside a journal's segments: who was forgotten, as marks (forgotten.h),
 * and up to which moment. Whoever writes or reads segments for good leaves these out. It only
 * grows; any number of processes may read it, and add to it.
 */
#ifndef SENTIER_ERASED_H
#define SENTIER_ERASED_H

#include <stddef.h>
#include <stdint.h>

#include "hit.h"

struct erased_one {
    uint64_t mark;
    int64_t until_ms;
};

/* All zero is an empty one. */
struct erased {
    struct erased_one *one; /* by mark, then by moment */
    size_t n, cap;
};

/* Adds what stands in the directory's file; none is fine. -1: errno. */
int erased_load(struct erased *e, int dir_fd);
void erased_fini(struct erased *e);

/* Is this record of somebody who was forgotten, of before then; or the word that he was? */
bool erased_has(const struct erased *e, const struct hit *hit);

/* On the disk when it returns. -1: errno. */
int erased_add(int dir_fd, uint64_t mark, int64_t until_ms);

/* Nothing is added while it is held; erased_unlock takes it. -1: errno. */
int erased_lock(int dir_fd);
void erased_unlock(int lock);
uint64_t erased_count(int lock); /* of those in the file */

#endif
