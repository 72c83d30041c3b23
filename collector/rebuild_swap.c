/*
 * Both generations have folded the same hits, so the stream, `seen` and the lease of a partition
 * stay as they are, and its state is renamed into place by one script. What was shipped meanwhile
 * waits in the stream and is folded onto it; nothing has to be shipped again, and no journal has to
 * hold anything for it. Only what Redis had forgotten and an archive still knew is added to `seen`.
 *
 * A partition of which hits are missing keeps what only the old generation knows: the days up to
 * the one in which the last missing hit may have come, wholly (counters and open visitors), its
 * pages' names, and visitors that the files do not know. That is copied into the next generation
 * before the swap, where an interrupted rebuild does no harm.
 */
#include "rebuild_swap.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "rebuild_names.h"
#include "sitestate.h"

static const char swap_lua[] =
#include "rebuild_swap.lua.inc"
    ;

/* Fields that only the old one has. KEYS: old, new. */
static const char keep_lua[] =
    "local all, n = redis.call('HGETALL', KEYS[1]), 0\n"
    "for i = 1, #all, 2 do n = n + redis.call('HSETNX', KEYS[2], all[i], all[i + 1]) end\n"
    "return n\n";

/* Fields up to ARGV[1] as in the old one. KEYS: old, new. Whether the new one is there. */
static const char keep_month_lua[] =
    "for _, day in ipairs(redis.call('HKEYS', KEYS[2])) do\n"
    "  if day <= ARGV[1] then redis.call('HDEL', KEYS[2], day) end\n"
    "end\n"
    "local all = redis.call('HGETALL', KEYS[1])\n"
    "for i = 1, #all, 2 do\n"
    "  if all[i] <= ARGV[1] then redis.call('HSET', KEYS[2], all[i], all[i + 1]) end\n"
    "end\n"
    "return redis.call('EXISTS', KEYS[2])\n";

enum kind {
    KIND_SITES,
    KIND_PAGES,
    KIND_LINKS,
    KIND_ABOUT,
    KIND_DAY,
    KIND_MONTH,
    KIND_MONTHS,
    KIND_VISITORS,
    KIND_PROFILES,
    KIND_CATALOGUE,
    KIND_LIVE,
    KIND_MIX,
    KIND_CUSTOMERS,
    KIND_OTHER
};

enum { DATE_DIGITS = 8, MONTH_DIGITS = 6, HEAD_KEYS = 9, HEAD_ARGS = 8 };

struct generation_names {
    struct names live, next;
};

/* What one call of the script gets. */
struct call {
    struct key *key;
    size_t keys, key_cap;
    struct buf healed; /* per producer: 16 bytes, then two texts of TEXT bytes */
    unsigned n_healed;
};

/* ---- names of keys ---- */

static enum kind kind_of(struct str name)
{
    static const char *const kinds[] = {
        "sites",     "pages:",    "links:",     "about:", "day:", "month:",    "months:",
        "visitors:", "profiles:", "catalogue:", "live:",  "mix:", "customers:"};
    for (int i = 0; i < KIND_OTHER; i++) {
        if (str_starts(name, str_of(kinds[i]))) return (enum kind)i;
    }
    return KIND_OTHER;
}

/* What a next generation that is not whole lacks of such a hash, it takes from the old one. */
static bool keeps_fields(enum kind kind)
{
    return kind == KIND_PAGES || kind == KIND_LINKS || kind == KIND_ABOUT ||
           kind == KIND_PROFILES || kind == KIND_CATALOGUE || kind == KIND_CUSTOMERS;
}

/* day:SITE:20260131 */
static bool split_day(struct str name, struct str *site, uint32_t *day)
{
    size_t colon = str_find(name, ':');
    if (name.n < colon + 2 + DATE_DIGITS + 1) return false;
    *site = (struct str){name.p + colon + 1, name.n - colon - 2 - DATE_DIGITS};
    unsigned date = (unsigned)strtoul(name.p + name.n - DATE_DIGITS, NULL, 10);
    *day = date_to_day((int)(date / 10000), (int)(date / 100 % 100), (int)(date % 100));
    return true;
}

