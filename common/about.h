/*
 * about.h - what a page says of itself: the list of a HIT_META, and the value that is kept of it.
 * Pure. The bytes are described in README.md.
 */
#ifndef SENTIER_ABOUT_H
#define SENTIER_ABOUT_H

#include <stdint.h>

#include "buf.h"
#include "str.h"

enum {
    ABOUT_TITLE_MAX_BYTES = 512,
    ABOUT_TEXT_MAX_BYTES = 128, /* a section, a topic */
    ABOUT_LANGUAGE_MAX_BYTES = 35,
    ABOUT_TOPICS_MAX = 16,
    ABOUT_WEIGHT_MAX = 100,
};

/* Empty or zero: not given. Strings are borrowed. */
struct about {
    struct str title, section, language;
    struct str canonical; /* page under which it wants to be known */
    uint32_t published;   /* day */
    unsigned topics_n;
    struct about_topic {
        struct str text;
        unsigned weight; /* 1..ABOUT_WEIGHT_MAX */
    } topics[ABOUT_TOPICS_MAX];
};

/* "run" weighs ABOUT_WEIGHT_MAX, "40:run" 40; weight 0: the number before the colon is none of
 * those allowed. */
struct about_topic about_topic_of(struct str text);

bool about_pack(const struct about *a, struct buf *out); /* false: *out is full */
bool about_unpack(struct str in, struct about *out);     /* false: not packed so */

#endif
