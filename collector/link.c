/*
 * A link is of the site when it leads to the host of its page, or to an origin that the site
 * names; it is then called as that page calls itself. In a list each page stands once, however many
 * links lead there.
 */
#include "link.h"

#include "bytes.h"
#include "hash.h"
#include "mask.h"
#include "utf8.h"

bool link_url(const struct link_base *base, struct str link, char text[LINK_MAX_BYTES],
              struct url *out)
{
    if (str_starts(link, STR("/"))) {
        struct str before = url_origin(base->page, text);
        if (str_starts(link, STR("//"))) before.n = str_find(before, ':') + 1;
        memcpy(text + before.n, link.p, link.n);
        link = (struct str){text, before.n + link.n};
    }
    return url_split(link, out);
}

bool link_is_own(const struct link_base *base, const struct url *url)
{
    char origin[URL_ORIGIN_MAX_BYTES];

    if (str_eq(url_hostname(url), url_hostname(base->page))) return true;
    return base->site->origins != NULL && base->site->origins[0] != NULL &&
           site_allows(base->site, url_origin(url, origin));
}

enum verdict link_page(const struct link_base *base, struct str link, struct page *out)
{
    char text[LINK_MAX_BYTES];
    struct url url;

    if (!link_url(base, link, text, &url) || !link_is_own(base, &url)) return V_BAD_PAGE;
    return page_write(&url, base->site, out);
}

/* A control that came into view, as the list has it. */
static enum verdict control_entry(struct str name, struct page *out)
{
    if (name.n > HIT_NAME_MAX_BYTES) return V_TOO_LONG;
    if (!utf8_is_text(name)) return V_BAD_UTF8;
    if (name.n == 0) return V_NOT_A_PAGE;
    out->text[0] = HIT_CONTROL_MARK;
    if (!mask_text(name, out->text + 1, &out->n)) {
        memcpy(out->text + 1, name.p, name.n);
        out->n = name.n;
    }
    out->n++;
    return V_COUNTED;
}

/* V_COUNTED: *out is what the list gets. V_BAD_PAGE: left out. V_NOT_A_PAGE: passed over. */
static enum verdict entry_of(const struct link_base *base, struct str link, bool controls,
                             struct page *out)
{
    if (link.n > 0 && link.p[0] == HIT_CONTROL_MARK)
        return controls ? control_entry(str_from(link, 1), out) : V_NOT_A_PAGE;
    if (link.n > URL_TEXT_MAX_BYTES) return V_TOO_LONG;
    if (!utf8_is_text(link)) return V_BAD_UTF8;
    return link_page(base, link, out) == V_COUNTED ? V_COUNTED : V_BAD_PAGE;
}

enum verdict link_list(const struct link_base *base, const struct field_list *links,
                       struct link_list *list)
{
    uint64_t known[HIT_LINKS_MAX];
    unsigned n = 0, left_out = 0;
    char *p = list->room + 1, *end = list->room + HIT_LIST_MAX_BYTES; /* left out: one byte */
    struct page entry;

    list->more = links->given > links->n;
    for (unsigned i = 0; i < links->n; i++) {
        enum verdict v = entry_of(base, links->at[i], list->controls, &entry);
        left_out += v == V_BAD_PAGE;
        if (v == V_BAD_PAGE || v == V_NOT_A_PAGE) continue;
        if (v != V_COUNTED) return v;
        bool again = false, fits = entry.n + VARINT_MAX_BYTES <= (size_t)(end - p);
        known[n] = hash64(page_str(&entry));
        for (unsigned j = 0; j < n && !again; j++)
            again = known[j] == known[n];
        if (!fits && !again) list->more = true;
        if (!fits || again) continue;
        p = (char *)put_varint((unsigned char *)p, entry.n);
        memcpy(p, entry.text, entry.n);
        p += entry.n;
        n++;
    }
    list->room[0] = (char)left_out;
    list->packed = (struct str){list->room, (size_t)(p - list->room)};
    return V_COUNTED;
}
