// The root and the namespaces that all tasks of one server share: entered once, when the server starts.
#include "cfog.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int write_text(const char *path, const char *text) {
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) return -1;
    ssize_t length = (ssize_t)strlen(text), written = write(file, text, (size_t)length);
    int saved = errno;
    close(file);
    errno = saved;
    return written == length ? 0 : -1;
}

// One id of the parent namespace appears as `inside`; that is all an ordinary user may map.
static int map_ids(uint32_t inside, uint32_t user, uint32_t group) {
    char line[48];
    if (write_text("/proc/self/setgroups", "deny")) return -1;
    snprintf(line, sizeof line, "%u %u 1", inside, user);
    if (write_text("/proc/self/uid_map", line)) return -1;
    snprintf(line, sizeof line, "%u %u 1", inside, group);
    return write_text("/proc/self/gid_map", line);
}

static int raise_loopback(void) {
    int channel = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (channel < 0) return -1;
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int result = ioctl(channel, SIOCSIFFLAGS, &request), saved = errno;
    close(channel);
    errno = saved;
    return result;
}

// Makes the folders above a relative path.
static int make_parents(const char *path) {
    char part[4096];
    size_t length = strlen(path);
    if (length >= sizeof part) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(part, path, length + 1);
    for (char *slash = strchr(part, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(part, 0755) && errno != EEXIST) return -1;
        *slash = '/';
    }
    return 0;
}

static int make_file(const char *path, const char *content) {
    int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (file < 0) return -1;
    size_t length = strlen(content);
    int failed = length > 0 && write(file, content, length) != (ssize_t)length;
    close(file);
    return failed ? -1 : 0;
}

static int make_secret(const char *path, const char *content) {
    int file = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0400);
    if (file < 0) return -1;
    ssize_t length = (ssize_t)strlen(content), written = write(file, content, (size_t)length);
    int saved = errno;
    close(file);
    errno = saved;
    return written == length ? 0 : -1;
}

static int attach(int tree, const char *target) {
    return (int)syscall(SYS_move_mount, tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH);
}

static int is_bind(int kind) {
    return kind == FOG_MOUNT_READ_ONLY || kind == FOG_MOUNT_DEVICE || kind == FOG_MOUNT_HOST_PROC ||
           kind == FOG_MOUNT_WRITABLE;
}

int fog_mount_one(const struct fog_mount *mount_entry) {
    const char *target = mount_entry->target;
    switch (mount_entry->kind) {
    case FOG_MOUNT_READ_ONLY:
    case FOG_MOUNT_DEVICE:
    case FOG_MOUNT_HOST_PROC:
    case FOG_MOUNT_WRITABLE: {
        int failed = attach(mount_entry->descriptor, target);
        int saved = errno;
        close(mount_entry->descriptor);
        errno = saved;
        return failed ? FOG_STEP_MOUNT : 0;
    }
    case FOG_MOUNT_TMPFS:
        return mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, mount_entry->options) ? FOG_STEP_MOUNT : 0;
    case FOG_MOUNT_PROC:
        return mount("proc", target, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) ? FOG_STEP_MOUNT : 0;
    case FOG_MOUNT_TERMINALS:
        // Not MS_NODEV, since its files are devices; they are those of this instance alone.
        return mount("devpts", target, "devpts", MS_NOSUID | MS_NOEXEC, mount_entry->options) ? FOG_STEP_MOUNT : 0;
    case FOG_MOUNT_MASK:
        return mount(mount_entry->source, target, NULL, MS_BIND, NULL) && errno != ENOENT ? FOG_STEP_MOUNT : 0;
    case FOG_MOUNT_FIXED:
        return mount(target, target, NULL, MS_BIND, NULL) ||
                       mount(NULL, target, NULL,
                             MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL)
                   ? FOG_STEP_MOUNT
                   : 0;
    case FOG_MOUNT_LINK:
        return symlink(mount_entry->source, target) ? FOG_STEP_MOUNT_TARGET : 0;
    case FOG_MOUNT_FOLDER:
        return mkdir(target, 0755) && errno != EEXIST ? FOG_STEP_MOUNT_TARGET : 0;
    case FOG_MOUNT_TEXT:
        return make_file(target, mount_entry->source) ? FOG_STEP_MOUNT_TARGET : 0;
    case FOG_MOUNT_SECRET:
        return make_secret(target, mount_entry->source) ? FOG_STEP_MOUNT_TARGET : 0;
    }
    errno = EINVAL;
    return FOG_STEP_PLAN;
}

