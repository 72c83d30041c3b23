/*
 * Random stories: visitors come back, sign in, follow links, buy; hits are lost, sent twice and
 * late. In whatever order they arrive and wherever batches end, the same bytes are left; and every
 * row and every profile is what the plain model of tests/model counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "customer.h"
#include "fold_hits.h"
#include "hash.h"
#include "interest.h"
#include "share.h"

enum { HITS_MAX = 8192, PAGES = 12, NAMES = 16 };
static const char *const page_names[NAMES] = {
    "shop.example/",  "shop.example/a", "shop.example/b", "shop.example/c",
    "shop.example/d", "shop.example/e", "shop.example/f", "shop.example/g",
    "shop.example/h", "shop.example/i", "shop.example/j", "shop.example/k",
    "shop.example/l", "shop.example/m", "shop.example/n", "shop.example/o"};
/* Pages that links lead to; the last ones are never opened. As the collector packs them. */
enum { LISTS = 24, LIST_LINKS_MAX = 8 };
static struct buf lists[LISTS];

static void make_lists(void)
{
    struct random r = {4711};
    for (size_t i = 0; i < LISTS; i++) {
        uint64_t left_out = draw(&r, 3), links = 1 + draw(&r, LIST_LINKS_MAX);
        uint32_t taken = 0;
        buf_add_varint(&lists[i], left_out);
        while (links-- > 0) {
            uint64_t page = draw(&r, NAMES);
            if (taken >> page & 1) continue;
            taken |= 1u << page;
            buf_add_varint(&lists[i], strlen(page_names[page]));
            buf_add(&lists[i], str_of(page_names[page]));
            if (draw(&r, 4) == 0) buf_add(&lists[i], draw(&r, 2) ? STR("\5*menu") : STR("\4*buy"));
        }
    }
}

/* Of events; as the collector packs them. */
enum { PROPERTIES = 4 };
static const struct str properties[PROPERTIES] = {{"", 0},
                                                  {"\4plan\3pro", 9},
                                                  {"\4plan\4free\4size\1"
                                                   "2",
                                                   17},
                                                  {"\4plan\0", 6}};

static const char *const sources[] = {"", "", "news.example", "search.example"};
static const char countries[][3] = {"FR", "DE", "", "US"};

enum { CUSTOMERS = 3 };
static const char *const customers[CUSTOMERS] = {"anna", "berta", "cora"};

struct story {
    struct hit hits[HITS_MAX];
    int64_t arrives[HITS_MAX];
    size_t n;
    uint32_t serial;
    struct random r;
};

static struct hit *tell(struct story *s, struct hit h)
{
    assert(s->n < HITS_MAX);
    s->hits[s->n] = h;
    return &s->hits[s->n++];
}

static struct str any_customer(struct story *s)
{
    return str_of(customers[draw(&s->r, CUSTOMERS)]);
}

