/*
 * At most four consecutive dates have a salt, so date % 4 is a salt's place. A place holds a
 * pointer that readers load; a salt never changes while it is pointed to. One that is replaced or
 * dead loses its place first and is wiped two ticks later, when no reader can still be at it: a
 * reader needs microseconds.
 *
 * The file says exactly what an offer to other collectors says, and is replaced as a whole. It is
 * made again whenever a salt comes or goes; what cannot be written is tried again at the next tick.
 */
#include "salt.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "log.h"

enum {
    PLACES = 4,
    CELLS = 16, /* places, and salts that wait to be wiped */
    WIPE_TICKS = 2,
    HOUR_MS = 3600 * 1000,
    DAY_MS = 24 * HOUR_MS,
    WEST_MS = 12 * HOUR_MS,
    EAST_MS = 14 * HOUR_MS,
    FILE_NAME_MAX = 200,
};

enum cell_state { CELL_FREE, CELL_LIVE, CELL_RETIRED };

struct cell {
    int64_t born_ms;
    uint32_t day;
    enum cell_state state;
    uint64_t retired; /* tick */
    unsigned char salt[SALT_BYTES];
};

struct salts {
    _Atomic(struct cell *) place[PLACES];
    struct cell *cells;   /* CELLS of them, in locked memory */
    uint32_t first, last; /* dates that have a salt */
    uint64_t ticks;
    int dir_fd; /* of the file; -1: memory only */
    char name[FILE_NAME_MAX], new_name[FILE_NAME_MAX + 8];
    bool unsaved;
};

struct offer {
    uint32_t day;
    int64_t born_ms;
    unsigned char salt[SALT_BYTES];
};

static struct cell *at_place(const struct salts *s, uint32_t day)
{
    return atomic_load_explicit(&s->place[day % PLACES], memory_order_acquire);
}

const unsigned char *salts_get(struct salts *s, uint32_t day)
{
    const struct cell *c = at_place(s, day);
    return c != NULL && c->day == day ? c->salt : NULL;
}

static struct cell *free_cell(const struct salts *s, unsigned spare)
{
    struct cell *one = NULL;
    unsigned n = 0;
    for (unsigned i = 0; i < CELLS; i++) {
        if (s->cells[i].state != CELL_FREE) continue;
        one = &s->cells[i];
        n++;
    }
    return n > spare ? one : NULL;
}

/* It has lost its place. */
static void retire(struct salts *s, struct cell *c)
{
    c->state = CELL_RETIRED;
    c->retired = s->ticks;
    s->unsaved = true;
}

/* Fills a free cell and puts it in its place; the one that was there retires. */
static void settle(struct salts *s, struct cell *c, const struct offer *o)
{
    struct cell *before = at_place(s, o->day);
    assert(c->state == CELL_FREE && (before == NULL || before->day == o->day));
    *c = (struct cell){.born_ms = o->born_ms, .day = o->day, .state = CELL_LIVE};
    memcpy(c->salt, o->salt, SALT_BYTES);
    atomic_store_explicit(&s->place[o->day % PLACES], c, memory_order_release);
    if (before != NULL) retire(s, before);
    s->unsaved = true;
}

static void end_dead(struct salts *s)
{
    for (unsigned i = 0; i < CELLS; i++) {
        struct cell *c = &s->cells[i];
        if (c->state != CELL_LIVE || (c->day >= s->first && c->day <= s->last)) continue;
        atomic_store_explicit(&s->place[c->day % PLACES], NULL, memory_order_release);
        retire(s, c);
    }
}

static void wipe_retired(struct salts *s)
{
    for (unsigned i = 0; i < CELLS; i++) {
        struct cell *c = &s->cells[i];
        if (c->state != CELL_RETIRED || s->ticks - c->retired < WIPE_TICKS) continue;
        sodium_memzero(c, sizeof *c);
        c->state = CELL_FREE;
    }
}

static void make_missing(struct salts *s, int64_t now_ms)
{
    for (uint32_t day = s->first; day <= s->last; day++) {
        if (at_place(s, day) != NULL) continue;
        struct cell *c = free_cell(s, 0);
        assert(c != NULL); /* salts_offer leaves enough */
        struct offer o = {.day = day, .born_ms = now_ms};
        randombytes_buf(o.salt, sizeof o.salt);
        settle(s, c, &o);
        sodium_memzero(&o, sizeof o);
    }
}

