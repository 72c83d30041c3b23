/*
 * people.h - all persons of a site, one after another, whatever their number: blocking, over all
 * its partitions, many questions under way at once. Memory: 16 bytes per customer.
 */
#ifndef SENTIER_PEOPLE_H
#define SENTIER_PEOPLE_H

#include "person.h"

struct people {
    const struct range_source *source;
    void *arg;
    /* Each person that has pageviews, once, for the call alone: the customers, then the visitors on
     * which none signed in. False: no memory. */
    bool (*each)(void *arg, const struct person *p);
    /* Every now and then, with nothing under way; NULL: nobody asks. False: enough, it fails. */
    bool (*pause)(void *arg);
    int64_t border_ms; /* set by people_each: who was seen last before it has expired */
    uint64_t damaged;  /* stored profiles that could not be read; counted up */
};

/* 0, or -1 with why in err. */
int people_each(struct people *people, struct buf *err);

#endif
