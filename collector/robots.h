/* robots.h - what robots.txt says about sitemaps. Pure. */
#ifndef SENTIER_ROBOTS_H
#define SENTIER_ROBOTS_H

#include "buf.h"

enum { ROBOTS_MAX_BYTES = 500 * 1024 }; /* RFC 9309: crawlers read at least that; we, no more */

/* Each "Sitemap:" line, in order; url is as written, absolute or not, without blanks around it. */
typedef void robots_on_sitemap(void *arg, struct str url);

/* text is UTF-8, or UTF-16 with its mark. False: no memory. */
bool robots_sitemaps(struct str text, robots_on_sitemap *each, void *arg);

#endif
