/*
 * Only the lines that name sitemaps. They stand outside of the groups of user agents, so no group
 * is read. As in practice: any case, blanks before the colon, lines that end with CR, LF or both,
 * a comment behind the URL, and files that an editor has saved as UTF-16.
 */
#include "robots.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* Behind '#' is a comment; but a URL may hold one, so only where a blank stands before it. */
static struct str without_comment(struct str line)
{
    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] == '#' && (i == 0 || is_space(line.p[i - 1]))) return str_upto(line, i);
    }
    return line;
}

static void read_line(struct str line, robots_on_sitemap *each, void *arg)
{
    line = str_trim(without_comment(line));
    size_t colon = str_find(line, ':');
    struct str name = str_trim(str_upto(line, colon));
    struct str url = str_trim(str_from(line, colon + 1));
    if (colon < line.n && url.n > 0 && str_ieq(name, STR("sitemap"))) each(arg, url);
}

static void read_lines(struct str text, robots_on_sitemap *each, void *arg)
{
    while (text.n > 0) {
        size_t n = 0;
        while (n < text.n && text.p[n] != '\n' && text.p[n] != '\r')
            n++;
        read_line(str_upto(text, n), each, arg);
        text = str_from(text, n + 1);
    }
}

/* Sitemap lines are ASCII; every other character only has to stay out of the way. */
static bool from_utf16(struct str text, bool big, struct buf *out)
{
    for (size_t i = 0; i + 1 < text.n; i += 2) {
        char high = text.p[big ? i : i + 1], low = text.p[big ? i + 1 : i];
        if (!buf_add_char(out, high == 0 && (unsigned char)low < 0x80 ? low : '?')) return false;
    }
    return true;
}

bool robots_sitemaps(struct str text, robots_on_sitemap *each, void *arg)
{
    struct buf plain = {0};
    bool little = str_starts(text, STR("\xff\xfe")), big = str_starts(text, STR("\xfe\xff"));
    if (str_starts(text, STR("\xef\xbb\xbf"))) text = str_from(text, 3);
    if (little || big) {
        if (!from_utf16(str_from(text, 2), big, &plain)) {
            buf_fini(&plain);
            return false;
        }
        text = buf_str(&plain);
    }
    read_lines(text, each, arg);
    buf_fini(&plain);
    return true;
}
