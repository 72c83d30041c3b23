/*
 * hiding.h - which figures about persons are not shown, so that nobody can tell what fewer than
 * HIDING_LEAST of them did: neither from a figure nor from those around it. Pure.
 */
#ifndef SENTIER_HIDING_H
#define SENTIER_HIDING_H

#include "segments.h"

enum { HIDING_LEAST = 5 };

struct hiding {
    bool cell[FIGURES][CLASSES];
    bool total[FIGURES]; /* over all classes */
};

static inline bool hiding_small(uint64_t persons)
{
    return persons > 0 && persons < HIDING_LEAST;
}

/* Classes by their persons; true: their sum is not shown. A class with a small number is not. */
bool hiding_of_classes(const uint64_t persons[CLASSES]);

/* A group, beside the persons of each class. */
void hiding_of_group(const uint32_t cells[FIGURES][CLASSES], const uint64_t persons[CLASSES],
                     struct hiding *out);

/* Those who ignore one page. Where these are all who ignore its group, take the group's row. */
struct hiding_row {
    bool cell[CLASSES], total;
};
void hiding_of_row(const uint32_t cells[CLASSES], const uint64_t persons[CLASSES],
                   struct hiding_row *out);

#endif
