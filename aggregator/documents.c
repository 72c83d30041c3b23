/*
 * A document is made anew as a whole. Those that go over all profiles are made once for each day of
 * the site's dates; which day that was is remembered here alone, so a start makes them once more.
 */
#include "documents.h"

#include <assert.h>
#include <stdlib.h>

#include "ask.h"
#include "clock.h"
#include "keys.h"
#include "owner.h"
#include "segment_document.h"
#include "topic_document.h"
#include "verdict_document.h"

const struct document site_documents[] = {
    {"verdicts", DOCUMENT_ON_CHANGE, verdict_document_of_site},
    {"segments", DOCUMENT_ONCE_A_DAY, segment_document_of_site},
    {"topics", DOCUMENT_ON_CHANGE, topic_document_of_site},
    {0},
};

static int store_document(const struct document_site *s, const char *name, json_t *doc,
                          struct buf *err)
{
    char *text = json_dumps(doc, JSON_COMPACT | JSON_REAL_PRECISION(12));
    if (text == NULL) {
        buf_printf(err, "out of memory");
        return -1;
    }
    struct key key = key_document(str_of(name), s->source.site);
    redisReply *reply = ask(s->source.redis, err, ARGV(STR("SET"), key_str(&key), str_of(text)));
    free(text);
    if (reply == NULL) return -1;
    freeReplyObject(reply);
    return 0;
}

static int publish(const struct document *d, const struct document_site *s, struct buf *err)
{
    json_t *doc = d->make(s, err);
    int result = doc == NULL ? -1 : store_document(s, d->name, doc, err);
    json_decref(doc);
    return result;
}

int documents_publish(struct publisher *p, struct publish_env *env, struct buf *err)
{
    struct document_site s = {.source = publisher_source(p, env),
                              .zone = p->zone,
                              .time_zone = p->time_zone,
                              .topics = p->topics,
                              .now_ms = clock_ms(),
                              .limit = OWNER_SUMMARY_ROWS,
                              .stopping = env->stopping,
                              .rested_ms = &env->rested_ms};
    int result = 0;
    if (range_read_extent(&s.source, &s.extent, err) < 0) return -1;
    p->turn_ms = zone_midnight_ms(p->zone, zone_day(p->zone, s.now_ms) + 1);
    if (!s.extent.any) return 0;
    s.end = range_end(&s.extent, p->zone, s.now_ms);
    s.event_day = range_end(&s.extent, p->zone, 0);
    for (size_t i = 0; env->documents[i].name != NULL && !atomic_load(env->stopping); i++) {
        const struct document *d = &env->documents[i];
        assert(i < PUBLISH_DOCUMENTS);
        if (d->when == DOCUMENT_ONCE_A_DAY && p->made_day[i] == s.event_day) continue;
        if (publish(d, &s, err) == 0)
            p->made_day[i] = s.event_day;
        else if (!atomic_load(env->stopping))
            result = -1;
    }
    p->check = false;
    return result;
}
