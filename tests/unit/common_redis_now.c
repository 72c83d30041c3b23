/* Blocking Redis against real servers: alone, a cluster whose slots move, a standby that takes
 * over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/stat.h>

#include "clock.h"
#include "redis_now.h"
#include "redis_now_servers.h"
#include "slots.h"

enum { KEYS = 600 };

static struct redis_now *open_at(struct redis_conf *conf, const char *address)
{
    struct buf err = {0};
    *conf = (struct redis_conf){.redis = (char *)(uintptr_t)address};
    struct redis_now *r = redis_now_open(conf, &err);
    if (r == NULL) fail_msg("%s: %.*s", address, STR_ARG(buf_str(&err)));
    return r;
}

static void refuses(const struct redis_conf *conf, const char *says)
{
    struct buf err = {0};
    struct redis_now *r = redis_now_open(conf, &err);
    buf_add_char(&err, '\0');
    if (r != NULL || strstr(err.p, says) == NULL) fail_msg("%s said '%s'", conf->redis, err.p);
    buf_fini(&err);
}

/* "SET k v" -> the answer as text: OK, the string, the number, the error, "nil", "none". */
static const char *text_of(redisReply *r)
{
    static char text[4][200];
    static unsigned next;
    char *out = text[next++ % 4];
    if (r == NULL) return "none";
    switch (r->type) {
    case REDIS_REPLY_NIL: snprintf(out, sizeof text[0], "nil"); break;
    case REDIS_REPLY_INTEGER: snprintf(out, sizeof text[0], "%lld", r->integer); break;
    case REDIS_REPLY_ARRAY: {
        size_t n = 0;
        out[0] = '\0';
        for (size_t i = 0; i < r->elements && n < sizeof text[0]; i++) {
            const char *one = r->element[i]->type == REDIS_REPLY_NIL ? "nil" : r->element[i]->str;
            n += (size_t)snprintf(out + n, sizeof text[0] - n, "%s%s", i == 0 ? "" : " ", one);
        }
        break;
    }
    default: snprintf(out, sizeof text[0], "%s", r->str);
    }
    freeReplyObject(r);
    return out;
}

static int words(char line[200], const char *fmt, va_list ap, struct str argv[16])
{
    int argc = 0;
    char *rest = line;
    vsnprintf(line, 200, fmt, ap);
    for (char *w; (w = strsep(&rest, " ")) != NULL; argc++)
        argv[argc] = str_of(w);
    return argc;
}

static const char *say(struct redis_now *r, const char *fmt, ...)
{
    char line[200];
    struct str argv[16];
    va_list ap;
    va_start(ap, fmt);
    int argc = words(line, fmt, ap, argv);
    va_end(ap);
    return text_of(redis_now(r, argc, argv));
}

static void push(struct redis_now *r, const char *fmt, ...)
{
    char line[200];
    struct str argv[16];
    va_list ap;
    va_start(ap, fmt);
    int argc = words(line, fmt, ap, argv);
    va_end(ap);
    assert_int_equal(redis_now_push(r, argc, argv), 0);
}

static void starts_with(const char *text, const char *begin)
{
    if (strncmp(text, begin, strlen(begin)) != 0) fail_msg("'%s' is no '%s'", text, begin);
}

static long long errors(struct server *s, const char *code)
{
    char name[64];
    snprintf(name, sizeof name, "errorstat_%s:count=", code);
    return server_figure(s, "INFO errorstats", name);
}

/* ---- alone ---- */

static void alone(struct server *s, char address[128])
{
    server_new(s, NULL);
    snprintf(address, 128, "127.0.0.1:%d", s->port);
}

static void one_command_at_a_time(void **state)
{
    static const char *const unix_args[] = {"--unixsocket", "redis.sock", NULL};
    struct server s;
    char address[3][128];
    (void)state;
    server_new(&s, unix_args);
    snprintf(address[0], 128, "127.0.0.1:%d", s.port);
    snprintf(address[1], 128, "unix:%s/redis.sock", s.dir);
    snprintf(address[2], 128, "%s/redis.sock", s.dir);
    for (int i = 0; i < 3; i++) {
        struct redis_conf conf;
        struct redis_now *r = open_at(&conf, address[i]);
        assert_true(redis_now_up(r));
        assert_string_equal(say(r, "SET k v%d", i), "OK");
        redisReply *got = redis_now(r, ARGV(STR("GET"), STR("k")));
        assert_int_equal(got->len, 2);
        freeReplyObject(got);
        starts_with(say(r, "LPUSH k x"), "WRONGTYPE");
        assert_true(redis_now_up(r));
        assert_string_equal(say(r, "GET nothing"), "nil");
        assert_string_equal(text_of(redis_now(r, ARGV(STR("SET"), STR("e"), str_of(NULL)))), "OK");
        assert_string_equal(say(r, "STRLEN e"), "0");
        assert_int_equal(redis_now_nodes(r), 1);
        assert_string_equal(text_of(redis_now_on(r, 0, ARGV(STR("DBSIZE")))), "2");
        redis_now_close(r);
    }
    server_free(&s);
    redis_now_close(NULL);
}

