/* topic_document.h - the topics of a site as the document of README.md, for Redis and commands. */
#ifndef SENTIER_TOPIC_DOCUMENT_H
#define SENTIER_TOPIC_DOCUMENT_H

#include "documents.h"
#include "site_pages.h"

enum { TOPIC_VERSION = 1 };

struct topic_line {
    struct str name;
    struct interest_mix mix;
    uint64_t pages, views, visits, used;
};

struct topic_list {
    struct topic_line *lines; /* greatest interest first, then by views, then by name */
    uint32_t n;
    size_t pages, without; /* pages of the site; those of them that have no topic */
};

bool topic_list_make(const struct site_pages *p, struct topic_list *out); /* false: no memory */
void topic_list_fini(struct topic_list *l);

/* limit: topics; 0: all. NULL: no memory. */
json_t *topic_document(const struct site_view *v, const struct site_pages *p,
                       const struct topic_list *l, size_t limit);

document_fn topic_document_of_site;

#endif
