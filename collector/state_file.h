/* state_file.h - small text files beside the segments, replaced by rename. */
#ifndef SENTIER_STATE_FILE_H
#define SENTIER_STATE_FILE_H

#include <stdio.h>

FILE *state_file_read(int dir_fd, const char *name);  /* NULL: errno */
FILE *state_file_write(int dir_fd, const char *name); /* empty; NULL: errno */

/* Takes f, also NULL. `to` stays as it was unless all of `from` is on the disk. -1: said in the log
 * why. */
int state_file_replace(int dir_fd, FILE *f, const char *from, const char *to);

#endif
