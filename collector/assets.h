/* assets.h - files that are built into the collector: the tracker, and the demo site. */
#ifndef SENTIER_ASSETS_H
#define SENTIER_ASSETS_H

#include <stddef.h>

#include "str.h"

struct bytes {
    const unsigned char *p;
    size_t n;
};

struct asset {
    const char *path, *type, *etag;
    const char *integrity;            /* of its bytes, as <script integrity> has it */
    struct bytes plain, gzip, brotli; /* p NULL where it would not be smaller */
};

const struct asset *asset_tracker(void); /* the first of what the build lists as scripts */
const struct asset *asset_module(struct str name); /* "vitals.js", beside the tracker; NULL: none */
const struct asset *asset_demo(struct str path);   /* path as requested, "/demo/..."; NULL: none */

#endif
