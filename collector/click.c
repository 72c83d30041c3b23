/*
 * The tracker says that a link was clicked and where it leads; what kind of click that is, is
 * decided here, so that a longer list of files costs no page a byte. A link that leads to no page
 * (a mail address, a number to call, a script) is known by its scheme alone: what stands behind it
 * is somebody's address more often than not.
 */
#include "click.h"

#include <stddef.h>

enum { ENDING_MAX_BYTES = 7 };

/* In order. */
static const char endings[][ENDING_MAX_BYTES + 1] = {
    "7z",   "aac", "ai",      "apk",  "avi",  "azw3",    "bin", "bz2",  "csv",  "deb",
    "dmg",  "doc", "docm",    "docx", "dot",  "dotx",    "dwg", "epub", "exe",  "fit",
    "flac", "gpx", "gz",      "ics",  "img",  "iso",     "jar", "key",  "kml",  "kmz",
    "m4a",  "m4v", "mid",     "midi", "mkv",  "mobi",    "mov", "mp3",  "mp4",  "mpeg",
    "mpg",  "msi", "numbers", "odp",  "ods",  "odt",     "ogg", "ogv",  "opus", "pages",
    "pdf",  "pkg", "pps",     "ppsx", "ppt",  "pptx",    "ps",  "psd",  "rar",  "rpm",
    "rtf",  "sql", "stl",     "tar",  "tgz",  "torrent", "txt", "vcf",  "wav",  "webm",
    "wma",  "wmv", "xls",     "xlsm", "xlsx", "xz",      "zip", "zst",
};

static bool is_letter(char c)
{
    c = str_lower_char(c);
    return c >= 'a' && c <= 'z';
}

struct str click_scheme(struct str link)
{
    struct str scheme = str_upto(link, str_find(str_upto(link, CLICK_SCHEME_MAX_BYTES + 1), ':'));

    if (scheme.n == 0 || scheme.n > CLICK_SCHEME_MAX_BYTES || scheme.n == link.n) return STR("");
    if (!is_letter(scheme.p[0])) return STR("");
    for (size_t i = 1; i < scheme.n; i++) {
        char c = scheme.p[i];
        if (!is_letter(c) && !(c >= '0' && c <= '9') && c != '+' && c != '-' && c != '.')
            return STR("");
    }
    bool web = str_ieq(scheme, STR("http")) || str_ieq(scheme, STR("https"));
    return web ? STR("") : scheme;
}

bool click_is_file(struct str path)
{
    char lower[ENDING_MAX_BYTES];
    size_t n = 0;

    while (n < path.n && path.p[path.n - 1 - n] != '.' && path.p[path.n - 1 - n] != '/')
        n++;
    if (n == 0 || n > ENDING_MAX_BYTES || n == path.n || path.p[path.n - 1 - n] != '.')
        return false;
    for (size_t i = 0; i < n; i++)
        lower[i] = str_lower_char(path.p[path.n - n + i]);
    size_t low = 0, high = sizeof endings / sizeof *endings;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = str_order((struct str){lower, n}, str_of(endings[middle]));
        if (order == 0) return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}
