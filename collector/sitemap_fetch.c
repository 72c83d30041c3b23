/*
 * One file after the other: an index first, then the sitemaps it lists. One level, as the protocol
 * has it, so nothing can lead in circles; and a sitemap that was read is not read again.
 *
 * What a sitemap may name follows the protocol too, with the site's origins for its hosts: pages
 * and sitemaps of other hosts are counted and left out. What the caller names is read wherever it
 * is.
 */
#include "sitemap_fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "robots.h"
#include "sitemap_http.h"

enum { PIECE_BYTES = 64 * 1024 };

struct sitemap_fetch {
    struct sitemap_fetch_opts opts;
    struct sitemap_http *http;
    struct sitemap_pages *pages;
    char *read[SITEMAP_FILES_MAX]; /* what has been, so that nothing is twice */
    size_t n_read;
    size_t left_out;
    bool full;   /* SITEMAP_FILES_MAX were read, and it was told */
    bool failed; /* something, of this source */
};

/* A file while it is read. */
struct reading {
    struct sitemap_fetch *f;
    struct sitemap_file file;
    struct url url; /* of the file, when it has one */
    struct str home;
    struct sitemap *sitemap;
    json_t *children; /* of an index */
    uint64_t bad_children;
    struct buf why;
};

struct sitemap_fetch *sitemap_fetch_new(const struct sitemap_fetch_opts *opts)
{
    struct sitemap_fetch *f = calloc(1, sizeof *f);
    if (f == NULL) return NULL;
    f->opts = *opts;
    f->http = sitemap_http_new(opts->site, opts->timeout_ms);
    f->pages = sitemap_pages_new(opts->site);
    if (f->http != NULL && f->pages != NULL) return f;
    sitemap_fetch_free(f);
    return NULL;
}

void sitemap_fetch_free(struct sitemap_fetch *f)
{
    if (f == NULL) return;
    for (size_t i = 0; i < f->n_read; i++)
        free(f->read[i]);
    sitemap_http_free(f->http);
    sitemap_pages_free(f->pages);
    free(f);
}

const struct sitemap_pages *sitemap_fetch_pages(const struct sitemap_fetch *f)
{
    return f->pages;
}

static void tell(struct sitemap_fetch *f, const struct sitemap_file *file)
{
    if (file->outcome == SITEMAP_FAILED) f->failed = true;
    /* An index can name 50,000 of another site. */
    if (file->outcome == SITEMAP_LEFT_OUT && f->left_out++ >= SITEMAP_FILES_MAX) return;
    f->opts.on_file(f->opts.arg, file);
}

static void tell_why(struct sitemap_fetch *f, const char *where, const char *found_in,
                     enum sitemap_outcome outcome, const char *why)
{
    tell(f, &(struct sitemap_file){
                .where = where, .found_in = found_in, .outcome = outcome, .why = why});
}

/* ---- one file ---- */

static void on_entry(void *arg, const struct sitemap_entry *e)
{
    struct reading *r = arg;
    struct page page;
    if (e->kind == SITEMAP_INDEX && e->bad != NULL)
        r->bad_children++;
    else if (e->kind == SITEMAP_INDEX)
        json_array_append_new(r->children, json_stringn(e->url.p, e->url.n));
    else if (sitemap_pages_add(r->f->pages, e, r->home, &page) == SITEMAP_PAGE)
        r->f->opts.on_page(r->f->opts.arg, &page, e);
}

static bool on_body(void *arg, struct str bytes)
{
    struct reading *r = arg;
    return sitemap_feed(r->sitemap, bytes);
}

static bool read_fd(struct reading *r, int fd)
{
    char *piece = malloc(PIECE_BYTES);
    ssize_t got = -1;
    if (piece == NULL) return false;
    do {
        got = read(fd, piece, PIECE_BYTES);
    } while ((got < 0 && errno == EINTR) ||
             (got > 0 && sitemap_feed(r->sitemap, (struct str){piece, (size_t)got})));
    if (got < 0) buf_printf(&r->why, "%s", strerror(errno));
    free(piece);
    return got == 0;
}

static enum sitemap_outcome read_local(struct reading *r)
{
    bool in = strcmp(r->file.where, "-") == 0;
    int fd = in ? STDIN_FILENO : open(r->file.where, O_RDONLY | O_CLOEXEC);
    bool whole = false;
    if (in) r->file.where = "standard input";
    if (fd < 0)
        buf_printf(&r->why, "%s", strerror(errno));
    else
        whole = read_fd(r, fd);
    if (fd >= 0 && !in) close(fd);
    return whole && sitemap_end(r->sitemap) ? SITEMAP_READ : SITEMAP_FAILED;
}

