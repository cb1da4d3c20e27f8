// Files of the host, mounts, and what a task may leave behind.
#define _GNU_SOURCE
#include "probe.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static int holds(const char *path, const char *wanted) {
    char text[65536];
    int file = open(path, O_RDONLY);
    if (file < 0) return 0;
    ssize_t length = read(file, text, sizeof text);
    close(file);
    return length > 0 && memmem(text, (size_t)length, wanted, strlen(wanted)) != NULL;
}
static int opens(const char *path, int flags) {
    int file = open(path, flags);
    if (file >= 0) close(file);
    return file >= 0;
}
// In a child, since it may change the process for good.
static int apart(int (*body)(const struct host *), const struct host *host) {
    pid_t child = fork();
    if (child == 0) _exit(body(host) ? 0 : errno ? errno : 255);
    int status;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status)) errno = WEXITSTATUS(status);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int secret(const struct host *host) { return holds(host->secret, host->content); }
static int secret_by_root(const struct host *host) {
    char path[4096];
    snprintf(path, sizeof path, "/proc/%s/root%s", host->process, host->secret);
    return holds(path, host->content);
}
static int secret_by_own_root(const struct host *host) {
    char path[4096];
    snprintf(path, sizeof path, "/proc/self/root/../../..%s", host->secret);
    return holds(path, host->content);
}
static int secret_by_folder(const struct host *host) {
    char path[4096];
    snprintf(path, sizeof path, "../../../../../../../..%s", host->secret);
    return holds(path, host->content);
}
static int secret_by_link(const struct host *host) {
    char name[64];
    snprintf(name, sizeof name, "link-%d", getpid());
    if (symlink(host->secret, name)) return 0;
    int found = holds(name, host->content);
    unlink(name);
    return found;
}
static int secret_by_new_name(const struct host *host) {
    char name[4096];
    snprintf(name, sizeof name, "%s.linked", host->secret);
    int made = linkat(AT_FDCWD, host->secret, AT_FDCWD, name, 0) == 0;
    if (made) unlink(name);
    return made;
}
static int secret_by_handle(const struct host *host) {
    struct file_handle *handle = malloc(sizeof *handle + 128);
    int mount_id;
    handle->handle_bytes = 128;
    if (name_to_handle_at(AT_FDCWD, host->secret, handle, &mount_id, 0)) return 0;
    int folder = open("/", O_RDONLY), file = open_by_handle_at(folder, handle, O_RDONLY);
    return file >= 0;
}
// The old way out of a chroot.
static int out_of_chroot_now(const struct host *host) {
    char folder[] = "jail-XXXXXX";
    int root = open(".", O_RDONLY | O_DIRECTORY);
    if (!mkdtemp(folder) || chroot(folder)) {
        rmdir(folder);
        return 0;
    }
    fchdir(root);
    rmdir(folder);
    for (int i = 0; i < 64; i++) {
        if (chdir("..")) return 0;
    }
    return chroot(".") == 0 && holds(host->secret, host->content);
}
static int out_of_chroot(const struct host *host) { return apart(out_of_chroot_now, host); }
static int passwords(const struct host *host) {
    (void)host;
    return opens("/etc/shadow", O_RDONLY);
}
static int host_users(const struct host *host) {
    (void)host;
    return holds("/etc/passwd", "root:");
}
static int entries(const char *path) {
    DIR *folder = opendir(path);
    int count = 0;
    while (folder && readdir(folder)) count++;
    return count;
}
static int home_folders(const struct host *host) {
    (void)host;
    return entries("/home") > 0 || entries("/root") > 0;
}
static int host_state(const struct host *host) {
    (void)host;
    return entries("/var") > 0;
}
static int devices_tree(const struct host *host) {
    (void)host;
    return entries("/sys/class") > 0;
}
static int system_files(const struct host *host) {
    (void)host;
    int file = open("/usr/fog-probe", O_CREAT | O_WRONLY, 0600);
    if (file >= 0) unlink("/usr/fog-probe");
    return file >= 0;
}
static int root_folder(const struct host *host) {
    (void)host;
    return mkdir("/fog-probe", 0700) == 0 && rmdir("/fog-probe") == 0;
}
static int memory_device(const struct host *host) {
    (void)host;
    return opens("/dev/mem", O_RDONLY) || opens("/dev/kmsg", O_RDONLY);
}
static int disk_device(const struct host *host) {
    (void)host;
    // A container's root is refused by its device controller, which is not ours to test.
    FILE *list = fopen("/proc/partitions", "r");
    char line[256], name[128], path[160];
    int found = 0;
    while (list && fgets(line, sizeof line, list)) {
        if (sscanf(line, "%*d %*d %*d %127s", name) != 1) continue;
        snprintf(path, sizeof path, "/dev/%s", name);
        found = found || opens(path, O_RDONLY);
    }
    return found;
}
static int own_device(const struct host *host) {
    (void)host;
    char name[64];
    snprintf(name, sizeof name, "device-%d", getpid());
    int made = mknod(name, S_IFCHR | 0600, makedev(1, 3)) == 0;
    unlink(name);
    return made;
}
static int kernel_memory(const struct host *host) {
    (void)host;
    return opens("/proc/kcore", O_RDONLY);
}
static int kernel_symbols(const struct host *host) {
    (void)host;
    return holds("/proc/kallsyms", " T ");
}
static int host_keys(const struct host *host) {
    (void)host;
    return holds("/proc/keys", "keyring");
}
static int boot_line(const struct host *host) {
    (void)host;
    return opens("/proc/cmdline", O_RDONLY) && holds("/proc/cmdline", "\n");
}
static int interrupts(const struct host *host) {
    (void)host;
    return holds("/proc/interrupts", "CPU0");
}
static int buses(const struct host *host) {
    (void)host;
    return entries("/proc/bus") > 2 || entries("/proc/fs") > 2 || entries("/proc/irq") > 2;
}
static int core_pattern(const struct host *host) {
    (void)host;
    return opens("/proc/sys/kernel/core_pattern", O_WRONLY);
}
static int network_settings(const struct host *host) {
    (void)host;
    return opens("/proc/sys/net/ipv4/ip_forward", O_WRONLY);
}
static int system_requests(const struct host *host) {
    (void)host;
    return opens("/proc/sysrq-trigger", O_WRONLY);
}
static int out_of_memory_last(const struct host *host) {
    (void)host;
    int file = open("/proc/self/oom_score_adj", O_WRONLY);
    return file >= 0 && write(file, "-1", 2) == 2;
}
static int control_groups(const struct host *host) {
    (void)host;
    return entries("/sys/fs/cgroup") > 2;
}
static int mount_memory(const struct host *host) {
    (void)host;
    char folder[] = "mount-XXXXXX";
    if (!mkdtemp(folder)) return 0;
    int made = mount("tmpfs", folder, "tmpfs", 0, NULL) == 0;
    int saved = errno;
    if (made) umount(folder);
    rmdir(folder);
    errno = saved;
    return made;
}
static int mount_over(const struct host *host) {
    (void)host;
    char folder[] = "mount-XXXXXX";
    if (!mkdtemp(folder)) return 0;
    int made = mount("/usr", folder, NULL, MS_BIND, NULL) == 0;
    int saved = errno;
    if (made) umount(folder);
    rmdir(folder);
    errno = saved;
    return made;
}
static int own_mounts_now(const struct host *host) {
    (void)host;
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           umount2("/proc", MNT_DETACH) == 0;
}
static int own_mounts(const struct host *host) { return apart(own_mounts_now, host); }
static int remount_now(const struct host *host) {
    (void)host;
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL) == 0;
}
static int remount(const struct host *host) { return apart(remount_now, host); }
static int remount_here(const struct host *host) {
    (void)host;
    // MS_REMOUNT of the proc file system as it is.
    return mount(NULL, "/proc", NULL, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0;
}
static int detached_tree(const struct host *host) {
    (void)host;
    return syscall(428 /* open_tree */, AT_FDCWD, "/", 1 /* OPEN_TREE_CLONE */) >= 0;
}
static int new_file_system(const struct host *host) {
    (void)host;
    return syscall(430 /* fsopen */, "tmpfs", 0) >= 0;
}
static int new_root_now(const struct host *host) {
    (void)host;
    char folder[] = "root-XXXXXX";
    if (!mkdtemp(folder)) return 0;
    int made = unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
               mount(folder, folder, NULL, MS_BIND, NULL) == 0 && chdir(folder) == 0 &&
               syscall(SYS_pivot_root, ".", ".") == 0;
    int saved = errno;
    if (!made) rmdir(folder);
    errno = saved;
    return made;
}
static int new_root(const struct host *host) { return apart(new_root_now, host); }
static int give_away(const struct host *host) {
    (void)host;
    char name[64];
    snprintf(name, sizeof name, "given-%d", getpid());
    close(open(name, O_CREAT | O_WRONLY, 0600));
    int made = chown(name, 1, 1) == 0;
    int saved = errno;
    unlink(name);
    errno = saved;
    return made;
}
static int left_with(const char *how) {
    char name[64];
    struct stat status = {0};
    snprintf(name, sizeof name, "left-%d", getpid());
    umask(0);
    if (!strcmp(how, "chmod")) {
        close(open(name, O_CREAT | O_WRONLY, 0700));
        chmod(name, 04755);
    } else if (!strcmp(how, "open")) {
        close(open(name, O_CREAT | O_WRONLY, 04755));
    } else if (!strcmp(how, "mknod")) {
        mknod(name, S_IFREG | 04755, 0);
    } else {
        close(creat(name, 02755));
    }
    int saved = errno;
    stat(name, &status);
    unlink(name);
    errno = saved;
    return (status.st_mode & 06000) != 0;
}
static int left_by_chmod(const struct host *host) { return (void)host, left_with("chmod"); }
static int left_by_open(const struct host *host) { return (void)host, left_with("open"); }
static int left_by_mknod(const struct host *host) { return (void)host, left_with("mknod"); }
static int left_by_creat(const struct host *host) { return (void)host, left_with("creat"); }
static int left_by_openat2(const struct host *host) {
    (void)host;
    char name[64];
    struct stat status = {0};
    struct {
        unsigned long flags, mode, resolve;
    } how = {O_CREAT | O_WRONLY, 04755, 0};
    snprintf(name, sizeof name, "left-%d", getpid());
    umask(0);
    close((int)syscall(437, AT_FDCWD, name, &how, sizeof how));
    int saved = errno;
    stat(name, &status);
    unlink(name);
    errno = saved;
    return (status.st_mode & 06000) != 0;
}

const struct attempt file_attempts[] = {
    {"a secret by its path", secret, 'u'},
    {"a secret by another's root", secret_by_root, 'r'},
    {"a secret by /proc/self/root", secret_by_own_root, 'u'},
    {"a secret by ..", secret_by_folder, 'u'},
    {"a secret by a link", secret_by_link, 'u'},
    {"a second name for a secret", secret_by_new_name, 'u'},
    {"a secret by its handle", secret_by_handle, 'r'},
    {"out of a chroot", out_of_chroot, 'r'},
    {"the passwords", passwords, 'r'},
    {"the host's users", host_users, 'u'},
    {"home folders", home_folders, 'u'},
    {"the host's state", host_state, 'u'},
    {"the tree of devices", devices_tree, 'u'},
    {"write into /usr", system_files, 'r'},
    {"write into /", root_folder, 'r'},
    {"kernel memory by a device", memory_device, 'r'},
    {"a disk", disk_device, 'r'},
    {"make a device", own_device, 'r'},
    {"/proc/kcore", kernel_memory, 'r'},
    {"/proc/kallsyms", kernel_symbols, 'u'},
    {"/proc/keys", host_keys, 'u'},
    {"/proc/cmdline", boot_line, 'u'},
    {"/proc/interrupts", interrupts, 'u'},
    {"/proc/bus, fs and irq", buses, 'u'},
    {"write core_pattern", core_pattern, 'r'},
    {"write the network's settings", network_settings, 'r'},
    {"write sysrq-trigger", system_requests, 'r'},
    {"be the last to go when memory runs out", out_of_memory_last, 'r'},
    {"control groups", control_groups, 'u'},
    {"mount a tmpfs", mount_memory, 'r'},
    {"mount a bind", mount_over, 'r'},
    {"uncover what is under /proc", own_mounts, 'r'},
    {"remount / in a new namespace", remount, 'r'},
    {"remount /proc", remount_here, 'r'},
    {"open_tree", detached_tree, 'r'},
    {"fsopen", new_file_system, 'r'},
    {"pivot_root", new_root, 'r'},
    {"give a file away", give_away, 'r'},
    {"leave a set-user-ID file by chmod", left_by_chmod, 'u'},
    {"leave a set-user-ID file by open", left_by_open, 'u'},
    {"leave a set-user-ID file by mknod", left_by_mknod, 'u'},
    {"leave a set-group-ID file by creat", left_by_creat, 'u'},
    {"leave a set-user-ID file by openat2", left_by_openat2, 'u'},
    {0},
};
