/* segment_document.h - segments of a site as the document of README.md, for Redis and the command
 * line. */
#ifndef SENTIER_SEGMENT_DOCUMENT_H
#define SENTIER_SEGMENT_DOCUMENT_H

#include "documents.h"
#include "segment_list.h"

enum { SEGMENT_VERSION = 1 };

struct segment_view {
    struct str site;
    const char *time_zone;
    uint32_t today; /* of the classes */
    size_t limit;   /* rows of each list; 0: all */
};

json_t *segment_document(const struct segment_view *v, const struct segment_list *l);

document_fn segment_document_of_site;

#endif
