/*
 * Names of topics become small numbers, by a hash table of indexes, so that scores of topics are
 * plain arrays. A rule is read once; its topics are numbered when a page first fits it, so a rule
 * that fits nothing leaves no topic behind.
 */
#include "topics.h"

#include <assert.h>
#include <stdlib.h>

#include "hash.h"
#include "topic_rule.h"

enum { SLOTS = 1 << 16 }; /* over TOPICS_MAX twice, so the table is never full */

struct topics {
    struct topic_rule *rules;
    unsigned rules_n;
    struct str *names; /* ours */
    uint32_t n, cap;
    uint32_t *slots; /* index + 1; 0: free */
    bool cut;
};

static unsigned count_rules(char *const *rules)
{
    unsigned n = 0;
    while (rules != NULL && rules[n] != NULL)
        n++;
    return n;
}

struct topics *topics_new(char *const *rules)
{
    unsigned n = count_rules(rules);
    struct topics *t = calloc(1, sizeof *t);
    if (t == NULL) return NULL;
    t->rules = calloc(n + 1, sizeof *t->rules);
    t->slots = calloc(SLOTS, sizeof *t->slots);
    if (t->rules == NULL || t->slots == NULL) {
        topics_free(t);
        return NULL;
    }
    for (unsigned i = 0; i < n; i++) {
        bool ok = topic_rule_parse(str_of(rules[i]), &t->rules[t->rules_n]);
        assert(ok); /* conf.c takes no other */
        t->rules_n += ok;
    }
    return t;
}

void topics_free(struct topics *t)
{
    if (t == NULL) return;
    for (uint32_t i = 0; i < t->n; i++)
        free((char *)t->names[i].p);
    free(t->names);
    free(t->rules);
    free(t->slots);
    free(t);
}

static bool append(struct topics *t, struct str name)
{
    if (t->n == t->cap) {
        uint32_t cap = t->cap == 0 ? 64 : t->cap * 2;
        struct str *names = realloc(t->names, cap * sizeof *names);
        if (names == NULL) return false;
        t->names = names;
        t->cap = cap;
    }
    char *copy = malloc(name.n);
    if (copy == NULL) return false;
    memcpy(copy, name.p, name.n);
    t->names[t->n++] = (struct str){copy, name.n};
    return true;
}

enum found { FOUND, NO_ROOM, NO_MEMORY };

static enum found number_of(struct topics *t, struct str text, uint32_t *topic)
{
    char lower[ABOUT_TEXT_MAX_BYTES];
    struct str name = {lower, text.n};
    assert(text.n > 0 && text.n <= sizeof lower);
    for (size_t i = 0; i < text.n; i++)
        lower[i] = str_lower_char(text.p[i]);
    uint32_t slot = (uint32_t)hash64(name) % SLOTS;
    for (; t->slots[slot] != 0; slot = (slot + 1) % SLOTS) {
        *topic = t->slots[slot] - 1;
        if (str_eq(t->names[*topic], name)) return FOUND;
    }
    if (t->n == TOPICS_MAX) return NO_ROOM;
    if (!append(t, name)) return NO_MEMORY;
    *topic = t->n - 1;
    t->slots[slot] = t->n;
    return FOUND;
}

static bool add(struct topics *t, struct str text, uint32_t weight, struct page_topics *out)
{
    uint32_t topic = 0, i = 0;
    text = str_trim(text);
    if (text.n == 0) return true;
    enum found found = number_of(t, text, &topic);
    if (found == NO_MEMORY) return false;
    while (found == FOUND && i < out->n && out->at[i].topic != topic)
        i++;
    if (found == NO_ROOM || i == TOPICS_OF_PAGE) {
        t->cut = true;
    } else if (i == out->n) {
        out->at[out->n++] = (struct page_topic){topic, weight};
    } else if (out->at[i].weight < weight) {
        out->at[i].weight = weight;
    }
    return true;
}

static bool add_all(struct topics *t, const struct about_topic *topics, unsigned n,
                    struct page_topics *out)
{
    for (unsigned i = 0; i < n; i++) {
        if (!add(t, topics[i].text, topics[i].weight, out)) return false;
    }
    return true;
}

bool topics_of_page(struct topics *t, struct str page, const struct about *about,
                    struct page_topics *out)
{
    out->n = 0;
    if (about != NULL && !(add_all(t, about->topics, about->topics_n, out) &&
                           add(t, about->section, ABOUT_WEIGHT_MAX, out)))
        return false;
    for (unsigned i = 0; i < t->rules_n; i++) {
        const struct topic_rule *rule = &t->rules[i];
        if (topic_rule_fits(rule->pattern, page) && !add_all(t, rule->topics, rule->topics_n, out))
            return false;
    }
    return true;
}

uint32_t topics_count(const struct topics *t)
{
    return t->n;
}

struct str topics_name(const struct topics *t, uint32_t topic)
{
    assert(topic < t->n);
    return t->names[topic];
}

bool topics_cut(const struct topics *t)
{
    return t->cut;
}

int64_t topic_score(int64_t page_score, uint32_t weight)
{
    return (page_score * weight + ABOUT_WEIGHT_MAX / 2) / ABOUT_WEIGHT_MAX;
}
