/*
 * Shippers look at names in the journal's directory, so nothing is shipped before its segment has
 * been renamed there. In rising order, as shippers want it; what a kill leaves behind is renamed or
 * discarded by the next run.
 */
#include "staging.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATH_BYTES = 8192 };

static int only_segments(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

void staging_discard(const char *dir)
{
    char path[PATH_BYTES];
    struct dirent **names = NULL;
    int n = scandir(dir, &names, only_segments, alphasort);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]->d_name);
        unlink(path);
        free(names[i]);
    }
    free(names);
    rmdir(dir);
}

/* Names that are not on the disk may be gone after a power loss. */
static int sync_directory(const char *dir, struct buf *err)
{
    int fd = open(dir, O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 ? -1 : fsync(fd);
    if (result < 0) buf_printf(err, "%s: %s", dir, strerror(errno));
    if (fd >= 0) close(fd);
    return result;
}

int staging_publish(const char *dir, const char *journal_dir, struct buf *err)
{
    char from[PATH_BYTES], to[PATH_BYTES];
    struct dirent **names = NULL;
    int result = 0;
    int n = scandir(dir, &names, only_segments, alphasort);
    for (int i = 0; i < n; i++) {
        snprintf(from, sizeof from, "%s/%s", dir, names[i]->d_name);
        snprintf(to, sizeof to, "%s/%s", journal_dir, names[i]->d_name);
        if (result == 0 && rename(from, to) < 0) {
            buf_printf(err, "%s: %s", to, strerror(errno));
            result = -1;
        }
        free(names[i]);
    }
    free(names);
    if (result == 0) result = sync_directory(journal_dir, err);
    if (result == 0) rmdir(dir);
    return result;
}
