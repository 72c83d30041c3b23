/*
 * log.h - one line per event on stderr: time, level, event, key=value. Rate-limited per call site.
 * Never put an address, agent, URL, customer or visitor into a line: those are counted, not logged.
 */
#ifndef SENTIER_LOG_H
#define SENTIER_LOG_H

#include <stdatomic.h>
#include <stdint.h>

struct log_site {
    _Atomic int64_t window;   /* the second this call site last wrote in */
    _Atomic uint32_t lines;   /* lines in that second */
    _Atomic uint32_t dropped; /* told with the next line that gets through */
};

enum { LOG_LINES_PER_SECOND = 5 }; /* per call site */

void log_line(struct log_site *site, const char *level, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#define LOG_AT(level, ...)                                                                         \
    do {                                                                                           \
        static struct log_site log_site_;                                                          \
        log_line(&log_site_, level, __VA_ARGS__);                                                  \
    } while (0)

/* log_warn("ship.retry", "partition=%u wait_ms=%d", p, ms) */
#define log_info(...)  LOG_AT("info", __VA_ARGS__)
#define log_warn(...)  LOG_AT("warn", __VA_ARGS__)
#define log_error(...) LOG_AT("error", __VA_ARGS__)

void log_program(const char *name); /* printed in each line; call once at start */

#endif
