import CSeccomp

/// What a launcher and the init of a sandbox call between the moment the launcher is in its root and the moment a task's
/// program begins, and what init calls while it waits (sandbox.c, template.c, and what the C library makes of it).
///
/// A call that is missing here is refused to them by profiles that refuse it to tasks: no task starts then. None is a
/// hole: tasks have the profile's own rules for each of these.
enum SetupCalls {
    private static let names = [
        // The launcher's loop, and the C library's and Swift's memory and locks.
        "poll", "ppoll", "recvmsg", "sendmsg", "socketpair", "setsockopt", "clone3", "clone", "wait4", "kill", "read",
        "mmap", "munmap", "mremap", "brk", "mprotect", "madvise", "futex", "getpid", "gettid", "getrandom", "setns",
        "open_tree", "mount_setattr", "rt_sigreturn", "rt_sigaction", "restart_syscall", "exit", "exit_group", "fstat",
        "newfstatat", "getuid", "geteuid", "getgid", "getegid", "tgkill",
        // The way out of a task whose profile has one.
        "socket", "bind", "listen", "getsockname",
        // A sandbox without its task, and with it.
        "open", "openat", "write", "close", "mount", "move_mount", "mkdir", "mkdirat", "symlink", "symlinkat", "prctl",
        "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "chdir", "setpriority",
        "sched_setaffinity", "getrlimit", "setrlimit", "prlimit64", "dup2", "dup3", "fcntl", "close_range", "capset",
        // Init, and the task until its program begins.
        "rt_sigprocmask", "rt_sigtimedwait", "getrusage", "clock_gettime", "setsid", "sched_setscheduler", "ioprio_set",
        "seccomp", "execve",
    ]

    /// Those that this architecture has.
    static let numbers: Set<UInt32> = Set(
        names.map { seccomp_syscall_resolve_name($0) }.filter { $0 >= 0 }.map { UInt32($0) })
}
