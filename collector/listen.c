/*
 * SO_REUSEPORT lets the kernel spread connections over the workers, but it also lets a second
 * collector join the port of a first one unnoticed and take half of its hits. So the port is first
 * bound without it, which fails when anyone has it, and only then shared among our own.
 */
#include "listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address.h"

enum { LISTEN_BACKLOG = 4096 };

static int open_socket(const struct addrinfo *a, bool shared)
{
    int on = 1, off = 0;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    bool ok = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0;
    if (ok && shared) ok = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0;
    if (ok && a->ai_family == AF_INET6) {
        ok = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0;
    }
    /* Answers are one send each; waiting for more only delays them. Inherited by accept. */
    if (ok) ok = setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0;
    if (ok) ok = bind(fd, a->ai_addr, a->ai_addrlen) == 0;
    if (ok) ok = listen(fd, LISTEN_BACKLOG) == 0;
    if (ok) return fd;
    int err = errno;
    close(fd);
    errno = err;
    return -1;
}

static int port_of(int fd)
{
    struct sockaddr_storage ss;
    socklen_t n = sizeof ss;
    if (getsockname(fd, (struct sockaddr *)&ss, &n) < 0) return -1;
    return ntohs(ss.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&ss)->sin6_port
                                          : ((struct sockaddr_in *)&ss)->sin_port);
}

static void set_port(struct addrinfo *a, int port)
{
    if (a->ai_family == AF_INET6) {
        ((struct sockaddr_in6 *)a->ai_addr)->sin6_port = htons((uint16_t)port);
    } else {
        ((struct sockaddr_in *)a->ai_addr)->sin_port = htons((uint16_t)port);
    }
}

static int open_all(struct addrinfo *a, unsigned n, int *fds, int *port)
{
    int probe = open_socket(a, false);
    if (probe < 0) return -1;
    *port = port_of(probe);
    close(probe);
    set_port(a, *port);
    for (unsigned i = 0; i < n; i++) {
        fds[i] = open_socket(a, true);
        if (fds[i] >= 0) continue;
        int err = errno;
        while (i > 0)
            close(fds[--i]);
        errno = err;
        return -1;
    }
    return 0;
}

int listen_open(const char *address, unsigned n, int *fds, int *port, struct buf *err)
{
    char host[ADDRESS_HOST_BYTES], service[8];
    struct addrinfo *list = NULL,
                    hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    if (!address_split(address, host, port)) {
        buf_printf(err, "listen = %s: must be HOST:PORT or :PORT", address);
        return -1;
    }
    snprintf(service, sizeof service, "%d", *port);
    if (host[0] == '\0') hints.ai_family = AF_INET6; /* takes IPv4 too */
    int gai = getaddrinfo(host[0] == '\0' ? NULL : host, service, &hints, &list);
    int opened = gai != 0 ? -1 : open_all(list, n, fds, port);
    if (opened < 0 && gai == 0 && errno == EAFNOSUPPORT && host[0] == '\0') {
        freeaddrinfo(list);
        list = NULL;
        hints.ai_family = AF_INET;
        gai = getaddrinfo(NULL, service, &hints, &list);
        opened = gai != 0 ? -1 : open_all(list, n, fds, port);
    }
    if (opened < 0) {
        buf_printf(err, "listen = %s: %s", address, gai != 0 ? gai_strerror(gai) : strerror(errno));
    }
    if (list != NULL) freeaddrinfo(list);
    return opened;
}
