/*
 * Records are staged in memory and go out with one pwrite per commit, so "store, then say yes"
 * costs one system call per turn of the loop. A write that fails or falls short is cut back and
 * the numbers of its records are used again: the file then holds exactly what was answered with
 * yes. Where that cannot be known - cutting back failed, or a sync did - the segment is left for
 * good and a new producer goes on: a sequence number never stands for two hits.
 *
 * A reader of another thread follows the mark. It is moved to a new segment before that file has
 * its name, so whoever finds the file in the directory also knows that it is being written.
 * With sync_ms > 0 a sync_thread does the fdatasync; this thread never waits for the disk.
 */
#include "journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "buf.h"
#include "bytes.h"
#include "clock.h"
#include "journal_read.h"
#include "keys.h"
#include "log.h"
#include "sync_thread.h"

enum {
    SPACE_CHECK_MS = 1000,
    SPACE_CHECK_BYTES = 4 * 1024 * 1024,
};

struct journal {
    struct journal_opts opts;
    int dir_fd, fd; /* fd -1: the next commit begins a segment */
    unsigned char producer[PRODUCER_BYTES];
    struct buf staged;
    uint64_t next_seq;      /* of the next record staged */
    uint64_t committed_seq; /* what next_seq falls back to when a commit fails */
    uint64_t bytes;         /* of the segment, all committed */
    uint64_t weight;        /* committed by this producer */
    uint64_t *last;         /* per partition, the last committed seq */
    int64_t space_ms;       /* when free space was looked at last; -1: never */
    uint64_t space_bytes;   /* written since */
    bool space_ok, healthy;
    bool ended;               /* an import's producer is left: it has no other */
    struct sync_thread *sync; /* NULL: sync_ms 0 */
    struct journal_mark *mark;
};

struct journal_mark *journal_mark_hold(struct journal_mark *mark)
{
    atomic_fetch_add(&mark->holders, 1);
    return mark;
}

void journal_mark_release(struct journal_mark *mark)
{
    if (mark != NULL && atomic_fetch_sub(&mark->holders, 1) == 1) free(mark);
}

void journal_mark_read(const struct journal_mark *mark, struct journal_point *out)
{
    uint64_t before, after;
    do {
        before = atomic_load(&mark->version);
        store_le64(out->producer, atomic_load(&mark->producer[0]));
        store_le64(out->producer + 8, atomic_load(&mark->producer[1]));
        out->first_seq = atomic_load(&mark->first_seq);
        out->committed = atomic_load(&mark->committed);
        out->weight = atomic_load(&mark->weight);
        after = atomic_load(&mark->version);
    } while (before != after || before % 2 == 1);
}

static void mark_segment(struct journal *j, uint64_t first_seq)
{
    struct journal_mark *m = j->mark;
    atomic_fetch_add(&m->version, 1);
    atomic_store(&m->producer[0], load_le64(j->producer));
    atomic_store(&m->producer[1], load_le64(j->producer + 8));
    atomic_store(&m->first_seq, first_seq);
    atomic_store(&m->committed, 0);
    atomic_store(&m->weight, j->weight);
    atomic_fetch_add(&m->version, 1);
}

static void mark_closed(struct journal_mark *m)
{
    atomic_fetch_add(&m->version, 1);
    atomic_store(&m->producer[0], 0);
    atomic_store(&m->producer[1], 0);
    atomic_fetch_add(&m->version, 1);
}

static void mark_committed(struct journal *j)
{
    atomic_store(&j->mark->weight, j->weight);
    atomic_store(&j->mark->committed, j->bytes);
}

/* The segment is as long as it will ever be. */
static void leave_segment(struct journal *j)
{
    if (j->fd < 0) return;
    if (j->sync != NULL) {
        sync_thread_take(j->sync, j->fd);
    } else {
        close(j->fd); /* every commit was synced */
    }
    j->fd = -1;
}

static void begin_producer(struct journal *j)
{
    randombytes_buf(j->producer, sizeof j->producer);
    memset(j->last, 0, j->opts.partitions * sizeof *j->last);
    j->weight = 0;
}

/* What became of the last write is unknown: nothing of this producer is used again. An import's is
 * made from the file that is read, and under another one its hits could be counted twice. */
static void leave_producer(struct journal *j)
{
    leave_segment(j);
    j->ended = j->opts.producer != NULL;
    if (j->ended) return;
    begin_producer(j);
    log_warn("journal.producer", "a new one goes on after a disk error");
}

static size_t head_bytes(const struct journal *j)
{
    return SEGMENT_HEAD_BYTES + 8 * (size_t)j->opts.partitions;
}

