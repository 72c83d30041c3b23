/* forget_files.h - the segments of a journal and of an archive, rewritten without those who were
 * forgotten. Nothing may grow or be written but what others add and delete meanwhile. */
#ifndef SENTIER_FORGET_FILES_H
#define SENTIER_FORGET_FILES_H

#include "redact.h"

struct forget_files {
    uint64_t segments, rewritten; /* looked at, and with a record of theirs */
    uint64_t hits;
    uint64_t unreadable; /* bytes in which there may be one, but none can be read */
};

struct forget_names {
    struct segment_name *name;
    size_t n, cap;
};

/* Those that are there now, of a journal or of an archive. -1 with a message. */
int forget_names_list(int dir_fd, bool archive, struct forget_names *out, struct buf *err);
void forget_names_fini(struct forget_names *l);

/* What a run that was killed has left. */
void forget_files_tidy(int dir_fd);

/* Adds to *out. tick is called now and then; false ends it. -1 with a message, and every file is as
 * it was or rewritten. */
struct forget_tick {
    bool (*fn)(void *arg);
    void *arg;
};
int forget_journal(int dir_fd, const struct forget_names *names, const struct erased *e,
                   const struct forget_tick *tick, struct forget_files *out, struct buf *err);
int forget_archive(int dir_fd, const struct erased *e, const struct forget_tick *tick,
                   struct forget_files *out, struct buf *err);

#endif
