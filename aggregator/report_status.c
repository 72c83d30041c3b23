/*
 * sentier status: the ledger from end to end. What was received is what the journals hold, as the
 * collectors tell; what became of it is what Redis holds. The two are kept by different programs
 * on different disks, so that their agreement means something:
 *
 *   received (journals) = sum of verdicts (commits) + pending in streams + pending in journals
 *
 * The parts are read one after another while hits flow. So each reading is Redis between two
 * questions to the collectors; when nothing moved between these the sum must be exact, and it is
 * tried a few times to find such a moment. Under steady traffic there is none: then what Redis
 * holds must lie between what the collectors had shipped before and had received after.
 */
#include "report.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <time.h>

#include "ask.h"
#include "clock.h"
#include "keys.h"
#include "text.h"
#include "verdict.h"

enum {
    STATS_MAX_BYTES = 1024 * 1024,
    HTTP_WAIT_MS = 2000,
    TRIES = 20,
    PAUSE_MS = 100,
};

/* What Redis knows, over all partitions. */
struct kept {
    int64_t shipped, folded, stream_bytes, entries;
    int64_t verdicts[VERDICTS];
    int64_t other; /* verdicts that this program does not know */
    int64_t lost;  /* shipped, not folded, and in no stream any more */
};

struct remote {
    const char *address;
    json_t *stats; /* NULL: down */
};

struct reading {
    struct remote collectors[REPORT_COLLECTORS_MAX], aggregator;
    unsigned n;
    bool all_up; /* every collector answered */
    bool redis_up;
    int64_t received, shipped, pending, skipped; /* of the collectors, before Redis was read */
    int64_t received_after;
    struct kept kept;
    bool moving;
    int64_t sum, difference; /* received - sum */
};

/* ---- HTTP ---- */

static size_t on_body(char *bytes, size_t one, size_t n, void *arg)
{
    struct buf *body = arg;
    return buf_add(body, (struct str){bytes, one * n}) ? one * n : 0;
}

static json_t *fetch_stats(const char *address)
{
    struct buf body, url = {0};
    CURL *curl = curl_easy_init();
    json_t *stats = NULL;
    buf_init(&body, STATS_MAX_BYTES);
    if (curl == NULL || !buf_printf(&url, "http://%s/stats", address) || !buf_add_char(&url, '\0'))
        goto out;
    curl_easy_setopt(curl, CURLOPT_URL, url.p);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)HTTP_WAIT_MS);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    if (curl_easy_perform(curl) == CURLE_OK) stats = json_loadb(body.p, body.n, 0, NULL);
out:
    if (curl != NULL) curl_easy_cleanup(curl);
    buf_fini(&body);
    buf_fini(&url);
    return stats;
}

static int64_t stat_of(const struct remote *m, const char *group, const char *name)
{
    const json_t *of = group == NULL ? m->stats : json_object_get(m->stats, group);
    return json_integer_value(json_object_get(of, name));
}

static void fetch(struct remote *m)
{
    json_decref(m->stats);
    m->stats = fetch_stats(m->address);
}

static void fetch_collectors(struct reading *g)
{
    g->received = g->shipped = g->pending = g->skipped = 0;
    g->all_up = true;
    for (unsigned i = 0; i < g->n; i++) {
        struct remote *m = &g->collectors[i];
        fetch(m);
        if (m->stats == NULL) g->all_up = false;
        g->received += stat_of(m, "ledger", "received");
        g->shipped += stat_of(m, "ledger", "shipped");
        g->pending += stat_of(m, "ledger", "pending");
        g->skipped += stat_of(m, "shipper", "skipped");
    }
}

/* ---- Redis ---- */

