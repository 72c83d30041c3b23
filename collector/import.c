/*
 * Each line becomes exactly one record, numbered by its line: a hit, or a tally of one that says
 * why it is none. So the ledger balances at the number of lines, and reading a file again makes the
 * same records with the same numbers, which Redis drops.
 *
 * Nothing can be shipped before the whole file has been read: the segments are made in a hidden
 * directory and renamed into the journal in the end.
 */
#include "import.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "clock.h"
#include "journal_read.h"
#include "keys.h"
#include "staging.h"
#include "url.h"

enum { PATH_BYTES = 4096, COMMIT_LINES = 16384 };

struct reading {
    const struct import_opts *o;
    struct journal *journal;
    struct import_result *out;
    struct buf encoded;
    char *scratch;
    bool combined;                                      /* the lines so far have agents */
    int64_t now_ms;                                     /* of the last line that named a time */
    char host[URL_HOST_MAX_BYTES + URL_PORT_MAX_BYTES]; /* looked up last, and the answer */
    size_t host_n;
    bool host_is_ours;
};

static void staging_dir(const struct import_opts *o, char out[PATH_BYTES])
{
    char hex[2 * PRODUCER_BYTES + 1];
    sodium_bin2hex(hex, sizeof hex, o->producer, PRODUCER_BYTES);
    snprintf(out, PATH_BYTES, "%s/.import-%s", o->journal_dir, hex);
}

static void count_reason(struct import_result *r, const char *reason)
{
    r->left_out++;
    for (int i = 0; i < IMPORT_REASONS; i++) {
        if (r->left[i].reason == NULL) r->left[i].reason = reason;
        if (r->left[i].reason != reason) continue;
        r->left[i].n++;
        return;
    }
}

static bool allows(const struct site *site, struct str scheme, struct str host)
{
    char origin[sizeof "https://" + URL_HOST_MAX_BYTES + URL_PORT_MAX_BYTES];
    memcpy(origin, scheme.p, scheme.n);
    memcpy(origin + scheme.n, host.p, host.n);
    return site_allows(site, (struct str){origin, scheme.n + host.n});
}

/* Logs of several virtual hosts, and requests to an open proxy, name pages of others. */
static bool is_ours(struct reading *r, struct str page)
{
    struct str host = str_upto(page, str_find(page, '/'));
    if (host.n > sizeof r->host) return false;
    if (!str_eq(host, (struct str){r->host, r->host_n})) {
        memcpy(r->host, host.p, host.n);
        r->host_n = host.n;
        r->host_is_ours =
            allows(r->o->site, STR("https://"), host) || allows(r->o->site, STR("http://"), host);
    }
    return r->host_is_ours;
}

/* The line as a hit; V_COUNTED, or why it is none. */
static enum verdict read_line(struct reading *r, struct str line, bool too_long, struct hit *hit,
                              unsigned *partition, const char **left_out, bool *combined)
{
    const struct import_opts *o = r->o;
    struct logline l;
    *left_out = NULL;
    if (too_long || !logline_parse(line, r->scratch, &l)) return V_UNREADABLE;
    if (l.at_ms > o->latest_ms) return V_UNREADABLE;
    *combined = l.combined;
    r->now_ms = l.at_ms;
    if ((*left_out = logline_left_out(&l)) != NULL) return V_NOT_A_PAGE;
    struct log_hit log = {
        .site = o->site,
        .host = l.host.n > 0 ? l.host : str_of(o->host),
        .target = l.target,
        .referrer = l.referrer,
        .agent = l.agent,
        .address_text = l.address,
        .at_ms = l.at_ms,
        .status = l.status,
        .import_key = o->key,
    };
    log.has_address = address_parse(l.address, log.address);
    enum verdict v = ingest_log_hit(o->ingest, &log, o->partitions, hit, partition);
    if (!l.combined) hit->bot = STR(""); /* a format without agents accuses nobody */
    bool named = l.host.n > 0 || l.target.p[0] != '/';
    if (v != V_COUNTED || !named || is_ours(r, hit->page)) return v;
    *left_out = "another host";
    return V_NOT_A_PAGE;
}

