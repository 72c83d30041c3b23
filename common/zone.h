/*
 * zone.h - local dates of a time zone, from the C library's own rules, usable by any thread.
 * The table of a zone is made once, when the configuration is read (single-threaded, it sets TZ);
 * after that looking up is pure.
 */
#ifndef SENTIER_ZONE_H
#define SENTIER_ZONE_H

#include <stdbool.h>
#include <stdint.h>

struct zone;

bool zone_exists(const char *name);
struct zone *zone_new(const char *name); /* "Europe/Paris", "UTC"; NULL: no such zone */
void zone_free(struct zone *z);          /* NULL is fine */

int32_t zone_offset_s(const struct zone *z, int64_t at_ms); /* seconds east of UTC at that moment */
uint32_t zone_day(const struct zone *z, int64_t at_ms);     /* local date, days since 1970-01-01 */
int64_t zone_midnight_ms(const struct zone *z, uint32_t day); /* first moment of that local date */

#endif
