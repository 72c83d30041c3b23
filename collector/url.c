/*
 * Splits a URL with the rules of the URL standard for "special" schemes: any number of slashes of
 * both kinds behind the scheme, a user name up to the last '@', IPv4 in all its old spellings, IPv6
 * in brackets and printed in its shortest form. Only http and https, only absolute.
 *
 * Other than the standard: a control byte anywhere is refused instead of removed (a hit that holds
 * one has been refused before); hosts over 255 bytes are refused. A host beyond ASCII becomes
 * punycode; one that libidn2 cannot write so stays UTF-8.
 */
#include "url.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>

#include "idn.h"
#include "query.h"
#include "utf8.h"

static bool is_slash(char c)
{
    return c == '/' || c == '\\';
}

static bool has_control(struct str s)
{
    bool any = false;

    for (size_t i = 0; i < s.n; i++) /* without a way out: the compiler takes 16 at a time */
        any |= (unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f;
    return any;
}

/* Removes "http:" or "https:" and the slashes. */
static bool take_scheme(struct str *s, bool *https)
{
    if (str_ieq(str_upto(*s, 5), STR("http:"))) {
        *https = false;
        *s = str_from(*s, 5);
    } else if (str_ieq(str_upto(*s, 6), STR("https:"))) {
        *https = true;
        *s = str_from(*s, 6);
    } else {
        return false;
    }
    while (s->n > 0 && is_slash(s->p[0]))
        *s = str_from(*s, 1);
    return true;
}

/* One part of an IPv4 address: decimal, 0x hexadecimal, or octal with a leading 0. */
static bool ipv4_part(struct str s, uint64_t *out)
{
    unsigned base = 10;

    if (s.n == 0) return false;
    if (s.n > 1 && s.p[0] == '0') {
        bool hex = s.p[1] == 'x';
        base = hex ? 16 : 8;
        s = str_from(s, hex ? 2 : 1);
    }
    *out = 0;
    for (size_t i = 0; i < s.n; i++) {
        int digit = query_hex(s.p[i]);
        if (digit < 0 || (unsigned)digit >= base) return false;
        *out = *out * base + (unsigned)digit;
        if (*out > UINT32_MAX) return false;
    }
    return true;
}

/* Does the host end in a number, so that it must be an IPv4 address? */
static bool ends_in_number(struct str host)
{
    if (host.n > 1 && host.p[host.n - 1] == '.') host.n--;
    size_t from = host.n;
    while (from > 0 && host.p[from - 1] != '.')
        from--;
    struct str label = str_from(host, from);
    if (label.n == 0) return false;
    bool hex = str_starts(label, STR("0x"));
    for (size_t i = hex ? 2 : 0; i < label.n; i++) {
        int digit = query_hex(label.p[i]);
        if (digit < 0 || (!hex && digit > 9)) return false;
    }
    return true;
}

static bool write_ipv4(struct url *u)
{
    struct str rest = url_hostname(u);
    uint64_t address = 0, part = 0;

    if (rest.n > 1 && rest.p[rest.n - 1] == '.') rest.n--;
    for (unsigned parts = 1;; parts++) {
        size_t dot = str_find(rest, '.');
        if (parts > 4 || !ipv4_part(str_upto(rest, dot), &part)) return false;
        if (dot == rest.n) { /* the last part fills all bytes that are left */
            if (part >= UINT64_C(1) << (8 * (5 - parts))) return false;
            address |= part;
            break;
        }
        if (part > 255) return false;
        address |= part << (8 * (4 - parts));
        rest = str_from(rest, dot + 1);
    }
    int n = snprintf(u->authority, sizeof u->authority, "%u.%u.%u.%u", (unsigned)(address >> 24),
                     (unsigned)(address >> 16 & 255), (unsigned)(address >> 8 & 255),
                     (unsigned)(address & 255));
    u->hostname_n = (size_t)n;
    return true;
}

/* text is what stands between the brackets. */
static bool write_ipv6(struct url *u, struct str text)
{
    char copy[INET6_ADDRSTRLEN];
    unsigned char a[16];
    unsigned words[8], best = 8, best_n = 1, n = 0;

    if (text.n == 0 || text.n >= sizeof copy) return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    if (inet_pton(AF_INET6, copy, a) != 1) return false;
    for (unsigned i = 0; i < 8; i++) {
        words[i] = (unsigned)a[2 * i] << 8 | a[2 * i + 1];
        n = words[i] == 0 ? n + 1 : 0;
        if (n > best_n) { /* the first longest run of zeros, two at least, becomes "::" */
            best_n = n;
            best = i + 1 - n;
        }
    }
    char *p = u->authority;
    *p++ = '[';
    for (unsigned i = 0; i < 8; i++) {
        if (i == best) {
            *p++ = ':';
            if (i == 0) *p++ = ':';
            i += best_n - 1;
            continue;
        }
        p += sprintf(p, i == 7 ? "%x" : "%x:", words[i]);
    }
    *p++ = ']';
    u->hostname_n = (size_t)(p - u->authority);
    return true;
}

/* In a host; controls and blanks likewise. */
static const bool forbidden[256] = {
    [0 ... 0x20] = true, ['#'] = true, ['/'] = true, [':'] = true, ['<'] = true,
    ['>'] = true,        ['?'] = true, ['@'] = true, ['['] = true, ['\\'] = true,
    [']'] = true,        ['^'] = true, ['|'] = true, ['%'] = true, [0x7f] = true,
};

/* Blanks, full stops and digits have more than one form in Unicode, so what comes out is looked at
 * like any host. */
static bool write_ascii(struct url *u)
{
    char ascii[IDN_HOST_MAX_BYTES + 1];
    size_t n;
    if (!utf8_is_text(url_hostname(u))) return false;
    if (!idn_to_ascii(url_hostname(u), ascii, &n)) return true;
    for (size_t i = 0; i < n; i++) {
        if (forbidden[(unsigned char)ascii[i]]) return false;
    }
    memcpy(u->authority, ascii, n);
    u->hostname_n = n;
    return n > 0;
}

static bool write_host(struct url *u, struct str host)
{
    size_t n = 0;
    bool ascii = true;

    if (host.n > 1 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        return write_ipv6(u, (struct str){host.p + 1, host.n - 2});
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];
        if (c == '%' && host.n - i > 2 && query_hex(host.p[i + 1]) >= 0 &&
            query_hex(host.p[i + 2]) >= 0) {
            c = (char)(query_hex(host.p[i + 1]) << 4 | query_hex(host.p[i + 2]));
            i += 2;
        }
        if (forbidden[(unsigned char)c] || n == URL_HOST_MAX_BYTES) return false;
        if ((unsigned char)c >= 0x80) ascii = false;
        u->authority[n++] = str_lower_char(c);
    }
    u->hostname_n = n;
    if (n == 0 || (!ascii && !write_ascii(u))) return false;
    return !ends_in_number(url_hostname(u)) || write_ipv4(u);
}