static void count(struct reading *r, enum verdict v, const struct hit *hit, const char *left_out)
{
    struct import_result *out = r->out;
    if (v == V_UNREADABLE) {
        if (out->unreadable < IMPORT_EXAMPLES) out->examples[out->unreadable] = out->lines;
        out->unreadable++;
    } else if (v == V_NOT_A_PAGE) {
        count_reason(out, left_out == NULL ? "not a path of the site" : left_out);
    } else if (v != V_COUNTED) {
        out->refused++;
    } else {
        out->taken++;
        out->bots += hit->bot.n > 0;
        out->broken += hit->status == 404 || hit->status == 410;
    }
}

/* A line that is no hit is a tally of one, at its own time or, without one, at that of the line
 * before; what stands before every time belongs to no day. */
static void make_tally(const struct reading *r, enum verdict v, struct hit *hit,
                       unsigned *partition)
{
    const struct site *site = r->o->site;
    *hit = (struct hit){.kind = HIT_TALLY,
                        .site = str_of(site->name),
                        .at_ms = r->now_ms,
                        .verdict = v,
                        .n = 1,
                        .flags = HIT_IMPORTED};
    hit->day = hit->at_ms == 0 ? 0 : zone_day(site->zone, hit->at_ms);
    *partition = key_partition(hit->site, 0, 1, r->o->partitions);
}

static bool commit(struct reading *r, struct buf *err)
{
    if (!journal_staged(r->journal)) return true;
    if (journal_commit(r->journal, clock_mono_ms()) == 0) return true;
    int why = errno;
    buf_printf(err, "nothing was imported: the journal in %s cannot be written: %s",
               r->o->journal_dir, strerror(why));
    if (why == ENOSPC)
        buf_printf(err, "; make room there (collector.journal_reserve = %lld bytes stay free)",
                   (long long)r->o->reserve_bytes);
    return false;
}

/* Later ones than there are count with the last. */
static uint32_t month_of(uint32_t day)
{
    uint32_t month = day_to_month(day) - day_to_month(0);
    return month < IMPORT_MONTHS ? month : IMPORT_MONTHS - 1;
}

static bool stage(struct reading *r, const struct hit *hit, unsigned partition, struct buf *err)
{
    struct import_result *out = r->out;
    uint64_t seq = out->lines;
    if (seq <= r->o->complete || seq <= r->o->seen[partition]) return true;
    buf_clear(&r->encoded);
    bool fits = hit_encode(hit, &r->encoded);
    assert(fits);
    if (!journal_stage(r->journal, partition, 1, seq, buf_str(&r->encoded))) {
        if (!commit(r, err)) return false;
        fits = journal_stage(r->journal, partition, 1, seq, buf_str(&r->encoded));
        assert(fits);
    }
    out->staged++;
    out->last[partition] = seq;
    if (hit->kind == HIT_TALLY) return true;
    if (out->from_ms == 0 || hit->at_ms < out->from_ms) out->from_ms = hit->at_ms;
    if (hit->at_ms > out->to_ms) out->to_ms = hit->at_ms;
    out->months[month_of(hit->day)]++;
    return true;
}

static bool one_line(struct reading *r, struct import_file *file, struct str line, bool too_long,
                     struct buf *err)
{
    struct hit hit = {0};
    unsigned partition = 0;
    const char *left_out;
    bool combined = false;
    enum verdict v = read_line(r, line, too_long, &hit, &partition, &left_out, &combined);
    if (import_file_cut(file) && (v == V_UNREADABLE || (r->combined && !combined))) {
        r->out->cut = true;
        r->out->lines--;
        return true;
    }
    r->combined |= combined;
    count(r, v, &hit, left_out);
    if (v != V_COUNTED) make_tally(r, v, &hit, &partition);
    return stage(r, &hit, partition, err);
}

