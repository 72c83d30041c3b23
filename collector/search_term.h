/* search_term.h - what a visitor searched for on the site, by the URL of the page that shows what
 * was found. Pure. */
#ifndef SENTIER_SEARCH_TERM_H
#define SENTIER_SEARCH_TERM_H

#include <locale.h>

#include "hit.h"
#include "mask.h"
#include "site.h"
#include "url.h"

enum { SEARCH_TEXT_MAX_BYTES = 1024 }; /* of a value that is looked at */

struct search_room {
    char decoded[URL_TEXT_MAX_BYTES];
    char repaired[3 * SEARCH_TEXT_MAX_BYTES];
    char masked[3 * SEARCH_TEXT_MAX_BYTES + MASK_GROWTH_BYTES];
    char term[HIT_NAME_MAX_BYTES];
};

/* Lower case of all scripts; 0: the C library knows that of ASCII alone. freelocale it. */
locale_t search_letters(void);

/* The first of the site's search_params that the URL has, and that says something: masked, in lower
 * case, white space folded, cut; in room. Empty: there is none. */
struct str search_term(const struct url *url, const struct site *site, locale_t letters,
                       struct search_room *room);

#endif
