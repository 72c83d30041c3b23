/* click.h - what a link leads to, by its looks. Pure. */
#ifndef SENTIER_CLICK_H
#define SENTIER_CLICK_H

#include <stdbool.h>

#include "str.h"

enum { CLICK_SCHEME_MAX_BYTES = 32 };

/* "mailto" of "mailto:me@mail.example", as written. Empty: a path, an http(s) URL, or no link. */
struct str click_scheme(struct str link);

/* The path of a URL ends in what browsers save instead of showing it as a page. */
bool click_is_file(struct str path);

#endif
