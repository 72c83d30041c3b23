/*
 * sentier-journal: what stands in segments, of a journal or of the archive. dump prints records as
 * JSON lines, verify counts them. Both read as the shipper does, so what they find is what ships.
 *
 * Memory is bounded: a segment is read through a window, and one that is compressed is first
 * unpacked into a file without a name in $TMPDIR (/tmp).
 *
 * Only a tail that the file's end cuts off in the middle of a record is a torn tail: a crash leaves
 * that, and nobody was answered for it. Anything else that is no record is damage.
 *
 * Exit status: 0 all is whole, 1 something is damaged, 2 something could not be read.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "about.h"
#include "archive.h"
#include "bytes.h"
#include "clock.h"
#include "hit.h"
#include "journal_read.h"
#include "keys.h"
#include "utf8.h"

enum status { WHOLE = 0, DAMAGED = 1, UNREAD = 2 };
enum {
    PATH_BYTES = 4096,
    PLACES_MAX = 20, /* of damage that verify names, per file */
    VISITORS_MAX = 64,
    LAST_DAY = 2932896, /* 9999-12-31 */
};

static const char usage[] =
    "sentier journal dump FILE...     the records of segments as JSON lines\n"
    "sentier journal dump --site NAME [--customer ID] [--visitor ID]... FILE...\n"
    "                                 only the hits that this customer signed, and of these\n"
    "                                 visitors what nobody else has\n"
    "sentier journal verify FILE...   whether they are whole\n\n"
    "FILE is a segment, PRODUCER-FIRSTSEQ.seg in DATA/journal or PRODUCER-FIRSTSEQ.seg.gz in the\n"
    "archive, also under another name. Exit status: 0 all is whole, 1 something is damaged, 2\n"
    "something could not be read.\n";

/* Whose hits are to be printed; no site: everybody's, and what else stands there. */
static struct {
    struct str site, customer;
    uint64_t visitor[VISITORS_MAX];
    unsigned n;
} wanted;

struct file {
    const char *path;
    int fd; /* of the bytes, unpacked; the reader has another */
    struct segment_name name;
    struct segment_reader *reader;
    uint64_t bytes, created_ms;
    const char *gzip_damage; /* NULL: none */
    bool cut_head;           /* ends within it: there never was a record */
    bool named;              /* as segments are; else it says itself which it is */
};

struct count {
    uint64_t records, weight, first, last;
    uint64_t damaged, places; /* bytes, stretches */
    uint64_t torn;            /* bytes */
    uint64_t strange;         /* records that are whole but hold no hit that this program knows */
};

static enum status complain(const char *path, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum status complain(const char *path, enum status status, const char *format, ...)
{
    va_list ap;
    fflush(stdout);
    fprintf(stderr, "sentier journal: %s: ", path);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
    return status;
}

/* ---- opening ---- */

static int unnamed_file(void)
{
    const char *dir = getenv("TMPDIR");
    char path[PATH_BYTES];
    if (dir == NULL || dir[0] == '\0') dir = "/tmp";
    snprintf(path, sizeof path, "%s/sentier-journal-XXXXXX", dir);
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) unlink(path);
    return fd;
}

static bool is_gzip(int fd)
{
    char magic[2];
    return pread(fd, magic, 2, 0) == 2 && memcmp(magic, "\x1f\x8b", 2) == 0;
}

/* f->fd becomes that of the unpacked bytes. */
static enum status unpack(struct file *f)
{
    int to = unnamed_file();
    if (to < 0) return complain(f->path, UNREAD, "cannot unpack it: %s", strerror(errno));
    enum unpack_result did = archive_unpack(f->fd, to, &f->gzip_damage);
    int err = errno;
    close(f->fd);
    f->fd = to;
    if (did == UNPACK_OK) f->gzip_damage = NULL;
    return did == UNPACK_FAILED ? complain(f->path, UNREAD, "unpacking: %s", strerror(err)) : WHOLE;
}

static bool name_of_path(const char *path, struct segment_name *name)
{
    const char *slash = strrchr(path, '/');
    const char *file = slash == NULL ? path : slash + 1;
    return segment_name_parse(file, name) || archive_name_parse(file, name);
}

