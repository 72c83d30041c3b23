/*
 * A hit as bytes: a version, then tagged fields, absent when zero. The writer below is the list of
 * fields in order of id; the reader switches on the same ids. Hits are small and written once per
 * request, so the writer reserves the most that a hit can need and stores without further checks.
 */
#include "hit.h"

#include <assert.h>

#include "bytes.h"
#include "customer.h"
#include "hash.h"

enum field {
    F_KIND = 1,
    F_SITE,
    F_AT,
    F_DAY,
    F_VISITOR,
    F_VISITOR_KIND,
    F_PAGEVIEW,
    F_NUMBER,
    F_PAGE,
    F_STATUS,
    F_CHANNEL,
    F_SOURCE,
    F_CAMPAIGN,
    F_COUNTRY,
    F_DEVICE,
    F_BROWSER,
    F_OS,
    F_BOT,
    F_ENGAGED,
    F_DEPTH,
    F_TARGET,
    F_NAME,
    F_FLAGS,
    F_VERDICT,
    F_N,
    F_MODIFIED,
    F_CUSTOMER,
    F_ERRORS,
    F_FILLER = 31, /* read by nobody */
    F_LIST = 40,
    FIELDS,
};
enum { TYPE_VARINT = 0, TYPE_FIXED = 1, TYPE_BYTES = 2 };
/* per field: tag, and a varint or a length; the bytes of strings come on top */
enum { FIXED_PART_BYTES = 1 + FIELDS * (2 + VARINT_MAX_BYTES) };

static unsigned char *put_number(unsigned char *p, enum field id, uint64_t v)
{
    if (v == 0) return p;
    p = put_varint(p, (uint64_t)id << 2 | TYPE_VARINT);
    return put_varint(p, v);
}

static unsigned char *put_id(unsigned char *p, enum field id, uint64_t v)
{
    if (v == 0) return p;
    p = put_varint(p, (uint64_t)id << 2 | TYPE_FIXED);
    store_le64(p, v);
    return p + 8;
}

static unsigned char *put_string(unsigned char *p, enum field id, struct str s)
{
    if (s.n == 0) return p;
    p = put_varint(p, (uint64_t)id << 2 | TYPE_BYTES);
    p = put_varint(p, s.n);
    memcpy(p, s.p, s.n);
    return p + s.n;
}

bool hit_encode(const struct hit *h, struct buf *out)
{
    size_t strings = h->site.n + h->page.n + h->source.n + h->campaign.n + h->bot.n + h->target.n +
                     h->name.n + h->list.n + h->customer.n + sizeof h->country;
    assert(hit_kind_name(h->kind) != NULL && h->at_ms >= 0);
    char *start = buf_reserve(out, FIXED_PART_BYTES + strings);
    if (start == NULL) return false;

    unsigned char *p = (unsigned char *)start;
    *p++ = HIT_VERSION;
    p = put_number(p, F_KIND, h->kind);
    p = put_string(p, F_SITE, h->site);
    p = put_number(p, F_AT, (uint64_t)h->at_ms);
    p = put_number(p, F_DAY, h->day);
    p = put_id(p, F_VISITOR, h->visitor);
    p = put_number(p, F_VISITOR_KIND, h->visitor_kind);
    p = put_id(p, F_PAGEVIEW, h->pageview);
    p = put_number(p, F_NUMBER, h->number);
    p = put_string(p, F_PAGE, h->page);
    p = put_number(p, F_STATUS, h->status);
    p = put_number(p, F_CHANNEL, h->channel);
    p = put_string(p, F_SOURCE, h->source);
    p = put_string(p, F_CAMPAIGN, h->campaign);
    p = put_string(p, F_COUNTRY, (struct str){h->country, h->country[0] == 0 ? 0 : 2});
    p = put_number(p, F_DEVICE, h->device);
    p = put_number(p, F_BROWSER, h->browser);
    p = put_number(p, F_OS, h->os);
    p = put_string(p, F_BOT, h->bot);
    p = put_number(p, F_ENGAGED, h->engaged_ms);
    p = put_number(p, F_DEPTH, h->depth);
    p = put_string(p, F_TARGET, h->target);
    p = put_string(p, F_NAME, h->name);
    p = put_number(p, F_FLAGS, h->flags);
    p = put_number(p, F_VERDICT, h->verdict);
    p = put_number(p, F_N, h->n);
    p = put_number(p, F_MODIFIED, h->modified);
    p = put_string(p, F_CUSTOMER, h->customer);
    p = put_number(p, F_ERRORS, h->errors);
    p = put_string(p, F_LIST, h->list);
    out->n += (size_t)((char *)p - start);
    return true;
}