static void add_commit(struct kept *k, const redisReply *fields, int64_t *folded,
                       struct str *offset)
{
    for (size_t i = 0; i + 1 < fields->elements; i += 2) {
        struct str name = ask_text(fields, i);
        int64_t n = ask_number(fields, i + 1);
        if (str_eq(name, STR("folded"))) *folded = n;
        if (str_eq(name, STR("offset"))) *offset = ask_text(fields, i + 1);
        if (!str_starts(name, STR("v:"))) continue;
        long verdict = strtol(name.p + 2, NULL, 10);
        if (verdict >= 0 && verdict < VERDICTS)
            k->verdicts[verdict] += n;
        else
            k->other += n;
    }
}

static int read_folded(struct report *r, unsigned part, int64_t *folded, struct buf *err)
{
    struct key key = key_commit(part);
    redisReply *reply = ask(r->redis, err, ARGV(STR("HMGET"), key_str(&key), STR("folded")));
    if (reply == NULL) return -1;
    *folded = ask_number(reply, 0);
    freeReplyObject(reply);
    return 0;
}

/* Hits that were shipped and not folded must still stand in the stream behind the offset; unless
 * they were folded since the question before. */
static int check_stream(struct report *r, struct kept *k, unsigned part, struct str offset,
                        int64_t shipped, int64_t folded, struct buf *err)
{
    struct key key = key_stream(part);
    char from[64] = "-";
    int64_t folded_now;
    if (offset.n > 0 && offset.n < sizeof from - 1)
        snprintf(from, sizeof from, "(%.*s", STR_ARG(offset));
    redisReply *reply =
        ask(r->redis, err,
            ARGV(STR("XRANGE"), key_str(&key), str_of(from), STR("+"), STR("COUNT"), STR("1")));
    if (reply == NULL) return -1;
    bool none = reply->elements == 0;
    freeReplyObject(reply);
    if (!none) return 0;
    if (read_folded(r, part, &folded_now, err) < 0) return -1;
    if (folded_now == folded) k->lost += shipped - folded;
    return 0;
}

/* One partition's answers: commit, meta, length of the stream; the commit was asked for first, so
 * shipped is never behind folded. */
static int add_partition(struct report *r, struct kept *k, unsigned part, redisReply *replies[3],
                         struct buf *err)
{
    struct str offset = {NULL, 0};
    int64_t folded = 0, shipped = ask_number(replies[1], 0);
    add_commit(k, replies[0], &folded, &offset);
    k->folded += folded;
    k->shipped += shipped;
    k->stream_bytes += ask_number(replies[1], 1);
    if (replies[2]->type == REDIS_REPLY_INTEGER) k->entries += replies[2]->integer;
    if (shipped == folded) return 0;
    return check_stream(r, k, part, offset, shipped, folded, err);
}

static int read_partition(struct report *r, struct kept *k, unsigned part, struct buf *err)
{
    struct key commit = key_commit(part), meta = key_meta(part), stream = key_stream(part);
    redisReply *replies[3] = {NULL, NULL, NULL};
    int result = 0, pushed = 0;
    pushed += ask_push(r->redis, err, ARGV(STR("HGETALL"), key_str(&commit))) == 0;
    pushed += ask_push(r->redis, err,
                       ARGV(STR("HMGET"), key_str(&meta), STR("shipped"), STR("bytes"))) == 0;
    pushed += ask_push(r->redis, err, ARGV(STR("XLEN"), key_str(&stream))) == 0;
    for (int i = 0; i < pushed; i++) {
        replies[i] = ask_pull(r->redis, result == 0 ? err : NULL);
        if (replies[i] == NULL) result = -1;
    }
    if (pushed < 3) result = -1;
    if (result == 0) result = add_partition(r, k, part, replies, err);
    for (int i = 0; i < 3; i++) {
        if (replies[i] != NULL) freeReplyObject(replies[i]);
    }
    return result;
}

static int read_kept(struct report *r, struct kept *k)
{
    struct buf err = {0};
    int result = 0;
    *k = (struct kept){0};
    for (unsigned part = 0; result == 0 && part < r->partitions; part++) {
        result = read_partition(r, k, part, &err);
    }
    if (result < 0) report_fail("%.*s", STR_ARG(buf_str(&err)));
    buf_fini(&err);
    return result;
}