/* month:SITE:202601 -> its first and last day */
static bool split_month(struct str name, struct str *site, uint32_t *first, uint32_t *last)
{
    size_t colon = str_find(name, ':');
    if (name.n < colon + 2 + MONTH_DIGITS + 1) return false;
    *site = (struct str){name.p + colon + 1, name.n - colon - 2 - MONTH_DIGITS};
    int month = (int)strtoul(name.p + name.n - MONTH_DIGITS, NULL, 10);
    *first = date_to_day(month / 100, month % 100, 1);
    *last = month_to_day(day_to_month(*first) + 1) - 1;
    return true;
}

static int collect(void *arg, const struct key_parts *key, struct str whole)
{
    struct generation_names *all = arg;
    (void)whole;
    if (kind_of(key->name) == KIND_OTHER) return 0;
    struct generation_names *g = &all[key->partition];
    return names_add(key->next ? &g->next : &g->live, key->name) ? 0 : -1;
}

/* ---- what is kept of an incomplete partition ---- */

uint32_t rebuild_kept_day(const struct sites *sites, struct str site, int64_t until_ms)
{
    enum { FARTHEST_EAST_MS = 14 * 3600 * 1000 };
    const struct site *s = sites_find(sites, site);
    if (s != NULL) return zone_day(s->zone, until_ms);
    return (uint32_t)((until_ms + FARTHEST_EAST_MS) / DAY_MS);
}

bool rebuild_merge_site(struct str was, struct str now, uint32_t day, struct buf *out)
{
    struct sitestate a, b, both;
    sitestate_init(&a, STR(""));
    sitestate_init(&b, STR(""));
    if (!sitestate_decode(was, &a) || !sitestate_decode(now, &b)) return false;
    both = b;
    if (a.watermark_ms > both.watermark_ms) both.watermark_ms = a.watermark_ms;
    if (a.imported_ms > both.imported_ms) both.imported_ms = a.imported_ms;
    if (a.first_day != 0 && (both.first_day == 0 || a.first_day < both.first_day))
        both.first_day = a.first_day;
    if (a.last_day > both.last_day) both.last_day = a.last_day;
    if (a.hits > both.hits) both.hits = a.hits;
    if (a.kept_day > both.kept_day) both.kept_day = a.kept_day;
    both.open_n = 0;
    for (uint32_t i = 0; i < a.open_n; i++) {
        if (a.open[i].day <= day) both.open[both.open_n++] = a.open[i];
    }
    for (uint32_t i = 0; i < b.open_n && both.open_n < OPEN_DAYS_MAX; i++) {
        if (b.open[i].day > day) both.open[both.open_n++] = b.open[i];
    }
    return sitestate_encode(&both, out);
}

static redisReply *get_all(struct live *l, struct key key, struct buf *err)
{
    struct str argv[] = {STR("HGETALL"), key_str(&key)};
    return live_ask(l, err, 2, argv);
}

static int set_field(struct live *l, struct key key, struct str field, struct str value,
                     struct buf *err)
{
    struct str argv[] = {STR("HSET"), key_str(&key), field, value};
    redisReply *r = live_ask(l, err, 4, argv);
    if (r == NULL) return -1;
    freeReplyObject(r);
    return 0;
}

static struct str find_field(const redisReply *all, struct str field)
{
    for (size_t i = 0; i + 1 < all->elements; i += 2) {
        struct str name = {all->element[i]->str, all->element[i]->len};
        if (str_eq(name, field))
            return (struct str){all->element[i + 1]->str, all->element[i + 1]->len};
    }
    return (struct str){NULL, 0};
}

static int keep_site(const struct swap *s, unsigned p, struct str site, struct str was,
                     struct str now, struct buf *err)
{
    struct buf merged = {0};
    uint32_t day = rebuild_kept_day(s->sites, site, s->until_ms[p]);
    bool both = now.p != NULL && rebuild_merge_site(was, now, day, &merged);
    struct str value = both ? buf_str(&merged) : now.p == NULL ? was : now;
    int result = set_field(s->live, key_of(p, true, STR("sites")), site, value, err);
    buf_fini(&merged);
    return result;
}

