/*
 * A pattern is matched by going back to its last * alone: whatever an earlier one could take more,
 * the later one can take as well. So the time is at most pattern times page, and nothing recurses.
 */
#include "topic_rule.h"

static bool glob(struct str pattern, struct str text)
{
    size_t p = 0, t = 0, star = pattern.n, taken = 0; /* star: of the last *; taken: by it */
    while (t < text.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            taken = t;
        } else if (p < pattern.n && pattern.p[p] == text.p[t]) {
            p++;
            t++;
        } else if (star < pattern.n) {
            p = star + 1;
            t = ++taken;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*')
        p++;
    return p == pattern.n;
}

bool topic_rule_fits(struct str pattern, struct str page)
{
    bool of_path = pattern.n > 0 && pattern.p[0] == '/';
    return glob(pattern, of_path ? str_from(page, str_find(page, '/')) : page);
}

static size_t first_blank(struct str s)
{
    size_t blank = str_find(s, ' '), tab = str_find(s, '\t');
    return blank < tab ? blank : tab;
}

bool topic_rule_parse(struct str line, struct topic_rule *out)
{
    line = str_trim(line);
    *out = (struct topic_rule){.pattern = str_upto(line, first_blank(line))};
    struct str rest = str_trim(str_from(line, out->pattern.n));
    if (out->pattern.n == 0) return false;
    while (rest.n > 0) {
        size_t comma = str_find(rest, ',');
        struct about_topic topic = about_topic_of(str_trim(str_upto(rest, comma)));
        bool ok = topic.weight > 0 && topic.text.n > 0 && topic.text.n <= ABOUT_TEXT_MAX_BYTES;
        if (!ok || out->topics_n == ABOUT_TOPICS_MAX) return false;
        out->topics[out->topics_n++] = topic;
        rest = str_trim(str_from(rest, comma + 1));
    }
    return out->topics_n > 0;
}
