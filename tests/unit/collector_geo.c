/* Countries: small files row by row, and the real ones where they are installed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "geo.h"
#include "str.h"

#define REAL_V4 "/usr/share/tor/geoip"
#define REAL_V6 "/usr/share/tor/geoip6"

static char file[] = "/tmp/sentier-geo-XXXXXX";

static void write_file(const char *text)
{
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

/* address in either form; "" for unknown. */
static void expect(const struct geo *g, const char *address, const char *want)
{
    unsigned char bytes[16] = {[10] = 0xff, [11] = 0xff};
    char got[3] = {'#', '#', 0};
    int family = strchr(address, ':') != NULL ? AF_INET6 : AF_INET;
    assert_int_equal(inet_pton(family, address, family == AF_INET6 ? bytes : bytes + 12), 1);
    geo_country(g, bytes, got);
    if (strcmp(got, want) != 0) fail_msg("%s: \"%s\", want \"%s\"", address, got, want);
}

static void ranges_of_v4(void **state)
{
    (void)state;
    write_file("# a comment\n\n"
               "0,255,AA\n"
               "16777216,16777471,AU\n"
               "16777472,16778239,CN\n"
               "16778240,16778241,CN\r\n"
               "16779264,16779264,??\n"
               "4294967040,4294967295,ZZ");
    struct geo *g = geo_load(file, "");
    assert_non_null(g);
    static const char *const rows[][2] = {
        {"0.0.0.0", "AA"},
        {"0.0.0.255", "AA"},
        {"0.0.1.0", ""},
        {"0.255.255.255", ""},
        {"1.0.0.0", "AU"},
        {"1.0.0.255", "AU"},
        {"1.0.1.0", "CN"},
        {"1.0.4.0", "CN"},
        {"1.0.4.1", "CN"},
        {"1.0.4.2", ""},
        {"1.0.8.0", ""},
        {"255.255.254.255", ""},
        {"255.255.255.0", "ZZ"},
        {"255.255.255.255", "ZZ"},
        {"::ffff:1.0.0.7", "AU"},
        {"::1.0.0.7", ""},
        {"2001:db8::ffff:1.0.0.7", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect(g, rows[i][0], rows[i][1]);
    geo_free(g);
}

static void ranges_of_v6(void **state)
{
    (void)state;
    write_file("::,::ff,AA\n"
               "2001:200::,2001:200:ffff:ffff:ffff:ffff:ffff:ffff,JP\n"
               "2001:506:8::,2001:506:9::3,US\n"
               "2001:506:9::4,2001:506:9::5,BR\n"
               "2001:506:9::6,2001:506:9:0:0:0:0:2D,US\n"
               "2a00::,2a00:1:2:3:4:5:6:7,FR\n"
               "ffff::,ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff,ZZ\n");
    struct geo *g = geo_load(NULL, file);
    assert_non_null(g);
    static const char *const rows[][2] = {
        {"::", "AA"},
        {"::ff", "AA"},
        {"::100", ""},
        {"2001:1ff:ffff::", ""},
        {"2001:200::", "JP"},
        {"2001:200:ffff:ffff:ffff:ffff:ffff:ffff", "JP"},
        {"2001:201::", ""},
        {"2001:506:9::3", "US"},
        {"2001:506:9::4", "BR"},
        {"2001:506:9::5", "BR"},
        {"2001:506:9::6", "US"},
        {"2001:506:9::2d", "US"},
        {"2001:506:9::2e", ""},
        {"2a00:1:2:3:4:5:6:7", "FR"},
        {"2a00:1:2:3:4:5:6:8", ""},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ZZ"},
        {"1.0.0.1", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect(g, rows[i][0], rows[i][1]);
    geo_free(g);
}

static void missing_means_unknown(void **state)
{
    (void)state;
    struct geo *g = geo_load("/nonexistent/geoip", "");
    assert_non_null(g);
    expect(g, "1.1.1.1", "");
    expect(g, "2001:200::1", "");
    geo_free(g);
    expect(NULL, "1.1.1.1", "");
    write_file("");
    g = geo_load(file, file);
    assert_non_null(g);
    expect(g, "1.1.1.1", "");
    geo_free(g);
    geo_free(NULL);
}

static void damage_is_refused(void **state)
{
    (void)state;
    static const char *const v4[] = {
        "1,2",
        "1,2,",
        "1,2,A",
        "1,2,aa",
        "1,2,AAA",
        "1,2,A1",
        "1,,AA",
        ",2,AA",
        "x,2,AA",
        "2,1,AA",
        "1,2,AA ",
        " 1,2,AA",
        "1,4294967296,AA",
        "1,99999999999,AA",
        "-1,2,AA",
        "1.0.0.0,2,AA",
        "1,2,AA\n2,3,BB",
        "5,6,AA\n1,2,BB",
        "0,4294967295,AA\n7,8,BB",
        "1,2,AA\n\r\n",
        "1,2,?A",
    };
    static const char *const v6[] = {
        "::,1,AA",
        "1:2,1:3,AA",
        "::1::,::2,AA",
        ":::,::1,AA",
        "1:,::2,AA",
        ":1,::2,AA",
        "::g,::2,AA",
        "::2,::1,AA",
        "12345::,::,AA",
        "1:2:3:4:5:6:7:8:9,::,AA",
        "1:2:3:4:5:6:7:8::,::,AA",
        "1:2:3:4:5:6:7:8:,::,AA",
        "::1:2:3:4:5:6:7:8,::,AA",
        "::1.2.3.4,::2.2.3.4,AA",
    };
    for (size_t i = 0; i < sizeof v4 / sizeof *v4; i++) {
        write_file(v4[i]);
        if (geo_load(file, "") != NULL) fail_msg("taken: %s", v4[i]);
    }
    for (size_t i = 0; i < sizeof v6 / sizeof *v6; i++) {
        write_file(v6[i]);
        if (geo_load("", file) != NULL) fail_msg("taken: %s", v6[i]);
    }
}

/* The log names file and line, on stderr. */
static void damage_is_located(void **state)
{
    (void)state;
    char line[512] = "", want[128];
    write_file("# comment\n1,2,AA\n\n3,4,damaged\n");
    FILE *log = tmpfile();
    int before = dup(2);
    assert_true(log != NULL && before >= 0 && dup2(fileno(log), 2) == 2);
    struct geo *g = geo_load(file, "");
    assert_int_equal(dup2(before, 2), 2);
    close(before);
    assert_null(g);
    rewind(log);
    while (fgets(line, sizeof line, log) != NULL && strstr(line, "geo.damaged") == NULL)
        continue;
    fclose(log);
    snprintf(want, sizeof want, "file=%s line=4", file);
    assert_non_null(strstr(line, want));
}

static double ms_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* What every row of a real file says of its first and last address. */
static void check_rows(const struct geo *g, const char *path, bool v6)
{
    char line[128];
    size_t rows = 0;
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        char *save, *end[2], *cc;
        if (line[0] == '#' || line[0] == '\n') continue;
        end[0] = strtok_r(line, ",", &save);
        end[1] = strtok_r(NULL, ",", &save);
        cc = strtok_r(NULL, "\n", &save);
        for (int i = 0; i < 2; i++) {
            struct in_addr a = {htonl((uint32_t)strtoul(end[i], NULL, 10))};
            expect(g, v6 ? end[i] : inet_ntoa(a), strcmp(cc, "??") == 0 ? "" : cc);
        }
        rows++;
    }
    fclose(f);
    print_message("%s: %zu rows\n", path, rows);
    assert_true(rows > 100000);
}

static void real_files(void **state)
{
    (void)state;
    if (access(REAL_V4, R_OK) != 0 || access(REAL_V6, R_OK) != 0) {
        print_message("skipped: tor-geoipdb is not installed\n");
        skip();
    }
    double begin = ms_now();
    struct geo *g = geo_load(REAL_V4, REAL_V6);
    print_message("loaded in %.0f ms\n", ms_now() - begin);
    assert_non_null(g);
    check_rows(g, REAL_V4, false);
    check_rows(g, REAL_V6, true);
    unsigned char address[16] = {[10] = 0xff, [11] = 0xff};
    char cc[2];
    unsigned known = 0;
    uint32_t x = 1;
    begin = ms_now();
    for (unsigned i = 0; i < 200000; i++) {
        x = x * 1664525 + 1013904223;
        memcpy(address + 12, &x, 4);
        geo_country(g, address, cc);
        known += cc[0] != 0;
    }
    print_message("a look-up takes %.0f ns\n", (ms_now() - begin) * 1e6 / 200000);
    assert_true(known > 100000);
    geo_free(g);
}

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(file);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage_is_located), /* first: a call site logs a few lines a second */
        cmocka_unit_test(damage_is_refused), cmocka_unit_test(ranges_of_v4),
        cmocka_unit_test(ranges_of_v6),      cmocka_unit_test(missing_means_unknown),
        cmocka_unit_test(real_files),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
