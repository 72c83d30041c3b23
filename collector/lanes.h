/* lanes.h - all producers of a journal directory: finding, weighing and deleting their segments. */
#ifndef SENTIER_LANES_H
#define SENTIER_LANES_H

#include "archive.h"
#include "births.h"
#include "cursor.h"
#include "lane.h"
#include "shipper.h"

struct lanes {
    int dir_fd;
    unsigned partitions;
    struct lane **lane; /* in order of producer */
    size_t n, cap;
    struct journal_mark *mark[SHIP_WRITERS_MAX]; /* held */
    unsigned marks;
    uint64_t committed;      /* changes whenever a writer has committed */
    bool unlisted;           /* a live segment is not listed yet: scan soon */
    struct cursor cursor;    /* as loaded: hints for lanes found later */
    struct archive *archive; /* of the shipper; NULL: none */
    struct births births;    /* grow old when segments go */
    uint64_t gone;           /* weight that is no longer in any segment */
    uint64_t gone_damaged;   /* bytes, likewise */
    uint64_t forced_out;     /* segments deleted before their time */
    uint64_t skipped;        /* records given up, at most; kept in the cursor */
};

bool lanes_init(struct lanes *ls, int dir_fd, unsigned partitions); /* false: no memory */
void lanes_fini(struct lanes *ls);
/* Reads the files anew, which another shipper has written meanwhile. False: nothing has changed. */
bool lanes_reload(struct lanes *ls);

/* Where the live writers are now. */
void lanes_read_marks(struct lanes *ls);
/* Lists the directory. True: a lane came or went. */
bool lanes_scan(struct lanes *ls);

/* Deletes shipped segments that are keep_age old and, if there is an archive, in it; earlier,
 * oldest first, while less than reserve bytes are free. True: what the cursor says has changed. */
bool lanes_sweep(struct lanes *ls, int64_t keep_age_ms, int64_t reserve_bytes);
int lanes_save(struct lanes *ls); /* cursor and births; -1: not all of it */

#endif
