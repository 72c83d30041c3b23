/*
 * The list is filled by a SCAN, sorted once, and then asked often, while few names come or go: a
 * sorted array does.
 */
#include "rebuild_names.h"

#include <stdlib.h>
#include <string.h>

bool names_add(struct names *l, struct str name)
{
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 16 : 2 * l->cap;
        char **grown = realloc(l->at, cap * sizeof(char *));
        if (grown == NULL) return false;
        l->at = grown;
        l->cap = cap;
    }
    l->at[l->n] = strndup(name.p, name.n);
    return l->at[l->n] != NULL && ++l->n > 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void names_sort(struct names *l)
{
    size_t kept = 0;
    if (l->n > 0) qsort(l->at, l->n, sizeof(char *), by_name);
    for (size_t i = 0; i < l->n; i++) {
        if (kept > 0 && strcmp(l->at[kept - 1], l->at[i]) == 0) {
            free(l->at[i]);
        } else {
            l->at[kept++] = l->at[i];
        }
    }
    l->n = kept;
}

void names_drop(struct names *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++) {
        if (strcmp(l->at[i], name) != 0) continue;
        free(l->at[i]);
        memmove(l->at + i, l->at + i + 1, (--l->n - i) * sizeof(char *));
        return;
    }
}

bool names_have(const struct names *l, const char *name)
{
    return l->n > 0 && bsearch(&name, l->at, l->n, sizeof(char *), by_name) != NULL;
}

void names_fini(struct names *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->at[i]);
    free(l->at);
}
