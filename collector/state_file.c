/*
 * Whoever reads such a file finds the old text or the new one, whole, also after a power loss: the
 * new one is synced under another name and then takes the old one's.
 */
#include "state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

static FILE *open_stream(int fd, const char *mode)
{
    FILE *f = fd < 0 ? NULL : fdopen(fd, mode);
    if (f == NULL && fd >= 0) close(fd);
    return f;
}

FILE *state_file_read(int dir_fd, const char *name)
{
    return open_stream(openat(dir_fd, name, O_RDONLY | O_CLOEXEC), "r");
}

FILE *state_file_write(int dir_fd, const char *name)
{
    return open_stream(openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), "w");
}

int state_file_replace(int dir_fd, FILE *f, const char *from, const char *to)
{
    bool ok = f != NULL && fflush(f) == 0 && fdatasync(fileno(f)) == 0;
    if (f != NULL && fclose(f) != 0) ok = false;
    if (ok && renameat(dir_fd, from, dir_fd, to) == 0) return 0;
    log_error("ship.file", "name=%s err=%s", to, strerror(errno));
    return -1;
}