static int keep_sites(const struct swap *s, unsigned p, struct buf *err)
{
    redisReply *was = get_all(s->live, key_of(p, false, STR("sites")), err);
    redisReply *now = was == NULL ? NULL : get_all(s->live, key_of(p, true, STR("sites")), err);
    int result = now == NULL ? -1 : 0;
    for (size_t i = 0; result == 0 && i + 1 < was->elements; i += 2) {
        struct str site = {was->element[i]->str, was->element[i]->len};
        struct str value = {was->element[i + 1]->str, was->element[i + 1]->len};
        result = keep_site(s, p, site, value, find_field(now, site), err);
    }
    if (was != NULL) freeReplyObject(was);
    if (now != NULL) freeReplyObject(now);
    return result;
}

/* Fields of one hash that the next generation does not have. */
static int keep_fields(const struct swap *s, unsigned p, const char *name, uint64_t *kept,
                       struct buf *err)
{
    struct key was = key_of(p, false, str_of(name)), now = key_of(p, true, str_of(name));
    struct str argv[] = {STR("EVAL"), str_of(keep_lua), STR("2"), key_str(&was), key_str(&now)};
    redisReply *r = live_ask(s->live, err, 5, argv);
    if (r == NULL) return -1;
    *kept += r->type == REDIS_REPLY_INTEGER ? (uint64_t)r->integer : 0;
    freeReplyObject(r);
    return 0;
}

static int keep_hashes(const struct swap *s, unsigned p, const struct generation_names *g,
                       struct swap_account *out, struct buf *err)
{
    uint64_t others = 0;
    for (size_t i = 0; i < g->live.n; i++) {
        const char *name = g->live.at[i];
        enum kind kind = kind_of(str_of(name));
        if (!keeps_fields(kind)) continue;
        if (!names_have(&g->next, name)) continue; /* it stays as it is */
        uint64_t *kept = kind == KIND_PROFILES ? &out->kept_profiles : &others;
        if (keep_fields(s, p, name, kept, err) < 0 || live_renew(s->live, err) < 0) return -1;
    }
    return 0;
}

/* A key of days that all keep their old counters; *last: the last one. */
static bool day_is_kept(const struct swap *s, unsigned p, struct str name, struct str *site,
                        uint32_t *last)
{
    enum kind kind = kind_of(name);
    uint32_t first;
    if (s->until_ms[p] == 0) return false;
    bool ok = kind == KIND_MONTH
                  ? split_month(name, site, &first, last)
                  : (kind == KIND_DAY || kind == KIND_VISITORS) && split_day(name, site, last);
    return ok && *last <= rebuild_kept_day(s->sites, *site, s->until_ms[p]);
}

/* Fields up to `upto` of a hash of days or months: as in the old generation. */
static int keep_upto(const struct swap *s, unsigned p, struct generation_names *g, const char *name,
                     const char *upto, struct buf *err)
{
    struct key was = key_of(p, false, str_of(name)), now = key_of(p, true, str_of(name));
    struct str argv[] = {STR("EVAL"),   str_of(keep_month_lua), STR("2"),
                         key_str(&was), key_str(&now),          str_of(upto)};
    redisReply *r = live_ask(s->live, err, 6, argv);
    if (r == NULL) return -1;
    bool there = r->type == REDIS_REPLY_INTEGER && r->integer == 1;
    bool known = names_have(&g->next, name);
    freeReplyObject(r);
    if (known && !there) names_drop(&g->next, name);
    if (there && !known) {
        if (!names_add(&g->next, str_of(name))) return -1;
        names_sort(&g->next);
    }
    return live_renew(s->live, err);
}

/* Sums over all visits there were: those of the old generation, when it has any, lack none. */
static bool mix_is_kept(const struct swap *s, unsigned p, const struct generation_names *g,
                        const char *name)
{
    return kind_of(str_of(name)) == KIND_MIX && s->until_ms[p] != 0 && names_have(&g->live, name);
}

