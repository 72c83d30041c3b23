/* journal_read.h - reads segments: records in order, damage skipped and counted. Any thread. */
#ifndef SENTIER_JOURNAL_READ_H
#define SENTIER_JOURNAL_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal.h"

struct segment_name {
    unsigned char producer[PRODUCER_BYTES];
    uint64_t first_seq;
};
enum { SEGMENT_NAME_BYTES = 32 + 1 + 16 + 4 + 1 };
void segment_name_format(const struct segment_name *n, char out[SEGMENT_NAME_BYTES]);
bool segment_name_parse(const char *file, struct segment_name *out); /* false: another file */

struct record {
    uint64_t seq;
    uint64_t prev; /* of the same producer and partition; 0: none */
    unsigned partition;
    uint32_t weight;
    struct str payload;
    uint64_t offset; /* of the record in its segment */
    uint64_t next;   /* offset after it */
};

struct segment_reader;

/* NULL: errno; EBADMSG when it is whole but not the segment of this name, ENODATA when the file
 * ends within its head (its writer died that early: it never held a record). A damaged head does
 * not hide the records behind it. */
struct segment_reader *segment_open(int dir_fd, const struct segment_name *name);
struct segment_reader *segment_take(int fd, const struct segment_name *name); /* fd is gone */
void segment_close(struct segment_reader *r);                                 /* NULL is fine */

/* What it says is unknown then: weight before and flags are 0, partitions are PARTITIONS_MAX. */
bool segment_head_damaged(const struct segment_reader *r);
/* For who knows better, before the first record: records of other partitions are damage. */
void segment_expect_partitions(struct segment_reader *r, unsigned partitions);

uint64_t segment_weight_before(const struct segment_reader *r);
uint32_t segment_flags(const struct segment_reader *r);
unsigned segment_partitions(const struct segment_reader *r);

enum segment_result { SEGMENT_RECORD, SEGMENT_MORE /* nothing whole before `limit` */ };
/* The next record that ends at or before `limit` (bytes; UINT64_MAX: the file's end, for a segment
 * that no longer grows). payload is borrowed until the next call. */
enum segment_result segment_next(struct segment_reader *r, uint64_t limit, struct record *out);

/* Goes on at a record further behind, at an offset that one has been read from. `prev` and
 * segment_last know nothing of what is skipped. */
void segment_skip_to(struct segment_reader *r, uint64_t offset);

/* Last seq of the partition before the record that comes next; 0: none, or not known. */
uint64_t segment_last(const struct segment_reader *r, unsigned partition);
uint64_t segment_bytes(const struct segment_reader *r);  /* of the file now */
uint64_t segment_offset(const struct segment_reader *r); /* where the next record is sought */
/* Skipped so far; the torn tail, behind which nothing valid stands, is not in it. */
uint64_t segment_damaged_bytes(const struct segment_reader *r);

/* Pure: one record at the start of in. Bytes used; RECORD_PARTIAL: come back with more;
 * RECORD_CORRUPT. Never reads past in.n. `prev` and offsets are not known here. */
enum { RECORD_PARTIAL = -1, RECORD_CORRUPT = -2 };
long record_parse(struct str in, struct record *out);

uint32_t record_crc(struct str whole); /* of a record's bytes, as its head shall name it */

#endif
