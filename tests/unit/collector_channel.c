/* Referrers, tags and click ids -> channel, source, campaign. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "channel.h"
#include "guard.h"
#include "utf8.h"

static char *origins[] = {"https://shop.example", "https://*.blog.example", "http://[::1]:8080",
                          NULL};
static const struct site shop = {.name = "shop", .origins = origins};

static const struct {
    const char *query, *referrer;
    enum channel channel;
    const char *source, *campaign;
} rows[] = {
    /* no tags: the referrer says it */
    {"", "", CHANNEL_DIRECT, "", ""},
    {"id=1", "", CHANNEL_DIRECT, "", ""},
    {"", "not a url", CHANNEL_DIRECT, "", ""},
    {"", "https://www.google.com/", CHANNEL_ORGANIC_SEARCH, "Google", ""},
    {"", "https://www.google.co.uk/search?q=x", CHANNEL_ORGANIC_SEARCH, "Google", ""},
    {"", "https://www.bing.com/", CHANNEL_ORGANIC_SEARCH, "Bing", ""},
    {"", "https://cn.bing.com/", CHANNEL_ORGANIC_SEARCH, "Bing", ""},
    {"", "https://duckduckgo.com/", CHANNEL_ORGANIC_SEARCH, "DuckDuckGo", ""},
    {"", "https://de.search.yahoo.com/", CHANNEL_ORGANIC_SEARCH, "Yahoo!", ""},
    {"", "https://docs.google.com/", CHANNEL_REFERRAL, "docs.google.com", ""},
    {"", "https://mail.google.com/", CHANNEL_EMAIL, "Gmail", ""},
    {"", "android-app://com.google.android.gm/", CHANNEL_EMAIL, "Gmail", ""},
    {"", "android-app://com.google.android.googlequicksearchbox/", CHANNEL_ORGANIC_SEARCH, "Google",
     ""},
    {"", "https://l.facebook.com/l.php?u=x", CHANNEL_ORGANIC_SOCIAL, "Facebook", ""},
    {"", "https://de-de.facebook.com/", CHANNEL_ORGANIC_SOCIAL, "Facebook", ""},
    {"", "https://t.co/abc", CHANNEL_ORGANIC_SOCIAL, "X", ""},
    {"", "https://old.reddit.com/r/c", CHANNEL_ORGANIC_SOCIAL, "Reddit", ""},
    {"", "https://www.youtube.com/", CHANNEL_ORGANIC_VIDEO, "YouTube", ""},
    {"", "https://www.amazon.de/", CHANNEL_ORGANIC_SHOPPING, "Amazon", ""},
    {"", "https://chatgpt.com/", CHANNEL_AI_ASSISTANT, "ChatGPT", ""},
    {"", "https://www.perplexity.ai/", CHANNEL_AI_ASSISTANT, "Perplexity", ""},
    {"", "https://gemini.google.com/app", CHANNEL_AI_ASSISTANT, "Gemini", ""},
    {"", "https://copilot.microsoft.com/", CHANNEL_AI_ASSISTANT, "Copilot", ""},
    {"", "https://claude.ai/", CHANNEL_AI_ASSISTANT, "Claude", ""},
    {"", "https://en.wikipedia.org/", CHANNEL_REFERRAL, "Wikipedia", ""},
    {"", "https://ad.doubleclick.net/", CHANNEL_PAID_OTHER, "Doubleclick", ""},
    {"", "https://www.partner.example/a?b", CHANNEL_REFERRAL, "partner.example", ""},
    {"", "https://me:secret@partner.example/", CHANNEL_REFERRAL, "partner.example", ""},
    {"", "ftp://me:secret@partner.example/", CHANNEL_REFERRAL, "partner.example", ""},
    {"", "https://192.168.100.200/", CHANNEL_REFERRAL, "(number)", ""},
    {"", "https://notgoogle.com/", CHANNEL_REFERRAL, "notgoogle.com", ""},
    {"", "https://google.com.evil.example/", CHANNEL_REFERRAL, "google.com.evil.example", ""},
    /* from the site itself */
    {"", "https://www.shop.example/other", CHANNEL_INTERNAL, "", ""},
    {"", "https://shop.example/", CHANNEL_INTERNAL, "", ""},
    {"", "http://shop.example:8080/", CHANNEL_INTERNAL, "", ""},
    {"", "https://a.blog.example/", CHANNEL_INTERNAL, "", ""},
    {"", "https://blog.example/", CHANNEL_REFERRAL, "blog.example", ""},
    {"", "https://evilblog.example/", CHANNEL_REFERRAL, "evilblog.example", ""},
    {"", "http://[::1]/", CHANNEL_INTERNAL, "", ""},
    /* tags */
    {"utm_source=newsletter&utm_medium=email&utm_campaign=May+Sale", "", CHANNEL_EMAIL,
     "newsletter", "May Sale"},
    {"utm_source=Google&utm_medium=CPC&utm_campaign=brand", "https://www.google.com/",
     CHANNEL_PAID_SEARCH, "Google", "brand"},
    {"utm_source=google&utm_medium=cpc&utm_campaign=summer-shop", "", CHANNEL_PAID_SHOPPING,
     "google", "summer-shop"},
    {"utm_source=google&utm_medium=cpc&utm_campaign=workshops", "", CHANNEL_PAID_SEARCH, "google",
     "workshops"},
    {"utm_source=x&utm_medium=x&utm_campaign=eshop", "", CHANNEL_ORGANIC_SHOPPING, "x", "eshop"},
    {"utm_source=google&utm_medium=cpc&utm_campaign=Cross-Network+1", "", CHANNEL_CROSS_NETWORK,
     "google", "Cross-Network 1"},
    {"utm_source=facebook&utm_medium=paid_social", "", CHANNEL_PAID_SOCIAL, "facebook", ""},
    {"utm_source=fb&utm_medium=post", "", CHANNEL_ORGANIC_SOCIAL, "fb", ""},
    {"utm_source=m.facebook.com", "", CHANNEL_ORGANIC_SOCIAL, "m.facebook.com", ""},
    {"utm_source=youtube&utm_medium=cpv", "", CHANNEL_PAID_VIDEO, "youtube", ""},
    {"utm_source=youtube&utm_medium=cpc", "", CHANNEL_PAID_VIDEO, "youtube", ""},
    {"utm_source=idealo&utm_medium=ppc", "", CHANNEL_PAID_SHOPPING, "idealo", ""},
    {"utm_source=dv360&utm_medium=cpm", "", CHANNEL_DISPLAY, "dv360", ""},
    {"utm_source=taz&utm_medium=banner", "", CHANNEL_DISPLAY, "taz", ""},
    {"utm_source=x-network&utm_medium=retargeting", "", CHANNEL_PAID_OTHER, "x-network", ""},
    {"utm_source=blog&utm_medium=social", "", CHANNEL_ORGANIC_SOCIAL, "blog", ""},
    {"utm_source=blog&utm_medium=video-embed", "", CHANNEL_ORGANIC_VIDEO, "blog", ""},
    {"utm_source=x1&utm_medium=organic", "", CHANNEL_ORGANIC_SEARCH, "x1", ""},
    {"utm_source=x1&utm_medium=referral", "", CHANNEL_REFERRAL, "x1", ""},
    {"utm_source=x1&utm_medium=affiliate", "", CHANNEL_AFFILIATES, "x1", ""},
    {"utm_source=x1&utm_medium=audio", "", CHANNEL_AUDIO, "x1", ""},
    {"utm_source=sms", "", CHANNEL_SMS, "sms", ""},
    {"utm_source=x1&utm_medium=web-push", "", CHANNEL_MOBILE_PUSH, "x1", ""},
    {"utm_source=firebase&utm_medium=x", "", CHANNEL_MOBILE_PUSH, "firebase", ""},
    {"utm_source=chatgpt.com", "", CHANNEL_AI_ASSISTANT, "chatgpt.com", ""},
    {"utm_source=(direct)&utm_medium=(none)", "", CHANNEL_DIRECT, "(direct)", ""},
    {"utm_source=somebody", "https://www.google.com/", CHANNEL_UNKNOWN, "somebody", ""},
    {"utm_medium=email", "https://www.partner.example/", CHANNEL_EMAIL, "partner.example", ""},
    {"utm_campaign=spring", "https://t.co/x", CHANNEL_ORGANIC_SOCIAL, "X", "spring"},
    {"utm_source=newsletter&utm_medium=email", "https://shop.example/", CHANNEL_EMAIL, "newsletter",
     ""},
    /* click ids */
    {"gclid=abc", "https://www.google.com/", CHANNEL_PAID_SEARCH, "Google", ""},
    {"gbraid=abc", "", CHANNEL_PAID_SEARCH, "Google", ""},
    {"wbraid=abc", "https://shop.example/", CHANNEL_PAID_SEARCH, "Google", ""},
    {"gclid=", "https://www.google.com/", CHANNEL_ORGANIC_SEARCH, "Google", ""},
    {"msclkid=abc", "https://www.bing.com/", CHANNEL_PAID_SEARCH, "Bing", ""},
    {"ttclid=abc", "", CHANNEL_PAID_SOCIAL, "TikTok", ""},
    {"dclid=abc", "", CHANNEL_DISPLAY, "Google", ""},
    {"fbclid=abc", "", CHANNEL_ORGANIC_SOCIAL, "Facebook", ""},
    {"fbclid=abc", "https://l.instagram.com/", CHANNEL_ORGANIC_SOCIAL, "Instagram", ""},
    {"mc_cid=abc&mc_eid=me", "", CHANNEL_EMAIL, "Mailchimp", ""},
    {"utm_source=newsletter&gclid=abc", "", CHANNEL_PAID_OTHER, "newsletter", ""},
    {"utm_source=bing&utm_medium=organic&gclid=abc", "", CHANNEL_ORGANIC_SEARCH, "bing", ""},
    /* what links carry is not trusted */
    {"utm_source=me%40mail.example&utm_campaign=me%40mail.example", "", CHANNEL_UNKNOWN, "(email)",
     "(email)"},
    {"utm_source=%00&utm_campaign=a%1bb", "https://t.co/x", CHANNEL_ORGANIC_SOCIAL, "X", ""},
    {"utm_source=%ff", "", CHANNEL_UNKNOWN, "\xef\xbf\xbd", ""},
    {"utm_campaign=call-4915112345678", "", CHANNEL_DIRECT, "", "call-(number)"},
    {"utm_source=%20x1%20&utm_medium=email", "", CHANNEL_EMAIL, "x1", ""},
};

