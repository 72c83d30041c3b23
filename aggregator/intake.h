/* intake.h - an entry of a partition's stream -> its hits. Pure. */
#ifndef SENTIER_INTAKE_H
#define SENTIER_INTAKE_H

#include <stdint.h>

#include "hit.h"

enum { INTAKE_HEAD_BYTES = 16 }; /* seq u64, weight u32, length u32 */

/* hit NULL: the record is framed well, but is no hit that this version can read. Its strings point
 * into the records. */
typedef void intake_fn(void *arg, uint64_t seq, uint32_t weight, const struct hit *hit);

/* Calls fn for each record. 0, or -1: the framing is damaged; fn was called for what stood before.
 */
int intake_entry(struct str records, intake_fn *fn, void *arg);

#endif
