/* property.h - what stands behind an event's name, NAME?key=value&..., and what JSON tells as an
 * object -> the name and the properties of a hit, or the purchase that it is. Pure. */
#ifndef SENTIER_PROPERTY_H
#define SENTIER_PROPERTY_H

#include "ingest.h"
#include "mask.h"

enum {
    /* The longest text that can hold properties within their limits, all of it escaped. */
    PROPERTY_TEXT_MAX_BYTES =
        HIT_PROPERTIES_MAX * 3 * (HIT_KEY_MAX_BYTES + HIT_VALUE_MAX_BYTES + 1),
};

/* Holds what comes back. */
struct property_room {
    char decoded[PROPERTY_TEXT_MAX_BYTES];
    char name[HIT_NAME_MAX_BYTES + MASK_GROWTH_BYTES];
    char key[HIT_PROPERTIES_MAX][HIT_KEY_MAX_BYTES + MASK_GROWTH_BYTES];
    char value[HIT_PROPERTIES_MAX][HIT_VALUE_MAX_BYTES + MASK_GROWTH_BYTES];
};

/* V_COUNTED: hit->name is set, and hit->list, in list, when there are properties. goal=1 and
 * passive=1 are none: they set the hit's flags. An event `purchase` with a value or currency
 * becomes HIT_PURCHASE, with what its properties value, currency and order say and no others. Else
 * why it is refused; *field is at fault. */
enum verdict property_read(const struct fields *f, struct property_room *room,
                           char list[HIT_LIST_MAX_BYTES], struct hit *hit, const char **field);

#endif
