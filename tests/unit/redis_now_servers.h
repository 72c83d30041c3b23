/* redis_now_servers.h - real redis-servers on free loopback ports: alone, as nodes of a cluster,
 * with a standby and a sentinel. In a temporary directory each; ended by their own pids. */
#ifndef SENTIER_TEST_REDIS_NOW_SERVERS_H
#define SENTIER_TEST_REDIS_NOW_SERVERS_H

#include <arpa/inet.h>
#include <assert.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SERVER_ARGS = 24, SERVER_WAIT_US = 5000, SERVER_PATIENCE = 60 * 1000000 / SERVER_WAIT_US };

struct server {
    char dir[64];
    int port, bus;
    pid_t pid;
    const char *args[SERVER_ARGS]; /* ends with NULL; static or the test's */
    redisContext *c;               /* for the test itself */
};

/* Never one twice. Below the ports that the kernel gives to outgoing connections; tests/run gives
 * each of those that run at a time some of its own: one that is only found free can be taken before
 * it is used. */
static inline int server_free_port(void)
{
    static int first = 10240, last = 20239, next;
    const char *own = getenv("SENTIER_PORTS");
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int bound = -1;
    if (next == 0) {
        if (own != NULL) sscanf(own, "%d-%d", &first, &last);
        next = first + getpid() * 16 % (last + 1 - first);
    }
    for (int tries = first; bound < 0 && tries <= last; tries++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        next = next == last ? first : next + 1;
        a.sin_port = htons((uint16_t)next);
        bound = bind(fd, (struct sockaddr *)&a, sizeof a);
        close(fd);
    }
    assert(bound == 0);
    return next;
}

static inline void server_connect(struct server *s)
{
    for (int tries = 0;; tries++) {
        assert(tries < SERVER_PATIENCE && waitpid(s->pid, NULL, WNOHANG) == 0);
        s->c = redisConnect("127.0.0.1", s->port);
        redisReply *r = s->c->err ? NULL : redisCommand(s->c, "PING");
        bool up = r != NULL && (r->type == REDIS_REPLY_STATUS || strstr(r->str, "AUTH") != NULL);
        if (r != NULL) freeReplyObject(r);
        if (up) return;
        redisFree(s->c);
        usleep(SERVER_WAIT_US);
    }
}

static inline void server_start(struct server *s)
{
    char port[16], bus[16];
    const char *argv[SERVER_ARGS + 16] = {"redis-server"};
    int n = 1;
    snprintf(port, sizeof port, "%d", s->port);
    snprintf(bus, sizeof bus, "%d", s->bus);
    if (s->args[0] != NULL && s->args[0][0] != '-') argv[n++] = s->args[0]; /* a sentinel's file */
    const char *own[] = {"--port", port,     "--bind", "127.0.0.1",      "--dir",
                         s->dir,   "--save", "",       "--cluster-port", bus};
    for (int i = 0; i < (n == 2 ? 6 : 10); i++)
        argv[n++] = own[i];
    for (int i = argv[1][0] == '-' ? 0 : 1; s->args[i] != NULL; i++)
        argv[n++] = s->args[i];
    s->pid = fork();
    assert(s->pid >= 0);
    if (s->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (freopen("/dev/null", "w", stdout) == NULL) _exit(126);
        execvp("redis-server", (char **)(uintptr_t)argv);
        _exit(127);
    }
    server_connect(s);
}

static inline void server_new(struct server *s, const char *const *args)
{
    *s = (struct server){.port = server_free_port(), .bus = server_free_port()};
    snprintf(s->dir, sizeof s->dir, "/tmp/sentier-unit-XXXXXX");
    char *made = mkdtemp(s->dir);
    assert(made != NULL);
    (void)made;
    for (int i = 0; args != NULL && args[i] != NULL; i++) {
        assert(i < SERVER_ARGS - 1);
        s->args[i] = args[i];
    }
    server_start(s);
}

static inline void server_kill(struct server *s)
{
    if (s->pid == 0) return;
    redisFree(s->c);
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    s->pid = 0;
}

static inline void server_free(struct server *s)
{
    char command[96];
    server_kill(s);
    snprintf(command, sizeof command, "rm -rf '%s'", s->dir);
    int status = system(command);
    assert(status == 0);
    (void)status;
}

/* The answer, which must not be an error; the caller frees it. A server closes its connections when
 * it becomes a master or a replica: then it is asked again. */
static inline redisReply *server_ask(struct server *s, const char *fmt, ...)
{
    redisReply *r = NULL;
    for (int tries = 0; r == NULL && tries < 2; tries++) {
        va_list ap;
        if (tries > 0) {
            redisFree(s->c);
            server_connect(s);
        }
        va_start(ap, fmt);
        r = redisvCommand(s->c, fmt, ap);
        va_end(ap);
    }
    if (r == NULL || r->type == REDIS_REPLY_ERROR)
        fprintf(stderr, "%s: %s\n", fmt, r == NULL ? s->c->errstr : r->str);
    assert(r != NULL && r->type != REDIS_REPLY_ERROR);
    return r;
}

#define SERVER_DO(...) freeReplyObject(server_ask(__VA_ARGS__))

