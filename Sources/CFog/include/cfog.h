// C for what Swift cannot call, or must not run between clone and execve: there only async-signal-safe code is allowed,
// and Swift may allocate or take a lock anywhere. Everything here is raw system calls over arrays prepared beforehand.
#pragma once

#include <stdint.h>
#include <sys/types.h>

// Where a launch failed. The number travels in the result; the Swift side gives it words (SandboxStep).
enum fog_step {
    FOG_STEP_NONE = 0,
    FOG_STEP_PLAN,
    FOG_STEP_UNSHARE,
    FOG_STEP_ID_MAP,
    FOG_STEP_LOOPBACK,
    FOG_STEP_MOUNT_SOURCE,
    FOG_STEP_MOUNT_TARGET,
    FOG_STEP_MOUNT,
    FOG_STEP_PIVOT,
    FOG_STEP_DROP_ROOT,
    FOG_STEP_CLONE,
    FOG_STEP_LIMIT,
    FOG_STEP_FOLDER,
    FOG_STEP_DESCRIPTORS,
    FOG_STEP_LANDLOCK,
    FOG_STEP_CAPABILITIES,
    FOG_STEP_FILTER,
    FOG_STEP_EXECUTE,
    FOG_STEP_PROCESSORS,
};

enum fog_mount_kind {
    FOG_MOUNT_READ_ONLY = 1,  // bind of a host path, read-only, no devices, no set-user-id; source is recursive
    FOG_MOUNT_DEVICE = 2,     // bind of one device file
    FOG_MOUNT_TMPFS = 3,      // options: size, nr_inodes, mode
    FOG_MOUNT_PROC = 4,
    FOG_MOUNT_LINK = 5,       // symbolic link at target with the text `source`
    FOG_MOUNT_FOLDER = 6,
    FOG_MOUNT_TEXT = 7,       // file at target with the content `source`
    FOG_MOUNT_HOST_PROC = 8,  // the host's /proc, to be covered: without one in sight the kernel refuses a new one
    FOG_MOUNT_SECRET = 10,    // as text, for its owner alone to read
    FOG_MOUNT_WRITABLE = 9,   // bind of a host folder, writable, no devices, no set-user-id
    FOG_MOUNT_TERMINALS = 11, // an instance of devpts of its own: pseudo-terminals that nobody outside holds
    FOG_MOUNT_MASK = 12,      // `source`, of the root being built, over target; nothing where there is no target
    FOG_MOUNT_FIXED = 13,     // target itself, read-only from now on
};

// Targets are relative to the root that is being built. A descriptor >= 0 is a detached mount (open_tree) and wins over
// `source`.
struct fog_mount {
    int32_t kind, descriptor;
    const char *source, *target, *options;
};

struct fog_limit {
    int32_t resource, pad;
    uint64_t soft, hard;
};

// A Landlock rule. access 0: read and execute; 1: everything; 2: write existing files.
// Late: the path is there only when the task is known.
struct fog_rule {
    int32_t access, late;
    const char *path;
};

struct fog_template {
    uint32_t inside_id, host_id;  // ids within the sandbox, and on the host when the server is root
    int32_t privileged, loopback, mount_count, pad;
    const char *hostname;
    const struct fog_mount *mounts;
};

// What every sandbox of a server begins with, before it is known what will run in it.
struct fog_base {
    uint32_t inside_id, outside_id;
    int32_t landlock, mount_count, rule_count;
    const struct fog_mount *mounts;
    const struct fog_rule *rules;
};

struct fog_launch {
    uint32_t sequence;
    int32_t niceness, idle, socket;
    int32_t standard[3];  // become descriptors 0, 1, 2
    int32_t mount_count, limit_count, processor_count;
    const struct fog_mount *mounts;
    const struct fog_limit *limits;
    const uint16_t *processors;
    const void *filter;  // struct sock_filter[filter_length]
    uint32_t filter_length;
    char *const *arguments, *const *environment;
    const char *folder, *path;  // path: value of PATH for a program without a slash
};

enum fog_report_kind {
    FOG_REPORT_READY = 16,
    FOG_REPORT_ENDED = 17,
    FOG_REPORT_FREED = 18,
    FOG_REPORT_LISTENING = 19,
};

// What the server and the sandbox's init tell the agent; one layout for all four.
// READY: status = Landlock ABI, pad = 1 when root. ENDED: from init, before teardown. FREED: status = that of init.
// LISTENING: status = the port, with the socket as the packet's one descriptor; or error, and no descriptor.
struct fog_report {
    uint32_t magic;
    uint16_t version;
    uint8_t kind, pad;
    uint32_t sequence;
    int32_t step, error, status;
    int64_t user_microseconds, system_microseconds, peak_kibibytes, wall_nanoseconds;
};

#define FOG_PLAN_MAGIC 0x50474F46u
#define FOG_PLAN_VERSION 2
#define FOG_DESCRIPTORS_PER_MESSAGE 240  // the kernel's SCM_MAX_FD is 253

// --- sandbox.c, template.c: run inside the launcher ---