static int open_source(const struct fog_mount *entry) {
    if (entry->kind == FOG_MOUNT_READ_ONLY) return fog_detached_mount(entry->source, 1);
    if (entry->kind == FOG_MOUNT_WRITABLE) return fog_detached_mount(entry->source, 0);
    return (int)syscall(SYS_open_tree, AT_FDCWD, entry->source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
}

int fog_open_sources(int mirror, struct fog_mount *mounts, int count) {
    int here = -1, step = 0, saved = 0;
    for (int i = 0; i < count && !step; i++) {
        if (!is_bind(mounts[i].kind) || mounts[i].descriptor >= 0) continue;
        if (mirror >= 0 && here < 0) {
            here = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
            if (here < 0 || setns(mirror, CLONE_NEWNS)) {
                step = FOG_STEP_MOUNT_SOURCE;
                break;
            }
        }
        mounts[i].descriptor = open_source(&mounts[i]);
        if (mounts[i].descriptor < 0) step = FOG_STEP_MOUNT_SOURCE;
    }
    saved = errno;
    if (here >= 0) {
        // Back to the template: a server left behind in the host's mounts would build its next task there.
        if (setns(here, CLONE_NEWNS)) step = FOG_STEP_UNSHARE;
        close(here);
    }
    errno = saved;
    return step;
}

static int make_target(const struct fog_mount *entry) {
    struct stat source;
    if (make_parents(entry->target)) return -1;
    if (entry->kind == FOG_MOUNT_TMPFS || entry->kind == FOG_MOUNT_PROC) {
        return mkdir(entry->target, 0755) && errno != EEXIST ? -1 : 0;
    }
    if (!is_bind(entry->kind)) return 0;
    if (fstat(entry->descriptor, &source)) return -1;
    if (S_ISDIR(source.st_mode)) return mkdir(entry->target, 0755) && errno != EEXIST ? -1 : 0;
    return make_file(entry->target, "");
}

// Builds the root on a tmpfs over /tmp; sources are opened first, so that those below /tmp are not covered.
static int build(const struct fog_template *template) {
    struct fog_mount entry;
    static int opened[256];
    if (template->mount_count > 256) return FOG_STEP_PLAN;
    for (int i = 0; i < template->mount_count; i++) {
        entry = template->mounts[i];
        opened[i] = -1;
        if (is_bind(entry.kind) && (opened[i] = open_source(&entry)) < 0) return FOG_STEP_MOUNT_SOURCE;
    }
    if (mount("fog", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m,nr_inodes=1k") || chdir("/tmp")) {
        return FOG_STEP_MOUNT;
    }
    for (int i = 0; i < template->mount_count; i++) {
        entry = template->mounts[i];
        entry.descriptor = opened[i];
        if (make_target(&entry)) return FOG_STEP_MOUNT_TARGET;
        int step = fog_mount_one(&entry);
        if (step) return step;
    }
    return 0;
}

static int pivot(void) {
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
    if (syscall(SYS_pivot_root, ".", ".")) return -1;
    if (umount2(".", MNT_DETACH)) return -1;
    if (syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &attributes, sizeof attributes)) return -1;
    return chdir("/");
}

// The host id of everything this server starts. Set before any user namespace is made: otherwise root would stay
// behind the map, and own the namespace.
static int drop_root(uint32_t id) {
    if (setgroups(0, NULL) || setresgid(id, id, id) || setresuid(id, id, id)) return -1;
    // Changing ids made the process undumpable, which gives /proc/self/uid_map of its children to root.
    if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)) return -1;
    return fog_die_with_parent();  // changing ids clears it as well
}

int fog_template_enter(const struct fog_template *template, int *mirror) {
    int spaces = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP;
    uint32_t user = getuid(), group = getgid();
    *mirror = -1;
    umask(022);
    // A session keyring of its own: the one of whoever started the agent may hold keys. Kernels without keyrings, and
    // users who may have no more of them, are left as they are: no task can name a key anyway.
    syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
    if (unshare(spaces | (template->privileged ? 0 : CLONE_NEWUSER))) return FOG_STEP_UNSHARE;
    if (!template->privileged && map_ids(0, user, group)) return FOG_STEP_ID_MAP;
    if (template->loopback && raise_loopback()) return FOG_STEP_LOOPBACK;
    if (sethostname(template->hostname, strlen(template->hostname))) return FOG_STEP_UNSHARE;
    if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL)) return FOG_STEP_MOUNT;
    if (!template->privileged) {
        // An ordinary agent cannot detach mounts itself, so the server keeps a view of the host's tree for that.
        *mirror = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
        if (*mirror < 0 || unshare(CLONE_NEWNS)) return FOG_STEP_UNSHARE;
    }
    int step = build(template);
    if (step) return step;
    if (pivot()) return FOG_STEP_PIVOT;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return FOG_STEP_CAPABILITIES;
    if (template->privileged && drop_root(template->host_id)) return FOG_STEP_DROP_ROOT;
    return 0;
}
