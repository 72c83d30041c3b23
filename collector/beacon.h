/* beacon.h - a body, or a pixel's query string, -> the decoded fields of each hit in it. */
#ifndef SENTIER_BEACON_H
#define SENTIER_BEACON_H

#include "ingest.h"
#include "str.h"
#include "verdict.h"

enum { BEACON_MAX_HITS = 64 };

/* One hit of a body. line counts from 1: the line of a pile of pixels, the element of JSON. verdict
 * V_COUNTED: fields are there to be checked (ingest_hit). Else why it is none: fields is NULL and
 * *field, when it is known, names the one at fault. All strings are borrowed for the call. */
typedef void beacon_hit(void *arg, unsigned line, enum verdict verdict, const struct fields *fields,
                        const char *field);

/* Calls on_hit for each hit, once per hit and at least once. Of hits past max_hits each is
 * V_TOO_MANY. scratch is used for decoding and holds at least body.n bytes. */
void beacon_read(struct str body, unsigned max_hits, char *scratch, size_t scratch_bytes,
                 beacon_hit *on_hit, void *arg);

/* One query string: V_COUNTED or V_BAD_QUERY. No allocation. The strings of *out are in line or in
 * scratch, which holds at least line.n bytes. */
enum verdict beacon_line(struct str line, char *scratch, size_t scratch_bytes, struct fields *out,
                         const char **field);

#endif
