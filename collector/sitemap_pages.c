/*
 * A page is known again by 128 bits of its hash, so a million of them cost 32 MB and not their
 * texts. Two of a million meet with a chance of 1 in 10^26.
 */
#include "sitemap_pages.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

enum { ID_BYTES = 16, FIRST_SLOTS = 1024, LOAD_NUM = 3, LOAD_DEN = 4 };

struct id {
    uint64_t high, low; /* 0, 0: an empty slot */
};

struct sitemap_pages {
    const struct site *site;
    struct id *slots;
    size_t n, n_slots; /* a power of two */
    uint64_t entries;
    struct sitemap_example fates[SITEMAP_FATES], bad_dates;
};

static const struct {
    const char *name, *text;
} fates[SITEMAP_FATES] = {
    [SITEMAP_PAGE] = {"pages", "pages"},
    [SITEMAP_SAME_PAGE] = {"same_page", "same page twice"},
    [SITEMAP_OTHER_SITE] = {"other_site", "other site"},
    [SITEMAP_MALFORMED] = {"malformed", "malformed"},
    [SITEMAP_OVER_LIMIT] = {"over_limit", "over the limit of pages"},
};

const char *sitemap_fate_name(enum sitemap_fate fate)
{
    return fates[fate].name;
}

const char *sitemap_fate_text(enum sitemap_fate fate)
{
    return fates[fate].text;
}

struct sitemap_pages *sitemap_pages_new(const struct site *site)
{
    struct sitemap_pages *p = calloc(1, sizeof *p);
    if (p == NULL) return NULL;
    p->site = site;
    p->n_slots = FIRST_SLOTS;
    p->slots = calloc(p->n_slots, sizeof *p->slots);
    if (p->slots != NULL) return p;
    free(p);
    return NULL;
}

void sitemap_pages_free(struct sitemap_pages *p)
{
    if (p == NULL) return;
    for (int i = 0; i < SITEMAP_FATES; i++)
        buf_fini(&p->fates[i].url);
    buf_fini(&p->bad_dates.url);
    free(p->slots);
    free(p);
}

/* ---- the set ---- */

static struct id *slot_of(struct id *slots, size_t n_slots, struct id id)
{
    size_t i = id.low & (n_slots - 1);
    while ((slots[i].high | slots[i].low) != 0 &&
           (slots[i].high != id.high || slots[i].low != id.low))
        i = (i + 1) & (n_slots - 1);
    return &slots[i];
}

static bool grow(struct sitemap_pages *p)
{
    size_t n_slots = p->n_slots * 2;
    struct id *slots = calloc(n_slots, sizeof *slots);
    if (slots == NULL) return false;
    for (size_t i = 0; i < p->n_slots; i++) {
        if ((p->slots[i].high | p->slots[i].low) != 0)
            *slot_of(slots, n_slots, p->slots[i]) = p->slots[i];
    }
    free(p->slots);
    p->slots = slots;
    p->n_slots = n_slots;
    return true;
}

static enum sitemap_fate remember(struct sitemap_pages *p, struct str page)
{
    struct id id;
    _Static_assert(sizeof id == ID_BYTES, "an id is its hash");
    crypto_generichash((unsigned char *)&id, sizeof id, (const unsigned char *)page.p, page.n, NULL,
                       0);
    id.high |= 1; /* never an empty slot */
    struct id *slot = slot_of(p->slots, p->n_slots, id);
    if (slot->high != 0) return SITEMAP_SAME_PAGE;
    if (p->n == SITEMAP_PAGES_MAX) return SITEMAP_OVER_LIMIT;
    if (p->n >= p->n_slots / LOAD_DEN * LOAD_NUM) {
        if (!grow(p)) return SITEMAP_OVER_LIMIT;
        slot = slot_of(p->slots, p->n_slots, id);
    }
    *slot = id;
    p->n++;
    return SITEMAP_PAGE;
}

/* ---- fates ---- */

static bool allows(const struct site *site, struct str scheme, struct str authority)
{
    char origin[sizeof "https://" + URL_HOST_MAX_BYTES + URL_PORT_MAX_BYTES];
    memcpy(origin, scheme.p, scheme.n);
    memcpy(origin + scheme.n, authority.p, authority.n);
    return site_allows(site, (struct str){origin, scheme.n + authority.n});
}

bool sitemap_on_site(const struct site *site, struct str home, const struct url *url)
{
    struct str authority = url_authority(url);
    if (site->origins == NULL || site->origins[0] == NULL)
        return home.n == 0 || str_eq(home, authority);
    /* A page has no scheme: http://shop.example/a is the page of https://shop.example/a. */
    return allows(site, STR("https://"), authority) || allows(site, STR("http://"), authority);
}

static enum sitemap_fate judge(struct sitemap_pages *p, const struct sitemap_entry *entry,
                               struct str home, struct page *page, const char **why)
{
    struct url url;
    *why = entry->bad;
    if (entry->bad != NULL) return SITEMAP_MALFORMED;
    if (!url_split(entry->url, &url)) {
        *why = "no absolute http or https URL";
        return SITEMAP_MALFORMED;
    }
    if (!sitemap_on_site(p->site, home, &url)) return SITEMAP_OTHER_SITE;
    if (page_write(&url, p->site, page) != V_COUNTED) {
        *why = "its page is longer than 2048 bytes";
        return SITEMAP_MALFORMED;
    }
    return remember(p, page_str(page));
}

static void count(struct sitemap_example *e, struct str url, const char *why)
{
    if (e->n++ > 0) return;
    buf_add(&e->url, url); /* without memory there is no example */
    e->why = why;
}

enum sitemap_fate sitemap_pages_add(struct sitemap_pages *p, const struct sitemap_entry *entry,
                                    struct str home, struct page *page)
{
    const char *why;
    enum sitemap_fate fate = judge(p, entry, home, page, &why);
    p->entries++;
    count(&p->fates[fate], entry->url, why);
    if (entry->bad_date != NULL) count(&p->bad_dates, entry->url, entry->bad_date);
    return fate;
}

const struct sitemap_example *sitemap_pages_count(const struct sitemap_pages *p,
                                                  enum sitemap_fate fate)
{
    assert(fate < SITEMAP_FATES);
    return &p->fates[fate];
}

const struct sitemap_example *sitemap_pages_bad_dates(const struct sitemap_pages *p)
{
    return &p->bad_dates;
}

uint64_t sitemap_pages_entries(const struct sitemap_pages *p)
{
    return p->entries;
}