// Moves the calling process into the profile's root and namespaces for good. 0, or a fog_step with errno set.
// `mirror` receives the mount namespace in which host paths still resolve (unprivileged only), else -1.
int fog_template_enter(const struct fog_template *template, int *mirror);
// Detached mounts for those of `mounts` that are named by host path, opened in `mirror`. 0 or a fog_step.
int fog_open_sources(int mirror, struct fog_mount *mounts, int count);
// Puts a seccomp program on the calling process and all it starts: 0, or -1 with errno.
int fog_filter(const void *program, uint32_t length);
// Starts a sandbox that has no task yet. Returns the pid of its init and a pidfd, or -1 with errno; in the init itself 0,
// which then waits for its task and calls fog_become_init. What went wrong until then is told there.
pid_t fog_prepare(const struct fog_base *base, int *pidfd);
// Starts the task of the sandbox that the calling process is the init of.
_Noreturn void fog_become_init(const struct fog_base *base, const struct fog_launch *launch);
// Starts a task with no isolation at all, for comparison only; returns its pid and a pidfd, or -1 with errno.
pid_t fog_launch_plain(const struct fog_launch *launch, int *pidfd);
void fog_report_init(struct fog_report *report, int kind, uint32_t sequence);
// A listening socket on 127.0.0.1, not blocking: at `port` if that is free, else at a port of the kernel's choice, which
// `port` then says. -1 with errno.
int fog_listen(uint16_t *port);
// Mounts one entry below the current folder. 0 or a fog_step.
int fog_mount_one(const struct fog_mount *mount);

// --- system.c: wrappers for what Swift's Glibc module lacks ---

// Writes everything of a file system to its disk: syncfs(2). -1 and errno.
int fog_sync_disk(int file);

// Receives one packet with its descriptors (CLOEXEC). Length, 0 at the end, -1 with errno; EMSGSIZE when cut short.
ssize_t fog_receive(int socket, void *buffer, size_t capacity, int *descriptors, int max, int *count, int flags);
ssize_t fog_send(int socket, const void *buffer, size_t length, const int *descriptors, int count);
int fog_packet_pair(int pair[2]);
int fog_pipe(int pair[2]);
int fog_close_from(unsigned first);
int fog_die_with_parent(void);
int fog_landlock_abi(void);
// Moves the calling thread into a network namespace: 0, or -1 with errno.
int fog_enter_network(int space);
// A detached copy of the mount at `path` (open_tree), recursive, read-only or writable, nosuid, nodev; -1 with errno.
int fog_detached_mount(const char *path, int read_only);
int fog_memory_file(const char *name);
int fog_wait_readable(const int *descriptors, int count, int *ready);

int fog_epoll(void);
int fog_epoll_add(int epoll, int descriptor, uint64_t token);
int fog_epoll_remove(int epoll, int descriptor);
int fog_epoll_wait(int epoll, uint64_t *tokens, int max);
int fog_event(void);
int fog_timer(void);
// One shot after `nanoseconds` by CLOCK_BOOTTIME; 0 disarms.
int fog_timer_set(int timer, int64_t nanoseconds);
int64_t fog_boot_nanoseconds(void);
// A connection that waits at a listening socket, not blocking, CLOEXEC; -1 with errno.
int fog_accept(int listener);
// Begins a TCP connection to an address of 4 or 16 bytes: a socket, not blocking, that can be written once it stands or
// has failed. -1 with errno.
int fog_connect(const uint8_t *address, int length, uint16_t port);
// What became of it: 0, or an errno.
int fog_connected(int socket);
// How many bytes the names of an open file's extended attributes take; below 0 where there are none to be had.
int64_t fog_attribute_bytes(int descriptor);
int fog_wait_status(pid_t pid, int *status, int no_hang);

// --- door.c: a socket by which one process of a user asks another ---

// A listening SEQPACKET socket in a folder, for its owner alone, not blocking; what has the name is replaced.
int fog_door_listen(const char *folder, const char *name);
// A line to who listens there. -1 with errno.
int fog_door_connect(const char *folder, const char *name);
// Whether the other end is a process of this one's user.
int fog_peer_is_own(int line);

// --- sensors.c: what tells the worker that somebody is at the machine, or that it was plugged in ---

// Whether a folder is of the kernel's /proc: 1, 0, -1 and errno.
int fog_is_proc(const char *path);
// Like fog_epoll_add, for what is urgent (EPOLLPRI), as the kernel's pressure triggers are.
int fog_epoll_add_urgent(int epoll, int descriptor, uint64_t token);
// An inotify descriptor, not blocking.
int fog_watch(void);
// Names that come, go or change their mode in the folder. A number for fog_watch_end, or -1 and errno.
int fog_watch_folder(int watch, const char *path);
int fog_watch_end(int watch, int number);
void fog_watch_drain(int watch);
// The kernel's messages on devices (NETLINK_KOBJECT_UEVENT), not blocking. -1 and errno.
int fog_uevents(void);
// One message; 0 for one that is not the kernel's, -1 and errno (EAGAIN: no more).
ssize_t fog_uevent(int socket, void *buffer, size_t capacity);
