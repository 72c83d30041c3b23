/* The link against a real cluster: every command reaches the node of its key, through moves, deaths
 * and newcomers, and ends exactly once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>

#include "redis_link_world.h"
#include "redis_now_servers.h"
#include "slots.h"

enum { KEYS = 300 };

static struct cluster cluster; /* three masters */

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

static int open_link(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    for (int i = 0; i < cluster.n; i++) {
        SERVER_DO(&cluster.node[i], "FLUSHALL");
        SERVER_DO(&cluster.node[i], "SCRIPT FLUSH");
        SERVER_DO(&cluster.node[i], "CONFIG RESETSTAT");
    }
    world_open(w, cluster.address);
    world_up(w);
    *state = w;
    return 0;
}

static int close_link(void **state)
{
    world_close(*state);
    free(*state);
    return 0;
}

static long long redirections(const struct cluster *c, const char *kind)
{
    char name[32];
    long long n = 0;
    snprintf(name, sizeof name, "errorstat_%s:count=", kind);
    for (int i = 0; i < c->n; i++) {
        long long here =
            server_figure((struct server *)(uintptr_t)&c->node[i], "INFO errorstats", name);
        n += here > 0 ? here : 0;
    }
    return n;
}

static long long calls(struct server *s, const char *command)
{
    char name[64];
    snprintf(name, sizeof name, "cmdstat_%s:calls=", command);
    long long n = server_figure(s, "INFO commandstats", name);
    return n < 0 ? 0 : n;
}

/* As node i has it. */
static int holder_by(struct cluster *c, int i, unsigned slot)
{
    redisReply *r = server_ask(&c->node[i], "CLUSTER SLOTS");
    long long port = 0;
    for (size_t k = 0; k < r->elements; k++) {
        redisReply **e = r->element[k]->element;
        if (slot >= e[0]->integer && slot <= e[1]->integer) port = e[2]->element[1]->integer;
    }
    freeReplyObject(r);
    for (int n = 0; n < c->n; n++) {
        if (c->node[n].port == port) return n;
    }
    return -1;
}

static int holder(struct cluster *c, unsigned slot)
{
    return holder_by(c, 0, slot);
}

static void begin_move(struct cluster *c, unsigned slot, int from, int to)
{
    SERVER_DO(&c->node[to], "CLUSTER SETSLOT %u IMPORTING %s", slot, c->id[from]);
    SERVER_DO(&c->node[from], "CLUSTER SETSLOT %u MIGRATING %s", slot, c->id[to]);
}

static void move_key(struct cluster *c, const char *key, int from, int to)
{
    SERVER_DO(&c->node[from], "MIGRATE 127.0.0.1 %d %s 0 5000", c->node[to].port, key);
}

/* Until the others have heard of it, too: a node that is told of the next move before takes a slot
 * back by its old knowledge, and drops the keys. One that does not hear of it is told, as an
 * operator would. */
static void end_move(struct cluster *c, unsigned slot, int from, int to)
{
    SERVER_DO(&c->node[to], "CLUSTER SETSLOT %u NODE %s", slot, c->id[to]);
    SERVER_DO(&c->node[from], "CLUSTER SETSLOT %u NODE %s", slot, c->id[to]);
    for (int i = 0; i < c->n; i++) {
        for (int tries = 0; holder_by(c, i, slot) != to; tries++) {
            assert(tries < SERVER_PATIENCE);
            if (tries == SERVER_PATIENCE / 6)
                SERVER_DO(&c->node[i], "CLUSTER SETSLOT %u NODE %s", slot, c->id[to]);
            usleep(SERVER_WAIT_US);
        }
    }
}

