/*
 * births.h - the partitions of Redis as this journal directory has known them: file `births`. An
 * emptied Redis, or another one, has other ids.
 */
#ifndef SENTIER_BIRTHS_H
#define SENTIER_BIRTHS_H

#include <stdbool.h>
#include <stdint.h>

enum { BIRTH_TEXT_BYTES = 33 }; /* 32 hex digits and NUL */

struct birth {
    char id[BIRTH_TEXT_BYTES]; /* "": none known */
    int64_t met_ms;            /* when it was heard of first (wall clock); 0: long ago */
};

struct births {
    int dir_fd;
    unsigned partitions;
    bool changed; /* since it was saved */
    struct birth *of;
};

/* Reads the file, if there is one. False: no memory. */
bool births_init(struct births *b, int dir_fd, unsigned partitions);
void births_fini(struct births *b);
int births_save(struct births *b); /* if changed; -1: said in the log why */

void births_learn(struct births *b, unsigned partition, const char *id, int64_t now_ms);
void births_forget(struct births *b, unsigned partition);

/*
 * All that this directory ever shipped to the partition is still here, or can at least be missed:
 * the birth is younger than keep_ms, the least age at which a shipped segment is deleted, and no
 * segment that was found shipped after it has gone earlier.
 */
bool births_young(const struct births *b, unsigned partition, int64_t keep_ms, int64_t now_ms);

/* A segment that was found shipped at that time is about to be deleted. */
void births_segment_goes(struct births *b, int64_t shipped_ms);
/* The clock may have been set back: births of the future are taken for old. */
void births_check_clock(struct births *b, int64_t now_ms);

#endif