static int write_new(const struct salts *s, struct str text)
{
    unlinkat(s->dir_fd, s->new_name, 0); /* what a crash left */
    int fd =
        openat(s->dir_fd, s->new_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return -1;
    ssize_t n = write(fd, text.p, text.n);
    if (close(fd) == 0 && n == (ssize_t)text.n &&
        renameat(s->dir_fd, s->new_name, s->dir_fd, s->name) == 0) {
        return 0;
    }
    unlinkat(s->dir_fd, s->new_name, 0);
    return -1;
}

static void save(struct salts *s)
{
    if (!s->unsaved || s->dir_fd < 0) return;
    struct buf text;
    buf_init(&text, SALT_MESSAGE_BYTES);
    if (buf_reserve(&text, SALT_MESSAGE_BYTES) != NULL && salts_say(s, &text) &&
        write_new(s, buf_str(&text)) == 0) {
        s->unsaved = false;
    } else {
        log_error("salt.save", "file=%s err=%s; a restart would begin new salts", s->name,
                  strerror(errno));
    }
    if (text.p != NULL) sodium_memzero(text.p, text.n);
    buf_fini(&text);
}

static void set_dates(struct salts *s, int64_t now_ms)
{
    s->first = (uint32_t)((now_ms - WEST_MS) / DAY_MS);
    s->last = (uint32_t)((now_ms + EAST_MS) / DAY_MS + 1);
    assert(s->last - s->first < PLACES);
}

void salts_tick(struct salts *s, int64_t now_ms)
{
    s->ticks++;
    wipe_retired(s);
    set_dates(s, now_ms);
    end_dead(s);
    make_missing(s, now_ms);
    save(s);
}

static bool older(const struct cell *ours, const unsigned char *salt, int64_t born_ms)
{
    if (born_ms != ours->born_ms) return born_ms < ours->born_ms;
    return memcmp(salt, ours->salt, SALT_BYTES) < 0;
}

static bool merge(struct salts *s, const struct offer *o)
{
    if (o->day < s->first || o->day > s->last) return false;
    const struct cell *ours = at_place(s, o->day);
    if (ours != NULL && !older(ours, o->salt, o->born_ms)) return false;
    struct cell *c = free_cell(s, PLACES);
    if (c == NULL) {
        log_warn("salt.offers", "more than %d in a minute; refused until the next", CELLS);
        return false;
    }
    settle(s, c, o);
    return true;
}

bool salts_offer(struct salts *s, uint32_t day, const unsigned char salt[SALT_BYTES],
                 int64_t born_ms)
{
    struct offer o = {.day = day, .born_ms = born_ms};
    memcpy(o.salt, salt, SALT_BYTES);
    bool taken = merge(s, &o);
    sodium_memzero(&o, sizeof o);
    if (taken) save(s);
    return taken;
}

/* The number up to `stop`, which is taken too. */
static bool take_number(struct str *in, char stop, uint64_t max, uint64_t *out)
{
    size_t n = str_find(*in, stop);
    if (n == in->n || n == 0 || n > 18) return false;
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        if (in->p[i] < '0' || in->p[i] > '9') return false;
        *out = *out * 10 + (uint64_t)(in->p[i] - '0');
    }
    *in = str_from(*in, n + 1);
    return *out <= max;
}

/* " DAY:BORN:HEX" */
static bool take_offer(struct str *in, struct offer *out)
{
    uint64_t day, born;
    size_t used = 0;
    if (in->n == 0 || in->p[0] != ' ') return false;
    *in = str_from(*in, 1);
    if (!take_number(in, ':', UINT32_MAX, &day)) return false;
    if (!take_number(in, ':', INT64_MAX, &born)) return false;
    if (in->n < 2 * SALT_BYTES) return false;
    sodium_hex2bin(out->salt, SALT_BYTES, in->p, 2 * SALT_BYTES, NULL, &used, NULL);
    *in = str_from(*in, 2 * SALT_BYTES);
    out->day = (uint32_t)day;
    out->born_ms = (int64_t)born;
    return used == SALT_BYTES;
}

enum salts_heard salts_hear(struct salts *s, struct str message)
{
    struct offer offers[2 * PLACES]; /* a neighbour's clock may be ahead */
    unsigned n = 0;
    enum salts_heard heard = SALTS_KNOWN;
    if (str_eq(message, STR("want"))) return SALTS_WANTED;
    if (message.n > SALT_MESSAGE_BYTES || !str_starts(message, STR("offer"))) return SALTS_NONSENSE;
    struct str rest = str_from(message, 5);
    while (rest.n > 0 && heard == SALTS_KNOWN) {
        if (n == 2 * PLACES || !take_offer(&rest, &offers[n++])) heard = SALTS_NONSENSE;
    }
    for (unsigned i = 0; heard != SALTS_NONSENSE && i < n; i++) {
        if (merge(s, &offers[i])) heard = SALTS_CHANGED;
    }
    sodium_memzero(offers, sizeof offers);
    if (heard == SALTS_CHANGED) save(s);
    return heard;
}

