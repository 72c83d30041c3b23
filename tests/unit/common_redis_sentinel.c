/* The link behind real sentinels: it is where the master is, and nowhere else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "redis_link_world.h"
#include "redis_now_servers.h"

enum { COMMANDS = 300 };

static bool is_master(struct server *s)
{
    return server_figure(s, "INFO replication", "role:master") >= 0;
}

/* The standby has all of it, and the sentinel knows of the standby: it asks a master that is new to
 * it at once, a known one every ten seconds. */
static void get_ready(struct standby *s)
{
    SERVER_UNTIL(server_figure(&s->replica, "INFO replication", "slave_repl_offset:") ==
                 server_figure(&s->master, "INFO replication", "master_repl_offset:"));
    SERVER_DO(&s->sentinel, "SENTINEL REMOVE main");
    SERVER_DO(&s->sentinel, "SENTINEL MONITOR main 127.0.0.1 %d 1", s->master.port);
    SERVER_DO(&s->sentinel, "SENTINEL SET main down-after-milliseconds 500 failover-timeout 3000");
    SERVER_UNTIL(server_figure(&s->sentinel, "INFO sentinel", "slaves=") == 1);
}

static void the_standby_takes_over(void **state)
{
    struct standby s;
    struct world w;
    unsigned lost = 0;
    (void)state;
    standby_new(&s, "");
    world_open(&w, s.address);
    world_up(&w);
    assert_string_equal(world_say(&w, "SET", "k", "0"), "OK");
    get_ready(&s);
    for (int i = 0; i < COMMANDS; i++)
        assert_int_equal(world_send(&w, &w.commands[i], "INCR", "k", NULL), 0);
    server_kill(&s.master);
    RUN_UNTIL(&w, w.downs == 1);
    assert_int_equal(world_ended(&w, COMMANDS), COMMANDS);
    for (int i = 0; i < COMMANDS; i++)
        lost += w.commands[i].lost;
    assert_int_equal(world_send(&w, &w.commands[0], "GET", "k", NULL), -1);
    world_up(&w); /* as soon as there is a master, and not before */
    assert_true(is_master(&s.replica));
    assert_true(lost > 0);
    assert_string_equal(world_say(&w, "SET", "k", "1"), "OK");
    world_close(&w);
    standby_free(&s);
}

/* False: the sentinel does not know the standby well enough yet. */
static bool starts_failover(struct standby *s)
{
    redisReply *r = redisCommand(s->sentinel.c, "SENTINEL FAILOVER main");
    bool ok = r != NULL && r->type == REDIS_REPLY_STATUS;
    if (r != NULL) freeReplyObject(r);
    return ok;
}

/* Sentinels move the master while it is well. */
static void a_demoted_master_is_left(void **state)
{
    struct standby s;
    struct world w;
    (void)state;
    standby_new(&s, "");
    world_open(&w, s.address);
    world_up(&w);
    assert_string_equal(world_say(&w, "SET", "k", "1"), "OK");
    get_ready(&s);
    SERVER_UNTIL(starts_failover(&s));
    SERVER_UNTIL(is_master(&s.replica) && !is_master(&s.master));
    assert_string_equal(world_insist(&w, "INCR", "k", NULL), "2");
    redisReply *r = server_ask(&s.replica, "GET k");
    assert_string_equal(r->str, "2");
    freeReplyObject(r);
    assert_int_equal(w.downs, 1);
    world_close(&w);
    standby_free(&s);
}

/* The connection lives on, but it is not that of a master any more. */
static void readonly_means_another_place(void **state)
{
    struct standby s;
    struct world w;
    (void)state;
    standby_new(&s, "");
    world_open(&w, s.address);
    world_up(&w);
    assert_string_equal(world_say(&w, "SET", "k", "1"), "OK");
    SERVER_DO(&s.master, "CONFIG SET min-replicas-to-write 5");
    assert_memory_equal(world_say(&w, "SET", "k", "2"), "NOREPLICAS", 10); /* that is not it */
    assert_true(w.commands[WORLD_COMMANDS - 1].again);
    assert_int_equal(w.downs, 0);
    SERVER_DO(&s.sentinel, "SENTINEL REMOVE main");
    SERVER_DO(&s.master, "REPLICAOF 127.0.0.1 %d", s.replica.port);
    SERVER_DO(&s.replica, "REPLICAOF NO ONE");
    assert_memory_equal(world_say(&w, "SET", "k", "2"), "READONLY", 8);
    assert_true(w.commands[WORLD_COMMANDS - 1].again);
    RUN_UNTIL(&w, w.downs == 1);
    SERVER_DO(&s.sentinel, "SENTINEL MONITOR main 127.0.0.1 %d 1", s.replica.port);
    world_up(&w);
    assert_string_equal(world_say(&w, "SET", "k", "3"), "OK");
    world_close(&w);
    standby_free(&s);
}

