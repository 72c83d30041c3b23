/*
 * sentier customers and sentier profile: the consented visitors of a site, which are the only ones
 * that have a profile. Profiles lie in 4096 hashes per partition; all of them are scanned, many
 * questions under way at once, and only the newest `limit` visitors are kept meanwhile.
 */
#include "report.h"

#include <stdlib.h>

#include "ask.h"
#include "bytes.h"
#include "clock.h"
#include "keys.h"
#include "profile.h"
#include "text.h"

enum {
    CUSTOMERS_DEFAULT = 50,
    CUSTOMERS_MAX = 1000000, /* held in memory; what --limit 0 means */
    BUCKETS = 1 << BUCKET_BITS,
    AT_ONCE = 256, /* hashes asked for at a time */
};
#define PROFILES_PER_STEP "64" /* a profile can take 30 kB */

struct customer {
    uint64_t id;
    int64_t first_ms, last_ms;
    uint64_t sessions, days, views, engaged_ms;
};

struct customers {
    struct customer *all;
    size_t n, cap;
};

struct newest {
    struct customers kept; /* a heap whose root is the one seen longest ago */
    size_t limit;
    struct customers bucket; /* of the hash that is being read */
    uint64_t seen, damaged;
};

/* < 0: a was seen later. */
static int compare(const void *a, const void *b)
{
    const struct customer *x = a, *y = b;
    if (x->last_ms != y->last_ms) return x->last_ms > y->last_ms ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static void swap(struct customer *a, struct customer *b)
{
    struct customer c = *a;
    *a = *b;
    *b = c;
}

static void sift_up(struct customer *heap, size_t at)
{
    while (at > 0 && compare(&heap[at], &heap[(at - 1) / 2]) > 0) {
        swap(&heap[at], &heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static void sift_down(struct customer *heap, size_t n)
{
    for (size_t at = 0;;) {
        size_t last = at, left = 2 * at + 1;
        for (size_t child = left; child < n && child <= left + 1; child++) {
            if (compare(&heap[child], &heap[last]) > 0) last = child;
        }
        if (last == at) return;
        swap(&heap[at], &heap[last]);
        at = last;
    }
}

static bool append(struct customers *list, const struct customer *c)
{
    if (list->n == list->cap) {
        size_t cap = list->cap == 0 ? 64 : list->cap * 2;
        struct customer *all = realloc(list->all, cap * sizeof *all);
        if (all == NULL) return false;
        list->all = all;
        list->cap = cap;
    }
    list->all[list->n++] = *c;
    return true;
}

static bool keep(struct newest *k, const struct customer *c)
{
    struct customers *kept = &k->kept;
    k->seen++;
    if (kept->n < k->limit) {
        if (!append(kept, c)) return false;
        sift_up(kept->all, kept->n - 1);
    } else if (compare(c, &kept->all[0]) < 0) {
        kept->all[0] = *c;
        sift_down(kept->all, kept->n);
    }
    return true;
}

static int by_id(const void *a, const void *b)
{
    const struct customer *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* HSCAN may return a field twice, even with another value: each visitor counts once. */
static bool keep_bucket(struct newest *k)
{
    struct customers *b = &k->bucket;
    if (b->n > 1) qsort(b->all, b->n, sizeof *b->all, by_id);
    for (size_t i = 0; i < b->n; i++) {
        if (i > 0 && b->all[i - 1].id == b->all[i].id) continue;
        if (!keep(k, &b->all[i])) return false;
    }
    return true;
}

static bool keep_field(struct newest *k, struct str field, struct str value)
{
    struct profile p = {0};
    if (field.n != 8 || !profile_decode(value, &p)) {
        k->damaged++;
        return true;
    }
    struct customer c = {.id = load_le64(field.p),
                         .first_ms = p.first_ms,
                         .last_ms = p.recent.newest_ms,
                         .sessions = p.sessions,
                         .days = p.days,
                         .views = p.views,
                         .engaged_ms = p.engaged_ms};
    bool none = p.views == 0; /* only hits that still wait for their pageview */
    profile_fini(&p);
    return none || append(&k->bucket, &c);
}

/* Takes one answer to HSCAN. 1: there is more, at *cursor; 0: all; -1: said in err. */
static int take_step(struct newest *k, redisReply *reply, char cursor[24], struct buf *err)
{
    struct str next = ask_text(reply, 0);
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 || next.n >= 24) {
        buf_printf(err, "Redis: not an answer to HSCAN");
        return -1;
    }
    const redisReply *pairs = reply->element[1];
    for (size_t i = 0; i + 1 < pairs->elements; i += 2) {
        if (keep_field(k, ask_text(pairs, i), ask_text(pairs, i + 1))) continue;
        buf_printf(err, "out of memory");
        return -1;
    }
    memcpy(cursor, next.p, next.n);
    cursor[next.n] = '\0';
    return strcmp(cursor, "0") != 0;
}

static int scan_bucket(struct report *r, unsigned part, unsigned bucket, redisReply *first,
                       struct newest *k, struct buf *err)
{
    struct key key = key_profiles(part, r->source.site, bucket);
    char cursor[24];
    redisReply *reply = first;
    int more;
    k->bucket.n = 0;
    while ((more = take_step(k, reply, cursor, err)) > 0) {
        freeReplyObject(reply);
        reply = ask(r->redis, err,
                    ARGV(STR("HSCAN"), key_str(&key), str_of(cursor), STR("COUNT"),
                         STR(PROFILES_PER_STEP)));
        if (reply == NULL) return -1;
    }
    freeReplyObject(reply);
    if (more == 0 && !keep_bucket(k)) {
        buf_printf(err, "out of memory");
        return -1;
    }
    return more;
}

static int scan_buckets(struct report *r, unsigned part, unsigned from, struct newest *k,
                        struct buf *err)
{
    redisReply *replies[AT_ONCE];
    unsigned pushed = 0;
    int result = 0;
    for (; pushed < AT_ONCE && result == 0; pushed += result == 0) {
        struct key key = key_profiles(part, r->source.site, from + pushed);
        result = ask_push(
            r->redis, err,
            ARGV(STR("HSCAN"), key_str(&key), STR("0"), STR("COUNT"), STR(PROFILES_PER_STEP)));
    }
    for (unsigned i = 0; i < pushed; i++) {
        replies[i] = ask_pull(r->redis, result == 0 ? err : NULL);
        if (replies[i] == NULL) result = -1;
    }
    for (unsigned i = 0; i < pushed; i++) {
        if (replies[i] == NULL) continue;
        if (result == 0)
            result = scan_bucket(r, part, from + i, replies[i], k, err);
        else
            freeReplyObject(replies[i]);
    }
    return result;
}

static int read_customers(struct report *r, struct newest *k)
{
    struct buf err = {0};
    int result = 0;
    for (unsigned i = 0; result == 0 && i < range_parts(&r->source); i++) {
        for (unsigned from = 0; result == 0 && from < BUCKETS; from += AT_ONCE) {
            result = scan_buckets(r, range_part(&r->source, i), from, k, &err);
        }
    }
    if (result < 0) report_fail("%.*s", STR_ARG(buf_str(&err)));
    buf_fini(&err);
    if (k->kept.n > 0) qsort(k->kept.all, k->kept.n, sizeof *k->kept.all, compare);
    return result < 0 ? REPORT_FAILED : REPORT_OK;
}

/* ---- customers ---- */

static json_t *customer_json(const struct customer *c)
{
    char id[ID_TEXT_BYTES];
    id_format(c->id, id);
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "id", id, "first_seen_ms",
                     (json_int_t)c->first_ms, "last_seen_ms", (json_int_t)c->last_ms, "sessions",
                     (json_int_t)c->sessions, "days", (json_int_t)c->days, "views",
                     (json_int_t)c->views, "engaged_ms", (json_int_t)c->engaged_ms);
}

static int print_customers_json(struct report *r, const struct newest *k)
{
    json_t *list = json_array();
    for (size_t i = 0; i < k->kept.n; i++)
        json_array_append_new(list, customer_json(&k->kept.all[i]));
    return report_print_json(r, json_pack("{s:i, s:s, s:s, s:I, s:o}", "version", 1, "site",
                                          r->args.site, "time_zone", r->time_zone, "total",
                                          (json_int_t)k->seen, "customers", list));
}

static const struct table_column customer_columns[] = {
    {"Id", "id", CELL_TEXT, 0},
    {"Last seen", "last_seen", CELL_TEXT, 0},
    {"First seen", "first_seen", CELL_TEXT, 1},
    {"Sessions", "sessions", CELL_COUNT, 0},
    {"Days", "days", CELL_COUNT, 2},
    {"Views", "views", CELL_COUNT, 0},
    {"Engaged", "engaged_ms", CELL_DURATION, 0},
    {0},
};

static struct table *customers_table(const struct report *r, const struct newest *k)
{
    struct table *t = table_new(customer_columns);
    bool ok = t != NULL;
    for (size_t i = 0; ok && i < k->kept.n; i++) {
        const struct customer *c = &k->kept.all[i];
        char id[ID_TEXT_BYTES], first[REPORT_MOMENT_BYTES], last[REPORT_MOMENT_BYTES];
        id_format(c->id, id);
        report_moment(r, c->first_ms, first);
        report_moment(r, c->last_ms, last);
        ok = table_add(t, (struct cell[]){{.text = str_of(id)},
                                          {.text = str_of(last)},
                                          {.text = str_of(first)},
                                          {.number = (int64_t)c->sessions},
                                          {.number = (int64_t)c->days},
                                          {.number = (int64_t)c->views},
                                          {.number = (int64_t)c->engaged_ms}});
    }
    if (ok) return t;
    table_free(t);
    return NULL;
}

static int print_customers(struct report *r, const struct newest *k)
{
    if (r->args.format == FORMAT_JSON) return print_customers_json(r, k);
    struct table *t = customers_table(r, k);
    bool ok = t != NULL;
    if (ok && r->args.format == FORMAT_CSV) {
        ok = table_print_csv(t, &r->out);
    } else if (ok) {
        buf_printf(&r->out, "consented visitors of %s, newest first (%s)\n\n", r->args.site,
                   r->time_zone);
        ok = table_print(t, r->width, 0, &r->out) && buf_add_char(&r->out, '\n') &&
             text_add_count(&r->out, (int64_t)k->kept.n) && buf_add(&r->out, STR(" of ")) &&
             text_add_count(&r->out, (int64_t)k->seen) &&
             buf_add(&r->out, k->kept.n < k->seen ? STR(" (--limit N shows more)\n") : STR("\n"));
        if (k->damaged > 0)
            buf_printf(&r->out, "%llu stored profiles could not be read and are left out.\n",
                       (unsigned long long)k->damaged);
    }
    table_free(t);
    return ok ? REPORT_OK : report_fail("out of memory");
}

int report_customers(struct report *r)
{
    if (report_open(r) != 0) return REPORT_FAILED;
    struct newest k = {.limit = CUSTOMERS_DEFAULT};
    if (r->args.limit >= 0) k.limit = (size_t)r->args.limit;
    if (k.limit == 0 || k.limit > CUSTOMERS_MAX) k.limit = CUSTOMERS_MAX;
    int result = read_customers(r, &k);
    if (result == REPORT_OK && k.seen == 0)
        result = report_fail("site '%s' has no consented visitors; only they have a profile "
                             "(field c=1 of a hit)",
                             r->args.site);
    if (result == REPORT_OK) result = print_customers(r, &k);
    free(k.kept.all);
    free(k.bucket.all);
    return result;
}

/* ---- one profile ---- */

static const struct table_column profile_columns[] = {
    {"Page", "page", CELL_TEXT, 0},
    {"Views", "views", CELL_COUNT, 0},
    {"Engaged", "engaged_ms", CELL_DURATION, 0},
    {"Last day", "last_day", CELL_TEXT, 0},
    {0},
};

static int by_views(const void *a, const void *b)
{
    const struct profile_page *x = a, *y = b;
    if (x->views != y->views) return x->views > y->views ? -1 : 1;
    if (x->engaged_ms != y->engaged_ms) return x->engaged_ms > y->engaged_ms ? -1 : 1;
    return (x->page > y->page) - (x->page < y->page);
}

/* The names of a profile's pages, in their order; NULL after saying why. */
static redisReply *page_names(struct report *r, unsigned part, const struct profile *p)
{
    struct str argv[2 + PROFILE_PAGES_MAX + 1];
    char ids[PROFILE_PAGES_MAX + 1][8];
    struct key key = key_pages(part, r->source.site);
    uint32_t n = p->pages_n < PROFILE_PAGES_MAX ? p->pages_n : PROFILE_PAGES_MAX;
    struct buf err = {0};
    argv[0] = STR("HMGET");
    argv[1] = key_str(&key);
    argv[2] = STR(""); /* asked for when there are no pages */
    for (uint32_t i = 0; i < n; i++) {
        store_le64(ids[i], p->pages[i].page);
        argv[2 + i] = (struct str){ids[i], sizeof ids[i]};
    }
    redisReply *reply = ask(r->redis, &err, 2 + (int)(n == 0 ? 1 : n), argv);
    if (reply == NULL) report_fail("%.*s", STR_ARG(buf_str(&err)));
    buf_fini(&err);
    return reply;
}

/* A page's name, or its id where Redis has no name for it. */
static struct str page_label(const redisReply *names, uint32_t i, uint64_t id, char room[32])
{
    struct str name = ask_text(names, i);
    char text[ID_TEXT_BYTES];
    if (name.n > 0) return name;
    id_format(id, text);
    snprintf(room, 32, "(page %s)", text);
    return str_of(room);
}

static bool approximate(const struct profile *p)
{
    return p->approximate || p->recent.approximate;
}

static int print_profile_json(struct report *r, const struct customer *c, const struct profile *p,
                              const redisReply *names)
{
    json_t *document = customer_json(c), *pages = json_array();
    for (uint32_t i = 0; i < p->pages_n; i++) {
        const struct profile_page *page = &p->pages[i];
        char room[32], id[ID_TEXT_BYTES], day[DATE_TEXT_BYTES];
        struct str label = page_label(names, i, page->page, room);
        struct buf clean = {0};
        id_format(page->page, id);
        date_format(page->last_day, day);
        text_add_utf8(&clean, label);
        json_array_append_new(pages,
                              json_pack("{s:s%, s:s, s:I, s:I, s:s}", "page", clean.p, clean.n,
                                        "id", id, "views", (json_int_t)page->views, "engaged_ms",
                                        (json_int_t)page->engaged_ms, "last_day", day));
        buf_fini(&clean);
    }
    json_object_set_new(document, "version", json_integer(1));
    json_object_set_new(document, "site", json_string(r->args.site));
    json_object_set_new(document, "time_zone", json_string(r->time_zone));
    json_object_set_new(document, "approximate", json_boolean(approximate(p)));
    json_object_set_new(document, "pages", pages);
    return report_print_json(r, document);
}

static struct table *profile_table(const struct profile *p, const redisReply *names)
{
    struct table *t = table_new(profile_columns);
    bool ok = t != NULL;
    for (uint32_t i = 0; ok && i < p->pages_n; i++) {
        const struct profile_page *page = &p->pages[i];
        char room[32], day[DATE_TEXT_BYTES];
        date_format(page->last_day, day);
        ok = table_add(t, (struct cell[]){{.text = page_label(names, i, page->page, room)},
                                          {.number = page->views},
                                          {.number = (int64_t)page->engaged_ms},
                                          {.text = str_of(day)}});
    }
    const struct cell total[] = {{.text = STR("Total")},
                                 {.number = (int64_t)p->views},
                                 {.number = (int64_t)p->engaged_ms},
                                 {.number = 0}};
    if (ok && table_set_total(t, total)) return t;
    table_free(t);
    return NULL;
}

static void print_profile_head(struct report *r, const struct customer *c)
{
    char id[ID_TEXT_BYTES], first[REPORT_MOMENT_BYTES], last[REPORT_MOMENT_BYTES];
    id_format(c->id, id);
    report_moment(r, c->first_ms, first);
    report_moment(r, c->last_ms, last);
    buf_printf(&r->out, "visitor %s of %s (%s)\n\n", id, r->args.site, r->time_zone);
    buf_printf(&r->out, "First seen  %s\nLast seen   %s\nSessions    ", first, last);
    text_add_count(&r->out, (int64_t)c->sessions);
    buf_printf(&r->out, " on %llu day%s\n\n", (unsigned long long)c->days, c->days == 1 ? "" : "s");
}

static int print_profile(struct report *r, const struct customer *c, const struct profile *p,
                         const redisReply *names)
{
    if (r->args.format == FORMAT_JSON) return print_profile_json(r, c, p, names);
    struct table *t = profile_table(p, names);
    bool ok = t != NULL;
    if (ok && r->args.format == FORMAT_CSV) {
        ok = table_print_csv(t, &r->out);
    } else if (ok) {
        size_t rows = r->args.limit < 0 ? REPORT_TABLE_ROWS : (size_t)r->args.limit;
        print_profile_head(r, c);
        ok = table_print(t, r->width, rows, &r->out);
        if (approximate(p))
            buf_printf(&r->out, "A limit was reached: pages are missing or figures approximate.\n");
    }
    table_free(t);
    return ok ? REPORT_OK : report_fail("out of memory");
}

/* 1: *p is the visitor's; 0: not in this partition; -1 with why in err. */
static int read_profile(struct report *r, unsigned part, uint64_t id, struct profile *p,
                        struct buf *err)
{
    struct key key = key_profiles(part, r->source.site, key_bucket(id));
    char field[8];
    store_le64(field, id);
    redisReply *reply =
        ask(r->redis, err, ARGV(STR("HGET"), key_str(&key), (struct str){field, sizeof field}));
    if (reply == NULL) return -1;
    int result = reply->type == REDIS_REPLY_STRING;
    if (result == 1 && !profile_decode((struct str){reply->str, reply->len}, p)) {
        buf_printf(err, "the stored profile is damaged");
        result = -1;
    }
    freeReplyObject(reply);
    return result;
}

static int find_profile(struct report *r, uint64_t id, struct profile *p, unsigned *part)
{
    struct buf err = {0};
    int found = 0;
    for (unsigned i = 0; found == 0 && i < range_parts(&r->source); i++) {
        *part = range_part(&r->source, i);
        found = read_profile(r, *part, id, p, &err);
    }
    if (found < 0)
        report_fail("%.*s", STR_ARG(buf_str(&err)));
    else if (found == 0)
        report_fail("site '%s' has no profile of '%s'; sentier customers lists who has one",
                    r->args.site, r->args.subject);
    buf_fini(&err);
    return found > 0 ? REPORT_OK : REPORT_FAILED;
}

int report_profile(struct report *r)
{
    uint64_t id;
    struct profile p = {0};
    if (r->args.subject == NULL)
        return report_fail("whose profile? sentier profile --site NAME ID");
    if (!id_parse(str_of(r->args.subject), &id))
        return report_fail("'%s' is no visitor id: up to 13 of 0-9 a-z", r->args.subject);
    if (report_open(r) != 0) return REPORT_FAILED;
    unsigned part;
    int result = find_profile(r, id, &p, &part);
    if (result == REPORT_OK) {
        struct customer c = {.id = id,
                             .first_ms = p.first_ms,
                             .last_ms = p.recent.newest_ms,
                             .sessions = p.sessions,
                             .days = p.days,
                             .views = p.views,
                             .engaged_ms = p.engaged_ms};
        if (p.pages_n > 0) qsort(p.pages, p.pages_n, sizeof *p.pages, by_views);
        redisReply *names = page_names(r, part, &p);
        result = names == NULL ? REPORT_FAILED : print_profile(r, &c, &p, names);
        if (names != NULL) freeReplyObject(names);
    }
    profile_fini(&p);
    return result;
}
