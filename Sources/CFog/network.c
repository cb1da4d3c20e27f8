// Sockets of a task's proxy: the launcher makes the one that listens, the agent the others.
#include "cfog.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// What the kernel may hold for a task that does not read, in each direction: the kernel doubles it.
#define TASK_BUFFER_BYTES (256 << 10)
#define BACKLOG 256

static int close_keeping_errno(int descriptor) {
    int saved = errno;
    close(descriptor);
    errno = saved;
    return -1;
}

static int bind_loopback(int listener, uint16_t port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return bind(listener, (struct sockaddr *)&address, sizeof address);
}

int fog_listen(uint16_t *port) {
    const int on = 1, size = TASK_BUFFER_BYTES;
    struct sockaddr_in bound;
    socklen_t length = sizeof bound;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0) return -1;
    // Connections of the task before may still be on their way out of the kernel.
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    // Handed down to what is accepted.
    setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if ((bind_loopback(listener, *port) && bind_loopback(listener, 0)) || listen(listener, BACKLOG) ||
        getsockname(listener, (struct sockaddr *)&bound, &length)) {
        return close_keeping_errno(listener);
    }
    *port = ntohs(bound.sin_port);
    return listener;
}

int fog_accept(int listener) {
    int accepted;
    do {
        accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (accepted < 0 && errno == EINTR);
    return accepted;
}

int fog_connect(const uint8_t *address, int length, uint16_t port) {
    const int on = 1;
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (length != 4 && length != 16) {
        errno = EINVAL;
        return -1;
    }
    int family = length == 4 ? AF_INET : AF_INET6;
    int channel = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (channel < 0) return -1;
    setsockopt(channel, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    memcpy(length == 4 ? (void *)&four.sin_addr : (void *)&six.sin6_addr, address, (size_t)length);
    int failed = length == 4 ? connect(channel, (struct sockaddr *)&four, sizeof four)
                             : connect(channel, (struct sockaddr *)&six, sizeof six);
    if (failed && errno != EINPROGRESS && errno != EINTR) return close_keeping_errno(channel);
    return channel;
}

int fog_connected(int socket) {
    int error = 0;
    socklen_t length = sizeof error;
    return getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &length) ? errno : error;
}
