/* A hit survives encoding; whatever else the bytes are, decoding never reads past them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "bytes.h"
#include "guard.h"
#include "hit.h"

static const struct hit samples[] = {
    {.kind = HIT_PAGEVIEW, .site = {"shop", 4}, .page = {"shop.example/a", 14}},
    {.kind = HIT_PAGEVIEW,
     .site = {"s", 1},
     .at_ms = 1769600000123,
     .day = 20481,
     .visitor = UINT64_MAX,
     .visitor_kind = VISITOR_CONSENTED,
     .pageview = 1,
     .number = 255,
     .page = {"h/\xc3\xa9", 4},
     .status = 404,
     .channel = CHANNEL_CROSS_NETWORK,
     .source = {"news.example", 12},
     .campaign = {"spring", 6},
     .country = {'F', 'R'},
     .device = DEVICE_TV,
     .browser = BROWSER_OTHER,
     .os = OS_OTHER,
     .bot = {"Googlebot", 9},
     .engaged_ms = ENGAGED_MAX_MS,
     .depth = 100,
     .errors = ERRORS_MAX,
     .target = {"other.example/x", 15},
     .name = {"signup", 6},
     .list = {"\0\3h/a", 5},
     .flags = HIT_INTERACTION | HIT_IMPORTED | HIT_GOAL},
    {.kind = HIT_IDENTIFY, .site = {"s", 1}, .visitor = 1, .customer = {"anna", 4}},
    {.kind = HIT_CONTROL, .site = {"s", 1}, .name = {"menu", 4}},
    {.kind = HIT_CATALOGUE, .site = {"s", 1}, .at_ms = 1, .page = {"h/a", 3}, .modified = 20481},
    {.kind = HIT_CATALOGUE_END, .site = {"s", 1}, .at_ms = 1, .n = 200000},
    {.kind = HIT_TALLY, .verdict = V_NO_CONSENT, .n = UINT32_MAX, .at_ms = 1},
};

static void same(const struct hit *a, const struct hit *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_true(str_eq(a->site, b->site) && str_eq(a->page, b->page));
    assert_true(str_eq(a->source, b->source) && str_eq(a->campaign, b->campaign));
    assert_true(str_eq(a->list, b->list) && str_eq(a->customer, b->customer));
    assert_true(str_eq(a->bot, b->bot) && str_eq(a->target, b->target) && str_eq(a->name, b->name));
    assert_memory_equal(a->country, b->country, 2);
    assert_true(a->at_ms == b->at_ms && a->day == b->day && a->number == b->number);
    assert_true(a->visitor == b->visitor && a->pageview == b->pageview);
    assert_int_equal(a->visitor_kind, b->visitor_kind);
    assert_true(a->status == b->status && a->channel == b->channel && a->device == b->device);
    assert_true(a->browser == b->browser && a->os == b->os && a->flags == b->flags);
    assert_true(a->engaged_ms == b->engaged_ms && a->depth == b->depth);
    assert_int_equal(a->errors, b->errors);
    assert_true(a->verdict == b->verdict && a->n == b->n && a->modified == b->modified);
}

static void round_trip(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct buf b;
        struct hit back;
        buf_init(&b, HIT_MAX_BYTES);
        assert_true(hit_encode(&samples[i], &b));
        struct guard g = guard_copy(buf_str(&b));
        assert_true(hit_decode(g.s, &back));
        same(&samples[i], &back);
        /* Cut anywhere it is either no hit, or one with fewer fields; never a crash. */
        for (size_t n = 0; n < g.s.n; n++) {
            struct guard cut = guard_copy(str_upto(g.s, n));
            hit_decode(cut.s, &back);
            guard_free(&cut);
        }
        guard_free(&g);
        buf_fini(&b);
    }
}

