/* lane_core.h - what the files of a lane share. */
#ifndef SENTIER_LANE_CORE_H
#define SENTIER_LANE_CORE_H

#include "lane.h"

struct segment_reader *lane_open(const struct lane *l, size_t i); /* NULL: errno */
uint64_t lane_limit(const struct lane *l, size_t i);              /* how far it may be read */
size_t lane_read_to(const struct lane *l); /* those before have been looked at to their ends */

#endif
