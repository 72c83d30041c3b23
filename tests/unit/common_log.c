/* What the log says is read back from a pipe in the place of stderr. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

enum { TEXT_MAX = 60000 };

static int said, stderr_was;
static char text[TEXT_MAX];

static int setup(void **state)
{
    int ends[2];
    (void)state;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return -1;
    stderr_was = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    said = ends[0];
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dup2(stderr_was, STDERR_FILENO);
    close(stderr_was);
    close(said);
    return 0;
}

/* What was said since the last call; returns the number of lines. */
static int listen(void)
{
    ssize_t n = read(said, text, sizeof text - 1);
    int lines = 0;
    text[n < 0 ? 0 : n] = '\0';
    for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++)
        lines++;
    return lines;
}

static void a_line_is_time_level_program_event(void **state)
{
    int y, mo, d, h, mi, s, ms, end = 0;
    (void)state;
    log_program("tester");
    log_warn("test.event", "a=%d b=%s", 5, "x");
    assert_int_equal(listen(), 1);
    assert_int_equal(
        sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &y, &mo, &d, &h, &mi, &s, &ms, &end), 7);
    assert_string_equal(text + end, " warn tester test.event a=5 b=x\n");
}

static void a_long_line_is_cut_and_ends(void **state)
{
    char value[4000];
    (void)state;
    memset(value, 'v', sizeof value);
    value[sizeof value - 1] = '\0';
    log_info("test.long", "value=%s", value);
    assert_int_equal(listen(), 1);
    assert_int_equal(strlen(text), 1023);
    assert_int_equal(text[1022], '\n');
}

static void speak(struct log_site *site, int times)
{
    for (int i = 0; i < times; i++)
        log_line(site, "info", "test.often", "i=%d", i);
}

static void wait_for_next_second(void)
{
    int64_t second = clock_ms() / 1000;
    while (clock_ms() / 1000 == second)
        usleep(1000);
}

static void what_was_dropped_is_told(void **state)
{
    static struct log_site often, other;
    unsigned told = 0, lines = 0;
    (void)state;
    wait_for_next_second(); /* all of what follows is in one, but on a very slow machine */
    int64_t second = clock_ms() / 1000;
    speak(&often, 100);
    lines = (unsigned)listen();
    speak(&other, 1);
    assert_int_equal(listen(), 1); /* another call site is not silenced */
    if (clock_ms() / 1000 == second) assert_int_equal(lines, LOG_LINES_PER_SECOND);
    wait_for_next_second();
    speak(&often, 1);
    lines += (unsigned)listen();
    const char *at = strstr(text, "dropped_lines=");
    assert_non_null(at);
    told = (unsigned)atoi(at + 14);
    if (clock_ms() / 1000 <= second + 1) assert_int_equal(told + lines, 101);
    wait_for_next_second();
    speak(&often, 1);
    listen();
    assert_null(strstr(text, "dropped_lines")); /* once */
}

static void *shout(void *arg)
{
    struct log_site *site = arg;
    for (int i = 0; i < 200; i++)
        log_line(site, "info", "test.thread", "said=%s",
                 "0123456789012345678901234567890123456789");
    return NULL;
}

static void lines_of_threads_stay_whole(void **state)
{
    struct log_site sites[4] = {0};
    pthread_t thread[4];
    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, shout, &sites[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    assert_true(listen() >= 4 * LOG_LINES_PER_SECOND);
    for (char *save, *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        assert_non_null(strstr(line, "Z info tester test.thread said=0123456789"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_line_is_time_level_program_event),
        TEST(a_long_line_is_cut_and_ends),
        TEST(what_was_dropped_is_told),
        TEST(lines_of_threads_stay_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