/* A segment under its own name must be the one that it says; under another it says itself. */
static enum status identify(struct file *f)
{
    char head[40];
    ssize_t got = pread(f->fd, head, sizeof head, 0);
    if (got < 0) return complain(f->path, UNREAD, "%s", strerror(errno));
    bool named = f->named = name_of_path(f->path, &f->name);
    size_t seen = got < 8 ? (size_t)got : 8;
    if (!named && (memcmp(head, "SNTRSEG1", seen) != 0 || seen == 0))
        return complain(f->path, UNREAD, "is not a segment of a journal");
    f->cut_head = got < (ssize_t)sizeof head;
    if (f->cut_head) return WHOLE;
    f->created_ms = load_le64(head + 32);
    if (named) return WHOLE;
    memcpy(f->name.producer, head + 8, PRODUCER_BYTES);
    f->name.first_seq = load_le64(head + 24);
    return WHOLE;
}

/* The reader, or NULL with errno. */
static struct segment_reader *reader_of_file(const struct file *f)
{
    int again = fcntl(f->fd, F_DUPFD_CLOEXEC, 0);
    return again < 0 ? NULL : segment_take(again, &f->name);
}

static enum status open_reader(struct file *f)
{
    f->reader = reader_of_file(f);
    if (f->reader != NULL && segment_head_damaged(f->reader) && !f->named) {
        segment_close(f->reader); /* what it said of itself is not to be believed */
        f->name = (struct segment_name){.first_seq = 0};
        f->reader = reader_of_file(f);
    }
    if (f->reader != NULL) return WHOLE;
    if (errno == EBADMSG) return complain(f->path, DAMAGED, "it has the name of another segment");
    f->cut_head = errno == ENODATA;
    return f->cut_head ? WHOLE : complain(f->path, UNREAD, "%s", strerror(errno));
}

static enum status open_file(struct file *f)
{
    struct stat st;
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not hold us up */
    if (f->fd < 0 || fstat(f->fd, &st) < 0) return complain(f->path, UNREAD, "%s", strerror(errno));
    if (!S_ISREG(st.st_mode)) return complain(f->path, UNREAD, "is not a file");
    enum status status = is_gzip(f->fd) ? unpack(f) : WHOLE;
    if (status == WHOLE) status = identify(f);
    if (status == WHOLE && fstat(f->fd, &st) < 0)
        return complain(f->path, UNREAD, "%s", strerror(errno));
    f->bytes = (uint64_t)st.st_size;
    return status == WHOLE && !f->cut_head ? open_reader(f) : status;
}

static void close_file(struct file *f)
{
    segment_close(f->reader);
    if (f->fd >= 0) close(f->fd);
}

/* ---- JSON ---- */

static void put_character(struct str c)
{
    unsigned char first = (unsigned char)c.p[0];
    if (first == '"' || first == '\\')
        printf("\\%c", first);
    else if (first < 0x20 || first == 0x7f)
        printf("\\u%04x", first);
    else if (first == 0xc2 && (unsigned char)c.p[1] < 0xa0) /* C1: a terminal would obey */
        printf("\\u%04x", (unsigned char)c.p[1]);
    else
        fwrite(c.p, 1, c.n, stdout);
}

static void put_string(struct str s)
{
    putchar('"');
    while (s.n > 0) {
        size_t n = utf8_char(s);
        if (n == 0) {
            fputs("\\ufffd", stdout);
            n = 1;
        } else {
            put_character(str_upto(s, n));
        }
        s = str_from(s, n);
    }
    putchar('"');
}

/* Fields of a record, after the first; what is zero or empty is not given. */
static void put_text(const char *field, struct str value)
{
    if (value.n == 0) return;
    printf(",\"%s\":", field);
    put_string(value);
}

static void put_number(const char *field, uint64_t value)
{
    if (value > 0) printf(",\"%s\":%" PRIu64, field, value);
}

static void put_id(const char *field, uint64_t id)
{
    char text[ID_TEXT_BYTES];
    if (id == 0) return;
    id_format(id, text);
    printf(",\"%s\":\"%s\"", field, text);
}

static void put_name(const char *field, unsigned value, const char *name)
{
    if (value > 0) put_text(field, str_of(name));
}

static void put_date(const char *field, uint32_t day)
{
    char text[DATE_TEXT_BYTES];
    if (day == 0 || day > LAST_DAY) {
        put_number(field, day);
        return;
    }
    date_format(day, text);
    put_text(field, str_of(text));
}

