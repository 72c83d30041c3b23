/* clock.h - the only place that asks what time it is. */
#ifndef SENTIER_CLOCK_H
#define SENTIER_CLOCK_H

#include <stdint.h>

int64_t clock_ms(void);      /* wall clock, ms since 1970 UTC */
int64_t clock_mono_ms(void); /* never goes back; for waits and intervals */

/* Calendar without time zones. day = days since 1970-01-01. */
uint32_t date_to_day(int year, int month, int mday);
void day_to_date(uint32_t day, int *year, int *month, int *mday);
uint32_t day_to_yyyymmdd(uint32_t day);
/* Months are counted from the year 0. */
uint32_t day_to_month(uint32_t day);
uint32_t month_to_day(uint32_t month); /* its first day */

enum { DATE_TEXT_BYTES = 11 };
void date_format(uint32_t day, char out[DATE_TEXT_BYTES]); /* "2026-01-31" */
int date_parse(const char *text, uint32_t *day);           /* 0, or -1: not YYYY-MM-DD */

#endif
