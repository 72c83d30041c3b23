/*
 * A segment is read through one window of pread bytes. Where no valid record stands, the next magic
 * with a valid CRC goes on and what lay between is damage. Nothing valid behind: the position
 * stays, because it is the torn tail of a crash, or a writer that is not done yet.
 *
 * A record is taken only if it also fits its place: the partition exists and the sequence number
 * rises. So bytes inside a damaged record that look like a record do not pass. `prev` comes from
 * the head's table and the valid records read since, never from the disk's claims about itself.
 *
 * A damaged head takes only what it says with it: the file's name gives producer and first number,
 * and a record is found by its magic wherever the head ends.
 */
#include "journal_read.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bytes.h"
#include "keys.h"

enum {
    RECORD_WHOLE_BYTES = RECORD_HEAD_BYTES + RECORD_MAX_BYTES,
    WINDOW_BYTES = 2 * RECORD_WHOLE_BYTES,
};

struct segment_reader {
    int fd;
    struct segment_name name;
    uint64_t weight_before;
    uint32_t flags;
    unsigned partitions;
    bool head_damaged;
    uint64_t *last; /* per partition */
    uint64_t last_seq;
    uint64_t offset, damaged;
    char *window; /* bytes [base, base + n) of the file */
    uint64_t base;
    size_t n;
};

static const char hex_digits[] = "0123456789abcdef";

void segment_name_format(const struct segment_name *n, char out[SEGMENT_NAME_BYTES])
{
    for (int i = 0; i < PRODUCER_BYTES; i++) {
        out[2 * i] = hex_digits[n->producer[i] >> 4];
        out[2 * i + 1] = hex_digits[n->producer[i] & 15];
    }
    snprintf(out + 32, SEGMENT_NAME_BYTES - 32, "-%016llx.seg", (unsigned long long)n->first_seq);
}

static int hex_value(char c)
{
    const char *at = c == '\0' ? NULL : strchr(hex_digits, c);
    return at == NULL ? -1 : (int)(at - hex_digits);
}

bool segment_name_parse(const char *file, struct segment_name *out)
{
    if (strlen(file) != SEGMENT_NAME_BYTES - 1) return false;
    if (file[32] != '-' || strcmp(file + 49, ".seg") != 0) return false;
    *out = (struct segment_name){.first_seq = 0};
    for (int i = 0; i < 49; i++) {
        int v = hex_value(file[i]);
        if (i == 32) continue;
        if (v < 0) return false;
        if (i < 32) out->producer[i / 2] = (unsigned char)(out->producer[i / 2] << 4 | v);
        if (i > 32) out->first_seq = out->first_seq << 4 | (uint64_t)v;
    }
    return true;
}

uint32_t record_crc(struct str whole)
{
    uint32_t crc = libdeflate_crc32(0, whole.p, 8);
    return libdeflate_crc32(crc, whole.p + 12, whole.n - 12);
}

long record_parse(struct str in, struct record *out)
{
    size_t seen = in.n < 4 ? in.n : 4;
    if (seen > 0 && memcmp(in.p, "SNTR", seen) != 0) return RECORD_CORRUPT;
    if (in.n < RECORD_HEAD_BYTES) return RECORD_PARTIAL;
    uint32_t n = load_le32(in.p + 4);
    static const char zero[6];
    if (n > RECORD_MAX_BYTES || memcmp(in.p + 26, zero, sizeof zero) != 0) return RECORD_CORRUPT;
    if (in.n - RECORD_HEAD_BYTES < n) return RECORD_PARTIAL;
    if (record_crc(str_upto(in, RECORD_HEAD_BYTES + n)) != load_le32(in.p + 8)) {
        return RECORD_CORRUPT;
    }
    *out = (struct record){
        .weight = load_le32(in.p + 12),
        .seq = load_le64(in.p + 16),
        .partition = load_le16(in.p + 24),
        .payload = {in.p + RECORD_HEAD_BYTES, n},
    };
    return (long)(RECORD_HEAD_BYTES + n);
}

