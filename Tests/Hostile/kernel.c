// The kernel's own doors: system calls that a batch program has no use for.
#define _GNU_SOURCE
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/io.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

// The kernel judged what was asked, which is more than a refusal of the call as such.
static int reached(long result) {
    if (result < 0 && errno == ENOSYS) return SKIP;
    return result >= 0 || (errno != EPERM && errno != EACCES);
}
static int made(long result) { return result < 0 && errno == ENOSYS ? SKIP : result >= 0; }

static int io_uring(const struct host *host) {
    (void)host;
    char parameters[256] = {0};
    return made(syscall(425, 8, parameters));
}
static int userfault(const struct host *host) {
    (void)host;
    return made(syscall(SYS_userfaultfd, 1 /* UFFD_USER_MODE_ONLY */));
}
static int bpf_map(const struct host *host) {
    (void)host;
    union bpf_attr attributes = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
    return made(syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes));
}
static int perf(const struct host *host) {
    (void)host;
    struct perf_event_attr attributes = {
        .type = PERF_TYPE_SOFTWARE, .size = sizeof attributes, .config = PERF_COUNT_SW_CPU_CLOCK, .exclude_kernel = 1};
    return made(syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0));
}
static int keyring_join(const struct host *host) {
    (void)host;
    return made(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, "probe"));
}
static int key_add(const struct host *host) {
    (void)host;
    return made(syscall(SYS_add_key, "user", "probe", "x", 1, KEY_SPEC_PROCESS_KEYRING));
}
static int key_request(const struct host *host) {
    (void)host;
    syscall(SYS_request_key, "user", "no-such-key", NULL, KEY_SPEC_PROCESS_KEYRING);
    return errno == ENOKEY;
}
static int traced(const struct host *host) {
    (void)host;
    pid_t child = fork();
    if (child == 0) {
        long result = ptrace(PTRACE_TRACEME, 0, 0, 0);
        if (result) _exit(errno);
        raise(SIGSTOP);
        _exit(0);
    }
    int status;
    waitpid(child, &status, WUNTRACED);
    if (WIFSTOPPED(status)) return kill(child, SIGKILL), 1;
    errno = WEXITSTATUS(status);
    return 0;
}
static int memory_of_child(const struct host *host) {
    (void)host;
    static char secret[8] = "before", copy[8];
    int pair[2];
    if (pipe(pair)) return SKIP;
    pid_t child = fork();
    if (child == 0) {
        strcpy(secret, "inside");
        if (write(pair[1], "x", 1) != 1) _exit(1);
        pause();
    }
    char byte;
    if (read(pair[0], &byte, 1) != 1) return SKIP;
    struct iovec here = {copy, sizeof copy}, there = {secret, sizeof secret};
    long length = process_vm_readv(child, &here, 1, &there, 1, 0);
    int saved = errno;
    kill(child, SIGKILL);
    errno = saved;
    return length == sizeof copy && !strcmp(copy, "inside");
}
static int descriptor_of_child(const struct host *host) {
    (void)host;
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
    long taken = syscall(438 /* pidfd_getfd */, pidfd, 0, 0);
    int saved = errno;
    kill(child, SIGKILL);
    errno = saved;
    return taken >= 0;
}
static int compare_kernel(const struct host *host) {
    (void)host;
    return made(syscall(SYS_kcmp, getpid(), getpid(), 1, 0, 0));
}
static int clock_set(const struct host *host) {
    (void)host;
    struct timex same = {.modes = 0};
    if (adjtimex(&same) < 0) return 0;
    same.modes = ADJ_TICK;
    return adjtimex(&same) >= 0;
}
static int host_name(const struct host *host) {
    (void)host;
    char name[128];
    gethostname(name, sizeof name);
    return sethostname(name, strlen(name)) == 0;
}
static int domain_name(const struct host *host) {
    (void)host;
    char name[128];
    if (getdomainname(name, sizeof name)) return SKIP;
    return setdomainname(name, strlen(name)) == 0;
}
static int module_load(const struct host *host) {
    (void)host;
    return reached(syscall(SYS_init_module, "nothing", 7, ""));
}
static int module_load_file(const struct host *host) {
    (void)host;
    return reached(syscall(SYS_finit_module, -1, "", 0));
}
static int module_remove(const struct host *host) {
    (void)host;
    return reached(syscall(SYS_delete_module, "no_such_module", O_NONBLOCK));
}
static int kexec(const struct host *host) {
    (void)host;
    return reached(syscall(SYS_kexec_load, 0, 1000, NULL, 0));
}
// With a wrong magic number: a kernel that gets as far as to look at it answers EINVAL.
static int restart(const struct host *host) {
    (void)host;
    return reached(syscall(SYS_reboot, 0, 0, 0, NULL));
}
static int swap_on(const struct host *host) {
    (void)host;
    return reached(syscall(SYS_swapon, "/no/such/file", 0));
}
static int accounting(const struct host *host) {
    (void)host;
    return reached(syscall(SYS_acct, "/no/such/file"));
}
static int quota(const struct host *host) {
    (void)host;
    return reached(syscall(SYS_quotactl, 0x80000200 /* Q_SYNC */, NULL, 0, NULL));
}
static int ports(const struct host *host) {
    (void)host;
#ifdef __x86_64__
    return made(ioperm(0x80, 1, 1));
#else
    return SKIP;
#endif
}
static int kernel_log(const struct host *host) {
    (void)host;
    char text[64];
    return klogctl(3 /* SYSLOG_ACTION_READ_ALL */, text, sizeof text) >= 0;
}
static int hang_up(const struct host *host) {
    (void)host;
    return syscall(SYS_vhangup) == 0;
}
static int watch_all_files(const struct host *host) {
    (void)host;
    return fanotify_init(FAN_CLASS_NOTIF, O_RDONLY) >= 0;
}
static int executable_data(const struct host *host) {
    (void)host;
    return personality(READ_IMPLIES_EXEC) != -1;
}
static int segments(const struct host *host) {
    (void)host;
#ifdef __x86_64__
    char entries[64];
    return made(syscall(SYS_modify_ldt, 0, entries, sizeof entries));
#else
    return SKIP;
#endif
}
static int asynchronous_slots(const struct host *host) {
    (void)host;
    unsigned long context = 0;
    return made(syscall(SYS_io_setup, 64, &context));
}
static int real_time(const struct host *host) {
    (void)host;
    struct sched_param parameters = {.sched_priority = 1};
    return sched_setscheduler(0, SCHED_FIFO, &parameters) == 0;
}
static int first_in_line(const struct host *host) {
    (void)host;
    return setpriority(PRIO_PROCESS, 0, -5) == 0;
}
static int move_pages_of(const struct host *host) {
    (void)host;
    unsigned long nodes = 1;
    return made(syscall(SYS_migrate_pages, getpid(), 64, &nodes, &nodes));
}
// A call of 32-bit x86 has numbers of its own: 20 is getpid there, writev here.
static int foreign_calls(const struct host *host) {
    (void)host;
#ifdef __x86_64__
    long result = 20;
    __asm__ volatile("int $0x80" : "+a"(result) : : "memory");
    return result == getpid();
#else
    return SKIP;
#endif
}
static int foreign_mount(const struct host *host) {
    (void)host;
#ifdef __x86_64__
    long result = 21, source = 0, target = 0, kind = 0;  // mount(NULL, NULL, NULL, 0, NULL)
    __asm__ volatile("int $0x80" : "+a"(result) : "b"(source), "c"(target), "d"(kind), "S"(0), "D"(0) : "memory");
    errno = (int)-result;
    return result == -EFAULT || result == -EINVAL;
#else
    return SKIP;
#endif
}
static int x32_calls(const struct host *host) {
    (void)host;
#ifdef __x86_64__
    long result = syscall(0x40000000 | SYS_getpid);
    return result < 0 && errno == ENOSYS ? SKIP : result == getpid();
#else
    return SKIP;
#endif
}
static int keep_cores(const struct host *host) {
    (void)host;
    struct rlimit wanted = {1 << 20, 1 << 20};
    if (setrlimit(RLIMIT_CORE, &wanted)) return 0;
    struct rlimit found;
    getrlimit(RLIMIT_CORE, &found);
    return found.rlim_cur == 1 << 20;
}
// 0 lets a core dump go into a pipe of the host's root; see core(5).
static int cores_into_pipes(const struct host *host) {
    (void)host;
    struct rlimit none = {0, 0}, found;
    setrlimit(RLIMIT_CORE, &none);
    getrlimit(RLIMIT_CORE, &found);
    return found.rlim_cur != 1;
}
static int more_files(const struct host *host) {
    (void)host;
    struct rlimit now;
    getrlimit(RLIMIT_NOFILE, &now);
    now.rlim_cur = now.rlim_max = now.rlim_max + 1;
    return setrlimit(RLIMIT_NOFILE, &now) == 0;
}
static int huge_pages(const struct host *host) {
    (void)host;
    void *memory = mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
    // Without a pool the kernel says that there is none, which is its own answer and not a refusal.
    return memory != MAP_FAILED || errno == ENOMEM;
}