/* A hit of the pageview, some time after it. */
static void tell_signal(struct story *s, const struct hit *view, uint32_t number)
{
    static const int64_t spans[] = {MINUTE, 5 * MINUTE, 40 * MINUTE, 6 * HOUR, 30 * HOUR};
    struct hit h = *view;
    uint64_t span = draw(&s->r, 100);
    h.at_ms += (int64_t)draw(&s->r, (uint64_t)spans[span < 50   ? 0
                                                    : span < 80 ? 1
                                                    : span < 95 ? 2
                                                    : span < 98 ? 3
                                                                : 4]);
    h.number = number;
    h.name = STR("");
    if (draw(&s->r, 2)) h.customer = STR("");
    if (view->customer.n > 0 && draw(&s->r, 20) == 0) h.customer = any_customer(s);
    h.status = 0;
    static const enum hit_kind kinds[] = {
        HIT_PULSE, HIT_PULSE, HIT_PULSE, HIT_PULSE, HIT_OUTBOUND, HIT_DOWNLOAD, HIT_EVENT,
        HIT_SEEN,  HIT_LINKS, HIT_META,  HIT_CLICK, HIT_CONTROL,  HIT_PURCHASE};
    h.kind = kinds[draw(&s->r, sizeof kinds / sizeof *kinds)];
    h.engaged_ms = draw(&s->r, 3) == 0
                       ? 0
                       : (uint32_t)draw(&s->r, 4) * 6000 + (uint32_t)draw(&s->r, 2000000) / 50;
    h.depth = (uint32_t)draw(&s->r, 101);
    h.errors = draw(&s->r, 4) == 0 ? (uint32_t)draw(&s->r, 2 * ERRORS_MAX) : 0;
    if (h.kind == HIT_PULSE && draw(&s->r, 8) == 0) h.flags |= HIT_INTERACTION;
    if (h.kind == HIT_OUTBOUND)
        h.target = draw(&s->r, 2) ? STR("other.example/x") : STR("third.example/");
    if (h.kind == HIT_DOWNLOAD) h.target = STR("shop.example/a.pdf");
    if (h.kind == HIT_EVENT) h.name = draw(&s->r, 2) ? STR("signup") : STR("buy");
    if (h.kind == HIT_EVENT) h.list = properties[draw(&s->r, PROPERTIES)];
    if (h.kind == HIT_EVENT && draw(&s->r, 2)) h.flags |= HIT_GOAL;
    if (h.kind == HIT_EVENT && draw(&s->r, 4)) h.flags |= HIT_INTERACTION;
    if (h.kind == HIT_SEEN || h.kind == HIT_LINKS) h.list = buf_str(&lists[draw(&s->r, LISTS)]);
    if (h.kind == HIT_CLICK) h.target = str_of(page_names[draw(&s->r, PAGES)]);
    if (h.kind == HIT_CONTROL) h.name = STR("menu");
    if (h.kind == HIT_PURCHASE) h.list = purchases[draw(&s->r, PURCHASES)];
    tell(s, h);
    if (draw(&s->r, 10) == 0) { /* the browser sends it twice */
        if (draw(&s->r, 2) && h.kind == HIT_PULSE) h.at_ms += (int64_t)draw(&s->r, 3000);
        tell(s, h);
    }
}

static void tell_pageview(struct story *s, struct hit who, int64_t at_ms)
{
    struct hit h = who;
    h.kind = HIT_PAGEVIEW;
    if (draw(&s->r, 3) == 0) h.customer = STR("");
    h.at_ms = at_ms / HITS_MAX * HITS_MAX + s->serial++ % HITS_MAX; /* no two at the same time */
    h.day = (uint32_t)(h.at_ms / DAY_MS);
    h.page = str_of(page_names[draw(&s->r, 1 + draw(&s->r, PAGES))]); /* the first ones most */
    h.source = str_of(sources[draw(&s->r, 4)]);
    h.channel = 1 + (enum channel)draw(&s->r, 4);
    h.status = draw(&s->r, 20) == 0 ? 404 : 200;
    h.name = draw(&s->r, 5) == 0 ? STR("red shoes") : draw(&s->r, 5) == 0 ? STR("boots") : STR("");
    h.errors = draw(&s->r, 20) == 0 ? (uint32_t)draw(&s->r, 5) : 0;
    if (draw(&s->r, 6) == 0 || (h.flags & HIT_IMPORTED)) {
        tell(s, h); /* by image: no id */
        if (draw(&s->r, 4) == 0) tell(s, h);
        if (draw(&s->r, 3) != 0 || (h.flags & HIT_IMPORTED)) return;
        h.kind = HIT_PURCHASE;
        h.name = STR("");
        h.at_ms += (int64_t)draw(&s->r, MINUTE);
        h.list = purchases[draw(&s->r, PURCHASES)];
        tell(s, h);
        return;
    }
    h.pageview = 1 + draw(&s->r, UINT64_MAX - 1);
    if (draw(&s->r, 12) != 0) { /* sometimes it is lost, and only its pulses come */
        tell(s, h);
        if (draw(&s->r, 12) == 0) {
            struct hit again = h;
            if (draw(&s->r, 2)) again.at_ms += (int64_t)draw(&s->r, 4000);
            if (again.at_ms / DAY_MS == h.at_ms / DAY_MS) tell(s, again);
        }
    }
    uint32_t signals = (uint32_t)draw(&s->r, 5);
    for (uint32_t i = 1; i <= signals; i++)
        tell_signal(s, &h, i);
}

