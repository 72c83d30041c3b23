/*
 * Per order the least purchase by (at, pageview, number, page) stays: a register, so neither order
 * nor repeats show. Whoever counts takes away what the greater one had added.
 *
 * There are few orders in a life, and they are looked for one by one. Beyond the bound the oldest
 * goes; told once more it would count again, and the caller says so by its "approximate".
 */
#include "order.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void orders_fini(struct orders *o)
{
    free(o->all);
    *o = (struct orders){0};
}

#define BY(field)                                                                                  \
    if (a->field != b->field) return a->field < b->field ? -1 : 1

static int in_time(const struct order *a, const struct order *b)
{
    BY(at_ms);
    BY(pageview);
    BY(number);
    BY(what.page);
    BY(id);
    return 0;
}
#undef BY

static bool is_same(const struct order *a, const struct order *b)
{
    return a->pageview != 0 && a->pageview == b->pageview && a->number == b->number;
}

static uint32_t find(const struct orders *o, uint64_t id)
{
    uint32_t i = 0;
    while (i < o->n && o->all[i].id != id)
        i++;
    return i;
}

static void take_out(struct orders *o, uint32_t i)
{
    o->n--;
    memmove(o->all + i, o->all + i + 1, (o->n - i) * sizeof *o->all);
}

static void put_in(struct orders *o, const struct order *told)
{
    uint32_t i = o->n++;
    for (; i > 0 && in_time(&o->all[i - 1], told) > 0; i--)
        o->all[i] = o->all[i - 1];
    o->all[i] = *told;
}

/* The oldest goes; it may be the one that has just come. */
static enum order_fate put_new(struct orders *o, const struct order *told, bool *crossed)
{
    if (o->all == NULL && (o->all = calloc(ORDERS_MAX, sizeof *o->all)) == NULL)
        return ORDER_MEMORY;
    if (o->n == ORDERS_MAX) {
        *crossed = true;
        if (in_time(told, &o->all[0]) < 0) return ORDER_NEW;
        take_out(o, 0);
    }
    put_in(o, told);
    return ORDER_NEW;
}

enum order_fate orders_take(struct orders *o, const struct order *told, struct order *was,
                            bool *crossed)
{
    uint32_t i = find(o, told->id);
    if (i == o->n) return put_new(o, told, crossed);
    *was = o->all[i];
    bool same = is_same(told, was);
    if (in_time(told, was) >= 0) return same ? ORDER_SAME : ORDER_AGAIN;
    take_out(o, i);
    put_in(o, told);
    return same ? ORDER_SAME : ORDER_EARLIER;
}

void orders_forget(struct orders *o, int64_t until_ms)
{
    while (o->n > 0 && o->all[0].at_ms <= until_ms)
        take_out(o, 0);
}

bool orders_encode(const struct orders *o, struct buf *out)
{
    bool ok = buf_add_varint(out, o->n);
    int64_t before = 0;
    for (uint32_t i = 0; i < o->n; i++) {
        const struct order *one = &o->all[i];
        ok &= buf_add_le64(out, one->id);
        ok &= buf_add_varint(out, (uint64_t)(one->at_ms - before));
        ok &= buf_add_le64(out, one->pageview);
        ok &= buf_add_varint(out, one->number);
        ok &= buf_add_le64(out, one->what.page);
        ok &= buf_add_varint(out, one->what.day);
        ok &= buf_add(out, (struct str){one->what.currency, HIT_CURRENCY_BYTES});
        ok &= buf_add_varint(out, (uint64_t)one->what.minor);
        before = one->at_ms;
    }
    return ok;
}

static bool get_order(struct reader *r, int64_t before, struct order *one)
{
    one->id = get_le64(r);
    one->at_ms = before + (int64_t)get_upto(r, INT64_MAX - (uint64_t)before);
    one->pageview = get_le64(r);
    one->number = (uint32_t)get_upto(r, UINT32_MAX);
    one->what.page = get_le64(r);
    one->what.day = (uint32_t)get_upto(r, UINT32_MAX);
    struct str currency = get_bytes(r, HIT_CURRENCY_BYTES);
    if (!r->bad) memcpy(one->what.currency, currency.p, HIT_CURRENCY_BYTES);
    one->what.minor = (int64_t)get_upto(r, (uint64_t)HIT_MONEY_MAX);
    return !r->bad;
}

bool orders_get(struct reader *r, struct orders *o)
{
    uint64_t n = get_upto(r, ORDERS_MAX);
    int64_t before = 0;
    assert(o->all == NULL);
    if (!r->bad && n > 0) o->all = calloc(ORDERS_MAX, sizeof *o->all);
    bool ok = !r->bad && (n == 0 || o->all != NULL);
    for (; ok && o->n < n; o->n++) {
        ok = get_order(r, before, &o->all[o->n]);
        if (ok && o->n > 0) ok = in_time(&o->all[o->n - 1], &o->all[o->n]) < 0;
        before = o->all[o->n].at_ms;
    }
    if (!ok) orders_fini(o);
    return ok;
}
