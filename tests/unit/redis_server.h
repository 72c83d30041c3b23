/* redis_server.h - a real redis-server of a test's own: unix socket in a temporary directory, no
 * TCP port, ended by its own pid. */
#ifndef SENTIER_TEST_REDIS_SERVER_H
#define SENTIER_TEST_REDIS_SERVER_H

#include <assert.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf.h"

struct redis_server {
    char dir[64], socket[96], address[104];
    pid_t pid;
    redisContext *redis; /* for the test itself */
    struct redis_conf conf;
};

/* Everything it has said yes to is on the disk, so a start after a kill goes on with all of it. */
static inline void redis_server_start(struct redis_server *s)
{
    s->pid = fork();
    assert(s->pid >= 0);
    if (s->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (freopen("/dev/null", "w", stdout) == NULL) _exit(126);
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", s->socket, "--dir",
               s->dir, "--save", "", "--appendonly", "yes", "--appendfsync", "always",
               "--auto-aof-rewrite-percentage", "0", (char *)NULL);
        _exit(127);
    }
    for (;;) {
        assert(waitpid(s->pid, NULL, WNOHANG) == 0); /* it ended: no server to test with */
        s->redis = redisConnectUnix(s->socket);
        redisReply *r = s->redis->err ? NULL : redisCommand(s->redis, "PING");
        bool up = r != NULL && r->type == REDIS_REPLY_STATUS;
        if (r != NULL) freeReplyObject(r);
        if (up) return;
        redisFree(s->redis);
        usleep(2000);
    }
}

static inline void redis_server_kill(struct redis_server *s)
{
    redisFree(s->redis);
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    unlink(s->socket);
}

static inline void redis_server_new(struct redis_server *s)
{
    *s = (struct redis_server){0};
    snprintf(s->dir, sizeof s->dir, "/tmp/sentier-unit-XXXXXX");
    char *made = mkdtemp(s->dir);
    assert(made != NULL);
    (void)made;
    snprintf(s->socket, sizeof s->socket, "%s/redis", s->dir);
    snprintf(s->address, sizeof s->address, "unix:%s", s->socket);
    s->conf = (struct redis_conf){.redis = s->address, .user = "", .password_file = ""};
    redis_server_start(s);
}

static inline void redis_server_free(struct redis_server *s)
{
    char command[96];
    redis_server_kill(s);
    snprintf(command, sizeof command, "rm -rf '%s'", s->dir);
    int status = system(command);
    assert(status == 0);
    (void)status;
}

/* An integer answer, or the number in a string; -1: anything else. */
static inline long long redis_server_number(struct redis_server *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    redisReply *r = redisvCommand(s->redis, fmt, ap);
    va_end(ap);
    assert(r != NULL);
    long long n = r->type == REDIS_REPLY_INTEGER  ? r->integer
                  : r->type == REDIS_REPLY_STRING ? strtoll(r->str, NULL, 10)
                                                  : -1;
    freeReplyObject(r);
    return n;
}

#endif
