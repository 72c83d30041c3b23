/*
 * All texts that can say something about an agent (1500 bot patterns, and the tokens of the class
 * tables below) are found in one pass over it: each text is filed under one of its three-byte
 * grams, the rarest in ordinary agents, and the pass looks up the gram at every position. Only
 * where a text was found is its regex asked (PCRE2, JIT), for the few patterns that are more than a
 * text. So an unknown agent costs about a microsecond, however many patterns there are.
 *
 * Of the bot patterns that match, the first of the list names the bot. Of each class table the
 * first row that matches counts, so the order of rows is their meaning: everybody claims to be
 * Safari.
 *
 * The cache is 4-way: one set is one cache line. It is keyed with a random key, so nobody outside
 * can aim at a set, and holds 64 bits of hash instead of the agent.
 */
#include "agent.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <sodium.h>
#include <stdlib.h>

#include "bytes.h"
#include "log.h"

enum {
    GRAM = 3,
    HEAD_BITS = 14,
    CLASS_TEXTS = 256, /* bound on distinct texts in the class tables */
    REGEXES_MAX = 256,
    NONE = 0xffff,
    WAYS = 4,
    SETS = AGENT_CACHE_ENTRIES / WAYS,
    RULE_HUMAN = 0, /* else: 1 + row of bot_rows, or RULE_NO_AGENT */
    RULE_NO_AGENT = 0xffff,
};

struct bot_row {
    const char *name, *literal, *regex;
};

static const struct bot_row bot_rows[] = {
#include "bots.inc"
    /* who says what it is but is in no list yet; Cubot makes telephones */
    {"other bot", "bot", "(?<![Cc]u)bot\\b"}, {"other bot", "Bot", "Bot\\b"},
    {"other bot", "spider", "spider\\b"},     {"other bot", "Spider", "Spider\\b"},
    {"other bot", "crawler", "crawler\\b"},   {"other bot", "Crawler", "Crawler\\b"},
};
enum { BOT_ROWS = sizeof bot_rows / sizeof *bot_rows };
_Static_assert(BOT_ROWS < NONE - CLASS_TEXTS, "rows are numbered with 16 bits");

/* A row matches when the agent contains `text`, and `also` where that is given. */
struct class_row {
    const char *text, *also;
    int value;
};

