/* Any bytes as a sitemap, in one piece and in small ones: the same entries come out of what is
 * whole, all of them text within their bounds. robots.txt and dates on the way. */
#include <stdint.h>
#include <stdlib.h>

#include "robots.h"
#include "sitemap.h"
#include "utf8.h"

static void check(bool ok)
{
    if (!ok) abort();
}

struct digest {
    uint64_t n, hash;
    bool whole;
};

static void mix(struct digest *d, struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        d->hash = (d->hash ^ (unsigned char)s.p[i]) * 0x100000001b3u;
    d->hash = (d->hash ^ 0xff) * 0x100000001b3u;
}

static void on_entry(void *arg, const struct sitemap_entry *e)
{
    struct digest *d = arg;
    check(e->number == ++d->n && d->n <= SITEMAP_ENTRIES_MAX);
    check(e->url.n <= SITEMAP_URL_MAX_BYTES && (e->url.n > 0 || e->bad != NULL));
    check(e->title.n <= SITEMAP_TITLE_MAX_BYTES && e->language.n <= SITEMAP_LANGUAGE_MAX_BYTES);
    check(utf8_is_text(e->url) && utf8_is_text(e->title) && utf8_is_text(e->language));
    check(e->modified_ms >= SITEMAP_NO_DATE && e->published_ms >= SITEMAP_NO_DATE);
    mix(d, e->url);
    mix(d, e->title);
    mix(d, e->language);
    d->hash += (uint64_t)e->modified_ms * 31 + (uint64_t)e->published_ms;
}

static struct digest read_all(struct str in, size_t step)
{
    struct digest d = {0};
    struct sitemap *s = sitemap_new(on_entry, &d);
    bool ok = true;
    check(s != NULL);
    for (; ok && in.n > 0; in = str_from(in, step))
        ok = sitemap_feed(s, str_upto(in, step));
    ok = ok && sitemap_end(s);
    check(ok == (sitemap_error(s).n == 0));
    check(d.n == sitemap_entries(s));
    d.whole = ok;
    sitemap_free(s);
    return d;
}

static void on_sitemap(void *arg, struct str url)
{
    (void)arg;
    check(url.n > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size};
    struct digest whole = read_all(in, size + 1), pieces = read_all(in, 1 + size % 7);
    check(whole.whole == pieces.whole);
    check(!whole.whole || (whole.n == pieces.n && whole.hash == pieces.hash));
    check(robots_sitemaps(in, on_sitemap, NULL));
    check(sitemap_date(in) >= SITEMAP_NO_DATE);
    return 0;
}
