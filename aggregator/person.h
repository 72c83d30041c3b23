/*
 * person.h - one person of a site: a customer with what its visitors in all partitions tell of it,
 * or a visitor on which no customer ever signed in. Blocking.
 */
#ifndef SENTIER_PERSON_H
#define SENTIER_PERSON_H

#include "profile.h"
#include "range_read.h"

struct person_visitor {
    uint64_t id;
    unsigned part; /* partition */
};

struct person {
    uint64_t id;         /* the visitor's; of a customer its key */
    struct str customer; /* the customer's id; empty: a visitor */
    unsigned part; /* partition of the visitor, or of the customer's first one: names of pages */
    const struct profile *profile;         /* whole */
    const struct person_visitor *visitors; /* rising */
    unsigned visitors_n;
};

/* A person, and what it borrows. Zero it to begin. */
struct person_whole {
    struct person person;
    struct profile profile;
    struct person_visitor *visitors;
    char *customer;
};
void person_fini(struct person_whole *p);

/* Whose id that is: a customer's, or in base36 a visitor's; a visitor on which a customer signed in
 * stands for the first one who did. 1; 0: nobody's; -1 with why in err. */
int person_read(const struct range_source *s, struct str id, struct person_whole *out,
                struct buf *err);

/* Fills n customers, of which only person.id is set: their keys. One without a record stays without
 * visitors. border_ms: expiry_border. 0, or -1 with why in err. *damaged counts values that cannot
 * be read. */
int person_gather(const struct range_source *s, int64_t border_ms, struct person_whole *list,
                  unsigned n, uint64_t *damaged, struct buf *err);

/* What is stored of a visitor in that partition, not yet whole, whoever signed in there and
 * whenever it was seen. 1; 0: nothing; -1 with why in err. profile_fini either way. */
int person_profile(const struct range_source *s, unsigned part, uint64_t visitor,
                   struct profile *out, struct buf *err);

/* How reports call this person: the customer's id, or the visitor's in base36. */
struct str person_name(const struct person *p, char room[ID_TEXT_BYTES]);

#endif
