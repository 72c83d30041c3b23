/*
 * segments.h - the persons of a site by class, and what those of each class did with each group of
 * pages: how far they came, and who ignores it. One pass over all persons; what is held grows with
 * the pages of the site, never with its persons. Pure.
 *
 * A group is the first part of a page's path on any host of the site: shop.example/blog/a is in
 * "/blog/", a page without path in "/". Pages without a name are in "(other)", and so are those of
 * the groups with the fewest pages, beyond SEGMENT_GROUPS_MAX.
 */
#ifndef SENTIER_SEGMENTS_H
#define SENTIER_SEGMENTS_H

#include "profile.h"

enum {
    CLASSES = CLASS_LOST + 1,
    SEGMENT_GROUPS_MAX = 1000,
    SEGMENT_OTHER = 0, /* the group "(other)" */
};

/* What is counted: each person of a group at the highest rung that it reached there, and those who
 * ignore a page of it and used none. */
enum figure {
    FIGURE_SEEN,
    FIGURE_TRIED,
    FIGURE_USED,
    FIGURE_RETURNED,
    RUNG_FIGURES,
    FIGURE_IGNORING = RUNG_FIGURES,
    FIGURES,
};
const char *figure_name(enum figure f);

struct segment_group {
    char *name;                         /* owned */
    uint32_t pages;                     /* with a name */
    uint32_t persons[FIGURES][CLASSES]; /* of each class */
};

struct segment_page {
    uint64_t page;
    struct str name; /* borrowed */
    uint32_t group;
    uint32_t ignorers[CLASSES];
};

struct segments {
    uint64_t persons[CLASSES], sessions[CLASSES];
    bool approximate; /* so is a profile */
    struct segment_group *groups;
    struct segment_page *pages; /* in no order */
    size_t groups_n, pages_n;
    struct buf names; /* of the pages, where they were read; freed with the rest */

    /* the pass' own */
    size_t groups_cap, pages_cap;
    struct segment_map {
        struct segment_place {
            uint64_t key;
            uint32_t at; /* plus 1; 0: free */
        } * places;
        size_t n, cap;
    } groups_by_name, pages_by_id;
    struct segment_reach {
        uint8_t rung;
        bool ignores;
    } * reach;         /* of one person, per group */
    uint32_t *touched; /* groups with a reach */
};

/* All zero is empty. False: no memory. */
void segments_fini(struct segments *s);
/* First all pages: their id and name, each once or more often. The name is borrowed. */
bool segments_add_page(struct segments *s, uint64_t page, struct str name);
/* Then, once: no page comes any more. */
bool segments_close(struct segments *s);
/* Then all persons, as they are on that date. */
void segments_add_person(struct segments *s, const struct profile *p, uint32_t today);

/* "blog" of shop.example/blog/a; empty: "/". Borrowed. */
struct str segment_of(struct str page);

#endif
