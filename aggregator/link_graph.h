/*
 * link_graph.h - the link graph of a site as its pages told it: the parts of all partitions as one
 * list of links, and the one place that says which links are navigation. Pure but for
 * link_graph_read.
 */
#ifndef SENTIER_LINK_GRAPH_H
#define SENTIER_LINK_GRAPH_H

#include "range_read.h"

enum link_kind { LINK_NAVIGATION, LINK_CONTENT, LINK_KINDS };
const char *link_kind_name(enum link_kind k); /* "navigation" */

struct link_edge {
    uint64_t to, from;
    uint32_t day; /* last one on which it was there */
};

struct link_teller {
    uint64_t page;
    uint32_t day; /* on which it told its links last */
};

struct link_graph {
    uint32_t from;   /* a link counts when it was there on this day or later */
    bool last_known; /* older links stay in when their page has told none since */

    struct link_edge *edges; /* by to, then from; each once */
    size_t n;
    struct link_teller *tellers; /* by page; each once */
    size_t tellers_n;
    size_t pages_n;   /* tellers of `from` or later */
    bool partial;     /* not all links are here */
    uint64_t damaged; /* stored values that could not be read; left out */

    /* inside */
    size_t cap, tellers_cap;
};

/* The links to one page. */
struct link_run {
    const struct link_edge *edges;
    size_t n;      /* of them */
    size_t linked; /* pages that had the link on `from` or later */
};

/* begin, then take each stored field (links.h), then join; false: out of memory. */
struct link_graph link_graph_begin(uint32_t from, bool last_known);
bool link_graph_take(struct link_graph *g, struct str field, struct str value);
void link_graph_join(struct link_graph *g);
void link_graph_fini(struct link_graph *g); /* an all-zero one is fine */

/* Reads all of it. 0, or -1 with why in err; link_graph_fini either way. */
int link_graph_read(const struct range_source *s, uint32_t from, bool last_known,
                    struct link_graph *out, struct buf *err);

struct link_run link_graph_at(const struct link_graph *g, size_t i); /* the run that begins at i */
struct link_run link_graph_to(const struct link_graph *g, uint64_t page);
bool link_graph_told(const struct link_graph *g, uint64_t page); /* where its links lead */
/* Navigation: more than half of the pages that told their links since `from` had it since. */
enum link_kind link_graph_kind(const struct link_graph *g, const struct link_run *run);

#endif
