/* profile_document.h - a portrait as the document of README.md: for commands, and on request. */
#ifndef SENTIER_PROFILE_DOCUMENT_H
#define SENTIER_PROFILE_DOCUMENT_H

#include <jansson.h>

#include "portrait.h"

enum { PROFILE_VERSION = 1 };

json_t *profile_document(const struct portrait *p); /* NULL: out of memory */

/* What marks are called; "unknown", "??". */
const char *portrait_mark(const struct profile_mark *m, char room[3]);

/* Sessions of the `days` days that end today. */
uint64_t portrait_sessions(const struct portrait *p, uint32_t days);

#endif
