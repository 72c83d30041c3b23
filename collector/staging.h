/* staging.h - segments that are written aside and become part of the journal all at once: a hidden
 * directory in that of the journal. */
#ifndef SENTIER_STAGING_H
#define SENTIER_STAGING_H

#include "buf.h"

void staging_discard(const char *dir); /* with what is in it; none is fine */

/* Renames the segments into journal_dir, on the disk when it returns. 0; -1: *err says why. */
int staging_publish(const char *dir, const char *journal_dir, struct buf *err);

#endif