static const struct class_row browser_rows[] = {
    {"Edg/", NULL, BROWSER_EDGE},
    {"EdgA/", NULL, BROWSER_EDGE},
    {"EdgiOS/", NULL, BROWSER_EDGE},
    {"Edge/", NULL, BROWSER_EDGE},
    {"OPR/", NULL, BROWSER_OPERA},
    {"OPiOS/", NULL, BROWSER_OPERA},
    {"OPT/", NULL, BROWSER_OPERA},
    {"OPX/", NULL, BROWSER_OPERA},
    {"Opera", NULL, BROWSER_OPERA},
    {"SamsungBrowser/", NULL, BROWSER_SAMSUNG},
    /* on the engines of others, and the views that apps open inside themselves */
    {"YaBrowser/", NULL, BROWSER_OTHER},
    {"Vivaldi/", NULL, BROWSER_OTHER},
    {"UCBrowser", NULL, BROWSER_OTHER},
    {"DuckDuckGo/", NULL, BROWSER_OTHER},
    {"Ddg/", NULL, BROWSER_OTHER},
    {"MiuiBrowser/", NULL, BROWSER_OTHER},
    {"HuaweiBrowser/", NULL, BROWSER_OTHER},
    {"HeyTapBrowser/", NULL, BROWSER_OTHER},
    {"VivoBrowser/", NULL, BROWSER_OTHER},
    {"QQBrowser/", NULL, BROWSER_OTHER},
    {"MicroMessenger/", NULL, BROWSER_OTHER},
    {"Whale/", NULL, BROWSER_OTHER},
    {"Silk/", NULL, BROWSER_OTHER},
    {"Puffin/", NULL, BROWSER_OTHER},
    {"Maxthon", NULL, BROWSER_OTHER},
    {"PaleMoon/", NULL, BROWSER_OTHER},
    {"SeaMonkey/", NULL, BROWSER_OTHER},
    {"Camino/", NULL, BROWSER_OTHER},
    {"Konqueror/", NULL, BROWSER_OTHER},
    {"Epiphany/", NULL, BROWSER_OTHER},
    {"Electron/", NULL, BROWSER_OTHER},
    {"GSA/", NULL, BROWSER_OTHER},
    {"[FBAN/", NULL, BROWSER_OTHER},
    {"FB_IAB/", NULL, BROWSER_OTHER},
    {"Instagram ", NULL, BROWSER_OTHER},
    {"Firefox/", NULL, BROWSER_FIREFOX},
    {"FxiOS/", NULL, BROWSER_FIREFOX},
    {"Focus/", NULL, BROWSER_FIREFOX},
    {"Iceweasel/", NULL, BROWSER_FIREFOX},
    {"Fennec/", NULL, BROWSER_FIREFOX},
    {"MSIE ", NULL, BROWSER_IE},
    {"Trident/", NULL, BROWSER_IE},
    {"CriOS/", NULL, BROWSER_CHROME},
    {"CrMo/", NULL, BROWSER_CHROME},
    {"Chrome/", NULL, BROWSER_CHROME},
    {"Chromium/", NULL, BROWSER_CHROME},
    {"Android", "Version/", BROWSER_OTHER}, /* the stock browser of old Androids */
    {"BlackBerry", NULL, BROWSER_OTHER},
    {"BB10", NULL, BROWSER_OTHER},
    {"webOS/", NULL, BROWSER_OTHER},
    {"Nokia", NULL, BROWSER_OTHER},
    {"Safari/", "Version/", BROWSER_SAFARI},
    {"Safari/", "Macintosh", BROWSER_SAFARI}, /* before 3.0 */
    {"AppleWebKit", NULL, BROWSER_OTHER},
    {"KHTML", NULL, BROWSER_OTHER},
    {"Gecko/", NULL, BROWSER_OTHER},
    {"PlayStation", NULL, BROWSER_OTHER},
    {"Nintendo", NULL, BROWSER_OTHER},
    {"Midori/", NULL, BROWSER_OTHER},
    {"NetFront", NULL, BROWSER_OTHER},
    {"Obigo", NULL, BROWSER_OTHER},
    {"UP.Browser", NULL, BROWSER_OTHER},
    {"Links (", NULL, BROWSER_OTHER},
    {"Lynx/", NULL, BROWSER_OTHER},
    {"w3m/", NULL, BROWSER_OTHER},
};

static const struct class_row os_rows[] = {
    {"Windows Phone", NULL, OS_OTHER}, /* also says Android */
    {"Windows CE", NULL, OS_OTHER},
    {"Tizen", NULL, OS_OTHER},
    {"Web0S", NULL, OS_OTHER},
    {"webOS", NULL, OS_OTHER},
    {"hpwOS", NULL, OS_OTHER},
    {"KAIOS", NULL, OS_OTHER},
    {"HarmonyOS", NULL, OS_OTHER},
    {"BlackBerry", NULL, OS_OTHER},
    {"BB10", NULL, OS_OTHER},
    {"PlayBook", NULL, OS_OTHER},
    {"Symbian", NULL, OS_OTHER},
    {"Series60", NULL, OS_OTHER},
    {"Series 60", NULL, OS_OTHER},
    {"SymbOS", NULL, OS_OTHER},
    {"Nokia", NULL, OS_OTHER},
    {"J2ME", NULL, OS_OTHER},
    {"MIDP", NULL, OS_OTHER},
    {"PlayStation", NULL, OS_OTHER},
    {"PLAYSTATION", NULL, OS_OTHER},
    {"Nintendo", NULL, OS_OTHER},
    {"AppleTV", NULL, OS_OTHER},
    {"FreeBSD", NULL, OS_OTHER},
    {"OpenBSD", NULL, OS_OTHER},
    {"NetBSD", NULL, OS_OTHER},
    {"SunOS", NULL, OS_OTHER},
    {"Windows", NULL, OS_WINDOWS},
    {"Win98", NULL, OS_WINDOWS},
    {"WinNT", NULL, OS_WINDOWS},
    {"Android", NULL, OS_ANDROID},
    {"Adr ", NULL, OS_ANDROID},  /* UC Browser's short form */
    {"Silk/", NULL, OS_ANDROID}, /* claims to be a Mac when it asks for desktop pages */
    {"MobileSafari/", NULL, OS_IOS},
    {"iPhone", NULL, OS_IOS},
    {"iPad", NULL, OS_IOS},
    {"iPod", NULL, OS_IOS},
    {"CrOS ", NULL, OS_CHROMEOS},
    {"Macintosh", NULL, OS_MACOS},
    {"Mac OS X", NULL, OS_MACOS},
    {"Mac_PowerPC", NULL, OS_MACOS},
    {"Linux", NULL, OS_LINUX},
    {"X11", NULL, OS_LINUX},
    {"Ubuntu", NULL, OS_LINUX},
};

