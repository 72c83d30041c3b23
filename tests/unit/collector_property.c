/* property.c, with what beacon.c hands to it: an event's text, or JSON -> its name and properties.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "beacon.h"
#include "guard.h"
#include "property.h"

#define A64  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A128 A64 A64
/* As many bytes, each of them escaped. */
#define E16  "%25C3%25A4%25C3%25A4%25C3%25A4%25C3%25A4%25C3%25A4%25C3%25A4%25C3%25A4%25C3%25A4"
#define E128 E16 E16 E16 E16 E16 E16 E16 E16
#define SIXTEEN                                                                                    \
    "a=1%26b=1%26c=1%26d=1%26e=1%26f=1%26g=1%26h=1%26i=1%26j=1%26k=1%26l=1%26m=1%26n=1%26o=1%26p=" \
    "1"

static char said[8192];

/* "name{key=value;...}", "sum currency", or why not. */
static void note(void *arg, unsigned line, enum verdict v, const struct fields *f,
                 const char *field)
{
    static struct property_room room;
    static char list[HIT_LIST_MAX_BYTES];
    struct hit hit = {.kind = HIT_EVENT, .flags = HIT_INTERACTION};
    struct hit_property p;
    struct str currency;
    int64_t minor;
    (void)arg, (void)line;

    if (v == V_COUNTED) v = property_read(f, &room, list, &hit, &field);
    if (v != V_COUNTED) {
        snprintf(said, sizeof said, "%s:%s", verdict_name(v), field == NULL ? "" : field);
        return;
    }
    assert_null(field);
    if (hit.kind == HIT_PURCHASE) {
        assert_true(hit_money(hit.list, &currency, &minor));
        assert_true(hit.flags == HIT_INTERACTION && hit.name.n == 0);
        snprintf(said, sizeof said, "%lld %.*s", (long long)minor, STR_ARG(currency));
        return;
    }
    int n = snprintf(said, sizeof said, "%s%s%.*s{", hit.flags & HIT_GOAL ? "goal " : "",
                     hit.flags & HIT_INTERACTION ? "" : "passive ", STR_ARG(hit.name));
    for (struct str rest = hit.list; hit_properties_next(&rest, &p);)
        n += snprintf(said + n, sizeof said - (size_t)n, "%.*s=%.*s;", STR_ARG(p.key),
                      STR_ARG(p.value));
    snprintf(said + n, sizeof said - (size_t)n, "}");
}