static bool read_whole(int fd, void *p, size_t n, off_t at)
{
    ssize_t got = pread(fd, p, n, at);
    if (got == (ssize_t)n) return true;
    if (got >= 0) errno = ENODATA;
    return false;
}

static bool plausible(const char *head)
{
    uint32_t partitions = load_le32(head + 48);
    return memcmp(head, "SNTRSEG1", 8) == 0 && partitions >= 1 && partitions <= PARTITIONS_MAX &&
           load_le32(head + 56) == SEGMENT_HEAD_BYTES + 8 * partitions;
}

static bool has_its_name(const struct segment_reader *r, const char *head)
{
    return memcmp(head + 8, r->name.producer, PRODUCER_BYTES) == 0 &&
           load_le64(head + 24) == r->name.first_seq;
}

/* The window holds the table. */
static bool crc_fits(const struct segment_reader *r, const char *head, size_t table)
{
    uint32_t crc = libdeflate_crc32(libdeflate_crc32(0, head, 60), r->window, table);
    return crc == load_le32(head + 60);
}

/* What was the table is searched for the first record, too: nobody says how long it was. */
static bool do_without_head(struct segment_reader *r)
{
    r->head_damaged = true;
    r->offset = r->damaged = SEGMENT_HEAD_BYTES;
    r->partitions = PARTITIONS_MAX;
    r->last = calloc(r->partitions, sizeof *r->last);
    return r->last != NULL;
}

static bool read_head(struct segment_reader *r)
{
    char head[SEGMENT_HEAD_BYTES];
    if (!read_whole(r->fd, head, sizeof head, 0)) return false;
    if (!plausible(head)) return do_without_head(r);
    unsigned partitions = load_le32(head + 48);
    size_t table = 8 * (size_t)partitions;
    if (!read_whole(r->fd, r->window, table, SEGMENT_HEAD_BYTES)) return false;
    if (!crc_fits(r, head, table)) return do_without_head(r);
    errno = EBADMSG;
    if (!has_its_name(r, head)) return false;
    r->last = malloc(partitions * sizeof *r->last);
    if (r->last == NULL) return false;
    for (unsigned i = 0; i < partitions; i++)
        r->last[i] = load_le64(r->window + 8 * i);
    r->weight_before = load_le64(head + 40);
    r->partitions = partitions;
    r->flags = load_le32(head + 52);
    r->offset = SEGMENT_HEAD_BYTES + table;
    return true;
}

struct segment_reader *segment_take(int fd, const struct segment_name *name)
{
    _Static_assert(WINDOW_BYTES >= 8 * PARTITIONS_MAX, "the window holds the head's table");
    struct segment_reader *r = calloc(1, sizeof *r);
    if (r == NULL) {
        close(fd);
        return NULL;
    }
    *r = (struct segment_reader){.fd = fd, .name = *name, .window = malloc(WINDOW_BYTES)};
    if (r->window != NULL && read_head(r)) return r;
    int err = errno;
    segment_close(r);
    errno = err;
    return NULL;
}

