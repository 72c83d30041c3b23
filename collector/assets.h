/* assets.h - files that are built into the collector: the tracker, and the demo site. */
#ifndef SENTIER_ASSETS_H
#define SENTIER_ASSETS_H

#include <stddef.h>

#include "str.h"

struct asset {
    const char *path, *type, *etag;
    const unsigned char *bytes;
    size_t n;
    const unsigned char *gzip; /* NULL where it would not be smaller */
    size_t gzip_n;
};

const struct asset *asset_tracker(void);
const struct asset *asset_module(struct str name); /* "vitals.js", beside the tracker; NULL: none */
const struct asset *asset_demo(struct str path);   /* path as requested, "/demo/..."; NULL: none */

#endif
