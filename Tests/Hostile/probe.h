// Attempts on a sandbox, one a function. Each is made so that it reaches its aim where nothing holds it back.
#pragma once

// 1: the aim was reached. 0: refused, with errno where there is one. SKIP: this kernel or machine does not have it, so
// nothing is proved either way.
#define SKIP 77

// What there is outside to be reached.
struct host {
    const char *secret, *content;  // a file, and what it holds
    const char *process;           // a process of the host; in a sandbox its own process 1
    int signalled;                 // a process of the host, by its number there
    int port;                      // on its loopback, where somebody listens
    const char *abstract, *named;  // sockets where somebody listens
    const char *mark;              // what stands, doubled, in a command line and in environments of the host
    const char *program;           // set-user-ID, of root's
};

struct attempt {
    const char *name;
    int (*run)(const struct host *host);
    // What it needs outside to reach its aim: 'r' = root, 'u' = any user.
    char needs;
};

extern const struct attempt kernel_attempts[], file_attempts[], socket_attempts[], process_attempts[];