static void each_command_goes_to_the_node_of_its_key(void **state)
{
    struct world *w = *state;
    char key[32], value[32];
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "k%d", i);
        snprintf(value, sizeof value, "v%d", i);
        assert_int_equal(world_send(w, &w->commands[i], "SET", key, value), 0);
        assert_int_equal(world_send(w, &w->commands[KEYS + i], "GET", key, NULL), 0);
    }
    RUN_UNTIL(w, world_ended(w, 2 * KEYS) == 2 * KEYS);
    for (int i = 0; i < KEYS; i++) {
        snprintf(value, sizeof value, "v%d", i);
        assert_string_equal(w->commands[i].text, "OK");
        assert_string_equal(w->commands[KEYS + i].text, value);
    }
    unsigned total = 0;
    for (int i = 0; i < 3; i++) {
        redisReply *r = server_ask(&cluster.node[i], "DBSIZE");
        assert_true(r->integer > 0);
        total += (unsigned)r->integer;
        freeReplyObject(r);
    }
    assert_int_equal(total, KEYS);
    assert_int_equal(redirections(&cluster, "MOVED"), 0);
    assert_string_equal(world_say(w, "PING", NULL, NULL), "PONG"); /* no key: any */
}

static void slots_are_reckoned_as_the_server_does(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        char key[24];
        size_t n = randombytes_uniform(sizeof key + 1);
        for (size_t k = 0; k < n; k++)
            key[k] = randombytes_uniform(3) == 0 ? "{}"[randombytes_uniform(2)]
                                                 : (char)randombytes_uniform(256);
        redisReply *r = server_ask(&cluster.node[0], "CLUSTER KEYSLOT %b", key, n);
        assert_int_equal(r->integer, slot_of((struct str){key, n}));
        freeReplyObject(r);
    }
}

static void eval(struct world *w, struct command *c, const struct redis_script *s, const char *key)
{
    struct str argv[] = {STR("1"), str_of(key)};
    *c = (struct command){0};
    assert_int_equal(redis_eval(w->link, s, world_on_reply, c, 2, argv), 0);
    RUN_UNTIL(w, c->calls > 0);
}

static void each_node_learns_a_script(void **state)
{
    struct world *w = *state;
    struct redis_script incr;
    struct command *c = &w->commands[0];
    char key[32];
    redis_script_init(&incr, "return redis.call('INCR', KEYS[1])");
    for (int i = 0; i < 60; i++) {
        snprintf(key, sizeof key, "k%d", i % 30);
        eval(w, c, &incr, key);
        assert_string_equal(c->text, i < 30 ? "1" : "2");
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(calls(&cluster.node[i], "eval"), 1);
        assert_true(calls(&cluster.node[i], "evalsha") > 1);
    }
    /* The slot of a key goes to a node that has never heard of it. */
    unsigned slot = slot_of(STR("k0"));
    int from = holder(&cluster, slot), to = (from + 1) % 3;
    SERVER_DO(&cluster.node[to], "SCRIPT FLUSH");
    begin_move(&cluster, slot, from, to);
    move_key(&cluster, "k0", from, to);
    end_move(&cluster, slot, from, to);
    eval(w, c, &incr, "k0");
    assert_memory_equal(c->text, "NOSCRIPT", 8);
    assert_true(c->again);
    eval(w, c, &incr, "k0");
    assert_string_equal(c->text, "3");
    assert_int_equal(w->downs, 0);
}

static void a_moved_slot_is_followed(void **state)
{
    struct world *w = *state;
    unsigned slot = slot_of(STR("a"));
    int from = holder(&cluster, slot), to = (from + 1) % 3;
    char want[16];
    assert_string_equal(world_say(w, "SET", "a", "0"), "OK");
    begin_move(&cluster, slot, from, to);
    move_key(&cluster, "a", from, to);
    end_move(&cluster, slot, from, to);
    for (int i = 0; i < 100; i++)
        assert_int_equal(world_send(w, &w->commands[i], "INCR", "a", NULL), 0);
    RUN_UNTIL(w, world_ended(w, 100) == 100);
    for (int i = 0; i < 100; i++) {
        snprintf(want, sizeof want, "%d", i + 1);
        assert_string_equal(w->commands[i].text, want);
    }
    long long moved = redirections(&cluster, "MOVED");
    assert_true(moved > 0);
    for (int i = 0; i < 100; i++)
        world_say(w, "INCR", "a", NULL);
    assert_int_equal(redirections(&cluster, "MOVED"), moved); /* it was noted */
    assert_string_equal(world_say(w, "GET", "a", NULL), "200");
    assert_int_equal(w->ups, 1);
    assert_int_equal(w->downs, 0);
}

