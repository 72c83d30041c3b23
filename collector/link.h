/* link.h - links as a page tells them -> where they lead, and which page of the site that is. Pure.
 */
#ifndef SENTIER_LINK_H
#define SENTIER_LINK_H

#include "ingest.h"
#include "page.h"

enum { LINK_MAX_BYTES = URL_ORIGIN_MAX_BYTES + URL_TEXT_MAX_BYTES };

/* Where a link stands. */
struct link_base {
    const struct url *page;
    const struct site *site;
};

/* At most URL_TEXT_MAX_BYTES, which may be a path alone, or lack its scheme. *out borrows from it
 * and from text. False: no URL. */
bool link_url(const struct link_base *base, struct str link, char text[LINK_MAX_BYTES],
              struct url *out);
bool link_is_own(const struct link_base *base, const struct url *url); /* of the site */

/* V_COUNTED: *out is the page. V_BAD_PAGE: none of this site. */
enum verdict link_page(const struct link_base *base, struct str link, struct page *out);

struct link_list {
    char *room;        /* HIT_LIST_MAX_BYTES */
    bool controls;     /* also of "*NAME"; else these are passed over */
    struct str packed; /* in room, as hit_links_open reads it */
    bool more;         /* there was no room for all */
};

/* What is no page of the site is left out, and told: a page may link to anything. Not V_COUNTED:
 * one of them is no text, or longer than any link. */
enum verdict link_list(const struct link_base *base, const struct field_list *links,
                       struct link_list *list);

#endif