static void many_at_once_keep_their_order(void **state)
{
    struct server s;
    struct redis_conf conf;
    char address[128], want[16];
    (void)state;
    alone(&s, address);
    struct redis_now *r = open_at(&conf, address);
    for (int i = 0; i < KEYS; i++)
        push(r, "INCR n");
    for (int i = 0; i < KEYS / 2; i++) {
        snprintf(want, sizeof want, "%d", i + 1);
        assert_string_equal(text_of(redis_now_pull(r)), want);
    }
    assert_string_equal(say(r, "GET n"), "600"); /* between pulls: after all that was pushed */
    push(r, "GET n");
    push(r, "HGET n x");
    for (int i = KEYS / 2; i < KEYS; i++) {
        snprintf(want, sizeof want, "%d", i + 1);
        assert_string_equal(text_of(redis_now_pull(r)), want);
    }
    assert_string_equal(text_of(redis_now_pull(r)), "600");
    starts_with(text_of(redis_now_pull(r)), "WRONGTYPE");
    push(r, "GET n");
    push(r, "GET n");
    assert_string_equal(text_of(redis_now_pull(r)), "600");
    redis_now_close(r); /* one was never pulled */
    r = open_at(&conf, address);
    push(r, "GET n");
    redis_now_close(r); /* nor sent */
    server_free(&s);
}

static void a_dead_connection_is_made_anew(void **state)
{
    struct server s;
    struct redis_conf conf;
    char address[128];
    (void)state;
    alone(&s, address);
    struct redis_now *r = open_at(&conf, address);
    assert_string_equal(say(r, "SET k v"), "OK");
    SERVER_DO(&s, "CLIENT KILL TYPE normal SKIPME yes"); /* while nothing was asked: unnoticed */
    assert_string_equal(say(r, "APPEND k w"), "2");
    assert_string_equal(say(r, "SHUTDOWN NOSAVE"), "none"); /* under a question: told */
    starts_with(redis_now_error(r), "Redis at 127.0.0.1:");
    assert_false(redis_now_up(r));
    server_kill(&s);
    for (int i = 0; i < 3; i++)
        push(r, "GET k");
    for (int i = 0; i < 3; i++)
        assert_string_equal(text_of(redis_now_pull(r)), "none");
    assert_string_equal(say(r, "GET k"), "none");
    starts_with(redis_now_error(r), "cannot reach Redis at 127.0.0.1:");
    assert_false(redis_now_up(r));
    refuses(&conf, address);
    server_start(&s);
    assert_string_equal(say(r, "SET k v"), "OK");
    assert_true(redis_now_up(r));
    redis_now_close(r);
    server_free(&s);
}

/* What a silent server answers in the end is the answer to nothing any more. */
static void a_late_answer_is_not_anothers(void **state)
{
    struct server s;
    struct redis_conf conf;
    char address[128];
    (void)state;
    alone(&s, address);
    struct redis_now *r = open_at(&conf, address);
    assert_string_equal(say(r, "SET k v"), "OK");
    kill(s.pid, SIGSTOP);
    assert_string_equal(say(r, "ECHO late"), "none");
    assert_non_null(strstr(redis_now_error(r), "nothing came for 5 seconds"));
    kill(s.pid, SIGCONT);
    assert_string_equal(say(r, "GET k"), "v");
    redis_now_close(r);
    server_free(&s);
}

