/*
 * lease.h - which partitions this process may fold. One thread, the one of the link's base.
 *
 * `{pN}:lease` = "TOKEN NAME" with an expiry; `sentier:aggregators` is the register of living
 * aggregators (name -> expiry by Redis' clock), from which each one reckons its fair share.
 */
#ifndef SENTIER_LEASE_H
#define SENTIER_LEASE_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "redis.h"

enum { TOKEN_BYTES = 33 }; /* 32 hex digits and NUL */

struct lease_opts {
    const char *name;    /* of this process, without blanks; no other living one has it */
    unsigned partitions; /* of the data set */
    int64_t lease_ms;    /* renewed every quarter of it */
};

struct lease_fns {
    void (*taken)(void *arg, unsigned partition, const char *token); /* token: until lost */
    void (*lost)(void *arg, unsigned partition); /* stop using it before you return */
};

struct leases;

struct leases *leases_new(struct event_base *base, struct redis_link *link,
                          const struct lease_opts *opts, const struct lease_fns *fns, void *arg);
void leases_free(struct leases *l); /* gives nothing back; free the link first. NULL is fine */

void leases_link_up(struct leases *l); /* the link is up (again): renew and take at once */
/* Redis refused the token: the partition is lost (the fn runs) and may be taken anew. */
void leases_refused(struct leases *l, unsigned partition);
/* Gives every lease back; done runs once, when Redis has answered or cannot be reached. */
void leases_stop(struct leases *l, void (*done)(void *arg), void *arg);

unsigned leases_held(const struct leases *l);
/* It holds what is its due: nothing is to be waited for but other aggregators. */
bool leases_settled(const struct leases *l);

#endif
