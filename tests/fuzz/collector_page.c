/* URLs: a page fits, is text, holds nothing that a mask would still find, and is its own page. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "channel.h"
#include "mask.h"
#include "page.h"
#include "search_term.h"
#include "utf8.h"

static void check(bool ok)
{
    if (!ok) abort();
}

static char *params[] = {"id", "q", NULL};
static char *origins[] = {"https://shop.example", NULL};
static const struct site site = {.name = "s",
                                 .keep_params = params,
                                 .search_params = params,
                                 .hash_routing = true,
                                 .origins = origins};

static void check_page(const struct page *page, bool https)
{
    char url[sizeof page->text + 8];
    struct page again;
    int n = snprintf(url, sizeof url, "%s://", https ? "https" : "http");

    memcpy(url + n, page->text, page->n);
    check(page->n > 0 && utf8_is_text(page_str(page)));
    check(page_of((struct str){url, (size_t)n + page->n}, &site, &again) == V_COUNTED);
    check(str_eq(page_str(&again), page_str(page)));
}

/* Of the whole input as a query, too: few of them are URLs. */
static void check_search(const struct url *url)
{
    static struct search_room room;
    static locale_t letters;
    if (letters == (locale_t)0) letters = search_letters();
    struct str term = search_term(url, &site, letters, &room);
    check(term.n <= HIT_NAME_MAX_BYTES && utf8_is_text(term));
    if (term.n == 0) return;
    check(term.p[0] != ' ' && term.p[term.n - 1] != ' ');
    for (size_t i = 1; i < term.n; i++)
        check(term.p[i] != ' ' || term.p[i - 1] != ' ');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size};
    char *masked = malloc(size + MASK_GROWTH_BYTES);
    struct arrival arrival;
    struct page page;
    struct url url;
    size_t n;

    if (mask_text(in, masked, &n)) {
        char *again = malloc(n + MASK_GROWTH_BYTES);
        size_t m;
        check(n <= size + MASK_GROWTH_BYTES && !mask_text((struct str){masked, n}, again, &m));
        free(again);
    }
    free(masked);
    check_search(&(struct url){.query = in});
    if (!url_split(in, &url)) return 0;
    check_search(&url);
    if (page_write(&url, &site, &page) == V_COUNTED) check_page(&page, url.https);
    channel_of(&url, in, &site, &arrival);
    check(arrival.channel < CHANNELS && arrival.channel >= 0);
    check(utf8_is_text(arrival.source) && arrival.source.n <= HIT_NAME_MAX_BYTES);
    channel_of(&url, str_from(in, size / 2), &site, &arrival);
    check(utf8_is_text(arrival.campaign) && arrival.campaign.n <= HIT_NAME_MAX_BYTES);
    return 0;
}