/* Half of the slot's keys are there, half are here, and some are nowhere. */
static void a_slot_on_its_way_is_asked_for_key_by_key(void **state)
{
    struct world *w = *state;
    unsigned slot = slot_of(STR("{t}"));
    int from = holder(&cluster, slot), to = (from + 1) % 3;
    struct command *c = &w->commands[0];
    world_say(w, "SET", "{t}gone", "here");
    world_say(w, "SET", "{t}stays", "there");
    begin_move(&cluster, slot, from, to);
    move_key(&cluster, "{t}gone", from, to);
    for (int i = 0; i < 200; i++)
        assert_int_equal(
            world_send(w, &w->commands[i], "GET", i % 2 == 0 ? "{t}gone" : "{t}stays", NULL), 0);
    RUN_UNTIL(w, world_ended(w, 200) == 200);
    for (int i = 0; i < 200; i++)
        assert_string_equal(w->commands[i].text, i % 2 == 0 ? "here" : "there");
    assert_int_equal(redirections(&cluster, "ASK"), 100);
    assert_string_equal(world_say(w, "SET", "{t}new", "1"), "OK");
    assert_string_equal(world_say(w, "GET", "{t}new", NULL), "1");
    /* Keys that are apart: not now. */
    struct str both[] = {STR("EXISTS"), STR("{t}gone"), STR("{t}stays")};
    *c = (struct command){0};
    assert_int_equal(redis_send(w->link, world_on_reply, c, 3, both), 0);
    RUN_UNTIL(w, c->calls > 0);
    assert_memory_equal(c->text, "TRYAGAIN", 8);
    assert_true(c->again);
    move_key(&cluster, "{t}stays", from, to);
    *c = (struct command){0};
    assert_int_equal(redis_send(w->link, world_on_reply, c, 3, both), 0);
    RUN_UNTIL(w, c->calls > 0);
    assert_string_equal(c->text, "2");
    end_move(&cluster, slot, from, to);
    assert_string_equal(world_say(w, "GET", "{t}stays", NULL), "there");
    assert_string_equal(world_say(w, "GET", "{t}new", NULL), "1");
    assert_int_equal(w->downs, 0);
}

/* Commands are under way at every step of every move. They end before the next one begins: an ASK
 * that was said in one move must not be obeyed in another one, which no client can know. */
