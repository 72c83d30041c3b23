/*
 * archive.h - shipped segments, compressed into a directory, so that what was counted can be folded
 * again after the journal has let it go. A file is PRODUCER-FIRSTSEQ.seg.gz: the segment as gzip,
 * with its length in the gzip head. One owner; what may be called from elsewhere says so.
 */
#ifndef SENTIER_ARCHIVE_H
#define SENTIER_ARCHIVE_H

#include "journal_read.h"

enum { ARCHIVE_NAME_BYTES = SEGMENT_NAME_BYTES + 3 };

struct archive_opts {
    const char *dir;   /* made when it is missing */
    int64_t keep_ms;   /* older files are deleted; 0: none for its age */
    int64_t max_bytes; /* the oldest are deleted until the rest fits; 0: no bound */
};

struct archive;

/* Starts its thread. NULL: errno says why. */
struct archive *archive_open(const struct archive_opts *opts);
/* Gives up a segment that is under way: the journal still has it. NULL is fine. */
void archive_close(struct archive *a);

enum archive_answer {
    ARCHIVE_STORED,  /* on the disk, wholly: the journal's segment may be deleted */
    ARCHIVE_WORKING, /* its thread is busy, with this segment or another: ask again later */
    ARCHIVE_FAILED,  /* keep the segment; asking again tries again, but not at once */
};
/* Never waits for the disk. The segment must not grow any more. */
enum archive_answer archive_take(struct archive *a, int journal_dir_fd,
                                 const struct segment_name *name);

/* What the thread does, for any thread: compresses a segment, unless one of at least its length is
 * in the archive already. 0, or -1: errno; counted, said in the log, and nothing has changed. */
int archive_store(struct archive *a, int journal_dir_fd, const struct segment_name *name);

/* Deletes what is too old or too much; the thread does it each minute. Returns how many. A file's
 * age is that of its segment, which is that of its shipping. */
unsigned archive_prune(struct archive *a, int64_t now_ms);

/* Readable from any thread. */
struct archive_stats {
    uint64_t segments, bytes; /* in the directory, when it was looked at last */
    uint64_t stored;          /* since the start, like what follows */
    uint64_t failed;          /* attempts; the journal keeps such a segment */
    uint64_t pruned;
};
void archive_stats(const struct archive *a, struct archive_stats *out);

void archive_name_format(const struct segment_name *n, char out[ARCHIVE_NAME_BYTES]);
bool archive_name_parse(const char *file, struct segment_name *out); /* false: another file */

/* The segment in `in` takes the place of the archived one of this name, which must be there and
 * keeps its age. A crash leaves the one or the other, whole. -1: errno, ENOENT when it is gone. */
int archive_replace(int dir_fd, int in, const struct segment_name *name);

/* For who reads an archive. */
/* Of the segment in an archived file, as its gzip head says; -1: there is none, or it is not ours.
 */
int64_t archive_length(int dir_fd, const char *file);
/* The first n bytes of the segment; fewer when it is damaged. */
size_t archive_peek(int fd, void *out, size_t n);
/* Everything of before this moment may have been deleted (ms since 1970); 0: nothing was. */
int64_t archive_forgotten_ms(int dir_fd);

/* gzip -> its bytes, from where the descriptors stand. Whatever comes before damage is written.
 * UNPACK_FAILED: errno; reading or writing failed. UNPACK_DAMAGED: *why says how. */
enum unpack_result { UNPACK_OK, UNPACK_DAMAGED, UNPACK_FAILED };
enum unpack_result archive_unpack(int from, int to, const char **why);

#endif
