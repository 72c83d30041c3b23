/*
 * redact.h - segments without those who were forgotten. What is told of a hit of theirs is that
 * there was one: a tally of the same sequence number, partition, weight and length, so ledgers
 * balance, and every offset that somebody remembers stays true.
 */
#ifndef SENTIER_REDACT_H
#define SENTIER_REDACT_H

#include "erased.h"
#include "journal_read.h"

/* What is to stand there instead, appended to out. False: it may stay; or no memory (out->failed).
 */
bool redact_payload(const struct erased *e, struct str payload, struct buf *out);

struct redact_count {
    uint64_t records;    /* of those who were forgotten */
    uint64_t hits;       /* among them; the others are the word that they were to be */
    uint64_t unreadable; /* bytes in which no record can be read, and so not looked into */
};
/* What redact_copy would do. 0; -1: errno. */
int redact_look(int fd, const struct segment_name *name, const struct erased *e,
                struct redact_count *out);
/* In place: fd is the caller's own copy, whole. 0; -1: errno. */
int redact_copy(int fd, const struct segment_name *name, const struct erased *e,
                struct redact_count *out);

/* A segment without them: the same file again, or a copy of it without a name, on the file system
 * of dir_fd. The caller's; -1: errno. */
int redact_clean(int fd, const struct segment_name *name, const struct erased *e, int dir_fd);

/* Begins the names of files while they are made; a kill may leave one. */
#define REDACT_LEFT_OVER ".forget."
int redact_unnamed_file(int dir_fd); /* on the file system of dir_fd; the caller's; -1: errno */

/* All bytes of a file, into another. 0; -1: errno. */
int redact_copy_file(int from, int to);

/* `made` takes the place of `file`, which must be there: it is never made anew where another
 * process has just deleted it. What was there is gone then. 0; -1: errno, and both are as they
 * were. */
int redact_exchange(int dir_fd, const char *made, const char *file);

#endif
