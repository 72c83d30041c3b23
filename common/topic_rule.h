/*
 * topic_rule.h - one line of a site's `topics`: PATTERN TOPIC, WEIGHT:TOPIC, ... Pure.
 *
 * A pattern that begins with / is compared with the path of a page (and the query it keeps), any
 * other with its host and path. It must fit from beginning to end; * stands for any bytes, none
 * included. A topic may hold blanks, a pattern may not.
 */
#ifndef SENTIER_TOPIC_RULE_H
#define SENTIER_TOPIC_RULE_H

#include "about.h"

enum { TOPIC_RULES_MAX = 256 }; /* of a site */

struct topic_rule {
    struct str pattern; /* borrowed, as the topics are */
    unsigned topics_n;
    struct about_topic topics[ABOUT_TOPICS_MAX];
};

bool topic_rule_parse(struct str line, struct topic_rule *out); /* false: not of that form */
bool topic_rule_fits(struct str pattern, struct str page);      /* page: normalised, host/path */

#endif
