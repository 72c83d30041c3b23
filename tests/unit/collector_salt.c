/*
 * Salts: which dates have one, how collectors agree, what the file may be, that readers never see
 * half of one; and with a real Redis, that they meet there and leave nothing behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "redis.h"
#include "salt.h"
#include "salt_link.h"

#define HOUR 3600000LL
#define DAY  (24 * HOUR)
#define T0   (20000 * DAY) /* midnight UTC */

static char dir[] = "/dev/shm/sentier-salt-XXXXXX"; /* files and Redis */
static char file[64];

static void hex_of(const unsigned char *salt, char out[2 * SALT_BYTES + 1])
{
    sodium_bin2hex(out, 2 * SALT_BYTES + 1, salt, SALT_BYTES);
}

static bool same(struct salts *a, struct salts *b, uint32_t day)
{
    const unsigned char *x = salts_get(a, day), *y = salts_get(b, day);
    return x != NULL && y != NULL && memcmp(x, y, SALT_BYTES) == 0;
}

/* first..last: the dates that exist somewhere, and the one after. */
static const struct {
    int64_t at;
    uint32_t first, last;
} dates[] = {
    {T0, 19999, 20001},
    {T0 + 10 * HOUR - 1, 19999, 20001},
    {T0 + 10 * HOUR, 19999, 20002}, /* the 20001st begins on Kiritimati */
    {T0 + 12 * HOUR - 1, 19999, 20002},
    {T0 + 12 * HOUR, 20000, 20002}, /* the 19999th has left Baker Island */
    {T0 + DAY - 1, 20000, 20002},
    {T0 + DAY + 10 * HOUR, 20000, 20003},
    {T0 + 9 * DAY, 20008, 20010}, /* a gap in time: everything is new */
};

static void dates_that_exist(void **state)
{
    (void)state;
    struct salts *s = salts_new(NULL, T0 - 5 * DAY);
    assert_non_null(s);
    for (size_t i = 0; i < sizeof dates / sizeof *dates; i++) {
        salts_tick(s, dates[i].at);
        for (uint32_t day = 19990; day < 20020; day++) {
            bool want = day >= dates[i].first && day <= dates[i].last;
            assert_int_equal(salts_get(s, day) != NULL, want);
        }
    }
    salts_free(s);
    salts_free(NULL);
}

static void a_salt_stays_as_it_is(void **state)
{
    (void)state;
    unsigned char salt[SALT_BYTES];
    struct salts *s = salts_new("", T0);
    assert_true(salts_get(s, 20000) != NULL && salts_get(s, 20001) != NULL);
    assert_memory_not_equal(salts_get(s, 20000), salts_get(s, 20001), SALT_BYTES);
    assert_false(sodium_is_zero(salts_get(s, 20000), SALT_BYTES));
    memcpy(salt, salts_get(s, 20001), SALT_BYTES);
    for (int64_t at = T0; at < T0 + DAY + 36 * HOUR; at += HOUR / 2) {
        salts_tick(s, at);
        assert_memory_equal(salts_get(s, 20001), salt, SALT_BYTES);
    }
    salts_tick(s, T0 + DAY + 36 * HOUR);
    assert_null(salts_get(s, 20001));
    salts_free(s);
}

static void the_older_wins(void **state)
{
    (void)state;
    unsigned char low[SALT_BYTES] = {1}, high[SALT_BYTES] = {2};
    static const struct {
        bool high;
        int64_t born;
        bool taken;
    } rows[] = {
        {true, T0 + 1, false},                          /* younger than ours */
        {true, T0 - 10, true},  {true, T0 - 10, false}, /* the same again */
        {true, T0 - 9, false},  {false, T0 - 9, false},
        {false, T0 - 10, true}, {true, T0 - 10, false}, /* of one age: smaller bytes */
        {true, T0 - 11, true},  {false, 0, true},
    };
    struct salts *s = salts_new(NULL, T0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const unsigned char *salt = rows[i].high ? high : low;
        assert_int_equal(salts_offer(s, 20000, salt, rows[i].born), rows[i].taken);
        if (rows[i].taken) assert_memory_equal(salts_get(s, 20000), salt, SALT_BYTES);
    }
    assert_false(salts_offer(s, 19998, low, 1)); /* dead */
    assert_false(salts_offer(s, 20002, low, 1)); /* too early */
    assert_null(salts_get(s, 19998));
    assert_null(salts_get(s, 20002));
    salts_free(s);
}