static void a_replica_is_no_master(void **state)
{
    struct standby s;
    struct world w;
    (void)state;
    standby_new(&s, "");
    SERVER_DO(&s.sentinel, "SENTINEL REMOVE main");
    SERVER_DO(&s.sentinel, "SENTINEL MONITOR main 127.0.0.1 %d 2", s.replica.port);
    SERVER_DO(&s.replica, "CONFIG RESETSTAT");
    world_open(&w, s.address);
    RUN_UNTIL(&w, server_figure(&s.replica, "INFO commandstats", "cmdstat_role:calls=") >= 3);
    assert_int_equal(w.ups, 0);
    assert_int_equal(world_send(&w, &w.commands[0], "GET", "k", NULL), -1);
    SERVER_DO(&s.replica, "REPLICAOF NO ONE");
    world_up(&w);
    assert_string_equal(world_say(&w, "SET", "k", "1"), "OK");
    world_close(&w);
    standby_free(&s);
}

/* One is not there, one says nothing, one knows another master; the fourth can tell. */
static void sentinels_are_asked_in_turn(void **state)
{
    struct standby s;
    struct server stranger;
    struct world w;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof a;
    char address[256];
    (void)state;
    int mute = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(mute, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(mute, (struct sockaddr *)&a, &n), 0);
    assert_int_equal(listen(mute, 8), 0);
    standby_new(&s, "");
    server_new(&stranger, NULL); /* no sentinel at all */
    snprintf(address, sizeof address, "sentinel://main@127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:%d,%s",
             server_free_port(), ntohs(a.sin_port), stranger.port, strchr(s.address, '@') + 1);
    world_open(&w, address);
    world_up(&w);
    assert_string_equal(world_say(&w, "SET", "k", "1"), "OK");
    /* The one that could tell is asked first from now on. */
    SERVER_DO(&stranger, "CONFIG RESETSTAT");
    SERVER_DO(&s.master, "CLIENT KILL TYPE normal");
    RUN_UNTIL(&w, w.downs == 1);
    world_up(&w);
    assert_int_equal(server_figure(&stranger, "INFO commandstats", "cmdstat_sentinel"), -1);
    world_close(&w);
    for (int turns = 0; turns < 12; turns++) { /* freed in the middle of it, wherever that is */
        world_open(&w, address);
        for (int i = 0; i < turns; i++)
            event_base_loop(w.base, EVLOOP_ONCE);
        world_close(&w);
    }
    server_free(&stranger);
    standby_free(&s);
    close(mute);
}

static void sentinels_have_their_own_password(void **state)
{
    struct standby s;
    struct world w;
    char file[128];
    (void)state;
    standby_new(&s, "requirepass watch\n");
    snprintf(file, sizeof file, "%s/password", s.master.dir);
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    fputs("wrong\n", f);
    fclose(f);
    world_open(&w, s.address);
    redis_link_free(w.link);
    w.conf.sentinel_password_file = file;
    w.link = redis_link_new(w.base, &w.conf, world_on_state, &w);
    SERVER_DO(&s.sentinel, "AUTH watch");
    RUN_UNTIL(&w, server_figure(&s.sentinel, "INFO stats", "total_connections_received:") > 5);
    assert_int_equal(w.ups, 0);
    f = fopen(file, "w");
    assert_non_null(f);
    fputs("watch\n", f);
    fclose(f);
    world_up(&w);
    assert_string_equal(world_say(&w, "SET", "k", "1"), "OK");
    world_close(&w);
    standby_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_standby_takes_over),
        cmocka_unit_test(a_demoted_master_is_left),
        cmocka_unit_test(readonly_means_another_place),
        cmocka_unit_test(a_replica_is_no_master),
        cmocka_unit_test(sentinels_are_asked_in_turn),
        cmocka_unit_test(sentinels_have_their_own_password),
    };
    signal(SIGPIPE, SIG_IGN); /* hiredis writes to a Redis that was killed */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