/* ---- the sum ---- */

static int64_t line_of(const struct kept *k, enum ledger_line line)
{
    int64_t sum = 0;
    for (unsigned v = 0; v < VERDICTS; v++) {
        if (verdict_line((enum verdict)v) == line) sum += k->verdicts[v];
    }
    return sum;
}

static int64_t in_streams(const struct kept *k)
{
    return k->shipped - k->folded;
}

static int64_t verdict_sum(const struct kept *k)
{
    int64_t sum = k->other;
    for (unsigned v = 0; v < VERDICTS; v++)
        sum += k->verdicts[v];
    return sum;
}

/* What Redis holds must be whole in itself. */
static bool whole(const struct kept *k)
{
    return verdict_sum(k) == k->folded && k->lost == 0;
}

static bool balanced(const struct reading *g)
{
    return g->redis_up && g->difference == 0 && whole(&g->kept);
}

static void add_up(struct reading *g)
{
    /* With a collector down: all that is known of. */
    if (!g->all_up) g->received = g->kept.shipped + g->pending + g->skipped;
    g->sum = verdict_sum(&g->kept) + in_streams(&g->kept) + g->pending + g->skipped;
    g->difference = g->received - g->sum;
    if (!g->moving || !g->all_up) return;
    /* Between the two questions hits came in: the sum may be off by as many, to either side. */
    int64_t slack = g->received_after - g->received + g->pending;
    int64_t off = g->difference < 0 ? -g->difference : g->difference;
    if (off <= slack) g->difference = 0;
}

/* True: nothing moved while it was read. */
static int read_once(struct report *r, struct reading *g, bool *still)
{
    struct kept before;
    fetch_collectors(g);
    struct reading first = *g;
    if (!g->redis_up) {
        *still = true;
        return 0;
    }
    if (read_kept(r, &before) < 0 || read_kept(r, &g->kept) < 0) return -1;
    int64_t received = g->received, shipped = g->shipped, pending = g->pending;
    fetch_collectors(g);
    g->received_after = g->received;
    *still = memcmp(&before, &g->kept, sizeof before) == 0 && received == g->received &&
             shipped == g->shipped && pending == g->pending && g->all_up == first.all_up;
    g->received = received;
    g->shipped = shipped;
    g->pending = pending;
    g->moving = !*still;
    add_up(g);
    return 0;
}

static int read_all(struct report *r, struct reading *g)
{
    for (int tries = TRIES; tries > 0; tries--) {
        bool still;
        if (read_once(r, g, &still) < 0) return REPORT_FAILED;
        if (!g->redis_up || (still && balanced(g))) break;
        if (r->args.watch && balanced(g)) break; /* the next frame comes soon */
        /* A hit in flight is in nobody's figures for a moment: look again before judging. */
        nanosleep(&(struct timespec){0, PAUSE_MS * 1000000L}, NULL);
    }
    fetch(&g->aggregator);
    return REPORT_OK;
}

/* ---- for people ---- */

enum mark { PLAIN, AMBER, RED };

/* What is added between two of these is marked, on a terminal. */
static void begin_mark(struct report *r, enum mark m)
{
    if (r->colour && m != PLAIN) buf_add(&r->out, m == RED ? STR("\033[31m") : STR("\033[33m"));
}

static void end_mark(struct report *r)
{
    if (r->colour) buf_add(&r->out, STR("\033[0m"));
}

static void print_down(struct report *r)
{
    begin_mark(r, RED);
    buf_add(&r->out, STR("DOWN"));
    end_mark(r);
    buf_add_char(&r->out, '\n');
}

static void print_amount(struct buf *out, const char *sign, const char *name, int64_t n,
                         const char *note)
{
    struct buf text = {0};
    text_add_count(&text, n);
    buf_printf(out, "  %s %-14s %16.*s%s%s\n", sign, name, STR_ARG(buf_str(&text)),
               note[0] == '\0' ? "" : "   ", note);
    buf_fini(&text);
}

