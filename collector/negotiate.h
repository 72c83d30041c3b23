/* negotiate.h - which form of a file a request wants, by its headers. Pure. */
#ifndef SENTIER_NEGOTIATE_H
#define SENTIER_NEGOTIATE_H

#include <stdbool.h>

#include "str.h"

/* From what costs the least on the wire. */
enum coding { CODING_BROTLI, CODING_GZIP, CODING_IDENTITY, CODINGS };

/* accept: Accept-Encoding. The one with the highest weight among those that there are, of equal
 * ones the first; identity when none would do. */
enum coding negotiate_coding(struct str accept, const bool there_is[CODINGS]);

/* If-None-Match lists the tag, or is a star: what the client has is current. */
bool negotiate_has_etag(struct str header, struct str etag);

#endif
