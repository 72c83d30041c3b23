/*
 * The directory is the list of what there is: workers, imports and earlier runs only have to put
 * files there. A lane is `settled`, fit to be started, when no older segment of it can have hidden
 * from the listing: it begins with number 1, or two listings in a row showed the same.
 *
 * A segment is deleted when all of it has been in Redis for keep_age, and only on Redis' own word:
 * the one that the shipper asks now may have forgotten what another had. The age is that of its
 * mtime, which is set to the moment when it was found shipped: it survives restarts and needs no
 * file of its own. The cursor is on the disk before a producer's last segment goes, so that the
 * weight of what was deleted is not lost, and so are the births that lose their youth by it.
 */
#include "lanes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

bool lanes_init(struct lanes *ls, int dir_fd, unsigned partitions)
{
    *ls = (struct lanes){.dir_fd = dir_fd, .partitions = partitions};
    cursor_load(dir_fd, &ls->cursor);
    ls->gone = ls->cursor.gone;
    ls->skipped = ls->cursor.skipped;
    return births_init(&ls->births, dir_fd, partitions);
}

void lanes_fini(struct lanes *ls)
{
    for (size_t i = 0; i < ls->n; i++)
        lane_free(ls->lane[i]);
    free(ls->lane);
    for (unsigned i = 0; i < ls->marks; i++)
        journal_mark_release(ls->mark[i]);
    cursor_fini(&ls->cursor);
    births_fini(&ls->births);
}

bool lanes_reload(struct lanes *ls)
{
    struct lanes fresh;
    if (!lanes_init(&fresh, ls->dir_fd, ls->partitions)) return false;
    memcpy(fresh.mark, ls->mark, sizeof fresh.mark);
    fresh.marks = ls->marks;
    ls->marks = 0; /* moved */
    lanes_fini(ls);
    *ls = fresh;
    return true;
}

static size_t place_of(const struct lanes *ls, const unsigned char *producer)
{
    size_t low = 0, high = ls->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (memcmp(ls->lane[mid]->producer, producer, PRODUCER_BYTES) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static struct lane *find(const struct lanes *ls, const unsigned char *producer)
{
    size_t i = place_of(ls, producer);
    bool found = i < ls->n && memcmp(ls->lane[i]->producer, producer, PRODUCER_BYTES) == 0;
    return found ? ls->lane[i] : NULL;
}

static struct lane *add(struct lanes *ls, const unsigned char *producer)
{
    if (ls->n == ls->cap) {
        size_t cap = ls->cap == 0 ? 16 : 2 * ls->cap;
        struct lane **grown = realloc(ls->lane, cap * sizeof(struct lane *));
        if (grown == NULL) return NULL;
        ls->lane = grown;
        ls->cap = cap;
    }
    struct lane *l = lane_new(ls->dir_fd, producer, ls->partitions);
    if (l == NULL) return NULL;
    size_t i = place_of(ls, producer);
    memmove(&ls->lane[i + 1], &ls->lane[i], (ls->n - i) * sizeof(struct lane *));
    ls->lane[i] = l;
    ls->n++;
    return l;
}

static bool lists(const struct lane *l, uint64_t first_seq)
{
    for (size_t i = l->segs; i > 0; i--) {
        if (l->seg[i - 1].first_seq == first_seq) return true;
    }
    return false;
}

void lanes_read_marks(struct lanes *ls)
{
    static const unsigned char none[PRODUCER_BYTES];
    ls->unlisted = false;
    ls->committed = 0;
    for (size_t i = 0; i < ls->n; i++)
        lane_point(ls->lane[i], NULL);
    for (unsigned i = 0; i < ls->marks; i++) {
        struct journal_point point;
        journal_mark_read(ls->mark[i], &point);
        ls->committed += point.committed + (point.first_seq << 32);
        if (memcmp(point.producer, none, PRODUCER_BYTES) == 0) continue;
        struct lane *l = find(ls, point.producer);
        if (l != NULL) lane_point(l, &point);
        if (l == NULL || !lists(l, point.first_seq)) ls->unlisted |= point.committed > 0;
    }
}

static void list(struct lanes *ls, const char *file)
{
    struct segment_name name;
    struct stat st;
    if (!segment_name_parse(file, &name)) return;
    if (fstatat(ls->dir_fd, file, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode)) return;
    struct lane *l = find(ls, name.producer);
    if (l == NULL) l = add(ls, name.producer);
    if (l != NULL && lane_list(l, name.first_seq, &st)) l->changed = true;
}

static bool list_all(struct lanes *ls)
{
    int fd = openat(ls->dir_fd, ".", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        log_error("ship.scan", "err=%s", strerror(errno));
        if (fd >= 0) close(fd);
        return false;
    }
    errno = 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL; errno = 0)
        list(ls, e->d_name);
    int err = errno; /* what comes after it would look deleted */
    closedir(dir);
    if (err != 0) log_error("ship.scan", "err=%s", strerror(err));
    return err == 0;
}

/* What the cursor of an earlier run says about a lane that has just been found. */
static void take_hint(struct lanes *ls, struct lane *l)
{
    for (size_t i = 0; i < ls->cursor.lines; i++) {
        struct cursor_line *line = &ls->cursor.line[i];
        if (memcmp(line->producer, l->producer, PRODUCER_BYTES) != 0) continue;
        l->shipped_hint = line->shipped;
        for (size_t k = 0; k < l->segs; k++)
            l->seg[k].dated = l->seg[k].first_seq < line->shipped_before;
        *line = ls->cursor.line[--ls->cursor.lines];
        return;
    }
}

static void settle(struct lanes *ls, struct lane *l)
{
    if (l->was_live && !l->live) lane_weigh_end(l);
    l->was_live = l->live;
    lane_weigh(l);
    if (!l->known) take_hint(ls, l);
    bool first = !l->import && l->segs > 0 && l->seg[0].first_seq == 1;
    l->settled = first || (l->known && !l->changed);
    l->known = true;
    l->changed = false;
    if (l->gap_seen) l->gap_rescanned = true;
}

static uint64_t damaged(const struct lane *l)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < l->segs; i++)
        sum += l->seg[i].listed ? 0 : l->seg[i].damaged;
    return sum;
}