/* "opted_out" for people: "opted out". */
static void readable(const char *name, char out[32])
{
    snprintf(out, 32, "%s", name);
    for (char *c = out; *c != '\0'; c++) {
        if (*c == '_') *c = ' ';
    }
}

/* The verdicts of a line, where they say more than the line does. */
static void note_verdicts(const struct kept *k, enum ledger_line line, struct buf *note)
{
    for (unsigned v = 0; v < VERDICTS; v++) {
        char name[32];
        if (verdict_line((enum verdict)v) != line || k->verdicts[v] == 0) continue;
        readable(verdict_name((enum verdict)v), name);
        buf_printf(note, "%s%s ", note->n == 0 ? "" : ", ", name);
        text_add_count(note, k->verdicts[v]);
    }
    buf_add_char(note, '\0');
}

static void print_lines(struct report *r, const struct reading *g)
{
    const struct kept *k = &g->kept;
    print_amount(&r->out, " ", "received", g->received,
                 g->all_up ? "" : "as far as is known: a collector does not answer");
    for (unsigned l = 0; l < LEDGER_LINES; l++) {
        enum ledger_line line = (enum ledger_line)l;
        struct buf note = {0};
        char name[32];
        readable(ledger_line_name(line), name);
        if (line != LEDGER_COUNTED && line != LEDGER_DUPLICATE && line != LEDGER_LATE &&
            line != LEDGER_OPTED_OUT)
            note_verdicts(k, line, &note);
        print_amount(&r->out, l == 0 ? "=" : "+", name, line_of(k, line),
                     note.n == 0 ? "" : note.p);
        buf_fini(&note);
    }
    if (k->other > 0) print_amount(&r->out, "+", "other", k->other, "verdicts of a newer version");
    struct buf note = {0};
    buf_add(&note, STR("in journals "));
    text_add_count(&note, g->pending);
    buf_add(&note, STR(", in streams "));
    text_add_count(&note, in_streams(k));
    buf_add_char(&note, '\0');
    print_amount(&r->out, "+", "pending", g->pending + in_streams(k), note.p);
    buf_fini(&note);
    if (g->skipped > 0)
        print_amount(&r->out, "+", "given up", g->skipped,
                     "at most, by accept-gaps, after Redis forgot them");
    print_amount(&r->out, "=", "sum", g->sum, "");
}

static void say_why(struct report *r, const struct reading *g)
{
    const struct kept *k = &g->kept;
    if (verdict_sum(k) != k->folded)
        buf_printf(&r->out, "  %lld hits are folded, but the verdicts add up to %lld.\n",
                   (long long)k->folded, (long long)verdict_sum(k));
    if (k->lost > 0)
        buf_printf(&r->out, "  %lld shipped hits are in no stream and not folded.\n",
                   (long long)k->lost);
    if (g->all_up && k->shipped > g->shipped)
        buf_printf(&r->out,
                   "  Redis holds %lld hits more than these collectors shipped: does another one "
                   "feed it?\n  Name each with --collector ADDRESS.\n",
                   (long long)(k->shipped - g->shipped));
    if (g->all_up && k->shipped < g->shipped)
        buf_printf(&r->out,
                   "  Redis holds %lld hits less than were shipped: it lost data, or is another "
                   "Redis.\n",
                   (long long)(g->shipped - k->shipped));
}

static void print_verdict(struct report *r, const struct reading *g)
{
    buf_add_char(&r->out, '\n');
    if (!balanced(g)) {
        struct buf n = {0};
        text_add_count(&n, g->difference < 0 ? -g->difference : g->difference);
        begin_mark(r, RED);
        if (g->difference == 0)
            buf_printf(&r->out, "NOT BALANCED: the sum comes out, but its parts do not.\n");
        else
            buf_printf(&r->out, "NOT BALANCED: the sum is %s by %.*s.\n",
                       g->difference > 0 ? "short" : "too great", STR_ARG(buf_str(&n)));
        end_mark(r);
        buf_fini(&n);
        say_why(r, g);
    } else if (!g->all_up) {
        buf_printf(&r->out, "BALANCED as far as Redis knows; without every collector, what was "
                            "received cannot be checked.\n");
    } else if (g->moving) {
        buf_printf(&r->out, "BALANCED, within the hits that came in while it was read.\n");
    } else {
        buf_printf(&r->out, "BALANCED\n");
    }
}