const struct attempt kernel_attempts[] = {
    {"io_uring", io_uring, 'u'},
    {"userfaultfd", userfault, 'u'},
    {"bpf", bpf_map, 'r'},
    {"perf_event_open", perf, 'r'},
    {"keyctl", keyring_join, 'u'},
    {"add_key", key_add, 'u'},
    {"request_key", key_request, 'u'},
    {"ptrace", traced, 'u'},
    {"process_vm_readv", memory_of_child, 'u'},
    {"pidfd_getfd", descriptor_of_child, 'u'},
    {"kcmp", compare_kernel, 'u'},
    {"set the clock", clock_set, 'r'},
    {"set the host name", host_name, 'r'},
    {"set the domain name", domain_name, 'r'},
    {"init_module", module_load, 'r'},
    {"finit_module", module_load_file, 'r'},
    {"delete_module", module_remove, 'r'},
    {"kexec_load", kexec, 'r'},
    {"reboot", restart, 'r'},
    {"swapon", swap_on, 'r'},
    {"acct", accounting, 'r'},
    {"quotactl", quota, 'r'},
    {"ioperm", ports, 'r'},
    {"syslog", kernel_log, 'r'},
    {"vhangup", hang_up, 'r'},
    {"fanotify_init", watch_all_files, 'r'},
    {"personality", executable_data, 'u'},
    {"modify_ldt", segments, 'u'},
    {"io_setup", asynchronous_slots, 'u'},
    {"real-time priority", real_time, 'r'},
    {"a better nice value", first_in_line, 'r'},
    {"migrate_pages", move_pages_of, 'u'},
    {"32-bit calls", foreign_calls, 'u'},
    {"32-bit mount", foreign_mount, 'r'},
    {"x32 calls", x32_calls, 'u'},
    {"a larger core limit", keep_cores, 'u'},
    {"core dumps into pipes", cores_into_pipes, 'u'},
    {"more open files", more_files, 'r'},
    {"huge pages", huge_pages, 'u'},
    {0},
};
