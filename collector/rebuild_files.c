/*
 * A segment leaves a journal only after it has its name in the archive. So journals are listed, and
 * their files opened, before archives: one that moves meanwhile is found twice, which does no harm,
 * but never not at all. Nothing here writes.
 */
#include "rebuild_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive.h"
#include "bytes.h"

enum { CREATED_AT = 32 /* in a segment's head */ };

int rebuild_files_init(struct rebuild_files *f, unsigned partitions)
{
    struct rlimit files;
    *f = (struct rebuild_files){.partitions = partitions};
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max; /* a descriptor for each segment of the journals */
        setrlimit(RLIMIT_NOFILE, &files);
    }
    f->coverage = calloc(partitions, sizeof *f->coverage);
    return f->coverage == NULL ? -1 : 0;
}

void rebuild_files_fini(struct rebuild_files *f)
{
    for (size_t i = 0; i < f->n; i++)
        rebuild_lane_free(f->lane[i]);
    free(f->lane);
    for (unsigned i = 0; i < f->journals; i++)
        close(f->journal[i].fd);
    for (unsigned i = 0; i < f->archives; i++)
        close(f->archive[i].fd);
    free(f->coverage);
    merge_fini(&f->merge);
    erased_fini(&f->erased);
}

static int add_dir(struct rebuild_dir *dirs, unsigned *n, const char *path, struct buf *err)
{
    struct rebuild_dir *d = &dirs[*n];
    if (*n == REBUILD_DIRS_MAX) {
        buf_printf(err, "more than %d directories", REBUILD_DIRS_MAX);
        return -1;
    }
    snprintf(d->path, sizeof d->path, "%s", path);
    d->fd = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    if (d->fd < 0) {
        buf_printf(err, "%s: %s", path, strerror(errno));
        return -1;
    }
    (*n)++;
    return 0;
}

int rebuild_files_add_journal(struct rebuild_files *f, const char *dir, struct buf *err)
{
    char inside[sizeof f->journal[0].path];
    struct stat st;
    snprintf(inside, sizeof inside, "%s/journal", dir);
    bool is_data = stat(inside, &st) == 0 && S_ISDIR(st.st_mode);
    return add_dir(f->journal, &f->journals, is_data ? inside : dir, err);
}

int rebuild_files_add_archive(struct rebuild_files *f, const char *dir, struct buf *err)
{
    return add_dir(f->archive, &f->archives, dir, err);
}

