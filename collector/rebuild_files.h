/* rebuild_files.h - all segments of some journal and archive directories, by producer. */
#ifndef SENTIER_REBUILD_FILES_H
#define SENTIER_REBUILD_FILES_H

#include "buf.h"
#include "cursor.h"
#include "erased.h"
#include "rebuild_lane.h"
#include "rebuild_merge.h"

enum { REBUILD_DIRS_MAX = 64 };

struct rebuild_dir {
    char path[4096];
    int fd;
};

struct rebuild_files {
    unsigned partitions;
    struct rebuild_dir journal[REBUILD_DIRS_MAX], archive[REBUILD_DIRS_MAX];
    unsigned journals, archives;
    struct rebuild_lane **lane; /* in order of producer */
    size_t n, cap;
    struct coverage *coverage; /* per partition */
    struct merge merge;
    struct erased erased;      /* who was forgotten, by what the journals say */
    uint64_t segments, packed; /* found; of them only in an archive */
};

/* -1: no memory. */
int rebuild_files_init(struct rebuild_files *f, unsigned partitions);
void rebuild_files_fini(struct rebuild_files *f);

/* A collector's data directory, or its journal; an archive. -1 with a message. */
int rebuild_files_add_journal(struct rebuild_files *f, const char *dir, struct buf *err);
int rebuild_files_add_archive(struct rebuild_files *f, const char *dir, struct buf *err);

/* Lists them, again each time: what has come since is added. -1 with a message. */
int rebuild_files_scan(struct rebuild_files *f, struct buf *err);
/* The producer's lane; with make, an empty one if there is none. NULL: none, or no memory. */
struct rebuild_lane *rebuild_files_find(struct rebuild_files *f, const unsigned char *producer,
                                        bool make);

/* Goes to the beginning of what is left. -1: no memory. */
int rebuild_files_begin(struct rebuild_files *f);
/* The next record of all in the order of time, held by *lane. */
enum rebuild_result rebuild_files_next(struct rebuild_files *f, struct rebuild_lane **lane);

/* What the collectors of the journal directories have ever received, by their own count, and is in
 * no file: hits, at least. For a Redis that cannot say it any more. */
uint64_t rebuild_files_lost(const struct rebuild_files *f);
/* Until when an archive may have deleted something; 0: none did. */
int64_t rebuild_files_forgotten_ms(const struct rebuild_files *f);

#endif
