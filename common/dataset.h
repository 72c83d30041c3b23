/* dataset.h - what is fixed when a data set is born: its id and its number of partitions. */
#ifndef SENTIER_DATASET_H
#define SENTIER_DATASET_H

#include <hiredis/hiredis.h>

#include "buf.h"

enum { DATASET_FORMAT = 1 };

/* Redis and the configuration agree on the data set, which is born here if Redis holds none. 0; -1
 * with a message: they do not, or, with errno EAGAIN, Redis gave no answer. */
int dataset_agree(redisContext *redis, unsigned partitions, struct buf *err);

/* The same for a collector's directory, which must know it while Redis is away. */
int dataset_agree_dir(const char *dir, unsigned partitions, struct buf *err);

#endif
