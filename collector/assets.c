/*
 * The bytes come from pixel/build.mjs as C arrays, plain and compressed, so that serving them is
 * handing out a pointer.
 */
#include "assets.h"

#include "demo.inc"
#include "tracker.inc"

const struct asset *asset_tracker(void)
{
    return &tracker_asset;
}

const struct asset *asset_demo(struct str path)
{
    for (size_t i = 0; i < sizeof demo_assets / sizeof *demo_assets; i++) {
        if (str_eq(str_of(demo_assets[i].path), path)) return &demo_assets[i];
    }
    return NULL;
}
