// One task: from clone3 to execve, and the init that waits for it.
#include "cfog.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// The agent's socket in the server, its init and nowhere else.
#define AGENT_SOCKET 3
#define TASK_STACK_BYTES 65536
#define MAX_PATH_BYTES 4096

static char task_stack[TASK_STACK_BYTES] __attribute__((aligned(64)));
static struct fog_report report;
// Orders that init obeys; blocked in it from its first instruction, so that an early one waits for sigwaitinfo.
static sigset_t obeyed;
// Where the preparation of this sandbox failed, and with what error.
static int failed_step, failed_error;
// Landlock's, while it is being made.
static int ruleset = -1;

static int64_t monotonic_nanoseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

void fog_report_init(struct fog_report *target, int kind, uint32_t sequence) {
    memset(target, 0, sizeof *target);
    target->magic = FOG_PLAN_MAGIC;
    target->version = FOG_PLAN_VERSION;
    target->kind = (uint8_t)kind;
    target->sequence = sequence;
}

static void send_report(int socket) {
    if (fog_send(socket, &report, sizeof report, NULL, 0) < 0) _exit(125);
}

static _Noreturn void fail(int socket, int step) {
    report.error = errno;
    report.step = step;
    send_report(socket);
    _exit(125);
}

static int write_text(const char *path, const char *text) {
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) return -1;
    ssize_t length = (ssize_t)strlen(text), written = write(file, text, (size_t)length);
    int saved = errno;
    close(file);
    errno = saved;
    return written == length ? 0 : -1;
}

static int map_ids(uint32_t inside, uint32_t outside) {
    char line[48];
    snprintf(line, sizeof line, "%u %u 1", inside, outside);
    if (write_text("/proc/self/setgroups", "deny") || write_text("/proc/self/uid_map", line)) return -1;
    return write_text("/proc/self/gid_map", line);
}

// --- Landlock (uapi/linux/landlock.h); constants by value, since headers of older systems stop at ABI 2 ---

struct ruleset_attributes {
    uint64_t handled_files, handled_network, scoped;
};

static int add_rule(int ruleset, const struct fog_rule *rule, uint64_t everything) {
    static const uint64_t read_and_execute =
        LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
    struct landlock_path_beneath_attr beneath = {0};
    beneath.allowed_access = rule->access == 1   ? everything
                             : rule->access == 2 ? read_and_execute | LANDLOCK_ACCESS_FS_WRITE_FILE
                                                 : read_and_execute;
    beneath.parent_fd = open(rule->path, O_PATH | O_CLOEXEC);
    if (beneath.parent_fd < 0) return -1;
    int failed = (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
    int saved = errno;
    close(beneath.parent_fd);
    errno = saved;
    return failed;
}

// Everything Landlock knows to refuse.
static uint64_t handled_files(int abi) {
    uint64_t everything = (1ULL << 13) - 1;
    if (abi >= 2) everything |= 1ULL << 13;  // REFER
    if (abi >= 3) everything |= 1ULL << 14;  // TRUNCATE
    if (abi >= 5) everything |= 1ULL << 15;  // IOCTL_DEV
    return everything;
}

// Adds the rules for what is in place before the task is known, or the others.
static int add_rules(const struct fog_base *base, int late) {
    for (int i = 0; i < base->rule_count; i++) {
        if (base->rules[i].late != late) continue;
        if (add_rule(ruleset, &base->rules[i], handled_files(base->landlock))) return -1;
    }
    return 0;
}

// TCP is left alone: the task's network namespace holds nothing but its own loopback.
static int make_ruleset(const struct fog_base *base) {
    struct ruleset_attributes attributes = {
        .handled_files = handled_files(base->landlock), .scoped = base->landlock >= 6 ? 3 : 0};
    size_t size = base->landlock >= 6 ? 24 : base->landlock >= 4 ? 16 : 8;
    ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, size, 0);
    return ruleset < 0 ? -1 : add_rules(base, 0);
}

static int restrict_files(const struct fog_base *base) {
    if (add_rules(base, 1)) return -1;
    return (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
}

// --- The task ---

// What no program here may ever gain. Takes nothing from init itself, which has mounts to make.
static int bound_capabilities(void) {
    for (int capability = 0; capability < 64; capability++) {
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)) {
            if (errno == EINVAL) break;  // beyond the kernel's last
            return -1;
        }
    }
    return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

static int drop_capabilities(void) {
    struct {
        uint32_t version;
        int pid;
    } header = {0x20080522, 0};
    struct {
        uint32_t effective, permitted, inheritable;
    } none[2] = {{0, 0, 0}, {0, 0, 0}};
    return (int)syscall(SYS_capset, &header, none);
}

