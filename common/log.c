/*
 * One write() per line, so lines of threads never mix. A call site that writes more than a few
 * lines a second is silenced for that second and its next line says how many were dropped.
 */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

static const char *program = "sentier";

void log_program(const char *name)
{
    program = name;
}

static int too_many(struct log_site *site, int64_t second, uint32_t *dropped)
{
    if (atomic_exchange(&site->window, second) != second) atomic_store(&site->lines, 0);
    if (atomic_fetch_add(&site->lines, 1) >= LOG_LINES_PER_SECOND) {
        atomic_fetch_add(&site->dropped, 1);
        return 1;
    }
    *dropped = atomic_exchange(&site->dropped, 0);
    return 0;
}

void log_line(struct log_site *site, const char *level, const char *event, const char *fmt, ...)
{
    uint32_t dropped = 0;
    int64_t now = clock_ms();
    if (too_many(site, now / 1000, &dropped)) return;

    char line[1024], stamp[32];
    time_t seconds = (time_t)(now / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
    int n = snprintf(line, sizeof line, "%s.%03dZ %s %s %s ", stamp, (int)(now % 1000), level,
                     program, event);
    va_list ap;
    va_start(ap, fmt);
    n += vsnprintf(line + n, sizeof line - (size_t)n, fmt, ap);
    va_end(ap);
    if (dropped > 0 && n < (int)sizeof line) {
        n += snprintf(line + n, sizeof line - (size_t)n, " dropped_lines=%u", dropped);
    }
    if (n > (int)sizeof line - 2) n = (int)sizeof line - 2;
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, (size_t)n) < 0) return; /* nowhere left to say it */
}
