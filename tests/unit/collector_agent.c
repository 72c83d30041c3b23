/* Agents by name, every example of the pattern list, and the agents of real logs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#include "agent.h"
#include "guard.h"

#define EXAMPLES "/../shared/suites/ua-crawlers-monperrus/crawler-user-agents.json"
#define PACKAGE  "/node_modules/crawler-user-agents/crawler-user-agents.json"
#define APACHE   "/../shared/data/elastic-apache-combined/apache_logs.gz"
#define BITLY    "/../shared/data/bitly-usagov/example.jsonl.gz"

static struct agents *agents;
static struct agent_cache *cache;

#define WIN  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) "
#define MAC  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) "
#define LIN  "Mozilla/5.0 (X11; Linux x86_64) "
#define KIT  "AppleWebKit/537.36 (KHTML, like Gecko) "
#define IOS  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_6_1 like Mac OS X) AppleWebKit/605.1.15 "
#define LIKE "(KHTML, like Gecko) "
#define ADR  "Mozilla/5.0 (Linux; Android 10; K) "
#define D    DEVICE_DESKTOP
#define M    DEVICE_MOBILE
#define T    DEVICE_TABLET
#define TV   DEVICE_TV

static const struct {
    const char *agent;
    enum browser browser;
    enum os os;
    enum device device;
} people[] = {
    {WIN KIT "Chrome/139.0.0.0 Safari/537.36", BROWSER_CHROME, OS_WINDOWS, D},
    {MAC KIT "Chrome/138.0.0.0 Safari/537.36", BROWSER_CHROME, OS_MACOS, D},
    {LIN KIT "Chrome/137.0.0.0 Safari/537.36", BROWSER_CHROME, OS_LINUX, D},
    {LIN KIT "Ubuntu Chromium/80.0 Chrome/80.0 Safari/537.36", BROWSER_CHROME, OS_LINUX, D},
    {"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) " KIT "Chrome/139.0.0.0 Safari/537.36",
     BROWSER_CHROME, OS_CHROMEOS, D},
    {ADR KIT "Chrome/139.0.0.0 Mobile Safari/537.36", BROWSER_CHROME, OS_ANDROID, M},
    {ADR KIT "Chrome/139.0.0.0 Safari/537.36", BROWSER_CHROME, OS_ANDROID, T},
    {"Mozilla/5.0 (Linux; Android 13; Pixel 7 Build/TQ3A; wv) " KIT
     "Version/4.0 Chrome/115.0 Mobile Safari/537.36",
     BROWSER_CHROME, OS_ANDROID, M},
    {"Mozilla/5.0 (Linux; Android 9; SM-T510) " KIT "Chrome/120.0 Safari/537.36", BROWSER_CHROME,
     OS_ANDROID, T},
    {"Mozilla/5.0 (Linux; Android 8.1.0; CUBOT_POWER) " KIT "Chrome/99.0 Mobile Safari/537.36",
     BROWSER_CHROME, OS_ANDROID, M},
    {IOS LIKE "CriOS/139.0.7258.76 Mobile/15E148 Safari/604.1", BROWSER_CHROME, OS_IOS, M},
    {"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:141.0) Gecko/20100101 Firefox/141.0",
     BROWSER_FIREFOX, OS_WINDOWS, D},
    {"Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:140.0) Gecko/20100101 Firefox/140.0",
     BROWSER_FIREFOX, OS_MACOS, D},
    {"Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
     BROWSER_FIREFOX, OS_LINUX, D},
    {"Mozilla/5.0 (X11; FreeBSD amd64; rv:128.0) Gecko/20100101 Firefox/128.0", BROWSER_FIREFOX,
     OS_OTHER, DEVICE_DESKTOP},
    {"Mozilla/5.0 (Android 14; Mobile; rv:141.0) Gecko/141.0 Firefox/141.0", BROWSER_FIREFOX,
     OS_ANDROID, M},
    {"Mozilla/5.0 (Android 13; Tablet; rv:128.0) Gecko/128.0 Firefox/128.0", BROWSER_FIREFOX,
     OS_ANDROID, T},
    {IOS LIKE "FxiOS/141.0 Mobile/15E148 Safari/605.1.15", BROWSER_FIREFOX, OS_IOS, M},
    {MAC "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15", BROWSER_SAFARI,
     OS_MACOS, D},
    {IOS LIKE "Version/17.6 Mobile/15E148 Safari/604.1", BROWSER_SAFARI, OS_IOS, M},
    {"Mozilla/5.0 (iPad; CPU OS 16_7 like Mac OS X) AppleWebKit/605.1.15 " LIKE
     "Version/16.6 Mobile/15E148 Safari/604.1",
     BROWSER_SAFARI, OS_IOS, T},
    {"Mozilla/5.0 (iPod touch; CPU iPhone OS 12_5 like Mac OS X) AppleWebKit/605.1.15 " LIKE
     "Version/12.1 Mobile/15E148 Safari/604.1",
     BROWSER_SAFARI, OS_IOS, M},
    {"Mozilla/5.0 (Macintosh; U; PPC Mac OS X; en) AppleWebKit/125.2 (KHTML, like Gecko) "
     "Safari/125.8",
     BROWSER_SAFARI, OS_MACOS, D},
    {WIN KIT "Chrome/139.0.0.0 Safari/537.36 Edg/139.0.0.0", BROWSER_EDGE, OS_WINDOWS, D},
    {WIN KIT "Chrome/64.0.3282.140 Safari/537.36 Edge/18.17763", BROWSER_EDGE, OS_WINDOWS, D},
    {ADR KIT "Chrome/138.0.0.0 Mobile Safari/537.36 EdgA/138.0.0.0", BROWSER_EDGE, OS_ANDROID, M},
    {IOS LIKE "Version/17.0 EdgiOS/138.0 Mobile/15E148 Safari/605.1.15", BROWSER_EDGE, OS_IOS, M},
    {"Mozilla/5.0 (Windows Phone 10.0; Android 6.0.1; Microsoft; Lumia 950) " KIT
     "Chrome/52.0 Mobile Safari/537.36 Edge/15.15254",
     BROWSER_EDGE, OS_OTHER, M},
    {"Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox One) " KIT
     "Chrome/64.0 Safari/537.36 Edge/18.19041",
     BROWSER_EDGE, OS_WINDOWS, TV},
    {WIN KIT "Chrome/137.0.0.0 Safari/537.36 OPR/121.0.0.0", BROWSER_OPERA, OS_WINDOWS, D},
    {ADR KIT "Chrome/135.0.0.0 Mobile Safari/537.36 OPR/90.0.0.0", BROWSER_OPERA, OS_ANDROID, M},
    {"Opera/9.80 (Windows NT 6.1; U; en) Presto/2.10.229 Version/11.61", BROWSER_OPERA, OS_WINDOWS,
     D},
    {"Opera/9.80 (J2ME/MIDP; Opera Mini/7.1.32052/191.308; U; en) Presto/2.12", BROWSER_OPERA,
     OS_OTHER, M},
    {"Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S918B) " KIT
     "SamsungBrowser/25.0 Chrome/121.0 Mobile Safari/537.36",
     BROWSER_SAMSUNG, OS_ANDROID, M},
    {"Mozilla/5.0 (Linux; Android 13; SAMSUNG SM-T870) " KIT
     "SamsungBrowser/23.0 Chrome/115.0 Safari/537.36",
     BROWSER_SAMSUNG, OS_ANDROID, T},
    {"Mozilla/5.0 (SMART-TV; Linux; Tizen 5.0) AppleWebKit/538.1 (KHTML, like Gecko) "
     "Version/5.0 NativeTVAds Safari/538.1",
     BROWSER_SAFARI, OS_OTHER, TV},
    {"Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko", BROWSER_IE, OS_WINDOWS,
     D},
    {"Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0; SLCC2; .NET CLR 2.0.50727; "
     "Tablet PC 2.0)",
     BROWSER_IE, OS_WINDOWS, D},
    {"Mozilla/5.0 (compatible; MSIE 9.0; Windows Phone OS 7.5; Trident/5.0; IEMobile/9.0)",
     BROWSER_IE, OS_OTHER, M},
    {WIN KIT "Chrome/138.0 YaBrowser/25.6.0 Yowser/2.5 Safari/537.36", BROWSER_OTHER, OS_WINDOWS,
     D},
    {WIN KIT "Chrome/138.0.0.0 Safari/537.36 Vivaldi/7.5.3735.47", BROWSER_OTHER, OS_WINDOWS, D},
    {IOS LIKE "Mobile/15E148 [FBAN/FBIOS;FBAV/470.0.0.37.102;FBDV/iPhone14,5;FBSN/iOS;FBCR/]",
     BROWSER_OTHER, OS_IOS, M},
    {IOS LIKE "Mobile/15E148 Instagram 340.0.3.27.93 (iPhone13,2; iOS 17_6_1; en_US)",
     BROWSER_OTHER, OS_IOS, M},
    {IOS LIKE "GSA/331.0.665236494 Mobile/15E148 Safari/604.1", BROWSER_OTHER, OS_IOS, M},
    {"Mozilla/5.0 (Linux; U; Android 2.3.6; en-us; GT-S5360) AppleWebKit/533.1 "
     "(KHTML, like Gecko) Version/4.0 Mobile Safari/533.1",
     BROWSER_OTHER, OS_ANDROID, M},
    {"Mozilla/5.0 (Linux; Android 9; AFTKA Build/PS7633; wv) " KIT
     "Version/4.0 Chrome/118.0 Mobile Safari/537.36",
     BROWSER_CHROME, OS_ANDROID, TV},
    {"Mozilla/5.0 (Web0S; Linux/SmartTV) " KIT "Chrome/94.0.4606.128 Safari/537.36 WebAppManager",
     BROWSER_CHROME, OS_OTHER, TV},
    {"Mozilla/5.0 (PlayStation; PlayStation 5/2.26) AppleWebKit/605.1.15 (KHTML, like Gecko) "
     "Version/13.0 Safari/605.1.15",
     BROWSER_SAFARI, OS_OTHER, TV},
    {"Mozilla/5.0 (BB10; Touch) AppleWebKit/537.10+ (KHTML, like Gecko) Version/10.0.9 Mobile "
     "Safari/537.10+",
     BROWSER_OTHER, OS_OTHER, M},
    {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.4 "
     "Safari/605.1.15 Epiphany/44.2",
     BROWSER_OTHER, OS_LINUX, D},
    {"Lynx/2.8.9rel.1 libwww-FM/2.14", BROWSER_OTHER, OS_UNKNOWN, DEVICE_UNKNOWN},
    {"x", BROWSER_UNKNOWN, OS_UNKNOWN, DEVICE_UNKNOWN},
};

static void people_are_people(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof people / sizeof *people; i++) {
        struct guard g = guard_copy(str_of(people[i].agent));
        const struct agent_info *info = agent_lookup(cache, g.s);
        if (info->bot.n != 0 || info->browser != people[i].browser || info->os != people[i].os ||
            info->device != people[i].device) {
            fail_msg("%s: bot \"%.*s\" browser %d os %d device %d", people[i].agent,
                     STR_ARG(info->bot), info->browser, info->os, info->device);
        }
        guard_free(&g);
    }
}

static const struct {
    const char *agent, *rule;
} bots[] = {
    {"", "no-agent"},
    {"  ", "no-agent"},
    {"-", "no-agent"},
    {"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot"},
    {"Googlebot-Image/1.0", "Googlebot-Image"},
    {"curl/8.14.1", "curl"},
    {"libcurl-like curl/8", ""}, /* the pattern is anchored */
    {"Wget/1.21.3", "Wget"},
    {"wget", "Wget"},
    {"widget browser", ""},
    {"AdsBot-Google (+http://www.google.com/adsbot.html)", "AdsBot-Google"},
    {"AdsBot-Google-Mobile", "AdsBot-Google-Mobile"},
    {"AdsBot-Google-", "other bot"},
    {"AdsBot-Google-x AdsBot-Google", "AdsBot-Google"},
    {"Mozilla/5.0 (compatible; SemrushBot/7~bl; +http://www.semrush.com/bot.html)", "SEMrushBot"},
    {"gotosocial/0.16", "Chirp"}, /* second half of an alternative */
    {"Mozilla/5.0 (compatible; ClaudeBot/1.0; +claudebot@anthropic.com)", "ClaudeBot"},
    {"Mozilla/5.0 (compatible; Unheard-ofBot 2.0)", "other bot"},
    {"unheard-of-spider/0.1 (+https://crawler.example/)", "other bot"},
    {"Mozilla/5.0 (Linux; Android 9; Cubot X19) " KIT "Chrome/99.0 Mobile Safari/537.36", ""},
    {"Mozilla/5.0 " KIT "HeadlessChrome/120.0.0.0 Safari/537.36", "HeadlessChrome"},
};