static const struct class_row device_rows[] = {
    {"SmartTV", NULL, DEVICE_TV},
    {"SMART-TV", NULL, DEVICE_TV},
    {"Smart-TV", NULL, DEVICE_TV},
    {"SmartHub", NULL, DEVICE_TV},
    {"GoogleTV", NULL, DEVICE_TV},
    {"Android TV", NULL, DEVICE_TV},
    {"AppleTV", NULL, DEVICE_TV},
    {"HbbTV", NULL, DEVICE_TV},
    {"Web0S", NULL, DEVICE_TV},
    {"NetCast", NULL, DEVICE_TV},
    {"BRAVIA", NULL, DEVICE_TV},
    {"CrKey/", NULL, DEVICE_TV},
    {"Roku", NULL, DEVICE_TV},
    {"; AFT", NULL, DEVICE_TV}, /* Amazon's sticks */
    {"Opera TV", NULL, DEVICE_TV},
    {"Tizen", "TV Safari", DEVICE_TV},
    {"PlayStation Vita", NULL, DEVICE_MOBILE},
    {"PlayStation", NULL, DEVICE_TV},
    {"PLAYSTATION", NULL, DEVICE_TV},
    {"Xbox", NULL, DEVICE_TV},
    {"Nintendo 3DS", NULL, DEVICE_MOBILE},
    {"Nintendo", NULL, DEVICE_TV},
    {"iPad", NULL, DEVICE_TABLET},
    {"Tablet PC", NULL, DEVICE_DESKTOP}, /* a component of Windows, on any machine */
    {"Tablet", NULL, DEVICE_TABLET},
    {"PlayBook", NULL, DEVICE_TABLET},
    {"TouchPad", NULL, DEVICE_TABLET},
    {"Kindle", NULL, DEVICE_TABLET},
    {"Windows Phone", NULL, DEVICE_MOBILE},
    {"Opera Mini", NULL, DEVICE_MOBILE},
    {"Opera Mobi", NULL, DEVICE_MOBILE},
    {"Nexus 7", NULL, DEVICE_TABLET},
    {"Nexus 10", NULL, DEVICE_TABLET},
    {"GT-P", NULL, DEVICE_TABLET},
    {"SM-T", NULL, DEVICE_TABLET},
    {"MediaPad", NULL, DEVICE_TABLET},
    {"Xoom", NULL, DEVICE_TABLET},
    {"Fennec/", NULL, DEVICE_MOBILE},
    {"Dalvik/", NULL, DEVICE_MOBILE}, /* apps do not say; most run on phones */
    {"Instagram ", "Android", DEVICE_MOBILE},
    {"Mobile", NULL, DEVICE_MOBILE},
    {"Mobi", NULL, DEVICE_MOBILE},
    {"iPhone", NULL, DEVICE_MOBILE},
    {"iPod", NULL, DEVICE_MOBILE},
    {"BlackBerry", NULL, DEVICE_MOBILE},
    {"Symbian", NULL, DEVICE_MOBILE},
    {"SymbOS", NULL, DEVICE_MOBILE},
    {"Series60", NULL, DEVICE_MOBILE},
    {"Nokia", NULL, DEVICE_MOBILE},
    {"J2ME", NULL, DEVICE_MOBILE},
    {"MIDP", NULL, DEVICE_MOBILE},
    {"webOS/", NULL, DEVICE_MOBILE},
    {"Windows CE", NULL, DEVICE_MOBILE},
    {"UCBrowser", "Adr ", DEVICE_MOBILE},
    {"Android", NULL, DEVICE_TABLET}, /* phones say Mobile as well */
    {"Silk/", NULL, DEVICE_TABLET},
    {"Windows", NULL, DEVICE_DESKTOP},
    {"Win98", NULL, DEVICE_DESKTOP},
    {"WinNT", NULL, DEVICE_DESKTOP},
    {"Macintosh", NULL, DEVICE_DESKTOP},
    {"Mac OS X", NULL, DEVICE_DESKTOP},
    {"Mac_PowerPC", NULL, DEVICE_DESKTOP},
    {"CrOS ", NULL, DEVICE_DESKTOP},
    {"X11", NULL, DEVICE_DESKTOP},
    {"Linux", NULL, DEVICE_DESKTOP},
    {"BSD", NULL, DEVICE_DESKTOP},
    {"SunOS", NULL, DEVICE_DESKTOP},
};

