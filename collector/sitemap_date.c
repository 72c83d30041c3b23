/*
 * Both forms are read from the left by small takers that move a str forward; what is left at the
 * end, or out of range, makes the whole no date. Nothing is guessed: a page without a date is
 * better than a page with a wrong one.
 */
#include "sitemap_date.h"

#include "clock.h"

enum { YEAR_MIN = 1970, YEAR_MAX = 9999, DAY_S = 86400, MINUTE_MS = 60 * 1000 };

struct moment {
    int year, month, day, hour, minute, second, ms;
    int zone_minutes; /* east of UTC */
};

/* Takes min..max digits. */
static bool number(struct str *s, unsigned min, unsigned max, int *out)
{
    unsigned n = 0;
    *out = 0;
    while (n < max && n < s->n && s->p[n] >= '0' && s->p[n] <= '9')
        *out = *out * 10 + (s->p[n++] - '0');
    *s = str_from(*s, n);
    return n >= min;
}

static bool take(struct str *s, const char *any_of)
{
    if (s->n == 0 || strchr(any_of, s->p[0]) == NULL || s->p[0] == '\0') return false;
    *s = str_from(*s, 1);
    return true;
}

/* +01:00, +0100, +01 */
static bool offset(struct str *s, struct moment *m)
{
    int sign = s->n > 0 && s->p[0] == '-' ? -1 : 1, hours = 0, minutes = 0;
    if (!take(s, "+-") || !number(s, 2, 2, &hours)) return false;
    bool colon = take(s, ":");
    if ((colon || s->n > 0) && !number(s, 2, 2, &minutes)) return false;
    if (hours > 23 || minutes > 59) return false;
    m->zone_minutes = sign * (hours * 60 + minutes);
    return true;
}

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

static int64_t moment_ms(const struct moment *m)
{
    if (m->year < YEAR_MIN || m->year > YEAR_MAX || m->month < 1 || m->month > 12 || m->day < 1 ||
        m->day > days_in(m->year, m->month) || m->hour > 23 || m->minute > 59 || m->second > 60)
        return SITEMAP_NO_DATE;
    int64_t s = (int64_t)date_to_day(m->year, m->month, m->day) * DAY_S + m->hour * 3600 +
                m->minute * 60 + m->second;
    int64_t ms = s * 1000 + m->ms - (int64_t)m->zone_minutes * MINUTE_MS;
    return ms < 0 ? SITEMAP_NO_DATE : ms;
}

/* ".5" is half a second; digits past the third are dropped. */
static bool fraction(struct str *s, int *ms)
{
    int scale = 100, digit;
    if (!take(s, ".,")) return true;
    if (!number(s, 1, 1, &digit)) return false;
    do {
        *ms += digit * scale;
        scale /= 10;
    } while (number(s, 1, 1, &digit));
    return true;
}

static bool clock_time(struct str *s, struct moment *m)
{
    if (!number(s, 2, 2, &m->hour) || !take(s, ":") || !number(s, 2, 2, &m->minute)) return false;
    return !take(s, ":") || (number(s, 2, 2, &m->second) && fraction(s, &m->ms));
}

static int64_t w3c(struct str s)
{
    struct moment m = {.month = 1, .day = 1};
    if (!number(&s, 4, 4, &m.year)) return SITEMAP_NO_DATE;
    if (take(&s, "-") && !number(&s, 2, 2, &m.month)) return SITEMAP_NO_DATE;
    if (take(&s, "-") && !number(&s, 2, 2, &m.day)) return SITEMAP_NO_DATE;
    if (take(&s, "Tt ")) {
        if (!clock_time(&s, &m)) return SITEMAP_NO_DATE;
        s = str_trim(s);
        if (s.n > 0 && !take(&s, "Zz") && !offset(&s, &m)) return SITEMAP_NO_DATE;
    }
    return s.n == 0 ? moment_ms(&m) : SITEMAP_NO_DATE;
}

/* ---- RFC 822 ---- */

static struct str word(struct str *s)
{
    size_t n = 0;
    while (n < s->n && s->p[n] != ' ' && s->p[n] != '\t')
        n++;
    struct str w = str_upto(*s, n);
    *s = str_trim(str_from(*s, n));
    return w;
}

static bool month_of(struct str name, int *month)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";
    for (int i = 0; i < 12 && name.n >= 3; i++) {
        if (str_ieq(str_upto(name, 3), (struct str){names + 3 * i, 3})) {
            *month = i + 1;
            return true;
        }
    }
    return false;
}

static bool zone_of(struct str name, struct moment *m)
{
    static const struct {
        const char *name;
        int hours;
    } zones[] = {{"GMT", 0},  {"UTC", 0},  {"UT", 0},   {"Z", 0},    {"EST", -5}, {"EDT", -4},
                 {"CST", -6}, {"CDT", -5}, {"MST", -7}, {"MDT", -6}, {"PST", -8}, {"PDT", -7}};
    for (size_t i = 0; i < sizeof zones / sizeof zones[0]; i++) {
        if (!str_ieq(name, str_of(zones[i].name))) continue;
        m->zone_minutes = zones[i].hours * 60;
        return true;
    }
    return offset(&name, m) && name.n == 0;
}

static int64_t rfc822(struct str s)
{
    struct moment m = {0};
    size_t comma = str_find(s, ',');
    if (comma < s.n) s = str_trim(str_from(s, comma + 1));
    struct str day = word(&s), month = word(&s), year = word(&s), time = word(&s), zone = word(&s);
    size_t year_n = year.n;
    if (!number(&day, 1, 2, &m.day) || day.n > 0 || !month_of(month, &m.month) ||
        !number(&year, 2, 4, &m.year) || year.n > 0 || year_n == 3 || !clock_time(&time, &m) ||
        time.n > 0 || !zone_of(zone, &m))
        return SITEMAP_NO_DATE;
    if (year_n == 2) m.year += m.year < 70 ? 2000 : 1900;
    return moment_ms(&m);
}

int64_t sitemap_date(struct str text)
{
    text = str_trim(text);
    int64_t ms = w3c(text);
    return ms == SITEMAP_NO_DATE ? rfc822(text) : ms;
}