static int set_limits(const struct fog_launch *launch) {
    for (int i = 0; i < launch->limit_count; i++) {
        struct rlimit limit = {launch->limits[i].soft, launch->limits[i].hard}, now;
        // What the agent itself was given is not to be raised, and an ordinary user's could not.
        if (getrlimit((unsigned)launch->limits[i].resource, &now)) return -1;
        if (limit.rlim_max > now.rlim_max) limit.rlim_max = now.rlim_max;
        if (limit.rlim_cur > limit.rlim_max) limit.rlim_cur = limit.rlim_max;
        if (setrlimit((unsigned)launch->limits[i].resource, &limit)) return -1;
    }
    return 0;
}

static int set_processors(const struct fog_launch *launch) {
    cpu_set_t set;
    if (launch->niceness && setpriority(PRIO_PROCESS, 0, launch->niceness)) return -1;
    if (launch->processor_count == 0) return 0;
    CPU_ZERO(&set);
    for (int i = 0; i < launch->processor_count; i++) {
        if (launch->processors[i] < CPU_SETSIZE) CPU_SET(launch->processors[i], &set);
    }
    return sched_setaffinity(0, sizeof set, &set);
}

static int set_descriptors(const struct fog_launch *launch) {
    for (int i = 0; i < 3; i++) {
        if (dup2(launch->standard[i], i) < 0) return -1;
    }
    // Init keeps the socket, the task must not: it came over an exec, without CLOEXEC.
    if (launch->socket == AGENT_SOCKET) {
        if (fcntl(AGENT_SOCKET, F_SETFD, FD_CLOEXEC)) return -1;
    } else if (dup3(launch->socket, AGENT_SOCKET, O_CLOEXEC) < 0) {
        return -1;
    }
    return fog_close_from(AGENT_SOCKET + 1);
}

// execve along PATH. Keeps the first error that says more than "not there", as execvp does.
static void execute(const struct fog_launch *launch) {
    const char *program = launch->arguments[0];
    if (strchr(program, '/')) {
        execve(program, launch->arguments, launch->environment);
        return;
    }
    static char candidate[MAX_PATH_BYTES];
    int kept = ENOENT;
    for (const char *from = launch->path; from && *from;) {
        const char *to = strchrnul(from, ':');
        int length = snprintf(candidate, sizeof candidate, "%.*s/%s", (int)(to - from), from, program);
        if (to > from && length < (int)sizeof candidate) {
            execve(candidate, launch->arguments, launch->environment);
            if (errno != ENOENT && errno != ENOTDIR) kept = errno;
        }
        from = *to ? to + 1 : to;
    }
    errno = kept;
}

// Runs when nobody else wants the processor or the disk. A kernel that knows no such class runs the task all the same.
static void yield_to_others(void) {
    const struct sched_param none = {0};
    const int whole_process = 1, idle_class = 3 << 13;  // IOPRIO_WHO_PROCESS, IOPRIO_CLASS_IDLE
    sched_setscheduler(0, SCHED_IDLE, &none);
    syscall(SYS_ioprio_set, whole_process, 0, idle_class);
}

int fog_filter(const void *program, uint32_t length) {
    struct sock_fprog filter = {(unsigned short)length, (struct sock_filter *)program};
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter);
}

// Runs on its own stack in init's memory until execve (CLONE_VM | CLONE_VFORK), so it can leave its failure there.
static int task_main(void *argument) {
    const struct fog_launch *launch = argument;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    if (launch->idle) yield_to_others();
    report.step = FOG_STEP_EXECUTE;
    if (launch->filter_length > 0 && fog_filter(launch->filter, launch->filter_length)) {
        report.step = FOG_STEP_FILTER;
        report.error = errno;
        _exit(125);
    }
    execute(launch);
    report.error = errno;
    _exit(125);
}

static pid_t start_task(const struct fog_launch *launch) {
    report.error = 0;
    pid_t pid = clone(task_main, task_stack + sizeof task_stack, CLONE_VM | CLONE_VFORK | SIGCHLD, (void *)launch);
    if (pid > 0 && report.error == 0) report.step = FOG_STEP_NONE;
    return pid;
}

static void report_end(int socket, int status, int64_t started) {
    struct rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    report.status = status;
    report.user_microseconds = usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec;
    report.system_microseconds = usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec;
    report.peak_kibibytes = usage.ru_maxrss;
    report.wall_nanoseconds = monotonic_nanoseconds() - started;
    send_report(socket);
}