static const struct {
    const char *body, *want;
} cases[] = {
    {"m=signup", "signup{}"},
    {"m=signup?", "signup{}"},
    {"m=signup%3Fplan=pro", "signup{plan=pro;}"},
    {"m=signup?size=2%26plan=pro", "signup{plan=pro;size=2;}"}, /* in the order of keys */
    {"m=a?b=c?d=e", "a{b=c?d=e;}"},                             /* the first '?' alone */
    {"m=a?b", "a{b=;}"},
    {"m=a?%3Dx%26%26b=1", "a{b=1;}"},                         /* without a key it is none */
    {"m=a?b=1%26b=2", "a{b=2;}"},                             /* the last one counts */
    {"m=a?b=100%25%26c=%25C3%25A4", "a{b=100%;c=\xc3\xa4;}"}, /* a '%' may be a '%' */
    {"m=a?b=x%252By%2Bz", "a{b=x+y z;}"},
    {"m=Hi+me@mail.example?to=you@mail.example%26n=1234567890", "(email){n=(number);to=(email);}"},
    {"m=?b=1", "bad_query:m"},
    {"m=", "bad_query:"},
    {"k=ev", "bad_query:m"},
    {"m=" A128 "?" A64 "=" A128, A128 "{" A64 "=" A128 ";}"},
    {"m=" A128 "a?b=1", "too_long:m"},
    {"m=a?" A64 "a=1", "too_long:m"},
    {"m=a?b=" A128 "a", "too_long:m"},
    {"m=a?b=" E128 "%25C3%25A4", "too_long:m"},
    {"m=a?" SIXTEEN, "a{a=1;b=1;c=1;d=1;e=1;f=1;g=1;h=1;i=1;j=1;k=1;l=1;m=1;n=1;o=1;p=1;}"},
    {"m=a?" SIXTEEN "%26q=1", "too_many:m"},
    {"m=a?b=%2509", "bad_utf8:m"}, /* the border of row names is no text */
    {"m=a?b=%25C3", "bad_utf8:m"},
    {"m=a%0a", "bad_utf8:m"},
    {"{\"m\":\"a\",\"properties\":{\"plan\":\"pro\",\"size\":2,\"cheap\":false,\"new\":true}}",
     "a{cheap=false;new=true;plan=pro;size=2;}"},
    {"{\"name\":\"a\",\"properties\":{\"x\":0.1,\"y\":19.99,\"z\":1e300,\"w\":-3.0}}",
     "a{w=-3;x=0.1;y=19.99;z=1e+300;}"},
    {"{\"m\":\"a?plan=free&b=1\",\"properties\":{\"plan\":\"pro\"}}", "a{b=1;plan=pro;}"},
    {"{\"m\":\"a\",\"properties\":{\"x\":null,\"\":1,\"y\":\"\"}}", "a{y=;}"},
    {"{\"m\":\"a\",\"properties\":null}", "a{}"},
    {"{\"m\":\"a\",\"properties\":{}}", "a{}"},
    {"{\"m\":\"a\",\"properties\":{\"x\":{}}}", "bad_json:properties"},
    {"{\"m\":\"a\",\"properties\":{\"x\":[1]}}", "bad_json:properties"},
    {"{\"m\":\"a\",\"properties\":[]}", "bad_json:properties"},
    {"{\"m\":\"a\",\"properties\":\"x=1\"}", "bad_json:properties"},
    {"{\"m\":\"a\",\"properties\":{\"" A64 "a\":1}}", "too_long:properties"},
    {"{\"m\":\"a\",\"properties\":{\"x\":\"" A128 "a\"}}", "too_long:properties"},
    {"{\"m\":\"a\",\"properties\":{\"x\":\"\\u0007\"}}", "bad_utf8:properties"},
    {"{\"m\":\"a?q=1\",\"properties\":{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,"
     "\"h\":1,\"i\":1,\"j\":1,\"k\":1,\"l\":1,\"m\":1,\"n\":1,\"o\":1,\"p\":1}}",
     "too_many:properties"},
    /* what is said of the event itself */
    {"m=a?goal=1", "goal a{}"},
    {"m=a?passive=true%26b=1%26goal=1", "goal passive a{b=1;}"},
    {"m=a?goal=0%26passive=false", "a{}"},
    {"m=a?goal=1%26goal=0", "a{}"},
    {"m=a?goal=newsletter%26passive=", "a{goal=newsletter;passive=;}"},
    {"m=a?goals=1", "a{goals=1;}"},
    {"{\"m\":\"a\",\"properties\":{\"goal\":true,\"passive\":1,\"x\":0}}", "goal passive a{x=0;}"},
    {"m=a?" SIXTEEN "%26goal=1", "too_many:m"},
    /* purchases */
    {"m=purchase?value=49.90%26currency=EUR", "4990 EUR"},
    {"m=purchase?value=49.9%26currency=EUR%26coupon=may%26goal=1%26passive=1", "4990 EUR"},
    {"m=purchase?value=1234567890%26currency=VND", "1234567890 VND"}, /* no phone number */
    {"{\"m\":\"purchase\",\"properties\":{\"value\":0.30000000000000004,\"currency\":\"EUR\"}}",
     "30 EUR"},
    {"{\"m\":\"purchase\",\"properties\":{\"value\":12,\"currency\":\"KWD\",\"order\":7}}",
     "12000 KWD"},
    {"m=purchase?value=1%26value=2%26currency=EUR", "200 EUR"},
    {"m=purchase", "purchase{}"}, /* no sum, no purchase */
    {"m=purchase?order=7%26goal=1", "goal purchase{order=7;}"},
    {"m=Purchase?value=1%26currency=EUR", "Purchase{currency=EUR;value=1;}"},
    {"m=purchase?value=1", "bad_query:currency"},
    {"m=purchase?value=1%26currency=eur", "bad_query:currency"},
    {"m=purchase?value=1%26currency=EURO", "bad_query:currency"},
    {"m=purchase?currency=EUR", "bad_number:value"},
    {"m=purchase?value=49,90%26currency=EUR", "bad_number:value"},
    {"m=purchase?value=1%26currency=EUR%26order=" A64, "100 EUR"},
    {"m=purchase?value=1%26currency=EUR%26order=" A64 "a", "too_long:order"},
    {"m=purchase?value=1%26currency=EUR%26order=%2509", "bad_utf8:m"},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct guard in = guard_copy(str_of(cases[i].body)), scratch = guard_copy(in.s);
        said[0] = '\0';
        beacon_read(in.s, 1, (char *)scratch.s.p, scratch.s.n, note, NULL);
        if (strcmp(said, cases[i].want) != 0)
            fail_msg("%s: %s, not %s", cases[i].body, said, cases[i].want);
        guard_free(&in);
        guard_free(&scratch);
    }
}

/* All that the limits allow fits, even if every byte of it is escaped. */
static void test_largest(void **state)
{
    static char body[64 * 1024];
    size_t n = (size_t)snprintf(body, sizeof body, "m=a?");
    (void)state;
    for (int i = 0; i < HIT_PROPERTIES_MAX; i++) {
        for (int k = 0; k < HIT_KEY_MAX_BYTES; k++)
            n += (size_t)snprintf(body + n, sizeof body - n, "%%25%02X", k == 0 ? 'a' + i : 'b');
        n += (size_t)snprintf(body + n, sizeof body - n, "=");
        for (int k = 0; k < HIT_VALUE_MAX_BYTES; k++)
            n += (size_t)snprintf(body + n, sizeof body - n, "%%25%02X", 'c');
        n += (size_t)snprintf(body + n, sizeof body - n, "%%26");
    }
    struct guard in = guard_copy((struct str){body, n}), scratch = guard_copy(in.s);
    beacon_read(in.s, 1, (char *)scratch.s.p, scratch.s.n, note, NULL);
    assert_int_equal(strlen(said),
                     3 + HIT_PROPERTIES_MAX * (2 + HIT_KEY_MAX_BYTES + HIT_VALUE_MAX_BYTES));
    guard_free(&in);
    guard_free(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases),
                                       cmocka_unit_test(test_largest)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
