/* str.h - borrowed bytes: a pointer and a length, owned by someone else, never NUL-terminated. */
#ifndef SENTIER_STR_H
#define SENTIER_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct str {
    const char *p;
    size_t n;
};

#define STR(lit)   ((struct str){(lit), sizeof(lit) - 1})
#define STR_ARG(s) (int)(s).n, (s).p /* for "%.*s" */

static inline struct str str_of(const char *cstr)
{
    return (struct str){cstr, cstr == NULL ? 0 : strlen(cstr)};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* By bytes; of two that begin alike the shorter one comes first. <0, 0, >0. */
static inline int str_order(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n == 0 ? 0 : memcmp(a.p, b.p, n);
    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

static inline char str_lower_char(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* ASCII letters compare without case; nothing else is folded. */
static inline bool str_ieq(struct str a, struct str b)
{
    if (a.n != b.n) return false;
    for (size_t i = 0; i < a.n; i++) {
        if (str_lower_char(a.p[i]) != str_lower_char(b.p[i])) return false;
    }
    return true;
}

static inline bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static inline bool str_ends(struct str s, struct str suffix)
{
    return s.n >= suffix.n &&
           (suffix.n == 0 || memcmp(s.p + (s.n - suffix.n), suffix.p, suffix.n) == 0);
}

/* The part from byte i on; empty when i is past the end. */
static inline struct str str_from(struct str s, size_t i)
{
    if (i > s.n) i = s.n;
    if (i == 0) return s; /* which may be no text at all */
    return (struct str){s.p + i, s.n - i};
}

static inline struct str str_upto(struct str s, size_t n)
{
    return (struct str){s.p, n < s.n ? n : s.n};
}

/* Index of the first c, or s.n. */
static inline size_t str_find(struct str s, char c)
{
    const char *hit = s.n == 0 ? NULL : memchr(s.p, c, s.n);
    return hit == NULL ? s.n : (size_t)(hit - s.p);
}

static inline struct str str_trim(struct str s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = str_from(s, 1);
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

#endif