static void arrive(const char *query, const char *referrer, struct arrival *out)
{
    char text[1024];
    struct url page;
    struct guard from = guard_copy(str_of(referrer));

    int n = snprintf(text, sizeof text, "https://www.shop.example/a?%s", query);
    assert_true(url_split((struct str){text, (size_t)n}, &page));
    channel_of(&page, from.s, &shop, out);
    guard_free(&from);
    assert_true(out->source.n <= HIT_NAME_MAX_BYTES && out->campaign.n <= HIT_NAME_MAX_BYTES);
    assert_true(utf8_is_text(out->source) && utf8_is_text(out->campaign));
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arrival a;
        arrive(rows[i].query, rows[i].referrer, &a);
        bool right = a.channel == rows[i].channel && str_eq(a.source, str_of(rows[i].source)) &&
                     str_eq(a.campaign, str_of(rows[i].campaign));
        if (!right)
            print_error("?%s from %s: %s, %.*s, %.*s\n", rows[i].query, rows[i].referrer,
                        channel_name(a.channel), STR_ARG(a.source), STR_ARG(a.campaign));
        assert_true(right);
    }
}

static void test_long_values(void **state)
{
    char query[900] = "utm_campaign=";
    struct arrival a;

    (void)state;
    for (size_t i = 13; i + 3 < sizeof query; i += 3)
        memcpy(query + i, "\xe2\x82\xac", 4);
    arrive(query, "", &a);
    assert_int_equal(a.campaign.n, HIT_NAME_MAX_BYTES / 3 * 3); /* cut between characters */
}