static bool write_head(struct journal *j, uint64_t first_seq)
{
    struct buf head;
    buf_init(&head, 0);
    buf_add(&head, STR("SNTRSEG1"));
    buf_add(&head, (struct str){(const char *)j->producer, PRODUCER_BYTES});
    buf_add_le64(&head, first_seq);
    buf_add_le64(&head, (uint64_t)clock_ms());
    buf_add_le64(&head, j->weight);
    buf_add_le32(&head, j->opts.partitions);
    buf_add_le32(&head, j->opts.flags);
    buf_add_le32(&head, (uint32_t)head_bytes(j));
    buf_add_le32(&head, 0);
    for (unsigned i = 0; i < j->opts.partitions; i++)
        buf_add_le64(&head, j->last[i]);
    bool ok = !head.failed;
    if (ok) {
        uint32_t crc = libdeflate_crc32(0, head.p, 60);
        crc = libdeflate_crc32(crc, head.p + SEGMENT_HEAD_BYTES, 8 * j->opts.partitions);
        store_le32(head.p + 60, crc);
        ok = pwrite(j->fd, head.p, head.n, 0) == (ssize_t)head.n;
        j->bytes = head.n;
    }
    buf_fini(&head);
    return ok;
}

static int begin_segment(struct journal *j)
{
    struct segment_name name = {.first_seq = load_le64(j->staged.p + 16)};
    char file[SEGMENT_NAME_BYTES];
    memcpy(name.producer, j->producer, PRODUCER_BYTES);
    segment_name_format(&name, file);
    leave_segment(j);
    mark_segment(j, name.first_seq);
    j->fd = openat(j->dir_fd, file, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (j->fd < 0) {
        int err = errno;
        if (err == EEXIST && j->opts.producer == NULL) leave_producer(j);
        errno = err;
        return -1;
    }
    if (write_head(j, name.first_seq) && fsync(j->dir_fd) == 0) {
        mark_committed(j);
        return 0;
    }
    int err = errno;
    unlinkat(j->dir_fd, file, 0);
    close(j->fd);
    j->fd = -1;
    errno = err;
    return -1;
}

/* Looks at the file system at most once a second, or after some megabytes. */
static bool space_left(struct journal *j, int64_t now_mono_ms)
{
    bool due = j->space_ms < 0 || now_mono_ms - j->space_ms >= SPACE_CHECK_MS ||
               j->space_bytes >= SPACE_CHECK_BYTES;
    struct statvfs fs;
    if (due && j->opts.reserve_bytes > 0 && fstatvfs(j->dir_fd, &fs) == 0) {
        j->space_ok = fs.f_bavail * fs.f_frsize >= (uint64_t)j->opts.reserve_bytes;
        j->space_ms = now_mono_ms;
        j->space_bytes = 0;
    }
    if (!j->space_ok) errno = ENOSPC;
    return j->space_ok;
}

static void cut_back(struct journal *j)
{
    if (ftruncate(j->fd, (off_t)j->bytes) != 0) leave_producer(j);
}

static void account(struct journal *j)
{
    for (size_t at = 0; at < j->staged.n;) {
        const char *head = j->staged.p + at;
        j->last[load_le16(head + 24)] = load_le64(head + 16);
        j->weight += load_le32(head + 12);
        at += RECORD_HEAD_BYTES + load_le32(head + 4);
    }
    j->bytes += j->staged.n;
    j->space_bytes += j->staged.n;
    j->committed_seq = j->next_seq;
}

static int store(struct journal *j, int64_t now_mono_ms)
{
    journal_tick(j);
    if (j->ended) errno = EIO;
    if (j->ended || !space_left(j, now_mono_ms)) return -1;
    bool empty = j->bytes == head_bytes(j); /* the next one would have the same name */
    bool full = !empty && j->bytes + j->staged.n > (uint64_t)j->opts.segment_bytes;
    if ((j->fd < 0 || full) && begin_segment(j) < 0) return -1;
    ssize_t n = pwrite(j->fd, j->staged.p, j->staged.n, (off_t)j->bytes);
    if (n != (ssize_t)j->staged.n) {
        int err = n < 0 ? errno : ENOSPC;
        cut_back(j);
        errno = err;
        return -1;
    }
    if (j->sync == NULL && fdatasync(j->fd) != 0) {
        int err = errno;
        cut_back(j);
        if (j->fd >= 0) leave_producer(j);
        errno = err;
        return -1;
    }
    account(j);
    mark_committed(j);
    if (j->sync != NULL) sync_thread_written(j->sync, j->fd);
    return 0;
}

int journal_commit(struct journal *j, int64_t now_mono_ms)
{
    if (j->staged.n == 0) return 0;
    bool was_healthy = j->healthy;
    j->healthy = store(j, now_mono_ms) == 0;
    if (!j->healthy) {
        j->next_seq = j->committed_seq;
        log_error("journal.write", "dir=%s err=%s", j->opts.dir, strerror(errno));
    } else if (!was_healthy) {
        log_info("journal.recovered", "dir=%s", j->opts.dir);
    }
    buf_clear(&j->staged);
    return j->healthy ? 0 : -1;
}

void journal_tick(struct journal *j)
{
    if (j->sync == NULL || !sync_thread_failed(j->sync)) return;
    log_error("journal.sync", "dir=%s a sync failed", j->opts.dir);
    leave_producer(j);
}

bool journal_stage(struct journal *j, unsigned partition, uint32_t weight, uint64_t seq,
                   struct str payload)
{
    assert(partition < j->opts.partitions && payload.n <= RECORD_MAX_BYTES);
    if (j->staged.n + RECORD_HEAD_BYTES + payload.n > JOURNAL_STAGED_MAX_BYTES) return false;
    char *head = buf_reserve(&j->staged, RECORD_HEAD_BYTES + payload.n);
    if (head == NULL) {
        j->staged.failed = false; /* out of memory: what is staged is whole */
        return false;
    }
    if (seq == 0) seq = j->next_seq;
    assert(seq >= j->next_seq);
    memset(head, 0, RECORD_HEAD_BYTES);
    memcpy(head, "SNTR", 4);
    store_le32(head + 4, (uint32_t)payload.n);
    store_le32(head + 12, weight);
    store_le64(head + 16, seq);
    store_le16(head + 24, (uint16_t)partition);
    memcpy(head + RECORD_HEAD_BYTES, payload.p, payload.n);
    store_le32(head + 8, record_crc((struct str){head, RECORD_HEAD_BYTES + payload.n}));
    j->staged.n += RECORD_HEAD_BYTES + payload.n;
    j->next_seq = seq + 1;
    return true;
}

bool journal_staged(const struct journal *j)
{
    return j->staged.n > 0;
}

int journal_make_dir(const char *data, char *out, size_t size)
{
    snprintf(out, size, "%s/journal", data);
    if (mkdir(data, 0750) < 0 && errno != EEXIST) return -1;
    if (mkdir(out, 0750) < 0) return errno == EEXIST ? 0 : -1;
    int fd = open(data, O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0) close(fd);
    return result;
}

struct journal *journal_open(const struct journal_opts *opts)
{
    assert(opts->partitions >= 1 && opts->partitions <= PARTITIONS_MAX);
    struct journal *j = calloc(1, sizeof *j);
    if (j == NULL) return NULL;
    *j = (struct journal){.opts = *opts, .fd = -1, .dir_fd = -1, .next_seq = 1};
    j->committed_seq = 1;
    j->space_ms = -1;
    j->space_ok = j->healthy = true;
    buf_init(&j->staged, 0);
    j->opts.dir = strdup(opts->dir);
    j->last = calloc(opts->partitions, sizeof *j->last);
    j->mark = calloc(1, sizeof *j->mark);
    if (j->opts.dir == NULL || j->last == NULL || j->mark == NULL) goto fail;
    journal_mark_hold(j->mark);
    if (opts->producer != NULL) {
        memcpy(j->producer, opts->producer, PRODUCER_BYTES);
    } else {
        randombytes_buf(j->producer, PRODUCER_BYTES);
    }
    j->dir_fd = open(opts->dir, O_DIRECTORY | O_CLOEXEC);
    if (j->dir_fd < 0 || faccessat(j->dir_fd, ".", W_OK | X_OK, 0) != 0) goto fail;
    /* Half the time for waiting, so that the other half is left for the disk. */
    if (opts->sync_ms > 0 && (j->sync = sync_thread_new(opts->sync_ms / 2)) == NULL) goto fail;
    return j;
fail:;
    int err = errno;
    log_error("journal.open", "dir=%s err=%s", opts->dir, strerror(err));
    journal_close(j);
    errno = err;
    return NULL;
}

void journal_leave(struct journal *j)
{
    assert(j->staged.n == 0 && j->opts.producer == NULL);
    if (j->fd < 0) return;
    mark_closed(j->mark);
    leave_segment(j);
    begin_producer(j);
    j->next_seq = j->committed_seq = 1;
}

void journal_close(struct journal *j)
{
    if (j == NULL) return;
    if (j->mark != NULL) mark_closed(j->mark); /* all that is committed is in the file */
    leave_segment(j);
    sync_thread_free(j->sync);
    journal_mark_release(j->mark);
    if (j->dir_fd >= 0) close(j->dir_fd);
    buf_fini(&j->staged);
    free((char *)j->opts.dir);
    free(j->last);
    free(j);
}

bool journal_healthy(const struct journal *j)
{
    return j->healthy;
}

const unsigned char *journal_producer(const struct journal *j)
{
    return j->producer;
}

struct journal_mark *journal_mark(const struct journal *j)
{
    return j->mark;
}

uint64_t journal_weight(const struct journal *j)
{
    return j->weight;
}