/* Who signed in, by itself. */
static void tell_identity(struct story *s, struct hit who, int64_t at_ms)
{
    who.kind = HIT_IDENTIFY;
    who.at_ms = at_ms + (int64_t)draw(&s->r, HOUR);
    who.day = (uint32_t)(who.at_ms / DAY_MS);
    tell(s, who);
}

static struct story *story_new(uint64_t seed, unsigned visitors, unsigned days)
{
    struct story *s = calloc(1, sizeof *s);
    assert(s != NULL);
    s->r.s = seed;
    for (unsigned i = 0; i < visitors; i++) {
        struct hit who = {
            .site = draw(&s->r, 4) ? STR("shop") : STR("blog"),
            .visitor = draw(&s->r, UINT64_MAX),
            .visitor_kind = draw(&s->r, 3) ? VISITOR_CONSENTED : VISITOR_DAILY,
            .device = (enum device)draw(&s->r, DEVICES),
            .browser = (enum browser)draw(&s->r, BROWSERS),
            .os = (enum os)draw(&s->r, OSES),
        };
        memcpy(who.country, countries[draw(&s->r, 4)], 2);
        uint64_t what = draw(&s->r, 10);
        if (what == 0) who.bot = draw(&s->r, 2) ? STR("Spider") : STR("Crawler");
        if (what == 1) who.flags = HIT_IMPORTED, who.visitor_kind = VISITOR_DAILY;
        unsigned visits = 1 + (unsigned)draw(&s->r, 8);
        int64_t at = T0;
        bool signs = who.visitor_kind == VISITOR_CONSENTED && draw(&s->r, 2);
        for (unsigned j = 0; j < visits && s->n < HITS_MAX - 200; j++) {
            if (j > 0 && draw(&s->r, 3) > 0) /* soon again, often on the same day */
                at += HOUR + (int64_t)draw(&s->r, 3 * HOUR);
            else
                at = T0 + (int64_t)draw(&s->r, (uint64_t)days * DAY_MS);
            unsigned views = 1 + (unsigned)draw(&s->r, 5);
            who.customer = signs && draw(&s->r, 3) ? any_customer(s) : STR("");
            if (who.customer.n > 0 && draw(&s->r, 6) == 0) tell_identity(s, who, at);
            for (unsigned k = 0; k < views; k++) {
                tell_pageview(s, who, at);
                at += (int64_t)draw(&s->r, 35 * MINUTE);
            }
        }
    }
    for (int i = 0; i < 20; i++) {
        struct hit t = {.kind = HIT_TALLY,
                        .site = STR("shop"),
                        .at_ms = T0,
                        .day = DAY0 + 1,
                        .verdict = (enum verdict)(V_OPTED_OUT + draw(&s->r, 5)),
                        .n = 1 + (uint32_t)draw(&s->r, 9)};
        tell(s, t);
    }
    return s;
}

/* Arrivals: each hit up to delay_ms after it happened; *order gets the indices in that order. */
static const struct story *sorted_story;
static int by_arrival(const void *a, const void *b)
{
    size_t i = *(const size_t *)a, j = *(const size_t *)b;
    if (sorted_story->arrives[i] != sorted_story->arrives[j])
        return sorted_story->arrives[i] < sorted_story->arrives[j] ? -1 : 1;
    return i < j ? -1 : 1;
}