/* The number behind `name` in the text that the command answers; -1: the name is not there. */
static inline long long server_figure(struct server *s, const char *command, const char *name)
{
    redisReply *r = server_ask(s, command);
    const char *at = strstr(r->str, name);
    long long n = at == NULL ? -1 : strtoll(at + strlen(name), NULL, 10);
    freeReplyObject(r);
    return n;
}

#define SERVER_UNTIL(condition)                                                                    \
    for (int tries_ = 0; !(condition); tries_++) {                                                 \
        assert(tries_ < SERVER_PATIENCE);                                                          \
        usleep(SERVER_WAIT_US);                                                                    \
    }

/* ---- a cluster ---- */

enum { CLUSTER_NODES_MAX = 4, CLUSTER_SLOTS = 16384 };

struct cluster {
    struct server node[CLUSTER_NODES_MAX];
    char id[CLUSTER_NODES_MAX][41];
    int n, masters;
    char address[256]; /* cluster://... of all nodes */
};

static inline bool cluster_settled(struct cluster *c)
{
    for (int i = 0; i < c->n; i++) {
        if (server_figure(&c->node[i], "CLUSTER INFO", "cluster_slots_ok:") != CLUSTER_SLOTS ||
            server_figure(&c->node[i], "CLUSTER INFO", "cluster_known_nodes:") != c->n ||
            server_figure(&c->node[i], "CLUSTER INFO", "cluster_size:") != c->masters)
            return false;
        redisReply *r = server_ask(&c->node[i], "CLUSTER INFO");
        bool ok = strstr(r->str, "cluster_state:ok") != NULL;
        freeReplyObject(r);
        if (!ok) return false;
    }
    return true;
}

/* Slots are dealt to `masters` nodes in equal ranges; each of the others follows the first. */
static inline void cluster_new(struct cluster *c, int masters, int n)
{
    static const char *const args[] = {"--cluster-enabled",
                                       "yes",
                                       "--cluster-node-timeout",
                                       "2000",
                                       "--repl-diskless-sync-delay",
                                       "0",
                                       NULL};
    *c = (struct cluster){.n = n, .masters = masters};
    for (int i = 0; i < n; i++) {
        server_new(&c->node[i], args);
        redisReply *r = server_ask(&c->node[i], "CLUSTER MYID");
        snprintf(c->id[i], sizeof c->id[i], "%s", r->str);
        freeReplyObject(r);
        SERVER_DO(&c->node[i], "CLUSTER SET-CONFIG-EPOCH %d", i + 1);
        size_t end = strlen(c->address);
        snprintf(c->address + end, sizeof c->address - end, "%s127.0.0.1:%d",
                 i == 0 ? "cluster://" : ",", c->node[i].port);
        if (i < masters)
            SERVER_DO(&c->node[i], "CLUSTER ADDSLOTSRANGE %d %d", i * CLUSTER_SLOTS / masters,
                      (i + 1) * CLUSTER_SLOTS / masters - 1);
        if (i > 0)
            SERVER_DO(&c->node[i], "CLUSTER MEET 127.0.0.1 %d %d", c->node[0].port, c->node[0].bus);
    }
    SERVER_UNTIL(cluster_settled(c));
    for (int i = masters; i < n; i++)
        SERVER_DO(&c->node[i], "CLUSTER REPLICATE %s", c->id[0]);
}

static inline void cluster_free(struct cluster *c)
{
    for (int i = 0; i < c->n; i++)
        server_free(&c->node[i]);
}

/* ---- a standby ---- */

struct standby {
    struct server master, replica, sentinel;
    char file[96], of[2][16], address[96];
};

static inline void standby_new(struct standby *s, const char *sentinel_line)
{
    /* A replica is served at once; otherwise a master waits 5 s for others to come. */
    static const char *const master[] = {"--repl-diskless-sync-delay", "0", NULL};
    char dir[] = "/tmp/sentier-unit-XXXXXX";
    *s = (struct standby){0};
    server_new(&s->master, master);
    snprintf(s->of[0], sizeof s->of[0], "%d", s->master.port);
    const char *const replica[] = {
        "--replicaof", "127.0.0.1", s->of[0], "--repl-diskless-sync-delay", "0", NULL};
    server_new(&s->replica, replica);
    char *made = mkdtemp(dir);
    assert(made != NULL);
    (void)made;
    snprintf(s->file, sizeof s->file, "%s/sentinel.conf", dir);
    FILE *f = fopen(s->file, "w");
    assert(f != NULL);
    fprintf(f,
            "sentinel monitor main 127.0.0.1 %d 1\nsentinel down-after-milliseconds main 500\n"
            "sentinel failover-timeout main 3000\n%s",
            s->master.port, sentinel_line);
    fclose(f);
    const char *const sentinel[] = {s->file, "--sentinel", NULL};
    server_new(&s->sentinel, sentinel);
    snprintf(s->address, sizeof s->address, "sentinel://main@127.0.0.1:%d", s->sentinel.port);
    SERVER_UNTIL(server_figure(&s->replica, "INFO replication", "master_link_status:up") >= 0);
}

static inline void standby_free(struct standby *s)
{
    char command[160];
    server_free(&s->sentinel);
    server_free(&s->replica);
    server_free(&s->master);
    snprintf(command, sizeof command, "rm -rf \"$(dirname '%s')\"", s->file);
    int status = system(command);
    assert(status == 0);
    (void)status;
}

#endif
