// Networks, and sockets that reach beyond the task.
#define _GNU_SOURCE
#include "probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static int opened(int family, int type, int protocol) {
    int channel = socket(family, type, protocol);
    if (channel < 0 && (errno == EAFNOSUPPORT || errno == EPROTONOSUPPORT)) return SKIP;
    return channel >= 0;
}
static int kernel_crypto(const struct host *host) { return (void)host, opened(AF_ALG, SOCK_SEQPACKET, 0); }
static int hypervisor(const struct host *host) { return (void)host, opened(AF_VSOCK, SOCK_STREAM, 0); }
static int routes(const struct host *host) { return (void)host, opened(AF_NETLINK, SOCK_RAW, 0); }
static int events(const struct host *host) { return (void)host, opened(AF_NETLINK, SOCK_DGRAM, 15); }
static int frames(const struct host *host) { return (void)host, opened(AF_PACKET, SOCK_RAW, 0); }
static int raw(const struct host *host) { return (void)host, opened(AF_INET, SOCK_RAW, IPPROTO_ICMP); }
static int raw6(const struct host *host) { return (void)host, opened(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6); }
static int bluetooth(const struct host *host) { return (void)host, opened(AF_BLUETOOTH, SOCK_RAW, 1); }
static int control_bus(const struct host *host) { return (void)host, opened(AF_CAN, SOCK_RAW, 1); }
static int cluster(const struct host *host) { return (void)host, opened(30 /* AF_TIPC */, SOCK_RDM, 0); }
static int lighter_datagrams(const struct host *host) { return (void)host, opened(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE); }
static int many_paths(const struct host *host) { return (void)host, opened(AF_INET, SOCK_STREAM, 262 /* IPPROTO_MPTCP */); }
// Its bits above the 32nd are not the kernel's business, and must not be the filter's either.
static int routes_with_high_bits(const struct host *host) {
    (void)host;
    return syscall(41 /* socket on x86-64 */, 0x100000010, 3, 0) >= 0;
}

static int reaches(const struct sockaddr *address, socklen_t length, int type) {
    int channel = socket(address->sa_family, type, 0);
    int connected = connect(channel, address, length) == 0;
    return connected && (type == SOCK_STREAM || send(channel, "x", 1, 0) == 1);
}
static int tcp(const struct host *host) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)host->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return reaches((struct sockaddr *)&address, sizeof address, SOCK_STREAM);
}
static int abstract(const struct host *host) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path + 1, host->abstract, sizeof address.sun_path - 2);
    return reaches((struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(host->abstract)),
                   SOCK_STREAM);
}
static int named(const struct host *host) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, host->named, sizeof address.sun_path - 1);
    return reaches((struct sockaddr *)&address, sizeof address, SOCK_STREAM);
}
// Another network than its own loopback, by a route that exists: connecting a datagram socket asks for one.
static int route_out(const struct host *host) {
    (void)host;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(9)};
    inet_pton(AF_INET, "192.0.2.1", &address.sin_addr);
    int channel = socket(AF_INET, SOCK_DGRAM, 0);
    return connect(channel, (struct sockaddr *)&address, sizeof address) == 0;
}
static int type_on_terminal(const struct host *host) {
    (void)host;
    int master, slave;
    if (openpty(&master, &slave, NULL, NULL, NULL)) return 0;
    setsid();
    ioctl(slave, TIOCSCTTY, 0);
    // Kernels since 6.2 leave it to CAP_SYS_ADMIN (dev.tty.legacy_tiocsti).
    return ioctl(slave, TIOCSTI, "x") == 0;
}
static int type_with_high_bits(const struct host *host) {
    (void)host;
    int master, slave;
    if (openpty(&master, &slave, NULL, NULL, NULL)) return 0;
    setsid();
    ioctl(slave, TIOCSCTTY, 0);
    return syscall(16 /* ioctl on x86-64 */, slave, 0x100005412, "x") == 0;
}
static int console(const struct host *host) {
    (void)host;
    int master, slave;
    char command = 2;
    if (openpty(&master, &slave, NULL, NULL, NULL)) return 0;
    ioctl(slave, 0x541c /* TIOCLINUX */, &command);
    return errno == ENOTTY || errno == EINVAL;
}

const struct attempt socket_attempts[] = {
    {"AF_ALG", kernel_crypto, 'u'},
    {"AF_VSOCK", hypervisor, 'u'},
    {"AF_NETLINK routes", routes, 'u'},
    {"AF_NETLINK events", events, 'u'},
#ifdef __x86_64__
    {"AF_NETLINK with high bits", routes_with_high_bits, 'u'},
    {"TIOCSTI with high bits", type_with_high_bits, 'r'},
#endif
    {"AF_PACKET", frames, 'r'},
    {"raw ICMP", raw, 'r'},
    {"raw ICMPv6", raw6, 'r'},
    {"AF_BLUETOOTH", bluetooth, 'u'},
    {"AF_CAN", control_bus, 'u'},
    {"AF_TIPC", cluster, 'u'},
    {"UDP-Lite", lighter_datagrams, 'u'},
    {"MPTCP", many_paths, 'u'},
    {"the host's loopback", tcp, 'u'},
    {"an abstract socket of the host", abstract, 'u'},
    {"a named socket of the host", named, 'u'},
    {"a route out", route_out, 'u'},
    {"TIOCSTI", type_on_terminal, 'r'},
    {"TIOCLINUX", console, 'u'},
    {0},
};
