/*
 * The rules of a time zone live in the C library, which knows one zone per process at a time. So a
 * zone is turned into a table once: TZ is set, the offset of each day of a century is asked, and
 * where it changes the moment is found by bisection. Looking up is a binary search. The table ends
 * in 2069; later moments keep its last offset.
 */
#include "zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { DAY_S = 86400, FIRST_DAY = 0, LAST_DAY = 100 * 365, CHANGES_MAX = 1024 };

struct change {
    int64_t at_s;
    int32_t offset_s;
};

struct zone {
    size_t n;
    struct change changes[]; /* the first one holds from the beginning of time */
};

static int32_t ask(int64_t at_s)
{
    time_t t = (time_t)at_s;
    struct tm tm;
    localtime_r(&t, &tm);
    return (int32_t)tm.tm_gmtoff;
}

/* The first moment in (from, to] at which `to`'s offset holds. */
static int64_t bisect(int64_t from, int64_t to, int32_t offset)
{
    while (to - from > 1) {
        int64_t middle = from + (to - from) / 2;
        if (ask(middle) == offset)
            to = middle;
        else
            from = middle;
    }
    return to;
}

bool zone_exists(const char *name)
{
    char path[256];
    if (name[0] == '\0' || name[0] == '/' || strstr(name, "..") != NULL) return false;
    int n = snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
    return strcmp(name, "UTC") == 0 || (n < (int)sizeof path && access(path, R_OK) == 0);
}

static size_t tabulate(struct change *changes)
{
    size_t n = 0;
    changes[n++] = (struct change){INT64_MIN, ask((int64_t)FIRST_DAY * DAY_S)};
    for (int64_t day = FIRST_DAY + 1; day <= LAST_DAY && n < CHANGES_MAX; day++) {
        int32_t offset = ask(day * DAY_S);
        if (offset == changes[n - 1].offset_s) continue;
        changes[n++] = (struct change){bisect((day - 1) * DAY_S, day * DAY_S, offset), offset};
    }
    return n;
}

struct zone *zone_new(const char *name)
{
    static struct change changes[CHANGES_MAX];
    if (!zone_exists(name)) return NULL;

    char *before = getenv("TZ") == NULL ? NULL : strdup(getenv("TZ"));
    setenv("TZ", name, 1);
    tzset();
    size_t n = tabulate(changes);
    if (before == NULL)
        unsetenv("TZ");
    else
        setenv("TZ", before, 1);
    tzset();
    free(before);

    struct zone *z = malloc(sizeof *z + n * sizeof *changes);
    if (z == NULL) return NULL;
    z->n = n;
    memcpy(z->changes, changes, n * sizeof *changes);
    return z;
}

void zone_free(struct zone *z)
{
    free(z);
}

int32_t zone_offset_s(const struct zone *z, int64_t at_ms)
{
    int64_t at_s = at_ms / 1000;
    size_t low = 0, high = z->n; /* changes[low] holds, changes[high] is later */
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (z->changes[middle].at_s <= at_s)
            low = middle;
        else
            high = middle;
    }
    return z->changes[low].offset_s;
}

uint32_t zone_day(const struct zone *z, int64_t at_ms)
{
    int64_t local_s = at_ms / 1000 + zone_offset_s(z, at_ms);
    return local_s < 0 ? 0 : (uint32_t)(local_s / DAY_S);
}

int64_t zone_midnight_ms(const struct zone *z, uint32_t day)
{
    /* No zone is further than a day from UTC, and dates only go forward. */
    int64_t low = ((int64_t)day - 2) * DAY_S, high = ((int64_t)day + 2) * DAY_S;
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (middle >= 0 && zone_day(z, middle * 1000) >= day)
            high = middle;
        else
            low = middle;
    }
    return (high < 0 ? 0 : high) * 1000;
}
