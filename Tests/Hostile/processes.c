// Other processes, namespaces, and what came along from the caller.
#define _GNU_SOURCE
#include "probe.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int ended_well(pid_t child) {
    int status;
    if (child < 0) return 0;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status)) errno = WEXITSTATUS(status);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
static int new_space(int kind) {
    pid_t child = fork();
    if (child == 0) _exit(unshare(kind) ? errno : 0);
    return ended_well(child);
}
static int user_space(const struct host *host) { return (void)host, new_space(CLONE_NEWUSER); }
static int mount_space(const struct host *host) { return (void)host, new_space(CLONE_NEWNS); }
static int network_space(const struct host *host) { return (void)host, new_space(CLONE_NEWNET); }
static int process_space(const struct host *host) { return (void)host, new_space(CLONE_NEWPID); }
static int ipc_space(const struct host *host) { return (void)host, new_space(CLONE_NEWIPC); }
static int name_space(const struct host *host) { return (void)host, new_space(CLONE_NEWUTS); }
static int group_space(const struct host *host) { return (void)host, new_space(CLONE_NEWCGROUP); }
static int time_space(const struct host *host) { return (void)host, new_space(0x80 /* CLONE_NEWTIME */); }
static int user_by_clone(const struct host *host) {
    (void)host;
    pid_t child = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) _exit(0);
    return ended_well(child);
}
static int user_by_clone_with_high_bits(const struct host *host) {
    (void)host;
    pid_t child = (pid_t)syscall(SYS_clone, 0x7000000000000000 | CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) _exit(0);
    return ended_well(child);
}
static int user_by_clone3(const struct host *host) {
    (void)host;
    struct clone_args arguments = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
    pid_t child = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
    if (child == 0) _exit(0);
    return ended_well(child);
}
static int space_of_other(const struct host *host) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%s/ns/uts", host->process);
    int space = open(path, O_RDONLY);
    return space >= 0 && setns(space, 0) == 0;
}
static int space_of_own(const struct host *host) {
    (void)host;
    int space = open("/proc/self/ns/uts", O_RDONLY);
    return space >= 0 && setns(space, 0) == 0;
}
static int every_process(const char *file, const char *wanted) {
    DIR *folder = opendir("/proc");
    struct dirent *entry;
    static char text[1 << 20];
    char path[512];
    while (folder && (entry = readdir(folder))) {
        if (!isdigit((unsigned char)entry->d_name[0]) || atoi(entry->d_name) == getpid()) continue;
        snprintf(path, sizeof path, "/proc/%s/%s", entry->d_name, file);
        int open_file = open(path, O_RDONLY);
        ssize_t length = open_file < 0 ? 0 : read(open_file, text, sizeof text);
        if (open_file >= 0) close(open_file);
        if (length > 0 && memmem(text, (size_t)length, wanted, strlen(wanted))) return 1;
    }
    return 0;
}
// This process and its parents have the mark among their arguments, once; what is looked for is twice the mark.
static void double_mark(char *text, size_t size, const struct host *host) {
    snprintf(text, size, "%s%s", host->mark, host->mark);
}
static int commands(const struct host *host) {
    char mark[256];
    double_mark(mark, sizeof mark, host);
    return every_process("cmdline", mark);
}
static int environments(const struct host *host) {
    char mark[256];
    double_mark(mark, sizeof mark, host);
    return every_process("environ", mark);
}
static int own_environment(const struct host *host) {
    char mark[256];
    double_mark(mark, sizeof mark, host);
    for (char **one = environ; *one; one++) {
        if (strstr(*one, mark)) return 1;
    }
    return 0;
}
static int signal_host(const struct host *host) { return kill(host->signalled, 0) == 0; }
static int signal_host_by_descriptor(const struct host *host) {
    int process = (int)syscall(SYS_pidfd_open, host->signalled, 0);
    return process >= 0 && syscall(SYS_pidfd_send_signal, process, 0, NULL, 0) == 0;
}
static int priority_of_host(const struct host *host) {
    errno = 0;
    struct sched_param parameters;
    return sched_getparam(host->signalled, &parameters) == 0;
}
// An open descriptor that nobody handed over.
static int inherited(const struct host *host) {
    char text[4096];
    for (int descriptor = 3; descriptor < 1024; descriptor++) {
        ssize_t length = pread(descriptor, text, sizeof text, 0);
        if (length > 0 && memmem(text, (size_t)length, host->content, strlen(host->content))) return 1;
    }
    return 0;
}
static int become_root(const struct host *host) {
    pid_t child = fork();
    if (child == 0) {
        execl(host->program, host->program, "identity", NULL);
        _exit(errno);
    }
    return ended_well(child);
}
static int take_id(const struct host *host) {
    (void)host;
    pid_t child = fork();
    if (child == 0) _exit(setuid(0) || setuid(1) ? errno ? errno : 1 : 0);
    return ended_well(child);
}
static int drop_groups(const struct host *host) {
    (void)host;
    pid_t child = fork();
    if (child == 0) _exit(syscall(SYS_setgroups, 0, NULL) ? errno : 0);
    return ended_well(child);
}
static int core_file(const struct host *host) {
    (void)host;
    char pattern[8] = "";
    int file = open("/proc/sys/kernel/core_pattern", O_RDONLY);
    if (file < 0 || read(file, pattern, sizeof pattern) < 4 || memcmp(pattern, "core", 4)) return SKIP;
    char folder[] = "core-XXXXXX";
    if (!mkdtemp(folder)) return SKIP;
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit;
        getrlimit(RLIMIT_CORE, &limit);
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_CORE, &limit) || chdir(folder)) _exit(1);
        abort();
    }
    int status;
    waitpid(child, &status, 0);
    char path[64];
    int found = WCOREDUMP(status);
    snprintf(path, sizeof path, "%s/core", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/core.%d", folder, child);
    unlink(path);
    rmdir(folder);
    return found;
}
// Its init must not be in a task's reach.
static int look_into_other(const struct host *host) {
    const char *const files[] = {"mem", "environ", "maps", "syscall"};
    char path[64];
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "/proc/%s/%s", host->process, files[i]);
        if (open(path, O_RDONLY) >= 0) return 1;
    }
    return 0;
}

const struct attempt process_attempts[] = {
    {"unshare user", user_space, 'u'},
    {"unshare mount", mount_space, 'r'},
    {"unshare net", network_space, 'r'},
    {"unshare pid", process_space, 'r'},
    {"unshare ipc", ipc_space, 'r'},
    {"unshare uts", name_space, 'r'},
    {"unshare cgroup", group_space, 'r'},
    {"unshare time", time_space, 'r'},
    {"clone user", user_by_clone, 'u'},
    {"clone user with high bits", user_by_clone_with_high_bits, 'u'},
    {"clone3 user", user_by_clone3, 'u'},
    {"setns of another", space_of_other, 'r'},
    {"setns of its own", space_of_own, 'r'},
    {"commands of others", commands, 'u'},
    {"environments of others", environments, 'r'},
    {"the caller's environment", own_environment, 'u'},
    {"signal a process of the host", signal_host, 'r'},
    {"signal it by descriptor", signal_host_by_descriptor, 'r'},
    {"look at its scheduling", priority_of_host, 'u'},
    {"an inherited descriptor", inherited, 'u'},
    {"become root", become_root, 'u'},
    {"setuid", take_id, 'r'},
    {"setgroups", drop_groups, 'r'},
    {"dump core", core_file, 'u'},
    {"look into another process", look_into_other, 'r'},
    {0},
};
