/*
 * GA4's default channel groups, in their documented order, with AI assistants before the organic
 * ones. They ask for a source, a medium and a campaign:
 *
 *   - utm_source, utm_medium and utm_campaign say so themselves;
 *   - where they do not, a click id of an ad platform names its source, and is "cpc" when that
 *     platform puts it on ads only;
 *   - else the referrer's host is the source, under the name it is known by. A referrer on the
 * page's own host, or on an origin of the site, is internal: no arrival at all.
 *
 * Known hosts are found by binary search, each parent domain in turn. A subdomain of a search
 * engine or a mail service is often something else (a document, a map), so there only certain ones
 * count.
 *
 * Source and campaign are text that links carry: masked like a page, and cut to their limit.
 */
#include "channel.h"

#include <assert.h>

#include "mask.h"
#include "query.h"
#include "utf8.h"

enum {
    QUERY_MAX_BYTES = URL_TEXT_MAX_BYTES,
    VALUE_MAX_BYTES = 512, /* of a parameter's value; what comes after is not looked at */
};

enum group {
    GROUP_NONE,
    GROUP_SEARCH,
    GROUP_SOCIAL,
    GROUP_VIDEO,
    GROUP_SHOPPING,
    GROUP_AI,
    GROUP_EMAIL,
    GROUP_PAID,
    GROUP_REFERRAL,
};

struct known {
    struct str key; /* host without "www.", or utm_source in lower case */
    enum group group;
    bool exact; /* of its subdomains only those of is_same_service are the same thing */
    struct str name;
};
#include "referrers.inc"

/* Parameters that ad platforms and mailers add to links. `medium` "" where free links have it too.
 */
static const struct click_id {
    struct str param;
    enum group group;
    struct str source, medium;
} click_ids[] = {
    {{"gclid", 5}, GROUP_SEARCH, {"Google", 6}, {"cpc", 3}},
    {{"gbraid", 6}, GROUP_SEARCH, {"Google", 6}, {"cpc", 3}},
    {{"wbraid", 6}, GROUP_SEARCH, {"Google", 6}, {"cpc", 3}},
    {{"dclid", 5}, GROUP_NONE, {"Google", 6}, {"display", 7}},
    {{"srsltid", 7}, GROUP_SHOPPING, {"Google Shopping", 15}, {"", 0}},
    {{"msclkid", 7}, GROUP_SEARCH, {"Bing", 4}, {"cpc", 3}},
    {{"yclid", 5}, GROUP_SEARCH, {"Yandex", 6}, {"cpc", 3}},
    {{"fbclid", 6}, GROUP_SOCIAL, {"Facebook", 8}, {"", 0}},
    {{"igshid", 6}, GROUP_SOCIAL, {"Instagram", 9}, {"", 0}},
    {{"igsh", 4}, GROUP_SOCIAL, {"Instagram", 9}, {"", 0}},
    {{"ttclid", 6}, GROUP_SOCIAL, {"TikTok", 6}, {"cpc", 3}},
    {{"twclid", 6}, GROUP_SOCIAL, {"X", 1}, {"cpc", 3}},
    {{"li_fat_id", 9}, GROUP_SOCIAL, {"LinkedIn", 8}, {"cpc", 3}},
    {{"epik", 4}, GROUP_SOCIAL, {"Pinterest", 9}, {"cpc", 3}},
    {{"rdt_cid", 7}, GROUP_SOCIAL, {"Reddit", 6}, {"cpc", 3}},
    {{"ScCid", 5}, GROUP_SOCIAL, {"Snapchat", 8}, {"cpc", 3}},
    {{"qclid", 5}, GROUP_SOCIAL, {"Quora", 5}, {"cpc", 3}},
    {{"mc_cid", 6}, GROUP_EMAIL, {"Mailchimp", 9}, {"email", 5}},
};

/* What the rules look at. medium, campaign and a tagged source are in lower case. */
struct traffic {
    enum group group;
    bool tagged; /* the source is a utm_source */
    struct str source, medium, campaign;
};

/* A parameter's value: readable text without blanks around it, cut; else empty. */
struct value {
    size_t n;
    char text[VALUE_MAX_BYTES];
};

struct tags {
    struct value source, medium, campaign;
    const struct click_id *click;
};

static struct str value_str(const struct value *v)
{
    return str_trim((struct str){v->text, v->n});
}

static void take_value(struct value *v, struct str decoded)
{
    v->n = utf8_repair(decoded, v->text, sizeof v->text);
    if (!utf8_is_text((struct str){v->text, v->n})) v->n = 0;
}

static const struct click_id *find_click_id(struct str name)
{
    for (size_t i = 0; i < sizeof click_ids / sizeof click_ids[0]; i++) {
        if (str_eq(click_ids[i].param, name)) return &click_ids[i];
    }
    return NULL;
}

