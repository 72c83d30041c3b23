/*
 * Lines of one length: mark and moment, in hex. So what a crash has cut off is told by the file's
 * length, and cut off by the next who adds. Adding waits for the lock, and so does the archive
 * before it gives a file its name: either it has looked at the newest list, or the command that
 * adds sees the file.
 */
#include "erased.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "forgotten.h"

#define FILE_NAME "erased"
enum { LINE_BYTES = 16 + 1 + 16 + 1, LINES_AT_ONCE = 1024 };

void erased_fini(struct erased *e)
{
    free(e->one);
    *e = (struct erased){.n = 0};
}

static int by_mark(const void *a, const void *b)
{
    const struct erased_one *x = a, *y = b;
    if (x->mark != y->mark) return x->mark < y->mark ? -1 : 1;
    return (x->until_ms > y->until_ms) - (x->until_ms < y->until_ms);
}

static bool add(struct erased *e, struct erased_one one)
{
    if (e->n == e->cap) {
        size_t cap = e->cap == 0 ? 64 : 2 * e->cap;
        struct erased_one *grown = realloc(e->one, cap * sizeof *grown);
        if (grown == NULL) return false;
        e->one = grown;
        e->cap = cap;
    }
    e->one[e->n++] = one;
    return true;
}

static bool read_line(const char *line, struct erased_one *out)
{
    char text[LINE_BYTES + 1], *end;
    memcpy(text, line, LINE_BYTES);
    text[LINE_BYTES] = '\0';
    out->mark = strtoull(text, &end, 16);
    if (end != text + 16 || *end != ' ') return false;
    out->until_ms = (int64_t)strtoull(end + 1, &end, 16);
    return end == text + LINE_BYTES - 1 && *end == '\n' && out->until_ms > 0;
}

int erased_load(struct erased *e, int dir_fd)
{
    char lines[LINES_AT_ONCE * LINE_BYTES];
    struct erased_one one;
    ssize_t got;
    int fd = openat(dir_fd, FILE_NAME, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? 0 : -1;
    bool ok = true;
    for (off_t at = 0; ok && (got = pread(fd, lines, sizeof lines, at)) > 0; at += got) {
        got -= got % LINE_BYTES;
        if (got == 0) break;
        for (ssize_t i = 0; ok && i < got; i += LINE_BYTES)
            ok = !read_line(lines + i, &one) || add(e, one);
    }
    int err = ok && got >= 0 ? 0 : !ok ? ENOMEM : errno;
    close(fd);
    if (e->n > 0) qsort(e->one, e->n, sizeof *e->one, by_mark);
    errno = err;
    return err == 0 ? 0 : -1;
}

/* The moment up to which nothing of it may stay; 0: it was not forgotten. */
static int64_t until(const struct erased *e, uint64_t mark)
{
    size_t low = 0, high = e->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (e->one[mid].mark <= mark) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low > 0 && e->one[low - 1].mark == mark ? e->one[low - 1].until_ms : 0;
}

bool erased_has(const struct erased *e, const struct hit *hit)
{
    if (e->n == 0 || hit->visitor == 0 || hit->visitor_kind != VISITOR_CONSENTED) return false;
    return hit->at_ms <= until(e, forgotten_mark(hit->site, hit->visitor));
}

int erased_lock(int dir_fd)
{
    int fd = openat(dir_fd, FILE_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return -1;
    while (flock(fd, LOCK_EX) < 0) {
        if (errno == EINTR) continue;
        close(fd);
        return -1;
    }
    return fd;
}

void erased_unlock(int lock)
{
    if (lock >= 0) close(lock);
}

uint64_t erased_count(int lock)
{
    struct stat st;
    return fstat(lock, &st) < 0 ? 0 : (uint64_t)st.st_size / LINE_BYTES;
}

int erased_add(int dir_fd, uint64_t mark, int64_t until_ms)
{
    char line[LINE_BYTES + 1];
    int fd = erased_lock(dir_fd);
    if (fd < 0) return -1;
    off_t end = (off_t)erased_count(fd) * LINE_BYTES;
    snprintf(line, sizeof line, "%016" PRIx64 " %016" PRIx64 "\n", mark, (uint64_t)until_ms);
    bool ok =
        pwrite(fd, line, LINE_BYTES, end) == LINE_BYTES && fsync(fd) == 0 && fsync(dir_fd) == 0;
    int err = errno;
    erased_unlock(fd);
    errno = err;
    return ok ? 0 : -1;
}
