/*
 * sentier customers: the consented visitors of a site, which are the only ones that have a profile.
 * All of them are read, and only the newest `limit` are kept meanwhile.
 */
#include "report.h"

#include <stdlib.h>

#include "ask.h"
#include "bytes.h"
#include "clock.h"
#include "interest.h"
#include "keys.h"
#include "people.h"
#include "text.h"

enum {
    CUSTOMERS_DEFAULT = 50,
    CUSTOMERS_MAX = 1000000, /* held in memory; what --limit 0 means */
    AT_ONCE = 256,           /* names asked for at a time */
};

struct customer {
    uint64_t id;
    int64_t first_ms, last_ms;
    uint64_t sessions, days, views, engaged_ms;
    enum person_class class;
    uint64_t top_page; /* of the highest interest */
    int64_t top_interest;
    unsigned part, visitors; /* visitors: of a customer */
    char *name;              /* owned; the customer's id. NULL: a visitor */
    char *top_name; /* owned; NULL: Redis has no name for it. Read for those that are printed */
};

struct customers {
    struct customer *all;
    size_t n, cap;
};

struct newest {
    struct customers kept; /* a heap whose root is the one seen longest ago */
    size_t limit;
    struct report_newest newest; /* hit of the site */
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

static void forget(struct customer *c)
{
    free(c->name);
    free(c->top_name);
}

static bool keep(struct newest *k, const struct customer *c)
{
    struct customers *kept = &k->kept;
    k->seen++;
    if (kept->n < k->limit) {
        if (!append(kept, c)) return false;
        sift_up(kept->all, kept->n - 1);
    } else if (compare(c, &kept->all[0]) < 0) {
        forget(&kept->all[0]);
        kept->all[0] = *c;
        sift_down(kept->all, kept->n);
    } else {
        free(c->name);
    }
    return true;
}

static void find_top_page(struct customer *c, const struct profile *p, int64_t now_ms)
{
    if (now_ms < p->recent.newest_ms) now_ms = p->recent.newest_ms;
    for (uint32_t i = 0; i < p->pages_n; i++) {
        int64_t interest = profile_interest(p, &p->pages[i], now_ms);
        if (p->pages[i].views == 0) continue; /* only seen */
        if (c->top_page != 0 && interest <= c->top_interest) continue;
        c->top_page = p->pages[i].page;
        c->top_interest = interest;
    }
}

static bool keep_person(void *arg, const struct person *person)
{
    struct newest *k = arg;
    const struct profile *p = person->profile;
    struct customer c = {.id = person->id,
                         .first_ms = p->first_ms,
                         .last_ms = p->recent.newest_ms,
                         .sessions = p->sessions,
                         .days = p->days,
                         .views = p->views,
                         .engaged_ms = p->engaged_ms,
                         .class = profile_class(p, k->newest.day),
                         .part = person->part,
                         .visitors = person->visitors_n};
    if (person->customer.n > 0) {
        c.name = strndup(person->customer.p, person->customer.n);
        if (c.name == NULL) return false;
    }
    find_top_page(&c, p, k->newest.at_ms);
    return keep(k, &c);
}

static int read_customers(struct report *r, struct newest *k)
{
    struct people people = {.source = &r->source, .arg = k, .each = keep_person};
    struct buf err = {0};
    int result = people_each(&people, &err);
    if (result < 0) report_fail("%.*s", STR_ARG(buf_str(&err)));
    buf_fini(&err);
    k->damaged = people.damaged;
    if (k->kept.n > 0) qsort(k->kept.all, k->kept.n, sizeof *k->kept.all, compare);
    return result < 0 ? REPORT_FAILED : REPORT_OK;
}

/* A customer's pages may have their names in the partition of any of its visitors. */
static int name_elsewhere(struct report *r, struct customer *c, struct buf *err)
{
    char id[8];
    store_le64(id, c->top_page);
    for (unsigned i = 0; c->top_name == NULL && i < range_parts(&r->source); i++) {
        struct key key = key_pages(range_part(&r->source, i), r->source.site);
        redisReply *reply =
            ask(r->redis, err, ARGV(STR("HGET"), key_str(&key), (struct str){id, sizeof id}));
        if (reply == NULL) return -1;
        if (reply->type == REDIS_REPLY_STRING) c->top_name = strndup(reply->str, reply->len);
        freeReplyObject(reply);
    }
    return 0;
}

/* Names of the top pages, AT_ONCE customers from `from` on. */
static int name_some(struct report *r, struct customers *list, size_t from, struct buf *err)
{
    size_t n = list->n - from < AT_ONCE ? list->n - from : AT_ONCE, pushed = 0;
    int result = 0;
    for (; pushed < n && result == 0; pushed += result == 0) {
        const struct customer *c = &list->all[from + pushed];
        struct key key = key_pages(c->part, r->source.site);
        char id[8];
        store_le64(id, c->top_page);
        result =
            ask_push(r->redis, err, ARGV(STR("HGET"), key_str(&key), (struct str){id, sizeof id}));
    }
    for (size_t i = 0; i < pushed; i++) {
        redisReply *reply = ask_pull(r->redis, result == 0 ? err : NULL);
        if (reply == NULL) {
            result = -1;
        } else if (reply->type == REDIS_REPLY_STRING) {
            list->all[from + i].top_name = strndup(reply->str, reply->len);
        }
        freeReplyObject(reply);
    }
    return result;
}

static int name_top_pages(struct report *r, struct newest *k)
{
    struct buf err = {0};
    int result = 0;
    for (size_t from = 0; result == 0 && from < k->kept.n; from += AT_ONCE)
        result = name_some(r, &k->kept, from, &err);
    for (size_t i = 0; result == 0 && i < k->kept.n; i++) {
        struct customer *c = &k->kept.all[i];
        if (c->name != NULL && c->top_name == NULL) result = name_elsewhere(r, c, &err);
    }
    if (result < 0) report_fail("%.*s", STR_ARG(buf_str(&err)));
    buf_fini(&err);
    return result < 0 ? REPORT_FAILED : REPORT_OK;
}

/* The name, or the id where there is none. */
static struct str top_page(const struct customer *c, char room[TEXT_PAGE_BYTES])
{
    return c->top_name != NULL ? str_of(c->top_name) : text_unnamed_page(c->top_page, room);
}

static struct str name_of(const struct customer *c, char room[ID_TEXT_BYTES])
{
    return person_name(&(struct person){.id = c->id, .customer = str_of(c->name)}, room);
}

/* ---- customers ---- */

static json_t *customer_json(const struct customer *c)
{
    char id[ID_TEXT_BYTES], room[TEXT_PAGE_BYTES];
    struct buf clean = {0}, name = {0};
    text_add_utf8(&name, name_of(c, id));
    text_add_utf8(&clean, top_page(c, room));
    json_t *document = json_pack(
        "{s:s%, s:b, s:i, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:s%, s:f}", "id", name.p, name.n,
        "customer", c->name != NULL, "visitors", c->name == NULL ? 1 : (int)c->visitors, "class",
        class_name(c->class), "first_seen_ms", (json_int_t)c->first_ms, "last_seen_ms",
        (json_int_t)c->last_ms, "sessions", (json_int_t)c->sessions, "days", (json_int_t)c->days,
        "views", (json_int_t)c->views, "engaged_ms", (json_int_t)c->engaged_ms, "top_page", clean.p,
        clean.n, "top_interest", (double)c->top_interest / INTEREST_SCORE_ONE);
    buf_fini(&clean);
    buf_fini(&name);
    return document;
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
    {"Class", "class", CELL_TEXT, 0},
    {"Last seen", "last_seen", CELL_TEXT, 0},
    {"First seen", "first_seen", CELL_TEXT, 1},
    {"Sessions", "sessions", CELL_COUNT, 0},
    {"Days", "days", CELL_COUNT, 2},
    {"Views", "views", CELL_COUNT, 0},
    {"Engaged", "engaged_ms", CELL_DURATION, 3},
    {"Top page", "top_page", CELL_TEXT, 0},
    {0},
};

static struct table *customers_table(const struct report *r, const struct newest *k)
{
    struct table *t = table_new(customer_columns);
    bool ok = t != NULL;
    for (size_t i = 0; ok && i < k->kept.n; i++) {
        const struct customer *c = &k->kept.all[i];
        char id[ID_TEXT_BYTES], first[REPORT_MOMENT_BYTES], last[REPORT_MOMENT_BYTES],
            room[TEXT_PAGE_BYTES];
        report_moment(r, c->first_ms, first);
        report_moment(r, c->last_ms, last);
        ok = table_add(t, (struct cell[]){{.text = name_of(c, id)},
                                          {.text = str_of(class_name(c->class))},
                                          {.text = str_of(last)},
                                          {.text = str_of(first)},
                                          {.number = (int64_t)c->sessions},
                                          {.number = (int64_t)c->days},
                                          {.number = (int64_t)c->views},
                                          {.number = (int64_t)c->engaged_ms},
                                          {.text = top_page(c, room)}});
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
        buf_printf(&r->out, "customers and consented visitors of %s, newest first (%s)\n\n",
                   r->args.site, r->time_zone);
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
    struct newest k = {.limit = report_limit(r, CUSTOMERS_DEFAULT)};
    if (k.limit == 0 || k.limit > CUSTOMERS_MAX) k.limit = CUSTOMERS_MAX;
    int result = report_newest(r, &k.newest);
    if (result == REPORT_OK) result = read_customers(r, &k);
    if (result == REPORT_OK && k.seen == 0)
        result = report_fail("site '%s' has no consented visitors; only they have a profile "
                             "(field c=1 of a hit)",
                             r->args.site);
    if (result == REPORT_OK) result = name_top_pages(r, &k);
    if (result == REPORT_OK) result = print_customers(r, &k);
    for (size_t i = 0; i < k.kept.n; i++)
        forget(&k.kept.all[i]);
    free(k.kept.all);
    return result;
}
