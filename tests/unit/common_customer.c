/* Signatures against a value that another implementation made; what is no signature; records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "customer.h"
#include "guard.h"

#define SECRET "0123456789abcdef"
enum { ENDS = 1800000000 };
/* printf 'shop\nanna\n1800000000' | openssl dgst -sha256 -hmac 0123456789abcdef */
#define HEX   "254966ed7821f24474fa47de184e2073ca9d489090129b67a9cb2c40fb74cdae"
#define TOKEN "1800000000." HEX

static void signs_as_openssl_does(void **state)
{
    char token[CUSTOMER_TOKEN_BYTES];
    (void)state;
    customer_sign(STR(SECRET), STR("shop"), STR("anna"), ENDS, token);
    assert_string_equal(token, TOKEN);
}

static const struct {
    const char *secret, *site, *id, *token;
    int64_t now_s;
    bool good;
} rows[] = {
    {SECRET, "shop", "anna", TOKEN, 0, true},
    {SECRET, "shop", "anna", TOKEN, ENDS - 1, true},
    {SECRET, "shop", "anna", TOKEN, ENDS, false}, /* it has ended */
    {SECRET, "shop", "bert", TOKEN, 0, false},
    {SECRET, "shoq", "anna", TOKEN, 0, false},
    {SECRET "0", "shop", "anna", TOKEN, 0, false},
    {"", "shop", "anna", TOKEN, 0, false},
    {SECRET, "shop", "anna", "1800000001." HEX, 0, false}, /* a later end is not signed */
    {SECRET, "shop", "anna", "01800000000." HEX, 0, false},
    {SECRET, "shop", "anna", "+1800000000." HEX, 0, false},
    {SECRET, "shop", "anna", "9999999999999999." HEX, 0, false},
    {SECRET, "shop", "anna", "." HEX, 0, false},
    {SECRET, "shop", "anna", HEX, 0, false},
    {SECRET, "shop", "anna", "1800000000", 0, false},
    {SECRET, "shop", "anna", "1800000000.", 0, false},
    {SECRET, "shop", "anna", TOKEN "0", 0, false},
    {SECRET, "shop", "anna", TOKEN "00", 0, false},
    {SECRET, "shop", "anna", "1800000000.zz", 0, false},
    {SECRET, "shop", "anna", "", 0, false},
};

static void only_that_is_signed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct guard token = guard_copy(str_of(rows[i].token));
        if (customer_signed(str_of(rows[i].secret), str_of(rows[i].site), str_of(rows[i].id),
                            token.s, rows[i].now_s) != rows[i].good)
            fail_msg("row %zu: %s", i, rows[i].token);
        guard_free(&token);
    }
}

static void no_cut_token_is_good(void **state)
{
    char token[CUSTOMER_TOKEN_BYTES];
    (void)state;
    customer_sign(STR(SECRET), STR("shop"), STR("anna"), ENDS, token);
    struct str whole = str_of(token);
    for (size_t n = 0; n < whole.n; n++) {
        struct guard cut = guard_copy(str_upto(whole, n));
        assert_false(customer_signed(STR(SECRET), STR("shop"), STR("anna"), cut.s, 0));
        guard_free(&cut);
        char c = token[n]; /* and any other byte in any place says something else */
        token[n] = (char)(c == '1' ? '2' : '1');
        assert_false(customer_signed(STR(SECRET), STR("shop"), STR("anna"), whole, 0));
        token[n] = c;
    }
}

static void keys_tell_data_sets_and_sites_apart(void **state)
{
    (void)state;
    uint64_t key = customer_key(STR("d"), STR("shop"), STR("anna"));
    /* printf 'shop\nanna' | openssl dgst -sha256 -hmac d: its first 8 bytes, little-endian */
    assert_true(key == UINT64_C(0x9ee59a6aeb070429));
    assert_true(key != customer_key(STR("e"), STR("shop"), STR("anna")));
    assert_true(key != customer_key(STR("d"), STR("shoq"), STR("anna")));
    assert_true(key != customer_key(STR("d"), STR("shop"), STR("annb")));
}

static void same(const struct customer *a, const struct customer *b)
{
    assert_true(str_eq(a->id, b->id) && a->approximate == b->approximate);
    assert_int_equal(a->visitors_n, b->visitors_n);
    assert_memory_equal(a->visitors, b->visitors, a->visitors_n * sizeof a->visitors[0]);
}

static void record_survives(const struct customer *c)
{
    struct buf b = {0};
    struct customer back;
    assert_true(customer_encode(c, &b));
    struct guard g = guard_copy(buf_str(&b));
    assert_true(customer_decode(g.s, &back));
    same(c, &back);
    for (size_t n = 0; n < g.s.n; n++) { /* a record that is cut is none, or one with fewer */
        struct guard cut = guard_copy(str_upto(g.s, n));
        if (customer_decode(cut.s, &back)) assert_true(back.visitors_n < c->visitors_n);
        guard_free(&cut);
    }
    guard_free(&g);
    buf_fini(&b);
}

static void records_learn_in_any_order(void **state)
{
    struct customer up = {.id = STR("anna")}, down = up, some = up;
    enum { MORE = CUSTOMER_VISITORS_MAX + 5 };
    (void)state;
    assert_true(customer_add(&some, 7) && customer_add(&some, 3) && customer_add(&some, 5));
    assert_false(customer_add(&some, 5));
    assert_true(some.visitors_n == 3 && some.visitors[0] == 3 && some.visitors[2] == 7);
    assert_false(some.approximate);
    record_survives(&some);
    for (uint64_t i = 1; i <= MORE; i++) {
        bool changed = customer_add(&up, i);
        assert_int_equal(changed, i <= CUSTOMER_VISITORS_MAX + 1); /* the first too many: a flag */
        assert_true(customer_add(&down, MORE + 1 - i));
    }
    assert_true(up.approximate && up.visitors_n == CUSTOMER_VISITORS_MAX);
    same(&up, &down);
    record_survives(&up);
    record_survives(&(struct customer){.id = STR("x")});
}

static void what_is_no_record(void **state)
{
    static const struct str bad[] = {
        STR(""),
        STR("\1"),
        STR("\2\1a\0"),                                 /* another version */
        STR("\1\0\0"),                                  /* nobody */
        STR("\1\1a"),                                   /* no flags */
        STR("\1\1a\2"),                                 /* unknown flag */
        STR("\1\1a\0\1\0\0\0\0\0\0"),                   /* half a visitor */
        STR("\1\1a\0\2\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0"), /* not rising */
        STR("\1\1a\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0"), /* twice */
    };
    struct customer c;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct guard g = guard_copy(bad[i]);
        assert_false(customer_decode(g.s, &c));
        guard_free(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_as_openssl_does),
        cmocka_unit_test(only_that_is_signed),
        cmocka_unit_test(no_cut_token_is_good),
        cmocka_unit_test(keys_tell_data_sets_and_sites_apart),
        cmocka_unit_test(records_learn_in_any_order),
        cmocka_unit_test(what_is_no_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