/* The length's varint need not be the shortest: so every n of at least 2 can be filled. */
static bool put_filler(struct buf *out, size_t n)
{
    if (n == 0) return true;
    if (n == 1) return false;
    unsigned head = n < 130 ? 2 : 4;
    char *p = buf_reserve(out, n);
    if (p == NULL) return false;
    memset(p, 0, n);
    *p = (char)(F_FILLER << 2 | TYPE_BYTES);
    size_t rest = n - head;
    for (unsigned i = 1; i < head; i++, rest >>= 7)
        p[i] = (char)((rest & 0x7f) | (i + 1 < head ? 0x80 : 0));
    out->n += n;
    return true;
}

bool hit_encode_filled(const struct hit *h, size_t n, struct buf *out)
{
    size_t before = out->n;
    if (!hit_encode(h, out)) return false;
    size_t used = out->n - before;
    return used <= n && n - used < 1 << 20 && put_filler(out, n - used);
}

/* Enum fields of a later version may hold values this one does not know; they read as 0 = unknown.
 */
static uint32_t known(uint64_t v, uint32_t end)
{
    return v < end ? (uint32_t)v : 0;
}

static uint32_t clip32(uint64_t v)
{
    return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

static void set_number(struct hit *h, uint64_t id, uint64_t v)
{
    switch (id) {
    case F_KIND: h->kind = known(v, HIT_KINDS); break;
    case F_AT: h->at_ms = v > INT64_MAX ? INT64_MAX : (int64_t)v; break;
    case F_DAY: h->day = clip32(v); break;
    case F_VISITOR_KIND: h->visitor_kind = known(v, VISITOR_CONSENTED + 1); break;
    case F_NUMBER: h->number = clip32(v); break;
    case F_STATUS: h->status = clip32(v); break;
    case F_CHANNEL: h->channel = known(v, CHANNELS); break;
    case F_DEVICE: h->device = known(v, DEVICES); break;
    case F_BROWSER: h->browser = known(v, BROWSERS); break;
    case F_OS: h->os = known(v, OSES); break;
    case F_ENGAGED: h->engaged_ms = clip32(v); break;
    case F_DEPTH: h->depth = clip32(v); break;
    case F_FLAGS: h->flags = clip32(v); break;
    case F_VERDICT: h->verdict = known(v, VERDICTS); break;
    case F_N: h->n = clip32(v); break;
    case F_MODIFIED: h->modified = clip32(v); break;
    case F_ERRORS: h->errors = clip32(v); break;
    default: break;
    }
}

static void set_string(struct hit *h, uint64_t id, struct str s)
{
    switch (id) {
    case F_SITE: h->site = s; break;
    case F_PAGE: h->page = s; break;
    case F_SOURCE: h->source = s; break;
    case F_CAMPAIGN: h->campaign = s; break;
    case F_BOT: h->bot = s; break;
    case F_TARGET: h->target = s; break;
    case F_NAME: h->name = s; break;
    case F_CUSTOMER: h->customer = s; break;
    case F_LIST: h->list = s; break;
    case F_COUNTRY:
        if (s.n == sizeof h->country) memcpy(h->country, s.p, sizeof h->country);
        break;
    default: break;
    }
}

bool hit_decode(struct str in, struct hit *out)
{
    *out = (struct hit){0};
    if (in.n < 1 || in.n > HIT_MAX_BYTES || (unsigned char)in.p[0] != HIT_VERSION) return false;
    struct reader r = reader_of(str_from(in, 1));
    while (!reader_done(&r)) {
        uint64_t tag = get_varint(&r), id = tag >> 2;
        switch (tag & 3) {
        case TYPE_VARINT: set_number(out, id, get_varint(&r)); break;
        case TYPE_FIXED: {
            uint64_t v = get_le64(&r);
            if (id == F_VISITOR) out->visitor = v;
            if (id == F_PAGEVIEW) out->pageview = v;
            break;
        }
        case TYPE_BYTES: set_string(out, id, get_bytes(&r, get_varint(&r))); break;
        default: return false;
        }
    }
    return !r.bad && out->kind != 0 && out->site.n <= HIT_SITE_MAX_BYTES &&
           out->page.n <= HIT_PAGE_MAX_BYTES && out->target.n <= HIT_TARGET_MAX_BYTES &&
           out->list.n <= HIT_LIST_MAX_BYTES && out->customer.n <= CUSTOMER_ID_MAX_BYTES &&
           out->number < PAGEVIEW_MAX_HITS;
}

struct hit_links hit_links_open(struct str list)
{
    struct reader r = reader_of(list);
    uint64_t left_out = get_varint(&r);
    if (r.bad || left_out > HIT_LINKS_MAX) return (struct hit_links){.left_out = 0};
    return (struct hit_links){str_from(list, list.n - reader_left(&r)), left_out};
}

static bool next_entry(struct hit_links *l, bool control, struct str *entry)
{
    do {
        struct reader r = reader_of(l->rest);
        *entry = get_bytes(&r, get_varint(&r));
        if (r.bad || entry->n == 0 || entry->n > HIT_PAGE_MAX_BYTES) return false;
        l->rest = str_from(l->rest, l->rest.n - reader_left(&r));
    } while ((entry->p[0] == HIT_CONTROL_MARK) != control);
    return true;
}

bool hit_links_next(struct hit_links *l, struct str *page)
{
    return next_entry(l, false, page);
}

bool hit_controls_next(struct hit_links *l, struct str *name)
{
    if (!next_entry(l, true, name)) return false;
    *name = str_from(*name, 1);
    return true;
}

static char *put_text(char *p, struct str s)
{
    p = (char *)put_varint((unsigned char *)p, s.n);
    if (s.n > 0) memcpy(p, s.p, s.n);
    return p + s.n;
}

size_t hit_put_properties(char out[HIT_LIST_MAX_BYTES], const struct hit_property *list, unsigned n)
{
    char *p = out;
    assert(n <= HIT_PROPERTIES_MAX);
    for (unsigned i = 0; i < n; i++) {
        assert(list[i].key.n + list[i].value.n <= 2 * (HIT_KEY_MAX_BYTES + HIT_VALUE_MAX_BYTES));
        p = put_text(put_text(p, list[i].key), list[i].value);
    }
    return (size_t)(p - out);
}

bool hit_properties_next(struct str *list, struct hit_property *out)
{
    struct reader r = reader_of(*list);
    if (reader_done(&r)) return false;
    out->key = get_bytes(&r, get_varint(&r));
    out->value = get_bytes(&r, get_varint(&r));
    *list = str_from(*list, list->n - reader_left(&r));
    return !r.bad && out->key.n > 0;
}

uint64_t hit_order_hash(struct str id)
{
    uint64_t hash = id.n == 0 ? 0 : hash64(id);
    return id.n > 0 && hash == 0 ? 1 : hash;
}

size_t hit_put_money(char out[HIT_MONEY_BYTES], struct str currency, int64_t minor, uint64_t order)
{
    assert(currency.n == HIT_CURRENCY_BYTES && minor >= 0);
    memcpy(out, currency.p, HIT_CURRENCY_BYTES);
    char *end = (char *)put_varint((unsigned char *)out + HIT_CURRENCY_BYTES, (uint64_t)minor);
    if (order == 0) return (size_t)(end - out);
    store_le64(end, order);
    return (size_t)(end - out) + 8;
}

static bool get_money(struct str list, struct str *currency, int64_t *minor, uint64_t *order)
{
    struct reader r = reader_of(list);
    *currency = get_bytes(&r, HIT_CURRENCY_BYTES);
    uint64_t sum = get_varint(&r);
    *minor = (int64_t)sum;
    *order = r.bad || reader_done(&r) ? 0 : get_le64(&r);
    return !r.bad && reader_done(&r) && sum <= (uint64_t)HIT_MONEY_MAX;
}

bool hit_money(struct str list, struct str *currency, int64_t *minor)
{
    uint64_t order;
    return get_money(list, currency, minor, &order);
}

uint64_t hit_order(struct str list)
{
    struct str currency;
    int64_t minor;
    uint64_t order;
    return get_money(list, &currency, &minor, &order) ? order : 0;
}

uint32_t hit_weight(const struct hit *h)
{
    return h->kind == HIT_TALLY ? h->n : 1;
}

static const char *name_in(const char *const names[], unsigned n, unsigned i)
{
    return i < n && names[i] != NULL ? names[i] : NULL;
}

const char *hit_kind_name(enum hit_kind k)
{
    static const char *const names[HIT_KINDS] = {
        [HIT_PAGEVIEW] = "pageview",
        [HIT_PULSE] = "pulse",
        [HIT_OUTBOUND] = "outbound",
        [HIT_DOWNLOAD] = "download",
        [HIT_EVENT] = "event",
        [HIT_TALLY] = "tally",
        [HIT_LINKS] = "links",
        [HIT_META] = "meta",
        [HIT_SEEN] = "seen",
        [HIT_CATALOGUE] = "catalogue",
        [HIT_CATALOGUE_END] = "catalogue_end",
        [HIT_CLICK] = "click",
        [HIT_PURCHASE] = "purchase",
        [HIT_CONTROL] = "control",
        [HIT_IDENTIFY] = "identify",
        [HIT_FORGET] = "forget",
    };
    return name_in(names, HIT_KINDS, k);
}

const char *device_name(enum device d)
{
    static const char *const names[DEVICES] = {"unknown", "desktop", "mobile", "tablet", "tv"};
    return name_in(names, DEVICES, d);
}

const char *browser_name(enum browser b)
{
    static const char *const names[BROWSERS] = {
        "unknown", "Chrome",           "Firefox",           "Safari", "Edge",
        "Opera",   "Samsung Internet", "Internet Explorer", "other"};
    return name_in(names, BROWSERS, b);
}

const char *os_name(enum os o)
{
    static const char *const names[OSES] = {"unknown", "Windows", "macOS",    "Linux",
                                            "Android", "iOS",     "ChromeOS", "other"};
    return name_in(names, OSES, o);
}

const char *channel_name(enum channel c)
{
    static const char *const names[CHANNELS] = {
        [CHANNEL_UNKNOWN] = "Unassigned",
        [CHANNEL_DIRECT] = "Direct",
        [CHANNEL_INTERNAL] = "Internal",
        [CHANNEL_ORGANIC_SEARCH] = "Organic Search",
        [CHANNEL_PAID_SEARCH] = "Paid Search",
        [CHANNEL_ORGANIC_SOCIAL] = "Organic Social",
        [CHANNEL_PAID_SOCIAL] = "Paid Social",
        [CHANNEL_ORGANIC_VIDEO] = "Organic Video",
        [CHANNEL_PAID_VIDEO] = "Paid Video",
        [CHANNEL_ORGANIC_SHOPPING] = "Organic Shopping",
        [CHANNEL_PAID_SHOPPING] = "Paid Shopping",
        [CHANNEL_PAID_OTHER] = "Paid Other",
        [CHANNEL_DISPLAY] = "Display",
        [CHANNEL_EMAIL] = "Email",
        [CHANNEL_AFFILIATES] = "Affiliates",
        [CHANNEL_REFERRAL] = "Referral",
        [CHANNEL_AUDIO] = "Audio",
        [CHANNEL_SMS] = "SMS",
        [CHANNEL_MOBILE_PUSH] = "Mobile Push Notifications",
        [CHANNEL_AI_ASSISTANT] = "AI Assistants",
        [CHANNEL_CROSS_NETWORK] = "Cross-network",
    };
    return name_in(names, CHANNELS, c);
}