static void bots_have_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bots / sizeof *bots; i++) {
        struct guard g = guard_copy(str_of(bots[i].agent));
        struct str bot = agent_lookup(cache, g.s)->bot;
        if (!str_eq(bot, str_of(bots[i].rule))) {
            fail_msg("%s: \"%.*s\", want \"%s\"", bots[i].agent, STR_ARG(bot), bots[i].rule);
        }
        guard_free(&g);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Alternatives of one pattern stand beside each other and share a name; else it stands once. */
static void rules_are_short_and_unique(void **state)
{
    (void)state;
    static const char *names[8192];
    size_t n = 0;
    const char *before = "";
    for (size_t i = 0; agents_rule(i) != NULL; i++) {
        const char *name = agents_rule(i);
        assert_in_range(strlen(name), 1, 64);
        assert_string_not_equal(name, "no-agent");
        for (const char *p = name; *p != '\0'; p++)
            assert_true((unsigned char)*p >= ' ');
        if (strcmp(name, before) != 0) names[n++] = name;
        before = name;
        assert_true(n < sizeof names / sizeof *names);
    }
    assert_true(n > 1000);
    qsort(names, n, sizeof *names, by_name);
    for (size_t i = 1; i < n; i++)
        assert_string_not_equal(names[i - 1], names[i]);
}

/* Every example that the pattern list gives is named by a pattern of it. */
static void check_examples(const char *file)
{
    json_t *list = json_load_file(file, 0, NULL);
    size_t i, j, n = 0;
    json_t *entry, *example;
    if (list == NULL) {
        print_message("skipped: no %s\n", file);
        skip();
    }
    json_array_foreach(list, i, entry)
    {
        json_array_foreach(json_object_get(entry, "instances"), j, example)
        {
            struct str agent = {json_string_value(example), json_string_length(example)};
            n++;
            struct str bot = agent_lookup(cache, agent)->bot;
            if (bot.n == 0 || str_eq(bot, STR("other bot"))) fail_msg("not named: %s", agent.p);
        }
    }
    print_message("%zu examples of %zu patterns\n", n, json_array_size(list));
    assert_true(n > 2000);
    json_decref(list);
}

static void examples_of_the_suite(void **state)
{
    (void)state;
    check_examples(SOURCE_DIR EXAMPLES);
}

static void examples_of_the_package(void **state)
{
    (void)state;
    check_examples(SOURCE_DIR PACKAGE);
}

struct shares {
    unsigned agents, bots, device, browser, os;
    unsigned devices[DEVICES], browsers[BROWSERS], oses[OSES];
};

static void count(struct shares *s, struct str agent)
{
    const struct agent_info *info = agent_lookup(cache, agent);
    s->agents++;
    s->bots += info->bot.n > 0;
    if (info->bot.n > 0) return;
    s->devices[info->device]++;
    s->browsers[info->browser]++;
    s->oses[info->os]++;
}

static void print_shares(const char *what, const unsigned *n, unsigned values,
                         const char *(*name)(unsigned), unsigned of)
{
    print_message("  %s:", what);
    for (unsigned i = 0; i < values; i++) {
        print_message(" %s %.1f%%", name(i), 100.0 * n[i] / of);
    }
    print_message("\n");
}

static const char *name_of_device(unsigned i)
{
    return device_name((enum device)i);
}

static const char *name_of_browser(unsigned i)
{
    return browser_name((enum browser)i);
}

static const char *name_of_os(unsigned i)
{
    return os_name((enum os)i);
}

/* The distinct lines that a command prints are agents. `floor`: % of the people among them whose
 * device, browser and system each must be known; at_least: % of bots. */
static void check_log(const char *file, const char *command, unsigned floor, unsigned bots_at_least)
{
    struct shares s = {0};
    char line[8192];
    if (access(file, R_OK) != 0) {
        print_message("skipped: no %s\n", file);
        skip();
    }
    FILE *p = popen(command, "r");
    assert_non_null(p);
    while (fgets(line, sizeof line, p) != NULL) {
        count(&s, (struct str){line, strcspn(line, "\n")});
    }
    assert_int_equal(WEXITSTATUS(pclose(p)), 0);
    assert_true(s.agents > 500);
    unsigned n = s.agents - s.bots;
    print_message("%u distinct agents, %u of bots; of the others\n", s.agents, s.bots);
    print_shares("device", s.devices, DEVICES, name_of_device, n);
    print_shares("browser", s.browsers, BROWSERS, name_of_browser, n);
    print_shares("system", s.oses, OSES, name_of_os, n);
    assert_true(100 * (n - s.devices[DEVICE_UNKNOWN]) >= floor * n);
    assert_true(100 * (n - s.browsers[BROWSER_UNKNOWN]) >= floor * n);
    assert_true(100 * (n - s.oses[OS_UNKNOWN]) >= floor * n);
    assert_true(100 * s.bots >= bots_at_least * s.agents);
}

static void agents_of_an_apache_log(void **state)
{
    (void)state;
    check_log(SOURCE_DIR APACHE,
              "zcat '" SOURCE_DIR APACHE "' | awk -F '\"' 'NF >= 7 {print $6}' | sort -u", 92, 14);
}

static void agents_of_short_links(void **state)
{
    (void)state;
    check_log(SOURCE_DIR BITLY,
              "zcat '" SOURCE_DIR BITLY
              "' | sed -nE 's/^\\{ \"a\": \"(([^\"\\\\]|\\\\.)*)\".*/\\1/p' |"
              " sed 's,\\\\/,/,g' | sort -u",
              97, 0);
}

/* More agents than entries: what comes back in between is still right, old ones are classified
 * anew. */
static void cache_is_bounded(void **state)
{
    (void)state;
    char agent[64];
    struct str steady = STR("Mozilla/5.0 (compatible; Googlebot/2.1)");
    for (unsigned i = 0; i < 3 * AGENT_CACHE_ENTRIES; i++) {
        int n = snprintf(agent, sizeof agent, i % 2 ? "Firefox/%u" : "Diffbot/%u", i);
        struct str bot = agent_lookup(cache, (struct str){agent, (size_t)n})->bot;
        assert_int_equal(bot.n, i % 2 ? 0 : strlen("Diffbot"));
        assert_true(str_eq(agent_lookup(cache, steady)->bot, STR("Googlebot")));
    }
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Printed for people; a flood of made-up agents must stay far from a millisecond each. */
static void what_a_miss_costs(void **state)
{
    (void)state;
    enum { N = 20000 };
    char agent[AGENT_LOOK_BYTES];
    double us[3], begin;
    begin = now_us();
    for (unsigned i = 0; i < N; i++) {
        int n = snprintf(agent, sizeof agent, WIN KIT "Chrome/%u.0.0.0 Safari/537.36", i + 1000000);
        agent_lookup(cache, (struct str){agent, (size_t)n});
    }
    us[0] = (now_us() - begin) / N;
    begin = now_us();
    for (unsigned i = 0; i < N; i++)
        agent_lookup(cache, str_of(people[i % 4].agent));
    us[1] = (now_us() - begin) / N;
    for (size_t i = 0; i < sizeof agent; i++)
        agent[i] = "wget curl laude pingdom "[i % 24];
    begin = now_us();
    for (unsigned i = 0; i < N; i++) {
        memcpy(agent + sizeof agent - sizeof i, &i, sizeof i);
        agent_lookup(cache, (struct str){agent, sizeof agent});
    }
    us[2] = (now_us() - begin) / N;
    print_message("us: unknown %.2f, known %.3f, unknown and hostile (%d bytes) %.2f\n", us[0],
                  us[1], AGENT_LOOK_BYTES, us[2]);
    assert_true(us[0] < 1000 && us[2] < 1000);
}

static int set_up(void **state)
{
    (void)state;
    agents = agents_load();
    cache = agents == NULL ? NULL : agent_cache_new(agents);
    return cache == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    agent_cache_free(cache);
    agents_free(agents);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(people_are_people),          cmocka_unit_test(bots_have_names),
        cmocka_unit_test(rules_are_short_and_unique), cmocka_unit_test(examples_of_the_suite),
        cmocka_unit_test(examples_of_the_package),    cmocka_unit_test(agents_of_an_apache_log),
        cmocka_unit_test(agents_of_short_links),      cmocka_unit_test(cache_is_bounded),
        cmocka_unit_test(what_a_miss_costs),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