static void shuffle(struct story *s, size_t *order, int64_t delay_ms)
{
    for (size_t i = 0; i < s->n; i++) {
        order[i] = i;
        s->arrives[i] = s->hits[i].at_ms + (int64_t)draw(&s->r, (uint64_t)delay_ms + 1);
    }
    sorted_story = s;
    qsort(order, s->n, sizeof *order, by_arrival);
}

static void play(struct world *w, struct story *s, const size_t *order, size_t batch_max)
{
    struct hit *batch = malloc(s->n * sizeof *batch);
    assert(batch != NULL);
    for (size_t i = 0; i < s->n;) {
        size_t n = 0, want = 1 + draw(&s->r, batch_max);
        for (; n < want && i < s->n; n++, i++)
            batch[n] = s->hits[order[i]];
        world_batch(w, batch, n);
    }
    free(batch);
}

static void test_any_order(void **state)
{
    (void)state;
    size_t *order = malloc(HITS_MAX * sizeof *order);
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct story *s = story_new(seed, 50, 10);
        struct buf first = {0};
        for (int round = 0; round < 12; round++) {
            static const size_t batches[] = {1, 7, 100, HITS_MAX};
            struct world *w = world_new();
            shuffle(s, order, round == 0 ? 0 : LATE_AFTER_MS);
            play(w, s, order, batches[round % 4]);
            assert_int_equal(w->ledger[V_LATE], 0);
            assert_int_equal(w->approximated, 0);
            assert_same(w, &first);
            world_free(w);
        }
        buf_fini(&first);
        free(s);
    }
    free(order);
}

/* The plain model. */

static void write_list(FILE *out, const struct hit *h)
{
    struct str text;
    int64_t minor;
    if (h->kind == HIT_SEEN || h->kind == HIT_LINKS) {
        struct hit_links links = hit_links_open(h->list);
        fprintf(out, ",\"left_out\":%u,\"links\":[", (unsigned)links.left_out);
        for (const char *comma = ""; hit_links_next(&links, &text); comma = ",")
            fprintf(out, "%s\"%.*s\"", comma, STR_ARG(text));
        links = hit_links_open(h->list);
        fprintf(out, "],\"controls\":[");
        for (const char *comma = ""; hit_controls_next(&links, &text); comma = ",")
            fprintf(out, "%s\"%.*s\"", comma, STR_ARG(text));
        fprintf(out, "]");
    } else if (h->kind == HIT_EVENT) {
        struct hit_property p;
        struct str list = h->list;
        fprintf(out, ",\"properties\":{");
        for (const char *comma = ""; hit_properties_next(&list, &p); comma = ",")
            fprintf(out, "%s\"%.*s\":\"%.*s\"", comma, STR_ARG(p.key), STR_ARG(p.value));
        fprintf(out, "}");
    } else if (hit_money(h->list, &text, &minor)) {
        fprintf(out, ",\"currency\":\"%.*s\",\"value\":%lld", STR_ARG(text), (long long)minor);
        if (hit_order(h->list) != 0)
            fprintf(out, ",\"order\":\"%llx\"", (unsigned long long)hit_order(h->list));
    }
    fprintf(out, "}\n");
}