/* Packed days of a month in which the kept days end; months up to that one. */
static int keep_month(const struct swap *s, unsigned p, struct generation_names *g,
                      const char *name, struct buf *err)
{
    struct str whole = str_of(name), site;
    uint32_t first, last;
    enum kind kind = kind_of(whole);
    if (kind == KIND_MONTHS) {
        site = str_from(whole, sizeof "months:" - 1);
        uint32_t kept = rebuild_kept_day(s->sites, site, s->until_ms[p]);
        struct month_field month = key_month_field(day_to_month(kept));
        return keep_upto(s, p, g, name, month.text, err);
    }
    if (kind != KIND_MONTH || !split_month(whole, &site, &first, &last)) return 0;
    uint32_t kept = rebuild_kept_day(s->sites, site, s->until_ms[p]);
    if (kept < first || kept >= last) return 0;
    struct day_field day;
    key_month(p, site, kept, &day);
    return keep_upto(s, p, g, name, day.text, err);
}

static int keep_months(const struct swap *s, unsigned p, struct generation_names *g,
                       struct buf *err)
{
    for (size_t i = 0; i < g->live.n; i++) {
        if (keep_month(s, p, g, g->live.at[i], err) < 0) return -1;
    }
    for (size_t i = g->next.n; i-- > 0;) { /* those that the old one does not have; some may go */
        const char *name = g->next.at[i];
        if (!names_have(&g->live, name) && keep_month(s, p, g, name, err) < 0) return -1;
    }
    return 0;
}

static int account_day(struct swap_account *a, struct str site, uint32_t day)
{
    struct swap_site *of = NULL;
    for (size_t i = 0; i < a->sites && of == NULL; i++) {
        if (str_eq(str_of(a->site[i].name), site)) of = &a->site[i];
    }
    if (of == NULL) {
        struct swap_site *grown = realloc(a->site, (a->sites + 1) * sizeof *grown);
        if (grown == NULL) return -1;
        a->site = grown;
        of = &a->site[a->sites++];
        *of = (struct swap_site){.first = day};
        snprintf(of->name, sizeof of->name, "%.*s", STR_ARG(site));
    }
    if (day < of->first) of->first = day;
    if (day > of->last) of->last = day;
    of->days++;
    return 0;
}

/* Counts the days of a packed month that are kept, or those that are not. */
static int account_month(const struct swap *s, unsigned p, bool next, struct str name,
                         struct swap_account *a, struct buf *err)
{
    struct key key = key_of(p, next, name);
    struct str site, argv[] = {STR("HKEYS"), key_str(&key)};
    uint32_t first, last;
    redisReply *r = live_ask(s->live, err, 2, argv);
    if (r == NULL) return -1;
    int result = split_month(name, &site, &first, &last) ? 0 : -1;
    uint32_t kept = s->until_ms[p] == 0 ? 0 : rebuild_kept_day(s->sites, site, s->until_ms[p]);
    for (size_t i = 0; result == 0 && i < r->elements; i++) {
        uint32_t day = first + (uint32_t)strtoul(r->element[i]->str, NULL, 10) - 1;
        if (next && day > kept) a->days++;
        if (!next && day <= kept) result = account_day(a, site, day);
    }
    freeReplyObject(r);
    return result;
}

static int account_months(const struct swap *s, unsigned p, const struct generation_names *g,
                          struct swap_account *a, struct buf *err)
{
    const struct names *lists[] = {&g->live, &g->next};
    for (int next = 0; next < 2; next++) {
        for (size_t i = 0; i < lists[next]->n; i++) {
            struct str name = str_of(lists[next]->at[i]);
            if (kind_of(name) != KIND_MONTH) continue;
            if (account_month(s, p, next == 1, name, a, err) < 0) return -1;
        }
    }
    return 0;
}

void swap_account_fini(struct swap_account *a)
{
    free(a->site);
    *a = (struct swap_account){.site = NULL};
}

/* ---- the call ---- */

static bool add_key(struct call *c, struct key key)
{
    if (c->keys == c->key_cap) {
        size_t cap = c->key_cap == 0 ? 64 : 2 * c->key_cap;
        struct key *grown = realloc(c->key, cap * sizeof *grown);
        if (grown == NULL) return false;
        c->key = grown;
        c->key_cap = cap;
    }
    c->key[c->keys++] = key;
    return true;
}

