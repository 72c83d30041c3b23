/* Any bytes as a record, and as a segment: a head that names the fuzzer's partitions is put before
 * them, since no fuzzer guesses its CRC. Records that come out must rise and lie within the file.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "bytes.h"
#include "journal_read.h"

enum { PARTITIONS = 4, HEAD = SEGMENT_HEAD_BYTES + 8 * PARTITIONS };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void make_head(char head[HEAD])
{
    memset(head, 0, HEAD);
    memcpy(head, "SNTRSEG1", 8);
    store_le64(head + 24, 1);
    store_le32(head + 48, PARTITIONS);
    store_le32(head + 56, HEAD);
    uLong crc = crc32(0, (const Bytef *)head, 60);
    crc = crc32(crc, (const Bytef *)head + SEGMENT_HEAD_BYTES, 8 * PARTITIONS);
    store_le32(head + 60, (uint32_t)crc);
}

/* Gives every record that has room for one a right CRC, so that the fuzzer gets past it. */
static void mend(char *p, size_t n)
{
    for (size_t at = 0; at + RECORD_HEAD_BYTES <= n;) {
        uint32_t length = load_le32(p + at + 4);
        bool record = memcmp(p + at, "SNTR", 4) == 0 && length <= n - at - RECORD_HEAD_BYTES;
        if (!record) {
            at++;
            continue;
        }
        struct str whole = {p + at, RECORD_HEAD_BYTES + length};
        store_le32(p + at + 8, record_crc(whole));
        at += whole.n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct record rec;
    struct segment_name name = {.first_seq = 1};
    char head[HEAD];
    record_parse((struct str){(const char *)data, n}, &rec);
    char *copy = malloc(n + 1);
    int fd = memfd_create("segment", MFD_CLOEXEC);
    if (copy == NULL || fd < 0) abort();
    memcpy(copy, data, n);
    if (n % 4 != 0) mend(copy, n);
    make_head(head);
    if (write(fd, head, HEAD) != HEAD || write(fd, copy, n) != (ssize_t)n) abort();
    struct segment_reader *r = segment_take(fd, &name);
    if (r == NULL) abort();
    uint64_t last = 0, end = HEAD;
    while (segment_next(r, UINT64_MAX, &rec) == SEGMENT_RECORD) {
        if (rec.seq <= last || rec.prev >= rec.seq || rec.partition >= PARTITIONS) abort();
        if (rec.offset < end || rec.next > HEAD + n) abort();
        if (rec.next != rec.offset + RECORD_HEAD_BYTES + rec.payload.n) abort();
        last = rec.seq;
        end = rec.next;
    }
    segment_close(r);
    free(copy);
    return 0;
}
