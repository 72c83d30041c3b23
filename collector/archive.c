/*
 * Level 6 takes a second or two for a segment of 64 MB: too long for the shipper's loop. So there
 * is a thread, nice to the others, and a queue of one. More would be a second list of what the
 * journal directory already says: a segment waits there, undeleted, until it is asked about again.
 * Nothing is remembered; after a restart the question finds the file and is answered at once.
 *
 * A file appears under its name when all of it is on the disk. Segments only ever grow, so of two
 * with one name the longer holds the shorter: a journal restored from an older copy never replaces
 * what is archived. The gzip head carries the exact length (the trailer has it modulo 2^32 only).
 *
 * Who was forgotten is left out of what is archived. A command that forgets rewrites the archive
 * itself; the lock of its list decides which of the two comes first.
 *
 * What retention deletes leaves the moment up to which it did, for a rebuild that must know whether
 * it sees everything.
 *
 * Whatever fails leaves the segment in the journal. A full archive disk thus becomes a full journal
 * disk, and then 503: with an archive, what was acknowledged is there to be folded again.
 */
#include "archive.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "bytes.h"
#include "clock.h"
#include "log.h"
#include "redact.h"

enum {
    CHUNK_BYTES = 256 * 1024,
    LEVEL = 6,
    GZIP_WINDOW = 15 + 16, /* zlib: the largest, with gzip's head and trailer */
    NICE = 10,
    PRUNE_MS = 60 * 1000,
    RETRY_MS = 10 * 1000,          /* a full disk is not asked again at each sweep */
    ABANDONED_MS = 3600 * 1000,    /* a temporary file that nobody has written to for so long */
    GZIP_HEAD_BYTES = 10 + 2 + 12, /* with our extra field, "SN": the length */
    TEMPORARY_NAME_BYTES = ARCHIVE_NAME_BYTES + 1 + 9,
};

#define FORGOTTEN "forgotten" /* a file: everything of before the moment in it may be deleted */

enum { IDLE = ARCHIVE_FAILED + 1 }; /* else state is an archive_answer */

struct archive {
    int64_t keep_ms, max_bytes;
    int dir_fd, wake_fd;
    pthread_t thread;
    bool started;
    int job_fd;     /* a segment and its name: the owner's, but the thread's while it works */
    int job_dir_fd; /* of its journal */
    struct segment_name job;
    _Atomic int state;
    _Atomic bool stopping;
    int64_t retry_ms; /* the owner's; monotonic */
    _Atomic uint64_t segments, bytes, stored, failed, pruned;
};

/* ---- names ---- */

void archive_name_format(const struct segment_name *n, char out[ARCHIVE_NAME_BYTES])
{
    segment_name_format(n, out);
    memcpy(out + SEGMENT_NAME_BYTES - 1, ".gz", 4);
}

/* A segment's name, and then `end` or, with more, something that begins so. */
static bool parse_name(const char *file, const char *end, bool more, struct segment_name *out)
{
    char name[SEGMENT_NAME_BYTES];
    size_t n = SEGMENT_NAME_BYTES - 1, ending = strlen(end);
    if (strlen(file) < n + ending) return false;
    memcpy(name, file, n);
    name[n] = '\0';
    if (strncmp(file + n, end, ending) != 0 || (!more && file[n + ending] != '\0')) return false;
    return segment_name_parse(name, out);
}

bool archive_name_parse(const char *file, struct segment_name *out)
{
    return parse_name(file, ".gz", false, out);
}

static bool is_temporary(const char *file)
{
    struct segment_name name;
    return file[0] == '.' && parse_name(file + 1, ".gz.", true, &name);
}

/* ---- compressing ---- */

static bool write_whole(int fd, const unsigned char *p, size_t n)
{
    while (n > 0) {
        ssize_t did = write(fd, p, n);
        if (did < 0 && errno == EINTR) continue;
        if (did <= 0) return false;
        p += did;
        n -= (size_t)did;
    }
    return true;
}

