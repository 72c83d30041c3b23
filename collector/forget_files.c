/*
 * A file is rewritten beside itself and then changes places with what was made of it: whoever has
 * it open reads on in what was there, at the same offsets; whoever opens it finds one of the two,
 * whole; and a kill leaves one of the two. One that has been deleted meanwhile stays deleted: to
 * bring it back would count its hits twice.
 *
 * Times of files are kept: they say when a segment was shipped, and so when it is to go.
 */
#include "forget_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive.h"

enum { NAME_BYTES = ARCHIVE_NAME_BYTES + 24 };

static int fail(struct buf *err, const char *file, const char *what)
{
    buf_printf(err, "%s: %s%s", file, what, strerror(errno));
    return -1;
}

/* ---- names ---- */

void forget_names_fini(struct forget_names *l)
{
    free(l->name);
    *l = (struct forget_names){.n = 0};
}

static bool add(struct forget_names *l, const struct segment_name *name)
{
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 64 : 2 * l->cap;
        struct segment_name *grown = realloc(l->name, cap * sizeof *grown);
        if (grown == NULL) return false;
        l->name = grown;
        l->cap = cap;
    }
    l->name[l->n++] = *name;
    return true;
}

static DIR *open_list(int dir_fd)
{
    int fd = openat(dir_fd, ".", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL && fd >= 0) close(fd);
    return dir;
}

int forget_names_list(int dir_fd, bool archive, struct forget_names *out, struct buf *err)
{
    struct segment_name name;
    DIR *dir = open_list(dir_fd);
    bool ok = dir != NULL;
    errno = ok ? 0 : errno;
    for (struct dirent *e; ok && (e = readdir(dir)) != NULL;) {
        bool is =
            archive ? archive_name_parse(e->d_name, &name) : segment_name_parse(e->d_name, &name);
        ok = !is || add(out, &name);
        errno = ok ? 0 : ENOMEM;
    }
    int why = errno;
    if (dir != NULL) closedir(dir);
    errno = why;
    return why == 0 ? 0 : fail(err, archive ? "the archive" : "the journal", "");
}

void forget_files_tidy(int dir_fd)
{
    DIR *dir = open_list(dir_fd);
    if (dir == NULL) return;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (str_starts(str_of(e->d_name), STR(REDACT_LEFT_OVER))) unlinkat(dir_fd, e->d_name, 0);
    }
    closedir(dir);
}

/* ---- one file ---- */

/* Is there a record of theirs? What is no segment that can be read counts as such. */
static bool look(int fd, const struct segment_name *name, const struct erased *e,
                 struct forget_files *out, struct redact_count *count)
{
    struct stat st;
    out->segments++;
    if (redact_look(fd, name, e, count) < 0) {
        if (fstat(fd, &st) == 0) out->unreadable += (uint64_t)st.st_size;
        return false;
    }
    out->unreadable += count->unreadable;
    return count->records > 0;
}

/* What rewriting it came to: 0, also when it is gone; -1 with a message. */
static int note(int result, const char *file, const struct redact_count *count,
                struct forget_files *out, struct buf *err)
{
    if (result < 0) return errno == ENOENT ? 0 : fail(err, file, "it cannot be rewritten: ");
    out->rewritten++;
    out->hits += count->hits;
    return 0;
}

static bool like(int made, const struct stat *st)
{
    const struct timespec times[2] = {st->st_mtim, st->st_mtim};
    struct stat own;
    if (fstat(made, &own) < 0) return false;
    if ((own.st_uid != st->st_uid || own.st_gid != st->st_gid) &&
        fchown(made, st->st_uid, st->st_gid) < 0)
        return false;
    return fchmod(made, st->st_mode & 0777) == 0 && futimens(made, times) == 0 && fsync(made) == 0;
}

static int rewrite(int dir_fd, int from, const char *file, const struct segment_name *name,
                   const struct erased *e)
{
    char made[NAME_BYTES];
    struct redact_count count;
    struct stat st;
    snprintf(made, sizeof made, REDACT_LEFT_OVER "%s", file);
    int to = openat(dir_fd, made, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (to < 0) return -1;
    bool ok = fstat(from, &st) == 0 && redact_copy_file(from, to) == 0 &&
              redact_copy(to, name, e, &count) == 0 && like(to, &st) &&
              redact_exchange(dir_fd, made, file) == 0 && fsync(dir_fd) == 0;
    int err = errno;
    close(to);
    if (!ok) unlinkat(dir_fd, made, 0);
    errno = err;
    return ok ? 0 : -1;
}

static int one_segment(int dir_fd, const struct segment_name *name, const struct erased *e,
                       struct forget_files *out, struct buf *err)
{
    char file[SEGMENT_NAME_BYTES];
    struct redact_count count;
    segment_name_format(name, file);
    int fd = openat(dir_fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return errno == ENOENT ? 0 : fail(err, file, "");
    int result = 0;
    if (look(fd, name, e, out, &count))
        result = note(rewrite(dir_fd, fd, file, name, e), file, &count, out, err);
    close(fd);
    return result;
}

int forget_journal(int dir_fd, const struct forget_names *names, const struct erased *e,
                   const struct forget_tick *tick, struct forget_files *out, struct buf *err)
{
    for (size_t i = 0; i < names->n; i++) {
        if (!tick->fn(tick->arg)) return -1;
        if (one_segment(dir_fd, &names->name[i], e, out, err) < 0) return -1;
    }
    return 0;
}

/* ---- the archive ---- */

/* What can be unpacked of it. < 0: errno. */
static int unpacked(int dir_fd, const char *file)
{
    const char *why;
    int from = openat(dir_fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int to = from < 0 ? -1 : redact_unnamed_file(dir_fd);
    bool ok = to >= 0 && archive_unpack(from, to, &why) != UNPACK_FAILED;
    int err = errno;
    if (from >= 0) close(from);
    if (!ok && to >= 0) close(to);
    errno = err;
    return ok ? to : -1;
}

static int one_archived(int dir_fd, const struct segment_name *name, const struct erased *e,
                        struct forget_files *out, struct buf *err)
{
    char file[ARCHIVE_NAME_BYTES];
    struct redact_count count;
    archive_name_format(name, file);
    int fd = unpacked(dir_fd, file);
    if (fd < 0) return errno == ENOENT ? 0 : fail(err, file, "");
    int result = 0;
    if (look(fd, name, e, out, &count)) {
        bool ok = redact_copy(fd, name, e, &count) == 0 && archive_replace(dir_fd, fd, name) == 0;
        result = note(ok ? 0 : -1, file, &count, out, err);
    }
    close(fd);
    return result;
}

int forget_archive(int dir_fd, const struct erased *e, const struct forget_tick *tick,
                   struct forget_files *out, struct buf *err)
{
    struct forget_names names = {.n = 0};
    int result = forget_names_list(dir_fd, true, &names, err);
    for (size_t i = 0; result == 0 && i < names.n; i++) {
        result = tick->fn(tick->arg) ? one_archived(dir_fd, &names.name[i], e, out, err) : -1;
    }
    forget_names_fini(&names);
    return result;
}