bool salts_say(const struct salts *s, struct buf *out)
{
    char hex[2 * SALT_BYTES + 1];
    buf_add(out, STR("offer"));
    for (uint32_t day = s->first; day <= s->last; day++) {
        const struct cell *c = at_place(s, day);
        if (c == NULL) continue;
        sodium_bin2hex(hex, sizeof hex, c->salt, SALT_BYTES);
        buf_printf(out, " %u:%lld:%s", c->day, (long long)c->born_ms, hex);
    }
    sodium_memzero(hex, sizeof hex);
    return !out->failed;
}

/* NULL: fine; else what is wrong with it. */
static const char *doubt(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0) return strerror(errno);
    if (!S_ISREG(st.st_mode)) return "not a regular file";
    if (st.st_uid != geteuid()) return "belongs to somebody else";
    if ((st.st_mode & 077) != 0) return "others may read or write it, want mode 0600";
    return st.st_nlink == 1 ? NULL : "has a second name";
}

/* False: the file must not be used. A missing one is fine, and so is one that cannot be understood:
 * new salts replace it. */
static bool load(struct salts *s)
{
    char text[SALT_MESSAGE_BYTES];
    int fd = openat(s->dir_fd, s->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return true;
    const char *why = fd < 0 ? strerror(errno) : doubt(fd);
    ssize_t n = why == NULL ? read(fd, text, sizeof text) : 0;
    if (why == NULL && n < 0) why = strerror(errno);
    if (fd >= 0) close(fd);
    if (why != NULL) {
        log_error("salt.file", "file=%s refused: %s", s->name, why);
        return false;
    }
    if (salts_hear(s, (struct str){text, (size_t)n}) == SALTS_NONSENSE) {
        log_warn("salt.damaged", "file=%s is no salt file; new salts begin", s->name);
    }
    sodium_memzero(text, sizeof text);
    return true;
}

static bool on_tmpfs(int fd)
{
    struct statfs fs;
    return fstatfs(fd, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

/* False: refused. Without tmpfs dir_fd stays -1. */
static bool open_dir(struct salts *s, const char *file)
{
    const char *slash = strrchr(file, '/');
    const char *name = slash == NULL ? file : slash + 1;
    char *dir = slash == NULL ? strdup(".") : strndup(file, (size_t)(slash - file) + 1);
    int fd = dir == NULL ? -1 : open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(dir);
    if (fd < 0 || name[0] == '\0' || strlen(name) >= FILE_NAME_MAX) {
        log_error("salt.file", "file=%s err=%s", file, fd < 0 ? strerror(errno) : "not a name");
        if (fd >= 0) close(fd);
        return false;
    }
    if (!on_tmpfs(fd)) {
        log_warn("salt.not_tmpfs", "file=%s is not written; a restart begins new salts", file);
        close(fd);
        return true;
    }
    s->dir_fd = fd;
    snprintf(s->name, sizeof s->name, "%s", name);
    snprintf(s->new_name, sizeof s->new_name, "%s.new", name);
    return true;
}

struct salts *salts_new(const char *file, int64_t now_ms)
{
    if (sodium_init() < 0) return NULL;
    struct salts *s = calloc(1, sizeof *s);
    if (s == NULL) return NULL;
    s->dir_fd = -1;
    s->cells = sodium_malloc(CELLS * sizeof *s->cells); /* locked, no core dump, guarded */
    if (s->cells == NULL) goto fail;
    sodium_memzero(s->cells, CELLS * sizeof *s->cells);
    set_dates(s, now_ms);
    if (file != NULL && file[0] != '\0' && !open_dir(s, file)) goto fail;
    if (s->dir_fd >= 0 && !load(s)) goto fail;
    salts_tick(s, now_ms);
    return s;
fail:
    salts_free(s);
    return NULL;
}

void salts_free(struct salts *s)
{
    if (s == NULL) return;
    sodium_free(s->cells);
    if (s->dir_fd >= 0) close(s->dir_fd);
    free(s);
}
