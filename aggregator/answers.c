/*
 * A request is taken off the list before it is answered, so no two aggregators answer the same one,
 * and one that cannot be answered is not met again and again. The price is a request that is lost
 * when its aggregator dies: who asked asks once more.
 *
 * The token is the dashboard's own, because ids of customers must not stand in names of keys.
 */
#include "answers.h"

#include <stdio.h>
#include <stdlib.h>

#include "ask.h"
#include "profile_document.h"

struct request {
    struct str token, site, id;
};

static bool is_token(struct str s)
{
    if (s.n == 0 || s.n > ANSWER_TOKEN_MAX) return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = str_lower_char(s.p[i]);
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
            return false;
    }
    return true;
}

/* The id is the rest: it may hold blanks. */
static bool parse(struct str text, struct request *out)
{
    out->token = str_upto(text, str_find(text, ' '));
    text = str_from(text, out->token.n + 1);
    out->site = str_upto(text, str_find(text, ' '));
    out->id = str_from(text, out->site.n + 1);
    return is_token(out->token);
}

static int store(struct redis_now *redis, struct str token, json_t *doc, struct buf *err)
{
    char *text = doc == NULL ? NULL : json_dumps(doc, JSON_COMPACT | JSON_REAL_PRECISION(12));
    char expires[16];
    if (text == NULL) {
        buf_printf(err, "out of memory");
        return -1;
    }
    struct key key = key_profile_answer(token);
    snprintf(expires, sizeof expires, "%d", ANSWER_EXPIRES_S);
    redisReply *reply =
        ask(redis, err, ARGV(STR("SET"), key_str(&key), str_of(text), STR("EX"), str_of(expires)));
    free(text);
    freeReplyObject(reply);
    return reply == NULL ? -1 : 0;
}

static json_t *refusal(const char *why)
{
    return json_pack("{s:i, s:s}", "version", PROFILE_VERSION, "error", why);
}

/* What cannot be read is said to who asked for it: others ask for something else. */
static json_t *refusal_of(struct buf *why)
{
    char text[160];
    snprintf(text, sizeof text, "%.*s", STR_ARG(buf_str(why)));
    buf_clear(why);
    return refusal(text);
}

/* What one turn has read of one site; the next request is likely to be for the same one. */
struct turn {
    struct redis_now *redis;
    answer_site_fn *find;
    void *arg;
    char site[HIT_SITE_MAX_BYTES + 1]; /* "": none was read yet */
    struct site_view view;
    struct site_pages pages;
};

/* 1: view and pages are the site's; 0: there is none; -1 with why in err. */
static int open_site(struct turn *t, struct str site, struct buf *err)
{
    if (site.n == 0 || site.n > HIT_SITE_MAX_BYTES) return 0;
    if (str_eq(site, str_of(t->site))) return 1;
    site_pages_fini(&t->pages);
    t->site[0] = '\0';
    if (!t->find(t->arg, site, &t->view)) return 0;
    t->view.source.redis = t->redis;
    if (site_pages_read(&t->view, &t->pages, err) < 0) return -1;
    memcpy(t->site, site.p, site.n);
    t->site[site.n] = '\0';
    return 1;
}

static json_t *answer(struct turn *t, const struct request *r, struct buf *err)
{
    struct portrait portrait = {.pages_n = 0};
    int opened = open_site(t, r->site, err);
    if (opened == 0) return refusal("unknown site");
    int found = opened < 0 ? -1 : portrait_read(&t->view, &t->pages, r->id, &portrait, err);
    json_t *doc = found < 0    ? refusal_of(err)
                  : found == 0 ? refusal("unknown person")
                               : profile_document(&portrait);
    portrait_fini(&portrait);
    if (doc == NULL) buf_printf(err, "out of memory");
    return doc;
}

static int give(struct turn *t, struct str text, struct buf *err)
{
    struct request request;
    if (!parse(text, &request)) return 0; /* there is nowhere to answer to */
    json_t *doc = answer(t, &request, err);
    int result = doc == NULL ? -1 : store(t->redis, request.token, doc, err);
    json_decref(doc);
    return result;
}

static redisReply *take(struct redis_now *redis, struct buf *err)
{
    struct key key = key_profile_requests();
    char most[16], last[16];
    snprintf(most, sizeof most, "%d", ANSWERS_AT_ONCE);
    snprintf(last, sizeof last, "-%d", ANSWERS_WAITING);
    redisReply *requests = ask(redis, err, ARGV(STR("LPOP"), key_str(&key), str_of(most)));
    if (requests == NULL || requests->elements < ANSWERS_AT_ONCE) return requests;
    freeReplyObject(ask(redis, NULL, ARGV(STR("LTRIM"), key_str(&key), str_of(last), STR("-1"))));
    return requests;
}

int answers_give(struct redis_now *redis, answer_site_fn *find, void *arg, struct buf *err)
{
    struct turn t = {.redis = redis, .find = find, .arg = arg};
    redisReply *requests = take(redis, err);
    if (requests == NULL) return -1;
    int given = 0;
    for (size_t i = 0; given >= 0 && i < requests->elements; i++)
        given = give(&t, ask_text(requests, i), err) < 0 ? -1 : given + 1;
    site_pages_fini(&t.pages);
    freeReplyObject(requests);
    return given;
}
