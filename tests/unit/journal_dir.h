/* journal_dir.h - a temporary directory for journals, and what is in it. */
#ifndef SENTIER_TEST_JOURNAL_DIR_H
#define SENTIER_TEST_JOURNAL_DIR_H

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "journal_read.h"

struct journal_dir {
    char path[64];
    int fd;
};

static inline struct journal_dir journal_dir_new(void)
{
    struct journal_dir d = {.path = "/tmp/sentier-journal-XXXXXX"};
    if (mkdtemp(d.path) == NULL) abort();
    d.fd = open(d.path, O_DIRECTORY | O_CLOEXEC);
    return d;
}

/* Names of all segments, in order. Returns how many. */
static inline int journal_dir_list(const struct journal_dir *d, struct segment_name *out, int max)
{
    struct dirent **list;
    int n = 0, found = scandir(d->path, &list, NULL, alphasort);
    for (int i = 0; i < found; i++) {
        if (n < max && segment_name_parse(list[i]->d_name, &out[n])) n++;
        free(list[i]);
    }
    free(list);
    return n;
}

static inline void journal_dir_free(struct journal_dir *d)
{
    struct dirent **list;
    int found = scandir(d->path, &list, NULL, alphasort);
    for (int i = 0; i < found; i++) {
        unlinkat(d->fd, list[i]->d_name, 0);
        free(list[i]);
    }
    free(list);
    close(d->fd);
    rmdir(d->path);
}

#endif