static void nothing_is_lost_while_a_slot_wanders(void **state)
{
    struct world *w = *state;
    unsigned slot = slot_of(STR("a"));
    int from = holder(&cluster, slot), sent = 0;
    char total[16];
    for (int move = 0; move < 9; move++) {
        int to = (from + 1 + move % 2) % 3;
        for (int step = 0; step < 4; step++) {
            if (step == 1) begin_move(&cluster, slot, from, to);
            if (step == 2) move_key(&cluster, "a", from, to);
            if (step == 3) end_move(&cluster, slot, from, to);
            for (int i = 0; i < 6; i++)
                assert_int_equal(world_send(w, &w->commands[sent++], "INCR", "a", NULL), 0);
            if (move % 3 > 0) event_base_loop(w->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
            if (move % 3 == 2) RUN_UNTIL(w, world_ended(w, sent) == (unsigned)sent);
        }
        RUN_UNTIL(w, world_ended(w, sent) == (unsigned)sent);
        from = to;
    }
    for (int i = 0; i < sent; i++)
        assert_true(atoi(w->commands[i].text) > 0);
    snprintf(total, sizeof total, "%d", sent);
    assert_string_equal(world_say(w, "GET", "a", NULL), total);
    assert_true(redirections(&cluster, "ASK") > 0 && redirections(&cluster, "MOVED") > 0);
    assert_int_equal(w->downs, 0);
}

/* Two nodes of which each says that the other has it. */
static void redirections_have_an_end(void **state)
{
    struct world *w = *state;
    unsigned slot = slot_of(STR("loop"));
    int one = holder(&cluster, slot), other = (one + 1) % 3, third = (one + 2) % 3;
    SERVER_DO(&cluster.node[one], "CLUSTER SETSLOT %u NODE %s", slot, cluster.id[other]);
    for (int i = 0; i < 3; i++)
        assert_memory_equal(world_say(w, "GET", "loop", NULL), "MOVED", 5);
    assert_true(w->commands[WORLD_COMMANDS - 1].again);
    assert_true(redirections(&cluster, "MOVED") >= 3 * 6);
    SERVER_DO(&cluster.node[one], "CLUSTER SETSLOT %u NODE %s", slot, cluster.id[one]);
    SERVER_DO(&cluster.node[other], "CLUSTER SETSLOT %u NODE %s", slot, cluster.id[one]);
    SERVER_DO(&cluster.node[third], "CLUSTER SETSLOT %u NODE %s", slot, cluster.id[one]);
    assert_string_equal(world_insist(w, "GET", "loop", NULL), "nil");
}

/* A reply that is under way on a node that is well is worth waiting for. */
static void the_living_answer_while_one_is_dead(void **state)
{
    struct world *w = *state;
    char key[32];
    int dead = 0, lost = 0, told = 0;
    for (int i = 1; i < 3; i++)
        kill(cluster.node[i].pid, SIGSTOP);
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(world_send(w, &w->commands[i], "INCR", key, NULL), 0);
    }
    kill(cluster.node[dead].pid, SIGSTOP);
    SERVER_UNTIL(waitpid(cluster.node[dead].pid, NULL, WNOHANG | WUNTRACED) >= 0);
    kill(cluster.node[dead].pid, SIGKILL);
    RUN_UNTIL(w, !redis_link_up(w->link));
    assert_int_equal(world_send(w, &w->commands[KEYS], "GET", "k0", NULL), -1);
    assert_true(world_ended(w, KEYS) < KEYS);
    for (int i = 1; i < 3; i++)
        kill(cluster.node[i].pid, SIGCONT);
    RUN_UNTIL(w, world_ended(w, KEYS) == KEYS);
    assert_false(redis_link_up(w->link));
    for (int i = 0; i < KEYS; i++) {
        lost += w->commands[i].lost;
        told += strcmp(w->commands[i].text, "1") == 0;
    }
    assert_int_equal(lost + told, KEYS);
    assert_true(lost > 0 && told > lost);
    server_kill(&cluster.node[dead]);
    server_start(&cluster.node[dead]);
    RUN_UNTIL(w, redis_link_up(w->link));
    assert_int_equal(w->downs, 1);
    world_insist(w, "GET", "k0", NULL);
    SERVER_UNTIL(cluster_settled(&cluster));
}

static void freeing_ends_what_is_on_its_way(void **state)
{
    struct world *w = *state;
    char key[32];
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(world_send(w, &w->commands[i], "INCR", key, NULL), 0);
    }
    redis_link_free(w->link);
    w->link = NULL;
    assert_int_equal(world_ended(w, KEYS), KEYS);
    assert_true(w->commands[0].lost && w->commands[KEYS - 1].lost);
    assert_int_equal(w->downs, 0);
}