#define LENGTH(array) (sizeof(array) / sizeof *(array))
enum { CLASS_ROWS_MAX = 128, CLASSES = 3 };
static const struct class_table {
    const struct class_row *rows;
    size_t n;
} class_tables[CLASSES] = {
    {browser_rows, LENGTH(browser_rows)},
    {os_rows, LENGTH(os_rows)},
    {device_rows, LENGTH(device_rows)},
};
_Static_assert(LENGTH(browser_rows) <= CLASS_ROWS_MAX && LENGTH(os_rows) <= CLASS_ROWS_MAX &&
                   LENGTH(device_rows) <= CLASS_ROWS_MAX,
               "the index of class rows is too small");

/* What nearly every agent contains: grams of these are bad places to file a bot under. */
static const char ordinary[] =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0 "
    "Safari/537.36 Edg/ (Macintosh; Intel Mac OS X 10_15_7) Version/18.0 Mobile/15E148 (iPhone; "
    "CPU "
    "iPhone OS 17_6 like Mac OS X) (Linux; Android 10; K) (X11; Ubuntu; Linux x86_64; rv:109.0) "
    "Gecko/20100101 Firefox/ (compatible; +http://www. https:// .com/ .org/ .html) bot";

/* Texts 0..BOT_ROWS-1 are the bots' literals, those after it belong to the class tables. */
struct text {
    struct str s;
    uint16_t at;   /* of the gram it is filed under */
    uint16_t next; /* text filed under the same gram, or NONE */
};

struct row_index {
    uint16_t text, also; /* numbers of texts; also NONE */
};

struct agents {
    uint16_t head[1 << HEAD_BITS];
    struct text texts[BOT_ROWS + CLASS_TEXTS];
    size_t n_texts;
    struct row_index classes[CLASSES][CLASS_ROWS_MAX];
    uint16_t regex_of[BOT_ROWS]; /* NONE: the literal says all */
    pcre2_code *regexes[REGEXES_MAX];
    size_t n_regexes;
    unsigned char key[crypto_shorthash_KEYBYTES];
};

/* 16 bytes, so that WAYS of them are one cache line. */
struct entry {
    uint64_t hash; /* 0: free */
    uint16_t rule;
    uint8_t value[CLASSES];
    uint8_t used; /* looked up again since it came */
    uint8_t spare[2];
};
_Static_assert(sizeof(struct entry) * WAYS == 64, "a set is a cache line");

struct agent_cache {
    const struct agents *agents;
    struct entry *entries;
    pcre2_match_data *match;
    struct agent_info info;
};

static unsigned slot_of(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;
    uint32_t gram = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16;
    return gram * 0x9E3779B1u >> (32 - HEAD_BITS);
}

static unsigned chain_length(const struct agents *a, unsigned slot)
{
    unsigned n = 0;
    for (uint16_t t = a->head[slot]; t != NONE; t = a->texts[t].next)
        n++;
    return n;
}

/* Files a text under the gram that costs least: rare in ordinary agents, then alone. */
static uint16_t add_text(struct agents *a, struct str s)
{
    unsigned best = UINT32_MAX, at = 0;
    for (size_t i = 0; i + GRAM <= s.n; i++) {
        unsigned cost = chain_length(a, slot_of(s.p + i));
        if (memmem(ordinary, sizeof ordinary - 1, s.p + i, GRAM) != NULL) cost += 1000;
        if (cost >= best) continue;
        best = cost;
        at = (unsigned)i;
    }
    uint16_t *head = &a->head[slot_of(s.p + at)];
    uint16_t number = (uint16_t)a->n_texts++;
    a->texts[number] = (struct text){s, (uint16_t)at, *head};
    *head = number;
    return number;
}

