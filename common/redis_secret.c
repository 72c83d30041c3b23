/*
 * The file is read at each connection: a changed password needs no restart. stdio is not used,
 * whose buffers would keep a copy.
 */
#include "redis_secret.h"

#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

bool redis_secret_read(const char *file, char out[REDIS_SECRET_BYTES])
{
    size_t n = 0;
    ssize_t got = 0;
    out[0] = '\0';
    if (file == NULL || file[0] == '\0') return true;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    while (n < REDIS_SECRET_BYTES - 1 && (got = read(fd, out + n, REDIS_SECRET_BYTES - 1 - n)) > 0)
        n += (size_t)got;
    close(fd);
    out[n] = '\0';
    size_t line = strcspn(out, "\r\n");
    bool ok = got >= 0 && (line < n || n < REDIS_SECRET_BYTES - 1);
    sodium_memzero(out + (ok ? line : 0), REDIS_SECRET_BYTES - (ok ? line : 0));
    return ok;
}