/* digits: what stands behind the ':'; may be empty. */
static bool write_port(struct url *u, struct str digits)
{
    unsigned port = 0;

    u->authority_n = u->hostname_n;
    for (size_t i = 0; i < digits.n; i++) {
        if (digits.p[i] < '0' || digits.p[i] > '9') return false;
        port = port * 10 + (unsigned)(digits.p[i] - '0');
        if (port > 65535) return false;
    }
    if (digits.n == 0 || port == (u->https ? 443 : 80)) return true;

    char text[URL_PORT_MAX_BYTES + 1];
    int n = snprintf(text, sizeof text, ":%u", port);
    memcpy(u->authority + u->hostname_n, text, (size_t)n);
    u->authority_n += (size_t)n;
    return true;
}

static size_t authority_length(struct str s)
{
    size_t n = 0;

    while (n < s.n && !is_slash(s.p[n]) && s.p[n] != '?' && s.p[n] != '#')
        n++;
    return n;
}

/* User name and password end here. */
static struct str without_user(struct str authority)
{
    size_t at = authority.n;

    while (at > 0 && authority.p[at - 1] != '@')
        at--;
    return str_from(authority, at);
}

static bool write_authority(struct url *u, struct str authority)
{
    authority = without_user(authority);
    size_t colon = authority.n;
    while (colon > 0 && authority.p[colon - 1] != ':' && authority.p[colon - 1] != ']')
        colon--;
    if (colon == 0 || authority.p[colon - 1] == ']') {
        return write_host(u, authority) && write_port(u, (struct str){"", 0});
    }
    return write_host(u, str_upto(authority, colon - 1)) &&
           write_port(u, str_from(authority, colon));
}

bool url_split(struct str text, struct url *out)
{
    text = str_trim(text);
    if (has_control(text) || !take_scheme(&text, &out->https)) return false;

    size_t end = authority_length(text);
    if (!write_authority(out, str_upto(text, end))) return false;

    struct str rest = str_from(text, end);
    size_t hash = str_find(rest, '#');
    out->fragment = str_from(rest, hash + 1);
    rest = str_upto(rest, hash);
    size_t mark = str_find(rest, '?');
    out->query = str_from(rest, mark + 1);
    out->path = str_upto(rest, mark);
    return true;
}

struct str url_origin(const struct url *u, char text[URL_ORIGIN_MAX_BYTES])
{
    struct str scheme = u->https ? STR("https://") : STR("http://");
    memcpy(text, scheme.p, scheme.n);
    memcpy(text + scheme.n, u->authority, u->authority_n);
    return (struct str){text, scheme.n + u->authority_n};
}

struct str url_foreign_host(struct str text)
{
    size_t colon = str_find(text, ':');

    if (colon == text.n || !str_starts(str_from(text, colon), STR("://")))
        return (struct str){"", 0};
    struct str authority = str_from(text, colon + 3);
    return without_user(str_upto(authority, authority_length(authority)));
}
