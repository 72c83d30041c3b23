/*
 * zlib reads plain files and every member of gzip files through one call. The buffer holds the head
 * from the start, so that the fingerprint is known before the first line and standard input need
 * not be read twice.
 *
 * The last line of a log that is still written may be half a line: the caller is told that it has
 * no line end, and may leave it for the next import, which gives it the same number.
 */
#include "import_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "bytes.h"
#include "logline.h"

enum { BUFFER_BYTES = 1024 * 1024, LINE_BYTES = LOGLINE_MAX_BYTES + 1 };
_Static_assert(BUFFER_BYTES > IMPORT_HEAD_BYTES + LINE_BYTES, "head and a line must fit");

struct import_file {
    gzFile gz;
    int fd;        /* the same file, to ask how far it has been read */
    int64_t bytes; /* of the file on disk; 0: unknown */
    char *buffer;
    char *head;
    size_t head_n;
    size_t at, n; /* unread part of the buffer */
    bool ended, cut;
    uint64_t number;
};

/* More bytes behind the unread ones. False: damaged. */
static bool fill(struct import_file *f)
{
    if (f->ended) return true;
    memmove(f->buffer, f->buffer + f->at, f->n - f->at);
    f->n -= f->at;
    f->at = 0;
    while (f->n < BUFFER_BYTES) {
        int got = gzread(f->gz, f->buffer + f->n, (unsigned)(BUFFER_BYTES - f->n));
        if (got < 0) return false;
        if (got == 0) {
            f->ended = true;
            return true;
        }
        f->n += (size_t)got;
        if (f->n >= IMPORT_HEAD_BYTES) break; /* a pipe gives what it has */
    }
    return true;
}

struct import_file *import_file_open(const char *path)
{
    struct import_file *f = calloc(1, sizeof *f);
    struct stat st;
    if (f == NULL) return NULL;
    f->fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (f->fd < 0 || fstat(f->fd, &st) < 0) goto fail;
    if (S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        goto fail;
    }
    f->bytes = S_ISREG(st.st_mode) ? st.st_size : 0;
    int again = dup(f->fd);
    f->gz = again < 0 ? NULL : gzdopen(again, "rb");
    f->buffer = malloc(BUFFER_BYTES);
    f->head = malloc(IMPORT_HEAD_BYTES);
    if (f->gz == NULL || f->buffer == NULL || f->head == NULL) goto fail;
    gzbuffer(f->gz, 256 * 1024);
    fill(f); /* damage in the head shows again at the first line */
    f->head_n = f->n < IMPORT_HEAD_BYTES ? f->n : IMPORT_HEAD_BYTES;
    memcpy(f->head, f->buffer, f->head_n);
    return f;
fail:
    import_file_close(f);
    return NULL;
}

void import_file_close(struct import_file *f)
{
    if (f == NULL) return;
    int err = errno;
    if (f->gz != NULL) gzclose(f->gz);
    if (f->fd >= 0) close(f->fd);
    free(f->buffer);
    free(f->head);
    free(f);
    errno = err;
}

struct str import_file_head(const struct import_file *f)
{
    return (struct str){f->head, f->head_n};
}

void import_file_fingerprint(const struct import_file *f, struct str site, size_t n,
                             unsigned char out[PRODUCER_BYTES])
{
    crypto_generichash_state state;
    char length[8];
    store_le64(length, site.n);
    crypto_generichash_init(&state, NULL, 0, PRODUCER_BYTES);
    crypto_generichash_update(&state, (const unsigned char *)length, sizeof length);
    crypto_generichash_update(&state, (const unsigned char *)site.p, site.n);
    crypto_generichash_update(&state, (const unsigned char *)f->head, n);
    crypto_generichash_final(&state, out, PRODUCER_BYTES);
}

/* The rest of a line that does not fit is skipped; false: damaged. */
static bool skip_rest(struct import_file *f)
{
    for (;;) {
        struct str left = {f->buffer + f->at, f->n - f->at};
        size_t end = str_find(left, '\n');
        f->at += end < left.n ? end + 1 : left.n;
        if (end < left.n || f->ended) return true;
        if (!fill(f)) return false;
    }
}

int import_file_line(struct import_file *f, struct str *line, bool *too_long, const char **why)
{
    struct str left = {f->buffer + f->at, f->n - f->at};
    size_t end = str_find(left, '\n');
    int err;
    *why = NULL;
    while (end == left.n && left.n < LINE_BYTES && !f->ended) {
        if (!fill(f)) {
            *why = gzerror(f->gz, &err);
            return -1;
        }
        left = (struct str){f->buffer + f->at, f->n - f->at};
        end = str_find(left, '\n');
    }
    *too_long = end > LOGLINE_MAX_BYTES;
    if (left.n == 0 || (end == left.n && !*too_long)) {
        gzerror(f->gz, &err);
        if (err != Z_OK && err != Z_STREAM_END) {
            *why = "the gzip data ends too early";
            return -1;
        }
        if (left.n == 0) return 0;
        f->cut = true;
    }
    f->number++;
    *line = str_upto(left, *too_long ? LOGLINE_MAX_BYTES : end);
    if (!*too_long && end > 0 && line->p[end - 1] == '\r') line->n--;
    if (!*too_long) f->at += f->cut ? end : end + 1;
    if (*too_long && !skip_rest(f)) {
        *why = gzerror(f->gz, &err);
        return -1;
    }
    return 1;
}

uint64_t import_file_number(const struct import_file *f)
{
    return f->number;
}

bool import_file_cut(const struct import_file *f)
{
    return f->cut;
}

double import_file_share(const struct import_file *f)
{
    off_t at = f->bytes > 0 ? lseek(f->fd, 0, SEEK_CUR) : -1; /* shared with the descriptor of gz */
    return at < 0 ? -1 : (double)at / (double)f->bytes;
}