static void write_json(FILE *out, const struct hit *h)
{
    fprintf(out, "{\"kind\":\"%s\",\"site\":\"%.*s\",\"at\":%lld,\"day\":%u,\"visitor\":\"%llu\"",
            hit_kind_name(h->kind), STR_ARG(h->site), (long long)h->at_ms, h->day,
            (unsigned long long)h->visitor);
    fprintf(out,
            ",\"consented\":%s,\"pageview\":\"%llu\",\"number\":%u,\"page\":\"%.*s\",\"status\":%u,"
            "\"channel\":%u",
            h->visitor_kind == VISITOR_CONSENTED ? "true" : "false",
            (unsigned long long)h->pageview, h->number, STR_ARG(h->page), h->status, h->channel);
    fprintf(out,
            ",\"source\":\"%.*s\",\"country\":\"%.*s\",\"device\":%u,\"browser\":%u,\"os\":%u,"
            "\"bot\":\"%.*s\"",
            STR_ARG(h->source), h->country[0] ? 2 : 0, h->country, h->device, h->browser, h->os,
            STR_ARG(h->bot));
    fprintf(out,
            ",\"engaged\":%u,\"depth\":%u,\"errors\":%u,\"target\":\"%.*s\",\"name\":\"%.*s\","
            "\"interaction\":%s,"
            "\"imported\":%s,\"verdict\":%u,\"n\":%u,\"goal\":%s",
            h->engaged_ms, h->depth, h->errors, STR_ARG(h->target), STR_ARG(h->name),
            h->flags & HIT_INTERACTION ? "true" : "false",
            h->flags & HIT_IMPORTED ? "true" : "false", h->verdict, h->n,
            h->flags & HIT_GOAL ? "true" : "false");
    if (h->customer.n > 0) fprintf(out, ",\"customer\":\"%.*s\"", STR_ARG(h->customer));
    write_list(out, h);
}

static const char *page_of(uint64_t id)
{
    for (size_t i = 0; i < NAMES; i++) {
        if (hash64(str_of(page_names[i])) == id) return page_names[i];
    }
    return "unknown";
}

/* As the model names rows: "p:shop.example/a", "c:3". */
static void print_name(struct buf *out, struct str name)
{
    if (strchr("TLV", name.p[0]) != NULL)
        buf_add(out, name);
    else if (name.p[0] == 'p')
        buf_printf(out, "p:%s", page_of(load_le64(name.p + 1)));
    else if (name.p[0] == 't')
        buf_printf(out, "t:%s>%s", page_of(load_le64(name.p + 1)), page_of(load_le64(name.p + 9)));
    else if (strchr("cvbo", name.p[0]) != NULL)
        buf_printf(out, "%c:%d", name.p[0], name.p[1]);
    else
        buf_printf(out, "%c:%.*s", name.p[0], (int)name.n - 1, name.p + 1);
}

static void print_row(struct world *w, struct str key, struct str value, void *arg)
{
    (void)w;
    struct buf *out = arg;
    struct row r = {0};
    assert_true(row_decode(value, &r));
    struct str rest = str_from(key, 4);
    struct str site = str_upto(rest, str_find(rest, ' '));
    rest = str_from(rest, site.n + 1);
    struct str day = str_upto(rest, str_find(rest, ' '));
    struct str name = str_from(rest, day.n + 1);
    unsigned long number = strtoul(day.p, NULL, 10);
    bool sums = number == DELTA_MIX && name.p[0] != 'T';
    if (number == DELTA_LIVE) day = STR("live");
    if (number == DELTA_MIX) day = STR("mix");
    for (uint32_t i = 0; i < r.n; i++) {
        buf_printf(out, "%s %.*s %.*s ", sums ? "mix" : "row", STR_ARG(site), STR_ARG(day));
        print_name(out, name);
        buf_printf(out, " %u %lld\n", r.cells[i].column, (long long)r.cells[i].value);
    }
    row_fini(&r);
}

/* A profile as the model tells it; `who`: "SITE VISITOR". */
static void print_person(struct buf *out, const char *who, const struct profile *p)
{
    static const uint32_t later[] = {0, 9, 27, 28, 40, 55, 56};
    buf_printf(out, "profile %s %llu %llu %llu %llu %lld %u\n", who,
               (unsigned long long)p->sessions, (unsigned long long)p->days,
               (unsigned long long)p->views, (unsigned long long)p->engaged_ms,
               (long long)p->first_ms, p->newest_day);
    for (uint32_t day = p->newest_day; day > 0 && p->newest_day - day < PROFILE_DAYS; day--) {
        if (p->day_sessions[day % PROFILE_DAYS] != 0)
            buf_printf(out, "day %s %u %u\n", who, day, p->day_sessions[day % PROFILE_DAYS]);
    }
    for (size_t i = 0; i < sizeof later / sizeof *later; i++)
        buf_printf(out, "class %s %u %s\n", who, later[i],
                   class_name(profile_class(p, p->newest_day + later[i])));
    for (uint32_t i = 0; i < p->marks_n; i++) {
        uint32_t kind = p->marks[i].key >> 16, value = p->marks[i].key & 0xffff;
        buf_printf(out, "mark %s %u ", who, kind);
        if (value == 0)
            buf_printf(out, "?");
        else if (kind == MARK_COUNTRY)
            buf_printf(out, "%c%c", (char)(value >> 8), (char)value);
        else
            buf_printf(out, "%u", value);
        buf_printf(out, " %u\n", p->marks[i].sessions);
    }
}

