/*
 * Redirects are followed here and not by libcurl, because each hop must stay within the site: a
 * server must not be able to send us to a host of our own network. Nor is the body unpacked by
 * libcurl: it would not bound what comes out, and many servers call a file gzip that is, or is not.
 */
#include "sitemap_http.h"

#include <curl/curl.h>
#include <stdlib.h>

#include "sitemap_pages.h"

enum { OTHER_BODY_MAX_BYTES = 256 * 1024 /* of a redirect or an error: read on, then hung up */ };

struct sitemap_http {
    const struct site *site;
    CURL *curl;
    char error[CURL_ERROR_SIZE];
    struct sitemap_get *get; /* while it runs */
    size_t other_bytes;
};

static const char *header(CURL *curl, const char *name)
{
    struct curl_header *h;
    return curl_easy_header(curl, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK ? h->value : "";
}

static bool readable_encoding(struct sitemap_http *h)
{
    struct str coding = str_of(header(h->curl, "Content-Encoding"));
    if (coding.n == 0 || str_ieq(coding, STR("gzip")) || str_ieq(coding, STR("x-gzip")) ||
        str_ieq(coding, STR("identity")))
        return true;
    buf_printf(&h->get->why, "it is sent as Content-Encoding %.*s, which was not asked for",
               STR_ARG(str_upto(coding, 32)));
    return false;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct sitemap_http *h = arg;
    long status = 0;
    (void)size; /* 1 */
    curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) {
        h->other_bytes += n;
        return h->other_bytes > OTHER_BODY_MAX_BYTES ? 0 : n;
    }
    if (!readable_encoding(h)) return 0;
    return h->get->on_body(h->get->arg, (struct str){bytes, n}) ? n : 0;
}

struct sitemap_http *sitemap_http_new(const struct site *site, int64_t timeout_ms)
{
    struct sitemap_http *h = calloc(1, sizeof *h);
    if (h == NULL) return NULL;
    h->site = site;
    h->curl = curl_easy_init();
    if (h->curl == NULL) {
        free(h);
        return NULL;
    }
    curl_easy_setopt(h->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h->curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(h->curl, CURLOPT_HTTP_CONTENT_DECODING, 0L);
    curl_easy_setopt(h->curl, CURLOPT_USERAGENT,
                     "Sentier/" SENTIER_VERSION " (reads the sitemaps of its own sites)");
    curl_easy_setopt(h->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)SITEMAP_CONNECT_MS);
    curl_easy_setopt(h->curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(h->curl, CURLOPT_MAXFILESIZE, (long)SITEMAP_MAX_BYTES); /* when announced */
    curl_easy_setopt(h->curl, CURLOPT_ERRORBUFFER, h->error);
    curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, h);
    return h;
}

void sitemap_http_free(struct sitemap_http *h)
{
    if (h == NULL) return;
    curl_easy_cleanup(h->curl);
    free(h);
}

void sitemap_get_fini(struct sitemap_get *get)
{
    buf_fini(&get->why);
    buf_fini(&get->new_etag);
    buf_fini(&get->new_modified);
}

static struct curl_slist *add_header(struct curl_slist *list, const char *name, const char *value)
{
    struct buf line = {0};
    struct curl_slist *longer = NULL;
    if (value[0] == '\0') return list;
    if (buf_printf(&line, "%s: %s", name, value) && buf_add_char(&line, '\0'))
        longer = curl_slist_append(list, line.p);
    buf_fini(&line);
    return longer == NULL ? list : longer; /* without it the answer is only longer */
}