/* Memory for replaced salts is bounded: a minute's flood is refused, the next minute goes on. */
static void offers_are_bounded(void **state)
{
    (void)state;
    unsigned char salt[SALT_BYTES] = {0};
    struct salts *s = salts_new(NULL, T0);
    unsigned taken = 0;
    for (int i = 0; i < 100; i++)
        taken += salts_offer(s, 20000, salt, T0 - 10 - i);
    assert_in_range(taken, 4, 16);
    for (int i = 0; i < 5; i++)
        salts_tick(s, T0 + i * SALTS_TICK_MS);
    assert_true(salts_offer(s, 20000, salt, T0 - 1000));
    for (int i = 0; i < 100; i++)
        salts_offer(s, 20001, salt, T0 - 10 - i);
    salts_tick(s, T0 + 10 * HOUR); /* there is still room for the coming day */
    assert_non_null(salts_get(s, 20002));
    salts_free(s);
}

#define HEX "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
static const struct {
    const char *message;
    enum salts_heard want;
} messages[] = {
    {"want", SALTS_WANTED},
    {"offer", SALTS_KNOWN},
    {"offer 20000:5:" HEX, SALTS_CHANGED},
    {"offer 20000:5:" HEX, SALTS_KNOWN},
    {"offer 19000:5:" HEX, SALTS_KNOWN},
    {"offer 20000:4:" HEX " 20001:3:" HEX, SALTS_CHANGED},
    {"", SALTS_NONSENSE},
    {"wants", SALTS_NONSENSE},
    {"offers", SALTS_NONSENSE},
    {"offer ", SALTS_NONSENSE},
    {"offer 20000:1:" HEX " ", SALTS_NONSENSE},
    {"offer 20000:1:" HEX "0", SALTS_NONSENSE},
    {"offer 20000:1:0" HEX, SALTS_NONSENSE},
    {"offer 20000:1:0123", SALTS_NONSENSE},
    {"offer 20000:1:g0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
     SALTS_NONSENSE},
    {"offer 20000::" HEX, SALTS_NONSENSE},
    {"offer :1:" HEX, SALTS_NONSENSE},
    {"offer 20000:-1:" HEX, SALTS_NONSENSE},
    {"offer 99999999999:1:" HEX, SALTS_NONSENSE},
    {"offer 20000:9999999999999999999:" HEX, SALTS_NONSENSE},
    {"offer  20000:1:" HEX, SALTS_NONSENSE},
    {"offer 20000:1:" HEX " 20001:x:" HEX, SALTS_NONSENSE}, /* the first is not taken either */
    {"offer 1:1:" HEX " 2:1:" HEX " 3:1:" HEX " 4:1:" HEX " 5:1:" HEX " 6:1:" HEX " 7:1:" HEX
     " 8:1:" HEX " 9:1:" HEX,
     SALTS_NONSENSE},
};

static void messages_heard(void **state)
{
    (void)state;
    struct salts *s = salts_new(NULL, T0);
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        /* a copy of exact length: reading past its end is an error of the sanitizer */
        size_t n = strlen(messages[i].message);
        char *copy = malloc(n + (n == 0));
        memcpy(copy, messages[i].message, n);
        enum salts_heard heard = salts_hear(s, (struct str){copy, n});
        if (heard != messages[i].want) fail_msg("%s: %d", messages[i].message, heard);
        free(copy);
    }
    assert_true(salts_offer(s, 20000, (unsigned char[SALT_BYTES]){0xff}, 3)); /* 4 was the last */
    salts_free(s);
}

/* Whatever the order in which three collectors hear each other. */
static void all_agree(void **state)
{
    (void)state;
    for (unsigned order = 0; order < 64; order++) {
        struct salts *s[3];
        for (int i = 0; i < 3; i++)
            s[i] = salts_new(NULL, T0 + (order & 1 ? i : -i));
        for (unsigned step = 0; step < 9; step++) {
            unsigned from = (step + order / 3) % 3, to = (step / 3 + order) % 3;
            struct buf text;
            buf_init(&text, SALT_MESSAGE_BYTES);
            assert_true(salts_say(s[from], &text));
            salts_hear(s[to], buf_str(&text));
            /* everybody hears the last round */
            for (int i = 0; step > 5 && i < 3; i++)
                salts_hear(s[i], buf_str(&text));
            buf_fini(&text);
        }
        for (uint32_t day = 19999; day <= 20001; day++) {
            assert_true(same(s[0], s[1], day) && same(s[1], s[2], day));
        }
        for (int i = 0; i < 3; i++)
            salts_free(s[i]);
    }
}