// Process 1 of the task: reaps orphans, obeys the server's signals, and reports the end before it leaves, since the
// kernel's teardown of the namespaces only begins then. Its exit kills whatever still runs.
static _Noreturn void be_init(pid_t task, int64_t started) {
    for (;;) {
        siginfo_t info;
        int status, signal = sigwaitinfo(&obeyed, &info);
        if (signal == SIGCHLD) {
            pid_t pid;
            while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
                if (pid != task) continue;
                report_end(AGENT_SOCKET, status, started);
                _exit(0);
            }
            continue;
        }
        // Only the server stands outside this namespace, so only its signals carry pid 0; a task cannot forge that.
        if (signal < 0 || info.si_code != SI_USER || info.si_pid != 0) continue;
        if (signal == SIGTERM) kill(-1, SIGTERM);
        if (signal == SIGQUIT) kill(-1, SIGKILL);
        if (signal == SIGUSR1) kill(-1, SIGSTOP);
        if (signal == SIGUSR2) kill(-1, SIGCONT);
    }
}

// 0, or the step that failed.
static int prepare(const struct fog_base *base) {
    if (map_ids(base->inside_id, base->outside_id)) return FOG_STEP_ID_MAP;
    fog_die_with_parent();
    // When memory runs out on the machine, the task goes before anything of its owner's.
    if (write_text("/proc/self/oom_score_adj", "900")) return FOG_STEP_LIMIT;
    for (int i = 0; i < base->mount_count; i++) {
        int step = fog_mount_one(&base->mounts[i]);
        if (step) return step;
    }
    if (base->landlock > 0 && make_ruleset(base)) return FOG_STEP_LANDLOCK;
    return bound_capabilities() ? FOG_STEP_CAPABILITIES : FOG_STEP_NONE;
}

pid_t fog_prepare(const struct fog_base *base, int *pidfd) {
    static const int signals[] = {SIGCHLD, SIGTERM, SIGQUIT, SIGUSR1, SIGUSR2};
    sigset_t former;
    sigemptyset(&obeyed);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaddset(&obeyed, signals[i]);
    sigprocmask(SIG_BLOCK, &obeyed, &former);
    struct clone_args arguments = {
        .flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_PIDFD,
        .pidfd = (uint64_t)(uintptr_t)pidfd,
        .exit_signal = SIGCHLD,
    };
    *pidfd = -1;
    pid_t pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
    int saved = errno;
    if (pid == 0) {
        failed_step = prepare(base);
        failed_error = errno;
        return 0;
    }
    sigprocmask(SIG_SETMASK, &former, NULL);
    errno = saved;
    return pid;
}

void fog_become_init(const struct fog_base *base, const struct fog_launch *launch) {
    const int64_t started = monotonic_nanoseconds();
    const int socket = launch->socket;
    fog_report_init(&report, FOG_REPORT_ENDED, launch->sequence);
    errno = failed_error;
    if (failed_step) fail(socket, failed_step);
    for (int i = 0; i < launch->mount_count; i++) {
        int step = fog_mount_one(&launch->mounts[i]);
        if (step) fail(socket, step);
    }
    if (chdir(launch->folder)) fail(socket, FOG_STEP_FOLDER);
    if (set_processors(launch)) fail(socket, FOG_STEP_PROCESSORS);
    if (set_limits(launch)) fail(socket, FOG_STEP_LIMIT);
    if (base->landlock > 0 && restrict_files(base)) fail(socket, FOG_STEP_LANDLOCK);
    if (set_descriptors(launch)) fail(socket, FOG_STEP_DESCRIPTORS);
    if (drop_capabilities()) fail(AGENT_SOCKET, FOG_STEP_CAPABILITIES);
    // A task may not look into init, which still holds the agent's socket.
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    pid_t task = start_task(launch);
    if (task < 0) fail(AGENT_SOCKET, FOG_STEP_CLONE);
    be_init(task, started);
}

// A child of the server, no init.
static int plain_main(void *argument) {
    const struct fog_launch *launch = argument;
    fog_die_with_parent();
    report.error = 0;
    if (chdir(launch->folder) || set_limits(launch)) {
        report.step = FOG_STEP_FOLDER;
        report.error = errno;
        _exit(125);
    }
    for (int i = 0; i < 3; i++) dup2(launch->standard[i], i);
    fog_close_from(AGENT_SOCKET);
    return task_main(argument);
}

pid_t fog_launch_plain(const struct fog_launch *launch, int *pidfd) {
    fog_report_init(&report, FOG_REPORT_ENDED, launch->sequence);
    *pidfd = -1;
    pid_t pid = clone(plain_main, task_stack + sizeof task_stack,
                      CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, (void *)launch, pidfd);
    if (pid > 0 && report.error) {
        // The failure is known; the status of the child is of no interest then.
        if (fog_send(launch->socket, &report, sizeof report, NULL, 0) < 0) _exit(125);
    }
    return pid;
}
