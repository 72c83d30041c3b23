/* meta.h - what a page says of itself, as the fields of a hit tell it -> what is kept of it. Pure.
 */
#ifndef SENTIER_META_H
#define SENTIER_META_H

#include "about.h"
#include "ingest.h"

/* Holds what *out borrows. */
struct meta_room {
    char title[ABOUT_TITLE_MAX_BYTES];
    char section[ABOUT_TEXT_MAX_BYTES];
    char topics[ABOUT_TOPICS_MAX][ABOUT_TEXT_MAX_BYTES];
};

/* All but the canonical page. V_COUNTED, or why it is refused and *field at fault. */
enum verdict meta_read(const struct fields *f, struct meta_room *room, struct about *out,
                       const char **field);

#endif