static void any_node_that_answers_tells_the_map(void **state)
{
    struct world w;
    char address[160];
    (void)state;
    snprintf(address, sizeof address, "cluster://127.0.0.1:%d,127.0.0.1:%d", server_free_port(),
             cluster.node[2].port);
    world_open(&w, address);
    world_up(&w);
    for (int i = 0; i < 3; i++) {
        static const char *const keys[] = {"a", "b", "c"};
        assert_string_equal(world_say(&w, "SET", keys[i], "1"), "OK");
    }
    world_close(&w);
}

static void write_password(const char *file, const char *text)
{
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void is_up_only_with_the_right_password(void **state)
{
    struct world *w = *state;
    char file[128];
    snprintf(file, sizeof file, "%s/password", cluster.node[0].dir);
    write_password(file, "wrong\n");
    redis_link_free(w->link);
    w->ups = w->downs = 0;
    for (int i = 0; i < 3; i++) {
        SERVER_DO(&cluster.node[i], "CONFIG SET requirepass secret");
        SERVER_DO(&cluster.node[i], "AUTH secret");
    }
    w->conf.password_file = file;
    w->link = redis_link_new(w->base, &w->conf, world_on_state, w);
    RUN_UNTIL(w, calls(&cluster.node[0], "auth") >= 6);
    assert_int_equal(w->ups, 0);
    assert_int_equal(world_send(w, &w->commands[0], "GET", "a", NULL), -1);
    write_password(file, "secret\n");
    world_up(w);
    assert_string_equal(world_say(w, "SET", "a", "1"), "OK");
    for (int i = 0; i < 3; i++)
        SERVER_DO(&cluster.node[i], "CONFIG SET requirepass %s", "");
    redis_link_free(w->link);
    w->link = NULL;
}

static void on_push(const redisReply *r, void *arg)
{
    struct command *c = arg;
    assert_non_null(r);
    c->calls++;
    snprintf(c->text, sizeof c->text, "%s",
             r->element[2]->type == REDIS_REPLY_STRING ? r->element[2]->str : r->element[0]->str);
}

static int listener(void)
{
    for (int i = 0; i < 3; i++) {
        redisReply *r = server_ask(&cluster.node[i], "PUBSUB NUMSUB news");
        bool here = r->element[1]->integer > 0;
        freeReplyObject(r);
        if (here) return i;
    }
    return -1;
}

static void a_subscription_hears_what_is_published_anywhere(void **state)
{
    struct world *w = *state;
    for (unsigned round = 1; round <= 3; round++) {
        struct command *c = &w->commands[round];
        world_up(w);
        assert_int_equal(w->ups, round);
        assert_int_equal(redis_subscribe(w->link, on_push, c, STR("news")), 0);
        RUN_UNTIL(w, c->calls == 1);
        assert_string_equal(c->text, "subscribe");
        for (int i = 0; i < 3; i++)
            SERVER_DO(&cluster.node[i], "PUBLISH news n%d", i);
        RUN_UNTIL(w, c->calls == 4);
        SERVER_DO(&cluster.node[listener()], "CLIENT KILL TYPE pubsub");
        RUN_UNTIL(w, w->downs == round);
        assert_int_equal(redis_subscribe(w->link, on_push, c, STR("news")), -1);
    }
    world_up(w);
    assert_int_equal(listener(), -1);
    assert_int_equal(w->commands[1].calls, 4);
}

/* Another node than that of the subscription dies: the owner hears "down" and subscribes anew. */
static void a_subscription_ends_with_the_link(void **state)
{
    struct world *w = *state;
    struct command *c = &w->commands[1];
    assert_int_equal(redis_subscribe(w->link, on_push, c, STR("news")), 0);
    RUN_UNTIL(w, c->calls == 1);
    SERVER_DO(&cluster.node[(listener() + 1) % 3], "CLIENT KILL TYPE normal");
    RUN_UNTIL(w, w->downs == 1);
    RUN_UNTIL(w, redis_link_up(w->link));
    SERVER_UNTIL(listener() == -1);
    assert_int_equal(redis_subscribe(w->link, on_push, c, STR("news")), 0);
    RUN_UNTIL(w, c->calls == 2);
    SERVER_DO(&cluster.node[0], "PUBLISH news hello");
    RUN_UNTIL(w, c->calls == 3);
    assert_string_equal(c->text, "hello");
}

static long long clients(struct server *s)
{
    return server_figure(s, "INFO clients", "connected_clients:");
}

static bool all_are_masters(struct cluster *c)
{
    for (int i = 0; i < c->n * c->n; i++) {
        redisReply *r = server_ask(&c->node[i / c->n], "CLUSTER NODES");
        const char *line = strstr(r->str, c->id[i % c->n]);
        size_t n = line == NULL ? 0 : strcspn(line, "\n");
        bool ok = n > 0 && memmem(line, n, "master ", 7) != NULL;
        freeReplyObject(r);
        if (!ok) return false;
    }
    return true;
}

/* Two masters get a third one while the link works, and lose it again. */
static void a_cluster_grows_and_shrinks(void **state)
{
    struct cluster c;
    struct world w;
    unsigned slot = slot_of(STR("a")), slot2 = slot_of(STR("b"));
    (void)state;
    cluster_new(&c, 2, 3);
    SERVER_UNTIL(server_figure(&c.node[2], "INFO replication", "role:slave") >= 0);
    SERVER_DO(&c.node[2], "CLUSTER RESET SOFT");
    SERVER_DO(&c.node[2], "CLUSTER MEET 127.0.0.1 %d %d", c.node[0].port, c.node[0].bus);
    SERVER_UNTIL(all_are_masters(&c) && cluster_settled(&c));
    for (int i = 0; i < c.n; i++) /* one that has lost its last slot stays a master */
        SERVER_DO(&c.node[i], "CONFIG SET cluster-allow-replica-migration no");
    world_open(&w, c.address);
    world_up(&w);
    RUN_UNTIL(&w, clients(&c.node[2]) == 1); /* the test itself: it was a seed, but has no slots */
    int from = holder(&c, slot), from2 = holder(&c, slot2);
    world_say(&w, "SET", "a", "1");
    world_say(&w, "SET", "b", "1");
    begin_move(&c, slot, from, 2);
    move_key(&c, "a", from, 2);
    assert_memory_equal(world_say(&w, "INCR", "a", NULL), "ASK", 3); /* not connected yet */
    assert_true(w.commands[WORLD_COMMANDS - 1].again);
    assert_string_equal(world_insist(&w, "INCR", "a", NULL), "2");
    end_move(&c, slot, from, 2);
    assert_string_equal(world_say(&w, "INCR", "a", NULL), "3");
    assert_int_equal(w.downs, 0);
    begin_move(&c, slot, 2, from);
    move_key(&c, "a", 2, from);
    end_move(&c, slot, 2, from);
    assert_string_equal(world_say(&w, "INCR", "a", NULL), "4");
    RUN_UNTIL(&w, clients(&c.node[2]) == 1); /* left */
    assert_int_equal(w.downs, 0);
    /* A slot that is there at once, not asked for before. */
    begin_move(&c, slot2, from2, 2);
    move_key(&c, "b", from2, 2);
    end_move(&c, slot2, from2, 2);
    assert_memory_equal(world_say(&w, "INCR", "b", NULL), "MOVED", 5);
    assert_string_equal(world_insist(&w, "INCR", "b", NULL), "2");
    assert_int_equal(w.downs, 1);
    assert_int_equal(w.ups, 2);
    world_close(&w);
    cluster_free(&c);
}

static void a_replica_takes_the_slots_over(void **state)
{
    struct cluster c;
    struct world w;
    char key[32], value[160];
    unsigned ended = 0;
    (void)state;
    cluster_new(&c, 3, 4);
    SERVER_UNTIL(server_figure(&c.node[3], "INFO replication", "master_link_status:up") >= 0);
    snprintf(value, sizeof value, "cluster://127.0.0.1:%d", c.node[0].port); /* that will die */
    world_open(&w, value);
    world_up(&w);
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_string_equal(world_say(&w, "INCR", key, NULL), "1");
    }
    SERVER_UNTIL(server_figure(&c.node[3], "INFO replication", "slave_repl_offset:") ==
                 server_figure(&c.node[0], "INFO replication", "master_repl_offset:"));
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(world_send(&w, &w.commands[i], "INCR", key, NULL), 0);
    }
    server_kill(&c.node[0]);
    RUN_UNTIL(&w, !redis_link_up(w.link));
    RUN_UNTIL(&w, (ended = world_ended(&w, KEYS)) == KEYS);
    RUN_UNTIL(&w, redis_link_up(w.link));
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "k%d", i);
        bool lost = w.commands[i].lost;
        const char *now = world_insist(&w, "GET", key, NULL);
        assert_true(strcmp(now, "2") == 0 || (lost && strcmp(now, "1") == 0));
    }
    /* The dead one comes back as a replica; nothing happens. */
    unsigned ups = w.ups;
    server_start(&c.node[0]);
    SERVER_UNTIL(server_figure(&c.node[0], "INFO replication", "master_link_status:up") >= 0);
    assert_int_equal(world_send(&w, &w.commands[0], "GET", "k0", NULL), 0);
    RUN_UNTIL(&w, w.commands[0].calls == 1);
    assert_int_equal(w.ups, ups);
    world_close(&w);
    cluster_free(&c);
}