static bool read_whole(int fd, unsigned char *p, size_t n)
{
    while (n > 0) {
        ssize_t did = read(fd, p, n);
        if (did < 0 && errno == EINTR) continue;
        if (did == 0) errno = ENODATA; /* shorter than it was said to be */
        if (did <= 0) return false;
        p += did;
        n -= (size_t)did;
    }
    return true;
}

/* All of z's input, and what comes out of it. */
static bool deflate_chunk(z_stream *z, int flush, unsigned char *room, int out)
{
    do {
        z->next_out = room;
        z->avail_out = CHUNK_BYTES;
        deflate(z, flush);
        if (!write_whole(out, room, CHUNK_BYTES - z->avail_out)) return false;
    } while (z->avail_out == 0);
    return true;
}

static bool deflate_all(struct archive *a, z_stream *z, unsigned char *memory, int in, int out,
                        uint64_t bytes)
{
    do {
        size_t n = bytes < CHUNK_BYTES ? (size_t)bytes : CHUNK_BYTES;
        errno = ECANCELED;
        if (atomic_load(&a->stopping) || !read_whole(in, memory, n)) return false;
        bytes -= n;
        z->next_in = memory;
        z->avail_in = (uInt)n;
        int flush = bytes == 0 ? Z_FINISH : Z_NO_FLUSH;
        if (!deflate_chunk(z, flush, memory + CHUNK_BYTES, out)) return false;
    } while (bytes > 0);
    return true;
}

static bool compress_file(struct archive *a, int in, int out, uint64_t bytes)
{
    unsigned char extra[12] = {'S', 'N', 8, 0};
    gz_header head = {.os = 255, .extra = extra, .extra_len = sizeof extra};
    z_stream z = {.next_in = NULL};
    unsigned char *memory = malloc(2 * CHUNK_BYTES);
    store_le64(extra + 4, bytes);
    errno = ENOMEM;
    bool ready = memory != NULL &&
                 deflateInit2(&z, LEVEL, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) == Z_OK;
    if (ready) deflateSetHeader(&z, &head);
    bool ok = ready && deflate_all(a, &z, memory, in, out, bytes);
    int err = errno;
    if (ready) deflateEnd(&z);
    free(memory);
    errno = err;
    return ok;
}

