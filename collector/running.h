/* running.h - what a command has to do with the collector that runs beside it. */
#ifndef SENTIER_RUNNING_H
#define SENTIER_RUNNING_H

#include "options.h"

bool running_here(const char *data); /* with this data directory */

/* Where one runs, its workers go on in new files: those of before do not grow any more. Blocking;
 * 0; -1 with a message. */
int running_leave_segments(const struct collector_conf *conf, struct buf *err);

#endif
