/* segments_read.h - the pass over all persons of a site: blocking. */
#ifndef SENTIER_SEGMENTS_READ_H
#define SENTIER_SEGMENTS_READ_H

#include <stdatomic.h>

#include "range_read.h"
#include "segments.h"

struct segments_pass {
    struct range_source source;
    uint32_t today; /* the date as of which persons have their class */
    /* A pass in the background takes its time: at most one part in OWNER_SHARE of a core. It fails
     * once this is set. NULL: a command, which is waited for. */
    const atomic_bool *stopping;
    int64_t rested_ms; /* out: pauses; */
    uint64_t damaged;  /* profiles that could not be read */
};

/* Into empty segments. 0, or -1 with why in err, and they are empty. */
int segments_read(struct segments_pass *pass, struct segments *s, struct buf *err);

#endif