static void read_tags(struct str query, struct tags *t)
{
    char scratch[QUERY_MAX_BYTES];
    struct query_pair pair;

    t->source.n = t->medium.n = t->campaign.n = 0;
    t->click = NULL;
    if (query.n == 0 || query.n > sizeof scratch) return;
    struct query q = query_of(query, scratch, sizeof scratch);
    while (query_next(&q, &pair)) {
        if (str_eq(pair.name, STR("utm_source"))) take_value(&t->source, pair.value);
        if (str_eq(pair.name, STR("utm_medium"))) take_value(&t->medium, pair.value);
        if (str_eq(pair.name, STR("utm_campaign"))) take_value(&t->campaign, pair.value);
        if (t->click == NULL && pair.value.n > 0) t->click = find_click_id(pair.name);
    }
}

static const struct known *find_known(const struct known *table, size_t n, struct str key)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = str_order(key, table[middle].key);
        if (order == 0) return &table[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static struct str without_www(struct str host)
{
    return str_starts(host, STR("www.")) ? str_from(host, 4) : host;
}

/* Is the first label of a portal's or mail service's host no more than a way in? */
static bool is_same_service(struct str label)
{
    static const struct str labels[] = {{"www", 3}, {"m", 1}, {"mobile", 6}, {"search", 6}};

    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        if (str_eq(label, labels[i])) return true;
    }
    return false;
}

static const struct known *find_host(struct str host)
{
    bool same_service = true;

    for (host = without_www(host);;) {
        const struct known *k =
            find_known(known_hosts, sizeof known_hosts / sizeof known_hosts[0], host);
        if (k != NULL && (!k->exact || same_service)) return k;
        size_t dot = str_find(host, '.');
        if (dot == host.n) return NULL;
        if (!is_same_service(str_upto(host, dot))) same_service = false;
        host = str_from(host, dot + 1);
    }
}

static enum group group_of_tag(struct str source)
{
    const struct known *k =
        find_known(known_names, sizeof known_names / sizeof known_names[0], source);

    if (k == NULL && str_find(source, '.') < source.n) k = find_host(source);
    return k == NULL ? GROUP_NONE : k->group;
}

static bool is_own_host(struct str host, const struct url *page, const struct site *site)
{
    host = without_www(host);
    if (str_eq(host, without_www(url_hostname(page)))) return true;
    for (char **o = site->origins; o != NULL && *o != NULL; o++) {
        struct str own = url_foreign_host(str_of(*o));
        size_t name_n = str_starts(own, STR("[")) ? str_find(own, ']') : 0; /* an IPv6 has colons */
        own = str_upto(own, name_n + str_find(str_from(own, name_n), ':'));
        bool below = str_starts(own, STR("*."));
        if (below && host.n > own.n - 1 && str_ends(host, str_from(own, 1))) return true;
        if (own.n > 0 && !below && str_ieq(host, without_www(own))) return true;
    }
    return false;
}

static bool contains(struct str s, struct str what)
{
    return s.n > 0 && memmem(s.p, s.n, what.p, what.n) != NULL;
}

static bool is_one_of(struct str s, const char *const *list)
{
    for (; *list != NULL; list++) {
        if (str_eq(s, str_of(*list))) return true;
    }
    return false;
}

static bool is_paid(struct str medium)
{
    static const char *const words[] = {"ppc", "retargeting", NULL};

    return contains(medium, STR("cp")) || str_starts(medium, STR("paid")) ||
           is_one_of(medium, words);
}

/* "shop" at the head of a word (or behind an e: "eshop"), or "shopping" anywhere. */
static bool is_shop_campaign(struct str campaign)
{
    if (contains(campaign, STR("shopping"))) return true;
    for (size_t i = 0; i + 4 <= campaign.n; i++) {
        if (!str_eq(str_upto(str_from(campaign, i), 4), STR("shop"))) continue;
        char before = i == 0 ? ' ' : campaign.p[i - 1];
        if (before == 'e' || before < 'a' || before > 'z') return true;
    }
    return false;
}

static bool is_email(struct str s)
{
    static const char *const words[] = {"email", "e-mail", "e_mail", "e mail", NULL};

    return is_one_of(s, words);
}

static bool is_push(const struct traffic *t)
{
    return str_ends(t->medium, STR("push")) || contains(t->medium, STR("mobile")) ||
           contains(t->medium, STR("notification")) || str_eq(t->source, STR("firebase"));
}

static enum channel paid_channel(const struct traffic *t)
{
    if (t->group == GROUP_SHOPPING || is_shop_campaign(t->campaign)) return CHANNEL_PAID_SHOPPING;
    if (t->group == GROUP_SEARCH) return CHANNEL_PAID_SEARCH;
    if (t->group == GROUP_SOCIAL) return CHANNEL_PAID_SOCIAL;
    if (t->group == GROUP_VIDEO) return CHANNEL_PAID_VIDEO;
    return str_eq(t->medium, STR("cpm")) ? CHANNEL_DISPLAY : CHANNEL_PAID_OTHER;
}

static enum channel decide(const struct traffic *t)
{
    static const char *const display[] = {"display", "banner", "expandable", "interstitial", NULL};
    static const char *const social[] = {
        "social", "social-network", "social-media", "sm", "social network", "social media", NULL};
    static const char *const referral[] = {"referral", "app", "link", NULL};

