/*
 * Time enters here and is an argument everywhere else. Dates are counted days; the calendar
 * arithmetic is the usual one on years that begin in March (proleptic Gregorian).
 */
#include "clock.h"

#include <stdio.h>
#include <time.h>

static int64_t now_of(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t clock_ms(void)
{
    return now_of(CLOCK_REALTIME);
}

int64_t clock_mono_ms(void)
{
    return now_of(CLOCK_MONOTONIC);
}

/* Days in the 400 years of a full calendar cycle, and from 0000-03-01 to 1970-01-01. */
enum { CYCLE_DAYS = 146097, EPOCH_DAYS = 719468 };

uint32_t date_to_day(int year, int month, int mday)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t cycle = y / 400, in_cycle = y % 400;
    int64_t in_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + mday - 1;
    int64_t days = in_cycle * 365 + in_cycle / 4 - in_cycle / 100 + in_year;
    return (uint32_t)(cycle * CYCLE_DAYS + days - EPOCH_DAYS);
}

void day_to_date(uint32_t day, int *year, int *month, int *mday)
{
    int64_t d = (int64_t)day + EPOCH_DAYS;
    int64_t cycle = d / CYCLE_DAYS, in_cycle = d % CYCLE_DAYS;
    int64_t y = (in_cycle - in_cycle / 1460 + in_cycle / 36524 - in_cycle / 146096) / 365;
    int64_t in_year = in_cycle - (365 * y + y / 4 - y / 100);
    int64_t m = (5 * in_year + 2) / 153;
    *mday = (int)(in_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = (int)(cycle * 400 + y + (*month <= 2));
}

uint32_t day_to_yyyymmdd(uint32_t day)
{
    int y, m, d;
    day_to_date(day, &y, &m, &d);
    return (uint32_t)(y * 10000 + m * 100 + d);
}

uint32_t day_to_month(uint32_t day)
{
    int y, m, d;
    day_to_date(day, &y, &m, &d);
    return (uint32_t)(y * 12 + m - 1);
}

uint32_t month_to_day(uint32_t month)
{
    return date_to_day((int)(month / 12), (int)(month % 12) + 1, 1);
}

void date_format(uint32_t day, char out[DATE_TEXT_BYTES])
{
    uint32_t n = day_to_yyyymmdd(day);
    snprintf(out, DATE_TEXT_BYTES, "%04u-%02u-%02u", n / 10000 % 10000, n / 100 % 100, n % 100);
}

int date_parse(const char *text, uint32_t *day)
{
    int y, m, d, end = 0;
    char back[DATE_TEXT_BYTES];
    if (sscanf(text, "%4d-%2d-%2d%n", &y, &m, &d, &end) != 3 || text[end] != '\0') return -1;
    if (end != DATE_TEXT_BYTES - 1 || y < 1970 || m < 1 || m > 12 || d < 1 || d > 31) return -1;
    *day = date_to_day(y, m, d);
    date_format(*day, back); /* 31 April becomes another date */
    for (int i = 0; i < DATE_TEXT_BYTES; i++) {
        if (back[i] != text[i]) return -1;
    }
    return 0;
}