/* What the state will say of a file that was read, or has not changed. */
static void remember(struct reading *r, const struct sitemap_get *get)
{
    struct sitemap_memo memo = {get->new_etag.p, get->new_modified.p, NULL};
    if (r->f->opts.state == NULL) return;
    if (sitemap_kind(r->sitemap) == SITEMAP_INDEX) memo.children = r->children;
    if (get->status == 200)
        sitemap_state_put(r->f->opts.state, r->file.where, &memo);
    else
        sitemap_state_keep(r->f->opts.state, r->file.where);
}

static enum sitemap_outcome take_answer(struct reading *r, const struct sitemap_get *get,
                                        const struct sitemap_memo *memo)
{
    if (get->status == 200) return sitemap_end(r->sitemap) ? SITEMAP_READ : SITEMAP_FAILED;
    if (memo->etag[0] == '\0' && memo->modified[0] == '\0') {
        buf_printf(&r->why, "the server answers 304 to no condition");
        return SITEMAP_FAILED;
    }
    if (memo->children != NULL) {
        r->file.kind = SITEMAP_INDEX;
        json_array_extend(r->children, (json_t *)memo->children); /* which is only read */
    }
    return SITEMAP_UNCHANGED;
}

static enum sitemap_outcome read_web(struct reading *r)
{
    struct sitemap_state *state = r->f->opts.state;
    struct sitemap_memo memo = {"", "", NULL};
    if (state != NULL && !sitemap_state_find(state, r->file.where, &memo))
        memo = (struct sitemap_memo){"", "", NULL};
    struct sitemap_get get = {.url = r->file.where,
                              .etag = memo.etag,
                              .modified = memo.modified,
                              .on_body = on_body,
                              .arg = r};
    enum sitemap_outcome outcome = SITEMAP_FAILED;
    if (sitemap_http_get(r->f->http, &get)) outcome = take_answer(r, &get, &memo);
    if (get.why.n > 0) buf_add(&r->why, buf_str(&get.why));
    if (outcome != SITEMAP_FAILED)
        remember(r, &get);
    else if (state != NULL)
        sitemap_state_keep(state, r->file.where);
    sitemap_get_fini(&get);
    return outcome;
}

/* ---- which files ---- */

enum place { NAMED /* by the caller, or by robots.txt */, CHILD /* of an index */ };

/* False: it was read before, or there is no room. */
static bool first_time(struct sitemap_fetch *f, const char *where, const char *found_in)
{
    for (size_t i = 0; i < f->n_read; i++) {
        if (strcmp(f->read[i], where) == 0) return false;
    }
    if (f->n_read < SITEMAP_FILES_MAX && (f->read[f->n_read] = strdup(where)) != NULL) {
        f->n_read++;
        return true;
    }
    if (!f->full)
        tell_why(f, where, found_in, SITEMAP_FAILED,
                 "more than 1000 sitemaps: neither it nor what follows was read");
    f->full = true;
    return false;
}

static void read_children(struct reading *r);

static void read_whole(struct reading *r, enum place place)
{
    struct sitemap_file *file = &r->file;
    bool web = sitemap_is_web(file->where);
    file->outcome = SITEMAP_FAILED;
    r->home = url_split(str_of(file->where), &r->url) ? url_authority(&r->url) : STR("");
    r->children = json_array();
    r->sitemap = sitemap_new(on_entry, r);
    if (r->children == NULL || r->sitemap == NULL)
        buf_printf(&r->why, "no memory");
    else if (!web && strstr(file->where, "://") != NULL)
        buf_printf(&r->why, "only http:// and https:// are read, and files");
    else
        file->outcome = web ? read_web(r) : read_local(r);
    if (file->kind == SITEMAP_UNKNOWN && r->sitemap != NULL) file->kind = sitemap_kind(r->sitemap);
    if (place == CHILD && file->kind == SITEMAP_INDEX) {
        buf_printf(&r->why, "an index within an index: the protocol knows one level");
        file->outcome = SITEMAP_FAILED;
    }
    if (r->why.n == 0 && r->sitemap != NULL) buf_add(&r->why, sitemap_error(r->sitemap));
    file->entries = r->sitemap == NULL ? 0 : sitemap_entries(r->sitemap);
    if (r->why.n == 0 && r->bad_children > 0)
        buf_printf(&r->why, "%llu of its entries have no URL that can be read",
                   (unsigned long long)r->bad_children);
    file->why = r->why.n > 0 && buf_add_char(&r->why, '\0') ? r->why.p : NULL;
    tell(r->f, file);
    if (place == NAMED && !r->f->opts.no_children) read_children(r);
}

