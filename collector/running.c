/*
 * That a collector runs is known by the lock of its data directory; what it is to do, it is told at
 * its admin port. One that does not answer in time counts as one that refuses.
 */
#include "running.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address.h"

enum { PATH_BYTES = 4096, HTTP_WAIT_S = 10 };

/* Or has just been started: it takes this lock first. */
bool running_here(const char *data)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/collector.lock", data);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool runs = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
    if (fd >= 0) close(fd);
    return runs;
}

static int connect_to(const char *host, int port)
{
    char service[16];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *all = NULL;
    const struct timeval wait = {HTTP_WAIT_S, 0};
    int fd = -1;
    snprintf(service, sizeof service, "%d", port);
    if (getaddrinfo(host[0] == '\0' ? "127.0.0.1" : host, service, &hints, &all) != 0) return -1;
    for (struct addrinfo *a = all; a != NULL && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, 0);
        if (fd < 0) continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
        if (connect(fd, a->ai_addr, a->ai_addrlen) == 0) break;
        close(fd);
        fd = -1;
    }
    freeaddrinfo(all);
    return fd;
}

int running_leave_segments(const struct collector_conf *conf, struct buf *err)
{
    static const char request[] = "POST /leave-segments HTTP/1.1\r\nHost: collector\r\n"
                                  "Content-Length: 0\r\nConnection: close\r\n\r\n";
    char host[ADDRESS_HOST_BYTES], answer[16] = "";
    int port;
    if (!running_here(conf->data)) return 0;
    int fd = address_split(conf->admin, host, &port) ? connect_to(host, port) : -1;
    bool ok = fd >= 0 && send(fd, request, sizeof request - 1, MSG_NOSIGNAL) > 0 &&
              recv(fd, answer, sizeof answer - 1, MSG_WAITALL) > 0 &&
              strncmp(answer + 8, " 200", 4) == 0;
    if (fd >= 0) close(fd);
    if (ok) return 0;
    buf_printf(err,
               "the collector that runs does not answer at its admin port, admin = %s; it must "
               "begin new files before those of now can be rewritten",
               conf->admin);
    return -1;
}
