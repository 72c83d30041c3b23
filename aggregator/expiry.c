/* The newest hit of the whole site decides, not that of one partition: a person is read as one or
 * as none wherever its profile lies. */
#include "expiry.h"

int expiry_border(const struct range_source *s, int64_t *border_ms, struct buf *err)
{
    struct range_extent extent;
    *border_ms = 0;
    if (s->persons_kept_ms == 0) return 0;
    if (range_read_extent(s, &extent, err) < 0) return -1;
    if (extent.live_ms > s->persons_kept_ms) *border_ms = extent.live_ms - s->persons_kept_ms;
    return 0;
}
