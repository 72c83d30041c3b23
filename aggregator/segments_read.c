/*
 * First the names of all pages, then all persons. Folding goes on meanwhile: a person is counted as
 * it is when its turn comes, on one date for all.
 *
 * Whoever must not take a whole core works for WORK_MS, then sleeps as much longer as its share is
 * smaller. What counts as work is the time of Redis, too.
 */
#include "segments_read.h"

#include <time.h>

#include "bytes.h"
#include "clock.h"
#include "owner.h"
#include "pack.h"
#include "people.h"

enum { WORK_MS = 10, NAP_MS = 50 };

struct reading {
    struct segments_pass *pass;
    struct segments *segments;
    int64_t since_ms; /* at work */
};

static bool rest(struct reading *r)
{
    const atomic_bool *stopping = r->pass->stopping;
    if (stopping == NULL) return true;
    int64_t now = clock_mono_ms(), worked = now - r->since_ms;
    if (worked < WORK_MS) return !atomic_load(stopping);
    int64_t until = now + worked * OWNER_SHARE;
    while (now < until && !atomic_load(stopping)) {
        int64_t nap = until - now < NAP_MS ? until - now : NAP_MS;
        nanosleep(&(struct timespec){.tv_nsec = nap * 1000000}, NULL);
        now = clock_mono_ms();
    }
    r->pass->rested_ms += now - r->since_ms - worked;
    r->since_ms = now;
    return !atomic_load(stopping);
}

static bool pause_reading(void *arg)
{
    return rest(arg);
}

static bool add_person(void *arg, const struct person *p)
{
    struct reading *r = arg;
    segments_add_person(r->segments, p->profile, r->pass->today);
    return true;
}

static int add_pages(struct segments *s, struct str rows, struct buf *err)
{
    struct reader in = reader_of(rows);
    while (!reader_done(&in)) {
        struct str id = get_bytes(&in, get_varint(&in));
        struct str name = get_bytes(&in, get_varint(&in));
        if (id.n != 8 || segments_add_page(s, load_le64(id.p), name)) continue;
        buf_printf(err, "out of memory");
        return -1;
    }
    if (segments_close(s)) return 0;
    buf_printf(err, "out of memory");
    return -1;
}

static int read_pages(struct reading *r, struct buf *err)
{
    const struct range_source *s = &r->pass->source;
    int result = 0;
    for (unsigned i = 0; result == 0 && i < range_parts(s); i++) {
        struct key key = key_pages(range_part(s, i), s->site);
        result = range_read_hash(s, &key, &r->segments->names, err);
        if (result < 0 || rest(r)) continue;
        buf_printf(err, "stopped");
        result = -1;
    }
    return result < 0 ? -1 : add_pages(r->segments, buf_str(&r->segments->names), err);
}

int segments_read(struct segments_pass *pass, struct segments *s, struct buf *err)
{
    struct reading r = {.pass = pass, .segments = s, .since_ms = clock_mono_ms()};
    struct people people = {
        .source = &pass->source, .arg = &r, .each = add_person, .pause = pause_reading};
    int result = read_pages(&r, err);
    if (result == 0) result = people_each(&people, err);
    pass->damaged = people.damaged;
    if (result < 0) segments_fini(s);
    return result;
}
