/* rebuild_names.h - names of the keys of a partition in one generation. */
#ifndef SENTIER_REBUILD_NAMES_H
#define SENTIER_REBUILD_NAMES_H

#include "str.h"

/* All zero is an empty one. */
struct names {
    char **at; /* what follows {pN}: */
    size_t n, cap;
};
void names_fini(struct names *l);

bool names_add(struct names *l, struct str name); /* at the end; false: no memory */
void names_sort(struct names *l);                 /* each once: SCAN may show a key twice */

/* Of a sorted one. */
bool names_have(const struct names *l, const char *name);
void names_drop(struct names *l, const char *name); /* none such is fine */

#endif
