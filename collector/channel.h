/* channel.h - what brought a visitor to a page: channel, source, campaign. Pure; no allocation. */
#ifndef SENTIER_CHANNEL_H
#define SENTIER_CHANNEL_H

#include "hit.h"
#include "site.h"
#include "str.h"
#include "url.h"

struct arrival {
    enum channel channel;
    struct str source, campaign; /* static, or in the buffers below */
    char source_text[HIT_NAME_MAX_BYTES], campaign_text[HIT_NAME_MAX_BYTES];
};

/* page: the URL that was opened, with the parameters its link carried. referrer: as the browser
 * gives it; empty, or not readable, is none. */
void channel_of(const struct url *page, struct str referrer, const struct site *site,
                struct arrival *out);

#endif