static void only_with_the_right_password(void **state)
{
    static const char *const args[] = {"--requirepass", "secret", NULL};
    struct server s;
    char address[128], file[128];
    (void)state;
    server_new(&s, args);
    snprintf(address, sizeof address, "127.0.0.1:%d", s.port);
    snprintf(file, sizeof file, "%s/password", s.dir);
    struct redis_conf conf = {.redis = address, .password_file = file};
    struct redis_now *r;
    refuses(&conf, file);
    static const struct {
        const char *user, *text, *says; /* NULL: let in */
    } cases[] = {
        {"", "secret\n", NULL},
        {"default", "secret", NULL},
        {NULL, "secret\r\nanother line", NULL},
        {"", "wrong\n", "refuses the password: WRONGPASS"},
        {"nobody", "secret\n", "refuses the password: WRONGPASS"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        FILE *f = fopen(file, "w");
        fputs(cases[i].text, f);
        fclose(f);
        conf.user = (char *)(uintptr_t)cases[i].user;
        if (cases[i].says != NULL) {
            refuses(&conf, cases[i].says);
            continue;
        }
        struct buf err = {0};
        r = redis_now_open(&conf, &err);
        assert_non_null(r);
        assert_string_equal(say(r, "PING"), "PONG");
        redis_now_close(r);
    }
    FILE *f = fopen(file, "w");
    for (int i = 0; i < 600; i++)
        fputc('x', f);
    fclose(f);
    refuses(&conf, file); /* never cut to what fits */
    conf.password_file = NULL;
    struct buf err = {0};
    r = redis_now_open(&conf, &err); /* the server listens; each command is refused */
    starts_with(say(r, "GET k"), "NOAUTH");
    redis_now_close(r);
    server_free(&s);
}

static void what_is_no_place_is_refused(void **state)
{
    static const char *const bad[] = {"", "host", "redis://h:1", "sentinel://h:1", "cluster://"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct redis_conf conf = {.redis = (char *)(uintptr_t)bad[i]};
        refuses(&conf, "must be");
    }
}

/* ---- a cluster ---- */

static struct cluster cluster;

static int make_cluster(void **state)
{
    (void)state;
    cluster_new(&cluster, 3, 3);
    return 0;
}

static int end_cluster(void **state)
{
    (void)state;
    cluster_free(&cluster);
    return 0;
}

static int empty_cluster(void **state)
{
    (void)state;
    for (int i = 0; i < cluster.n; i++) {
        SERVER_DO(&cluster.node[i], "FLUSHALL");
        SERVER_DO(&cluster.node[i], "CONFIG RESETSTAT");
    }
    return 0;
}

static unsigned slot_named(const char *key)
{
    return slot_of(str_of(key));
}

static int node_with(unsigned slot)
{
    redisReply *r = server_ask(&cluster.node[0], "CLUSTER SLOTS");
    long long port = 0;
    for (size_t i = 0; i < r->elements; i++) {
        redisReply **e = r->element[i]->element;
        if (slot >= e[0]->integer && slot <= e[1]->integer) port = e[2]->element[1]->integer;
    }
    freeReplyObject(r);
    for (int i = 0; i < cluster.n; i++) {
        if (cluster.node[i].port == port) return i;
    }
    fail_msg("slot %u is nowhere", slot);
    return -1;
}

static void begin_move(unsigned slot, int from, int to)
{
    SERVER_DO(&cluster.node[to], "CLUSTER SETSLOT %u IMPORTING %s", slot, cluster.id[from]);
    SERVER_DO(&cluster.node[from], "CLUSTER SETSLOT %u MIGRATING %s", slot, cluster.id[to]);
}

static void move_key(const char *key, int from, int to)
{
    SERVER_DO(&cluster.node[from], "MIGRATE 127.0.0.1 %d %s 0 5000", cluster.node[to].port, key);
}

static void end_move(unsigned slot, int from, int to)
{
    SERVER_DO(&cluster.node[to], "CLUSTER SETSLOT %u NODE %s", slot, cluster.id[to]);
    SERVER_DO(&cluster.node[from], "CLUSTER SETSLOT %u NODE %s", slot, cluster.id[to]);
    SERVER_UNTIL(node_with(slot) == to);
}

static void each_key_is_on_its_node(void **state)
{
    struct redis_conf conf;
    struct redis_now *r = open_at(&conf, cluster.address);
    unsigned found = 0;
    char want[16];
    (void)state;
    for (int i = 0; i < KEYS; i++)
        push(r, "SET k%d %d", i, i);
    for (int i = 0; i < KEYS; i++)
        assert_string_equal(text_of(redis_now_pull(r)), "OK");
    for (int i = 0; i < KEYS; i++)
        push(r, "GET k%d", i);
    for (int i = 0; i < KEYS; i++) {
        snprintf(want, sizeof want, "%d", i);
        assert_string_equal(text_of(redis_now_pull(r)), want);
    }
    assert_string_equal(
        text_of(redis_now(
            r, ARGV(STR("EVAL"), STR("return redis.call('GET', KEYS[1])"), STR("1"), STR("k7")))),
        "7");
    assert_string_equal(say(r, "PING"), "PONG"); /* no key: any node */
    assert_int_equal(redis_now_nodes(r), 3);
    for (unsigned node = 0; node < 3; node++) {
        char cursor[32] = "0";
        unsigned before = found;
        do {
            redisReply *got =
                redis_now_on(r, node, ARGV(STR("SCAN"), str_of(cursor), STR("COUNT"), STR("50")));
            assert_non_null(got);
            assert_int_equal(got->type, REDIS_REPLY_ARRAY);
            snprintf(cursor, sizeof cursor, "%s", got->element[0]->str);
            found += (unsigned)got->element[1]->elements;
            freeReplyObject(got);
        } while (strcmp(cursor, "0") != 0);
        assert_true(found > before);
    }
    assert_int_equal(found, KEYS);
    for (int i = 0; i < 3; i++)
        assert_int_equal(errors(&cluster.node[i], "MOVED"), -1);
    redis_now_close(r);
}

static void a_moved_slot_is_followed_and_noted(void **state)
{
    struct redis_conf conf;
    struct redis_now *r = open_at(&conf, cluster.address);
    unsigned slot = slot_named("{m}a");
    int from = node_with(slot), to = (from + 1) % 3;
    (void)state;
    assert_string_equal(say(r, "SET {m}a 1"), "OK");
    begin_move(slot, from, to);
    move_key("{m}a", from, to);
    end_move(slot, from, to);
    assert_string_equal(say(r, "INCR {m}a"), "2");
    assert_string_equal(say(r, "INCR {m}a"), "3");
    assert_int_equal(errors(&cluster.node[from], "MOVED"), 1);
    begin_move(slot, to, from);
    move_key("{m}a", to, from);
    end_move(slot, to, from);
    for (int i = 0; i < 30; i++) { /* in the middle of many, to all nodes */
        push(r, "SET other%d %d", i, i);
        push(r, "INCR {m}a");
    }
    for (int i = 0; i < 30; i++) {
        char want[16];
        snprintf(want, sizeof want, "%d", i + 4);
        assert_string_equal(text_of(redis_now_pull(r)), "OK");
        assert_string_equal(text_of(redis_now_pull(r)), want);
    }
    redis_now_close(r);
}

/* One key has gone ahead, one is still there, one does not exist yet. */
static void half_a_slot_has_moved(void **state)
{
    struct redis_conf conf;
    struct redis_now *r = open_at(&conf, cluster.address);
    unsigned slot = slot_named("{half}");
    int from = node_with(slot), to = (from + 1) % 3;
    (void)state;
    say(r, "SET {half}gone 1");
    say(r, "SET {half}here 2");
    begin_move(slot, from, to);
    move_key("{half}gone", from, to);
    assert_string_equal(say(r, "GET {half}gone"), "1");
    assert_string_equal(say(r, "GET {half}here"), "2");
    assert_string_equal(say(r, "SET {half}new 3"), "OK");
    starts_with(say(r, "LPUSH {half}gone x"), "WRONGTYPE"); /* also the error of the other node */
    for (int i = 0; i < 20; i++) {
        push(r, "GET {half}here");
        push(r, "GET {half}gone");
        push(r, "GET {half}new");
        push(r, "SET elsewhere%d x", i);
    }
    for (int i = 0; i < 20; i++) {
        assert_string_equal(text_of(redis_now_pull(r)), "2");
        assert_string_equal(text_of(redis_now_pull(r)), "1");
        assert_string_equal(text_of(redis_now_pull(r)), "3");
        assert_string_equal(text_of(redis_now_pull(r)), "OK");
    }
    assert_true(errors(&cluster.node[from], "ASK") >= 40);
    assert_int_equal(errors(&cluster.node[from], "MOVED"), -1); /* nothing was noted */
    move_key("{half}here", from, to);
    end_move(slot, from, to);
    assert_string_equal(say(r, "MGET {half}gone {half}here {half}new"), "1 2 3");
    redis_now_close(r);
}

struct mover {
    unsigned slot;
    int from, to;
};

/* Goes on when somebody was told to try again. */
static void *finish_move(void *arg)
{
    const struct mover *m = arg;
    SERVER_UNTIL(errors(&cluster.node[m->from], "TRYAGAIN") > 0);
    move_key("{try}b", m->from, m->to);
    end_move(m->slot, m->from, m->to);
    return NULL;
}

static void keys_that_are_apart_are_waited_for(void **state)
{
    struct redis_conf conf;
    struct redis_now *r = open_at(&conf, cluster.address);
    struct mover m = {.slot = slot_named("{try}")};
    pthread_t thread;
    m.from = node_with(m.slot);
    m.to = (m.from + 1) % 3;
    (void)state;
    assert_string_equal(say(r, "MSET {try}a 1 {try}b 2"), "OK");
    begin_move(m.slot, m.from, m.to);
    move_key("{try}a", m.from, m.to);
    starts_with(say(r, "MGET {try}a {try}b"), "TRYAGAIN"); /* nobody goes on: told in the end */
    assert_true(redis_now_up(r));
    SERVER_DO(&cluster.node[m.from], "CONFIG RESETSTAT");
    pthread_create(&thread, NULL, finish_move, &m);
    assert_string_equal(say(r, "MGET {try}a {try}b"), "1 2");
    pthread_join(thread, NULL);
    redis_now_close(r);
}

static void *give_slot_back(void *arg)
{
    const struct mover *m = arg;
    SERVER_UNTIL(errors(&cluster.node[m->from], "CLUSTERDOWN") > 0);
    SERVER_DO(&cluster.node[m->from], "CLUSTER ADDSLOTS %u", m->slot);
    return NULL;
}

static bool all_ok(void)
{
    return cluster_settled(&cluster);
}

static void a_cluster_that_is_down_is_waited_for(void **state)
{
    struct redis_conf conf;
    struct redis_now *r = open_at(&conf, cluster.address);
    struct mover m = {.slot = slot_named("down")};
    pthread_t thread;
    m.from = node_with(m.slot);
    (void)state;
    say(r, "SET down 1");
    SERVER_DO(&cluster.node[m.from], "CLUSTER DELSLOTS %u", m.slot);
    starts_with(say(r, "GET down"), "CLUSTERDOWN");
    SERVER_DO(&cluster.node[m.from], "CONFIG RESETSTAT");
    pthread_create(&thread, NULL, give_slot_back, &m);
    assert_string_equal(say(r, "GET down"), "1");
    pthread_join(thread, NULL);
    SERVER_UNTIL(all_ok());
    redis_now_close(r);
}

static void any_seed_that_answers_will_do(void **state)
{
    struct redis_conf conf;
    char address[160], one[128];
    struct server s;
    (void)state;
    int nobody = server_free_port();
    snprintf(address, sizeof address, "cluster://127.0.0.1:%d,127.0.0.1:%d", nobody,
             cluster.node[2].port);
    struct redis_now *r = open_at(&conf, address);
    assert_string_equal(say(r, "SET seed 1"), "OK");
    assert_int_equal(redis_now_nodes(r), 3);
    redis_now_close(r);
    snprintf(address, sizeof address, "cluster://127.0.0.1:%d", nobody);
    conf.redis = address;
    refuses(&conf, "cannot reach Redis at 127.0.0.1:");
    static const char *const lonely[] = {"--cluster-enabled", "yes", NULL};
    server_new(&s, lonely);
    snprintf(address, sizeof address, "cluster://127.0.0.1:%d", s.port);
    refuses(&conf, "is in no cluster yet");
    snprintf(address, sizeof address, "cluster://127.0.0.1:%d,127.0.0.1:%d", s.port,
             cluster.node[1].port);
    r = open_at(&conf, address); /* as one does that was taken out: it answers, but knows nothing */
    assert_string_equal(say(r, "GET seed"), "1");
    redis_now_close(r);
    server_free(&s);
    alone(&s, one);
    snprintf(address, sizeof address, "cluster://%s", one);
    refuses(&conf, "is no node of a cluster: ERR This instance has cluster support disabled");
    server_free(&s);
}

static void a_dead_node_is_only_its_slots(void **state)
{
    struct redis_conf conf;
    struct redis_now *r = open_at(&conf, cluster.address);
    char alive[32], dead[32];
    (void)state;
    for (int i = 0; i < cluster.n; i++)
        SERVER_DO(&cluster.node[i], "CONFIG SET cluster-require-full-coverage no");
    int gone = node_with(slot_named("dead0"));
    snprintf(dead, sizeof dead, "dead0");
    for (int i = 0;; i++) {
        snprintf(alive, sizeof alive, "alive%d", i);
        if (node_with(slot_named(alive)) != gone) break;
    }
    say(r, "SET %s 1", alive);
    say(r, "SET %s 1", dead);
    server_kill(&cluster.node[gone]);
    push(r, "GET %s", alive);
    push(r, "GET %s", dead);
    push(r, "GET %s", alive);
    assert_string_equal(text_of(redis_now_pull(r)), "1");
    assert_string_equal(text_of(redis_now_pull(r)), "none");
    redisReply *third = redis_now_pull(r); /* sent, or not tried after the dead one */
    if (third != NULL) freeReplyObject(third);
    assert_string_equal(say(r, "GET %s", alive), "1");
    server_start(&cluster.node[gone]);
    SERVER_UNTIL(all_ok());
    assert_string_equal(say(r, "SET %s 2", dead), "OK");
    redis_now_close(r);
}

/* ---- a standby of a cluster node, and one that sentinels watch ---- */

static bool follows(struct server *s)
{
    return server_figure(s, "INFO replication", "master_link_status:up") >= 0;
}

static void a_replica_takes_the_slots_over(void **state)
{
    struct cluster c;
    struct redis_conf conf;
    char key[32];
    (void)state;
    cluster_new(&c, 3, 4);
    struct redis_now *r = open_at(&conf, c.address);
    for (int i = 0;; i++) { /* a key of the first node, which has the replica */
        snprintf(key, sizeof key, "key%d", i);
        if (slot_named(key) < CLUSTER_SLOTS / 3) break;
    }
    SERVER_UNTIL(follows(&c.node[3]));
    assert_string_equal(say(r, "SET %s 1", key), "OK");
    assert_int_equal(redis_now_nodes(r), 3);
    redisReply *w = server_ask(&c.node[0], "WAIT 1 5000");
    freeReplyObject(w);
    server_kill(&c.node[0]);
    SERVER_DO(&c.node[3], "CLUSTER FAILOVER TAKEOVER");
    SERVER_UNTIL(strcmp(say(r, "INCR %s", key), "2") == 0);
    assert_int_equal(redis_now_nodes(r), 3);
    redis_now_close(r);
    cluster_free(&c);
}

static void look_often(struct standby *s)
{
    SERVER_DO(&s->sentinel, "SENTINEL DEBUG info-period 200");
}

static void the_standby_takes_over(void **state)
{
    struct standby s;
    struct redis_conf conf;
    char two[160];
    (void)state;
    standby_new(&s, "");
    snprintf(two, sizeof two, "sentinel://main@127.0.0.1:%d,127.0.0.1:%d", server_free_port(),
             s.sentinel.port);
    struct redis_now *r = open_at(&conf, two);
    assert_string_equal(say(r, "SET k 1"), "OK");
    for (int i = 0; i < 10; i++)
        push(r, "INCR k");
    for (int i = 0; i < 10; i++) {
        char want[16];
        snprintf(want, sizeof want, "%d", i + 2);
        assert_string_equal(text_of(redis_now_pull(r)), want);
    }
    assert_int_equal(redis_now_nodes(r), 1);
    redisReply *w = server_ask(&s.master, "SET waited 1");
    freeReplyObject(w);
    w = server_ask(&s.master, "WAIT 1 5000");
    assert_int_equal(w->integer, 1);
    freeReplyObject(w);
    look_often(&s);
    SERVER_UNTIL(server_figure(&s.sentinel, "INFO sentinel", "slaves=") == 1);
    server_kill(&s.master);
    SERVER_UNTIL(strcmp(say(r, "GET k"), "11") == 0);
    SERVER_UNTIL(strcmp(say(r, "SET k 12"), "OK") == 0);
    assert_true(server_figure(&s.replica, "INFO replication", "role:master") >= 0);
    redis_now_close(r);
    standby_free(&s);
}

static bool fails_over(struct standby *s)
{
    redisReply *r = redisCommand(s->sentinel.c, "SENTINEL FAILOVER main");
    assert_non_null(r);
    bool ok = r->type == REDIS_REPLY_STATUS; /* it may not know yet that the replica is fit */
    freeReplyObject(r);
    return ok;
}

static bool leads(struct standby *s, int port)
{
    redisReply *r = server_ask(&s->sentinel, "SENTINEL GET-MASTER-ADDR-BY-NAME main");
    bool so = atoi(r->element[1]->str) == port;
    freeReplyObject(r);
    return so;
}

/* Writes that the old master refuses after it has become a replica run on the new one, once. */
static void a_demoted_master_is_left(void **state)
{
    struct standby s;
    struct redis_conf conf;
    (void)state;
    standby_new(&s, "");
    struct redis_now *r = open_at(&conf, s.address);
    assert_string_equal(say(r, "SET k 1"), "OK");
    redisReply *w = server_ask(&s.master, "WAIT 1 5000");
    freeReplyObject(w);
    look_often(&s);
    SERVER_UNTIL(server_figure(&s.sentinel, "INFO sentinel", "slaves=") == 1);
    SERVER_UNTIL(fails_over(&s) || leads(&s, s.replica.port));
    SERVER_UNTIL(leads(&s, s.replica.port));
    SERVER_DO(&s.master, "REPLICAOF 127.0.0.1 %d", s.replica.port); /* our connection stays */
    assert_string_equal(say(r, "SET k 2"), "OK");
    assert_string_equal(say(r, "INCR k"), "3");
    redis_now_close(r);
    standby_free(&s);
}

static void a_replica_is_no_master(void **state)
{
    struct standby s;
    struct redis_conf conf = {.redis = NULL};
    char wrong[128];
    (void)state;
    standby_new(&s, "");
    snprintf(wrong, sizeof wrong, "sentinel://other@127.0.0.1:%d", s.sentinel.port);
    conf.redis = wrong;
    refuses(&conf, "knows no master 'other'");
    SERVER_DO(&s.sentinel, "SENTINEL REMOVE main");
    SERVER_DO(&s.sentinel, "SENTINEL MONITOR main 127.0.0.1 %d 2", s.replica.port);
    conf.redis = s.address;
    SERVER_DO(&s.sentinel, "SENTINEL SET main failover-timeout 600000");
    refuses(&conf, "is not one");
    standby_free(&s);
}

static void sentinels_have_their_own_password(void **state)
{
    struct standby s;
    char file[128];
    (void)state;
    standby_new(&s, "requirepass watch\n");
    struct redis_conf conf = {.redis = s.address};
    refuses(&conf, "NOAUTH");
    snprintf(file, sizeof file, "%s/password", s.master.dir);
    FILE *f = fopen(file, "w");
    fputs("watch\n", f);
    fclose(f);
    conf.sentinel_password_file = file;
    struct buf err = {0};
    struct redis_now *r = redis_now_open(&conf, &err);
    assert_non_null(r);
    assert_string_equal(say(r, "SET k 1"), "OK");
    redis_now_close(r);
    standby_free(&s);
}

int main(void)
{
#define ON_CLUSTER(f) cmocka_unit_test_setup(f, empty_cluster)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_command_at_a_time),
        cmocka_unit_test(many_at_once_keep_their_order),
        cmocka_unit_test(a_dead_connection_is_made_anew),
        cmocka_unit_test(a_late_answer_is_not_anothers),
        cmocka_unit_test(only_with_the_right_password),
        cmocka_unit_test(what_is_no_place_is_refused),
        ON_CLUSTER(each_key_is_on_its_node),
        ON_CLUSTER(a_moved_slot_is_followed_and_noted),
        ON_CLUSTER(half_a_slot_has_moved),
        ON_CLUSTER(keys_that_are_apart_are_waited_for),
        ON_CLUSTER(a_cluster_that_is_down_is_waited_for),
        ON_CLUSTER(any_seed_that_answers_will_do),
        ON_CLUSTER(a_dead_node_is_only_its_slots),
        cmocka_unit_test(a_replica_takes_the_slots_over),
        cmocka_unit_test(the_standby_takes_over),
        cmocka_unit_test(a_demoted_master_is_left),
        cmocka_unit_test(a_replica_is_no_master),
        cmocka_unit_test(sentinels_have_their_own_password),
    };
    signal(SIGPIPE, SIG_IGN); /* hiredis writes to a Redis that was killed */
    return cmocka_run_group_tests(tests, make_cluster, end_cluster);
}