static void print_warning(struct report *r, enum mark m, int64_t n, const char *text)
{
    if (n <= 0) return;
    begin_mark(r, m);
    buf_printf(&r->out, "            %lld %s", (long long)n, text);
    end_mark(r);
    buf_add_char(&r->out, '\n');
}

static void print_collector(struct report *r, const struct remote *m)
{
    buf_printf(&r->out, "collector   %-36s ", m->address);
    if (m->stats == NULL) {
        print_down(r);
        return;
    }
    buf_printf(&r->out, "up    received ");
    text_add_count(&r->out, stat_of(m, "ledger", "received"));
    buf_printf(&r->out, ", shipped ");
    text_add_count(&r->out, stat_of(m, "ledger", "shipped"));
    int64_t lag_ms = stat_of(m, "shipper", "lag_ms");
    if (lag_ms >= 1000) {
        buf_printf(&r->out, ", oldest waits ");
        text_add_duration(&r->out, lag_ms);
    }
    buf_add_char(&r->out, '\n');
    static const struct {
        const char *name;
        enum mark mark;
        const char *text;
    } warnings[] = {
        {"gap_partitions", RED,
         "partitions wait: Redis forgot hits that are no longer on disk (sentier "
         "accept-gaps)"},
        {"birth_partitions", RED, "partitions wait: Redis is empty or another one"},
        {"full", AMBER, "a stream is full: the disk buffers until the aggregator has caught up"},
        {"damaged_bytes", RED, "bytes of the journals are damaged"},
        {"forced_out", AMBER, "shipped segments were deleted early for want of disk"},
    };
    for (size_t i = 0; i < sizeof warnings / sizeof *warnings; i++) {
        int64_t n = stat_of(m, "shipper", warnings[i].name);
        print_warning(r, warnings[i].mark, n, warnings[i].text);
    }
    print_warning(r, AMBER, stat_of(m, NULL, "not_stored"),
                  "hits answered 503: the journal could not store them");
    print_warning(r, AMBER, stat_of(m, NULL, "dropped_by_browsers"),
                  "hits lost in browsers: they waited too long, or were too many");
}

static void print_redis(struct report *r, const struct reading *g)
{
    buf_printf(&r->out, "redis       %-36s ", r->redis_conf.redis);
    if (!g->redis_up) {
        print_down(r);
        return;
    }
    buf_printf(&r->out, "up    holds ");
    text_add_count(&r->out, g->kept.shipped);
    buf_printf(&r->out, ", folded ");
    text_add_count(&r->out, g->kept.folded);
    buf_printf(&r->out, " in %u partitions\n", r->partitions);
}

static void print_aggregator(struct report *r, const struct reading *g)
{
    const struct remote *m = &g->aggregator;
    buf_printf(&r->out, "aggregator  %-36s ", m->address);
    if (m->stats == NULL) {
        print_down(r);
        return;
    }
    buf_printf(&r->out, "up    folds %lld of %u partitions",
               (long long)stat_of(m, NULL, "partitions_held"), r->partitions);
    int64_t lag_ms = stat_of(m, NULL, "lag_ms");
    if (lag_ms >= 1000) {
        buf_printf(&r->out, ", lags ");
        text_add_duration(&r->out, lag_ms);
    }
    buf_add_char(&r->out, '\n');
}

static int print_status(struct report *r, const struct reading *g)
{
    for (unsigned i = 0; i < g->n; i++)
        print_collector(r, &g->collectors[i]);
    print_redis(r, g);
    print_aggregator(r, g);
    if (!g->redis_up) {
        buf_printf(&r->out, "\nWithout Redis the ledger cannot be added up.\n");
        return REPORT_FAILED;
    }
    buf_add_char(&r->out, '\n');
    print_lines(r, g);
    print_verdict(r, g);
    return balanced(g) ? REPORT_OK : REPORT_UNBALANCED;
}

