/*
 * salt_link.h - several collectors agree on the salts over Redis' PUBLISH, which stores nothing.
 * Owns the minute of the salts: whoever has a link need not call salts_tick. One thread, the
 * base's, and the owner of the salts.
 */
#ifndef SENTIER_SALT_LINK_H
#define SENTIER_SALT_LINK_H

#include <event2/event.h>

#include "conf.h"
#include "salt.h"

#define SALT_CHANNEL "sentier:salt"

struct salt_link;

/* salts and conf must outlive it. NULL: no memory. */
struct salt_link *salt_link_new(struct event_base *base, const struct redis_conf *conf,
                                struct salts *salts);
void salt_link_free(struct salt_link *l); /* NULL is fine */

/* Another collector has said what it has, or nobody else listens: to wait longer brings nothing. */
bool salt_link_agreed(const struct salt_link *l);

#endif
