/* cursor.h - file `cursor`: a hint of what is in Redis, and the weights of segments that are gone.
 */
#ifndef SENTIER_CURSOR_H
#define SENTIER_CURSOR_H

#include "lane.h"

/* One producer's line. */
struct cursor_line {
    unsigned char producer[PRODUCER_BYTES];
    uint64_t shipped_before; /* segments with a smaller first_seq are in Redis */
    uint64_t shipped;        /* weight in Redis, of segments on disk */
    uint64_t total;          /* weight of the producer, gone segments included */
};

struct cursor {
    uint64_t gone;    /* weight of producers that no longer have a segment */
    uint64_t skipped; /* records given up by command, at most */
    struct cursor_line *line;
    size_t lines;
};

/* A missing or unreadable file is an empty cursor. */
void cursor_load(int dir_fd, struct cursor *out);
int cursor_save(int dir_fd, const struct cursor *c); /* -1: said in the log why */
void cursor_fini(struct cursor *c);

#endif
