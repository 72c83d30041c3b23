/*
 * A hit of theirs becomes a tally of `forgotten`: site, date, and the minute, which a rebuild needs
 * for its order. The word that somebody is to be forgotten names him, too: it loses the visitor.
 * Nothing else of a record changes but its CRC.
 */
#include "redact.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bytes.h"

enum { MINUTE_MS = 60 * 1000, CHUNK_BYTES = 256 * 1024 };

bool redact_payload(const struct erased *e, struct str payload, struct buf *out)
{
    struct hit hit;
    if (e->n == 0 || !hit_decode(payload, &hit) || !erased_has(e, &hit)) return false;
    struct hit left = {.kind = HIT_FORGET, .site = hit.site, .at_ms = hit.at_ms, .day = hit.day};
    if (hit.kind != HIT_FORGET) {
        left.kind = HIT_TALLY;
        left.at_ms -= left.at_ms % MINUTE_MS;
        left.verdict = V_FORGOTTEN;
        left.n = hit_weight(&hit);
    }
    return hit_encode_filled(&left, payload.n, out);
}

static bool write_whole(int fd, const char *p, size_t n, off_t at)
{
    while (n > 0) {
        ssize_t did = pwrite(fd, p, n, at);
        if (did < 0 && errno == EINTR) continue;
        if (did <= 0) return false;
        p += did;
        at += did;
        n -= (size_t)did;
    }
    return true;
}

int redact_copy_file(int from, int to)
{
    char *chunk = malloc(CHUNK_BYTES);
    ssize_t got = chunk == NULL ? -1 : 1;
    for (off_t at = 0; got > 0; at += got) {
        got = pread(from, chunk, CHUNK_BYTES, at);
        if (got > 0 && !write_whole(to, chunk, (size_t)got, at)) got = -1;
    }
    int err = errno;
    free(chunk);
    errno = err;
    return got < 0 ? -1 : 0;
}

static bool put_record(int fd, const struct record *r, struct str payload)
{
    char head[RECORD_HEAD_BYTES];
    struct buf whole = {0};
    memset(head, 0, sizeof head);
    memcpy(head, "SNTR", 4);
    store_le32(head + 4, (uint32_t)payload.n);
    store_le32(head + 12, r->weight);
    store_le64(head + 16, r->seq);
    store_le16(head + 24, (uint16_t)r->partition);
    buf_add(&whole, (struct str){head, sizeof head});
    buf_add(&whole, payload);
    bool ok = !whole.failed;
    if (ok) {
        store_le32(whole.p + 8, record_crc(buf_str(&whole)));
        ok = write_whole(fd, whole.p, whole.n, (off_t)r->offset);
    }
    buf_fini(&whole);
    return ok;
}

static int walk(int fd, const struct segment_name *name, const struct erased *e, bool change,
                struct redact_count *out)
{
    struct record r;
    struct buf payload = {0};
    bool ok = true;
    *out = (struct redact_count){.records = 0};
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    struct segment_reader *reader = own < 0 ? NULL : segment_take(own, name);
    if (reader == NULL) return errno == ENODATA ? 0 : -1; /* cut off within its head */
    while (ok && segment_next(reader, UINT64_MAX, &r) == SEGMENT_RECORD) {
        buf_clear(&payload);
        if (!redact_payload(e, r.payload, &payload)) {
            ok = !payload.failed;
            continue;
        }
        struct hit left;
        out->records++;
        out->hits += hit_decode(buf_str(&payload), &left) && left.kind == HIT_TALLY;
        if (change) ok = put_record(fd, &r, buf_str(&payload));
    }
    int err = errno;
    out->unreadable = segment_damaged_bytes(reader);
    uint64_t end = segment_offset(reader), bytes = segment_bytes(reader);
    if (end < bytes) out->unreadable += bytes - end;
    segment_close(reader);
    buf_fini(&payload);
    errno = err;
    return ok ? 0 : -1;
}

int redact_unnamed_file(int dir_fd)
{
    char name[32];
    snprintf(name, sizeof name, REDACT_LEFT_OVER "%08x", (unsigned)randombytes_random());
    int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) unlinkat(dir_fd, name, 0);
    return fd;
}

int redact_clean(int fd, const struct segment_name *name, const struct erased *e, int dir_fd)
{
    struct redact_count count = {.records = 0};
    if (e->n > 0 && redact_look(fd, name, e, &count) < 0 && errno != EBADMSG) return -1;
    if (count.records == 0) return fcntl(fd, F_DUPFD_CLOEXEC, 0);
    int copy = redact_unnamed_file(dir_fd);
    if (copy < 0) return -1;
    if (redact_copy_file(fd, copy) == 0 && redact_copy(copy, name, e, &count) == 0) return copy;
    int err = errno;
    close(copy);
    errno = err;
    return -1;
}

int redact_exchange(int dir_fd, const char *made, const char *file)
{
    if (renameat2(dir_fd, made, dir_fd, file, RENAME_EXCHANGE) < 0) return -1;
    return unlinkat(dir_fd, made, 0);
}

int redact_look(int fd, const struct segment_name *name, const struct erased *e,
                struct redact_count *out)
{
    return walk(fd, name, e, false, out);
}

int redact_copy(int fd, const struct segment_name *name, const struct erased *e,
                struct redact_count *out)
{
    return walk(fd, name, e, true, out);
}