static bool add_head_keys(struct call *c, unsigned p)
{
    static const char *const live[] = {"lease", "commit", "meta", "seen"};
    static const char *const next[] = {"commit", "meta", "seen", "stream", "lease"};
    bool ok = true;
    for (int i = 0; i < 4; i++)
        ok = ok && add_key(c, key_of(p, false, str_of(live[i])));
    for (int i = 0; i < 5; i++)
        ok = ok && add_key(c, key_of(p, true, str_of(next[i])));
    return ok;
}

static bool add_renames(const struct swap *s, unsigned p, const struct generation_names *g,
                        struct call *c, struct swap_account *out)
{
    struct str site;
    uint32_t day;
    for (size_t i = 0; i < g->next.n; i++) {
        struct str name = str_of(g->next.at[i]);
        if (day_is_kept(s, p, name, &site, &day) || mix_is_kept(s, p, g, g->next.at[i])) continue;
        if (!add_key(c, key_of(p, true, name)) || !add_key(c, key_of(p, false, name))) return false;
        out->days += kind_of(name) == KIND_DAY;
    }
    return true;
}

/* What nobody needs any more. */
static bool add_unlinks(const struct swap *s, unsigned p, const struct generation_names *g,
                        struct call *c, struct swap_account *out)
{
    struct str site;
    uint32_t day;
    bool whole = s->until_ms[p] == 0;
    for (size_t i = 0; i < g->next.n; i++) {
        struct str name = str_of(g->next.at[i]);
        bool kept = day_is_kept(s, p, name, &site, &day) || mix_is_kept(s, p, g, g->next.at[i]);
        if (kept && !add_key(c, key_of(p, true, name))) return false;
    }
    for (size_t i = 0; i < g->live.n; i++) {
        struct str name = str_of(g->live.at[i]);
        enum kind kind = kind_of(name);
        if (day_is_kept(s, p, name, &site, &day)) {
            if (kind == KIND_DAY && account_day(out, site, day) < 0) return false;
            continue;
        }
        if (mix_is_kept(s, p, g, g->live.at[i])) continue;
        if (names_have(&g->next, g->live.at[i])) continue; /* it is renamed over */
        bool stays = !whole && keeps_fields(kind);
        if (!stays && !add_key(c, key_of(p, false, name))) return false;
    }
    return true;
}

enum { HEALED_TEXT = 48, HEALED_BYTES = PRODUCER_BYTES + 2 * HEALED_TEXT };

/* What Redis had forgotten and this rebuild has folded. */
static bool add_healed(const struct swap *s, unsigned p, struct call *c)
{
    for (size_t i = 0; i < s->files->n; i++) {
        const struct rebuild_lane *l = s->files->lane[i];
        if (l->got[p] <= l->seen[p]) continue;
        char *at = buf_reserve(&c->healed, HEALED_BYTES);
        if (at == NULL) return false;
        memset(at, 0, HEALED_BYTES);
        memcpy(at, l->producer, PRODUCER_BYTES);
        snprintf(at + PRODUCER_BYTES, HEALED_TEXT, "%" PRIu64, l->seen[p]);
        snprintf(at + PRODUCER_BYTES + HEALED_TEXT, HEALED_TEXT, "%" PRIu64 " %" PRId64, l->got[p],
                 l->import ? 0 : clock_ms() / DAY_MS);
        c->healed.n += HEALED_BYTES;
        c->n_healed++;
    }
    return true;
}

