/* Loads the lists in order; a list that is there but damaged refuses the start. */
#include "lists.h"

#include <stdlib.h>

struct lists *lists_load(const char *geoip, const char *geoip6)
{
    struct lists *l = calloc(1, sizeof *l);
    if (l == NULL) return NULL;
    if ((l->agents = agents_load()) == NULL) goto fail;
    if ((l->geo = geo_load(geoip, geoip6)) == NULL) goto fail;
    return l;
fail:
    lists_free(l);
    return NULL;
}

void lists_free(struct lists *l)
{
    if (l == NULL) return;
    agents_free(l->agents);
    geo_free(l->geo);
    free(l);
}
