/* append.lua in a real Redis: all of a batch or nothing, each sequence number once; and what its
 * answers are read as, whatever a server may say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "append.h"
#include "bytes.h"
#include "redis_server.h"

enum { PARTS_MAX = 3, BYTES_MAX = 512 };

/* One part: records `from`..`to`, each of weight 2, after `prev`. */
struct row {
    const char *producer;
    int prev, from, to, cut; /* cut: bytes missing at the end */
};

static int setup(void **state)
{
    static struct redis_server s;
    redis_server_new(&s);
    *state = &s;
    return 0;
}

static int teardown(void **state)
{
    redis_server_free(*state);
    return 0;
}

static size_t fill(const struct row *row, char *out)
{
    size_t n = 0;
    for (int seq = row->from; seq <= row->to; seq++, n += 19) {
        store_le64(out + n, (uint64_t)seq);
        store_le32(out + n + 8, 2);
        store_le32(out + n + 12, 3);
        memcpy(out + n + 16, "hit", 3);
    }
    return n - (size_t)row->cut;
}

/* The first word of the answer; "error" when the script failed. */
static const char *append(struct redis_server *s, const char *birth, const char *limit,
                          const struct row *rows, int parts)
{
    static char word[16];
    char records[PARTS_MAX][BYTES_MAX], number[PARTS_MAX][3][16];
    const char *argv[10 + 6 * PARTS_MAX] = {
        "EVAL",      append_body(), "3",           "{p0}:stream", "{p0}:seen",
        "{p0}:meta", birth,         "fresh-birth", limit,         "100",
    };
    size_t len[10 + 6 * PARTS_MAX];
    int n = 10;
    for (int i = 0; i < parts; i++) {
        snprintf(number[i][0], 16, "%d", rows[i].prev);
        snprintf(number[i][1], 16, "%d", rows[i].to);
        snprintf(number[i][2], 16, "%d", 2 * (rows[i].to - rows[i].from + 1));
        argv[n] = rows[i].producer;
        for (int k = 0; k < 3; k++)
            argv[n + 1 + k] = number[i][k];
        argv[n + 4] = "0";
        argv[n + 5] = records[i];
        n += 6;
    }
    for (int i = 0; i < n; i++)
        len[i] = argv[i] == NULL ? 0 : strlen(argv[i]);
    for (int i = 0; i < parts; i++)
        len[15 + 6 * i] = fill(&rows[i], records[i]);
    redisReply *r = redisCommandArgv(s->redis, n, argv, len);
    assert_non_null(r);
    struct append_answer a = {.result = APPEND_ERROR};
    append_parse(r, (unsigned)parts, &a);
    snprintf(word, sizeof word, "%s", r->type == REDIS_REPLY_ARRAY ? r->element[0]->str : "error");
    assert_true(r->type == REDIS_REPLY_ARRAY || a.result == APPEND_ERROR);
    freeReplyObject(r);
    return word;
}

static long long number(struct redis_server *s, const char *command)
{
    return redis_server_number(s, command);
}

static void takes_each_number_once(void **state)
{
    struct redis_server *s = *state;
    const struct row first[] = {{"A", 0, 1, 5, 0}, {"B", 0, 3, 3, 0}};
    assert_string_equal(append(s, "", "0", first, 2), "OK");
    assert_int_equal(number(s, "XLEN {p0}:stream"), 2);
    assert_int_equal(number(s, "HGET {p0}:meta shipped"), 12);
    assert_int_equal(number(s, "HGET {p0}:meta bytes"), 6 * 19);
    assert_string_equal(append(s, "fresh-birth", "0", first, 2), "OK"); /* the same again */
    assert_int_equal(number(s, "XLEN {p0}:stream"), 2);
    const struct row overlap = {"A", 0, 2, 8, 0};
    assert_string_equal(append(s, "fresh-birth", "0", &overlap, 1), "OK");
    assert_int_equal(number(s, "HGET {p0}:meta shipped"), 18);
    assert_int_equal(number(s, "HGET {p0}:meta bytes"), 9 * 19);
    assert_int_equal(number(s, "HGET {p0}:seen A"), 8);
}