struct segment_reader *segment_open(int dir_fd, const struct segment_name *name)
{
    char file[SEGMENT_NAME_BYTES];
    segment_name_format(name, file);
    int fd = openat(dir_fd, file, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? NULL : segment_take(fd, name);
}

void segment_close(struct segment_reader *r)
{
    if (r == NULL) return;
    close(r->fd);
    free(r->window);
    free(r->last);
    free(r);
}

/* The file's bytes from `at` on: at least `want`, unless limit or the end of the file come first.
 * Nothing behind limit is ever kept: a writer may still cut it back. */
static struct str window_at(struct segment_reader *r, uint64_t at, size_t want, uint64_t limit)
{
    assert(want <= WINDOW_BYTES);
    if (at >= limit) return (struct str){r->window, 0};
    if (limit - at < want) want = (size_t)(limit - at);
    if (at < r->base || at > r->base + r->n) {
        r->base = at;
        r->n = 0;
    }
    size_t skip = (size_t)(at - r->base);
    if (r->n - skip < want) {
        memmove(r->window, r->window + skip, r->n - skip);
        r->base = at;
        r->n -= skip;
        skip = 0;
    }
    while (r->n - skip < want) {
        uint64_t room = limit - (r->base + r->n);
        if (room > WINDOW_BYTES - r->n) room = WINDOW_BYTES - r->n;
        ssize_t got = pread(r->fd, r->window + r->n, (size_t)room, (off_t)(r->base + r->n));
        if (got <= 0) break;
        r->n += (size_t)got;
    }
    return (struct str){r->window + skip, r->n - skip};
}

/* Bytes of the valid record at `at`; 0: none there. */
static size_t record_at(struct segment_reader *r, uint64_t at, uint64_t limit, struct record *out)
{
    struct str in = window_at(r, at, RECORD_HEAD_BYTES, limit);
    long used = record_parse(in, out);
    if (used == RECORD_PARTIAL) {
        in = window_at(r, at, RECORD_WHOLE_BYTES, limit);
        used = record_parse(in, out);
    }
    if (used < 0) return 0;
    bool fits =
        out->partition < r->partitions && out->seq > r->last_seq && out->seq >= r->name.first_seq;
    return fits ? (size_t)used : 0;
}

/* Where the next valid record behind `at` begins; 0: nowhere before limit. */
static uint64_t find_record(struct segment_reader *r, uint64_t at, uint64_t limit)
{
    struct record skipped;
    for (;;) {
        struct str in = window_at(r, ++at, RECORD_WHOLE_BYTES, limit);
        if (in.n < RECORD_HEAD_BYTES) return 0;
        const char *magic = memmem(in.p, in.n, "SNTR", 4);
        if (magic == NULL) {
            at += in.n - 4; /* a magic may begin in the last three bytes */
            continue;
        }
        at += (uint64_t)(magic - in.p);
        if (record_at(r, at, limit, &skipped) > 0) return at;
    }
}

void segment_skip_to(struct segment_reader *r, uint64_t offset)
{
    assert(offset >= r->offset);
    r->offset = offset;
}

enum segment_result segment_next(struct segment_reader *r, uint64_t limit, struct record *out)
{
    if (r->offset >= limit) return SEGMENT_MORE;
    size_t n = record_at(r, r->offset, limit, out);
    if (n == 0) {
        if (window_at(r, r->offset, 1, limit).n == 0) return SEGMENT_MORE;
        uint64_t next = find_record(r, r->offset, limit);
        if (next == 0) return SEGMENT_MORE;
        r->damaged += next - r->offset;
        r->offset = next;
        n = record_at(r, next, limit, out);
    }
    assert(n > 0);
    out->prev = r->last[out->partition];
    out->offset = r->offset;
    out->next = r->offset + n;
    r->last[out->partition] = r->last_seq = out->seq;
    r->offset += n;
    return SEGMENT_RECORD;
}

bool segment_head_damaged(const struct segment_reader *r)
{
    return r->head_damaged;
}

void segment_expect_partitions(struct segment_reader *r, unsigned partitions)
{
    assert(r->last_seq == 0 && partitions >= 1 && partitions <= r->partitions);
    r->partitions = partitions;
}

uint64_t segment_weight_before(const struct segment_reader *r)
{
    return r->weight_before;
}

uint32_t segment_flags(const struct segment_reader *r)
{
    return r->flags;
}

unsigned segment_partitions(const struct segment_reader *r)
{
    return r->partitions;
}

uint64_t segment_last(const struct segment_reader *r, unsigned partition)
{
    return r->last[partition];
}

uint64_t segment_bytes(const struct segment_reader *r)
{
    struct stat st;
    return fstat(r->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

uint64_t segment_offset(const struct segment_reader *r)
{
    return r->offset;
}

uint64_t segment_damaged_bytes(const struct segment_reader *r)
{
    return r->damaged;
}