/* False: the lane has no segment any more and is gone. */
static bool keep(struct lanes *ls, struct lane *l)
{
    ls->gone_damaged += damaged(l);
    ls->gone += (uint64_t)lane_prune(l);
    if (l->segs > 0 || l->parts > 0 || l->state == LANE_ASKING || l->live) return true;
    lane_free(l);
    return false;
}

bool lanes_scan(struct lanes *ls)
{
    size_t kept = 0, before = ls->n;
    for (size_t i = 0; i < ls->n; i++) {
        for (size_t k = 0; k < ls->lane[i]->segs; k++)
            ls->lane[i]->seg[k].listed = false;
    }
    if (!list_all(ls)) return false;
    lanes_read_marks(ls); /* after listing: a file is named after its mark was set */
    bool changed = ls->n != before;
    for (size_t i = 0; i < ls->n; i++) {
        changed |= ls->lane[i]->changed;
        if (keep(ls, ls->lane[i])) {
            settle(ls, ls->lane[i]);
            ls->lane[kept++] = ls->lane[i];
        }
    }
    changed |= kept != ls->n;
    ls->n = kept;
    /* Lines of an earlier run without a segment: all that is left of them is their weight. */
    for (size_t i = 0; i < ls->cursor.lines; i++)
        ls->gone += ls->cursor.line[i].total;
    ls->cursor.lines = 0;
    return changed;
}

static bool disk_short(const struct lanes *ls, int64_t reserve_bytes)
{
    struct statvfs fs;
    if (reserve_bytes <= 0 || fstatvfs(ls->dir_fd, &fs) != 0) return false;
    return fs.f_bavail * fs.f_frsize < (uint64_t)reserve_bytes;
}

