/*
 * mask.h - takes what looks like a person or a secret out of a piece of text (a path segment, the
 * value of a query parameter, a campaign, an event's name). Pure.
 */
#ifndef SENTIER_MASK_H
#define SENTIER_MASK_H

#include "str.h"

enum {
    MASK_NUMBER_DIGITS = 10, /* this many digits in a row are an id, a phone number, a time... */
    MASK_HEX_CHARS = 16,     /* hexadecimal digits in a row, letters among them: a token */
    MASK_TOKEN_CHARS = 20,   /* letters and digits in a row that look random: a token */
    MASK_GROWTH_BYTES = 1,   /* the result is at most this much longer than the text */
};

/* False: nothing to mask; out is undefined. Else out, with room for text.n + MASK_GROWTH_BYTES,
 * holds the *n bytes that take the place of text. Masking twice changes nothing. */
bool mask_text(struct str text, char *out, size_t *n);

#endif