static void the_file_survives_us(void **state)
{
    (void)state;
    struct stat st;
    struct salts *a = salts_new(file, T0);
    assert_non_null(a);
    assert_int_equal(lstat(file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    struct salts *b = salts_new(file, T0 + 11 * HOUR); /* a restart, before the first one is gone */
    for (uint32_t day = 19999; day <= 20001; day++)
        assert_true(same(a, b, day));
    unsigned char low[SALT_BYTES] = {0};
    assert_true(salts_offer(b, 20002, low, 1)); /* what was agreed on is kept as well */
    salts_free(b);
    b = salts_new(file, T0 + 20 * HOUR);
    assert_memory_equal(salts_get(b, 20002), low, SALT_BYTES);
    assert_true(same(a, b, 20000));
    salts_free(b);
    b = salts_new(file, T0 + 9 * DAY); /* nothing in it lives */
    assert_non_null(salts_get(b, 20009));
    salts_free(b);
    salts_free(a);
}

/* The hex of a dead salt is in no file of the directory. */
static void the_dead_leave_the_file(void **state)
{
    (void)state;
    char hex[2 * SALT_BYTES + 1], text[SALT_MESSAGE_BYTES + 1];
    for (int i = 0; i < 2; i++) {
        struct salts *s = salts_new(file, T0);
        hex_of(salts_get(s, 19999), hex);
        if (i == 1) salts_tick(s, T0 + 12 * HOUR);
        salts_free(s);
        FILE *f = fopen(file, "r");
        size_t n = fread(text, 1, sizeof text - 1, f);
        fclose(f);
        text[n] = '\0';
        assert_int_equal(strstr(text, hex) != NULL, i == 0);
    }
}

static void refused(const char *why)
{
    struct salts *s = salts_new(file, T0);
    if (s != NULL) fail_msg("taken: %s", why);
}

static void files_that_are_refused(void **state)
{
    (void)state;
    char other[80];
    struct stat st;
    snprintf(other, sizeof other, "%s.other", file);
    salts_free(salts_new(file, T0));
    static const mode_t modes[] = {0640, 0604, 0620, 0602, 0666};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        assert_int_equal(chmod(file, modes[i]), 0);
        refused("mode");
    }
    assert_int_equal(chmod(file, 0600), 0);
    assert_int_equal(link(file, other), 0);
    refused("a second name");
    assert_int_equal(unlink(file), 0);
    assert_int_equal(symlink(other, file), 0);
    refused("a symbolic link");
    assert_int_equal(unlink(file), 0);
    assert_int_equal(mkfifo(file, 0600), 0);
    refused("a pipe");
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rename(other, file), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown(file, 65534, 65534), 0);
        refused("somebody else's");
        assert_int_equal(stat(file, &st), 0);
        assert_int_equal(st.st_uid, 65534); /* and was left alone */
    } else {
        print_message("skipped: only root can give a file away\n");
    }
    assert_int_equal(unlink(file), 0);
    assert_null(salts_new("/dev/shm/nonexistent/salts", T0));
}

static void files_that_are_replaced(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "nonsense", "offer 20000:1:00", "want"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, texts[i], strlen(texts[i])), strlen(texts[i]));
        close(fd);
        struct salts *s = salts_new(file, T0);
        assert_non_null(s);
        struct salts *again = salts_new(file, T0);
        assert_true(same(s, again, 20000));
        salts_free(again);
        salts_free(s);
    }
    assert_int_equal(unlink(file), 0);
}

/* A disk keeps what was deleted: there nothing is written. */
static void no_file_on_a_disk(void **state)
{
    (void)state;
    struct salts *s = salts_new(SOURCE_DIR "/salts-of-a-test", T0);
    assert_non_null(s);
    assert_non_null(salts_get(s, 20000));
    salts_free(s);
    assert_int_equal(access(SOURCE_DIR "/salts-of-a-test", F_OK), -1);
}

/* Readers while salts are replaced, die and are wiped: each salt here is one byte, 32 times. */
struct race {
    struct salts *salts;
    _Atomic bool stop;
    struct reads {
        struct race *race;
        _Atomic unsigned long n;
    } reads[2];
};

static void *read_on(void *arg)
{
    struct reads *reads = arg;
    unsigned long bad = 0;
    while (!atomic_load(&reads->race->stop)) {
        const unsigned char *salt = salts_get(reads->race->salts, 20000);
        if (salt == NULL) continue;
        unsigned char first = salt[0], differ = 0;
        for (unsigned i = 1; i < SALT_BYTES; i++)
            differ |= (unsigned char)(salt[i] ^ first);
        bad += differ != 0 || first == 0;
        atomic_fetch_add(&reads->n, 1);
    }
    return (void *)(uintptr_t)bad;
}

