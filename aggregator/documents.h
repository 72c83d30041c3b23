/*
 * documents.h - what is published of a site besides its summaries: JSON documents of one key each,
 * sentier:v1:NAME:SITE. A further one is: a document_fn, a row in documents.c, its fields in
 * README.md and schema/NAME.json.
 *
 * The owner's second thread makes them (owner.h), one after the other, so that a document that
 * takes long keeps no summary waiting. Its pauses are those of the summaries: all documents of all
 * sites together take at most a tenth of a core, and a site's at most every summary_ms.
 */
#ifndef SENTIER_DOCUMENTS_H
#define SENTIER_DOCUMENTS_H

#include <jansson.h>

#include "publisher.h"

/* One site, open for questions. What else a document needs of the site's configuration has to be
 * copied by the owner (owned.c, copy_site): sites may be read anew at any time. */
struct document_site {
    struct range_source source; /* blocking */
    struct range_extent extent; /* any is true */
    const struct zone *zone;
    const char *time_zone; /* of zone */
    char *const *topics;   /* rules of the site; NULL: none */
    int64_t now_ms;
    uint32_t end;       /* the day on which "the last 28 days" end */
    uint32_t event_day; /* of the newest hit: what must not depend on the clock ends here */
    size_t limit;       /* rows of each list; 0: all */
    /* Once this is set the document is not wanted any more: a maker that may take seconds looks at
     * it again and again, and returns NULL. */
    const atomic_bool *stopping;
    int64_t *rested_ms; /* a maker that pauses adds its pauses: they are no work */
};

/* NULL: why is in err, and it is asked again. The commands that print the same document as JSON
 * use what stands below this, not this: they choose days and limits. */
typedef json_t *document_fn(const struct document_site *s, struct buf *err);

enum document_when {
    DOCUMENT_ON_CHANGE,
    DOCUMENT_ONCE_A_DAY, /* with the first hit of a day of the site's dates, and at each start */
};

struct document {
    const char *name; /* NULL: behind the last one */
    enum document_when when;
    document_fn *make;
};
extern const struct document site_documents[]; /* at most PUBLISH_DOCUMENTS */

/* Those of env->documents that are due. 0, or -1 with why in err: the others are there. */
int documents_publish(struct publisher *p, struct publish_env *env, struct buf *err);

#endif
