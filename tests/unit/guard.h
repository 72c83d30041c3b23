/* guard.h - puts an input right before (or behind) an unreadable page, so that reading one byte too
 * far ends the test. */
#ifndef SENTIER_TEST_GUARD_H
#define SENTIER_TEST_GUARD_H

#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "str.h"

struct guard {
    char *map;
    size_t bytes;
    struct str s; /* the copy; ends where the unreadable page begins */
};

static inline struct guard guard_copy(struct str in)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t room = (in.n + page - 1) / page * page;
    struct guard g = {.bytes = room + page};
    g.map = mmap(NULL, g.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert(g.map != MAP_FAILED);
    int made = mprotect(g.map + room, page, PROT_NONE);
    assert(made == 0);
    (void)made;
    if (in.n > 0) memcpy(g.map + room - in.n, in.p, in.n);
    g.s = (struct str){g.map + room - in.n, in.n};
    return g;
}

static inline void guard_free(struct guard *g)
{
    munmap(g->map, g->bytes);
}

#endif
