/*
 * commit.h - all changes of a batch, the offset and the ledger in one script (commit.lua). The
 * same commit may be sent again and again: Redis takes it once.
 */
#ifndef SENTIER_COMMIT_H
#define SENTIER_COMMIT_H

#include <stdint.h>

#include "keys.h"
#include "lease.h"
#include "redis.h"
#include "store.h"
#include "stream.h"
#include "verdict.h"

enum { COMMIT_ID_BYTES = 33 };

/* How far a partition is folded: the hash {pN}:commit. All zero: nothing yet. */
struct commit_state {
    char offset[STREAM_ID_BYTES]; /* of the stream entry folded last; "": none */
    char id[COMMIT_ID_BYTES];     /* of the last commit; "": none */
    uint64_t folded;              /* weight */
    uint64_t verdicts[VERDICTS];  /* weight by verdict; their sum is folded */
};

/* From the answer to HGETALL. False: it is something else. */
bool commit_state_read(const redisReply *r, struct commit_state *out);

struct commit_plan {
    unsigned partition;
    const char *token;                    /* of the lease */
    const struct commit_state *from, *to; /* to->id: fresh */
    uint64_t bytes;                       /* of records that were folded */
    struct store_batch *batch; /* its dirty entries are written; must outlive the commit */
    const struct key *closed;  /* whole keys that go, before anything is written */
    size_t n_closed;
};

struct commit;

struct commit *commit_new(const struct commit_plan *plan); /* NULL: out of memory */
void commit_free(struct commit *c);                        /* NULL is fine */

void commit_id_new(char id[COMMIT_ID_BYTES]);
int commit_send(struct redis_link *link, const struct commit *c, redis_reply_fn *fn, void *arg);

enum commit_answer {
    COMMIT_OK,      /* all of it is in Redis, once */
    COMMIT_AGAIN,   /* unknown, or not now: send the same again */
    COMMIT_LEASE,   /* another one's partition; nothing was written */
    COMMIT_CHANGED, /* offset or last commit are others; nothing was written */
    COMMIT_REFUSED, /* Redis or the script finds it wrong; nothing was written */
};
enum commit_answer commit_answer(const redisReply *r);

#endif