static bool read_all(struct reading *r, struct import_file *file, struct buf *err)
{
    struct str line;
    bool too_long;
    const char *why;
    int got;
    while ((got = import_file_line(file, &line, &too_long, &why)) == 1) {
        r->out->lines = import_file_number(file);
        if (!one_line(r, file, line, too_long, err)) return false;
        if (r->out->lines % COMMIT_LINES != 0) continue;
        if (!commit(r, err)) return false;
        r->o->progress(r->o->arg, r->out->lines, import_file_share(file));
    }
    if (got < 0) {
        buf_printf(err, "nothing was imported: line %llu: %s",
                   (unsigned long long)import_file_number(file) + 1, why);
        return false;
    }
    return commit(r, err);
}

void import_discard(const struct import_opts *o)
{
    char dir[PATH_BYTES];
    staging_dir(o, dir);
    staging_discard(dir);
}

int import_publish(const struct import_opts *o, struct buf *err)
{
    char dir[PATH_BYTES];
    staging_dir(o, dir);
    return staging_publish(dir, o->journal_dir, err);
}

/* Segments of one producer sort by their first line; the last one knows the lines before it. */
bool import_journalled(const struct import_opts *o, uint64_t *last)
{
    struct segment_name newest = {.first_seq = 0}, name;
    int dir_fd = open(o->journal_dir, O_DIRECTORY | O_CLOEXEC);
    DIR *dir = dir_fd < 0 ? NULL : fdopendir(dir_fd);
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        if (!segment_name_parse(e->d_name, &name)) continue;
        if (memcmp(name.producer, o->producer, PRODUCER_BYTES) != 0) continue;
        if (name.first_seq > newest.first_seq) newest = name;
    }
    struct segment_reader *r = newest.first_seq == 0 ? NULL : segment_open(dir_fd, &newest);
    bool any = r != NULL && segment_partitions(r) == o->partitions;
    struct record record;
    while (any && segment_next(r, UINT64_MAX, &record) == SEGMENT_RECORD) {
    }
    for (unsigned p = 0; any && p < o->partitions; p++)
        last[p] = segment_last(r, p);
    segment_close(r);
    if (dir != NULL)
        closedir(dir);
    else if (dir_fd >= 0)
        close(dir_fd);
    return any;
}

int import_read(const struct import_opts *o, struct import_file *file, struct import_result *out,
                struct buf *err)
{
    char dir[PATH_BYTES];
    struct reading r = {.o = o, .out = out};
    bool ok = false;
    *out = (struct import_result){.last = calloc(o->partitions, sizeof *out->last)};
    import_discard(o); /* what an import that was killed left behind */
    staging_dir(o, dir);
    buf_init(&r.encoded, HIT_MAX_BYTES);
    r.scratch = malloc(LOGLINE_MAX_BYTES);
    if (mkdir(dir, 0750) == 0 && r.scratch != NULL && out->last != NULL) {
        r.journal = journal_open(&(struct journal_opts){
            .dir = dir,
            .segment_bytes = o->segment_bytes,
            .reserve_bytes = o->reserve_bytes,
            .sync_ms = 0, /* what is renamed into the journal must be whole */
            .partitions = o->partitions,
            .producer = o->producer,
            .flags = JOURNAL_FLAG_IMPORT});
    }
    if (r.journal == NULL)
        buf_printf(err, "%s: %s", dir, strerror(errno));
    else
        ok = read_all(&r, file, err);
    journal_close(r.journal);
    buf_fini(&r.encoded);
    free(r.scratch);
    if (ok) return 0;
    import_discard(o);
    import_result_fini(out);
    return -1;
}

uint64_t import_older(const struct import_result *r, uint32_t day)
{
    uint64_t n = 0;
    for (uint32_t m = 0; m < month_of(day); m++)
        n += r->months[m];
    return n;
}

void import_result_fini(struct import_result *r)
{
    free(r->last);
    r->last = NULL;
}
