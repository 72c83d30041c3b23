/*
 * The bytes come from pixel/build.mjs as C arrays, plain and compressed, so that serving them is
 * handing out a pointer.
 */
#include "assets.h"

#include "demo.inc"
#include "tracker.inc"

const struct asset *asset_tracker(void)
{
    return &tracker_assets[0];
}

static const struct asset *find(const struct asset *assets, size_t n, struct str path)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(str_of(assets[i].path), path)) return &assets[i];
    }
    return NULL;
}

const struct asset *asset_module(struct str name)
{
    return find(tracker_assets + 1, sizeof tracker_assets / sizeof *tracker_assets - 1, name);
}

const struct asset *asset_demo(struct str path)
{
    return find(demo_assets, sizeof demo_assets / sizeof *demo_assets, path);
}