static void read_file(struct sitemap_fetch *f, const char *where, const char *found_in,
                      enum place place)
{
    struct reading r = {.f = f, .file = {.where = where, .found_in = found_in}};
    if (!first_time(f, where, found_in)) return;
    read_whole(&r, place);
    sitemap_free(r.sitemap);
    json_decref(r.children);
    buf_fini(&r.why);
}

/* May `where`, found in a file of host `home`, be read? */
static bool within_site(struct sitemap_fetch *f, struct str home, const char *where)
{
    struct url url;
    if (!sitemap_is_web(where) || !url_split(str_of(where), &url)) return false;
    return str_eq(home, url_authority(&url)) || sitemap_on_site(f->opts.site, home, &url);
}

static void read_found(struct sitemap_fetch *f, const char *where, const char *found_in,
                       struct str home, enum place place)
{
    if (within_site(f, home, where))
        read_file(f, where, found_in, place);
    else
        tell_why(f, where, found_in, SITEMAP_LEFT_OUT,
                 "it is on another site; name it yourself if it is to be read");
}

static void read_children(struct reading *r)
{
    size_t i;
    json_t *child;
    json_array_foreach(r->children, i, child)
    {
        read_found(r->f, json_string_value(child), r->file.where, r->home, CHILD);
    }
}

/* ---- a bare origin ---- */

struct robots {
    struct sitemap_fetch *f;
    const char *where;
    struct str home;
    struct buf text;
    size_t sitemaps;
};

static bool on_robots(void *arg, struct str bytes)
{
    struct robots *r = arg;
    buf_add(&r->text, str_upto(bytes, ROBOTS_MAX_BYTES - r->text.n));
    return r->text.n < ROBOTS_MAX_BYTES;
}

static void on_sitemap_line(void *arg, struct str url)
{
    struct robots *r = arg;
    struct buf whole = {0};
    r->sitemaps++;
    if (sitemap_resolve(r->where, url, &whole) && whole.n > 1)
        read_found(r->f, whole.p, r->where, r->home, NAMED);
    else
        tell_why(r->f, "a line of robots.txt", r->where, SITEMAP_FAILED, "its URL cannot be read");
    buf_fini(&whole);
}

/* What robots.txt names; nothing when there is none. False: the site does not answer. */
static bool read_robots(struct sitemap_fetch *f, const char *origin, struct str home, size_t *n)
{
    struct buf where = {0};
    struct robots robots = {.f = f, .home = home};
    bool answered = sitemap_resolve(origin, STR("/robots.txt"), &where) && where.n > 1;
    struct sitemap_get get = {
        .url = where.p, .etag = "", .modified = "", .on_body = on_robots, .arg = &robots};
    robots.where = where.p;
    /* More than a robots.txt may have is not looked at. */
    bool whole = answered && sitemap_http_get(f->http, &get);
    if (answered && get.status == 0) {
        buf_add_char(&get.why, '\0');
        tell_why(f, where.p, origin, SITEMAP_FAILED, get.why.p);
        answered = false;
    }
    if (whole || robots.text.n == ROBOTS_MAX_BYTES)
        robots_sitemaps(buf_str(&robots.text), on_sitemap_line, &robots);
    *n = robots.sitemaps;
    buf_fini(&robots.text);
    sitemap_get_fini(&get);
    buf_fini(&where);
    return answered;
}

static void read_site(struct sitemap_fetch *f, const char *origin, struct str home)
{
    struct buf where = {0};
    size_t n = 0;
    if (read_robots(f, origin, home, &n) && n == 0 &&
        sitemap_resolve(origin, STR("/sitemap.xml"), &where))
        read_file(f, where.p, origin, NAMED);
    buf_fini(&where);
}

static bool is_origin(const char *source, struct url *url)
{
    return sitemap_is_web(source) && url_split(str_of(source), url) && url->query.n == 0 &&
           (url->path.n == 0 || str_eq(url->path, STR("/")));
}

bool sitemap_fetch_read(struct sitemap_fetch *f, const char *source)
{
    struct url url;
    f->failed = false;
    if (is_origin(source, &url))
        read_site(f, source, url_authority(&url));
    else
        read_file(f, source, NULL, NAMED);
    return !f->failed;
}
