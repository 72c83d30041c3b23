/* sentier.conf: what is right is read, what is wrong is named with file, line, key and cure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf.h"
#include "dataset.h"
#include "keys.h"

struct sample {
    int64_t number, bytes;
    bool flag;
    char *text;
    char **list;
    char *place;
};

#define F(field) offsetof(struct sample, field)
static const struct conf_opt options[] = {
    {"number", CONF_INT, F(number), "7", 1, 100, "a number"},
    {"bytes", CONF_SIZE, F(bytes), "16k", 1, 1 << 30, "bytes"},
    {"flag", CONF_BOOL, F(flag), "no", 0, 0, "a flag"},
    {"text", CONF_STR, F(text), "abc", 1, 10, "text"},
    {"list", CONF_LIST, F(list), "a b", 0, 3, "a list"},
    {"place", CONF_REDIS, F(place), "unix:/run/redis.sock", 0, 0, "where Redis is"},
    {0},
};

/* The one row of another program's section that this one reads. */
static int64_t shared;
static const struct conf_opt shared_options[] = {
    {"shared", CONF_INT, 0, "3", 1, 9, "a number of both"}, CONF_MORE};

static struct sample sample;
static const struct conf_section sections[] = {
    {"sample", options, &sample}, {"other", NULL, NULL}, {"third", shared_options, &shared}, {0}};
static char path[64];

static int read_text(const char *text, struct sites **sites, struct buf *err)
{
    int fd = open(path, O_WRONLY | O_TRUNC);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    return conf_load(path, sections, sites, err);
}

static void good(void **state)
{
    struct buf err = {0};
    struct sites *sites;
    (void)state;
    assert_int_equal(
        read_text("; comment\n[sample]\nnumber = 42 ; inline\nbytes=2M\nflag = Yes\n"
                  "list = x, y\n  z\nplace = cluster://a:1, b:2 ; the first two\n[other]\nanything "
                  "= goes\n[third]\nits_own = x\nshared = 4\n"
                  "[site shop]\norigins = https://shop.example, https://*.shop.example,\n  "
                  "https://b\xc3\xbc\x63her.example, http://*.b\xc3\xbc\x63her.example:81\n"
                  "time_zone = Europe/Paris\ntopics = /boots/* boots, 40:hiking gear ; why\n"
                  "  /maps maps\n[site b]\n keep_params = id\nsearch_params = q, s\n[site empty]\n",
                  &sites, &err),
        0);
    assert_int_equal(shared, 4);
    assert_int_equal(sample.number, 42);
    assert_int_equal(sample.bytes, 2 << 20);
    assert_true(sample.flag);
    assert_string_equal(sample.text, "abc");
    assert_string_equal(sample.list[2], "z");
    assert_string_equal(sample.place, "cluster://a:1, b:2");
    assert_null(sample.list[3]);
    const struct site *shop = sites_find(sites, STR("shop"));
    assert_non_null(shop);
    assert_null(sites_find(sites, STR("sho")));
    assert_non_null(sites_find(sites, STR("empty")));
    assert_null(sites_find(sites, STR("shopp")));
    assert_string_equal(shop->time_zone, "Europe/Paris");
    assert_string_equal(shop->topics[0], "/boots/* boots, 40:hiking gear");
    assert_string_equal(shop->topics[1], "/maps maps");
    assert_null(shop->topics[2]);
    assert_null(sites_find(sites, STR("b"))->topics);
    assert_string_equal(sites_find(sites, STR("b"))->search_params[1], "s");
    assert_true(site_allows(shop, STR("https://shop.example")));
    assert_true(site_allows(shop, STR("https://a.shop.example")));
    assert_true(site_allows(shop, STR("https://xn--bcher-kva.example")));
    assert_true(site_allows(shop, STR("http://a.xn--bcher-kva.example:81")));
    assert_false(site_allows(shop, STR("https://shop.example.evil")));
    assert_false(site_allows(shop, STR("https://evilshop.example")));
    assert_false(site_allows(shop, STR("http://shop.example")));
    assert_false(site_allows(shop, STR("https://x/.shop.example")));
    assert_true(site_allows(sites_find(sites, STR("b")), STR("https://anyone.example")));
    sites_free(sites);
    conf_free_section(&sections[0]);
    buf_fini(&err);
}