/* Ticks are a minute apart, so that every reader has put down what it held. */
static void wait_for_readers(struct race *r)
{
    for (int i = 0; i < 2; i++) {
        unsigned long before = atomic_load(&r->reads[i].n);
        while (atomic_load(&r->reads[i].n) < before + 2)
            sched_yield();
    }
}

/* Old enough to win everywhere, so that no random salt is left to read. */
static void offer_all(struct salts *s, uint32_t first, unsigned round)
{
    unsigned char salt[SALT_BYTES];
    memset(salt, 1 + round % 255, sizeof salt);
    for (uint32_t day = first; day < first + 4; day++) {
        salts_offer(s, day, salt, T0 - 1000000 - (int64_t)round);
    }
}

static void readers_see_whole_salts(void **state)
{
    (void)state;
    pthread_t threads[2];
    struct race r = {.salts = salts_new(NULL, T0)};
    unsigned long bad = 0;
    offer_all(r.salts, 19999, 0);
    for (int i = 0; i < 2; i++) {
        r.reads[i].race = &r;
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &r.reads[i]), 0);
    }
    for (unsigned round = 1; round < 200; round++) {
        offer_all(r.salts, 19999, round);
        wait_for_readers(&r);
        salts_tick(r.salts, T0 + (int64_t)round);
    }
    atomic_store(&r.stop, true);
    for (int i = 0; i < 2; i++) {
        void *result;
        pthread_join(threads[i], &result);
        bad += (unsigned long)(uintptr_t)result;
    }
    assert_int_equal(bad, 0);
    salts_free(r.salts);
}

/* A real Redis that writes everything down that it can. */
struct server {
    pid_t pid;
    char address[96];
    struct redis_conf conf;
};

static void redis_start(struct server *r)
{
    char socket[80];
    snprintf(socket, sizeof socket, "%s/redis.sock", dir);
    snprintf(r->address, sizeof r->address, "unix:%s", socket);
    r->conf = (struct redis_conf){.redis = r->address};
    r->pid = fork();
    if (r->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when a check fails */
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 1);
        dup2(null, 2);
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", socket, "--dir", dir,
               "--appendonly", "yes", "--appendfsync", "always", "--save", "1 1", (char *)NULL);
        _exit(127);
    }
    assert_true(r->pid > 0);
}

/* Runs the command on its own connection, waiting for a server that is still starting. */
static void redis_do(const struct server *r, const char *command, const char *want)
{
    int64_t deadline = clock_mono_ms() + 20000;
    const char *path = r->address + strlen("unix:");
    for (;;) {
        redisContext *c = redisConnectUnix(path);
        redisReply *reply = c == NULL || c->err ? NULL : redisCommand(c, command);
        bool ok = reply != NULL && reply->str != NULL && strstr(reply->str, want) != NULL;
        if (reply != NULL) freeReplyObject(reply);
        if (c != NULL) redisFree(c);
        if (ok) return;
        if (clock_mono_ms() > deadline) fail_msg("%s: no %s", command, want);
        sched_yield();
    }
}

static void redis_stop(struct server *r)
{
    int status;
    kill(r->pid, SIGTERM); /* saves once more */
    assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
}

static bool contains(const char *path, const void *what, size_t n)
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    static char text[1 << 20];
    size_t got = fread(text, 1, sizeof text, f);
    assert_true(got < sizeof text);
    fclose(f);
    return memmem(text, got, what, n) != NULL;
}

/* Files of Redis below `path` that hold the bytes; n_files counts all. */
static unsigned files_with(const char *path, const void *what, size_t n, unsigned *n_files)
{
    unsigned found = 0;
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char name[600];
        struct stat st;
        snprintf(name, sizeof name, "%s/%s", path, e->d_name);
        if (e->d_name[0] == '.' || lstat(name, &st) < 0) continue;
        if (S_ISDIR(st.st_mode)) found += files_with(name, what, n, n_files);
        if (!S_ISREG(st.st_mode) || strncmp(e->d_name, "salts", 5) == 0) continue;
        ++*n_files;
        found += contains(name, what, n);
    }
    closedir(d);
    return found;
}

/* Turns the loop until all three dates agree. */
static void turn_until_same(struct event_base *base, struct salts *a, struct salts *b, uint32_t day)
{
    int64_t deadline = clock_mono_ms() + 20000;
    while (!same(a, b, day - 1) || !same(a, b, day) || !same(a, b, day + 1)) {
        struct timeval soon = {0, 50 * 1000};
        if (clock_mono_ms() > deadline) fail_msg("the collectors do not agree");
        event_base_loopexit(base, &soon);
        event_base_loop(base, EVLOOP_ONCE);
    }
}

/* It and its neighbours have salts at any time of the day: somewhere on earth it is each of them.
 */