int64_t archive_length(int dir_fd, const char *file)
{
    char head[GZIP_HEAD_BYTES];
    int fd = openat(dir_fd, file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t got = pread(fd, head, sizeof head, 0);
    close(fd);
    bool ours = got == (ssize_t)sizeof head && memcmp(head, "\x1f\x8b\x08\x04", 4) == 0 &&
                memcmp(head + 10, "\x0c\0SN\x08\0", 6) == 0;
    return ours ? (int64_t)load_le64(head + 16) : -1;
}

/* ---- storing ---- */

/* A segment on its way into the archive. */
struct storing {
    int in;
    uint64_t bytes;
    struct timespec times[2];
    int journal_dir_fd; /* -1: it replaces the archived one, from which it was made */
    uint64_t erased;    /* how many had been forgotten when these were left out of it */
    uid_t owner;        /* of the archived one that it replaces */
    gid_t group;
    char file[ARCHIVE_NAME_BYTES];
};

/* Whoever is forgotten from now on finds the file. */
static bool rename_new(const struct archive *a, const struct storing *s, const char *temporary)
{
    int lock = erased_lock(s->journal_dir_fd);
    bool newest = lock >= 0 && erased_count(lock) == s->erased;
    if (lock >= 0 && !newest) errno = EAGAIN;
    bool ok = newest && renameat(a->dir_fd, temporary, a->dir_fd, s->file) == 0;
    int err = errno;
    erased_unlock(lock);
    errno = err;
    return ok;
}

/* The file gets the segment's time, by which its age is told, and then its name. */
static bool finish(const struct archive *a, int out, const struct storing *s, const char *temporary)
{
    bool replaces = s->journal_dir_fd < 0;
    if (futimens(out, s->times) < 0 || fsync(out) < 0) return false;
    if (replaces && geteuid() == 0 && fchown(out, s->owner, s->group) < 0) return false;
    if (!(replaces ? redact_exchange(a->dir_fd, temporary, s->file) == 0
                   : rename_new(a, s, temporary)))
        return false;
    return fsync(a->dir_fd) == 0;
}

static bool store_new(struct archive *a, const struct storing *s)
{
    char temporary[TEMPORARY_NAME_BYTES];
    unsigned random = randombytes_random();
    if (s->journal_dir_fd < 0) /* no other process takes this one for abandoned */
        snprintf(temporary, sizeof temporary, REDACT_LEFT_OVER "%s", s->file);
    else
        snprintf(temporary, sizeof temporary, ".%s.%08x", s->file, random);
    int out = openat(a->dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out < 0) return false;
    bool ok = compress_file(a, s->in, out, s->bytes) && finish(a, out, s, temporary);
    int err = errno;
    close(out);
    if (!ok) unlinkat(a->dir_fd, temporary, 0);
    errno = err;
    return ok;
}

/* A copy without those who were forgotten by now, unless none of them is in it. */
static bool clean(struct archive *a, int in, const struct segment_name *name, struct storing *s)
{
    struct erased e = {.n = 0};
    int lock = erased_lock(s->journal_dir_fd);
    if (lock >= 0) s->erased = erased_count(lock);
    erased_unlock(lock);
    bool ok = lock >= 0 && erased_load(&e, s->journal_dir_fd) == 0;
    s->in = ok ? redact_clean(in, name, &e, a->dir_fd) : -1;
    int err = errno;
    erased_fini(&e);
    errno = err;
    return s->in >= 0;
}

static bool store(struct archive *a, int journal_dir_fd, int in, const struct segment_name *name)
{
    struct storing s = {.journal_dir_fd = journal_dir_fd};
    struct stat st;
    bool ok;
    archive_name_format(name, s.file);
    if (fstat(in, &st) < 0) return false;
    if (archive_length(a->dir_fd, s.file) >= st.st_size) return fsync(a->dir_fd) == 0;
    s.bytes = (uint64_t)st.st_size;
    s.times[0] = s.times[1] = st.st_mtim;
    do {
        ok = clean(a, in, name, &s) && lseek(s.in, 0, SEEK_SET) == 0 && store_new(a, &s);
        int err = errno;
        if (s.in >= 0) close(s.in);
        errno = err;
    } while (!ok && errno == EAGAIN); /* somebody was forgotten meanwhile */
    if (ok) atomic_fetch_add(&a->stored, 1);
    return ok;
}

int archive_replace(int dir_fd, int in, const struct segment_name *name)
{
    struct archive a = {.dir_fd = dir_fd};
    struct storing s = {.in = in, .journal_dir_fd = -1};
    struct stat st;
    archive_name_format(name, s.file);
    if (fstatat(dir_fd, s.file, &st, AT_SYMLINK_NOFOLLOW) < 0) return -1;
    s.times[0] = s.times[1] = st.st_mtim;
    s.owner = st.st_uid;
    s.group = st.st_gid;
    if (fstat(in, &st) < 0 || lseek(in, 0, SEEK_SET) < 0) return -1;
    s.bytes = (uint64_t)st.st_size;
    return store_new(&a, &s) ? 0 : -1;
}

/* -1 for what is_stored says no to; being stopped is no failure. */
static int told(struct archive *a, bool is_stored)
{
    if (is_stored) return 0;
    if (errno == ECANCELED) return -1;
    int err = errno;
    atomic_fetch_add(&a->failed, 1);
    log_error("archive.store", "err=%s; the segment stays in the journal", strerror(err));
    errno = err;
    return -1;
}

static int open_segment(int journal_dir_fd, const struct segment_name *name)
{
    char file[SEGMENT_NAME_BYTES];
    segment_name_format(name, file);
    return openat(journal_dir_fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

int archive_store(struct archive *a, int journal_dir_fd, const struct segment_name *name)
{
    int in = open_segment(journal_dir_fd, name);
    int result = told(a, in >= 0 && store(a, journal_dir_fd, in, name)), err = errno;
    if (in >= 0) close(in);
    errno = err;
    return result;
}

/* ---- the thread ---- */

static void close_job(struct archive *a)
{
    if (a->job_fd >= 0) close(a->job_fd);
    if (a->job_dir_fd >= 0) close(a->job_dir_fd);
    a->job_fd = a->job_dir_fd = -1;
}

static void *run(void *arg)
{
    struct archive *a = arg;
    struct pollfd wake = {.fd = a->wake_fd, .events = POLLIN};
    uint64_t times;
    setpriority(PRIO_PROCESS, (id_t)gettid(), NICE); /* on Linux: of this thread alone */
    while (!atomic_load(&a->stopping)) {
        if (poll(&wake, 1, PRUNE_MS) > 0 && read(a->wake_fd, &times, sizeof times) < 0) continue;
        if (atomic_load(&a->state) == ARCHIVE_WORKING) {
            int result = told(a, store(a, a->job_dir_fd, a->job_fd, &a->job));
            close_job(a);
            atomic_store(&a->state, result == 0 ? ARCHIVE_STORED : ARCHIVE_FAILED);
        }
        archive_prune(a, clock_ms());
    }
    return NULL;
}

static void wake_thread(struct archive *a)
{
    while (write(a->wake_fd, &(uint64_t){1}, 8) < 0 && errno == EINTR)
        ;
}

enum archive_answer archive_take(struct archive *a, int journal_dir_fd,
                                 const struct segment_name *name)
{
    int state = atomic_load(&a->state);
    if (state == ARCHIVE_WORKING) return ARCHIVE_WORKING;
    atomic_store(&a->state, IDLE);
    bool same = memcmp(a->job.producer, name->producer, PRODUCER_BYTES) == 0 &&
                a->job.first_seq == name->first_seq;
    if (state == ARCHIVE_STORED && same) return ARCHIVE_STORED;
    int64_t now = clock_mono_ms();
    if (state == ARCHIVE_FAILED) a->retry_ms = now + RETRY_MS;
    if (now < a->retry_ms) return ARCHIVE_FAILED;
    a->job_fd = open_segment(journal_dir_fd, name);
    a->job_dir_fd = openat(journal_dir_fd, ".", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    if (told(a, a->job_fd >= 0 && a->job_dir_fd >= 0) < 0) {
        close_job(a);
        a->retry_ms = now + RETRY_MS;
        return ARCHIVE_FAILED;
    }
    a->job = *name;
    atomic_store(&a->state, ARCHIVE_WORKING);
    wake_thread(a);
    return ARCHIVE_WORKING;
}

/* Signals are for the threads that wait for them. */
static bool start(struct archive *a)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int err = pthread_create(&a->thread, NULL, run, a);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = err;
    return a->started = err == 0;
}

struct archive *archive_open(const struct archive_opts *opts)
{
    struct archive *a = calloc(1, sizeof *a);
    if (a == NULL) return NULL;
    *a = (struct archive){.keep_ms = opts->keep_ms, .max_bytes = opts->max_bytes, .state = IDLE};
    a->dir_fd = a->job_fd = a->job_dir_fd = a->wake_fd = -1;
    if (mkdir(opts->dir, 0750) < 0 && errno != EEXIST) goto fail;
    if ((a->dir_fd = open(opts->dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC)) < 0) goto fail;
    if (faccessat(a->dir_fd, ".", W_OK | X_OK, AT_EACCESS) < 0) goto fail;
    if ((a->wake_fd = eventfd(0, EFD_CLOEXEC)) >= 0 && start(a)) return a;
fail:
    log_error("archive.open", "dir=%s err=%s", opts->dir, strerror(errno));
    int err = errno;
    archive_close(a);
    errno = err;
    return NULL;
}

void archive_close(struct archive *a)
{
    if (a == NULL) return;
    atomic_store(&a->stopping, true);
    if (a->started) {
        wake_thread(a);
        pthread_join(a->thread, NULL);
    }
    close_job(a); /* taken, not begun */
    if (a->wake_fd >= 0) close(a->wake_fd);
    if (a->dir_fd >= 0) close(a->dir_fd);
    free(a);
}

/* ---- retention ---- */

struct archived {
    struct segment_name name;
    int64_t mtime_ms;
    uint64_t bytes;
};

struct archived_list {
    struct archived *file;
    size_t n, cap;
};

static int by_age(const void *a, const void *b)
{
    const struct archived *x = a, *y = b;
    if (x->mtime_ms != y->mtime_ms) return x->mtime_ms < y->mtime_ms ? -1 : 1;
    int order = memcmp(x->name.producer, y->name.producer, PRODUCER_BYTES);
    if (order != 0) return order;
    return (x->name.first_seq > y->name.first_seq) - (x->name.first_seq < y->name.first_seq);
}

static bool add(struct archived_list *l, const struct archived *one)
{
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 64 : 2 * l->cap;
        struct archived *grown = realloc(l->file, cap * sizeof *grown);
        if (grown == NULL) return false;
        l->file = grown;
        l->cap = cap;
    }
    l->file[l->n++] = *one;
    return true;
}

/* False: not the whole list; then nothing may be concluded from it. */
static bool list_one(struct archive *a, const char *file, int64_t now_ms, struct archived_list *l)
{
    struct archived one;
    struct stat st;
    bool archived = archive_name_parse(file, &one.name);
    if (!archived && !is_temporary(file)) return true;
    if (fstatat(a->dir_fd, file, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode)) return true;
    one.mtime_ms = st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    one.bytes = (uint64_t)st.st_size;
    if (archived) return add(l, &one);
    if (now_ms - one.mtime_ms > ABANDONED_MS) unlinkat(a->dir_fd, file, 0);
    return true;
}

static bool list(struct archive *a, int64_t now_ms, struct archived_list *l)
{
    int fd = openat(a->dir_fd, ".", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    bool ok = dir != NULL;
    if (!ok && fd >= 0) close(fd);
    for (struct dirent *e; ok && (e = readdir(dir)) != NULL;)
        ok = list_one(a, e->d_name, now_ms, l);
    if (dir != NULL) closedir(dir);
    if (!ok) log_error("archive.list", "err=%s", strerror(errno));
    return ok;
}

static bool drop(struct archive *a, const struct archived *one)
{
    char file[ARCHIVE_NAME_BYTES];
    archive_name_format(&one->name, file);
    if (unlinkat(a->dir_fd, file, 0) == 0) return true;
    log_error("archive.prune", "err=%s", strerror(errno));
    return false;
}

/* How many of the oldest have to go. */
static size_t too_many(const struct archive *a, const struct archived_list *l, uint64_t bytes,
                       int64_t now_ms)
{
    size_t n = 0;
    for (; n < l->n; n++) {
        const struct archived *oldest = &l->file[n];
        bool old = a->keep_ms > 0 && now_ms - oldest->mtime_ms > a->keep_ms;
        bool much = a->max_bytes > 0 && bytes > (uint64_t)a->max_bytes;
        if (!old && !much) break;
        bytes -= oldest->bytes;
    }
    return n;
}

int64_t archive_forgotten_ms(int dir_fd)
{
    char text[32] = "";
    int fd = openat(dir_fd, FORGOTTEN, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    return got > 0 ? strtoll(text, NULL, 10) : 0;
}

/* Before anything is deleted: a producer that is gone as a whole leaves no other trace here. */
static bool leave_trace(struct archive *a, int64_t mtime_ms)
{
    char text[32];
    if (archive_forgotten_ms(a->dir_fd) >= mtime_ms) return true;
    int n = snprintf(text, sizeof text, "%lld\n", (long long)mtime_ms);
    int fd = openat(a->dir_fd, FORGOTTEN ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write_whole(fd, (const unsigned char *)text, (size_t)n) &&
              fsync(fd) == 0 && renameat(a->dir_fd, FORGOTTEN ".new", a->dir_fd, FORGOTTEN) == 0 &&
              fsync(a->dir_fd) == 0;
    if (!ok) log_error("archive.prune", "name=" FORGOTTEN " err=%s", strerror(errno));
    if (fd >= 0) close(fd);
    return ok;
}

unsigned archive_prune(struct archive *a, int64_t now_ms)
{
    struct archived_list l = {.n = 0};
    uint64_t bytes = 0;
    size_t gone = 0;
    if (list(a, now_ms, &l)) {
        for (size_t i = 0; i < l.n; i++)
            bytes += l.file[i].bytes;
        if (l.n > 0) qsort(l.file, l.n, sizeof *l.file, by_age);
        size_t going = too_many(a, &l, bytes, now_ms);
        if (going > 0 && !leave_trace(a, l.file[going - 1].mtime_ms)) going = 0;
        for (; gone < going && drop(a, &l.file[gone]); gone++)
            bytes -= l.file[gone].bytes;
        atomic_store(&a->segments, l.n - gone);
        atomic_store(&a->bytes, bytes);
        atomic_fetch_add(&a->pruned, gone);
    }
    free(l.file);
    return (unsigned)gone;
}

void archive_stats(const struct archive *a, struct archive_stats *out)
{
    *out = (struct archive_stats){
        .segments = atomic_load(&a->segments),
        .bytes = atomic_load(&a->bytes),
        .stored = atomic_load(&a->stored),
        .failed = atomic_load(&a->failed),
        .pruned = atomic_load(&a->pruned),
    };
}

/* ---- unpacking ---- */

struct unpacking {
    z_stream z;
    unsigned char in[CHUNK_BYTES], out[CHUNK_BYTES];
    int from, to;
};

/* More of the file as z's input. 1; 0: its end; -1: errno. */
static int refill(struct unpacking *u)
{
    ssize_t got;
    do {
        got = read(u->from, u->in, CHUNK_BYTES);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) return (int)got;
    u->z.next_in = u->in;
    u->z.avail_in = (uInt)got;
    return 1;
}

static enum unpack_result unpack(struct unpacking *u, const char **why)
{
    for (int did = Z_OK; did != Z_STREAM_END;) {
        if (u->z.avail_in == 0 && refill(u) < 0) return UNPACK_FAILED;
        u->z.next_out = u->out;
        u->z.avail_out = CHUNK_BYTES;
        did = inflate(&u->z, Z_NO_FLUSH);
        if (!write_whole(u->to, u->out, CHUNK_BYTES - u->z.avail_out)) return UNPACK_FAILED;
        *why = "the gzip data ends too early";
        if (did == Z_BUF_ERROR) return UNPACK_DAMAGED; /* it could do nothing: no more input */
        *why = u->z.msg != NULL ? u->z.msg : "the gzip data is damaged"; /* zlib's are constants */
        if (did != Z_OK && did != Z_STREAM_END) return UNPACK_DAMAGED;
    }
    int more = u->z.avail_in > 0 ? 1 : refill(u);
    *why = "something follows the gzip data";
    return more < 0 ? UNPACK_FAILED : more > 0 ? UNPACK_DAMAGED : UNPACK_OK;
}

size_t archive_peek(int fd, void *out, size_t n)
{
    unsigned char in[4096];
    z_stream z = {.next_in = NULL};
    ssize_t got = pread(fd, in, sizeof in, 0);
    if (got <= 0 || inflateInit2(&z, GZIP_WINDOW) != Z_OK) return 0;
    z.next_in = in;
    z.avail_in = (uInt)got;
    z.next_out = out;
    z.avail_out = (uInt)n;
    inflate(&z, Z_SYNC_FLUSH);
    inflateEnd(&z);
    return n - z.avail_out;
}

enum unpack_result archive_unpack(int from, int to, const char **why)
{
    enum unpack_result result = UNPACK_FAILED;
    struct unpacking *u = malloc(sizeof *u);
    if (u == NULL) return UNPACK_FAILED;
    u->z = (z_stream){.next_in = NULL};
    u->from = from;
    u->to = to;
    errno = ENOMEM;
    if (inflateInit2(&u->z, GZIP_WINDOW) == Z_OK) {
        result = unpack(u, why);
        int err = errno;
        inflateEnd(&u->z);
        errno = err;
    }
    free(u);
    return result;
}