/* ---- for programs ---- */

static json_t *remote_json(const struct remote *m)
{
    json_t *stats = m->stats == NULL ? json_null() : json_incref(m->stats);
    return json_pack("{s:s, s:b, s:o}", "address", m->address, "up", m->stats != NULL, "stats",
                     stats);
}

static json_t *ledger_json(const struct reading *g)
{
    json_t *ledger = json_pack("{s:I}", "received", (json_int_t)g->received);
    json_t *verdicts = json_object();
    for (unsigned l = 0; l < LEDGER_LINES; l++) {
        json_object_set_new(ledger, ledger_line_name((enum ledger_line)l),
                            json_integer(line_of(&g->kept, (enum ledger_line)l)));
    }
    for (unsigned v = 0; v < VERDICTS; v++) {
        json_object_set_new(verdicts, verdict_name((enum verdict)v),
                            json_integer(g->kept.verdicts[v]));
    }
    int64_t pending = g->pending + in_streams(&g->kept);
    json_object_set_new(ledger, "pending", json_integer(pending));
    json_object_set_new(ledger, "pending_journals", json_integer(g->pending));
    json_object_set_new(ledger, "pending_streams", json_integer(in_streams(&g->kept)));
    json_object_set_new(ledger, "given_up", json_integer(g->skipped));
    json_object_set_new(ledger, "sum", json_integer(g->sum));
    json_object_set_new(ledger, "verdicts", verdicts);
    return ledger;
}

static int print_status_json(struct report *r, const struct reading *g)
{
    json_t *collectors = json_array();
    for (unsigned i = 0; i < g->n; i++)
        json_array_append_new(collectors, remote_json(&g->collectors[i]));
    json_t *redis = json_pack(
        "{s:s, s:b, s:i, s:I, s:I, s:I, s:I, s:I}", "address", r->redis_conf.redis, "up",
        g->redis_up, "partitions", (int)r->partitions, "shipped", (json_int_t)g->kept.shipped,
        "folded", (json_int_t)g->kept.folded, "stream_entries", (json_int_t)g->kept.entries,
        "stream_bytes", (json_int_t)g->kept.stream_bytes, "lost", (json_int_t)g->kept.lost);
    json_t *doc =
        json_pack("{s:i, s:b, s:b, s:b, s:I, s:o, s:o, s:o, s:o}", "version", 1, "balanced",
                  balanced(g), "moving", g->moving, "received_known", g->all_up, "difference",
                  (json_int_t)g->difference, "ledger", ledger_json(g), "collectors", collectors,
                  "redis", redis, "aggregator", remote_json(&g->aggregator));
    if (report_print_json(r, doc) != REPORT_OK || !g->redis_up) return REPORT_FAILED;
    return balanced(g) ? REPORT_OK : REPORT_UNBALANCED;
}

int report_status(struct report *r)
{
    struct reading g = {0};
    if (r->args.format == FORMAT_CSV) return report_fail("status has --format table or json");
    if (report_load(r) != 0) return REPORT_FAILED;
    g.redis_up = report_connect(r) == 0;
    g.n = r->args.n_collectors;
    for (unsigned i = 0; i < g.n; i++)
        g.collectors[i].address = r->args.collectors[i];
    if (g.n == 0) g.collectors[g.n++].address = r->collector_admin;
    g.aggregator.address = r->aggregator_conf.admin;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int result = read_all(r, &g);
    if (result == REPORT_OK)
        result = r->args.format == FORMAT_JSON ? print_status_json(r, &g) : print_status(r, &g);
    for (unsigned i = 0; i < g.n; i++)
        json_decref(g.collectors[i].stats);
    json_decref(g.aggregator.stats);
    curl_global_cleanup();
    return result;
}
