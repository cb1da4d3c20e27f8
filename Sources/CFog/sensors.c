#include "cfog.h"

#include <errno.h>
#include <linux/magic.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

int fog_is_proc(const char *path) {
    struct statfs system;
    if (statfs(path, &system)) return -1;
    return system.f_type == PROC_SUPER_MAGIC;
}

int fog_epoll_add_urgent(int epoll, int descriptor, uint64_t token) {
    struct epoll_event event = {.events = EPOLLPRI, .data.u64 = token};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
}

int fog_watch(void) { return inotify_init1(IN_CLOEXEC | IN_NONBLOCK); }

int fog_watch_folder(int watch, const char *path) {
    return inotify_add_watch(watch, path, IN_CREATE | IN_DELETE | IN_ATTRIB | IN_MOVED_TO | IN_ONLYDIR);
}

int fog_watch_end(int watch, int number) { return inotify_rm_watch(watch, number); }

void fog_watch_drain(int watch) {
    _Alignas(struct inotify_event) char buffer[4096];
    // The kernel's queue holds 16384 events (max_queued_events).
    for (int i = 0; i < 1024 && read(watch, buffer, sizeof buffer) > 0; i++) {
    }
}

int fog_uevents(void) {
    int descriptor = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
    if (descriptor < 0) return -1;
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 1};
    if (bind(descriptor, (struct sockaddr *)&address, sizeof address)) {
        int saved = errno;
        close(descriptor);
        errno = saved;
        return -1;
    }
    return descriptor;
}

ssize_t fog_uevent(int socket, void *buffer, size_t capacity) {
    struct sockaddr_nl sender = {0};
    socklen_t size = sizeof sender;
    ssize_t length;
    do {
        length = recvfrom(socket, buffer, capacity, 0, (struct sockaddr *)&sender, &size);
    } while (length < 0 && errno == EINTR);
    // Other processes may send to the group as well; the kernel's port is 0.
    return length > 0 && (size < sizeof sender || sender.nl_pid != 0) ? 0 : length;
}
