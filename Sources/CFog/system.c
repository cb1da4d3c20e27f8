#include "cfog.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/xattr.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CONTROL_SPACE CMSG_SPACE(sizeof(int) * FOG_DESCRIPTORS_PER_MESSAGE)

ssize_t fog_receive(int socket, void *buffer, size_t capacity, int *descriptors, int max, int *count, int flags) {
    struct iovec vector = {buffer, capacity};
    _Alignas(struct cmsghdr) char control[CONTROL_SPACE];
    struct msghdr header = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t length;
    *count = 0;
    do {
        length = recvmsg(socket, &header, MSG_CMSG_CLOEXEC | flags);
    } while (length < 0 && errno == EINTR);
    if (length < 0) return -1;
    int overflow = (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(&header); part; part = CMSG_NXTHDR(&header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        size_t received = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < received; i++) {
            int descriptor;
            memcpy(&descriptor, CMSG_DATA(part) + i * sizeof descriptor, sizeof descriptor);
            if (*count < max) {
                descriptors[(*count)++] = descriptor;
            } else {
                close(descriptor);
                overflow = 1;
            }
        }
    }
    if (overflow) {
        for (int i = 0; i < *count; i++) close(descriptors[i]);
        *count = 0;
        errno = EMSGSIZE;
        return -1;
    }
    return length;
}

ssize_t fog_send(int socket, const void *buffer, size_t length, const int *descriptors, int count) {
    struct iovec vector = {(void *)buffer, length};
    _Alignas(struct cmsghdr) char control[CONTROL_SPACE];
    struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
    if (count < 0 || count > FOG_DESCRIPTORS_PER_MESSAGE) {
        errno = EINVAL;
        return -1;
    }
    if (count > 0) {
        memset(control, 0, sizeof control);
        header.msg_control = control;
        header.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
        struct cmsghdr *part = CMSG_FIRSTHDR(&header);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
        memcpy(CMSG_DATA(part), descriptors, sizeof(int) * (size_t)count);
    }
    ssize_t sent;
    do {
        sent = sendmsg(socket, &header, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent;
}

int fog_packet_pair(int pair[2]) {
    // 208 KiB is the kernel's usual ceiling (net.core.wmem_max); it doubles the value for its own book-keeping.
    const int size = 212992;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) return -1;
    for (int i = 0; i < 2; i++) setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    return 0;
}

int fog_pipe(int pair[2]) { return pipe2(pair, O_CLOEXEC); }

int fog_close_from(unsigned first) { return (int)syscall(SYS_close_range, first, ~0U, 0); }

int fog_die_with_parent(void) { return prctl(PR_SET_PDEATHSIG, SIGKILL); }

int fog_enter_network(int space) { return (int)syscall(SYS_setns, space, CLONE_NEWNET); }

int fog_landlock_abi(void) { return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, 1 /* VERSION */); }

int fog_detached_mount(const char *path, int read_only) {
    int tree = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (tree < 0) return -1;
    struct mount_attr attributes = {
        .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (read_only ? MOUNT_ATTR_RDONLY : 0)};
    if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes)) {
        int saved = errno;
        close(tree);
        errno = saved;
        return -1;
    }
    return tree;
}

int fog_sync_disk(int file) { return syncfs(file); }

int fog_memory_file(const char *name) { return memfd_create(name, MFD_CLOEXEC); }

int fog_wait_readable(const int *descriptors, int count, int *ready) {
    struct pollfd polled[4];
    if (count > 4) return -1;
    for (int i = 0; i < count; i++) polled[i] = (struct pollfd){.fd = descriptors[i], .events = POLLIN};
    int result;
    do {
        result = poll(polled, (nfds_t)count, -1);
    } while (result < 0 && errno == EINTR);
    for (int i = 0; i < count; i++) ready[i] = polled[i].revents != 0;
    return result;
}

int fog_epoll(void) { return epoll_create1(EPOLL_CLOEXEC); }

int fog_epoll_add(int epoll, int descriptor, uint64_t token) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = token};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
}

int fog_epoll_remove(int epoll, int descriptor) { return epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, NULL); }

int fog_epoll_wait(int epoll, uint64_t *tokens, int max) {
    struct epoll_event events[64];
    int count;
    if (max > 64) max = 64;
    do {
        count = epoll_wait(epoll, events, max, -1);
    } while (count < 0 && errno == EINTR);
    for (int i = 0; i < count; i++) tokens[i] = events[i].data.u64;
    return count;
}

int fog_event(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

int fog_timer(void) { return timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK); }

int fog_timer_set(int timer, int64_t nanoseconds) {
    struct itimerspec when = {.it_value = {nanoseconds / 1000000000, nanoseconds % 1000000000}};
    return timerfd_settime(timer, 0, &when, NULL);
}

int64_t fog_attribute_bytes(int descriptor) { return flistxattr(descriptor, NULL, 0); }

int64_t fog_boot_nanoseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_BOOTTIME, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

int fog_wait_status(pid_t pid, int *status, int no_hang) {
    pid_t result;
    do {
        result = waitpid(pid, status, no_hang ? WNOHANG : 0);
    } while (result < 0 && errno == EINTR);
    return result;
}