/* Hosts of a list others maintain, and how many of them we put into the same drawer. */
struct list {
    const char *file;
    enum channel channel, also;
    double floor; /* measured, rounded down */
};

static bool is_host(const char *s)
{
    return strpbrk(s, "{}/'\" ") == NULL && strchr(s, '.') != NULL;
}

static void test_matomo_list(void **state)
{
    static const struct list lists[] = {
        {"AIAssistants.yml", CHANNEL_AI_ASSISTANT, CHANNEL_AI_ASSISTANT, 1.00},
        {"Socials.yml", CHANNEL_ORGANIC_SOCIAL, CHANNEL_ORGANIC_VIDEO, 0.87},
        {"SearchEngines.yml", CHANNEL_ORGANIC_SEARCH, CHANNEL_AI_ASSISTANT, 0.71},
    };

    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        char path[1024], line[512], host[256], from[300];
        unsigned hosts = 0, found = 0;

        snprintf(path, sizeof path, SOURCE_DIR "/../shared/suites/referer-matomo-list/%s",
                 lists[i].file);
        FILE *file = fopen(path, "r");
        if (file == NULL) {
            print_message("skipped: no %s\n", lists[i].file);
            continue;
        }
        while (fgets(line, sizeof line, file) != NULL) {
            struct arrival a;
            if (sscanf(line, " - %255s", host) != 1 || !is_host(host)) continue;
            snprintf(from, sizeof from, "https://%s/", host);
            arrive("", from, &a);
            bool same = a.channel == lists[i].channel || a.channel == lists[i].also;
            if (getenv("VERBOSE") != NULL && !same)
                print_message("  %s: %s\n", host, channel_name(a.channel));
            hosts++;
            found += same;
        }
        fclose(file);
        print_message("%-18s %u of %u hosts\n", lists[i].file, found, hosts);
        assert_true(hosts > 0 && found >= lists[i].floor * hosts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_long_values),
        cmocka_unit_test(test_matomo_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
