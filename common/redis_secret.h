/* redis_secret.h - a password that lies in a file of its own, not in the configuration. */
#ifndef SENTIER_REDIS_SECRET_H
#define SENTIER_REDIS_SECRET_H

#include <stdbool.h>

enum { REDIS_SECRET_BYTES = 512 };

/* The first line of the file; no file named (NULL or ""): an empty one, so no AUTH. False: the file
 * cannot be read, or its line does not fit. Wipe `out` with sodium_memzero after use. */
bool redis_secret_read(const char *file, char out[REDIS_SECRET_BYTES]);

#endif
