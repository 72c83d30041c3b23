/* Stream entries: every record once, damage told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bytes.h"
#include "guard.h"
#include "intake.h"

struct seen {
    uint64_t seqs[8];
    uint32_t weights[8];
    bool read[8];
    size_t n;
};

static void see(void *arg, uint64_t seq, uint32_t weight, const struct hit *hit)
{
    struct seen *s = arg;
    assert_true(s->n < 8);
    s->seqs[s->n] = seq;
    s->weights[s->n] = weight;
    s->read[s->n++] = hit != NULL;
    if (hit != NULL) assert_true(str_eq(hit->site, STR("shop")));
}

static void add_record(struct buf *b, uint64_t seq, uint32_t weight, struct str hit)
{
    buf_add_le64(b, seq);
    buf_add_le32(b, weight);
    buf_add_le32(b, (uint32_t)hit.n);
    buf_add(b, hit);
}

static void test_entry(void **state)
{
    (void)state;
    struct hit h = {.kind = HIT_PAGEVIEW,
                    .site = STR("shop"),
                    .at_ms = 1728000000000,
                    .day = 20000,
                    .page = STR("shop.example/")};
    struct buf hit = {0}, entry = {0};
    assert_true(hit_encode(&h, &hit));
    size_t ends[4] = {0};
    add_record(&entry, 7, 1, buf_str(&hit));
    ends[1] = entry.n;
    add_record(&entry, 9, 5, STR("\x63 is no version"));
    ends[2] = entry.n;
    add_record(&entry, UINT64_MAX, 1, buf_str(&hit));
    ends[3] = entry.n;

    /* Whole, and cut at every byte: the records before the cut are given, the cut is told. */
    for (size_t n = 0; n <= entry.n; n++) {
        struct guard g = guard_copy((struct str){entry.p, n});
        struct seen s = {0};
        size_t whole = n >= ends[3] ? 3 : n >= ends[2] ? 2 : n >= ends[1] ? 1 : 0;
        assert_int_equal(intake_entry(g.s, see, &s), n == ends[whole] ? 0 : -1);
        assert_int_equal(s.n, whole);
        if (whole == 3) {
            assert_int_equal(s.seqs[0], 7);
            assert_true(s.seqs[2] == UINT64_MAX);
            assert_int_equal(s.weights[1], 5);
            assert_true(s.read[0] && !s.read[1] && s.read[2]);
        }
        guard_free(&g);
    }
    buf_fini(&hit);
    buf_fini(&entry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_entry)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