/* NONE: there is no such text, or no room for it. */
static uint16_t class_text(struct agents *a, const char *text)
{
    if (text == NULL) return NONE;
    struct str s = str_of(text);
    for (size_t i = BOT_ROWS; i < a->n_texts; i++) {
        if (str_eq(a->texts[i].s, s)) return (uint16_t)i;
    }
    return a->n_texts < LENGTH(a->texts) ? add_text(a, s) : (uint16_t)NONE;
}

static bool index_classes(struct agents *a)
{
    for (unsigned c = 0; c < CLASSES; c++) {
        for (size_t i = 0; i < class_tables[c].n; i++) {
            const struct class_row *row = &class_tables[c].rows[i];
            struct row_index index = {class_text(a, row->text), class_text(a, row->also)};
            if (index.text == NONE || (row->also != NULL && index.also == NONE)) return false;
            a->classes[c][i] = index;
        }
    }
    return true;
}

static bool compile(struct agents *a, size_t row)
{
    a->regex_of[row] = NONE;
    if (bot_rows[row].regex == NULL) return true;
    if (a->n_regexes == REGEXES_MAX) return false;
    int error;
    PCRE2_SIZE at;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)bot_rows[row].regex, PCRE2_ZERO_TERMINATED, 0, &error, &at, NULL);
    if (code == NULL) return false;
    a->regex_of[row] = (uint16_t)a->n_regexes;
    a->regexes[a->n_regexes++] = code;
    /* without executable memory the same code is interpreted */
    if (pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) != 0) log_warn("agent.jit", "rule=%zu", row);
    return true;
}

struct agents *agents_load(void)
{
    if (sodium_init() < 0) return NULL;
    struct agents *a = calloc(1, sizeof *a);
    if (a == NULL) return NULL;
    memset(a->head, 0xff, sizeof a->head);
    for (size_t i = 0; i < BOT_ROWS; i++) {
        if (!compile(a, i)) {
            log_error("agent.pattern", "rule=\"%s\" cannot be compiled", bot_rows[i].name);
            goto fail;
        }
        add_text(a, str_of(bot_rows[i].literal));
    }
    if (!index_classes(a)) {
        log_error("agent.classes", "too many texts, at most %d", CLASS_TEXTS);
        goto fail;
    }
    randombytes_buf(a->key, sizeof a->key);
    return a;
fail:
    agents_free(a);
    return NULL;
}

void agents_free(struct agents *a)
{
    if (a == NULL) return;
    for (size_t i = 0; i < a->n_regexes; i++)
        pcre2_code_free(a->regexes[i]);
    sodium_memzero(a->key, sizeof a->key);
    free(a);
}

const char *agents_rule(size_t i)
{
    return i < BOT_ROWS ? bot_rows[i].name : NULL;
}

struct agent_cache *agent_cache_new(const struct agents *a)
{
    struct agent_cache *c = calloc(1, sizeof *c);
    if (c == NULL) return NULL;
    c->agents = a;
    c->match = pcre2_match_data_create(1, NULL);
    c->entries = aligned_alloc(64, sizeof *c->entries * AGENT_CACHE_ENTRIES);
    if (c->match == NULL || c->entries == NULL) {
        agent_cache_free(c);
        return NULL;
    }
    memset(c->entries, 0, sizeof *c->entries * AGENT_CACHE_ENTRIES);
    return c;
}

void agent_cache_free(struct agent_cache *c)
{
    if (c == NULL) return;
    pcre2_match_data_free(c->match);
    free(c->entries);
    free(c);
}

/* What one pass over an agent has found. */
struct finding {
    uint64_t texts[CLASS_TEXTS / 64];
    bool asked[REGEXES_MAX]; /* each regex at most once per agent */
    size_t bot;              /* smallest row that matches, or BOT_ROWS */
};

