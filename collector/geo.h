/* geo.h - address -> country, from the text files of tor-geoipdb. Read-only after loading; shared.
 */
#ifndef SENTIER_GEO_H
#define SENTIER_GEO_H

struct geo;

/* NULL or "": none. A file that is missing leaves its addresses unknown (the log says so); one that
 * is damaged gives NULL, and the log says which line. */
struct geo *geo_load(const char *v4_file, const char *v6_file);
void geo_free(struct geo *g); /* NULL is fine */

/* address: IPv6, or IPv4 mapped into it. {0,0}: unknown. g NULL: knows nothing. */
void geo_country(const struct geo *g, const unsigned char address[16], char out[2]);

#endif