static uint32_t middle_day(int64_t now)
{
    return (uint32_t)((now - DAY / 2) / DAY) + 1;
}

static void collectors_meet_in_redis(void **state)
{
    (void)state;
    struct server redis;
    int64_t now = clock_ms();
    uint32_t day = middle_day(now);
    static const char mark[] = "a-value-that-is-stored";
    char hex[2 * SALT_BYTES + 1];
    redis_start(&redis);
    redis_do(&redis, "PING", "PONG");
    struct event_base *base = event_base_new();
    struct salts *a = salts_new(file, now - 5000), *b = salts_new(NULL, now);
    struct salt_link *la = salt_link_new(base, &redis.conf, a);
    struct salt_link *lb = salt_link_new(base, &redis.conf, b);
    unsigned char oldest[SALT_BYTES];
    memcpy(oldest, salts_get(a, day), SALT_BYTES);
    assert_false(same(a, b, day));
    turn_until_same(base, a, b, day);
    assert_memory_equal(salts_get(b, day), oldest, SALT_BYTES);

    /* the second leaves, Redis is away for a while, a third comes */
    salt_link_free(lb);
    redis_do(&redis, "SET mark a-value-that-is-stored", "OK");
    redis_stop(&redis);
    redis_start(&redis);
    struct salts *c = salts_new(NULL, now + 5000);
    struct salt_link *lc = salt_link_new(base, &redis.conf, c);
    turn_until_same(base, a, c, day);
    assert_memory_equal(salts_get(c, day), oldest, SALT_BYTES);

    redis_do(&redis, "SAVE", "OK");
    redis_stop(&redis);
    hex_of(oldest, hex);
    unsigned files = 0;
    assert_true(files_with(dir, mark, strlen(mark), &files) >= 2); /* AOF and RDB do keep values */
    assert_true(files >= 2);
    assert_int_equal(files_with(dir, hex, sizeof hex - 1, &files), 0);
    assert_int_equal(files_with(dir, oldest, sizeof oldest, &files), 0);
    assert_true(contains(file, hex, sizeof hex - 1)); /* the search would find it */

    salt_link_free(la);
    salt_link_free(lc);
    salt_link_free(NULL);
    salts_free(a);
    salts_free(b);
    salts_free(c);
    event_base_free(base);
}

/* What a collector waits for before its first hit. */
static void a_newcomer_knows_when_it_has_been_told(void **state)
{
    (void)state;
    struct server redis;
    int64_t now = clock_ms(), deadline = clock_mono_ms() + 20000;
    uint32_t day = middle_day(now);
    redis_start(&redis);
    redis_do(&redis, "PING", "PONG");
    struct event_base *base = event_base_new();
    struct salts *a = salts_new(NULL, now - 5000), *b = salts_new(NULL, now);
    struct salt_link *la = salt_link_new(base, &redis.conf, a), *lb = NULL;
    for (int meets = 0; meets < 2; meets++) { /* with other salts, and with the same */
        while (!salt_link_agreed(la) || (lb != NULL && !salt_link_agreed(lb))) {
            assert_true(clock_mono_ms() < deadline);
            event_base_loop(base, EVLOOP_ONCE);
            if (lb == NULL && salt_link_agreed(la)) lb = salt_link_new(base, &redis.conf, b);
        }
        for (uint32_t near = day - 1; near <= day + 1; near++)
            assert_true(same(a, b, near));
        salt_link_free(lb);
        lb = salt_link_new(base, &redis.conf, b);
    }
    salt_link_free(lb);
    salt_link_free(la);
    redis_stop(&redis);
    salts_free(a);
    salts_free(b);
    event_base_free(base);
}

static int make_dir(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN); /* as the programs do */
    if (sodium_init() < 0 || mkdtemp(dir) == NULL) return -1;
    snprintf(file, sizeof file, "%s/salts", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", dir);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_that_exist),
        cmocka_unit_test(a_salt_stays_as_it_is),
        cmocka_unit_test(the_older_wins),
        cmocka_unit_test(offers_are_bounded),
        cmocka_unit_test(messages_heard),
        cmocka_unit_test(all_agree),
        cmocka_unit_test(the_file_survives_us),
        cmocka_unit_test(the_dead_leave_the_file),
        cmocka_unit_test(files_that_are_refused),
        cmocka_unit_test(files_that_are_replaced),
        cmocka_unit_test(no_file_on_a_disk),
        cmocka_unit_test(readers_see_whole_salts),
        cmocka_unit_test(collectors_meet_in_redis),
        cmocka_unit_test(a_newcomer_knows_when_it_has_been_told),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