static bool regex_says(const struct agent_cache *c, struct finding *f, unsigned regex,
                       struct str agent)
{
    if (f->asked[regex]) return false; /* a yes has lowered f->bot, and we are not asked again */
    f->asked[regex] = true;
    return pcre2_match(c->agents->regexes[regex], (PCRE2_SPTR)agent.p, agent.n, 0, 0, c->match,
                       NULL) >= 0;
}

static void found(const struct agent_cache *c, struct finding *f, size_t text, struct str agent)
{
    if (text >= BOT_ROWS) {
        size_t bit = text - BOT_ROWS;
        f->texts[bit / 64] |= (uint64_t)1 << bit % 64;
        return;
    }
    if (text >= f->bot) return;
    unsigned regex = c->agents->regex_of[text];
    if (regex == NONE || regex_says(c, f, regex, agent)) f->bot = text;
}

static void scan(const struct agent_cache *c, struct str agent, struct finding *f)
{
    const struct agents *a = c->agents;
    for (size_t i = 0; i + GRAM <= agent.n; i++) {
        for (uint16_t t = a->head[slot_of(agent.p + i)]; t != NONE; t = a->texts[t].next) {
            const struct text *text = &a->texts[t];
            if (i < text->at || agent.n - (i - text->at) < text->s.n) continue;
            if (memcmp(agent.p + i - text->at, text->s.p, text->s.n) == 0) found(c, f, t, agent);
        }
    }
}

static bool has_text(const struct finding *f, unsigned text)
{
    unsigned bit = text - BOT_ROWS;
    return f->texts[bit / 64] >> bit % 64 & 1;
}

static uint8_t class_of(const struct agents *a, const struct finding *f, unsigned class)
{
    for (size_t i = 0; i < class_tables[class].n; i++) {
        const struct row_index *row = &a->classes[class][i];
        if (!has_text(f, row->text) || (row->also != NONE && !has_text(f, row->also))) continue;
        return (uint8_t)class_tables[class].rows[i].value;
    }
    return 0;
}

static struct entry classify(const struct agent_cache *c, struct str agent, uint64_t hash)
{
    struct entry e = {.hash = hash, .rule = RULE_NO_AGENT};
    if (agent.n == 0) return e;
    struct finding f = {.bot = BOT_ROWS};
    scan(c, str_upto(agent, AGENT_LOOK_BYTES), &f);
    e.rule = f.bot == BOT_ROWS ? RULE_HUMAN : (uint16_t)(1 + f.bot);
    for (unsigned i = 0; i < CLASSES; i++)
        e.value[i] = class_of(c->agents, &f, i);
    return e;
}

/* A flood of new agents takes turns in one way of a set; those that come back keep theirs. */
static struct entry *victim(struct entry *set, uint64_t hash)
{
    for (unsigned i = 0; i < WAYS; i++) {
        if (!set[i].used) return &set[i];
    }
    for (unsigned i = 0; i < WAYS; i++)
        set[i].used = 0;
    return &set[hash >> 62];
}

static struct entry *find(struct agent_cache *c, struct str agent)
{
    unsigned char out[crypto_shorthash_BYTES];
    crypto_shorthash(out, (const unsigned char *)agent.p, agent.n, c->agents->key);
    uint64_t hash = load_le64(out);
    if (hash == 0) hash = 1;
    struct entry *set = &c->entries[hash % SETS * WAYS];
    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].hash != hash) continue;
        set[i].used = 1;
        return &set[i];
    }
    struct entry *e = victim(set, hash);
    *e = classify(c, agent, hash);
    return e;
}

static struct str rule_name(unsigned rule)
{
    if (rule == RULE_HUMAN) return STR("");
    if (rule == RULE_NO_AGENT) return STR("no-agent");
    return str_of(bot_rows[rule - 1].name);
}

const struct agent_info *agent_lookup(struct agent_cache *c, struct str user_agent)
{
    struct str agent = str_trim(user_agent);
    if (str_eq(agent, STR("-"))) agent = STR(""); /* how access logs write it */
    const struct entry *e = find(c, agent);
    c->info = (struct agent_info){.browser = e->value[0],
                                  .os = e->value[1],
                                  .device = e->value[2],
                                  .bot = rule_name(e->rule)};
    return &c->info;
}