static void unknown_fields_are_skipped(void **state)
{
    (void)state;
    static const char bytes[] = "\x01"
                                "\x04\x01"     /* kind = pageview */
                                "\x0a\x01s"    /* site = s */
                                "\xfc\x07\x05" /* id 255, varint */
                                "\xfd\x07"
                                "12345678" /* id 255, 8 bytes */
                                "\xfe\x07\x03"
                                "abc" /* id 255, bytes */
                                "\x26\x03"
                                "h/a"; /* page */
    struct hit h;
    assert_true(hit_decode((struct str){bytes, sizeof bytes - 1}, &h));
    assert_true(str_eq(h.page, STR("h/a")) && str_eq(h.site, STR("s")));
}

static void what_is_no_hit(void **state)
{
    (void)state;
    static const struct {
        struct str in;
        const char *why;
    } cases[] = {
        {{"", 0}, "empty"},
        {{"\x02\x04\x01", 3}, "another version"},
        {{"\x01", 1}, "no kind"},
        {{"\x01\x04\x3f", 3}, "a kind that does not exist"},
        {{"\x01\x07\x01", 3}, "type 3"},
        {{"\x01\x0a\x05s", 4}, "a length past the end"},
        {{"\x01\x04\x01\x20\x80\x02", 6}, "a number past the limit of a pageview"},
        {{"\x01\x04\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 12}, "a varint over 64 bits"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct guard g = guard_copy(cases[i].in);
        struct hit h;
        if (hit_decode(g.s, &h)) fail_msg("decoded: %s", cases[i].why);
        guard_free(&g);
    }
}

static void a_full_buffer_takes_nothing(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 20);
    assert_false(hit_encode(&samples[1], &b));
    assert_int_equal(b.n, 0);
    buf_fini(&b);
}

/* "left out:page page" of a list in a guarded copy. */
static void packed_lists(void **state)
{
    static const struct {
        struct str list;
        const char *want;
    } lists[] = {
        {{"", 0}, "0:"},
        {{"\0", 1}, "0:"},
        {{"\2\3h/a\3h/b", 9}, "2:h/a h/b "},
        {{"\0\3h/a\4h/b", 9}, "0:h/a "}, /* cut off */
        {{"\1\3h/a\5*menu\3h/b\2*x", 18}, "1:h/a h/b *menu *x "},
        {{"\0\0\3h/a", 6}, "0:"}, /* no page is empty */
        {{"\x41\3h/a", 5}, "0:"}, /* more than a hit has links */
        {{"\x80", 1}, "0:"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct guard g = guard_copy(lists[i].list);
        struct hit_links links = hit_links_open(g.s);
        struct str page;
        char got[64];
        int n = snprintf(got, sizeof got, "%u:", (unsigned)links.left_out);
        while (hit_links_next(&links, &page))
            n += snprintf(got + n, sizeof got - (size_t)n, "%.*s ", STR_ARG(page));
        links = hit_links_open(g.s);
        while (hit_controls_next(&links, &page))
            n += snprintf(got + n, sizeof got - (size_t)n, "*%.*s ", STR_ARG(page));
        assert_string_equal(got, lists[i].want);
        guard_free(&g);
    }
}

static void money(void **state)
{
    static const int64_t sums[] = {0, 1, 127, 128, 1999, HIT_MONEY_MAX};
    static const struct str none[] = {{"", 0},
                                      {"EU", 2},
                                      {"EUR", 3},
                                      {"EUR\x80", 4},
                                      {"EUR\x01x", 5},
                                      {"EUR\xff\xff\xff\xff\xff\x7f", 9},
                                      {"EUR\x01order..", 11},
                                      {"EUR\x01order...x", 13}};
    static const uint64_t orders[] = {0, 1, UINT64_MAX};
    struct str currency;
    int64_t minor;
    (void)state;
    for (size_t i = 0; i < 3 * sizeof sums / sizeof *sums; i++) {
        char bytes[HIT_MONEY_BYTES];
        uint64_t order = orders[i % 3];
        size_t n = hit_put_money(bytes, STR("EUR"), sums[i / 3], order);
        struct guard g = guard_copy((struct str){bytes, n});
        assert_true(hit_money(g.s, &currency, &minor));
        assert_true(str_eq(currency, STR("EUR")) && minor == sums[i / 3]);
        assert_int_equal(hit_order(g.s), order);
        guard_free(&g);
    }
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        struct guard g = guard_copy(none[i]);
        assert_false(hit_money(g.s, &currency, &minor));
        assert_int_equal(hit_order(g.s), 0);
        guard_free(&g);
    }
}

static void weights(void **state)
{
    (void)state;
    assert_int_equal(hit_weight(&samples[0]), 1);
    assert_int_equal(hit_weight(&(struct hit){.kind = HIT_TALLY, .n = 7}), 7);
}

static void varints(void **state)
{
    (void)state;
    static const uint64_t values[] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        unsigned char bytes[VARINT_MAX_BYTES];
        size_t n = (size_t)(put_varint(bytes, values[i]) - bytes);
        struct guard g = guard_copy((struct str){(char *)bytes, n});
        struct reader r = reader_of(g.s);
        assert_true(get_varint(&r) == values[i] && reader_done(&r) && !r.bad);
        r = reader_of(str_upto(g.s, n - 1));
        get_varint(&r);
        assert_true(r.bad);
        guard_free(&g);
    }
    static const int64_t both[] = {0, -1, 1, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < 5; i++)
        assert_true(unzigzag(zigzag(both[i])) == both[i]);
}

