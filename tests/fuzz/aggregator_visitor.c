/* Any bytes: refused, or a fold state that keeps its bytes and can be folded on. */
#include "fold.h"

static void fold_on(struct visitor *v)
{
    static struct fold *f;
    if (f == NULL) f = fold_new();
    struct sitestate site;
    sitestate_init(&site, STR("shop"));
    struct hit h = {.kind = HIT_PAGEVIEW,
                    .site = STR("shop"),
                    .at_ms = 1728000000000,
                    .day = 20000,
                    .visitor = 1,
                    .visitor_kind = VISITOR_DAILY,
                    .pageview = 5,
                    .page = STR("a/b")};
    fold_clear(f);
    if (!fold_add(f, &site, &h, 1)) __builtin_trap();
    h.kind = HIT_EVENT;
    h.number = 3;
    h.name = STR("signup");
    h.list = STR("\4plan\3pro");
    if (!fold_add(f, &site, &h, 1)) __builtin_trap();
    fold_at(f, 0)->state.daily = v;
    if (!fold_run(f) || !deltas_finish(fold_deltas(f))) __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct visitor v = {0}, again = {0};
    if (!visitor_decode((struct str){(const char *)data, n}, &v)) return 0;
    for (int round = 0; round < 2; round++) {
        struct buf a = {0}, b = {0};
        if (!visitor_encode(&v, &a) || !visitor_decode(buf_str(&a), &again)) __builtin_trap();
        if (!visitor_encode(&again, &b) || !str_eq(buf_str(&a), buf_str(&b))) __builtin_trap();
        buf_fini(&a);
        buf_fini(&b);
        visitor_fini(&again);
        if (round == 0) fold_on(&v);
    }
    visitor_fini(&v);
    return 0;
}