/* One request. True: there is an answer, all of it. */
static bool ask(struct sitemap_http *h, const char *url)
{
    struct sitemap_get *get = h->get;
    struct curl_slist *headers = add_header(NULL, "Accept-Encoding", "gzip");
    headers = add_header(headers, "If-None-Match", get->etag);
    headers = add_header(headers, "If-Modified-Since", get->modified);
    curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h->curl, CURLOPT_URL, url);
    h->other_bytes = 0;
    h->error[0] = '\0';
    CURLcode code = curl_easy_perform(h->curl);
    curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &get->status);
    if (code == CURLE_OK) return true;
    if (code == CURLE_WRITE_ERROR && get->status != 200 && get->status != 0) return true;
    if (get->why.n > 0 || code == CURLE_WRITE_ERROR) return false; /* the reader has a reason */
    if (code == CURLE_FILESIZE_EXCEEDED)
        buf_printf(&get->why, "more than %d MB", SITEMAP_MAX_BYTES >> 20);
    else
        buf_printf(&get->why, "%s", h->error[0] == '\0' ? curl_easy_strerror(code) : h->error);
    return false;
}

static bool may_go(struct sitemap_http *h, const char *from, const char *to)
{
    struct url a, b;
    if (!sitemap_is_web(to) || !url_split(str_of(from), &a) || !url_split(str_of(to), &b))
        return false;
    return str_eq(url_authority(&a), url_authority(&b)) ||
           sitemap_on_site(h->site, url_authority(&a), &b);
}

/* Where the answer leads; "" nowhere. Its body may have been too long to be read to the end, so
 * libcurl does not always know. False: no memory. */
static bool redirect(struct sitemap_http *h, const char *from, struct buf *to)
{
    struct str location = str_of(header(h->curl, "Location"));
    buf_clear(to);
    if (h->get->status < 300 || h->get->status > 399 || location.n == 0)
        return buf_add_char(to, '\0');
    return sitemap_resolve(from, location, to);
}

/* Asks for url, or for what it leads to. True: there is an answer, and it is no redirect. */
static bool follow(struct sitemap_http *h, struct buf *url, struct buf *next)
{
    for (int hops = 0; ask(h, url->p); hops++) {
        if (!redirect(h, url->p, next)) return false;
        if (next->n == 1) return true;
        if (hops == SITEMAP_REDIRECTS_MAX) {
            buf_printf(&h->get->why, "more than %d redirects", SITEMAP_REDIRECTS_MAX);
            return false;
        }
        if (!may_go(h, url->p, next->p)) {
            buf_printf(&h->get->why,
                       "it redirects to another site (%.200s); if that is yours, add it to origins",
                       next->p);
            return false;
        }
        struct buf last = *url;
        *url = *next;
        *next = last;
    }
    return false;
}

bool sitemap_http_get(struct sitemap_http *h, struct sitemap_get *get)
{
    struct buf url = {0}, next = {0};
    h->get = get;
    get->status = 0;
    bool answered =
        buf_add(&url, str_of(get->url)) && buf_add_char(&url, '\0') && follow(h, &url, &next);
    buf_fini(&url);
    buf_fini(&next);
    if (!answered) return false;
    if (get->status != 200 && get->status != 304) {
        buf_printf(&get->why, "the server answers %ld", get->status);
        return false;
    }
    buf_printf(&get->new_etag, "%s", header(h->curl, "ETag"));
    buf_printf(&get->new_modified, "%s", header(h->curl, "Last-Modified"));
    return buf_add_char(&get->new_etag, '\0') && buf_add_char(&get->new_modified, '\0');
}

bool sitemap_is_web(const char *text)
{
    struct str s = str_of(text);
    return str_ieq(str_upto(s, 7), STR("http://")) || str_ieq(str_upto(s, 8), STR("https://"));
}

bool sitemap_resolve(const char *base, struct str reference, struct buf *out)
{
    CURLU *u = curl_url();
    char *relative = strndup(reference.p, reference.n), *whole = NULL;
    bool memory = u != NULL && relative != NULL;
    buf_clear(out);
    if (memory && curl_url_set(u, CURLUPART_URL, base, 0) == CURLUE_OK &&
        curl_url_set(u, CURLUPART_URL, relative, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_URL, &whole, 0) == CURLUE_OK)
        buf_printf(out, "%s", whole);
    curl_free(whole);
    free(relative);
    curl_url_cleanup(u);
    return memory && buf_add_char(out, '\0');
}