static bool delete_segment(const struct lane *l, size_t i, int dir_fd)
{
    struct segment_name name = {.first_seq = l->seg[i].first_seq};
    char file[SEGMENT_NAME_BYTES];
    memcpy(name.producer, l->producer, PRODUCER_BYTES);
    segment_name_format(&name, file);
    /* It may not come back after its weight has been written down as gone. */
    if (unlinkat(dir_fd, file, 0) == 0 && fsync(dir_fd) == 0) return true;
    log_error("ship.delete", "err=%s", strerror(errno));
    return false;
}

/* The segment of a lane that goes first: they go in their order, so that what remains has no hole.
 * One with a damaged head stays, and holds up none. */
static size_t first_to_go(const struct lane *l)
{
    size_t i = 0;
    while (i < l->segs && l->seg[i].broken)
        i++;
    return i;
}

/* The lane whose first segment was shipped longest ago; NULL: none is shipped. */
static struct lane *oldest_shipped(const struct lanes *ls)
{
    struct lane *oldest = NULL;
    int64_t since = INT64_MAX;
    for (size_t n = 0; n < ls->n; n++) {
        struct lane *l = ls->lane[n];
        size_t i = first_to_go(l);
        if (i == l->segs || !l->seg[i].shipped || l->seg[i].mtime_ms >= since) continue;
        oldest = l;
        since = l->seg[i].mtime_ms;
    }
    return oldest;
}

static bool archived(const struct lanes *ls, const struct lane *l, size_t i)
{
    struct segment_name name = {.first_seq = l->seg[i].first_seq};
    memcpy(name.producer, l->producer, PRODUCER_BYTES);
    return ls->archive == NULL || archive_take(ls->archive, ls->dir_fd, &name) == ARCHIVE_STORED;
}

static void drop_segment(struct lanes *ls, struct lane *l, size_t i)
{
    for (size_t k = 0; k < l->segs; k++)
        l->seg[k].listed = k != i;
    ls->gone_damaged += l->seg[i].damaged;
    ls->gone += (uint64_t)lane_prune(l);
}

bool lanes_sweep(struct lanes *ls, int64_t keep_age_ms, int64_t reserve_bytes)
{
    struct lane *l;
    bool saved = false, news = false;
    for (size_t i = 0; i < ls->n; i++)
        news |= lane_mark_shipped(ls->lane[i]);
    births_check_clock(&ls->births, clock_ms());
    while ((l = oldest_shipped(ls)) != NULL) {
        size_t i = first_to_go(l);
        bool forced = clock_ms() - l->seg[i].mtime_ms < keep_age_ms;
        if (forced && !disk_short(ls, reserve_bytes)) break;
        if (!archived(ls, l, i)) break; /* asked again at the next sweep */
        births_segment_goes(&ls->births, l->seg[i].mtime_ms);
        if (!saved || ls->births.changed) saved = lanes_save(ls) == 0;
        if (!delete_segment(l, i, ls->dir_fd)) break;
        if (forced) ls->forced_out++;
        drop_segment(ls, l, i);
        news = true;
        if (!saved) saved = lanes_save(ls) == 0; /* the disk was too full for it before */
    }
    return news;
}

static int save_cursor(struct lanes *ls)
{
    struct cursor c = {
        .gone = ls->gone, .skipped = ls->skipped, .line = calloc(ls->n + 1, sizeof *c.line)};
    if (c.line == NULL) return -1;
    for (size_t i = 0; i < ls->n; i++) {
        const struct lane *l = ls->lane[i];
        struct cursor_line *line = &c.line[c.lines];
        if (l->segs == 0) continue;
        size_t k = 0;
        while (k < l->segs && l->seg[k].dated)
            k++;
        memcpy(line->producer, l->producer, PRODUCER_BYTES);
        line->shipped_before = k < l->segs ? l->seg[k].first_seq : UINT64_MAX;
        line->shipped = lane_total(l) - lane_pending(l);
        line->total = lane_before(l) + lane_total(l);
        c.lines++;
    }
    int saved = cursor_save(ls->dir_fd, &c);
    cursor_fini(&c);
    return saved;
}

int lanes_save(struct lanes *ls)
{
    int births = births_save(&ls->births);
    return save_cursor(ls) == 0 ? births : -1;
}
