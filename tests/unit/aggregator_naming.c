/* Records of customers as a batch writes them: when something is new, and when a visitor begins
 * anew though the record seems to know it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bytes.h"
#include "customer.h"
#include "naming.h"

enum { ANNA = 4711, KNOWN = 7, OTHER = 8 };

static const struct {
    uint64_t visitor;
    bool counts, forgets, anew, written;
    unsigned visitors; /* in the record then */
} rows[] = {
    {KNOWN, .counts = true, .visitors = 1},
    {KNOWN, .counts = true, .anew = true, .written = true, .visitors = 1},
    {OTHER, .counts = true, .written = true, .visitors = 2},
    {OTHER, .counts = false, .anew = true, .visitors = 1},
    {OTHER, .counts = true, .forgets = true, .visitors = 1},
    {KNOWN, .counts = true, .forgets = true, .written = true, .visitors = 0},
};

static void load(struct store *store, const struct store_batch *use)
{
    struct customer c = {.id = STR("anna")};
    struct buf record = {0};
    assert_int_equal(use->n, 1);
    assert_true(customer_add(&c, KNOWN) && customer_encode(&c, &record));
    assert_true(store_loaded(store, use->entries[0], buf_str(&record)));
    buf_fini(&record);
}

static void records(void **state)
{
    static struct sitestate site;
    (void)state;
    sitestate_init(&site, STR("shop"));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct store *store = store_new(1 << 20);
        struct store_batch use = {0};
        struct namings namings = {0};
        const struct store_entry *damaged;
        const struct fold_named named = {.site = &site,
                                         .customer = ANNA,
                                         .visitor = rows[i].visitor,
                                         .id = STR("anna"),
                                         .counts = rows[i].counts,
                                         .forgets = rows[i].forgets,
                                         .anew = rows[i].anew};
        struct customer c = {.visitors_n = 0};
        assert_true(namings_need(&namings, store, &use, 3, &named));
        load(store, &use);
        assert_int_equal(namings_apply(&namings, store, &damaged), PACK_OK);
        assert_int_equal(use.entries[0]->dirty, rows[i].written);
        assert_int_equal(use.entries[0]->value.n > 0, rows[i].visitors > 0);
        if (rows[i].visitors > 0) assert_true(customer_decode(use.entries[0]->value, &c));
        assert_int_equal(c.visitors_n, rows[i].visitors);
        namings_fini(&namings);
        store_done(store, &use, true);
        store_free(store);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(records)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