static void refuses_as_a_whole(void **state)
{
    struct redis_server *s = *state;
    const struct row good = {"A", 0, 1, 5, 0};
    assert_string_equal(append(s, "", "0", &good, 1), "OK");
    static const struct {
        const char *birth, *limit, *want;
        struct row rows[2];
    } cases[] = {
        {"fresh-birth", "0", "GAP", {{"C", 0, 1, 2, 0}, {"A", 6, 7, 8, 0}}},
        {"another", "0", "BIRTH", {{"C", 0, 1, 2, 0}, {"A", 5, 6, 7, 0}}},
        {"fresh-birth", "95", "FULL", {{"C", 0, 1, 2, 0}, {"A", 5, 6, 7, 0}}},
        /* Only a part that overlaps is looked into: the first one is fine, the second is not. */
        {"fresh-birth", "0", "error", {{"C", 0, 1, 2, 0}, {"A", 4, 5, 8, 1}}},
        {"fresh-birth", "0", "error", {{"C", 0, 1, 2, 0}, {"A", 4, 5, 8, 10}}},
        {"fresh-birth", "0", "error", {{"C", 0, 1, 2, 0}, {"A", 4, 5, 8, 4 * 19}}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_string_equal(append(s, cases[i].birth, cases[i].limit, cases[i].rows, 2),
                            cases[i].want);
        assert_int_equal(number(s, "XLEN {p0}:stream"), 1);
        assert_int_equal(number(s, "HLEN {p0}:seen"), 1);
        assert_int_equal(number(s, "HGET {p0}:seen A"), 5);
        assert_int_equal(number(s, "HGET {p0}:meta shipped"), 10);
    }
    /* A damaged figure fails before anything is stored, too. */
    freeReplyObject(redisCommand(s->redis, "HSET {p0}:meta shipped x"));
    const struct row next = {"A", 5, 6, 7, 0};
    assert_string_equal(append(s, "fresh-birth", "0", &next, 1), "error");
    assert_int_equal(number(s, "XLEN {p0}:stream"), 1);
    assert_int_equal(number(s, "HGET {p0}:seen A"), 5);
}

static void only_asks_without_parts(void **state)
{
    struct redis_server *s = *state;
    assert_string_equal(append(s, "", "0", NULL, 0), "OK");
    assert_string_equal(append(s, "known", "0", NULL, 0), "BIRTH");
    assert_int_equal(number(s, "DBSIZE"), 0);
}

static void answers_are_not_believed_blindly(void **state)
{
    (void)state;
    redisReply word = {.type = REDIS_REPLY_STRING}, birth = {.type = REDIS_REPLY_STRING};
    redisReply part = {.type = REDIS_REPLY_INTEGER}, seen = {.type = REDIS_REPLY_STRING};
    redisReply *elements[] = {&word, &birth, &part, &seen};
    redisReply reply = {.type = REDIS_REPLY_ARRAY, .element = elements};
    static const struct {
        const char *word;
        size_t elements;
        long long part;
        enum append_result want;
    } cases[] = {
        {"OK", 2, 0, APPEND_OK},
        {"FULL", 2, 0, APPEND_FULL},
        {"BIRTH", 2, 0, APPEND_BIRTH},
        {"GAP", 4, 1, APPEND_GAP},
        {"GAP", 4, 3, APPEND_GAP},
        {"GAP", 4, 0, APPEND_ERROR},
        {"GAP", 4, 4, APPEND_ERROR},
        {"GAP", 4, -1, APPEND_ERROR},
        {"GAP", 3, 1, APPEND_ERROR},
        {"OK", 1, 0, APPEND_ERROR},
        {"OK", 0, 0, APPEND_ERROR},
        {"MAYBE", 2, 0, APPEND_ERROR},
        {"GAP", 4, 1LL << 32 | 1, APPEND_ERROR},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct append_answer a;
        word.str = (char *)(uintptr_t)cases[i].word;
        birth.str = (char *)(uintptr_t) "0123456789abcdef0123456789abcdef and more";
        seen.str = (char *)(uintptr_t) "77";
        part.integer = cases[i].part;
        reply.elements = cases[i].elements;
        append_parse(&reply, 3, &a);
        assert_int_equal(a.result, cases[i].want);
        if (a.result == APPEND_GAP) assert_int_equal(a.seen, 77);
    }
    struct append_answer a;
    static const int types[] = {REDIS_REPLY_ERROR, REDIS_REPLY_NIL, REDIS_REPLY_INTEGER,
                                REDIS_REPLY_STATUS};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        redisReply other = {.type = types[i], .str = (char *)(uintptr_t) "OK", .len = 2};
        append_parse(&other, 3, &a);
        assert_int_equal(a.result, APPEND_ERROR);
        elements[0] = &other;
        reply.elements = 2;
        append_parse(&reply, 3, &a);
        assert_int_equal(a.result, types[i] == REDIS_REPLY_STATUS ? APPEND_OK : APPEND_ERROR);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(takes_each_number_once),
        TEST(refuses_as_a_whole),
        TEST(only_asks_without_parts),
        cmocka_unit_test(answers_are_not_believed_blindly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