static redisReply *send_call(const struct swap *s, unsigned p, const struct call *c, size_t renames,
                             struct buf *err)
{
    char n_keys[24], n_renames[24], n_healed[24], fresh[2][LIVE_ID_BYTES];
    unsigned char random[16];
    struct str *argv = calloc(3 + c->keys + HEAD_ARGS + 3 * c->n_healed, sizeof *argv), *at = argv;
    if (argv == NULL) return NULL;
    for (int i = 0; i < 2; i++) {
        randombytes_buf(random, sizeof random);
        sodium_bin2hex(fresh[i], sizeof fresh[i], random, sizeof random);
    }
    snprintf(n_keys, sizeof n_keys, "%zu", c->keys);
    snprintf(n_renames, sizeof n_renames, "%zu", renames);
    snprintf(n_healed, sizeof n_healed, "%u", c->n_healed);
    *at++ = STR("EVAL");
    *at++ = str_of(swap_lua);
    *at++ = str_of(n_keys);
    for (size_t i = 0; i < c->keys; i++)
        *at++ = key_str(&c->key[i]);
    *at++ = str_of(s->live->token);
    *at++ = str_of(s->live->token); /* the birth of its next generation */
    *at++ = str_of(s->live->of[p].commit);
    *at++ = str_of(fresh[0]);
    *at++ = s->until_ms[p] == 0 ? STR("0") : STR("1");
    *at++ = s->birth[p][0] != '\0' ? str_of(s->birth[p]) : str_of(fresh[1]);
    *at++ = str_of(n_renames);
    *at++ = str_of(n_healed);
    for (unsigned i = 0; i < c->n_healed; i++) {
        const char *one = c->healed.p + (size_t)i * HEALED_BYTES;
        *at++ = (struct str){one, PRODUCER_BYTES};
        *at++ = str_of(one + PRODUCER_BYTES);
        *at++ = str_of(one + PRODUCER_BYTES + HEALED_TEXT);
    }
    redisReply *r = live_ask(s->live, err, (int)(at - argv), argv);
    free(argv);
    return r;
}

static int run_call(const struct swap *s, unsigned p, const struct call *c, size_t renames,
                    struct buf *err)
{
    redisReply *r = send_call(s, p, c, renames, err);
    if (r == NULL) return -1;
    bool ok = r->type == REDIS_REPLY_STRING && strcmp(r->str, "OK") == 0;
    if (!ok)
        buf_printf(err, "partition %u has changed meanwhile (%s); start the rebuild again", p,
                   r->type == REDIS_REPLY_STRING ? r->str : "?");
    freeReplyObject(r);
    return ok ? 0 : -1;
}

static int swap_one(const struct swap *s, unsigned p, struct generation_names *g,
                    struct swap_account *out, struct buf *err)
{
    struct call c = {.n_healed = 0};
    int result = -1;
    if (!names_have(&g->next, "sites")) { /* nothing was read for it: what there is stays */
        out->kept_partitions += g->live.n > 0;
        return 0;
    }
    if (s->until_ms[p] != 0 && (keep_sites(s, p, err) < 0 || keep_hashes(s, p, g, out, err) < 0 ||
                                keep_months(s, p, g, err) < 0))
        return -1;
    if (account_months(s, p, g, out, err) < 0) return -1;
    if (add_head_keys(&c, p) && add_renames(s, p, g, &c, out)) {
        size_t renames = (c.keys - HEAD_KEYS) / 2;
        if (add_unlinks(s, p, g, &c, out) && add_healed(s, p, &c))
            result = run_call(s, p, &c, renames, err);
        out->regained += c.n_healed;
    }
    if (result == 0) out->partitions++;
    if (result < 0 && err->n == 0) buf_printf(err, "no memory");
    free(c.key);
    buf_fini(&c.healed);
    return result;
}

int rebuild_swap(const struct swap *s, struct swap_account *out, struct buf *err)
{
    unsigned n = s->live->partitions;
    struct generation_names *all = calloc(n, sizeof *all);
    *out = (struct swap_account){.site = NULL};
    if (all == NULL) {
        buf_printf(err, "no memory");
        return -1;
    }
    int result = live_scan(s->live, err, "{p*", collect, all);
    for (unsigned p = 0; p < n && result == 0; p++) {
        names_sort(&all[p].live);
        names_sort(&all[p].next);
        result = swap_one(s, p, &all[p], out, err);
        if (result == 0) result = live_renew(s->live, err);
    }
    for (unsigned p = 0; p < n; p++) {
        names_fini(&all[p].live);
        names_fini(&all[p].next);
    }
    free(all);
    return result;
}
