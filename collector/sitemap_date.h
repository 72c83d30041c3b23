/* sitemap_date.h - the dates of sitemaps and feeds. Pure. */
#ifndef SENTIER_SITEMAP_DATE_H
#define SENTIER_SITEMAP_DATE_H

#include <stdint.h>

#include "str.h"

enum { SITEMAP_NO_DATE = -1 };

/*
 * ms since 1970 UTC, or SITEMAP_NO_DATE. W3C: 2004, 2004-12, 2004-12-23, 2004-12-23T18:00[:15[.5]]
 * with Z or +01:00; a coarse one is its first moment, one without zone is UTC. RFC 822, as RSS has
 * it: [Thu, ]5 Jan 2017 13:34[:51] GMT; without zone it is none, since those are local times.
 */
int64_t sitemap_date(struct str text);

#endif