static void put_flags(uint32_t flags)
{
    if (flags & HIT_INTERACTION) fputs(",\"interaction\":true", stdout);
    if (flags & HIT_IMPORTED) fputs(",\"imported\":true", stdout);
    if (flags & HIT_MORE) fputs(",\"more\":true", stdout);
    if (flags & HIT_GOAL) fputs(",\"goal\":true", stdout);
    put_number("other_flags",
               flags & ~(uint32_t)(HIT_INTERACTION | HIT_IMPORTED | HIT_GOAL | HIT_MORE));
}

/* next: hit_links_next or hit_controls_next. */
static void put_entries(const char *field, struct hit_links links,
                        bool (*next)(struct hit_links *l, struct str *entry))
{
    struct str entry;
    printf(",\"%s\":[", field);
    for (bool first = true; next(&links, &entry); first = false) {
        if (!first) putchar(',');
        put_string(entry);
    }
    putchar(']');
}

static void put_links(const struct hit *h)
{
    struct hit_links links = hit_links_open(h->list);
    put_entries("links", links, hit_links_next);
    if (h->kind == HIT_SEEN) put_entries("controls", links, hit_controls_next);
    put_number("left_out", links.left_out);
}

static void put_properties(const struct hit *h)
{
    struct str list = h->list;
    struct hit_property p;
    fputs(",\"properties\":{", stdout);
    for (bool first = true; hit_properties_next(&list, &p); first = false) {
        if (!first) putchar(',');
        put_string(p.key);
        putchar(':');
        put_string(p.value);
    }
    putchar('}');
}

static void put_about(const struct hit *h)
{
    struct about a;
    if (!about_unpack(h->list, &a)) return;
    put_text("title", a.title);
    put_text("section", a.section);
    put_text("language", a.language);
    put_text("canonical", a.canonical);
    put_date("published", a.published);
    fputs(",\"topics\":[", stdout);
    for (unsigned i = 0; i < a.topics_n; i++) {
        printf("%s{\"weight\":%u", i > 0 ? "," : "", a.topics[i].weight);
        put_text("topic", a.topics[i].text);
        putchar('}');
    }
    putchar(']');
}

static void put_list(const struct hit *h)
{
    struct str currency;
    int64_t minor;
    if (h->kind == HIT_SEEN || h->kind == HIT_LINKS) put_links(h);
    if (h->kind == HIT_META) put_about(h);
    if (h->kind == HIT_EVENT && h->list.n > 0) put_properties(h);
    if (h->kind != HIT_PURCHASE || !hit_money(h->list, &currency, &minor)) return;
    put_text("currency", currency);
    printf(",\"value\":%" PRId64, minor);
    put_id("order", hit_order(h->list));
}

static void put_visit(const struct hit *h)
{
    static const char *const kinds[] = {NULL, "daily", "consented"};
    put_date("day", h->day);
    put_id("visitor", h->visitor);
    put_name("visitor_kind", h->visitor_kind, kinds[h->visitor_kind]);
    put_id("pageview", h->pageview);
    if (h->pageview != 0) printf(",\"number\":%" PRIu32, h->number);
    put_text("page", h->page);
    put_number("status", h->status);
    put_name("channel", h->channel, channel_name(h->channel));
    put_text("source", h->source);
    put_text("campaign", h->campaign);
    put_text("country", (struct str){h->country, h->country[0] == '\0' ? 0 : 2});
    put_name("device", h->device, device_name(h->device));
    put_name("browser", h->browser, browser_name(h->browser));
    put_name("os", h->os, os_name(h->os));
    put_text("bot", h->bot);
    put_text("customer", h->customer);
    put_number("engaged_ms", h->engaged_ms);
    put_number("depth", h->depth);
    put_number("errors", h->errors);
    put_text("target", h->target);
    put_text(h->kind == HIT_PAGEVIEW ? "search" : "name", h->name);
    put_list(h);
}

static void put_hit(const struct hit *h)
{
    put_text("kind", str_of(hit_kind_name(h->kind)));
    put_text("site", h->site);
    put_number("at_ms", (uint64_t)h->at_ms);
    put_visit(h);
    put_flags(h->flags);
    put_number("modified", h->modified);
    if (h->kind == HIT_TALLY) put_text("verdict", str_of(verdict_name(h->verdict)));
    if (h->kind == HIT_TALLY || h->kind == HIT_CATALOGUE_END) printf(",\"n\":%" PRIu32, h->n);
}