static void every_enum_has_a_name(void **state)
{
    (void)state;
    for (unsigned i = HIT_PAGEVIEW; i <= HIT_TALLY; i++)
        assert_non_null(hit_kind_name(i));
    assert_string_equal(hit_kind_name(HIT_SEEN), "seen");
    assert_string_equal(hit_kind_name(HIT_IDENTIFY), "identify");
    assert_non_null(hit_kind_name(HIT_KINDS - 1));
    assert_null(hit_kind_name(HIT_KINDS));
    for (unsigned i = 0; i < DEVICES; i++)
        assert_non_null(device_name(i));
    for (unsigned i = 0; i < BROWSERS; i++)
        assert_non_null(browser_name(i));
    for (unsigned i = 0; i < OSES; i++)
        assert_non_null(os_name(i));
    for (unsigned i = 0; i < CHANNELS; i++)
        assert_non_null(channel_name(i));
    for (unsigned i = 0; i < VERDICTS; i++)
        assert_non_null(verdict_name(i));
    assert_null(device_name(DEVICES));
}

/* Of any length that it can have, and the same hit. */
static void test_filled(void **state)
{
    (void)state;
    struct buf plain = {0}, filled = {0};
    const struct hit tally = {.kind = HIT_TALLY, .site = STR("s"), .verdict = V_FORGOTTEN, .n = 1};
    struct hit back;
    assert_true(hit_encode(&tally, &plain));
    assert_false(hit_encode_filled(&tally, plain.n - 1, &filled));
    buf_clear(&filled);
    assert_false(hit_encode_filled(&tally, plain.n + 1, &filled));
    for (size_t n = plain.n; n < plain.n + 400 || n == HIT_MAX_BYTES; n++) {
        if (n == plain.n + 1) continue;
        if (n == plain.n + 399) n = HIT_MAX_BYTES;
        buf_clear(&filled);
        assert_true(hit_encode_filled(&tally, n, &filled));
        assert_int_equal(filled.n, n);
        assert_true(hit_decode(buf_str(&filled), &back));
        same(&tally, &back);
    }
    buf_fini(&plain);
    buf_fini(&filled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),     cmocka_unit_test(unknown_fields_are_skipped),
        cmocka_unit_test(what_is_no_hit), cmocka_unit_test(a_full_buffer_takes_nothing),
        cmocka_unit_test(packed_lists),   cmocka_unit_test(money),
        cmocka_unit_test(weights),        cmocka_unit_test(varints),
        cmocka_unit_test(test_filled),    cmocka_unit_test(every_enum_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