struct rebuild_lane *rebuild_files_find(struct rebuild_files *f, const unsigned char *producer,
                                        bool make)
{
    size_t low = 0, high = f->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = memcmp(f->lane[mid]->producer, producer, PRODUCER_BYTES);
        if (order == 0) return f->lane[mid];
        if (order < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    if (!make) return NULL;
    if (f->n == f->cap) {
        size_t cap = f->cap == 0 ? 16 : 2 * f->cap;
        struct rebuild_lane **grown = realloc(f->lane, cap * sizeof(struct rebuild_lane *));
        if (grown == NULL) return NULL;
        f->lane = grown;
        f->cap = cap;
    }
    struct rebuild_lane *l = rebuild_lane_new(producer, f->partitions);
    if (l == NULL) return NULL;
    memmove(&f->lane[low + 1], &f->lane[low], (f->n - low) * sizeof(struct rebuild_lane *));
    f->lane[low] = l;
    f->n++;
    return l;
}

/* ---- listing ---- */

static int64_t created(const char *head, size_t n, const struct stat *st)
{
    int64_t mtime_ms = (int64_t)st->st_mtim.tv_sec * 1000;
    if (n < SEGMENT_HEAD_BYTES || memcmp(head, "SNTRSEG1", 8) != 0) return mtime_ms;
    uint64_t ms = load_le64(head + CREATED_AT);
    return ms <= (uint64_t)mtime_ms + 1000 ? (int64_t)ms : mtime_ms;
}

static bool add_segment(struct rebuild_files *f, const struct segment_name *name,
                        struct rebuild_segment *found)
{
    struct rebuild_lane *l = rebuild_files_find(f, name->producer, true);
    found->first_seq = name->first_seq;
    return l != NULL && rebuild_lane_add(l, found);
}

/* False: errno. One that has just been deleted is no failure: the archive has it, or nobody. */
static bool list_journal_file(struct rebuild_files *f, int dir_fd, const char *file)
{
    struct segment_name name;
    struct stat st;
    char head[SEGMENT_HEAD_BYTES];
    if (!segment_name_parse(file, &name)) return true;
    int fd = openat(dir_fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return errno == ENOENT;
    ssize_t got = fstat(fd, &st) < 0 ? -1 : pread(fd, head, sizeof head, 0);
    struct rebuild_segment found = {.dir_fd = -1, .fd = fd};
    if (got >= 0) {
        found.bytes = (uint64_t)st.st_size;
        found.created_ms = created(head, (size_t)got, &st);
        if (add_segment(f, &name, &found)) return true;
        errno = ENOMEM;
    }
    int err = errno;
    close(fd);
    errno = err;
    return false;
}

static bool list_archive_file(struct rebuild_files *f, int dir_fd, const char *file)
{
    struct segment_name name;
    struct stat st;
    char head[SEGMENT_HEAD_BYTES];
    if (!archive_name_parse(file, &name)) return true;
    int64_t length = archive_length(dir_fd, file);
    int fd = length < 0 ? -1 : openat(dir_fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return length < 0 || errno == ENOENT; /* pruned just now, or not ours */
    bool ok = fstat(fd, &st) == 0;
    size_t got = ok ? archive_peek(fd, head, sizeof head) : 0;
    int err = errno;
    close(fd);
    errno = err;
    struct rebuild_segment found = {.dir_fd = dir_fd, .fd = -1, .bytes = (uint64_t)length};
    if (!ok) return false;
    found.created_ms = created(head, got, &st);
    errno = ENOMEM;
    return add_segment(f, &name, &found);
}

static int list(struct rebuild_files *f, const struct rebuild_dir *d, struct buf *err,
                bool (*one)(struct rebuild_files *, int, const char *))
{
    int fd = openat(d->fd, ".", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL && fd >= 0) close(fd);
    bool ok = dir != NULL;
    errno = ok ? 0 : errno;
    for (struct dirent *e; ok && (e = readdir(dir)) != NULL;) {
        ok = one(f, d->fd, e->d_name);
        if (ok) errno = 0;
    }
    int why = errno;
    if (dir != NULL) closedir(dir);
    if (ok && why == 0) return 0;
    buf_printf(err, "%s: %s", d->path, strerror(why));
    return -1;
}

static int load_erased(struct rebuild_files *f, struct buf *err)
{
    erased_fini(&f->erased);
    for (unsigned i = 0; i < f->journals; i++) {
        if (erased_load(&f->erased, f->journal[i].fd) == 0) continue;
        buf_printf(err, "%s: who was forgotten cannot be read: %s", f->journal[i].path,
                   strerror(errno));
        return -1;
    }
    return 0;
}

int rebuild_files_scan(struct rebuild_files *f, struct buf *err)
{
    if (load_erased(f, err) < 0) return -1;
    for (unsigned i = 0; i < f->journals; i++) {
        if (list(f, &f->journal[i], err, list_journal_file) < 0) return -1;
    }
    for (unsigned i = 0; i < f->archives; i++) {
        if (list(f, &f->archive[i], err, list_archive_file) < 0) return -1;
    }
    f->segments = f->packed = 0;
    for (size_t i = 0; i < f->n; i++) {
        for (size_t k = 0; k < f->lane[i]->segs; k++)
            f->packed += f->lane[i]->seg[k].dir_fd >= 0;
        f->segments += f->lane[i]->segs;
    }
    return 0;
}

/* ---- reading ---- */

int rebuild_files_begin(struct rebuild_files *f)
{
    f->merge.n = 0;
    for (size_t i = 0; i < f->n; i++) {
        if (!rebuild_lane_begin(f->lane[i])) continue;
        if (!merge_add(&f->merge, (struct merge_item){f->lane[i]->key_ms, i})) return -1;
    }
    return 0;
}

enum rebuild_result rebuild_files_next(struct rebuild_files *f, struct rebuild_lane **lane)
{
    while (f->merge.n > 0) {
        const struct merge_item first = f->merge.item[0];
        struct rebuild_lane *l = f->lane[first.lane];
        bool held = l->holding;
        switch (rebuild_lane_next(l, f->coverage)) {
        case REBUILD_FAILED: return REBUILD_FAILED;
        case REBUILD_END: merge_remove_first(&f->merge); continue;
        case REBUILD_RECORD: break;
        }
        *lane = l;
        if (held || l->key_ms == first.ms) return REBUILD_RECORD;
        merge_change_first(&f->merge, l->key_ms);
        if (f->merge.item[0].lane == first.lane) return REBUILD_RECORD;
    }
    return REBUILD_END;
}

/* ---- what is not there ---- */

static uint64_t producers_total(const struct cursor *c, const unsigned char *producer)
{
    for (size_t i = 0; i < c->lines; i++) {
        if (memcmp(c->line[i].producer, producer, PRODUCER_BYTES) == 0) return c->line[i].total;
    }
    return 0;
}

/* Of producers that still have a file there the cursor knows the sum; of all others together what
 * they weighed. What is read of the latter may have come from other collectors, so the answer errs
 * on the side of too little. */
uint64_t rebuild_files_lost(const struct rebuild_files *f)
{
    uint64_t lost = 0, gone = 0, others = 0;
    struct cursor cursor[REBUILD_DIRS_MAX];
    for (unsigned d = 0; d < f->journals; d++) {
        cursor_load(f->journal[d].fd, &cursor[d]);
        gone += cursor[d].gone;
    }
    for (size_t i = 0; i < f->n; i++) {
        uint64_t total = 0;
        for (unsigned d = 0; d < f->journals; d++) {
            uint64_t one = producers_total(&cursor[d], f->lane[i]->producer);
            if (one > total) total = one;
        }
        if (total == 0) others += f->lane[i]->weight;
        if (total > f->lane[i]->weight) lost += total - f->lane[i]->weight;
    }
    for (unsigned d = 0; d < f->journals; d++)
        cursor_fini(&cursor[d]);
    return lost + (gone > others ? gone - others : 0);
}

int64_t rebuild_files_forgotten_ms(const struct rebuild_files *f)
{
    int64_t newest = 0;
    for (unsigned i = 0; i < f->archives; i++) {
        int64_t ms = archive_forgotten_ms(f->archive[i].fd);
        if (ms > newest) newest = ms;
    }
    return newest;
}
