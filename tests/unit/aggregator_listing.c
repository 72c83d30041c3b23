/* Catalogue records through a batch: fields, names, ledger; and no trace among the site's figures.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>

#include "batch.h"
#include "bytes.h"
#include "catalogue.h"
#include "hash.h"
#include "hit.h"
#include "sitestate.h"

enum { P = 3 };

/* What Redis would hold: nothing but what batches committed, which the store still knows. */
static struct store *store;
static struct batch *batch;

static int set_up(void **state)
{
    (void)state;
    store = store_new(1 << 20);
    static const struct retention keep = {.days = 400, .months = 25};
    batch = batch_new(store, &keep);
    return store == NULL || batch == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    batch_free(batch);
    store_free(store);
    return 0;
}

static enum batch_result run(const struct hit *hits, size_t n)
{
    struct buf records = {0};
    for (size_t i = 0; i < n; i++) {
        struct buf one = {0};
        assert_true(hit_encode(&hits[i], &one));
        buf_add_le64(&records, i + 1);
        buf_add_le32(&records, 1);
        buf_add_le32(&records, (uint32_t)one.n);
        buf_add(&records, buf_str(&one));
        buf_fini(&one);
    }
    assert_true(batch_begin(batch, P, records.n, STR("")));
    assert_true(batch_add(batch, n, buf_str(&records)));
    buf_fini(&records);
    enum batch_result result;
    while ((result = batch_step(batch)) == BATCH_LOAD) {
        struct store_batch *use = batch_use(batch);
        for (size_t i = 0; i < use->n; i++) {
            if (!use->entries[i]->known) assert_true(store_loaded(store, use->entries[i], STR("")));
        }
    }
    return result;
}

static struct str value_of(struct key key, struct str field)
{
    static char room[256];
    struct store_batch use = {0};
    struct store_entry *e = store_use(store, &use, P, key_str(&key), field);
    assert_non_null(e);
    struct str value = {room, e->value.n};
    assert_true(value.n <= sizeof room);
    if (value.n > 0) memcpy(room, e->value.p, value.n);
    store_done(store, &use, false);
    return value;
}

static struct str id_of(const char *page, char id[8])
{
    store_le64(id, hash64(str_of(page)));
    return (struct str){id, 8};
}

static struct hit listed(const char *page, int64_t at_ms)
{
    return (struct hit){.kind = HIT_CATALOGUE,
                        .site = STR("shop"),
                        .at_ms = at_ms,
                        .day = 20481,
                        .page = str_of(page),
                        .name = STR("Title"),
                        .modified = 20000};
}

static struct hit end(int64_t at_ms, uint32_t n)
{
    return (struct hit){.kind = HIT_CATALOGUE_END, .site = STR("shop"), .at_ms = at_ms, .n = n};
}

static void pages_are_listed_and_named(void **state)
{
    (void)state;
    char id[8];
    struct catalogue_page page;
    struct catalogue_head head;
    const struct hit first[] = {listed("h/a", 1000), listed("h/b", 1000), end(1000, 2)};
    const struct hit second[] = {listed("h/b", 2000), end(2000, 1)};
    assert_int_equal(run(first, 3), BATCH_READY);
    assert_int_equal(batch_ledger(batch)[V_CATALOGUE], 3);
    assert_int_equal(batch_ledger(batch)[V_COUNTED], 0);
    batch_end(batch, true);
    assert_int_equal(run(second, 2), BATCH_READY);
    batch_end(batch, true);

    assert_true(catalogue_head_decode(value_of(key_catalogue(P, STR("shop")), CATALOGUE_HEAD_FIELD),
                                      &head));
    assert_true(head.complete_ms == 2000 && head.named == 1 && head.pages == 2 && head.over == 0);
    assert_true(
        catalogue_page_decode(value_of(key_catalogue(P, STR("shop")), id_of("h/a", id)), &page));
    assert_true(page.first_ms == 1000 && page.last_ms == 1000 && !catalogue_listed(&page, &head));
    assert_true(page.modified == 20000 && str_eq(page.title, STR("Title")));
    assert_true(
        catalogue_page_decode(value_of(key_catalogue(P, STR("shop")), id_of("h/b", id)), &page));
    assert_true(page.first_ms == 1000 && page.last_ms == 2000 && catalogue_listed(&page, &head));
    assert_true(str_eq(value_of(key_pages(P, STR("shop")), id_of("h/a", id)), STR("h/a")));
    assert_int_equal(value_of(key_day(P, STR("shop"), 20481), STR("L")).n, 0);
}

static void the_site_has_seen_no_hit(void **state)
{
    (void)state;
    struct sitestate site;
    const struct hit one = listed("h/a", 1000);
    assert_int_equal(run(&one, 1), BATCH_READY);
    batch_end(batch, true);
    sitestate_init(&site, STR("shop"));
    assert_true(sitestate_decode(value_of(key_sites(P), STR("shop")), &site));
    assert_true(site.hits == 0 && site.last_day == 0 && site.watermark_ms == 0);
}

static void damage_is_unreadable(void **state)
{
    (void)state;
    const struct hit bad[] = {listed("", 1000), listed("h/a", 0), end(HIT_AT_MAX_MS + 1, 1)};
    assert_int_equal(run(bad, 3), BATCH_READY);
    assert_int_equal(batch_ledger(batch)[V_UNREADABLE], 3);
    batch_end(batch, true);
    assert_int_equal(value_of(key_catalogue(P, STR("shop")), CATALOGUE_HEAD_FIELD).n, 0);
}

static void set_field(struct key key, struct str field, struct str value)
{
    struct store_batch use = {0};
    struct store_entry *e = store_use(store, &use, P, key_str(&key), field);
    assert_non_null(e);
    assert_true(store_set(store, e, value));
    store_done(store, &use, true);
}

static void what_is_over_the_limit_is_said(void **state)
{
    (void)state;
    char id[8];
    struct buf packed = {0};
    struct catalogue_head head = {.pages = CATALOGUE_PAGES_MAX - 1};
    const struct hit hits[] = {listed("h/a", 1000), listed("h/b", 1000), listed("h/a", 2000)};
    assert_true(catalogue_head_encode(&head, &packed));
    set_field(key_catalogue(P, STR("shop")), CATALOGUE_HEAD_FIELD, buf_str(&packed));
    buf_fini(&packed);
    assert_int_equal(run(hits, 3), BATCH_READY);
    assert_int_equal(batch_ledger(batch)[V_CATALOGUE], 2);
    assert_int_equal(batch_ledger(batch)[V_TOO_MANY], 1);
    batch_end(batch, true);
    assert_true(catalogue_head_decode(value_of(key_catalogue(P, STR("shop")), CATALOGUE_HEAD_FIELD),
                                      &head));
    assert_true(head.pages == CATALOGUE_PAGES_MAX && head.over == 1);
    assert_int_equal(value_of(key_catalogue(P, STR("shop")), id_of("h/b", id)).n, 0);
    assert_int_equal(value_of(key_pages(P, STR("shop")), id_of("h/b", id)).n, 0);
}

static void a_damaged_field_stops_the_batch(void **state)
{
    (void)state;
    const struct hit one = listed("h/a", 1000);
    set_field(key_catalogue(P, STR("shop")), CATALOGUE_HEAD_FIELD, STR("\x7f"));
    assert_int_equal(run(&one, 1), BATCH_DAMAGED);
    batch_end(batch, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pages_are_listed_and_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_site_has_seen_no_hit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damage_is_unreadable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_over_the_limit_is_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_field_stops_the_batch, set_up, tear_down),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