static void put_bytes(const char *field, struct str bytes)
{
    printf(",\"%s\":\"", field);
    for (size_t i = 0; i < bytes.n; i++)
        printf("%02x", (unsigned char)bytes.p[i]);
    putchar('"');
}

/* Of a customer's visitors, not what another one has signed. */
static bool is_wanted(const struct hit *h)
{
    if (wanted.site.n == 0) return true;
    if (h == NULL || h->visitor_kind != VISITOR_CONSENTED || !str_eq(h->site, wanted.site))
        return false;
    if (wanted.customer.n > 0 && h->customer.n > 0) return str_eq(h->customer, wanted.customer);
    for (unsigned i = 0; i < wanted.n; i++) {
        if (h->visitor == wanted.visitor[i]) return true;
    }
    return false;
}

/* hit NULL: the payload is none that this program knows. */
static void dump_record(const struct record *r, const struct hit *h)
{
    printf("{\"seq\":%" PRIu64 ",\"partition\":%u,\"weight\":%" PRIu32, r->seq, r->partition,
           r->weight);
    if (h != NULL)
        put_hit(h);
    else
        put_bytes("unknown", r->payload);
    puts("}");
}

static void dump_segment(const struct file *f)
{
    fputs("{\"segment\":{\"file\":", stdout);
    put_string(str_of(f->path));
    printf(",\"bytes\":%" PRIu64, f->bytes);
    if (f->reader != NULL) {
        put_bytes("producer", (struct str){(const char *)f->name.producer, PRODUCER_BYTES});
        if (segment_head_damaged(f->reader))
            printf(",\"first_seq\":%" PRIu64 ",\"head\":\"damaged\"", f->name.first_seq);
        else
            printf(",\"first_seq\":%" PRIu64 ",\"created_ms\":%" PRIu64
                   ",\"weight_before\":%" PRIu64 ",\"partitions\":%u,\"import\":%s",
                   f->name.first_seq, f->created_ms, segment_weight_before(f->reader),
                   segment_partitions(f->reader),
                   segment_flags(f->reader) & JOURNAL_FLAG_IMPORT ? "true" : "false");
    }
    puts("}}");
}

/* ---- reading ---- */

static void note_damage(const struct file *f, struct count *c, bool dump, uint64_t at,
                        uint64_t bytes)
{
    c->damaged += bytes;
    c->places++;
    if (dump && wanted.site.n == 0)
        printf("{\"damage\":{\"offset\":%" PRIu64 ",\"bytes\":%" PRIu64 "}}\n", at, bytes);
    else if (!dump && c->places <= PLACES_MAX)
        printf("%s: damaged: %" PRIu64 " bytes at %" PRIu64 "\n", f->path, bytes, at);
}

static void note_record(struct count *c, bool dump, const struct record *r)
{
    struct hit hit;
    bool known = hit_decode(r->payload, &hit);
    if (c->records++ == 0) c->first = r->seq;
    c->last = r->seq;
    c->weight += r->weight;
    if (!known || hit_weight(&hit) != r->weight) c->strange++;
    if (dump && is_wanted(known ? &hit : NULL)) dump_record(r, known ? &hit : NULL);
}

/* What is behind the last record. */
static void note_tail(const struct file *f, struct count *c, bool dump, uint64_t at)
{
    static char window[RECORD_HEAD_BYTES + RECORD_MAX_BYTES];
    struct record r;
    if (at >= f->bytes) return;
    ssize_t got = pread(f->fd, window, sizeof window, (off_t)at);
    struct str tail = {window, got < 0 ? 0 : (size_t)got};
    if (tail.n != f->bytes - at || record_parse(tail, &r) != RECORD_PARTIAL) {
        note_damage(f, c, dump, at, f->bytes - at);
        return;
    }
    c->torn = tail.n;
    if (dump && wanted.site.n == 0)
        printf("{\"torn_tail\":{\"offset\":%" PRIu64 ",\"bytes\":%zu}}\n", at, tail.n);
}

