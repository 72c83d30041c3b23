/*
 * What is missing shows by numbers. A worker's numbers rise by one and the table of each segment
 * names the last ones before it, per partition: what the table knows and no earlier file held, was
 * in a file that is not here. It was received before that segment was begun. Imports number their
 * lines, and each line has a record, so a number left out is a missing one; whose partition it was
 * in nobody knows. Inside a segment, what is missing is damage: the live fold did not have it
 * either, unless it came later.
 *
 * A journal's file is read up to the length it had when it was listed; there are whole records or
 * the beginning of one. An archived segment is unpacked into a file without a name while it is
 * read.
 */
#include "rebuild_lane.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "archive.h"
#include "hit.h"
#include "log.h"

enum { PATH_BYTES = 4096 };

struct rebuild_lane *rebuild_lane_new(const unsigned char *producer, unsigned partitions)
{
    struct rebuild_lane *l = calloc(1, sizeof *l);
    if (l == NULL) return NULL;
    l->partitions = partitions;
    memcpy(l->producer, producer, PRODUCER_BYTES);
    l->seen = calloc(5 * (size_t)partitions, sizeof *l->seen);
    if (l->seen == NULL) {
        free(l);
        return NULL;
    }
    l->folded = l->seen + partitions;
    l->got = l->folded + partitions;
    l->had = l->got + partitions;
    l->need = l->had + partitions;
    return l;
}

static void close_fd(struct rebuild_segment *g)
{
    if (g->fd >= 0) close(g->fd);
    g->fd = -1;
}

void rebuild_lane_free(struct rebuild_lane *l)
{
    if (l == NULL) return;
    segment_close(l->reader);
    for (size_t i = 0; i < l->segs; i++)
        close_fd(&l->seg[i]);
    free(l->seg);
    free(l->seen);
    free(l);
}

/* The same segment, seen again or in another directory: of two, the longer holds the shorter. */
static void learn(struct rebuild_segment *g, const struct rebuild_segment *found)
{
    if (found->dir_fd >= 0) g->dir_fd = found->dir_fd;
    bool better = found->bytes > g->bytes || (found->fd >= 0 && g->fd < 0);
    if (found->bytes >= g->bytes && better && g->done < found->bytes) {
        if (found->fd >= 0 || found->bytes > g->bytes) close_fd(g);
        g->fd = found->fd;
        g->bytes = found->bytes;
        if (g->created_ms == 0) g->created_ms = found->created_ms;
    } else if (found->fd >= 0) {
        close(found->fd);
    }
}

bool rebuild_lane_add(struct rebuild_lane *l, const struct rebuild_segment *found)
{
    size_t i = l->segs;
    while (i > 0 && l->seg[i - 1].first_seq > found->first_seq)
        i--;
    if (i > 0 && l->seg[i - 1].first_seq == found->first_seq) {
        learn(&l->seg[i - 1], found);
        return true;
    }
    if (l->segs == l->cap) {
        size_t cap = l->cap == 0 ? 4 : 2 * l->cap;
        struct rebuild_segment *grown = realloc(l->seg, cap * sizeof *grown);
        if (grown == NULL) return false;
        l->seg = grown;
        l->cap = cap;
    }
    memmove(&l->seg[i + 1], &l->seg[i], (l->segs - i) * sizeof *l->seg);
    l->seg[i] = *found;
    l->segs++;
    return true;
}

static bool finished(const struct rebuild_segment *g)
{
    return g->opened && g->done >= g->bytes;
}

bool rebuild_lane_begin(struct rebuild_lane *l)
{
    l->at = 0;
    while (l->at < l->segs && finished(&l->seg[l->at]))
        l->at++;
    if (l->at < l->segs) l->key_ms = l->seg[l->at].created_ms;
    return l->at < l->segs;
}

/* ---- opening ---- */

static int unnamed_file(void)
{
    const char *dir = getenv("TMPDIR");
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/sentier-rebuild-XXXXXX",
             dir == NULL || dir[0] == '\0' ? "/tmp" : dir);
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) unlink(path);
    return fd;
}

static int unpack(const struct rebuild_segment *g, const struct segment_name *name)
{
    char file[ARCHIVE_NAME_BYTES];
    const char *why = NULL;
    archive_name_format(name, file);
    int from = openat(g->dir_fd, file, O_RDONLY | O_CLOEXEC);
    int to = from < 0 ? -1 : unnamed_file();
    enum unpack_result did = to < 0 ? UNPACK_FAILED : archive_unpack(from, to, &why);
    int err = errno;
    if (from >= 0) close(from);
    if (did == UNPACK_DAMAGED) log_error("rebuild.damage", "file=%s why=%s", file, why);
    if (did != UNPACK_FAILED) return to;
    if (to >= 0) close(to);
    errno = err;
    return -1;
}