static void bad(void **state)
{
    static const struct {
        const char *text, *says; /* %s: the file */
    } cases[] = {
        {"[sample]\nnumber = 101\n", ":2: number = 101: must be a whole number from 1 to 100"},
        {"[sample]\nnumber = 4x\n", ":2: number = 4x: must be a whole number from 1 to 100"},
        {"[sample]\nbytes = 3q\n", ":2: bytes = 3q: must be bytes from 1 to 1G"},
        {"[sample]\n\nflag = maybe\n", ":3: flag = maybe: must be yes or no"},
        {"[sample]\ntext = 12345678901\n", ":2: text = 12345678901: must be text of 1 to 10 bytes"},
        {"[sample]\nnumber = 1\nnumber = 2\n", ":3: number stands twice in [sample]"},
        {"[sample]\nnubmer = 1\n", ":2: unknown key 'nubmer'; [sample] knows: number, bytes"},
        {"[third]\nits_own = x\nshared = 10\n",
         ":3: shared = 10: must be a whole number from 1 to 9"},
        {"[smaple]\nnumber = 1\n", ":1: unknown section [smaple]"},
        {"[sample]\nlist = a b c d\n", ":2: list = a b c d: must be at most 3 items"},
        {"[sample]\nno equals sign here\n", ":2: neither [section] nor key = value"},
        {"[site Shop]\nspread = 1\n", ":1: [site Shop]: a name of 1 to 64 of a-z"},
        {"[site a]\nspread = 0\n", ":2: spread = 0: must be a whole number from 1 to 4096"},
        {"[sample]\nplace = localhost\n",
         ":2: place = localhost: address 'localhost': must be unix:/path, host:port, "
         "sentinel://name@host:port,host:port,... or cluster://host:port,host:port,..."},
        {"[sample]\nplace = sentinel://h:1\n",
         ":2: place = sentinel://h:1: sentinel:// 'h:1': must"},
        {"[sample]\nplace = cluster://h\n",
         ":2: place = cluster://h: address 'h': must be host:port"},
        {"[sample]\nplace = unix:a\n",
         ":2: place = unix:a: path of a socket 'a': must be absolute"},
        {"[sample]\nplace = a:1\nplace = b:1\n", ":3: place stands twice in [sample]"},
        {"[site a]\ntime_zone = Mars/Base\n",
         ":2: time_zone = Mars/Base: must be an IANA time zone"},
        {"[site a]\ntopics = /boots/*\n",
         ":2: topics = /boots/*: must be at most 256 lines of PATTERN TOPIC, WEIGHT:TOPIC, ...; "
         "weights 1 to 100"},
        {"[site a]\ntopics = /a a\n  /b 101:b\n", ":3: topics = /b 101:b: must be at most 256"},
        {"[site a]\norigins = shop.example\n",
         ":2: origins = shop.example: must be at most 64 of scheme://host[:port]"},
        {"[site a]\norigins = https://\xe2\x98\x95.example\n",
         ":2: origins = https://\xe2\x98\x95.example: must be at most 64 of scheme://host[:port]"},
        {"[site a]\nspread=1\n[sample]\nflag=no\n[site a]\nspread=1\n", ":5: [site a]: a name"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf err = {0};
        struct sites *sites;
        assert_int_equal(read_text(cases[i].text, &sites, &err), -1);
        assert_true(buf_reserve(&err, 1) != NULL);
        err.p[err.n] = '\0';
        if (strstr(err.p, cases[i].says) == NULL) fail_msg("'%s' said '%s'", cases[i].text, err.p);
        assert_null(sites);
        conf_free_section(&sections[0]);
        buf_fini(&err);
    }
}

static void unreadable(void **state)
{
    struct buf err = {0};
    struct sites *sites;
    (void)state;
    assert_int_equal(conf_load("/nonexistent/sentier.conf", sections, &sites, &err), -1);
    assert_true(str_starts(buf_str(&err), STR("/nonexistent/sentier.conf: No such file")));
    conf_free_section(&sections[0]);
    buf_clear(&err);
    char line[300];
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\0';
    assert_int_equal(read_text(line, &sites, &err), -1);
    conf_free_section(&sections[0]);
    buf_fini(&err);
}

static void command_line(void **state)
{
    struct buf err = {0};
    struct sites *sites;
    (void)state;
    assert_int_equal(conf_load(NULL, sections, &sites, &err), 0);
    assert_int_equal(conf_set(sections, "sample.number=9", &err), 0);
    assert_int_equal(conf_set(sections, "text=new", &err), 0);
    assert_int_equal(sample.number, 9);
    assert_string_equal(sample.text, "new");
    assert_int_equal(conf_set(sections, "sample.number=900", &err), -1);
    assert_int_equal(conf_set(sections, "sample.nothing=1", &err), -1);
    assert_int_equal(conf_set(sections, "place=redis.example:6379", &err), 0);
    assert_string_equal(sample.place, "redis.example:6379");
    buf_clear(&err);
    assert_int_equal(conf_set(sections, "place=redis.example", &err), -1);
    assert_true(str_starts(buf_str(&err), STR("--set place=redis.example: address 'redis.ex")));
    assert_int_equal(conf_set(sections, "nonsense", &err), -1);
    sites_free(sites);
    conf_free_section(&sections[0]);
    buf_fini(&err);
}

static void dataset_is_fixed(void **state)
{
    char dir[] = "/tmp/sentier-conf-XXXXXX", file[64];
    struct buf err = {0};
    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(dataset_agree_dir(dir, 64, &err), 0);
    assert_int_equal(dataset_agree_dir(dir, 64, &err), 0);
    assert_int_equal(dataset_agree_dir(dir, 128, &err), -1);
    snprintf(file, sizeof file, "%s/dataset", dir);
    unlink(file);
    rmdir(dir);
    buf_fini(&err);
}

static int make_file(void **state)
{
    (void)state;
    strcpy(path, "/tmp/sentier-conf-XXXXXX");
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good),
        cmocka_unit_test(bad),
        cmocka_unit_test(unreadable),
        cmocka_unit_test(command_line),
        cmocka_unit_test(dataset_is_fixed),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