static void read_records(const struct file *f, struct count *c, bool dump)
{
    uint64_t at = 0, before = 0; /* of what lies behind the last record, damaged bytes so far */
    if (f->reader != NULL && !segment_head_damaged(f->reader)) at = segment_offset(f->reader);
    for (bool more = f->reader != NULL; more;) {
        struct record r;
        more = segment_next(f->reader, f->bytes, &r) == SEGMENT_RECORD;
        uint64_t damaged = segment_damaged_bytes(f->reader) - before;
        if (damaged > 0) note_damage(f, c, dump, at, damaged);
        if (more) note_record(c, dump, &r);
        at = segment_offset(f->reader);
        before += damaged;
    }
    if (f->reader != NULL) note_tail(f, c, dump, segment_offset(f->reader));
    if (f->cut_head) c->torn = f->bytes;
}

/* Numbers that should have been between the first and the last; imports leave some out. */
static uint64_t missing(const struct file *f, const struct count *c)
{
    if (c->records == 0 || segment_flags(f->reader) & JOURNAL_FLAG_IMPORT) return 0;
    if (segment_head_damaged(f->reader)) return 0; /* nobody says whether it is an import's */
    return c->last - f->name.first_seq + 1 - c->records;
}

static void print_count(const struct file *f, const struct count *c, enum status status)
{
    printf("%s: %s  records %" PRIu64 "  weight %" PRIu64, f->path,
           status == WHOLE ? "ok" : "DAMAGED", c->records, c->weight);
    if (c->records > 0) printf("  seq %" PRIu64 "..%" PRIu64, c->first, c->last);
    printf("  damaged %" PRIu64 " bytes", c->damaged);
    if (c->places > 1) printf(" in %" PRIu64 " places", c->places);
    printf("  torn tail %" PRIu64 " bytes", c->torn);
    uint64_t lost = missing(f, c);
    if (lost > 0) printf("  missing %" PRIu64 " records", lost);
    if (c->strange > 0) printf("  unknown %" PRIu64 " records", c->strange);
    putchar('\n');
}

static enum status read_file(const char *path, bool dump)
{
    struct file f = {.path = path, .fd = -1};
    struct count c = {.records = 0};
    enum status status = open_file(&f);
    if (status == WHOLE) {
        if (dump && wanted.site.n == 0) dump_segment(&f);
        read_records(&f, &c, dump);
        if (f.reader != NULL && segment_head_damaged(f.reader))
            status = complain(path, DAMAGED, "its head is damaged; the rest is read without it");
        if (f.gzip_damage != NULL) status = complain(path, DAMAGED, "%s", f.gzip_damage);
        if (c.damaged + c.strange + missing(&f, &c) > 0) status = DAMAGED;
        if (!dump) print_count(&f, &c, status);
    } else if (status == DAMAGED && f.gzip_damage != NULL) {
        complain(path, DAMAGED, "%s", f.gzip_damage);
    }
    close_file(&f);
    return status;
}

/* Options of dump, before the files. How many words they take; -1: not understood. */
static int read_wanted(char **word)
{
    int n = 0;
    for (; word[n] != NULL && word[n][0] == '-'; n += 2) {
        if (word[n + 1] == NULL) return -1;
        if (strcmp(word[n], "--site") == 0)
            wanted.site = str_of(word[n + 1]);
        else if (strcmp(word[n], "--customer") == 0)
            wanted.customer = str_of(word[n + 1]);
        else if (strcmp(word[n], "--visitor") != 0 || wanted.n == VISITORS_MAX ||
                 !id_parse(str_of(word[n + 1]), &wanted.visitor[wanted.n++]))
            return -1;
    }
    return (wanted.n + wanted.customer.n == 0) == (wanted.site.n == 0) ? n : -1;
}

int main(int argc, char **argv)
{
    enum status worst = WHOLE;
    bool dump = argc > 1 && strcmp(argv[1], "dump") == 0;
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(usage, stdout);
        return WHOLE;
    }
    int words = dump ? read_wanted(argv + 2) : 0;
    int first = 2 + words;
    if ((!dump && (argc < 2 || strcmp(argv[1], "verify") != 0)) || words < 0 || argc <= first ||
        argv[first][0] == '-') {
        fputs(usage, stderr);
        return UNREAD;
    }
    for (int i = first; i < argc && !ferror(stdout); i++) {
        enum status status = read_file(argv[i], dump);
        if (status > worst) worst = status;
    }
    if (fflush(stdout) == 0 && !ferror(stdout)) return worst;
    fprintf(stderr, "sentier journal: cannot write: %s\n", strerror(errno));
    return UNREAD;
}
