/*
 * Two links, since one that subscribes cannot publish. Whoever begins to listen says "want" and
 * what he has; whoever hears "want" says what he has; and all say it again each minute. So a
 * message that is lost, a Redis that was away or a network that was cut is healed within a minute,
 * and nobody needs to know who the others are.
 *
 * A collector that starts asks before it takes its first hit: the answer to PUBLISH says how many
 * listen. Offers of his own come back to him, so somebody else has answered when he heard more than
 * he said.
 *
 * Everybody hears himself, too: silence for some minutes while publishing works means that the
 * listening link is dead without having noticed, and it is opened anew.
 */
#include "salt_link.h"

#include <sodium.h>
#include <stdlib.h>

#include "clock.h"
#include "log.h"
#include "redis.h"

enum { SILENCE_MS = 3 * SALTS_TICK_MS };

struct salt_link {
    struct event_base *base;
    const struct redis_conf *conf;
    struct salts *salts;
    struct redis_link *in, *out;
    struct event *minute;
    bool listening;       /* Redis has confirmed the subscription */
    bool alone;           /* nobody else did when we asked */
    unsigned said, heard; /* offers */
    int64_t heard_ms;
};

static void on_asked(const redisReply *reply, void *arg)
{
    struct salt_link *l = arg;
    if (reply == NULL || reply->type != REDIS_REPLY_INTEGER) return;
    l->alone =
        reply->integer <= 1 && !redis_link_is_cluster(l->out); /* its nodes count their own */
}

static void on_published(const redisReply *reply, void *arg)
{
    (void)arg;
    if (reply == NULL || reply->type != REDIS_REPLY_ERROR) return;
    log_error("salt.publish", "err=%s", reply->str);
}

/* What is lost while Redis is away is said again later. */
static int publish(struct salt_link *l, redis_reply_fn *fn, struct str message)
{
    struct str argv[] = {STR("PUBLISH"), STR(SALT_CHANNEL), message};
    return redis_send(l->out, fn, l, 3, argv);
}

static void publish_offer(struct salt_link *l)
{
    struct buf text;
    buf_init(&text, SALT_MESSAGE_BYTES);
    if (buf_reserve(&text, SALT_MESSAGE_BYTES) != NULL && salts_say(l->salts, &text)) {
        l->said += publish(l, on_published, buf_str(&text)) == 0;
    }
    if (text.p != NULL) sodium_memzero(text.p, text.n);
    buf_fini(&text);
}

/* As soon as both links work. */
static void introduce(struct salt_link *l)
{
    if (!l->listening || !redis_link_up(l->out)) return;
    publish(l, on_asked, STR("want"));
    publish_offer(l);
}

static void on_message(struct salt_link *l, struct str message)
{
    enum salts_heard heard = salts_hear(l->salts, message);
    l->heard += heard == SALTS_KNOWN || heard == SALTS_CHANGED;
    if (heard == SALTS_WANTED) publish_offer(l);
    if (heard == SALTS_CHANGED) log_info("salt.agreed", "an older salt replaces ours");
    if (heard == SALTS_NONSENSE) log_warn("salt.nonsense", "bytes=%zu", message.n);
}

/* "subscribe", channel, count; then "message", channel, text each time. */
static void on_push(const redisReply *r, void *arg)
{
    struct salt_link *l = arg;
    if (r->type == REDIS_REPLY_ERROR) {
        log_error("salt.subscribe", "err=%s", r->str);
        return;
    }
    if (r->type != REDIS_REPLY_ARRAY || r->elements != 3) return;
    l->heard_ms = clock_mono_ms();
    if (str_eq(reply_str(r->element[0]), STR("subscribe"))) {
        l->listening = true;
        introduce(l);
    } else if (r->element[2]->type == REDIS_REPLY_STRING) {
        on_message(l, reply_str(r->element[2]));
    }
}

static void on_in_state(bool up, void *arg)
{
    struct salt_link *l = arg;
    l->listening = false;
    l->heard_ms = clock_mono_ms();
    if (up) redis_subscribe(l->in, on_push, l, STR(SALT_CHANNEL));
}

static void on_out_state(bool up, void *arg)
{
    if (up) introduce(arg);
}

static void listen_anew(struct salt_link *l)
{
    log_warn("salt.silence", "nothing heard for %d s, listening anew", SILENCE_MS / 1000);
    struct redis_link *in = redis_link_new(l->base, l->conf, on_in_state, l);
    if (in == NULL) return;
    redis_link_free(l->in);
    l->in = in;
    l->listening = false;
    l->heard_ms = clock_mono_ms();
}

static void on_minute(evutil_socket_t fd, short what, void *arg)
{
    struct salt_link *l = arg;
    (void)fd, (void)what;
    salts_tick(l->salts, clock_ms());
    if (redis_link_up(l->out) && clock_mono_ms() - l->heard_ms > SILENCE_MS) listen_anew(l);
    publish_offer(l);
}

struct salt_link *salt_link_new(struct event_base *base, const struct redis_conf *conf,
                                struct salts *salts)
{
    static const struct timeval minute = {SALTS_TICK_MS / 1000, 0};
    struct salt_link *l = calloc(1, sizeof *l);
    if (l == NULL) return NULL;
    l->base = base;
    l->conf = conf;
    l->salts = salts;
    l->heard_ms = clock_mono_ms();
    l->minute = event_new(base, -1, EV_PERSIST, on_minute, l);
    l->out = redis_link_new(base, conf, on_out_state, l);
    l->in = redis_link_new(base, conf, on_in_state, l);
    if (l->minute == NULL || l->out == NULL || l->in == NULL || event_add(l->minute, &minute) < 0) {
        salt_link_free(l);
        return NULL;
    }
    return l;
}

void salt_link_free(struct salt_link *l)
{
    if (l == NULL) return;
    redis_link_free(l->in);
    redis_link_free(l->out);
    if (l->minute != NULL) event_free(l->minute);
    free(l);
}

bool salt_link_agreed(const struct salt_link *l)
{
    return l->alone || l->heard > l->said;
}
