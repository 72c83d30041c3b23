/* Counters of many threads add up; the page says what Prometheus reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "metrics.h"

enum { HITS, OPEN, METRICS };
enum { THREADS = 4, ROUNDS = 20000, LABELS = 3 };

static const char *colour(unsigned i)
{
    static const char *const names[LABELS] = {"red", "green", "blue"};
    return names[i];
}

static const struct metric_def defs[METRICS] = {
    [HITS] = {"t_hits_total", "counter", "hits by colour", "colour", LABELS, colour},
    [OPEN] = {"t_open", "gauge", "open things", NULL, 1, NULL},
};

static void *count(void *arg)
{
    struct metrics *m = arg;
    struct metrics_slot *s = metrics_slot_new(m);
    for (int i = 0; s != NULL && i < ROUNDS; i++) {
        metrics_add(s, HITS, (unsigned)i % LABELS, 1);
        metrics_add(s, OPEN, 0, i % 2 == 0 ? 1 : -1);
    }
    if (s != NULL) metrics_set(s, OPEN, 0, 7);
    return NULL;
}

static void threads_add_up(void **state)
{
    struct metrics *m = metrics_new(defs, METRICS);
    pthread_t thread[THREADS];
    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, count, m), 0);
    for (int i = 0; i < 100; i++)
        assert_true(metrics_get(m, HITS, 0) <= THREADS * (ROUNDS / LABELS + 1));
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    int64_t sum = 0;
    for (unsigned i = 0; i < LABELS; i++)
        sum += metrics_get(m, HITS, i);
    assert_int_equal(sum, THREADS * ROUNDS);
    assert_int_equal(metrics_get(m, OPEN, 0), THREADS * 7);
    metrics_free(m);
    metrics_free(NULL);
}

static void the_page_is_prometheus_text(void **state)
{
    struct metrics *m = metrics_new(defs, METRICS);
    struct metrics_slot *s = metrics_slot_new(m);
    struct buf out;
    static const char want[] = "# HELP t_hits_total hits by colour\n"
                               "# TYPE t_hits_total counter\n"
                               "t_hits_total{colour=\"red\"} 0\n"
                               "t_hits_total{colour=\"green\"} 5000000000\n"
                               "t_hits_total{colour=\"blue\"} 0\n"
                               "# HELP t_open open things\n"
                               "# TYPE t_open gauge\n"
                               "t_open -2\n";
    (void)state;
    buf_init(&out, 0);
    metrics_add(s, HITS, 1, 5000000000);
    metrics_set(s, OPEN, 0, -2);
    metrics_print(m, &out);
    assert_int_equal(out.n, sizeof want - 1);
    assert_memory_equal(out.p, want, out.n);
    buf_fini(&out);
    metrics_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_add_up),
        cmocka_unit_test(the_page_is_prometheus_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