static struct segment_reader *open_reader(struct rebuild_lane *l, struct rebuild_segment *g)
{
    struct segment_name name = {.first_seq = g->first_seq};
    memcpy(name.producer, l->producer, PRODUCER_BYTES);
    int fd = g->fd >= 0 ? fcntl(g->fd, F_DUPFD_CLOEXEC, 0) : unpack(g, &name);
    return fd < 0 ? NULL : segment_take(fd, &name);
}

static void note_hole(struct rebuild_lane *l, struct coverage *c, int64_t until_ms)
{
    c->holes++;
    if (until_ms > c->until_ms) c->until_ms = until_ms;
    if (until_ms > l->hole_ms) l->hole_ms = until_ms;
}

/* What the table knows and no earlier file held. */
static void compare_table(struct rebuild_lane *l, const struct rebuild_segment *g,
                          struct coverage *c)
{
    for (unsigned p = 0; p < l->partitions; p++) {
        uint64_t before = segment_last(l->reader, p);
        if (before <= l->had[p]) continue;
        note_hole(l, &c[p], g->created_ms);
        l->had[p] = before;
    }
}

/* A segment of which nothing can be read: a hole for every partition. */
static void give_up(struct rebuild_lane *l, struct rebuild_segment *g, struct coverage *c)
{
    bool torn = errno == ENODATA; /* its writer died in the head: it never held a record */
    int64_t next_ms = l->at + 1 < l->segs ? l->seg[l->at + 1].created_ms : INT64_MAX;
    for (unsigned p = 0; p < l->partitions && !torn && !g->opened; p++)
        note_hole(l, &c[p], next_ms);
    g->opened = true;
    g->done = g->bytes;
    l->at++;
}

static bool open_segment(struct rebuild_lane *l, struct coverage *c)
{
    struct rebuild_segment *g = &l->seg[l->at];
    l->reader = open_reader(l, g);
    if (l->reader == NULL) {
        if (errno != ENODATA && errno != EBADMSG) return false;
        give_up(l, g, c);
        return true;
    }
    if (segment_head_damaged(l->reader)) {
        segment_expect_partitions(l->reader, l->partitions);
    } else if (segment_partitions(l->reader) != l->partitions) {
        errno = EDOM; /* of another data set */
        return false;
    }
    l->import = l->import || (segment_flags(l->reader) & JOURNAL_FLAG_IMPORT) != 0;
    l->left = false;
    l->key_ms = g->created_ms;
    if (!g->opened && !l->import) compare_table(l, g, c);
    return true;
}

/* ---- reading ---- */

/* A number that no file holds. */
static void note_missing(struct rebuild_lane *l, struct coverage *c, bool first)
{
    const struct rebuild_segment *g = &l->seg[l->at];
    if (l->held.seq <= l->read_to + 1) return;
    if (!first && l->key_ms > l->damaged_ms) l->damaged_ms = l->key_ms;
    if (!l->import) return; /* of workers the tables say it */
    for (unsigned p = 0; p < l->partitions && !g->opened; p++)
        note_hole(l, &c[p], INT64_MAX); /* its hits may be of any day */
}

static void look_at(struct rebuild_lane *l, struct coverage *c, bool first)
{
    struct hit hit;
    const struct record *r = &l->held;
    note_missing(l, c, first);
    if (r->seq > l->read_to) {
        l->read_to = r->seq;
        l->weight += r->weight;
    }
    if (r->partition < l->partitions && r->seq > l->had[r->partition])
        l->had[r->partition] = r->seq;
    if (l->import || !hit_decode(r->payload, &hit)) return;
    if (hit.at_ms > l->key_ms) l->key_ms = hit.at_ms;
}

static void finish_segment(struct rebuild_lane *l)
{
    struct rebuild_segment *g = &l->seg[l->at];
    segment_close(l->reader);
    l->reader = NULL;
    g->opened = true;
    if (!l->left) g->done = g->bytes;
    if (!l->left && l->at + 1 < l->segs) close_fd(g); /* the last one may have grown meanwhile */
    l->at++;
}

enum rebuild_result rebuild_lane_next(struct rebuild_lane *l, struct coverage *c)
{
    if (l->holding) return REBUILD_RECORD;
    bool first = false;
    while (l->at < l->segs) {
        struct rebuild_segment *g = &l->seg[l->at];
        if (l->reader == NULL) {
            if (finished(g)) {
                l->at++;
            } else if (!open_segment(l, c)) {
                return REBUILD_FAILED;
            }
            first = true;
            continue;
        }
        if (segment_next(l->reader, g->bytes, &l->held) == SEGMENT_RECORD) {
            look_at(l, c, first);
            l->holding = true;
            return REBUILD_RECORD;
        }
        finish_segment(l);
    }
    return REBUILD_END;
}

void rebuild_lane_pass(struct rebuild_lane *l, bool taken)
{
    l->holding = false;
    if (!taken) l->left = true;
}

bool rebuild_lane_archived(const struct rebuild_lane *l)
{
    return l->at < l->segs && l->seg[l->at].dir_fd >= 0;
}