    if (contains(t->campaign, STR("cross-network"))) return CHANNEL_CROSS_NETWORK;
    if (is_paid(t->medium)) return paid_channel(t);
    if (is_one_of(t->medium, display)) return CHANNEL_DISPLAY;
    if (t->group == GROUP_PAID) return CHANNEL_PAID_OTHER;
    if (t->group == GROUP_AI) return CHANNEL_AI_ASSISTANT;
    if (t->group == GROUP_SHOPPING || is_shop_campaign(t->campaign))
        return CHANNEL_ORGANIC_SHOPPING;
    if (t->group == GROUP_SOCIAL || is_one_of(t->medium, social)) return CHANNEL_ORGANIC_SOCIAL;
    if (t->group == GROUP_VIDEO || contains(t->medium, STR("video"))) return CHANNEL_ORGANIC_VIDEO;
    if (t->group == GROUP_SEARCH || str_eq(t->medium, STR("organic")))
        return CHANNEL_ORGANIC_SEARCH;
    if (is_one_of(t->medium, referral)) return CHANNEL_REFERRAL;
    if (t->group == GROUP_EMAIL || is_email(t->source) || is_email(t->medium)) return CHANNEL_EMAIL;
    if (str_eq(t->medium, STR("affiliate"))) return CHANNEL_AFFILIATES;
    if (str_eq(t->medium, STR("audio"))) return CHANNEL_AUDIO;
    if (str_eq(t->medium, STR("sms")) || str_eq(t->source, STR("sms"))) return CHANNEL_SMS;
    if (is_push(t)) return CHANNEL_MOBILE_PUSH;
    /* Tags that no rule knows are nobody's guess; an untagged link is a referral. */
    if (t->tagged || t->medium.n > 0) return CHANNEL_UNKNOWN;
    return t->source.n > 0 ? CHANNEL_REFERRAL : CHANNEL_DIRECT;
}

/* A name for reports: masked, at most HIT_NAME_MAX_BYTES, cut between characters. */
static struct str put_name(struct str s, char out[HIT_NAME_MAX_BYTES])
{
    char masked[VALUE_MAX_BYTES + MASK_GROWTH_BYTES];
    size_t n;

    assert(s.n <= VALUE_MAX_BYTES);
    if (mask_text(s, masked, &n)) s = (struct str){masked, n};
    return (struct str){out, utf8_repair(s, out, HIT_NAME_MAX_BYTES)};
}

static struct str lower(struct value *v)
{
    for (size_t i = 0; i < v->n; i++)
        v->text[i] = str_lower_char(v->text[i]);
    return value_str(v);
}

/* Where an untagged visit came from. False: from the site itself, or nobody says. */
static bool read_referrer(struct str referrer, const struct url *page, const struct site *site,
                          struct traffic *t, struct arrival *out)
{
    struct url from;
    bool web = url_split(referrer, &from);
    struct str host =
        web ? url_hostname(&from) : url_foreign_host(str_upto(referrer, VALUE_MAX_BYTES));

    if (host.n == 0 || !utf8_is_text(host)) return false;
    if (web && is_own_host(host, page, site)) {
        out->channel = CHANNEL_INTERNAL;
        return false;
    }
    const struct known *k = find_host(host);
    t->group = k == NULL ? GROUP_NONE : k->group;
    t->source = k == NULL ? put_name(without_www(host), out->source_text) : k->name;
    return true;
}

static bool is_direct(const struct traffic *t)
{
    return (str_eq(t->source, STR("(direct)")) || str_eq(t->source, STR("direct"))) &&
           (t->medium.n == 0 || str_eq(t->medium, STR("(none)")) ||
            str_eq(t->medium, STR("(not set)")));
}

void channel_of(const struct url *page, struct str referrer, const struct site *site,
                struct arrival *out)
{
    struct tags tags;
    struct traffic t = {GROUP_NONE, false, {"", 0}, {"", 0}, {"", 0}};

    out->channel = CHANNEL_DIRECT;
    out->source = out->campaign = (struct str){"", 0};
    read_tags(page->query, &tags);
    bool paid_click = tags.click != NULL && tags.click->medium.n > 0;
    if (tags.campaign.n > 0)
        out->campaign = put_name(value_str(&tags.campaign), out->campaign_text);
    if (tags.source.n > 0) {
        out->source = put_name(value_str(&tags.source), out->source_text);
        t.tagged = true;
        t.source = lower(&tags.source);
        t.group = group_of_tag(t.source);
    } else if (!paid_click && read_referrer(referrer, page, site, &t, out)) {
        out->source = t.source;
    } else if (tags.click != NULL) {
        out->source = t.source = tags.click->source;
        t.group = tags.click->group;
    }
    t.medium = tags.medium.n > 0 ? lower(&tags.medium)
               : paid_click      ? tags.click->medium
                                 : (struct str){"", 0};
    t.campaign = lower(&tags.campaign);
    if (is_direct(&t)) {
        out->channel = CHANNEL_DIRECT;
    } else if (t.source.n > 0 || t.medium.n > 0 || t.campaign.n > 0) {
        out->channel = decide(&t);
    }
}
