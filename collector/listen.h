/* listen.h - the listening sockets of the workers: one address, one SO_REUSEPORT socket each. */
#ifndef SENTIER_LISTEN_H
#define SENTIER_LISTEN_H

#include "buf.h"

/* fds[0..n-1] are bound, listening and non-blocking. 0; -1: err says why. *port is the one that was
 * taken when the address said 0. */
int listen_open(const char *address, unsigned n, int *fds, int *port, struct buf *err);

#endif