static void print_page(struct buf *out, const char *who, const struct profile *p,
                       const struct profile_page *page)
{
    const char *name = page_of(page->page);
    static const char *const whys[] = {"-", "passed", "left"};
    buf_printf(out, "page %s %s %u %llu %u %u %u %u %u %s %s\n", who, name, page->views,
               (unsigned long long)page->engaged_ms, page->first_day, page->last_day, page->seen,
               page->tried, page->used, rung_name(profile_rung(page)), whys[profile_ignores(page)]);
    if (page->seen > 0)
        buf_printf(out, "seen %s %s %u %u %u %u\n", who, name, page->passed, page->passed_days,
                   page->passed_from, page->last_seen_day);
    for (int later = 0; later <= 45; later += 45) {
        int64_t now_ms = p->recent.newest_ms + later * (int64_t)DAY_MS;
        buf_printf(out, "interest %s %s %d %.4f\n", who, name, later,
                   (double)profile_interest(p, page, now_ms) / INTEREST_SCORE_ONE);
    }
    for (uint32_t age = 0; age < PROFILE_WEEKS; age++) {
        uint32_t week = week_of(p->newest_day) - age;
        const struct profile_week *sum = &page->weeks[week % PROFILE_WEEKS];
        if (sum->opened != 0 || sum->seen != 0)
            buf_printf(out, "week %s %s %u %u %u %u %u\n", who, name, week, sum->seen, sum->tried,
                       sum->used, sum->opened);
    }
}

/* What of it belongs to this customer; NULL: to the visitor itself. */
static void print_share(struct buf *out, struct str value, struct str site, uint64_t visitor,
                        const char *customer)
{
    struct profile p = {0};
    char who[64];
    uint64_t key = customer == NULL ? CUSTOMER_NONE : customer_key(STR(""), site, str_of(customer));
    assert_true(profile_decode(value, &p));
    bool own = p.recent.link == CUSTOMER_NONE;
    assert_true(share_take(&p, key));
    snprintf(who, sizeof who, "%.*s %llu%s%s", STR_ARG(site), (unsigned long long)visitor,
             customer == NULL ? "" : ":", customer == NULL ? "" : customer);
    if (own == (customer == NULL) && (own || p.views > 0)) {
        print_person(out, who, &p);
        for (uint32_t i = 0; i < p.pages_n; i++)
            print_page(out, who, &p, &p.pages[i]);
    } else {
        assert_int_equal(p.views, 0);
    }
    profile_fini(&p);
}

static void print_profile(struct world *w, struct str key, struct str value, void *arg)
{
    (void)w;
    struct str rest = str_from(key, 8);
    struct str site = str_upto(rest, str_find(rest, ' '));
    char hex[17] = "";
    memcpy(hex, rest.p + site.n + 1, 16);
    uint64_t visitor = strtoull(hex, NULL, 16);
    print_share(arg, value, site, visitor, NULL);
    for (int i = 0; i < CUSTOMERS; i++)
        print_share(arg, value, site, visitor, customers[i]);
}