/* The old master lives on, and keeps the connection: only the map tells, and nobody asks it. */
static void a_failover_is_heard_of_in_silence(void **state)
{
    struct cluster c;
    struct world w;
    (void)state;
    cluster_new(&c, 3, 4);
    SERVER_UNTIL(server_figure(&c.node[3], "INFO replication", "master_link_status:up") >= 0);
    world_open(&w, c.address);
    world_up(&w);
    SERVER_DO(&c.node[3], "CLUSTER FAILOVER TAKEOVER");
    RUN_UNTIL(&w, w.downs > 0 && redis_link_up(w.link));
    assert_true(clients(&c.node[3]) > 1);
    world_close(&w);
    cluster_free(&c);
}

int main(void)
{
#define ON_CLUSTER(f) cmocka_unit_test_setup_teardown(f, open_link, close_link)
    const struct CMUnitTest tests[] = {
        ON_CLUSTER(each_command_goes_to_the_node_of_its_key),
        cmocka_unit_test(slots_are_reckoned_as_the_server_does),
        ON_CLUSTER(each_node_learns_a_script),
        ON_CLUSTER(a_moved_slot_is_followed),
        ON_CLUSTER(a_slot_on_its_way_is_asked_for_key_by_key),
        ON_CLUSTER(nothing_is_lost_while_a_slot_wanders),
        ON_CLUSTER(redirections_have_an_end),
        ON_CLUSTER(freeing_ends_what_is_on_its_way),
        cmocka_unit_test(any_node_that_answers_tells_the_map),
        ON_CLUSTER(is_up_only_with_the_right_password),
        ON_CLUSTER(a_subscription_hears_what_is_published_anywhere),
        ON_CLUSTER(a_subscription_ends_with_the_link),
        ON_CLUSTER(the_living_answer_while_one_is_dead),
        cmocka_unit_test(a_cluster_grows_and_shrinks),
        cmocka_unit_test(a_replica_takes_the_slots_over),
        cmocka_unit_test(a_failover_is_heard_of_in_silence),
    };
    signal(SIGPIPE, SIG_IGN); /* hiredis writes to a Redis that was killed */
    return cmocka_run_group_tests(tests, make_cluster, end_cluster);
}
