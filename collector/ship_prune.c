/*
 * `seen` keeps a line for every producer there ever was: one per worker and start. Once a day,
 * those that no journal has appended to for SEEN_DAYS and that have no segment here are removed,
 * one partition per look at the directory. Another collector that still held a segment of one would
 * ship it again, and nothing would tell its hits from new ones; so SEEN_DAYS is more than the
 * longest journal_keep. Imports have day 0 and stay.
 */
#include "ship_core.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "keys.h"
#include "log.h"

enum { SEEN_DAYS = 400 };

static const char prune_lua[] =
    "local keep, gone = {}, {}\n"
    "for i = 2, #ARGV do keep[ARGV[i]] = true end\n"
    "local all = redis.call('HGETALL', KEYS[1])\n"
    "for i = 1, #all, 2 do\n"
    "  local day = tonumber(string.match(all[i + 1], ' (%d+)$') or 0)\n"
    "  if day > 0 and day < tonumber(ARGV[1]) and not keep[all[i]] then\n"
    "    gone[#gone + 1] = all[i]\n"
    "  end\n"
    "end\n"
    "for i = 1, #gone do redis.call('HDEL', KEYS[1], gone[i]) end\n"
    "return #gone\n";

static struct redis_script script = {.body = prune_lua};

static void on_pruned(const redisReply *reply, void *arg)
{
    struct shipper *s = arg;
    s->outstanding--;
    if (reply == NULL) {
        ship_session_end(s, -1);
    } else if (reply->type == REDIS_REPLY_ERROR && !redis_retryable(reply)) {
        log_warn("ship.prune", "err=%s", reply->str);
    }
}

void ship_prune_step(struct shipper *s)
{
    int64_t today = clock_ms() / 86400000;
    char oldest[24];
    if (!s->session || s->pruned_day == today) return;
    struct str *argv = malloc((s->lanes.n + 3) * sizeof *argv);
    if (argv == NULL) return;
    struct key seen = key_seen(s->prune_next);
    snprintf(oldest, sizeof oldest, "%lld", (long long)(today - SEEN_DAYS));
    argv[0] = STR("1");
    argv[1] = key_str(&seen);
    argv[2] = str_of(oldest);
    for (size_t i = 0; i < s->lanes.n; i++)
        argv[3 + i] = (struct str){(const char *)s->lanes.lane[i]->producer, PRODUCER_BYTES};
    if (redis_eval(s->link, &script, on_pruned, s, (int)s->lanes.n + 3, argv) == 0) {
        s->outstanding++;
        s->prune_next = (s->prune_next + 1) % s->opts.partitions;
        if (s->prune_next == 0) s->pruned_day = today;
    }
    free(argv);
}
