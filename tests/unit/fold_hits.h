/* fold_hits.h - what the tests of the fold feed it, and how they tell that worlds are the same. */
#ifndef SENTIER_TEST_FOLD_HITS_H
#define SENTIER_TEST_FOLD_HITS_H

#include "fold_world.h"

enum { DAY0 = 20000, MINUTE = 60 * 1000, HOUR = 60 * MINUTE };
#define T0 ((int64_t)DAY0 * DAY_MS) /* midnight, UTC */

/* As the collector packs them; with orders, and without. */
enum { EUR_1234, USD_5, ORDER_A, ORDER_B, PURCHASES };
static const struct str purchases[PURCHASES] = {
    {"EUR\xd2\011", 5}, {"USD\005", 4}, {"EUR\xd2\011order--A", 13}, {"EUR\005order--B", 12}};

struct random {
    uint64_t s;
};

static inline uint64_t draw(struct random *r, uint64_t below)
{
    uint64_t z = r->s += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (z ^ z >> 31) % below;
}

/* The world holds, to the byte, what the first one that was asked held. */
static inline void assert_same(struct world *w, struct buf *first)
{
    struct buf dump = {0};
    bool again = first->n > 0;
    world_dump(w, again ? &dump : first);
    if (again) {
        assert_int_equal(dump.n, first->n);
        assert_memory_equal(dump.p, first->p, dump.n);
    }
    buf_fini(&dump);
}

#endif
