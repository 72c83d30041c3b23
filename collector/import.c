/*
 * Each line becomes exactly one record, numbered by its line: a hit, or a tally of one that says
 * why it is none. So the ledger balances at the number of lines, and reading a file again makes the
 * same records with the same numbers, which Redis drops.
 *
 * Nothing can be shipped before the whole file has been read: the segments are made in a hidden
 * directory and renamed into the journal in the end.
 */
#include "import.h"

#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "clock.h"
#include "keys.h"

enum { PATH_BYTES = 4096, COMMIT_LINES = 4096 };

struct reading {
    const struct import_opts *o;
    struct journal *journal;
    struct import_result *out;
    struct buf encoded;
    char *scratch;
    bool last_had_agent;
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

/* The line as a hit; V_COUNTED, or why it is none. */
static enum verdict read_line(struct reading *r, struct str line, bool too_long, struct hit *hit,
                              unsigned *partition, const char **left_out)
{
    const struct import_opts *o = r->o;
    struct logline l;
    *left_out = NULL;
    if (too_long || !logline_parse(line, r->scratch, &l)) return V_UNREADABLE;
    r->last_had_agent = l.agent.n > 0;
    hit->at_ms = l.at_ms;
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
    return ingest_log_hit(o->ingest, &log, o->partitions, hit, partition);
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
        if (out->from_ms == 0 || hit->at_ms < out->from_ms) out->from_ms = hit->at_ms;
        if (hit->at_ms > out->to_ms) out->to_ms = hit->at_ms;
    }
}

/* A line that is no hit is a tally of one, on the day that it names or, without one, on no day. */
static void make_tally(const struct reading *r, enum verdict v, struct hit *hit,
                       unsigned *partition)
{
    const struct site *site = r->o->site;
    *hit = (struct hit){.kind = HIT_TALLY,
                        .site = str_of(site->name),
                        .at_ms = hit->at_ms,
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
    buf_printf(err, "the journal in %s cannot be written: %s", r->o->journal_dir, strerror(errno));
    return false;
}

static bool stage(struct reading *r, const struct hit *hit, unsigned partition, struct buf *err)
{
    uint64_t seq = r->out->lines;
    if (seq <= r->o->seen[partition]) return true;
    buf_clear(&r->encoded);
    bool ok = hit_encode(hit, &r->encoded);
    if (ok && !journal_stage(r->journal, partition, 1, seq, buf_str(&r->encoded))) {
        ok = commit(r, err) && journal_stage(r->journal, partition, 1, seq, buf_str(&r->encoded));
    }
    if (!ok) return false;
    r->out->staged++;
    r->out->last[partition] = seq;
    return true;
}

static bool one_line(struct reading *r, struct import_file *file, struct str line, bool too_long,
                     struct buf *err)
{
    struct hit hit = {0};
    unsigned partition = 0;
    const char *left_out;
    bool had_agent = r->last_had_agent;
    enum verdict v = read_line(r, line, too_long, &hit, &partition, &left_out);
    bool cut = import_file_cut(file) && (v == V_UNREADABLE || (had_agent && !r->last_had_agent));
    if (cut) {
        r->out->cut = true;
        r->out->lines--;
        return true;
    }
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
        buf_printf(err, "line %llu: %s", (unsigned long long)import_file_number(file) + 1, why);
        return false;
    }
    return commit(r, err);
}

static int only_segments(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

void import_discard(const struct import_opts *o)
{
    char dir[PATH_BYTES], path[2 * PATH_BYTES];
    struct dirent **names = NULL;
    staging_dir(o, dir);
    int n = scandir(dir, &names, only_segments, alphasort);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]->d_name);
        unlink(path);
        free(names[i]);
    }
    free(names);
    rmdir(dir);
}

int import_publish(const struct import_opts *o, struct buf *err)
{
    char dir[PATH_BYTES], from[2 * PATH_BYTES], to[2 * PATH_BYTES];
    struct dirent **names = NULL;
    int result = 0;
    staging_dir(o, dir);
    int n = scandir(dir, &names, only_segments, alphasort); /* rising order, as shippers want it */
    for (int i = 0; i < n; i++) {
        snprintf(from, sizeof from, "%s/%s", dir, names[i]->d_name);
        snprintf(to, sizeof to, "%s/%s", o->journal_dir, names[i]->d_name);
        if (result == 0 && rename(from, to) < 0) {
            buf_printf(err, "%s: %s", to, strerror(errno));
            result = -1;
        }
        free(names[i]);
    }
    free(names);
    if (result == 0) rmdir(dir);
    return result;
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
        r.journal = journal_open(&(struct journal_opts){.dir = dir,
                                                        .segment_bytes = o->segment_bytes,
                                                        .reserve_bytes = o->reserve_bytes,
                                                        .sync_ms = 1000,
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

void import_result_fini(struct import_result *r)
{
    free(r->last);
    r->last = NULL;
}