enum { LINES_MAX = 200000 };
struct lines {
    char *line[LINES_MAX];
    size_t n;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void split(char *text, struct lines *out)
{
    out->n = 0;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        assert_true(out->n < LINES_MAX);
        if (strncmp(line, "person ", 7) != 0) out->line[out->n++] = line;
    }
    qsort(out->line, out->n, sizeof out->line[0], by_text);
}

static void ask_model(const struct story *s, const size_t *order, struct buf *answer)
{
    char file[] = "/tmp/fold-model-XXXXXX";
    int fd = mkstemp(file);
    assert_true(fd >= 0);
    FILE *out = fdopen(fd, "w");
    for (size_t i = 0; i < s->n; i++)
        write_json(out, &s->hits[order[i]]);
    assert_int_equal(fclose(out), 0);
    char command[4096];
    snprintf(command, sizeof command, "node '%s/tests/model/model.mjs' %s", SOURCE_DIR, file);
    FILE *in = popen(command, "r");
    assert_non_null(in);
    char chunk[4096];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, in)) > 0)
        buf_add(answer, (struct str){chunk, n});
    assert_int_equal(pclose(in), 0);
    unlink(file);
    buf_add_char(answer, '\0');
}

/* Lines of interest and mix end with a number that the fold has rounded. */
static int compare_lines(const char *got, const char *want)
{
    const char *got_end = strrchr(got, ' '), *want_end = strrchr(want, ' ');
    bool mix = strncmp(got, "mix ", 4) == 0; /* sums of whole numbers, each up to 1/2 off */
    bool round = mix || strncmp(got, "interest ", 9) == 0;
    if (!round || got_end - got != want_end - want ||
        memcmp(got, want, (size_t)(got_end - got)) != 0)
        return strcmp(got, want);
    double a = atof(got_end), b = atof(want_end), off = a < b ? b - a : a - b;
    return off <= (mix ? 3 : 0.002) + b / 10000 ? 0 : strcmp(got, want);
}

static void compare(struct buf *got_text, struct buf *want_text)
{
    static struct lines got, want;
    split(got_text->p, &got);
    split(want_text->p, &want);
    assert_true(want.n > 100);
    size_t wrong = 0;
    for (size_t i = 0, j = 0; i < got.n || j < want.n;) {
        int c = i == got.n ? 1 : j == want.n ? -1 : compare_lines(got.line[i], want.line[j]);
        if (c != 0 && wrong++ < 20)
            print_message("%s: %s\n", c < 0 ? "only the fold" : "only the model",
                          c < 0 ? got.line[i] : want.line[j]);
        i += c <= 0;
        j += c >= 0;
    }
    assert_int_equal(wrong, 0);
}

static void test_model(void **state)
{
    (void)state;
    size_t *order = malloc(HITS_MAX * sizeof *order);
    for (uint64_t seed = 101; seed <= 106; seed++) {
        /* the last ones come up to 100 h late, so that some are counted as late */
        struct story *s = story_new(seed, 60, seed % 2 ? 10 : 130);
        shuffle(s, order, seed < 105 ? LATE_AFTER_MS : 100 * (int64_t)HOUR);
        struct world *w = world_new();
        play(w, s, order, 64);
        struct buf got = {0}, want = {0};
        world_each(w, STR("row "), print_row, &got);
        world_each(w, STR("profile "), print_profile, &got);
        for (int v = 0; v < VERDICTS; v++) {
            if (w->ledger[v] > 0)
                buf_printf(&got, "ledger %d %llu\n", v, (unsigned long long)w->ledger[v]);
        }
        buf_add_char(&got, '\0');
        if (seed >= 105) assert_true(w->ledger[V_LATE] > 0);
        assert_true(w->ledger[V_DUPLICATE] > 0);
        ask_model(s, order, &want);
        compare(&got, &want);
        buf_fini(&got);
        buf_fini(&want);
        world_free(w);
        free(s);
    }
    free(order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_order),
        cmocka_unit_test(test_model),
    };
    make_lists();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (size_t i = 0; i < LISTS; i++)
        buf_fini(&lists[i]);
    return failed;
}
